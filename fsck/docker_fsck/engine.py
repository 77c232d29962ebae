"""Run rules over a store: order, folding, merging, containment of a crash. Knows no rule by name, changes nothing."""

import hashlib
from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

from docker_fsck.contain import Crash, attempt
from docker_fsck.impact import impact
from docker_fsck.nowhere import anchor
from docker_fsck.values import Confidence, Evidence, Fault, Finding, Folded, Impact, Outcome, Ref, Remedy, at, printable

if TYPE_CHECKING:
    from docker_fsck.model import Model
    from docker_fsck.rules import Rule
    from docker_fsck.store import Store

FAULTS_PER_RULE = 100_000
PER_TREE = frozenset({"tag", "image", "layer", "driverdir", "mount"})
"""Kinds of objects that every driver has for itself; the path of a file names its tree, a container is of the whole root."""
_NAMES = (attrgetter("images"), attrgetter("containers"), attrgetter("volumes"))


class Offer(msgspec.Struct, frozen=True):
    """A remedy of a finding, with the tree that it belongs to."""

    model: "Model"
    remedy: Remedy


class Checked(msgspec.Struct, frozen=True):
    """What a check found. `offers`: the remedies by fingerprint; `incomplete`: why the verdict cannot be whole.
    `failures`: plugins that did not load, and could have known of references.
    """

    findings: tuple[Finding, ...]
    offers: dict[str, tuple[Offer, ...]]
    outcomes: tuple[Outcome, ...]
    incomplete: tuple[str, ...]
    failures: tuple[str, ...] = ()


class _Draft:
    """A finding in the making."""

    def __init__(self, rule: "Rule", model: "Model", fault: Fault, mark: str) -> None:
        self.offers = tuple(Offer(model, each) for each in fault.remedies)
        self.finding = _finding(mark, rule, model, fault)
        self.folded: list[Folded] = []

    def fold(self, rule: "Rule", fault: Fault) -> None:
        folded = Folded(rule.name, _shown(fault.subject), printable(fault.message))
        if folded not in self.folded:
            self.folded.append(folded)

    def made(self) -> Finding:
        return msgspec.structs.replace(self.finding, folded=tuple(self.folded))


class _Book:
    """All drafts of a run. Where several drivers have a tree, equal names of two trees are two objects."""

    def __init__(self, store: "Store") -> None:
        self.several = len(store.models) > 1
        self.drafts: dict[tuple[str, str], _Draft] = {}
        self.blamed: dict[tuple[str, str, Ref], _Draft] = {}

    def tree(self, model: "Model", subject: Ref) -> str:
        """The tree that the object belongs to, as far as its name does not tell it; empty where there is only one."""
        return model.name if self.several and subject.kind in PER_TREE else ""

    def place(self, rule: "Rule", model: "Model", fault: Fault) -> None:
        """Fold the fault into what explains it, merge it with its like, or make it a finding of its own."""
        mine = (rule.name, self.tree(model, fault.subject), fault.subject)
        for earlier in rule.after:
            for ref in fault.through:
                cause = self.blamed.get((earlier, self.tree(model, ref), ref))
                if cause is not None:
                    cause.fold(rule, fault)
                    self.blamed[mine] = cause
                    return
        mark = fingerprint(rule.name, fault.subject, mine[1])
        if (mark, rule.name) not in self.drafts:
            self.drafts[mark, rule.name] = _Draft(rule, model, fault, mark)
        self.blamed.setdefault(mine, self.drafts[mark, rule.name])


def fingerprint(rule: str, subject: Ref, tree: str = "") -> str:
    """16 hex digits of rule and logical object: the same on every host and at every time.

    Of several trees on one root each may hold an image or layer of the same name: there `tree` is part of the object. A root
    with one tree does not name it, so that a host keeps its fingerprints whatever its storage driver. If a second tree comes,
    those of both change: an accepted finding of one must never hide that of the other.
    """
    text = "\0".join((rule, subject.kind, subject.id, *([tree] if tree else ()))).encode("utf-8", "surrogateescape")
    return hashlib.sha256(text).hexdigest()[:16]


