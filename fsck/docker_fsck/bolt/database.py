"""A bbolt database as buckets: nothing is handed out before the whole of it was verified."""

import itertools
from bisect import bisect_left
from collections.abc import Iterator, Sequence

import msgspec

from docker_fsck.bolt.pages import BUCKET, ELEMENT, BoltError, inline, metas
from docker_fsck.bolt.walk import Walk

MAX_PROBLEMS = 100


class Bucket(msgspec.Struct, frozen=True, eq=False):
    """A bucket of a verified database; `sequence` is its counter, by which containerd's snapshotters number directories."""

    _walk: "Walk"
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
        _, pos, ksize, _ = ELEMENT.unpack_from(self._walk.data, at)
        return self._walk.data[at + pos : at + pos + ksize]

    def _value(self, at: int) -> "bytes | Bucket":
        flags, pos, ksize, vsize = ELEMENT.unpack_from(self._walk.data, at)
        start, stop = at + pos + ksize, at + pos + ksize + vsize
        if not flags:
            return self._walk.data[start:stop]
        root, sequence = BUCKET.unpack_from(self._walk.data, start)
        inner = self._walk.trees[root] if root else inline(self._walk.data, 0, start, stop).elements
        return Bucket(self._walk, inner, sequence)


class Database(msgspec.Struct, frozen=True):
    """A verified database: `page_size` in bytes, `high_water` the number of pages in use or free, metas included.

    `torn`: one of the two metas is invalid. If it was the newer one this is the state one transaction earlier, which
    is consistent (section 1.2). `problems`: what is wrong with the freelist; a reader does not mind, a writer fails at
    once or spoils pages in use.
    """

    page_size: int
    txid: int
    high_water: int
    torn: bool
    problems: tuple[str, ...]
    root: Bucket


def open_bytes(data: bytes) -> Database:
    """The database in `data`, the bytes of a whole file.

    Raises `EmptyDatabase` for no bytes, `NewerDatabase` for a later version, and `BoltError` for the first damage met.
    """
    walk = Walk(data)
    for damage in walk.run():
        raise damage
    meta = walk.meta
    problems = tuple(str(error) for error in itertools.islice(walk.account(), MAX_PROBLEMS))
    root = Bucket(walk, walk.trees[meta.root], meta.sequence)
    return Database(meta.page_size, meta.txid, meta.high_water, walk.torn, problems, root)


def txids(data: bytes) -> tuple[int, ...]:
    """The transaction numbers of the valid metas, for the re-read of section 1.3; two pages of `data` do. Never raises."""
    return tuple(meta.txid for meta in metas(data) if meta is not None)


def check(data: bytes) -> list[str]:
    """What is wrong with the database in `data`, at most about `MAX_PROBLEMS` lines; never raises.

    Beyond `open_bytes` the file must be as long as the high-water mark says, and each page below that mark in use or
    in the freelist, once (where none is stored no page can be lost). `Database.torn` is no problem.
    """
    try:
        walk = Walk(data)
    except BoltError as error:
        return [str(error)]
    problems = [str(error) for error in itertools.islice(walk.run(), MAX_PROBLEMS)]
    if not problems:  # behind damage every page would seem lost as well
        found = itertools.chain(walk.account(), walk.lost())
        problems = [str(error) for error in itertools.islice(found, MAX_PROBLEMS)]
    size, pages = walk.meta.page_size, walk.meta.high_water
    if len(data) % size or len(data) < pages * size:
        problems.append(f"the length of {len(data)} bytes is {len(data) / size:g} pages, the high-water mark {pages}")
    return problems
