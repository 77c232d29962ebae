"""Mark: what is alive on a graph driver's tree, from the union of all that refers to it (classic-store 18.1). Pure."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from docker_fsck import claims, ids
from docker_fsck.graph import reach
from docker_fsck.records.repositories import OUTDATED
from docker_fsck.values import Trouble

if TYPE_CHECKING:
    from docker_fsck.model import Model
    from docker_fsck.protocols import References
    from docker_fsck.records.containers import Container

LAYERS = "layers"
DIRS = "dirs"
BUILDKIT_DIRS = "buildkit-dirs"
MOUNTS = "mounts"


class Marks(msgspec.Struct, frozen=True):
    """The living and the dead of one tree.

    `needy`: containers without a usable mount record; while there is one, `pairs` (driver dirs X with an X-init that
    nothing claims) and `orphan_mounts` may be theirs and are kept; so they are while `blank`: where the containers are is not
    known. `lent`: mount records of images that are, or may be, mounted in a container. `hidden`: for layers, dirs,
    buildkit-dirs, mounts the reasons why something unread could name one.
    """

    layers: frozenset[str]
    dirs: frozenset[str]
    orphan_mounts: tuple[str, ...]
    dead_layers: tuple[str, ...]
    dead_dirs: tuple[str, ...]
    needy: tuple[str, ...]
    pairs: tuple[str, ...]
    hidden: dict[str, tuple[str, ...]]
    lent: frozenset[str] = frozenset()
    blank: bool = False


def mark(model: "Model", stores: "tuple[References, ...]") -> Marks:
    """Mark the tree of `model`, where beside the driver only `stores` keep anything."""
    named = frozenset[str]().union(*(each.dirs for each in stores))
    pairs = model.store.pairs[model.name]
    needy = tuple(sorted(ident for ident, container in model.containers.items() if _needy(model, container)))
    spare = model.mounts.mounts.keys() - model.store.containers.containers.keys()
    lent, blank = frozenset(_lent(model, spare)), claims.blank(model.store)
    unread = model.store.containers.faults or model.store.containers.absent
    orphans = () if unread else tuple(sorted(spare - lent))
    doubt = bool(needy) or blank
    kept_mounts = [mount for name, mount in model.mounts.mounts.items() if doubt or name not in orphans]
    table = model.layers.layers
    layer_roots = {chain for image in model.images.images.values() for chain in image.chains}
    layer_roots |= model.store.wanted.chains.union(*(each.chains for each in stores)) | {
        mount.parent_id for mount in kept_mounts if mount.parent_id
    }
    held = frozenset(held_dirs(model))
    layer_roots |= {layer.chain for layer in table.values() if layer.dir_id in held}
    layer_roots |= model.misnamed  # which layer it really is, is not known
    live = _live_layers(model, layer_roots)
    dir_roots = {ident for mount in kept_mounts for ident in mount.dir_ids} | named | held | set(_legacy(model, needy))
    dir_roots |= claims.led_to(model.store)
    if doubt:
        dir_roots |= {each for pair in pairs for each in (pair, f"{pair}-init")} | set(_lonely(model))
    live, dirs = _settle(model, live, dir_roots)
    dead_layers = tuple(sorted(table.keys() - live))
    spoken = {table[chain].dir_id for chain in dead_layers} | {
        ident for name in orphans for ident in model.mounts.mounts[name].dir_ids
    }
    spoken |= {each.cache_id for each in (*model.layers.removing, *model.layers.tmp) if isinstance(each.cache_id, str)}
    dead_dirs = tuple(sorted(set(model.home.ids()) - dirs - spoken))
    hidden = _hidden(model, live, dirs, needy, stores)
    return Marks(live, dirs, orphans, dead_layers, dead_dirs, needy, pairs, hidden, lent, blank)


def _lent(model: "Model", names: Iterable[str]) -> Iterator[str]:
    """Of records without a container those of an image that is mounted in one; any may be where a container cannot be read."""
    store = model.store
    vague = any(each.fault is not None and not claims.is_remnant(store, each) for each in store.containers.containers.values())
    for name in names:
        mount = model.mounts.mounts[name]
        if claims.borrower(store.containers, mount) or (vague and mount.init_id is None):
            yield name


def _settle(model: "Model", live: frozenset[str], roots: set[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Close layers and dirs over each other: a record whose dir a living dir needs is left alone (do less)."""
    while True:
        own = {ident for chain in live if (ident := model.layers.layers[chain].dir_id) is not None}
        dirs = frozenset(reach(roots | own, model.home.needs))
        more = {layer.chain for ident in dirs if (layer := model.dir_owner.get(ident)) is not None} - live
        if not more:
            return live, dirs
        live = _live_layers(model, live | more)