def check(store: "Store", rules: "Sequence[Rule]", failures: Sequence[str] = ()) -> Checked:
    """Run `rules` (in an order that honours `after`) over every tree of `store`."""
    book = _Book(store)
    outcomes = [_run(store, rule, book) for rule in rules]
    outcomes += [Outcome(layout, "skipped", why) for layout, why in store.unjudged.items()]
    incomplete = [*failures, *(f"{each.rule}: {each.reason}" for each in outcomes if each.state == "failed")]
    incomplete += [f"{each.source}: {each.why or each.state}" for each in store.unread_sources]
    incomplete += store.unjudged.values()
    away = store.elsewhere
    closed = (*away.values(), *(each for each in store.plugins.faults if each.path not in away))
    incomplete += [f"{each.path}: {each.why}" for each in closed]
    made = sorted((draft.made() for draft in book.drafts.values()), key=_order)
    offers = {key[0]: draft.offers for key, draft in book.drafts.items()}
    checked = Checked(tuple(made), offers, tuple(outcomes), tuple(printable(each) for each in incomplete), tuple(failures))
    return complete(checked, store)


def complete(checked: Checked, store: "Store") -> Checked:
    """The check with what the kernel refused, and which plugins crashed, up to now: weighing what a plan moves reads on."""
    since = [f"{path}: {fault.why}" for path, fault in sorted(store.reader.unread.items())] + store.crashes
    incomplete = dict.fromkeys((*checked.incomplete, *map(printable, since)))
    return msgspec.structs.replace(checked, incomplete=tuple(incomplete))


def _run(store: "Store", rule: "Rule", book: _Book) -> Outcome:
    models = [model for model in store.models if not rule.drivers or model.name in rule.drivers]
    if rule.gate:
        models = [anchor(store)]
    for model in models:
        ended = attempt(_consume, rule, model, book)
        if ended is not None:
            return Outcome(rule.name, "failed", ended.why if isinstance(ended, Crash) else ended)
    if not models:
        return Outcome(rule.name, "skipped", "no tree of " + (" or ".join(rule.drivers) or "any storage driver") + " here")
    return Outcome(rule.name, "ran", None, sum(1 for key in book.blamed if key[0] == rule.name))


def _consume(rule: "Rule", model: "Model", book: _Book) -> str | None:
    """Take the faults of one tree as they come: what was found before a crash stays. Says why it stopped early."""
    for count, fault in enumerate(rule.find(model)):
        if count >= FAULTS_PER_RULE:
            return f"more than {FAULTS_PER_RULE} faults: the rest is not told"
        msgspec.convert(msgspec.to_builtins(fault), Fault)  # raises where a field is of another type
        book.place(rule, model, fault)
    return None


def _finding(mark: str, rule: "Rule", model: "Model", fault: Fault) -> Finding:
    return Finding(
        fingerprint=mark,
        rule=rule.name,
        title=rule.title,
        message=printable(fault.message),
        severity=fault.severity or rule.severity,
        confidence=fault.confidence,
        object=_shown(fault.subject),
        paths=tuple(at(path) for path in fault.paths),
        evidence=Evidence(printable(fault.expected), printable(fault.actual)),
        impact=_printable_impact(model, fault),
        daemon_error=printable(fault.daemon_error or rule.section("Daemon says")),
        help=f"docker-fsck explain {rule.name}",
    )


def _printable_impact(model: "Model", fault: Fault) -> Impact:
    harmed = (fault.subject,) if fault.harms is None else fault.harms
    found = [impact(model, each) for each in (*harmed, *fault.suffers)]
    parts = ([name for each in found for name in names(each)] for names in _NAMES)
    return Impact(*(tuple(dict.fromkeys(sorted(map(printable, part)))) for part in parts))


def _shown(ref: Ref) -> Ref:
    return Ref(ref.kind, printable(ref.id))


def _order(finding: Finding) -> tuple[int, str, str, str]:
    return -finding.severity.rank, finding.rule, finding.object.id, finding.fingerprint


def certain(finding: Finding) -> bool:
    """Only a certain finding may carry an action."""
    return finding.confidence is Confidence.CERTAIN
