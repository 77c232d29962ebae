"""Rules on the tag store, repositories.json (classic-store 2)."""

from collections.abc import Iterable, Iterator

import msgspec

from docker_fsck.api import (
    ActionClass,
    Fault,
    Model,
    Ref,
    Remedy,
    Rule,
    Severity,
    copies,
    hookimpl,
    imagedb,
    is_digest,
    reference_fault,
    rule,
    short,
)
from docker_fsck_plugins import images, lost_tags, tag_sources
from docker_fsck_plugins.remedies import reclaim, refused


@rule("tags-unparsable", Severity.CRITICAL, actions=(ActionClass.LOSSLESS, ActionClass.LOSSY))
def unparsable(model: Model) -> Iterator[Fault]:
    """The tag store cannot be read, or is gone although there are images.

    Why it matters: the engine does not start. If the file is gone it starts, makes an empty one, shows every image as <none>,
        and the next `docker image prune` takes all that no container uses.
    How it comes about: power was lost while an engine before 1.12 wrote it, the disk was full, or it was edited by hand.
    Repair: where all entries still stand in the broken file, they are written anew. Else the newest whole temporary copy that a
        writer left beside it takes its place, if it is not older than the broken file, or nothing speaks against it: its images
        are there, no image or name was written after it, containers and what can be read of the broken file agree; copies that
        are not needed are put away. Else a new file gets every name that can be found: what still stands in the broken file
        before what containers were made from, before guesses from outdated copies. If one is a guess, or an image or a digest
        stays without its name, that is lossy: the plan lists each guess and each such image, which prune would take it, and
        what its name may have been by the repositories that hold its top layer; the engine starts again. The broken file is
        kept. Image content is not affected.
    Never: delete the file, which makes every image dangling; write a guess as if it were certain; take a
        copy for the last state because it can be read.
    Daemon says: failed to start daemon: Couldn't create reference store repository: EOF
    Seen in: FC-16, FC-17
    """
    store = model.tags
    if store.trouble is None or store.trouble.state == "unreadable" or refused(model, store.path):
        return
    if store.trouble.state == "absent" and not model.images.images:
        return
    found = tag_sources.remedy(model)
    remedies = (found,) if found else ()
    images = len(model.images.images)
    message = f"the tags of {images} images cannot be read: {store.trouble.why}"
    others = tuple(each.path for each in store.siblings)
    paths, severity = (store.path, *others), Severity.ERROR if store.trouble.state == "absent" else None
    yield Fault(Ref("file", store.path), message, paths, "a JSON object", store.trouble.why, remedies, severity=severity)


@rule("tags-empty", Severity.ERROR, actions=(ActionClass.LOSSLESS,))
def empty(model: Model) -> Iterator[Fault]:
    """The tag store names no image, but containers still name images that are there.

    Why it matters: every image is <none>, and the next `docker image prune` takes all that no container uses.
    How it comes about: the file was lost or deleted, and the engine made an empty one at its next start. The same is left
        where somebody took the last name of all with `docker rmi -f`: then nothing is wrong.
    Repair: the names that containers were made from are given back, where all containers agree on the image of a name; one
        that was moved to another image after its container was made comes back for the container's image. For the other
        images the plan lists what their names may have been, by the repositories that hold their top layers.
    Never: prune before; put the temporary copies of the file away that may still hold the names; give a name on a guess.
    Seen in: FC-17
    """
    if model.tags.trouble is not None or model.tags.tags:
        return
    found = lost_tags.recovered(model)
    if found.tags:
        names = lost_tags.shown(found)
        message = f"none of {len(model.images.images)} images has a name, containers remember {names}"
        harms = tuple(Ref("image", image) for image in sorted(set(found.tags.values())))
        remedies = (lost_tags.restored(model, found),)
        yield Fault(Ref("file", model.tags.path), message, (model.tags.path,), names, "no name at all", remedies, harms=harms)


def _drop(keys: tuple[tuple[str, str], ...], does: str) -> Remedy:
    return Remedy(cls=ActionClass.LOSSY, does=does, retag=keys, loses=tuple(f"the name {key[1]}" for key in keys))


