"""What a lost mount record must have said, where the records and folders that are left agree on it (classic-store 7)."""

from collections.abc import Callable, Iterator

import msgspec

from docker_fsck.api import Model, Trouble, containers, mounts


class Derived(msgspec.Struct, frozen=True):
    """The three facts of a mount record; `parent` None: the container stands on no layer. `why`: on what they rest."""

    mount_id: str
    parent: str | None
    why: str


def derive(model: Model, container: containers.Container, mount: mounts.Mount | None) -> Derived | str:
    """The mount record that `container` must have, or why that cannot be told for certain."""
    ident = _from_record(mount)
    if ident is not None and model.home.missing(ident) is not None and model.home.missing(f"{ident}-init") is not None:
        return f"the folders of {ident} are gone"
    why = "the record's other file names it"
    if ident is None:
        found = [pair for pair in model.marks.pairs if _fits(model, container, pair)]
        rivals = [each for each in model.marks.needy if each != container.id]
        rivals = [each for each in rivals if any(_fits(model, model.containers[each], pair) for pair in found)]
        if len(found) != 1 or rivals:
            return f"{len(found)} unclaimed writable layers and {len(rivals)} other containers fit"
        ident, why = found[0], "the only unclaimed writable layer that fits"
    parent = _parent(model, container, mount, ident)
    return parent.why if isinstance(parent, Trouble) else Derived(ident, parent, why)


def _from_record(mount: mounts.Mount | None) -> str | None:
    """The mount id that what is left of the record gives."""
    if mount is None:
        return None
    for each in (mount.mount_id, mount.init_id):
        if isinstance(each, str):
            return each.removesuffix("-init")
    return None


def image_chain(model: Model, container: containers.Container) -> str | Trouble | None:
    """The chain id of the container's image, None for an image without layers; a `Trouble` where it is not known."""
    image = model.images.images.get(container.image)
    if image is None or not image.usable:
        return Trouble(container.path, "absent", "the container's image is not known")
    return image.chains[-1] if image.chains else None


def init_chain(model: Model, ident: str) -> str | Trouble | None:
    """The chain id that the init layer of `ident` stands on, as the driver keeps it."""
    init = f"{ident}-init"
    needs = model.home.needs(init)
    if not model.home.union or model.home.vague(init) or model.home.missing(init) is not None:
        return Trouble(model.home.path(init), "absent", "the init layer does not tell")
    if not needs:
        return None
    owner = model.dir_owner.get(needs[0])
    return owner.chain if owner else Trouble(model.home.path(init), "absent", "the init layer stands on no known layer")


def _fits(model: Model, container: containers.Container, pair: str) -> bool:
    """Whether nothing speaks against `pair` being the container's."""
    by_image, by_init = image_chain(model, container), init_chain(model, pair)
    if isinstance(by_image, Trouble) or isinstance(by_init, Trouble):
        return True
    return by_image == by_init


def _parent(model: Model, container: containers.Container, mount: mounts.Mount | None, ident: str) -> str | Trouble | None:
    """The parent on which all that is known agrees."""
    said = [each for each in (image_chain(model, container), init_chain(model, ident)) if not isinstance(each, Trouble)]
    if mount is not None and isinstance(mount.parent, str):
        said.append(mount.parent)
    if not said:
        return Trouble(container.path, "absent", "neither the image nor the init layer tells the parent")
    if len(set(said)) > 1:
        return Trouble(container.path, "malformed", "image, init layer and record tell different parents")
    return said[0]


def texts(found: Derived) -> Iterator[tuple[str, str]]:
    """The files of the record: name and content, in the engine's order."""
    yield "mount-id", found.mount_id
    yield "init-id", f"{found.mount_id}-init"
    if found.parent is not None:
        yield "parent", found.parent


Which = Callable[[mounts.Mount], str | Trouble | None]
"""Picks an id of a mount record."""
