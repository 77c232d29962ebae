"""The commands about what was done to a root: undo, recover, purge, history; the rooms of apply do the work."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import msgspec

from docker_fsck.apply.history import Record, expired, load, unread
from docker_fsck.apply.history import history as records
from docker_fsck.apply.purge import purge as remove
from docker_fsck.apply.site import Applied, Purged, Undone
from docker_fsck.apply.tree import Tree
from docker_fsck.apply.undo import finish
from docker_fsck.apply.undo import recover as take_back
from docker_fsck.apply.undo import undo as reverse
from docker_fsck.cli import roots, session
from docker_fsck.cli.edge import Call
from docker_fsck.cli.sites import changing
from docker_fsck.cli.telling import view
from docker_fsck.errors import INCOMPLETE, INTERRUPTED, REFUSED, Refused, RootError, UsageError
from docker_fsck.log import Event
from docker_fsck.reader import QUARANTINE
from docker_fsck.reports import changes, document
from docker_fsck.reports.lines import Line, line
from docker_fsck.store import open_store
from docker_fsck.values import Trouble


@roots.needed()
def undo(call: Call) -> int:
    """`undo TXN|last`."""
    root, which = _root(call), call.one("which") or "last"
    with changing(_unstreamed(call), root) as site:
        done = reverse(site, which)
    return _tell(call, done, changes.undone(done), 0)


def recover(call: Call) -> int:
    """`recover [--finish]`."""
    root = _root(call, None)
    with changing(_unstreamed(call), root) as site:
        done = finish(site) if call.has("finish") else take_back(site)
    match done:
        case None:
            return _tell(call, None, iter([line("There is nothing to recover: no transaction was cut short.")]), 0)
        case Undone():
            return _tell(call, done, changes.undone(done), 0)
        case Applied():
            bits = (REFUSED if any(skip.why != "interrupted" for skip in done.skipped) else 0) | (
                INTERRUPTED if done.interrupted else 0
            )
            return _tell(call, done, changes.finished(done, view(call)), bits)


def purge(call: Call) -> int:
    """`purge [--older-than AGE | --txn TXN]`."""
    if call.one("txn") is not None and call.one("older_than") is not None:
        raise UsageError("--txn names one transaction, --older-than chooses by age: only one of them")
    root, one, where = _root(call, Purged(txns=(), freed=0)), call.one("txn"), call.config.journal_dir
    age = timedelta(seconds=call.config.purge_older_than)
    names = (one,) if one is not None else expired(root, age, call.now, where)
    with changing(_unstreamed(call), root) as site:
        done = remove(site, names)
    return _tell(call, done, changes.purged(done, view(call)), REFUSED if done.left else 0)


def history(call: Call) -> int:
    """`history [TXN]`."""
    root, which = _root(call, []), call.one("which")
    found = records(root, call.config.journal_dir)
    if lacks := unread(root):
        call.complain(Event.INCOMPLETE, " ".join(lacks))
    if which is None:
        return _tell(call, found, changes.listed(found), INCOMPLETE if lacks else 0)
    one = next((record for record in found if record.txn == which), None)
    if one is None:
        raise UsageError(f"there is no transaction {which}; `docker-fsck history` lists them")
    return _detail(call, root, one)


def _detail(call: Call, root: str, record: Record) -> int:
    """One transaction with its actions, as far as its journal is still there."""
    try:
        with closing(Tree(root)) as tree:
            story = load(tree, record.txn, call.config.journal_dir)
    except Refused as gone:
        return _tell(call, [record], iter([*changes.listed([record]), line(f"  {gone}", "label")]), 0)
    actions = story.planned.actions if story.planned else ()
    skipped = tuple(story.skipped.values())
    whole: dict[str, Any] = {**msgspec.to_builtins(record), "actions": actions, "skips": skipped}
    return _tell(call, [whole], changes.story(record, actions, skipped), 0)


def _tell(call: Call, value: object, lines: Iterator[Line], bits: int) -> int:
    if call.simple_format() == "json":
        call.edge.terminal.data(document.pretty(value))
    elif not call.quiet:
        call.edge.terminal.lines(lines)
    return bits


def _unstreamed(call: Call) -> Call:
    """The call with the format in which these commands write: a stream that settings ask for is one of reports."""
    return msgspec.structs.replace(call, config=msgspec.structs.replace(call.config, format=call.simple_format()))


def _root(call: Call, nothing: object = None) -> str:
    """The root, which must be a data root; one that we have changed before is, whatever it looks like now.

    Where Docker was never started `nothing` is the answer in JSON, unless a transaction is named.
    """
    form, root = call.simple_format(), roots.choose(call.config)
    try:
        opened = roots.opened(root)
    except roots.NothingHere as never:
        if call.one("which") is not None or call.one("txn") is not None:
            raise RootError(str(never)) from None
        if form == "json":
            call.edge.terminal.data(document.pretty(nothing))
        raise
    with opened as reader:
        if isinstance(reader.facts(QUARANTINE), Trouble):
            registry = session.load(call)
            open_store(reader, registry.drivers, registry.sources, call.edge.look(root.path), session.policy(call))
    return root.path
