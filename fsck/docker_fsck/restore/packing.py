"""From compressed pieces to plain ones: gzip and zstd, told by how they begin; memory is that of one piece."""

import io
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import IO, cast

from docker_fsck.restore.stream import PIECE, BrokenError

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
OTHERS = {b"BZh": "bzip2", b"\xfd7zXZ\0": "xz"}


def packed(head: bytes) -> bool:
    """Whether bytes that begin so are compressed, which is for `plain` to unpack or to refuse."""
    return head.startswith((GZIP, ZSTD, *OTHERS))


def plain(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, unpacked if they are compressed. Raises `BrokenError`."""
    rest = iter(pieces)
    head = b""
    while len(head) < max(map(len, OTHERS)) and (piece := next(rest, b"")):
        head += piece
    whole = chain([head], rest)
    if head.startswith(GZIP):
        return _gzip(whole)
    if head.startswith(ZSTD):
        return _zstd(whole)
    for start, name in OTHERS.items():
        if head.startswith(start):
            raise BrokenError(f"it is compressed with {name}, which is not read: unpack it first")
    return whole


def _gzip(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """All members of a gzip stream."""
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        for piece in pieces:
            left = piece
            while left:
                if unpacker.eof:
                    if not left.strip(b"\0"):
                        break
                    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
                yield unpacker.decompress(left, PIECE)
                left = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        while not unpacker.eof and (more := unpacker.decompress(b"", PIECE)):
            yield more
    except zlib.error as error:
        raise BrokenError(f"its gzip stream is damaged: {error}") from None
    if not unpacker.eof:
        raise BrokenError("its gzip stream is cut")


class _File(io.RawIOBase):
    """Pieces as a file that is read."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces, self._rest = iter(pieces), b""

    def read(self, count: int = -1) -> bytes:
        """At most `count` bytes, none at the end."""
        if not self._rest:
            self._rest = next((piece for piece in self._pieces if piece), b"")
        part, self._rest = self._rest[:count], self._rest[count:]
        return part


def _zstd(pieces: Iterable[bytes]) -> Iterator[bytes]:
    try:
        import zstandard  # noqa: PLC0415 - an extra: few archives are compressed so
    except ImportError:
        raise BrokenError("it is compressed with zstd: install docker-fsck with the extra `zstd`, or unpack it first") from None
    with zstandard.ZstdDecompressor().stream_reader(cast("IO[bytes]", _File(pieces)), read_across_frames=True) as reader:
        try:
            while piece := reader.read(PIECE):
                yield piece
        except zstandard.ZstdError as error:
            raise BrokenError(f"its zstd stream is damaged: {error}") from None
