"""Rules on the networks of this host; their database is never edited (classic-store 11)."""

from collections.abc import Iterable, Iterator

from docker_fsck.api import (
    HEX64,
    ActionClass,
    Confidence,
    Fault,
    Model,
    Ref,
    Remedy,
    Rule,
    Severity,
    Trouble,
    hookimpl,
    networks,
    rule,
    short,
    swarm,
)
from docker_fsck_plugins.remedies import broken, kind_at, refused, set_aside, torn

BUILT_IN = frozenset({"bridge", "host", "null", "overlay", "macvlan", "ipvlan", "remote", "windows", "none"})
DATABASE = Ref("file", networks.DATABASE)
EVERYWHERE = networks.PREDEFINED | {"default", "ingress", "docker_gwbridge"}
AGAIN = "make your networks again and connect their containers"


@rule("network-db-unreadable", Severity.CRITICAL, actions=(ActionClass.LOSSY,))
def db_unreadable(model: Model) -> Iterator[Fault]:
    """network/files/local-kv.db is damaged.

    Why it matters: the engine does not start.
    How it comes about: power loss, a full or failing disk.
    Repair: the file is put away and the engine makes the default networks anew. The networks that users made are lost; the
        commands that make them again are printed as far as they can be read. Where only the newest transaction is torn nothing is
        done: the engine goes on with the state before it.
    Never: put it away without that list; open it for writing to check it.
    Daemon says: Error initializing network controller
    Seen in: FC-26
    """
    source = model.store.networks.database
    yield from torn(source)
    if not broken(source) or refused(model, source.source):
        return
    remedies: tuple[Remedy, ...] = ()
    if kind_at(model, source.source) == "file":
        data = model.store.reader.read(source.source)
        found = networks.salvage(data) if isinstance(data, bytes) else ()
        mine = [each for each in found if each.made_by_user and each.name]
        loses = ("all networks that users made on this host", *(f"the network {each.name} ({each.driver})" for each in mine))
        then = tuple(f"{AGAIN}: {each.command()}" for each in mine) or (f"{AGAIN}: their settings could not be read",)
        remedies = (set_aside(source.source, f"put {source.source} away, so that the engine makes a new one", loses, then),)
    message = f"the database of networks cannot be read: {source.why}"
    yield Fault(DATABASE, message, (source.source,), "a bolt database", source.why or "", remedies)


@rule("network-record-damaged", Severity.WARNING)
def record_damaged(model: Model) -> Iterator[Fault]:
    """A record in network/files/local-kv.db cannot be parsed, or speaks of another network than its key.

    Why it matters: the engine does not see that network or endpoint, or does not start its networking.
    How it comes about: bit rot: the database has no checksum of its pages. A count of endpoints without its network is info: an
        engine that was killed while it made a network leaves one.
    Repair: none; if the engine does not start, move the file away and make the networks again.
    Seen in: FC-26
    """
    table = model.store.networks
    lone = {
        key: Trouble(networks.DATABASE, "malformed", "no such network")
        for ident, key in table.counted.items()
        if ident not in table.networks
    }
    damaged = table.damaged
    if not damaged and lone:
        message = f"{len(lone)} counts of endpoints are of networks that are not there, the first is {min(lone)}"
        yield Fault(DATABASE, message, (networks.DATABASE,), "a network", "none", severity=Severity.INFO)
    if damaged:
        first, fault = min(damaged.items())
        message = f"{len(damaged)} records of networks cannot be read, the first is {first}"
        yield Fault(DATABASE, message, (networks.DATABASE,), "JSON", fault.why)


@rule("container-network-missing", Severity.WARNING, after=("network-db-unreadable", "network-record-damaged"))
def network_missing(model: Model) -> Iterator[Fault]:
    """A container is on a network of the user's that is not there.

    Why it matters: the container does not start. While other networks of the user's are there this is info: most often somebody
        removed one network and left its stopped containers. So it is where the container has joined the network and nothing in
        the database speaks of it: networks of an external store (`--cluster-store`, up to 20.10) are not kept here.
    How it comes about: network/files/local-kv.db was deleted or emptied as a cure for something else; the network was removed.
    Repair: none: the database is never edited. Make the network again with its name, and connect the container to it; where the
        engine names an id, `docker network disconnect -f` first.
    Never: call it missing on a node of a swarm, whose networks come from the managers.
    Daemon says: network <name> not found
    Seen in: FC-26
    """
    table, known = model.store.networks, model.store.containers
    if table.database.state not in {"read", "absent"} or model.store.swarm.member or refused(model, swarm.BASE):
        return
    names = {each.name for each in table.networks.values()}
    traced = {each.network for each in table.endpoints.values()} | table.counted.keys()
    users: dict[str, list[str]] = {}
    joined: dict[str, set[str]] = {}
    for ident, container in sorted(known.containers.items()):
        for name, network in container.networks:
            typed = any(each.startswith(name) for each in table.networks)  # by its id, and not started since
            if not typed and name not in EVERYWHERE and network not in table.networks and (network or name not in names):
                users.setdefault(name, []).append(ident)
                joined.setdefault(name, set()).add(network)
    for name, idents in sorted(users.items()):
        external = table.networks and all(HEX64.fullmatch(each) and each not in traced for each in joined[name])
        message = f"{len(idents)} containers are on the network {name}, which is not there"
        paths = (networks.DATABASE, *(f"containers/{ident}/config.v2.json" for ident in idents))
        suffers = tuple(Ref("container", ident) for ident in idents)
        yield Fault(
            Ref("network", name), message, paths, "a network", "none", (), (DATABASE,), suffers=suffers,
            severity=Severity.INFO if names - networks.PREDEFINED or external else None,
        )  # fmt: skip


