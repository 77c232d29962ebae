"""The entries of a tar-split.json.gz as a stream of values (classic-store 6.1); bytes in, values out, nothing is opened.

Memory is that of one piece of the stream, whatever its length: what a hostile file unpacks to is never held as a whole.
"""

import zlib
from collections.abc import Iterable, Iterator

import msgspec

FILE, SEGMENT = 1, 2
NOTHING = bytes(8)
LONGEST_LINE = 16 << 20  # a segment of 1 MiB, the longest that is written, takes 1.4 MB here
_PIECE = 64 << 10


class TarSplitError(Exception):
    """The record is not whole; the message says what is wrong and where."""


class Entry(msgspec.Struct, gc=False):
    """One line. `payload` of a `SEGMENT` are bytes of the archive, of a `FILE` the CRC-64 of its content, None where it has none.

    `name` is as in the archive; `name_raw` has it where it is not UTF-8. `size` is the one of the header.
    """

    type: int
    position: int
    name: str = ""
    name_raw: bytes = b""
    size: int = 0
    payload: bytes | None = None

    @property
    def has_content(self) -> bool:
        """Whether content follows in the archive: a hard link that states a size has none, and the CRC of nothing."""
        return self.type == FILE and self.size > 0 and self.payload != NOTHING


_decoder = msgspec.json.Decoder(Entry)


def entries(pieces: Iterable[bytes]) -> Iterator[list[Entry]]:
    """The entries of the gzip stream `pieces`, some at a time. Raises `TarSplitError` at the first damage."""
    expected = 0
    for lines in _lines(pieces):
        try:
            batch = _decoder.decode_lines(lines)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise TarSplitError(f"entry {expected} or one behind it cannot be read: {error}") from None
        found = [entry.position for entry in batch]
        if found != list(range(expected, expected + len(batch))):
            at = next(at for at, position in enumerate(found) if position != expected + at)
            raise TarSplitError(f"entry {expected + at} is missing: {found[at]} stands in its place")
        expected += len(batch)
        yield batch
    if not expected:
        raise TarSplitError("it holds no entries")


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The text in pieces that end with a line."""
    rest = b""
    for text in _unpacked(pieces):
        head, found, tail = text.rpartition(b"\n")
        if found:
            yield rest + head
            rest = tail
        else:
            rest += tail
            if len(rest) > LONGEST_LINE:
                raise TarSplitError(f"a line is longer than {LONGEST_LINE} bytes")
    if rest.strip():
        yield rest


def _unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The text of a gzip stream of one member, at most some hundred KiB at a time."""
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    empty = True
    try:
        for piece in pieces:
            empty = False
            while piece:
                yield unpacker.decompress(piece, _PIECE)
                piece = unpacker.unconsumed_tail  # noqa: PLW2901 - what is left of it
            if unpacker.eof:
                break
        yield unpacker.flush()
    except zlib.error as error:
        raise TarSplitError(f"not a gzip stream: {error}") from None
    if not unpacker.eof:
        raise TarSplitError("the file is empty" if empty else "the gzip stream is cut")
