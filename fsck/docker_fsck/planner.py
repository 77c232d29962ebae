"""Findings, graph and policy to a plan: the gentlest remedy of each finding, or a refusal with its reason. Changes nothing."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from docker_fsck import target
from docker_fsck.contain import Crash, attempt
from docker_fsck.engine import Checked, Offer
from docker_fsck.expand import TAG, WRITE, Draft, draft
from docker_fsck.facts import Facts
from docker_fsck.joining import agreeing, joined, refusal, rewrites, tag_step
from docker_fsck.records.repositories import Tags
from docker_fsck.safety import TAKES_AWAY, Gone, errors, freed_by, held, inner_of, needed, objection
from docker_fsck.steps import Unpack, digest
from docker_fsck.values import (
    Action,
    ActionClass,
    Blocked,
    Confidence,
    Finding,
    Guard,
    Plan,
    PutAway,
    Remedy,
    SetMeta,
    Step,
    Target,
    Trouble,
    WriteFile,
    printable,
    spell,
)

if TYPE_CHECKING:
    from docker_fsck.store import Store

Veto = Callable[[Plan, "Store"], Iterable[Blocked]]


def make(
    checked: Checked, store: "Store", veto: Veto = lambda _plan, _store: (), wanted: Target | None = None
) -> tuple[Plan, tuple[Finding, ...]]:
    """The plan, and the findings with the ids of the actions that mend them; no more reclaims than `wanted` needs."""
    drafts: list[Draft] = []
    withheld: list[Draft] = []
    refused: list[Blocked] = []
    names: dict[str, Tags] = {}
    for finding, offer in _offered(checked):
        made, why = _judged(checked, store, finding, offer, names)
        if why is not None:
            refused.append(why)
        if made is not None:
            (drafts if why is None else withheld).append(made)
            if why is None and made.names is not None:
                names.setdefault(made.model.tags.path, made.names)
    plan, left = _arranged(store, drafts, refused, wanted)
    if drafts and (broken := next(errors(store), "")):  # to weigh is to read on: it may be met after the first were judged
        refused += [refusal(each, mark, broken) for each in drafts for mark in each.findings]
        withheld, drafts = [*withheld, *drafts], []
        plan, left = _arranged(store, drafts, refused, wanted)
    vetoed = {each.fingerprint: each for each in veto(plan, store)}
    if vetoed:
        drafts = [each for each in drafts if not vetoed.keys() & set(each.findings)]
        plan, left = _arranged(store, drafts, [*refused, *vetoed.values()], wanted)
    if wanted is not None:
        plan = msgspec.structs.replace(plan, target=target.reached(store, plan, wanted, left, withheld))
    by_finding: dict[str, list[str]] = {}
    for action in plan.actions:
        for mark in action.findings:
            by_finding.setdefault(mark, []).append(action.id)
    findings = tuple(
        msgspec.structs.replace(each, actions=tuple(by_finding.get(each.fingerprint, ()))) for each in checked.findings
    )
    return plan, findings


def _offered(checked: Checked) -> list[tuple[Finding, Offer]]:
    """What is offered for each finding; a tag store that is written anew comes first: it tells the names of what else goes."""
    found = ((each, _gentlest(checked.offers.get(each.fingerprint, ()))) for each in checked.findings)
    offered = [(each, offer) for each, offer in found if offer is not None]
    return sorted(offered, key=lambda pair: not rewrites(pair[1].model, pair[1].remedy))


def _gentlest(offers: tuple[Offer, ...]) -> Offer | None:
    """The steps of an operator (manual) rank behind all that this program can do itself."""
    return min(offers, key=lambda offer: offer.remedy.cls.rank, default=None)


def _judged(
    checked: Checked, store: "Store", finding: Finding, offer: Offer, names: dict[str, Tags]
) -> tuple[Draft | None, Blocked | None]:
    """The draft of a remedy, and why it is none of the plan's; one that cannot even be drawn up is a plugin's mistake."""
    mark, remedy = finding.fingerprint, offer.remedy
    drawn = attempt(_drawn, store, mark, offer, names)
    if isinstance(drawn, Crash):
        store.crashes.append(f"{finding.rule}: its remedy cannot be drawn up: {drawn.why}")
        return None, _blocked(remedy, mark, f"its remedy cannot be drawn up: {drawn.why}")
    made, why = drawn
    if checked.failures and remedy.cls in TAKES_AWAY:
        why = why or f"blocked: references unknown: {checked.failures[0]}"
    if finding.confidence is not Confidence.CERTAIN:
        why = why or "not certain"
    return made, None if why is None else _blocked(remedy, mark, why)


def _drawn(store: "Store", mark: str, offer: Offer, names: dict[str, Tags]) -> tuple[Draft, str | None]:
    made = draft(offer.model, mark, offer.remedy, names.get(offer.model.tags.path))
    return made, ("" if made.waits else offer.remedy.refused) or objection(store, made)


def _blocked(remedy: Remedy, mark: str, why: str) -> Blocked:
    return Blocked(fingerprint=mark, why=printable(why), cls=remedy.cls, does=printable(remedy.does))


def _arranged(store: "Store", drafts: list[Draft], refused: list[Blocked], wanted: Target | None) -> tuple[Plan, list[Draft]]:
    """The plan of all drafts that go together, and those that `wanted` does not need.

    Those of one tag store are joined last, so that a blow to one spares the rest.
    """
    kept, blocked = _together(drafts, refused)
    left: list[Draft] = []
    if wanted is not None:
        kept, left = target.chosen(store, kept, wanted)
        kept = _closed(kept, blocked)
        blocked += [refusal(made, mark, target.reason(wanted)) for made in left for mark in made.findings]
    return _plan(store, joined(kept), blocked), left


def _together(drafts: list[Draft], refused: list[Blocked]) -> tuple[list[Draft], list[Blocked]]:
    """The drafts that may be done with each other, and all that is refused.

    What waits for others to go is added only when these go without it, so that no two free each other.
    """
    ready, waiting = [each for each in drafts if not each.waits], [each for each in drafts if each.waits]
    while True:
        blocked = list(refused)
        kept = _closed(agreeing(ready, blocked), blocked)
        freed = [each for each in waiting if not held(each, Gone(kept, each.model))]
        if not freed:
            return kept, blocked + [refusal(each, mark, each.waits) for each in waiting for mark in each.findings]
        ready += freed
        waiting = [each for each in waiting if each not in freed]


def _closed(drafts: list[Draft], blocked: list[Blocked]) -> list[Draft]:
    """Drop what takes something that stays needs, until nothing does (no dangling reference by our own hand)."""
    while True:
        gone = {id(model): Gone(drafts, model) for model in {id(each.model): each.model for each in drafts}.values()}
        reasons = [(each, needed(each, gone[id(each.model)])) for each in drafts]
        bad = [(each, why) for each, why in reasons if why is not None]
        if not bad:
            return drafts
        blocked += [refusal(each, mark, why) for each, why in bad for mark in each.findings]
        drafts = [each for each, why in reasons if why is None]


def _plan(store: "Store", drafts: list[Draft], blocked: list[Blocked]) -> Plan:
    away: dict[str, int] = {}
    for number, made in reversed(list(enumerate(drafts))):
        away.update((step.raw, number) for _, step in made.steps if isinstance(step, PutAway))
    done: dict[str, int] = {}
    lent: dict[int, list[str]] = {}
    rows: list[tuple[tuple[int, int], int, Step]] = []
    for number, made in enumerate(drafts):
        if made.retag:
            rows.append(((TAG, 0), number, tag_step(made)))
        for place, step in made.steps:
            if step.raw not in done:
                around = _around_it(step.raw, away, drafts, made)
                done[step.raw] = number if around is None else around
                inside = any("/".join(parts[:end]) in away for parts in [step.raw.split("/")] for end in range(1, len(parts)))
                rows += (
                    [((WRITE, 0) if inside else place, number, step)] if around is None else []
                )  # before what is around it goes
            if done[step.raw] != number:
                lent.setdefault(done[step.raw], []).extend(made.findings)
    rows = [row for row in rows if not (isinstance(row[2], PutAway) and _absent(store, row[2].raw))]
    rows.sort(key=lambda row: (row[0], row[1]))
    steps: dict[int, list[Step]] = {}
    for n, (place, number, step) in enumerate(rows):
        steps.setdefault(number, []).append(msgspec.structs.replace(_owned(store, step), n=n, rank=place[0]))
    told = sorted(steps.keys() | {number for number, made in enumerate(drafts) if made.cls is ActionClass.MANUAL})
    actions = tuple(
        _action(store, f"a{count}", drafts[number], steps.get(number, []), lent.get(number, ()))
        for count, number in enumerate(told, 1)
    )
    pull = sorted({name for number in steps for name in drafts[number].pull})
    ordered = tuple(sorted(blocked, key=lambda each: (each.fingerprint, each.why)))
    return Plan(digest=digest(actions), actions=actions, blocked=ordered, pull=tuple(printable(name) for name in pull))


def _around_it(path: str, away: dict[str, int], drafts: list[Draft], made: Draft) -> int | None:
    """The number of the draft that takes a folder around `path` as a whole and is done wherever `made` is; None if none does."""
    parts = path.split("/")
    around = (away.get("/".join(parts[:end])) for end in range(1, len(parts)))
    return next((each for each in around if each is not None and drafts[each].cls.rank <= made.cls.rank), None)


def _absent(store: "Store", path: str) -> bool:
    facts = store.reader.facts(path)
    return isinstance(facts, Trouble) and facts.state == "absent"


def _owned(store: "Store", step: Step) -> Step:
    """The step with mode and owner of what it replaces, else with the owner of the nearest folder."""
    if isinstance(step, PutAway | SetMeta):
        return step
    facts = store.reader.facts(step.raw)
    if isinstance(step, Unpack):
        if isinstance(facts, Trouble) or facts.kind != "dir":
            return step
        return msgspec.structs.replace(step, mode=facts.mode & 0o7777, uid=facts.uid, gid=facts.gid)
    if isinstance(step, WriteFile) and isinstance(facts, Facts) and facts.kind == "file":
        return msgspec.structs.replace(step, mode=facts.mode & 0o7777, uid=facts.uid, gid=facts.gid)
    around = _around(store, step.raw)
    return msgspec.structs.replace(step, uid=around.uid, gid=around.gid) if around else step


def _around(store: "Store", path: str) -> Facts | None:
    while "/" in path:
        path = path.rpartition("/")[0]
        facts = store.reader.facts(path)
        if isinstance(facts, Facts):
            return facts
    return None


def _action(store: "Store", ident: str, made: Draft, steps: list[Step], lent: Iterable[str]) -> Action:
    """`lent`: findings that are mended by a step of this action which their own does not repeat."""
    return Action(
        id=ident,
        cls=made.cls,
        does=printable("; ".join(made.does)),
        steps=tuple(steps),
        pre=tuple(_guard(store, step) for step in steps),
        bytes=freed_by(store, (step.raw for step in steps if isinstance(step, PutAway | Unpack))),
        findings=tuple(dict.fromkeys((*made.findings, *lent))),
        consent=made.consent,
        loses=tuple(printable(each) for each in made.loses),
        next=tuple(printable(each) for each in (*made.next, *_nested(store, steps))),
        unnamed=made.unnamed,
    )


def _nested(store: "Store", steps: list[Step]) -> Iterator[str]:
    for step in steps:
        if isinstance(step, PutAway) and (inner := inner_of(store, step.raw)):
            held = "another subvolume lies" if inner == 1 else f"{inner} other subvolumes lie"
            yield f"{held} in {step.path}: it goes with all of them, and purge deletes them as subvolumes"


def _guard(store: "Store", step: Step) -> Guard:
    """What is at the step's path now. The digest is kept only for files that are rewritten."""
    path, coded = spell(step.raw)
    facts = store.reader.facts(step.raw)
    if isinstance(facts, Trouble):
        return Guard(path=path, path_b64=coded, absent=True)
    digest: str | msgspec.UnsetType = msgspec.UNSET
    if isinstance(step, WriteFile) and facts.kind == "file":
        data = store.reader.read(step.raw)
        digest = hashlib.sha256(data).hexdigest() if isinstance(data, bytes) else msgspec.UNSET
    return Guard(path=path, path_b64=coded, dev=facts.dev, ino=facts.ino, ctime_ns=facts.ctime_ns, size=facts.size, sha256=digest)


def narrowed(plan: Plan, classes: Iterable[ActionClass]) -> tuple[Plan, tuple[Action, ...]]:
    """The plan with only the actions of these classes, and those left out."""
    wanted = set(classes)
    kept = tuple(action for action in plan.actions if action.cls in wanted)
    return msgspec.structs.replace(plan, actions=kept), tuple(action for action in plan.actions if action.cls not in wanted)
