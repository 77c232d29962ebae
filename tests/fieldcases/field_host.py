"""Field cases of hosts, copies and upgrades: FC-39 to FC-51."""

import errno
import os
import shutil

from field_layers import ONLY_LOSSLESS, ONLY_LOSSY, ONLY_RECLAIM, all_layers, user_data
from field_rest import containerd_file, edited, everything, folder, hidden_container, mount
from fieldkit import CRITICAL, ERROR, INFO, MANUAL, WARNING, Case, Whole

from docker_fsck.backing import Backing
from docker_fsck.host import HostView, Recorded
from docker_fsck.testing.pools import ZFS_PARENT
from docker_fsck.upgrade.settings import Settings
from docker_fsck.upgrade.version import Version
from docker_fsck.values import Level

ENGINE_29 = Version(29)
MOVED = {"container-paths-foreign": WARNING}
OWN = Settings(own=True)
"""The root is that of this host's engine."""


def nested(store: Whole) -> None:
    """A root of a remapped user in the root: FC-50."""
    shutil.copytree(store.root.path / "image", store.root.path / "100000.100000/image")
    shutil.copytree(store.root.path / "overlay2", store.root.path / "100000.100000/overlay2", symlinks=True)


def links_as_folders(store: Whole) -> None:
    """The short links became copies of what they point to: FC-44 (a)."""
    for link in (store.root.path / "overlay2/l").iterdir():
        target = link.resolve()
        link.unlink()
        shutil.copytree(target, link, symlinks=True)


def strange_owner(store: Whole) -> None:
    """The copy gave every file to one user: FC-44 (d)."""
    for path in store.root.content(store.dir_of(store.base, 0)).rglob("*"):
        os.lchown(path, 1000, 1000)


def one_strange_owner(store: Whole) -> None:
    """One file came with another owner: FC-44 (d)."""
    os.lchown(max(store.root.content(store.dir_of(store.base, 0)).rglob("*")), 1000, 1000)


def subvolume_as_folder(store: Whole) -> None:
    """A copy made a plain folder of a subvolume: FC-44 (e)."""
    where = store.root.driver_dir(store.dir_of(store.base, 0))
    aside = where.rename(where.with_name("aside"))
    store.root.disk.copy(aside, where)
    store.root.delete(aside)


def recorded(store: Whole) -> HostView:
    """What `zfs list` of the host says."""
    return HostView(state="stopped", why="", recorded={"zfs": Recorded(store.root.pool.probe(), 1 << 62, "zfs.txt")})


def destroyed(store: Whole) -> None:
    """The dataset of an image's top layer is gone with its snapshots, those of its containers with it: FC-48."""
    for ident in (store.dir_of(store.web),):
        name = f"{ZFS_PARENT}/{ident}"
        origin = store.root.pool.rows[name][0]
        for each in [each for each in store.root.pool.rows if each in {name, origin} or each.startswith(f"{name}@")]:
            del store.root.pool.rows[each]


def absolute_links(store: Whole) -> None:
    """The short links became absolute: FC-44 (a)."""
    for link in (store.root.path / "overlay2/l").iterdir():
        target = os.readlink(link)
        link.unlink()
        link.symlink_to(f"/var/lib/docker/overlay2/{target.removeprefix('../')}")


def moved_root(store: Whole) -> None:
    """The paths that a container knows are those of another place: FC-44 (f)."""
    edited(
        store,
        store.ran,
        lambda told: told.update(LogPath="/old/docker/containers/x.log", HostsPath="/old/docker/containers/hosts"),
    )


def beside_an_emptied_link(store: Whole) -> None:
    """Garbage, and what could be mended without a loss: FC-49."""
    store.root.orphan_dir()
    store.root.empty(store.root.driver_dir(store.dir_of(store.base, 0)) / "link")


def disk(kind: str = "ext4", options: tuple[str, ...] = (), free: int = 1 << 39) -> Backing:
    """A file system of 1 TiB."""
    return Backing(kind, options, 1 << 40, free, 1 << 20, 1 << 19, "ro" in options)


