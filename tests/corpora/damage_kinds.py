"""Every kind of metadata file of a data root, and where the one of each lies that the table of damages strikes."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from msgspec import Struct

from docker_fsck import ids

ENGINE28, VFS, BUILT, AUFS, OVERLAY1, MAPPER = (
    "docker28.5-overlay2-buildkit",
    "docker28.5-vfs-mixed",
    "built",
    "aufs",
    "overlay",
    "mapper",
)
STORES = (ENGINE28, VFS, BUILT, AUFS, OVERLAY1, MAPPER)
"""The roots that are struck: corpora by their names, and what the builder makes where no corpus has a kind."""


class Site(Struct, frozen=True):
    """A root, its driver, and whose files are struck: those of `image`, an id, and of `container`, an id of one on another image."""

    root: Path
    driver: str
    image: str
    container: str

    @property
    def tree(self) -> Path:
        """The folder of tags, images and layers."""
        return self.root / "image" / self.driver

    @property
    def folder(self) -> Path:
        """The container's folder."""
        return self.root / "containers" / self.container

    @property
    def mount(self) -> Path:
        """The container's mount record."""
        return self.tree / "layerdb/mounts" / self.container

    @property
    def record(self) -> Path:
        """The record of the image's top layer."""
        config = json.loads((self.tree / "imagedb/content/sha256" / self.image[7:]).read_bytes())
        chain: str | None = None
        for diff in config["rootfs"]["diff_ids"]:
            chain = ids.chain_id(chain, diff)
        assert chain is not None
        return self.tree / "layerdb/sha256" / chain[7:]

    def home(self, ident: str) -> Path:
        """A driver dir."""
        return self.root / {"vfs": "vfs/dir"}.get(self.driver, self.driver) / ident

    @property
    def layer(self) -> Path:
        """The driver dir of the image's top layer."""
        return self.home((self.record / "cache-id").read_text())

    @property
    def writable(self) -> Path:
        """The driver dir that the container writes to."""
        return self.home((self.mount / "mount-id").read_text())

    @property
    def init(self) -> Path:
        """The driver dir of the container's init layer."""
        return self.home((self.mount / "init-id").read_text())

    def short(self, of: Path) -> Path:
        """The short link of a driver dir."""
        return self.root / self.driver / "l" / (of / "link").read_text()

    def first(self, pattern: str) -> Path:
        """The first of what a pattern finds below the root."""
        return min(self.root.glob(pattern))


Find = Callable[[Site], Path]
Form = Literal["file", "folder", "link"]


class Kind(Struct, frozen=True):
    """A kind: its name, the path as the page spells it, where it is found, what it is, in which store it is struck."""

    name: str
    path: str
    find: Find
    form: Form = "file"
    store: str = ENGINE28


def _tree() -> Iterator[Kind]:
    yield Kind("tag store", "image/DRIVER/repositories.json", lambda site: site.tree / "repositories.json")
    yield Kind(
        "image configuration",
        "…/imagedb/content/sha256/IMAGE",
        lambda site: site.tree / "imagedb/content/sha256" / site.image[7:],
    )
    for name in ("parent", "lastUpdated", "builtLocally"):
        yield Kind(f"image's {name}", f"…/imagedb/metadata/sha256/IMAGE/{name}", _noted(name))
    for name in ("diff", "parent", "size", "cache-id", "tar-split.json.gz"):
        yield Kind(f"layer's {name}", f"…/layerdb/sha256/LAYER/{name}", _recorded(name))
    yield Kind("layer's descriptor.json", "…/layerdb/sha256/LAYER/descriptor.json", _recorded("descriptor.json"), store=BUILT)
    for name in ("mount-id", "init-id", "parent"):
        yield Kind(f"mount's {name}", f"…/layerdb/mounts/CONTAINER/{name}", _mounted(name))
    yield Kind(
        "digest's layer",
        "…/distribution/diffid-by-digest/sha256/DIGEST",
        lambda site: site.first("image/*/distribution/diffid-by-digest/*/*"),
    )
    yield Kind(
        "layer's digests",
        "…/distribution/v2metadata-by-diffid/sha256/DIFF",
        lambda site: site.first("image/*/distribution/v2metadata-by-diffid/*/*"),
    )


def _noted(name: str) -> Find:
    return lambda site: site.first(f"image/*/imagedb/metadata/sha256/*/{name}")


def _recorded(name: str) -> Find:
    return lambda site: site.record / name


def _mounted(name: str) -> Find:
    return lambda site: site.mount / name


def _held(name: str) -> Find:
    return lambda site: site.folder / name


def _below(name: str) -> Find:
    return lambda site: site.first(name)


