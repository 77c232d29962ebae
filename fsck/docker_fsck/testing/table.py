"""Tables of rules: a whole store, one damage, what a check must say of it; it judges runs and prints nothing.

A row is `fires`, `silent` or `folds`. `disagreements` makes a whole root, damages it, checks and plans it, and tells in
sentences where the outcome is not the row's; an empty list is agreement.
"""

import errno
import functools
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from docker_fsck import engine, planner, plugins, rules
from docker_fsck.engine import Checked
from docker_fsck.host import HostView
from docker_fsck.model import Model
from docker_fsck.policy import Policy
from docker_fsck.reader import Reader
from docker_fsck.restore.supply import Supply
from docker_fsck.store import Store, open_store
from docker_fsck.testing.refusals import refusing
from docker_fsck.testing.whole import Whole, supply, whole
from docker_fsck.upgrade.settings import Settings
from docker_fsck.upgrade.version import Version
from docker_fsck.values import ActionClass, Finding, Level, Plan, Severity, Source
from docker_fsck.verify import glance
from docker_fsck.verify.layer import verify
from docker_fsck.verify.run import tasks

DRIVERS = ("overlay2", "vfs", "aufs")
UNION = ("overlay2", "aufs")
SAMPLED = ("fuse-overlayfs", "overlay")
POOLS = ("zfs", "devicemapper")
CONSEQUENT = frozenset({"prune-hazard"})
"""Rules that say what follows from the findings of others: they may speak wherever a row hides a container, whose table
does not name them; their own rows judge them."""

STOPPED = HostView(state="stopped", why="no process uses this data root")


class Told(Struct, frozen=True):
    """What the finding must blame: an object, and first that path. `images` and `containers` who must suffer, None: whoever."""

    kind: str
    id: str
    path: str
    images: Collection[str] | None = None
    containers: Collection[str] | None = None


How = Callable[[Whole], Any]
"""Damages a whole store. For `fires` and `folds` it returns a `Told`."""


def untouched(_: Whole) -> HostView:
    """A host on which nothing uses the root."""
    return STOPPED


def nothing(_: Whole) -> None:
    """No path that the kernel refuses."""


class Row(Struct, frozen=True, kw_only=True):
    """One line of a table (see `fires`, `silent`, `folds`).

    `severity` None: the rule's own. `cls` None: no remedy is offered. `refused`: a part of the reason for which the remedy is
    not planned. `also`: rules that have findings of their own beside this one. `leaves`: rules that find something after the
    plan was applied. `into`: the rule whose finding takes this fault in. `host`: who uses the root. `age`: seconds since the
    damage. `denied`: a path that the kernel refuses, with `error`. `target`: the gate asks about that engine version, configured as
    `engine` says. `supplied`: layers may be taken from another root that is whole.
    """

    kind: Literal["fires", "silent", "folds"]
    rule: str
    what: str
    how: How
    drivers: tuple[str, ...] = DRIVERS
    severity: Severity | None = None
    cls: ActionClass | None = None
    refused: str = ""
    also: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    into: str = ""
    host: Callable[[Whole], HostView] = untouched
    grace: float = 0.0
    age: float = 0.0
    denied: Callable[[Whole], Path | None] = nothing
    error: int = errno.EIO
    level: Level = Level.STANDARD
    target: Version | None = None
    engine: Settings = Settings()
    supplied: bool = False


def fires(rule: str, what: str, how: How, **terms: Any) -> Row:  # noqa: ANN401 - the fields of Row, checked by msgspec
    """A row in which `rule` has one finding, on what `how` returns, and nobody else has any but `also`."""
    return Row(kind="fires", rule=rule, what=what, how=how, **terms)


def silent(rule: str, what: str, how: How, **terms: Any) -> Row:  # noqa: ANN401 - the fields of Row, checked by msgspec
    """A near-miss: `rule` (`*`: every rule) finds nothing, nor does any other but `also`, and nothing but theirs is planned."""
    return Row(kind="silent", rule=rule, what=what, how=how, **terms)


