"""Rules on what nothing refers to: mark and sweep over the union of all sources (classic-store 14, 18.1)."""

import re
from collections.abc import Collection, Iterable, Iterator

from docker_fsck.api import (
    BUILDKIT_ID,
    ActionClass,
    Confidence,
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
from docker_fsck_plugins import derive
from docker_fsck_plugins.remedies import put_away, reclaim

PROBE = re.compile(r"(check-overlayfs-support|opaque-bug-check|multiple-lowerdir-check|metacopy-check|fsutils-dummy)[0-9]+|userxattr-check", re.ASCII)


def _knowing(idents: Iterable[str]) -> tuple[str, ...]:
    """Which sources could name these driver dirs."""
    found = {"buildkit-dirs" if BUILDKIT_ID.fullmatch(ident.removesuffix("-init")) else "dirs" for ident in idents}
    return tuple(sorted(found))


def _layer_dirs(model: Model, chains: Iterable[str]) -> list[str]:
    """The driver dirs that go with these records: there, and needed by nothing alive."""
    found = [model.layers.layers[chain].dir_id for chain in chains]
    return [ident for ident in found if ident is not None and ident in model.home.ids() and ident not in model.marks.dirs]


@rule("mount-orphan", Severity.INFO, actions=(ActionClass.RECLAIM,))
def mount_orphan(model: Model) -> Iterator[Fault]:
    """A mount record without a container.

    Why it matters: it keeps its writable layer and every layer below for ever; `docker rmi` frees none of them.
    How it comes about: a create or a removal that was cut short; `docker rm -f` of a busy container up to 17.05; a build
        that was killed.
    Repair: record, writable layer, init layer and the layers that nothing else needs are put away together. Blocked while
        any container lacks a usable record: this one could be its own.
    Seen in: FC-01, FC-13
    """
    dead = set(model.marks.dead_layers)
    for name in model.marks.orphan_mounts:
        mount = model.mounts.mounts[name]
        dirs = [ident for ident in mount.dir_ids if ident in model.home.ids() and ident not in model.marks.dirs]
        chains = _only_through(model, mount.parent_id, dead)
        layer_dirs = _layer_dirs(model, chains)
        forget = (Ref("mount", name), *(Ref("driverdir", ident) for ident in dirs), *(Ref("layer", chain) for chain in chains))
        knowing = ("mounts", *(("layers",) if chains else ()), *_knowing(layer_dirs))
        does = f"put the mount record {short(name)} away with its {len(dirs)} folders and the {len(chains)} layers that only it holds"
        paths = [mount.path, *(path for ident in dirs for path in model.home.holdings(ident))]
        paths += [model.path_of(Ref("layer", chain)) for chain in chains]
        paths += [path for ident in layer_dirs for path in model.home.holdings(ident)]
        paths += _held(model, mount.parent_id, paths)
        remedy = Remedy(cls=ActionClass.RECLAIM, does=does, forget=forget, knowing=knowing)
        yield Fault(Ref("mount", name), f"the mount record {short(name)} belongs to no container", tuple(paths), "", "", (remedy,))


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
        remedy = Remedy(cls=ActionClass.RECLAIM, does=does, forget=forget, knowing=("layers", *_knowing(idents)))
        paths = [model.path_of(Ref("layer", chain)) for chain in chains]
        paths += [path for ident in idents for path in model.home.holdings(ident)]
        paths += _held(model, top, paths)
        through = tuple(Ref("layer", chain) for chain in chains)
        yield Fault(Ref("layer", top), f"nothing needs the layer {short(top)} and {len(chains) - 1} below it", tuple(paths), "", "", (remedy,), through)


def _leftover(model: Model, each: layerdb.Leftover) -> tuple[Remedy, tuple[str, ...]]:
    """Put an entry away with its driver dir, unless something else has that one."""
    ident = each.cache_id if isinstance(each.cache_id, str) else None
    gone = ident is not None and ident in model.home.ids() and ident not in model.marks.dirs and ident not in model.dir_owner
    forget = (Ref("driverdir", ident),) if gone and ident is not None else ()
    paths = (each.path, *(model.home.holdings(ident) if gone and ident is not None else ()))
    knowing = _knowing([ident] if gone and ident is not None else [])
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
            yield Fault(Ref("file", each.path), f"the layer {short(each.chain or '')} was being removed", paths, "", "", (remedy,))


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
            yield Fault(Ref("file", each.path), "a removed layer's record without cache-id", (each.path,), "", each.cache_id.why, (reclaim(each.path),))


@rule("layer-tmp", Severity.INFO, actions=(ActionClass.RECLAIM,))
def layer_tmp(model: Model) -> Iterator[Fault]:
    """A layer registration that was never finished lies in layerdb/tmp.

    Why it matters: lost space.
    How it comes about: the engine was killed during a pull, load, build or commit.
    Repair: the entry and the folder that its cache-id names are put away.
    Seen in: FC-37
    """
    for each in model.layers.tmp:
        remedy, paths = _leftover(model, each)
        yield Fault(Ref("file", each.path), "a layer registration was never finished", paths, "", "", (remedy,))


@rule("driver-orphan", Severity.INFO, actions=(ActionClass.RECLAIM,), after=("aufs-partial-create",))
def driver_orphan(model: Model) -> Iterator[Fault]:
    """A folder of the graph driver that nothing refers to.

    Why it matters: space that no command sees or frees.
    How it comes about: the engine was killed between making the folder and writing the record, in pull, build, load or create.
    Repair: the folder and its short link are put away. Every source of references must have been read: records, mounts,
        BuildKit, the lists of parents of all that is kept, and the mounts and open files of every process.
    Never: on the word of `docker inspect`; while any source cannot be read; l/ itself.
    Seen in: FC-01, FC-07, FC-47
    """
    if model.layers.faults or model.mounts.faults:
        return
    dead = set(model.marks.dead_dirs)
    for ident in sorted(dead):
        if ident.endswith("-init"):
            continue
        group = [ident] + ([f"{ident}-init"] if f"{ident}-init" in dead else [])
        yield _orphan(model, group)
    for pair in _doubtful(model):
        fault = _orphan(model, [pair, f"{pair}-init"])
        yield Fault(fault.subject, fault.message, fault.paths, "", "", fault.remedies, confidence=Confidence.PROBABLE)


def _doubtful(model: Model) -> list[str]:
    """Writable layers that nothing claims while some container lacks its own, less those of which it is known whose they are."""
    pairs, needy = model.marks.pairs, model.marks.needy
    if not needy or len(pairs) < 2:  # noqa: PLR2004 - a single one is that container's
        return []
    found = [derive.derive(model, model.containers[name], model.mounts.mounts.get(name)) for name in needy]
    known = {each.mount_id for each in found if not isinstance(each, str)}
    return [pair for pair in pairs if pair not in known]


def _orphan(model: Model, group: list[str]) -> Fault:
    ident = group[0]
    paths = tuple(path for each in group for path in model.home.holdings(each))
    forget = tuple(Ref("driverdir", each) for each in group)
    looks = "a build snapshot" if BUILDKIT_ID.fullmatch(ident) else "a container's layer and its init layer" if len(group) > 1 else "a layer"
    remedy = Remedy(cls=ActionClass.RECLAIM, does=f"put {model.home.path(ident)} away", forget=forget, knowing=_knowing(group))
    return Fault(Ref("driverdir", ident), f"nothing refers to {ident}, which looks like {looks}", paths, "", "", (remedy,), (Ref("driverdir", ident),))


@rule("driver-orphan-init", Severity.INFO, actions=(ActionClass.RECLAIM,), after=("aufs-partial-create",))
def driver_orphan_init(model: Model) -> Iterator[Fault]:
    """An init layer X-init without its X that nothing refers to.

    Why it matters: lost space, little.
    How it comes about: a create that failed after the init layer, in engines before 29.1.4; a lost `init-id`.
    Repair: the folder and its short link are put away.
    Seen in: FC-01
    """
    dead = set() if model.layers.faults or model.mounts.faults else set(model.marks.dead_dirs)
    for ident in sorted(dead):
        if ident.endswith("-init") and ident.removesuffix("-init") not in dead:
            fault = _orphan(model, [ident])
            yield Fault(fault.subject, f"nothing refers to the init layer {ident}", fault.paths, "", "", fault.remedies, fault.through)


@rule("driver-probe-residue", Severity.INFO, actions=(ActionClass.RECLAIM,))
def probe_residue(model: Model) -> Iterator[Fault]:
    """A folder that the engine made at its start to try the file system was left.

    Why it matters: it does not.
    How it comes about: the engine was killed while it started.
    Repair: the folder is put away, unless something is mounted in it.
    """
    for base in ("", model.home.name):
        names = model.store.top_names(base)
        for name in names if isinstance(names, dict) else ():
            path = f"{base}/{name}" if base else name
            if PROBE.fullmatch(name) and not any(_within(held, path) for held in model.store.host.held | model.store.host.mount_points):
                yield Fault(Ref("file", path), "a probe of the file system was left", (path,), "", "", (reclaim(path),))


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The rules on garbage."""
    return (
        mount_orphan, layer_unreferenced, layer_removing, removing_no_cacheid, layer_tmp, driver_orphan, driver_orphan_init, probe_residue,
    )  # fmt: skip
