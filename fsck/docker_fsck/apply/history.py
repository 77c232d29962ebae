"""Tells which transactions a root has and how each stands; it never writes and leaves every atime."""

import errno
import re
import stat
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

from docker_fsck.apply import journal, story
from docker_fsck.apply.journal import (
    HISTORY,
    PURGING,
    Begun,
    Done,
    Ended,
    Noted,
    Opened,
    Planned,
    Resumed,
    UndoBegun,
    UndoEnded,
)
from docker_fsck.apply.shelves import place
from docker_fsck.apply.tree import READING, Tree, open_noatime, words
from docker_fsck.errors import Refused, UsageError
from docker_fsck.mounttable import UNLISTED
from docker_fsck.reader import QUARANTINE

_NAME = re.compile(r"(\d{8}T\d{6}Z-[0-9A-Za-z]+)(\.purging)?")
_STAMP = "%Y%m%dT%H%M%SZ"
_NOT_OURS = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_OPEN = {"unfinished", "undoing"}
MOST_BYTES, _LINE = 16 << 20, 64 << 10
"""Of the list of what was purged, and of a line of it: at a purge a day it comes to that size in two hundred years."""


class Record(Struct, frozen=True, kw_only=True):
    """A transaction as `history` lists it.

    `state`: applied; interrupted (stopped in good order: it can be taken back or finished); unfinished and undoing (killed:
    recover comes first); undone; purged; void (killed before the first step; not listed). `made` is RFC 3339 in UTC,
    `bytes` are the allocated bytes that were put away.
    """

    txn: str
    state: str
    made: str
    steps: int = 0
    done: int = 0
    skipped: int = 0
    bytes: int = 0
    classes: tuple[str, ...] = ()


def txn_id(now: datetime, suffix: str) -> str:
    """The name of a transaction that begins `now`; `suffix` (letters and digits) keeps two of one second apart."""
    return f"{now.astimezone(UTC).strftime(_STAMP)}-{suffix}"


def history(root: str, journal_dir: str | None = None) -> list[Record]:
    """The transactions of `root`, oldest first."""
    with closing(Tree(root)) as tree:
        return [record for record in survey(tree, journal_dir) if record.state != "void"]


def unfinished(root: str, journal_dir: str | None = None) -> str | None:
    """The transaction that was killed and must be recovered before anything else may change `root`."""
    with closing(Tree(root)) as tree:
        return blocking(tree, journal_dir)


def expired(root: str, age: timedelta, now: datetime, journal_dir: str | None = None) -> tuple[str, ...]:
    """The finished transactions that began more than `age` before `now`; one from the future is young."""
    with closing(Tree(root)) as tree:
        records = survey(tree, journal_dir)
    return tuple(record.txn for record in records if record.state not in {*_OPEN, "purged"} and now - _began(record.txn) > age)


def _began(txn: str) -> datetime:
    try:
        return datetime.strptime(txn.partition("-")[0], _STAMP).replace(tzinfo=UTC)
    except ValueError:  # no such day: a name that nobody of us made is never old
        return datetime.max.replace(tzinfo=UTC)


def blocking(tree: Tree, journal_dir: str | None) -> str | None:
    """The name of the transaction that forbids every other change."""
    return next((record.txn for record in survey(tree, journal_dir) if record.state in _OPEN), None)


def pending(tree: Tree, journal_dir: str | None) -> Record | None:
    """What `recover` is about: the killed transaction, or the newest one if it was interrupted."""
    records = survey(tree, journal_dir)
    killed = next((record for record in records if record.state in _OPEN), None)
    if killed is not None:
        return killed
    told = [record for record in records if record.state != "void"]
    return told[-1] if told and told[-1].state == "interrupted" else None


def choose(tree: Tree, journal_dir: str | None, txn: str) -> str:
    """The transaction that undo takes back: `txn`, or the newest that can be for `last`. Raises `Refused`, `UsageError`."""
    records = survey(tree, journal_dir)
    for record in records:
        if record.state in _OPEN:
            raise Refused(f"transaction {record.txn} is unfinished: docker-fsck recover takes it back")
    able = [record.txn for record in records if record.state in {"applied", "interrupted"}]
    if txn == "last" and able:
        return able[-1]
    found = next((record for record in records if record.txn == txn), None)
    if txn == "last" or found is None:
        raise UsageError("there is no transaction that could be undone" if txn == "last" else f"there is no transaction {txn}")
    if found.txn not in able:
        raise Refused(f"transaction {txn} is {found.state}: it cannot be undone")
    return txn


def survey(tree: Tree, journal_dir: str | None) -> list[Record]:
    """All transactions, void ones too, oldest first. `Refused` if the quarantine is there and cannot be read."""
    found = _purged(tree)
    for home in ("", *UNLISTED):
        for name in names(tree, home):
            if (match := _NAME.fullmatch(name)) and _is_folder(tree, f"{place(home)}/{name}"):
                if not home:
                    found[match[1]] = _record(tree, match, journal_dir)
                else:  # all that is known of it lies below the root; where that is gone it can only be purged
                    found.setdefault(match[1], Record(txn=match[1], state="purged", made=""))
    return sorted(found.values(), key=lambda record: record.txn)


