"""What a person reads after something was changed, or would be: what was done, what was not and why, and how to go back; pure."""

from collections.abc import Iterable, Iterator

from docker_fsck.apply.history import Record
from docker_fsck.apply.site import Applied, Purged, Skip, Undone
from docker_fsck.reports.lines import BLANK, Line, field, fields, line, wrapped
from docker_fsck.reports.plantext import action_lines, command_lines
from docker_fsck.reports.view import View
from docker_fsck.reports.words import escape, many, size
from docker_fsck.values import Action, ActionClass

MOST = 10
Left = tuple[tuple[Action, str], ...]


def would(actions: tuple[Action, ...], broken: dict[str, str], left: Left, view: View) -> Iterator[Line]:
    """A dry run: `broken` has, by id, why an action would be skipped now."""
    yield (("head", f"Would do {many(len(actions) - len(broken), 'action')}"), ("", "; nothing has been changed."))
    for action in actions:
        if action.id not in broken:
            yield from action_lines(action, view)
    for action in actions:
        if action.id in broken:
            yield from field(action.id, f"would be skipped: {broken[action.id]}", indent=4, style="warning")
    yield from left_out(left)


def left_out(left: Left) -> Iterator[Line]:
    """Actions that were not asked for, or not agreed to."""
    for action, why in left:
        yield from field(action.id, f"left out ({why}): {action.does}", indent=4, style="label")
        if action.cls is ActionClass.MANUAL:
            yield from command_lines(action)


def applied(done: Applied, actions: tuple[Action, ...], left: Left, view: View) -> Iterator[Line]:
    """The end of an apply, with the two commands that may follow it."""
    skipped = {skip.n for skip in done.skipped}
    whole = [action for action in actions if not any(step.n in skipped for step in action.steps)]
    yield (
        ("head", f"Applied {len(whole)} of {many(len(actions), 'action')}"),
        ("", f", {many(len(done.done), 'step')}, transaction {done.txn}."),
    )
    shown = whole if view.verbose else whole[:MOST]
    for action in shown:
        yield from field(action.id, action.does, indent=4)
        yield from fields("  lost", _cut(action.loses, view), indent=4)
    if len(whole) > len(shown):
        yield line(f"    ... and {len(whole) - len(shown)} more; -v prints them all", "label")
    yield from _skips(done.skipped, view)
    yield from left_out(left)
    if done.interrupted:
        yield (
            ("warning", "Interrupted; the rest was not done."),
            ("", " To do it: "),
            ("command", escape(view.call("recover --finish"))),
        )
    yield from to_do(whole)
    yield from after(done, view)


def to_do(actions: Iterable[Action]) -> Iterator[Line]:
    """What is left for the operator after these actions, each thing once."""
    steps = dict.fromkeys(each for action in actions for each in action.next)
    if steps:
        yield line("Left for you to do:", "head")
        yield from (row for each in steps for row in wrapped(each, indent=4, style="command"))


def _cut(texts: tuple[str, ...], view: View) -> list[str]:
    shown = list(texts if view.verbose else texts[:MOST])
    return [*shown, f"and {len(texts) - len(shown)} more"] if len(texts) > len(shown) else shown


def finished(done: Applied, view: View) -> Iterator[Line]:
    """The end of a `recover --finish`."""
    yield (("head", f"Transaction {done.txn} is completed"), ("", f": {many(len(done.done), 'step')}."))
    yield from _skips(done.skipped, view)
    yield from after(done, view)


def story(record: Record, actions: tuple[Action, ...], skipped: tuple[Skip, ...]) -> Iterator[Line]:
    """One transaction with everything that was to be done in it."""
    view = View(verbose=True)
    yield from listed([record])
    for action in actions:
        yield from action_lines(action, view)
    yield from _skips(skipped, view)


def after(done: Applied, view: View) -> Iterator[Line]:
    """Where the space is, and the way back."""
    if done.done:
        purge = ("command", escape(view.call(f"purge --txn {done.txn}")))
        yield (("", "0 bytes freed so far; "), purge, ("", f" frees {size(done.bytes_quarantined)}"))
    if done.done or done.interrupted:
        yield (("", "To take it back: "), ("command", escape(view.call(f"undo {done.txn}"))))


def _skips(skipped: tuple[Skip, ...], view: View) -> Iterator[Line]:
    shown = skipped if view.verbose else skipped[:MOST]
    for skip in shown:
        yield from field("skipped", f"{skip.path}: {skip.why}", indent=4, style="warning")
    if len(skipped) > len(shown):
        yield line(f"    ... and {len(skipped) - len(shown)} more skipped; -v prints them all", "label")


def pulls(names: tuple[str, ...]) -> Iterator[Line]:
    """What has to be fetched again."""
    if names:
        yield BLANK
        yield line("To pull when the engine runs again:", "head")
        for name in names:
            yield (("", "    "), ("command", escape(f"docker pull {name}")))


def undone(done: Undone) -> Iterator[Line]:
    """The end of an undo."""
    yield (
        ("head", f"Transaction {done.txn} is taken back"),
        ("", f": {many(len(done.steps), 'step')}, {many(len(done.paths), 'path')} as before."),
    )


def purged(done: Purged, view: View) -> Iterator[Line]:
    """The end of a purge."""
    if not done.txns and not done.left:
        yield line("There is nothing to purge.")
        return
    yield (
        ("head", f"Purged {many(len(done.txns), 'transaction')}"),
        ("", f", {size(done.freed)} freed: {', '.join(done.txns)}" if done.txns else ""),
    )
    yield from _skips(done.left, view)


def listed(records: Iterable[Record]) -> Iterator[Line]:
    """The transactions of a root, oldest first."""
    rows = list(records)
    if not rows:
        yield line("Nothing was ever changed here by docker-fsck.")
    for each in rows:
        kept = f", {size(each.bytes)} in quarantine" if each.bytes and each.state in {"applied", "interrupted"} else ""
        style = "warning" if each.state in {"unfinished", "undoing", "interrupted"} else ""
        told = f"  {many(each.done, 'step')}{f', {each.skipped} skipped' if each.skipped else ''}{kept}  {','.join(each.classes)}"
        yield (("head", each.txn), (style, f"  {each.state:<11}"), ("", told))
