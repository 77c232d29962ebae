"""What keep-lists protect: the images and containers that they name, what these stand on, and what stands on them. Pure."""

import fnmatch
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from docker_fsck.graph import reach
from docker_fsck.values import Trouble

if TYPE_CHECKING:
    from docker_fsck.model import Model
    from docker_fsck.policy import Policy
    from docker_fsck.store import Store

Labels = tuple[tuple[str, str], ...]


class Kept(msgspec.Struct, frozen=True):
    """What one tree's plan must leave alone, by id, each with the reason in words.

    `dirs` are driver ids, `mounts` names of mount records, `layers` chain ids.
    """

    images: dict[str, str]
    layers: dict[str, str]
    dirs: dict[str, str]
    mounts: dict[str, str]
    containers: dict[str, str]


def keep(model: "Model") -> Kept:
    """What keep-lists protect in the tree of `model`, with all it stands on and all that stands on it."""
    found = Kept({}, {}, {}, {}, {})
    policy = model.store.policy
    if policy.keep_images or policy.keep_labels or policy.keep_paths:
        for ident, why in _images(model, policy):
            found.images.setdefault(ident, why)
            _layers(model, found, model.images.images[ident].chains, why)
            _above(model, found, model.images.images[ident].chains[-1:], why)
            _users(model, found, {ident}, why)
        for chain, why in _at(model, {chain: (layer.path, layer.dir_id) for chain, layer in model.layers.layers.items()}):
            _layers(model, found, (chain,), why)
            _above(model, found, (chain,), why)
        for ident, why in _containers(model, policy):
            _standing(model, found, ident, why)
    return found


def _at(model: "Model", places: Mapping[str, tuple[str | None, ...]]) -> Iterator[tuple[str, str]]:
    """Objects of which a path, or the driver dir, is kept; `places` are the path and driver ids of each."""
    patterns = {pattern: relative(model.store, pattern) for pattern in model.store.policy.keep_paths}
    for ident, (path, *dirs) in sorted(places.items()) if patterns else ():
        paths = (path or "", *(model.home.path(each) for each in dirs if each))
        hit = (pattern for pattern, kept in patterns.items() if any(means(kept, each) for each in paths))
        why = _why(next(hit, ""))
        if why:
            yield ident, why


def means(kept: str, path: str) -> bool:
    """Whether the pattern `kept` (see `relative`) means `path`, a folder around it, or something in it."""
    return fnmatch.fnmatchcase(path, kept) or path.startswith(f"{kept}/") or _around(path, kept)


def _around(path: str, kept: str) -> bool:
    """Whether what the pattern `kept` names may lie in `path`."""
    parts = kept.split("/")
    return ".." not in parts and any(fnmatch.fnmatchcase(path, "/".join(parts[:end])) for end in range(1, len(parts)))


def _images(model: "Model", policy: "Policy") -> Iterator[tuple[str, str]]:
    yield from _at(model, {ident: (image.path,) for ident, image in model.images.images.items()})
    for ident, image in sorted(model.images.images.items()):
        names = {ident, *model.image_names(ident), *model.names_of.get(ident, ())}
        why = _named(names, policy.keep_images) or _labelled(image.labels, policy.keep_labels)
        if not why and policy.keep_labels and not image.usable:
            why = f"kept: its labels cannot be read, and keep.labels may mean it ({image.path})"
        if why:
            yield ident, why


def _containers(model: "Model", policy: "Policy") -> Iterator[tuple[str, str]]:
    mounts = model.mounts.mounts
    yield from _at(model, {ident: (each.path,) for ident, each in model.containers.items()})
    yield from _at(model, {name: (mount.path, *mount.dir_ids) for name, mount in mounts.items() if name in model.containers})
    for ident, container in sorted(model.containers.items()):
        why = _labelled(container.labels, policy.keep_labels)
        if not why and policy.keep_labels and container.fault is not None and container.fault.state != "absent":
            why = f"kept: its labels cannot be read, and keep.labels may mean it ({container.path})"
        if why:
            yield ident, why


def _named(names: Iterable[str], patterns: Iterable[str]) -> str:
    known = tuple(names)
    hits = (pattern for pattern in patterns if any(fnmatch.fnmatchcase(name, pattern) for name in known))
    return _why(next(hits, ""))


def _labelled(labels: Labels, patterns: Iterable[str]) -> str:
    return _why(next((pattern for pattern in patterns if has_label(labels, pattern)), ""))


def _why(pattern: str) -> str:
    return pattern and f"kept by configuration: {pattern}"


