"""A tar-split record from the tar itself: all but the content of files, with a checksum for each; pure.

What the engine wrote need not have had the same bytes: any record is as good that gives the very same tar (classic-store 6.1).
"""

import base64
import zlib
from collections.abc import Iterator

import msgspec

from docker_fsck.restore.members import Member, Members
from docker_fsck.restore.stream import BrokenError, Stream
from docker_fsck.verify.locate import checksum

LONGEST = 1 << 20
LARGEST = 32 << 20
"""Bytes of a compressed record: it has to go into a plan."""
_FILE, _SEGMENT = 1, 2
_HEAD = bytes.fromhex("1f8b08000000000000ff")


def split(stream: Stream) -> bytes:
    """The bytes of tar-split.json.gz for the tar in `stream`, which is read to its end. Raises `BrokenError`."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    made, check, length = bytearray(_HEAD), 0, 0
    for line in _lines(stream):
        check, length = zlib.crc32(line, check), length + len(line)
        made += packer.compress(line)
        if len(made) > LARGEST:
            raise BrokenError(f"its tar-split would have more than {LARGEST} bytes")
    return bytes(made + packer.flush()) + check.to_bytes(4, "little") + (length & 0xFFFF_FFFF).to_bytes(4, "little")


def _lines(stream: Stream) -> Iterator[bytes]:
    for position, entry in enumerate(_entries(stream)):
        yield msgspec.json.encode({**entry, "position": position}) + b"\n"


def _entries(stream: Stream) -> Iterator[dict[str, object]]:
    crc = checksum()
    tar = Members(stream)
    for member in tar:
        yield from _segments(member.before)
        value, left = 0, member.size
        while left and (piece := stream.some(min(left, LONGEST))):
            value, left = crc(piece, value), left - len(piece)
        yield _file(member, value)
    yield from _segments(tar.tail)
    while piece := stream.take(LONGEST):
        yield from _segments(piece)


def _segments(data: bytes) -> Iterator[dict[str, object]]:
    for at in range(0, len(data), LONGEST):
        yield {"type": _SEGMENT, "payload": base64.b64encode(data[at : at + LONGEST]).decode()}


def _file(member: Member, value: int) -> dict[str, object]:
    payload = base64.b64encode(value.to_bytes(8, "big")).decode() if member.size else None
    raw = member.name.encode("utf-8", "surrogateescape")
    try:
        named = {"name": raw.decode()} if raw else {}
    except UnicodeDecodeError:
        named = {"name_raw": base64.b64encode(raw).decode()}
    sized = {"size": member.size} if member.size else {}
    return {"type": _FILE, **named, **sized, "payload": payload}
