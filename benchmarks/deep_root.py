"""Writes overlay2 data roots whose layers hold much content, for measurements of deep verification; content is random bytes."""

import base64
import gzip
import hashlib
import os
import random
from dataclasses import dataclass
from pathlib import Path

from fastcrc.crc64 import go_iso

from parts import CREATED, EPOCH, Root, bare, commit, compact, digest, driver_dir, folder, header, write

PER_FOLDER = 500


@dataclass(frozen=True)
class Shape:
    """`layers` layers of `files` files of `size` bytes each; `depth` of them stand on each other."""

    layers: int
    files: int
    size: int
    depth: int = 1


@dataclass(frozen=True)
class Made:
    """A layer that was written."""

    diff: str
    chain: str
    cache_id: str
    lower: str


class Archive:
    """A layer's archive in the making: its digest and the lines of its tar-split."""

    def __init__(self) -> None:
        self.sha, self.lines, self.padding, self.count = hashlib.sha256(), list[bytes](), b"", 0

    def segment(self, data: bytes) -> None:
        """Bytes of the archive itself."""
        self.sha.update(data)
        self._line({"type": 2, "payload": base64.b64encode(data).decode()})

    def entry(self, name: str, data: bytes) -> None:
        """A folder (its name ends with a slash) or a file."""
        self.segment(self.padding + header(name, len(data)))
        self.sha.update(data)
        crc = base64.b64encode(go_iso(data).to_bytes(8, "big")).decode() if data else None
        self._line({"type": 1, "name": name, **({"size": len(data)} if data else {}), "payload": crc})
        self.padding = bytes(-len(data) % 512)

    def _line(self, line: dict[str, object]) -> None:
        self.lines.append(compact({**line, "position": self.count}) + b"\n")
        self.count += 1

    def close(self) -> bytes:
        """The end of the archive; hands back tar-split.json.gz."""
        self.segment(self.padding + bytes(1024))
        return gzip.compress(b"".join(self.lines), 1, mtime=0)


def layer(root: Root, shape: Shape, parent: Made | None) -> Made:
    """One layer above `parent`."""
    cache_id, archive = root.hex_id(), Archive()
    lower = driver_dir(root, cache_id, parent.lower if parent else "")
    for number in range(shape.files):
        name = f"d{number // PER_FOLDER:04}"
        base = f"{root.path}/overlay2/{cache_id}/diff/{name}"
        if number % PER_FOLDER == 0:
            folder(base)
            archive.entry(f"{name}/", b"")
        data = root.random.randbytes(shape.size)
        write(f"{base}/file{number:06}", data)
        os.utime(f"{base}/file{number:06}", (EPOCH, EPOCH))
        archive.entry(f"{name}/file{number:06}", data)
    split, diff = archive.close(), f"sha256:{archive.sha.hexdigest()}"
    chain = digest(f"{parent.chain} {diff}".encode()) if parent else diff
    record = folder(f"{root.image}/layerdb/sha256/{bare(chain)}", 0o700)
    files = {"tar-split.json.gz": split, "diff": diff, "size": str(shape.files * shape.size), "cache-id": cache_id}
    for name, content in files.items():
        write(f"{record}/{name}", content)
    if parent:
        commit(root, parent.cache_id)
        write(f"{record}/parent", parent.chain)
    return Made(diff, chain, cache_id, lower)


def make(path: Path, shape: Shape) -> None:
    """Fill `path`, which must not exist: an image for each chain of layers."""
    root = Root(path, random.Random(1))
    for name in ("overlay2/l", "containers", "image/overlay2/imagedb/content/sha256", "image/overlay2/layerdb/sha256"):
        os.makedirs(f"{path}/{name}")
    diffs, parent = list[str](), None
    for number in range(shape.layers):
        parent = layer(root, shape, parent if number % shape.depth else None)
        diffs = [*diffs, parent.diff] if number % shape.depth else [parent.diff]
        if number % shape.depth == shape.depth - 1 or number == shape.layers - 1:
            config = compact({"created": CREATED, "os": "linux", "rootfs": {"type": "layers", "diff_ids": diffs}})
            write(f"{root.image}/imagedb/content/sha256/{bare(digest(config))}", config, 0o600)
            root.tags.setdefault("deep", {})[f"deep:{number}"] = digest(config)
    write(f"{root.image}/repositories.json", compact({"Repositories": root.tags}), 0o600)
