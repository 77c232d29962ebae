"""What mountinfo tells about the data root: where it lies, by which paths each mount namespace reaches it, what is mounted.

A path means different things in different namespaces, so places are compared as (device, path inside the file system), both
as mountinfo gives them. It reads /proc and /sys only.
"""

import errno
import os
import re
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from docker_fsck.hostproc import Process, content, plain

LOWER = frozenset({"lowerdir", "lowerdir+", "datadir+"})
"""Overlay options that list directories; the forms with a plus are what mounts of the newer mount calls show."""

NESTED = re.compile(r"\d+\.\d+")
"""The effective root of an engine with userns-remap is `<uid>.<gid>` below the data root (classic-store 0)."""

_WITHOUT_DISK = frozenset({"overlay", "aufs", "tmpfs", "mqueue", "nsfs", "proc", "sysfs", "fuse.fuse-overlayfs"})
_HAS_NO_MOUNTS = frozenset({errno.ENOENT, errno.ESRCH, errno.EINVAL})
_COLON = re.compile(r"(?<!\\134):")
_MOUNT_ID = re.compile(r"^mnt_id:\s*(\d+)", re.MULTILINE)

Views = dict[str, frozenset[str]]
"""Path in one mount namespace -> the paths relative to the data root that it leads to."""


class Mount(Struct, frozen=True):
    """One line of mountinfo: `dev` is "major:minor" in decimal, `root` the path inside the file system."""

    id: int
    dev: str
    root: str
    point: str
    fstype: str
    options: str


class Place(Struct, frozen=True):
    """Where a part of the data root lies: `path` of the file system `dev` is `rel` below the root."""

    dev: str
    path: str
    rel: str


def join(head: str, tail: str) -> str:
    """`head/tail`, where either may be empty."""
    return f"{head.rstrip('/')}/{tail}" if head and tail else head or tail


def under(path: str, top: str) -> str | None:
    """`path` relative to `top` ("" for `top` itself), None if it is not below."""
    if path == top:
        return ""
    stem = top if top.endswith("/") else f"{top}/"
    return path[len(stem) :] if path.startswith(stem) else None


def mount_table(text: str) -> tuple[Mount, ...]:
    """The lines of a mountinfo file (proc_pid_mountinfo(5)); lines of another form are left out."""
    return tuple(mount for line in text.split("\n") if (mount := _mount(line.split(" "))))


def _mount(fields: list[str]) -> Mount | None:
    try:
        gap = fields.index("-", 6)
        root = plain(fields[3]).removesuffix("//deleted")
        return Mount(int(fields[0]), fields[2], root, plain(fields[4]), fields[gap + 1], fields[gap + 3])
    except (ValueError, IndexError):
        return None


def table_key(process: Process) -> str:
    """Names what a process sees of the mounts: its namespace and its root folder; unreadable: the process itself."""
    try:
        return f"{os.readlink(f'{process.base}/ns/mnt')} {os.readlink(f'{process.base}/root')}"
    except OSError:
        return process.base


def table_of(process: Process) -> tuple[Mount, ...]:
    """The mounts that a process sees; nothing when it has ended. Raises OSError if they cannot be read."""
    try:
        return mount_table(content(f"{process.base}/mountinfo"))
    except OSError as error:
        if error.errno in _HAS_NO_MOUNTS:
            return ()
        raise


def mount_of(proc: str, fd: int, path: str, table: Iterable[Mount]) -> Mount | None:
    """The mount on which the open file `fd` lies: by the mount id in fdinfo, else by the longest mount point above `path`."""
    try:
        match = _MOUNT_ID.search(content(f"{proc}/self/fdinfo/{fd}"))
    except OSError:
        match = None
    found = None
    for mount in table:
        if match and mount.id == int(match[1]):
            return mount
        if under(path, mount.point) is not None and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


def places(top: str, home: Mount, table: Iterable[Mount]) -> dict[str, tuple[Place, ...]]:
    """Where the data root `top` lies, by device: on the mount `home`, and on disks that are mounted below it."""
    inner = under(top, home.point)
    found = [Place(home.dev, join(home.root, inner or ""), "")]
    disks = [mount for mount in table if mount.fstype not in _WITHOUT_DISK]
    found.extend(Place(mount.dev, mount.root, rel) for mount in disks if (rel := under(mount.point, top)))
    return {dev: tuple(place for place in found if place.dev == dev) for dev in {place.dev for place in found}}


