"""The command du: where the space of a root is; takes no lock, changes nothing, and works beside a running engine."""

import os
from collections.abc import Callable, Iterator

from docker_fsck import engine, planner, rules
from docker_fsck.cli import roots, session
from docker_fsck.cli.edge import Call
from docker_fsck.cli.telling import view
from docker_fsck.errors import INCOMPLETE, UsageError
from docker_fsck.plugins import Registry
from docker_fsck.reader import Reader
from docker_fsck.reports import document, dutext
from docker_fsck.reports.lines import Line
from docker_fsck.reports.view import View
from docker_fsck.space.crew import count
from docker_fsck.space.estate import survey
from docker_fsck.space.ledger import Ledger, plot
from docker_fsck.space.values import Du, Frees, Unread
from docker_fsck.steps import at, printable, spell
from docker_fsck.store import Store, is_root, open_store
from docker_fsck.values import Plan

SHAPES: dict[str, Callable[[Du, View], Iterator[Line]]] = {
    "kind": dutext.by_kind,
    "image": dutext.by_image,
    "container": dutext.by_container,
}


def du(call: Call) -> int:
    """`du [--by image|container|kind] [--jobs N]`."""
    form, shape, jobs = call.simple_format(), _shape(call), call.config.jobs or len(os.sched_getaffinity(0))
    registry = session.load(call)
    root = roots.choose(call.config)
    try:
        opened = roots.opened(root)
    except roots.NothingHere:
        if form == "json":
            call.edge.terminal.data(document.pretty(_empty(root)))
        raise
    with opened as reader:
        found = _measured(call, registry, reader, root, jobs)
    if form == "json":
        call.edge.terminal.data(document.pretty(found))
    elif call.quiet:
        call.edge.terminal.lines(dutext.shortest(found, view(call)))
    else:
        call.edge.terminal.lines(shape(found, view(call)))
    return found.exit


def _measured(call: Call, registry: Registry, reader: Reader, root: roots.Root, jobs: int) -> Du:
    store = Store(reader, registry.drivers, registry.sources, call.edge.look(root.path), session.policy(call))
    if not (is_root(store) if store.models else store.unjudged):
        open_store(reader, registry.drivers, registry.sources, store.host, store.policy)  # says why it is none
    plan, failed = _plan(call, store, registry)
    estate = survey(store, plan)
    tally = count(reader, plot(estate, reader.mounts), len(estate.owners), jobs)
    sums = Ledger(estate, tally)
    faults = {fault.path: fault.why for fault in (*reader.unread.values(), *tally.faults)}
    unread = tuple(_unread(path, why) for path, why in sorted(faults.items()))
    return Du(
        tool=session.tool(),
        root=printable(root.path),
        layouts=store.layouts,
        active=printable(estate.active),
        unjudged=tuple(map(printable, store.unjudged.values())),
        engine=store.host.state,
        exit=INCOMPLETE if unread or failed else 0,
        total=sums.total,
        inodes=sum(sums.inodes),
        kinds=sums.kinds(),
        images=sums.images(),
        containers=sums.containers(),
        volumes=sums.volumes(),
        owners=sums.owners(),
        frees=sums.frees(plan),
        mounts=tuple(map(at, sorted(reader.mounts))),
        unread=unread,
        failed=failed,
    )


def _empty(root: roots.Root) -> Du:
    """The answer where Docker was never started."""
    return Du(
        tool=session.tool(),
        root=printable(root.path),
        layouts=(),
        active="",
        unjudged=(),
        engine="unknown",
        exit=0,
        total=0,
        inodes=0,
        kinds=(),
        images=(),
        containers=(),
        volumes=(),
        owners=(),
        frees=Frees(0, 0, (), 0),
        mounts=(),
        unread=(),
        failed=(),
    )


def _plan(call: Call, store: Store, registry: Registry) -> tuple[Plan, tuple[str, ...]]:
    """What a plan would do now, by one pass of every rule, and which plugins or rules failed: then garbage is not all known."""
    if not store.models:
        return Plan(), tuple(map(printable, (*registry.failures, *store.crashes)))
    store.read_ahead()
    checked = engine.check(store, rules.select(registry.rules, call.config.level), registry.failures)
    plan = planner.make(checked, store, registry.veto)[0]
    failed = [f"rule {each.rule}: {each.reason}" for each in checked.outcomes if each.state == "failed"]
    return plan, tuple(map(printable, (*registry.failures, *failed, *store.crashes)))


def _unread(path: str, why: str) -> Unread:
    shown, coded = spell(path)
    return Unread(path=shown, path_b64=coded, why=printable(why))


def _shape(call: Call) -> Callable[[Du, View], Iterator[Line]]:
    wish = call.one("by") or "kind"
    if wish not in SHAPES:
        raise UsageError(f"--by {wish}: wants one of {', '.join(sorted(SHAPES))}")
    return SHAPES[wish]
