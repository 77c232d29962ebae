"""Reads bbolt databases that are held in memory as bytes; opens no file, takes no lock, changes nothing.

The format is buildkit-and-containerd-store 1.2, in little endian. A database is verified as a whole before the first
key is handed out: what `open_bytes` returns can be read without errors, and a damaged source of references is never
half read. Time and memory are linear in the length of the bytes, whatever the numbers in them claim.
"""

import functools
import itertools
import struct
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence

import msgspec

MAGIC, VERSION = 0xED0CDAED, 2
BRANCH, LEAF, META, FREELIST = 0x01, 0x02, 0x04, 0x10
NO_FREELIST, LONG_FREELIST = 0xFFFFFFFFFFFFFFFF, 0xFFFF
PAGE_SIZES = tuple(1024 << i for i in range(15))
FIRST_PAGE, MAX_PROBLEMS, MAX_DEPTH = 2, 100, 64
"""`MAX_DEPTH`: levels of pages in one tree, and of buckets in buckets; databases of the corpora have at most 2 and 7."""

_HEADER, _META, _BUCKET = struct.Struct("<QHHI"), struct.Struct("<IIIIQQQQQQ"), struct.Struct("<QQ")
_ELEMENT, _NUMBER = struct.Struct("<IIII"), struct.Struct("<Q")


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


class _Meta(msgspec.Struct, frozen=True):
    page_size: int
    root: int
    sequence: int
    freelist: int
    high_water: int
    txid: int


class _Page(msgspec.Struct, frozen=True):
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


class Bucket(msgspec.Struct, frozen=True, eq=False):
    """A bucket of a verified database; `sequence` is its counter, by which containerd's snapshotters number directories."""

    _walk: "_Walk"
    _elements: Sequence[int]
    sequence: int

    def items(self) -> Iterator[tuple[bytes, "bytes | Bucket"]]:
        """Every key with its value or bucket, in key order."""
        for at in self._elements:
            yield self._key(at), self._value(at)

    def get(self, key: bytes) -> "bytes | Bucket | None":
        """The value or bucket under `key`, None where there is none."""
        index = bisect_left(self._elements, key, key=self._key)
        found = index < len(self._elements) and self._key(self._elements[index]) == key
        return self._value(self._elements[index]) if found else None

    def bucket(self, *path: bytes) -> "Bucket | None":
        """The bucket at the end of `path`; None where a step is absent or holds a value."""
        found: bytes | Bucket | None = self
        for name in path:
            found = found.get(name) if isinstance(found, Bucket) else None
        return found if isinstance(found, Bucket) else None

    def _key(self, at: int) -> bytes:
        _, pos, ksize, _ = _ELEMENT.unpack_from(self._walk.data, at)
        return self._walk.data[at + pos : at + pos + ksize]

    def _value(self, at: int) -> "bytes | Bucket":
        flags, pos, ksize, vsize = _ELEMENT.unpack_from(self._walk.data, at)
        start, stop = at + pos + ksize, at + pos + ksize + vsize
        if not flags:
            return self._walk.data[start:stop]
        root, sequence = _BUCKET.unpack_from(self._walk.data, start)
        inner = self._walk.trees[root] if root else _inline(self._walk.data, 0, start, stop).elements
        return Bucket(self._walk, inner, sequence)


class Database(msgspec.Struct, frozen=True):
    """A verified database: `page_size` in bytes, `high_water` the number of pages in use or free, metas included.

    `torn`: one of the two metas is invalid. If it was the newer one this is the state one transaction earlier, which
    is consistent (section 1.2).
    """

    page_size: int
    txid: int
    high_water: int
    torn: bool
    root: Bucket


def open_bytes(data: bytes) -> Database:
    """The database in `data`, the bytes of a whole file; the freelist, which only a writer needs, is not looked at.

    Raises `EmptyDatabase` for no bytes and `BoltError` for the first damage met.
    """
    walk = _Walk(data)
    for damage in walk.run():
        raise damage
    meta = walk.meta
    return Database(meta.page_size, meta.txid, meta.high_water, walk.torn, Bucket(walk, walk.trees[meta.root], meta.sequence))


def txids(data: bytes) -> tuple[int, ...]:
    """The transaction numbers of the valid metas, for the re-read of section 1.3; two pages of `data` do. Never raises."""
    return tuple(meta.txid for meta in _metas(data) if meta is not None)


