"""Layers that come back from what the operator supplies, in their old place and under their old names (classic-store 18.3)."""

from collections.abc import Iterator

from docker_fsck.api import (
    ActionClass,
    Facts,
    MakeDir,
    Model,
    Origin,
    Part,
    Relink,
    Remedy,
    Step,
    Task,
    Unpack,
    WriteFile,
    layerdb,
    short,
    spell,
)
from docker_fsck_plugins.overlay2_links import home_of, told_of, write

DRIVER = "overlay2"


def lost(model: Model, ident: str | None, part: Part) -> tuple[Remedy, ...]:
    """The remedy for a layer whose folder, or the content in it, is gone; none where no source has it or not all is known."""
    layer = model.dir_owner.get(ident or "")
    found = _found(model, layer)
    if layer is None or ident is None or found is None or part.trouble.state != "absent":
        return ()
    steps = _around(model, layer.chain, ident)
    if isinstance(steps, str):
        return _told(model, layer.chain, steps)
    return (_remedy(layer, found, (*steps, _unpack(model, layer, ident, found))),)


def damaged(model: Model, chain: str) -> tuple[Remedy, ...]:
    """The remedy for a layer with files that are not what they were: all of them are unpacked again."""
    layer = model.layers.layers.get(chain)
    found = _found(model, layer)
    if layer is None or layer.dir_id is None or found is None:
        return ()
    return (_remedy(layer, found, (_unpack(model, layer, layer.dir_id, found),)),)


def unrecorded(model: Model, chain: str) -> tuple[Remedy, ...]:
    """The remedy for a lost or damaged tar-split: made anew from the tar, which it gives again to the last byte.

    Files that do not fit to it are unpacked again too, where the driver allows it.
    """
    layer, supply = model.layers.layers.get(chain), model.store.supply
    if layer is None or supply is None or not isinstance(layer.diff, str) or layer.dir_id is None:
        return ()
    found, split = _doubt(model, layer) or supply.find(layer.diff), supply.split(layer.diff)
    if isinstance(found, str) or isinstance(split, str):
        return _told(model, chain, found if isinstance(found, str) else str(split))
    path, coded = spell(f"{layer.path}/tar-split.json.gz")
    record = WriteFile(path=path, path_b64=coded, data=split)
    below = tuple(map(model.home.content, model.home.needs(layer.dir_id))) if model.home.union else ()
    task = Task(chain, layer.diff, path, model.home.content(layer.dir_id), below, shift=model.shift)
    whole = model.home.missing(layer.dir_id) is None and supply.fits(model.store.reader, task, split)
    if whole or _unable(model) or supply.misplaced(model, layer.diff):
        does = f"write {path} anew from the layer in {_place(found[0])}"
        return (Remedy(cls=ActionClass.LOSSLESS, does=does, steps=(record,)),)
    return (_remedy(layer, found, (record, _unpack(model, layer, layer.dir_id, found))),)


def _found(model: Model, layer: layerdb.Layer | None) -> tuple[Origin, int] | None:
    """Where the tar of a layer lies and its length."""
    supply = model.store.supply
    if layer is None or supply is None or not isinstance(layer.diff, str):
        return None
    found = _doubt(model, layer) or _unable(model) or supply.find(layer.diff)
    why = found if isinstance(found, str) else supply.misplaced(model, layer.diff)
    if why or isinstance(found, str):
        _told(model, layer.chain, why)
        return None
    return found


def _told(model: Model, chain: str, why: str) -> tuple[Remedy, ...]:
    if model.store.supply is not None:
        model.store.supply.told[chain] = why
    return ()


def _doubt(model: Model, layer: layerdb.Layer) -> str:
    """Why it is not certain what the folder of a layer should hold, nothing if it is."""
    if layer.chain in model.misnamed or model.dir_claims[layer.dir_id or ""] > 1:
        return "the records do not tell whose content its folder should hold"
    return ""


