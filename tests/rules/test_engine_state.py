"""The table of the rules on the state of the engine itself (classic-store 11; FC-29, FC-35, FC-43, FC-51)."""

from collections.abc import Callable
from pathlib import Path

from docker_fsck.testing import boltfile
from docker_fsck.testing.table import Row, disagreements, fires, run, silent
from docker_fsck.testing.whole import Whole, whole
from docker_fsck.values import Level

from .cases import (
    CRITICAL,
    ERROR,
    INFO,
    LOSSY,
    How,
    Spot,
    cut,
    deleted,
    does,
    emptied,
    file,
    flipped,
    foldered,
    nulled,
    rows,
    written,
)

DB, UUID, ID, SWARM = "containerd-db-unreadable", "containerd-uuid", "engine-id-empty", "swarm-state"
NO_ID, RECORDS = "engine-id-malformed", "swarm-log-damaged"
DAEMON = "containerd/daemon"
META = file(lambda store: store.root.path / DAEMON / "io.containerd.metadata.v1.bolt/meta.db")
PLACE = file(lambda store: store.root.path / DAEMON / "io.containerd.grpc.v1.introspection/uuid")
SNAPSHOTS = f"{DAEMON}/io.containerd.snapshotter.v1.overlayfs"
NAMED = file(lambda store: store.root.path / "engine-id")
TAGS = file(lambda store: store.root.tags)
Blow = Callable[[Whole], object]


def folder(where: Spot) -> Blow:
    """The folder of a file is there."""
    return lambda store: where.path(store).parent.mkdir(parents=True, exist_ok=True)


def meta(images: dict[str, object] | None = None) -> Blow:
    """The database of containerd as a graph driver leaves it, or with images."""

    def blow(store: Whole) -> None:
        folder(META)(store)
        tree = {"v1": {"version": b"\6", "moby": {"leases": {}, "images": images or {}}}}
        store.root.write(META.path(store), boltfile.build(tree))

    return blow


def snapshots(name: str) -> Blow:
    """A snapshotter was used."""
    return lambda store: [store.root.make_dir(f"{SNAPSHOTS}/snapshots"), store.root.write(f"{SNAPSHOTS}/{name}", b"x")]


def in_swarm(name: str) -> Spot:
    """A file of the swarm state."""
    return file(lambda store: store.root.path / "swarm" / name)


def swarm(strike: How, spot: Spot) -> How:
    """Damage to the state of a manager."""
    return does(spot, lambda store: store.root.swarm(), strike)


