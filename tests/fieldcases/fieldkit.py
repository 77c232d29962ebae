"""How a field case becomes a test: a whole store, what the case does to it, what a check must say, and what must never happen.

A row says all of it. What no rule of this version judges is marked as such in the row: then the test asks only for what holds
all the same, that nothing is planned which the case forbids. A rule that comes later changes the row, nothing else.
"""

import errno
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path

from msgspec import Struct

from docker_fsck.apply.executor import execute
from docker_fsck.apply.undo import undo
from docker_fsck.host import HostView
from docker_fsck.reader import QUARANTINE
from docker_fsck.testing import laws
from docker_fsck.testing.refusals import refusing
from docker_fsck.testing.table import STOPPED, Run, registry, run
from docker_fsck.testing.tree import changes, snapshot
from docker_fsck.testing.whole import Whole, whole
from docker_fsck.upgrade.settings import Settings
from docker_fsck.upgrade.version import Version
from docker_fsck.values import ActionClass, Level, PutAway, Severity

INFO, WARNING, ERROR, CRITICAL = Severity.INFO, Severity.WARNING, Severity.ERROR, Severity.CRITICAL
LOSSLESS, RECLAIM, LOSSY, USER = ActionClass.LOSSLESS, ActionClass.RECLAIM, ActionClass.LOSSY, ActionClass.LOSSY_USER
ANY = None
CONSEQUENT = frozenset(
    {
        "prune-hazard", "container-image-missing", "container-unclean", "container-dead", "container-volume-missing", "multiple-drivers",
        "half-store", "container-foreign-driver", "volume-unreferenced-anonymous", "dist-corrupt", "dist-pair-mismatch",
        "volume-record-stale", "buildkit-ref-dangling", "layer-content-mismatch", "tmp-old-stuck", "backing-fs",
    }
)  # fmt: skip
"""Rules that say what follows from the damage of a case, beside the rule that names it; a row that means one of them names it."""

Paths = Iterable[Path]


def untouched(_: Whole) -> HostView:
    """A host on which nothing uses the root."""
    return STOPPED


def everything_else(_: Whole) -> Paths:
    """Nothing is named that must stay."""
    return ()


class Case(Struct, frozen=True, kw_only=True):
    """One state of a field case.

    `finds`: the rules that must have findings, with the gravest of their severities (None: any), and no other. `classes`: the
    classes of the actions that are planned for them. `by`: rules of work that is not there yet; each must find the state as
    soon as it exists. `lacks`: why this version cannot judge the state yet. `incomplete`: a part of the reason for which the
    verdict is incomplete. `keeps`: what no plan may put away. `denied`: what the kernel refuses to give, with `error`. `leaves`: rules that still find it after apply.
    """

    id: str
    what: str
    how: Callable[[Whole], object]
    finds: dict[str, Severity | None] = {}
    classes: frozenset[ActionClass] = frozenset()
    by: tuple[str, ...] = ()
    lacks: str = ""
    incomplete: str = ""
    keeps: Callable[[Whole], Paths] = everything_else
    driver: str = "overlay2"
    host: Callable[[Whole], HostView] = untouched
    grace: float = 0.0
    denied: Callable[[Whole], Path] | None = None
    target: Version | None = None
    engine: Settings = Settings()
    leaves: tuple[str, ...] = ()
    error: int = errno.EACCES

    @property
    def label(self) -> str:
        """Its name in a test run and in the list."""
        return f"{self.id} {self.what}"

    @property
    def missing(self) -> tuple[str, ...]:
        """The rules that are to judge it and that this version does not have."""
        known = {rule.name for rule in registry().rules if rule.level.rank <= Level.STANDARD.rank}
        return tuple(name for name in self.by if name not in known)

    @property
    def state(self) -> str:
        """How far this version judges it, in words."""
        if self.lacks.startswith("found; "):
            return f"{', '.join(sorted(self.finds))}; cannot be mended yet: {self.lacks.removeprefix('found; ')}"
        if self.lacks:
            return f"cannot be judged yet: {self.lacks}"
        if self.missing:
            return f"cannot be judged yet: {', '.join(self.missing)} is not there"
        told = ", ".join(sorted({*self.finds, *self.by}))
        return told or ("verdict incomplete" if self.incomplete else "silent, as it must be")


