"""The containerd that an engine keeps below `containerd/daemon`: in which of two ways it is used, and its small files.

With a graph driver it holds tasks and pulled manifests, which the engine makes anew; as the image store every image and
snapshot (buildkit-and-containerd-store 3.1, 3.2).
"""

import re

import msgspec

from docker_fsck.bolt import Bucket
from docker_fsck.boltread import open_database, told
from docker_fsck.reader import SMALL, Reader
from docker_fsck.records.containers import ContainerTable
from docker_fsck.records.fields import shown, trimmed
from docker_fsck.values import Source, Trouble

BASE = "containerd/daemon"
META = f"{BASE}/io.containerd.metadata.v1.bolt/meta.db"
UUID = f"{BASE}/io.containerd.grpc.v1.introspection/uuid"
SNAPSHOTTER = "io.containerd.snapshotter.v1."
SIGNS = ("image/identity-cache.db", "buildkit/containerd-overlayfs", "rootfs/overlayfs")
GRAPH_DRIVERS = frozenset(
    {"aufs", "btrfs", "devicemapper", "fuse-overlayfs", "overlay", "overlay2", "vfs", "windowsfilter", "zfs"}
)
_UUID = re.compile(r"(urn:uuid:)?\{?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}\}?", re.IGNORECASE | re.ASCII)


class Containerd(msgspec.Struct, frozen=True):
    """`meta` is how meta.db was read; `images`: it has images of the engine, None if that is not known.

    `snapshots`: a snapshotter keeps or kept snapshots; `signs`: other traces of the image store. `uuid`: what is wrong with
    the file uuid, None if nothing or there is none.
    """

    meta: Source
    images: bool | None
    snapshots: bool
    signs: bool
    uuid: Trouble | None

    @property
    def image_store(self) -> bool:
        """Whether images or containers of the containerd image store may be here."""
        return self.signs or (self.snapshots if self.images is None else self.images)


def read(reader: Reader, containers: ContainerTable) -> Containerd:
    """The state below containerd/daemon."""
    database = open_database(reader, META)
    signs = _signs(reader, containers)
    if isinstance(database, Source):
        images = False if database.state == "absent" else None
        return Containerd(database, images, _snapshots(reader), signs, _uuid(reader))
    found = database.root.bucket(b"v1", b"moby", b"images")
    images = isinstance(found, Bucket) and next(iter(found.items()), None) is not None
    return Containerd(told(META, database), images, _snapshots(reader), signs, _uuid(reader))


def snapshotted(driver: str) -> bool:
    """Whether a container's `Driver` is a snapshotter of the containerd image store and no graph driver or plugin."""
    return bool(driver) and driver not in GRAPH_DRIVERS and "/" not in driver and ":" not in driver


def _signs(reader: Reader, containers: ContainerTable) -> bool:
    if any(each.snapshotted or snapshotted(each.driver) for each in containers.containers.values()):
        return True
    image_dirs = reader.names("image")
    graph = isinstance(image_dirs, dict) and any(kind == "dir" for kind in image_dirs.values())
    return not graph and any(not isinstance(reader.facts(sign), Trouble) for sign in SIGNS)


def _snapshots(reader: Reader) -> bool:
    """Whether a snapshotter has made its database or a snapshot; what cannot be listed may have."""
    names = reader.names(BASE)
    if isinstance(names, Trouble):
        return names.state != "absent"
    for name in names:
        if name.startswith(SNAPSHOTTER):
            inner, made = reader.names(f"{BASE}/{name}"), reader.names(f"{BASE}/{name}/snapshots")
            if (
                isinstance(inner, Trouble)
                or "metadata.db" in inner
                or (made and (isinstance(made, dict) or made.state != "absent"))
            ):
                return True
    return False


def _uuid(reader: Reader) -> Trouble | None:
    data = reader.read(UUID, SMALL)
    if isinstance(data, Trouble):
        return None if data.state == "absent" else data
    return None if _UUID.fullmatch(trimmed(data)) else Trouble(UUID, "malformed", shown(data))
