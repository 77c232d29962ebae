"""The second pass over a layer whose digest differs: past the page cache, file by file, to name what is damaged."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator

from docker_fsck.layertree import LayerTree
from docker_fsck.tarsplit import SEGMENT, Entry
from docker_fsck.verdicts import Damage
from docker_fsck.verify.hashing import LINKS
from docker_fsck.verify.headers import Cutter, sparse
from docker_fsck.verify.replaced import Gone

MOST_TOLD = 1000
_CHUNK = 1 << 20
_LAZY = ("trusted.overlay.metacopy", "user.overlay.metacopy")
_MOVED = ("trusted.overlay.redirect", "user.overlay.redirect")
Checksum = Callable[[bytes, int], int]


class Located:
    """What the pass found: the digest all the same, damaged files, and the first file of each kind that tells nothing.

    `elsewhere`: its content lies in another layer. `replaced`: `gone` says that it was not kept. `sparse`: its holes are not in
    the archive, which cannot be put together then.
    """

    def __init__(self, gone: Gone) -> None:
        self.digest = ""
        self.bytes = 0
        self.damages: list[Damage] = []
        self.elsewhere = ""
        self.replaced = ""
        self.sparse = ""
        self._gone = gone

    def tell(self, entry: Entry, expected: str, found: str) -> None:
        """Remember a damaged file; of very many only the first."""
        if self._gone(entry.name, entry.position):
            self.replaced = self.replaced or entry.name
        elif len(self.damages) < MOST_TOLD:
            self.damages.append(Damage(entry.name, expected, found))


def locate(batches: Iterable[list[Entry]], tree: LayerTree, pace: Callable[[int], None], gone: Gone) -> Located:
    """Read everything again from the disk. Raises `OSError` for what the kernel does not give, `TarSplitError` with `batches`."""
    found, sha, crc, cutter = Located(gone), hashlib.sha256(), checksum(), Cutter()
    for batch in batches:
        for entry in batch:
            if entry.type == SEGMENT:
                sha.update(entry.payload or b"")
                found.bytes += len(entry.payload or b"")
                cutter.add(entry.payload or b"")
                continue
            header = cutter.header(entry.size if entry.has_content else 0)
            if not found.sparse and sparse(header):
                found.sparse = entry.name
            if entry.has_content:
                for piece in _file(entry, tree, found, crc):
                    sha.update(piece)
                    found.bytes += len(piece)
                    pace(len(piece))
    found.digest = f"sha256:{sha.hexdigest()}"
    return found


def _file(entry: Entry, tree: LayerTree, found: Located, crc: Checksum) -> Iterator[bytes]:
    """The bytes of a file as the disk has them; what is wrong with it is noted."""
    name = entry.name
    try:
        fd = tree.open(name)
    except (FileNotFoundError, NotADirectoryError):
        _absent(entry, name, tree, found)
        return
    except OSError as error:
        if error.errno not in LINKS:
            raise
        found.tell(entry, _size(entry.size), "another kind of file")
        return
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            found.tell(entry, _size(entry.size), "another kind of file")
            return
        if any(attribute in os.listxattr(fd) for attribute in _LAZY):
            found.elsewhere = found.elsewhere or name
            return
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        size, value = 0, 0
        while piece := os.read(fd, _CHUNK):
            size, value = size + len(piece), crc(piece, value)
            yield piece
    finally:
        os.close(fd)
    _compare(entry, size, value, found)


def _compare(entry: Entry, size: int, value: int, found: Located) -> None:
    expected = int.from_bytes(entry.payload or b"", "big")
    if size != entry.size:
        found.tell(entry, _size(entry.size), _size(size))
    elif value != expected:
        found.tell(entry, f"{_size(size)}, CRC-64 {expected:016x}", f"{_size(size)}, CRC-64 {value:016x}")


def _absent(entry: Entry, name: str, tree: LayerTree, found: Located) -> None:
    """A file that is not there: lost, or under a folder that the kernel only knows by another name."""
    base = name.rpartition("/")[0]
    while base:
        try:
            moved = any(attribute in os.listxattr(tree.folder(base)) for attribute in _MOVED)
        except OSError:
            moved = False
        if moved:
            found.elsewhere = found.elsewhere or name
            return
        base = base.rpartition("/")[0]
    found.tell(entry, _size(entry.size), "missing")


def _size(size: int) -> str:
    return f"{size} bytes"


def checksum() -> Checksum:
    """The CRC-64 of tar-split (`crc64.ISO` of Go), of a piece and the value before it."""
    from fastcrc.crc64 import go_iso  # noqa: PLC0415 - only damage asks for it

    value: Checksum = go_iso
    return value
