"""Field cases of containers, databases, volumes, host and upgrades, and the negative ones: FC-20 to FC-45, FC-47 to FC-60."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from field_layers import (
    CONTAINERD,
    DAY,
    ONLY_LOSSLESS,
    ONLY_LOSSY,
    ONLY_RECLAIM,
    all_layers,
    dead,
    image_gone,
    layers_below,
    removing_twin,
    user_data,
)
from fieldkit import CRITICAL, ERROR, INFO, LOSSY, MANUAL, RECLAIM, USER, WARNING, Case, Paths, Whole

from docker_fsck.backing import Backing
from docker_fsck.host import HostView, Recorded
from docker_fsck.testing import boltfile
from docker_fsck.testing.pools import ZFS_PARENT
from docker_fsck.upgrade.settings import Settings
from docker_fsck.upgrade.version import Version
from docker_fsck.values import Level

OPTIONS = {"MountType": "nfs", "MountOpts": "addr=192.0.2.7", "MountDevice": ":/export", "Quota": {"Size": 0}}
GARBAGE = b"\x00\xff" * 8192
BROKEN_CONFIG = {"container-config-corrupt": ERROR}
ENGINE_29 = Version(29)
ONLY_USER = frozenset({USER})


def config(store: Whole, name: str = "config.v2.json") -> Path:
    """A file of a container that has run."""
    return store.root.container_dir(store.ran) / name


def hidden_container(store: Whole) -> Paths:
    """All that belongs to the container: its folder, record, writable layer and volume."""
    yield from user_data(store)
    yield store.root.mount_record(store.ran)
    yield store.root.driver_dir(store.root.init_id(store.ran))


def mount(store: Whole, name: str) -> Path:
    """A file of the container's mount record."""
    return store.root.mount_record(store.ran) / name


def edited(store: Whole, ident: str, change: Callable[[dict[str, object]], object]) -> None:
    """A container's configuration says something else."""
    path = store.root.container_dir(ident) / "config.v2.json"
    told = json.loads(path.read_bytes())
    change(told)
    store.root.write(path, json.dumps(told).encode())


def config_sibling(store: Whole) -> None:
    """The configuration is empty, a whole temporary copy lies beside it: FC-20 (g)."""
    store.root.write(config(store, ".tmp-config.v2.json42"), config(store).read_bytes())
    store.root.empty(config(store))


def name_twice(store: Whole) -> None:
    """A half-removed container has the name of its replacement: FC-23."""
    edited(store, store.made, lambda told: told.update(Name="/ran"))
    drop_record(store, store.made)


def drop_record(store: Whole, ident: str) -> None:
    """Record and writable layer of a container are gone."""
    for each in (store.root.mount_id(ident), store.root.init_id(ident)):
        store.root.short_link(each).unlink()
        shutil.rmtree(store.root.driver_dir(each))
    shutil.rmtree(store.root.mount_record(ident))


def emptied_record(store: Whole) -> None:
    """All three files of a mount record are empty: FC-24."""
    for name in ("mount-id", "init-id", "parent"):
        store.root.empty(mount(store, name))


def local_kv(store: Whole, data: bytes | None) -> None:
    """The database of networks; None: a whole one without networks."""
    (store.root.path / "network/files").mkdir(parents=True, exist_ok=True)
    store.root.write("network/files/local-kv.db", boltfile.build({"libnetwork": {}}) if data is None else data)


def networks(store: Whole) -> None:
    """Two networks with one bridge: FC-27 (a)."""
    for name in ("one", "two"):
        store.root.network(name, bridge="br-same")


def containerd_file(store: Whole, name: str, data: bytes) -> None:
    """A file of the engine's own containerd."""
    path = store.root.path / "containerd/daemon" / name
    path.parent.mkdir(parents=True)
    store.root.write(path, data)


def folder(store: Whole, name: str, **files: bytes) -> None:
    """A folder with some files."""
    (store.root.path / name).mkdir(parents=True, exist_ok=True)
    for file, data in files.items():
        store.root.write(f"{name}/{file}", data)


def log_of(store: Whole, data: bytes) -> None:
    """The log of a container."""
    store.root.write(config(store, f"{store.ran}-json.log"), data)


def pull_in_progress(store: Whole) -> None:
    """A layer that is just being unpacked: FC-56."""
    store.root.layer_tmp()
    store.root.orphan_pair()
    folder(store, "tmp", GetImageBlob123=b"half")


def running_engine(_: Whole) -> HostView:
    """An engine is at work on the root."""
    return HostView(state="live", why="an engine runs", users=())


