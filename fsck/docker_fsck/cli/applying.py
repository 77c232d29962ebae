"""The commands that carry out a plan: apply and --preen; they ask, refuse, hand over to the executor, check again and tell."""

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from docker_fsck.apply.executor import execute
from docker_fsck.apply.history import txn_id
from docker_fsck.apply.site import Applied, Event as Happened, Site
from docker_fsck.cli import exits, outputs, plans, rehearsal, session
from docker_fsck.cli.classes import allowed, consented
from docker_fsck.cli.edge import Call
from docker_fsck.cli.interrupts import deferred
from docker_fsck.cli.session import Survey
from docker_fsck.cli.telling import tell_cron, view
from docker_fsck.errors import REFUSED, Refused, UsageError
from docker_fsck.log import Event
from docker_fsck.reports import changes, stream, text
from docker_fsck.reports.lines import BLANK
from docker_fsck.reports.plantext import action_lines
from docker_fsck.values import Action, ActionClass, Plan, Report

LOSSLESS = frozenset({ActionClass.LOSSLESS})


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done: the survey it rests on, the actions, and those left out with the reason."""

    found: Survey
    actions: tuple[Action, ...]
    left: changes.Left = ()


def apply(call: Call) -> int:
    """`apply PLAN.json` or `apply --class CLASS,…`."""
    source, classes = call.one("plan"), allowed(call)
    if source is None and classes is None:
        raise UsageError("apply wants a plan that `plan -o` saved, or --class lossless,reclaim,lossy")
    if not (call.has("dry_run") or call.has("yes") or call.has("interactive") or call.edge.terminal.can_answer):
        raise UsageError("nobody can be asked here: apply wants --yes or --interactive")
    work = _of_classes(call, classes or LOSSLESS) if source is None else _of_plan(call, source, (classes or LOSSLESS) | consented(call))
    if call.has("dry_run"):
        return rehearsal.rehearse(call, work.found, work.actions, work.left)
    if not work.actions:
        return _nothing(call, work)
    if why := in_the_way(work.found):
        return _refuse(call, work.found, why)
    agreed = _agreed(call, work)
    return _carry_out(call, agreed) if agreed.actions else _nothing(call, agreed)


def preen(call: Call) -> int:
    """`-p`: apply what is lossless without a question; with nothing to do it is the bare run."""
    work = _of_classes(call, LOSSLESS)
    if why := work.found.report.store.unfinished_transaction and in_the_way(work.found):
        return _refuse(call, work.found, why)
    if not work.actions:
        blocked = _blocked(work.found, LOSSLESS)
        report = _with_bits(work.found.report, work.found.report.exit | (REFUSED if blocked else 0))
        return tell_cron(call, msgspec.structs.replace(work.found, report=report), text.whole)
    if why := in_the_way(work.found):
        return _refuse(call, work.found, why)
    return _carry_out(call, work)


def _of_classes(call: Call, classes: frozenset[ActionClass]) -> Work:
    found = session.survey(call, session.policy(call, classes))
    actions, left = plans.narrowed(found.plan, classes, found.policy.consents)
    return Work(found=found, actions=actions, left=left)


def _of_plan(call: Call, source: str, classes: frozenset[ActionClass]) -> Work:
    """A saved plan, narrowed, and compared with what a check of this moment would do (its age was judged when it was made)."""
    saved = plans.read(source)
    found = session.survey(call, msgspec.structs.replace(session.policy(call), grace=0.0))
    plans.fits(saved, found.report.store.root, found.report.store.layouts)
    actions, left = plans.narrowed(saved, classes, found.policy.consents)
    plans.current(actions, found.plan)
    return Work(found=found, actions=actions, left=left)


def in_the_way(found: Survey) -> str:
    """Why nothing may be changed on this root now, nothing if it may."""
    if txn := found.report.store.unfinished_transaction:
        return f"transaction {txn} is unfinished: docker-fsck recover takes it back, recover --finish completes it"
    if found.host.fsck_pid is not None:
        return f"another docker-fsck (process {found.host.fsck_pid}) is changing this root"
    if found.host.state != "stopped":
        return f"the engine is not known to be stopped: {found.host.why}" if found.host.state == "unknown" else f"an engine uses this root: {found.host.why}"
    return ""


def _blocked(found: Survey, classes: frozenset[ActionClass]) -> int:
    """How many remedies of these classes were asked for and may not be."""
    return sum(1 for each in found.plan.blocked if each.cls in classes)


def _agreed(call: Call, work: Work) -> Work:
    """The work that the user agrees to: all of it or nothing, with --interactive each action for itself."""
    terminal, shown = call.edge.terminal, view(call)
    if call.has("interactive"):
        kept: list[Action] = []
        for action in work.actions:
            terminal.notes([*action_lines(action, shown)])
            if terminal.ask(f"Do {action.id} ({action.cls})?"):
                kept.append(action)
        left = (*work.left, *((action, "not agreed to") for action in work.actions if action not in kept))
        return msgspec.structs.replace(work, actions=tuple(kept), left=left)
    if not call.has("yes"):
        terminal.notes([each for action in work.actions for each in action_lines(action, shown)])
        if not terminal.ask(f"Apply {len(work.actions)} actions to {work.found.root.path}?"):
            return msgspec.structs.replace(work, actions=())
    return work


def _nothing(call: Call, work: Work) -> int:
    """Nothing to apply: say so, with the bits of the check, and 64 if something was asked for that is blocked."""
    bits = work.found.report.exit | (REFUSED if _blocked(work.found, work.found.policy.classes) else 0)
    report = _with_bits(work.found.report, bits)
    outputs.write(call.config, work.found.registry.reporters, report)
    if call.config.format == "text" and not call.quiet:
        call.edge.terminal.text("Nothing was changed.\n")
        call.edge.terminal.lines([*changes.would((), {}, work.left, view(call))][1:])
        call.edge.terminal.lines(text.whole(report, view(call)))
    else:
        session.document(call, work.found.registry, report)
    return bits


def _with_bits(report: Report, bits: int) -> Report:
    return msgspec.structs.replace(report, exit=bits, verdict=exits.verdict(bits, report.findings))


def _refuse(call: Call, found: Survey, why: str) -> int:
    """Nothing was changed, and why; the report still says what the check found."""
    report = _with_bits(found.report, found.report.exit | REFUSED)
    outputs.write(call.config, found.registry.reporters, report)
    session.document(call, found.registry, report)
    call.complain(Event.REFUSED, f"nothing was changed: {why}")
    return report.exit


def _carry_out(call: Call, work: Work) -> int:
    plan = Plan(digest=work.found.plan.digest, actions=work.actions)
    try:
        with deferred() as interrupted:
            done = execute(plan, site(call, work.found.root.path, interrupted), txn=_txn(call), now=_now(call))
    except Refused as refused:
        return _refuse(call, work.found, str(refused))
    if call.config.format == "text" and not call.quiet:
        call.edge.terminal.lines([*changes.applied(done, work.actions, work.left, view(call)), *changes.pulls(_pulls(work)), BLANK])
    return _checked_again(call, work, done)


def _pulls(work: Work) -> tuple[str, ...]:
    lossy = any(action.cls in {ActionClass.LOSSY, ActionClass.LOSSY_USER} for action in work.actions)
    return work.found.plan.pull if lossy else ()


def _checked_again(call: Call, work: Work, done: Applied) -> int:
    again = session.survey(call, msgspec.structs.replace(work.found.policy, now=call.edge.clock()))
    refused = [skip for skip in done.skipped if skip.why != "interrupted"]
    blocked = _blocked(again, work.found.policy.classes)
    bits = exits.apply_bits(again.report.exit, changed=len(done.done), refused=len(refused) + blocked, interrupted=done.interrupted)
    report = _with_bits(again.report, bits)
    outputs.write(call.config, again.registry.reporters, report)
    if call.config.format == "text" and not call.quiet:
        call.edge.terminal.lines([(("", "Checked again: "),), *text.found_only(report, view(call))])
    else:
        session.document(call, again.registry, report)
    return bits


def site(call: Call, root: str, interrupted: "Iterable[object] | None" = None) -> Site: ...
