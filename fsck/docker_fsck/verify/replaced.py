"""Which entries of an archive the engine overwrote as it unpacked: a later one leads to the same path, or to one above it."""

import functools
import os
from collections.abc import Callable, Iterator

from docker_fsck.layertree import LayerTree, plain
from docker_fsck.tarsplit import FILE, Entry

WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
_AT_ONCE = 100_000
Batches = Iterator[list[Entry]]
Gone = Callable[[str, int], bool]
"""Asked by plain name and position."""


class Replaced:
    """Of entries that lead to one path only the last is on the disk (`lib/a` after `usr/lib/a`, where `lib` links to `usr/lib`).

    Names are compared as they stand there and as the links of the layer lead now: where one has changed meanwhile, both count.
    Of very many names only a part is compared at a time.
    """

    def __init__(self, batches: Callable[[], Batches], tree: LayerTree, *, opaque: bool) -> None:
        """Go through the archive. `opaque`: it is those of several layers, one after the other, and a folder may be emptied.

        Raises `TarSplitError` with `batches`.
        """
        self._tree, self._opaque = tree, opaque
        self._real: tuple[str, str] = ("", "")
        self._last: dict[int, int] = {}
        self._gone: dict[int, int] = {}
        parts = 1 + self._folders(batches()) // _AT_ONCE
        for part in range(parts):
            self._twins(batches(), part, parts)

    def has(self, name: str, position: int) -> bool:
        """Whether something took the place of the entry with this plain name that stands at `position` of the archive."""
        ways = self._ways(name)
        if any(self._last.get(hash(each), -1) > position for each in ways):
            return True
        return any(self._gone.get(hash(each), -1) > position for way in ways for each in _above(way))

    def _ways(self, name: str) -> tuple[str, ...]:
        base, _, last = name.rpartition("/")
        if base != self._real[0]:
            try:
                self._real = base, self._tree.real(base)
            except OSError:  # a ring of links: nothing was unpacked through it
                self._real = base, base
        real = f"{self._real[1]}/{last}".lstrip("/")
        return (name,) if real == name else (name, real)

    def _named(self, batches: Batches) -> Iterator[tuple[tuple[str, ...], Entry, bool]]:
        """Where each entry leads, and whether it may be something else than a folder; a whiteout leads to what it hides."""
        for entry in (each for batch in batches for each in batch if each.type == FILE):
            given = os.fsdecode(entry.name_raw) if entry.name_raw else entry.name
            name = plain(given)
            base, _, last = name.rpartition("/")
            if last == OPAQUE and base and self._opaque:
                yield self._ways(base), entry, True
            elif name and last != OPAQUE:
                yield self._ways(f"{base}/{last.removeprefix(WHITEOUT)}".lstrip("/")), entry, not given.endswith("/")

    def _folders(self, batches: Batches) -> int:
        """Note what takes the place of a folder that something was unpacked to; gives the number of entries."""
        above: set[int] = set()
        count = 0
        for ways, entry, leaf in self._named(batches):
            count += 1
            marks = [*map(hash, ways)]
            if leaf and not above.isdisjoint(marks):
                self._gone.update(dict.fromkeys(marks, entry.position))
            base = ways[-1].rpartition("/")[0]
            if hash(base) not in above or len(ways) > 1:
                above.update(hash(each) for way in ways for each in _above(way))
        return count

    def _twins(self, batches: Batches, part: int, parts: int) -> None:
        seen: set[int] = set()
        for ways, entry, _ in self._named(batches):
            for mark in (each for each in map(hash, ways) if each % parts == part):
                if mark in seen:
                    self._last[mark] = entry.position
                seen.add(mark)


def replaced_in(batches: Callable[[], Batches], tree: LayerTree, *, opaque: bool = False) -> Gone:
    """Whether an entry has nothing of its own on the disk: replaced, or a whiteout, which has no content.

    The archive is only gone through once somebody asks.
    """
    made = functools.cache(lambda: Replaced(batches, tree, opaque=opaque))

    def gone(name: str, position: int) -> bool:
        return name.rpartition("/")[2].startswith(WHITEOUT) or made().has(name, position)

    return gone


def _above(name: str) -> Iterator[str]:
    while name := name.rpartition("/")[0]:
        yield name
