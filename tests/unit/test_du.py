"""The command du on built roots: it adds up, every folder has its owner, and what it says of garbage is what a plan takes."""

import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from test_cli_kit import LIVE, STOPPED, Ended, on, run

from docker_fsck import reports
from docker_fsck.errors import REFUSED, USAGE
from docker_fsck.reports import document, duschema
from docker_fsck.space.values import Kind
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.refusals import refusing
from docker_fsck.testing.tree import changes, snapshot_with_atimes
from docker_fsck.testing.whole import Whole, whole

DRIVERS = ("overlay2", "vfs", "aufs")
SCHEMA: dict[str, Any] = json.loads(Path(reports.__file__).with_name("du.schema.json").read_text())


def gnu(*paths: Path) -> int:
    done = subprocess.run(["du", "-x", "-c", "--block-size=1", "-s", *paths], check=True, capture_output=True, text=True)
    return int(done.stdout.splitlines()[-1].split()[0])


def asked(root: DataRoot, *argv: str, **edge: Any) -> Any:
    done = run(*on(root, "du", "--format", "json", *argv), **edge)
    assert (0, "") == (done.status, done.err)
    return done.report


def kinds(found: Any) -> dict[str, int]:
    return {each["kind"]: each["bytes"] for each in found["kinds"]}


def of(found: Any, kind: str) -> dict[str, int]:
    return {each["path"]: each["bytes"] for each in found["owners"] if each["kind"] == kind}


def littered(path: Path, driver: str) -> DataRoot:
    root = whole(path / "docker", driver).root
    root.orphan_dir()
    root.orphan_mount()
    root.unreferenced_layers(3)
    root.removing()
    root.layer_tmp()
    return root


@pytest.fixture(params=DRIVERS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Whole:
    return whole(tmp_path / "docker", request.param)


def test_kinds_and_owners_add_up_to_what_du_says(store: Whole) -> None:
    found = asked(store.root)
    sums = [sum(each["bytes"] for each in found[table]) for table in ("kinds", "owners")]
    inodes = [sum(each["inodes"] for each in found[table]) for table in ("kinds", "owners")]
    assert [gnu(store.root.path)] * 3 == [found["total"], *sums]
    assert [1 + sum(1 for _ in store.root.path.rglob("*"))] * 3 == [found["inodes"], *inodes]


def test_the_answer_is_valid_and_the_same_bytes_whoever_counts(store: Whole) -> None:
    told = [run(*on(store.root, "du", "--format", "json", "--jobs", jobs)).out for jobs in ("1", "2", "5", "1")]
    assert [told[0]] * 4 == told
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(told[0]))


def test_the_committed_schema_is_the_one_of_the_values() -> None:
    assert json.loads(document.pretty(duschema.schema())) == SCHEMA


def test_a_layer_of_one_image_is_its_own_one_of_several_is_shared(store: Whole) -> None:
    found = asked(store.root)
    images = {each["id"]: each for each in found["images"]}
    root, app, base = store.root, images[store.app], images[store.base]
    size = {chain: gnu(*_dirs(root, root.dir_of(chain))) for chain in root.layers}
    assert sum(size[chain] for chain in root.chains_of(store.app)) == app["total"] == app["unique"] + app["shared"]
    assert (0, sum(size[chain] for chain in root.chains_of(store.base))) == (base["unique"], base["shared"])
    assert size[root.chains_of(store.web)[-1]] == images[store.web]["unique"]
    assert ["web:1"] == images[store.web]["names"]


def test_the_steps_of_a_build_belong_to_the_image_that_was_built(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "docker")
    step = root.image(None, 1)
    image = root.image("built:1", 1, base=root.image(None, 1, base=step))
    (built,) = asked(root)["images"]
    layers = [path for chain in root.chains_of(image) for path in _dirs(root, root.dir_of(chain))]
    assert (image, gnu(*layers), 0) == (built["id"], built["unique"], built["shared"])


def _dirs(root: DataRoot, ident: str) -> list[Path]:
    """What a driver keeps of an id."""
    if root.driver == "overlay2":
        return [root.driver_dir(ident), root.short_link(ident)]
    if root.driver == "aufs":
        return [root.path / "aufs" / name / ident for name in ("diff", "layers", "mnt")]
    return [root.driver_dir(ident)]


def test_a_container_has_its_layers_its_logs_and_its_volumes(store: Whole) -> None:
    root, one = store.root, store.ran
    folder = root.container_dir(one)
    before = gnu(folder)
    logs = [folder / f"{one}-json.log.1", folder / "container-cached.log", folder / "local-logs"]
    logs[0].write_bytes(b"x" * 10_000)
    logs[1].write_bytes(b"x" * 20_000)
    logs[2].mkdir()
    (logs[2] / "container.log").write_bytes(b"x" * 30_000)
    found = asked(root)
    ran = next(each for each in found["containers"] if each["id"] == one)
    log = gnu(*logs, folder / f"{one}-json.log")
    writable = gnu(*_dirs(root, root.mount_id(one)), *_dirs(root, root.init_id(one)))
    assert ("ran", [store.data], writable, log) == (ran["name"], ran["volumes"], ran["writable"], ran["logs"])
    assert before + gnu(*logs) == ran["folder"] + ran["logs"]
    assert log <= kinds(found)["logs"]
    volume = next(each for each in found["volumes"] if each["name"] == store.data)
    assert (gnu(root.volume_dir(store.data)), ["ran"]) == (volume["bytes"], volume["containers"])