def names(tree: Tree, home: str) -> list[str]:
    """What the quarantine of a driver home holds, that of the root for an empty one; nothing where there is none."""
    try:
        return tree.names(place(home))
    except OSError as error:
        if error.errno in _NOT_OURS:
            return []
        raise Refused(f"{place(home)} cannot be read: {words(error)}") from error


def _is_folder(tree: Tree, path: str) -> bool:
    facts = tree.lstat(path)
    return facts is not None and stat.S_ISDIR(facts.st_mode)


def homes_of(tree: Tree, txn: str, journal_dir: str | None) -> tuple[str, ...]:
    """The driver homes that have a quarantine of their own in a transaction, as far as its journal tells."""
    for folder in (txn, txn + PURGING):
        if (fd := story.find(tree, folder, txn, journal_dir)) is not None:
            with open(fd, "rb"):
                opened, _ = story.ends(fd)
            return opened.homes if opened else ()
    return ()


def load(tree: Tree, txn: str, journal_dir: str | None, folder: str = "") -> story.Story:
    """The whole journal of a transaction; `Refused` if it is not to be found or damaged."""
    fd = story.find(tree, folder or txn, txn, journal_dir)
    if fd is None:
        raise Refused(f"the journal of transaction {txn} is not to be found; --journal-dir says where it was put")
    with open(fd, "rb", buffering=story.PIECE) as file:
        return story.read(file, txn)


def _record(tree: Tree, match: re.Match[str], journal_dir: str | None) -> Record:
    try:
        record = _told(tree, match, journal_dir)
    except OSError:
        record = None
    return record or _blind(tree, match[1], match[0])


def _told(tree: Tree, match: re.Match[str], journal_dir: str | None) -> Record | None:
    """What the journal tells; it is not read whole unless the transaction was taken back."""
    txn = match[1]
    fd = story.find(tree, match[0], txn, journal_dir)
    if fd is None:
        return None
    with open(fd, "rb", buffering=story.PIECE) as file:
        opened, last = story.ends(fd)
        if opened is None:
            return None
        ended = last if isinstance(last, Ended) else None
        if isinstance(last, UndoBegun | UndoEnded):
            with suppress(Refused):
                ended = story.read(file, txn).ended
    return Record(
        txn=txn, state="purged" if match[2] else _state(last), made=opened.made, steps=opened.steps, classes=opened.classes,
        done=ended.done if ended else 0, skipped=ended.skipped if ended else 0, bytes=ended.bytes if ended else 0,
    )  # fmt: skip


def _blind(tree: Tree, txn: str, folder: str) -> Record:
    """A transaction without a readable journal: nothing can have been done if nothing lies on its shelves."""
    try:
        moved = any(tree.names(f"{QUARANTINE}/{folder}/{shelf}") for shelf in ("q", "u"))
    except OSError as error:
        moved = error.errno not in _NOT_OURS
    return Record(txn=txn, state="purged" if folder.endswith(PURGING) else "unfinished" if moved else "void", made="")


def _state(last: journal.Record | None) -> str:
    match last:
        case Opened() | Planned():
            return "void"
        case Ended(state=state):
            return state
        case UndoBegun():
            return "undoing"
        case UndoEnded():
            return "undone"
        case Begun() | Done() | Noted() | Resumed() | None:
            return "unfinished"


def _purged(tree: Tree) -> dict[str, Record]:
    """The lines that purge has left, by transaction; one that cannot be read is passed over, a file that is too large whole."""
    found: dict[str, Record] = {}
    with suppress(OSError):
        if _unread(tree):
            return {}
        with tree.parent(f"{QUARANTINE}/{HISTORY}") as (folder, name), open(open_noatime(name, READING, folder), "rb") as file:
            left = MOST_BYTES
            while left > 0 and (line := file.readline(_LINE)):
                left -= len(line)
                record = _purge_of(line) if line.startswith(b"{") else None
                if record is not None:
                    found[record.txn] = record
    return found


def _purge_of(line: bytes) -> Record | None:
    with suppress(msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.decode(line, type=Record)
    return None


def unread(root: str) -> tuple[str, str] | None:
    """The list of what was purged and why it is not read, None if it is or there is none."""
    with closing(Tree(root)) as tree:
        why = _unread(tree)
    return (f"{QUARANTINE}/{HISTORY}", why) if why else None


def _unread(tree: Tree) -> str:
    with suppress(OSError):
        facts = tree.lstat(f"{QUARANTINE}/{HISTORY}")
        if facts is not None and facts.st_size > MOST_BYTES:
            return f"is larger than {MOST_BYTES >> 20} MiB and is not read: what was purged is not listed; move it away"
    return ""
