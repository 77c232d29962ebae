"""Layers of another data root, put together from tar-split and the files of their folders (classic-store 6.2); only read."""

import os
from collections.abc import Iterator
from contextlib import closing

from docker_fsck.ids import hex_of
from docker_fsck.layertree import LayerTree
from docker_fsck.reader import Reader
from docker_fsck.records import layerdb
from docker_fsck.restore.stream import PIECE, BrokenError
from docker_fsck.tarsplit import SEGMENT, Entry, TarSplitError, entries
from docker_fsck.values import Trouble
from docker_fsck.verify.hashing import named
from docker_fsck.verify.layer import pieces as file_pieces

CONTENT = {
    "overlay2": "overlay2/{}/diff", "fuse-overlayfs": "fuse-overlayfs/{}/diff", "aufs": "aufs/diff/{}", "vfs": "vfs/dir/{}",
    "btrfs": "btrfs/subvolumes/{}", "overlay": "overlay/{}/root",
}  # fmt: skip
"""Where each driver keeps the files of a layer. One of whole copies lacks what the same layer removes again."""


def members(root: str) -> dict[str, tuple[str, ...]]:
    """The names of all layers that may be put together, `<driver>/<chain id>`, by diff id."""
    found: dict[str, tuple[str, ...]] = {}
    with Reader(root) as reader:
        for driver in CONTENT:
            for chain, layer in sorted(layerdb.read(reader, f"image/{driver}").layers.items()):
                if isinstance(layer.diff, str) and layer.dir_id is not None and layer.tarsplit:
                    found[layer.diff] = (*found.get(layer.diff, ()), f"{driver}/{chain}")
    return found


def pieces(root: str, member: str) -> Iterator[bytes]:
    """The tar of one layer. Raises `BrokenError` where its files are not what they were, `OSError`."""
    driver, _, chain = member.partition("/")
    with Reader(root) as reader:
        record = f"image/{driver}/layerdb/sha256/{hex_of(chain)}"
        ident = reader.read(f"{record}/cache-id")
        if isinstance(ident, Trouble) or b"/" in ident:
            raise BrokenError("its record cannot be read")
        own = reader.folder(CONTENT[driver].format(os.fsdecode(ident.strip())))
        if isinstance(own, Trouble):
            raise BrokenError(f"{own.path}: {own.why}")
        with closing(LayerTree(own, (), reader.noatime)) as tree:
            try:
                for batch in named(entries(file_pieces(reader, f"{record}/tar-split.json.gz"))):
                    for entry in batch:
                        yield from _entry(entry, tree)
            except TarSplitError as error:
                raise BrokenError(f"its tar-split is damaged: {error}") from None


def _entry(entry: Entry, tree: LayerTree) -> Iterator[bytes]:
    if entry.type == SEGMENT:
        yield entry.payload or b""
        return
    if not entry.has_content:
        return
    try:
        fd = tree.open(entry.name)
    except OSError as error:
        raise BrokenError(f"{entry.name}: {(error.strerror or str(error)).lower()}") from None
    try:
        if os.fstat(fd).st_size != entry.size:
            raise BrokenError(f"{entry.name}: it has another size than in the archive")
        while piece := os.read(fd, PIECE):
            yield piece
    finally:
        os.close(fd)
