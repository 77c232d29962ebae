"""Which data root is meant, and whether Docker was ever started on it; reads the host's configuration, of the root only names."""

import errno
import os
import pwd
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from docker_fsck import hostengine, hostproc
from docker_fsck.config import BUILT_IN, Config
from docker_fsck.errors import FsckError, RootError, UsageError
from docker_fsck.reader import Reader
from docker_fsck.values import Trouble

DEFAULT = "/var/lib/docker"
_FLAGS = ("data-root", "graph", "g")
_LIMIT = 1 << 20
_NOTHING = frozenset({"lost+found"})


class NothingHere(FsckError):
    """Docker was never started on this host's own root: nothing to check, and no fault."""

    exit_bit = 0


@contextmanager
def needed() -> Iterator[None]:
    """For what names a thing in the root: that there is no root is then an error, as it cannot be had."""
    try:
        yield
    except NothingHere as nothing:
        raise RootError(str(nothing)) from None


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Where a host keeps what names a data root; tests give other places."""

    daemon_json: str = "/etc/docker/daemon.json"
    proc: str = "/proc"
    units: tuple[str, ...] = (
        "/etc/systemd/system/docker.service.d",
        "/etc/systemd/system/docker.service",
        "/run/systemd/system/docker.service.d",
        "/usr/lib/systemd/system/docker.service",
        "/lib/systemd/system/docker.service",
        "/etc/default/docker",
        "/etc/sysconfig/docker",
    )
    default: str = DEFAULT
    snap: str = "/var/snap/docker/common/var-lib-docker"
    homes: tuple[str, ...] | None = None


class Root(msgspec.Struct, frozen=True):
    """The chosen root: its real path, where its name comes from, and whether the user named it."""

    path: str
    origin: str
    explicit: bool


def choose(config: Config, places: Places | None = None) -> Root:
    """The root that `config` names, else the engine's own (interface section 2).

    Raises `UsageError` for a daemon.json that does not parse and for several engines with different roots.
    """
    places = places or Places()
    if config.root is not None:
        return Root(os.path.realpath(config.root), config.origins["root"], explicit=True)
    found = (
        _of_daemon_json(places.daemon_json)
        or of_engine(places.proc, _FLAGS)
        or of_units(places.units, _FLAGS)
        or (places.default, BUILT_IN)
    )
    return Root(os.path.realpath(found[0]), found[1], explicit=False)


def spellings(config: Config) -> tuple[str, ...]:
    """The absolute paths by which a user may name the chosen root, which is known by its real path."""
    named = (str(Path(config.root).absolute()),) if config.root is not None else ()
    return (*named, DEFAULT) if os.path.realpath(DEFAULT) == choose(config).path else named


def opened(root: Root, places: Places | None = None) -> Reader:
    """A reader of the root. `RootError` if it cannot be read, `NothingHere` if it is the host's own and nothing is in it."""
    places = places or Places()
    if not root.explicit and not os.path.lexists(root.path):
        raise NothingHere(_never_started(root, "absent", places))
    reader = Reader(root.path)
    if fault := _useless(root, reader.names(""), places):
        reader.close()
        raise fault
    return reader


def _useless(root: Root, names: dict[str, str] | Trouble, places: Places) -> FsckError | None:
    """What to raise if the folder holds nothing."""
    if isinstance(names, Trouble):
        return RootError(f"{root.path}: {names.why}")
    if names.keys() - _NOTHING:
        return None
    if root.explicit:
        return RootError(f"{root.path}: an empty folder, not a Docker data root")
    return NothingHere(_never_started(root, "empty", places))


def _never_started(root: Root, state: str, places: Places) -> str:
    source = "" if root.origin == BUILT_IN else f" (named by {root.origin})"
    others = [f"{path} ({kind})" for path, kind in elsewhere(places)]
    hint = f"; other roots on this host, for --root: {', '.join(others)}" if others else ""
    return f"{root.path}{source} is {state}: Docker was never started here, nothing to check{hint}"