@rule("network-bridge-duplicate", Severity.CRITICAL)
def bridge_duplicate(model: Model) -> Iterator[Fault]:
    """Two networks have the same bridge name.

    Why it matters: the engine fails to set up its networks at start.
    How it comes about: two creates at once, or a removal that was cut short.
    Repair: none: the database is never edited. Remove one of them with an engine that starts, or move the file away and
        make the networks again.
    Daemon says: networks have same bridge name
    Seen in: FC-27
    """
    by_bridge: dict[str, list[networks.Network]] = {}
    for _, each in sorted(model.store.networks.networks.items()):
        if each.driver == "bridge" and each.bridge:
            by_bridge.setdefault(each.bridge, []).append(each)
    for bridge, found in sorted(by_bridge.items()):
        if len(found) > 1:
            names = ", ".join(f"{each.name} ({short(each.id)})" for each in found)
            message = f"the networks {names} have the same bridge {bridge}"
            yield Fault(Ref("network", found[-1].id), message, (networks.DATABASE,), "one network", names)


@rule("network-stale", Severity.WARNING)
def stale(model: Model) -> Iterator[Fault]:
    """Records of network endpoints speak of containers that are not there.

    Why it matters: an engine that keeps running says that a network has active endpoints and does not remove it.
    How it comes about: the engine was killed while it removed a container, or the container's folder was deleted.
    Repair: none: the database is never edited. The next start of the engine drops them; on a running one
        `docker network disconnect -f` does.
    Never: edit the file.
    Daemon says: network <name> has active endpoints
    Seen in: FC-27
    """
    table, known = model.store.networks, model.store.containers
    if known.faults or known.absent:
        return
    gone = {
        box.id: box
        for box in table.sandboxes.values()
        if HEX64.fullmatch(box.container) and box.container not in known.containers
    }
    if gone:
        ends = [each for each in table.endpoints.values() if each.sandbox in gone]
        where = sorted({table.networks[each.network].name for each in ends if each.network in table.networks})
        whose = ", ".join(sorted(short(box.container) for box in gone.values()))
        message = (
            f"{len(gone)} sandboxes and {len(ends)} endpoints ({', '.join(where) or 'no network'}) are of lost containers {whose}"
        )
        yield Fault(DATABASE, message, (networks.DATABASE,), "folders of these containers", whose)


@rule("network-driver-missing", Severity.WARNING)
def driver_missing(model: Model) -> Iterator[Fault]:
    """A network's driver is a plugin that is not installed here.

    Why it matters: containers on it do not start.
    How it comes about: the plugin was removed, which only its name in a damaged or half removed folder of a plugin proves: a
        warning. Else it is info: most such drivers are plugins that run outside of the engine (`/run/docker/plugins`), which is
        no fault.
    Repair: none; install the plugin again, or remove the network.
    Seen in: FC-27
    """
    plugins = model.store.plugins
    installed = {word for each in plugins.plugins.values() for word in _words(each.name)}
    lost = {word for name in plugins.lost for word in _words(name)}
    vague = plugins.faults or any(each.fault for each in plugins.plugins.values())  # one of them may be it
    for _, each in sorted(model.store.networks.networks.items()):
        if each.driver in BUILT_IN | installed or each.scope == "swarm" or (vague and each.driver not in lost):
            continue
        message = f"the network {each.name} is of the driver {each.driver}, which is not installed as a plugin"
        grade = (None, Confidence.CERTAIN) if each.driver in lost else (Severity.INFO, Confidence.PROBABLE)
        yield Fault(
            Ref("network", each.id), message, (networks.DATABASE,), "a plugin of this name", "none",
            severity=grade[0], confidence=grade[1],
        )  # fmt: skip


def _words(name: str) -> tuple[str, str]:
    """How the driver of a plugin may be called."""
    return name, name.removesuffix(":latest")


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The rules on networks."""
    return (db_unreadable, record_damaged, network_missing, bridge_duplicate, stale, driver_missing)
