"""Rules on containers and their folders (classic-store 10)."""

from collections.abc import Iterable, Iterator

from docker_fsck.api import (
    ActionClass,
    Fault,
    MakeDir,
    Model,
    Ref,
    Remedy,
    Rule,
    Severity,
    WriteFile,
    containers,
    hookimpl,
    is_remnant,
    mounts,
    rule,
    short,
)
from docker_fsck_plugins import container_copies, derive
from docker_fsck_plugins.parts import lost_half
from docker_fsck_plugins.remedies import give_up, put_away, reclaim
from docker_fsck_plugins.strangers import in_container, told


def _ref(container: containers.Container) -> Ref:
    return Ref("container", container.id)


def _all(model: Model) -> Iterator[containers.Container]:
    yield from (container for _, container in sorted(model.containers.items()))


@rule("container-remnant", Severity.INFO, actions=(ActionClass.RECLAIM, ActionClass.LOSSY_USER))
def remnant(model: Model) -> Iterator[Fault]:
    """The rest of a removed container: a folder without config, mount record or writable layer.

    Why it matters: a few files that no command sees.
    How it comes about: the engine was killed while it removed the container's folder.
    Repair: the folder is put away; with checkpoints or a log that holds something only with consent.
    Never: put a folder away in which something lies that no engine writes.
    Daemon says: failed to load container … config.v2.json: no such file or directory
    Seen in: FC-25
    """
    for container in _all(model):
        if container.id in model.mounts.mounts or not is_remnant(model.store, container):
            continue
        mine = in_container(model, container.path)
        if container.user_data:
            kept = ", ".join(container.user_data)
            does = f"put {container.path} with {kept} away"
            remedy = Remedy(
                cls=ActionClass.LOSSY_USER,
                does=does,
                steps=(put_away(container.path),),
                consent=container.id,
                loses=container.user_data,
            )
        else:
            remedy = reclaim(container.path, knowing=("dirs",))
        paths = (container.path, *container.user_data)
        message = f"the rest of the removed container {short(container.id)}{told(mine)}"
        yield Fault(_ref(container), message, paths, "", "", () if mine else (remedy,))


@rule(
    "container-config-corrupt",
    Severity.ERROR,
    actions=(ActionClass.LOSSLESS, ActionClass.LOSSY, ActionClass.LOSSY_USER),
    after=("container-remnant",),
)
def config_corrupt(model: Model) -> Iterator[Fault]:
    """A container's config.v2.json is missing or cannot be read.

    Why it matters: the engine hides the container, frees its name and no longer protects its volumes: do not prune.
    How it comes about: power loss with engines before 1.12, a full disk; a create that was cut short never wrote one.
    Repair: the newest whole temporary copy takes its place, the others are put away. That is lossy, with the list of what is
        uncertain, where whole copies differ in name, image, mounts or networks, where another container has the name, or where
        the copy lacks a mount that the container was made with. Where there never was one, --consent puts folder, record and
        writable layer away; one that no record names goes along only if it can be no other's. Otherwise everything is kept.
    Never: take the writable layer, the record or the volumes of such a container as garbage; choose a copy by its file name.
    Daemon says: failed to load container … error=EOF
    Seen in: FC-20
    """
    for container in _all(model):
        fault = container.fault
        if (
            fault is None
            or fault.state == "unreadable"
            or (container.id not in model.mounts.mounts and is_remnant(model.store, container))
        ):
            continue
        found = container_copies.restored(model, container, containers.CONFIG)
        remedies = [found] if found else []
        mount = model.mounts.mounts.get(container.id)
        if not found and fault.state == "absent":
            remedies.append(give_up(model, container))
        paths = (f"{container.path}/{containers.CONFIG}", *((mount.path,) if mount else ()))
        message = f"the container {short(container.id)} cannot be loaded: config.v2.json: {fault.why}"
        severity = Severity.CRITICAL if containers.PANIC in fault.why else None
        yield Fault(_ref(container), message, paths, "a JSON object", fault.why, tuple(remedies), severity=severity)


