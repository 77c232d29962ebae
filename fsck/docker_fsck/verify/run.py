"""A whole run of deep verification over one root: which layers, in which processes, until when; what came out, by layer."""

import time
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING

import msgspec

from docker_fsck import copies
from docker_fsck.verdicts import Task, Verdict
from docker_fsck.verify.budget import Budget, chosen, lately
from docker_fsck.verify.counts import Counts
from docker_fsck.verify.idle import yield_to_others
from docker_fsck.verify.layer import verify
from docker_fsck.verify.memory import Memory, Seen
from docker_fsck.verify.workers import Pulse, answers

if TYPE_CHECKING:
    from docker_fsck.model import Model
    from docker_fsck.records.layerdb import Layer
    from docker_fsck.store import Store

LAYERS_IN_DIRS = frozenset({"overlay2", "fuse-overlayfs", "aufs", "overlay", "vfs", "btrfs"})
"""Drivers whose layers lie in folders that anybody can read; others must be mounted for it."""
_LONGEST_WAIT = 3600.0
"""The kernel takes no more than some weeks at once."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a run may take: processes, bytes a second over all, seconds in all (None: no limit), where it remembers.

    `idle`: only what nobody else wants of disk and processor. `every` so many seconds it tells how far it is (None: by layer).
    """

    budget: Budget
    jobs: int
    state_dir: str
    rate: int | None = None
    seconds: float | None = None
    idle: bool = False
    every: float | None = None


class Progress(msgspec.Struct, frozen=True):
    """How far a run is: layers and bytes done and in all, seconds since its start; `done` is the layer that just was, if one."""

    layers: int
    of_layers: int
    bytes: int
    of_bytes: int
    seconds: float
    done: str | None = None

    @property
    def rate(self) -> int:
        """Bytes a second up to now."""
        return int(self.bytes / self.seconds) if self.seconds > 0 else 0

    @property
    def eta(self) -> float | None:
        """Seconds that the rest takes at this rate, None while nothing is known of it."""
        return max(0, self.of_bytes - self.bytes) / self.rate if self.rate else None


class Outcome(msgspec.Struct, frozen=True):
    """The verdicts by chain id, the layers that time did not suffice for, and those of this run in all.

    Of all `layers` of the tree `earlier` were found whole by other runs, and not by this one.
    """

    verdicts: dict[str, Verdict]
    left: tuple[str, ...]
    chosen: int
    layers: int = 0
    earlier: int = 0


def tasks(model: "Model") -> Iterator[Task]:
    """Every layer of the tree whose record is whole and whose folder is there; what is not is another rule's business."""
    return (task for layer in model.layers.layers.values() if (task := task_of(model, layer)) is not None)


def task_of(model: "Model", layer: "Layer") -> Task | None:
    """The task of verifying one layer."""
    ident, diff = layer.dir_id, layer.diff
    if model.name not in LAYERS_IN_DIRS or ident is None or not isinstance(diff, str) or not layer.tarsplit:
        return None
    if model.home.missing(ident) is not None:
        return None
    below = tuple(model.home.content(each) for each in model.home.needs(ident)) if model.home.union else ()
    return Task(
        layer.chain, diff, f"{layer.path}/tar-split.json.gz", model.home.content(ident), below,
        whole_tree=not model.home.union, shift=model.shift, beneath=copies.beneath_records(model, layer),
    )  # fmt: skip


def run(model: "Model", terms: Terms, now: float, tell: Callable[[Progress], None], only: Collection[str] = ()) -> Outcome:
    """Verify as much of `model` as `terms` allow; `now` in seconds since the epoch, `tell` hears how far it is.

    With `only` just these chain ids, whatever the budget.
    """
    sizes = {layer.chain: layer.size for layer in model.layers.layers.values() if isinstance(layer.size, int)}
    memory = Memory(terms.state_dir, model.store.reader.root, model.name)
    try:
        every = list(tasks(model))
        todo = [task for task in every if task.chain in only] if only else chosen(every, sizes, memory.seen, terms.budget, now)
        mine = {task.chain for task in todo}
        earlier = sum(task.chain not in mine and lately(memory.seen, task, terms.budget, now) for task in every)
        found = _run(model.store, todo, sizes, terms, memory, now, tell)
        return msgspec.structs.replace(found, layers=len(every), earlier=earlier)
    finally:
        memory.close()


def _run(
    store: "Store",
    todo: list[Task],
    sizes: dict[str, int],
    terms: Terms,
    memory: Memory,
    now: float,
    tell: Callable[[Progress], None],
) -> Outcome:
    begun = time.monotonic()
    found: dict[str, Verdict] = {}
    counts = Counts([sizes.get(task.chain, 0) for task in todo])

    def work(number: int) -> Verdict:
        if terms.idle:
            yield_to_others()
        with store.reader.twin() as own:
            return verify(own, todo[number], counts.counted(number, _pace(terms.rate, min(terms.jobs, len(todo)))))

    def patience() -> float | None:
        return None if terms.seconds is None else min(max(0.0, terms.seconds - (time.monotonic() - begun)), _LONGEST_WAIT)

    def beat(done: str | None = None) -> None:
        tell(Progress(len(found), len(todo), counts.done, counts.whole, time.monotonic() - begun, done))

    for number, answer in answers(work, Verdict, len(todo), terms.jobs, patience, Pulse(terms.every, beat)):
        task = todo[number]
        verdict = answer or Verdict(task.chain, "unread", why=f"{task.content}: the process that read it died")
        found[task.chain] = verdict
        odd = bool(verdict.extra or verdict.drift)
        memory.note(Seen(task.chain, verdict.state, now + time.monotonic() - begun, odd=odd))
        counts.finish(number)
        beat(task.chain)
    return Outcome(found, tuple(task.chain for task in todo if task.chain not in found), len(todo))


def _pace(rate: int | None, workers: int) -> Callable[[int], None]:
    """A brake: it sleeps as long as this process is ahead of its share of `rate` bytes a second."""
    if rate is None:
        return lambda _count: None
    share, begun, hashed = rate / workers, time.monotonic(), 0

    def pace(count: int) -> None:
        nonlocal hashed
        hashed += count
        ahead = hashed / share - (time.monotonic() - begun)
        if ahead > 0:
            time.sleep(ahead)

    return pace
