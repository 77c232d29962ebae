"""Why a change must not be planned: unread references, youth, use, keep-lists, what still needs it. Pure but for weighing."""

import fnmatch
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from docker_fsck.beside import BESIDE, others_unknown
from docker_fsck.facts import DAMAGED, Weight
from docker_fsck.graph import reach
from docker_fsck.keeping import means, relative
from docker_fsck.marks import held_dirs
from docker_fsck.policy import MASS_FLOOR, MASS_SHARE
from docker_fsck.steps import Unpack
from docker_fsck.values import Action, ActionClass, PutAway, Trouble
from docker_fsck.weight import together

if TYPE_CHECKING:
    from docker_fsck.expand import Draft
    from docker_fsck.model import Model
    from docker_fsck.store import Store

TAKES_AWAY = frozenset({ActionClass.RECLAIM, ActionClass.MANUAL})
"""Classes whose actions rest on nothing needing what they take: by this program, or by commands that it gives to the operator."""
YOUNG = "changed within the grace period"
MASS = (
    "So much damage at once is seldom many faults: see that this is the right root and that all of its disks are mounted, and"
    " look for a backup of what is lost"
)
LAYER_RECORDS = "/layerdb/sha256/"
IMAGE_CONFIGS = "/imagedb/content/"


def objection(store: "Store", draft: "Draft") -> str | None:
    """The first reason not to do what `draft` says, None if there is none."""
    return next(iter(_objections(store, draft)), None)


def _objections(store: "Store", draft: "Draft") -> Iterator[str]:
    policy = store.policy
    if draft.cls in TAKES_AWAY:
        for source in draft.knowing:
            yield from (f"blocked: {why}" for why in draft.model.marks.hidden.get(source, ()))
    if BESIDE in draft.knowing:
        yield from (f"blocked: {why}" for home in sorted(draft.stores) for why in others_unknown(store, home))
    if draft.cls not in policy.classes:
        yield f"class {draft.cls} is not selected"
    paths = [step.raw for _, step in draft.steps]
    yield from _in_use(store, paths)
    anew = {step.raw.split("/")[1] for _, step in draft.steps if isinstance(step, Unpack)}
    held = reach(held_dirs(draft.model), draft.model.home.needs) & (draft.dirs | anew)
    yield from (f"in use: {draft.model.home.path(ident)} is mounted or open" for ident in sorted(held))
    yield from _kept(store, draft, paths)
    if draft.cls in TAKES_AWAY:
        yield from _fresh(store, draft.ages)
        yield from _young(store, [step.raw for _, step in draft.steps if isinstance(step, PutAway)])
    if draft.consent not in policy.consents and (draft.consent or draft.cls is ActionClass.LOSSY_USER):
        yield f"needs consent: --consent {draft.consent or 'with the full id of the object'}"
    yield from errors(store)


def errors(store: "Store") -> Iterator[str]:
    """What the disk or its file system could not give up to now, or will not take: then nothing at all may be written.

    A copy that is mounted read-only may be planned for.
    """
    if store.policy.engine.own and "ro" in store.disk.options:
        yield "blocked: the file system is read-only as a whole: find out why before anything is written"
    for path, fault in sorted(store.reader.unread.items()):
        if fault.why in DAMAGED:
            yield f"blocked: the file system reports errors ({path}: {fault.why}): run its own check before anything is written"


def _in_use(store: "Store", paths: Iterable[str]) -> Iterator[str]:
    """Promise 11: what any process has mounted or open is never moved, nor what lies around it."""
    for path in paths:
        for held in sorted(store.host.held | store.host.mount_points):
            if held == path or held.startswith(f"{path}/"):
                yield f"in use: {held} is mounted or open"


def _kept(store: "Store", draft: "Draft", paths: Iterable[str]) -> Iterator[str]:
    for pattern in store.policy.keep_paths:
        kept = relative(store, pattern)
        for path in paths:
            if means(kept, path):
                yield f"kept by configuration: {pattern}"
    known = draft.model.names_of
    names = {name for image in draft.images for name in (image, *draft.model.image_names(image), *known.get(image, ()))}
    names |= {name for _, name in draft.retag}
    for pattern in store.policy.keep_images:
        if any(fnmatch.fnmatchcase(name, pattern) for name in names):
            yield f"kept by configuration: {pattern}"
    if draft.cls is not ActionClass.LOSSLESS:
        yield from _protected(store, draft, paths)


def _protected(store: "Store", draft: "Draft", paths: Iterable[str]) -> Iterator[str]:
    """What stands on a kept image or container, or below one, stays too; to mend it without a loss is welcome."""
    kept = store.kept(draft.model)
    folders = {path.split("/")[1] for path in paths if path.startswith("containers/")}
    pairs = (
        (draft.images, kept.images),
        (draft.layers, kept.layers),
        (draft.dirs, kept.dirs),
        (draft.mounts, kept.mounts),
        (folders, kept.containers),
    )
    for taken, protected in pairs:
        for ident in sorted(taken & protected.keys()):
            yield protected[ident]


