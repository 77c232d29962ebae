"""Writes one container of a data root: its writable layers, mount record, folder and volume; nothing else."""

import json
import os
from pathlib import Path
from typing import Any

from parts import CREATED, Image, Root, commit, compact, digest, driver_dir, folder, write

EXITED_SHARE = 2  # every second container has run
VOLUME_SHARE = 4  # every fourth container has a named volume
SETTINGS = json.loads(Path(__file__).with_name("container_defaults.json").read_text("utf-8"))


def init_layer(root: Root, name: str, parent: str) -> str:
    """The `-init` driver dir with the files that every container gets (classic-store 7)."""
    lower = driver_dir(root, name, parent)
    base = f"{root.path}/overlay2/{name}"
    commit(root, name)
    folder(f"{base}/work/work", 0)
    for path in ("dev", "dev/pts", "dev/shm", "etc", "proc", "sys"):
        folder(f"{base}/diff/{path}")
    for path in (".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf"):
        write(f"{base}/diff/{path}", b"", 0o755)
    os.symlink("/proc/mounts", f"{base}/diff/etc/mtab")
    return lower


def volume(root: Root, name: str) -> dict[str, Any]:
    """A named volume with one file, and the entry that a container's MountPoints has for it."""
    data = folder(folder(f"{root.path}/volumes/{name}", 0o701) + "/_data")
    write(f"{data}/kept", f"data of {name}\n")
    return {
        "/data": {
            "Source": data,
            "Destination": "/data",
            "RW": True,
            "Name": name,
            "Driver": "local",
            "Type": "volume",
            "Relabel": "z",
            "Spec": {"Type": "volume", "Source": name, "Target": "/data"},
            "SkipMountpointCreation": False,
        }
    }


def started_files(home: str, name: str) -> dict[str, str]:
    """The files of a container that has run, and the config fields that name them."""
    texts = {"hostname": f"{name[:12]}\n", "hosts": "127.0.0.1\tlocalhost\n", "resolv.conf": "nameserver 192.0.2.1\n"}
    for file, text in texts.items():
        write(f"{home}/{file}", text)
    write(f"{home}/resolv.conf.hash", digest(texts["resolv.conf"].encode()))
    write(f"{home}/{name}-json.log", compact({"log": "done\n", "stream": "stdout", "time": CREATED}) + b"\n", 0o640)
    folder(f"{home}/mounts", 0o710)
    return {
        "LogPath": f"{home}/{name}-json.log",
        "HostnamePath": f"{home}/hostname",
        "HostsPath": f"{home}/hosts",
        "ResolvConfPath": f"{home}/resolv.conf",
    }


def container(root: Root, number: int, of: Image) -> None:
    """Writes a container: writable layers, mount record, folder; every second one has run (classic-store 7, 10)."""
    name, mount_id, ran = root.hex_id(), root.hex_id(), number % EXITED_SHARE == 0
    top = of.layers[-1]
    commit(root, top.cache_id)
    driver_dir(root, mount_id, init_layer(root, f"{mount_id}-init", top.lower))
    record = folder(f"{root.image}/layerdb/mounts/{name}")
    for file, text in (("mount-id", mount_id), ("init-id", f"{mount_id}-init"), ("parent", top.chain_id)):
        write(f"{record}/{file}", text)
    home = folder(f"{root.path}/containers/{name}", 0o710)
    folder(f"{home}/checkpoints", 0o700)
    mounts = volume(root, f"vol{number}") if number % VOLUME_SHARE == 0 else {}
    config = {
        **SETTINGS["config"],
        "ID": name,
        "Created": CREATED,
        "Image": of.id,
        "Name": f"/bench{number}",
        "MountPoints": mounts,
    }
    config["Config"] = {**config["Config"], "Hostname": name[:12], "Image": of.name}
    if ran:
        folder(f"{root.path}/overlay2/{mount_id}/work/work", 0)
        write(f"{root.path}/overlay2/{mount_id}/diff/written", f"by {name}\n")
        config["State"] = {**config["State"], "StartedAt": CREATED, "FinishedAt": CREATED}
        config |= {**started_files(home, name), "HasBeenStartedBefore": True}
    binds = [f"{mount['Name']}:{target}" for target, mount in mounts.items()] or None
    write(f"{home}/hostconfig.json", compact({**SETTINGS["hostconfig"], "Binds": binds}))
    write(f"{home}/config.v2.json", compact(config), 0o600)