def folds(rule: str, into: str, what: str, how: How, **terms: Any) -> Row:  # noqa: ANN401 - the fields of Row, checked by msgspec
    """A row in which a fault of `rule` is folded into the one finding, which `into` has on what `how` returns."""
    return Row(kind="folds", rule=rule, into=into, what=what, how=how, **terms)


def spread(rows: Iterable[Row]) -> list[tuple[Row, str]]:
    """Each row with each of its drivers."""
    return [(row, driver) for row in rows for driver in row.drivers]


def label(row: Row, driver: str) -> str:
    """The name of a row in a test run."""
    return f"{driver}: {row.rule} {row.kind} when {row.what}"


class Run(Struct, frozen=True):
    """A check with its plan. The findings name the actions that mend them."""

    checked: Checked
    findings: tuple[Finding, ...]
    plan: Plan
    sources: tuple[Source, ...]
    counts: dict[str, int]

    def of(self, rule: str) -> list[Finding]:
        """The findings of one rule."""
        return [finding for finding in self.findings if finding.rule == rule]


@functools.cache
def registry() -> plugins.Registry:
    """The built-in plugins."""
    return plugins.load()


def run(
    root: Path,
    *,
    host: HostView = STOPPED,
    now: float = 0.0,
    grace: float = 0.0,
    consents: Collection[str] = (),
    known: plugins.Registry | None = None,
    level: Level = Level.STANDARD,
    target: Version | None = None,
    engine_settings: Settings = Settings(),  # noqa: B008 - a frozen value
    classes: Collection[ActionClass] = tuple(ActionClass),
    source: str = "",
) -> Run:
    """Check the root with every rule of a level, standard unless said otherwise, for a target with those of the gate, and plan
    what is of these classes.
    """
    known = known or registry()
    policy = Policy(
        now=now, grace=grace, consents=frozenset(consents), classes=frozenset(classes), target=target, engine=engine_settings
    )
    chosen = rules.select(known.rules, level)
    with Reader(str(root)) as reader:
        store = open_store(reader, known.drivers, known.sources, host, policy)
        store.verify = lambda task: verify(reader, task, lambda _count: None)
        store.supply = Supply([source], reader.root) if source else None
        for model in store.models:
            learn(store, model, level)
        checked = engine.check(store, rules.for_gate(known.rules, chosen) if target else chosen, known.failures)
        plan, findings = planner.make(checked, store, known.veto)
        return Run(checked, findings, plan, store.sources, store.counts)


class Terms(Struct, frozen=True, kw_only=True):
    """All that decides a run beside the root's content, as a value that another process can be given."""

    root: str
    host: HostView
    now: float
    grace: float
    consents: tuple[str, ...]
    denied: str
    error: int
    level: Level
    target: Version | None = None
    engine: Settings = Settings()
    source: str = ""

    def run(self) -> Run:
        """Check and plan."""
        with refusing(Path(self.denied), self.error) if self.denied else nullcontext():
            return run(
                Path(self.root), host=self.host, now=self.now, grace=self.grace, consents=self.consents, level=self.level,
                target=self.target, engine_settings=self.engine, source=self.source,
            )  # fmt: skip


def learn(store: Store, model: Model, level: Level) -> None:
    """What the level looks at of the content of layers, without processes."""
    if level is Level.DEEP:
        store.learn(model.name, lambda: {task.chain: verify(store.reader, task, lambda _count: None) for task in tasks(model)})
    else:
        store.learn(model.name, glance.begin(model))


def terms(row: Row, store: Whole) -> Terms:
    """The terms of the row. Consent to everything is given unless a refusal is expected."""
    consents = () if row.refused else names(store.root.path / "containers")
    denied, now = row.denied(store), time.time() + row.age
    return Terms(
        root=str(store.root.path), host=row.host(store), now=now, grace=row.grace, consents=consents, denied=str(denied or ""),
        error=row.error, level=row.level, target=row.target, engine=row.engine, source=supply(store) if row.supplied else "",
    )  # fmt: skip