def elsewhere(places: Places) -> Iterator[tuple[str, str]]:
    """Roots of rootless engines and of the snap that exist on this host."""
    homes = places.homes if places.homes is not None else tuple(sorted({each.pw_dir for each in pwd.getpwall()}))
    for home in homes:
        path = Path(home, ".local/share/docker")
        if _is_folder(path):
            yield str(path), "rootless"
    if _is_folder(Path(places.snap)):
        yield places.snap, "snap"


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # in another user's home
        return False


def _of_daemon_json(path: str) -> tuple[str, str] | None:
    try:
        data = _limited(Path(path)).decode("utf-8-sig", "replace")
        settings: dict[str, Any] = msgspec.json.decode(data, type=dict[str, Any]) if data.strip() else {}
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} may name the data root and cannot be read ({error.strerror}); name it with --root") from None
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UsageError(f"{path} may name the data root and is no JSON object ({error}); name it with --root") from None
    named = settings.get("data-root") or settings.get("graph")
    if isinstance(named, str) and "\0" in named:
        raise UsageError(f"{path} names a data root with a zero byte in it; name it with --root")
    return (named, path) if isinstance(named, str) else None


def _limited(path: Path) -> bytes:
    """A whole file; one that is too large to be a configuration is an `OSError`."""
    with path.open("rb") as file:
        data = file.read(_LIMIT + 1)
    if len(data) > _LIMIT:
        raise OSError(errno.EFBIG, f"larger than {_LIMIT >> 20} MiB")
    return data


def of_engine(proc: str, flags: tuple[str, ...]) -> tuple[str, str] | None:
    """What the command line of the running engine gives for `flags`; a `UsageError` if several engines name different roots.

    Engines in containers have a PID namespace of their own and mean paths in there: they do not count.
    """
    try:
        running = hostproc.processes(proc)
    except OSError:
        return None
    engines = [each for each in running if hostengine.kind(each) == "engine" and _same_namespace(proc, each.base)]
    named = {hostengine.option(each.argv, *flags): each.pid for each in engines}
    match [*named.items()]:
        case [(str() as path, pid)]:
            return path, f"engine process {pid}"
        case [_, _, *_] if None not in named:
            raise UsageError(
                f"several engines run on this host; name one of their roots with --root: {', '.join(sorted(filter(None, named)))}"
            )
        case _:
            return None


def _same_namespace(proc: str, base: str) -> bool:
    try:
        return Path(proc, "self/ns/pid").readlink() == Path(base, "ns/pid").readlink()
    except OSError:
        return True


def of_units(paths: Iterable[str], flags: tuple[str, ...]) -> tuple[str, str] | None:
    """What the engine's service gives for `flags`, the files that override others first."""
    for path in (each for folder in paths for each in _members(folder)):
        named = _named_in(path, flags)
        if named:
            return named, str(path)
    return None


def _members(path: str) -> list[Path]:
    """The file itself; of a folder its drop-ins, the one that counts most first."""
    folder = Path(path)
    return sorted(folder.glob("*.conf"), reverse=True) if folder.is_dir() else [folder]


def _named_in(path: Path, flags: tuple[str, ...]) -> str | None:
    try:
        text = _limited(path).decode("utf-8", "surrogateescape").replace("\\\n", " ")
    except OSError:
        return None
    for line in text.splitlines():
        key, _, value = line.strip().partition("=")
        if key in {"ExecStart", "DOCKER_OPTS", "OPTIONS", "DOCKERD_OPTS"} and (named := hostengine.option(_words(value), *flags)):
            return named
    return None


def _words(value: str) -> list[str]:
    """The words of a command line of a unit or of a shell file, quotes taken off."""
    try:
        outer = shlex.split(value)
        return [word for each in outer for word in (shlex.split(each) if " " in each else [each])]
    except ValueError:  # an open quote: what a shell would refuse names nothing
        return []