# fmt: off
CASES: tuple[Case, ...] = (
    Case(id="FC-39", what="a tree of aufs, and the engine is to be 24", how=lambda _: None, finds={"upgrade-driver-removed": CRITICAL}, driver="aufs", target=Version(24), keeps=all_layers),
    Case(id="FC-39", what="a tree of aufs, and the engine is to be 23", how=lambda _: None, finds={"upgrade-driver-unchosen": CRITICAL}, driver="aufs", target=Version(23), keeps=all_layers),
    Case(id="FC-40", what="only vfs has state, and the engine is to be 29", how=lambda _: None, finds={"upgrade-store-hidden": CRITICAL}, driver="vfs", target=ENGINE_29),
    Case(id="FC-40", what="the feature is on, and the engine is to be 29", how=lambda _: None, finds={"upgrade-store-hidden": ERROR}, target=ENGINE_29, engine=Settings(snapshotter=True, origin="daemon.json", file="daemon.json"), keeps=all_layers),
    Case(id="FC-43", what="the uuid of containerd is empty", how=lambda s: containerd_file(s, "io.containerd.grpc.v1.introspection/uuid", b""), finds={"containerd-uuid": ERROR}, classes=ONLY_LOSSY, keeps=user_data),
    Case(id="FC-44", what="(a) short links became absolute", how=absolute_links, finds={"ovl-link-symlink": ERROR}, classes=ONLY_LOSSLESS, keeps=all_layers),
    Case(id="FC-44", what="(a) short links became folders", how=links_as_folders, finds={"ovl-link-symlink": ERROR}, classes=ONLY_LOSSLESS, keeps=all_layers),
    Case(id="FC-44", what="(d) all files of a layer belong to another: it may be meant so", how=strange_owner, finds={"layer-metadata-drift": INFO}, level=Level.DEEP, keeps=everything),
    Case(id="FC-44", what="(d) a file of a layer belongs to another", how=one_strange_owner, finds={"layer-metadata-drift": INFO}, classes=ONLY_LOSSLESS, level=Level.DEEP, keeps=everything),
    Case(id="FC-44", what="(e) a subvolume became a folder", how=subvolume_as_folder, finds={"btrfs-not-subvolume": ERROR}, driver="btrfs", keeps=lambda s: (s.root.path / "btrfs", s.root.path / "volumes")),
    Case(id="FC-44", what="(f) a container knows the paths of another place", how=moved_root, finds=MOVED, keeps=hidden_container),
    Case(id="FC-45", what="overlay2 with d_type, and the engine is to be 29", how=lambda _: None, target=ENGINE_29, keeps=all_layers),
    Case(id="FC-45", what="an overlay below overlay2", how=lambda _: None, engine=OWN, disk=disk("overlay"), finds={"backing-fs": CRITICAL, **MOVED}, keeps=everything),
    Case(id="FC-45", what="nearly full: garbage is put away, it takes no room", how=lambda s: s.root.orphan_dir(), engine=OWN, disk=disk(free=1 << 20), finds={"backing-fs": WARNING, **MOVED, "driver-orphan": INFO}, classes=ONLY_RECLAIM, keeps=all_layers),
    Case(id="FC-45", what="read-only as a whole: nothing is written", how=lambda s: s.root.orphan_dir(), engine=OWN, disk=disk(options=("ro",)), finds={"backing-fs": CRITICAL, **MOVED, "driver-orphan": INFO}, refused="read-only", keeps=everything),
    Case(id="FC-47", what="a subvolume that nothing names", how=lambda s: s.root.orphan_dir(), finds={"driver-orphan": INFO}, classes=ONLY_RECLAIM, driver="btrfs", keeps=lambda s: (s.root.path / "volumes",)),
    Case(id="FC-48", what="a home of zfs beside the tree", how=lambda s: folder(s, "zfs/graph/" + "4" * 64), lacks="datasets are known to the host alone: --probe tells of them", incomplete="zfs", keeps=all_layers),
    Case(id="FC-48", what="a dataset that nothing names (`--probe`)", how=lambda s: s.root.orphan_dir(), host=recorded, driver="zfs", finds={"zfs-orphan-dataset": INFO}, classes=frozenset({MANUAL}), leaves=("zfs-orphan-dataset",), keeps=lambda s: (s.root.path / "volumes",)),
    Case(id="FC-48", what="a dataset of a layer was destroyed (`--probe`)", how=destroyed, host=recorded, driver="zfs", finds={"layer-driverdir-missing": ERROR}, refused="container made, container busy still run without it", keeps=user_data),
    Case(id="FC-49", what="garbage, and one record cannot be read (EIO): nothing at all is written", how=beside_an_emptied_link, denied=lambda s: mount(s, "mount-id"), finds={"file-unreadable": ERROR, "driver-orphan": INFO, "ovl-link-file": ERROR}, refused="the file system reports errors", error=errno.EIO, incomplete="mount-id", keeps=everything),
    Case(id="FC-50", what="the root of a remapped user in the root", how=nested, finds={"userns-root-present": INFO}, keeps=lambda s: (*all_layers(s), s.root.path / "100000.100000")),
    Case(id="FC-51", what="docker-state.json of the swarm is empty", how=lambda s: s.root.write("swarm/docker-state.json", b""), finds={"swarm-state": CRITICAL}, keeps=lambda s: (s.root.path / "swarm",)),
)
# fmt: on
