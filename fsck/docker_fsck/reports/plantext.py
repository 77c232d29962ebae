"""A plan as a person reads it: by class, with what is gained and lost, then what is blocked, to be pulled and to be done."""

import shlex
from collections.abc import Iterable, Iterator

from msgspec import UnsetType

from docker_fsck.reports.lines import BLANK, Line, field, fields, line, wrapped
from docker_fsck.reports.view import View
from docker_fsck.reports.words import brief, escape, listing, many, size
from docker_fsck.safety import MASS, brake
from docker_fsck.values import Action, ActionClass, Blocked, Finding, Plan, Ref, Target

MOST_ACTIONS = 8
MOST_LOSSES = 6
MEANING = {
    ActionClass.LOSSLESS: "what was lost is derived from other data on the disk",
    ActionClass.RECLAIM: "nothing refers to it any more; it is moved into the quarantine",
    ActionClass.LOSSY: "cannot be mended from this disk; its records are moved away so that a pull brings it back",
    ActionClass.LOSSY_USER: "holds data of a user; only with --consent for exactly this object",
    ActionClass.MANUAL: "steps for you to take; nothing is changed by this program",
}

GAINS = {
    ActionClass.LOSSLESS: "what suffers from it works again; nothing is lost",
    ActionClass.RECLAIM: "{} of the disk, once it is purged; nothing that anything refers to is lost",
    ActionClass.LOSSY: "the engine forgets what it cannot use, so that a pull or load brings it back",
    ActionClass.LOSSY_USER: "{} of the disk, once it is purged, and an engine without a half object",
    ActionClass.MANUAL: "nothing by itself: it is for you to do",
}


def plan_lines(plan: Plan, findings: Iterable[Finding], counts: dict[str, int], view: View) -> Iterator[Line]:
    """The whole plan; nothing at all if there is none. `counts` are the store's."""
    yield from target_lines(plan.target)
    if not plan.actions and not plan.blocked:
        return
    blocked = tuple(each for each in plan.blocked if each.cls is None or each.cls in view.classes)
    told = f"Plan: {many(len(plan.actions), 'action')}" + (f", {len(blocked)} blocked" if blocked else "")
    yield (("head", told), ("", "; nothing has been changed."))
    for cls in ActionClass:
        members = [action for action in plan.actions if action.cls is cls]
        if members:
            yield from _class(cls, members, view)
    yield from blocked_lines(blocked, findings, view)
    if len(plan.blocked) > len(blocked):
        yield BLANK
        yield line(f"  {len(plan.blocked) - len(blocked)} more of other classes than were asked for", "label")
    yield from _pull(plan.pull)
    yield from _next(plan, counts, view)
    yield BLANK


def target_lines(target: Target | UnsetType) -> Iterator[Line]:
    """What --target-free came to."""
    if isinstance(target, UnsetType):
        return
    aim = target.wanted + target.free + target.quarantine
    now = f"{size(target.free)} of {size(target.total)} are free"
    if target.quarantine:
        now += f", and a purge of what lies in quarantine frees {size(target.quarantine)}"
    if not target.wanted:
        yield from wrapped(f"Target {target.asked}: reached without any reclaim: {now}.", style="good")
    elif not target.short:
        told = f"Target {target.asked}: {now}; the reclaims below free {size(target.planned)} more, once they are purged"
        yield from wrapped(f"{told}: enough. {size(target.left_out)} were not needed and are left out.", style="good")
    else:
        told = f"Target {target.asked} cannot be reached: {now}; the reclaims below free {size(target.planned)}, once they are"
        told += f" purged. {size(target.short)} are missing to {size(aim)}."
        if target.blocked:
            told += f" Reclaims of {size(target.blocked)} are blocked; the reasons stand below."
        told += " What else takes room is in use: images, containers, volumes and build cache that you may remove yourself."
        yield from wrapped(told, style="warning")
    yield from wrapped("Nothing is freed before `docker-fsck purge`.")
    yield BLANK


def title_of(ref: Ref) -> str:
    """An object in two words, safe to print; a file without its path, which stands below it."""
    return ref.kind if ref.kind == "file" else f"{ref.kind} {brief(ref.id)}"


def _class(cls: ActionClass, actions: list[Action], view: View) -> Iterator[Line]:
    freed = sum(action.bytes for action in actions)
    gained = f"; {size(freed)} to be freed by a later purge" if freed and cls is not ActionClass.LOSSLESS else ""
    yield BLANK
    yield (("", "  "), ("head", f"{cls}"), ("", f": {many(len(actions), 'action')}{gained}"))
    yield (("label", f"  {MEANING[cls]}"),)
    shown = actions if view.verbose else actions[:MOST_ACTIONS]
    for action in shown:
        yield from action_lines(action, view)
    if len(actions) > len(shown):
        yield line(f"    ... and {len(actions) - len(shown)} more; -v prints them all", "label")


