"""One layer from question to verdict: a quick pass, and only if it fails a second one that names what is wrong."""

import functools
import os
from collections.abc import Callable, Iterator

from docker_fsck.layertree import LayerTree, Root
from docker_fsck.reader import Reader
from docker_fsck.tarsplit import Entry, TarSplitError, entries
from docker_fsck.values import Trouble
from docker_fsck.verdicts import Task, Verdict
from docker_fsck.verify import inherited
from docker_fsck.verify.hashing import Differs, digest, named
from docker_fsck.verify.locate import Located, locate
from docker_fsck.verify.outward import Outward
from docker_fsck.verify.replaced import replaced_in

_PIECE = 64 << 10
Pace = Callable[[int], None]


def verify(reader: Reader, task: Task, pace: Pace) -> Verdict:
    """The verdict on the layer of `task`. Never raises for what lies on the disk."""
    own = reader.folder(task.content)
    if isinstance(own, Trouble):
        return Verdict(task.chain, "unread" if own.state == "unreadable" else "gone", why=f"{own.path}: {own.why}")
    tree = LayerTree(own, below(reader, task), reader.noatime)
    try:
        verdict = _judge(reader, task, tree, pace)
    except TarSplitError as error:
        verdict = Verdict(task.chain, "record", why=f"{task.record}: {error}")
    except OSError as error:
        verdict = Verdict(task.chain, "unread", why=f"{task.content}: {(error.strerror or str(error)).lower()}")
    finally:
        tree.close()
    record = reader.facts(task.record)
    if verdict.state != "whole" and isinstance(record, Trouble) and record.state == "absent":  # a live engine removed the layer
        return Verdict(task.chain, "gone", why=f"{task.record}: {record.why}")
    return verdict


def below(reader: Reader, task: Task) -> list[Root]:
    """What opens the folders of the layers below, nearest first."""

    def opened(path: str) -> int | None:
        found = reader.folder(path)
        return None if isinstance(found, Trouble) else found

    return [functools.partial(opened, path) for path in task.below]


def _judge(reader: Reader, task: Task, tree: LayerTree, pace: Pace) -> Verdict:
    """What the digest does not cover is looked at on the same way: the entries are read and the files are known by then."""

    def batches() -> Iterator[list[Entry]]:
        return entries(pieces(reader, task.record))

    gone = replaced_in(batches, tree)
    seen = Outward(tree, task.shift, _registered(reader, task))
    try:
        found, count = digest(batches(), tree, seen, pace)
    except Differs:
        found, count = "", 0
    if found != task.diff:
        return _sentence(task, locate(named(batches()), tree, pace, gone))
    drift = seen.drift(gone)
    if not task.whole_tree:
        return Verdict(task.chain, "whole", count, extra=seen.strange(lambda: named(batches())), drift=drift)
    lost = inherited.damages(lambda record: entries(pieces(reader, record)), task, tree, pace)
    if lost:
        return Verdict(task.chain, "damaged", count, damages=lost)
    changed = tuple(each for each in drift if each.found != "kind missing")  # the layer itself may remove it again
    return Verdict(task.chain, "whole", count, drift=changed)


def _registered(reader: Reader, task: Task) -> int:
    """When the record was written, in ns: the folder was complete by then, and nobody is to touch it afterwards."""
    facts = reader.facts(task.record)
    return 0 if isinstance(facts, Trouble) else min(facts.mtime_ns, facts.ctime_ns)


def _sentence(task: Task, found: Located) -> Verdict:
    """What the second pass means. What it reads well after all was damaged in memory or was being written."""
    if found.digest == task.diff:
        return Verdict(task.chain, "whole", found.bytes)
    if found.damages:
        return Verdict(task.chain, "damaged", found.bytes, damages=tuple(found.damages))
    for name, why in (
        (found.elsewhere, "its content or folder lies in another layer"),
        (found.replaced, "a later entry of its archive leads to the same path, or it is a mark of deletion"),
        (found.sparse, "a sparse file; the engine does not keep how its archive had it"),
    ):
        if name:
            return Verdict(task.chain, "unverifiable", found.bytes, f"{name}: {why}")
    return Verdict(
        task.chain, "record", found.bytes, f"every file is as {task.record} says, but the archive is not the one of its diff id"
    )


def pieces(reader: Reader, path: str) -> Iterator[bytes]:
    """A file piece by piece. Raises `TarSplitError` where it is not there, `OSError` where the kernel does not give it."""
    fd = reader.opened(path)
    if isinstance(fd, Trouble):
        if fd.state == "unreadable":
            raise OSError(0, fd.why)
        raise TarSplitError(fd.why)
    try:
        while piece := os.read(fd, _PIECE):
            yield piece
    finally:
        os.close(fd)
