"""The table of the rules on residue, roots in the root and trees of several drivers (classic-store 13-15; FC-37, FC-39, FC-50, FC-55)."""

from pathlib import Path

from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.table import Row, Told, disagreements, fires, folds, run, silent
from docker_fsck.testing.whole import Whole, whole

from .cases import (
    DAY,
    OTHER,
    RECLAIM,
    How,
    Spot,
    deleted,
    does,
    file,
    foldered,
    rows,
    told,
    written,
)

TMP_OLD, RUNTIME, FSCACHE, LEGACY = "tmp-old-stuck", "runtime-residue", "builder-fscache", "legacy-graph"
USERNS, SEVERAL, FOREIGN = "userns-root-present", "multiple-drivers", "container-foreign-driver"
TAGS = file(lambda store: store.root.tags)
INNER = "100000.100000"


def top(name: str) -> Spot:
    """Something directly below the root."""
    return file(lambda store: store.root.path / name)


def holding(name: str, *entries: str) -> How:
    """A folder below the root with files in it."""

    def how(store: Whole) -> Told:
        store.root.make_dir(name)
        for entry in entries:
            store.root.write(f"{name}/{entry}", b"x")
        return told(store, "file", name, store.root.path / name)

    return how


def inner(store: Whole) -> Told:
    """A whole root in the root."""
    DataRoot(store.root.path / INNER, store.root.driver).image("inner:1")
    return told(store, "file", INNER, store.root.path / INNER)


def second(store: Whole) -> Told:
    """A whole tree of another driver."""
    other = "vfs" if store.root.driver != "vfs" else "overlay2"
    DataRoot(store.root.path, other).image("other:1")
    return told(store, "file", "image", store.root.path / "image" / min(store.root.driver, other))


def foreign(**terms: str) -> How:
    """A container of a driver that has no tree here."""

    def how(store: Whole) -> Told:
        ident = store.root.container(store.app, "far", driver="zfs", volumes=terms)
        return told(store, "container", ident, store.root.container_dir(ident) / "config.v2.json")

    return how


PLUGIN = "cpuguy83/docker-overlay2-graphdriver-plugin:latest"


def plugged(store: Whole) -> str:
    """A container of a graph-driver plugin, with a volume, whose tree is here; returns its id."""
    volume = store.root.volume()
    ident = store.root.container(store.app, "plugged", driver=PLUGIN, volumes={volume: "/data"})
    for folder in ("imagedb/content/sha256", f"layerdb/mounts/{ident}"):
        store.root.make_dir(f"image/{PLUGIN}/{folder}")
    store.root.write(f"image/{PLUGIN}/layerdb/mounts/{ident}/mount-id", OTHER.encode())
    return ident


# fmt: off
ROWS: tuple[Row, ...] = (
    fires(TMP_OLD, "a download was left", holding("tmp-old", "GetImageBlob123"), cls=RECLAIM),
    fires(TMP_OLD, "it is young", holding("tmp-old", "GetImageBlob123"), cls=RECLAIM, grace=DAY, refused="grace period"),
    silent(TMP_OLD, "it is empty", holding("tmp-old")),
    silent(TMP_OLD, "tmp holds something, which the next start takes away", written(top("tmp/GetImageBlob123"), b"x")),
    fires(RUNTIME, "a start was cut short", holding("runtimes-old", "runc"), cls=RECLAIM),
    fires(RUNTIME, "a folder of an old engine was left", holding("gen-runtimes123456", "runc"), cls=RECLAIM),
    silent(RUNTIME, "the folder in use has scripts", holding("runtimes", "runc")),
    silent(RUNTIME, "a file has such a name", written(top("runtimes-old"), b"x")),
    fires(FSCACHE, "an engine of today has run", holding("builder", "fscache.db"), cls=RECLAIM),
    fires(FSCACHE, "nothing tells of an engine that needs it no more", does(top("builder"), holding("builder", "fscache.db"),
          lambda store: store.root.move("buildkit/metadata_v2.db", "buildkit/metadata.db"))),
    silent(FSCACHE, "the folder is empty", holding("builder")),
    fires(LEGACY, "the store before 1.10 is there", does(top("graph"), lambda store: store.root.make_dir(f"graph/{OTHER}"))),
    fires(LEGACY, "only its tags are there", lambda store: (store.root.write("repositories-aufs", b"{}"),
          told(store, "file", "graph", store.root.path / "repositories-aufs"))[1]),
    silent(LEGACY, "the folder is empty", foldered(top("graph"))),
    fires(USERNS, "an engine ran with a user namespace", inner),
    silent(USERNS, "the folder is empty", foldered(top(INNER))),
    silent(USERNS, "a file has such a name", written(top(INNER), b"x")),
    fires(SEVERAL, "the driver was changed", second),
    silent(SEVERAL, "the home of another driver is empty", foldered(top("zfs"))),
    silent(SEVERAL, "another driver has an empty image tree", does(TAGS, lambda store: store.root.make_dir("image/zfs"))),
    fires(FOREIGN, "its tree was removed", foreign()),
    fires(FOREIGN, "it has a volume", foreign(data="/data")),
    silent(FOREIGN, "it is of the containerd image store", does(TAGS, lambda store: store.root.container(
        store.app, "newer", driver="overlayfs"))),
    silent(FOREIGN, "it is of a plugin whose tree is here", does(TAGS, plugged), also=(SEVERAL,)),
)
# fmt: on


@rows(ROWS)
def test_the_table_of_roots_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))


def test_both_trees_of_two_drivers_are_judged_and_keep_what_their_containers_use(place: Path) -> None:
    store = whole(place, "overlay2")
    other = DataRoot(place, "vfs")
    image = other.image("other:1")
    other.container(image, "theirs", volumes={other.volume(): "/data"})
    orphan = other.orphan_dir()
    outcome = run(place)
    assert {"multiple-drivers": 1, "driver-orphan": 1} == {each.rule: 1 for each in outcome.findings}
    assert [f"vfs/dir/{orphan}"] == [step.path for action in outcome.plan.actions for step in action.steps]
    assert (5, 4) == (outcome.counts["images"], outcome.counts["containers"])
    assert store.ran


def test_a_root_in_the_root_is_no_garbage_and_does_not_make_the_verdict_incomplete(place: Path) -> None:
    store = whole(place, "overlay2")
    inner(store)
    outcome = run(place)
    assert ([USERNS], (), ()) == ([each.rule for each in outcome.findings], outcome.plan.actions, outcome.checked.incomplete)
    assert f"check it with --root {place}/{INNER}" in outcome.findings[0].message


def test_the_tree_of_a_graph_driver_plugin_is_not_judged_and_may_own_what_nothing_claims(place: Path) -> None:
    store = whole(place, "overlay2")
    plugged(store)
    store.root.make_dir(f"containers/{OTHER}")
    outcome = run(place)
    assert [f"the storage driver {PLUGIN} is not known to this version"] == list(outcome.checked.incomplete)
    assert {SEVERAL, "container-config-corrupt"} == {finding.rule for finding in outcome.findings} - {"prune-hazard"}
    assert () == outcome.plan.actions
