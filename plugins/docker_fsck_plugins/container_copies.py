"""A temporary copy of a container's config.v2.json or hostconfig.json in its place: the newest, and what is not certain of it."""

import posixpath
from collections.abc import Iterator
from typing import Any

from docker_fsck.api import ActionClass, Model, Remedy, Step, Trouble, WriteFile, containers, gojson, short
from docker_fsck_plugins.remedies import dated, put_away

HOST = (
    "Binds", "Mounts", "VolumesFrom", "Tmpfs", "NetworkMode", "PortBindings", "Links", "RestartPolicy", "AutoRemove",
    "Privileged", "CapAdd", "CapDrop", "Devices", "SecurityOpt", "UsernsMode", "Runtime",
)  # fmt: skip
"""Members of hostconfig.json on which copies must agree: where data lies, who reaches it, what the container may do."""
POINT = ("Type", "Name", "Source", "Driver", "RW")
MANAGED = frozenset({"volume", "bind"})


def restored(model: Model, container: containers.Container, target: str) -> Remedy | None:
    """The newest whole copy takes the file's place, all copies are put away; with a loss where another one could be right."""
    own = [each for each in container.siblings if target in each.path]
    whole = [each for each in own if each.whole]
    if not whole:
        return None
    path = f"{container.path}/{target}"
    steps: tuple[Step, ...] = (
        WriteFile(path=path, data=whole[0].data, mode=0o600),
        *(put_away(each.path) for each in own),
    )
    does = f"restore {path} from {_named(whole[0])}"
    doubts = tuple(_doubts(model, container, target, whole))
    if not doubts:
        return Remedy(cls=ActionClass.LOSSLESS, does=does, steps=steps)
    then = (f"compare with docker inspect what {container.path} had; every copy lies in the quarantine until a purge",)
    return Remedy(cls=ActionClass.LOSSY, does=does, steps=steps, loses=tuple(f"certainty: {each}" for each in doubts), next=then)


def _named(sibling: containers.Sibling) -> str:
    return f"{sibling.path.rpartition('/')[2]} of {dated(sibling.mtime_ns)}"


def _doubts(model: Model, container: containers.Container, target: str, whole: list[containers.Sibling]) -> Iterator[str]:
    """Why the newest whole copy may not be what the file said last."""
    facts = [(each, _facts(each, target)) for each in whole]
    newest, said = facts[0]
    for other, told in facts[1:]:
        differ = ", ".join(name for name in said if said[name] != told[name])
        if differ:
            yield f"{_named(newest)} and {_named(other)} differ in {differ}"
    if target == containers.CONFIG:
        config = _document(newest.data)
        yield from _taken(model, container, _called(config))
        mounted = {posixpath.normpath(each) for each in _object(config, "MountPoints")}
        if lacks := ", ".join(sorted(_promised(model, container, config) - mounted)):
            yield f"{_named(newest)} has no mount at {lacks}, with which the container was made: volumes stay unprotected"


def _taken(model: Model, container: containers.Container, name: str) -> Iterator[str]:
    for _, other in sorted(model.containers.items()):
        if name and other.id != container.id and name == _name_of(other):
            yield f"{name} is also the name of the container {short(other.id)}: one of the two would be hidden"


def _name_of(container: containers.Container) -> str:
    """What a container is called, or will be once its own copy is in place."""
    if container.fault is None:
        return container.name.removeprefix("/") if container.stated_id == container.id else ""
    whole = (each for each in container.siblings if each.whole and containers.CONFIG in each.path)
    return next((_called(_document(each.data)) for each in whole), "")


def _facts(sibling: containers.Sibling, target: str) -> dict[str, Any]:
    """What must not differ between copies."""
    value = _document(sibling.data)
    if target != containers.CONFIG:
        return {name: gojson.member(value, name) or None for name in HOST}
    points = _object(value, "MountPoints")
    networks = _object(_object(value, "NetworkSettings"), "Networks")
    return {
        "Name": _called(value),
        "Image": gojson.member(value, "Image"),
        "Driver": gojson.member(value, "Driver"),
        "MountPoints": {posixpath.normpath(place): _point(each) for place, each in points.items()},
        "Networks": sorted(networks),
    }


def _point(value: Any) -> tuple[Any, ...]:  # noqa: ANN401 - JSON is any value
    return tuple(gojson.member(value, name) or None for name in POINT) if isinstance(value, dict) else ()


def _promised(model: Model, container: containers.Container, config: dict[str, Any]) -> set[str]:
    """Where the container was made to have volumes and folders of the host: by its image, and by its host configuration."""
    host = _host(model, container)
    found = set(_object(_object(config, "Config"), "Volumes"))
    for bind in _list(host, "Binds"):
        parts = bind.split(":") if isinstance(bind, str) else []
        found.update(parts[1:2])
    for mount in _list(host, "Mounts"):
        if isinstance(mount, dict) and gojson.text(mount, "Type") in MANAGED:
            found.add(gojson.text(mount, "Target") or "")
    return {posixpath.normpath(each) for each in found if each} - {posixpath.normpath(each) for each in _object(host, "Tmpfs")}


def _host(model: Model, container: containers.Container) -> dict[str, Any]:
    """The host configuration, or its newest whole copy."""
    if container.hostconfig is None:
        data = model.store.reader.read(f"{container.path}/{containers.HOSTCONFIG}")
        return {} if isinstance(data, Trouble) else _document(data)
    whole = (each for each in container.siblings if each.whole and containers.HOSTCONFIG in each.path)
    return next((_document(each.data) for each in whole), {})


def _document(data: bytes) -> dict[str, Any]:
    value = gojson.first(data, "")
    return value if isinstance(value, dict) else {}


def _object(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = gojson.member(value, name)
    return found if isinstance(found, dict) else {}


def _list(value: dict[str, Any], name: str) -> list[Any]:
    found = gojson.member(value, name)
    return found if isinstance(found, list) else []


def _called(config: dict[str, Any]) -> str:
    return (gojson.text(config, "Name") or "").removeprefix("/")
