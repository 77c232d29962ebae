"""Names of members of the documents that an engine keeps, to tell one of which a bit is another (`gojson.respelt`).

Collected from documents of 20.10, 28.5 and 29.7, and from the types of moby.
"""

CONFIG = frozenset({
    "AppArmorProfile", "Args", "Config", "ConfigReferences", "Created", "Driver", "HasBeenManuallyStopped",
    "HasBeenStartedBefore", "HostnamePath", "HostsPath", "ID", "Image", "ImageManifest", "ImagePlatform", "LocalLogCacheMeta",
    "LogPath", "Managed", "MountLabel", "MountPoints", "Name", "NetworkSettings", "NoNewPrivileges", "OS", "Path",
    "ProcessLabel", "ResolvConfPath", "RestartCount", "SeccompProfile", "SecretReferences", "ShmPath", "State",
    "StreamConfig", "WritableCgroups",
})  # fmt: skip
STATE = frozenset({
    "Dead", "Error", "ExitCode", "FinishedAt", "Health", "OOMKilled", "Paused", "Pid", "RemovalInProgress", "Restarting",
    "Running", "StartedAt",
})  # fmt: skip
RUN = frozenset({
    "AttachStderr", "AttachStdin", "AttachStdout", "Cmd", "Domainname", "Entrypoint", "Env", "ExposedPorts", "Healthcheck",
    "Hostname", "Image", "Labels", "OnBuild", "OpenStdin", "Shell", "StdinOnce", "StopSignal", "StopTimeout", "Tty", "User",
    "Volumes", "WorkingDir",
})  # fmt: skip
HOST = frozenset({
    "Annotations", "AutoRemove", "Binds", "BlkioDeviceReadBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteBps",
    "BlkioDeviceWriteIOps", "BlkioWeight", "BlkioWeightDevice", "CapAdd", "CapDrop", "Cgroup", "CgroupParent", "CgroupnsMode",
    "ConsoleSize", "ContainerIDFile", "CpuCount", "CpuPercent", "CpuPeriod", "CpuQuota", "CpuRealtimePeriod",
    "CpuRealtimeRuntime", "CpuShares", "CpusetCpus", "CpusetMems", "DeviceCgroupRules", "DeviceRequests", "Devices", "Dns",
    "DnsOptions", "DnsSearch", "ExtraHosts", "GroupAdd", "IOMaximumBandwidth", "IOMaximumIOps", "Init", "IpcMode",
    "Isolation", "KernelMemory", "KernelMemoryTCP", "Links", "LogConfig", "MaskedPaths", "Memory", "MemoryReservation",
    "MemorySwap", "MemorySwappiness", "Mounts", "NanoCpus", "NetworkMode", "OomKillDisable", "OomScoreAdj", "PidMode",
    "PidsLimit", "PortBindings", "Privileged", "PublishAllPorts", "ReadonlyPaths", "ReadonlyRootfs", "RestartPolicy",
    "Runtime", "SecurityOpt", "ShmSize", "StorageOpt", "Sysctls", "Tmpfs", "UTSMode", "Ulimits", "UsernsMode", "VolumeDriver",
    "VolumesFrom",
})  # fmt: skip
PEER = frozenset({"addr", "node_id"})
SWARM = frozenset({
    "AdvertiseAddr", "DataPathAddr", "DataPathPort", "DefaultAddressPool", "JoinInProgress", "ListenAddr", "LocalAddr",
    "RemoteAddr", "SubnetSize",
})  # fmt: skip
