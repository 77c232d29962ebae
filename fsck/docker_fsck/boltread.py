"""Reads a bbolt database of the data root, beside its owner if it has one: no lock, no descriptor kept, never half a state.

Every store that keeps bolt files reads them here (buildkit-and-containerd-store 1.3). A lock would be felt: with even a
shared one held by somebody else an engine does not start.
"""

from docker_fsck.bolt import BoltError, Database, EmptyDatabase, NewerDatabase, open_bytes, txids
from docker_fsck.reader import Reader
from docker_fsck.values import Source, Trouble


class Damaged(Source, frozen=True):
    """A database that was read and is not whole, as opposed to one that could not be read: a finding, not a gap in the check."""


ATTEMPTS = 8
"""Reads until a database counts as unstable. One of 1 MiB takes 0.3 ms, a transaction of the owner at least one sync."""


def open_database(reader: Reader, path: str) -> Database | Source:
    """The verified database at `path`, or how it could not be had: absent (no file, or 0 bytes), unreadable, newer, unstable.

    What was read and is damaged is `Damaged`; what the kernel refused, or what is no file of its own, is a plain `Source`.

    Pages are copy-on-write, and what transaction n+1 frees may be written over from n+2 on, before the meta of n+2 tells of
    it. So a copy counts only if no transaction was committed while it was taken (the reference measured one later as good
    too, but then the next may have begun), and damage only if a second copy has the very same bytes.
    """
    for _ in range(ATTEMPTS):
        data = reader.read(path)
        if isinstance(data, Trouble):
            return Source(path, "absent" if data.state == "absent" else "unreadable", data.why)
        found = _opened(path, data)
        again = reader.read(path)
        if isinstance(again, Trouble):
            continue
        if data == again or (isinstance(found, Database) and max(txids(data)) == max(txids(again), default=0)):
            return found
    return Source(path, "unstable", "it changes while it is read")


def told(path: str, found: Database | Source) -> Source:
    """How much of a database was read; a torn one lacks the newest transaction, one with a broken freelist stops a writer."""
    if isinstance(found, Source):
        return found
    if found.problems:
        return Damaged(path, "partial" if found.torn else "read", found.problems[0])
    if found.torn:
        return Source(path, "partial", "one of its two metas is not valid: this may be the state of one transaction before")
    return Source(path, "read")


def _opened(path: str, data: bytes) -> Database | Source:
    try:
        return open_bytes(data)
    except EmptyDatabase as error:
        return Source(path, "absent", str(error))
    except NewerDatabase as error:
        return Source(path, "newer", str(error))
    except BoltError as error:
        return Damaged(path, "unreadable", str(error))
