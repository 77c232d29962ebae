"""What the operator may name as a source: an image archive, a folder with an unpacked one, another root; only read."""

import os
import posixpath
import stat
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Protocol

import msgspec

from docker_fsck.errors import RootError
from docker_fsck.restore import layout, reassembled
from docker_fsck.restore.members import Members
from docker_fsck.restore.packing import packed, plain
from docker_fsck.restore.stream import PIECE, BrokenError, Bytes, Jumps, Stream
from docker_fsck.steps import Origin

MOST_KEPT = 64 << 20
MOST_LINKS = 8
MOST_NAMES = 128 << 20
"""What the names of an archive may take in memory; one of images has some ten members for each layer."""
LEGACY = "layer.tar"
_HEAD, _ROW = 8, 300
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class Holder(Protocol):
    """A source. `origins` gives where the layer of a diff id may lie in it, the likeliest first."""

    def origins(self, diff: str) -> Iterator[Origin]:
        """Places to look at; a digest decides."""
        ...


@contextmanager
def opened(path: str, dir_fd: int | None = None) -> Iterator[int]:
    """A plain file, never through a link in its last part. Raises `OSError`, `BrokenError`."""
    fd = os.open(path, _FILE, dir_fd=dir_fd)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise BrokenError("it is neither a file nor a folder")
        yield fd
    finally:
        os.close(fd)


def raw(fd: int, at: int = 0, length: int | None = None) -> Iterator[bytes]:
    """The bytes of an open file piece by piece, as many as there are of `length`."""
    while (length is None or length > 0) and (piece := os.pread(fd, PIECE if length is None else min(PIECE, length), at)):
        yield piece
        at += len(piece)
        length = None if length is None else length - len(piece)


class _Place(msgspec.Struct, frozen=True):
    """Where a member of an archive lies; `link`: what it points to instead."""

    at: int = 0
    size: int = 0
    link: str = ""


class Archive:
    """An image archive in one file, which may be compressed as a whole. Read through once, small documents are kept."""

    def __init__(self, path: str) -> None:
        """Raises `OSError`, `BrokenError`."""
        self._path = path
        self._places: dict[str, _Place] = {}
        self._kept: dict[str, bytes] = {}
        with opened(path) as fd:
            facts = os.fstat(fd)
            self._facts = facts.st_size, facts.st_mtime_ns
            pressed = packed(os.pread(fd, _HEAD, 0))
            stream: Bytes = Stream(plain(raw(fd))) if pressed else Jumps(lambda at, count: os.pread(fd, min(count, PIECE), at))
            self._index(stream)
        self._named = layout.layers(self._document)
        if not self._named and not any(name.endswith(f"/{LEGACY}") for name in self._places):
            raise BrokenError("it is no image archive: neither manifest.json nor index.json in it names a layer")

    def _index(self, stream: Bytes) -> None:
        room, names = MOST_KEPT, MOST_NAMES
        for member in Members(stream):
            name = posixpath.normpath(member.name)
            names -= len(name) + len(member.link) + _ROW
            if names < 0:
                raise BrokenError("it holds more members than an image archive has")
            if member.kind == "file":
                self._places[name] = _Place(stream.at, member.size)
                if member.size <= min(layout.LARGEST, room):
                    self._kept[name] = stream.take(member.size)
                    room -= member.size
            elif member.kind in {"link", "hard link"}:
                base = posixpath.dirname(name) if member.kind == "link" else ""
                self._places[name] = _Place(link=posixpath.normpath(posixpath.join(base, member.link)))

    def _document(self, name: str) -> bytes | None:
        return self._kept.get(self._real(name))

    def _real(self, name: str) -> str:
        """The name of the file that a name leads to inside the archive."""
        name = posixpath.normpath(name)
        for _ in range(MOST_LINKS):
            place = self._places.get(name)
            if place is None or not place.link:
                break
            name = place.link
        return name

    def origins(self, diff: str) -> Iterator[Origin]:
        """The member that the archive names; where it names none at all, each that is called as layers are."""
        names = [self._named[diff]] if diff in self._named else []
        if not self._named:
            names = sorted({self._real(name) for name in self._places if name.endswith(f"/{LEGACY}")})
        for name in map(self._real, names):
            place = self._places.get(name)
            if place is not None and not place.link:
                yield Origin(
                    kind="archive", source=self._path, member=name, at=place.at, length=place.size, size=self._facts[0],
                    mtime_ns=self._facts[1],
                )  # fmt: skip


