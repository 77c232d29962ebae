"""A pass over every page of a bbolt database that proves it whole; time and memory are linear in its length."""

from array import array
from collections.abc import Iterator

from docker_fsck.bolt.pages import (
    BRANCH,
    BUCKET,
    FIRST_PAGE,
    FREELIST,
    HEADER,
    LEAF,
    LONG_FREELIST,
    NO_FREELIST,
    NUMBER,
    BoltError,
    EmptyDatabase,
    NewerDatabase,
    Page,
    elements,
    inline,
    metas,
    written_later,
)

MAX_DEPTH = 64
"""Levels of pages in one tree, and of buckets in buckets; databases of the corpora have at most 2 and 7."""


class Walk:
    """A pass over all trees; then `trees` has, per root page of a bucket, where the elements of its leaves are, in key order."""

    def __init__(self, data: bytes) -> None:
        valid = [meta for meta in metas(data) if meta is not None]
        if not data:
            raise EmptyDatabase(None, "no bytes: created and never written")
        if not valid and written_later(data):
            raise NewerDatabase(None, "of a later version of the format")
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
        self.accounted = False

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
                for child, key, _, _ in elements(self.data, page, lower):
                    if key <= self.last:
                        yield BoltError(number, "has a key that is not above all keys of the child before")
                    yield from self.pages(child, key, level + 1, depth)
        except BoltError as error:
            yield error

    def claim(self, number: int, kinds: tuple[int, ...]) -> Page:
        """The page of this number, which must be of one of the kinds and not have been claimed before."""
        if not FIRST_PAGE <= number < self.limit:
            raise BoltError(number, f"is none of the pages 2 to {self.limit - 1}")
        start = number * self.meta.page_size
        own, kind, count, overflow = HEADER.unpack_from(self.data, start)
        stop = number + 1 + overflow
        if own != number or kind not in kinds:
            raise BoltError(number, f"identifies as page {own} with the flags {kind:#x}")
        if stop > self.limit:
            raise BoltError(number, f"ends at {stop - 1}, which is none of the pages 2 to {self.limit - 1}")
        if self.seen.find(1, number, stop) >= 0:
            raise BoltError(number, "is reached twice")
        self.seen[number:stop] = b"\1" * (stop - number)
        return Page(number, kind, count, start, stop * self.meta.page_size)

    def leaf(self, page: Page, lower: bytes, depth: int) -> None:
        """Verify a leaf page and what is inline in it; buckets with pages of their own go on the list."""
        for flags, key, start, stop in elements(self.data, page, lower):
            self.last = key
            if not flags:
                continue
            if flags > 1 or stop - start < BUCKET.size or depth > MAX_DEPTH or len(self.todo) > self.limit:
                raise BoltError(page.id, "has an element of unknown flags, or a bucket that is cut, too deep or one too many")
            root, _ = BUCKET.unpack_from(self.data, start)
            if root:
                self.todo.append((root, depth + 1))
            elif any(inner[0] for inner in elements(self.data, inline(self.data, page.id, start, stop), b"")):
                raise BoltError(page.id, "has an inline bucket with more than values in it")
        self.elements.extend(page.elements)

    def account(self) -> Iterator[BoltError]:
        """After a walk without damage: what of the freelist is wrong, so that a writer fails at once or spoils pages in use."""
        if self.meta.freelist == NO_FREELIST:
            return
        try:
            numbers = self.free()
        except BoltError as error:
            yield error
            return
        for (number,) in numbers:
            if not FIRST_PAGE <= number < self.limit or self.seen[number]:
                yield BoltError(number, "is in the freelist and in use, or there twice, or not in the file")
            else:
                self.seen[number] = 1
        self.accounted = True

    def free(self) -> Iterator[tuple[int]]:
        """The numbers that the freelist holds."""
        page = self.claim(self.meta.freelist, (FREELIST,))
        at, count = page.start + HEADER.size, page.count
        if count == LONG_FREELIST:
            (count,) = NUMBER.unpack_from(self.data, at)
            at += NUMBER.size
        stop = at + NUMBER.size * count
        if stop > page.end:
            raise BoltError(page.id, f"has no room for {count} free pages")
        return NUMBER.iter_unpack(memoryview(self.data)[at:stop])

    def lost(self) -> Iterator[BoltError]:
        """After `account`: pages that are neither in use nor free; that is space, and harms nobody."""
        if self.accounted and 0 in self.seen:
            yield BoltError(self.seen.find(0), f"is the first of {self.seen.count(0)} pages neither in use nor free")
