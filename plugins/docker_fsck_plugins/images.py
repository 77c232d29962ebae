"""Rules on image configurations and their metadata (classic-store 3)."""

from collections.abc import Iterable, Iterator

from docker_fsck.api import (
    ActionClass,
    Fault,
    Model,
    Ref,
    Remedy,
    Rule,
    Severity,
    Trouble,
    WriteFile,
    chain_id,
    copies,
    hookimpl,
    on_cycle,
    rule,
    short,
)
from docker_fsck_plugins import strangers
from docker_fsck_plugins.remedies import forget, put_away, reclaim


def _forget_image(model: Model, image: str) -> Remedy:
    names = ", ".join(model.image_names(image))
    return Remedy(cls=ActionClass.LOSSY, does=f"put the image {names} away; its layers stay", forget=(Ref("image", image),))


def restored(model: Model, image: str, copy: copies.Copy) -> Remedy:
    """Put another copy of a configuration, of which the sha256 is right, in its place."""
    step = WriteFile(path=model.path_of(Ref("image", image)), data=copy.data, mode=0o600)
    aside = (put_away(copy.path),) if copy.path in model.images.residue else ()
    does = f"restore the configuration of {', '.join(model.image_names(image))} from {copy.path}"
    return Remedy(cls=ActionClass.LOSSLESS, does=does, steps=(step, *aside))


def _mend(model: Model, image: str) -> Remedy:
    """Without a loss where another copy of the configuration is whole."""
    copy = copies.image_config(model, image)
    return _forget_image(model, image) if copy is None else restored(model, image, copy)


@rule("image-hash-mismatch", Severity.ERROR, actions=(ActionClass.LOSSLESS, ActionClass.LOSSY))
def hash_mismatch(model: Model) -> Iterator[Fault]:
    """An image's configuration is not what its name says: its sha256 differs.

    Why it matters: the engine hides the image; its layers cannot be freed and a run pulls again or fails.
    How it comes about: power loss with engines before 1.12, bit rot.
    Repair: a copy with the right sha256 takes its place: a writer's temporary file, the configuration in the tree of another
        storage driver, or a blob of containerd. Without one, configuration and tags are put away; a pull brings the
        configuration back, the layers are used again.
    Never: treat the layers of such an image as garbage: nobody knows which they are.
    Daemon says: invalid image sha256:X, failed to verify: sha256:X
    Seen in: FC-19
    """
    for image in model.images.images.values():
        if image.hash_fault is not None:
            message = f"the configuration of {', '.join(model.image_names(image.id))} is damaged: {image.hash_fault.why}"
            yield Fault(Ref("image", image.id), message, (image.path,), image.id, image.hash_fault.why, (_mend(model, image.id),))


@rule("image-config-invalid", Severity.ERROR, actions=(ActionClass.LOSSLESS, ActionClass.LOSSY))
def config_invalid(model: Model) -> Iterator[Fault]:
    """An image's configuration has the right sha256 but is not a usable configuration.

    Why it matters: the engine hides the image.
    How it comes about: an image from elsewhere without rootfs, or an entry of another kind in its place.
    Repair: where something else stands in its place, a copy with the right sha256 is restored as for image-hash-mismatch. Else
        configuration and tags are put away.
    Daemon says: invalid image sha256:X, invalid image JSON, no RootFS key
    Seen in: FC-19
    """
    for image in model.images.images.values():
        if image.fault is not None and image.hash_fault is None and image.fault.state != "unreadable":
            message = f"the configuration of {', '.join(model.image_names(image.id))} cannot be used: {image.fault.why}"
            remedies = (_mend(model, image.id),)
            yield Fault(Ref("image", image.id), message, (image.path,), "an object with rootfs", image.fault.why, remedies)


@rule("image-layer-missing", Severity.ERROR, actions=(ActionClass.LOSSY,))
def layer_missing(model: Model) -> Iterator[Fault]:
    """A layer that an image needs has no record.

    Why it matters: the engine hides the image; before 18.03 it does not start.
    How it comes about: the record was lost or put away, the image was not.
    Repair: the image and the layers above the gap are put away, so that a pull of the image brings the lost layer and those
        above it back; the layers below are used again.
    Never: take the layers below the gap for garbage.
    Daemon says: layer does not exist, not restoring image
    Seen in: FC-12
    """
    if model.layers.faults:
        return
    renamed = {chain_id(layer.parent_id, str(layer.diff)) for layer in map(model.layers.layers.__getitem__, model.misnamed)}
    for image in sorted(model.images.images.values(), key=lambda each: each.id):
        if not image.usable:
            continue
        for chain in image.chains:
            if chain not in model.layers.layers:
                ref = Ref("layer", chain)
                names = ", ".join(model.image_names(image.id))
                remedies = () if chain in renamed else (forget(model, chain),)  # it lies there under another name
                message = f"layer {image.chains.index(chain) + 1} of {len(image.chains)} of {names} has no record"
                yield Fault(ref, message, (model.path_of(ref), image.path), "a layer record", "no such folder", remedies)