def action_lines(action: Action, view: View) -> Iterator[Line]:
    """One action: what it does, gains and loses; with `view.verbose` also its steps."""
    yield from field(action.id, f"{action.does}{f' ({size(action.bytes)})' if action.bytes else ''}", indent=4)
    if view.verbose:
        yield from fields("", [f"{_op(step)} {step.path}" for step in action.steps], indent=4, style="label")
    cut = action.loses if view.verbose else action.loses[:MOST_LOSSES]
    more = len(action.loses) - len(cut)
    yield from fields("  loses", [*cut, f"and {more} more"] if more else cut, indent=4)
    if action.cls is ActionClass.MANUAL:
        yield from command_lines(action)
    else:
        yield from fields("  then", action.next, indent=4, style="command")
    if action.consent:
        yield from field("  needs", f"--consent {action.consent}", indent=4, style="command")


def command_lines(action: Action) -> Iterator[Line]:
    """The commands of a manual action, each on one line however long, to be copied."""
    for command in action.next:
        yield (("", "        "), ("command", escape(command)))


def asked_lines(action: Action, findings: Iterable[Finding], view: View) -> Iterator[Line]:
    """What a question is about: what is done, why, who suffers until then, what is gained and lost, what is to be done next."""
    causes = [each for each in findings if each.fingerprint in action.findings]
    yield (("head", f"{action.id} ({action.cls})"), ("", f": {escape(action.does)}"))
    yield from fields("  why", _cut([f"{each.rule}: {each.message}" for each in causes], view), indent=4)
    yield from fields("  impact", list(_impact(causes)) or ["no image, container or volume suffers from it now"], indent=4)
    yield from field("  gains", GAINS[action.cls].format(size(action.bytes)), indent=4)
    yield from fields("  loses", _cut(list(action.loses), view), indent=4)
    yield from field("  moves", f"{many(len(action.steps), 'path')}, {size(action.bytes)}; undo gives all of it back", indent=4)
    yield from fields("  then", action.next, indent=4, style="command")


def _cut(texts: list[str], view: View) -> list[str]:
    shown = texts if view.verbose else texts[:MOST_LOSSES]
    return [*shown, f"and {len(texts) - len(shown)} more"] if len(texts) > len(shown) else shown


def _impact(causes: list[Finding]) -> Iterator[str]:
    for what in ("images", "containers", "volumes"):
        names = tuple(sorted({name for each in causes for name in getattr(each.impact, what)}))
        if names:
            yield f"{what}: {listing(names, MOST_LOSSES)}"


def _op(step: object) -> str:
    return str(step.__struct_config__.tag)  # type: ignore[attr-defined]  # every kind of step is a tagged struct


def blocked_lines(blocked: tuple[Blocked, ...], findings: Iterable[Finding], view: View) -> Iterator[Line]:
    """What is held back, by its reason."""
    if not blocked:
        return
    causes = {each.fingerprint: each for each in findings}
    yield BLANK
    yield (("", "  "), ("head", "blocked"), ("", ": would be done, but"))
    for (why, does), members in _alike(blocked).items():
        names = [_subject(each, causes) for each in members]
        shown = names if view.verbose else names[:MOST_LOSSES]
        more = len(names) - len(shown)
        yield from wrapped(f"{why}{f' [{does}]' if does else ''}", indent=4, style="warning")
        for name in [*shown, f"and {more} more"] if more else shown:
            yield line(f"      {name}")


def _alike(blocked: tuple[Blocked, ...]) -> dict[tuple[str, str], list[Blocked]]:
    """Blocked remedies by their reason, so that a reason is told once."""
    table: dict[tuple[str, str], list[Blocked]] = {}
    for each in blocked:
        table.setdefault((each.why, each.cls or ""), []).append(each)
    return table


def _subject(blocked: Blocked, findings: dict[str, Finding]) -> str:
    found = findings.get(blocked.fingerprint)
    return f"{found.rule}, {title_of(found.object)}" if found else blocked.does or blocked.fingerprint


def _pull(pull: tuple[str, ...]) -> Iterator[Line]:
    if not pull:
        return
    yield BLANK
    yield (
        ("", "  "),
        ("head", "to pull"),
        ("", " when the engine runs again (names that are no registry's: build or load them)"),
    )
    for each in pull:
        yield (("", "    "), ("command", escape(f"docker pull {shlex.quote(each)}")))


def _next(plan: Plan, counts: dict[str, int], view: View) -> Iterator[Line]:
    offered = {action.cls for action in plan.actions}
    ladder = [cls for cls in (ActionClass.LOSSLESS, ActionClass.RECLAIM, ActionClass.LOSSY) if cls in offered]
    steps = [ladder[: at + 1] for at in range(len(ladder))]
    braked = [brake([action for action in plan.actions if action.cls in step], counts) for step in steps]
    calls = [
        view.again(f"apply --class {','.join(step)}{' --allow-mass' if mass else ''}")
        for step, mass in zip(steps, braked, strict=True)
    ]
    if offered - {ActionClass.MANUAL}:
        calls.append(view.again("plan -o plan.json"))
    if not calls:
        return
    yield BLANK
    yield (("", "  "), ("head", "next"), ("", " (stop the engine first; undo takes every apply back)"))
    for call in calls:
        yield (("", "    "), ("command", escape(call)))
    if mass := next((each for each in braked if each), None):
        yield from wrapped(f"Before you give --allow-mass: {mass}. {MASS}.", indent=4, style="warning")
