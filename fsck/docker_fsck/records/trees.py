"""Which stores a data root holds, by their folders alone: homes of graph drivers and image trees, known here or not."""

from collections.abc import Iterator

import msgspec

from docker_fsck.reader import Reader
from docker_fsck.upgrade.choice import Homes
from docker_fsck.upgrade.timeline import DRIVERS
from docker_fsck.values import Trouble

NAME_PARTS = 8
"""Slashes in the name of a graph-driver plugin that are looked for: a registry, an owner, a few folders."""


class Tree(msgspec.Struct, frozen=True):
    """One graph driver's share of a root: how many images and layers its image tree has; whether it has a home."""

    images: int = 0
    layers: int = 0
    home: bool = False


class Trees(msgspec.Struct, frozen=True):
    """All of them by driver name, and the homes as an engine that looks for a driver sees them."""

    trees: dict[str, Tree]
    homes: Homes


def read(reader: Reader) -> Trees:
    """The stores of graph drivers below `reader`."""
    top = reader.names("")
    here = {} if isinstance(top, Trouble) else top
    homes = {name: _count(reader, name) for name in sorted(DRIVERS) if here.get(name) == "dir"}
    found = {name: Tree(home=bool(count)) for name, count in homes.items() if count}
    for name in names(reader):
        base = f"image/{name}"
        images, layers = _count(reader, f"{base}/imagedb/content/sha256"), _count(reader, f"{base}/layerdb/sha256")
        found[name] = Tree(images, layers, bool(homes.get(name)))
    used = frozenset(name for name, count in homes.items() if count)
    return Trees(found, Homes(used, frozenset(homes) - used))


def names(reader: Reader) -> tuple[str, ...]:
    """The drivers with an image tree; that of a plugin lies deeper, as its name has slashes (classic-store 8.1)."""
    return tuple(each for name in _folders(reader, "image") for each in _below(reader, name))


def _below(reader: Reader, name: str) -> Iterator[str]:
    found = reader.names(f"image/{name}")
    here = {} if isinstance(found, Trouble) else found
    if here.get("layerdb") in {"dir", "link"}:
        yield name
    elif name.count("/") < NAME_PARTS:
        inner = (each for each, kind in here.items() if kind == "dir" and each not in {"imagedb", "distribution"})
        for each in inner:
            yield from _below(reader, f"{name}/{each}")


def _folders(reader: Reader, path: str) -> list[str]:
    names = reader.names(path)
    return [] if isinstance(names, Trouble) else [name for name, kind in names.items() if kind == "dir"]


def _count(reader: Reader, path: str) -> int:
    names = reader.names(path)
    return 0 if isinstance(names, Trouble) else len(names)
