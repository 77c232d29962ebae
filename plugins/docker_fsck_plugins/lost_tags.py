"""Names that were lost with the tag store, from what else tells them; certain and guessed apart (field-cases 2)."""

from collections.abc import Iterable, Iterator

import msgspec

from docker_fsck.api import ActionClass, Model, Remedy, Step, WriteFile, copies, imagedb, reference_fault, repositories, short
from docker_fsck_plugins.remedies import put_away

SHOWN = 20


class Recovered(msgspec.Struct, frozen=True):
    """`tags`: names that are certain. `bare`: usable images without one. `undigested`: names of images whose digest is lost.

    `unread`: images whose configuration cannot be used, so that their names are not given back.
    `guesses`: by nameless image what may have been its name: names in doubt, repositories that hold its top layer.
    """

    tags: repositories.Tags
    bare: tuple[imagedb.Image, ...]
    undigested: tuple[str, ...]
    guesses: dict[str, tuple[str, ...]]
    unread: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether there are images, all can be read, and each has its name and its digest again."""
        return bool(self.tags) and not self.bare and not self.undigested and not self.unread


def familiar(name: str) -> tuple[str, str] | None:
    """The two keys of the tag store for what a person typed; None where it is no reference (distribution/reference)."""
    head, at, digest = name.partition("@")
    last = head.rpartition("/")[2]
    repository, tag = (
        (head.removesuffix(f":{last.partition(':')[2]}"), last.partition(":")[2]) if ":" in last else (head, "latest")
    )
    for registry in ("index.docker.io/", "docker.io/"):
        repository = repository.removeprefix(registry)
    if repository.count("/") == 1:
        repository = repository.removeprefix("library/")
    key = (repository, f"{repository}@{digest}" if at else f"{repository}:{tag}")
    return key if reference_fault(*key) is None else None


def recovered(model: Model) -> Recovered:
    """What can be known of the lost names, the remains of the file itself before what containers remember."""
    return judged(model, certain(model))


def certain(model: Model) -> repositories.Tags:
    """Names of usable images on which all containers agree, and those that still stand in the file, which count for more."""
    tags = {key: next(iter(found)) for key, found in claims(model).items() if len(found) == 1}
    return tags | {key: image for key, image in model.tags.remains.items() if usable(model, image)}


def usable(model: Model, ident: str) -> bool:
    """Whether the engine would read the image."""
    image = model.images.images.get(ident)
    return image is not None and image.usable


def judged(model: Model, tags: repositories.Tags) -> Recovered:
    """What these names of usable images leave without one."""
    fit = {ident: image for ident, image in sorted(model.images.images.items()) if image.usable}
    told, named = claims(model), set(tags.values())
    digested = {image for (_, reference), image in tags.items() if "@" in reference}
    bare = tuple(image for ident, image in fit.items() if ident not in named)
    undigested = (
        reference
        for (_, reference), image in sorted(tags.items())
        if image not in digested and copies.repositories(model, fit[image])
    )
    doubted = {image.id: [key[1] for key, found in sorted(told.items()) if image.id in found] for image in bare}
    guesses = {image.id: (*doubted[image.id], *copies.repositories(model, image)) for image in bare}
    unread = tuple(ident for ident in sorted(model.images.images) if ident not in fit)
    return Recovered(tags, bare, tuple(undigested), guesses, unread)


def claims(model: Model) -> dict[tuple[str, str], set[str]]:
    """By name the images that containers have for it."""
    told: dict[tuple[str, str], set[str]] = {}
    for key, image in remembered(model):
        told.setdefault(key, set()).add(image)
    return told


def remembered(model: Model) -> Iterator[tuple[tuple[str, str], str]]:
    """Names with their images as containers tell them, by container; an image that is not there is passed over."""
    for _, container in sorted(model.containers.items()):
        image, name = model.images.images.get(container.image), container.image_name
        by_id = container.image.removeprefix("sha256:").startswith(name.removeprefix("sha256:"))
        key = None if by_id else familiar(name)
        if key is not None and image is not None and image.usable:
            yield key, image.id


def rewritten(model: Model, found: Recovered, uncertain: Iterable[str] = (), guessed: int = 0) -> Remedy:
    """A new tag store in place of one that cannot be read; without a loss only if no image is left without its names, nothing is
    `uncertain` and the broken file has no room for more.
    """
    store = model.tags
    steps = (WriteFile(path=store.path, data=repositories.encode(found.tags), mode=0o600), *aside(model, found.tags))
    which = f"{len(found.tags)} names, {guessed} of them guesses" if guessed else f"{len(found.tags)} names that are certain"
    does = f"write a new {store.path} with {which}; the broken one is kept in the quarantine"
    doubts = tuple(uncertain)
    if found.whole and not doubts and not store.torn:
        return Remedy(cls=ActionClass.LOSSLESS, does=does, steps=steps)
    loses = (*doubts, *_losses(model, found))
    loses = loses or (f"names that may have stood in what cannot be read of {store.path}",)
    return Remedy(
        cls=ActionClass.LOSSY, does=does, steps=steps, loses=loses, next=tuple(advice(found)),
        unnamed=len(found.bare) + len(found.unread),
    )  # fmt: skip


def aside(model: Model, tags: repositories.Tags) -> Iterator[Step]:
    """The temporary copies go, but those that name an image which would have no other name."""
    named = set(tags.values())
    for each in model.tags.siblings:
        if not any(image in model.images.images and image not in named for image in (each.tags or {}).values()):
            yield put_away(each.path)


def restored(model: Model, found: Recovered) -> Remedy:
    """The names that are certain for a tag store that names nothing."""
    step = WriteFile(path=model.tags.path, data=repositories.encode(found.tags), mode=0o600)
    does = f"give {len(found.tags)} names back: {', '.join(key[1] for key in sorted(found.tags))}"
    return Remedy(cls=ActionClass.LOSSLESS, does=does, steps=(step,), next=tuple(advice(found)))


def _losses(model: Model, found: Recovered) -> Iterator[str]:
    """Each image that becomes <none> with the prunes that would take it, and each digest that is lost."""
    parents = {each.parent for each in model.images.metadata.values()}
    users: dict[str, list[str]] = {}
    for container in model.containers.values():
        users.setdefault(container.image, []).append(container.ref_name)
    for image in found.bare:
        if image.id in users:
            fate = f"docker image prune spares it only for the containers {', '.join(sorted(users[image.id]))}"
        elif image.id in parents:
            fate = "images that were made from it keep it from docker image prune; docker image prune --all takes it"
        else:
            fate = "docker image prune and docker system prune take it"
        yield f"the names of the image {short(image.id)}: it becomes <none>, {fate}"
    for ident in found.unread:
        yield f"the names of the image {short(ident)}, whose configuration cannot be used"
    for reference in found.undigested:
        yield f"the digest by which {reference} was pulled"
    for (_, reference), ident in sorted(model.tags.remains.items()):
        if ident not in model.images.images:
            yield f"the name {reference}, whose image {short(ident)} is not there"


def advice(found: Recovered) -> Iterator[str]:
    """What a person does about the images that stay without a name."""
    if found.bare:
        yield "do not prune before every image has its name again"
    for image in found.bare[:SHOWN]:
        names = found.guesses[image.id]
        guess = f"perhaps {' or '.join(names)}" if names else "nothing tells its name"
        yield f"docker tag {short(image.id)} NAME:TAG ({guess})"
    if len(found.bare) > SHOWN:
        yield f"and so for {len(found.bare) - SHOWN} images more"


def shown(found: Recovered) -> str:
    """The certain names with their images, in one line."""
    pairs = (f"{key[1]} for {short(image)}" for key, image in sorted(found.tags.items()))
    return ", ".join(pairs) or "no name for certain"
