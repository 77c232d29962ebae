"""Rules on the state of the engine itself: its containerd, its id, its place in a swarm (classic-store 11)."""

import re
from collections.abc import Iterable, Iterator

from docker_fsck.api import (
    ActionClass,
    Confidence,
    Fault,
    Level,
    Model,
    Ref,
    Remedy,
    Rule,
    Severity,
    containerd,
    hookimpl,
    rule,
    shown,
    swarm,
)
from docker_fsck_plugins.remedies import broken, kind_at, refused, set_aside, torn

ENGINE_ID = "engine-id"
_MADE = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[A-Z2-7]{4}(:[A-Z2-7]{4}){11}")
"""IDs as engines make them: a uuid, or the fingerprint of a key that was taken over from before 23.0 (daemon/id.go)."""


@rule("containerd-db-unreadable", Severity.CRITICAL, actions=(ActionClass.LOSSY,))
def db_unreadable(model: Model) -> Iterator[Fault]:
    """The meta.db of the engine's containerd is damaged.

    Why it matters: containerd does not serve, so that the engine does not start.
    How it comes about: power loss, a full or failing disk.
    Repair: with a graph driver it holds tasks and pulled manifests only: it is put away and made anew. As the image store it
        holds every image and snapshot: nothing is done; save what is readable, then `load` or pull. Where only the newest
        transaction is torn nothing is done: the engine goes on with the state before it.
    Never: put it away without saying which of the two applies.
    Daemon says: failed to dial …containerd.sock
    Seen in: FC-29
    """
    found = model.store.containerd
    source = found.meta
    yield from torn(source)
    if not broken(source) or refused(model, source.source):
        return
    remedies: tuple[Remedy, ...] = ()
    mode = "graph-driver mode: it holds tasks and manifests of pulled images only"
    if found.image_store:
        mode = "image-store mode, or it cannot be told: it may hold every image"
    elif kind_at(model, source.source) == "file":
        does = f"put {source.source} away, so that containerd makes a new one (graph-driver mode)"
        loses = ("tasks of containers that still run, and manifests of pulled images",)
        remedies = (set_aside(source.source, does, loses),)
    message = f"the database of containerd cannot be read: {source.why}; {mode}"
    yield Fault(Ref("file", source.source), message, (source.source,), "a bolt database", source.why or "", remedies)


@rule("containerd-uuid", Severity.ERROR, actions=(ActionClass.LOSSY,))
def uuid(model: Model) -> Iterator[Fault]:
    """The file with the uuid of containerd is empty or holds none.

    Why it matters: `ctr version` and the introspection service fail; a watchdog restarts the engine for ever.
    How it comes about: power loss.
    Repair: the file is put away; containerd makes a new one.
    Seen in: FC-43
    """
    fault = model.store.containerd.uuid
    if fault is not None and not refused(model, fault.path):
        remedies = (set_aside(fault.path, f"put {fault.path} away", ("nothing: a new uuid is made",)),)
        message = f"containerd has no uuid: {fault.why}"
        fit = remedies if kind_at(model, containerd.UUID) == "file" else ()
        yield Fault(Ref("file", fault.path), message, (fault.path,), "a uuid", fault.why, fit)


@rule("engine-id-empty", Severity.WARNING, actions=(ActionClass.LOSSY,))
def engine_id(model: Model) -> Iterator[Fault]:
    """The file engine-id is empty.

    Why it matters: the engine checks nothing and has an empty ID for ever: tools that know hosts by it take two for one.
    How it comes about: power loss right after the first start.
    Repair: the file is put away; the engine makes a new ID.
    Never: while an engine runs.
    Seen in: FC-35
    """
    if kind_at(model, ENGINE_ID) != "file":
        return
    data = model.store.reader.read(ENGINE_ID)
    if isinstance(data, bytes) and not data.strip(b"\0 \t\r\n"):
        loses = ("the registration of this host with tools that know it by its ID, if there is one",)
        remedies = (set_aside(ENGINE_ID, f"put {ENGINE_ID} away, so that the engine makes a new one", loses),)
        yield Fault(Ref("file", ENGINE_ID), "the engine has an empty ID", (ENGINE_ID,), "a uuid", shown(data), remedies)


