"""The straight way, from a root to a report; check, plan and apply are three places to stop on it. Changes nothing."""

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from docker_fsck import __version__, baseline, engine, keeping, planner, plugins, rules, target, wishes
from docker_fsck.cli import accepted, deep, exits, outputs, probes, roots
from docker_fsck.cli.edge import Call, rfc3339
from docker_fsck.engine import Checked
from docker_fsck.host import HostView
from docker_fsck.log import Event
from docker_fsck.plugins import Registry
from docker_fsck.policy import Policy
from docker_fsck.reader import QUARANTINE, Reader
from docker_fsck.rules import Rule
from docker_fsck.store import Store, open_store
from docker_fsck.values import (
    ActionClass,
    Coverage,
    Finding,
    Outcome,
    Plan,
    Report,
    RunInfo,
    Scope,
    Severity,
    Source,
    StoreInfo,
    Summary,
    Trouble,
    printable,
)

if TYPE_CHECKING:
    from docker_fsck.apply.history import Record

PASSES = 5
PAUSE = 1.0
Passed = tuple[Checked, Store]
Only = Callable[[Checked, Store], tuple[Checked, Scope | None]]


def everything(checked: Checked, _: Store) -> tuple[Checked, Scope | None]:
    """A check of the whole store: no finding is left out."""
    return checked, None


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """A report and what a command still wants to know about how it came about."""

    report: Report
    root: roots.Root
    host: HostView
    registry: Registry
    policy: Policy

    @property
    def plan(self) -> Plan:
        """The plan of the report."""
        return self.report.plan


def policy(call: Call, classes: frozenset[ActionClass] = frozenset(ActionClass)) -> Policy:
    """What settings and call allow now."""
    config = call.config
    return Policy(
        now=call.edge.clock(),
        grace=config.grace,
        classes=classes,
        consents=frozenset(call.several("consent")),
        allow_mass=call.has("allow_mass"),
        keep_images=config.keep_images,
        keep_labels=config.keep_labels,
        keep_paths=config.keep_paths,
        sources=tuple(str(Path(each).resolve()) for each in getattr(call.given, "source", ())),
        fail_on=config.fail_on,
    )


def load(call: Call) -> Registry:
    """The admitted plugins."""
    return plugins.load(call.config.plugins_admit, call.config.plugins_require)


def survey(call: Call, allowed: Policy) -> Survey:
    """Check the root and plan what `allowed` permits. Raises `FsckError`s where there is nothing to be checked."""
    with surveyed(call, allowed) as (found, _):
        return found


@contextmanager
def surveyed(call: Call, allowed: Policy, only: Only = everything, goal: str | None = None) -> Iterator[tuple[Survey, Store]]:
    """As `survey`, with the store still open. `only` leaves out findings, `goal` is what `--target-free` says."""
    registry = load(call)
    config = call.config
    chosen = rules.select(registry.rules, config.level, config.rules_only, config.rules_skip)
    if allowed.target is not None:
        chosen = rules.for_gate(registry.rules, chosen)
    graded = wishes.severities(config.severity, registry.rules)
    entries = accepted.read(config.baseline) if config.baseline is not None else ()
    root = roots.choose(call.config)
    if not allowed.engine.file:
        allowed = msgspec.structs.replace(allowed, engine=call.edge.settings(config, root))
    outputs.promise(call.config, registry.reporters, root.path)
    with roots.opened(root):  # it is a folder that can be read, and something is in it
        pass
    seen = probes.told(call.edge.look(root.path), call.config, registry.drivers, root.path)
    with _checked(call, root, seen, registry, chosen, allowed) as (checked, store):
        told, scope = only(checked, store)
        past = _past(store, call.config.journal_dir)
        seen = _neighbour(call, root, seen, past)
        wanted = None if goal is None else target.wanted(goal, store.reader, _quarantined(past))
        plan, findings = planner.make(told, store, registry.veto, wanted)
        findings = baseline.mark(wishes.regraded(findings, chosen, graded), entries, call.now.date())
        _list_of_purged(store)
        report = _report(call, root, store, engine.complete(told, store), registry, plan, findings, past, scope, seen.fsck_pid)
        notes = tuple(wishes.notes(registry.rules, chosen, config.level, config.rules_only, config.rules_skip, graded))
        if not isinstance(scope, Scope):  # of a part of the findings nobody can say which entries are needed
            ran = {outcome.rule for outcome in checked.outcomes if outcome.state == "ran"}
            names = {rule.name for rule in registry.rules}
            notes = (*baseline.notes(entries, findings, ran, names, call.now.date()), *notes)
        report = msgspec.structs.replace(report, notes=(*notes, *deep.unsupplied(store)))
        yield Survey(report=report, root=root, host=seen, registry=registry, policy=allowed), store


@contextmanager
def _checked(
    call: Call, root: roots.Root, seen: HostView, registry: Registry, chosen: tuple[Rule, ...], allowed: Policy
) -> Iterator[Passed]:
    """One pass over a root at rest; over one that may be in use, as many as it takes until what is found stays found."""
    contents = deep.Verification(call)

    supply = deep.supply(allowed, root.path)

    def look() -> Passed:
        reader = Reader(root.path)
        try:
            store = open_store(reader, registry.drivers, registry.sources, seen, allowed)
            store.verify = functools.partial(deep.one, store)
            store.supply = supply
            if not call.config.rules_only:
                store.read_ahead()
            contents.look(store)
            return engine.check(store, chosen, registry.failures), store
        except BaseException:
            reader.close()
            raise

    def again() -> Passed:
        call.edge.log.say(Event.PASS_REPEATED)
        call.edge.sleep(PAUSE)
        return look()

    checked, store = look() if seen.state == "stopped" else settled(look, again)
    try:
        yield msgspec.structs.replace(checked, incomplete=(*checked.incomplete, *contents.notes)), store
    finally:
        store.reader.close()


