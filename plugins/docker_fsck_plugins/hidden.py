"""Rules on containers that an engine hides or cannot use, and on what the next prune takes from them (classic-store 10.4)."""

from collections.abc import Iterable, Iterator

from docker_fsck.api import (
    ActionClass,
    Fault,
    Model,
    Ref,
    Remedy,
    Rule,
    Severity,
    Store,
    containers,
    hookimpl,
    is_remnant,
    rule,
    short,
)
from docker_fsck_plugins.remedies import give_up

PRUNES = "docker volume prune, docker system prune, docker image prune -a"


def _ref(container: containers.Container) -> Ref:
    return Ref("container", container.id)


@rule("container-dead", Severity.WARNING, actions=(ActionClass.LOSSY_USER,), after=("container-config-corrupt",))
def dead(model: Model) -> Iterator[Fault]:
    """The removal of a container was cut short: it is marked as dead.

    Why it matters: it cannot be started, and keeps its name and its space.
    How it comes about: the engine was killed while it removed the container, or the writable layer was busy.
    Repair: `docker rm` finishes it as long as its mount record is whole. With consent the record, the writable layer and the
        folder are put away together; volumes are left alone. Until then its files can still be copied out.
    Never: take the mark away; remove its volumes.
    Daemon says: container is marked for removal and cannot be started
    Seen in: FC-25
    """
    for _, container in sorted(model.containers.items()):
        if container.fault is not None or not container.dead:
            continue
        mount = model.mounts.mounts.get(container.id)
        idents = [ident for ident in (mount.dir_ids if mount else ()) if ident in model.home.ids()]
        left = ["its folder", *(["its mount record"] if mount else []), *(["its writable layer"] if idents else [])]
        lost = mount is not None and not isinstance(mount.mount_id, str)
        ambiguous = (mount is None or lost) and bool(model.marks.pairs)  # one of them may be its own
        remedies = () if ambiguous or model.mounts.faults or model.home.partial else (give_up(model, container),)
        message = f"the removal of {container.ref_name} was cut short: {', '.join(left)} are left"
        paths = (f"{container.path}/{containers.CONFIG}", *((mount.path,) if mount else ()), *map(model.home.path, idents))
        yield Fault(_ref(container), message, paths, "no container", "Dead", remedies, (_ref(container),))


@rule("container-unclean", Severity.INFO)
def unclean(model: Model) -> Iterator[Fault]:
    """A container is recorded as running although nothing runs.

    Why it matters: it does not: the next start of the engine sets it right, and starts it again if its policy says so.
    How it comes about: power loss, or the engine was killed.
    Repair: none is needed.
    """
    host = model.store.host
    if host.state != "stopped" or host.users or host.held:
        return
    for _, container in sorted(model.containers.items()):
        if container.fault is None and container.running and not container.dead:
            path = f"{container.path}/{containers.CONFIG}"
            yield Fault(_ref(container), f"{container.ref_name} is recorded as running", (path,), "", "Running")


@rule("container-name-duplicate", Severity.ERROR, actions=(ActionClass.LOSSY_USER,), after=("container-id-mismatch",))
def name_duplicate(model: Model) -> Iterator[Fault]:
    """Two containers have the same name.

    Why it matters: after each start of the engine either the one or the other owns the name, and the other is hidden.
    How it comes about: a removal failed half way, and a new container was made under the name.
    Repair: with consent the one that has neither mount record nor writable layer is put away, if exactly one other has both.
        Otherwise none.
    Never: pick by age; touch any if both have a writable layer.
    Daemon says: failed to register container name: /<name> … name is reserved
    Seen in: FC-23
    """
    named: dict[str, list[containers.Container]] = {}
    for _, container in sorted(model.containers.items()):
        if container.fault is None and container.stated_id == container.id and container.name.strip("/"):
            named.setdefault(container.name.removeprefix("/"), []).append(container)
    for name, group in sorted(named.items()):
        if len(group) > 1:
            yield from _shadows(model, name, group)


def _shadows(model: Model, name: str, group: list[containers.Container]) -> Iterator[Fault]:
    records = model.mounts.mounts
    alive = [each for each in group if each.id in records and _has_layer(model, each.id)]
    gone = [each for each in group if each.id not in records]
    told = f"{len(group)} containers are called {name}: " + ", ".join(short(each.id) for each in group)
    certain = not (model.marks.pairs or model.mounts.faults or model.mounts.absent or model.home.partial)
    if len(alive) != 1 or len(gone) != len(group) - 1 or not certain:
        paths = tuple(f"{each.path}/{containers.CONFIG}" for each in group)
        others = tuple(_ref(each) for each in group[1:])
        yield Fault(_ref(group[0]), told, paths, "one container", str(len(group)), suffers=others)
        return
    for each in gone:
        logs = tuple(f"{each.path}/{entry}" for entry in each.entries if ".log" in entry)
        does = f"put {each.path} away, the rest of an older container called {name}"
        remedy = Remedy(cls=ActionClass.LOSSY_USER, does=does, forget=(_ref(each),), consent=each.id, loses=(each.path, *logs))
        message = f"{told}; {short(alive[0].id)} has the writable layer, {short(each.id)} has none"
        paths = (f"{each.path}/{containers.CONFIG}", f"{alive[0].path}/{containers.CONFIG}")
        yield Fault(_ref(each), message, paths, "one container", str(len(group)), (remedy,), (_ref(each),))


