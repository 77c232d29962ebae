"""Where things lie in a stopped data root, worked out from its files, and the damages that tests do there; it asks no program."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from docker_fsck import ids


@dataclass(frozen=True)
class Places:
    """Where things lie in a root of one driver, worked out from the files; nothing is remembered."""

    root: Path
    driver: str

    @property
    def home(self) -> Path:
        """The folder of the driver dirs."""
        return self.root / {"vfs": "vfs/dir", "btrfs": "btrfs/subvolumes"}.get(self.driver, self.driver)

    @property
    def tree(self) -> Path:
        """The folder of tags, images and layers."""
        return self.root / "image" / self.driver

    @property
    def tags(self) -> Path:
        """The tag store."""
        return self.tree / "repositories.json"

    def path(self, where: Path) -> str:
        """`where` as reports write it."""
        return str(where.relative_to(self.root))

    def config(self, image: str) -> Path:
        """The configuration of an image."""
        return self.tree / "imagedb/content/sha256" / image.removeprefix("sha256:")

    def metadata(self, image: str) -> Path:
        """The notes about an image."""
        return self.tree / "imagedb/metadata/sha256" / image.removeprefix("sha256:")

    def chains(self, image: str) -> list[str]:
        """The chain ids of an image, from the base up."""
        found: list[str] = []
        for diff in json.loads(self.config(image).read_bytes())["rootfs"]["diff_ids"]:
            found.append(ids.chain_id(found[-1] if found else None, diff))
        return found

    def record(self, chain: str) -> Path:
        """The record of a layer."""
        return self.tree / "layerdb/sha256" / chain.removeprefix("sha256:")

    def ident(self, chain: str) -> str:
        """The driver id of a layer."""
        return (self.record(chain) / "cache-id").read_text()

    def layer(self, chain: str) -> Path:
        """The driver dir of a layer."""
        return self.home / self.ident(chain)

    def mount(self, container: str) -> Path:
        """The mount record of a container."""
        return self.tree / "layerdb/mounts" / container

    def writable(self, container: str) -> Path:
        """The driver dir that a container writes to; `-init` behind its name makes that of its init layer."""
        return self.home / (self.mount(container) / "mount-id").read_text()

    def init(self, container: str) -> Path:
        """The driver dir of a container's init layer."""
        return self.home / (self.mount(container) / "init-id").read_text()

    def images_on(self, chain: str) -> tuple[str, ...]:
        """The names of all images with this layer, as reports give them: tags, or the first 12 digits."""
        groups = json.loads(self.tags.read_bytes())["Repositories"].values()
        tags = {image: tag for group in groups for tag, image in group.items()}
        images = ["sha256:" + name for name in os.listdir(self.tree / "imagedb/content/sha256")]
        return tuple(sorted(tags.get(image, image[7:19]) for image in images if chain in self.chains(image)))

    def containers_on(self, chain: str) -> tuple[str, ...]:
        """The ids of all containers that stand on this layer."""
        found = []
        for record in (self.tree / "layerdb/mounts").iterdir():
            at: str | None = (record / "parent").read_text()
            while at is not None and at != chain:
                parent = self.record(at) / "parent"
                at = parent.read_text() if parent.exists() else None
            found += [record.name] if at else []
        return tuple(sorted(found))


def copy(where: Path, target: Path) -> None:
    """Copies a folder with all that the file system knows of it."""
    subprocess.run(["cp", "-a", where, target], check=True)


def drop_image(places: Places, image: str) -> None:
    """Takes configuration, notes and names of an image away, as an engine that is killed while it removes it; its layers stay."""
    places.config(image).unlink()
    shutil.rmtree(places.metadata(image), ignore_errors=True)
    groups = json.loads(places.tags.read_bytes())["Repositories"]
    kept = {group: {tag: each for tag, each in tags.items() if each != image} for group, tags in groups.items()}
    places.tags.write_bytes(json.dumps({"Repositories": {group: tags for group, tags in kept.items() if tags}}).encode())


def orphan(places: Places, ident: str, model: Path, short: str) -> Path:
    """Makes a driver dir that nothing refers to, a copy of `model`; on overlay2 with the short name `short`."""
    made = places.home / ident
    copy(model, made)
    if places.driver == "overlay2":
        (made / "link").write_text(short)
        (places.home / "l" / short).symlink_to(f"../{ident}/diff")
    return made


def sizes(where: Path) -> int:
    """The bytes that a folder takes on the disk."""
    return int(subprocess.run(["du", "-s", "-B1", where], check=True, capture_output=True, text=True).stdout.split()[0])


def empty(*files: Path) -> None:
    """Makes files empty that were not."""
    for file in files:
        if not file.read_bytes():
            raise ValueError(f"{file} is empty already")
        file.write_bytes(b"")
