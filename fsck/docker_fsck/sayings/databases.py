"""What engines say of their databases, containerd's store, swarm and their start (buildkit reference sections 1.4, 4, 5)."""

from docker_fsck.sayings.saying import Saying

DATABASES = (
    Saying(
        says=(
            "page <n> already freed",
            "invalid freelist page",
            "circular dependency",
            "invalid page type",
            "but self identifies as",
            "freepages: failed to get all reachable pages",
            "unexpected fault address",
            "SIGBUS",
            "fatal error: fault",
        ),
        cases=("FC-26", "FC-29", "FC-30"),
        rules=("network-db-unreadable", "volume-db-unreadable", "buildkit-db-unreadable", "containerd-db-unreadable"),
        means=(
            "A database of the engine is damaged inside and whoever opens it crashes: networks, volumes, BuildKit or containerd."
        ),
        do="Stop the engine; the lines above it in the log, or `docker-fsck check`, say which file it is. Keep a copy of it.",
    ),
    Saying(
        says=("volume store metadata database: timeout",),
        cases=("FC-28",),
        rules=("volume-db-unreadable",),
        means="Another process holds the volume database: a second engine runs on this root.",
        do="Find the other engine; nothing is damaged, and nothing must be removed.",
    ),
    Saying(
        says=(
            "volume store metadata database: …invalid database",
            "volume store metadata database: …file size too small",
            "volume store metadata database",
        ),
        cases=("FC-28",),
        rules=("volume-db-unreadable",),
        means=(
            "The database of the volumes' options and labels cannot be opened and the engine does not start; the volumes' "
            "data is not in it."
        ),
        do="Keep a copy; volumes with options need theirs from opts.json. `docker-fsck plan` says what is lost.",
    ),
    Saying(
        says=("error obtaining controller instance", "Error initializing network controller", "libnet controller initialization"),
        cases=("FC-26",),
        rules=("network-db-unreadable",),
        means="The network database cannot be opened and the engine does not start.",
        do="Put away, it is made anew without the user-defined networks: write those down first.",
    ),
    Saying(
        says=("error creating buildkit instance", "failed to open database file …buildkit/", "buildkit/<name>: invalid database"),
        cases=("FC-30",),
        rules=("buildkit-db-unreadable",),
        means="A database of BuildKit cannot be opened and the engine does not start; only build cache and history are in it.",
        do="The databases belong together: `docker-fsck plan` puts them away as a whole, never one alone.",
    ),
    Saying(
        says=("resetting to empty. Old database is backed up",),
        cases=("FC-30",),
        rules=("buildkit-db-unreadable",),
        means="The engine found its build cache's index damaged and began a new one by itself.",
        do="Nothing; what the old index named is rebuilt.",
    ),
    Saying(
        says=("network/files/local-kv.db: no such file or directory",),
        cases=("FC-27",),
        rules=("network-db-unreadable",),
        means="The network database vanished under a running engine.",
        do="Restart the engine; user-defined networks must be made again.",
    ),
    Saying(
        says=(
            "timeout waiting for containerd to start",
            "failed to load plugin …invalid database",
            "unknown service containerd.services.namespaces.v1.Namespaces",
        ),
        cases=("FC-29",),
        rules=("containerd-db-unreadable",),
        means="containerd does not start, mostly because its database is damaged.",
        do="Stop both; keep a copy of meta.db. With graph drivers it may be put away, with the containerd image store never.",
    ),
    Saying(
        says=("content digest <id>: not found", "content digest …not found", "blob not found", "blob <id> expected at"),
        cases=("FC-41",),
        rules=("containerd-blob-missing",),
        means="A blob of an image is not in the content store; running may still work, pushing and saving does not.",
        do="Remove the image and pull it again. Blobs of other platforms are missing on purpose.",
    ),
    Saying(
        says=("parent snapshot …does not exist", "missing parent …bucket", "snapshot does not exist: not found"),
        cases=("FC-42",),
        rules=("containerd-snapshot-missing",),
        means="A snapshot names a parent that containerd does not have.",
        do="Remove the image and its build cache, then pull again; records are never made by hand.",
    ),
    Saying(
        says=(
            "failed to stat parent: stat …/snapshots/<n>/fs",
            "snapshots/new-<n> …file exists",
            "rename …snapshots/new-<name> …file exists",
        ),
        cases=("FC-42", "FC-29"),
        rules=("containerd-snapshot-missing", "containerd-db-unreadable"),
        means="The folders of containerd's snapshots and its database do not fit each other.",
        do="Remove the image and pull again; if every create fails, the database began anew and must be restored.",
    ),
    Saying(
        says=("introspection.v1…uuid", "introspection…uuid"),
        cases=("FC-43",),
        rules=("containerd-uuid",),
        means="The file that names this containerd is empty; health checks fail for ever.",
        do="Put it aside with containerd stopped; it is made anew.",
    ),
    Saying(
        says=(
            "WAL error cannot be repaired",
            "irreparable WAL error",
            "can't initialize raft node",
            "tocommit(<n>) is out of range",
        ),
        cases=("FC-51",),
        rules=("swarm-state",),
        means="The raft log of this swarm manager is damaged.",
        do=(
            "Keep a copy of swarm/. With other managers join anew; alone, force a new cluster from the copy. docker-fsck "
            "never touches it."
        ),
    ),
    Saying(
        says=(
            "prior storage driver …failed",
            "contains several valid graphdrivers",
            "several valid graphdrivers",
            "error initializing graphdriver: driver not supported",
        ),
        cases=("FC-39",),
        rules=("multiple-drivers", "upgrade-driver-unchosen", "upgrade-driver-removed"),
        means="The data is of a storage driver that this engine does not have or will not choose, or there is data of several.",
        do=(
            "Nothing is lost: `docker-fsck gate --target VERSION` says more. Name the driver in daemon.json, or go back to the "
            "older engine and save what is needed."
        ),
    ),
    Saying(
        says=("is deprecated and will be removed in a future release", "storage-driver has been deprecated and removed"),
        cases=("FC-39",),
        rules=("upgrade-driver-removed", "upgrade-driver-unchosen", "multiple-drivers"),
        means="This engine no longer chooses, or no longer has, the storage driver that the data was written with.",
        do="Save images and containers with the older engine before the upgrade.",
    ),
    Saying(
        says=(
            "not available: unavailable",
            "Images not migrated because images already exist in containerd",
            "Not attempting migration",
        ),
        cases=("FC-40", "FC-39"),
        rules=("upgrade-store-hidden", "upgrade-migration", "half-store", "multiple-drivers"),
        means="The engine chose another image store than the one that holds the data.",
        do=(
            "Nothing is lost: `features.containerd-snapshotter` and `storage-driver` in daemon.json decide. Do not prune: "
            "volumes of hidden containers look unused."
        ),
    ),
    Saying(
        says=("invalid cross-device link",),
        cases=("FC-45",),
        rules=("backing-fs",),
        means="A part of the root lies on another file system or on an overlay, where the engine cannot rename.",
        do="Put the whole data root on one plain file system.",
    ),
    Saying(
        says=("dataset does not exist",),
        cases=("FC-48",),
        rules=("zfs-orphan-dataset",),
        means="A dataset of the zfs driver is gone.",
        do="docker-fsck does not judge zfs: `zfs list` beside the layer records says what is left. Never `zfs destroy -R`.",
    ),
    Saying(
        says=("Total reclaimed space: 0B",),
        cases=("FC-01", "FC-07"),
        rules=("driver-orphan", "layer-unreferenced", "driver-orphan-init", "mount-orphan"),
        means=(
            "Prune sees only what the engine knows of; if the disk is full all the same, folders that nothing refers to are left."
        ),
        do="`docker-fsck plan --class reclaim` finds them; never delete below overlay2 by hand.",
    ),
    Saying(
        says=(
            "pid file found, ensure docker is not running",
            "process with PID <n> is still running",
            "cannot start daemon …pid file",
        ),
        cases=("FC-28",),
        rules=(),
        means="A file says that an engine runs; after a kill it may be stale.",
        do="Look whether the process is an engine before anything else; docker-fsck finds that out by itself.",
    ),
)
