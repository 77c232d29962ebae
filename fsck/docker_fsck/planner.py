"""Findings, graph and policy to a plan: the gentlest remedy of each finding, or a refusal with its reason. Changes nothing."""

import hashlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

from docker_fsck.engine import Checked, Offer
from docker_fsck.expand import TAG, WRITE, Draft, draft
from docker_fsck.facts import Facts
from docker_fsck.records import repositories
from docker_fsck.safety import Gone, needed, objection, weight_of
from docker_fsck.values import (
    Action,
    ActionClass,
    Blocked,
    Confidence,
    Finding,
    Guard,
    Plan,
    PutAway,
    SetMeta,
    Step,
    Trouble,
    WriteFile,
    printable,
    spell,
)

if TYPE_CHECKING:
    from docker_fsck.store import Store

Veto = Callable[[Plan, "Store"], Iterable[Blocked]]


def make(checked: Checked, store: "Store", veto: Veto = lambda _plan, _store: ()) -> tuple[Plan, tuple[Finding, ...]]:
    """The plan, and the findings with the ids of the actions that mend them."""
    blocked: list[Blocked] = []
    drafts: list[Draft] = []
    for finding in checked.findings:
        offer = _gentlest(checked.offers.get(finding.fingerprint, ()))
        if offer is None:
            continue
        made = draft(offer.model, finding.fingerprint, offer.remedy)
        why = objection(store, made)
        if checked.failures and made.cls is ActionClass.RECLAIM:
            why = why or f"blocked: references unknown: {checked.failures[0]}"
        if finding.confidence is not Confidence.CERTAIN:
            why = why or "not certain"
        if why is None:
            drafts.append(made)
        else:
            blocked.append(_refusal(made, finding.fingerprint, why))
    drafts = _merged(drafts, blocked)
    drafts = _closed(drafts, blocked)
    plan = _plan(store, drafts, blocked)
    vetoed = {each.fingerprint: each for each in veto(plan, store)}
    if vetoed:
        drafts = [each for each in drafts if not vetoed.keys() & set(each.findings)]
        plan = _plan(store, _closed(drafts, blocked), [*blocked, *vetoed.values()])
    by_finding: dict[str, list[str]] = {}
    for action in plan.actions:
        for mark in action.findings:
            by_finding.setdefault(mark, []).append(action.id)
    findings = tuple(
        msgspec.structs.replace(each, actions=tuple(by_finding.get(each.fingerprint, ()))) for each in checked.findings
    )
    return plan, findings


def _gentlest(offers: tuple[Offer, ...]) -> Offer | None:
    real = [offer for offer in offers if offer.remedy.cls is not ActionClass.MANUAL]
    return min(real, key=lambda offer: offer.remedy.cls.rank, default=None)


def _refusal(made: Draft, mark: str, why: str) -> Blocked:
    return Blocked(fingerprint=mark, why=printable(why), cls=made.cls, does=printable("; ".join(made.does)))


def _merged(drafts: list[Draft], blocked: list[Blocked]) -> list[Draft]:
    """One draft for all that rewrites one tag store; equal steps once; of two that contradict each other the gentler stays."""
    kept: list[Draft] = []
    tags: dict[int, Draft] = {}
    owner: dict[str, Step] = {}
    for made in sorted(drafts, key=lambda each: each.cls.rank):
        clash = [step for _, step in made.steps if owner.get(step.raw, step) != step]
        if made.retag and made.model.tags.path in owner:
            clash.append(owner[made.model.tags.path])
        if clash:
            blocked += [
                _refusal(made, mark, f"{clash[0].path} is changed by another action: run again afterwards")
                for mark in made.findings
            ]
            continue
        owner.update((step.raw, step) for _, step in made.steps)
        first = tags.setdefault(id(made.model), made) if made.retag else made
        if first is made:
            kept.append(made)
        else:
            _join(first, made)
    return kept


def _join(first: Draft, other: Draft) -> None:
    first.does += other.does
    first.findings += other.findings
    first.steps += other.steps
    for name in ("layers", "dirs", "images", "mounts", "retag"):
        getattr(first, name).update(getattr(other, name))
    for name in ("loses", "next", "pull"):
        mine = getattr(first, name)
        mine += [each for each in getattr(other, name) if each not in mine]


