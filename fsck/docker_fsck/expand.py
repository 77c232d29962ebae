"""From a remedy to the paths that change, in the order that is safe: who refers goes before what is referred to. Pure."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from docker_fsck import copies
from docker_fsck.beside import alone, living, others_unknown
from docker_fsck.graph import reach
from docker_fsck.impact import sufferers
from docker_fsck.records import repositories
from docker_fsck.values import ActionClass, PutAway, Ref, Remedy, Step, Trouble, WriteFile, spell

if TYPE_CHECKING:
    from docker_fsck.model import Model

WRITE, TAG, IMAGE, CONTAINER, MOUNT, LAYER, LINK, DIR, RESIDUE, LOCK = range(10)
LOCKFILE = "volumes/metadata.db"
"""The engine's lock as well: while it is in its place no engine starts, so that its own step is the last (promise 14)."""


class Draft(msgspec.Struct, kw_only=True):
    """An action in the making: steps with their place in the order, and which objects go with it.

    `names`: what the tag store says once this is done, where it is written anew. `known`: the names that images then have.
    `waits`: why it is held back while `holders` stay.
    """

    model: "Model"
    cls: ActionClass
    does: list[str]
    findings: list[str]
    steps: list[tuple[tuple[int, int], Step]] = []
    layers: set[str] = set()
    dirs: set[str] = set()
    images: set[str] = set()
    mounts: set[str] = set()
    stores: set[str] = set()
    retag: set[tuple[str, str]] = set()
    names: repositories.Tags | None = None
    known: repositories.Tags = {}
    knowing: tuple[str, ...] = ()
    ages: tuple[int, ...] = ()
    consent: str | None = None
    loses: list[str] = []
    next: list[str] = []
    pull: list[str] = []
    unnamed: int = 0
    waits: str = ""
    holders: tuple[Ref, ...] = ()


def draft(model: "Model", fingerprint: str, remedy: Remedy, names: repositories.Tags | None = None) -> Draft:
    """The draft of `remedy` alone. A manual one has no step: what is to be done stands in `next`, word for word.

    `names`: what the same plan writes into the tag store, if it does.
    """
    made = Draft(
        model=model, cls=remedy.cls, does=[remedy.does], findings=[fingerprint], retag=set(remedy.retag), knowing=remedy.knowing,
        ages=remedy.ages, consent=remedy.consent, loses=list(remedy.loses), next=list(remedy.next), pull=list(remedy.pull),
        known=model.tags.tags if names is None else names,
        unnamed=remedy.unnamed, waits=remedy.refused if remedy.holders else "", holders=remedy.holders,
    )  # fmt: skip
    if remedy.cls is ActionClass.MANUAL:
        return made
    last = LAYER if remedy.forget else RESIDUE  # what names an object goes before it
    for number, step in enumerate(remedy.steps):
        away = isinstance(step, PutAway) and remedy.cls is not ActionClass.LOSSLESS
        place = LOCK if step.raw == LOCKFILE else last if away else WRITE
        made.steps.append(((place, number), step))
        if isinstance(step, WriteFile) and step.raw == model.tags.path:
            made.names = _written(step)
    for ref in remedy.forget:
        _forget(made, ref, remedy.forget)
    return made


def _written(step: WriteFile) -> repositories.Tags:
    tags = repositories.parse(step.data, step.raw)
    if isinstance(tags, Trouble):
        raise ValueError(f"a tag store that cannot be read would be written: {tags.why}")  # noqa: TRY004 - a plugin's mistake
    return tags


def _forget(made: Draft, ref: Ref, together: tuple[Ref, ...]) -> None:
    """Put the files of one object away; `together` are all that go with it."""
    match ref.kind:
        case "image":
            _image(made, ref.id)
        case "layer" if made.cls is ActionClass.LOSSY:
            _chain(made, ref.id)
        case "layer":
            _layer(made, ref.id, made.model.marks.dirs)
        case "mount":
            made.mounts.add(ref.id)
            _away(made, (MOUNT, 0), made.model.path_of(ref))
            if Ref("container", ref.id) in together:
                _writable(made, ref.id)
        case "container":
            _away(made, (CONTAINER, 0), made.model.path_of(ref))
        case "driverdir":
            _dir(made, ref.id)
        case "store":
            _store(made, ref.id)
        case _:
            raise ValueError(f"nothing is known of putting a {ref.kind} away")


def _away(made: Draft, place: tuple[int, int], path: str) -> None:
    shown, coded = spell(path)
    made.steps.append((place, PutAway(path=shown, path_b64=coded)))


def _dir(made: Draft, ident: str) -> None:
    if ident in made.dirs:
        return
    made.dirs.add(ident)
    folder, holdings = f"{made.model.home.name}/l/", made.model.home.holdings(ident)
    if not holdings and ident in made.model.home.ids():
        made.next.append(f"{made.model.home.path(ident)} stays: only the tools of {made.model.name} can take it away")
    for path in holdings:
        _away(made, (LINK if path.startswith(folder) else DIR, 0), path)