@rule("tags-bad-value", Severity.ERROR, actions=(ActionClass.LOSSY,))
def bad_value(model: Model) -> Iterator[Fault]:
    """A tag's value is no image id.

    Why it matters: the engine starts, but `docker ps -a` and every command with this tag break the connection.
    How it comes about: bit rot or an edit.
    Repair: the entry is dropped from the tag store, its name is told.
    Daemon says: http: panic serving …: no ':' separator in digest
    """
    for key, value in sorted(model.tags.tags.items()):
        if not is_digest(value):
            remedy = _drop((key,), f"drop the tag {key[1]}")
            message = f"the tag {key[1]} has no image id"
            yield Fault(Ref("tag", key[1]), message, (model.tags.path,), "sha256:<64 hex digits>", value or "nothing", (remedy,))


@rule("tags-bad-key", Severity.INFO, actions=(ActionClass.LOSSY,))
def bad_key(model: Model) -> Iterator[Fault]:
    """A name in the tag store does not parse.

    Why it matters: the engine keeps the entry for ever and never shows it; the image looks untagged.
    How it comes about: bit rot or an edit.
    Repair: the entry is dropped from the tag store, its name is told.
    """
    for key in sorted(model.tags.tags):
        fault = reference_fault(*key)
        if fault is not None:
            remedy = _drop((key,), f"drop the entry {key[1]!r}")
            yield Fault(Ref("tag", key[1]), f"{key[1]!r} in {key[0]!r}: {fault}", (model.tags.path,), "", key[1], (remedy,))


@rule("tags-dangling", Severity.WARNING, actions=(ActionClass.LOSSLESS, ActionClass.LOSSY))
def dangling(model: Model) -> Iterator[Fault]:
    """Tags point to an image that is not there.

    Why it matters: the names cannot be used, and no command can remove them; a pull makes them good again. Where no image at all
        is there it is an error: all were lost but their names.
    How it comes about: the image's configuration was lost after the tag was written.
    Repair: a copy of the configuration with the right sha256 takes its place, as for image-hash-mismatch, if all its layers are
        there. Else the names are dropped and kept in the list of what to pull.
    Daemon says: Error response from daemon: No such image
    Seen in: FC-18
    """
    if model.images.faults:
        return
    by_image: dict[str, list[tuple[str, str]]] = {}
    for key, value in sorted(model.tags.tags.items()):
        if is_digest(value) and value not in model.images.images:
            by_image.setdefault(value, []).append(key)
    for image, keys in sorted(by_image.items()):
        names = [key[1] for key in keys]
        pull = tuple(name for name in names if "@" in name)
        remedy = _restored(model, image)
        if remedy is None:
            dropped = _drop(tuple(keys), f"drop {', '.join(names)}")
            remedy = msgspec.structs.replace(dropped, pull=pull or tuple(names))
        ref = Ref("image", image)
        message = f"{', '.join(names)} name the image {short(image)}, which is not there"
        yield Fault(
            ref, message, (model.path_of(ref), model.tags.path), "an image configuration", "no such file", (remedy,),
            severity=None if model.images.images else Severity.ERROR,
        )  # fmt: skip


def _restored(model: Model, image: str) -> Remedy | None:
    """The remedy of a lost configuration that has another copy and all its layers."""
    copy = None if model.images.absent else copies.image_config(model, image)
    if copy is None or not model.loadable.issuperset(imagedb.load(copy.path, image, copy.data).chains):
        return None
    return images.restored(model, image, copy)


@rule("tags-temp-residue", Severity.INFO, actions=(ActionClass.RECLAIM,), after=("tags-unparsable",))
def temp_residue(model: Model) -> Iterator[Fault]:
    """A temporary copy of the tag store was left.

    Why it matters: it does not; but beside a damaged tag store it is the best source of the tags and is kept.
    How it comes about: the engine was killed between write and rename.
    Repair: the file is put away, unless the tag store has a fault or it holds names of images that have none.
    Seen in: FC-37
    """
    if model.tags.trouble is None:
        named = set(model.tags.tags.values())
        for each in model.tags.siblings:
            lone = {image for image in (each.tags or {}).values() if image in model.images.images} - named
            message = (
                f"a temporary copy of the tag store was left{', with names of images that have none: it is kept' if lone else ''}"
            )
            yield Fault(Ref("file", each.path), message, (each.path,), "", "", () if lone else (reclaim(each.path),))


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The rules on tags."""
    return (unparsable, empty, bad_value, bad_key, dangling, temp_residue)