@rule("container-id-mismatch", Severity.ERROR, after=("container-config-corrupt",))
def id_mismatch(model: Model) -> Iterator[Fault]:
    """A container's config states another id than its folder's name.

    Why it matters: the engine hides the container.
    How it comes about: the folder was copied or renamed.
    Repair: none.
    Daemon says: Container <ID> is stored at <dir>
    Seen in: FC-20
    """
    for container in _all(model):
        if container.fault is None and container.stated_id != container.id:
            path = f"{container.path}/{containers.CONFIG}"
            yield Fault(
                _ref(container),
                f"{container.ref_name} is stored under another id",
                (path,),
                container.id,
                container.stated_id or "nothing",
            )


@rule(
    "container-hostconfig-corrupt",
    Severity.ERROR,
    actions=(ActionClass.LOSSLESS, ActionClass.LOSSY),
    after=("container-config-corrupt",),
)
def hostconfig_corrupt(model: Model) -> Iterator[Fault]:
    """A container's hostconfig.json cannot be read.

    Why it matters: the engine hides the container; if the file holds `null`, the engine does not start at all.
    How it comes about: power loss with engines before 1.12, a full disk.
    Repair: the newest whole temporary copy takes its place. That is lossy where whole copies differ in binds, mounts, network,
        ports, restart policy, or in what the container may do.
    Never: write an empty one: binds, ports and restart policy would be gone silently.
    Daemon says: failed to load container … error=EOF
    Seen in: FC-21
    """
    for container in _all(model):
        fault = container.hostconfig
        if fault is None or fault.state in {"absent", "unreadable"}:
            continue
        found = container_copies.restored(model, container, containers.HOSTCONFIG)
        severity = Severity.CRITICAL if fault.why == "null" and container.fault is None else None
        message = f"the host configuration of {container.ref_name} cannot be read: {fault.why}"
        remedies = (found,) if found else ()
        yield Fault(_ref(container), message, (fault.path,), "a JSON object", fault.why, remedies, severity=severity)


@rule("container-hostconfig-missing", Severity.WARNING, after=("container-config-corrupt",))
def hostconfig_missing(model: Model) -> Iterator[Fault]:
    """A container has no hostconfig.json.

    Why it matters: the engine takes defaults and writes them back: binds, ports, restart policy are lost silently.
    How it comes about: the file was deleted.
    Repair: none; binds are also in MountPoints of config.v2.json, ports in its NetworkSettings.
    Seen in: FC-21
    """
    for container in _all(model):
        if container.fault is None and container.hostconfig is not None and container.hostconfig.state == "absent":
            path = container.hostconfig.path
            yield Fault(_ref(container), f"{container.ref_name} has no host configuration", (path,), "a file", "no such file")


@rule(
    "container-record-missing",
    Severity.ERROR,
    actions=(ActionClass.LOSSLESS,),
    after=("container-config-corrupt", "container-id-mismatch", "container-dead", "container-name-duplicate"),
)
def record_missing(model: Model) -> Iterator[Fault]:
    """A container of this storage driver has no mount record.

    Why it matters: engines up to 28 hide the container; the next prune takes its image and volumes. From 29.0 it is listed,
        but cannot be used.
    How it comes about: the record was deleted; or the container's removal was cut short.
    Repair: the record is written again if exactly one unclaimed writable layer fits and no other container could own it.
    Never: give a container a writable layer on a guess.
    Daemon says: failed to load container mount … error="mount does not exist"
    Seen in: FC-22
    """
    if model.mounts.faults or lost_half(model):
        return
    for container in _all(model):
        if container.fault is not None or container.driver != model.name or container.id in model.mounts.mounts:
            continue
        base = model.path_of(Ref("mount", container.id))
        found = derive.derive(model, container, None)
        stands = model.mounts.foreign.get(base, "")
        remedies = () if isinstance(found, str) or container.dead or stands else (_record(base, found),)
        message = f"{container.ref_name} has no mount record"
        why = found if isinstance(found, str) else found.why
        actual, through = stands or "no such folder", (_ref(container), Ref("file", model.image_dir))
        yield Fault(_ref(container), message, (base, container.path), why, actual, remedies, through)


