"""Networks, endpoints and sandboxes of network/files/local-kv.db (libnetwork; classic-store 11, FC-26, FC-27)."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import msgspec

from docker_fsck.boltread import open_database, told
from docker_fsck.reader import Reader
from docker_fsck.records.fields import decoded
from docker_fsck.records.gojson import first, member, text
from docker_fsck.records.salvage import objects
from docker_fsck.values import Source, Trouble

DATABASE = "network/files/local-kv.db"
BUCKET = b"libnetwork"
PREFIX = "docker/network/v1.0/"
INDEX = 8
"""A value is a number of 8 bytes (the index of the last change) and then JSON, which folders of the key space lack."""

PREDEFINED = frozenset({"bridge", "host", "none"})
GENERIC = "com.docker.network.generic"
BRIDGE_NAME = "com.docker.network.bridge.name"
_IDS = {"network": "id", "endpoint": "id", "sandbox": "ID"}
_SHAPE = re.compile(rb'\{"addrSpace":')


class Pool(msgspec.Struct, frozen=True):
    """A subnet of a network, as it was asked for or given."""

    subnet: str
    gateway: str = ""
    ip_range: str = ""


class Network(msgspec.Struct, frozen=True):
    """A network of this host. `bridge` is the name of its device, empty if it has none of its own."""

    id: str
    name: str
    driver: str
    scope: str
    bridge: str = ""
    pools: tuple[Pool, ...] = ()
    options: dict[str, str] = {}
    labels: dict[str, str] = {}
    flags: tuple[str, ...] = ()

    @property
    def made_by_user(self) -> bool:
        """Whether the engine would not make it again by itself: neither predefined nor of a swarm."""
        return self.name not in PREDEFINED and self.scope in {"", "local"} and "ingress" not in self.flags

    def command(self) -> str:
        """What makes it again."""
        words = ["docker", "network", "create", "--driver", self.driver]
        for pool in self.pools:
            words += ["--subnet", pool.subnet]
            words += ["--gateway", pool.gateway] if pool.gateway else []
            words += ["--ip-range", pool.ip_range] if pool.ip_range else []
        words += [f"--{flag}" for flag in self.flags]
        words += [each for key, value in sorted(self.options.items()) for each in ("--opt", f"{key}={value}")]
        words += [each for key, value in sorted(self.labels.items()) for each in ("--label", f"{key}={value}")]
        return shlex.join([*words, self.name])


class Endpoint(msgspec.Struct, frozen=True):
    """A container's end of a network; `sandbox` is empty before it has joined one."""

    id: str
    network: str
    name: str
    sandbox: str


class Sandbox(msgspec.Struct, frozen=True):
    """The network side of a container that runs or ran; for swarm and builds `container` is no container's id."""

    id: str
    container: str


class NetworkTable(msgspec.Struct, frozen=True):
    """What local-kv.db holds, by id; `database` is how it was read, `damaged` are records that cannot be parsed, by key.

    `counted`: the keys of the numbers of endpoints, by network.
    """

    database: Source
    networks: dict[str, Network] = {}
    endpoints: dict[str, Endpoint] = {}
    sandboxes: dict[str, Sandbox] = {}
    damaged: dict[str, Trouble] = {}
    counted: dict[str, str] = {}


def read(reader: Reader) -> NetworkTable:
    """All that is asked of local-kv.db."""
    database = open_database(reader, DATABASE)
    if isinstance(database, Source):
        return NetworkTable(database)
    table = NetworkTable(told(DATABASE, database), {}, {}, {}, {}, {})
    bucket = database.root.bucket(BUCKET)
    for key, value in bucket.items() if bucket else ():
        name = decoded(key)
        kind, _, ids = name.removeprefix(PREFIX).strip("/").partition("/")
        if kind == "endpoint_count" and ids:
            table.counted[ids] = name
        if isinstance(value, bytes) and len(value) > INDEX and kind in {"network", "endpoint", "sandbox"}:
            document = first(value[INDEX:], f"{DATABASE}: {name}")
            if isinstance(document, dict) and (text(document, _IDS[kind]) or "") == ids.rpartition("/")[2]:
                _put(table, kind, ids, document)
            elif isinstance(document, dict):
                table.damaged[name] = Trouble(DATABASE, "malformed", f"it speaks of {text(document, _IDS[kind]) or 'nothing'}")
            else:
                table.damaged[name] = (
                    document if isinstance(document, Trouble) else Trouble(DATABASE, "malformed", "not a JSON object")
                )
    return table


def _put(table: NetworkTable, kind: str, ids: str, document: dict[str, Any]) -> None:
    above, _, ident = ids.rpartition("/")
    match kind:
        case "network":
            table.networks[ident] = network(document)
        case "endpoint":
            found = Endpoint(ident, above, text(document, "name") or "", text(document, "sandbox") or "")
            table.endpoints[ident] = found
        case _:
            table.sandboxes[ident] = Sandbox(ident, text(document, "Cid") or "")


def network(document: dict[str, Any]) -> Network:
    """The network that a document tells of (libnetwork/network.go: MarshalJSON)."""
    generic = member(document, "generic")
    options = _words(member(generic, GENERIC) if isinstance(generic, dict) else None)
    driver = text(document, "networkType") or "bridge"
    flags = {"attachable": "attachable", "internal": "internal", "enableIPv6": "ipv6", "ingress": "ingress"}
    return Network(
        text(document, "id") or "",
        text(document, "name") or "",
        driver,
        text(document, "scope") or "",
        options.get(BRIDGE_NAME, ""),
        tuple(_pools(document)),
        options,
        _words(member(document, "labels")),
        tuple(word for name, word in flags.items() if member(document, name) is True),
    )


def _pools(document: dict[str, Any]) -> Iterator[Pool]:
    """Subnets as they were asked for, else as they were given (JSON as text within JSON)."""
    for family in ("ipamV4", "ipamV6"):
        asked, given = (_inner(document, f"{family}{part}") for part in ("Config", "Info"))
        wanted = [each for each in asked if text(each, "PreferredPool")]
        for each in wanted:
            yield Pool(text(each, "PreferredPool") or "", text(each, "Gateway") or "", text(each, "SubPool") or "")
        for each in () if wanted else given:
            data = text(each, "IPAMData")
            value = first(data.encode(), DATABASE) if data else None
            if isinstance(value, dict) and text(value, "Pool"):
                yield Pool(text(value, "Pool") or "", (text(value, "Gateway") or "").partition("/")[0])


def _inner(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    data = text(document, name)
    value = first(data.encode("utf-8", "replace"), DATABASE) if data else None
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _words(value: Any) -> dict[str, str]:  # noqa: ANN401 - JSON is any value
    return {key: each for key, each in value.items() if isinstance(each, str)} if isinstance(value, dict) else {}


def salvage(data: bytes) -> tuple[Network, ...]:
    """The networks that can still be read in a damaged database; removed ones of freed pages may be among them."""
    found = {made.id: made for made in map(network, objects(data, _SHAPE))}
    return tuple(sorted(found.values(), key=lambda each: (each.name, each.id)))