def _writable(made: Draft, name: str) -> None:
    """Finish a removal: what a container wrote goes with its folder and its record, as one action or not at all (FC-25)."""
    mount = made.model.mounts.mounts.get(name)
    for ident in mount.dir_ids if mount else ():
        if ident in made.model.home.ids():
            _dir(made, ident)


def _layer(made: Draft, chain: str, kept: "frozenset[str] | set[str]") -> None:
    layer = made.model.layers.layers.get(chain)
    if layer is None or chain in made.layers:
        return
    made.layers.add(chain)
    _away(made, (LAYER, -made.model.depth.get(chain, 0)), layer.path)
    if layer.dir_id is not None and layer.dir_id not in kept:
        _dir(made, layer.dir_id)


def _chain(made: Draft, chain: str) -> None:
    """A lost layer and what stands on it: images, and a store that builds on it; folders that anything else needs stay."""
    model = made.model
    chains, images = sufferers(model, chain)
    gone = {layer.dir_id for each in chains if (layer := model.layers.layers.get(each)) and layer.dir_id}
    lost = {Ref("layer", each) for each in chains} | {Ref("driverdir", each) for each in gone}
    others = []
    for store in model.store.references:
        if store.home and lost & living(store):
            _store(made, store.home)
        else:
            others.append(store)
    staying = model.marks.dirs - gone - model.dir_mount.keys() - made.dirs
    kept = reach(staying.union(*(store.dirs for store in others)), model.home.needs)
    for image in sorted(images):
        _image(made, image)
    for each in sorted(chains):
        _layer(made, each, kept)
    for name in _standing(model, chains):
        container = model.store.containers.containers[name]
        made.next.append(
            f"container {container.ref_name} stands on it: pull the image, then run docker-fsck again to tie it"
            " to the new layers; do not prune before"
        )


def _store(made: Draft, home: str) -> None:
    """The folder of a store beside the driver, and what in any tree only it keeps.

    Where something else unread could name that, the folder goes alone: a later run finds what it leaves.
    """
    store = next(each for each in made.model.store.references if each.home == home)
    if home in made.stores:
        return
    made.stores.add(home)
    _away(made, (MOUNT, 1), home)
    made.loses += store.loses
    unknown = others_unknown(made.model.store, home)
    if unknown:
        made.next.append(
            f"folders that only {home}/ named stay, since others could name them: {unknown[0]}; run docker-fsck again"
        )
        return
    for model in made.model.store.models:
        own = alone(model, store)
        if model is made.model:
            for ident in sorted(own.dirs | own.gone):
                _dir(made, ident)
            for chain in sorted(own.chains):
                _layer(made, chain, model.store.marks_without(model, home).dirs)
            continue
        for chain in sorted(own.chains):
            _away(made, (LAYER, -model.depth.get(chain, 0)), model.path_of(Ref("layer", chain)))
        for path in (path for ident in sorted(own.dirs | own.gone) for path in model.home.holdings(ident)):
            _away(made, (LINK if path.startswith(f"{model.home.name}/l/") else DIR, 0), path)


def _standing(model: "Model", chains: set[str]) -> Iterator[str]:
    names = {mount.name for chain in chains for mount in model.mounts_of.get(chain, ())}
    return (name for name in sorted(names) if name in model.store.containers.containers)


def _image(made: Draft, ident: str) -> None:
    """The configuration, metadata and names of an image; how it can be had again goes to the pull list."""
    if ident in made.images:
        return
    model = made.model
    made.images.add(ident)
    _away(made, (IMAGE, 0), model.path_of(Ref("image", ident)))
    metadata = model.images.metadata.get(ident)
    if metadata is not None:
        _away(made, (IMAGE, 1), metadata.path)
    keys = [key for key, value in sorted(made.known.items()) if value == ident]
    references = [key[1] for key in keys]
    made.retag.update(keys)
    pull = copies.pulls(model, ident, references)
    made.pull += pull
    names = [each for each in references if "@" not in each] or references or model.image_names(ident)
    made.loses += [f"the image {name}" for name in names]
    if pinned := next((name for name in pull if "@" in name), None):
        made.next += [f"after the pull, give it its name back: docker tag {pinned} {key[1]}" for key in keys if "@" not in key[1]]
    if not pull:
        made.loses.append(f"{', '.join(names)} for good{_hope(model, ident)}")


def _hope(model: "Model", ident: str) -> str:
    """Where an image may be that has no name to be pulled by."""
    image = model.images.images.get(ident)
    sources = copies.repositories(model, image) if image and model.tags.trouble else ()
    if sources:
        return f", unless you know its name, which is lost with the tag store: its top layer came from {' or '.join(sources)}"
    return ": it was made on this host and no registry is known to hold it"