def test_layers_that_only_a_container_keeps_are_the_containers(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "docker")
    image = root.image("gone:1", 2)
    one = root.container(image, "left")
    layers = [path for chain in root.chains_of(image) for path in _dirs(root, root.dir_of(chain))]
    for path in (root.image_file(image), root.image_metadata(image)):
        root.delete(path)
    root.write(root.tags, b'{"Repositories":{}}')
    found = asked(root)
    (left,) = found["containers"]
    assert (one, gnu(*layers), []) == (left["id"], left["layers"], found["images"])
    assert {"images", "shared", "garbage"} & kinds(found).keys() == set()


def test_build_cache_is_what_only_buildkit_names(store: Whole) -> None:
    found = asked(store.root)
    dirs = {store.rel(store.root.path / path) for path in of(found, "build-cache")}
    own = {ident for ident in _ids(store.root) if len(ident) == 25} - {store.dir_of(store.built)}
    content = {path.rpartition("/")[2] for path in dirs}
    assert (True, True) == ("buildkit" in content, own <= content)


def _ids(root: DataRoot) -> list[str]:
    home = {"overlay2": "overlay2", "vfs": "vfs/dir", "aufs": "aufs/diff"}[root.driver]
    return os.listdir(root.path / home)


@pytest.mark.parametrize("driver", DRIVERS)
def test_garbage_is_what_a_plan_takes_and_then_quarantine(tmp_path: Path, driver: str) -> None:
    root = littered(tmp_path, driver)
    before = asked(root)
    plan = run(*on(root, "plan", "--class", "reclaim", "--format", "json")).report
    taken = plan["summary"]["reclaimable_bytes"]
    assert (taken, 0, 0) == (before["frees"]["plan"], before["frees"]["held"], before["frees"]["purge"])
    assert kinds(before)["garbage"] == taken > 0
    assert run(*on(root, "apply", "--class", "reclaim", "--yes")).status in {0, 1}
    after = asked(root)
    assert ("garbage" in kinds(after), gnu(root.path / ".docker-fsck")) == (False, kinds(after)["quarantine"])
    assert taken <= after["frees"]["purge"] == kinds(after)["quarantine"]
    assert gnu(root.path) == after["total"]


@pytest.mark.parametrize("driver", DRIVERS)
def test_garbage_that_no_plan_takes_is_held_with_the_reason(tmp_path: Path, driver: str) -> None:
    root = littered(tmp_path, driver)
    done = run("du", "--format", "json", "--root", str(root.path), "--grace", "52w")
    frees = done.report["frees"]
    assert (0, True, ["changed within the grace period of 8736 h"]) == (frees["plan"], frees["held"] > 0, frees["why"])
    assert run("du", "--root", str(root.path), "--grace", "52w").out.count("stays for now") == 1


def test_the_tree_of_a_driver_that_is_not_used_any_more_is_inactive_not_garbage(tmp_path: Path) -> None:
    old = DataRoot(tmp_path / "docker", "vfs")
    old.container(old.image("old:1"), "old")
    new = DataRoot(tmp_path / "docker", "overlay2")
    new.container(new.image("new:1"), "new")
    new.age(new.tags, 0)
    for path in tmp_path.rglob("*"):
        if "overlay2" not in str(path):
            os.utime(path, (1, 1), follow_symlinks=False)
    found = asked(new)
    trees = [new.path / "vfs", new.path / "image/vfs"]
    assert ("overlay2", gnu(*trees)) == (found["active"], kinds(found)["inactive"])
    assert "garbage" not in kinds(found)
    assert {"old:1": "vfs", "new:1": "overlay2"} == {each["names"][0]: each["driver"] for each in found["images"]}


def test_everything_else_has_its_kind(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "docker")
    root.image("app:1")
    plugin = "a" * 64
    places = {
        f"plugins/{plugin}/rootfs": "plugins", "tmp/GetImageBlob1": "temp", "tmp-old/x": "garbage", "containerd/daemon": "containerd",
        "100000.100000/image": "nested", "docker.bak/overlay2": "other", "network/files": "metadata", "builder": "build-cache",
        "graph/x": "inactive", "rootfs/overlayfs": "containerd", "gen-runtimes1": "garbage", "btrfs/subvolumes": "inactive",
    }  # fmt: skip
    before = kinds(asked(root))
    for place in places:
        (root.path / place).mkdir(parents=True, exist_ok=True)
        (root.path / place / "file").write_bytes(b"x" * 100_000)
    found = kinds(asked(root))
    grown = {kind: size - before.get(kind, 0) for kind, size in found.items() if size - before.get(kind, 0) > 90_000}
    assert set(places.values()) == grown.keys()
    assert {kind: size // 100_000 for kind, size in grown.items()} == Counter(places.values())


def test_a_root_of_a_store_that_is_not_judged_is_counted_and_says_so(tmp_path: Path) -> None:
    top = tmp_path / "docker"
    (top / "image").mkdir(parents=True)
    (top / "image/identity-cache.db").write_bytes(b"")
    (top / "containerd/daemon").mkdir(parents=True)
    (top / "containerd/daemon/blob").write_bytes(b"x" * 100_000)
    done = run("du", "--root", str(top), "--format", "json")
    assert (0, gnu(top), ["containerd"]) == (done.status, done.report["total"], done.report["layouts"])
    told = run("du", "--root", str(top)).out
    assert ("Not searched for garbage" in told, "everything here is referred to" in told) == (True, False)


def test_a_folder_that_is_no_data_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / "something").mkdir()
    done = run("du", "--root", str(tmp_path))
    assert (REFUSED, "", True) == (done.status, done.out, "not a Docker data root" in done.err)


