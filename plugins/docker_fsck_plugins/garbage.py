"""Rules on records that nothing refers to: mark and sweep over the union of all sources (classic-store 14, 18.1)."""

from collections.abc import Collection, Iterable, Iterator

from docker_fsck.api import (
    ActionClass,
    Fault,
    Model,
    Ref,
    Remedy,
    Rule,
    Severity,
    hookimpl,
    layerdb,
    reach,
    rule,
    short,
)
from docker_fsck_plugins import orphans, strangers
from docker_fsck_plugins.orphans import knowing_of
from docker_fsck_plugins.remedies import put_away, reclaim


def _layer_dirs(model: Model, chains: Iterable[str]) -> list[str]:
    """The driver dirs that go with these records: there, and needed by nothing alive."""
    found = [model.layers.layers[chain].dir_id for chain in chains]
    return [ident for ident in found if ident is not None and ident in model.home.ids() and ident not in model.marks.dirs]


@rule("mount-orphan", Severity.INFO, actions=(ActionClass.RECLAIM,), after=("container-folder-missing",))
def mount_orphan(model: Model) -> Iterator[Fault]:
    """A mount record without a container.

    Why it matters: it keeps its writable layer and every layer below for ever; `docker rmi` frees none of them.
    How it comes about: a create or a removal that was cut short; `docker rm -f` of a busy container up to 17.05; a build
        that was killed.
    Repair: record, writable layer, init layer and the layers that nothing else needs are put away together. Blocked while
        any container lacks a usable record, this one could be its own; and while containers/ is empty, which may be the place of
        a disk that is not mounted: with any container in it, it is none.
    Seen in: FC-01, FC-13
    """
    dead = set(model.marks.dead_layers)
    for name in model.marks.orphan_mounts:
        mount = model.mounts.mounts[name]
        dirs = [ident for ident in mount.dir_ids if ident in model.home.ids() and ident not in model.marks.dirs]
        chains = _only_through(model, mount.parent_id, dead)
        layer_dirs = _layer_dirs(model, chains)
        forget = (Ref("mount", name), *(Ref("driverdir", ident) for ident in dirs), *(Ref("layer", chain) for chain in chains))
        knowing = ("mounts", *(("layers",) if chains else ()), *knowing_of(layer_dirs))
        does = f"put the mount record {short(name)} away with its {len(dirs)} folders and {len(chains)} layers that only it holds"
        paths = [mount.path, *(path for ident in dirs for path in model.home.holdings(ident))]
        paths += [model.path_of(Ref("layer", chain)) for chain in chains]
        paths += [path for ident in layer_dirs for path in model.home.holdings(ident)]
        paths += _held(model, mount.parent_id, paths)
        remedy = Remedy(cls=ActionClass.RECLAIM, does=does, forget=forget, knowing=knowing)
        mine = (*strangers.in_mount(model, name, mount.path), *_strange(model, chains), *strangers.in_dirs(model, dirs))
        message = f"the mount record {short(name)} belongs to no container{strangers.told(mine)}"
        through = (Ref("file", "containers"),)
        yield Fault(Ref("mount", name), message, tuple(paths), "", "", () if mine else (remedy,), through)


def _strange(model: Model, chains: Iterable[str]) -> Iterator[str]:
    """What in these records and their folders no engine writes."""
    for chain in chains:
        yield from strangers.strange(model, model.path_of(Ref("layer", chain)), strangers.LAYER)
        yield from strangers.in_dirs(model, _layer_dirs(model, [chain]))


def _only_through(model: Model, chain: str | None, dead: Collection[str], told: Collection[str] = ()) -> list[str]:
    """Dead layer records from `chain` down, nearest first, as far as nobody has told of them."""
    found: dict[str, None] = {}
    while chain is not None and chain in dead and chain not in found and chain not in told:
        found[chain] = None
        chain = model.layers.layers[chain].parent_id
    return list(found)


def _held(model: Model, chain: str | None, told: list[str]) -> list[str]:
    """The living layers below `chain` with their folders: a prune that frees their images would still leave them."""
    found: list[str] = []
    for each in reach([chain] if chain else [], lambda at: _parents(model, at)):
        layer = model.layers.layers.get(each)
        if layer is not None:
            found += [layer.path, *([model.home.path(layer.dir_id)] if layer.dir_id else [])]
    return sorted(set(found) - set(told))


def _parents(model: Model, chain: str) -> Iterator[str]:
    layer = model.layers.layers.get(chain)
    if layer is not None and layer.parent_id is not None:
        yield layer.parent_id


