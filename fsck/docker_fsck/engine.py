"""Run rules over a store: order, folding, merging, containment of a crash. Knows no rule by name, changes nothing."""

import hashlib
from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

from docker_fsck.impact import impact
from docker_fsck.values import Confidence, Evidence, Fault, Finding, Folded, Impact, Outcome, Ref, Remedy, at, printable

if TYPE_CHECKING:
    from docker_fsck.model import Model
    from docker_fsck.rules import Rule
    from docker_fsck.store import Store

FAULTS_PER_RULE = 100_000
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

    def __init__(self, rule: "Rule", model: "Model", fault: Fault) -> None:
        self.rule, self.model, self.fault = rule, model, fault
        self.folded: list[Folded] = []
        self.remedies = list(fault.remedies)

    def fold(self, rule: "Rule", fault: Fault) -> None:
        folded = Folded(rule.name, _shown(fault.subject), printable(fault.message))
        if folded not in self.folded:
            self.folded.append(folded)


def fingerprint(rule: str, subject: Ref) -> str:
    """16 hex digits of rule and logical object: the same on every host and at every time."""
    text = f"{rule}\0{subject.kind}\0{subject.id}".encode("utf-8", "surrogateescape")
    return hashlib.sha256(text).hexdigest()[:16]


def check(store: "Store", rules: "Sequence[Rule]", failures: Sequence[str] = ()) -> Checked:
    """Run `rules` (in an order that honours `after`) over every tree of `store`."""
    drafts: dict[tuple[str, str], _Draft] = {}
    blamed: dict[tuple[str, Ref], _Draft] = {}
    outcomes = [_run(store, rule, drafts, blamed) for rule in rules]
    outcomes += [Outcome(layout, "skipped", why) for layout, why in store.unjudged.items()]
    incomplete = [*failures, *(f"{each.rule}: {each.reason}" for each in outcomes if each.state == "failed")]
    incomplete += [f"{path}: {fault.why}" for path, fault in sorted(store.reader.unread.items())]
    incomplete += store.unjudged.values()
    made = sorted((_finding(key[0], draft) for key, draft in drafts.items()), key=_order)
    offers = {key[0]: tuple(Offer(draft.model, each) for each in draft.remedies) for key, draft in drafts.items()}
    return Checked(tuple(made), offers, tuple(outcomes), tuple(printable(each) for each in incomplete), tuple(failures))


def _run(
    store: "Store", rule: "Rule", drafts: "dict[tuple[str, str], _Draft]", blamed: "dict[tuple[str, Ref], _Draft]"
) -> Outcome:
    ran = 0
    for model in store.models:
        if rule.drivers and model.name not in rule.drivers:
            continue
        ran += 1
        try:
            for count, fault in enumerate(rule.find(model)):
                if count >= FAULTS_PER_RULE:
                    return Outcome(rule.name, "failed", f"more than {FAULTS_PER_RULE} faults: the rest is not told")
                _place(rule, model, fault, drafts, blamed)
        except Exception as error:  # noqa: BLE001 - a rule is anybody's code: its crash is an outcome (law 6)
            return Outcome(rule.name, "failed", printable(f"{type(error).__name__}: {error}"))
    if not ran:
        return Outcome(rule.name, "skipped", "no tree of " + (" or ".join(rule.drivers) or "any storage driver") + " here")
    return Outcome(rule.name, "ran", None, sum(1 for key in blamed if key[0] == rule.name))


def _place(
    rule: "Rule",
    model: "Model",
    fault: Fault,
    drafts: "dict[tuple[str, str], _Draft]",
    blamed: "dict[tuple[str, Ref], _Draft]",
) -> None:
    """Fold the fault into what explains it, merge it with its like, or make it a finding of its own."""
    for earlier in rule.after:
        for ref in fault.through:
            cause = blamed.get((earlier, ref))
            if cause is not None:
                cause.fold(rule, fault)
                blamed[rule.name, fault.subject] = cause
                return
    key = (fingerprint(rule.name, fault.subject), rule.name)
    if key not in drafts:
        drafts[key] = _Draft(rule, model, fault)
    blamed.setdefault((rule.name, fault.subject), drafts[key])


def _finding(mark: str, draft: _Draft) -> Finding:
    rule, fault = draft.rule, draft.fault
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
        impact=_printable_impact(draft),
        folded=tuple(draft.folded),
        daemon_error=printable(fault.daemon_error or rule.section("Daemon says")),
        help=f"docker-fsck explain {rule.name}",
    )


def _printable_impact(draft: _Draft) -> Impact:
    found = [impact(draft.model, each) for each in (draft.fault.subject, *draft.fault.suffers)]
    parts = ([name for each in found for name in names(each)] for names in _NAMES)
    return Impact(*(tuple(dict.fromkeys(sorted(map(printable, part)))) for part in parts))


def _shown(ref: Ref) -> Ref:
    return Ref(ref.kind, printable(ref.id))


def _order(finding: Finding) -> tuple[int, str, str, str]:
    return -finding.severity.rank, finding.rule, finding.object.id, finding.fingerprint


def certain(finding: Finding) -> bool:
    """Only a certain finding may carry an action."""
    return finding.confidence is Confidence.CERTAIN
