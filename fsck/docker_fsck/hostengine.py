"""Which processes are parts of an engine, and which data root they work on, by their command line and configuration.

It reads /proc, and the configuration files that a command line names.
"""

import os
import re
from collections.abc import Callable, Iterable
from typing import Literal

import msgspec
from msgspec import Struct

from docker_fsck.hostmounts import NESTED, Place, Views, inside
from docker_fsck.hostproc import Process, content

Kind = Literal["engine", "containerd", "shim"]
Listing = Callable[[Process], list[str] | None]
"""The open files of a process, as `hostproc.files` gives them (asked once a process)."""

_CONFIG_LIMIT = 1 << 20
_CONTAINER_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


class Root(Struct, frozen=True):
    """A data root: its real path and an open descriptor.

    `roots` are "" for itself and the names of userns-remap roots in it; `where` says where it lies, by device; `seen` has the
    paths of our mount namespace that lead to it.
    """

    path: str
    fd: int
    roots: tuple[str, ...]
    where: dict[str, tuple[Place, ...]]
    seen: Views


def belongs(process: Process, root: Root, listing: Listing) -> str | None:
    """By what a part of an engine uses `root` ("runs with data root ..."); None where it does not, or is no such process."""
    match kind(process):
        case "engine" if _same(process, given := data_root(process), root):
            return f"runs with data root {given}"
        case "containerd" if (folder := containerd_root(process)) and _leads_to(folder, root):
            return f"runs with root {folder}"
        case "shim" if container := _container(process, root):
            return f"runs container {container[:12]}"
        case None:
            return None
    rel = next((rel for path in listing(process) or () for rel in inside(path, root.seen)), None)
    return None if rel is None else f"has {rel or 'the data root'} open"


def _same(process: Process, given: str, root: Root) -> bool:
    """Whether the folder that an engine was given is the root, or the root is a userns-remap root in it."""
    nested = NESTED.fullmatch(os.path.basename(root.path)) is not None
    try:
        seen = os.stat(_spot(process, given))
        mine = [os.stat(root.fd), *([os.stat(os.path.dirname(root.path))] if nested else [])]
    except OSError:
        return os.path.realpath(given) in {root.path, os.path.dirname(root.path) if nested else root.path}
    return any((seen.st_dev, seen.st_ino) == (other.st_dev, other.st_ino) for other in mine)


def _leads_to(given: str, root: Root) -> bool:
    return any(True for path in (given, os.path.realpath(given)) for _ in inside(path, root.seen))


def _container(process: Process, root: Root) -> str | None:
    """The container of this root that a shim names: each container has a folder here (classic-store 10)."""
    for name in dict.fromkeys(_CONTAINER_ID.findall(" ".join(process.argv))):
        for base in root.roots:
            try:
                os.stat(os.path.join(base, "containers", name), dir_fd=root.fd, follow_symlinks=False)
            except OSError:
                continue
            return str(name)
    return None


def kind(process: Process) -> Kind | None:
    """What part of an engine a process is, by the name it was called by and its command name."""
    for name in (process.argv[0].rpartition("/")[2], process.comm):
        if "containerd-shim" in name:
            return "shim"
        if name.removeprefix("docker-").removeprefix("balena-engine-").startswith("containerd"):
            return "containerd"
        if name.startswith(("dockerd", "balenad", "balena-engine-d")) or (name == "docker" and _old_daemon(process.argv)):
            return "engine"
    return None


def _old_daemon(argv: tuple[str, ...]) -> bool:
    """Up to 1.12 the engine is `docker daemon` or `docker -d`; any other command of `docker` is a client."""
    for word in argv[1:]:
        if word in {"daemon", "-d", "--daemon"}:
            return True
        if not word.startswith("-"):
            return False
    return False


def option(argv: Iterable[str], *names: str) -> str | None:
    """The last value of a flag, given as `--name value`, `--name=value`, `-n value` or `-n/value`."""
    value, words = None, iter(argv)
    for word in words:
        name, equals, text = word.lstrip("-").partition("=")
        if not word.startswith("-"):
            continue
        if name in names:
            value = text if equals else next(words, None)
        elif word[1:2] in names and word[2:3] == "/":
            value = word[2:]
    return value


def data_root(process: Process) -> str:
    """The data root of an engine: its flag, else that of its daemon.json, else the default (classic-store 0)."""
    given = option(process.argv, "data-root", "graph", "g")
    if given:
        return given
    home = _rootless_home(process)
    config = option(process.argv, "config-file") or (f"{home}/.config/docker/daemon.json" if home else "/etc/docker/daemon.json")
    settings = _settings(_spot(process, config))
    named = settings.get("data-root") or settings.get("graph")
    if isinstance(named, str):
        return named
    return f"{home}/.local/share/docker" if home else "/var/lib/docker"


def containerd_root(process: Process) -> str | None:
    """The root folder of a containerd: its flag, else that of its configuration file."""
    given = option(process.argv, "root")
    config = option(process.argv, "config", "c")
    if given or not config:
        return given
    try:
        match = re.search(r"""^root\s*=\s*(["'])(.*)\1""", content(_spot(process, config)), re.MULTILINE)
    except OSError:
        return None
    return match[2] if match else None


def _spot(process: Process, path: str) -> str:
    """The path by which we reach what `path` is for a process: through its root folder or its working folder."""
    return f"{process.base}/root{path}" if path.startswith("/") else f"{process.base}/cwd/{path}"


def _rootless_home(process: Process) -> str | None:
    try:
        pairs = dict(entry.partition("=")[::2] for entry in content(f"{process.base}/environ").split("\0"))
    except OSError:
        return None
    return pairs.get("HOME") if "ROOTLESSKIT_STATE_DIR" in pairs else None


def _settings(path: str) -> dict[str, object]:
    try:
        with open(path, "rb") as file:
            text = file.read(_CONFIG_LIMIT).decode("utf-8-sig", "replace")  # the engine minds neither
        return msgspec.json.decode(text, type=dict[str, object])
    except (OSError, msgspec.MsgspecError, RecursionError):
        return {}