def breaches(case: Case, place: Path) -> Iterator[str]:
    """Where a check, its plan, and carrying that out and taking it back are not as the case says."""
    store = whole(place, case.driver)
    case.how(store)
    kept = {store.rel(path) for path in case.keeps(store)}
    before = laws.states(place)
    outcome = judged(case, store)
    after = laws.states(place)
    yield from (f"the check changed {name}" for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    yield from (f"{each.rule} failed: {each.reason}" for each in outcome.checked.outcomes if each.state == "failed")
    yield from _verdict(case, outcome)
    yield from _never(kept, outcome)
    if case.denied is None and outcome.plan.actions:
        yield from _there_and_back(case, store, outcome)


def judged(case: Case, store: Whole) -> Run:
    """Check and plan, with consent to nothing."""
    denied = case.denied(store) if case.denied else None
    with refusing(denied, case.error) if denied else nullcontext():
        return run(
            store.root.path,
            host=case.host(store),
            now=time.time(),
            grace=case.grace,
            target=case.target,
            engine_settings=case.engine,
        )


def _verdict(case: Case, outcome: Run) -> Iterator[str]:
    found: dict[str, Severity] = {}
    for each in outcome.findings:
        found[each.rule] = max(found.get(each.rule, each.severity), each.severity, key=lambda severity: severity.rank)
    present = [name for name in case.by if name not in case.missing]
    for name, severity in {**dict.fromkeys(present), **case.finds}.items():
        if name not in found:
            yield f"{name} does not find it; found is {sorted(found)}"
        elif severity is not None and found[name] is not severity:
            yield f"{name} calls it {found[name]}, not {severity}"
    more = sorted(found.keys() - case.finds.keys() - set(case.by) - CONSEQUENT)
    if more and not (case.lacks or case.missing):
        yield f"found besides: {[(each.rule, each.message) for each in outcome.findings if each.rule in more]}"
    if case.incomplete and not any(case.incomplete in why for why in outcome.checked.incomplete):
        yield f"the verdict is not incomplete because of {case.incomplete!r}, but {outcome.checked.incomplete}"
    if not case.incomplete and not case.lacks and outcome.checked.incomplete:
        yield f"the verdict is incomplete: {outcome.checked.incomplete}"
    marks = {each.fingerprint for each in outcome.findings if each.rule in case.finds}
    classes = {action.cls for action in outcome.plan.actions if marks & set(action.findings)}
    if classes != case.classes and not case.missing:
        yield f"planned are {sorted(classes)}, not {sorted(case.classes)}; blocked: {[each.why for each in outcome.plan.blocked]}"


def _never(kept: set[str], outcome: Run) -> Iterator[str]:
    """What a plan puts away although the case says never: the path itself, what lies in it, or a folder around it."""
    for action in outcome.plan.actions:
        for step in action.steps:
            path = step.path
            if isinstance(step, PutAway) and any(
                path == each or each.startswith(f"{path}/") or path.startswith(f"{each}/") for each in kept
            ):
                yield f"never: {path} is put away: {action.does}"


def _there_and_back(case: Case, store: Whole, first: Run) -> Iterator[str]:
    """The plan is carried out, what it mends is not found again, and undo gives every byte back."""
    path = store.root.path
    before = snapshot(path, {QUARANTINE})
    site = laws.site(path, case.host(store))
    applied = execute(first.plan, site, txn=laws.TXN, now=laws.MOMENT)
    yield from (f"{skip.path} was skipped: {skip.why}" for skip in applied.skipped)
    mended = {mark for action in first.plan.actions for mark in action.findings}
    again = [
        each.rule
        for each in judged(case, store).findings
        if each.fingerprint in mended and each.rule in {*case.finds} - {*case.leaves}
    ]
    yield from (f"{name} is found again after apply" for name in again)
    undo(site, laws.TXN)
    yield from (f"undo did not give back {name}" for name in changes(before, snapshot(path, {QUARANTINE})))