def _unable(model: Model) -> str:
    """Why nothing is unpacked in this tree, nothing if it may be."""
    if model.name != DRIVER:
        return f"layers of {model.name} are not restored in place by this version, only those of {DRIVER}"
    if model.shift is None:
        return "whose the files of its layers are to be cannot be told from outside (a rootless engine, a container, a copy)"
    return ""


def _unpack(model: Model, layer: layerdb.Layer, ident: str, found: tuple[Origin, int]) -> Unpack:
    path, coded = spell(model.home.content(ident))
    uid, gid = model.shift or (0, 0)
    return Unpack(
        path=path, path_b64=coded, diff=str(layer.diff), origin=found[0], bytes=found[1], uid=uid, gid=gid, shift=(uid, gid)
    )


def _remedy(layer: layerdb.Layer, found: tuple[Origin, int], steps: tuple[Step, ...]) -> Remedy:
    does = f"restore the layer {short(layer.chain)} in its place from {_place(found[0])}, which has its diff id {layer.diff}"
    return Remedy(cls=ActionClass.LOSSLESS, does=does, steps=steps)


def _place(origin: Origin) -> str:
    return f"{origin.source} ({origin.member})"


def _around(model: Model, chain: str, ident: str) -> tuple[Step, ...] | str:
    """The steps for what belongs beside the content and is not there, or why it cannot be told."""
    home, base = home_of(model), model.home.path(ident)
    parents = model.expected_parents(ident)
    if parents is None:
        return "the layer records do not tell what the layer stands on"
    if lacking := [each for each in parents if not _back(model, each)]:
        return f"a layer below it is lost too, and no --source has it: {model.home.path(lacking[0])}"
    if home.linkless is not None:
        return f"the folder of short links is lost too: {home.linkless.path}: {home.linkless.why}; it is to be mended first"
    name = _name(model, ident)
    if home.target.get(name, ident) != ident or (name in home.links and name not in home.target):
        return f"its short name {name} leads to another layer"
    return tuple(_beside(model, chain, ident, base, parents))


def _beside(model: Model, chain: str, ident: str, base: str, parents: tuple[str, ...]) -> Iterator[Step]:
    home, name = home_of(model), _name(model, ident)
    row = home.dirs.get(ident)
    entries = row.entries if row else {}
    if row is None:
        yield MakeDir(path=base, mode=_mode(model))
    if name not in home.links:
        yield Relink(path=f"{home.name}/l/{name}", target=f"../{ident}/diff")
    if home.link(ident) != name:
        yield write(f"{base}/link", name)
    if parents and not isinstance(home.lower(ident), str):
        yield write(f"{base}/lower", ":".join(f"l/{_name(model, each)}" for each in parents))
    if parents and "work" not in entries:
        yield MakeDir(path=f"{base}/work", mode=0o700)
    if row is None and (model.children.get(chain) or model.mounts_of.get(chain)):
        yield WriteFile(path=f"{base}/committed", data=b"", mode=0o600)


def _back(model: Model, ident: str) -> bool:
    """Whether a layer has its content, or gets it back by the same plan."""
    part, layer = model.home.missing(ident), model.dir_owner.get(ident)
    if part is None:
        return True
    supply = model.store.supply
    known = supply is not None and layer is not None and isinstance(layer.diff, str) and part.trouble.state == "absent"
    return known and not isinstance(supply.find(str(layer.diff)), str)  # type: ignore[union-attr]  # both are known


def _name(model: Model, ident: str) -> str:
    """The short name that a layer had: from `link`, from l/, from the lower of a child; else a new one."""
    home = home_of(model)
    return home.short(ident) or told_of(model, {ident}).get(ident) or home.fresh(ident)


def _mode(model: Model) -> int:
    """The mode that driver dirs have in this home: it differs between versions of the engine."""
    home = home_of(model)
    facts = [model.store.reader.facts(home.path(ident)) for ident in sorted(home.dirs)[:1]]
    return next((each.mode & 0o7777 for each in facts if isinstance(each, Facts)), 0o710)
