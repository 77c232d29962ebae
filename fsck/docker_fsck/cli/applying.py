"""The commands that carry out a plan: apply and --preen; they ask, refuse, hand over to the executor, check again and tell."""

import msgspec

from docker_fsck.apply.executor import execute
from docker_fsck.apply.site import Applied
from docker_fsck.cli import exits, plans, roots, session
from docker_fsck.cli.classes import allowed, consented
from docker_fsck.cli.edge import Call
from docker_fsck.cli.rehearsal import rehearse
from docker_fsck.cli.session import Survey
from docker_fsck.cli.sites import changing, in_the_way
from docker_fsck.cli.telling import document, tell, tell_cron, view, with_bits, written
from docker_fsck.errors import REFUSED, Refused, UsageError
from docker_fsck.log import Event
from docker_fsck.reports import changes, text
from docker_fsck.reports.lines import BLANK
from docker_fsck.reports.plantext import action_lines, asked_lines
from docker_fsck.reports.words import escape, many
from docker_fsck.safety import MASS, YOUNG, brake
from docker_fsck.values import Action, ActionClass, Blocked, Plan

LOSSLESS = frozenset({ActionClass.LOSSLESS})
MOST_ROUNDS = 4
"""What one repair brings to light is done at once, so that the next run finds nothing more to do (promise 7)."""
MANUAL = frozenset({ActionClass.MANUAL})
"""Steps for the operator stand in every plan: apply does none of them and tells all."""
NOT_REFUSED = (YOUNG, "needs consent", "kept by configuration")
"""How reasons of the planner begin that leave a remedy for later, by the user's own wish."""


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done: the survey it rests on, the plan, its actions that may be done, and those left out, with reasons.

    `classes`: what may be done as well if the check afterwards still finds it; none after a plan that somebody has read.
    """

    found: Survey
    plan: Plan
    actions: tuple[Action, ...]
    left: changes.Left = ()
    classes: frozenset[ActionClass] = frozenset()


def apply(call: Call) -> int:
    """`apply PLAN.json` or `apply --class CLASS,…`."""
    source, classes = call.one("plan"), allowed(call)
    if source is None and classes is None:
        raise UsageError("apply wants a plan that `plan -o` saved, or --class lossless,reclaim,lossy")
    if not (call.has("dry_run") or call.has("yes") or call.has("interactive") or call.edge.terminal.can_answer):
        raise UsageError("nobody can be asked here: apply wants --yes or --interactive")
    chosen = (classes or LOSSLESS) | consented(call)
    work = _of_classes(call, chosen) if source is None else _of_plan(call, source, chosen)
    why = _in_the_way(work)
    if call.has("dry_run"):
        return rehearse(call, work.found, work.actions, work.left, why, _blocked(work.found))
    if why:
        return _refuse(call, work.found, why)
    agreed = _agreed(call, work) if work.actions else work
    return _carry_out(call, agreed) if agreed.actions else _nothing(call, agreed)


def preen(call: Call) -> int:
    """`-p`: apply what is lossless without a question; with nothing to do it is the bare run."""
    work = _of_classes(call, LOSSLESS)
    if why := _in_the_way(work):
        return _refuse(call, work.found, why)
    if work.actions:
        return _carry_out(call, work)
    return tell_cron(call, with_bits(work.found, work.found.report.exit | _blocked_bit(work.found)), text.whole)


def _of_classes(call: Call, classes: frozenset[ActionClass]) -> Work:
    found = session.survey(call, session.policy(call, classes | MANUAL))
    actions, left = plans.narrowed(found.plan, classes, found.policy.consents)
    return Work(found=found, plan=found.plan, actions=actions, left=left, classes=classes)


@roots.needed()
def _of_plan(call: Call, source: str, classes: frozenset[ActionClass]) -> Work:
    """A saved plan, narrowed, and compared with what a check of this moment would do of these classes.

    Age is judged by the grace period that the plan was made with, or the one of this call if that is longer; how much it moves
    is judged for what is left of it.
    """
    saved = plans.read(source)
    policy = session.policy(call, classes | MANUAL)
    policy = msgspec.structs.replace(policy, sources=(*policy.sources, *(saved.sources or ())))
    made = saved.grace if isinstance(saved.grace, float) else policy.grace
    grace = made if call.one("grace") is None else max(made, policy.grace)
    found = session.survey(call, msgspec.structs.replace(policy, grace=grace, allow_mass=True))
    plans.fits(saved, found.report.store.root, found.report.store.layouts)
    actions, left = plans.narrowed(saved, classes, policy.consents)
    if grace > made:
        actions, young = plans.old_enough(actions, found.plan)
        left += young
    plans.current(actions, found.plan)
    return Work(found=msgspec.structs.replace(found, policy=policy), plan=saved, actions=actions, left=left)


def _in_the_way(work: Work) -> str:
    """Why the work may not be done, nothing if it may or if there is none."""
    if not work.actions and not _busy(work.found):
        return ""
    if why := in_the_way(work.found):
        return why
    mass = "" if work.found.policy.allow_mass else brake(work.actions, work.found.report.store.counts)
    return f"{mass}. {MASS}; --allow-mass takes this brake off" if mass else ""


def _busy(found: Survey) -> bool:
    """Whether a transaction is under way or was cut short: then even nothing is not done."""
    return found.host.fsck_pid is not None or found.report.store.unfinished_transaction is not None


def _blocked_bit(found: Survey) -> int:
    """64 if a remedy of the allowed classes is refused."""
    return REFUSED if _blocked(found) else 0


def _blocked(found: Survey) -> tuple[Blocked, ...]:
    """Remedies of the allowed classes that are refused; what is only not due or not agreed to is not refused."""
    classes = found.policy.classes - MANUAL
    return tuple(each for each in found.plan.blocked if each.cls in classes and not each.why.startswith(NOT_REFUSED))


def _agreed(call: Call, work: Work) -> Work:
    """The work that the user agrees to: all of it or nothing, with --interactive each action for itself."""
    if call.has("yes"):
        return work
    terminal = call.edge.terminal
    kept: list[Action] = []
    for action in work.actions:
        if not call.has("interactive"):
            terminal.aside(action_lines(action, view(call)))
            kept.append(action)
            continue
        terminal.aside(asked_lines(action, work.found.report.findings, view(call)))
        if terminal.ask(f"Do {action.id} ({action.cls})?"):
            kept.append(action)
    if not call.has("interactive") and not terminal.ask(f"Apply this to {work.found.root.path}?"):
        kept = []
    left = tuple((action, "not agreed to") for action in work.actions if action not in kept)
    return msgspec.structs.replace(work, actions=tuple(kept), left=(*work.left, *left), classes=frozenset())


def _nothing(call: Call, work: Work) -> int:
    """Nothing to apply: say so, with the bits of the check, and 64 if something of these classes is blocked."""
    if call.config.format == "text" and not call.quiet:
        call.edge.terminal.lines([(("head", "Nothing was changed."),), *changes.left_out(work.left), BLANK])
    return tell(call, with_bits(work.found, work.found.report.exit | _blocked_bit(work.found)), text.found_only)


def _refuse(call: Call, found: Survey, why: str) -> int:
    """Nothing was changed, and why; a report still says what the check found."""
    refused = with_bits(found, found.report.exit | REFUSED)
    document(call, refused)
    call.complain(Event.REFUSED, f"nothing was changed: {why}")
    return refused.report.exit | written(call, refused)


def _carry_out(call: Call, work: Work) -> int:
    """Do it, check again, go on with what that shows as long as it may be done without a question, and tell the end."""
    every: list[Applied] = []
    before: tuple[Action, ...] = ()
    counts = work.found.report.store.counts
    while True:
        try:
            done = _done(call, work)
        except Refused as refused:
            if not every:
                return _refuse(call, work.found, str(refused))
            call.complain(Event.REFUSED, f"the rest was not done: {refused}")
            return _told(call, work.found, every, REFUSED)
        every.append(done)
        before += work.actions
        again = session.survey(_unpromised(call), msgspec.structs.replace(work.found.policy, now=call.edge.clock()))
        more = (
            _more(work, again, before, counts)
            if len(every) < MOST_ROUNDS and done.done and not (done.skipped or done.interrupted)
            else None
        )
        if more is None:
            bits = _told(call, again, every)
            if not (work.classes or done.interrupted):
                _tell_rest(call, work, again, before)
            return bits
        work = more


def _unpromised(call: Call) -> Call:
    """The call without the files of --report: they were tried before the first change and are written at the end."""
    return msgspec.structs.replace(call, config=msgspec.structs.replace(call.config, report=()))


def _done(call: Call, work: Work) -> Applied:
    """The work, carried out and told."""
    plan = Plan(digest=work.plan.digest, actions=work.actions)
    with changing(call, work.found.root.path) as site:
        done = execute(plan, site, txn=call.stamp(), now=call.now)
    if call.config.format == "text" and not call.quiet:
        lossy = any(action.cls in {ActionClass.LOSSY, ActionClass.LOSSY_USER} for action in work.actions)
        pull = changes.pulls(work.plan.pull if lossy else ())
        call.edge.terminal.lines([*changes.applied(done, work.actions, work.left, view(call)), *pull, BLANK])
    return done


def _more(work: Work, again: Survey, before: tuple[Action, ...], counts: dict[str, int]) -> Work | None:
    """What came to light by what was done, if it may be done as well: all rounds together keep to the brake."""
    actions, left = plans.narrowed(again.plan, work.classes, again.policy.consents)
    actions = _unknown(actions, before)  # the rest had no effect
    if not again.policy.allow_mass and brake((*before, *actions), counts):
        return None
    told = msgspec.structs.replace(work, found=again, plan=again.plan, actions=actions, left=left)
    return told if work.classes and actions and not _in_the_way(told) else None


def _unknown(actions: tuple[Action, ...], before: tuple[Action, ...]) -> tuple[Action, ...]:
    """Those of the actions that were not among the ones before."""
    known = {plans.bare(step) for action in before for step in action.steps}
    return tuple(action for action in actions if not known.issuperset(map(plans.bare, action.steps)))


def _tell_rest(call: Call, work: Work, again: Survey, before: tuple[Action, ...]) -> None:
    """After a plan that somebody has read: what else of the same classes came to light, and the command that does it."""
    classes = again.policy.classes - MANUAL
    actions, _ = plans.narrowed(again.plan, classes, again.policy.consents)
    count = len(_unknown(actions, (*before, *(action for action, _ in work.left))))
    if not count or call.config.format != "text" or call.quiet:
        return
    words = ",".join(each for each in ActionClass if each in classes - {ActionClass.LOSSY_USER}) or ActionClass.LOSSLESS
    command = view(call).again(" ".join((f"apply --class {words}", *call.repeated("consent"))))
    told = f"{many(count, 'action')} of the same classes came to light and can be done now: "
    call.edge.terminal.lines([(("", told), ("command", escape(command)))])


def _told(call: Call, again: Survey, every: list[Applied], refused: int = 0) -> int:
    """The end: what the last check found, with the bits of all that was done."""
    skipped = any(skip.why != "interrupted" for done in every for skip in done.skipped)
    changed, interrupted = sum(len(done.done) for done in every), any(done.interrupted for done in every)
    checked = again.report.exit | _blocked_bit(again) | refused
    bits = exits.apply_bits(checked, again.report.findings, changed=changed, refused=skipped, interrupted=interrupted)
    if call.config.format == "text" and not call.quiet:
        call.edge.terminal.lines([(("head", "Checked again:"),)])
    return tell(call, with_bits(again, bits), text.found_only)
