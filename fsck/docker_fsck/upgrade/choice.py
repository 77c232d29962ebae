"""Which store an engine of some version opens on a root, or why it does not start; pure.

Sources: classic-store 9.9 (`graphdriver.New`, `scanPriorDrivers`), buildkit-and-containerd-store 5 (`determineImageStoreChoice`).
"""

from collections.abc import Collection

import msgspec

from docker_fsck.upgrade import timeline
from docker_fsck.upgrade.settings import SNAPSHOTTER, Settings
from docker_fsck.upgrade.timeline import CONTAINERD
from docker_fsck.upgrade.version import Version


class Homes(msgspec.Struct, frozen=True):
    """The homes of graph drivers on a root: those that hold something, and those that are there and empty."""

    used: Collection[str] = ()
    empty: Collection[str] = ()


class Choice(msgspec.Struct, frozen=True):
    """What the engine does. `store`: the driver or `containerd`; empty if it refuses to start, or takes what the host can do.

    `explicit`: the configuration says so. `refuses`: what it says instead of starting.
    """

    store: str = ""
    why: str = ""
    explicit: bool = False
    refuses: str = ""


def choose(version: Version, settings: Settings, homes: Homes) -> Choice:
    """What an engine of `version` with these settings opens on a root with these homes."""
    feature = settings.snapshotter if version >= timeline.FEATURE else None
    if feature is True:
        return Choice(CONTAINERD, f"the feature {SNAPSHOTTER} is on in {settings.origin}", explicit=True)
    prior = _prior(version, homes)
    if version >= timeline.CONTAINERD_DEFAULT and feature is None and not prior:
        return _containerd_by_default(version, settings)
    if settings.driver:
        return _configured(version, settings)
    return _guessed(version, prior)


def _prior(version: Version, homes: Homes) -> tuple[str, ...]:
    """The drivers whose state an engine sees, in its order; vfs never counts, nor does one that it does not know."""
    counted = {*homes.used, *(homes.empty if version < timeline.EMPTY_IGNORED else ())} - {"vfs"}
    ranks = {name: rank for rank, name in enumerate(timeline.priority(version))}
    seen = (name for name in counted if timeline.known(name, version) and not timeline.is_plugin(name))
    return tuple(sorted(seen, key=lambda name: (ranks.get(name, len(ranks)), name)))


def _containerd_by_default(version: Version, settings: Settings) -> Choice:
    if settings.driver in timeline.DRIVERS or timeline.is_plugin(settings.driver):
        return _configured(version, settings)
    why = "no storage driver that it still knows has state here (vfs does not count), and the configuration chooses none"
    if settings.driver:
        return Choice(CONTAINERD, f"{settings.driver} in {settings.origin} is no graph driver", explicit=True)
    return Choice(CONTAINERD, why)


def _configured(version: Version, settings: Settings) -> Choice:
    name = settings.driver
    if timeline.known(name, version):
        return Choice(name, f"{settings.origin} chooses it", explicit=True)
    gone = timeline.removed(name, version)
    why = f"it was removed in {gone}" if gone else "it does not know it"
    said = (
        f'configured driver "{name}" not available'
        if version >= timeline.CONTAINERD_DEFAULT
        else (
            f"[graphdriver] ERROR: the {name} storage-driver has been deprecated and removed" if gone else "driver not supported"
        )
    )
    return Choice(why=f"{settings.origin} chooses {name}, and {why}", explicit=True, refuses=said)


def _guessed(version: Version, prior: tuple[str, ...]) -> Choice:
    """The first driver with state that stands in the list of priorities; without one the first that the host can do."""
    first = next((name for name in prior if name in timeline.priority(version)), None)
    if first is None:
        return Choice(why="no storage driver has state that it looks at: it takes the first that this host can do")
    due = timeline.DRIVERS[first].explicit
    if due is not None and version >= due:
        why = f"from {due} on {first} must be chosen explicitly"
        return Choice(why=why, refuses=f"prior storage driver {first} is deprecated and will be removed in a future release")
    if len(prior) > 1 and version >= timeline.SEVERAL_FATAL:
        names = ", ".join(prior)
        return Choice(
            why=f"the storage drivers {names} have state and none is chosen",
            refuses=f"contains several valid graphdrivers: {names}",
        )
    return Choice(first, "it has state here")
