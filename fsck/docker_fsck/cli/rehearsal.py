"""`apply --dry-run`: looks at the guards of a plan and tells what would be done and skipped; it never calls the executor."""

from contextlib import closing

from docker_fsck.apply.guards import Guards
from docker_fsck.apply.site import Held
from docker_fsck.apply.tree import Tree
from docker_fsck.cli.edge import Call
from docker_fsck.cli.session import Survey
from docker_fsck.cli.telling import show, view, with_bits, written
from docker_fsck.errors import REFUSED
from docker_fsck.log import Event
from docker_fsck.reports import changes, text
from docker_fsck.reports.plantext import blocked_lines
from docker_fsck.values import Action, Blocked


def rehearse(
    call: Call, found: Survey, actions: tuple[Action, ...], left: changes.Left, why: str, blocked: tuple[Blocked, ...]
) -> int:
    """Tell what apply would do now. Bit 64 if it would refuse or skip something: `why` it may not begin, what is `blocked`."""
    begun = () if why else actions
    broken = _broken(found, begun)
    told = with_bits(found, found.report.exit | (REFUSED if why or broken or blocked else 0))
    if call.config.format == "text" and not call.quiet:
        rows = [*changes.would(begun, broken, left, view(call))]
        call.edge.terminal.lines([*rows, *blocked_lines(blocked, told.report.findings, view(call))])
    else:
        show(call, told, text.found_only)
    if why:
        call.complain(Event.REFUSED, f"apply would be refused: {why}")
    return told.report.exit | written(call, told)


def _broken(found: Survey, actions: tuple[Action, ...]) -> dict[str, str]:
    """By action: the first precondition that does not hold."""
    held = Held(found.host.held)
    with closing(Tree(found.root.path)) as tree:
        guards = Guards(tree, tree.dev)
        rows = {action.id: _first(guards, held, action) for action in actions}
    return {ident: why for ident, why in rows.items() if why}


def _first(guards: Guards, held: Held, action: Action) -> str:
    for guard in action.pre:
        if why := guards.why_not(guard):
            return f"{guard.path}: {why}"
    for step in action.steps:
        if why := held.why_not(step.raw):
            return f"{step.path}: {why}"
    return ""
