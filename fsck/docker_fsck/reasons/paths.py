"""From a path to the object that it belongs to: a record, a driver dir, a short link, a container, a volume, or just a file."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from docker_fsck import ids
from docker_fsck.reasons.known import VOLUMES, Known
from docker_fsck.reasons.told import Thing
from docker_fsck.values import Trouble

if TYPE_CHECKING:
    from docker_fsck.model import Model


def below(known: Known, text: str, roots: tuple[str, ...]) -> str | None:
    """The path below the data root that `text` means, None if it means another place; links are not followed."""
    if not text.startswith("/"):
        return "/".join(part for part in text.split("/") if part not in {"", "."})
    for root in (*roots, known.store.reader.root):
        rest = text.removeprefix(root.rstrip("/"))
        if rest != text and (not rest or rest.startswith("/")):
            return "/".join(part for part in rest.split("/") if part not in {"", "."})
    return None


def owners(known: Known, path: str) -> list[Thing]:
    """The objects that `path` belongs to: none if nothing is there and nothing names it; a file where no object has it."""
    parts = path.split("/")
    if not path or ".." in parts:
        return []
    found = list(dict.fromkeys(_shared(known, parts)))
    for model in known.models.values():
        found += _image_tree(model, path)
        found += _home(model, path)
    if found:
        return found
    facts = known.store.reader.facts(path)
    return [] if isinstance(facts, Trouble) and facts.state in {"absent", "wrong"} else [Thing("file", path)]


def _shared(known: Known, parts: list[str]) -> Iterator[Thing]:
    match parts:
        case ["containers", ident, *_] if ident in known.store.containers.containers:
            yield Thing("container", ident)
        case [top, name, *_] if top == VOLUMES and (name in known.volumes or name in known.users):
            yield Thing("volume", name)
        case _:
            return


def _image_tree(model: "Model", path: str) -> Iterator[Thing]:
    """Below `image/<driver>`: configurations, metadata, layer records, mount records."""
    rest = path.removeprefix(f"{model.image_dir}/")
    if rest == path:
        return
    match rest.split("/"):
        case ["imagedb", "content" | "metadata", "sha256", name, *_] if ids.HEX64.fullmatch(name):
            if f"sha256:{name}" in model.images.images or f"sha256:{name}" in model.names_of:
                yield Thing("image", f"sha256:{name}", model.name)
        case ["layerdb", "sha256", name, *_] if f"sha256:{name}" in model.layers.layers:
            yield Thing("layer", f"sha256:{name}", model.name)
        case ["layerdb", "mounts", name, *_] if name in model.mounts.mounts:
            yield Thing("mount", name, model.name)
        case _:
            return


def _home(model: "Model", path: str) -> Iterator[Thing]:
    """The driver dir that has the longest part of `path`; short links and what a driver keeps beside the folder count."""
    if path.partition("/")[0] != model.home.name.partition("/")[0]:
        return
    parts = path.split("/")
    heads = {"/".join(parts[:end]): end for end in range(1, len(parts) + 1)}
    named = {*model.home.ids(), *model.dir_layers, *model.dir_mounts}
    hits = [(heads[place], ident) for ident in named for place in _places(model, ident) if place in heads]
    if hits:
        longest = max(length for length, _ in hits)
        yield Thing("driverdir", min(ident for length, ident in hits if length == longest), model.name)


def _places(model: "Model", ident: str) -> tuple[str, ...]:
    home = model.home
    if "/" in ident or ident in {"", ".", ".."}:
        return ()
    return (home.path(ident), *home.holdings(ident), *home.aliases(ident))
