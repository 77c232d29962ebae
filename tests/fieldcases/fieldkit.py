"""How a field case becomes a test: a whole store, what the case does to it, what a check must say, and what must never happen.

A row says all of it. What no rule of this version judges is marked as such in the row (`lacks`).
"""

import errno
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

from msgspec import Struct

from docker_fsck.apply.executor import execute
from docker_fsck.apply.undo import undo
from docker_fsck.backing import Backing
from docker_fsck.host import HostView
from docker_fsck.reader import QUARANTINE, Reader
from docker_fsck.testing import laws
from docker_fsck.testing.refusals import refusing
from docker_fsck.testing.table import CONSEQUENT, STOPPED, Run, run
from docker_fsck.testing.tree import changes, snapshot
from docker_fsck.testing.whole import Whole, whole
from docker_fsck.upgrade.settings import Settings
from docker_fsck.upgrade.version import Version
from docker_fsck.values import ActionClass, Level, PutAway, Severity

INFO, WARNING, ERROR, CRITICAL = Severity.INFO, Severity.WARNING, Severity.ERROR, Severity.CRITICAL
LOSSLESS, RECLAIM, LOSSY, USER, MANUAL = ActionClass

Paths = Iterable[Path]


def untouched(_: Whole) -> HostView:
    """A host on which nothing uses the root."""
    return STOPPED


def everything_else(_: Whole) -> Paths:
    """Nothing is named that must stay."""
    return ()


class Case(Struct, frozen=True, kw_only=True):
    """One state of a field case.

    `finds`: the rules that must have findings, with the gravest of their severities, and no other. `classes`: the classes of
    all actions that are planned. `pulls`: what the list of pulls names. `refused`: a part of the reason for which something is
    not planned. `lacks`: why this version cannot judge the state yet. `incomplete`: a part of the reason for which the verdict
    is incomplete. `keeps`: what no plan may put away. `consents`: to the loss of any container. `denied`: what the kernel
    refuses to give, with `error`. `disk`: what the kernel tells of the file system. `leaves`: rules that find something of their own after apply.
    """

    id: str
    what: str
    how: Callable[[Whole], object]
    finds: dict[str, Severity] = {}
    classes: frozenset[ActionClass] = frozenset()
    pulls: frozenset[str] | set[str] = frozenset()
    refused: str = ""
    consents: bool = False
    level: Level = Level.STANDARD
    lacks: str = ""
    incomplete: str = ""
    keeps: Callable[[Whole], Paths] = everything_else
    driver: str = "overlay2"
    host: Callable[[Whole], HostView] = untouched
    grace: float = 0.0
    denied: Callable[[Whole], Path] | None = None
    disk: Backing | None = None
    target: Version | None = None
    engine: Settings = Settings()
    leaves: tuple[str, ...] = ()
    error: int = errno.EACCES

    @property
    def label(self) -> str:
        """Its name in a test run and in the list."""
        return f"{self.id} {self.what}"

    @property
    def state(self) -> str:
        """How far this version judges it, in words."""
        if self.lacks.startswith("found; "):
            return f"{', '.join(sorted(self.finds))}; cannot be mended yet: {self.lacks.removeprefix('found; ')}"
        if self.lacks:
            return f"cannot be judged yet: {self.lacks}"
        told = ", ".join(sorted(self.finds))
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
    yield from _planned(case, outcome)
    yield from _never(kept, outcome)
    if case.denied is None and outcome.plan.actions:
        yield from _there_and_back(case, store, outcome)


def judged(case: Case, store: Whole) -> Run:
    """Check and plan."""
    denied = case.denied(store) if case.denied else None
    disk = patch.object(Reader, "backing", lambda _: case.disk) if case.disk else nullcontext()
    with disk, refusing(denied, case.error) if denied else nullcontext():
        return run(
            store.root.path,
            host=case.host(store),
            now=time.time(),
            grace=case.grace,
            target=case.target,
            engine_settings=case.engine,
            level=case.level,
            consents=(store.ran, store.busy, store.made) if case.consents else (),
        )


def _verdict(case: Case, outcome: Run) -> Iterator[str]:
    found: dict[str, Severity] = {}
    for each in outcome.findings:
        found[each.rule] = max(found.get(each.rule, each.severity), each.severity, key=lambda severity: severity.rank)
    for name, severity in case.finds.items():
        if name not in found:
            yield f"{name} does not find it; found is {sorted(found)}"
        elif found[name] is not severity:
            yield f"{name} calls it {found[name]}, not {severity}"
    more = sorted(found.keys() - case.finds.keys() - CONSEQUENT)
    if more:
        yield f"found besides: {[(each.rule, each.message) for each in outcome.findings if each.rule in more]}"
    if case.incomplete and not any(case.incomplete in why for why in outcome.checked.incomplete):
        yield f"the verdict is not incomplete because of {case.incomplete!r}, but {outcome.checked.incomplete}"
    if not case.incomplete and not case.lacks and outcome.checked.incomplete:
        yield f"the verdict is incomplete: {outcome.checked.incomplete}"


def _planned(case: Case, outcome: Run) -> Iterator[str]:
    classes = {action.cls for action in outcome.plan.actions}
    if classes != case.classes:
        yield f"planned are {sorted(classes)}, not {sorted(case.classes)}; blocked: {[each.why for each in outcome.plan.blocked]}"
    if (pulls := {each.partition("@")[0] for each in outcome.plan.pull}) != case.pulls:
        yield f"to be pulled are {sorted(pulls)}, not {sorted(case.pulls)}"
    reasons = [each.why for each in outcome.plan.blocked]
    if bool(reasons) != bool(case.refused) or not any(case.refused in each for each in reasons or [""]):
        yield f"blocked is {reasons}, not because of {case.refused!r}"


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
    second = judged(case, store)
    mended = {mark for action in first.plan.actions for mark in action.findings}
    known = {each.fingerprint for each in first.findings} - mended
    left = [each for each in second.findings if each.fingerprint not in known]
    yield from (f"found after apply: {each.rule}: {each.message}" for each in left if each.rule not in case.leaves)
    marks = {each.fingerprint for each in left}
    yield from (f"planned again: {action.does}" for action in second.plan.actions if not marks & set(action.findings))
    if applied.done:
        undo(site, laws.TXN)
    yield from (f"undo did not give back {name}" for name in changes(before, snapshot(path, {QUARANTINE})))
