"""Puts the steps of a plan into the order and the batches in which they are done; pure, and strict about odd plans."""

from collections.abc import Iterable, Iterator, Sequence

from docker_fsck.apply.site import ancestors
from docker_fsck.apply.tree import split
from docker_fsck.errors import Refused
from docker_fsck.values import Action, MakeDir, SetMeta, Step

BATCH = 256
LOCKED = ("volumes", "volumes/metadata.db")
"""What takes the root's lock away when it moves: its step is the last (promise 14)."""


def ordered(actions: Sequence[Action]) -> list[Step]:
    """All steps in the order of their numbers, the one that moves the lock last.

    `Refused` for a plan that the planner cannot have made: steps without number, a number twice, a path that no step may
    touch, a path that no guard watches.
    """
    steps = sorted((step for action in actions for step in action.steps), key=lambda step: (step.raw in LOCKED, step.n))
    numbers = {step.n for step in steps}
    if len(numbers) != len(steps) or any(n < 0 for n in numbers):
        raise Refused("the plan's steps are not numbered")
    for step in steps:
        split(step.raw)
    made: set[str] = set()
    watched = {guard.raw for action in actions for guard in action.pre}
    for step in steps:
        if step.raw not in watched and step.raw not in made and made.isdisjoint(ancestors(step.raw)):
            raise Refused(f"the plan has no precondition for {step.path}")
        made.add(step.raw)
    return steps


def batches(steps: Iterable[Step]) -> Iterator[list[Step]]:
    """Steps that are journalled together: of one rank, at most 256, and none that works on what another of them moved."""
    batch: list[Step] = []
    moved: set[str] = set()
    seen: set[str] = set()
    for step in steps:
        path = step.raw
        apart = path in seen or not moved.isdisjoint(ancestors(path))
        if batch and (apart or len(batch) == BATCH or step.rank != batch[0].rank):
            yield batch
            batch, moved, seen = [], set(), set()
        batch.append(step)
        seen.add(path)
        if not isinstance(step, MakeDir | SetMeta):
            moved.add(path)
    if batch:
        yield batch


def folders(steps: Iterable[Step]) -> set[str]:
    """The folders whose times the steps change."""
    return {step.raw.rpartition("/")[0] for step in steps}