def has_label(labels: Labels, pattern: str) -> bool:
    """Whether `pattern`, a `key` or `key=value`, means one of these labels; both may hold the wild cards of a shell."""
    texts = (text for key, value in labels for text in (key, f"{key}={value}"))
    return any(text == pattern or fnmatch.fnmatchcase(text, pattern) for text in texts)


def _above(model: "Model", found: Kept, chains: Iterable[str], why: str) -> None:
    """The layers above these, and every image and container that has one of them."""
    tops = reach(chains, lambda chain: model.children.get(chain, ()))
    images = {each.id: each for chain in tops for each in model.images_of.get(chain, ())}
    for each in images.values():
        found.images.setdefault(each.id, why)
        _layers(model, found, each.chains, why)
    _layers(model, found, tops, why)
    for name in sorted({mount.name for chain in tops for mount in model.mounts_of.get(chain, ())}):
        _standing(model, found, name, why)
    _users(model, found, images.keys(), why)


def _users(model: "Model", found: Kept, images: Collection[str], why: str) -> None:
    for name in sorted(name for name, container in model.containers.items() if container.image in images):
        _standing(model, found, name, why)


def _standing(model: "Model", found: Kept, name: str, why: str) -> None:
    """A container, its writable layer and what that stands on."""
    if name in model.store.containers.containers:
        found.containers.setdefault(name, why)
    mount = model.mounts.mounts.get(name)
    if mount is None:
        return
    found.mounts.setdefault(name, why)
    _dirs(model, found, mount.dir_ids, why)
    if mount.parent_id is not None:
        _layers(model, found, (mount.parent_id,), why)


def _layers(model: "Model", found: Kept, chains: Iterable[str], why: str) -> None:
    table = model.layers.layers

    def below(chain: str) -> Iterator[str]:
        layer = table.get(chain)
        if layer is not None and layer.parent_id is not None and layer.parent_id not in found.layers:
            yield layer.parent_id

    for chain in reach([each for each in chains if each not in found.layers], below):
        found.layers.setdefault(chain, why)
        layer = table.get(chain)
        if layer is not None and layer.dir_id is not None:
            _dirs(model, found, (layer.dir_id,), why)


def _dirs(model: "Model", found: Kept, idents: Iterable[str], why: str) -> None:
    for ident in reach(idents, model.home.needs):
        found.dirs.setdefault(ident, why)


def unused(store: "Store") -> tuple[str, ...]:
    """The entries of keep-lists that mean nothing in this root, such as a name with a typo; `list: entry` each."""
    policy = store.policy
    if not (policy.keep_images or policy.keep_labels or policy.keep_paths):
        return ()
    names = {name for model in store.models for (_, name), image in model.known_tags.items() for name in (name, image)}
    names |= {name for model in store.models for ident in model.images.images for name in (ident, *model.image_names(ident))}
    labels = [image.labels for model in store.models for image in model.images.images.values()]
    labels += [container.labels for container in store.containers.containers.values()]
    found = [f"keep.images: {each}" for each in policy.keep_images if not _named(names, (each,))]
    found += [f"keep.labels: {each}" for each in policy.keep_labels if not any(has_label(row, each) for row in labels)]
    found += [f"keep.paths: {each}" for each in policy.keep_paths if not _there(store, relative(store, each))]
    return tuple(found)


def relative(store: "Store", pattern: str) -> str:
    """A pattern of `keep.paths` as plans spell paths: below the root, without a slash at its end."""
    return pattern.removeprefix(f"{store.reader.root}/").rstrip("/")


def _there(store: "Store", pattern: str) -> bool:
    """Whether something lies at `pattern`. A star also takes slashes, so that what follows one is not looked for."""
    places = [""]
    for part in pattern.split("/"):
        before, places = places, [name for place in places for name in _members(store, place, part)]
        if "*" in part:
            return bool(places) or (bool(before) and part.startswith("*"))
    return bool(places)


def _members(store: "Store", place: str, part: str) -> Iterator[str]:
    """The paths in `place` that one part of a pattern means."""
    head = f"{place}/" if place else ""
    if not any(sign in part for sign in "*?["):
        facts = store.reader.facts(head + part) if part else Trouble(place, "absent", "an empty name")
        yield from () if isinstance(facts, Trouble) and facts.state == "absent" else (head + part,)
        return
    names = store.top_names(place)
    yield from (head + name for name in ({} if isinstance(names, Trouble) else names) if fnmatch.fnmatchcase(name, part))
