"""What containers and volumes use on a graph driver beside their own mount records. Pure."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from docker_fsck import ids
from docker_fsck.values import Ref

if TYPE_CHECKING:
    from docker_fsck.records.containers import Container, ContainerTable
    from docker_fsck.records.mounts import Mount
    from docker_fsck.store import Store


def leading(store: "Store") -> Iterator[tuple[Ref, str]]:
    """Volumes and containers with each driver id on the path of a volume's `_data` link, or of what is mounted in a container.

    Engines before 1.7 kept the data of volumes in `vfs/dir/<id>`; later ones link to it (moby 1.7: daemon `migrateVolume`).
    """
    for name, volume in sorted(store.volumes.volumes.items()):
        yield from ((Ref("volume", name), ident) for ident in ids.named(volume.target))
    for name, container in sorted(store.containers.containers.items()):
        yield from ((Ref("container", name), ident) for source in container.sources for ident in ids.named(source))


def led_to(store: "Store") -> frozenset[str]:
    """The driver ids of `leading`."""
    return frozenset(ident for _, ident in leading(store))


def borrower(table: "ContainerTable", mount: "Mount") -> str | None:
    """The container in which the image is mounted that a record without an init layer stands for.

    Engine 28 names it `<container>-<source>`, later ones by a digest; the container's mount point has the name as its ID
    (moby: daemon `volumes.go`).
    """
    if mount.init_id is not None:
        return None
    head, dash, _ = mount.name.partition("-")
    if dash and head in table.containers:
        return head
    return next((ident for ident, each in sorted(table.containers.items()) if mount.name in each.images), None)


def is_remnant(store: "Store", container: "Container") -> bool:
    """Whether a folder without a mount record is what a removal left: no config, no copy of one, no pair that it may own.

    Of which driver it was is not known: a pair of any tree may be its own, also one that could not be seen.
    """
    absent = container.fault is not None and container.fault.state == "absent"
    whole = any(each.whole and "config.v2" in each.path for each in container.siblings)
    return absent and not whole and not store.unseen and not any(store.pairs.values())


def blank(store: "Store") -> bool:
    """Whether containers/ is empty although mount records speak of containers, as where its disk is not mounted."""
    return store.containers.bare and any(model.mounts.mounts for model in store.models)
