"""One pass over a layer: its archive put together again and hashed, each file looked at once; what does not fit ends it early."""

import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence

from docker_fsck.layertree import LayerTree, plain
from docker_fsck.tarsplit import FILE, NOTHING, Entry
from docker_fsck.verify.headers import BLOCK
from docker_fsck.verify.outward import Outward

LINKS = frozenset({errno.ELOOP, errno.EMLINK, errno.ENXIO})
SMALL = 256 << 10
_MOST_OPEN = 32
_HELD = 1 << 20
_CHUNK = 256 << 10
_WORTH_JOINING = 8 << 10
_ODD = frozenset({"", ".", ".."})


class Differs(Exception):
    """The content of a file cannot be what was archived: the digest is lost from here on."""


def named(batches: Iterable[list[Entry]]) -> Iterator[list[Entry]]:
    """The same entries with plain names; bytes that are no UTF-8 as the file system has them (surrogateescape)."""
    for batch in batches:
        for entry in batch:
            if entry.type == FILE:
                entry.name = plain(_name(entry))
        yield batch


def digest(batches: Iterable[list[Entry]], tree: LayerTree, outward: Outward, pace: Callable[[int], None]) -> tuple[str, int]:
    """`sha256:<hex>` and length in bytes of the archive that `batches` and the files of `tree` give; `outward` sees every file.

    `pace` is told of every piece that was hashed, in bytes. Raises `Differs` for a file that is not there or of another size,
    `OSError` for one that the kernel does not give, `TarSplitError` with `batches`.
    """
    way = _Pass(tree, outward, pace)
    for batch in batches:
        way.take(batch)
        way.hash()
    return f"sha256:{way.sha.hexdigest()}", way.total


class _Pass:
    """Small files of one folder are opened, asked and read together: what Python does for each call costs as much as the call.

    `_parts` is the archive as far as it is not hashed yet. The files of `_waiting`, all in the folder `_base`, are still to come
    into it: each with name, size, header, place and position.
    """

    def __init__(self, tree: LayerTree, outward: Outward, pace: Callable[[int], None]) -> None:
        self.sha, self.total = hashlib.sha256(), 0
        self._tree, self._outward, self._pace = tree, outward, pace
        self._segment, self._padding = b"", 0
        self._parts: list[bytes] = []
        self._base = ""
        self._waiting: list[tuple[str, int, bytes, int, int]] = []
        self._held = 0
        self._room = memoryview(bytearray(_CHUNK))

    def take(self, batch: list[Entry]) -> None:
        """The next entries; the header of each is the end of the segment before it, behind the padding of the last file."""
        segment, padding, parts, waiting = self._segment, self._padding, self._parts, self._waiting
        for entry in batch:
            payload = entry.payload
            if entry.type != FILE:
                if payload:
                    parts.append(payload)
                    segment = segment + payload if segment else payload
                continue
            header, segment = segment[padding:] if padding else segment, b""
            size = entry.size
            if not size or payload == NOTHING:
                padding = -len(header) % BLOCK  # behind a global extension header, which is told as a file
                self._outward.bare(plain(_name(entry)), header, entry.position)
                continue
            padding = -size % BLOCK
            base, _, last = entry.name.rpartition("/")
            if base != self._base or last in _ODD:
                base, _, last = plain(_name(entry)).rpartition("/")
            if size > SMALL:
                self.hash()
                self._large(base, last, entry, header)
                continue
            if base != self._base or len(waiting) == _MOST_OPEN:
                self._read()
                self._base = base
            waiting.append((last, size, header, len(parts), entry.position))
            parts.append(b"")
            self._held += size
            if self._held >= _HELD:
                self.hash()
        self._segment, self._padding = segment, padding

    def hash(self) -> None:
        """Read what waits, and hash all that came so far; small pieces are put together, as a call costs as much as a KiB."""
        self._read()
        length = sum(map(len, self._parts))
        if length > _WORTH_JOINING * len(self._parts):
            for part in self._parts:
                self.sha.update(part)
        else:
            self.sha.update(b"".join(self._parts))
        self._parts.clear()
        self._held = 0
        self._hashed(length)

    def _hashed(self, length: int) -> None:
        self.total += length
        self._pace(length)

    def _read(self) -> None:
        """The files that wait."""
        if not self._waiting:
            return
        names, sizes, headers, places, positions = zip(*self._waiting, strict=True)
        self._waiting.clear()
        fds: list[int] = []
        try:
            self._open(self._base, names, fds)
            found = list(map(os.read, fds, [size + 1 for size in sizes]))
            if tuple(map(len, found)) != sizes:
                raise Differs
            self._outward.opened(self._base, names, headers, fds, positions)
        except IsADirectoryError:
            raise Differs from None
        finally:
            _close(fds)
        for place, data in zip(places, found, strict=True):
            self._parts[place] = data

    def _open(self, base: str, names: Sequence[str], into: list[int]) -> None:
        try:
            self._tree.open_all(base, names, into)
        except (FileNotFoundError, NotADirectoryError):
            raise Differs from None
        except OSError as error:
            if error.errno in LINKS:
                raise Differs from None
            raise

    def _large(self, base: str, last: str, entry: Entry, header: bytes) -> None:
        size = entry.size
        fds: list[int] = []
        try:
            self._open(base, [last], fds)
            if os.fstat(fds[0]).st_size != size:
                raise Differs
            self._outward.opened(base, [last], [header], fds, [entry.position])
            while size:
                count = os.readv(fds[0], [self._room[: min(size, _CHUNK)]])
                if not count:
                    raise Differs
                self.sha.update(self._room[:count])
                size -= count
                self._hashed(count)
        except IsADirectoryError:
            raise Differs from None
        finally:
            _close(fds)


def _close(fds: list[int]) -> None:
    """Close them, at once where no other descriptor stands between them."""
    if fds and fds == list(range(fds[0], fds[0] + len(fds))):
        os.closerange(fds[0], fds[-1] + 1)
        return
    for fd in fds:
        os.close(fd)


def _name(entry: Entry) -> str:
    return os.fsdecode(entry.name_raw) if entry.name_raw else entry.name