def _live_layers(model: "Model", roots: "set[str] | frozenset[str]") -> frozenset[str]:
    table = model.layers.layers

    def needs(chain: str) -> Iterator[str]:
        layer = table.get(chain)
        if layer is not None and layer.parent_id is not None:
            yield layer.parent_id

    return frozenset(reach(roots, needs) & table.keys())


def _claimed(model: "Model") -> set[str]:
    """Driver ids that a record or another store names."""
    claimed = {ident for mount in model.mounts.mounts.values() for ident in mount.dir_ids}
    return claimed | model.dir_owner.keys() | model.buildkit_dirs


def pairs(model: "Model") -> Iterator[str]:
    """Driver ids X with an X-init beside them that no record claims, by id."""
    present, claimed = set(model.home.ids()), _claimed(model)
    for ident in sorted(present):
        init = f"{ident}-init"
        if ids.MOUNT_ID.fullmatch(ident) and init in present and ident not in claimed and init not in claimed:
            yield ident


def _lonely(model: "Model") -> Iterator[str]:
    """Unclaimed driver ids without an init layer that may be a container's writable layer all the same."""
    present, claimed = set(model.home.ids()), _claimed(model)
    for ident in present:
        if not ids.MOUNT_ID.fullmatch(ident) or ident in claimed or f"{ident}-init" in present:
            continue
        needs = model.home.needs(ident)
        if not model.home.union or model.home.vague(ident) or (needs and needs[0].endswith("-init")):
            yield ident


def _needy(model: "Model", container: "Container") -> bool:
    mount = model.mounts.mounts.get(container.id)
    if mount is not None and isinstance(mount.mount_id, str):
        return mount.mount_id in model.dir_owner or model.mount_claims[mount.mount_id] > 1
    return mount is not None or not claims.is_remnant(model.store, container)


def _legacy(model: "Model", needy: tuple[str, ...]) -> Iterator[str]:
    """Names that a container's dirs had before 1.10, and those of a graph/ folder that was not migrated (classic-store 18.1)."""
    for ident in needy:
        yield ident
        yield f"{ident}-init"
    names = model.store.reader.names("graph")
    if isinstance(names, dict):
        yield from (name for name in names if ids.HEX64.fullmatch(name))


def held_dirs(model: "Model") -> Iterator[str]:
    """Driver ids of this tree that some process has mounted or open (promise 11)."""
    if not model.store.host.held:
        return
    owner_of: dict[str, str] = {}
    for ident in model.home.ids():
        for path in model.home.aliases(ident):
            owner_of[path] = ident
    for held in model.store.host.held:
        parts = held.split("/")
        for end in range(1, len(parts) + 1):
            owner = owner_of.get("/".join(parts[:end]))
            if owner is not None:
                yield owner


def _hidden(
    model: "Model", live: frozenset[str], dirs: frozenset[str], needy: tuple[str, ...], stores: "tuple[References, ...]"
) -> dict[str, tuple[str, ...]]:
    """Why references to layers, dirs and mounts may exist that were not seen (promise 10, law 5)."""
    found: dict[str, list[str]] = {LAYERS: [], DIRS: [], BUILDKIT_DIRS: [], MOUNTS: []}
    for each in stores:
        unread = "; ".join(
            f"{source.source}: {source.why or source.state}" for source in each.sources if source.state not in {"read", "absent"}
        )
        absent = "; ".join(f"{source.source} is not there" for source in each.sources if source.state == "absent")
        for what in each.hides:
            found[what].append(f"references of BuildKit unknown: {unread or absent}")
    for image in model.images.images.values():
        if not image.usable:
            found[LAYERS].append(f"references of images unknown: {image.path} cannot be used")
    found[LAYERS] += [f"references of images unknown: {fault.path}: {fault.why}" for fault in model.images.faults]
    found[LAYERS] += [*_tags_unknown(model), *(f"references of images unknown: {why}" for why in model.store.wanted.unknown)]
    mount_faults = [f"references of mounts unknown: {fault.path}: {fault.why}" for fault in model.mounts.faults]
    mount_faults += list(_mounts_unknown(model))
    found[LAYERS] += mount_faults
    found[DIRS] += mount_faults
    gone = list(_tables_gone(model))
    found[LAYERS] += gone
    found[DIRS] += gone
    found[DIRS] += [f"references of layers unknown: {fault.path}: {fault.why}" for fault in model.layers.faults]
    found[LAYERS] += [f"references of layers unknown: {fault.path}: {fault.why}" for fault in model.layers.faults]
    found[DIRS] += [f"references of layers unknown: {why}" for why in model.store.wanted.astray]
    found[DIRS] += list(_dirs_unknown(model, live, dirs))
    found[LAYERS] += list(_parents_unknown(model, live))
    found[DIRS] += [f"driver dirs unknown: {fault.path}: {fault.why}" for fault in model.home.partial]
    if not model.home.ids():  # nothing is seen, not even what is in use
        blind = [f"driver dirs unknown: {fault.path}: {fault.why}" for fault in model.home.partial]
        found[LAYERS] += blind
        found[MOUNTS] += blind
    found[MOUNTS] += list(_containers_unknown(model))
    found[MOUNTS] += [f"ambiguous: container {ids.short(each)} has no usable mount record, this may be its own" for each in needy]
    found[DIRS] += list(_containers_unknown(model))
    if claims.blank(model.store):
        found[MOUNTS].append("ambiguous: the folder containers is empty, as the place of a disk that is not mounted")
    found[BUILDKIT_DIRS] += found[DIRS]
    return {what: tuple(dict.fromkeys(reasons)) for what, reasons in found.items()}