def _record(base: str, found: derive.Derived) -> Remedy:
    files = tuple(WriteFile(path=f"{base}/{name}", data=text.encode()) for name, text in derive.texts(found))
    return Remedy(cls=ActionClass.LOSSLESS, does=f"write the mount record {base}", steps=(MakeDir(path=base), *files))


@rule("container-folder-missing", Severity.ERROR)
def folder_missing(model: Model) -> Iterator[Fault]:
    """The folder containers/ is gone, or empty, although mount records speak of containers.

    Why it matters: every container is lost to the engine, which makes an empty folder and no longer protects their volumes
        and images: do not prune. Their writable layers are still there.
    How it comes about: the folder was deleted or not copied; the disk that it lies on is not mounted. It is told as empty where
        writable layers hold something; a record of which the layer holds nothing may be left by a create that was cut short.
    Repair: none; mount the disk, or bring the folder back from a backup. Nothing that a container may own is reclaimed meanwhile.
    Never: start the engine before.
    """
    table, found = model.store.containers, sorted(model.mounts.mounts.values(), key=lambda mount: mount.name)
    if found and (table.absent or (model.marks.blank and any(_written(model, mount) for mount in found))):
        paths = (containers.BASE, *(mount.path for mount in found))
        state, expected = ("gone", "a folder") if table.absent else ("empty", "their folders")
        message = f"the folder containers is {state}, {len(found)} mount records speak of containers"
        actual = "no such folder" if table.absent else "nothing"
        yield Fault(Ref("file", containers.BASE), message, paths, expected, actual)


def _written(model: Model, mount: mounts.Mount) -> bool:
    """Whether a writable layer holds what a container wrote; where each layer is a whole copy this is not known."""
    held = model.top_names(mount.mount_id) if model.home.union and isinstance(mount.mount_id, str) else {}
    return isinstance(held, dict) and bool(held)


@rule("container-foreign-entry", Severity.INFO)
def foreign_entry(model: Model) -> Iterator[Fault]:
    """Something that is no container lies in containers/.

    Why it matters: the engine tries to load it at every start and logs an error.
    How it comes about: somebody put it there: a copy of a container's folder, notes, what a tool keeps there.
    Repair: none; look at it, then decide.
    Never: take it for garbage: no engine has written it.
    Daemon says: failed to load container … not a directory
    """
    for path, kind in sorted(model.store.containers.foreign.items()):
        yield Fault(Ref("file", path), f"a {kind} that is no container", (path,), "a folder named by 64 hex digits", kind)


@rule(
    "container-temp-residue",
    Severity.INFO,
    actions=(ActionClass.RECLAIM,),
    after=("container-config-corrupt", "container-hostconfig-corrupt"),
)
def temp_residue(model: Model) -> Iterator[Fault]:
    """A temporary copy of a container's config was left.

    Why it matters: it does not; beside a damaged config it is the best source and is kept.
    How it comes about: the engine was killed between write and rename.
    Repair: the file is put away, unless the container has a fault.
    Seen in: FC-37
    """
    for container in _all(model):
        if container.fault is None and (container.hostconfig is None or container.hostconfig.state == "absent"):
            for name in container.entries:
                path = f"{container.path}/{name}"
                if name.startswith(".tmp-") and (container.hostconfig is None or containers.HOSTCONFIG not in name):
                    yield Fault(Ref("file", path), "a temporary file was left", (path,), "", "", (reclaim(path),))


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The rules on containers."""
    return (
        remnant, config_corrupt, id_mismatch, hostconfig_corrupt, hostconfig_missing, record_missing, folder_missing,
        foreign_entry, temp_residue,
    )  # fmt: skip