def unusual(store: Whole) -> None:
    """What looks odd and is normal: FC-57."""
    root = store.root
    root.image("empty:1", 0)
    root.image(None, 1)
    root.container(store.app, "again", config={"State": {"Running": False}})
    for image in (store.app, store.web):
        shutil.rmtree(root.image_metadata(image), ignore_errors=True)
    root.delete(root.driver_dir(store.dir_of(store.base, 0)) / "committed")
    (root.driver_dir(root.mount_id(store.ran)) / "merged").mkdir()


def garbage_and(blow: Callable[[Whole], object]) -> Callable[[Whole], None]:
    """Garbage beside a source of references that cannot be read: FC-58."""

    def how(store: Whole) -> None:
        store.root.orphan_dir()
        store.root.unreferenced_layers(1)
        blow(store)

    return how


def user_data_of_others(store: Whole) -> Paths:
    """Containers that nothing was done to, and the volumes."""
    return (store.root.container_dir(store.busy), store.root.container_dir(store.made), store.root.path / "volumes")


def all_but_garbage(store: Whole) -> Paths:
    """What images and containers need."""
    yield from layers_below(store)


def all_records(store: Whole) -> Paths:
    """Every layer record and its folder, also of those that no known image needs."""
    yield from (store.root.record(chain) for chain in store.root.layers)
    yield from (store.root.driver_dir(layer.cache_id) for layer in store.root.layers.values())


def build_cache(store: Whole) -> Paths:
    """Every layer, and the folders that BuildKit alone names."""
    yield from all_records(store)
    yield from (path for path in (store.root.path / "overlay2").iterdir() if len(path.name) == 25)


def everything(store: Whole) -> Paths:
    """All driver dirs and records: while a source is not read, nothing is garbage."""
    yield from (store.root.path / "overlay2").iterdir()
    yield from (store.root.image_home / "layerdb/sha256").iterdir()


def data_link(store: Whole) -> None:
    """The data of a volume is a link out of the root: FC-59."""
    outside = store.root.path.with_name("outside")
    (outside / "precious").mkdir(parents=True)
    path = store.root.volume_dir(store.data) / "_data"
    store.root.delete(path)
    path.symlink_to(outside)


def moved_volumes(store: Whole) -> None:
    """All volumes lie elsewhere, behind a link: FC-59."""
    outside = store.root.path.with_name("outside")
    (store.root.path / "volumes").rename(outside)
    (store.root.path / "volumes").symlink_to(outside)


def linked_orphan(store: Whole) -> None:
    """Garbage whose content is a link to the top of the host: FC-59."""
    ident = store.root.orphan_dir()
    store.root.link_to(store.root.content(ident) / "host", "/")


