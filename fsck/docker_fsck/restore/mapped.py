"""How far the map of ids of a user namespace is known to go: the layers show it that are there. Reads through the reader."""

from contextlib import suppress
from typing import TYPE_CHECKING

from docker_fsck.layertree import LayerTree
from docker_fsck.tarsplit import SEGMENT, TarSplitError, entries
from docker_fsck.values import Trouble
from docker_fsck.verdicts import Task
from docker_fsck.verify.belongs import Owners
from docker_fsck.verify.hashing import named
from docker_fsck.verify.headers import Cutter, attributes
from docker_fsck.verify.layer import below, pieces
from docker_fsck.verify.run import tasks

if TYPE_CHECKING:
    from docker_fsck.model import Model
    from docker_fsck.reader import Reader


class Mapped:
    """The map of one tree; layers are looked at one by one, as long as what was asked for is not found."""

    def __init__(self, model: "Model") -> None:
        """Nothing is looked at yet."""
        self._reader, self._owners, self._left = model.store.reader, Owners(model.shift), tasks(model)

    def holds(self, uid: int, gid: int) -> bool:
        """Whether ids up to these are known to be shifted like all others."""
        while not self._owners.cover(uid, gid):
            task = next(self._left, None)
            if task is None:
                return False
            with suppress(TarSplitError, OSError):
                _look(self._reader, task, self._owners)
        return True


def _look(reader: "Reader", task: Task, owners: Owners) -> None:
    own = reader.folder(task.content)
    if isinstance(own, Trouble):
        return
    tree, cutter = LayerTree(own, below(reader, task), reader.noatime), Cutter()
    try:
        for entry in (each for batch in named(entries(pieces(reader, task.record))) for each in batch):
            if entry.type == SEGMENT:
                cutter.add(entry.payload or b"")
                continue
            each = attributes(entry.name, cutter.header(entry.size if entry.has_content else 0))
            with suppress(OSError):
                if each is not None and (each.uid or each.gid):
                    owners.pair(each, tree.facts(entry.name))
    finally:
        tree.close()