def settled(look: Callable[[], Passed], again: Callable[[], Passed]) -> Passed:
    """Passes until one finds nothing that the one before did not find; only what two in a row found is kept (promise 3)."""
    checked, store = look()
    kept: tuple[Finding, ...] = ()
    for _ in range(PASSES - 1):
        before = _marks(checked)
        if not before:
            break
        store.reader.close()
        checked, store = again()
        kept = tuple(each for each in checked.findings if _mark(each) in before)
        if _marks(checked) <= before:
            break
    return msgspec.structs.replace(checked, findings=kept), store


def _mark(found: Finding) -> object:
    return found.fingerprint, found.evidence.expected, found.evidence.actual


def _marks(checked: Checked) -> set[object]:
    return {*checked.incomplete, *(_mark(each) for each in checked.findings)}


def _report(
    call: Call,
    root: roots.Root,
    store: Store,
    checked: Checked,
    registry: Registry,
    plan: Plan,
    findings: tuple[Finding, ...],
    past: "tuple[Record, ...]",
    scope: Scope | None,
    beside: int | None,
) -> Report:
    bits = exits.check_bits(findings, checked.incomplete, store.policy.fail_on)
    return Report(
        tool=tool(),
        run=run_info(call, store.policy.now, store.policy.fail_on, beside),
        store=StoreInfo(
            root=printable(root.path),
            layouts=store.layouts,
            engine=store.host.state,
            unfinished_transaction=None if beside else unfinished(past),
            counts=dict(sorted(store.counts.items())),
        ),
        verdict=exits.verdict(bits, findings),
        exit=bits,
        coverage=_coverage(store, checked, registry, scope),
        findings=findings,
        plan=plan,
        summary=summary(findings, plan, past),
    )


def run_info(call: Call, began: float, fail_on: Severity | None, beside: int | None = None) -> RunInfo:
    """What of a report differs between two runs; `beside`: the process that was changing the root meanwhile."""
    argv = tuple(printable(word) for word in call.argv)
    began_at, ended = rfc3339(began), rfc3339(call.edge.clock())
    told = RunInfo(call.stamp(), began_at, ended, call.config.level, argv, beside=beside or msgspec.UNSET)
    return msgspec.structs.replace(told, fail_on="never" if fail_on is None else fail_on.value)


def _coverage(store: Store, checked: Checked, registry: Registry, scope: Scope | None) -> Coverage:
    """What ran and what was read; plugins that failed and paths that were refused stand among them, so that none is lost."""
    failed = tuple(Outcome(f"plugin-{at}", "failed", why) for at, why in enumerate(registry.failures, 1))
    known = {source.source for source in store.sources}
    unread = tuple(
        Source(printable(path), "unreadable", printable(fault.why))
        for path, fault in sorted(store.reader.unread.items())
        if path not in known
    )
    return Coverage(
        rules=(*checked.outcomes, *failed),
        bytes_verified=sum(each.bytes for tree in store.verdicts.values() for each in tree.values()),
        sources=(*store.sources, *unread),
        keep_unused=tuple(map(printable, keeping.unused(store))),
        only=scope or msgspec.UNSET,
        contents=store.contents or msgspec.UNSET,
    )


def tool() -> dict[str, str]:
    """Which program made a report or a plan."""
    return {"name": "docker-fsck", "version": __version__}


def _past(store: Store, journal_dir: str | None) -> "tuple[Record, ...]":
    """What was done to this root before; where there is no quarantine nothing was, and the rooms of apply are not needed."""
    if isinstance(store.reader.facts(QUARANTINE), Trouble):
        return ()
    from docker_fsck.apply.history import history  # noqa: PLC0415 - most roots were never changed

    return tuple(history(store.reader.root, journal_dir))


def _list_of_purged(store: Store) -> None:
    """Note that our own list is not read, if it is not: after the plan, which does not depend on it."""
    if isinstance(store.reader.facts(QUARANTINE), Trouble):
        return
    from docker_fsck.apply import history  # noqa: PLC0415 - most roots were never changed

    if told := history.unread(store.reader.root):
        path, why = told
        store.reader.unread.setdefault(path, Trouble(path, "unreadable", why))


def _neighbour(call: Call, root: roots.Root, seen: HostView, past: "Iterable[Record]") -> HostView:
    """The host with the docker-fsck that is changing the root now: a transaction under way is not one that was cut short."""
    if seen.fsck_pid is None and unfinished(past):
        return msgspec.structs.replace(seen, fsck_pid=call.edge.look(root.path).fsck_pid)
    return seen


def unfinished(past: "Iterable[Record]") -> str | None:
    """The transaction that was killed on the way and forbids every other change."""
    return next((record.txn for record in past if record.state in {"unfinished", "undoing"}), None)


def summary(findings: Iterable[Finding], plan: Plan, past: "Iterable[Record]") -> Summary:
    """The numbers of a report; severities from mild to worst, those that did not occur left out."""
    counts = Counter(each.severity for each in findings)
    return Summary(
        by_severity={severity.value: counts[severity] for severity in Severity if counts[severity]},
        reclaimable_bytes=sum(action.bytes for action in plan.actions if action.cls is ActionClass.RECLAIM),
        quarantine_bytes=_quarantined(past),
    )


def _quarantined(past: "Iterable[Record]") -> int:
    """What a purge would free."""
    return sum(record.bytes for record in past if record.state in {"applied", "interrupted"})
