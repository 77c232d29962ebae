"""What a thing is made of and stands on: the first step from it away from the roots."""

from collections.abc import Iterator

from docker_fsck.reasons.known import Known
from docker_fsck.reasons.told import Edge, Thing


def made_of(known: Known, thing: Thing) -> list[Edge]:
    """What the thing in question needs."""
    match thing.kind:
        case "container":
            return [*_container(known, thing)]
        case "image":
            return [*_image(known, thing)]
        case "layer":
            return [*_content(known, thing), *_parent(known, thing)]
        case "driverdir":
            model = known.model(thing)
            needs = model.home.needs(thing.id) if thing.id in model.home.ids() else ()
            return [Edge("parent", Thing("driverdir", each, thing.driver)) for each in needs]
        case "tag":
            model = known.model(thing)
            found = (value for (_, name), value in model.known_tags.items() if name == thing.id)
            return [Edge("image", Thing("image", ident, thing.driver)) for ident in found]
        case _:
            return below(known, thing)


def below(known: Known, thing: Thing) -> list[Edge]:
    """What is told of a thing that is itself a part: an image's tags, the folders of a record, the needs of a node."""
    match thing.kind:
        case "image":
            return [Edge("tag", Thing("tag", name, thing.driver)) for name in known.model(thing).names_of.get(thing.id, ())]
        case "layer":
            return [*_content(known, thing)]
        case "mount":
            return [*_mount(known, thing)]
        case _ if thing.ref in known.nodes:
            return [*_needs(known, thing)]
        case _:
            return []


def _container(known: Known, thing: Thing) -> Iterator[Edge]:
    container = known.store.containers.containers.get(thing.id)
    for name, model in known.models.items():
        if thing.id in model.containers or thing.id in model.mounts.mounts:
            yield Edge("mount record", Thing("mount", thing.id, name))
    if container is None:
        return
    for name, model in known.models.items():
        if thing.id in model.containers and container.image:
            named = container.image_name and container.image_name not in {container.image, *model.image_names(container.image)}
            note = f"created as {container.image_name}" if named else ""
            yield Edge("image", Thing("image", container.image, name), note)
    yield from (Edge("volume", Thing("volume", volume)) for volume in container.volumes)


def _mount(known: Known, thing: Thing) -> Iterator[Edge]:
    mount = known.model(thing).mounts.mounts.get(thing.id)
    if mount is None:
        return
    if isinstance(mount.mount_id, str):
        yield Edge("mount-id", Thing("driverdir", mount.mount_id, thing.driver), "the writable layer")
    if isinstance(mount.init_id, str):
        yield Edge("init-id", Thing("driverdir", mount.init_id, thing.driver), "the init layer")
    if mount.parent_id is not None:
        yield Edge("parent", Thing("layer", mount.parent_id, thing.driver))


def _image(known: Known, thing: Thing) -> Iterator[Edge]:
    image = known.model(thing).images.images.get(thing.id)
    chains = image.chains if image else ()
    for number, chain in enumerate(chains, 1):
        yield Edge(f"layer {number} of {len(chains)}", Thing("layer", chain, thing.driver))


def _content(known: Known, thing: Thing) -> Iterator[Edge]:
    layer = known.model(thing).layers.layers.get(thing.id)
    if layer is not None and layer.dir_id is not None:
        yield Edge("cache-id", Thing("driverdir", layer.dir_id, thing.driver))


def _parent(known: Known, thing: Thing) -> Iterator[Edge]:
    table = known.model(thing).layers.layers
    layer = table.get(thing.id)
    if layer is not None and layer.parent_id is not None:
        yield Edge("parent", Thing("layer", layer.parent_id, thing.driver))


def _needs(known: Known, thing: Thing) -> Iterator[Edge]:
    """The needs of another store's object; what lies in a tree is told for each tree that has it."""
    for ref in known.nodes[thing.ref].needs:
        if ref.kind not in {"layer", "driverdir"}:
            yield Edge("needs", Thing(ref.kind, ref.id))
            continue
        homes = [name for name, model in known.models.items() if ref.id in model.layers.layers or ref.id in model.home.ids()]
        yield from (Edge("needs", Thing(ref.kind, ref.id, name)) for name in homes or [*known.models][:1])