def judged(row: Row, store: Whole) -> Run:
    """Check and plan a damaged store under the terms of the row."""
    return terms(row, store).run()


def names(folder: Path) -> tuple[str, ...]:
    """What a folder holds, nothing if it is none."""
    return tuple(sorted(os.listdir(folder))) if folder.is_dir() else ()


def disagreements(row: Row, driver: str, path: Path) -> list[str]:
    """Where a check of the row's damage, made at `path`, is not as the row says."""
    store = whole(path, driver)
    told = row.how(store)
    outcome = judged(row, store)
    faults = [f"{each.rule} {each.state}: {each.reason}" for each in outcome.checked.outcomes if each.state == "failed"]
    expected = sorted([*row.also, *_own(row)])
    aside = CONSEQUENT - set(expected)
    actual = sorted(finding.rule for finding in outcome.findings if finding.rule not in aside)
    if expected != actual:
        faults.append(f"expected {', '.join(expected) or 'nothing'}; got {', '.join(actual) or 'nothing'}")
        faults += [f"  {each.rule} on {each.object.kind} {each.object.id}: {each.message}" for each in outcome.findings]
    if row.kind == "silent":
        return faults + ([] if row.also or not outcome.plan.actions else ["something is planned"])
    rule = row.into or row.rule
    found = [each for each in outcome.of(rule) if (each.object.kind, each.object.id) == (told.kind, told.id)]
    if len(found) != 1:
        objects = [f"{each.object.kind} {each.object.id}" for each in outcome.of(rule)]
        return [*faults, f"{rule} does not blame {told.kind} {told.id} once, but {objects}"]
    return faults + list(_told(row, told, found[0])) + list(_planned(row, found[0], outcome.plan))


def _own(row: Row) -> Sequence[str]:
    match row.kind:
        case "fires":
            return (row.rule,)
        case "folds":
            return (row.into,)
        case "silent":
            return ()


def _told(row: Row, told: Told, finding: Finding) -> Iterator[str]:
    card = next(rule for rule in registry().rules if rule.name == finding.rule)
    pairs: list[tuple[str, object, object]] = [
        ("first path", told.path, finding.paths[0].raw if finding.paths else "none"),
        ("severity", row.severity or card.severity, finding.severity),
        ("help", f"docker-fsck explain {finding.rule}", finding.help),
    ]
    if told.images is not None:
        pairs.append(("images that suffer", sorted(told.images), sorted(finding.impact.images)))
    if told.containers is not None:
        pairs.append(("containers that suffer", sorted(told.containers), sorted(finding.impact.containers)))
    for what, expected, actual in pairs:
        if expected != actual:
            yield f"{what}: expected {expected}, got {actual}"
    if finding.severity is not Severity.INFO and not finding.evidence.actual:
        yield "no evidence of what is there"
    if not finding.message or finding.title != card.title:
        yield "no message, or another title than the card's"
    if row.kind == "folds" and row.rule not in {each.rule for each in finding.folded}:
        yield f"no fault of {row.rule} is folded, only {finding.folded}"


def _planned(row: Row, finding: Finding, plan: Plan) -> Iterator[str]:
    actions = [action for action in plan.actions if finding.fingerprint in action.findings]
    blocked = [each for each in plan.blocked if each.fingerprint == finding.fingerprint]
    if tuple(action.id for action in actions) != finding.actions:
        yield f"the finding names the actions {finding.actions}, the plan {actions}"
    if row.refused:
        if actions or not any(row.refused in each.why and each.cls is row.cls for each in blocked):
            yield f"expected a refused {row.cls} with {row.refused!r}, got {blocked} and actions {actions}"
    elif row.cls is None:
        if actions or blocked:
            yield f"no remedy belongs here, got {actions} {blocked}"
    elif [action.cls for action in actions] != [row.cls]:
        yield f"expected one action of class {row.cls}, got {actions} and refusals {blocked}"
