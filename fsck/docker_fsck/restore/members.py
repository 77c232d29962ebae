"""The members of a tar as an engine's own reader sees them (Go's archive/tar): strict, reads no file.

What is not exactly understood is refused: a layer is only taken whole.
"""

import os
from collections.abc import Iterator
from typing import Literal

import msgspec

from docker_fsck.restore.records import XATTR, decimal, field, fraction, records, text
from docker_fsck.restore.stream import BrokenError, Bytes

BLOCK = 512
LONGEST_EXTENSION = 1 << 20
LONGEST_NAME = 4095
_IDS, _MAJORS, _MINORS = (1 << 32) - 1, 1 << 12, 1 << 20
_ZERO = bytes(BLOCK)
_CHECKSUM = slice(148, 156)
Kind = Literal["file", "hard link", "link", "char device", "block device", "folder", "pipe"]
_KINDS: dict[bytes, Kind] = {
    b"0": "file", b"\0": "file", b"1": "hard link", b"2": "link", b"3": "char device", b"4": "block device", b"5": "folder",
    b"6": "pipe",
}  # fmt: skip


class Member(msgspec.Struct):
    """One member. `name` and `link` as they stand there; `size` bytes of content follow and are to be taken first.

    `before` are the raw bytes of the archive since the content before it: padding and headers.
    """

    name: str
    kind: Kind
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    link: str
    device: tuple[int, int]
    size: int
    xattrs: dict[str, bytes]
    before: bytes


class Members:
    """Goes through a tar once. At the end `tail` has the raw bytes of the end marks; what follows them is still in the stream."""

    def __init__(self, stream: Bytes) -> None:
        self._stream = stream
        self._raw: list[bytes] = []
        self._begun = 0
        self.tail = b""

    def __iter__(self) -> Iterator[Member]:
        """Every member. Raises `BrokenError`."""
        while (member := self._next()) is not None:
            end = self._stream.at + member.size
            yield member
            self._stream.skip(end - self._stream.at)
            self._raw = [self._exactly(-member.size % BLOCK)]
        self.tail = b"".join(self._raw)

    def _exactly(self, count: int) -> bytes:
        data = self._stream.take(count)
        if len(data) < count:
            raise BrokenError(f"the tar is cut at byte {self._stream.at}")
        return data

    def _next(self) -> Member | None:
        pax: dict[str, bytes] = {}
        longs: dict[bytes, str] = {}
        self._begun = self._stream.at
        while True:
            block = self._stream.take(BLOCK)
            if not block:
                return None
            block += self._exactly(BLOCK - len(block))
            self._raw.append(block)
            if block == _ZERO:
                self._end()
                return None
            kind = block[156:157]
            if kind not in {b"x", b"g", b"L", b"K"}:
                return self._member(block, pax, longs)
            data = self._extension(block)
            if kind == b"x":
                pax = records(data)
            elif kind != b"g":  # nobody applies global headers to what follows
                longs[kind] = text(data)

    def _end(self) -> None:
        second = self._stream.take(BLOCK)
        self._raw.append(second)
        if second.strip(b"\0"):
            raise BrokenError("one block of zeros stands between the members of the tar")

    def _extension(self, block: bytes) -> bytes:
        _check(block)
        size = field(block[124:136])
        if not 0 <= size <= LONGEST_EXTENSION - (self._stream.at - self._begun):
            raise BrokenError(f"extension headers of more than {LONGEST_EXTENSION} bytes stand before one member of the tar")
        data = self._exactly(size + -size % BLOCK)
        self._raw.append(data)
        return data[:size]

    def _member(self, block: bytes, pax: dict[str, bytes], longs: dict[bytes, str]) -> Member:
        _check(block)
        flag, name = block[156:157], _name(block)
        name = longs.get(b"L") or os.fsdecode(pax.get("path", b"")) or name
        if any(key.startswith("GNU.sparse.") for key in pax):
            raise BrokenError(f"{name!r} is a sparse file, which is not unpacked")
        kind = _KINDS.get(flag)
        if kind is None:
            raise BrokenError(f"{name!r} is of the type {flag!r}, which no layer has")
        kind = "folder" if flag == b"\0" and name.endswith("/") else kind
        size = _number(pax, "size", block[124:136]) if kind == "file" else 0
        owner = _number(pax, "uid", block[108:116]), _number(pax, "gid", block[116:124])
        device = (field(block[329:337]), field(block[337:345])) if kind.endswith("device") else (0, 0)
        ranges = (0 <= owner[0] < _IDS, 0 <= owner[1] < _IDS, 0 <= device[0] < _MAJORS, 0 <= device[1] < _MINORS)
        if size < 0 or "\0" in name or not all(ranges):
            raise BrokenError(f"the header of {name!r} is damaged")
        made = Member(
            name=name, kind=kind, mode=field(block[100:108]) & 0o7777, uid=owner[0], gid=owner[1],
            mtime_ns=fraction(pax["mtime"]) if "mtime" in pax else field(block[136:148]) * 10**9,
            link=longs.get(b"K") or os.fsdecode(pax.get("linkpath", b"")) or text(block[157:257]), device=device, size=size,
            xattrs={key[len(XATTR) :]: value for key, value in pax.items() if key.startswith(XATTR)}, before=b"".join(self._raw),
        )  # fmt: skip
        self._raw = []
        return made


def _check(block: bytes) -> None:
    stated = field(block[_CHECKSUM])
    rest = block[:148] + b" " * 8 + block[156:]
    if stated != sum(rest) and stated != sum(rest) - 256 * sum(byte > 127 for byte in rest):  # noqa: PLR2004 - bytes with a sign
        raise BrokenError("it is no tar, or a header in it is damaged")


def _name(block: bytes) -> str:
    """The name with its prefix, which stands elsewhere in each dialect."""
    name, magic = text(block[:100]), block[257:265]
    prefix = ""
    if magic.startswith(b"ustar\0"):
        prefix = text(block[345:476] if block[508:512] == b"tar\0" else block[345:500])
    elif magic == b"ustar  \0" and not all(_octal(part) for part in (block[345:357], block[357:369])):
        prefix = text(block[345:500])  # as Go before 1.8 wrote it
    return f"{prefix}/{name}" if prefix else name


def _number(pax: dict[str, bytes], key: str, plain: bytes) -> int:
    return decimal(pax[key]) if key in pax else field(plain)


def _octal(part: bytes) -> bool:
    return part[0] & 0x80 != 0 or not part.strip(b" \0" + b"01234567")


def inside(name: str) -> list[str]:
    """The parts of a name below the top of the layer, none for the top itself. Raises `BrokenError` for one that leads out."""
    if len(os.fsencode(name)) > LONGEST_NAME:
        raise BrokenError(f"a name in the tar is longer than {LONGEST_NAME} bytes")
    parts: list[str] = []
    for part in name.split("/"):
        if part == ".." and not parts:
            raise BrokenError(f"{name!r} leads out of the layer")
        if part == "..":
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return parts
