"""Puts a container's belongings into a tar: its configuration, its layer entry by entry, last what was done and what lacks."""

import os
import stat
from collections.abc import Iterator
from typing import IO

import msgspec

from docker_fsck.export.archive import Archive, sayable, storable
from docker_fsck.export.belongings import Belongings
from docker_fsck.export.spelling import SPELLINGS, Deleted, Lost
from docker_fsck.reader import Reader
from docker_fsck.values import Trouble, printable
from docker_fsck.wholetree import Entry, extents, pieces, walk

SCHEMA = "docker-fsck/export/1"
PAPERS, LAYER, TOLD = "container", "layer", "export.json"


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """What a tar holds, as its last member `export.json` tells. `lacks`: what could not be had or said, each with the reason."""

    schema: str = SCHEMA
    container: str
    name: str
    driver: str
    image: str
    layer: str
    difference: bool
    sources: dict[str, str]
    entries: int
    deletions: int
    bytes: int
    notes: tuple[str, ...]
    lacks: tuple[str, ...]


class _Writing:
    def __init__(self, reader: Reader, belongings: Belongings, archive: Archive) -> None:
        self.reader, self.what, self.archive = reader, belongings, archive
        self.entries = self.deletions = 0
        self.lacks: list[str] = []

    def run(self) -> None:
        spelling = SPELLINGS[self.what.driver]
        for entry in walk(self.reader, self.what.layer):
            if isinstance(entry, Trouble):
                self.lacks.append(printable(f"{entry.path}: {entry.why}"))
                continue
            for told in spelling(entry):
                self._put(told)

    def _put(self, told: Entry | Deleted | Lost) -> None:
        name = f"{LAYER}/{told.name}".rstrip("/")
        match told:
            case Deleted():
                self.deletions += 1
                self.archive.plain(name, b"", 0)
            case Lost(why=why):
                self.lacks.append(printable(f"{told.name or '/'}: {why}"))
            case Entry():
                self.entries += 1
                self._entry(name, told)

    def _entry(self, name: str, entry: Entry) -> None:
        if not storable(entry):
            return  # a socket means nothing without the process that made it
        unsaid = [key for key in entry.attributes if not sayable(key)]
        self.lacks += [printable(f"{entry.name or '/'}: no tar can hold an attribute of the name {key!r}") for key in unsaid]
        if self.archive.linked(name, entry):
            return
        if not stat.S_ISREG(entry.info.st_mode):
            self.archive.bare(name, entry)
            return
        fd = self.reader.opened(f"{self.what.layer}/{entry.name}")
        if isinstance(fd, Trouble):
            self.lacks.append(printable(f"{fd.path}: {fd.why}"))
            self.archive.forget(entry)
            return
        try:
            held = extents(fd, entry.info.st_size)
            self.archive.file(name, entry, held, self._bytes(fd, held, entry.name))
        finally:
            os.close(fd)

    def _bytes(self, fd: int, held: list[tuple[int, int]], name: str) -> Iterator[bytes]:
        """The bytes of a file; zeros in place of what the disk does not give, which is told."""
        for at, length in held:
            done = 0
            try:
                for piece in pieces(fd, [(at, length)]):
                    done += len(piece)
                    yield piece
            except OSError as error:
                self.lacks.append(printable(f"{name}: {error.strerror or error} at byte {at + done}: zeros from there on"))
                yield from (bytes(min(1 << 20, length - each)) for each in range(done, length, 1 << 20))


def export(reader: Reader, what: Belongings, stream: IO[bytes]) -> Exported:
    """Write everything into `stream`, in one pass. `OSError`s are those of `stream`."""
    archive = Archive(stream)
    for paper in what.papers:
        archive.plain(f"{PAPERS}/{paper.name}", paper.data, 0o600)
    work = _Writing(reader, what, archive)
    work.run()
    told = Exported(
        container=what.id, name=printable(what.name), driver=what.driver, image=what.image, layer=what.layer,
        difference=what.difference, sources={paper.name: paper.source for paper in what.papers}, entries=work.entries,
        deletions=work.deletions, bytes=archive.bytes, notes=tuple(map(printable, what.notes)), lacks=tuple(work.lacks),
    )  # fmt: skip
    archive.plain(TOLD, msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
    archive.close()
    return told
