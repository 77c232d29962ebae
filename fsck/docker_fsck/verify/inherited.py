"""What a layer has from those below it, where each is a whole copy: no digest of its own covers that, their checksums do."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator

from docker_fsck.layertree import LayerTree, plain
from docker_fsck.tarsplit import FILE, Entry, TarSplitError
from docker_fsck.verdicts import Damage, Task
from docker_fsck.verify.locate import locate
from docker_fsck.verify.replaced import replaced_in

WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
Kept = dict[str, Entry]
Read = Callable[[str], Iterable[list[Entry]]]
"""The entries of the record at a path."""


def damages(read: Read, task: Task, tree: LayerTree, pace: Callable[[int], None]) -> tuple[Damage, ...]:
    """Files of the layers below that the layer keeps as they were, and that are not so. A damaged record is others' business."""
    kept: Kept = {}
    try:
        for record, batches in _numbered(read, task):
            _lay(kept, _files(batches), last=record == task.record)
        gone = replaced_in(lambda: (batch for _, batches in _numbered(read, task) for batch in batches), tree, opaque=True)
        return tuple(locate([list(kept.values())], tree, pace, gone).damages)
    except TarSplitError:
        return ()


def _numbered(read: Read, task: Task) -> Iterator[tuple[str, Iterator[list[Entry]]]]:
    """Each record with its entries, which are numbered through all of them."""
    number = itertools.count()

    def numbered(batches: Iterable[list[Entry]]) -> Iterator[list[Entry]]:
        for batch in batches:
            for entry in batch:
                entry.position = next(number)
            yield batch

    for record in (*task.beneath, task.record):
        yield record, numbered(read(record))


def _files(batches: Iterable[list[Entry]]) -> Iterator[tuple[Entry, bool]]:
    """The entries of an archive with plain names, each with whether it may be something else than a folder."""
    for batch in batches:
        for entry in batch:
            if entry.type == FILE:
                name = os.fsdecode(entry.name_raw) if entry.name_raw else entry.name
                entry.name = plain(name)
                yield entry, not name.endswith("/")


def _lay(kept: Kept, files: Iterable[tuple[Entry, bool]], *, last: bool) -> None:
    """Lay an archive over what is kept so far; of the last one nothing is kept, since its digest covers it."""
    above = {folder for name in kept for folder in _above(name)}
    made: Kept = {}
    for entry, leaf in files:
        base, _, name = entry.name.rpartition("/")
        hidden = f"{base}/{name.removeprefix(WHITEOUT)}".lstrip("/") if name.startswith(WHITEOUT) else entry.name
        hidden = base if name == OPAQUE else hidden
        kept.pop(hidden, None)
        if (leaf or name == OPAQUE) and hidden in above:
            for each in [each for each in kept if each.startswith(f"{hidden}/")]:
                del kept[each]
        if entry.has_content and not name.startswith(WHITEOUT):
            made[entry.name] = entry
    if not last:
        kept |= made


def _above(name: str) -> Iterator[str]:
    while name := name.rpartition("/")[0]:
        yield name
