"""What crashes and old bugs leave behind in a root: orphans, half-made and half-removed objects (classic-store 5, 7, 12, 14)."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from docker_fsck.ids import chain_id
from docker_fsck.testing.buildcache import write_buildkit
from docker_fsck.testing.containers import Mount, add_mount, add_pair
from docker_fsck.testing.layertar import GZIP_HEADER, Files, pack

if TYPE_CHECKING:
    from docker_fsck.testing.builder import DataRoot


class Shadow(msgspec.Struct, frozen=True):
    """A layer whose driver dir stands on a dir that no record names (classic-store 12.1).

    `image` has two layers: `parent` (chain-id) has the driver dir `parent_dir` by its record, `chain` the driver dir
    `dir`, whose own metadata names `shadow` as its parent.
    """

    image: str
    parent: str
    parent_dir: str
    chain: str
    dir: str
    shadow: str


def orphan_dir(root: "DataRoot", name: str | None = None, parent: str | None = None, files: Files | None = None) -> str:
    """A whole driver dir that nothing names, above the layer `parent` (a chain-id) if given; returns its id."""
    ident = name or root.names.hex()
    below = root.layers[parent].cache_id if parent else None
    root.make_dir_of(ident, below, files if files is not None else root.some_files(), "image")
    root.disk.settle()
    return ident


def orphan_pair(root: "DataRoot", image: str | None = None) -> Mount:
    """The two driver dirs of a create that ended before its record was written."""
    mount = add_pair(root, root.names.hex(), _top(root, image), {})
    root.disk.settle()
    return mount


def orphan_mount(root: "DataRoot", image: str | None = None) -> str:
    """A mount record with its pair of driver dirs but without containers/<id>; returns the record's name."""
    name = root.names.hex()
    add_mount(root, name, _top(root, image), {"tmp/left-over": b"written by a container that is gone\n"})
    root.disk.settle()
    return name


def unreferenced_layers(root: "DataRoot", n: int = 1, base: str | None = None) -> list[str]:
    """A chain of `n` layers that no image, mount or build names, above the chain-id `base` if given; the lowest first."""
    chains: list[str] = []
    for _ in range(n):
        chains.append(root.layer(root.some_files(), chains[-1] if chains else base))
    return chains


def removing(root: "DataRoot", parent: str | None = None) -> Path:
    """A layer whose removal ended after the rename: record `<hex>-<64 hex>-removing`, driver dir still whole. Its record."""
    chain = root.layer(root.some_files(), parent)
    layer = root.layers.pop(chain)
    record = root.record(chain)
    target = record.with_name(f"{record.name}-{root.names.hex()}-removing")
    root.disk.rename(record, target)
    root.lost_dirs.append(layer.cache_id)
    root.disk.settle()
    return target


WRITTEN = ("tar-split.json.gz", "diff", "size", "cache-id")


def layer_tmp(root: "DataRoot", written: Collection[str] = WRITTEN) -> Path:
    """A registration of a base layer that ended before its rename: layerdb/tmp/write-set-<digits> and a driver dir.

    `written` are the files that were finished; where `diff` is not among them tar-split.json.gz is a bare gzip header.
    """
    files = root.some_files()
    packed, ident = pack(files), root.names.hex()
    root.make_dir_of(ident, None, files, "image")
    folder = root.disk.folder(root.image_home / "layerdb" / "tmp" / f"write-set-{int(root.names.hex()[:8], 16):09}", 0o700)
    content: dict[str, bytes] = {
        "tar-split.json.gz": packed.split if "diff" in written else GZIP_HEADER,
        "diff": packed.diff.encode(),
        "size": str(packed.size).encode(),
        "cache-id": ident.encode(),
    }
    for name in written:
        root.disk.put(folder / name, content[name])
    root.lost_dirs.append(ident)
    root.disk.settle()
    return folder


def shadow_parent(root: "DataRoot", tag: str | None = "shadow:1") -> Shadow:
    """An image built by BuildKit on a step that was registered meanwhile under another cache-id, cache pruned since.

    Raises ValueError on vfs and btrfs, which keep no parents.
    """
    if root.driver in {"vfs", "btrfs"}:
        msg = f"{root.driver} keeps no parents, so none can be in the shadow"
        raise ValueError(msg)
    step, result = root.some_files(), root.some_files()
    parent = root.layer(step)
    shadow, ident = root.names.snapshot(), root.names.snapshot()
    root.make_dir_of(shadow, None, step, "image")
    root.make_dir_of(ident, shadow, result, "writable")
    packed = pack(result)
    chain = chain_id(parent, packed.diff)
    root.register(packed, parent, ident)
    write_buildkit(root)
    image = root.image(tag, [step, result])
    return Shadow(image=image, parent=parent, parent_dir=root.dir_of(parent), chain=chain, dir=ident, shadow=shadow)


def _top(root: "DataRoot", image: str | None) -> str | None:
    """The chain-id of the top layer of `image`."""
    return root.images[image].chains[-1] if image else None
