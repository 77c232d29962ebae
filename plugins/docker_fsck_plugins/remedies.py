"""Remedies that several rules offer, told in one voice."""

from docker_fsck.api import ActionClass, Model, Part, PutAway, Ref, Remedy, spell


def surely_gone(model: Model, part: Part) -> bool:
    """Whether the engine misses it too: it follows a link and enters a mount, where this program does neither."""
    if part.trouble.state == "absent" or part.name == "id":
        return True
    base, _, name = part.path.rpartition("/")
    names = model.store.top_names(base)
    return part.path not in model.store.reader.mounts and isinstance(names, dict) and names.get(name) not in {"link", "dir"}


def forget(chain: str) -> Remedy:
    """Put a layer and what stands on it away, so that a pull fetches it."""
    does = f"put the layer {chain} and what stands on it away, so that a pull fetches what is missing"
    return Remedy(cls=ActionClass.LOSSY, does=does, forget=(Ref("layer", chain),))


def put_away(path: str) -> PutAway:
    """The step for a path of the file system."""
    shown, coded = spell(path)
    return PutAway(path=shown, path_b64=coded)


def reclaim(*paths: str, knowing: tuple[str, ...] = ()) -> Remedy:
    """Put garbage at these paths away."""
    shown = spell(paths[0])[0]
    does = f"put {shown} away" if len(paths) == 1 else f"put {shown} and {len(paths) - 1} more away"
    return Remedy(cls=ActionClass.RECLAIM, does=does, steps=tuple(put_away(path) for path in paths), knowing=knowing)
