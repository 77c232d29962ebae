"""Deep verification as the command line asks for it: its terms, its progress, what its end means for the verdict."""

import functools
import os
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

import msgspec

from docker_fsck.cli.edge import Call
from docker_fsck.log import Event
from docker_fsck.policy import Policy
from docker_fsck.protocols import Supplier
from docker_fsck.reports import files
from docker_fsck.store import Store
from docker_fsck.values import Level, Note
from docker_fsck.verdicts import Task, Verdict

if TYPE_CHECKING:
    from docker_fsck.verify.run import Progress, Terms


def verify(call: Call, store: Store, only: Collection[str]) -> tuple[str, ...]:
    """Let `store` learn the verdicts on its layers, of those in `only` if there are any; why something was left out.

    At the standard level only sizes are compared, at the quick one nothing. Raises `UsageError`.
    """
    if call.config.level is Level.DEEP:
        return tuple(_verify(call, store, only))
    if call.config.level is Level.STANDARD:
        _glance(store)
    return ()


def _glance(store: Store) -> None:
    """The cheap look at the newest layers."""
    some = [model for model in store.models if model.layers.layers]
    if some:
        from docker_fsck.verify import glance  # noqa: PLC0415 - a root without layers has no need of it

        for model in some:
            store.learn(model.name, glance.begin(model))


def one(store: Store, task: Task) -> Verdict:
    """The verdict on one folder, which a rule asks for to know whose it is, at every level."""
    from docker_fsck.verify import layer, outward  # noqa: PLC0415 - only where a record has lost its folder

    shifted = msgspec.structs.replace(task, shift=outward.shift_of(store.reader.root))
    return layer.verify(store.reader, shifted, lambda _count: None)


def supply(allowed: Policy, root: str) -> Supplier | None:
    """What the operator supplies of layers, for a plan. Raises `UsageError`."""
    if not allowed.sources:
        return None
    from docker_fsck.restore.supply import Supply  # noqa: PLC0415 - only with --source

    return Supply(allowed.sources, root)


def unsupplied(store: Store) -> Iterator[Note]:
    """What is lost or damaged and was not found there."""
    told = store.supply.told if store.supply else {}
    return (Note("source", chain, f"is not restored: {why}") for chain, why in sorted(told.items()))


def doubted(store: Store) -> Iterator[str]:
    """Layers whose verdict is a bad one."""
    return (chain for tree in store.verdicts.values() for chain, each in tree.items() if each.state in {"damaged", "record"})


def _verify(call: Call, store: Store, only: Collection[str]) -> Iterator[str]:
    from docker_fsck.verify import run  # noqa: PLC0415 - only for this level

    terms = _terms(call, store)
    for model in store.models:
        if model.name not in run.LAYERS_IN_DIRS:
            yield f"{model.home.name}: the content of its layers can only be read where they are mounted"
            continue
        found = run.run(model, terms, call.edge.clock(), lambda progress: _tell(call, progress), only)
        store.learn(model.name, functools.partial(dict, found.verdicts))
        if found.left:
            yield f"time limit: {len(found.left)} of {found.chosen} layers are not verified yet, the next run goes on with them"


def _terms(call: Call, store: Store) -> "Terms":
    from docker_fsck.verify import budget, run  # noqa: PLC0415 - only for this level

    config = call.config
    files.outside(config.state_dir, store.reader.root, "--state-dir")
    share = budget.subset(config.subset) if config.subset else budget.Budget()
    return run.Terms(
        budget=msgspec.structs.replace(share, max_age=config.max_age),
        jobs=config.jobs or len(os.sched_getaffinity(0)),
        state_dir=config.state_dir,
        rate=budget.size(config.limit.removesuffix("/s"), "--limit") if config.limit else None,
        seconds=config.max_duration,
    )


def _tell(call: Call, progress: "Progress") -> None:
    call.edge.log.say(Event.VERIFIED, **msgspec.structs.asdict(progress))