def test_a_folder_that_cannot_be_read_is_named_and_makes_it_incomplete(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "docker")
    name = root.volume("data", {"deep/file": b"x" * 50_000})
    with refusing(root.volume_dir(name) / "_data/deep", 13):
        done = run(*on(root, "du", "--format", "json", "--jobs", "1"))
        told, brief = (run(*on(root, "du", "--jobs", "1", *quiet)) for quiet in ((), ("-q",)))
    path = f"volumes/{name}/_data/deep"
    unread = [{"path": path, "why": "permission denied"}]
    assert (8, 8, unread) == (done.status, done.report["exit"], done.report["unread"])
    assert [True, True] == [f"  {path}: permission denied\n" in each.out for each in (told, brief)]


def test_a_rule_that_fails_is_named_and_makes_it_incomplete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = littered(tmp_path, "overlay2")
    monkeypatch.setattr("docker_fsck.engine._consume", lambda rule, _model, _book: f"no {rule.name}")
    done = run(*on(root, "du", "--format", "json"))
    assert (8, 8, True) == (done.status, done.report["exit"], "rule driver-orphan: no driver-orphan" in done.report["failed"])
    assert "Failed, so that not all garbage is known:\n  rule " in run(*on(root, "du")).out
    assert gnu(root.path) == done.report["total"]


def test_names_that_are_no_text_stand_with_their_bytes_and_cannot_write_on_the_terminal(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "docker")
    os.makedirs(os.fsencode(root.path) + b"/volumes/\xff\x1b[2J/_data")
    (volume,) = asked(root)["volumes"]
    assert ("volumes/\\xff\x1b[2J", "dm9sdW1lcy//G1sySg==") == (volume["path"], volume["path_b64"])
    told = run(*on(root, "du", "--by", "container", "-v")).out
    assert (True, False) == (r"\xff\x1b[2J" in told, "\x1b" in told)


@pytest.mark.parametrize("by", ["kind", "image", "container"])
def test_the_text_is_aligned_and_names_the_next_command(store: Whole, by: str) -> None:
    told = run(*on(store.root, "du", "--by", by)).out
    others = {"kind", "image", "container"} - {by}
    assert any(f"docker-fsck du --by {other} --root {store.root.path}" in told for other in others)
    assert all(line == line.rstrip() for line in told.splitlines())


def test_sizes_are_for_people_and_v_adds_the_bytes(store: Whole) -> None:
    plain, exact = (run(*on(store.root, "du", *more)).out for more in ((), ("-v",)))
    size = max(kinds(asked(store.root)).values())
    assert [False, True] == [f"  {size}  " in told for told in (plain, exact)]
    assert f"= {gnu(store.root.path) / 1e6:.1f} MB" in plain


def test_quiet_is_one_line(store: Whole) -> None:
    assert 1 == run(*on(store.root, "du", "-q")).out.count("\n")


@pytest.mark.parametrize("argv", [("--by", "owner"), ("--format", "jsonl")])
def test_a_wrong_word_is_a_usage_error(tmp_path: Path, argv: tuple[str, ...]) -> None:
    done = run("du", "--root", str(tmp_path), *argv)
    assert (USAGE, "", 1) == (done.status, done.out, done.err.count("\n"))


def test_beside_an_engine_it_says_so_and_looks_once(store: Whole) -> None:
    def never(_seconds: float) -> None:
        raise AssertionError("du waited")

    done = run(*on(store.root, "du"), look=lambda _root: LIVE, sleep=never)
    assert (0, True) == (done.status, "An engine uses this root" in done.out)


def test_nothing_is_changed(store: Whole) -> None:
    before = snapshot_with_atimes(store.root.path)
    asked(store.root, "--jobs", "2")
    assert {} == changes(before, snapshot_with_atimes(store.root.path))


def test_every_kind_has_its_words() -> None:
    from docker_fsck.reports.dutext import MEANING

    assert set(Kind) == set(MEANING)


def test_the_walk_through_a_removed_root_ends(tmp_path: Path) -> None:
    root = whole(tmp_path / "docker", "overlay2").root
    done = run(*on(root, "du"), look=lambda _root: shutil.rmtree(root.path / "volumes") or STOPPED)
    assert (0, True) == (done.status, isinstance(done, Ended))
