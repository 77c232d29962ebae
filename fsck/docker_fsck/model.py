"""One graph driver's tree as values: `image/<driver>`, the driver's home, and what the records of both say of each other.

Tables are read when first asked for. Nothing here judges: rules do, against these tables and the marks of `Model.marks`.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from docker_fsck import ids, marks, owners
from docker_fsck.graph import depths, reverse
from docker_fsck.protocols import Driver, Home
from docker_fsck.records import imagedb, layerdb, mounts, repositories
from docker_fsck.values import Ref, Trouble

if TYPE_CHECKING:
    from docker_fsck.records.containers import Container
    from docker_fsck.records.imagedb import Image
    from docker_fsck.records.layerdb import Layer
    from docker_fsck.records.mounts import Mount
    from docker_fsck.store import Store

IMAGES = "image"
DEEPEST = 1000


class Model:
    """One graph driver's tree: `image/<driver>` and the driver's home."""

    def __init__(self, store: "Store", driver: Driver) -> None:
        """A tree of `store`; nothing is read yet."""
        self.store, self.driver, self.name = store, driver, driver.name
        self.image_dir = f"{IMAGES}/{driver.name}"
        self._layers: Callable[[], layerdb.LayerTable] = lambda: layerdb.read(store.reader, self.image_dir)

    @cached_property
    def tags(self) -> repositories.TagStore:
        """The tag store."""
        return repositories.read(self.store.reader, self.image_dir)

    @cached_property
    def images(self) -> imagedb.ImageTable:
        """The image configs and metadata."""
        return imagedb.read(self.store.reader, self.image_dir)

    @cached_property
    def layers(self) -> layerdb.LayerTable:
        """The layer records."""
        return self._layers()

    def read_ahead(self) -> None:
        """Read all tables, the layer records in a second process, for a run that will want them all."""
        self._layers = layerdb.begin(self.store.reader, self.image_dir)
        _ = self.home, self.images, self.mounts

    @cached_property
    def mounts(self) -> mounts.MountTable:
        """The mount records."""
        return mounts.read(self.store.reader, self.image_dir)

    @cached_property
    def home(self) -> Home:
        """The driver dirs."""
        return self.driver.survey(self.store.reader)

    @cached_property
    def shift(self) -> owners.Shift | None:
        """What a user namespace adds to the owners of layers, None where that is not known."""
        there = [self.home.content(each) for each in self.dir_owner if self.home.missing(each) is None]
        return owners.shift_of(self.store.reader, self.home.name, there)

    @cached_property
    def containers(self) -> "dict[str, Container]":
        """Containers of this driver by id; one whose driver is unknown counts if no other tree has a record of it."""
        found = {}
        for ident, container in self.store.containers.containers.items():
            elsewhere = any(ident in model.mounts.mounts for model in self.store.models if model is not self)
            if not container.snapshotted and (container.driver == self.name or (not container.driver and not elsewhere)):
                found[ident] = container
        return found

    @cached_property
    def marks(self) -> "marks.Marks":
        """What is alive and what is not."""
        return marks.mark(self, self.store.references)

    @cached_property
    def depth(self) -> dict[str, int]:
        """Number of ancestors of each layer record, -1 on a parent cycle and above one."""
        table = self.layers.layers
        return depths(table, lambda chain: table[chain].parent_id if chain in table else None)

    @cached_property
    def damaged(self) -> dict[str, "Layer"]:
        """Layer records with a file that keeps the engine from loading them, by chain id."""
        return {chain: layer for chain, layer in self.layers.layers.items() if layer.troubles}

    @cached_property
    def loadable(self) -> frozenset[str]:
        """Chain ids that the engine would load: whole records on whole ancestors (classic-store 5.4)."""
        table = self.layers.layers
        good: set[str] = set()
        for chain in sorted(table, key=lambda each: self.depth[each]):
            layer = table[chain]
            if chain not in self.damaged and self.depth[chain] >= 0 and (layer.parent is None or layer.parent in good):
                good.add(chain)
        return frozenset(good)

    @cached_property
    def children(self) -> dict[str, list[str]]:
        """Chain ids of the layer records directly above each chain id."""
        return reverse({chain: [each] for chain, layer in self.layers.layers.items() if (each := layer.parent_id) is not None})

    @cached_property
    def dir_owner(self) -> "dict[str, Layer]":
        """The layer record of each cache-id; the first by chain id where two claim one."""
        return {layer.dir_id: layer for _, layer in sorted(self.layers.layers.items(), reverse=True) if layer.dir_id}

    def top_names(self, ident: str) -> dict[str, str] | Trouble:
        """What lies at the top of a driver dir's content."""
        return self.store.top_names(self.home.content(ident))

    @cached_property
    def dir_mount(self) -> "dict[str, Mount]":
        """The mount record of each driver dir that one names or implies."""
        return {ident: mount for mount in self.mounts.mounts.values() for ident in mount.dir_ids}

    @cached_property
    def dir_layers(self) -> dict[str, list[str]]:
        """The chain ids of all records that claim each cache-id."""
        return reverse({chain: [each] for chain, layer in self.layers.layers.items() if (each := layer.dir_id) is not None})

    @cached_property
    def dir_mounts(self) -> "dict[str, list[Mount]]":
        """All mount records that name or imply each driver id."""
        found: dict[str, list[Mount]] = {}
        for mount in self.mounts.mounts.values():
            for ident in mount.dir_ids:
                found.setdefault(ident, []).append(mount)
        return found

    @cached_property
    def dir_claims(self) -> Counter[str]:
        """How many layer records claim each cache-id."""
        return Counter(layer.dir_id for layer in self.layers.layers.values() if layer.dir_id is not None)

    @cached_property
    def mount_claims(self) -> Counter[str]:
        """How many mount records claim each mount id."""
        return Counter(mount.mount_id for mount in self.mounts.mounts.values() if isinstance(mount.mount_id, str))

    @cached_property
    def dying(self) -> frozenset[str]:
        """Driver dirs of containers whose removal began (`Dead`): half of them may be gone, `docker rm` finishes that."""
        dead = (ident for ident, container in self.store.containers.containers.items() if container.dead)
        return frozenset(each for ident in dead if ident in self.mounts.mounts for each in self.mounts.mounts[ident].dir_ids)

    def needing(self, ident: str) -> Sequence[str]:
        """Driver dirs that name `ident` as a parent."""
        return self._dir_needed_by.get(ident, ()) if ident in self._dirs_needed else ()

    @cached_property
    def _dirs_needed(self) -> frozenset[str]:
        return frozenset().union(*map(self.home.needs, self.home.ids()))

    @cached_property
    def _dir_needed_by(self) -> dict[str, list[str]]:  # ten times as dear as the set, and a healthy root never asks
        return reverse({ident: self.home.needs(ident) for ident in self.home.ids()})

    @cached_property
    def living(self) -> tuple[str, ...]:
        """Driver dirs with content that something needs, by id; garbage and removals in progress are nobody's worry."""
        present = (self.marks.dirs & set(self.home.ids())) - self.dying
        return tuple(ident for ident in sorted(present) if self.home.missing(ident) is None)

    @cached_property
    def _ancestors(self) -> dict[str, tuple[str, ...] | None]:
        found: dict[str, tuple[str, ...] | None] = {}
        for chain in sorted(self.depth, key=lambda each: self.depth[each]):
            layer = self.layers.layers.get(chain)
            if layer is None or layer.dir_id is None or isinstance(layer.parent, Trouble) or not self._believed(layer):
                found[chain] = None
                continue
            above = () if layer.parent is None else found.get(layer.parent)
            if self.depth[chain] >= DEEPEST:
                above = None  # a tuple a layer would take memory by the square of the depth
            found[chain] = None if above is None else (layer.dir_id, *above)
        return found

    @cached_property
    def misnamed(self) -> frozenset[str]:
        """Layer records whose diff id and parent are known and give another chain id than the one they stand under."""
        return frozenset(
            chain
            for chain, layer in self.layers.layers.items()
            if not isinstance(layer.diff, Trouble)
            and not isinstance(layer.parent, Trouble)
            and ids.chain_id(layer.parent, layer.diff) != chain
        )

    def _believed(self, layer: "Layer") -> bool:
        """Whether the record stands under its chain id and alone claims its folder: only then it can be believed."""
        if layer.dir_id is None or self.dir_claims[layer.dir_id] > 1:
            return False
        return isinstance(layer.diff, str) and self.depth[layer.chain] >= 0 and layer.chain not in self.misnamed

    def ancestors(self, chain: str | None) -> tuple[str, ...] | None:
        """The cache-ids of `chain` and its ancestors, nearest first; None where a record does not tell."""
        return () if chain is None else self._ancestors.get(chain)

    def _plausible(self, mount: "Mount") -> bool:
        """Whether nothing speaks against the record: its ids are a pair, its parent is the chain of the container's image."""
        if isinstance(mount.mount_id, str) and isinstance(mount.init_id, str) and mount.init_id != f"{mount.mount_id}-init":
            return False
        container = self.store.containers.containers.get(mount.name)
        image = self.images.images.get(container.image) if container else None
        if image is not None and image.usable:
            return mount.parent == (image.chains[-1] if image.chains else None)
        return mount.parent is not None

    def expected_parents(self, ident: str) -> tuple[str, ...] | None:
        """The driver ids that `ident` should stand on by the records, nearest first; None where no record tells."""
        layer = self.dir_owner.get(ident)
        if layer is not None:
            above = self.ancestors(layer.chain)
            return None if above is None else above[1:]
        mount = self.dir_mount.get(ident)
        if mount is None or isinstance(mount.parent, Trouble) or not self._plausible(mount):
            return None
        image = self.ancestors(mount.parent)
        if image is None or ident.endswith("-init"):
            return image
        init = f"{ident}-init" if mount.init_id is None else mount.init_id
        if mount.init_id is None and init not in self.home.ids():
            return image  # a build's: it has no init layer
        return (init, *image) if isinstance(init, str) else None

    @cached_property
    def images_of(self) -> "dict[str, list[Image]]":
        """Images by the chain ids that they need."""
        found: dict[str, list[Image]] = {}
        for image in self.images.images.values():
            for chain in image.chains:
                found.setdefault(chain, []).append(image)
        return found

    @cached_property
    def mounts_of(self) -> "dict[str, list[Mount]]":
        """Mount records by the chain id that they stand on directly."""
        found: dict[str, list[Mount]] = {}
        for mount in self.mounts.mounts.values():
            if mount.parent_id is not None:
                found.setdefault(mount.parent_id, []).append(mount)
        return found

    @cached_property
    def names_of(self) -> dict[str, list[str]]:
        """References in the tag store by image id."""
        found: dict[str, list[str]] = {}
        for (_, reference), image in sorted(self.known_tags.items()):
            found.setdefault(image, []).append(reference)
        return found

    @cached_property
    def known_tags(self) -> repositories.Tags:
        """The tags, as far as they are known."""
        return self.tags.known

    def image_names(self, ident: str) -> tuple[str, ...]:
        """How a person knows an image: its tags, else its short id."""
        names = [name for name in self.names_of.get(ident, []) if "@" not in name] or self.names_of.get(ident, [])
        return tuple(names) or (ids.short(ident),)

    @cached_property
    def buildkit_dirs(self) -> frozenset[str]:
        """Driver ids that other stores name."""
        return frozenset().union(*(each.dirs for each in self.store.references))

    @cached_property
    def buildkit_chains(self) -> frozenset[str]:
        """Chain ids that other stores name."""
        return frozenset().union(*(each.chains for each in self.store.references))

    def path_of(self, ref: Ref) -> str:
        """Where an object lies."""
        match ref.kind:
            case "image":
                return f"{self.image_dir}/imagedb/content/sha256/{ids.hex_of(ref.id)}"
            case "layer":
                return f"{self.image_dir}/layerdb/sha256/{ids.hex_of(ref.id)}"
            case "mount":
                return f"{self.image_dir}/layerdb/mounts/{ref.id}"
            case "container":
                return f"containers/{ref.id}"
            case "driverdir":
                return self.home.path(ref.id)
            case _:
                return ref.id
