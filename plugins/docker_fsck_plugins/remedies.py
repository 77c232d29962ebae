"""Remedies that several rules offer, told in one voice."""

from datetime import UTC, datetime

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
    Trouble,
    containers,
    copies,
    mounts,
    short,
    spell,
    sufferers,
)
from docker_fsck_plugins import derive

KEPT = ("checkpoints", "local-logs")


def dated(nanoseconds: int) -> str:
    """A moment to the minute, in UTC."""
    try:
        return f"{datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return "a day that no calendar has"


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
    """Put what there is of a container away, with consent: folder, mount record and writable layer; volumes stay."""
    ref, mount = Ref("container", container.id), model.mounts.mounts.get(container.id)
    named = mount.dir_ids if mount else ()
    dirs = [ident for ident in named or _unclaimed(model, container, mount) if ident in model.home.ids()]
    forget = (ref, *((Ref("mount", container.id),) if mount else ()), *(Ref("driverdir", ident) for ident in dirs))
    parts = ["the folder", *(["the mount record"] if mount else []), *_layers(dirs)]
    does = f"put {' and '.join(filter(None, (', '.join(parts[:-1]), parts[-1])))} of {short(container.id)} away"
    left = [tree.home.path(ident) for tree in model.store.models for ident in tree.marks.pairs]
    if left and not named and not dirs:
        which = f"{left[0]} stays, it" if len(left) == 1 else f"{len(left)} writable layers that nothing claims stay, one of them"
        does += f"; {which} may be its own"
    loses = (*(model.home.content(ident) for ident in dirs), *_written(model, container))
    return Remedy(cls=ActionClass.LOSSY_USER, does=does, forget=forget, consent=container.id, loses=loses)


def _unclaimed(model: Model, container: containers.Container, mount: mounts.Mount | None) -> tuple[str, ...]:
    """The writable layer that no record names and that can be no other's, with its init layer; nothing if there is none."""
    if sum(map(len, model.store.pairs.values())) != 1 or model.store.unseen or model.mounts.faults:
        return ()
    found = derive.derive(model, container, mount)
    return () if isinstance(found, str) else (found.mount_id, f"{found.mount_id}-init")


def _layers(dirs: list[str]) -> list[str]:
    """What these folders of a container are called."""
    return ["the writable layer"] if any(not ident.endswith("-init") for ident in dirs) else ["the init layer"] if dirs else []


def _written(model: Model, container: containers.Container) -> tuple[str, ...]:
    """What a person may want to keep of the folder: logs that hold something, and checkpoints."""
    if container.fault is not None and container.fault.state == "absent":
        return container.user_data
    paths = [f"{container.path}/{name}" for name in sorted(container.entries) if ".log" in name or name in KEPT]
    return tuple(path for path in paths if _holds(model, path))


def _holds(model: Model, path: str) -> bool:
    facts = model.store.reader.facts(path)
    if isinstance(facts, Trouble):
        return facts.state != "absent"
    return bool(facts.size) if facts.kind == "file" else model.store.reader.names(path) != {}


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
    """Whether it is no damage that `path` was not read: the kernel does not give it or what is around it, or it lies elsewhere.

    Of the one `file-unreadable` tells, of the other `root-part-elsewhere`; both make the verdict incomplete.
    """
    return any(path == each or path.startswith(f"{each}/") for each in (*model.store.reader.unread, *model.store.elsewhere))


def kind_at(model: Model, path: str) -> str:
    """The kind of file at `path`, empty if nothing is there."""
    base, _, name = path.rpartition("/")
    names = model.store.top_names(base)
    return names.get(name, "") if isinstance(names, dict) else ""


def children(model: Model, path: str) -> dict[str, str]:
    """What the folder `path` holds, nothing if it cannot be listed."""
    names = model.store.top_names(path)
    return names if isinstance(names, dict) else {}
