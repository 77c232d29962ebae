"""Remedies that several rules offer, told in one voice."""

import msgspec

from docker_fsck.api import (
    ActionClass,
    Damaged,
    Fault,
    Model,
    Part,
    PutAway,
    Ref,
    Remedy,
    Severity,
    Source,
    containers,
    copies,
    short,
    spell,
    sufferers,
)


def surely_gone(model: Model, part: Part) -> bool:
    """Whether the engine misses it too: it follows a link and enters a mount, where this program does neither."""
    if part.trouble.state == "absent" or part.name == "id":
        return True
    base, _, name = part.path.rpartition("/")
    names = model.store.top_names(base)
    return part.path not in model.store.reader.mounts and isinstance(names, dict) and names.get(name) not in {"link", "dir"}


def forget(model: Model, chain: str) -> Remedy:
    """Put a layer and what stands on it away, so that a pull fetches it; held back while something on it works without it."""
    does = f"put the layer {chain} and what stands on it away, so that a pull fetches what is missing"
    working = _working(model, chain)
    shown = ", ".join([*working][:3]) + (f" and {len(working) - 3} more" if len(working) > 3 else "")  # noqa: PLR2004 - a line's worth
    why = f"{shown} still run without it, as {model.name} keeps each layer as a whole copy, and would be hidden: "
    why += "remove them with docker rm and docker rmi once they are not needed, then run docker-fsck again"
    forgotten, holders = (Ref("layer", chain),), tuple(dict.fromkeys(working.values()))
    return Remedy(cls=ActionClass.LOSSY, does=does, forget=forgotten, refused=why if working else "", holders=holders)


def fetch_again(model: Model, chain: str) -> Remedy:
    """The same for a layer that works and only cannot be exported: done where a pull brings every image on it back.

    A nameless image that another one was made from is that one's history, and comes with its layers.
    """
    remedy = forget(model, chain)
    images = sorted(sufferers(model, chain)[1])
    steps = {each.parent for image in images if (each := model.images.metadata.get(image))} - model.names_of.keys()
    lone = [image for image in images if image not in steps and not copies.pulls(model, image, model.names_of.get(image, ()))]
    if not lone or remedy.refused or chain not in model.loadable:
        return remedy
    names = [name for image in lone for name in model.image_names(image)]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004 - a line's worth
    why = f"{shown} still run without it, and no registry is known to hold them: they would be lost for good; --source makes it"
    return msgspec.structs.replace(remedy, refused=f"{why} anew from an archive that has the layer")


def _working(model: Model, chain: str) -> dict[str, Ref]:
    """Images and containers above a lost layer that the engine still runs: those of a copying driver (classic-store 8.1)."""
    if model.home.union:
        return {}
    chains, images = sufferers(model, chain)
    found: dict[str, Ref] = {}
    for image in sorted(ident for ident in images if model.images.images[ident].usable):
        top = model.layers.layers.get(model.images.images[image].chains[-1])
        if top and top.chain in model.loadable and top.dir_id and model.home.missing(top.dir_id) is None:
            found |= dict.fromkeys(model.image_names(image), Ref("image", image))
    found = dict(sorted(found.items(), key=lambda pair: (":" not in pair[0], pair[0])))  # those that a person knows first
    mounts = (mount for each in sorted(chains) for mount in model.mounts_of.get(each, ()))
    for mount in mounts:
        container = model.containers.get(mount.name)
        if container is None or container.dead or mount.parent_id not in model.loadable:
            continue  # the engine hides it already
        if isinstance(mount.mount_id, str) and _stands(model, mount.mount_id):
            found[f"container {container.ref_name}"] = Ref("mount", mount.name)
    return found


def _stands(model: Model, ident: str) -> bool:
    """Whether a folder is there and all that it is mounted above (overlay v1: the tree of one layer)."""
    return all(model.home.missing(each) is None for each in (ident, *model.home.needs(ident)))


def put_away(path: str) -> PutAway:
    """The step for a path of the file system."""
    shown, coded = spell(path)
    return PutAway(path=shown, path_b64=coded)


def give_up(model: Model, container: containers.Container) -> Remedy:
    """Put the folder, the mount record and the writable layer of a container away, with consent; volumes stay."""
    ref, mount = Ref("container", container.id), model.mounts.mounts.get(container.id)
    dirs = [ident for ident in mount.dir_ids if ident in model.home.ids()] if mount else []
    forget = (ref, *((Ref("mount", container.id),) if mount else ()), *(Ref("driverdir", ident) for ident in dirs))
    loses = tuple(model.home.content(ident) for ident in dirs)
    does = f"put the folder, the mount record and the writable layer of {short(container.id)} away"
    return Remedy(cls=ActionClass.LOSSY_USER, does=does, forget=forget, consent=container.id, loses=loses)


def reclaim(*paths: str, knowing: tuple[str, ...] = ()) -> Remedy:
    """Put garbage at these paths away."""
    shown = spell(paths[0])[0]
    does = f"put {shown} away" if len(paths) == 1 else f"put {shown} and {len(paths) - 1} more away"
    return Remedy(cls=ActionClass.RECLAIM, does=does, steps=tuple(put_away(path) for path in paths), knowing=knowing)


def reset_builds(knowing: tuple[str, ...] = ("beside",)) -> Remedy:
    """Put BuildKit's folder away with all that only it keeps."""
    does = "put buildkit/ away with the folders and layers that only it names: the build cache starts empty"
    return Remedy(cls=ActionClass.LOSSY, does=does, forget=(Ref("store", "buildkit"),), knowing=knowing)


def lost_content(model: Model, ident: str, part: Part) -> tuple[Remedy, ...]:
    """What is done where the content of a driver dir is gone: nothing for a writable layer, which cannot be had again."""
    layer = model.dir_owner.get(ident)
    if not surely_gone(model, part):
        return ()
    if layer is not None:
        return (forget(model, layer.chain),)
    return (reset_builds(),) if ident in model.buildkit_dirs and ident not in model.dir_mount else ()


def set_aside(path: str, does: str, loses: tuple[str, ...] = (), then: tuple[str, ...] = ()) -> Remedy:
    """Put a damaged file away that the engine makes anew; `then` is what to do afterwards."""
    return Remedy(cls=ActionClass.LOSSY, does=does, steps=(put_away(path),), loses=loses, next=then)


def broken(source: Source) -> bool:
    """Whether a database stops the engine, or the next write to it does."""
    return source.state == "unreadable" or isinstance(source, Damaged)


def torn(source: Source) -> tuple[Fault, ...]:
    """What is told of a database whose newest transaction is torn: the engine goes on with the state before it."""
    if source.state != "partial" or isinstance(source, Damaged):
        return ()
    path, why = source.source, source.why or ""
    return (Fault(Ref("file", path), f"{path}: {why}", (path,), "two valid metas", why, severity=Severity.INFO),)


def refused(model: Model, path: str) -> bool:
    """Whether it is the kernel that does not give `path`, or something around it: then `file-unreadable` tells of it."""
    return any(path == each or path.startswith(f"{each}/") for each in model.store.reader.unread)


def kind_at(model: Model, path: str) -> str:
    """The kind of file at `path`, empty if nothing is there."""
    base, _, name = path.rpartition("/")
    names = model.store.top_names(base)
    return names.get(name, "") if isinstance(names, dict) else ""


def children(model: Model, path: str) -> dict[str, str]:
    """What the folder `path` holds, nothing if it cannot be listed."""
    names = model.store.top_names(path)
    return names if isinstance(names, dict) else {}