def _tables_gone(model: "Model") -> Iterator[str]:
    """Tables that are not there although the disk holds what they alone could have named (promise 10)."""
    if model.images.absent and model.layers.layers:
        yield f"references of images unknown: {model.image_dir}/imagedb is not there"
    if model.layers.absent and model.home.ids():
        yield f"references of layers unknown: {model.image_dir}/layerdb/sha256 is not there"
    names = model.store.reader.names("graph")
    if isinstance(names, Trouble) and names.state != "absent":
        yield f"references of the store before 1.10 unknown: graph: {names.why}"


def _tags_unknown(model: "Model") -> Iterator[str]:
    fault = model.tags.trouble
    if fault is None or (model.tags.whole_sibling is not None and model.tags.behind_ns <= OUTDATED):
        return
    if fault.state != "absent" or model.images.images:
        yield f"references of images unknown: {fault.path}: {fault.why}"


def _containers_unknown(model: "Model") -> Iterator[str]:
    table = model.store.containers
    yield from (f"containers unknown: {fault.path}: {fault.why}" for fault in table.faults)
    if table.absent and (model.mounts.mounts or _has_pair(model)):
        yield "containers unknown: the folder containers is not there"


def _mounts_unknown(model: "Model") -> Iterator[str]:
    """Records that the kernel would not give, and a table that is gone although containers or pairs speak of one."""
    for record in model.mounts.mounts.values():
        for fault in record.troubles:
            if fault.state == "unreadable":
                yield f"references of mounts unknown: {fault.path}: {fault.why}"
    for name, container in sorted(model.containers.items()):
        mount = model.mounts.mounts.get(name)
        image = model.images.images.get(container.image)
        if mount is not None and isinstance(mount.parent, Trouble) and (image is None or not image.usable):
            yield f"references of mounts unknown: {mount.parent.path}: {mount.parent.why}"
    own = list(model.containers)
    if model.mounts.absent and (own or _has_pair(model)):
        yield f"references of mounts unknown: {model.image_dir}/layerdb/mounts is not there"


def _has_pair(model: "Model") -> bool:
    present = set(model.home.ids())
    return any(ident.endswith("-init") and ident.removesuffix("-init") in present for ident in present)


def _dirs_unknown(model: "Model", live: frozenset[str], dirs: frozenset[str]) -> Iterator[str]:
    for layer in model.layers.layers.values():
        named = layer.cache_id
        if not isinstance(named, str):
            yield f"references of layers unknown: {named.path}: {named.why}"
        elif not ids.DRIVER_ID.fullmatch(named):
            yield f"references of layers unknown: {layer.path}/cache-id: no driver id"
    for twice in sorted(each for each, records in model.dir_claims.items() if records > 1):
        yield f"references of layers unknown: two records claim {model.home.path(twice)}"
    derivable = {ident for mount in model.mounts.mounts.values() for ident in mount.dir_ids}
    derivable |= {ident for chain in live if (ident := model.layers.layers[chain].dir_id) is not None}
    for ident in sorted(dirs & set(model.home.ids())):
        built, vague = ids.BUILDKIT_ID.fullmatch(ident), model.home.vague(ident)
        if not built and not vague:
            continue
        owner = model.dir_owner.get(ident)
        emptied = built and model.home.union and owner and owner.parent is not None and not model.home.needs(ident)
        if emptied or (vague and (built or ident not in derivable)):
            yield f"parents of {model.home.path(ident)} unknown"


def _parents_unknown(model: "Model", live: frozenset[str]) -> Iterator[str]:
    for chain in sorted(live):
        layer = model.layers.layers[chain]
        if chain in model.images_of:
            continue
        if isinstance(layer.parent, Trouble):
            yield f"references of layers unknown: {layer.parent.path}: {layer.parent.why}"
        elif isinstance(layer.diff, Trouble) or chain in model.misnamed:
            yield f"references of layers unknown: {layer.path} does not stand under its chain id"