def check(data: bytes) -> list[str]:
    """What is wrong with the database in `data`, at most about `MAX_PROBLEMS` lines; never raises.

    Beyond `open_bytes` the file must be as long as the high-water mark says, and each page below that mark in use or
    in the freelist, once (where none is stored no page can be lost). `Database.torn` is no problem.
    """
    try:
        walk = _Walk(data)
        problems = [str(error) for error in itertools.islice(walk.run(), MAX_PROBLEMS)]
        if not problems and walk.meta.freelist != NO_FREELIST:  # behind damage every page would seem lost as well
            problems = [str(error) for error in itertools.islice(walk.account(), MAX_PROBLEMS)]
    except BoltError as error:
        return [str(error)]
    size, pages = walk.meta.page_size, walk.meta.high_water
    if len(data) % size or len(data) < pages * size:
        problems.append(f"the length of {len(data)} bytes is {len(data) / size:g} pages, the high-water mark {pages}")
    return problems


def checksum(data: bytes) -> int:
    """FNV-1a of 64 bits, which a meta holds of the 56 bytes before it."""
    return functools.reduce(lambda digest, byte: (digest ^ byte) * 0x100000001B3 % (1 << 64), data, 0xCBF29CE484222325)


def _meta_at(data: bytes, start: int, sizes: tuple[int, ...]) -> _Meta | None:
    """The meta in the page that begins at `start`, None if it is not valid or of none of these page sizes."""
    at = start + _HEADER.size
    if at + _META.size > len(data):
        return None
    magic, version, page_size, _, root, sequence, freelist, high_water, txid, digest = _META.unpack_from(data, at)
    if (magic, version) != (MAGIC, VERSION) or page_size not in sizes or digest != checksum(data[at : at + 56]):
        return None
    return _Meta(page_size, root, sequence, freelist, high_water, txid)


def _metas(data: bytes) -> tuple[_Meta | None, _Meta | None]:
    """Both metas, None for an invalid one. Meta 0 tells the page size, without it the place of a valid meta 1 does."""
    first = _meta_at(data, 0, PAGE_SIZES)
    sizes = PAGE_SIZES if first is None else (first.page_size,)
    return first, next((meta for size in sizes if (meta := _meta_at(data, size, (size,)))), None)


