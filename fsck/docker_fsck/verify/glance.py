"""The cheap look at the newest layers: sizes of their files against tar-split, no content is read (classic-store 1, 6).

Power loss empties what was just written and never synced; what it hits are the layers that came last. A file that is not there
may lie elsewhere, which only the deep level finds out: it says nothing here.
"""

import stat
from collections.abc import Callable, Iterable
from heapq import nlargest
from typing import TYPE_CHECKING

from docker_fsck import ahead
from docker_fsck.facts import Facts
from docker_fsck.layertree import LayerTree
from docker_fsck.tarsplit import Entry, TarSplitError, entries
from docker_fsck.values import Trouble
from docker_fsck.verdicts import Damage, Task, Verdict
from docker_fsck.verify.hashing import named
from docker_fsck.verify.layer import below, pieces
from docker_fsck.verify.replaced import replaced_in
from docker_fsck.verify.run import task_of

if TYPE_CHECKING:
    from docker_fsck.model import Model
    from docker_fsck.reader import Reader
    from docker_fsck.records.layerdb import Layer

NEWEST = 256
MOST_TOLD = 1000


def begin(model: "Model") -> Callable[[], dict[str, Verdict]]:
    """Start to look; what comes back ends it and has the verdicts that sizes alone allow, by chain id."""
    return ahead.begin(model.store.reader, lambda reader: _glance(model, reader), dict[str, Verdict], len(model.layers.layers))


def _glance(model: "Model", reader: "Reader") -> dict[str, Verdict]:
    todo = (task for layer in _newest(model, reader) if (task := task_of(model, layer)) is not None)
    found = ((task.chain, _sizes(reader, task)) for task in todo)
    return {chain: Verdict(chain, "damaged", damages=damages) for chain, damages in found if damages}


def _newest(model: "Model", reader: "Reader") -> "Iterable[Layer]":
    """The layers that were registered last."""
    layers = model.layers.layers
    if len(layers) <= NEWEST:
        return layers.values()
    base = f"{model.image_dir}/layerdb/sha256"
    ages = ((facts.mtime_ns, name) for name, facts in reader.members(base) if isinstance(facts, Facts))
    names = (f"sha256:{name}" for _, name in nlargest(NEWEST, ages))
    return (layers[name] for name in names if name in layers)


def _sizes(reader: "Reader", task: Task) -> tuple[Damage, ...]:
    """Files of another size than their entry says; none where the entries or the folder cannot be read."""
    own = reader.folder(task.content)
    if isinstance(own, Trouble):
        return ()
    tree = LayerTree(own, (), reader.noatime)
    found: list[tuple[Entry, Damage]] = []
    try:
        for batch in named(entries(pieces(reader, task.record))):
            found += [(entry, damage) for entry in batch if entry.has_content and (damage := _size(entry, tree))]
    except (TarSplitError, OSError):
        return ()
    finally:
        tree.close()
    return _kept(reader, task, found) if found else ()


def _kept(reader: "Reader", task: Task, found: list[tuple[Entry, Damage]]) -> tuple[Damage, ...]:
    """Those of files that no later entry of the archive replaced."""
    own = reader.folder(task.content)
    if isinstance(own, Trouble):
        return ()
    tree = LayerTree(own, below(reader, task), reader.noatime)
    try:
        gone = replaced_in(lambda: entries(pieces(reader, task.record)), tree)
        return tuple([damage for entry, damage in found if not gone(entry.name, entry.position)][:MOST_TOLD])
    except (TarSplitError, OSError):
        return ()
    finally:
        tree.close()


def _size(entry: Entry, tree: LayerTree) -> Damage | None:
    try:
        facts = tree.facts(entry.name)
    except OSError:
        return None
    if not stat.S_ISREG(facts.st_mode) or facts.st_size == entry.size:
        return None
    return Damage(entry.name, f"{entry.size} bytes", f"{facts.st_size} bytes")
