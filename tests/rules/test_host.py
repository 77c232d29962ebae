"""The table of what the kernel will not give: nothing is said of it but that, and nothing is concluded (FC-49, FC-58)."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from docker_fsck.testing.refusals import refusing
from docker_fsck.testing.table import DRIVERS, Row, Told, disagreements, fires, registry, run, silent
from docker_fsck.testing.whole import Whole, whole

from .cases import AUFS, OVERLAY, file, linked, rows, written

UNREADABLE, ORPHAN = "file-unreadable", "driver-orphan"
LONELY = {"cache-id of a layer", "one layer's record"}  # nothing but the record names a folder of vfs; its removal is blocked
Place = Callable[[Whole], Path]


def record(name: str) -> Place:
    """A file of a layer record."""
    return lambda store: store.root.record(store.root.chains_of(store.base)[1]) / name


def mount(name: str) -> Place:
    """A file of a mount record."""
    return lambda store: store.root.mount_record(store.ran) / name


def top(name: str) -> Place:
    """A path by its name below the root; `{driver}` is the driver's."""
    return lambda store: store.root.path / name.format(driver=store.root.driver)


FILES: tuple[tuple[str, Place, tuple[str, ...]], ...] = (
    ("the tag store", lambda store: store.root.tags, DRIVERS),
    ("an image configuration", lambda store: store.root.image_file(store.web), DRIVERS),
    ("the time of a tag", lambda store: store.root.image_metadata(store.app) / "lastUpdated", DRIVERS),
    ("a parent note", lambda store: store.root.image_metadata(store.app) / "parent", DRIVERS),
    *((f"{name} of a layer", record(name), DRIVERS) for name in ("diff", "size", "cache-id", "parent")),
    *((f"{name} of a container", mount(name), DRIVERS) for name in ("mount-id", "init-id", "parent")),
    ("a container's config", lambda store: store.root.container_dir(store.ran) / "config.v2.json", DRIVERS),
    ("a container's host configuration", lambda store: store.root.container_dir(store.ran) / "hostconfig.json", DRIVERS),
    ("a link", lambda store: store.root.driver_dir(store.dir_of(store.base, 0)) / "link", OVERLAY),
    ("a lower", lambda store: store.root.driver_dir(store.dir_of(store.app)) / "lower", OVERLAY),
    ("a list of ancestors", lambda store: store.root.path / "aufs/layers" / store.dir_of(store.app), AUFS),
)
TABLES = (
    ("the folder of containers", top("containers"), DRIVERS),
    ("the folder of images", lambda store: store.root.image_file(store.web).parent, DRIVERS),
    ("the folder of layers", lambda store: store.root.record(store.root.chains_of(store.base)[0]).parent, DRIVERS),
    ("the folder of mounts", lambda store: store.root.mount_record(store.ran).parent, DRIVERS),
)
HOMES = (("the home of overlay2", top("overlay2"), OVERLAY), ("the home of vfs", top("vfs"), ("vfs",)))
FOLDERS: tuple[tuple[str, Place, tuple[str, ...]], ...] = (
    ("the folder of containers", top("containers"), DRIVERS),
    ("one container's folder", lambda store: store.root.container_dir(store.ran), DRIVERS),
    ("the folder of images", lambda store: store.root.image_file(store.web).parent, DRIVERS),
    ("the folder of metadata", lambda store: store.root.image_metadata(store.web).parent, DRIVERS),
    ("one image's metadata", lambda store: store.root.image_metadata(store.app), DRIVERS),
    ("the folder of layers", lambda store: store.root.record(store.root.chains_of(store.base)[0]).parent, DRIVERS),
    ("one layer's record", lambda store: store.root.record(store.root.chains_of(store.base)[1]), DRIVERS),
    ("the folder of mounts", lambda store: store.root.mount_record(store.ran).parent, DRIVERS),
    ("one mount record", lambda store: store.root.mount_record(store.ran), DRIVERS),
    ("layers that were not finished", top("image/{driver}/layerdb/tmp"), DRIVERS),
    ("the folder l", top("overlay2/l"), OVERLAY),
    ("the home of overlay2", top("overlay2"), OVERLAY),
    ("the home of vfs", top("vfs/dir"), ("vfs",)),
    *((f"the folder {name} of aufs", top(f"aufs/{name}"), AUFS) for name in ("diff", "layers", "mnt")),
    ("one driver dir", lambda store: store.root.driver_dir(store.dir_of(store.base, 0)), OVERLAY),
)


def nothing_done(place: Place) -> Callable[[Whole], Told]:
    """The store is whole; only the kernel fails."""
    return lambda store: file(place).told(store)


# fmt: off
ROWS: tuple[Row, ...] = (
    *(fires(UNREADABLE, f"{what} gives {errno.errorcode[error]}", nothing_done(place), denied=place, error=error,
          drivers=(driver,),
            also=(ORPHAN,) if driver == "vfs" and what in LONELY else ())
      for error in (errno.EACCES, errno.EIO) for what, place, drivers in (*FILES, *FOLDERS) for driver in drivers),
    *(fires(UNREADABLE, f"{what} is a file", written(file(place), b"x"), drivers=drivers)
      for what, place, drivers in (*TABLES, *HOMES)),
    silent(UNREADABLE, "nobody asks for the file", lambda _: None,
          denied=lambda store: store.root.container_dir(store.ran) / "hosts"),
    silent(UNREADABLE, "a folder that nobody needs is a link", linked(file(top("trust")), "/etc")),
)
# fmt: on


@rows(ROWS)
def test_the_table_of_unreadable_paths_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))


@pytest.mark.parametrize("error", [errno.EACCES, errno.EIO])
@pytest.mark.parametrize("name", ["snapshots.db", "containerdmeta.db", "metadata_v2.db"])
def test_what_is_not_read_makes_the_verdict_incomplete(place: Path, name: str, error: int) -> None:
    store = whole(place, "overlay2")
    with refusing(store.root.path / "buildkit" / name, error):
        outcome = run(place)
    orphans = [ORPHAN, ORPHAN] if name == "snapshots.db" else []
    assert [UNREADABLE, *orphans] == [finding.rule for finding in outcome.findings]
    assert () == outcome.plan.actions
    assert [f"buildkit/{name}: {outcome.findings[0].evidence.actual}"] == list(outcome.checked.incomplete)
    assert "unreadable" == next(source.state for source in outcome.sources if source.source == f"buildkit/{name}")


def test_a_check_of_a_whole_store_is_complete(place: Path) -> None:
    store = whole(place, "overlay2")
    outcome = run(store.root.path)
    assert () == outcome.checked.incomplete
    assert {"read"} == {source.state for source in outcome.sources}
    others = {rule.name for rule in registry().rules if rule.drivers and "overlay2" not in rule.drivers}
    assert others == {each.rule for each in outcome.checked.outcomes if each.state == "skipped"}
