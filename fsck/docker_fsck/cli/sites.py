"""What every change of a root needs from outside, put together in one place: locks, probes, events, signals."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from docker_fsck.apply.site import Event as Happened
from docker_fsck.apply.site import Site
from docker_fsck.cli.edge import Call
from docker_fsck.cli.interrupts import deferred
from docker_fsck.cli.session import Survey
from docker_fsck.errors import Refused
from docker_fsck.log import Event
from docker_fsck.reports import files, stream

_LOGGED = {
    "done": Event.STEP,
    "undone": Event.STEP,
    "purged": Event.STEP,
    "skipped": Event.SKIPPED,
    "checked": Event.TRANSACTION,
    "ended": Event.TRANSACTION,
}


@contextmanager
def changing(call: Call, root: str) -> Iterator[Site]:
    """The site of a change; inside, SIGINT, SIGTERM and SIGHUP only ask it to end between two steps."""
    if call.config.journal_dir is not None:
        files.outside(call.config.journal_dir, root, "--journal-dir")
    edge = call.edge
    if (other := edge.look(root).fsck_pid) is not None:  # before anybody takes its transaction for one that was cut short
        raise Refused(_busy(other))
    with deferred() as interrupted:
        yield Site(
            root=root,
            hold=edge.hold,
            engine_processes=edge.engine_processes,
            look=edge.look,
            watch=_watch(call),
            interrupted=interrupted,
            sleep=edge.sleep,
            settle=edge.settle,
            journal_dir=call.config.journal_dir,
        )


def _watch(call: Call) -> Callable[[Happened], None]:
    """Tell the log of each event and, if the format is a stream, standard output."""

    def watch(event: Happened) -> None:
        if event.what in _LOGGED:
            facts = {name: value for name in ("op", "path", "why") if (value := getattr(event, name))}
            call.edge.log.say(_LOGGED[event.what], what=event.what, txn=event.txn, n=event.n, **facts)
        if call.config.format == "jsonl":
            call.edge.terminal.data(stream.line("event", event))

    return watch


def _busy(pid: int) -> str:
    return f"another docker-fsck (process {pid}) is changing this root"


def in_the_way(found: Survey) -> str:
    """Why nothing may be changed on this root now, nothing if it may."""
    host = found.host
    if host.fsck_pid is not None:
        return _busy(host.fsck_pid)
    if txn := found.report.store.unfinished_transaction:
        return f"transaction {txn} is unfinished: docker-fsck recover takes it back, recover --finish completes it"
    if os.statvfs(found.root.path).f_flag & os.ST_RDONLY:
        return "the data root is mounted read-only here"
    match host.state:
        case "stopped":
            return ""
        case "live":
            return f"an engine uses this root: {host.why}"
        case "unknown":
            return f"the engine is not known to be stopped: {host.why}"