KEY, UUIDS = b":".join([b"ABC7"] * 12), b"4f6a2f1c-5b6d-4c7e-8f90-a1b2c3d4e5f6"
LOG = "raft/wal-v3-encrypted/0000000000000000-0000000000000000.wal"
# fmt: off
ROWS: tuple[Row, ...] = (
    *(fires(DB, f"it {what}", does(META, meta(), strike(META)), cls=LOSSY) for what, strike in (
        ("is all NUL", nulled), ("is a word", lambda where: written(where, b"<html>")))),
    fires(DB, "it is cut inside of its pages", does(META, meta(), lambda store: store.root.write(
        META.path(store), META.path(store).read_bytes()[:8192])), cls=LOSSY),
    fires(DB, "it is a folder", does(META, folder(META), foldered(META))),
    silent(DB, "it is empty", does(META, folder(META), written(META, b""))),
    silent(DB, "it is whole", does(META, meta())),
    *(fires(UUID, f"it {what}", does(PLACE, folder(PLACE), written(PLACE, data)), cls=LOSSY) for what, data in (
        ("is empty", b""), ("is all NUL", bytes(36)), ("is cut", b"4f6a2f1c-5b"), ("is a word", b"nobody"))),
    silent(UUID, "it is one", does(PLACE, folder(PLACE), written(PLACE, b"4f6a2f1c-5b6d-4c7e-8f90-a1b2c3d4e5f6"))),
    fires(ID, "it is empty", written(NAMED, b""), cls=LOSSY),
    fires(ID, "it is all NUL", written(NAMED, bytes(36)), cls=LOSSY),
    silent(ID, "it is another ID", written(NAMED, KEY)),
    *(fires(NO_ID, f"it {what}", does(NAMED, written(NAMED, data)), severity=INFO) for what, data in (
        ("is cut", b"4f6a2f1c-5b6d-4c"), ("is a name that somebody chose", b"node1"), ("has a digit that is none", UUIDS.replace(b"c", b"k")))),
    fires(NO_ID, "it is noise", written(NAMED, b"\xff\x00\x01noise"), cls=LOSSY),
    fires(NO_ID, "a folder stands there", foldered(NAMED), cls=LOSSY, severity=ERROR),
    silent(NO_ID, "it is a uuid", written(NAMED, UUIDS)),
    silent(NO_ID, "it is the fingerprint of a key", written(NAMED, KEY)),
    silent(ID, "there is none", does(TAGS)),
    *(fires(SWARM, f"docker-state.json {what}", swarm(strike(in_swarm("docker-state.json")), in_swarm("docker-state.json")),
            severity=CRITICAL) for what, strike in (("is empty", emptied), ("is cut", cut), ("is all NUL", nulled))),
    fires(SWARM, "state.json is empty", swarm(emptied(in_swarm("state.json")), in_swarm("state.json")), severity=CRITICAL),
    fires(SWARM, "tasks.db is all NUL", swarm(nulled(in_swarm("worker/tasks.db")), in_swarm("worker/tasks.db"))),
    *(fires(SWARM, f"{name} is gone", swarm(deleted(in_swarm(name)), in_swarm(name)), severity=severity) for name, severity in (
        ("docker-state.json", None), ("state.json", None))),
    fires(RECORDS, "a record has another checksum", swarm(flipped(in_swarm(LOG), 8 * 36), in_swarm(LOG)), level=Level.DEEP),
    fires(RECORDS, "it is all NUL", swarm(nulled(in_swarm(LOG)), in_swarm(LOG)), level=Level.DEEP),
    fires(RECORDS, "it is noise", swarm(written(in_swarm(LOG), b"\xa5\x5a\xff\x0f" * 1024), in_swarm(LOG)), level=Level.DEEP),
    silent(RECORDS, "it is shorter than it was made", swarm(cut(in_swarm(LOG)), in_swarm(LOG)), level=Level.DEEP),
    silent(RECORDS, "a manager is whole", does(TAGS, lambda store: store.root.swarm()), level=Level.DEEP),
    fires(SWARM, "a folder stands where a log was", swarm(foldered(in_swarm(LOG)), in_swarm(LOG))),
    silent(SWARM, "a log is shorter than it was made", does(in_swarm(LOG), lambda store: store.root.swarm(), cut(in_swarm(LOG)))),
    fires(SWARM, "a log is empty", swarm(emptied(in_swarm(LOG)), in_swarm(LOG))),
    fires(SWARM, "state.json is empty and the node has left", does(in_swarm("state.json"), written(in_swarm("state.json"), b""))),
    fires(SWARM, "a member of state.json is misspelt", swarm(written(in_swarm("state.json"), b'[{"nmde_id":"x","addr":"192.0.2.1:2377"}]'),
          in_swarm("state.json"))),
    silent(SWARM, "the node is about to join", does(TAGS, lambda store: store.root.swarm(),
          written(in_swarm("state.json"), b'[{"addr":"192.0.2.1:2377"}]'))),
    silent(SWARM, "a manager is whole", does(TAGS, lambda store: store.root.swarm())),
    silent(SWARM, "tasks.db is empty", swarm(emptied(in_swarm("worker/tasks.db")), in_swarm("worker/tasks.db"))),
)
# fmt: on


@rows(ROWS)
def test_the_table_of_the_engines_state_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))


def test_the_database_of_an_image_store_is_told_and_never_put_away(place: Path) -> None:
    store = whole(place, "overlay2")
    meta()(store)
    snapshots("metadata.db")(store)
    store.root.nul(META.path(store))
    outcome = run(place)
    (finding,) = outcome.findings
    assert (DB, "critical", ()) == (finding.rule, finding.severity, finding.actions)
    assert "image-store mode" in finding.message
    assert ("the containerd image store in it is not judged by this version",) == outcome.checked.incomplete


def test_snapshots_that_were_made_speak_of_an_image_store(place: Path) -> None:
    store = whole(place, "overlay2")
    meta()(store)
    snapshots("snapshots/1")(store)
    store.root.nul(META.path(store))
    assert [] == list(run(place).plan.actions)


def test_a_whole_database_without_images_is_that_of_a_graph_driver(place: Path) -> None:
    store = whole(place, "overlay2")
    meta()(store)
    snapshots("metadata.db")(store)
    assert () == run(place).checked.incomplete
    meta({"docker.io/library/a:1": {"target": {"digest": "x"}}})(store)
    assert 1 == len(run(place).checked.incomplete)
