"""What a layer record must have said, where its name proves it: the digest of parent and diff (classic-store 5.2)."""

from collections.abc import Collection, Iterator
from functools import cached_property

import msgspec

from docker_fsck.api import MOUNT_ID, ActionClass, Model, Remedy, Step, Trouble, WriteFile, chain_id, copies, layerdb
from docker_fsck_plugins.remedies import put_away

MOST_DIGESTS = 1_000_000  # about a second
MOST_FOLDERS = 100  # each is read as a whole
DEEPEST = 1000


class Identity(msgspec.Struct, frozen=True):
    """The diff id and the parent's chain id (None: a base layer) that together give a record's name."""

    diff: str
    parent: str | None


class Identities:
    """Finds the identity of damaged records of one tree; what it searches through is read when first needed."""

    def __init__(self, model: Model, damaged: Collection[layerdb.Layer]) -> None:
        """`damaged` are all records that will be asked for: the more, the shorter the search for each."""
        self.model = model
        self._most = MOST_DIGESTS // max(len(damaged), 1)
        self._folders: dict[str, str] = {}
        self._left = MOST_FOLDERS

    @cached_property
    def _chains(self) -> frozenset[str]:
        model = self.model
        parents = (layer.parent_id for layer in model.layers.layers.values())
        standing = (mount.parent_id for mount in model.mounts.mounts.values())
        named = (*model.layers.layers, *model.images_of, *parents, *standing, *model.buildkit_chains)
        return frozenset(chain for chain in named if chain is not None)

    @cached_property
    def _diffs(self) -> frozenset[str]:
        return copies.known_diffs(self.model)

    def of(self, layer: layerdb.Layer) -> Identity | None:
        """The identity of a record, as an image tells it or as the one pair of known digests that gives its name."""
        for image in self.model.images_of.get(layer.chain, ()):
            place = image.chains.index(layer.chain)
            return Identity(image.diffs[place], image.chains[place - 1] if place else None)
        return next((each for each in self._pairs(layer) if chain_id(each.parent, each.diff) == layer.chain), None)

    def folder(self, layer: layerdb.Layer, found: Identity) -> str | None:
        """The one unclaimed driver dir that stands on the layer's parents and has exactly what its archive has.

        Ask for the lower layers first. A folder of a driver of whole copies may be that of a layer above, which has all that
        this one has: it is not looked for there.
        """
        below = self._below(found.parent)
        if below is None or not self.model.home.union or self.model.home.partial or not layer.tarsplit:
            return None
        rivals = [each for each in self._free.get(below, ()) if each not in self._folders.values()]
        self._left -= len(rivals)
        same = [each for each in rivals if copies.holds(self.model, each, layer, found.diff)] if self._left >= 0 else []
        if len(same) != 1:
            return None
        self._folders[layer.chain] = same[0]
        return same[0]

    def _below(self, chain: str | None) -> tuple[str, ...] | None:
        """The driver dirs of a layer and all below it, those that were just found among them."""
        dirs: list[str] = []
        while chain is not None:
            layer = self.model.layers.layers.get(chain)
            ident = layer and (layer.dir_id or self._folders.get(chain))
            found = layer and self.of(layer)
            if not layer or not ident or not found or len(dirs) > DEEPEST:
                return None
            dirs.append(ident)
            chain = found.parent
        return tuple(dirs)

    @cached_property
    def _free(self) -> dict[tuple[str, ...], list[str]]:
        """Driver dirs that nothing names, by the ones that they stand on; those of builds have other names."""
        model, home = self.model, self.model.home
        leaving = {each.cache_id for each in (*model.layers.removing, *model.layers.tmp)}
        claimed = {*model.dir_owner, *model.dir_mount, *model.buildkit_dirs, *leaving}
        found: dict[tuple[str, ...], list[str]] = {}
        for ident in sorted(home.ids()):
            if ident not in claimed and MOUNT_ID.fullmatch(ident) and not home.vague(ident) and home.missing(ident) is None:
                found.setdefault(tuple(home.needs(ident)), []).append(ident)
        return found

    def _pairs(self, layer: layerdb.Layer) -> Iterator[Identity]:
        """What may be tried: all that is known in the place of the one thing that is lost."""
        if layer.chain in self._diffs:  # a base layer is named by its diff id
            yield Identity(layer.chain, None)
        if isinstance(layer.diff, str):
            yield Identity(layer.diff, None)
            if len(self._chains) <= self._most:
                yield from (Identity(layer.diff, chain) for chain in self._chains)
        if isinstance(layer.parent, str) and len(self._diffs) <= self._most:
            yield from (Identity(diff, layer.parent) for diff in self._diffs)


def mended(known: Identities, layer: layerdb.Layer) -> Remedy | str:
    """The remedy of a record with files that cannot be used, or why what they said cannot be told for certain."""
    found = known.of(layer)
    if any(each.state == "unreadable" for each in layer.troubles):
        return "a file of it cannot be read"
    if found is None and isinstance(layer.diff, str) and not isinstance(layer.parent, Trouble):
        found = Identity(layer.diff, layer.parent_id)
    if found is None:
        return "no image and no known digest gives its name"
    if isinstance(layer.diff, str) and layer.diff != found.diff:
        return "its diff is not the one that its name is made of"
    cache_id = layer.dir_id or known.folder(layer, found)
    if cache_id is None:
        return "nothing else tells for certain which folder is its own"
    size = copies.layer_size(known.model, layer, cache_id) if isinstance(layer.size, Trouble) else layer.size
    if size is None:
        return "its size cannot be counted"
    steps = tuple(_steps(layer, found, size, cache_id))
    names = ", ".join(step.path.rpartition("/")[2] for step in steps)
    lost = ("where the foreign layer is fetched from, as descriptor.json said",) if layer.descriptor else ()
    cls = ActionClass.LOSSY if lost else ActionClass.LOSSLESS
    return Remedy(cls=cls, does=f"write {names} of the layer record {layer.chain} again", steps=steps, loses=lost)


def _steps(layer: layerdb.Layer, found: Identity, size: int, cache_id: str) -> Iterator[Step]:
    """Each file that is not as it must be, in the engine's order."""
    if layer.diff != found.diff:
        yield _write(layer, "diff", found.diff)
    if layer.size != size:
        yield _write(layer, "size", str(size))
    if layer.cache_id != cache_id:
        yield _write(layer, "cache-id", cache_id)
    if layer.descriptor is not None:
        yield put_away(f"{layer.path}/descriptor.json")
    if isinstance(layer.diff, Trouble) or isinstance(layer.parent, Trouble):  # else it is layer-chainid-mismatch's
        yield from _parent(layer, found)


def _parent(layer: layerdb.Layer, found: Identity) -> Iterator[Step]:
    if found.parent is not None and layer.parent != found.parent:
        yield _write(layer, "parent", found.parent)
    if found.parent is None and layer.parent is not None:
        yield put_away(f"{layer.path}/parent")


def _write(layer: layerdb.Layer, name: str, text: str) -> WriteFile:
    return WriteFile(path=f"{layer.path}/{name}", data=text.encode())


def reparented(layer: layerdb.Layer, found: Identity | None) -> Remedy | None:
    """The remedy of a record whose name is that of its diff above another parent than the one that it states."""
    if found is None or layer.diff != found.diff:
        return None
    does = f"write the parent of the layer {layer.chain} again"
    return Remedy(cls=ActionClass.LOSSLESS, does=does, steps=tuple(_parent(layer, found)))
