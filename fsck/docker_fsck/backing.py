"""The file system behind an open folder: its kind, its room, whether it tells kinds of entries. Only reader.py uses it."""

import os
from pathlib import Path
from typing import Any

import msgspec

from docker_fsck.fdread import sparing
from docker_fsck.mounttable import lines_of

_HEADER = 19
"""Bytes before the name in struct linux_dirent64: inode 8, offset 8, length 2, type 1."""
_ROOM = 1 << 15


class Backing(msgspec.Struct, frozen=True):
    """A file system, as the kernel tells it: kind as in mountinfo (empty if not told), bytes and inodes, free ones as an
    unprivileged process sees them. `inodes` is 0 where the file system makes them as it needs them.
    """

    kind: str
    options: tuple[str, ...]
    bytes: int
    free: int
    inodes: int
    inodes_free: int
    read_only: bool


def backing(fd: int) -> Backing:
    """The file system of an open folder. May raise OSError."""
    found = os.fstatvfs(fd)
    kind, options = _mount(fd)
    return Backing(
        kind, options, found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize, found.f_files, found.f_favail,
        bool(found.f_flag & os.ST_RDONLY),
    )  # fmt: skip


def typed(fd: int) -> bool | None:
    """Whether the folder's entries come with their kind (d_type), as graph drivers on overlayfs need it; None if it is empty.

    The engine asks the same question (pkg/fsutils, `SupportsDType`): one entry without a kind is a no. A file system keeps kinds
    for all or for none, so that the first entries tell it.
    """
    import ctypes  # noqa: PLC0415 - it takes as long to load as all else here

    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(_ROOM)
    own = sparing(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, os.O_NOATIME, fd)
    try:
        while (size := _getdents(libc, own, buffer)) > 0:
            kinds = [kind for name, kind in _entries(buffer.raw[:size]) if name not in {b".", b".."}]
            if kinds:
                return 0 not in kinds
        return None
    finally:
        os.close(own)


def _getdents(libc: Any, fd: int, buffer: Any) -> int:  # noqa: ANN401 - ctypes has no names for them
    import ctypes  # noqa: PLC0415 - loaded already

    libc.getdents64.restype = ctypes.c_ssize_t
    size = int(libc.getdents64(fd, buffer, ctypes.c_size_t(_ROOM)))
    if size < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return size


def _entries(data: bytes) -> list[tuple[bytes, int]]:
    found, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at + 16 : at + 18], "little" if _LITTLE else "big")
        found.append((data[at + _HEADER : at + length].split(b"\0", 1)[0], data[at + 18]))
        at += length
    return found


_LITTLE = memoryview(b"\1\0").cast("H")[0] == 1


def _mount(fd: int) -> tuple[str, tuple[str, ...]]:
    """Kind and options of the mount that an open folder is reached by; empty where /proc does not tell."""
    try:
        info = Path(f"/proc/self/fdinfo/{fd}").read_text("latin-1").splitlines()
        ident = next(line.split()[1] for line in info if line.startswith("mnt_id:"))
        lines = lines_of("/proc/self/mountinfo")
    except (OSError, StopIteration, IndexError):
        return "", ()
    for line in lines:
        fields = line.split(" ")
        if fields[0] == ident and "-" in fields:
            kind, _, own = fields[fields.index("-") + 1 :][:3]
            return kind, tuple(own.split(","))
    return "", ()