class _Walk:
    """A pass over all trees; then `trees` has, per root page of a bucket, where the elements of its leaves are, in key order."""

    def __init__(self, data: bytes) -> None:
        valid = [meta for meta in _metas(data) if meta is not None]
        if not data:
            raise EmptyDatabase(None, "no bytes: created and never written")
        if not valid:
            raise BoltError(None, "neither meta page is valid")
        self.data = data
        self.meta = max(valid, key=lambda meta: meta.txid)
        self.torn = len(valid) == 1
        self.limit = min(self.meta.high_water, len(data) // self.meta.page_size)
        self.seen = bytearray(b"\1\1") + bytes(max(self.limit - FIRST_PAGE, 0))
        self.todo = [(self.meta.root, 1)]
        self.trees: dict[int, array[int]] = {}
        self.elements, self.last = array("Q"), b""

    def run(self) -> Iterator[BoltError]:
        """Walk; yields each damage met and goes on beside it."""
        while self.todo:
            root, depth = self.todo.pop()
            self.elements, self.last = array("Q"), b""
            yield from self.pages(root, b"", 1, depth)
            self.trees[root] = self.elements

    def pages(self, number: int, lower: bytes, level: int, depth: int) -> Iterator[BoltError]:
        """Walk a page and those below it, in key order; it lies `level` pages deep in a bucket `depth` buckets deep."""
        try:
            page = self.claim(number, (BRANCH, LEAF))
            if page.kind == LEAF:
                self.leaf(page, lower, depth)
            elif not page.count or level > MAX_DEPTH:
                yield BoltError(number, "is a branch without children, or too deep in its tree")
            else:
                for child, key, _, _ in _elements(self.data, page, lower):
                    if key <= self.last:
                        yield BoltError(number, "has a key that is not above all keys of the child before")
                    yield from self.pages(child, key, level + 1, depth)
        except BoltError as error:
            yield error

    def claim(self, number: int, kinds: tuple[int, ...]) -> _Page:
        """The page of this number, which must be of one of the kinds and not have been claimed before."""
        if not FIRST_PAGE <= number < self.limit:
            raise BoltError(number, f"is none of the pages 2 to {self.limit - 1}")
        start = number * self.meta.page_size
        own, kind, count, overflow = _HEADER.unpack_from(self.data, start)
        stop = number + 1 + overflow
        if own != number or kind not in kinds:
            raise BoltError(number, f"identifies as page {own} with the flags {kind:#x}")
        if stop > self.limit:
            raise BoltError(number, f"ends at {stop - 1}, which is none of the pages 2 to {self.limit - 1}")
        if self.seen.find(1, number, stop) >= 0:
            raise BoltError(number, "is reached twice")
        self.seen[number:stop] = b"\1" * (stop - number)
        return _Page(number, kind, count, start, stop * self.meta.page_size)

    def leaf(self, page: _Page, lower: bytes, depth: int) -> None:
        """Verify a leaf page and what is inline in it; buckets with pages of their own go on the list."""
        for flags, key, start, stop in _elements(self.data, page, lower):
            self.last = key
            if not flags:
                continue
            if flags > 1 or stop - start < _BUCKET.size or depth > MAX_DEPTH or len(self.todo) > self.limit:
                raise BoltError(page.id, "has an element of unknown flags, or a bucket that is cut, too deep or one too many")
            root, _ = _BUCKET.unpack_from(self.data, start)
            if root:
                self.todo.append((root, depth + 1))
            elif any(inner[0] for inner in _elements(self.data, _inline(self.data, page.id, start, stop), b"")):
                raise BoltError(page.id, "has an inline bucket with more than values in it")
        self.elements.extend(page.elements)

    def account(self) -> Iterator[BoltError]:
        """After a walk without damage: wrong numbers in the freelist, and pages that are neither in use nor free."""
        page = self.claim(self.meta.freelist, (FREELIST,))
        at, count = page.start + _HEADER.size, page.count
        if count == LONG_FREELIST:
            (count,) = _NUMBER.unpack_from(self.data, at)
            at += _NUMBER.size
        stop = at + _NUMBER.size * count
        if stop > page.end:
            raise BoltError(page.id, f"has no room for {count} free pages")
        for (number,) in _NUMBER.iter_unpack(memoryview(self.data)[at:stop]):
            if not FIRST_PAGE <= number < self.limit or self.seen[number]:
                yield BoltError(number, "is in the freelist and in use, or there twice, or not in the file")
            else:
                self.seen[number] = 1
        if 0 in self.seen:
            yield BoltError(self.seen.find(0), f"is the first of {self.seen.count(0)} pages neither in use nor free")


def _elements(data: bytes, page: _Page, lower: bytes) -> Iterator[tuple[int, bytes, int, int]]:
    """The verified elements of a page: flags (leaf) or child (branch), key, where the value starts and stops.

    Keys ascend from `lower`. bbolt writes keys and values in the order of their elements; that none may lie over
    another one bounds the work: else each element of a long page could claim all of it.
    """
    table = page.elements
    floor = table.stop
    if floor > page.end:
        raise BoltError(page.id, f"has no room for {page.count} elements")
    for at, (a, b, c, d) in zip(table, _ELEMENT.iter_unpack(memoryview(data)[table.start : floor]), strict=True):
        number, pos, ksize, vsize = (a, b, c, d) if page.kind == LEAF else (c | d << 32, a, b, 0)
        middle = at + pos + ksize
        if not ksize or at + pos < floor or middle + vsize > page.end:
            raise BoltError(page.id, "has an element without a key, outside of the page, or over another one")
        key = data[at + pos : middle]
        if key < lower:
            raise BoltError(page.id, "has keys that do not ascend")
        yield number, key, middle, middle + vsize
        lower, floor = key + b"\0", middle + vsize


def _inline(data: bytes, number: int, start: int, stop: int) -> _Page:
    """The leaf page in the value of an inline bucket on page `number`."""
    at = start + _BUCKET.size
    own, kind, count, overflow = _HEADER.unpack_from(data, at) if at + _HEADER.size <= stop else (0, 0, 0, 0)
    if (own, kind, overflow) != (0, LEAF, 0):
        raise BoltError(number, "has an inline bucket that is no leaf")
    return _Page(number, kind, count, at, stop)
