"""The journal of one transaction: versioned records, one a line, synced before anything is done; it decides nothing.

Opened  Planned  (Begun  Done)*  Ended   [Resumed (Begun  Done)*  Ended]   [UndoBegun  UndoEnded]
"""

import os
from contextlib import suppress
from typing import BinaryIO

import msgspec
from msgspec import Struct

from docker_fsck.apply.kernel import reserve
from docker_fsck.apply.site import Skip
from docker_fsck.apply.tree import READING, Tree, open_noatime
from docker_fsck.errors import Refused
from docker_fsck.reader import QUARANTINE
from docker_fsck.values import Action, At, Step

SCHEMA = "docker-fsck/journal/1.0"
NAME = "journal.jsonl"
LINK = "journal"
HISTORY = "history.jsonl"
PURGING = ".purging"
_TAIL = 64 << 10
_HEAD = 16 << 10
_PER_STEP = 512
_RESERVE = 16 << 10


class Times(At, frozen=True, kw_only=True):
    """The times of a folder in which steps work."""

    atime_ns: int
    mtime_ns: int


class Was(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What stood at the path of step `n` before it; `kind` is absent, file, dir, link or other.

    `caps`: the file capability, which a change of owner takes away.
    """

    n: int
    kind: str = "absent"
    ino: int = 0
    mode: int = 0
    uid: int = 0
    gid: int = 0
    atime_ns: int = 0
    mtime_ns: int = 0
    caps: bytes | None = None


class Made(Struct, frozen=True, array_like=True):
    """A step that is done, and the inode that it put at its path (or into the quarantine)."""

    n: int
    ino: int


class Opened(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="rec", tag="open"):
    """Who does what where. `made` is RFC 3339 in UTC, `dev` the root's device number then, `digest` the plan's."""

    schema: str = SCHEMA
    txn: str
    root: str
    tool: str
    digest: str
    made: str
    dev: int
    steps: int
    classes: tuple[str, ...]


class Planned(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="rec", tag="plan"):
    """Everything that is needed to finish or to take back: the whole actions, and the folders' times before them."""

    actions: tuple[Action, ...]
    touched: tuple[Times, ...]


class Begun(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="rec", tag="begin"):
    """The steps that may be under way from here on."""

    batch: int
    was: tuple[Was, ...]


class Done(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="rec", tag="done"):
    """How a batch went; a step that is in neither list was not reached."""

    batch: int
    done: tuple[Made, ...]
    skipped: tuple[Skip, ...] = ()


class Ended(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="rec", tag="end"):
    """All is synced. `state` is applied or interrupted.

    `left` are the touched folders' times now: undo gives the old ones back where these still stand.
    """

    state: str
    done: int
    skipped: int
    bytes: int
    left: tuple[Times, ...] = ()


class Resumed(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="rec", tag="resume"):
    """The rest is being done; this is how far the killed pass has come, as the disk itself told."""

    made: tuple[Made, ...] = ()
    half: tuple[int, ...] = ()


class UndoBegun(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="rec", tag="undo-begin"):
    """All is being taken back; `times` are what the folders get at last."""

    times: tuple[Times, ...] = ()


class UndoEnded(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="rec", tag="undo-end"):
    """All is taken back and synced."""


Record = Opened | Planned | Begun | Done | Ended | Resumed | UndoBegun | UndoEnded
_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)
_encoder = msgspec.json.Encoder()


def encoded(record: Record) -> bytes:
    """A record as its line."""
    return _encoder.encode(record) + b"\n"


class Journal:
    """An open journal; it owns the descriptor. `append` returns when the records are on the disk."""

    def __init__(self, fd: int, end: int = 0) -> None:
        """Go on at byte `end`: what stands behind it is a torn line of a run that was killed."""
        self._fd = fd
        self._end = end
        if os.fstat(fd).st_size > end:
            os.ftruncate(fd, end)

    def append(self, *records: Record) -> None:
        """Write and sync; an `OSError` leaves at most a torn line."""
        data = b"".join(map(encoded, records))
        while data:
            written = os.pwrite(self._fd, data, self._end)
            self._end += written
            data = data[written:]
        os.fdatasync(self._fd)

    def trim(self, spare: int) -> None:
        """Give the disk back what was set aside too much, but keep `spare` bytes, so that an undo fits on a full disk."""
        with suppress(OSError):
            os.ftruncate(self._fd, self._end)
            reserve(self._fd, self._end + spare)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)


