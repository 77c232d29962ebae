"""One pass over a layer: its archive put together again and hashed; what does not fit ends the pass early."""

import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from docker_fsck.layertree import LayerTree, plain
from docker_fsck.tarsplit import FILE, SEGMENT, Entry

LINKS = frozenset({errno.ELOOP, errno.EMLINK, errno.ENXIO})
SMALL = 256 << 10
_CHUNK = 1 << 20


class Differs(Exception):
    """The content of `name` cannot be what was archived: the digest is lost from here on."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(name, why)
        self.name, self.why = name, why


class Hash(Protocol):
    """What a pass feeds."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take the next bytes."""
        ...


def named(batches: Iterable[list[Entry]]) -> Iterator[list[Entry]]:
    """The same entries with plain names; bytes that are no UTF-8 as the file system has them (surrogateescape)."""
    for batch in batches:
        for entry in batch:
            if entry.type == FILE:
                entry.name = plain(os.fsdecode(entry.name_raw) if entry.name_raw else entry.name)
        yield batch


def digest(batches: Iterable[list[Entry]], tree: LayerTree, pace: Callable[[int], None]) -> tuple[str, int]:
    """`sha256:<hex>` and length in bytes of the archive that `batches`, with plain names, and the files of `tree` give.

    `pace` is told of every piece that was hashed, in bytes. Raises `Differs` for a file that is not there or of another size,
    `OSError` for one that the kernel does not give, `TarSplitError` with `batches`.
    """
    sha = hashlib.sha256()
    total = 0
    for piece in _pieces(batches, tree):
        sha.update(piece)
        total += len(piece)
        pace(len(piece))
    return f"sha256:{sha.hexdigest()}", total


def _pieces(batches: Iterable[list[Entry]], tree: LayerTree) -> Iterator[bytes | memoryview]:
    """The archive in pieces of a fair size: small ones are put together, one call of the hash costs as much as a KiB."""
    parts: list[bytes] = []
    held = 0
    for batch in batches:
        for entry in batch:
            if entry.type == SEGMENT:
                data = entry.payload or b""
            elif not entry.has_content:
                continue
            elif entry.size <= SMALL:
                data = _small(tree, entry)
            else:
                yield b"".join(parts)
                parts, held = [], 0
                yield from _large(tree, entry)
                continue
            parts.append(data)
            held += len(data)
            if held >= SMALL:
                yield b"".join(parts)
                parts, held = [], 0
    yield b"".join(parts)


def _opened(tree: LayerTree, name: str) -> int:
    try:
        return tree.open(name)
    except (FileNotFoundError, NotADirectoryError):
        raise Differs(name, "missing") from None
    except OSError as error:
        if error.errno in LINKS:
            raise Differs(name, "another kind of file") from None
        raise


def _small(tree: LayerTree, entry: Entry) -> bytes:
    name = entry.name
    fd = _opened(tree, name)
    try:
        data = os.read(fd, entry.size + 1)
    except IsADirectoryError:
        raise Differs(name, "another kind of file") from None
    finally:
        os.close(fd)
    if len(data) != entry.size:
        raise Differs(name, f"{len(data)} bytes")
    return data


def _large(tree: LayerTree, entry: Entry) -> Iterator[memoryview]:
    name = entry.name
    fd = _opened(tree, name)
    try:
        if os.fstat(fd).st_size != entry.size:
            raise Differs(name, f"{os.fstat(fd).st_size} bytes")
        left, room = entry.size, memoryview(bytearray(_CHUNK))
        while left:
            count = os.readv(fd, [room[: min(left, _CHUNK)]])
            if not count:
                raise Differs(name, f"{entry.size - left} bytes")
            left -= count
            yield room[:count]
    except IsADirectoryError:
        raise Differs(name, "another kind of file") from None
    finally:
        os.close(fd)
