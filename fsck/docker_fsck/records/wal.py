"""The log of a swarm manager, as far as it can be checked without its keys: every record has a CRC-32C over all before it.

A record is a length of 8 bytes (the lowest 56 bits; if the highest bit is set, bits 56 to 58 are the padding behind it) and a
message of the fields type, crc and data (etcd: server/storage/wal, walpb). What is encrypted is the data, not the frame.
"""

import itertools

CRC = 4
"""The type of the record that a file begins with: the CRC of the files before it."""
SECTOR = 512
TYPES = range(1, 6)
"""Metadata, entry, state, checksum, snapshot."""
BEGIN = 2
"""The records, checksum and metadata, that every file has before it gets its name; no power cut tears them."""
LIMIT = 10 << 20
"""From this length on the engine reads no record and repairs none either (etcd: wal `ErrMaxWALEntrySizeLimitExceeded`); bytes."""
_LENGTH = (1 << 56) - 1


def fault(data: bytes, *, last: bool = False) -> str:
    """What is wrong with a log, nothing if all its records are whole.

    In the `last` file of a log the record at the end may be torn, as a power cut leaves it: the engine repairs that (etcd: wal
    `isTornEntry`, `Repair`), if the file has its begin.
    """
    from fastcrc.crc32 import iscsi  # noqa: PLC0415 - only managers have such files

    at, number, crc, end = 0, 0, 0, len(data.rstrip(b"\0"))
    while at < end:
        head = int.from_bytes(data[at : at + 8], "little", signed=True)
        size, pad = head & _LENGTH, head >> 56 & 7 if head < 0 else 0
        behind = at + 8 + size
        if last and number >= BEGIN and size + pad < LIMIT and behind >= end and _torn(data, at, min(len(data), behind)):
            return ""
        if size == 0 or behind > len(data):
            return f"record {number + 1} has no length that could be"
        fields = _fields(data[at + 8 : behind])
        stated, inner = fields.get(2), fields.get(3, b"")
        known = fields.keys() <= {1, 2, 3} and fields.get(1) in TYPES and not (pad + size) % 8
        follows = isinstance(inner, bytes) and number > 0 and stated == iscsi(inner, crc)
        if known and isinstance(stated, int) and (follows or fields.get(1) == CRC):
            crc = stated
        else:
            return f"record {number + 1} does not have the checksum that it should"
        at, number = behind + pad, number + 1
    return "" if number else "it has no records"


def _torn(data: bytes, at: int, end: int) -> bool:
    """Whether a record is cut off by the end of the file, or a sector of it was never written."""
    edges = [at, *range((at // SECTOR + 1) * SECTOR, end, SECTOR), end]
    return end == len(data) or any(not data[low:high].strip(b"\0") for low, high in itertools.pairwise(edges))


def _fields(message: bytes) -> dict[int, int | bytes]:
    """Fields of a protobuf message by number; nothing of one that cannot be parsed."""
    found: dict[int, int | bytes] = {}
    at = 0
    try:
        while at < len(message):
            tag, at = _varint(message, at)
            value, at = _varint(message, at)
            if tag & 7 == 2:  # noqa: PLR2004 - bytes with their length
                found[tag >> 3], at = message[at : at + value], at + value
            elif tag & 7 == 0:
                found[tag >> 3] = value
            else:
                return {}
    except IndexError:
        return {}
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while shift < 70:  # noqa: PLR2004 - ten bytes hold 64 bits
        byte = data[at]
        number, shift, at = number | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:  # noqa: PLR2004 - the last one
            return number, at
    raise IndexError("a number of more than 64 bits")
