"""Writes entries into a stream as a PAX tar: owners, times to the nanosecond, attributes, hard links, holes; reads no names."""

import io
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from typing import IO, cast

from docker_fsck.wholetree import Entry, Extent

_BLOCK = tarfile.BLOCKSIZE
_TYPES = {
    stat.S_IFDIR: tarfile.DIRTYPE, stat.S_IFLNK: tarfile.SYMTYPE, stat.S_IFREG: tarfile.REGTYPE, stat.S_IFIFO: tarfile.FIFOTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE, stat.S_IFBLK: tarfile.BLKTYPE,
}  # fmt: skip


class Archive:
    """A tar that grows; `bytes` counts the data of files in it."""

    def __init__(self, stream: IO[bytes]) -> None:
        """Begin; nothing is ever sought in `stream`."""
        counted = cast("IO[bytes]", _Counted(stream))  # all that tarfile asks of it
        self._tar = tarfile.TarFile(
            fileobj=counted, mode="w", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape"
        )
        self._linked: dict[tuple[int, int], str] = {}
        self.bytes = 0

    def close(self) -> None:
        """Write the end."""
        self._tar.close()

    def plain(self, name: str, data: bytes, mode: int = 0o644) -> None:
        """A file of root's with these bytes."""
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(data), mode
        self._tar.addfile(member, io.BytesIO(data))

    def linked(self, name: str, entry: Entry) -> bool:
        """Write a further name of a file that is in the archive already; False if it is the first."""
        key = (entry.info.st_dev, entry.info.st_ino)
        if entry.info.st_nlink < 2 or stat.S_ISDIR(entry.info.st_mode):  # noqa: PLR2004 - names
            return False
        first = self._linked.setdefault(key, name)
        if first == name:
            return False
        member = _member(name, entry)
        member.type, member.linkname = tarfile.LNKTYPE, first
        self._tar.addfile(member)
        return True

    def forget(self, entry: Entry) -> None:
        """Take a file whose bytes could not be had for one that is not in the archive."""
        self._linked.pop((entry.info.st_dev, entry.info.st_ino), None)

    def bare(self, name: str, entry: Entry) -> None:
        """Anything that has no bytes: a folder, link, device, pipe."""
        self._tar.addfile(_member(name, entry))

    def file(self, name: str, entry: Entry, extents: list[Extent], data: Iterable[bytes]) -> None:
        """A regular file; `data` are the bytes of its `extents`, what lies between is a hole."""
        member, size = _member(name, entry), entry.info.st_size
        held = sum(length for _, length in extents)
        head = b""
        if held < size:
            head = _sparse(member, extents, size)
        member.size = len(head) + held
        self._tar.addfile(member, _Stream([head], data))
        self.bytes += held


def storable(entry: Entry) -> bool:
    """Whether a tar can hold it: not a socket."""
    return stat.S_IFMT(entry.info.st_mode) in _TYPES


def sayable(key: str) -> bool:
    """Whether a PAX header can hold an attribute of this name."""
    return "=" not in key and key.isprintable()


def _member(name: str, entry: Entry) -> tarfile.TarInfo:
    info = entry.info
    member = tarfile.TarInfo(name)
    member.type, member.mode = _TYPES[stat.S_IFMT(info.st_mode)], stat.S_IMODE(info.st_mode)
    member.uid, member.gid, member.mtime, member.linkname = info.st_uid, info.st_gid, info.st_mtime_ns // 10**9, entry.target
    if stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode):
        member.devmajor, member.devminor = os.major(info.st_rdev), os.minor(info.st_rdev)
    member.pax_headers = {"mtime": _seconds(info.st_mtime_ns)}
    for key, value in sorted(entry.attributes.items()):
        if sayable(key):
            member.pax_headers[f"SCHILY.xattr.{key}"] = value.decode("utf-8", "surrogateescape")
    return member


def _seconds(nanoseconds: int) -> str:
    sign, count = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    return f"{sign}{count // 10**9}.{count % 10**9:09d}"


def _sparse(member: tarfile.TarInfo, extents: list[Extent], size: int) -> bytes:
    """Make `member` a sparse one (GNU's format 1.0 in PAX headers) and give the map that goes before its bytes."""
    base, slash, last = member.name.rpartition("/")
    member.pax_headers = {
        **member.pax_headers, "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": member.name,
        "GNU.sparse.realsize": str(size),
    }  # fmt: skip
    member.name = f"{base}{slash}GNUSparseFile.0/{last}"
    rows = extents if extents and sum(extents[-1]) == size else [*extents, (size, 0)]
    text = "".join(f"{number}\n" for number in (len(rows), *(each for row in rows for each in row))).encode()
    return text + bytes(-len(text) % _BLOCK)


class _Stream(io.RawIOBase):
    """What tarfile reads the bytes of a member from."""

    def __init__(self, head: Iterable[bytes], rest: Iterable[bytes]) -> None:
        self._pieces: Iterator[bytes] = (piece for part in (head, rest) for piece in part)
        self._left = b""

    def read(self, size: int = -1) -> bytes:
        """Exactly `size` bytes, fewer only at the end."""
        parts, missing = [], size
        while missing > 0:
            if not self._left:
                self._left = next((piece for piece in self._pieces if piece), b"")
            if not self._left:
                break
            part, self._left = self._left[:missing], self._left[missing:]
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)


class _Counted:
    """A stream that knows how much was written, so that it may be a pipe."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._count = 0

    def write(self, data: bytes) -> int:
        """Write all of `data`."""
        self._count += len(data)
        return self._stream.write(data)

    def tell(self) -> int:
        """Bytes written until now."""
        return self._count
