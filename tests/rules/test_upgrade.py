"""The table of the gate's rules: what an engine of another version would not show, or would not start with."""

from pathlib import Path

import pytest

from docker_fsck.testing.table import Row, Told, disagreements, fires, silent
from docker_fsck.testing.whole import Whole
from docker_fsck.upgrade.settings import Settings
from docker_fsck.upgrade.version import Version

from .cases import AUFS, CRITICAL, ERROR, INFO, OVERLAY, VFS, WARNING, rows

REMOVED, UNCHOSEN, HIDDEN, UNKNOWN = (
    "upgrade-driver-removed",
    "upgrade-driver-unchosen",
    "upgrade-store-hidden",
    "downgrade-driver-unknown",
)
DTYPE, MIGRATION, CACHEID, REMOVING = "upgrade-dtype", "upgrade-migration", "downgrade-cacheid", "downgrade-removing"
V11, V12, V17, V19, V20, V23, V24, V29 = (
    Version(1, 11), Version(1, 12), Version(17, 12), Version(19, 3), Version(20, 10), Version(23), Version(24), Version(29),
)  # fmt: skip


def chosen(driver: str) -> Settings:
    """A configuration that names the driver."""
    return Settings(driver=driver, origin="daemon.json", file="daemon.json")


CONTAINERD = Settings(snapshotter=True, origin="daemon.json", file="daemon.json")
GRAPH = Settings(snapshotter=False, origin="daemon.json", file="daemon.json")
MIGRATE = Settings(migration=True, driver="vfs", origin="daemon.json", file="daemon.json")


def whole_tree(store: Whole) -> Told:
    """Nothing is wrong here but the version."""
    driver = store.root.driver
    return Told("store", driver, driver, containers=(store.ran, store.busy, store.made))


def whole_root(store: Whole) -> Told:
    """The engine has to be told which driver it is."""
    return Told("store", "storage-driver", store.root.driver)


def to_migrate(store: Whole) -> Told:
    """The images are to be copied."""
    return Told("store", "migration", store.root.driver)


def built(store: Whole) -> Told:
    """BuildKit made one layer: its cache-id has 25 characters."""
    layer = store.root.record(store.root.chains_of(store.built)[-1])
    return Told("store", store.root.driver, store.rel(layer / "cache-id"), images=("built:1",))


def in_removal(store: Whole) -> Told:
    """A removal that was cut short."""
    record = store.root.removing()
    return Told("store", store.root.driver, store.rel(record))


def nothing(_: Whole) -> None:
    """The store is whole."""


# fmt: off
ROWS: tuple[Row, ...] = (
    fires(REMOVED, "24 is to open an aufs store", whole_tree, drivers=AUFS, target=V24, severity=CRITICAL),
    fires(REMOVED, "24 is told to use aufs", whole_tree, drivers=AUFS, target=V24, engine=chosen("aufs"), severity=CRITICAL),
    fires(REMOVED, "29 is told to use overlay2 beside aufs", whole_tree, drivers=AUFS, target=V29, engine=chosen("overlay2"), severity=ERROR),
    fires(REMOVED, "24 is to open an overlay store", whole_tree, drivers=("overlay",), target=V24, severity=CRITICAL),
    fires(REMOVED, "25 is to open a devicemapper store", whole_tree, drivers=("devicemapper",), target=Version(25), severity=CRITICAL),
    silent(REMOVED, "24 is told to use devicemapper", nothing, drivers=("devicemapper",), target=V24, engine=chosen("devicemapper")),
    silent(REMOVED, "23 is told to use aufs", nothing, drivers=AUFS, target=V23, engine=chosen("aufs")),
    fires(UNCHOSEN, "23 finds aufs and is told nothing", whole_root, drivers=AUFS, target=V23),
    silent(UNCHOSEN, "20.10 finds one driver", nothing, drivers=(*AUFS, *OVERLAY), target=V20),
    fires(HIDDEN, "29 opens containerd beside vfs", whole_tree, drivers=VFS, target=V29),
    fires(HIDDEN, "29 is told to open containerd", whole_tree, drivers=(*OVERLAY, *VFS), target=V29, engine=CONTAINERD, severity=ERROR),
    fires(HIDDEN, "20.10 is told to use another driver", whole_tree, drivers=(*AUFS, *VFS), target=V20, engine=chosen("overlay2"), severity=ERROR),
    silent(HIDDEN, "29 finds overlay2", nothing, drivers=OVERLAY, target=V29),
    silent(HIDDEN, "29 is told to use vfs", nothing, drivers=VFS, target=V29, engine=chosen("vfs")),
    fires(HIDDEN, "29 is told to use some graph driver", whole_tree, drivers=VFS, target=V29, engine=GRAPH, severity=WARNING),
    fires(HIDDEN, "20.10 looks for a driver", whole_tree, drivers=VFS, target=V20, severity=WARNING),
    silent(HIDDEN, "20.10 does not know the feature", nothing, drivers=OVERLAY, target=V20, engine=CONTAINERD),
    fires(UNKNOWN, "1.11 is to open an overlay2 store", whole_tree, drivers=OVERLAY, target=V11, also=(CACHEID,)),
    silent(UNKNOWN, "1.12 is told to use overlay2", nothing, drivers=OVERLAY, target=V12, engine=chosen("overlay2"), also=(CACHEID,)),
    silent(DTYPE, "the file system has d_type", nothing, drivers=OVERLAY, target=V29),
    fires(MIGRATION, "there are containers", to_migrate, drivers=VFS, target=V29, engine=MIGRATE, severity=INFO),
    silent(MIGRATION, "28 does not know it", nothing, drivers=VFS, target=Version(28), engine=MIGRATE),
    fires(CACHEID, "17.12 is to read what BuildKit made", built, target=V17, drivers=(*OVERLAY, *AUFS)),
    fires(CACHEID, "17.12 is to read what BuildKit made on vfs", built, target=V17, drivers=VFS, engine=chosen("vfs")),
    silent(CACHEID, "18.06 is to read it", nothing, drivers=(*OVERLAY, *AUFS), target=Version(18, 6)),
    fires(REMOVING, "19.03 finds one", in_removal, target=V19, also=("layer-removing",), drivers=(*OVERLAY, *AUFS)),
    fires(REMOVING, "19.03 finds one on vfs", in_removal, target=V19, also=("layer-removing",), drivers=VFS, engine=chosen("vfs")),
    silent(REMOVING, "20.10 finds one", in_removal, target=V20, also=("layer-removing",), drivers=OVERLAY),
)
# fmt: on


@rows(ROWS)
def test_the_table_of_the_gate_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))


def test_without_a_target_no_rule_of_the_gate_runs(place: Path) -> None:
    row = next(row for row in ROWS if row.rule == HIDDEN and row.kind == "fires" and row.drivers == VFS)
    assert [] == disagreements(silent("*", "nobody asks about a version", nothing), row.drivers[0], place)


@pytest.mark.parametrize("target", [V20, V23, V24, V29], ids=str)
def test_a_whole_overlay2_store_passes_every_later_engine(target: Version, place: Path) -> None:
    assert [] == disagreements(silent("*", "the engine is newer", nothing, target=target), "overlay2", place)
