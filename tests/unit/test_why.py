"""Why a thing is kept, or since when it is dead: every kind of thing, on every driver, in agreement with the marks."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import jsonschema
import msgspec
import pytest
from msgspec import structs
from test_cli_kit import LIVE, Stream, on, run
from test_promise_readonly import hostile
from whykit import READ, Told, asked, known, naming, said

from docker_fsck import reports
from docker_fsck.cli.terminal import Terminal
from docker_fsck.host import HostView
from docker_fsck.protocols import Node, References
from docker_fsck.reasons.told import Why
from docker_fsck.reasons.why import why
from docker_fsck.reports import document, whytext
from docker_fsck.reports.lines import unfolded
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.reasons import contradictions
from docker_fsck.testing.tree import snapshot_with_atimes
from docker_fsck.testing.whole import Whole, whole
from docker_fsck.values import Ref, Report

DRIVERS, UNION = ("overlay2", "vfs", "aufs"), ("overlay2", "aufs")
SCHEMA = Path(reports.__file__).with_name("why.schema.json")


@pytest.fixture(params=DRIVERS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Whole:
    """The healthy store of each driver."""
    return whole(tmp_path / "root", request.param)


@pytest.fixture
def overlay(tmp_path: Path) -> Whole:
    """The healthy store of overlay2."""
    return whole(tmp_path / "root", "overlay2")


def ids(told: Told, of: str) -> list[tuple[str, str]]:
    return [(each["kind"], each["id"]) for each in told[of]]


# Agreement with the marks


def mess(store: Whole) -> None:
    """What crashes leave: orphans of every kind beside the healthy store."""
    root = store.root
    root.orphan_dir()
    root.orphan_dir(parent=root.chains_of(store.app)[-1])
    root.orphan_pair(store.app)
    root.orphan_mount(store.web)
    root.unreferenced_layers(3, root.chains_of(store.base)[-1])
    root.removing()
    root.layer_tmp()


def needy(store: Whole) -> None:
    """A container lacks its mount record, so that pairs and orphan records may be its own."""
    mess(store)
    store.root.delete(store.root.mount_record(store.ran))


def forgotten(store: Whole) -> None:
    """The image of a container was removed by force."""
    store.root.delete(store.root.image_file(store.web))


def misnamed(store: Whole) -> None:
    """A layer record stands under a name that is not its chain id."""
    root = store.root
    root.move(root.record(root.unreferenced_layers(1)[0]), f"image/{root.driver}/layerdb/sha256/{'5' * 64}")


def lost(store: Whole) -> None:
    """A folder of a layer in the middle is gone."""
    store.root.delete(store.root.driver_dir(store.dir_of(store.base)))


def untold(store: Whole) -> None:
    """The configuration of a container cannot be read."""
    store.root.cut(store.root.container_dir(store.ran) / "config.v2.json")


@pytest.mark.parametrize(
    "damage", [lambda _: None, mess, needy, forgotten, misnamed, lost, untold], ids=lambda each: each.__name__
)
def test_what_is_kept_has_a_way_to_a_root_and_what_is_dead_has_none(store: Whole, damage: Callable[[Whole], object]) -> None:
    damage(store)
    with known(store.root.path) as question:
        assert [] == contradictions(question)


def test_what_a_process_has_mounted_has_a_way_to_a_root(store: Whole) -> None:
    orphan = store.root.orphan_dir()
    held = str(store.root.content(orphan).relative_to(store.root.path))
    with known(store.root.path, HostView(state="stopped", why="", held=frozenset({held}))) as question:
        assert [] == contradictions(question)


# Containers


def test_a_container_is_told_with_record_folders_image_and_tag(store: Whole) -> None:
    told, root = asked(store.root, "ran"), store.root
    top = root.chains_of(store.app)[-1]
    assert ("container", store.ran, "ran", "kept", True) == (told["kind"], told["id"], told["name"], told["state"], told["shown"])
    assert [
        ("mount record", "mount", store.ran),
        ("image", "image", store.app),
        ("volume", "volume", "data"),
    ] == [(each["how"], each["kind"], each["id"]) for each in told["made_of"]]
    record, image, _ = told["made_of"]
    assert [("mount-id", root.mount_id(store.ran)), ("init-id", root.init_id(store.ran)), ("parent", top)] == [
        (each["how"], each["id"]) for each in record["links"]
    ]
    assert [root.dir_of(top)] == [each["id"] for each in record["links"][2]["links"]]
    assert ["app:1"] == [each["id"] for each in image["links"]]
    assert all(each["bytes"] > 0 for each in told.links("made_of") if each["kind"] == "driverdir")


@pytest.mark.parametrize("form", ["id", "prefix", "name", "path", "absolute", "log"])
def test_a_container_has_many_names(overlay: Whole, form: str) -> None:
    names = {
        "id": overlay.ran, "prefix": overlay.ran[:9], "name": "ran", "path": f"containers/{overlay.ran}/",
        "absolute": str(overlay.root.container_dir(overlay.ran)), "log": f"containers/{overlay.ran}/{overlay.ran}-json.log",
    }  # fmt: skip
    assert ("container", overlay.ran) == (asked(overlay.root, names[form])["kind"], asked(overlay.root, names[form])["id"])


def test_a_hidden_container_says_that_the_engine_does_not_show_it_and_why(overlay: Whole) -> None:
    untold(overlay)
    told = asked(overlay.root, overlay.ran)
    assert (False, ["prune-hazard", "container-config-corrupt"]) == (told["shown"], [each["rule"] for each in told["causes"]])
    assert "the engine does not show it" in said(overlay.root, overlay.ran)


def test_a_container_without_its_record_names_the_missing_one(overlay: Whole) -> None:
    overlay.root.delete(overlay.root.mount_record(overlay.ran))
    told = asked(overlay.root, "ran")
    assert (False, "missing") == (told["shown"], next(each["state"] for each in told["made_of"] if each["kind"] == "mount"))


# Images


def test_an_image_is_told_with_tags_layers_children_and_containers(store: Whole) -> None:
    """Field-cases FC-52: nobody else says which children make `docker rmi` refuse."""
    told, root = asked(store.root, "app:1"), store.root
    assert [("tag", "app:1"), ("container", store.ran), ("image", store.built)] == ids(told, "kept_by")
    assert [["image", "tag"]] == [["image", "tag"] for _ in told.chain("image", "tag")]
    child = told["kept_by"][2]
    assert ("parent of", True) == (child["how"], child["note"].endswith("bytes of its own"))
    chains = root.chains_of(store.app)
    assert [{"diff-id": root.layers[chain].diff, "chain-id": chain, "cache-id": root.dir_of(chain)} for chain in chains] == [
        each["facts"] for each in told["made_of"]
    ]
    assert [[chain, root.dir_of(chain)] for chain in chains] == told.chain("layer", "driverdir", of="made_of")
    paths = [str(root.driver_dir(root.dir_of(chain)).relative_to(root.path)) for chain in chains]
    assert paths == [each["path"] for each in told.links("made_of") if each["kind"] == "driverdir"]


@pytest.mark.parametrize("name", ["base", "base:latest", "library/base", "docker.io/library/base:latest"])
def test_a_tag_means_its_image(tmp_path: Path, name: str) -> None:
    root = DataRoot(tmp_path / "root")
    image = root.image("base", 1)
    assert image == asked(root, name)["id"]


def test_an_untagged_image_says_what_would_take_it(overlay: Whole) -> None:
    image = overlay.root.image(None, 1)
    assert "docker image prune" in asked(overlay.root, image)["note"]


def test_an_image_that_lost_a_layer_is_hidden_for_that_reason(overlay: Whole) -> None:
    overlay.root.delete(overlay.root.record(overlay.root.chains_of(overlay.app)[0]))
    told = asked(overlay.root, "app:1")
    assert (False, "missing") == (told["shown"], told["made_of"][0]["state"])
    assert "app:1" in {name for cause in told["causes"] for name in told["images"]}


def test_a_tag_without_its_image_is_told_as_a_tag(overlay: Whole) -> None:
    overlay.root.delete(overlay.root.image_file(overlay.app))
    told = asked(overlay.root, "app:1")
    assert ("tag", [("image", overlay.app)], "missing") == (told["kind"], ids(told, "made_of"), told["made_of"][0]["state"])


# Layers and folders


def test_a_folder_leads_to_layer_image_and_tag(store: Whole) -> None:
    root = store.root
    chain = root.chains_of(store.app)[-1]
    told = asked(root, root.dir_of(chain))
    assert [chain, store.app, "app:1"] in told.chain("layer", "image", "tag")
    assert {"app:1", "built:1"} == {*told["images"]}


@pytest.mark.parametrize("form", ["folder", "inside", "absolute inside", "short link", "l/short", "bare short link", "prefix"])
def test_a_folder_has_many_names(overlay: Whole, form: str) -> None:
    root, ident = overlay.root, overlay.dir_of(overlay.app)
    names = {
        "folder": f"overlay2/{ident}", "inside": f"overlay2/{ident}/diff/etc/no-such-file",
        "absolute inside": str(root.content(ident) / "etc"), "short link": f"overlay2/l/{root.short(ident)}",
        "l/short": f"l/{root.short(ident)}", "bare short link": root.short(ident), "prefix": ident[:10],
    }  # fmt: skip
    assert ("driverdir", ident) == (asked(root, names[form])["kind"], asked(root, names[form])["id"])


def test_a_layer_is_found_by_chain_id_and_by_diff_id_and_by_its_record(store: Whole) -> None:
    root, chain = store.root, store.root.chains_of(store.app)[-1]
    names = [chain, chain.removeprefix("sha256:")[:12], root.layers[chain].diff, f"{root.record(chain)}/diff"]
    assert [("layer", chain)] * 4 == [(asked(root, name)["kind"], asked(root, name)["id"]) for name in names]


def test_a_layer_that_only_a_container_needs_leads_to_it(store: Whole) -> None:
    """Field-cases FC-60: its image was removed by force."""
    forgotten(store)
    root, top = store.root, store.root.chains_of(store.web)[-1]
    told = asked(root, top)
    assert ("kept", "no image has this layer") == (told["state"], told["note"])
    assert {store.busy, store.made} == {way[-1] for way in told.chain("mount", "container")}


def test_a_layer_below_one_that_only_a_container_needs_says_how_far_below(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root")
    image = root.image("app:1", 3)
    box = root.container(image, "box")
    root.delete(root.image_file(image))
    told = asked(root, root.chains_of(image)[0])
    assert [["2 layers below the parent of"], [box]] == [
        [each["how"] for each in told["kept_by"]],
        [each["id"] for each in told["kept_by"]],
    ]


@pytest.mark.parametrize("driver", UNION)
def test_a_shadow_parent_is_named_by_the_folder_above_it(tmp_path: Path, driver: str) -> None:
    """Classic-store 12.1: no record names it, a `lower` alone does."""
    root = DataRoot(tmp_path / "root", driver)
    shadow = root.shadow_parent()
    told = asked(root, shadow.shadow)
    assert ("kept", "a build snapshot") == (told["state"], told["looks"])
    assert [shadow.dir, shadow.chain, shadow.image, "shadow:1"] in told.chain("driverdir", "layer", "image", "tag")
    assert "shadow parent" in told["kept_by"][0]["note"]


def test_what_is_mounted_says_so(store: Whole) -> None:
    orphan = store.root.orphan_dir()
    held = str(store.root.content(orphan).relative_to(store.root.path))
    told = asked(store.root, orphan, look=lambda _: HostView(state="stopped", why="", held=frozenset({held})))
    assert ("kept", [("use", held)]) == (told["state"], ids(told, "kept_by"))


def test_a_folder_that_is_named_and_not_there_is_missing(store: Whole) -> None:
    ident = store.dir_of(store.app)
    store.root.delete(store.root.driver_dir(ident))
    told = asked(store.root, ident)
    assert ("missing", "layer") == (told["state"], told["kept_by"][0]["kind"])
    rule = "aufs-dir-missing" if store.root.driver == "aufs" else "layer-driverdir-missing"
    assert [(rule, "error")] == [(each["rule"], each["severity"]) for each in told["causes"]]


# The dead


def test_a_dead_folder_tells_what_was_read_since_when_and_what_takes_it(store: Whole) -> None:
    orphan = store.root.orphan_dir()
    told = asked(store.root, orphan)
    assert ("dead", [], "a read-only layer", []) == (told["state"], told["kept_by"], told["looks"], told["doubts"])
    assert "2024-05-01T10:00:00Z" == told["modified"] < told["changed"]
    assert {"buildkit/snapshots.db", "containers", f"image/{store.root.driver}/repositories.json"} <= {
        each["source"] for each in told["sources"] if each["state"] == "read"
    }
    assert (["driver-orphan"], ["reclaim"]) == (
        [each["rule"] for each in told["causes"]],
        [each["class"] for each in told["plan"]],
    )
    assert told["plan"][0]["id"] in told["causes"][0]["actions"]


def test_dead_things_look_like_what_they_were(store: Whole) -> None:
    pair = store.root.orphan_pair(store.app)
    snapshot = store.root.orphan_dir(store.root.names.snapshot())
    looks = [asked(store.root, each)["looks"] for each in (pair.mount_id, pair.init_id, snapshot)]
    assert ["the writable layer of a container", "the init layer of a container", "a build snapshot"] == looks


def test_an_unreferenced_layer_is_dead_with_its_folder(store: Whole) -> None:
    low, high = store.root.unreferenced_layers(2)
    for text, kind in ((low, "layer"), (store.root.dir_of(low), "driverdir")):
        told = asked(store.root, text)
        assert ("dead", kind, ["layer-unreferenced"]) == (told["state"], told["kind"], [each["rule"] for each in told["causes"]])
        assert {"dead"} == {each.get("state") for each in told.links()}
    assert high in {each["id"] for each in asked(store.root, low).links()}


def test_what_is_dead_as_far_as_could_be_read_is_unknown(overlay: Whole) -> None:
    orphan = overlay.root.orphan_dir()
    overlay.root.cut(
        overlay.root.path / "image/overlay2/layerdb/sha256" / overlay.root.chains_of(overlay.app)[0][7:] / "cache-id"
    )
    told = asked(overlay.root, orphan)
    assert ("unknown", True, []) == (told["state"], bool(told["doubts"]), told["plan"])
    assert [told["doubts"][0]] == [each["blocked"][0].removeprefix("blocked: ") for each in told["causes"]]


def test_an_unread_source_is_bit_8(overlay: Whole) -> None:
    from docker_fsck.testing.table import refusing

    orphan = overlay.root.orphan_dir()
    with refusing(overlay.root.path / "buildkit/snapshots.db", 5):
        ended = run(*on(overlay.root, "why", orphan, "--format", "json"))
    assert (8, "unreadable") == (
        ended.status,
        next(each["state"] for each in ended.report["sources"] if each["source"] == "buildkit/snapshots.db"),
    )


def test_what_may_be_the_layer_of_a_container_without_record_says_so(overlay: Whole) -> None:
    pair = overlay.root.orphan_pair(overlay.app)
    overlay.root.delete(overlay.root.mount_record(overlay.ran))
    told = asked(overlay.root, pair.mount_id)
    assert ("kept", [("container", overlay.ran)]) == (told["state"], ids(told, "kept_by"))
    assert "perhaps" in told["kept_by"][0]["how"]


# Volumes and files


def test_a_volume_is_named_by_containers_of_every_driver(tmp_path: Path) -> None:
    """Field-cases FC-33: the containers of the other driver count, too."""
    root = DataRoot(tmp_path / "root")
    data = root.volume("data")
    mine = root.container(root.image("app:1", 1), "mine", volumes={data: "/data"})
    theirs = root.container(None, "theirs", driver="vfs", volumes={data: "/data"})
    told = asked(root, "volumes/data/_data/file")
    assert ("volume", "data", "kept", {mine, theirs}) == (told["kind"], told["id"], told["state"], {*told["containers"]})


def test_a_volume_that_no_container_names_is_unused_and_no_plan_takes_it(store: Whole) -> None:
    free = store.root.volume("free", {"kept": b"x"})
    told = asked(store.root, free)
    assert ("unused", [], []) == (told["state"], told["plan"], told["causes"])


def test_a_volume_is_not_called_unused_while_a_container_cannot_be_read(overlay: Whole) -> None:
    free = overlay.root.volume("free")
    untold(overlay)
    told = asked(overlay.root, free)
    assert ("unknown", 1) == (told["state"], len(told["doubts"]))


def test_a_path_that_is_no_object_is_a_file_and_its_findings_are_told(store: Whole) -> None:
    folder = store.root.layer_tmp()
    told = asked(store.root, str(folder.relative_to(store.root.path)))
    assert ("file", "other", ["layer-tmp"], ["reclaim"]) == (
        told["kind"],
        told["state"],
        [each["rule"] for each in told["causes"]],
        [each["class"] for each in told["plan"]],
    )


# Other stores


def test_what_a_store_names_without_saying_by_what_is_named_by_the_store(store: Whole) -> None:
    told = asked(store.root, store.cache.committed_dir)
    assert "kept" == told["state"]
    assert {"store", "snapshot"} & {each["kind"] for each in told["kept_by"]} != set()


def test_a_store_that_names_its_objects_is_a_tree_up_to_its_roots(store: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written against `References.nodes`: lease > record > snapshot > folder and layer; another snapshot lives by nothing."""
    folder, stale = store.root.orphan_dir("a" * 25), store.root.orphan_dir("b" * 25)
    (layer,) = store.root.unreferenced_layers(1)
    kept, left = Ref("snapshot", "k" * 25), Ref("snapshot", "s" * 25)
    record, lease = Ref("build-record", "r" * 25), Ref("lease", "l" * 25)
    nodes = (
        Node(kept, "buildkit/snapshots.db", (Ref("driverdir", folder), Ref("layer", layer))),
        Node(left, "buildkit/snapshots.db", (Ref("driverdir", stale),)),
        Node(record, "buildkit/metadata_v2.db", (kept,), label="RUN make"),
        Node(lease, "buildkit/containerdmeta.db", (record,), root=True),
    )
    known_dirs = frozenset({folder, stale, store.cache.active, store.cache.committed_dir, store.cache.exported_dir})
    naming(monkeypatch, References(sources=READ, dirs=known_dirs, chains=frozenset({layer}), nodes=nodes))
    told = asked(store.root, folder)
    assert ("kept", [[kept.id, record.id, lease.id]]) == (told["state"], told.chain("snapshot", "build-record", "lease"))
    assert [kept.id, record.id, lease.id] in asked(store.root, layer).chain("snapshot", "build-record", "lease")
    told = asked(store.root, stale)
    assert ("kept", "unused", True) == (
        told["state"],
        told["kept_by"][0]["state"],
        "no prune sees it" in told["kept_by"][0]["note"],
    )
    told = asked(store.root, "RUN make")
    assert ("build-record", "kept", [kept.id, folder]) == (
        told["kind"],
        told["state"],
        told.chain("snapshot", "driverdir", of="made_of")[0],
    )
    assert ["store"] == [each["kind"] for each in asked(store.root, store.cache.active)["kept_by"]]


