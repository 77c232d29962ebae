"""Deep verification as the command line asks for it: its terms, its progress, what its end means for the verdict."""

import functools
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from docker_fsck.cli.edge import Call
from docker_fsck.cli.progress import Telling, shown
from docker_fsck.policy import Policy
from docker_fsck.protocols import Supplier
from docker_fsck.reports import files
from docker_fsck.store import Store
from docker_fsck.values import Contents, Level, Note
from docker_fsck.verdicts import Task, Verdict

if TYPE_CHECKING:
    from docker_fsck.model import Model
    from docker_fsck.verify.run import Outcome, Terms


class Verification:
    """What a run learns of the contents of layers; over a live root in several passes, later ones look at doubtful layers only.

    `notes`: why something was left out. All passes together keep to --max-duration.
    """

    def __init__(self, call: Call) -> None:
        """Nothing is looked at yet."""
        self._call = call
        self._known: dict[str, dict[str, Verdict]] = {}
        self._begun = time.monotonic()
        self._notes: dict[str, None] = {}
        self._first: dict[str, Outcome] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """In the order of their coming."""
        return tuple(self._notes)

    def look(self, store: Store) -> None:
        """Let `store` learn the verdicts on its layers. At the standard level only sizes are compared, at the quick one nothing.

        Raises `UsageError`.
        """
        if self._call.config.level is Level.STANDARD:
            _glance(store)
        if self._call.config.level is Level.DEEP:
            self._verify(store)

    def _verify(self, store: Store) -> None:
        from docker_fsck.verify import run  # noqa: PLC0415 - only for this level

        terms = _terms(self._call, store)
        with shown(self._call) as tell:
            for model in store.models:
                if model.name not in run.LAYERS_IN_DIRS:
                    self._note(f"{model.home.name}: the content of its layers can only be read where they are mounted")
                    continue
                left = None if terms.seconds is None else max(0.0, terms.seconds - (time.monotonic() - self._begun))
                found = self._of(model, msgspec.structs.replace(terms, seconds=left, every=tell.every), tell)
                store.learn(model.name, functools.partial(dict, found))
        store.contents = self._counted()

    def _counted(self) -> Contents:
        """How far it has come, of all trees whose layers can be read; what was removed meanwhile counts as it was met."""
        verified = sum(len(found.verdicts) for found in self._first.values())
        earlier = sum(found.earlier for found in self._first.values())
        return Contents(verified, earlier, sum(found.layers for found in self._first.values()) - verified - earlier)

    def _of(self, model: "Model", terms: "Terms", tell: Telling) -> dict[str, Verdict]:
        """The verdicts on the layers of one tree."""
        from docker_fsck.verify import run  # noqa: PLC0415 - only for this level

        before = self._known.get(model.name)
        doubtful = frozenset(chain for chain, each in (before or {}).items() if _doubtful(each))
        known = {chain: each for chain, each in (before or {}).items() if chain in model.layers.layers and chain not in doubtful}
        if before is None or doubtful:
            found = run.run(model, terms, self._call.edge.clock(), tell.tell, doubtful)
            known |= found.verdicts
            self._first.setdefault(model.name, found)
            if found.left and before is None:
                some = f"{len(found.left)} of {found.chosen} layers are not verified yet"
                self._note(f"time limit: {some}, the next run goes on with them")
            elif found.left:
                self._note(f"time limit: {len(found.left)} doubtful layers are not verified again, the next run begins with them")
        self._known[model.name] = known
        return known

    def _note(self, text: str) -> None:
        self._notes[text] = None


def _doubtful(verdict: Verdict) -> bool:
    """Whether a second look must tell if it was only a moment of a store at work."""
    return verdict.state not in {"whole", "gone"} or bool(verdict.extra or verdict.drift)


def _glance(store: Store) -> None:
    """The cheap look at the newest layers."""
    some = [model for model in store.models if model.layers.layers]
    if some:
        from docker_fsck.verify import glance  # noqa: PLC0415 - a root without layers has no need of it

        for model in some:
            store.learn(model.name, glance.begin(model))


def one(store: Store, task: Task) -> Verdict:
    """The verdict on one folder, which a rule asks for to know whose it is, at every level."""
    from docker_fsck.verify import layer  # noqa: PLC0415 - only where a record has lost its folder

    return layer.verify(store.reader, task, lambda _count: None)


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
        idle=config.idle,
    )
