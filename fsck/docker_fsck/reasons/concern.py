"""Which findings concern a thing: it is blamed, it suffers, or what is blamed lies in its folder (interface section 2)."""

from collections.abc import Iterator

import msgspec

from docker_fsck.reasons.known import Known
from docker_fsck.reasons.told import Thing
from docker_fsck.values import Finding, Ref, printable


class Scope(msgspec.Struct, frozen=True):
    """The thing as findings spell it: its objects, its folders, and its names among those who suffer.

    `around` are the folders in which its own lie.
    """

    refs: frozenset[Ref]
    folders: frozenset[str]
    around: frozenset[str]
    images: frozenset[str]
    containers: frozenset[str]
    volumes: frozenset[str]

    def holds(self, finding: Finding) -> bool:
        """Whether the finding concerns the thing."""
        impact = finding.impact
        suffers = self.images & {*impact.images} or self.containers & {*impact.containers} or self.volumes & {*impact.volumes}
        blamed = {finding.object, *(each.object for each in finding.folded)}
        return bool(suffers) or bool(blamed & self.refs) or any(self._near(each.path) for each in finding.paths[:1])

    def _near(self, path: str) -> bool:
        """Whether what is broken itself, the first path of a finding, lies in a folder of the thing or around it."""
        return path in self.around or any(each in self.folders for each in (path, *_above(path)))


def _above(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def scope(known: Known, thing: Thing) -> Scope:
    """What belongs to the thing."""
    things = list(dict.fromkeys([thing, *_own(known, thing)]))
    names: dict[str, set[str]] = {"image": set(), "container": set(), "volume": set()}
    if thing.kind == "image":
        names["image"].update(printable(name) for name in known.model(thing).image_names(thing.id))
    elif thing.kind == "tag":
        names["image"].add(printable(thing.id))
    elif thing.kind in names:
        names[thing.kind].add(printable(thing.id))
    folders = frozenset(printable(path) for each in things for path in _folders(known, each))
    return Scope(
        frozenset(Ref(each.kind, printable(each.id)) for each in things),
        folders,
        frozenset(above for path in folders for above in _above(path)),
        *(frozenset(found) for found in names.values()),
    )


def _own(known: Known, thing: Thing) -> Iterator[Thing]:
    """The records and folders that are the thing's own, and those of the layers below: it is nothing without them."""
    match thing.kind:
        case "image":
            yield from (Thing("tag", name, thing.driver) for name in known.model(thing).names_of.get(thing.id, ()))
            yield from _layers(known, thing)
        case "container":
            container = known.store.containers.containers.get(thing.id)
            for name, model in known.models.items():
                if thing.id in model.mounts.mounts:
                    yield Thing("mount", thing.id, name)
                    yield from _mount(known, Thing("mount", thing.id, name))
                if container is not None and container.image and thing.id in model.containers:
                    image = Thing("image", container.image, name)
                    yield image
                    yield from _layers(known, image)
        case "mount":
            yield from _mount(known, thing)
        case "layer":
            yield from _chain(known, thing)
        case _:
            return


def _mount(known: Known, thing: Thing) -> Iterator[Thing]:
    mount = known.model(thing).mounts.mounts.get(thing.id)
    if mount is not None:
        yield from (Thing("driverdir", ident, thing.driver) for ident in mount.dir_ids)
        if mount.parent_id is not None:
            yield from _chain(known, Thing("layer", mount.parent_id, thing.driver))


def _layers(known: Known, thing: Thing) -> Iterator[Thing]:
    model = known.model(thing)
    image = model.images.images.get(thing.id)
    for chain in image.chains if image else ():
        yield Thing("layer", chain, thing.driver)
        layer = model.layers.layers.get(chain)
        if layer is not None and layer.dir_id is not None:
            yield Thing("driverdir", layer.dir_id, thing.driver)


def _chain(known: Known, thing: Thing) -> Iterator[Thing]:
    table = known.model(thing).layers.layers
    seen: set[str] = set()
    chain: str | None = thing.id
    while chain is not None and chain in table and chain not in seen:
        seen.add(chain)
        layer = table[chain]
        yield Thing("layer", chain, thing.driver)
        if layer.dir_id is not None:
            yield Thing("driverdir", layer.dir_id, thing.driver)
        chain = layer.parent_id


def _folders(known: Known, thing: Thing) -> Iterator[str]:
    match thing.kind:
        case "tag":
            return  # they share one file
        case "driverdir":
            yield from known.model(thing).home.holdings(thing.id)
            yield known.path(thing)
        case "image":
            yield known.path(thing)
            yield known.path(thing).replace("/content/", "/metadata/")
        case _:
            path = known.path(thing)
            if path:
                yield path
