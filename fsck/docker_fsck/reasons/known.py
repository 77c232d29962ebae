"""The objects of a store and the indexes between them that the tables do not have by themselves; made once for a question."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from docker_fsck import ids
from docker_fsck.reasons.told import Thing
from docker_fsck.values import Ref, Trouble

if TYPE_CHECKING:
    from docker_fsck.model import Model
    from docker_fsck.protocols import Node, References
    from docker_fsck.records.containers import Container
    from docker_fsck.store import Store

OWN_KINDS = frozenset({"tag", "image", "layer", "mount", "driverdir"})
VOLUMES = "volumes"


class Known:
    """A store under a question."""

    def __init__(self, store: "Store") -> None:
        """Nothing is read yet."""
        self.store = store
        self.models = {model.name: model for model in store.models}

    def model(self, thing: Thing) -> "Model":
        """The tree that a thing of a driver lies in."""
        return self.models[thing.driver]

    @cached_property
    def nodes(self) -> "dict[Ref, Node]":
        """Objects of the stores beside the graph driver."""
        return {node.ref: node for each in self.store.references for node in each.nodes}

    @cached_property
    def needed_by(self) -> "dict[Ref, list[Node]]":
        """The objects of other stores that need each object."""
        found: dict[Ref, list[Node]] = {}
        for _, node in sorted(self.nodes.items()):
            for ref in node.needs:
                found.setdefault(ref, []).append(node)
        return found

    @cached_property
    def rooted(self) -> frozenset[Ref]:
        """The objects of other stores that live, by themselves or through another."""
        todo = [ref for ref, node in self.nodes.items() if node.root]
        seen = set(todo)
        while todo:
            node = self.nodes.get(todo.pop())
            fresh = [ref for ref in node.needs if ref not in seen] if node else []
            seen.update(fresh)
            todo += fresh
        return frozenset(seen)

    @cached_property
    def _told(self) -> tuple[frozenset[Ref], ...]:
        """By store, what its known objects need."""
        return tuple(frozenset(ref for node in each.nodes for ref in node.needs) for each in self.store.references)

    def named_by(self, ref: Ref) -> "Iterator[tuple[str, References]]":
        """The stores that name a driver dir or a layer without an object of theirs that is known to do so; by name."""
        for source, found, told in zip(self.store.reference_sources, self.store.references, self._told, strict=True):
            names = found.dirs if ref.kind == "driverdir" else found.chains if ref.kind == "layer" else frozenset()
            if ref.id in names and ref not in told:
                yield source.name, found

    @cached_property
    def volumes(self) -> tuple[str, ...]:
        """The folders of local volumes."""
        names = self.store.top_names(VOLUMES)
        return () if isinstance(names, Trouble) else tuple(name for name, kind in names.items() if kind == "dir")

    @cached_property
    def users(self) -> "dict[str, list[Container]]":
        """The containers, of every driver, by the volumes that they name."""
        found: dict[str, list[Container]] = {}
        for _, container in sorted(self.store.containers.containers.items()):
            for volume in container.volumes:
                found.setdefault(volume, []).append(container)
        return found

    @cached_property
    def made_from(self) -> dict[tuple[str, str], list[str]]:
        """Container ids by driver and image id."""
        found: dict[tuple[str, str], list[str]] = {}
        for model in self.store.models:
            for ident, container in sorted(model.containers.items()):
                found.setdefault((model.name, container.image), []).append(ident)
        return found

    @cached_property
    def built_on(self) -> dict[tuple[str, str], list[str]]:
        """Image ids by driver and the image that their metadata call their parent."""
        found: dict[tuple[str, str], list[str]] = {}
        for model in self.store.models:
            for ident, metadata in sorted(model.images.metadata.items()):
                if isinstance(metadata.parent, str) and ident in model.images.images:
                    found.setdefault((model.name, metadata.parent), []).append(ident)
        return found

    def everything(self) -> Iterator[Thing]:
        """Every object, those that are only named too; some more than once."""
        for name, model in self.models.items():
            yield from (Thing("tag", reference, name) for _, reference in model.known_tags)
            yield from (Thing("image", ident, name) for ident in model.images.images)
            yield from (Thing("layer", chain, name) for chain in model.layers.layers)
            yield from (Thing("mount", ident, name) for ident in model.mounts.mounts)
            yield from (Thing("driverdir", ident, name) for ident in {*model.home.ids(), *model.dir_layers, *_recorded(model)})
        yield from (Thing("container", ident) for ident in self.store.containers.containers)
        yield from (Thing("volume", name) for name in {*self.volumes, *self.users})
        yield from (Thing(ref.kind, ref.id) for ref in self.nodes if ref.kind not in OWN_KINDS)

    def name(self, thing: Thing) -> str:
        """How a person knows it."""
        match thing.kind:
            case "image":
                return ", ".join(self.model(thing).image_names(thing.id))
            case "container":
                found = self.store.containers.containers.get(thing.id)
                return found.ref_name if found else ids.short(thing.id)
            case "layer" | "mount" | "driverdir":
                return ids.short(thing.id) + ("-init" if thing.id.endswith("-init") else "")
            case _ if thing.ref in self.nodes:
                return self.nodes[thing.ref].label or thing.id
            case _:
                return thing.id

    def path(self, thing: Thing) -> str:
        """Where it lies, or belongs."""
        match thing.kind:
            case "tag":
                return self.model(thing).tags.path
            case "image" | "layer" | "mount" | "driverdir":
                return self.model(thing).path_of(thing.ref)
            case "container":
                return f"containers/{thing.id}"
            case "volume":
                return f"{VOLUMES}/{thing.id}"
            case "file":
                return thing.id
            case _:
                node = self.nodes.get(thing.ref)
                return node.path if node else ""


def _recorded(model: "Model") -> Iterator[str]:
    """Driver ids that mount records state; those that they only imply may never have been."""
    for mount in model.mounts.mounts.values():
        yield from (each for each in (mount.mount_id, mount.init_id) if isinstance(each, str))
