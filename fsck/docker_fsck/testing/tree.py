"""Takes a picture of a whole folder, to prove that a run changed nothing or took everything back; reads only."""

import hashlib
import os
import stat
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import msgspec


class Entry(msgspec.Struct, frozen=True):
    """What is known of one path.

    `size` and `nlink` are 0 for a folder: what they say follows from its entries or is the file system's own business.
    `atime_ns` is 0 where not asked for, and for a link, whose time reading it changes.
    """

    mode: int
    uid: int
    gid: int
    size: int
    nlink: int
    rdev: int
    mtime_ns: int
    atime_ns: int
    target: str
    xattrs: tuple[tuple[str, bytes], ...]
    sha256: str


def snapshot(path: Path, leave_out: Collection[str] = ()) -> dict[str, Entry]:
    """Every path below `path`, relative, `.` for itself; entries whose name is in `leave_out` are passed over."""
    return dict(_walk(path, leave_out, _without_atime))


def snapshot_with_atimes(path: Path, leave_out: Collection[str] = ()) -> dict[str, Entry]:
    """Like `snapshot`, with access times; taking it changes none of them where the caller owns the files."""
    return dict(_walk(path, leave_out, _atime))


def changes(before: dict[str, Entry], after: dict[str, Entry]) -> dict[str, tuple[Entry | None, Entry | None]]:
    """The paths on which two pictures differ, with what each shows."""
    return {
        path: (before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    }


def _atime(info: os.stat_result) -> int:
    return 0 if stat.S_ISLNK(info.st_mode) else info.st_atime_ns


def _without_atime(info: os.stat_result) -> int:
    del info
    return 0


def _walk(path: Path, leave_out: Collection[str], atime: Callable[[os.stat_result], int]) -> Iterator[tuple[str, Entry]]:
    todo = ["."]
    while todo:
        name = todo.pop()
        where = path / name
        info = where.lstat()
        yield name.removeprefix("./"), _entry(where, info, atime(info))
        if stat.S_ISDIR(info.st_mode):
            todo += [f"{name}/{child}" for child in _names(where) if child not in leave_out]


def _entry(where: Path, info: os.stat_result, atime_ns: int) -> Entry:
    folder, link = stat.S_ISDIR(info.st_mode), stat.S_ISLNK(info.st_mode)
    return Entry(
        mode=info.st_mode,
        uid=info.st_uid,
        gid=info.st_gid,
        size=0 if folder else info.st_size,
        nlink=0 if folder else info.st_nlink,
        rdev=info.st_rdev,
        mtime_ns=info.st_mtime_ns,
        atime_ns=atime_ns,
        target=str(where.readlink()) if link else "",
        xattrs=tuple(_xattrs(where)),
        sha256=_digest(where) if stat.S_ISREG(info.st_mode) else "",
    )


def _xattrs(where: Path) -> Iterator[tuple[str, bytes]]:
    for name in sorted(os.listxattr(where, follow_symlinks=False)):
        yield name, os.getxattr(where, name, follow_symlinks=False)


def _digest(where: Path) -> str:
    with open(_open(where), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _names(where: Path) -> list[str]:
    descriptor = _open(where)
    try:
        return sorted(os.listdir(descriptor))
    finally:
        os.close(descriptor)


def _open(where: Path) -> int:
    """A descriptor for reading that leaves the access time alone if the kernel allows it."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(where, flags | os.O_NOATIME)
    except PermissionError:
        return os.open(where, flags)
