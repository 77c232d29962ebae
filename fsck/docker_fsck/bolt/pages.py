"""The format of bbolt pages: metas, headers, tables of elements, each range-checked (buildkit-and-containerd-store 1.2)."""

import functools
import struct
from collections.abc import Iterator

import msgspec

MAGIC, VERSION = 0xED0CDAED, 2
BRANCH, LEAF, META, FREELIST = 0x01, 0x02, 0x04, 0x10
NO_FREELIST, LONG_FREELIST = 0xFFFFFFFFFFFFFFFF, 0xFFFF
PAGE_SIZES = tuple(1024 << i for i in range(15))
FIRST_PAGE = 2

HEADER, BUCKET, ELEMENT, NUMBER = struct.Struct("<QHHI"), struct.Struct("<QQ"), struct.Struct("<IIII"), struct.Struct("<Q")
_META, _KIND = struct.Struct("<IIIIQQQQQQ"), struct.Struct("<II")


class BoltError(Exception):
    """The bytes are not a whole bbolt database; `page` is the page where that shows, None for the file as such."""

    def __init__(self, page: int | None, reason: str) -> None:
        super().__init__(page, reason)
        self.page = page
        self.reason = reason

    def __str__(self) -> str:
        return self.reason if self.page is None else f"page {self.page} {self.reason}"


class EmptyDatabase(BoltError):
    """No bytes: created and never written. An engine takes that for a new database (section 1.4)."""


class NewerDatabase(BoltError):
    """A database of a format after `VERSION`, of which nothing is known."""


class Meta(msgspec.Struct, frozen=True):
    """What a valid meta page says: numbers of pages, of transactions, bytes of a page."""

    page_size: int
    root: int
    sequence: int
    freelist: int
    high_water: int
    txid: int


class Page(msgspec.Struct, frozen=True):
    """A page with its overflow, or the page inside an inline bucket, which has the id of the page around it."""

    id: int
    kind: int
    count: int
    start: int
    end: int

    @property
    def elements(self) -> range:
        """Where each element of the table begins; those of a leaf and of a branch are 16 bytes."""
        return range(self.start + 16, self.start + 16 + 16 * self.count, 16)


def checksum(data: bytes) -> int:
    """FNV-1a of 64 bits, which a meta holds of the 56 bytes before it."""
    return functools.reduce(lambda digest, byte: (digest ^ byte) * 0x100000001B3 % (1 << 64), data, 0xCBF29CE484222325)


def _meta_at(data: bytes, start: int, sizes: tuple[int, ...]) -> Meta | None:
    """The meta in the page that begins at `start`, None if it is not valid or of none of these page sizes."""
    at = start + HEADER.size
    if at + _META.size > len(data):
        return None
    magic, version, page_size, _, root, sequence, freelist, high_water, txid, digest = _META.unpack_from(data, at)
    if (magic, version) != (MAGIC, VERSION) or page_size not in sizes or digest != checksum(data[at : at + 56]):
        return None
    return Meta(page_size, root, sequence, freelist, high_water, txid)


def metas(data: bytes) -> tuple[Meta | None, Meta | None]:
    """Both metas, None for an invalid one. Meta 0 tells the page size, without it the place of a valid meta 1 does."""
    first = _meta_at(data, 0, PAGE_SIZES)
    sizes = PAGE_SIZES if first is None else (first.page_size,)
    return first, next((meta for size in sizes if (meta := _meta_at(data, size, (size,)))), None)


def written_later(data: bytes) -> bool:
    """Whether both metas agree on a later version of the format; a single one may be a flipped bit."""
    versions = {_version(data, 0)} & {_version(data, size) for size in PAGE_SIZES}
    return any(version > VERSION for version in versions)


def _version(data: bytes, start: int) -> int:
    """The version that a meta page at `start` claims, 0 where there is none."""
    at = start + HEADER.size
    magic, version = _KIND.unpack_from(data, at) if at + _KIND.size <= len(data) else (0, 0)
    return int(version) if magic == MAGIC else 0


def elements(data: bytes, page: Page, lower: bytes) -> Iterator[tuple[int, bytes, int, int]]:
    """The verified elements of a page: flags (leaf) or child (branch), key, where the value starts and stops.

    Keys ascend from `lower`. bbolt writes keys and values in the order of their elements; that none may lie over
    another one bounds the work: else each element of a long page could claim all of it.
    """
    table = page.elements
    floor = table.stop
    if floor > page.end:
        raise BoltError(page.id, f"has no room for {page.count} elements")
    for at, (a, b, c, d) in zip(table, ELEMENT.iter_unpack(memoryview(data)[table.start : floor]), strict=True):
        number, pos, ksize, vsize = (a, b, c, d) if page.kind == LEAF else (c | d << 32, a, b, 0)
        middle = at + pos + ksize
        if not ksize or at + pos < floor or middle + vsize > page.end:
            raise BoltError(page.id, "has an element without a key, outside of the page, or over another one")
        key = data[at + pos : middle]
        if key < lower:
            raise BoltError(page.id, "has keys that do not ascend")
        yield number, key, middle, middle + vsize
        lower, floor = key + b"\0", middle + vsize


def inline(data: bytes, number: int, start: int, stop: int) -> Page:
    """The leaf page in the value of an inline bucket on page `number`."""
    at = start + BUCKET.size
    own, kind, count, overflow = HEADER.unpack_from(data, at) if at + HEADER.size <= stop else (0, 0, 0, 0)
    if (own, kind, overflow) != (0, LEAF, 0):
        raise BoltError(number, "has an inline bucket that is no leaf")
    return Page(number, kind, count, at, stop)