def _young(store: "Store", paths: Iterable[str]) -> Iterator[str]:
    """Promise 12: nothing that has a member inside the grace period is reclaimed."""
    if store.policy.grace <= 0:
        return
    for path in paths:
        weight = store.weigh(path)
        if isinstance(weight, Trouble):
            if weight.state != "absent":
                yield f"its age cannot be told: {weight.path}: {weight.why}"
        elif weight.partial:
            yield f"its age cannot be told: {weight.partial}"
        elif store.policy.young(weight.newest_ns):
            yield f"{YOUNG} of {store.policy.grace / 3600:g} h"


def _fresh(store: "Store", ages: Iterable[int]) -> Iterator[str]:
    """The same for what is no file."""
    for born in ages if store.policy.grace > 0 else ():
        if not born:
            yield "its age cannot be told"
        elif store.policy.young(born):
            yield f"{YOUNG} of {store.policy.grace / 3600:g} h"


def needed(draft: "Draft", gone: "Gone") -> str | None:
    """Why something that stays still needs what `draft` takes, given all that goes."""
    model = draft.model
    for chain in sorted(draft.layers):
        if any(child not in gone.layers for child in model.children.get(chain, ())):
            return f"layer {chain} still carries another"
        if any(image.id not in gone.images for image in model.images_of.get(chain, ())):
            return f"layer {chain} is still part of an image"
        if draft.cls is ActionClass.RECLAIM and any(mount.name not in gone.mounts for mount in model.mounts_of.get(chain, ())):
            return f"layer {chain} still carries a container"
    for ident in sorted(draft.dirs):
        owners = [chain for chain in model.dir_layers.get(ident, ()) if chain not in gone.layers]
        owners += [mount.name for mount in model.dir_mounts.get(ident, ()) if mount.name not in gone.mounts]
        if owners:
            return f"{model.home.path(ident)} still belongs to {owners[0]}"
    if draft.cls is not ActionClass.RECLAIM:
        return None
    for ident in sorted(draft.dirs):
        above = [each for each in model.needing(ident) if each not in gone.dirs]
        if above or ident in model.buildkit_dirs:
            return f"{model.home.path(ident)} is still needed by {', '.join(sorted(above)[:3]) or 'the build cache'}"
    return None


def held(draft: "Draft", gone: "Gone") -> bool:
    """Whether something for whose sake `draft` is held back is still there, and works, when `gone` is gone."""
    mounts = draft.model.mounts.mounts
    for ref in draft.holders:
        if ref.kind == "image" and ref.id not in gone.images:
            return True
        if ref.kind == "mount" and ref.id not in gone.mounts and mounts[ref.id].parent_id not in gone.layers:
            return True
    return False


class Gone:
    """Everything that a set of drafts of one tree takes."""

    def __init__(self, drafts: "Iterable[Draft]", model: "Model") -> None:
        """Add them up."""
        own = [draft for draft in drafts if draft.model is model]
        self.layers = set().union(*(draft.layers for draft in own))
        self.images = set().union(*(draft.images for draft in own))
        self.mounts = set().union(*(draft.mounts for draft in own))
        self.dirs = set().union(*(draft.dirs for draft in own))


def brake(actions: Iterable[Action], counts: dict[str, int]) -> str | None:
    """Promise 11, for names as for layers: why these actions need `--allow-mass`, None if they do not. `counts`: the store's."""
    actions = tuple(actions)
    paths = [step.path for action in actions for step in action.steps if isinstance(step, PutAway)]
    layers = sum(1 for path in paths if LAYER_RECORDS in path and not path.endswith("-removing"))
    images = sum(1 for path in paths if IMAGE_CONFIGS in path and "/.tmp-" not in path)
    if layers > MASS_FLOOR and layers > MASS_SHARE * counts.get("layers", 0):
        return f"it would put away {layers} of {counts.get('layers', 0)} layers"
    if images and images >= counts.get("images", 0):
        return f"it would put away all {images} images"
    unnamed = sum(action.unnamed for action in actions)
    if unnamed > MASS_FLOOR and unnamed > MASS_SHARE * counts.get("images", 0):
        return f"it would leave {unnamed} of {counts.get('images', 0)} images without their names"
    return None


def weight_of(store: "Store", path: str) -> int:
    """Bytes that would be free if `path` were gone, 0 where nothing is."""
    return freed_by(store, (path,))


def freed_by(store: "Store", paths: Iterable[str]) -> int:
    """The same for all of `paths` together: what only they share among each other is free too."""
    return together(weight for path in paths if isinstance(weight := store.weigh(path), Weight))


def inner_of(store: "Store", path: str) -> int:
    """How many subvolumes lie in what is at `path`."""
    weight = store.weigh(path)
    return weight.inner if isinstance(weight, Weight) else 0
