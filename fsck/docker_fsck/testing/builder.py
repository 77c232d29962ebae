"""`DataRoot` makes whole, consistent data roots of the classic store, as an engine 20.10 to 28 leaves them; tests only."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from docker_fsck.ids import chain_id, hex_of
from docker_fsck.testing import boltfile, buildcache, containers, damage, images, leftovers, others
from docker_fsck.testing.disk import Disk
from docker_fsck.testing.homes import HomeBuilder, Kind, home_of
from docker_fsck.testing.layertar import Files, Packed, pack
from docker_fsck.testing.names import Names, short_name
from docker_fsck.testing.pools import Devicemapper, Zfs


class Layer(msgspec.Struct, frozen=True):
    """A read-only layer: its chain-id, diff-id, parent's chain-id, driver id."""

    chain: str
    diff: str
    parent: str | None
    cache_id: str


class DataRoot:
    """A data root under construction, and the damage that is done to it.

    `path` must be absent, empty, or a root that was built for another driver. Every file carries the time
    `layertar.MTIME`. Ids come from a counter: the same calls give the same root. `home` is the path under which the
    engine knew the root; it stands in the containers' documents, and an engine starts them from anywhere. `lost_dirs`
    are the driver ids that `removing` and `layer_tmp` made, in the order of the calls.
    """

    def __init__(self, path: Path, driver: str = "overlay2", *, home: str = "/var/lib/docker") -> None:
        self.path = Path(path).absolute()
        self.driver = driver
        self.home = home
        self.disk = Disk(self.path)
        self.names = Names(driver)
        self.layers: dict[str, Layer] = {}
        self.images: dict[str, images.Image] = {}
        self.mounts: dict[str, containers.Mount] = {}
        self.volumes: dict[str, str] = {}
        self.repositories: dict[str, dict[str, str]] = {}
        self.buildkit = buildcache.Tables()
        self.networks = others.Networks({})
        self.lost_dirs: list[str] = []
        self.image_home = self.path / "image" / driver
        if self.image_home.exists() or (self.path.exists() and not (self.path / "image").exists() and any(self.path.iterdir())):
            msg = f"{self.path} is not empty"
            raise FileExistsError(msg)
        self._skeleton()
        self._home: HomeBuilder = home_of(driver, self.path, self.disk)
        images.write_tags(self)
        if not (self.path / "volumes" / "metadata.db").exists():
            containers.write_volumes(self)
            others.predefined(self)
        self.disk.settle()

    container = containers.container
    volume = containers.volume
    tag = images.tag
    build_cache = buildcache.build_cache
    build_state = buildcache.write_buildkit
    network = others.network
    endpoint = others.endpoint
    plugin = others.plugin
    swarm = others.swarm
    mount_image = containers.mount_image
    orphan_dir = leftovers.orphan_dir
    orphan_pair = leftovers.orphan_pair
    orphan_mount = leftovers.orphan_mount
    unreferenced_layers = leftovers.unreferenced_layers
    shadow_parent = leftovers.shadow_parent
    removing = leftovers.removing
    layer_tmp = leftovers.layer_tmp

    delete = damage.delete
    empty = damage.empty
    cut = damage.cut
    flip = damage.flip
    nul = damage.nul
    write = damage.write
    link_to = damage.link_to
    make_dir = damage.make_dir
    chmod = damage.chmod
    age = damage.age
    move = damage.move

    def layer(self, files: Files, parent: str | None = None) -> str:
        """A layer with `files` above the layer `parent`; returns its chain-id, also where the layer is there already."""
        packed = pack(files)
        chain = chain_id(parent, packed.diff)
        if chain not in self.layers:
            cache_id = self.names.hex()
            self.make_dir_of(cache_id, self.layers[parent].cache_id if parent else None, files, "image")
            self.register(packed, parent, cache_id)
            self.disk.settle()
        return chain

    def image(
        self,
        tag: str | None = "app:1",
        layers: int | Sequence[Files] = 2,
        base: str | None = None,
        digest_ref: bool = False,  # noqa: FBT001, FBT002 - an addition, not another meaning
    ) -> str:
        """An image; returns its id.

        `layers` is how many layers with content of their own, or the content of each. `base` is the id of an image
        whose layers lie below and whose child this is. With `digest_ref` it looks pulled: a digest reference beside
        the tag, and the distribution cache filled.
        """
        content = [self.some_files() for _ in range(layers)] if isinstance(layers, int) else layers
        diffs = self.images[base].diffs if base else ()
        top = self.images[base].chains[-1] if diffs and base else None
        for files in content:
            top = self.layer(files, top)
            diffs += (self.layers[top].diff,)
        ident = images.add_image(self, diffs, base)
        if tag is not None:
            images.tag(self, tag, ident)
            if digest_ref:
                images.pulled(self, tag, ident)
        self.disk.settle()
        return ident

    def some_files(self) -> dict[str, bytes]:
        """Content for a layer that no other layer has."""
        number = self.names.count()
        return {f"opt/part{number}/data": f"part {number}\n".encode() * 8, f"etc/part{number}.conf": f"n={number}\n".encode()}

    def make_dir_of(self, ident: str, parent: str | None, files: Files, kind: Kind) -> None:
        """A driver dir above the driver dir `parent`, without a record."""
        self._home.make(ident, parent, files, kind)

    def register(self, packed: Packed, parent: str | None, cache_id: str) -> None:
        """The layerdb record that makes a driver dir the layer `packed` (classic-store 5.1)."""
        chain = chain_id(parent, packed.diff)
        record = self.disk.folder(self.record(chain), 0o700)
        self.disk.put(record / "tar-split.json.gz", packed.split)
        self.disk.put(record / "diff", packed.diff)
        self.disk.put(record / "size", str(packed.size))
        self.disk.put(record / "cache-id", cache_id)
        if parent is not None:
            self.disk.put(record / "parent", parent)
        self.layers[chain] = Layer(chain, packed.diff, parent, cache_id)

    def write_bolt(self, name: str, tree: Mapping[str, object], mode: int) -> None:
        """A bbolt file at `name` below the root."""
        self.disk.put(self.path / name, boltfile.build(tree), mode)

    @property
    def tags(self) -> Path:
        """repositories.json."""
        return self.image_home / "repositories.json"

    def dir_of(self, chain: str) -> str:
        """The cache-id of a layer."""
        return self.layers[chain].cache_id

    def chains_of(self, image: str) -> tuple[str, ...]:
        """The chain-ids of an image's layers, the base first."""
        return self.images[image].chains

    def driver_dir(self, ident: str) -> Path:
        """The folder that a driver names like `ident`: overlay2/<id>, vfs/dir/<id>, aufs/diff/<id>."""
        return self._home.folder(ident)

    def content(self, ident: str) -> Path:
        """Where the files of a driver dir lie: overlay2/<id>/diff, vfs/dir/<id>, aufs/diff/<id>."""
        return self._home.content(ident)

    @property
    def pool(self) -> Zfs | Devicemapper:
        """The pool of zfs or devicemapper, for damage there and for what a probe prints of it."""
        if not isinstance(self._home, Zfs | Devicemapper):
            msg = f"{self.driver} keeps its layers in the root"
            raise TypeError(msg)
        return self._home

    def short(self, ident: str) -> str:
        """The short link name of an overlay2 dir."""
        return short_name(ident)

    def short_link(self, ident: str) -> Path:
        """The symlink l/<short> in the home of overlay2 or fuse-overlayfs."""
        return self.path / self.driver / "l" / short_name(ident)

    def record(self, chain: str) -> Path:
        """The layerdb folder of a layer."""
        return self.image_home / "layerdb" / "sha256" / hex_of(chain)

    def mount_record(self, name: str) -> Path:
        """The layerdb/mounts folder of a container."""
        return self.image_home / "layerdb" / "mounts" / name

    def mount_id(self, name: str) -> str:
        """The driver id of a container's writable layer."""
        return self.mounts[name].mount_id

    def init_id(self, name: str) -> str:
        """The driver id of a container's init layer."""
        return self.mounts[name].init_id

    def image_file(self, image: str) -> Path:
        """An image's configuration."""
        return self.image_home / "imagedb" / "content" / "sha256" / hex_of(image)

    def image_metadata(self, image: str) -> Path:
        """An image's folder with `parent` and `lastUpdated`."""
        return self.image_home / "imagedb" / "metadata" / "sha256" / hex_of(image)

    def container_dir(self, container: str) -> Path:
        """A container's folder."""
        return self.path / "containers" / container

    def volume_dir(self, name: str) -> Path:
        """A volume's folder, with `_data` in it."""
        return self.path / "volumes" / name

    def _skeleton(self) -> None:
        """The folders that every start of an engine makes, with the modes of 20.10.24."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.disk.folder(self.path, 0o710)
        for name, mode in SKELETON.items():
            self.disk.folder(self.path / name.format(driver=self.driver), mode)


SKELETON = {
    "containers": 0o710,
    "image": 0o700,
    "image/{driver}": 0o700,
    "image/{driver}/distribution": 0o700,
    "image/{driver}/distribution/diffid-by-digest": 0o755,
    "image/{driver}/distribution/diffid-by-digest/sha256": 0o755,
    "image/{driver}/distribution/v2metadata-by-diffid": 0o755,
    "image/{driver}/distribution/v2metadata-by-diffid/sha256": 0o755,
    "image/{driver}/imagedb": 0o700,
    "image/{driver}/imagedb/content": 0o700,
    "image/{driver}/imagedb/content/sha256": 0o700,
    "image/{driver}/imagedb/metadata": 0o700,
    "image/{driver}/imagedb/metadata/sha256": 0o700,
    "image/{driver}/layerdb": 0o700,
    "image/{driver}/layerdb/mounts": 0o755,
    "image/{driver}/layerdb/sha256": 0o755,
    "image/{driver}/layerdb/tmp": 0o755,
    "network": 0o750,
    "network/files": 0o750,
    "plugins": 0o700,
    "plugins/storage": 0o755,
    "plugins/storage/ingest": 0o755,
    "plugins/tmp": 0o700,
    "runtimes": 0o700,
    "swarm": 0o700,
    "tmp": 0o700,
    "trust": 0o700,
    "volumes": 0o701,
}
"""Folders of the root with their modes, those above first."""
