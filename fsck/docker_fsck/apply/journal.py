"""The journal of one transaction: versioned records, one a line, synced before anything is done; it decides nothing.

Opened  Planned  (Begun  Done)*  Noted  Ended   [Resumed  (Begun  Done)*  Noted  Ended]   [Noted  UndoBegun  UndoEnded]
"""

import errno
import os
from contextlib import suppress

import msgspec
from msgspec import Struct

from docker_fsck.apply.kernel import reserve
from docker_fsck.apply.site import Skip
from docker_fsck.values import Action, At

SCHEMA = "docker-fsck/journal/1.0"
NAME = "journal.jsonl"
LINK = "journal"
FRESH = "journal.new"
"""In the quarantine itself: a journal for which disk was set aside, before its transaction begins."""
AT = "journal.at"
"""Holds the path of a journal elsewhere where not even a link could be made."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
HISTORY = "history.jsonl"
PURGING = ".purging"
LONGEST = 1 << 30
"""Bytes of a line; a plan that would be longer is not begun, so that every journal of ours can be read back."""
_PER_STEP = 512
_RESERVE = 16 << 10


class Times(At, frozen=True, kw_only=True):
    """The times of a folder in which steps work."""

    atime_ns: int
    mtime_ns: int


class Was(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What stood at the path of step `n` before it; `kind` is absent, file, dir, link or other.

    `caps`: the file capability, which a change of owner takes away. `xattrs`: the attributes that the step changes.
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
    xattrs: tuple[tuple[str, bytes | None], ...] = ()


class Made(Struct, frozen=True, array_like=True):
    """A step that is done, and the inode that it put at its path (or into the quarantine)."""

    n: int
    ino: int


class Opened(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="rec", tag="open"):
    """Who does what where. `made` is RFC 3339 in UTC, `dev` the root's device number then, `digest` the plan's.

    `homes`: the driver homes that have a quarantine of their own in this transaction.
    """

    schema: str = SCHEMA
    txn: str
    root: str
    tool: str
    digest: str
    made: str
    dev: int
    steps: int
    classes: tuple[str, ...]
    homes: tuple[str, ...] = ()


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


class Noted(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="rec", tag="times"):
    """The touched folders' times, right before `Ended` and `UndoBegun`, which stay short: a look at the end finds them."""

    times: tuple[Times, ...] = ()


class Ended(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="rec", tag="end"):
    """All is synced. `state` is applied or interrupted.

    The times noted before it are those at the end: undo gives the old ones back where these still stand.
    """

    state: str
    done: int
    skipped: int
    bytes: int


class Resumed(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="rec", tag="resume"):
    """The rest is being done; this is how far the killed pass has come, as the disk itself told."""

    made: tuple[Made, ...] = ()
    half: tuple[int, ...] = ()


class UndoBegun(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="rec", tag="undo-begin"):
    """All is being taken back; the times noted before it are what the folders get at last."""


class UndoEnded(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="rec", tag="undo-end"):
    """All is taken back and synced."""


Record = Opened | Planned | Begun | Done | Noted | Ended | Resumed | UndoBegun | UndoEnded
decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)
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


def room(planned: Planned, opened: Opened) -> int:
    """How many bytes the journal of an apply may need, so that they can be set aside before the first step."""
    return len(encoded(opened)) + len(encoded(planned)) + _PER_STEP * opened.steps + 2 * spare(planned)


def spare(planned: Planned) -> int:
    """How many bytes the journal of its undo may need."""
    return len(encoded(Noted(times=planned.touched))) + _RESERVE
