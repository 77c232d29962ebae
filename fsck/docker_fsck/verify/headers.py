"""The headers of an archive as they stand in the segments of tar-split: attributes of each file, as values (tar(5))."""

import functools
import stat
from collections.abc import Iterator, Sequence

import msgspec

BLOCK = 512
_XATTR = "SCHILY.xattr."
Shift = tuple[int, int] | None
_LONG = {b"L", b"K", b"x", b"g"}
_NAMES = {b"L": "path", b"K": "linkpath"}
_SPARSE = "GNU.sparse."
_LONGEST = 4 << 20


class Attributes(msgspec.Struct):
    """What the archive says of `name`. `kind` is tar's type flag, `mtime` whole seconds, `rest` the ns beyond them.

    `xattrs` are bytes by name.
    """

    name: str
    kind: bytes
    mode: int
    uid: int
    gid: int
    mtime: int
    link: str
    xattrs: dict[str, bytes]
    rest: int = 0


def settled(mtime_ns: int) -> int:
    """The time that the engine gives a file for one in an archive: what lies before 1970, or beyond 64 bits, becomes 1970."""
    return mtime_ns if 0 <= mtime_ns < 1 << 63 else 0


def plain_file(blocks: bytes, shift: Shift) -> tuple[int, ...] | None:
    """Mode (as lstat has it), time, and owners where `shift` is known, of a file whose one header says it all, else None."""
    return plain_files((blocks,), shift)[0]


def plain_files(each: Sequence[bytes], shift: Shift) -> list[tuple[int, ...] | None]:
    """The same of many."""
    told = _plain_file
    return [told(one[100:124], one[136:148], one[156:157], shift) if len(one) == BLOCK else None for one in each]


@functools.lru_cache(maxsize=1 << 12)  # nearly all files of a layer have the same owner and mode, many the same time
def _plain_file(owner: bytes, time: bytes, kind: bytes, shift: Shift) -> tuple[int, ...] | None:
    mode, uid, gid, mtime = _number(owner[:8]), _number(owner[8:16]), _number(owner[16:]), _number(time)
    if kind not in {b"0", b"\0"} or mode is None or uid is None or gid is None or mtime is None:
        return None
    told = stat.S_IFREG | mode & 0o7777, mtime
    return told if shift is None else (*told, uid + shift[0], gid + shift[1])


def attributes(name: str, blocks: bytes) -> Attributes | None:
    """What the last header in `blocks` says, with the extension headers before it; None where it cannot be read."""
    pax: dict[str, bytes] = {}
    for kind, block, data in _each(blocks):
        if kind not in _LONG:
            return _plain(name, block, pax)
        if kind == b"x":
            pax.update(_records(data))
        elif kind in _NAMES:
            pax[_NAMES[kind]] = data.rstrip(b"\0")
    return None


def sparse(blocks: bytes) -> bool:
    """Whether the header in `blocks` is that of a file whose holes are left out of the archive, in any dialect of GNU tar."""
    return any(
        kind == b"S" or (kind == b"x" and any(key.startswith(_SPARSE) for key, _ in _records(data)))
        for kind, _, data in _each(blocks)
    )


def is_global(blocks: bytes) -> bool:
    """Whether `blocks` are a global extension header (`git archive` writes one), which is no file."""
    return blocks[156:157] == b"g" and all(kind == b"g" for kind, _, _ in _each(blocks))


def _each(blocks: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Type flag, block and content of every extension header, and last of the header that they belong to."""
    at = 0
    while at + BLOCK <= len(blocks):
        block = blocks[at : at + BLOCK]
        kind, size = block[156:157], _number(block[124:136]) if block[156:157] in _LONG else 0
        if size is None or size < 0:
            return
        at += BLOCK
        yield kind, block, blocks[at : at + size]
        if kind not in _LONG:
            return
        at += size + -size % BLOCK


class Cutter:
    """Cuts the header of each file out of the segments before it: padding of the file before stands in front of it."""

    def __init__(self) -> None:
        self._held, self._padding = bytearray(), 0

    def add(self, segment: bytes) -> None:
        """A segment; what would not fit to any header is not kept."""
        if len(self._held) <= _LONGEST:
            self._held += segment

    def header(self, size: int) -> bytes:
        """The header of the file that comes now, with `size` bytes of content."""
        found = bytes(self._held[self._padding :])
        self._held.clear()
        self._padding = -(size or len(found)) % BLOCK
        return found


def _plain(name: str, block: bytes, pax: dict[str, bytes]) -> Attributes | None:
    mode, uid, gid = _number(block[100:108]), _number(block[108:116]), _number(block[116:124])
    mtime = _number(block[136:148])
    if mode is None or uid is None or gid is None or mtime is None:
        return None
    link, kind = block[157:257].rstrip(b"\0"), block[156:157]
    if kind == b"\0" and (pax.get("path") or block[:100].rstrip(b"\0")).endswith(b"/"):
        kind = b"5"  # before POSIX a folder was told by its name
    plain = Attributes(name, kind, mode & 0o7777, uid, gid, mtime, link.decode("utf-8", "surrogateescape"), {})
    return _extended(plain, pax) if pax else plain


def _extended(each: Attributes, pax: dict[str, bytes]) -> Attributes:
    """The attributes with what an extension header says instead."""
    each.uid, each.gid, each.mtime = _told(pax, "uid", each.uid), _told(pax, "gid", each.gid), _told(pax, "mtime", each.mtime)
    each.rest = _rest(pax.get("mtime", b""))
    each.link = pax["linkpath"].decode("utf-8", "surrogateescape") if "linkpath" in pax else each.link
    each.xattrs = {key.removeprefix(_XATTR): value for key, value in pax.items() if key.startswith(_XATTR)}
    return each


def _told(pax: dict[str, bytes], key: str, plain: int) -> int:
    """A number of the extension header, its whole part rounded down; the plain one where there is none."""
    text = pax.get(key)
    if text is None:
        return plain
    whole, _, rest = text.partition(b".")
    try:
        return int(whole) - (1 if whole.startswith(b"-") and rest.strip(b"0") else 0)
    except ValueError:
        return plain


def _rest(text: bytes) -> int:
    """The ns of a time beyond its whole seconds, rounded down."""
    digits = text.partition(b".")[2][:9].ljust(9, b"0")
    if not digits.isdigit():
        return 0
    return (1_000_000_000 - int(digits)) % 1_000_000_000 if text.startswith(b"-") else int(digits)


def _number(field: bytes) -> int | None:
    """A number of a header: octal text, or base 256 where the top bit is set."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
        return value - (1 << (8 * len(field) - 1)) if field[0] == 0xFF else value  # noqa: PLR2004 - all ones: negative
    text = field.strip(b" \0")
    try:
        return int(text, 8) if text else 0
    except ValueError:
        return None


def _records(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The records `LENGTH KEY=VALUE` of an extension header; what does not parse ends them."""
    at = 0
    while at < len(data):
        length, space, _ = data[at : at + 20].partition(b" ")
        if not space or not length.isdigit() or int(length) <= len(length) + 1:
            return
        key, equals, value = data[at + len(length) + 1 : at + int(length) - 1].partition(b"=")
        if not equals:
            return
        yield key.decode("utf-8", "surrogateescape"), value
        at += int(length)
