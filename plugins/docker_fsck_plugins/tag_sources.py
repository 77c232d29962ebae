"""A tag store that cannot be read, made anew from all that tells its names: what stands in it, a copy beside it, containers."""

from collections.abc import Iterable, Iterator

from docker_fsck.api import ActionClass, Model, Remedy, Trouble, WriteFile, is_digest, repositories, short
from docker_fsck_plugins import lost_tags
from docker_fsck_plugins.remedies import dated

SLACK = 60 * 10**9
"""Ns: writes of one command, as of a pull that ends with the name."""
DAY = 86_400 * 10**9
Tags = repositories.Tags
Key = tuple[str, str]


def remedy(model: Model) -> Remedy | None:
    """The gentlest way to a tag store that can be read."""
    store, copy = model.tags, model.tags.whole_sibling
    if store.entire:
        does = (
            f"write the {len(store.remains)} names anew that stand in {store.path}, which are all; it is kept in the quarantine"
        )
        return _lossless(model, store.remains, repositories.encode(store.remains), does)
    if copy is not None and not (doubts := tuple(_doubts(model, copy))):
        return _from_copy(model, copy, copy.tags or {})
    if model.images.faults:
        return None
    if copy is not None:
        return _merged(model, copy, doubts)
    found = lost_tags.recovered(model)
    return lost_tags.rewritten(model, found) if found.tags or _there(model) else None


def _there(model: Model) -> bool:
    return model.tags.trouble is not None and model.tags.trouble.state != "absent"


def _lossless(model: Model, tags: Tags, data: bytes, does: str, then: Iterable[str] = ()) -> Remedy:
    step = WriteFile(path=model.tags.path, data=data, mode=0o600)
    return Remedy(cls=ActionClass.LOSSLESS, does=does, steps=(step, *lost_tags.aside(model, tags)), next=tuple(then))


def _from_copy(model: Model, copy: repositories.Sibling, tags: Tags) -> Remedy:
    """All that the copy names; an image that it does not name gets what its containers call it, if that name is free."""
    claims, named = lost_tags.claims(model), set(tags.values())
    told = {key: next(iter(found)) for key, found in claims.items() if len(found) == 1}
    more = {key: image for key, image in told.items() if key not in tags and image not in named}
    does = f"restore {len(tags)} tags from {_named(copy)}"
    if more:
        does += f" and {len(more)} that containers remember: {', '.join(key[1] for key in sorted(more))}"
    whole = tags | more
    left = sorted({image for found in claims.values() for image in found} - set(whole.values()))
    then = [f"docker tag {short(image)} NAME:TAG ({_formerly(claims, image)})" for image in left]
    return _lossless(model, whole, repositories.encode(whole) if more else copy.data, does, then)


def _formerly(claims: dict[tuple[str, str], set[str]], image: str) -> str:
    names = " or ".join(key[1] for key, found in sorted(claims.items()) if image in found)
    return f"a container was made from it as {names}, which is another image's by now"


def _doubts(model: Model, copy: repositories.Sibling) -> Iterator[str]:
    """Why the copy may not have the names that the file had last."""
    store, tags = model.tags, copy.tags or {}
    other = sorted(key[1] for key, image in store.remains.items() if tags.get(key) != image)
    if other:
        yield f"the broken file says something else of {_some(other)}"
    named = set(tags.values())
    for each in store.siblings:
        alone = {image for image in (each.tags or {}).values() if image not in named and lost_tags.usable(model, image)}
        if alone:
            yield f"{_named(each)} has names of images that it does not name: {_some(sorted(map(short, alone)))}"
    if _fresh(model, copy):
        return
    if store.behind_ns > repositories.OUTDATED:
        yield f"it is {store.behind_ns // DAY} days older than the broken file"
    gone = sorted({short(image) for image in tags.values() if is_digest(image) and image not in model.images.images})
    if gone:
        yield f"it names images that are not there: {_some(gone)}"
    if later := [short(ident) for ident in sorted(model.images.images) if _since(model, copy, model.images.images[ident].path)]:
        yield f"images were written after it: {_some(later)}"
    kept = (each for _, each in sorted(model.images.metadata.items()) if each.last_updated is not None)
    if moved := [short(each.id) for each in kept if _since(model, copy, f"{each.path}/lastUpdated")]:
        yield f"images got names after it: {_some(moved)}"
    claims = sorted(lost_tags.claims(model).items())
    if disputed := [key[1] for key, found in claims if tags.get(key) not in found]:
        yield f"containers were made from other images as {_some(disputed)}"


def _fresh(model: Model, copy: repositories.Sibling) -> bool:
    """Whether the copy is not older than the broken file."""
    return 0 < model.tags.mtime_ns <= copy.mtime_ns + SLACK


def _since(model: Model, copy: repositories.Sibling, path: str) -> bool:
    """Whether a file was written after the copy and, where that is known, not after the tag store itself."""
    facts, last = model.store.reader.facts(path), model.tags.mtime_ns
    if isinstance(facts, Trouble):
        return True
    return copy.mtime_ns + SLACK < facts.mtime_ns and not (last and last + SLACK < facts.mtime_ns)


def _some(names: list[str]) -> str:
    shown = ", ".join(names[: lost_tags.SHOWN])
    return f"{shown} and {len(names) - lost_tags.SHOWN} more" if len(names) > lost_tags.SHOWN else shown


def _merged(model: Model, copy: repositories.Sibling, doubts: tuple[str, ...]) -> Remedy:
    """Every name that anything tells of a usable image, the surest source first; what only an outdated copy tells is a guess."""
    sure, fresh = lost_tags.certain(model), _fresh(model, copy)
    by: dict[Key, repositories.Sibling] = {}
    for each in reversed(model.tags.siblings):
        by |= {key: each for key, image in (each.tags or {}).items() if lost_tags.usable(model, image)}
    told = {key: (each.tags or {})[key] for key, each in by.items()}
    tags = told | sure if not fresh else told | sure | {key: told[key] for key, each in by.items() if each is copy}
    guessed = {
        key: by[key]
        for key in sorted(by)
        if "@" not in key[1] and sure.get(key) != tags[key] and not (fresh and by[key] is copy and key not in sure)
    }
    uncertain = [f"certainty about the names in {_named(copy)}: {each}" for each in doubts if fresh or guessed]
    uncertain += (f"certainty: {key[1]} for {short(tags[key])} is a guess, from {_named(each)}" for key, each in guessed.items())
    uncertain += _elsewhere(model, copy, sure, tags)
    return lost_tags.rewritten(model, lost_tags.judged(model, tags), uncertain, len(guessed))


def _elsewhere(model: Model, copy: repositories.Sibling, sure: Tags, tags: Tags) -> Iterator[str]:
    """Names that the newest copy gives to another image than other sources do, or to one that is not there."""
    for key, image in sorted((copy.tags or {}).items()):
        if image not in model.images.images:
            if key not in tags and key not in model.tags.remains:
                yield f"the name {key[1]}, whose image {short(image)} is not there"
        elif sure.get(key, image) != image:
            yield f"certainty: {key[1]} is {short(sure[key])} by other sources, {short(image)} by {_named(copy)}"


def _named(copy: repositories.Sibling) -> str:
    return f"{copy.path} of {dated(copy.mtime_ns)}"
