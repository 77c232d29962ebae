"""What a built root holds beside images, containers, volumes and builds: networks, plugins, a swarm (classic-store 11)."""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
from fastcrc.crc32 import iscsi

from docker_fsck.testing.documents import compact

if TYPE_CHECKING:
    from docker_fsck.testing.builder import DataRoot

PREFIX = "docker/network/v1.0"
DATABASE = "network/files/local-kv.db"
PREDEFINED = {"host": "host", "none": "null"}


class Networks(msgspec.Struct):
    """The entries of local-kv.db by key, less the prefix; each change has the next index."""

    entries: dict[str, bytes] = {}
    index: int = 0

    def fresh(self) -> str:
        """An id from a counter of its own: networks come and go without changing the ids of anything else."""
        return hashlib.sha256(f"network {self.index}".encode()).hexdigest()

    def put(self, key: str, document: Mapping[str, object]) -> None:
        """One more entry, or another value for one."""
        self.index += 1
        self.entries[key] = self.index.to_bytes(8, "little") + compact(dict(sorted(document.items()))).encode()


def predefined(root: "DataRoot") -> None:
    """The networks that every engine makes, also one without a bridge, and the database."""
    for name, driver in PREDEFINED.items():
        network(root, name, driver=driver)


def network(
    root: "DataRoot",
    name: str,
    *,
    driver: str = "bridge",
    subnet: str = "",
    bridge: str = "",
    labels: Mapping[str, str] | None = None,
    attachable: bool = False,
    scope: str = "local",
) -> str:
    """A network; returns its id. `subnet` like 192.0.2.0/24 was asked for; `bridge` is the name of the device."""
    ident = root.networks.fresh()
    config = [{"PreferredPool": subnet, "SubPool": "", "Gateway": "", "AuxAddresses": None}]
    document: dict[str, object] = {
        "addrSpace": "LocalDefault" if subnet else "", "attachable": attachable, "configFrom": "", "configOnly": False,
        "created": "2024-01-01T00:00:00Z", "enableIPv6": False,
        "generic": {"com.docker.network.generic": {"com.docker.network.bridge.name": bridge} if bridge else {}},
        "id": ident, "inDelete": False, "ingress": False, "internal": False, "ipamOptions": {} if subnet else None,
        "ipamType": "default", "labels": labels, "loadBalancerIP": "", "loadBalancerMode": "NAT", "name": name,
        "networkType": driver, "persist": True, "postIPv6": False, "scope": scope,
    }  # fmt: skip
    if subnet:
        document["ipamV4Config"] = compact(config)
    root.networks.put(f"network/{ident}/", document)
    root.networks.put(f"endpoint_count/{ident}/", {"Count": 0})
    write_networks(root)
    return ident


def endpoint(root: "DataRoot", network_id: str, container: str) -> str:
    """A container's end of a network with its sandbox, as both stand in the database while it runs; returns the sandbox."""
    ident = root.networks.fresh()
    sandbox = ident[::-1]
    ends = [{"Eid": ident, "Nid": network_id}]
    root.networks.put(f"endpoint/{network_id}/{ident}/", {"id": ident, "name": container[:12], "sandbox": sandbox})
    root.networks.put(f"sandbox/{sandbox}/", {"ID": sandbox, "Cid": container, "Eps": ends, "EpPriority": {}})
    write_networks(root)
    return sandbox


def write_networks(root: "DataRoot") -> None:
    """Write network/files/local-kv.db from what the root knows."""
    entries = {f"{PREFIX}/{key}": value for key, value in root.networks.entries.items()}
    root.write_bolt(DATABASE, {"libnetwork": entries}, 0o644)
    root.disk.settle()


def plugin(root: "DataRoot", name: str = "vendor/store:1") -> str:
    """An installed, disabled plugin; returns its id."""
    ident = root.names.hex()
    folder = root.disk.folder(root.path / "plugins" / ident, 0o700)
    root.disk.tree(root.disk.folder(folder / "rootfs"), {"bin/serve": b"x"})
    inner: dict[str, object] = {"Config": {"PropagatedMount": ""}, "Enabled": False, "Id": ident, "Name": name, "Settings": {}}
    root.disk.put(folder / "config.json", compact({"plugin": inner, "Config": "", "Blobsums": [], "SwarmServiceID": ""}), 0o600)
    root.disk.settle()
    return ident


def _varint(rest: int) -> bytes:
    number = b""
    while rest:
        number, rest = number + bytes([rest & 0x7F | (0x80 if rest > 0x7F else 0)]), rest >> 7
    return number


def log(*records: bytes) -> bytes:
    """A raft log: a record with the first checksum, and then those given (etcd: walpb)."""
    made, crc = b"\x04" + bytes(6) + b"\x84\x08\x04\x10" + bytes(5), 0
    for kind, data in enumerate(records, 1):
        crc = iscsi(data, crc)
        record = bytes([8, kind, 16]) + _varint(crc) + b"\x1a" + _varint(len(data)) + data
        pad = -len(record) % 8
        made += (len(record) | ((0x80 | pad) << 56 if pad else 0)).to_bytes(8, "little") + record + bytes(pad)
    return made


def swarm(root: "DataRoot") -> None:
    """The state of the only manager of a swarm, as far as it can be read without its keys."""
    base = root.path / "swarm"
    raft = root.disk.folder(root.disk.folder(base / "raft", 0o700) / "wal-v3-encrypted", 0o700)
    root.disk.put(raft / f"{0:016x}-{0:016x}.wal", log(b"of the node", b"encrypted", b"state").ljust(4096, b"\0"), 0o600)
    node = {"AdvertiseAddr": "192.0.2.1", "ListenAddr": "0.0.0.0:2377", "AutolockManagers": False}
    root.disk.put(base / "docker-state.json", compact(node), 0o600)
    root.disk.put(base / "state.json", compact([{"node_id": "x", "addr": "192.0.2.1:2377"}]), 0o600)
    root.disk.folder(base / "worker", 0o700)
    root.write_bolt("swarm/worker/tasks.db", {"v1": {"tasks": {}}}, 0o600)
    root.disk.settle()