# The document


def test_the_committed_schema_is_that_of_the_values() -> None:
    assert json.loads(document.pretty(document.why_schema())) == json.loads(SCHEMA.read_text())


def test_every_answer_is_valid_and_the_same_twice(store: Whole) -> None:
    mess(store)
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    for text in (
        "ran",
        "app:1",
        store.dir_of(store.base),
        store.root.orphan_dir(),
        "data",
        "buildkit/snapshots.db",
        store.root.chains_of(store.base)[0],
    ):
        first, second = (run(*on(store.root, "why", text, "--format", "json")) for _ in range(2))
        validator.validate(first.report)
        assert first.out == second.out


def test_asking_changes_nothing(store: Whole) -> None:
    before = snapshot_with_atimes(store.root.path)
    for text in ("ran", "app:1", store.dir_of(store.base), "data"):
        asked(store.root, text)
    assert before == snapshot_with_atimes(store.root.path)


def test_names_from_the_disk_cannot_move_the_cursor(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root")
    box = root.container(root.image("app:1", 1), "a\x1b[2Jb")
    assert "a\\x1b[2Jb" in said(root, box)
    assert "\x1b" not in said(root, box)


def test_a_terminal_that_shows_colours_gets_a_drawn_tree_and_a_pipe_plain_signs(overlay: Whole) -> None:
    answer = msgspec.json.decode(json.dumps(asked(overlay.root, "app:1").json), type=Why)
    screen, pipe = Stream(tty=True), Stream()
    Terminal({"TERM": "xterm"}, Stream(), screen, Stream()).blocks(whytext.blocks(answer))
    Terminal({}, Stream(), pipe, Stream()).blocks(whytext.blocks(answer))
    assert [(True, True, False), (False, False, True)] == [
        ("├── " in each.text, "\x1b[" in each.text, "|- " in each.text) for each in (screen, pipe)
    ]
    bare = re.sub("\x1b\\[[0-9;]*m", "", screen.text).translate(str.maketrans("├─└│", "|-`|")).replace("-- ", "- ")
    assert [each.replace("|   ", "|  ").replace("    ", "   ").strip() for each in bare.splitlines() if "- " in each] == [
        each.replace("    ", "   ").strip() for each in pipe.text.splitlines() if "- " in each
    ]


def test_beside_an_engine_it_answers_too(overlay: Whole) -> None:
    assert "kept" == asked(overlay.root, "ran", look=lambda _: LIVE)["state"]


def test_a_base_layer_of_a_thousand_images_is_told_in_bounds(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root", "vfs")
    base = root.image("base:1", 1)
    for number in range(60):
        root.image(f"app:{number}", 1, base=base)
    told = asked(root, root.chains_of(base)[0])
    assert (20, True) == (len(told["kept_by"]), "more that keep it are not told" in told["note"])
    assert 61 == len(told["images"])


def test_a_chain_that_is_its_own_ancestor_ends(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root")
    low, high = root.unreferenced_layers(2)
    root.write(root.record(low) / "parent", high.encode())
    assert "layer" == asked(root, low)["kind"]


def test_a_path_of_stray_bytes_is_told_with_its_bytes(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root")
    name = "tmp/\udcff"
    (root.path / name).write_bytes(b"")
    told = asked(root, name)
    assert ("tmp/\\xff", "dG1wL/8=") == (told["path"], told.json["path_b64"])


def test_what_lies_in_quarantine_says_so(overlay: Whole) -> None:
    overlay.root.orphan_dir()
    run(*on(overlay.root, "apply", "--class", "reclaim", "--yes"))
    place = next((overlay.root.path / ".docker-fsck").glob("*/q/*"))
    assert "in the quarantine" in asked(overlay.root, str(place.relative_to(overlay.root.path)))["note"]


def test_layers_that_an_image_in_quarantine_needs_are_kept_for_it(overlay: Whole) -> None:
    """A lost layer took its image away: the intact ones below wait for the pull."""
    root = overlay.root
    image = root.image("gone:1", 2)
    low, high = root.chains_of(image)
    root.delete(root.driver_dir(root.dir_of(high)))
    run(*on(root, "apply", "--class", "lossy", "--yes"))
    told = asked(root, low)
    assert ("kept", [("quarantine", ".docker-fsck")]) == (told["state"], ids(told, "kept_by"))


def test_a_very_deep_chain_is_told_in_bounds(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root", "vfs")
    chains = root.unreferenced_layers(300)
    told = asked(root, chains[0])
    assert ("dead", [chains[-1]]) == (told["state"], [each["id"] for each in told["kept_by"]])
    assert "299 layers below the parent of" in told["kept_by"][0]["how"]


@pytest.mark.parametrize("driver", DRIVERS)
def test_on_a_hostile_root_everything_has_an_answer(tmp_path: Path, driver: str) -> None:
    """Links out of the root, pipes, records that contradict each other: every object is told, none is a crash."""
    root = hostile(tmp_path / "root", driver)
    report = msgspec.json.decode(json.dumps(run(*on(root, "check", "--format", "json")).report), type=Report)
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    with known(root.path) as question:
        things = sorted({*question.everything()})
        answers = [why(question, thing, thing.id, report) for thing in things]
    for answer in answers:
        validator.validate(json.loads(document.pretty(answer)))
        assert "\n" not in "".join(text for each in unfolded(whytext.blocks(answer)) for _, text in each)
    of_builds = {"cache-record", "lease", "snapshot"}
    assert {"image", "layer", "mount", "driverdir", "container", "volume", "tag"} >= {each.kind for each in things} - of_builds
    assert len(things) > 30
