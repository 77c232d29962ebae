"""Containers, `containers/<id>/` (classic-store 10)."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from docker_fsck import ahead, ids
from docker_fsck.reader import BIG, Reader
from docker_fsck.records import members, siblings
from docker_fsck.records.gojson import first, ill_typed, labels, member, respelt, text
from docker_fsck.values import Trouble

BASE = "containers"
LAYERS_WORTH = 4
"""A container takes as long to read as this many layer records."""
CONFIG = "config.v2.json"
HOSTCONFIG = "hostconfig.json"


PANIC = "the engine does not start"
SHAPE = {
    "ID": "text",
    "Name": "text",
    "Driver": "text",
    "Image": "text",
    "State": "object",
    "Config": "object",
    "MountPoints": "object",
    "NetworkSettings": "object",
    "Created": "time",
    "Path": "text",
    "Args": "texts",
    "LogPath": "text",
    "RestartCount": "integer",
    "Managed": "flag",
    "OS": "text",
    "MountLabel": "text",
    "ProcessLabel": "text",
    "HostnamePath": "text",
    "HostsPath": "text",
    "ResolvConfPath": "text",
    "ShmPath": "text",
    "HasBeenStartedBefore": "flag",
    "HasBeenManuallyStopped": "flag",
}
"""The types of the members of config.v2.json (container/container.go): Go rejects a document with another one."""
RECORDED = ("LogPath", "HostnamePath", "HostsPath", "ResolvConfPath")
"""Members of config.v2.json that hold a path of the container's own folder, as the host named it then (classic-store 10.2)."""
STATE = {
    "Running": "flag", "Paused": "flag", "Restarting": "flag", "OOMKilled": "flag", "RemovalInProgress": "flag", "Dead": "flag",
    "Pid": "integer", "ExitCode": "integer", "Error": "text", "StartedAt": "time", "FinishedAt": "time",
}  # fmt: skip


class Sibling(msgspec.Struct, frozen=True):
    """A temporary copy beside a config; `whole`: it could stand in the config's place. `mtime_ns`: when it was written."""

    path: str
    data: bytes
    whole: bool
    mtime_ns: int = 0


class Container(msgspec.Struct, frozen=True):
    """A container by its folder's name. `fault`: why config.v2.json cannot be used; what it says is empty then.

    `volumes` are those of this root, `volume_drivers` the drivers of all its mounts. `user_data`: logs and checkpoints that
    hold something, looked for only where the config is absent. `siblings`: the newest first, those of the config before.
    `recorded`: the paths of its own folder as it knows them. `networks`: name and id of each that it is on, the id empty
    before its first start. `respelt`: members of both documents of whose names a bit is another.
    `snapshotted`: it belongs to the containerd image store. `images`: mount records of the images that are mounted in it,
    `sources`: paths mounted in it that may lead to driver dirs.
    `hostconfig` None: it reads well; absent is a `Trouble` of state absent. `entries` are the folder's names and kinds.
    """

    id: str
    path: str
    entries: dict[str, str]
    fault: Trouble | None
    hostconfig: Trouble | None
    stated_id: str = ""
    name: str = ""
    driver: str = ""
    image: str = ""
    image_name: str = ""
    dead: bool = False
    running: bool = False
    volumes: tuple[str, ...] = ()
    volume_drivers: tuple[str, ...] = ()
    siblings: tuple[Sibling, ...] = ()
    user_data: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    recorded: tuple[str, ...] = ()
    networks: tuple[tuple[str, str], ...] = ()
    respelt: tuple[str, ...] = ()
    snapshotted: bool = False
    images: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def ref_name(self) -> str:
        """How a person knows it."""
        return self.name.removeprefix("/") or ids.short(self.id)


class ContainerTable(msgspec.Struct, frozen=True):
    """Containers by folder name, entries that are none by path; `faults`: what could not be listed. `absent`: no such folder."""

    containers: dict[str, Container]
    foreign: dict[str, str]
    faults: tuple[Trouble, ...]
    absent: bool = False

    @property
    def bare(self) -> bool:
        """Whether the folder is empty, like the place of a disk that is not mounted."""
        return not (self.absent or self.containers or self.foreign or self.faults)


def begin(reader: Reader) -> Callable[[], ContainerTable]:
    """Start to read in a second process where there are many; what comes back ends it."""
    names = reader.names(BASE)
    return ahead.begin(reader, read, ContainerTable, LAYERS_WORTH * len(names) if isinstance(names, dict) else 0)


def read(reader: Reader) -> ContainerTable:
    """All of containers/."""
    names = reader.names(BASE)
    if isinstance(names, Trouble):
        absent = names.state == "absent"
        return ContainerTable({}, {}, () if absent else (names,), absent=absent)
    found: dict[str, Container] = {}
    foreign: dict[str, str] = {}
    for name, kind in names.items():
        path = f"{BASE}/{name}"
        if ids.HEX64.fullmatch(name):
            found[name] = _container(reader, name, path)
        else:
            foreign[path] = kind
    return ContainerTable(found, foreign, ())


