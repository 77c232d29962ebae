"""Reads a journal back: the whole story of a transaction, or only how it ends; it writes nothing."""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

import msgspec
from msgspec import Struct

from docker_fsck.apply.journal import (
    AT,
    LINK,
    LONGEST,
    NAME,
    SCHEMA,
    Begun,
    Done,
    Ended,
    Journal,
    Noted,
    Opened,
    Planned,
    Record,
    Resumed,
    Times,
    UndoBegun,
    UndoEnded,
    Was,
    decoder,
)  # fmt: skip
from docker_fsck.apply.shelves import Shelves
from docker_fsck.apply.site import Skip
from docker_fsck.apply.tree import READING, Tree, open_noatime
from docker_fsck.errors import Refused
from docker_fsck.reader import QUARANTINE
from docker_fsck.values import Step

_TAIL = 64 << 10
_HEAD = 16 << 10
PIECE = 1 << 20


class Story(Struct, kw_only=True):
    """What a journal tells: the newest knowledge about each step, by its number."""

    opened: Opened
    planned: Planned | None = None
    was: dict[int, Was] = {}
    made: dict[int, int] = {}
    skipped: dict[int, Skip] = {}
    batch: int = 0
    ended: Ended | None = None
    times: tuple[Times, ...] = ()
    left: tuple[Times, ...] = ()
    undoing: bool = False
    undone: bool = False
    half: tuple[int, ...] = ()
    size: int = 0
    fresh: set[int] = set()

    @property
    def shelves(self) -> Shelves:
        """Where it keeps what it has put away."""
        return Shelves(self.opened.txn, self.opened.homes)

    @property
    def steps(self) -> dict[int, Step]:
        """All steps of the plan, by number."""
        actions = self.planned.actions if self.planned else ()
        return {step.n: step for action in actions for step in action.steps}

    def hear(self, record: Record) -> None:
        """Take the next record in."""
        match record:
            case Opened():
                raise Refused("a journal with two beginnings")
            case Planned():
                self.planned = record
            case Begun():
                self.fresh = {was.n for was in record.was if was.n not in self.was}
                self.was.update({was.n: was for was in record.was})
                self.batch = record.batch
            case Done():
                self._batch_done(record)
            case Noted():
                self.times = record.times
            case Ended():
                self.ended, self.left = record, self.times
            case Resumed():
                self.ended = None
                self.half = record.half
                self.made = {made.n: made.ino for made in record.made}
                self.was = {n: was for n, was in self.was.items() if n in self.made or n in record.half}
            case UndoBegun():
                self.undoing = True
            case UndoEnded():
                self.undone = True

    def _batch_done(self, record: Done) -> None:
        self.made.update({made.n: made.ino for made in record.done})
        self.skipped.update({skip.n: skip for skip in record.skipped})
        for n in self.fresh - self.made.keys():  # not reached, so it is as if it had never been begun
            del self.was[n]


def read(file: BinaryIO, name: str) -> Story:
    """The story of an open journal; `Refused` if it is damaged before its last line."""
    file.seek(0)
    story: Story | None = None
    for line in _lines(file, name):
        try:
            record = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if any(piece.strip(b"\0") for piece in iter(lambda: file.read(PIECE), b"")):
                raise Refused(f"the journal {name} is damaged: {error}") from None
            break
        if story is None:
            story = _begin(record, name)
        else:
            story.hear(record)
        story.size += len(line)
    return story or _begin(None, name)


def _lines(file: BinaryIO, name: str) -> Iterator[bytes]:
    """The whole lines; one with zeros in it, as of disk that was set aside, is empty here. A last one without end is left out."""
    parts: list[bytes] = []
    length, zeros = 0, False
    while piece := file.readline(PIECE):
        length, zeros = length + len(piece), zeros or b"\0" in piece
        if length > LONGEST and not zeros:
            raise Refused(f"the journal {name} is damaged: a line is longer than {LONGEST >> 20} MiB")
        parts = [] if zeros else [*parts, piece]
        if piece.endswith(b"\n"):
            yield b"".join(parts)
            parts, length, zeros = [], 0, False


def _begin(record: Record | None, name: str) -> Story:
    if not isinstance(record, Opened):
        raise Refused(f"the journal {name} is damaged: it has no beginning")
    if record.schema.rpartition(".")[0] != SCHEMA.rpartition(".")[0]:
        raise Refused(f"the journal {name} is of the kind {record.schema}, which this version does not know")
    return Story(opened=record)


def ends(fd: int) -> tuple[Opened | None, Record | None]:
    """The first and the last whole record of a journal, `Noted` aside; None for what cannot be read. Costs two small reads."""
    size = os.fstat(fd).st_size
    first, complete, _ = os.pread(fd, _HEAD, 0).partition(b"\n")
    opened = _decoded(first) if complete else None
    tail = os.pread(fd, _TAIL, max(0, size - _TAIL)).split(b"\n")[:-1]
    last = next((record for line in reversed(tail) if (record := _decoded(line)) and not isinstance(record, Noted)), None)
    return (opened if isinstance(opened, Opened) else None), last


def _decoded(line: bytes) -> Record | None:
    with suppress(msgspec.DecodeError, UnicodeDecodeError):
        return decoder.decode(line)
    return None


def find(tree: Tree, folder: str, txn: str, journal_dir: str | None, flags: int = READING) -> int | None:
    """A descriptor of the journal of `txn`, whose folder in the quarantine is `folder`; None if it is not there."""
    base = f"{QUARANTINE}/{folder}"
    with suppress(FileNotFoundError), tree.parent(f"{base}/{NAME}") as (fd, name):
        return open_noatime(name, flags, fd)
    places = [f"{journal_dir}/{txn}.jsonl"] if journal_dir else []
    with suppress(OSError), tree.parent(f"{base}/{AT}") as (fd, name), open(open_noatime(name, READING, fd), "rb") as file:
        if told := file.read(_HEAD).partition(b"\n")[0]:
            places.insert(0, os.fsdecode(told))
    with suppress(OSError):
        places.insert(0, tree.target(f"{base}/{LINK}"))
    for place in places:
        with suppress(OSError):
            return open_noatime(place, flags)
    return None


def reopen(tree: Tree, story: Story, journal_dir: str | None) -> Journal:
    """The journal of `story`, to be gone on with behind its last whole line."""
    txn = story.opened.txn
    fd = find(tree, txn, txn, journal_dir, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    if fd is None:
        raise Refused(f"the journal of transaction {txn} cannot be opened for writing")
    return Journal(fd, story.size)
