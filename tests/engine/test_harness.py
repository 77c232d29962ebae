"""The harness itself: engines start, stop and die without a trace, and the populated root holds what it promises."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dockerd import Engine, EngineError, family, mounts_below
from population import NAMED_VOLUME, Populated

LAYERS = [{"etc/one": b"1\n"}, {"srv/two": b"2\n"}, {"srv/three": b"3\n"}]
MAKE_ROOT = Path(__file__).parents[2] / "benchmarks" / "make_root.py"


def traces(engine: Engine) -> tuple[set[int], dict[int, Path]]:
    """The processes and mounts that an engine has."""
    return family(f"{engine.runtime}/"), mounts_below(engine.root, engine.runtime)


def test_a_fresh_engine_has_nothing(engine: Engine) -> None:
    assert ([], {}, set()) == (engine.images(), engine.ps(), engine.volumes())
    assert engine.driver == engine.docker("info", "-f", "{{.Driver}}").stdout.strip()


def test_an_image_is_saved_with_its_own_digests(engine: Engine) -> None:
    image = engine.import_image("app:1", LAYERS)
    diff_ids = json.loads(engine.docker("image", "inspect", "-f", "{{json .RootFS.Layers}}", "app:1").stdout)
    assert len(LAYERS) == len(diff_ids)
    assert [image, *diff_ids] == engine.save_digests("app:1")
    assert [("app:1", image)] == engine.images()


def test_digests_stay_the_same_over_a_restart(engine: Engine) -> None:
    engine.import_image("app:1", LAYERS)
    before = engine.save_digests("app:1")
    engine.stop()
    engine.start()
    assert before == engine.save_digests("app:1")


def test_a_container_runs_and_shows_its_change(engine: Engine) -> None:
    engine.import_image("app:1", LAYERS[:1])
    engine.run("worker", "app:1", "sh", "-c", "echo new > /made")
    assert {"worker": "exited"} == engine.ps()
    assert ["A /made"] == engine.docker("diff", "worker").stdout.splitlines()


def test_stop_leaves_no_process_and_no_mount(engine: Engine) -> None:
    assert family(f"{engine.runtime}/")
    engine.stop()
    assert (set(), {}) == traces(engine)


def test_kill_leaves_no_process_and_no_mount(engine: Engine) -> None:
    engine.import_image("app:1", LAYERS[:1])
    engine.run_detached("sleeper", "app:1", "sleep", "600")
    processes, mounts = traces(engine)
    names = {Path(f"/proc/{pid}/comm").read_text("utf-8").strip() for pid in processes}
    assert {"dockerd", "containerd", "containerd-shim", "sleep"} <= names
    assert mounts
    engine.kill()
    assert (set(), {}) == traces(engine)


def test_a_killed_engine_starts_again_on_its_root(engine: Engine) -> None:
    engine.import_image("app:1", LAYERS[:1])
    engine.run_detached("sleeper", "app:1", "sleep", "600")
    engine.kill()
    engine.start()
    assert {"sleeper": "exited"} == engine.ps()


def test_a_command_that_fails_is_an_error_with_its_words(engine: Engine) -> None:
    with pytest.raises(EngineError, match="No such image: missing:1"):
        engine.docker("rmi", "missing:1")
    assert engine.docker("rmi", "missing:1", check=False).returncode == 1


def test_the_populated_root_holds_what_it_promises(populated: Populated) -> None:
    engine = populated.engine
    engine.start()
    tagged = [(tag, digests[0]) for tag, digests in populated.images.items()]
    assert sorted([*tagged, ("<none>:<none>", populated.dangling)]) == engine.images()
    assert {"exited": "exited", "created": "created"} == engine.ps()
    assert {NAMED_VOLUME, populated.anonymous} == engine.volumes()
    assert ["C /etc", "C /etc/motd"] == [line for line in engine.docker("diff", "exited").stdout.splitlines() if "/etc" in line]
    assert populated.images == {tag: engine.save_digests(tag) for tag in populated.images}
    first, second, lone = (populated.images[tag][1:] for tag in ("shop:1", "shop:2", "lone:1"))
    assert (4, 3, 3) == (len(first), len(second), len(lone))
    assert first[:2] == second[:2]
    assert set() == set(lone) & {*first, *second}
    engine.stop()


def test_the_volumes_of_the_populated_root_hold_data(populated: Populated) -> None:
    data = [
        (populated.root / "volumes" / name / "_data" / "file").read_text("utf-8") for name in (NAMED_VOLUME, populated.anonymous)
    ]
    assert ["data\n", "more\n"] == data


def test_the_containers_of_the_populated_root_start_again(populated: Populated) -> None:
    populated.engine.start()
    populated.engine.docker("start", "-a", "exited")
    populated.engine.docker("start", "-a", "created")
    assert {"exited": "exited", "created": "exited"} == populated.engine.ps()


@pytest.mark.parametrize("turn", ["first", "second"])
def test_each_test_damages_only_its_own_copy(populated: Populated, driver: str, turn: str) -> None:
    tags = populated.root / "image" / driver / "repositories.json"
    assert "shop" in tags.read_text("utf-8"), turn
    tags.write_bytes(b"")
    assert "Couldn't create reference store repository: EOF" in populated.engine.start_fails()
    assert (set(), {}) == traces(populated.engine)
    with pytest.raises(EngineError, match="reference store repository: EOF"):
        populated.engine.start()


def test_an_engine_that_starts_is_no_failed_start(populated: Populated) -> None:
    with pytest.raises(EngineError, match="should have failed"):
        populated.engine.start_fails()
    assert (set(), {}) == traces(populated.engine)


def test_a_mount_that_was_there_before_the_engine_stays(workplace: Path) -> None:
    root = workplace / "root"
    root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", root], check=True)
    try:
        with Engine(workplace, "vfs") as engine:
            engine.start()
            engine.kill()
        assert [root] == list(mounts_below(root).values())
    finally:
        subprocess.run(["umount", root], check=True)


def test_an_engine_loads_and_saves_what_make_root_writes(workplace: Path) -> None:
    sizes = ["--images", "4", "--depth", "5", "--containers", "3", "--orphans", "2", "--shared", "2"]
    done = subprocess.run([sys.executable, MAKE_ROOT, workplace / "root", *sizes], capture_output=True, check=True)
    assert {"layers": 16, "images": 4, "containers": 3, "orphans": 2} == json.loads(done.stdout)
    with Engine(workplace) as engine:
        engine.start()
        assert {"bench0": "exited", "bench1": "created", "bench2": "exited"} == engine.ps()
        assert {"vol0"} == engine.volumes()
        assert ["A /written"] == engine.docker("diff", "bench0").stdout.splitlines()
        references = [f"bench/app0:{number}" for number in range(4)]
        assert references == [reference for reference, _ in engine.images()]
        for reference, image in engine.images():
            diff_ids = json.loads(engine.docker("image", "inspect", "-f", "{{json .RootFS.Layers}}", reference).stdout)
            assert len(diff_ids) == 5
            assert [image, *diff_ids] == engine.save_digests(reference)