# fmt: off
CASES: tuple[Case, ...] = (
    Case(id="FC-20", what="(a) the configuration of a container is gone", how=lambda s: s.root.delete(config(s)), finds=BROKEN_CONFIG, refused="needs consent", keeps=hidden_container),
    Case(id="FC-20", what="(b) it is empty", how=lambda s: s.root.empty(config(s)), finds=BROKEN_CONFIG, keeps=hidden_container),
    Case(id="FC-20", what="(c) it is cut off", how=lambda s: s.root.cut(config(s)), finds=BROKEN_CONFIG, keeps=hidden_container),
    Case(id="FC-20", what="(d) it is NUL bytes", how=lambda s: s.root.nul(config(s)), finds=BROKEN_CONFIG, keeps=hidden_container),
    Case(id="FC-20", what="(e) it is a bare number", how=lambda s: s.root.write(config(s), b"42"), finds=BROKEN_CONFIG, keeps=hidden_container),
    Case(id="FC-20", what="(f) it names another container", how=lambda s: edited(s, s.ran, lambda told: told.update(ID="7" * 64)), finds={"container-id-mismatch": ERROR}, keeps=hidden_container),
    Case(id="FC-20", what="(g) it is empty and a whole temporary copy is there", how=config_sibling, finds=BROKEN_CONFIG, classes=ONLY_LOSSLESS, keeps=lambda s: (s.root.mount_record(s.ran), s.root.path / "volumes")),
    Case(id="FC-21", what="hostconfig.json is cut off", how=lambda s: s.root.cut(config(s, "hostconfig.json")), finds={"container-hostconfig-corrupt": ERROR}, keeps=lambda s: (s.root.mount_record(s.ran), s.root.path / "volumes")),
    Case(id="FC-21", what="hostconfig.json is gone", how=lambda s: s.root.delete(config(s, "hostconfig.json")), finds={"container-hostconfig-missing": WARNING}, keeps=hidden_container),
    Case(id="FC-22", what="(a) a container without mount record and writable layer", how=lambda s: drop_record(s, s.ran), finds={"container-record-missing": ERROR}, keeps=lambda s: (s.root.container_dir(s.ran), s.root.path / "volumes")),
    Case(id="FC-22", what="(b) the writable layer is gone", how=lambda s: shutil.rmtree(s.root.driver_dir(s.root.mount_id(s.ran))), finds={"mount-rwdir-missing": ERROR}, keeps=lambda s: (s.root.container_dir(s.ran), s.root.path / "volumes")),
    Case(id="FC-23", what="a half-removed container has the name of another", how=name_twice, consents=True, finds={"container-name-duplicate": ERROR}, classes=ONLY_USER, keeps=lambda s: (s.root.container_dir(s.ran), s.root.mount_record(s.ran), s.root.driver_dir(s.root.mount_id(s.ran)), s.root.path / "volumes")),
    Case(id="FC-24", what="all of a mount record is empty", how=emptied_record, finds={"mount-record-broken": ERROR}, classes=ONLY_LOSSLESS, keeps=hidden_container),
    Case(id="FC-25", what="(a) a dead container that still has its layer", how=dead, consents=True, finds={"container-dead": WARNING}, classes=ONLY_USER, keeps=lambda s: (s.root.container_dir(s.busy), s.root.container_dir(s.made), s.root.path / "volumes")),
    Case(id="FC-26", what="(a) the network database is garbage", how=lambda s: local_kv(s, GARBAGE), finds={"network-db-unreadable": CRITICAL}, classes=ONLY_LOSSY, keeps=user_data),
    Case(id="FC-26", what="(f) it is empty: the engine makes a new one", how=lambda s: local_kv(s, b""), keeps=user_data),
    Case(id="FC-27", what="(a) two networks with one bridge", how=networks, finds={"network-bridge-duplicate": CRITICAL}, keeps=user_data),
    Case(id="FC-28", what="(b) the volume database is garbage", how=lambda s: s.root.write("volumes/metadata.db", GARBAGE), finds={"volume-db-unreadable": CRITICAL}, classes=ONLY_LOSSY, keeps=lambda s: (s.root.volume_dir(s.data), s.root.volume_dir(s.anonymous))),
    Case(id="FC-29", what="the database of the engine's containerd is garbage", how=lambda s: containerd_file(s, "io.containerd.metadata.v1.bolt/meta.db", GARBAGE), finds={"containerd-db-unreadable": CRITICAL}, classes=frozenset({LOSSY}), keeps=user_data),
    Case(id="FC-30", what="snapshots.db of BuildKit is garbage", how=lambda s: s.root.write("buildkit/snapshots.db", GARBAGE), finds={"buildkit-db-unreadable": CRITICAL, "driver-orphan": INFO}, classes=frozenset({LOSSY}), refused="references of BuildKit unknown", keeps=all_layers),
    Case(id="FC-31", what="the options of a volume are empty", how=lambda s: s.root.write(s.root.volume_dir(s.data) / "opts.json", b""), finds={"volume-opts-corrupt": CRITICAL}, classes=ONLY_LOSSY, keeps=lambda s: (s.root.volume_dir(s.data) / "_data",)),
    Case(id="FC-31", what="the options of a network volume are cut off", how=lambda s: s.root.write(s.root.volume_dir(s.data) / "opts.json", json.dumps(OPTIONS).encode()[:20]), finds={"volume-opts-corrupt": CRITICAL}, classes=ONLY_LOSSY, keeps=lambda s: (s.root.volume_dir(s.data) / "_data",)),
    Case(id="FC-32", what="(a) a volume without its data", how=lambda s: s.root.delete(s.root.volume_dir(s.data) / "_data"), finds={"volume-data-missing": ERROR}, keeps=lambda s: (s.root.path / "volumes",)),
    Case(id="FC-33", what="(b) a volume that only a hidden container names", how=lambda s: s.root.empty(config(s)), finds={**BROKEN_CONFIG, "prune-hazard": CRITICAL}, keeps=lambda s: (s.root.path / "volumes",)),
    Case(id="FC-34", what="(a) a plugin without config.json", how=lambda s: folder(s, f"plugins/{'3' * 64}", note=b"x"), finds={"plugin-config-damaged": ERROR}, classes=frozenset({LOSSY}), keeps=user_data),
    Case(id="FC-34", what="(c) a plugin in removal", how=lambda s: folder(s, f"plugins/{'3' * 64}-removing"), finds={"plugin-residue": INFO}, classes=ONLY_RECLAIM, keeps=user_data),
    Case(id="FC-35", what="engine-id is empty", how=lambda s: s.root.write("engine-id", b""), finds={"engine-id-empty": WARNING}, classes=ONLY_LOSSY, keeps=user_data),
    Case(id="FC-35", what="key.json of this host's engine is empty", how=lambda _: None, finds={"engine-key-damaged": CRITICAL}, engine=Settings(key="/etc/docker/key.json: the file is empty"), keeps=user_data),
    Case(id="FC-36", what="daemon.json is empty", how=lambda _: None, finds={"daemon-json": ERROR}, engine=Settings(file="/etc/docker/daemon.json", fault="the file is empty"), keeps=user_data),
    Case(id="FC-37", what="temporary files beside what they were meant for", how=lambda s: s.root.write(config(s, ".tmp-config.v2.json7"), b"{"), finds={"container-temp-residue": INFO}, classes=ONLY_RECLAIM, keeps=user_data_of_others),
    Case(id="FC-37", what="an unfinished registration", how=lambda s: s.root.layer_tmp(), finds={"layer-tmp": INFO}, classes=ONLY_RECLAIM, keeps=all_layers),
    Case(id="FC-37", what="a temporary copy of a damaged file is evidence", how=config_sibling, finds=BROKEN_CONFIG, classes=ONLY_LOSSLESS),
    Case(id="FC-38", what="(a) a log with NUL bytes at its end", how=lambda s: log_of(s, b'{"log":"a"}\n' + bytes(4096)), finds={"container-log-damaged": WARNING}, keeps=hidden_container),
    Case(id="FC-38", what="(b) a log whose last line is half", how=lambda s: log_of(s, b'{"log":"a"}\n{"log":"b'), finds={"container-log-damaged": WARNING}, keeps=hidden_container),
    Case(id="FC-55", what="a container of another storage driver", how=lambda s: s.root.container(None, "old", driver="aufs"), finds={"container-foreign-driver": WARNING}, keeps=user_data),
    Case(id="FC-56", what="a pull and a create are under way", how=pull_in_progress, finds={"driver-orphan": INFO, "layer-tmp": INFO}, grace=DAY, refused="grace period", host=running_engine, keeps=everything),
    Case(id="FC-57", what="unusual and normal", how=unusual, keeps=everything),
    Case(id="FC-58", what="garbage beside an unreadable container configuration", how=garbage_and(lambda _: None), denied=config, finds={"file-unreadable": ERROR, "driver-orphan": INFO, "layer-unreferenced": INFO}, classes=ONLY_RECLAIM, incomplete="config.v2.json", keeps=all_but_garbage),
    Case(id="FC-58", what="garbage beside unreadable image configurations", how=garbage_and(lambda _: None), denied=lambda s: s.root.image_file(s.web), finds={"file-unreadable": ERROR, "driver-orphan": INFO, "layer-unreferenced": INFO}, incomplete="imagedb", refused="references of images unknown", classes=ONLY_RECLAIM, keeps=all_records),
    Case(id="FC-58", what="garbage beside snapshots.db that the kernel refuses", how=garbage_and(lambda _: None), denied=lambda s: s.root.path / "buildkit/snapshots.db", finds={"file-unreadable": ERROR, "driver-orphan": INFO, "layer-unreferenced": INFO}, incomplete="snapshots.db", refused="references of BuildKit unknown", classes=ONLY_RECLAIM, keeps=build_cache),
    Case(id="FC-58", what="garbage beside a damaged image configuration", how=garbage_and(lambda s: s.root.cut(s.root.image_file(s.web))), finds={"image-hash-mismatch": ERROR, "driver-orphan": INFO, "layer-unreferenced": INFO}, classes=frozenset({LOSSY, RECLAIM}), pulls={"web"}, refused="references of images unknown", keeps=lambda s: (s.root.record(chain) for chain in s.root.layers)),
    Case(id="FC-59", what="the data of a volume is a link out of the root", how=data_link, finds={"volume-data-link": WARNING}, keeps=lambda s: (s.root.path / "volumes",)),
    Case(id="FC-59", what="the folder of volumes lies on another disk", how=moved_volumes, finds={"root-part-elsewhere": INFO}, incomplete="volumes", keeps=all_layers),
    Case(id="FC-59", what="garbage that holds a link to the top of the host", how=linked_orphan, finds={"driver-orphan": INFO}, classes=ONLY_RECLAIM, keeps=all_layers),
    Case(id="FC-60", what="layers that only a container needs", how=image_gone, finds={"container-image-missing": INFO}, keeps=everything),
)
# fmt: on