class Folder:
    """A folder into which an image archive was unpacked."""

    def __init__(self, path: str) -> None:
        """Raises `OSError`, `BrokenError`."""
        self._path = path
        self._named = layout.layers(self._document)
        if not self._named:
            raise BrokenError("it is neither an unpacked image archive nor a data root: nothing in it names a layer")

    def _document(self, name: str) -> bytes | None:
        with suppress(OSError, BrokenError), within(self._path, name) as fd:
            return os.pread(fd, layout.LARGEST, 0) if os.fstat(fd).st_size <= layout.LARGEST else None
        return None

    def origins(self, diff: str) -> Iterator[Origin]:
        """The file that its documents name."""
        if diff not in self._named:
            return
        with within(self._path, self._named[diff]) as fd:
            facts = os.fstat(fd)
        yield Origin(
            kind="folder", source=self._path, member=self._named[diff], length=facts.st_size, size=facts.st_size,
            mtime_ns=facts.st_mtime_ns,
        )  # fmt: skip


@contextmanager
def within(folder: str, name: str) -> Iterator[int]:
    """A plain file below a folder; a link is only followed as far as it stays in it. Raises `OSError`, `BrokenError`."""
    top = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for _ in range(MOST_LINKS):
            name = posixpath.normpath(name)
            if name.startswith(("/", "../")) or name == "..":
                raise BrokenError(f"{name} leads out of the folder")
            target = _link(top, name)
            if target is None:
                break
            name = posixpath.join(posixpath.dirname(name), target)
        with _parent(top, posixpath.dirname(name)) as around, opened(posixpath.basename(name), around) as fd:
            yield fd
    finally:
        os.close(top)


def _link(top: int, name: str) -> str | None:
    with suppress(OSError), _parent(top, posixpath.dirname(name)) as around:
        return os.readlink(posixpath.basename(name), dir_fd=around)
    return None


@contextmanager
def _parent(top: int, path: str) -> Iterator[int]:
    fd = os.dup(top)
    try:
        for part in path.split("/") if path else ():
            above, fd = fd, os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
            os.close(above)
        yield fd
    finally:
        os.close(fd)


class Root:
    """Another data root: its layers are put together again as for `docker save`."""

    def __init__(self, path: str) -> None:
        """Raises `BrokenError` for what is no data root."""
        self._path = path
        self._members: Mapping[str, tuple[str, ...]] = reassembled.members(path)
        if not self._members:
            raise BrokenError("no layer of a storage driver that can be read without a mount is in it")

    def origins(self, diff: str) -> Iterator[Origin]:
        """Every record of that diff id."""
        for member in self._members.get(diff, ()):
            yield Origin(kind="root", source=self._path, member=member)


def holder(path: str) -> Holder:
    """What `path` is. Raises `OSError`, `BrokenError`."""
    if not stat.S_ISDIR(os.stat(path).st_mode):
        return Archive(path)
    return Root(path) if os.path.isdir(os.path.join(path, "image")) else Folder(path)


def tar(origin: Origin) -> Generator[bytes]:
    """The tar of the layer that lies there, piece by piece, unpacked. Raises `BrokenError`."""
    with closing(_pieces(origin)) as pieces:
        try:
            yield from plain(pieces)
        except RootError as error:
            raise BrokenError(f"{origin.source} cannot be read: {error}") from None
        except OSError as error:
            raise BrokenError(f"{origin.source} cannot be read: {(error.strerror or str(error)).lower()}") from None


def _pieces(origin: Origin) -> Generator[bytes]:
    """The layer as it lies there."""
    if origin.kind == "root":
        yield from reassembled.pieces(origin.source, origin.member)
        return
    with opened(origin.source) if origin.kind == "archive" else within(origin.source, origin.member) as fd:
        facts = os.fstat(fd)
        if (facts.st_size, facts.st_mtime_ns) != (origin.size, origin.mtime_ns):
            raise BrokenError("the file was changed since the plan was made")
        if origin.kind == "folder" or not packed(os.pread(fd, _HEAD, 0)):
            yield from raw(fd, origin.at, origin.length)
            return
        stream, left = Stream(plain(raw(fd))), origin.length
        stream.skip(origin.at)
        while left and (piece := stream.some(min(left, PIECE))):
            yield piece
            left -= len(piece)
