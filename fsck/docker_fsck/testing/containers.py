"""Containers and volumes of a built root: mount record, writable layer, folder, documents (classic-store 7, 10, 11)."""

import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING

import msgspec

from docker_fsck.ids import digest
from docker_fsck.testing.documents import compact, container_config, host_config, merged, mount_point
from docker_fsck.testing.layertar import Files

if TYPE_CHECKING:
    from docker_fsck.testing.builder import DataRoot

RESOLV_CONF = "nameserver 192.0.2.53\n"
HOSTS = (
    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n"
    "ff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
)


class Mount(msgspec.Struct, frozen=True):
    """A layerdb/mounts record: its name, the driver ids of its pair, the chain-id below it."""

    name: str
    mount_id: str
    init_id: str
    parent: str | None


def container(
    root: "DataRoot",
    image: str | None,
    name: str | None = None,
    *,
    driver: str | None = None,
    files: Files | None = None,
    config: Mapping[str, object] | None = None,
    volumes: Mapping[str, str] | None = None,
) -> str:
    """A container that ran once and ended; returns its id.

    `image` None means made from no layer at all. `driver` names another graph driver: then the folder is all there
    is in this tree. `files` are in its writable layer. `config` is laid over config.v2.json, key by key to any
    depth. `volumes` maps volume names to folders in the container.
    """
    ident = root.names.hex()
    if driver in {None, root.driver}:
        below = root.images[image].chains if image else ()
        mount_targets = {target.strip("/") + "/": b"" for target in (volumes or {}).values()}
        add_mount(root, ident, below[-1] if below else None, mount_targets | dict(files or {}))
    folder = root.disk.folder(root.container_dir(ident), 0o710)
    root.disk.folder(folder / "checkpoints", 0o700)
    root.disk.folder(folder / "mounts", 0o710)
    root.disk.put(folder / "hostname", ident[:12] + "\n")
    root.disk.put(folder / "hosts", HOSTS)
    root.disk.put(folder / "resolv.conf", RESOLV_CONF)
    root.disk.put(folder / "resolv.conf.hash", digest(RESOLV_CONF.encode()))
    line = {"log": "hello\n", "stream": "stdout", "time": root.names.time()}
    root.disk.put(folder / f"{ident}-json.log", compact(line) + "\n", 0o640)
    times = (root.names.time(), root.names.time(), root.names.time())
    document = container_config(ident, name or f"box{root.names.count()}", image or "", root.home, times)
    points = {target: mount_point(volume, target, root.home) for volume, target in (volumes or {}).items()}
    document |= {"Driver": driver or root.driver, "MountPoints": points}
    root.disk.put(folder / "hostconfig.json", compact(host_config(volumes or {})))
    root.disk.put(folder / "config.v2.json", compact(merged(document, config or {})), 0o600)
    root.disk.settle()
    return ident


def add_mount(root: "DataRoot", name: str, parent: str | None, files: Files) -> Mount:
    """The pair of driver dirs and the record `name` in layerdb/mounts."""
    mount = add_pair(root, name, parent, files)
    record = root.disk.folder(root.mount_record(name))
    root.disk.put(record / "mount-id", mount.mount_id)
    root.disk.put(record / "init-id", mount.init_id)
    if parent is not None:
        root.disk.put(record / "parent", parent)
    root.mounts[name] = mount
    return mount


def mount_image(root: "DataRoot", container: str, image: str, name: str) -> str:
    """Mount an image into a container, as `--mount type=image` of engines since 28.0 does; returns the record's name.

    28 names the record `<container>-<source>`, later engines by a digest; it has no init layer. The mount point has the name as
    its ID, and for its source where the layer is mounted (moby: daemon/volumes.go).
    """
    ident, chain = root.names.hex(), root.images[image].chains[-1]
    root.make_dir_of(ident, root.layers[chain].cache_id, {}, "writable")
    for part in reversed(PurePath(name).parents[:-1]):
        root.disk.folder(root.mount_record(str(part)))
    record = root.disk.folder(root.mount_record(name))
    root.disk.put(record / "mount-id", ident)
    root.disk.put(record / "parent", chain)
    path, target = root.container_dir(container) / "config.v2.json", "/opt/image"
    document = json.loads(path.read_bytes())
    content = root.content(ident)
    source = f"{root.home}/{(content.with_name('merged') if content.name == 'diff' else content).relative_to(root.path)}"
    point = {"Source": source, "Destination": target, "RW": False, "Name": "tools:1", "Driver": "", "Type": "image", "ID": name}
    root.disk.put(path, compact(merged(document, {"MountPoints": {target: point}})), 0o600)
    root.disk.settle()
    return name


def add_pair(root: "DataRoot", name: str, parent: str | None, files: Files) -> Mount:
    """The driver dirs of a writable layer and its -init layer, without a record."""
    ident = root.names.hex()
    mount = Mount(name, ident, f"{ident}-init", parent)
    root.make_dir_of(mount.init_id, root.layers[parent].cache_id if parent else None, {}, "init")
    root.make_dir_of(mount.mount_id, mount.init_id, files, "writable")
    return mount


def volume(
    root: "DataRoot",
    name: str | None = None,
    files: Files | None = None,
    labels: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> str:
    """A local volume with `files` in `_data`; without a name an anonymous one. Returns the name.

    `options` are those of `docker volume create -o`: type, device, o; they also go into opts.json.
    """
    name = name or root.names.hex()
    folder = root.disk.folder(root.volume_dir(name), 0o701)
    root.disk.tree(root.disk.folder(folder / "_data"), files or {})
    if options:
        opts = {"MountType": "type", "MountOpts": "o", "MountDevice": "device"}
        document = {key: options.get(option, "") for key, option in opts.items()} | {"Quota": {"Size": 0}}
        root.disk.put(folder / "opts.json", compact(document), 0o600)
    root.volumes[name] = compact({"Name": name, "Driver": "local", "Labels": labels, "Options": options})
    write_volumes(root)
    root.disk.settle()
    return name


def write_volumes(root: "DataRoot") -> None:
    """Write volumes/metadata.db from what the root knows."""
    root.write_bolt("volumes/metadata.db", {"volumes": root.volumes}, 0o600)
