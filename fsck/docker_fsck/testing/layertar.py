"""Layer archives and their tar-split records, made from a mapping of names to bytes; pure, it touches no file.

The archive is what an engine would have unpacked: GNU headers, owner 0:0, one fixed time, parents before their
content, two zero blocks at the end. The record is the one of classic-store 6.1.
"""

import base64
import functools
import io
import json
import struct
import tarfile
import zlib
from collections.abc import Iterator, Mapping

import msgspec

from docker_fsck.ids import digest

MTIME = 1_714_557_600
"""Seconds since the epoch that every file of a built root carries: 2024-05-01 10:00 UTC, so older than any grace."""

BLOCK = 512
CRC_POLYNOMIAL = 0xD800_0000_0000_0000
CRC_ONES = 0xFFFF_FFFF_FFFF_FFFF

Files = Mapping[str, bytes]
"""Content of a layer: `a/b` is a file (0755 where its bytes begin as a program does, else 0644), `a/b/` an empty folder."""


class Packed(msgspec.Struct, frozen=True):
    """A layer archive: its bytes, its diff-id `sha256:<hex>`, the bytes of tar-split.json.gz, the sum of its file sizes."""

    tar: bytes
    diff: str
    split: bytes
    size: int


def mode_of(data: bytes) -> int:
    """The permission bits of a file with this content."""
    return 0o755 if data.startswith((b"\x7fELF", b"#!")) else 0o644


def entries(files: Files) -> Iterator[tuple[str, bytes | None]]:
    """Each folder (name without a slash at the end, None) and file (name, bytes), parents first, sorted.

    Raises ValueError for a name that leaves the layer or that a union driver would take for a whiteout.
    """
    found: dict[str, bytes | None] = {}
    for name, data in files.items():
        parts = name.removesuffix("/").split("/")
        if any(part in {"", ".", ".."} or part.startswith(".wh.") for part in parts):
            msg = f"not a name inside a layer: {name!r}"
            raise ValueError(msg)
        found.update({"/".join(parts[:depth]): None for depth in range(1, len(parts))})
        found["/".join(parts)] = None if name.endswith("/") else data
    yield from sorted(found.items())


def pack(files: Files) -> Packed:
    """`files` as a layer."""
    tar, lines = bytearray(), _Lines()
    padding = b""
    for name, data in entries(files):
        segment = padding + _header(name, data)
        lines.segment(segment)
        lines.file(name if data is not None else name + "/", data or b"")
        tar += segment + (data or b"")
        padding = bytes(-len(data or b"") % BLOCK)
    tail = padding + bytes(2 * BLOCK)
    lines.segment(tail)
    lines.segment(b"")
    tar += tail
    return Packed(bytes(tar), digest(bytes(tar)), gzipped(lines.text()), sum(len(data) for data in files.values()))


def archive(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of these members in this order, whatever an engine would say to it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as made:
        for info, data in members:
            made.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def gzipped(data: bytes) -> bytes:
    """`data` in a gzip member with the header that Go writes: no name, no time, unknown system."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packer.compress(data) + packer.flush()
    return GZIP_HEADER + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFF_FFFF)


GZIP_HEADER = bytes.fromhex("1f8b08000000000000ff")
"""All that a crash right after the start of unpacking leaves of tar-split.json.gz (classic-store 5.3)."""


def crc64(data: bytes) -> int:
    """CRC-64/GO-ISO of `data` (classic-store 6.1); `123456789` gives 0xb90956c775a41001."""
    table, crc = _crc_table(), CRC_ONES
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ CRC_ONES


@functools.cache
def _crc_table() -> tuple[int, ...]:
    """The remainders of all single bytes."""

    def remainder(value: int) -> int:
        for _ in range(8):
            value = (value >> 1) ^ (CRC_POLYNOMIAL if value & 1 else 0)
        return value

    return tuple(remainder(byte) for byte in range(256))


def _header(name: str, data: bytes | None) -> bytes:
    """The header blocks of one tar entry, a folder where `data` is None."""
    info = tarfile.TarInfo(name)
    info.mtime = MTIME
    if data is None:
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    else:
        info.size, info.mode = len(data), mode_of(data)
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


class _Lines:
    """Collects the JSON lines of a tar-split record."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def segment(self, data: bytes) -> None:
        """Raw bytes of the archive."""
        self._add({"type": 2, "payload": base64.b64encode(data).decode()})

    def file(self, name: str, data: bytes) -> None:
        """An entry of any kind; a name that is not UTF-8 goes into `name_raw`."""
        line: dict[str, object] = {"type": 1}
        try:
            name.encode()
            line["name"] = name
        except UnicodeEncodeError:
            line["name_raw"] = base64.b64encode(name.encode("utf-8", "surrogateescape")).decode()
        if data:
            line["size"] = len(data)
        line["payload"] = base64.b64encode(crc64(data).to_bytes(8, "big")).decode() if data else None
        self._add(line)

    def _add(self, line: dict[str, object]) -> None:
        line["position"] = len(self._lines)
        self._lines.append(json.dumps(line, separators=(",", ":"), ensure_ascii=False))

    def text(self) -> bytes:
        """All lines."""
        return "".join(line + "\n" for line in self._lines).encode()
