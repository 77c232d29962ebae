"""The JSON documents of images and containers, key by key as 20.10.24 writes them; pure."""

import json
from collections.abc import Mapping

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ANONYMOUS = 64
"""Length of the name of a volume that nobody named."""


def compact(value: object) -> str:
    """`value` as the engine writes JSON: no spaces, no trailing newline."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def merged(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    """`above` laid over `below`, objects key by key."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def runtime_config(**fields: object) -> dict[str, object]:
    """The `Config` object of images and containers, `fields` filled in."""
    unset: dict[str, object] = {
        "Hostname": "",
        "Domainname": "",
        "User": "",
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "Tty": False,
        "OpenStdin": False,
        "StdinOnce": False,
        "Env": [PATH],
        "Cmd": ["/bin/sh"],
        "Image": "",
        "Volumes": None,
        "WorkingDir": "",
        "Entrypoint": None,
        "OnBuild": None,
        "Labels": None,
    }
    return unset | fields


def image_config(created: str, diffs: tuple[str, ...], base: str | None) -> dict[str, object]:
    """The configuration of an image made over `base`; one without layers has no `diff_ids`."""
    rootfs: dict[str, object] = {"type": "layers"}
    return {
        "architecture": "amd64",
        "config": runtime_config(Image=base or ""),
        "container_config": runtime_config(Image=base or ""),
        "created": created,
        "docker_version": "20.10.24",
        "history": [{"created": created, "created_by": f"/bin/sh -c make layer {n}"} for n in range(1, len(diffs) + 1)],
        "os": "linux",
        "rootfs": rootfs | {"diff_ids": diffs} if diffs else rootfs,
    }


def container_config(ident: str, name: str, image: str, home: str, times: tuple[str, str, str]) -> dict[str, object]:
    """config.v2.json of a container that ran without a network and ended; `times` are created, started, finished."""
    folder = f"{home}/containers/{ident}"
    arguments = ["-c", "echo hello"]
    return {
        "StreamConfig": {},
        "State": _state(*times[1:]),
        "ID": ident,
        "Created": times[0],
        "Managed": False,
        "Path": "/bin/sh",
        "Args": arguments,
        "Config": runtime_config(Hostname=ident[:12], Cmd=["/bin/sh", *arguments], Image=image, Labels={}),
        "Image": image,
        "NetworkSettings": _network(ident[::-1]),
        "LogPath": f"{folder}/{ident}-json.log",
        "Name": f"/{name}",
        "Driver": "",
        "OS": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "RestartCount": 0,
        "HasBeenStartedBefore": True,
        "HasBeenManuallyStopped": False,
        "MountPoints": {},
        "SecretReferences": None,
        "ConfigReferences": None,
        "AppArmorProfile": "",
        "HostnamePath": f"{folder}/hostname",
        "HostsPath": f"{folder}/hosts",
        "ShmPath": "",
        "ResolvConfPath": f"{folder}/resolv.conf",
        "SeccompProfile": "",
        "NoNewPrivileges": False,
        "LocalLogCacheMeta": {"HaveNotifyEnabled": False},
    }


def mount_point(volume: str, target: str, home: str) -> dict[str, object]:
    """An entry of MountPoints, as `-v name:/target:rw` makes it, or `-v /target` for an anonymous volume."""
    named: dict[str, object] = {"Relabel": "rw", "Spec": {"Type": "volume", "Source": volume, "Target": target}}
    nameless = len(volume) == ANONYMOUS
    return {
        "Source": "" if nameless else f"{home}/volumes/{volume}/_data",
        "Destination": target,
        "RW": True,
        "Name": volume,
        "Driver": "local",
        "Type": "volume",
        **({"Spec": {}} if nameless else named),
        "SkipMountpointCreation": False,
    }


def host_config(volumes: Mapping[str, str]) -> dict[str, object]:
    """hostconfig.json of a container with these volumes (name to folder)."""
    binds = [f"{volume}:{target}:rw" for volume, target in volumes.items() if len(volume) != ANONYMOUS]
    settings: dict[str, object] = {
        "Binds": binds or None,
        "ContainerIDFile": "",
        "LogConfig": {"Type": "json-file", "Config": {}},
        "NetworkMode": "none",
        "PortBindings": {},
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "CgroupnsMode": "host",
        "IpcMode": "private",
        "ShmSize": 67_108_864,
        "Runtime": "runc",
        "ConsoleSize": [0, 0],
        "MaskedPaths": [f"/proc/{name}" for name in _MASKED] + ["/sys/firmware"],
        "ReadonlyPaths": [f"/proc/{name}" for name in _READ_ONLY],
    }
    return settings | {key: value for keys, value in _HOST_DEFAULTS for key in keys.split()}


_MASKED = ("asound", "acpi", "kcore", "keys", "latency_stats", "timer_list", "timer_stats", "sched_debug", "scsi")
_READ_ONLY = ("bus", "fs", "irq", "sys", "sysrq-trigger")
_HOST_DEFAULTS: tuple[tuple[str, object], ...] = (
    ("AutoRemove Privileged PublishAllPorts ReadonlyRootfs OomKillDisable", False),
    ("VolumeDriver Cgroup PidMode UTSMode UsernsMode Isolation CgroupParent CpusetCpus CpusetMems", ""),
    ("VolumesFrom CapAdd CapDrop ExtraHosts GroupAdd Links SecurityOpt DeviceCgroupRules DeviceRequests", None),
    ("MemorySwappiness PidsLimit", None),
    ("Dns DnsOptions DnsSearch BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps", []),
    ("BlkioDeviceReadIOps BlkioDeviceWriteIOps Devices Ulimits", []),
    ("OomScoreAdj CpuShares Memory NanoCpus BlkioWeight CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime", 0),
    ("KernelMemory KernelMemoryTCP MemoryReservation MemorySwap CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth", 0),
)


def _state(started: str, finished: str) -> dict[str, object]:
    flags = dict.fromkeys(("Running", "Paused", "Restarting", "OOMKilled", "RemovalInProgress", "Dead"), False)
    end: dict[str, object] = {"Pid": 0, "ExitCode": 0, "Error": "", "StartedAt": started, "FinishedAt": finished}
    return flags | end | {"Health": None}


def _network(sandbox: str) -> dict[str, object]:
    """The network part of a container that had none."""
    unset = dict.fromkeys(("EndpointID", "Gateway", "IPAddress", "IPv6Gateway", "GlobalIPv6Address", "MacAddress"), "")
    lengths = {"IPPrefixLen": 0, "GlobalIPv6PrefixLen": 0}
    none: dict[str, object] = {"IPAMConfig": None, "Links": None, "Aliases": None, "NetworkID": sandbox, **unset, **lengths}
    return {
        "Bridge": "",
        "SandboxID": sandbox,
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Networks": {"none": none | {"DriverOpts": None, "IPAMOperational": False}},
        "Service": None,
        "Ports": None,
        "SandboxKey": f"/var/run/docker/netns/{sandbox[:12]}",
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "IsAnonymousEndpoint": False,
        "HasSwarmEndpoint": False,
    }
