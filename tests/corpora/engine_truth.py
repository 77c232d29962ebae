"""What a real engine used and what it left behind, from its own reports and the files that it wrote; judges with no product code.

Only the reader of bolt files is borrowed. Paths are relative to the data root, as in findings and plans.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from docker_fsck.bolt import Bucket, open_bytes

OWNED = re.compile(r"(overlay2/(?!l/)[^/]+|vfs/dir/[^/]+|image/[^/]+/layerdb/(?:sha256|tmp|mounts)/[^/]+|containers/[^/]+)/")
"""A driver dir, a layer record, an unfinished registration, a mount record, a container's folder, as `tree` lists them."""


def left_behind(report: dict[str, Any]) -> frozenset[str]:
    """What the engine still had after every prune command and another start."""
    matches = map(OWNED.fullmatch, report["after_prune_all"]["tree"])
    return frozenset(match[1] for match in matches if match)


def used_after_prune(root: Path, report: dict[str, Any]) -> frozenset[str]:
    """What the images and containers that were left after all prunes use; they are inspected in the truth of the restart."""
    restart, rest = report["restart"]["truth"], report["after_prune_all"]["truth"]
    images, containers = {each["ID"] for each in rest["images"]}, {each["ID"] for each in rest["ps"]}
    truth = {
        **restart,
        "image_inspect": [each for each in restart["image_inspect"] if each["Id"] in images],
        "container_inspect": [each for each in restart["container_inspect"] if each["Id"] in containers],
        "volume_inspect": rest["volumes"],
        "buildx_du": [],
    }
    assert images == {each["Id"] for each in truth["image_inspect"]}
    assert containers == {each["Id"] for each in truth["container_inspect"]}
    return used(root, truth)


def used(root: Path, truth: dict[str, Any]) -> frozenset[str]:
    """Every path on the disk that the images, containers, volumes and build cache of `truth` stand on."""
    disk = Disk(root, truth["info"]["Driver"])
    found: set[str] = set()
    for image in truth["image_inspect"]:
        found.update(disk.image(image["Id"]))
        found.update(path for chain in chains(image["RootFS"]["Layers"]) for path in disk.layer(chain))
        found.update(disk.named(image["GraphDriver"]["Data"]))
    for container in truth["container_inspect"]:
        found.update(disk.container(container["Id"]))
        found.update(disk.named(container["GraphDriver"]["Data"]))
    for record in truth["buildx_du"]:
        found.update(disk.snapshot(record["ID"]))
    found.update(f"volumes/{each['Name']}" for each in truth["volume_inspect"])
    return frozenset(path for path in found if (root / path).is_symlink() or (root / path).exists())


def chains(diffs: Iterable[str]) -> Iterator[str]:
    """The chain-id of every prefix of an image's layers."""
    chain = ""
    for diff in diffs:
        chain = f"sha256:{hashlib.sha256(f'{chain} {diff}'.encode()).hexdigest()}" if chain else diff
        yield chain


class Disk:
    """The files of one data root and what they say about each other."""

    def __init__(self, root: Path, driver: str) -> None:
        self._root, self._driver = root, driver
        self._image_home = f"image/{driver}"
        self._home = {"overlay2": "overlay2", "vfs": "vfs/dir", "btrfs": "btrfs/subvolumes"}[driver]
        database = root / "buildkit/snapshots.db"
        self._snapshots: Bucket | None = open_bytes(database.read_bytes()).root if database.exists() else None

    def image(self, ident: str) -> Iterator[str]:
        """An image's configuration and its folder of metadata."""
        for part in ("content", "metadata"):
            yield f"{self._image_home}/imagedb/{part}/{ident.replace(':', '/')}"

    def layer(self, chain: str) -> Iterator[str]:
        """A layer's record and driver dir, and those of all layers below."""
        record = f"{self._image_home}/layerdb/{chain.replace(':', '/')}"
        yield record
        yield from self.driver_dir(self._text(f"{record}/cache-id"))
        if parent := self._text(f"{record}/parent"):
            yield from self.layer(parent)

    def driver_dir(self, ident: str) -> Iterator[str]:
        """A driver dir with its short link, and what it lies on by its `lower` file."""
        if not ident:
            return
        yield f"{self._home}/{ident}"
        if self._driver != "overlay2":
            return
        if short := self._text(f"{self._home}/{ident}/link"):
            yield f"{self._home}/l/{short}"
        for lower in filter(None, self._text(f"{self._home}/{ident}/lower").split(":")):
            link = self._root / self._home / lower
            if link.is_symlink():
                yield from self.driver_dir(link.readlink().parts[1])

    def container(self, ident: str) -> Iterator[str]:
        """A container's folder, mount record, writable and init layer, and the image layers below."""
        yield f"containers/{ident}"
        mount = f"{self._image_home}/layerdb/mounts/{ident}"
        yield mount
        for name in ("mount-id", "init-id"):
            yield from self.driver_dir(self._text(f"{mount}/{name}"))
        if parent := self._text(f"{mount}/parent"):
            yield from self.layer(parent)

    def named(self, data: dict[str, str] | None) -> Iterator[str]:
        """The driver dirs that the engine itself names for an object (overlay2 only)."""
        for word in re.findall(rf"/{self._home}/([^/:]+)/", " ".join((data or {}).values())):
            yield from self.driver_dir(word)

    def snapshot(self, ident: str) -> Iterator[str]:
        """What a record of the build cache stands on: driver dirs, layers, other snapshots (a digest is a layer)."""
        if ident.startswith("sha256:"):
            yield from self.layer(ident)
            return
        yield from self.driver_dir(ident)
        entry = self._snapshots.bucket(ident.encode()) if self._snapshots else None
        for key in (b"committed", b"chainid", b"parent"):
            value = entry.get(key) if entry else None
            if isinstance(value, bytes) and value:
                yield from self.snapshot(value.decode())

    def _text(self, path: str) -> str:
        file = self._root / path
        return file.read_text().strip() if file.is_file() else ""