def _closed(drafts: list[Draft], blocked: list[Blocked]) -> list[Draft]:
    """Drop what takes something that stays needs, until nothing does (no dangling reference by our own hand)."""
    while True:
        gone = {id(model): Gone(drafts, model) for model in {id(each.model): each.model for each in drafts}.values()}
        reasons = [(each, needed(each, gone[id(each.model)])) for each in drafts]
        bad = [(each, why) for each, why in reasons if why is not None]
        if not bad:
            return drafts
        blocked += [_refusal(each, mark, why) for each, why in bad for mark in each.findings]
        drafts = [each for each, why in reasons if why is None]


def _plan(store: "Store", drafts: list[Draft], blocked: list[Blocked]) -> Plan:
    away: dict[str, int] = {}
    for made in drafts:
        for _, step in made.steps:
            if isinstance(step, PutAway):
                away[step.raw] = min(made.cls.rank, away.get(step.raw, made.cls.rank))
    seen: set[str] = set()
    rows: list[tuple[tuple[int, int], int, Step]] = []
    for number, made in enumerate(drafts):
        if made.retag:
            made_step = _tag_step(store, made)
            rows.append(((TAG, 0), number, made_step))
        rows += [
            (place, number, step) for place, step in made.steps if step.raw not in seen and not _covered(step.raw, away, made)
        ]
        seen.update(step.raw for _, step in made.steps)
    rows = [row for row in rows if not (isinstance(row[2], PutAway) and _absent(store, row[2].raw))]
    rows.sort(key=lambda row: (row[0], row[1]))
    steps: dict[int, list[Step]] = {}
    for n, (place, number, step) in enumerate(rows):
        steps.setdefault(number, []).append(msgspec.structs.replace(_owned(store, step), n=n, rank=place[0]))
    actions = tuple(_action(store, f"a{count}", drafts[number], steps[number]) for count, number in enumerate(sorted(steps), 1))
    pull = sorted({name for number in steps for name in drafts[number].pull})
    ordered = tuple(sorted(blocked, key=lambda each: (each.fingerprint, each.why)))
    digest = "sha256:" + hashlib.sha256(msgspec.json.encode(actions)).hexdigest()
    return Plan(digest=digest, actions=actions, blocked=ordered, pull=tuple(printable(name) for name in pull))


def _covered(path: str, away: dict[str, int], made: Draft) -> bool:
    """Whether a folder around `path` goes as a whole, with an action that is done wherever `made` is."""
    parts = path.split("/")
    around = (away.get("/".join(parts[:end])) for end in range(1, len(parts)))
    return any(rank is not None and rank <= made.cls.rank for rank in around)


def _absent(store: "Store", path: str) -> bool:
    facts = store.reader.facts(path)
    return isinstance(facts, Trouble) and facts.state == "absent"


def _tag_step(store: "Store", made: Draft) -> Step:
    path = made.model.tags.path
    data = store.reader.read(path)
    return WriteFile(
        path=path, data=repositories.without(data if isinstance(data, bytes) else b"", made.retag), mode=0o600, rank=WRITE
    )


def _owned(store: "Store", step: Step) -> Step:
    """The step with mode and owner of what it replaces, else with the owner of the nearest folder."""
    if isinstance(step, PutAway | SetMeta):
        return step
    facts = store.reader.facts(step.raw)
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


def _action(store: "Store", ident: str, made: Draft, steps: list[Step]) -> Action:
    return Action(
        id=ident,
        cls=made.cls,
        does=printable("; ".join(made.does)),
        steps=tuple(steps),
        pre=tuple(_guard(store, step) for step in steps),
        bytes=sum(weight_of(store, step.raw) for step in steps if isinstance(step, PutAway)),
        findings=tuple(made.findings),
        consent=made.consent,
        loses=tuple(printable(each) for each in made.loses),
        next=tuple(printable(each) for each in made.next),
    )


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
