"""Stores in a data root that this version knows of and does not judge: the containerd image store, roots in the root."""

from docker_fsck.boltread import open_database
from docker_fsck.ids import USERNS_ROOT
from docker_fsck.reader import Reader
from docker_fsck.records.containers import ContainerTable
from docker_fsck.values import Source, Trouble

META = "containerd/daemon/io.containerd.metadata.v1.bolt/meta.db"
SIGNS = ("image/identity-cache.db", "buildkit/containerd-overlayfs", "rootfs/overlayfs")
GRAPH_DRIVERS = frozenset(
    {"aufs", "btrfs", "devicemapper", "fuse-overlayfs", "overlay", "overlay2", "vfs", "windowsfilter", "zfs"}
)


def containerd(reader: Reader, containers: ContainerTable) -> bool:
    """Whether images or containers of the containerd image store are here (buildkit-and-containerd-store 3.1, 3.3, 3.6)."""
    if any(
        each.driver and each.driver not in GRAPH_DRIVERS and "/" not in each.driver for each in containers.containers.values()
    ):
        return True
    image_dirs = reader.names("image")
    graph = isinstance(image_dirs, dict) and any(kind == "dir" for kind in image_dirs.values())
    if not graph and any(not isinstance(reader.facts(sign), Trouble) for sign in SIGNS):
        return True
    return _has_images(reader)


def _has_images(reader: Reader) -> bool:
    """Whether meta.db has images in the namespace moby; one that cannot be read may have."""
    found = open_database(reader, META)
    if isinstance(found, Source):
        return found.state != "absent"
    images = found.root.bucket(b"v1", b"moby", b"images")
    return images is not None and next(iter(images.items()), None) is not None


def nested(reader: Reader) -> list[str]:
    """Folders `<uid>.<gid>` that hold a store of their own (classic-store 0)."""
    names = reader.names("")
    found = (
        [name for name, kind in names.items() if kind == "dir" and USERNS_ROOT.fullmatch(name)] if isinstance(names, dict) else []
    )
    return [name for name in found if not isinstance(reader.facts(f"{name}/image"), Trouble)]
