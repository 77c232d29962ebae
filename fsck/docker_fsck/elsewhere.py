"""Which parts of a data root lie elsewhere: behind a mount or a link. Engines follow both, this program neither (promise 15)."""

from collections.abc import Iterable

from docker_fsck.folders import MOUNTED
from docker_fsck.reader import Reader
from docker_fsck.values import Trouble

LINK = "a link stands here, which is not followed"
PARTS = (
    "containers", "plugins/tmp", "volumes/metadata.db", "network/files/local-kv.db", "graph",
    "swarm/docker-state.json", "swarm/state.json", "swarm/raft", "swarm/worker/tasks.db",
    *(f"buildkit/{name}.db" for name in ("snapshots", "containerdmeta", "metadata_v2", "metadata", "cache", "history")),
    "containerd/daemon/io.containerd.metadata.v1.bolt/meta.db", "containerd/daemon/io.containerd.grpc.v1.introspection/uuid",
)  # fmt: skip
"""What is read of a root beside the trees of graph drivers; what lies around each of these counts, too."""
TREE = (
    "repositories.json", "imagedb/content/sha256", "imagedb/metadata/sha256", "layerdb/sha256", "layerdb/mounts", "layerdb/tmp",
    "distribution/diffid-by-digest/sha256", "distribution/v2metadata-by-diffid/sha256",
)  # fmt: skip
"""The same of one driver's `image/<driver>`."""


def parts(reader: Reader, drivers: Iterable[str], homes: Iterable[str]) -> dict[str, Trouble]:
    """Where another file system is mounted, or a link stands, in the place of a part that is read or of a folder around one.

    `drivers`: those with an image tree; `homes`: paths in their homes that could not be listed.
    """
    names = reader.names("image")
    here = {} if isinstance(names, Trouble) else names
    trees = {*drivers, *(name for name, kind in here.items() if kind in {"dir", "link"})}
    wanted = (*PARTS, "image", *(f"image/{name}/{each}" for name in sorted(trees) for each in TREE), *homes)
    seen: dict[str, Trouble | None] = {}
    for path in wanted:
        _first(reader, path, seen)
    return {path: fault for path, fault in seen.items() if fault is not None}


def _first(reader: Reader, path: str, seen: dict[str, Trouble | None]) -> None:
    """Note of each folder on the way to `path`, and of itself, whether it lies elsewhere; behind the first nothing is seen."""
    at = ""
    for name in path.split("/"):
        at = f"{at}/{name}" if at else name
        if at not in seen:
            seen[at] = _judged(reader, at)
        if seen[at] is not None:
            return


def _judged(reader: Reader, path: str) -> Trouble | None:
    facts = reader.facts(path)
    if isinstance(facts, Trouble):
        return None
    if facts.kind == "link":
        return Trouble(path, "wrong", LINK)
    top = reader.facts("") if reader.blind else facts
    other = path in reader.mounts or (not isinstance(top, Trouble) and top.dev != facts.dev)
    return Trouble(path, "wrong", MOUNTED) if other else None
