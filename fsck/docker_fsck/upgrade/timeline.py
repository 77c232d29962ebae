"""What changes with versions of the engine, as tables (classic-store 9.9, 15, 20.1, buildkit-and-containerd-store 5); pure."""

import msgspec

from docker_fsck.upgrade.version import FIRST, Version

CONTAINERD = "containerd"


class Driver(msgspec.Struct, frozen=True):
    """A graph driver of the engine: the first version with it, the first without it, and from which one it must be chosen."""

    since: Version
    until: Version | None = None
    explicit: Version | None = None


DRIVERS: dict[str, Driver] = {
    "aufs": Driver(FIRST, Version(24), Version(23)),
    "btrfs": Driver(FIRST),
    "devicemapper": Driver(FIRST, Version(25), Version(23)),
    "fuse-overlayfs": Driver(Version(20, 10)),
    "overlay": Driver(FIRST, Version(24), Version(23)),
    "overlay2": Driver(Version(1, 12)),
    "vfs": Driver(FIRST),
    "zfs": Driver(FIRST),
}
PLUGINS_END = Version(28)
"""Graph-driver plugins were removed."""

PRIORITY: tuple[tuple[Version, tuple[str, ...]], ...] = (
    (Version(1, 10), ("aufs", "btrfs", "zfs", "devicemapper", "overlay", "vfs")),
    (Version(1, 13), ("aufs", "btrfs", "zfs", "overlay2", "overlay", "devicemapper", "vfs")),
    (Version(17, 9), ("btrfs", "zfs", "overlay2", "aufs", "overlay", "devicemapper", "vfs")),
    (Version(20, 10), ("btrfs", "zfs", "overlay2", "fuse-overlayfs", "aufs", "overlay", "devicemapper", "vfs")),
    (Version(23), ("overlay2", "fuse-overlayfs", "btrfs", "zfs", "aufs", "overlay", "devicemapper", "vfs")),
    (Version(24), ("overlay2", "fuse-overlayfs", "btrfs", "zfs", "devicemapper", "vfs")),
    (Version(25), ("overlay2", "fuse-overlayfs", "btrfs", "zfs", "vfs")),
)
"""In which order an engine looks for a driver with state, from that version on."""

SEVERAL_FATAL = Version(1, 11)
"""More than one driver with state and none chosen: the engine does not start."""
EMPTY_IGNORED = Version(17, 12)
"""The empty home of a driver no longer counts as state."""
DTYPE = Version(23)
"""overlay2 needs a file system with d_type."""
FEATURE = Version(23)
"""The feature containerd-snapshotter is known."""
CONTAINERD_DEFAULT = Version(29)
"""Without state of a graph driver the engine opens the containerd image store."""
SHORT_IDS = Version(18, 6)
"""Cache-ids may have 25 characters."""
REMOVING = Version(20, 10)
"""`-removing` records are finished by the engine."""


class Change(msgspec.Struct, frozen=True):
    """One thing that is another from a version on; `rules` judge it in a root."""

    since: Version
    what: str
    rules: tuple[str, ...]


CHANGES: tuple[Change, ...] = (
    Change(SEVERAL_FATAL, "several drivers with state and none chosen: the engine does not start", ("upgrade-driver-unchosen",)),
    Change(Version(1, 12), "overlay2 comes; before, its tree is not seen", ("downgrade-driver-unknown",)),
    Change(EMPTY_IGNORED, "the empty home of a driver no longer counts as state", ("upgrade-driver-unchosen",)),
    Change(SHORT_IDS, "cache-ids of 25 characters; before, layers that BuildKit made cannot be read", ("downgrade-cacheid",)),
    Change(REMOVING, "a `-removing` record is finished by the engine; before, it is ignored for good", ("downgrade-removing",)),
    Change(Version(20, 10), "fuse-overlayfs comes; before, its tree is not seen", ("downgrade-driver-unknown",)),
    Change(DTYPE, "overlay2 refuses a file system without d_type", ("upgrade-dtype",)),
    Change(
        Version(23), "aufs, overlay and devicemapper must be chosen explicitly, else the engine does not start",
        ("upgrade-driver-unchosen",),
    ),
    Change(FEATURE, "the feature containerd-snapshotter; before, the containerd store is not seen", ("upgrade-store-hidden",)),
    Change(Version(24), "aufs and overlay are gone", ("upgrade-driver-removed",)),
    Change(Version(25), "devicemapper is gone", ("upgrade-driver-removed",)),
    Change(PLUGINS_END, "graph-driver plugins are gone", ("upgrade-driver-removed",)),
    Change(
        CONTAINERD_DEFAULT,
        "without a driver with state (vfs never counts) or an explicit choice the engine opens the containerd store",
        ("upgrade-store-hidden", "upgrade-driver-removed"),
    ),
    Change(
        CONTAINERD_DEFAULT, "the feature containerd-migration copies images into the containerd store if there is no container",
        ("upgrade-migration",),
    ),
)  # fmt: skip


def known(name: str, version: Version) -> bool:
    """Whether an engine of `version` has that graph driver; plugins have a `/` or `:` in their name."""
    if is_plugin(name):
        return Version(1, 13) <= version < PLUGINS_END
    driver = DRIVERS.get(name)
    return driver is not None and driver.since <= version and (driver.until is None or version < driver.until)


def removed(name: str, version: Version) -> Version | None:
    """The version, not above `version`, in which that driver was removed."""
    until = PLUGINS_END if is_plugin(name) else DRIVERS[name].until if name in DRIVERS else None
    return until if until is not None and until <= version else None


def is_plugin(name: str) -> bool:
    """Whether a driver is a managed plugin, by its name (classic-store 8.1)."""
    return "/" in name or ":" in name


def priority(version: Version) -> tuple[str, ...]:
    """In which order an engine of `version` looks for a driver with state."""
    return next(names for since, names in reversed(PRIORITY) if since <= version)
