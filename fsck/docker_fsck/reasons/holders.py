"""Who refers to a thing: the first step from it towards the roots, in the order in which it is told."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from docker_fsck import claims, ids
from docker_fsck.graph import reach
from docker_fsck.reasons.known import Known
from docker_fsck.reasons.told import Edge, Thing
from docker_fsck.values import Ref

if TYPE_CHECKING:
    from docker_fsck.model import Model
    from docker_fsck.records.imagedb import Image

SHADOW = "the layer records do not say so: a shadow parent"


def holders(known: Known, thing: Thing) -> list[Edge]:
    """Everything that refers to `thing` directly; a layer is also held by what stands higher on its chain."""
    match thing.kind:
        case "image":
            found = _image(known, thing)
        case "layer":
            found = _layer(known, thing)
        case "mount":
            found = _mount(known, thing)
        case "driverdir":
            found = _dir(known, thing)
        case "volume":
            found = (Edge("used by", Thing("container", each.id), each.driver) for each in known.users.get(thing.id, ()))
        case "tag" | "container" | "file" | "use" | "store" | "quarantine":
            return []
        case _:
            found = iter(())
    return [*dict.fromkeys(found), *_nodes(known, thing)]


def _image(known: Known, thing: Thing) -> Iterator[Edge]:
    model = known.model(thing)
    yield from (Edge("tagged", Thing("tag", name, thing.driver)) for name in model.names_of.get(thing.id, ()))
    for ident in known.made_from.get((thing.driver, thing.id), ()):
        yield Edge("image of", Thing("container", ident))
    for ident in known.built_on.get((thing.driver, thing.id), ()):
        yield Edge("parent of", Thing("image", ident, thing.driver), _own_bytes(model, ident, thing.id))


def _own_bytes(model: "Model", child: str, parent: str) -> str:
    """How much a child image adds, by the layer records (field-cases FC-52)."""
    above, below = model.images.images.get(child), model.images.images.get(parent)
    if above is None or below is None:
        return ""
    sizes = [model.layers.layers[each].size for each in set(above.chains) - set(below.chains) if each in model.layers.layers]
    return f"adds {sum(each for each in sizes if isinstance(each, int))} bytes of its own"


def _layer(known: Known, thing: Thing) -> Iterator[Edge]:
    model = known.model(thing)
    above = reach([thing.id], lambda chain: model.children.get(chain, ()))
    for image in _images(model, [thing.id]):
        place = f"layer {image.chains.index(thing.id) + 1} of {len(image.chains)} of"
        yield Edge(place, Thing("image", image.id, thing.driver))
    for chain, mount in _standing(model, above):
        yield Edge(f"{_distance(model, thing.id, chain)}parent of", Thing("mount", mount, thing.driver))
    for image in _images(model, above - {thing.id}):
        if thing.id not in image.chains:  # only where records contradict each other
            yield Edge("below a layer of", Thing("image", image.id, thing.driver))
    for chain in sorted(above):
        if not model.children.get(chain) and chain != thing.id and chain not in model.images_of and chain not in model.mounts_of:
            yield Edge(f"{_distance(model, thing.id, chain)}parent of", Thing("layer", chain, thing.driver))
    yield from _more_of_layer(known, model, thing, above)


def _images(model: "Model", chains: Iterable[str]) -> "list[Image]":
    found = {image.id: image for chain in chains for image in model.images_of.get(chain, ())}
    return [image for _, image in sorted(found.items())]


def _standing(model: "Model", chains: Iterable[str]) -> list[tuple[str, str]]:
    return sorted((chain, mount.name) for chain in chains for mount in model.mounts_of.get(chain, ()))


def _distance(model: "Model", low: str, high: str) -> str:
    """How far apart two layers of one chain are, as the beginning of a phrase."""
    between = model.depth.get(high, 0) - model.depth.get(low, 0)
    return "" if between <= 0 else f"{between} {'layer' if between == 1 else 'layers'} below the "


def _more_of_layer(known: Known, model: "Model", thing: Thing, above: Iterable[str]) -> Iterator[Edge]:
    stores: set[str] = set()
    for chain in sorted(above, key=lambda each: (model.depth.get(each, 0), each)):
        far = "" if chain == thing.id else f"{_distance(model, thing.id, chain)}layer "
        for node in known.needed_by.get(Ref("layer", chain), ()) if far else ():
            yield Edge(f"{far}kept by", Thing(node.ref.kind, node.ref.id))
        for name in sorted({name for name, _ in known.named_by(Ref("layer", chain))} - stores):
            stores.add(name)
            yield Edge(f"{far}named by", Thing("store", name))
        if chain in known.store.wanted.chains and "quarantine" not in stores:
            stores.add("quarantine")
            yield Edge(f"{far}needed by an image in", Thing("quarantine", ".docker-fsck"), "until it is undone or purged")
    layer = model.layers.layers.get(thing.id)
    if layer is not None and layer.dir_id is not None and any(_dir_alone(known, Thing("driverdir", layer.dir_id, thing.driver))):
        yield Edge("its folder is needed:", Thing("driverdir", layer.dir_id, thing.driver))
    if layer is not None and thing.id in model.misnamed:
        yield Edge("stands under a wrong name:", Thing("file", layer.path), "which layer it really is, is not known: it is kept")


def _mount(known: Known, thing: Thing) -> Iterator[Edge]:
    if thing.id in known.store.containers.containers:
        yield Edge("mount record of", Thing("container", thing.id))
        return
    model = known.model(thing)
    mount = model.mounts.mounts.get(thing.id)
    if mount and (container := claims.borrower(model.store.containers, mount)):
        yield Edge("an image mounted in", Thing("container", container))
    elif thing.id in model.marks.lent:
        yield Edge("perhaps an image mounted in", Thing("file", "containers"), "one of its configurations cannot be read")
    elif thing.id in model.marks.orphan_mounts:
        yield from _doubted(model, "perhaps the mount record of")


def _doubted(model: "Model", how: str) -> Iterator[Edge]:
    for ident in model.marks.needy:
        yield Edge(how, Thing("container", ident), "which has no usable mount record")
    if model.marks.blank:
        yield Edge(how, Thing("file", "containers"), "which is empty, as the place of a disk that is not mounted")


def _dir(known: Known, thing: Thing) -> Iterator[Edge]:
    model, ident = known.model(thing), thing.id
    yield from (Edge("cache-id of", Thing("layer", chain, thing.driver)) for chain in sorted(model.dir_layers.get(ident, ())))
    for mount in sorted(model.dir_mounts.get(ident, ()), key=lambda each: each.name):
        role = "mount-id of" if ident == mount.mount_id else "init-id of" if ident == mount.init_id else "implied by"
        yield Edge(role, Thing("mount", mount.name, thing.driver))
    alone = list(_dir_alone(known, thing))
    yield from alone
    if not alone and ident in model.marks.dirs and not model.dir_layers.get(ident) and not model.dir_mounts.get(ident):
        yield from _doubted(model, "perhaps the writable layer of")
        if ids.HEX64.fullmatch(ident):
            names = known.store.top_names("graph")
            if isinstance(names, dict) and ident in names:
                yield Edge("named in", Thing("file", f"graph/{ident}"), "a store of before 1.10")


def _dir_alone(known: Known, thing: Thing) -> Iterator[Edge]:
    """What needs a driver dir beside the records of layers and mounts: folders above it, other stores, processes."""
    model, ident = known.model(thing), thing.id
    for name, _ in known.named_by(Ref("driverdir", ident)):
        yield Edge("named by", Thing("store", name))
    for ref, led in claims.leading(known.store):
        if led == ident:
            yield Edge("data of" if ref.kind == "volume" else "mounted into", Thing(ref.kind, ref.id))
    for held in sorted(known.store.host.held) if known.store.host.held else ():
        if any(held == path or held.startswith(f"{path}/") for path in model.home.aliases(ident)):
            yield Edge("mounted or open:", Thing("use", held))
    told = {child: note for child in model.needing(ident) if (note := _untold(model, child, ident)) is not None}
    for child, note in sorted(told.items()):
        if _between(model, child, ident) not in told:
            yield Edge("parent of", Thing("driverdir", child, thing.driver), note)


def _untold(model: "Model", child: str, ident: str) -> str | None:
    """None if the records say that `child` stands on `ident`; else what is to be said about it."""
    expected = model.expected_parents(child)
    if expected is not None and ident in expected:
        return None
    return SHADOW if expected is not None else ""


def _between(model: "Model", child: str, ident: str) -> str | None:
    """The folder directly above `ident` in the list of parents of `child`, None if that is `child` itself."""
    needs = model.home.needs(child)
    place = needs.index(ident)
    return needs[place - 1] if place else None


def _nodes(known: Known, thing: Thing) -> Iterator[Edge]:
    for node in known.needed_by.get(thing.ref, ()):
        note = "" if node.ref in known.rooted else "nothing in that store needs it any more: no prune sees it"
        yield Edge("kept by", Thing(node.ref.kind, node.ref.id), note)
