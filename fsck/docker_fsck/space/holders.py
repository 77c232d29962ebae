"""Who needs each driver dir of one graph driver's tree: images, containers, build cache, or nobody; pure."""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property

from docker_fsck.graph import reach
from docker_fsck.ids import BUILDKIT_ID
from docker_fsck.model import Model
from docker_fsck.space.values import ContainerUse, ImageUse, Kind, Owner


class Holders:
    """The driver dirs of a model by who needs them."""

    def __init__(self, model: Model) -> None:
        """Nothing is looked up yet."""
        self.model = model

    @cached_property
    def shown(self) -> tuple[str, ...]:
        """The images that `docker images` shows. Steps of a build, without a name and with a child, go with the last child."""
        images, names = self.model.images, self.model.names_of
        parents = {each.parent for ident, each in images.metadata.items() if ident in images.images}
        return tuple(ident for ident in sorted(images.images) if ident in names or ident not in parents)

    @cached_property
    def of_images(self) -> dict[str, tuple[str, ...]]:
        """By image id the driver dirs of its layers, those that only a `lower` names among them."""
        return {ident: self._dirs(self.model.images.images[ident].chains) for ident in self.shown}

    @cached_property
    def counts(self) -> Counter[str]:
        """How many images need each driver dir."""
        return Counter(ident for idents in self.of_images.values() for ident in idents)

    @cached_property
    def image_of(self) -> dict[str, str]:
        """The image of each driver dir that one image needs."""
        return {ident: image for image, idents in self.of_images.items() for ident in idents if self.counts[ident] == 1}

    @cached_property
    def of_containers(self) -> dict[str, tuple[str, ...]]:
        """By mount record the driver dirs of its layers that no image needs."""
        return {
            mount.name: tuple(ident for ident in self._dirs(self._line(mount.parent_id)) if not self.counts[ident])
            for mount in self.model.mounts.mounts.values()
        }

    @cached_property
    def containers_of(self) -> dict[str, list[str]]:
        """The reverse."""
        found: dict[str, list[str]] = {}
        for name, idents in sorted(self.of_containers.items()):
            for ident in idents:
                found.setdefault(ident, []).append(name)
        return found

    @cached_property
    def of_builds(self) -> frozenset[str]:
        """Driver dirs that build cache needs."""
        model = self.model
        own = {layer.dir_id for chain in model.buildkit_chains if (layer := model.layers.layers.get(chain)) and layer.dir_id}
        return frozenset(reach(model.buildkit_dirs | own, model.home.needs))

    def owners(self) -> Iterator[tuple[tuple[str, ...], Owner]]:
        """Every driver dir: its paths and who has it."""
        model = self.model
        for ident in model.home.ids():
            kind, name = self._kind(ident)
            layer = model.dir_owner.get(ident)
            depth = max(model.depth.get(layer.chain, 0), 0) if layer else 0
            path = model.home.path(ident)
            yield (path, *model.home.holdings(ident)), Owner(kind, path, name, depth=depth)

    def images(self) -> Iterator[ImageUse]:
        """Every image."""
        path = self.model.home.path
        for image, idents in sorted(self.of_images.items()):
            unique = tuple(path(each) for each in idents if self.counts[each] == 1)
            shared = tuple(path(each) for each in idents if self.counts[each] > 1)
            yield ImageUse(image, self.model.image_names(image), self.model.name, unique, shared)

    def containers(self) -> Iterator[ContainerUse]:
        """Every container of this driver."""
        model = self.model
        present = set(model.home.ids())
        for ident, container in sorted(model.containers.items()):
            mount = model.mounts.mounts.get(ident)
            writable = tuple(model.home.path(each) for each in mount.dir_ids if each in present) if mount else ()
            held = tuple(map(model.home.path, self.of_containers.get(ident, ())))
            yield ContainerUse(ident, container.ref_name, model.name, writable, held, container.volumes)

    def _kind(self, ident: str) -> tuple[Kind, str]:
        """The kind of a driver dir, and the name of its owner."""
        model = self.model
        if ident not in model.marks.dirs:
            return Kind.GARBAGE, ident
        if self.counts[ident]:
            return (Kind.SHARED, ident) if self.counts[ident] > 1 else (Kind.IMAGES, self.image_of[ident])
        mount = model.dir_mount.get(ident)
        if mount is not None and ident not in model.dir_owner:
            return Kind.CONTAINERS if mount.name in model.store.containers.containers else Kind.OTHER, mount.name
        if holders := self.containers_of.get(ident):
            return Kind.CONTAINERS, holders[0] if len(holders) == 1 else ""
        if ident in self.of_builds or BUILDKIT_ID.fullmatch(ident):
            return Kind.BUILD_CACHE, ident
        return Kind.OTHER, ident

    def _line(self, chain: str | None) -> tuple[str, ...]:
        """A chain id and its ancestors, the base first."""
        found: dict[str, None] = {}
        while chain is not None and chain not in found:
            found[chain] = None
            layer = self.model.layers.layers.get(chain)
            chain = layer.parent_id if layer else None
        return tuple(reversed(found))

    def _dirs(self, chains: Iterable[str]) -> tuple[str, ...]:
        """The driver dirs of these layers, and what the topmost says that it stands on."""
        table, present = self.model.layers.layers, self.model.home.ids()
        own = [layer.dir_id for chain in chains if (layer := table.get(chain)) and layer.dir_id in present]
        found = dict.fromkeys(ident for ident in own if ident is not None)
        if own and own[-1] is not None:
            found.update(dict.fromkeys(ident for ident in self.model.home.needs(own[-1]) if ident in present))
        return tuple(found)