def _container(reader: Reader, ident: str, path: str) -> Container:
    entries = reader.names(path)
    if isinstance(entries, Trouble):
        return Container(ident, path, {}, entries, None)
    hostconfig, host = _hostconfig(reader, path, entries)
    beside = tuple(_siblings(reader, path, entries, ident))
    config = _config(reader, path, entries)
    if isinstance(config, Trouble):
        data = tuple(_user_data(reader, path, entries)) if config.state == "absent" else ()
        return Container(ident, path, entries, config, hostconfig, siblings=beside, user_data=data)
    state = member(config, "State")
    state = state if isinstance(state, dict) else {}
    inner, points = member(config, "Config"), [each for each in _points(config).values() if isinstance(each, dict)]
    return Container(
        ident, path, entries, None, hostconfig,
        stated_id=ident if member(config, "ID") is None else text(config, "ID") or "",
        name=text(config, "Name") or "",
        driver=text(config, "Driver") or "",
        image=text(config, "Image") or "",
        image_name=(text(inner, "Image") or "") if isinstance(inner, dict) else "",
        dead=member(state, "Dead") is True or member(state, "RemovalInProgress") is True,
        running=member(state, "Running") is True,
        volumes=_volumes(config),
        volume_drivers=tuple(sorted({text(each, "Driver") or "" for each in points})),
        siblings=beside,
        labels=labels(inner),
        recorded=tuple(filter(None, (text(config, name) for name in RECORDED))),
        networks=tuple(_networks(config)),
        respelt=tuple(_respelt(config, host)),
        snapshotted=isinstance(member(config, "ImageManifest"), dict),
        images=tuple(text(each, "ID") or "" for each in points if text(each, "Type") == "image"),
        sources=tuple(source for each in points if ids.named(source := text(each, "Source") or "")),
    )  # fmt: skip


def parse(data: bytes, path: str) -> dict[str, Any] | Trouble:
    """A config.v2.json as far as the engine must be able to read it: an object whose main fields have their types."""
    value = first(data, path)
    if isinstance(value, Trouble):
        return value
    if not isinstance(value, dict):
        return Trouble(path, "malformed", "not a JSON object")
    for part, shape in (
        (value, SHAPE),
        (member(value, "State") or {}, STATE),
        (_points(value), dict.fromkeys(_points(value), "object")),
    ):
        wrong = ill_typed(part, shape) if isinstance(part, dict) else None
        if wrong:
            return Trouble(path, "malformed", wrong)
    if member(value, "Config") is None or (_holds(value, "State") and member(value, "State") is None):
        return Trouble(path, "malformed", f"{'State' if member(value, 'Config') is not None else 'Config'} is null: {PANIC}")
    return value


def _points(value: dict[str, Any]) -> dict[str, Any]:
    found = member(value, "MountPoints")
    return found if isinstance(found, dict) else {}


def _networks(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    settings = member(config, "NetworkSettings")
    found = member(settings, "Networks") if isinstance(settings, dict) else None
    for name, ends in sorted(found.items()) if isinstance(found, dict) else ():
        yield name, (text(ends, "NetworkID") or "") if isinstance(ends, dict) else ""


def _holds(value: dict[str, Any], name: str) -> bool:
    return any(key.casefold() == name.casefold() for key in value)


def _config(reader: Reader, path: str, entries: dict[str, str]) -> dict[str, Any] | Trouble:
    if CONFIG not in entries:
        return Trouble(f"{path}/{CONFIG}", "absent", "no such file")
    data = reader.read(f"{path}/{CONFIG}", BIG)
    return data if isinstance(data, Trouble) else parse(data, f"{path}/{CONFIG}")


def _hostconfig(reader: Reader, path: str, entries: dict[str, str]) -> tuple[Trouble | None, Any]:
    place = f"{path}/{HOSTCONFIG}"
    if HOSTCONFIG not in entries:
        return Trouble(place, "absent", "no such file"), None
    data = reader.read(place, BIG)
    value = data if isinstance(data, Trouble) else first(data, place)
    if isinstance(value, Trouble):
        return value, None
    wrong = None if isinstance(value, dict) else Trouble(place, "malformed", "null" if value is None else "not a JSON object")
    return wrong, value


def _respelt(config: dict[str, Any], host: Any) -> Iterator[str]:  # noqa: ANN401 - JSON is any value
    parts = (
        (CONFIG, config, members.CONFIG), (CONFIG, member(config, "State"), members.STATE),
        (CONFIG, member(config, "Config"), members.RUN), (HOSTCONFIG, host, members.HOST),
    )  # fmt: skip
    for name, value, known in parts:
        yield from (f"{name}: {wrong} instead of {right}" for wrong, right in respelt(value, known))


def _siblings(reader: Reader, path: str, entries: dict[str, str], ident: str) -> Iterator[Sibling]:
    for target in (CONFIG, HOSTCONFIG):
        for each in siblings.beside(reader, path, entries, target):
            data = b"" if isinstance(each.data, Trouble) else each.data
            yield Sibling(each.path, data, _whole(data, each.path, target, ident), each.mtime_ns)


def _whole(data: bytes, path: str, target: str, ident: str) -> bool:
    if target == CONFIG:
        config = parse(data, path)
        return not isinstance(config, Trouble) and text(config, "ID") == ident
    return isinstance(first(data, path), dict)


def _user_data(reader: Reader, path: str, entries: dict[str, str]) -> Iterator[str]:
    """What a person may want to keep of a folder without a config (interface section 3)."""
    for folder in ("checkpoints", "local-logs"):
        if folder in entries and reader.names(f"{path}/{folder}") != {}:
            yield f"{path}/{folder}"
    for name in entries:
        if ".log" in name:
            facts = reader.facts(f"{path}/{name}")
            if isinstance(facts, Trouble) or facts.size:
                yield f"{path}/{name}"


def _volumes(config: dict[str, Any]) -> tuple[str, ...]:
    points = _points(config)
    names = {
        text(point, "Name")
        for point in points.values()
        if isinstance(point, dict) and text(point, "Type") in {"volume", ""} and text(point, "Driver") in {"local", ""}
    }
    return tuple(sorted(name for name in names if name))
