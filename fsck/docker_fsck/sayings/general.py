"""What is said of any file that cannot be read, and what causes many failures at once (field cases section 3)."""

from docker_fsck.sayings.saying import Saying

READERS = (
    Saying(
        says=(
            "unexpected end of JSON input",
            "unexpected EOF",
            ": EOF",
            "error=EOF",
            "invalid character …looking for beginning of value",
            "cannot unmarshal …into Go",
        ),
        cases=("FC-16", "FC-20", "FC-21", "FC-31", "FC-36"),
        rules=(
            "tags-unparsable",
            "container-config-corrupt",
            "container-hostconfig-corrupt",
            "volume-opts-corrupt",
            "layer-record-incomplete",
        ),
        means="A JSON file of the engine is empty, cut short, overwritten with zeros or of another shape, as after a power cut.",
        do="The words before it say which file; `docker-fsck check` finds every such file. Delete none of them by hand.",
    ),
    Saying(
        says=("invalid database", "version mismatch", "checksum error", "file size too small"),
        cases=("FC-26", "FC-28", "FC-29", "FC-30"),
        rules=("network-db-unreadable", "volume-db-unreadable", "buildkit-db-unreadable", "containerd-db-unreadable"),
        means="A database of the engine cannot be opened.",
        do="The words before it say which file; keep a copy of it before anything else.",
    ),
    Saying(
        says=(
            "exec format error",
            "exec /<name>: no such file or directory",
            "exec: …: no such file or directory",
            "Could not find or load main class",
            "ModuleNotFoundError",
        ),
        cases=("FC-04", "FC-05"),
        rules=("layer-content-mismatch", "ovl-lower", "init-layer-emptied"),
        means=(
            "If it worked before: since a crash a file of a layer is empty or changed, or lower layers are missing. Else it "
            "is the image."
        ),
        do="The image must be pulled again after its records are put away: a plain pull says that it is up to date.",
    ),
)
"""What says little by itself: only where nothing of the other tables fits a line."""

CAUSES = (
    Saying(
        says=("input/output error", "structure needs cleaning", "Bad message"),
        cases=("FC-49",),
        rules=("file-unreadable",),
        means="The file system or the disk below is damaged.",
        do="Write nothing. Save what can be saved, check the file system, then check again.",
    ),
    Saying(
        says=("no space left on device", "disk quota exceeded"),
        cases=("FC-45", "FC-01"),
        rules=("driver-orphan", "layer-unreferenced", "backing-fs"),
        means="The disk is full, or has no inodes left; what was being written is cut short.",
        do="`docker-fsck plan --class reclaim` shows what nothing refers to; then check, since a full disk cuts files short.",
    ),
    Saying(
        says=("Read-only file system",),
        cases=("FC-45", "FC-49"),
        rules=("ovl-committed-on-rw", "backing-fs"),
        means=(
            "Inside a container: its writable layer is marked as one that is only read. On the host: the kernel stopped "
            "writing to a damaged disk."
        ),
        do="`docker-fsck check` finds the mark and takes it off without loss; for the host look at the kernel's log.",
    ),
)
"""What is told beside anything else that fits a line: the cause of it."""
