"""The table of the laws of btrfs (classic-store 9.6; FC-44, FC-47), and the tables of all drivers once more, on a real btrfs.

A subvolume can only be had on a btrfs: without root and loop devices these tests are skipped.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from docker_fsck.reader import Reader
from docker_fsck.testing import laws, subvolumes
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.table import Row, Told, disagreements, fires, label, run, silent
from docker_fsck.testing.whole import Whole, whole
from docker_fsck.weight import Weight, weigh

from . import test_containers, test_garbage, test_host, test_images, test_layers, test_mounts, test_tags
from .cases import RECLAIM, How, all_images, hurting, rows

PLAIN, QUOTA = "btrfs-not-subvolume", "btrfs-quota-orphan"
BTRFS = ("btrfs",)
GONE, LIMIT = "7" * 64, b"1073741824"
Ident = Callable[[Whole], str]


def low(store: Whole) -> str:
    """The driver id below all others."""
    return store.dir_of(store.base, 0)


def rw(store: Whole) -> str:
    """A writable layer."""
    return store.root.mount_id(store.ran)


def init(store: Whole) -> str:
    """The init layer below it."""
    return store.root.init_id(store.ran)


def built(store: Whole) -> str:
    """A build step that only BuildKit names."""
    return store.cache.committed_dir


def copied(ident: Ident) -> How:
    """What a copy of the data root makes of a subvolume: a folder with the same content."""

    def how(store: Whole) -> Told:
        where = store.root.driver_dir(ident(store))
        aside = where.with_name("aside")
        where.rename(aside)
        store.root.disk.copy(aside, where)
        store.root.delete(aside)
        return Told("driverdir", where.name, store.rel(where))

    return how


def limit(store: Whole, ident: str) -> Path:
    """The size limit of a subvolume, written."""
    folder = store.root.path / "btrfs/quotas"
    folder.mkdir(0o700, exist_ok=True)
    (folder / ident).write_bytes(LIMIT)
    return folder / ident


def limited(ident: Ident, *blows: Callable[[Whole], object]) -> How:
    """Damage, then a size limit."""

    def how(store: Whole) -> Told:
        for blow in blows:
            blow(store)
        where = store.rel(limit(store, ident(store)))
        return Told("file", where, where)

    return how


def without_rw(store: Whole) -> None:
    """The writable layer of a container was deleted by hand."""
    store.root.delete(store.root.driver_dir(rw(store)))


def without_cache_id(store: Whole) -> None:
    """A layer record has lost the name of its subvolume."""
    store.root.empty(store.root.record(store.root.chains_of(store.web)[-1]) / "cache-id")


def nobody(_: Whole) -> tuple[str, ...]:
    """No image."""
    return ()


def orphan(store: Whole) -> str:
    """A subvolume that nothing names."""
    return store.root.orphan_dir()


# fmt: off
ROWS: tuple[Row, ...] = tuple(structs.replace(row, drivers=BTRFS) for row in (
    fires(PLAIN, "the lowest layer is a folder", hurting(copied(low), all_images)),
    fires(PLAIN, "a writable layer is a folder", hurting(copied(rw), nobody, lambda store: (store.ran,))),
    fires(PLAIN, "an init layer is a folder", copied(init)),
    fires(PLAIN, "a build step is a folder", copied(built)),
    silent(PLAIN, "an orphan is a folder: it is garbage as well", copied(orphan), also=("driver-orphan",)),
    silent(PLAIN, "a layer is gone", lambda store: store.root.delete(store.root.driver_dir(low(store))),
           also=("layer-driverdir-missing",)),
    fires(QUOTA, "it has no subvolume", limited(lambda _: GONE), cls=RECLAIM),
    fires(QUOTA, "it has no subvolume and is that of an init layer", limited(lambda _: f"{GONE}-init"), cls=RECLAIM),
    fires(QUOTA, "it is young", limited(lambda _: GONE), cls=RECLAIM, grace=60.0, refused="changed within the grace period"),
    fires(QUOTA, "a layer's record does not tell its subvolume", limited(lambda _: GONE, without_cache_id), cls=RECLAIM,
          refused="references of layers unknown", also=("driver-orphan", "layer-record-incomplete"),
          leaves=("layer-parent-missing", "driver-orphan", "btrfs-quota-orphan")),
    silent(QUOTA, "its subvolume is there", limited(rw)),
    silent(QUOTA, "its subvolume is gone and a container still names it", limited(rw, without_rw), also=("mount-rwdir-missing",)),
    silent(QUOTA, "it is no driver id", limited(lambda _: "notes")),
    silent(QUOTA, "its subvolume is an orphan, with which it goes", limited(orphan), also=("driver-orphan",)),
))
# fmt: on

ALIKE = tuple(
    structs.replace(row, drivers=BTRFS)
    for table in (test_containers, test_garbage, test_host, test_images, test_layers, test_mounts, test_tags)
    for row in table.ROWS
    if "vfs" in row.drivers and "the home of vfs" not in row.what
)
"""Every row that holds for a driver without parents."""


@rows(ROWS)
def test_the_laws_of_btrfs(row: Row, driver: str, place: Path) -> None:
    assert [] == disagreements(row, driver, place)


@rows(ALIKE)
def test_what_holds_for_all_drivers_holds_for_btrfs(row: Row, driver: str, place: Path) -> None:
    assert [] == disagreements(row, driver, place)


@pytest.mark.parametrize("driver", BTRFS)
def test_law_1_a_whole_store_gives_nothing(driver: str, place: Path) -> None:
    assert [] == laws.whole_is_clean(place, driver)


@pytest.mark.parametrize("driver", BTRFS)
def test_law_1_a_store_in_which_nothing_was_ever_made_gives_nothing(driver: str, place: Path) -> None:
    assert [] == laws.clean(run(DataRoot(place, driver).path))


@pytest.mark.parametrize("driver", BTRFS)
def test_law_8_any_entry_of_the_home_may_be_damaged_in_any_way(driver: str, place: Path) -> None:
    store = whole(place, driver)
    where = [limit(store, rw(store)), store.root.driver_dir(low(store)), place / "btrfs/subvolumes", place / "btrfs/quotas"]
    aside = place.with_name("aside")
    told = {
        (str(path), strike): found
        for path in where
        for strike in laws.STRIKES
        if path.is_file() or strike not in {"emptied", "halved", "flipped", "all NUL"}
        if (found := laws.survives(place, path, strike, aside=aside))
    }
    assert {} == told


@pytest.mark.parametrize("driver", BTRFS)
def test_a_tree_with_subvolumes_in_it_is_weighed_whole_and_two_files_of_one_inode_number_are_two(
    driver: str, place: Path
) -> None:
    place.mkdir()
    outer = subvolumes.create(place / "outer")
    inner = subvolumes.create(outer / "inner")
    for top in (outer, inner):
        (top / "file").write_bytes(os.urandom(1 << 20))
        os.link(top / "file", top / "again")
    os.sync()
    assert (outer / "file").stat().st_ino == (inner / "file").stat().st_ino
    with Reader(str(place)) as reader:
        weight = weigh(reader, "outer")
    assert isinstance(weight, Weight)
    assert (2 << 20, "", 1) == (weight.bytes, weight.partial, weight.inner)


@pytest.mark.parametrize("driver", BTRFS)
def test_a_fresh_snapshot_of_old_files_is_young(driver: str, place: Path) -> None:
    place.mkdir()
    (subvolumes.create(place / "old") / "file").write_bytes(b"x")
    time.sleep(0.05)
    before = time.time_ns() - 10_000_000  # the clock of a file system goes in steps
    subvolumes.snapshot(place / "old", place / "new")
    assert (place / "new").stat().st_ctime_ns < before
    with Reader(str(place)) as reader:
        old, new = weigh(reader, "old"), weigh(reader, "new")
    assert isinstance(old, Weight)
    assert isinstance(new, Weight)
    assert old.newest_ns < before <= new.newest_ns <= time.time_ns()


@pytest.mark.parametrize("driver", BTRFS)
def test_a_plan_tells_which_subvolume_holds_others(driver: str, place: Path) -> None:
    store = whole(place, driver)
    lone, full = store.root.orphan_dir(), store.root.orphan_dir()
    subvolumes.create(subvolumes.create(store.root.driver_dir(full) / "inner") / "deep")
    told = {action.steps[0].path: action.next for action in run(place).plan.actions}
    said = f"2 other subvolumes lie in btrfs/subvolumes/{full}: it goes with all of them, and purge deletes them as subvolumes"
    assert {f"btrfs/subvolumes/{lone}": (), f"btrfs/subvolumes/{full}": (said,)} == told


@pytest.mark.parametrize("driver", ["vfs"])
def test_a_home_of_btrfs_cannot_be_made_elsewhere(driver: str, place: Path) -> None:
    if subvolumes.lacks():
        pytest.skip("not root")
    root = DataRoot(place, "btrfs")
    with pytest.raises(OSError, match=r"Inappropriate ioctl|not supported"):
        root.image()
