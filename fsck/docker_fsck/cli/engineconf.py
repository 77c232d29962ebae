"""How the engine of a root is configured, as far as that decides which store it opens; reads the host's files, no data root."""

import os
from pathlib import Path

import msgspec

from docker_fsck.cli import roots
from docker_fsck.config import Config
from docker_fsck.errors import UsageError
from docker_fsck.upgrade.settings import SNAPSHOTTER, Settings, key_fault, of_json

LIMIT = 1 << 20
_DRIVER, _FEATURE = ("storage-driver", "s"), ("feature",)


def of_host(config: Config, root: roots.Root, places: roots.Places | None = None) -> Settings:
    """The configuration of this host's engine if `root` is its own; of another root nothing is known."""
    places = places or roots.Places()
    if not _is_own(config, root, places):
        return Settings()
    found = _read(places.daemon_json)
    driver, feature = _flag(places, _DRIVER), _flag(places, _FEATURE)
    if driver and not found.driver:
        found = msgspec.structs.replace(found, driver=driver[0], origin=_both(found.origin, driver[1]))
    if feature and found.snapshotter is None and feature[0].startswith(f"{SNAPSHOTTER}="):
        on = feature[0].endswith(("=true", "=1"))
        found = msgspec.structs.replace(found, snapshotter=on, origin=_both(found.origin, feature[1]))
    named = (places.default, *([config.root] if config.root else []), *([found.root] if found.root else []))
    names = tuple(dict.fromkeys(path for path in named if os.path.realpath(path) == root.path))
    return msgspec.structs.replace(found, own=True, names=names, key=_key(Path(places.daemon_json).with_name("key.json")))


def of_file(path: str) -> Settings:
    """The configuration in a file that the user names; `UsageError` for one that no engine would take."""
    found = _read(path)
    if found.fault or not found.file:
        raise UsageError(f"--daemon-json {path}: {found.fault or 'no such file'}")
    return found


def _read(path: str) -> Settings:
    try:
        with Path(path).open("rb") as file:
            return of_json(file.read(LIMIT), path)
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        return Settings(file=path, fault=(error.strerror or str(error)).lower())


def _key(path: Path) -> str:
    """Why the engine's key cannot be used; nothing if it can, or there is none: engines before 23 make one."""
    try:
        with path.open("rb") as file:
            fault = key_fault(file.read(LIMIT))
    except FileNotFoundError:
        return ""
    except OSError as error:
        fault = (error.strerror or str(error)).lower()
    return fault and f"{path}: {fault}"


def _is_own(config: Config, root: roots.Root, places: roots.Places) -> bool:
    """Whether the engine of this host works on the root; where its configuration cannot be read, whether it is the default."""
    if not root.explicit:
        return True
    try:
        return roots.choose(msgspec.structs.replace(config, root=None), places).path == root.path
    except UsageError:
        return root.path == os.path.realpath(places.default)


def _flag(places: roots.Places, names: tuple[str, ...]) -> tuple[str, str] | None:
    """What the engine's command line gives for a flag, and where that stands; engines that differ say nothing."""
    try:
        return roots.of_engine(places.proc, names) or roots.of_units(places.units, names)
    except UsageError:
        return None


def _both(origin: str, other: str) -> str:
    return f"{origin} and {other}" if origin else other