def views(table: Iterable[Mount], where: Mapping[str, Iterable[Place]]) -> Views:
    """The paths by which a mount namespace reaches the data root or a part of it."""
    found: dict[str, set[str]] = {}
    for mount in table:
        for place in where.get(mount.dev, ()):
            if (tail := under(mount.root, place.path)) is not None:
                found.setdefault(mount.point, set()).add(join(place.rel, tail))
            elif (tail := under(place.path, mount.root)) is not None:
                found.setdefault(join(mount.point, tail), set()).add(place.rel)
    return {point: frozenset(rels) for point, rels in found.items()}


def merged(many: Iterable[Views]) -> Views:
    """All views of several namespaces together."""
    found: dict[str, frozenset[str]] = {}
    for seen in many:
        for point, rels in seen.items():
            found[point] = found.get(point, frozenset()) | rels
    return found


def inside(path: str, seen: Views) -> Iterator[str]:
    """What an absolute path may be relative to the data root: every view counts, also one that another mount hides."""
    head, tail = path, ""
    while head.startswith("/"):
        for rel in seen.get(head, ()):
            yield join(rel, tail)
        if head == "/":
            return
        head, _, name = head.rpartition("/")
        head, tail = head or "/", join(name, tail)


def mounted(table: Iterable[Mount], where: Mapping[str, Iterable[Place]], seen: Views) -> Iterator[str]:
    """Mount points below the data root and sources of bind mounts, without the engine's own bind mounts.

    The engine binds its root, and the home of a driver (`btrfs`; up to 17.03 of every driver), to itself, and leaves that
    behind when it is killed (classic-store 16): it says nothing about use.
    """
    for mount in table:
        above, _, name = mount.point.rpartition("/")
        points = {join(rel, name) for rel in inside(above or "/", seen)}
        sources = {
            join(place.rel, tail) for place in where.get(mount.dev, ()) if (tail := under(mount.root, place.path)) is not None
        }
        if not any(map(_is_home, points & sources)):
            yield from points | sources


def _is_home(rel: str) -> bool:
    match rel.split("/"):
        case [_]:
            return True
        case [first, _]:
            return NESTED.fullmatch(first) is not None
        case _:
            return False


def layered(proc: str, mounts: Iterable[Mount], seen: Views, homes: Iterable[str]) -> Iterator[str]:
    """The directories that union mounts are made of; a mount that many namespaces show is looked at once.

    Relative ones may be of any of `homes`: the engine mounts from there when the options would not fit into a page.
    """
    known = tuple(seen)
    for mount in {(mount.fstype, mount.options): mount for mount in mounts}.values():
        for name in _parts(proc, mount):
            if name.startswith(known):
                yield from inside(name, seen)
            elif not name.startswith("/"):
                yield from (os.path.normpath(join(home, name)) for home in homes)


def _parts(proc: str, mount: Mount) -> Iterator[str]:
    match mount.fstype:
        case "overlay":
            return overlay_dirs(mount.options)
        case "aufs":
            return aufs_branches(proc, mount.options)
        case _:
            return iter(())


def overlay_dirs(options: str) -> Iterator[str]:
    r"""The lower, upper and work directories of an overlay mount, as they were given to it.

    A colon in a name is spelled `\:` by older kernels and `\072` by newer ones; where the two readings differ both are given:
    a path too much is only held, a path too few would be moved away under a container.
    """
    for option in options.split(","):
        key, _, value = option.partition("=")
        parts = _COLON.split(value) if key in LOWER else [value] if key in {"upperdir", "workdir"} else []
        for name in map(plain, filter(None, parts)):
            yield os.path.normpath(name)
            if "\\" in name:
                yield os.path.normpath(re.sub(r"\\(.)", r"\1", name))


def aufs_branches(proc: str, options: str) -> Iterator[str]:
    """The branches of an aufs mount: `br:` in its options, or the files /sys/fs/aufs/si_<id>/br<n> (classic-store 16)."""
    for option in options.split(","):
        if option.startswith("br:"):
            yield from (branch.partition("=")[0] for branch in plain(option[3:]).split(":"))
        elif option.startswith("si="):
            yield from _branch_files(os.path.join(os.path.dirname(proc), "sys/fs/aufs", f"si_{option[3:]}"))


def _branch_files(folder: str) -> Iterator[str]:
    try:
        for name in sorted(os.listdir(folder)):
            if name.startswith("br") and name[2:].isdigit():
                yield content(f"{folder}/{name}").strip("\n").partition("=")[0]
    except OSError:
        return
