"""Walks a whole folder below the data root: lstat, link texts, attributes and bytes; part of the one door for reading."""

import errno
import os
import stat
from collections.abc import Iterator

import msgspec

from docker_fsck.facts import trouble
from docker_fsck.reader import Reader
from docker_fsck.values import Trouble

ONE_PIECE = 1 << 20
_NO_ATTRIBUTES = {errno.EOPNOTSUPP, errno.ENOSYS, errno.ENODATA}
Extent = tuple[int, int]
"""Offset and length of bytes that a file really has."""


class Entry(msgspec.Struct, frozen=True):
    """One thing in the tree: its name below the top (empty for the top), lstat, text of a link, extended attributes."""

    name: str
    info: os.stat_result
    target: str = ""
    attributes: dict[str, bytes] = {}


def walk(reader: Reader, base: str) -> Iterator[Entry | Trouble]:
    """Everything at and below the folder `base`, a folder before what is in it; a `Trouble` for what cannot be had.

    No link is followed and no other mount is entered.
    """
    stack = [""]
    while stack:
        here = stack.pop()
        path = f"{base}/{here}" if here else base
        fd = reader.folder(path)
        if isinstance(fd, Trouble):
            yield fd
            continue
        below: list[str] = []
        try:
            if not here:
                yield _entry(fd, ".", "", path)
            for name in sorted(os.listdir(fd)):  # noqa: PTH208 - by descriptor
                entry = _entry(fd, name, f"{here}/{name}" if here else name, f"{path}/{name}")
                yield entry
                if isinstance(entry, Entry) and stat.S_ISDIR(entry.info.st_mode):
                    below.append(entry.name)
        except OSError as error:
            yield trouble(path, error)
        finally:
            os.close(fd)
        stack += reversed(below)


def _entry(fd: int, last: str, name: str, path: str) -> Entry | Trouble:
    try:
        info = os.stat(last, dir_fd=fd, follow_symlinks=False)
        target = os.readlink(last, dir_fd=fd) if stat.S_ISLNK(info.st_mode) else ""
        return Entry(name, info, target, _attributes(f"/proc/self/fd/{fd}/{last}"))
    except OSError as error:
        return trouble(path, error)


def _attributes(place: str) -> dict[str, bytes]:
    try:
        return {name: os.getxattr(place, name, follow_symlinks=False) for name in os.listxattr(place, follow_symlinks=False)}
    except OSError as error:
        if error.errno in _NO_ATTRIBUTES:
            return {}
        raise


def extents(fd: int, size: int) -> list[Extent]:
    """Where an open file of `size` bytes holds data; one extent over all of it where the file system does not tell."""
    found: list[Extent] = []
    at = 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
            end = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole is left
                break
            return [(0, size)]
        if start >= size:
            break
        found.append((start, end - start))
        at = end
    return found


def pieces(fd: int, wanted: list[Extent]) -> Iterator[bytes]:
    """The bytes of these extents; zeros for what a file lost meanwhile, so that there are always as many as were promised.

    Raises `OSError` where the disk does not give them.
    """
    for start, length in wanted:
        at, end = start, start + length
        while at < end:
            data = os.pread(fd, min(ONE_PIECE, end - at), at)
            if not data:
                yield from _zeros(end - at)
                break
            at += len(data)
            yield data


def _zeros(count: int) -> Iterator[bytes]:
    while count > 0:
        yield bytes(min(count, ONE_PIECE))
        count -= ONE_PIECE
