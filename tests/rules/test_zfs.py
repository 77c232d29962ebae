"""The table of the laws of zfs, with recorded lists of datasets (classic-store 9.7; FC-01, FC-48)."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from docker_fsck.host import HostView, Recorded
from docker_fsck.testing.pools import ZFS_PARENT
from docker_fsck.testing.table import STOPPED, Row, Told, disagreements, fires, run, silent
from docker_fsck.testing.whole import Whole, whole
from docker_fsck.values import Plan

from .cases import DAY, LOSSY, MANUAL, OTHER, RECLAIM, How, all_images, file, foldered, hurting, probed, recorded, rows, written

DATASET, SNAPSHOT, RESIDUE, LOST = "zfs-orphan-dataset", "zfs-orphan-snapshot", "zfs-graph-residue", "layer-driverdir-missing"


def blamed(ident: str) -> Told:
    """The blame for a dataset."""
    return Told("driverdir", ident, f"zfs/graph/{ident}")


def orphan(store: Whole) -> Told:
    """A dataset that nothing names."""
    return blamed(store.root.orphan_dir())


def grown(store: Whole) -> Told:
    """Three datasets that nothing names, one cloned from the other."""
    trunk = store.root.orphan_dir()
    store.root.make_dir_of("a" * 64, trunk, {}, "image")
    store.root.make_dir_of("b" * 64, "a" * 64, {}, "writable")
    return blamed(trunk)


def young(store: Whole) -> Told:
    """One that was made just now."""
    told = orphan(store)
    store.root.pool.rows[f"{ZFS_PARENT}/{told.id}"][-1] = str(int(time.time()))
    return told


def snapshot(tag: str, ident: Callable[[Whole], str] = lambda store: store.dir_of(store.base, 0)) -> Callable[[Whole], Told]:
    """A snapshot of a layer without clones."""

    def how(store: Whole) -> Told:
        store.root.pool.put(f"{ZFS_PARENT}/{ident(store)}@{tag}", kind="snapshot")
        return Told("snapshot", f"{ident(store)}@{tag}", f"zfs/graph/{ident(store)}")

    return how


def kept(store: Whole) -> Told:
    """An orphan of which the operator has a snapshot."""
    told = orphan(store)
    store.root.pool.put(f"{ZFS_PARENT}/{told.id}@before-upgrade", kind="snapshot")
    return told


def recursive(store: Whole) -> None:
    """The operator made a snapshot of everything, with a name of digits."""
    for name in [name for name, fields in store.root.pool.rows.items() if fields[3] == "filesystem"]:
        store.root.pool.put(f"{name}@20240506", kind="snapshot")


def cloned(store: Whole) -> None:
    """The operator cloned a dataset that nothing names."""
    ident = store.root.orphan_dir()
    store.root.pool.put(f"{ZFS_PARENT}/{ident}@1", kind="snapshot")
    store.root.pool.put("tank/rescue", f"{ZFS_PARENT}/{ident}@1", "/rescue")


def backup(store: Whole) -> None:
    """Another pool has copies of all layers, and of one that was removed here long ago."""
    pool = store.root.pool
    pool.put(ZFS_PARENT, mountpoint=str(store.root.path))
    pool.put("backup/docker", mountpoint="/backup")
    for name in [name for name in pool.rows if name.startswith(f"{ZFS_PARENT}/")]:
        pool.put(name.replace("tank", "backup"), kind=pool.rows[name][3])
    pool.put(f"backup/docker/{OTHER}")


def destroyed(ident: Callable[[Whole], str]) -> How:
    """A dataset is gone with its snapshots, and with it the one that it was cloned from, as Docker marked that."""

    def how(store: Whole) -> Told:
        name = f"{ZFS_PARENT}/{ident(store)}"
        rows = store.root.pool.rows
        for each in [each for each in rows if each in {name, rows[name][0]} or each.startswith(f"{name}@")]:
            del rows[each]
        chain = next((chain for chain, layer in store.root.layers.items() if layer.cache_id == ident(store)), "")
        return Told("layer", chain, f"zfs/graph/{ident(store)}")

    return how


def destroyed_layer_of_a_container(store: Whole) -> Told:
    """The dataset of a writable layer is gone."""
    destroyed(lambda store: store.root.mount_id(store.ran))(store)
    return Told("mount", store.ran, f"zfs/graph/{store.root.mount_id(store.ran)}")


def mounted(store: Whole) -> HostView:
    """Something is mounted where a dataset is gone."""
    probe = recorded(store.root)
    return HostView(state="stopped", why="", recorded=probe.recorded, mount_points=frozenset({f"zfs/graph/{OTHER}"}))


def five(store: Whole) -> HostView:
    """A list without times."""
    text = "".join(line.rpartition("\t")[0] + "\n" for line in store.root.pool.probe().splitlines())
    return HostView(state="stopped", why="", recorded={"zfs": Recorded(text, 1 << 62, "the-probe")})


POINT = file(lambda store: store.root.path / "zfs/graph" / OTHER)
# fmt: off
ROWS = probed("zfs", (
    fires(DATASET, "a layer was unpacked and never registered", orphan, cls=MANUAL),
    fires(DATASET, "clones of it are orphans too", grown, cls=MANUAL),
    fires(DATASET, "a create ended before its record", lambda store: blamed(store.root.orphan_pair(store.app).init_id), cls=MANUAL),
    fires(DATASET, "it is young", young, cls=MANUAL, grace=DAY, refused="grace period"),
    fires(DATASET, "the list does not tell its age", orphan, cls=MANUAL, grace=DAY, host=five, refused="age cannot be told"),
    fires(DATASET, "it looks like a build's and BuildKit's database is gone", lambda store: [blamed(store.root.orphan_dir(
          store.root.names.snapshot())), store.root.delete("buildkit/snapshots.db")][0], cls=MANUAL, refused="BuildKit",
          also=(DATASET, DATASET, "buildkit-db-missing"), leaves=("buildkit-db-missing",)),
    fires(DATASET, "the operator has a snapshot of it", kept),
    fires(DATASET, "it is mounted on a place of its own", lambda store: [told := orphan(store), store.root.pool.put(
          f"{ZFS_PARENT}/{told.id}", mountpoint="/srv")][0]),
    fires(DATASET, "another root lies in this one and shares the datasets", lambda store: [orphan(store), store.root.make_dir(
          "100000.100000"), store.root.make_dir("100000.100000/image")][0], cls=MANUAL, refused="not certain",
          also=("userns-root-present",)),
    silent(DATASET, "the operator cloned it", cloned),
    silent(DATASET, "it has another kind of name", lambda store: store.root.pool.put(f"{ZFS_PARENT}/volumes")),
    silent(DATASET, "it is in another pool's copy", backup),
    fires(SNAPSHOT, "the engine was killed before the clone", snapshot("123456789"), cls=MANUAL),
    fires(SNAPSHOT, "it is young", lambda store: [snapshot("123456789")(store), store.root.pool.put(
          f"{ZFS_PARENT}/{store.dir_of(store.base, 0)}@123456789", kind="snapshot", born=int(time.time()))][0], cls=MANUAL,
          grace=DAY, refused="grace period"),
    silent(SNAPSHOT, "the operator made it", snapshot("before-upgrade")),
    silent(SNAPSHOT, "the operator made one of everything", recursive),
    silent(SNAPSHOT, "its layer is an orphan itself", lambda store: [ident := orphan(store).id, snapshot("1", lambda _: ident)(store)][1], also=(DATASET,)),
    fires(RESIDUE, "its dataset is gone", foldered(POINT), cls=RECLAIM),
    fires(RESIDUE, "it is young", foldered(POINT), cls=RECLAIM, grace=DAY, refused="grace period"),
    fires(RESIDUE, "it holds files", lambda store: [foldered(POINT)(store), store.root.write(POINT.path(store) / "x", b"")][0]),
    silent(RESIDUE, "old engines leave that of a layer", lambda store: store.root.make_dir(
          f"zfs/graph/{store.root.init_id(store.ran)}")),
    silent(RESIDUE, "something is mounted on it", foldered(POINT), host=mounted),
    silent(RESIDUE, "it has another kind of name", written(file(lambda store: store.root.path / "zfs/graph/x"), b"")),
    fires(LOST, "its dataset was destroyed", hurting(destroyed(lambda store: store.dir_of(store.web)),
          lambda _: ["web:1"], lambda store: [store.busy, store.made]), cls=LOSSY, refused="still run without it"),
    fires("mount-rwdir-missing", "its dataset was destroyed", destroyed_layer_of_a_container),
    fires("mount-orphan", "a create was cut short", lambda store: [name := store.root.orphan_mount(store.app), Told(
          "mount", name, store.rel(store.root.mount_record(name)))][1], cls=RECLAIM, leaves=(DATASET,)),
))
# fmt: on


@rows(ROWS)
def test_the_table_of_zfs_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))


def commands(plan: Plan) -> list[str]:
    """All that the operator is to type."""
    return [command for action in plan.actions for command in action.next]


def test_the_commands_destroy_clones_before_what_they_were_cloned_from(place: Path) -> None:
    store = whole(place, "zfs")
    trunk = grown(store).id
    first, second = (store.root.pool.rows[f"{ZFS_PARENT}/{letter * 64}"][0] for letter in "ab")
    expected = [
        f"zfs destroy -d {second}",
        f"zfs destroy {ZFS_PARENT}/{'b' * 64}",
        f"zfs destroy -d {first}",
        f"zfs destroy {ZFS_PARENT}/{'a' * 64}",
        f"zfs destroy {ZFS_PARENT}/{trunk}",
    ]
    assert expected == commands(run(place, host=recorded(store.root)).plan)


def test_a_name_with_a_blank_is_quoted(place: Path) -> None:
    store = whole(place, "zfs")
    ident = orphan(store).id
    text = store.root.pool.probe().replace("tank/docker", "tank/my docker; rm -rf")
    host = HostView(state="stopped", why="", recorded={"zfs": Recorded(text, 1 << 62, "the-probe")})
    assert [f"zfs destroy 'tank/my docker; rm -rf/{ident}'"] == commands(run(place, host=host).plan)


def test_without_a_list_nothing_is_said_but_how_to_make_one(place: Path) -> None:
    store = whole(place, "zfs")
    store.root.orphan_mount(store.app)
    store.root.unreferenced_layers(2)
    outcome = run(place)
    (why,) = outcome.checked.incomplete
    assert "run `zfs list -H -p -t filesystem,snapshot" in why
    assert () == outcome.plan.actions
    assert [["driver dirs unknown"]] == [sorted({each.why[9:28] for each in outcome.plan.blocked})]


def test_a_folder_that_was_never_used_wants_no_list(place: Path) -> None:
    store = whole(place, "overlay2")
    store.root.make_dir("zfs")
    store.root.make_dir("zfs/graph")
    assert () == run(place).checked.incomplete


def test_where_a_copy_cannot_be_told_from_the_original_nothing_is_concluded(place: Path) -> None:
    store = whole(place, "zfs")
    backup(store)
    store.root.pool.put(ZFS_PARENT, mountpoint="none")
    outcome = run(place, host=recorded(store.root))
    assert ([], 1) == ([each.rule for each in outcome.findings], len(outcome.checked.incomplete))


BAD = {
    "it is empty": lambda _: "",
    "its end is lost": lambda text: text[:-20],
    "a line lacks a field": lambda text: text.replace("\tfilesystem\t", "\t", 1),
    "a size is no number": lambda text: text.replace("131072", "128K", 1),
    "a line stands twice": lambda text: text + text.splitlines(keepends=True)[-1],
    "it is of another host": lambda _: "rpool\t-\t1\t/\tfilesystem\t1\n",
    "it is not of zfs at all": lambda _: "#!/bin/sh\n",
}


@pytest.mark.parametrize("what", BAD)
def test_a_list_that_cannot_be_that_of_this_root_proves_nothing(place: Path, what: str) -> None:
    store = whole(place, "zfs")
    orphan(store)
    probe = Recorded(BAD[what](store.root.pool.probe()), 1 << 62, "the-probe")
    outcome = run(place, host=HostView(state="stopped", why="", recorded={"zfs": probe}))
    assert ([], 1) == ([each.rule for each in outcome.findings], len(outcome.checked.incomplete))
    assert outcome.checked.incomplete[0].startswith("--probe zfs=the-probe: ")


def test_a_list_that_is_older_than_a_record_proves_nothing(place: Path) -> None:
    store = whole(place, "zfs")
    at = (store.root.record(store.root.chains_of(store.base)[0]) / "cache-id").stat().st_mtime_ns
    probe = Recorded(store.root.pool.probe(), at - 1, "the-probe")
    outcome = run(place, host=HostView(state="stopped", why="", recorded={"zfs": probe}))
    assert ["--probe zfs=the-probe: older than the newest record of a layer: stop the engine, then record it again"] == list(
        outcome.checked.incomplete
    )


def test_a_list_of_two_roots_is_judged_by_the_parent_that_the_records_name(place: Path) -> None:
    store = whole(place, "zfs")
    store.root.pool.put("other/docker", mountpoint="/other")
    store.root.pool.put(f"other/docker/{OTHER}")
    assert () == run(place, host=recorded(store.root)).findings


def test_a_check_does_not_take_a_root_without_probe_for_one_in_use() -> None:
    assert {} == STOPPED.recorded