@rule("image-parent-broken", Severity.INFO, actions=(ActionClass.RECLAIM,))
def parent_broken(model: Model) -> Iterator[Fault]:
    """The note which image an image was built from is broken, unknown or circular.

    Why it matters: little: `docker history` shows <missing>, or repeats itself.
    How it comes about: the parent image was removed while the engine crashed.
    Repair: the file is put away, it is optional. It stays while the image that it names lies in the quarantine.
    """
    parents = {ident: each.parent for ident, each in model.images.metadata.items() if isinstance(each.parent, str)}
    looped = on_cycle(parents, parents.get)
    known = model.images.images.keys() | model.store.wanted.images  # one that was put away may be pulled again
    for ident, each in sorted(model.images.metadata.items()):
        path = f"{each.path}/parent"
        if isinstance(each.parent, Trouble) and each.parent.state != "unreadable":
            why = each.parent.why
        elif ident in looped:
            why = "is its own ancestor"
        elif isinstance(each.parent, str) and each.parent not in known and not model.images.faults:
            why = f"names {short(each.parent)}, which is not there"
        else:
            continue
        if ident in model.images.images:
            yield Fault(Ref("file", path), f"the parent note of {short(ident)} {why}", (path,), "an image", why, (reclaim(path),))


@rule("image-lastupdated-broken", Severity.ERROR, actions=(ActionClass.RECLAIM,))
def lastupdated_broken(model: Model) -> Iterator[Fault]:
    """The time of the last tag of an image does not parse.

    Why it matters: `docker image inspect` of the image fails.
    How it comes about: bit rot or an edit. An empty file, as a full disk leaves it, is info: the engine takes it for none.
    Repair: the file is put away, it is optional.
    Daemon says: parsing time "…" as "2006-01-02T15:04:05.999999999Z07:00": cannot parse
    """
    for ident, each in sorted(model.images.metadata.items()):
        found, path = each.last_updated, f"{each.path}/lastUpdated"
        if ident not in model.images.images or (isinstance(found, Trouble) and found.state == "unreadable"):
            continue
        if isinstance(found, Trouble) or found == "":
            why, severity = (found.why, None) if isinstance(found, Trouble) else ("the file is empty", Severity.INFO)
            message = f"the time of the last tag of {short(ident)} does not parse"
            yield Fault(Ref("file", path), message, (path,), "an RFC 3339 time", why, (reclaim(path),), severity=severity)


@rule("image-builtlocally-broken", Severity.INFO, actions=(ActionClass.RECLAIM,))
def builtlocally_broken(model: Model) -> Iterator[Fault]:
    """The mark that an image was built here holds something else than the engine writes.

    Why it matters: the classic builder of engines since 24 takes the image for one from elsewhere, and may not use it as a cache.
    How it comes about: power loss, a full disk, bit rot.
    Repair: the file is put away, it is optional.
    """
    for ident, each in sorted(model.images.metadata.items()):
        found = each.built_locally
        if isinstance(found, Trouble) and found.state != "unreadable" and ident in model.images.images:
            message = f"the mark of a local build of {short(ident)} is damaged"
            yield Fault(Ref("file", found.path), message, (found.path,), "one byte, 1", found.why, (reclaim(found.path),))


@rule("image-metadata-orphan", Severity.INFO, actions=(ActionClass.RECLAIM,))
def metadata_orphan(model: Model) -> Iterator[Fault]:
    """Metadata of an image that is not there.

    Why it matters: it does not; nothing ever looks at it or removes it.
    How it comes about: an image removal that was cut short.
    Repair: the folder is put away.
    Seen in: FC-19
    """
    if model.images.faults:
        return
    for ident, each in sorted(model.images.metadata.items()):
        if ident not in model.images.images:
            mine = strangers.strange(model, each.path, strangers.METADATA)
            message = f"metadata of {short(ident)}, an image that is not there{strangers.told(mine)}"
            yield Fault(Ref("file", each.path), message, (each.path,), "", "", () if mine else (reclaim(each.path),))


@rule("image-temp-residue", Severity.INFO, actions=(ActionClass.RECLAIM,), after=("image-hash-mismatch",))
def temp_residue(model: Model) -> Iterator[Fault]:
    """A temporary file of an image's configuration or metadata was left.

    Why it matters: it does not; but beside a damaged configuration it may hold the whole one and is kept.
    How it comes about: the engine was killed between write and rename.
    Repair: the file is put away, unless the image that it was written for is damaged or not there.
    Seen in: FC-37
    """
    for path in model.images.residue:
        if _disposable(model, path):
            yield Fault(Ref("file", path), "a temporary file was left", (path,), "", "", (reclaim(path),))
        else:
            yield Fault(Ref("file", path), "a temporary file was left, perhaps of a lost image: it is kept", (path,))


def _disposable(model: Model, path: str) -> bool:
    name = path.rpartition("/")[2].removeprefix(".tmp-")
    if "/metadata/" in path:
        return True
    image = model.images.images.get(f"sha256:{name[:64]}")
    return image is not None and image.usable


@rule("image-foreign-entry", Severity.INFO)
def foreign_entry(model: Model) -> Iterator[Fault]:
    """Something that is no image lies among the image configurations.

    Why it matters: the engine passes over it.
    How it comes about: somebody put it there.
    Repair: none; look at it, then decide.
    Seen in: FC-19
    """
    for path, kind in sorted(model.images.foreign.items()):
        yield Fault(Ref("file", path), f"a {kind} that is no image configuration", (path,), "a file named by 64 hex digits", kind)


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The rules on images."""
    return (
        hash_mismatch, config_invalid, layer_missing, parent_broken, lastupdated_broken, builtlocally_broken, metadata_orphan,
        temp_residue, foreign_entry,
    )  # fmt: skip