class Story(Struct, kw_only=True):
    """What a journal tells: the newest knowledge about each step, by its number."""

    opened: Opened
    planned: Planned | None = None
    was: dict[int, Was] = {}
    made: dict[int, int] = {}
    skipped: dict[int, Skip] = {}
    batch: int = 0
    ended: Ended | None = None
    undo: UndoBegun | None = None
    undone: bool = False
    half: tuple[int, ...] = ()
    size: int = 0
    fresh: set[int] = set()

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
                self.made.update({made.n: made.ino for made in record.done})
                self.skipped.update({skip.n: skip for skip in record.skipped})
                for n in self.fresh - self.made.keys():  # not reached, so it is as if it had never been begun
                    del self.was[n]
            case Ended():
                self.ended = record
            case Resumed():
                self.ended = None
                self.half = record.half
                self.made = {made.n: made.ino for made in record.made}
                self.was = {n: was for n, was in self.was.items() if n in self.made or n in record.half}
            case UndoBegun():
                self.undo = record
            case UndoEnded():
                self.undone = True


def read(file: BinaryIO, name: str) -> Story:
    """The story of an open journal; `Refused` if it is damaged before its last line."""
    file.seek(0)
    story: Story | None = None
    for line in file:
        try:
            record = _decoder.decode(line) if line.endswith(b"\n") else None
        except msgspec.DecodeError as error:
            if file.read().strip(b"\0"):
                raise Refused(f"the journal {name} is damaged: {error}") from None
            break
        if record is None:
            break
        if story is None:
            story = _begin(record, name)
        else:
            story.hear(record)
        story.size += len(line)
    return story or _begin(None, name)


def _begin(record: Record | None, name: str) -> Story:
    if not isinstance(record, Opened):
        raise Refused(f"the journal {name} is damaged: it has no beginning")
    if record.schema.rpartition(".")[0] != SCHEMA.rpartition(".")[0]:
        raise Refused(f"the journal {name} is of the kind {record.schema}, which this version does not know")
    return Story(opened=record)


def ends(fd: int) -> tuple[Opened | None, Record | None]:
    """The first and the last whole record of a journal, each None if it cannot be read; costs two small reads."""
    size = os.fstat(fd).st_size
    first, complete, _ = os.pread(fd, _HEAD, 0).partition(b"\n")
    opened = _decoded(first) if complete else None
    tail = os.pread(fd, _TAIL, max(0, size - _TAIL)).split(b"\n")[:-1]
    last = next((record for line in reversed(tail) if (record := _decoded(line))), None)
    return (opened if isinstance(opened, Opened) else None), last


def _decoded(line: bytes) -> Record | None:
    with suppress(msgspec.DecodeError):
        return _decoder.decode(line)
    return None


def find(tree: Tree, folder: str, txn: str, journal_dir: str | None, flags: int = READING) -> int | None:
    """A descriptor of the journal of `txn`, whose folder in the quarantine is `folder`; None if it is not there."""
    base = f"{QUARANTINE}/{folder}"
    with suppress(FileNotFoundError), tree.parent(f"{base}/{NAME}") as (fd, name):
        return open_noatime(name, flags, fd)
    places = [f"{journal_dir}/{txn}.jsonl"] if journal_dir else []
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


def room(planned: Planned, opened: Opened) -> int:
    """How many bytes the journal of an apply may need, so that they can be set aside before the first step."""
    return len(encoded(opened)) + len(encoded(planned)) + _PER_STEP * opened.steps + 2 * spare(planned)


def spare(planned: Planned) -> int:
    """How many bytes the journal of its undo may need."""
    return len(encoded(UndoBegun(times=planned.touched))) + _RESERVE