@rule("engine-id-malformed", Severity.WARNING, actions=(ActionClass.LOSSY,), after=("engine-id-empty",))
def engine_id_malformed(model: Model) -> Iterator[Fault]:
    """The file engine-id holds something that no engine writes.

    Why it matters: engines since 23.0 take whatever it holds for their ID: tools that know hosts by it see another host. If a
        folder stands there they do not start.
    How it comes about: power loss, a full disk, bit rot. A text that somebody chose is told as info and is no fault.
    Repair: what is no text is put away; the engine makes a new ID.
    Never: while an engine runs.
    Seen in: FC-35
    """
    kind = kind_at(model, ENGINE_ID)
    data = model.store.reader.read(ENGINE_ID) if kind == "file" else b""
    if kind not in {"dir", "file"} or not isinstance(data, bytes) or (kind == "file" and not data.strip(b"\0 \t\r\n")):
        return
    if kind == "file" and _MADE.fullmatch(data.strip()):
        return
    chosen = kind == "file" and data.isascii() and data.decode().strip().isprintable()
    loses = ("the registration of this host with tools that know it by its ID, if there is one",)
    remedies = () if chosen else (set_aside(ENGINE_ID, f"put {ENGINE_ID} away, so that the engine makes a new one", loses),)
    yield Fault(
        Ref("file", ENGINE_ID), "the engine has an ID that no engine makes", (ENGINE_ID,), "a uuid",
        "a folder" if kind == "dir" else shown(data), remedies, confidence=Confidence.PROBABLE if chosen else Confidence.CERTAIN,
        severity=Severity.INFO if chosen else Severity.ERROR if kind == "dir" else None,
    )  # fmt: skip


@rule("swarm-state", Severity.ERROR)
def swarm_state(model: Model) -> Iterator[Fault]:
    """A file of this node's swarm state is damaged.

    Why it matters: the node does not come back into its swarm; with a damaged docker-state.json or state.json the engine does
        not start.
    How it comes about: power loss, a full or failing disk.
    Repair: none. Of several managers: copy `swarm/` away, leave the swarm by force and join again. The only manager: copy
        `swarm/` away, then `docker swarm init --force-new-cluster`. `worker/tasks.db` alone may be moved away.
    Never: delete files of the log.
    Daemon says: Error starting cluster component: unexpected end of JSON input
    Seen in: FC-51
    """
    found = model.store.swarm
    role = "a manager" if found.manager else "a worker" if found.member else "no member of a swarm"
    for fault in found.faults:
        if not refused(model, fault.path):
            message = f"the swarm state of this node, which is {role}, is damaged: {fault.path}: {fault.why}"
            fatal = found.member and fault.path in {swarm.NODE, swarm.REMOTES} and fault.state == "malformed"
            severity = Severity.CRITICAL if fatal else None
            said = "" if fatal else "swarm component could not be started"
            yield Fault(Ref("file", fault.path), message, (fault.path,), "", fault.why, severity=severity, daemon_error=said)


@rule("swarm-log-damaged", Severity.ERROR, level=Level.DEEP, after=("swarm-state",))
def swarm_log(model: Model) -> Iterator[Fault]:
    """A record in the log of a swarm manager does not have its checksum.

    Why it matters: the manager does not come back into its swarm, or forgets what stands behind the record.
    How it comes about: power loss, a failing disk, bit rot. A last record that is cut off is repaired by the engine.
    Repair: none. Of several managers: copy `swarm/` away, leave the swarm by force and join again. The only manager: copy
        `swarm/` away, then `docker swarm init --force-new-cluster`.
    Never: delete files of the log.
    Seen in: FC-51
    """
    if model is model.store.models[0]:
        for fault in swarm.logs(model.store.reader):
            message = f"the log of this manager is damaged: {fault.path}: {fault.why}"
            yield Fault(Ref("file", fault.path), message, (fault.path,), "whole records", fault.why)


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The rules on the state of the engine."""
    return (db_unreadable, uuid, engine_id, engine_id_malformed, swarm_state, swarm_log)