@rule("layer-unreferenced", Severity.INFO, actions=(ActionClass.RECLAIM,), after=("mount-orphan", "layer-record-incomplete"))
def layer_unreferenced(model: Model) -> Iterator[Fault]:
    """A chain of layers that no image, container, child or build needs.

    Why it matters: the engine loads it with a count of zero and never frees it.
    How it comes about: a pull, load, build or commit that was cut short after a layer was registered; a removal that was
        cut short between image and layers.
    Repair: records and folders of the chain are put away together, children first.
    Never: while an image configuration cannot be read: the layers may be its.
    Seen in: FC-13
    """
    dead = set(model.marks.dead_layers)
    told: set[str] = set()
    for name in model.marks.orphan_mounts:
        told.update(_only_through(model, model.mounts.mounts[name].parent_id, dead, told))
    tops = sorted(chain for chain in dead if not any(child in dead for child in model.children.get(chain, ())))
    for top in (*tops, *sorted(dead)):
        chains = _only_through(model, top, dead, told)
        if not chains:
            continue
        told.update(chains)
        idents = _layer_dirs(model, chains)
        forget = tuple(Ref("layer", chain) for chain in chains)
        does = f"put the layer {short(top)} and {len(chains) - 1} below it away"
        remedy = Remedy(cls=ActionClass.RECLAIM, does=does, forget=forget, knowing=("layers", *knowing_of(idents)))
        paths = [model.path_of(Ref("layer", chain)) for chain in chains]
        paths += [path for ident in idents for path in model.home.holdings(ident)]
        paths += _held(model, top, paths)
        through, mine = tuple(Ref("layer", chain) for chain in chains), tuple(_strange(model, chains))
        message = f"nothing needs the layer {short(top)} and {len(chains) - 1} below it{strangers.told(mine)}"
        yield Fault(Ref("layer", top), message, tuple(paths), "", "", () if mine else (remedy,), through)


def _leftover(model: Model, each: layerdb.Leftover) -> tuple[Remedy, tuple[str, ...]]:
    """Put an entry away with its driver dir, unless something else has that one."""
    ident = each.cache_id if isinstance(each.cache_id, str) else None
    gone = ident is not None and ident in model.home.ids() and ident not in model.marks.dirs and ident not in model.dir_owner
    forget = (Ref("driverdir", ident),) if gone and ident is not None else ()
    paths = (each.path, *(model.home.holdings(ident) if gone and ident is not None else ()))
    knowing = knowing_of([ident] if gone and ident is not None else [])
    does = f"put {each.path} away" + (f" with {model.home.path(ident)}" if gone and ident is not None else "")
    return Remedy(cls=ActionClass.RECLAIM, does=does, steps=(put_away(each.path),), forget=forget, knowing=knowing), paths


@rule("layer-removing", Severity.INFO, actions=(ActionClass.RECLAIM,))
def layer_removing(model: Model) -> Iterator[Fault]:
    """A layer record that was being removed (`<chain>-<random>-removing`).

    Why it matters: lost space; the engine frees it only at a clean stop, and never with live-restore.
    How it comes about: the engine was killed while it removed the layer.
    Repair: the record and its folder are put away, the folder only if nothing else uses it.
    Never: take the folder if a living record has the same cache-id.
    Seen in: FC-14
    """
    for each in model.layers.removing:
        if isinstance(each.cache_id, str):
            remedy, paths = _leftover(model, each)
            yield Fault(
                Ref("file", each.path), f"the layer {short(each.chain or '')} was being removed", paths, "", "", (remedy,)
            )


@rule("layer-removing-no-cacheid", Severity.INFO, actions=(ActionClass.RECLAIM,))
def removing_no_cacheid(model: Model) -> Iterator[Fault]:
    """A layer record that was being removed and no longer tells its folder.

    Why it matters: the engine passes over it for ever.
    How it comes about: the engine was killed near the end of the removal, or the file is damaged.
    Repair: the record is put away; if its folder is still there, it is found as an orphan.
    Seen in: FC-14
    """
    for each in model.layers.removing:
        if not isinstance(each.cache_id, str) and each.cache_id.state != "unreadable":
            yield Fault(
                Ref("file", each.path),
                "a removed layer's record without cache-id",
                (each.path,),
                "",
                each.cache_id.why,
                (reclaim(each.path),),
            )


@rule("layer-tmp", Severity.INFO, actions=(ActionClass.RECLAIM,))
def layer_tmp(model: Model) -> Iterator[Fault]:
    """A layer registration that was never finished lies in layerdb/tmp.

    Why it matters: lost space.
    How it comes about: the engine was killed during a pull, load, build or commit.
    Repair: the entry and the folder that its cache-id names are put away. What has another name than engines give there, or
        holds something else, is left alone.
    Seen in: FC-37
    """
    for each in model.layers.tmp:
        remedy, paths = _leftover(model, each)
        name = each.path.rpartition("/")[2]
        mine = strangers.strange(model, each.path, strangers.LAYER) if strangers.TRANSACTION.fullmatch(name) else (name,)
        message = f"a layer registration was never finished{strangers.told(mine)}"
        yield Fault(Ref("file", each.path), message, paths, "", "", () if mine else (remedy,))


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The rules on garbage."""
    return (mount_orphan, layer_unreferenced, layer_removing, removing_no_cacheid, layer_tmp, *orphans.RULES)