def _driver() -> Iterator[Kind]:
    roles: dict[str, Callable[[Site], Path]] = {
        "layer": lambda site: site.layer, "init layer": lambda site: site.init, "writable layer": lambda site: site.writable,
    }  # fmt: skip
    for role, at in roles.items():
        for name in ("link", "lower", "committed"):
            if (role, name) != ("writable layer", "committed"):
                yield Kind(f"{role}'s {name}", f"overlay2/{role.upper()}/{name}", lambda site, at=at, name=name: at(site) / name)
        yield Kind(f"{role}'s short link", "overlay2/l/SHORT", lambda site, at=at: site.short(at(site)), "link")
        yield Kind(f"{role}'s work", f"overlay2/{role.upper()}/work", lambda site, at=at: at(site) / "work", "folder")
        store = BUILT if role == "writable layer" else ENGINE28  # its container has written something
        yield Kind(
            f"{role}'s diff folder", f"overlay2/{role.upper()}/diff", lambda site, at=at: at(site) / "diff", "folder", store
        )
        yield Kind(f"{role} of vfs", f"vfs/dir/{role.upper()}", lambda site, at=at: at(site), "folder", VFS)
        yield Kind(
            f"{role}'s list of aufs",
            f"aufs/layers/{role.upper()}",
            lambda site, at=at: site.root / "aufs/layers" / at(site).name,
            store=AUFS,
        )
        if role != "layer":
            yield Kind(
                f"{role}'s lower-id of overlay",
                f"overlay/{role.upper()}/lower-id",
                lambda site, at=at: at(site) / "lower-id",
                store=OVERLAY1,
            )
    yield Kind(
        "layer's metadata of devicemapper",
        "devicemapper/metadata/LAYER",
        lambda site: site.root / "devicemapper/metadata" / site.layer.name,
        store=MAPPER,
    )
    for name in ("deviceset-metadata", "transaction-metadata"):
        yield Kind(
            f"{name} of devicemapper", f"devicemapper/metadata/{name}", _below(f"devicemapper/metadata/{name}"), store=MAPPER
        )


def _container() -> Iterator[Kind]:
    for name in ("config.v2.json", "hostconfig.json", "hostname", "hosts", "resolv.conf", "resolv.conf.hash"):
        yield Kind(f"container's {name}", f"containers/CONTAINER/{name}", _held(name))
    yield Kind(
        "container's log", "containers/CONTAINER/CONTAINER-json.log", lambda site: site.folder / f"{site.container}-json.log"
    )
    yield Kind("container's cached log", "containers/CONTAINER/container-cached.log", _held("container-cached.log"), store=BUILT)
    yield Kind("container's mounts", "containers/CONTAINER/mounts", _held("mounts"), "folder")
    yield Kind("container's checkpoints", "containers/CONTAINER/checkpoints", _held("checkpoints"), "folder", BUILT)


def _engine() -> Iterator[Kind]:
    yield Kind("volume database", "volumes/metadata.db", _below("volumes/metadata.db"))
    yield Kind("volume's options", "volumes/VOLUME/opts.json", _below("volumes/*/opts.json"))
    yield Kind("network database", "network/files/local-kv.db", _below("network/files/local-kv.db"))
    for name in ("snapshots", "metadata_v2", "containerdmeta", "cache", "history"):
        yield Kind(f"BuildKit's {name}.db", f"buildkit/{name}.db", _below(f"buildkit/{name}.db"))
    yield Kind("BuildKit's blob", "buildkit/content/blobs/sha256/DIGEST", _below("buildkit/content/blobs/sha256/*"))
    for name in ("resolv.conf", "runc-log.json"):
        yield Kind(f"BuildKit's {name}", f"buildkit/executor/{name}", _below(f"buildkit/executor/{name}"))
    daemon = "containerd/daemon"
    yield Kind(
        "containerd's meta.db",
        "containerd/daemon/….metadata.v1.bolt/meta.db",
        _below(f"{daemon}/io.containerd.metadata.v1.bolt/meta.db"),
    )
    yield Kind(
        "containerd's blob",
        "containerd/daemon/….content.v1.content/blobs/sha256/DIGEST",
        _below(f"{daemon}/io.containerd.content.v1.content/blobs/sha256/*"),
    )
    yield Kind(
        "containerd's uuid",
        "containerd/daemon/….introspection/uuid",
        _below(f"{daemon}/io.containerd.grpc.v1.introspection/uuid"),
        store=BUILT,
    )
    yield Kind("engine's id", "engine-id", _below("engine-id"))
    yield Kind("plugin's config.json", "plugins/PLUGIN/config.json", _below("plugins/*/config.json"), store=BUILT)
    for name in ("docker-state.json", "state.json", "worker/tasks.db"):
        yield Kind(f"swarm's {name}", f"swarm/{name}", _below(f"swarm/{name}"), store=BUILT)
    yield Kind("swarm's log", "swarm/raft/wal-v3-encrypted/NUMBER.wal", _below("swarm/raft/wal-v3-encrypted/*.wal"), store=BUILT)


KINDS: tuple[Kind, ...] = (*_tree(), *_driver(), *_container(), *_engine())
