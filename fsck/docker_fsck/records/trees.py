"""Which stores a data root holds, by their folders alone: homes of graph drivers and image trees, known here or not."""

import msgspec

from docker_fsck.reader import Reader
from docker_fsck.upgrade.choice import Homes
from docker_fsck.upgrade.timeline import DRIVERS
from docker_fsck.values import Trouble


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
    for name in _image_trees(reader):
        base = f"image/{name}"
        images, layers = _count(reader, f"{base}/imagedb/content/sha256"), _count(reader, f"{base}/layerdb/sha256")
        found[name] = Tree(images, layers, bool(homes.get(name)))
    used = frozenset(name for name, count in homes.items() if count)
    return Trees(found, Homes(used, frozenset(homes) - used))


def _image_trees(reader: Reader) -> list[str]:
    """The drivers with an image tree; that of a plugin lies two folders deep if its name has a `/` (classic-store 8.1)."""
    found = []
    for name in _folders(reader, "image"):
        if "layerdb" in _folders(reader, f"image/{name}"):
            found.append(name)
        else:
            found += [
                f"{name}/{inner}"
                for inner in _folders(reader, f"image/{name}")
                if "layerdb" in _folders(reader, f"image/{name}/{inner}")
            ]
    return found


def _folders(reader: Reader, path: str) -> list[str]:
    names = reader.names(path)
    return [] if isinstance(names, Trouble) else [name for name, kind in names.items() if kind == "dir"]


def _count(reader: Reader, path: str) -> int:
    names = reader.names(path)
    return 0 if isinstance(names, Trouble) else len(names)