def _has_layer(model: Model, name: str) -> bool:
    ident = model.mounts.mounts[name].mount_id
    return isinstance(ident, str) and model.home.missing(ident) is None


@rule("container-image-missing", Severity.INFO, after=("container-config-corrupt", "container-id-mismatch"))
def image_missing(model: Model) -> Iterator[Fault]:
    """The image of a container was removed.

    Why it matters: it does not: the container keeps the layers. No other container can be made from that image.
    How it comes about: `docker rmi -f`; or the container names another image since a bit of the name is another.
    Repair: none is needed.
    Never: take the layers as garbage: they are reachable only through the container.
    Seen in: FC-60
    """
    images = model.images
    if images.faults or images.absent:
        return
    for _, container in sorted(model.containers.items()):
        known = not container.image or container.image in images.images or container.image in model.store.wanted.images
        if container.fault is None and not container.dead and not known:
            path = f"{container.path}/{containers.CONFIG}"
            message = f"the image of {container.ref_name} was removed"
            yield Fault(_ref(container), message, (path,), "", container.image, (), (_ref(container),))


@rule("prune-hazard", Severity.CRITICAL)
def prune_hazard(model: Model) -> Iterator[Fault]:
    """Volumes or images of containers that the engine hides: the next prune takes them.

    Why it matters: a hidden container protects neither its volumes nor its image. `docker volume prune`, `docker system
        prune` and, for images, `docker image prune -a` delete what no visible container uses.
    How it comes about: a damaged configuration or mount record, a lost layer, another storage driver: see the other findings.
    Repair: mend what hides the container first. Until then: do not prune.
    Never: prune now.
    Seen in: FC-20, FC-21, FC-22, FC-33
    """
    store = model.store
    hidden = _hidden(store)
    if not hidden or store.containers.faults or store.containers.absent:
        return
    table = store.containers.containers
    seen = [container for ident, container in table.items() if ident not in hidden]
    kept = {name for container in seen for name in container.volumes}
    named = {name for ident in hidden for name in table[ident].volumes}
    vague = [ident for ident in hidden if table[ident].fault is not None]
    risk = sorted(
        name for name in (store.volumes.volumes if vague else named) if name in store.volumes.volumes and name not in kept
    )
    lone = {table[ident].image for ident in hidden} - {container.image for container in seen}
    images = sorted(image for image in lone if any(image in each.images.images for each in store.models))
    if not risk and not images:
        return
    whose = ", ".join(f"{table[ident].ref_name} ({why})" for ident, why in sorted(hidden.items()))
    what = [f"the volumes {', '.join(risk)}"] if risk else []
    what += [f"the images {', '.join(map(short, images))}"] if images else []
    message = f"do not prune: {' and '.join(what)} {'may belong' if vague else 'belong'} to hidden containers: {whose}"
    paths = (*(store.volumes.volumes[name].path for name in risk), *(table[ident].path for ident in sorted(hidden)))
    suffers = (*(Ref("volume", name) for name in risk), *(Ref("image", each) for each in images))
    suffers += tuple(Ref("container", ident) for ident in sorted(hidden))
    severity = None if risk else Severity.ERROR
    yield Fault(Ref("store", "prune"), message, paths, f"no {PRUNES}", whose, severity=severity, suffers=suffers)


def _hidden(store: Store) -> dict[str, str]:
    """The containers that an engine does not show, each with the reason."""
    found = dict.fromkeys(store.foreign, "of another storage driver")
    for model in store.models:
        for ident, container in model.containers.items():
            why = "" if is_remnant(store, container) and ident not in model.mounts.mounts else _why(model, container)
            if why:
                found.setdefault(ident, why)
    return found


def _why(model: Model, container: containers.Container) -> str:
    fault, host = container.fault, container.hostconfig
    if fault is not None:
        return "" if fault.state == "unreadable" else "its configuration is damaged"
    if container.stated_id != container.id:
        return "it is stored under another id"
    if host is not None and host.state not in {"absent", "unreadable"}:
        return "its host configuration is damaged"
    if model.mounts.faults or model.layers.faults or container.dead:
        return ""
    mount = model.mounts.mounts.get(container.id)
    if mount is None or any(each.state != "unreadable" for each in mount.troubles):
        return "it has no usable mount record"
    return "the layer that it stands on is lost" if mount.parent_id and mount.parent_id not in model.loadable else ""


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The rules on hidden containers."""
    return (dead, unclean, name_duplicate, image_missing, prune_hazard)
