"""Writes consistent overlay2 data roots of any size, without an engine, for measurements; it only creates, in an empty folder.

What it writes is what dockerd 20.10.24 leaves behind (classic-store 2 to 7, 9.2, 10): digests, chain ids and tar-splits are
computed, so that an engine loads the root and saves every image from it. Times inside the files are fixed and ids come from the
seed: the same call writes the same names and bytes (container files hold the path of the root).
"""

import argparse
import gzip
import itertools
import json
import os
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from containers import container
from parts import CREATED, Image, Layer, Root, bare, commit, compact, digest, driver_dir, fill, folder, pack, write

MAX_DEPTH = 125
TAGS_PER_REPOSITORY = 20


@dataclass(frozen=True)
class Shape:
    """How much to write. `shared` base chains of half the depth are dealt to the images; with 0 no layer is shared."""

    images: int
    depth: int
    containers: int
    orphans: int
    shared: int = 0
    files: int = 2
    seed: int = 1

    def complaint(self) -> str | None:
        """What is impossible about this shape, or None."""
        if min(self.images, self.containers, self.orphans, self.shared, self.files) < 0:
            return "numbers must not be negative"
        if not 1 <= self.depth <= MAX_DEPTH:
            return f"--depth must be 1 to {MAX_DEPTH}"
        if self.containers and not self.images:
            return "containers need an image"
        if self.shared and (self.depth == 1 or not self.images):
            return "shared base chains need an image and --depth 2 or more"
        return None


def grow(root: Root, files: int, parent: Layer | None) -> Layer:
    """Registers one new layer above `parent`."""
    cache_id = root.hex_id()
    packed = pack({f"{cache_id[:12]}-{number}": f"{cache_id} {number}\n".encode() for number in range(files)})
    chain_id = digest(f"{parent.chain_id} {packed.diff_id}".encode()) if parent else packed.diff_id
    lower = driver_dir(root, cache_id, parent.lower if parent else "")
    fill(root, cache_id, packed.files)
    record = folder(f"{root.image}/layerdb/sha256/{bare(chain_id)}", 0o700)
    write(f"{record}/tar-split.json.gz", packed.split)
    write(f"{record}/diff", packed.diff_id)
    write(f"{record}/size", str(sum(map(len, packed.files.values()))))
    write(f"{record}/cache-id", cache_id)
    if parent:
        commit(root, parent.cache_id)
        write(f"{record}/parent", parent.chain_id)
    return Layer(
        chain_id, packed.diff_id, cache_id, lower, gzip.compress(packed.tar, 1, mtime=0), parent.depth + 1 if parent else 1
    )


def chain(root: Root, shape: Shape, base: Sequence[Layer], depth: int) -> tuple[Layer, ...]:
    """`base` with new layers above it, up to `depth`."""
    layers = list(base)
    while len(layers) < depth:
        layers.append(grow(root, shape.files, layers[-1] if layers else None))
    return tuple(layers)


def remember_pull(root: Root, image: Image, config: bytes) -> None:
    """What a pull leaves: the digest reference of a manifest, two entries in distribution for each layer (classic-store 4)."""
    blobs = [
        {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": len(layer.blob), "digest": digest(layer.blob)}
        for layer in image.layers
    ]
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(config), "digest": image.id},
        "layers": blobs,
    }
    repository = image.name.rpartition(":")[0]
    root.tags[repository][f"{repository}@{digest(compact(manifest))}"] = image.id
    for layer in image.layers:
        blob = digest(layer.blob)
        by_digest = f"{root.image}/distribution/diffid-by-digest/sha256/{bare(blob)}"
        if not os.path.lexists(by_digest):
            entry = {"Digest": blob, "SourceRepository": f"docker.io/{repository}", "HMAC": ""}
            write(f"{root.image}/distribution/v2metadata-by-diffid/sha256/{bare(layer.diff_id)}", compact([entry]))
            write(by_digest, layer.diff_id)


def image(root: Root, number: int, layers: tuple[Layer, ...]) -> Image:
    """Writes an image: config, tag, and by turns what a pull or a build leaves beside it."""
    history = [{"created": CREATED, "created_by": f"/bin/sh -c #(nop) ADD step {step}"} for step in range(len(layers))]
    config = compact(
        {
            "architecture": "amd64",
            "config": {"Cmd": ["/srv/app"], "Labels": {"number": str(number)}},
            "created": CREATED,
            "docker_version": "20.10.24",
            "history": history,
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        }
    )
    repository = f"bench/app{number // TAGS_PER_REPOSITORY}"
    made = Image(digest(config), f"{repository}:{number % TAGS_PER_REPOSITORY}", layers)
    write(f"{root.image}/imagedb/content/sha256/{bare(made.id)}", config, 0o600)
    root.tags.setdefault(repository, {})[made.name] = made.id
    if number % 2:
        metadata = folder(f"{root.image}/imagedb/metadata/sha256/{bare(made.id)}", 0o700)
        write(f"{metadata}/lastUpdated", "2023-11-14T22:13:20.123456789Z", 0o600)
    else:
        remember_pull(root, made, config)
    return made


def images(root: Root, shape: Shape) -> Iterator[Image]:
    """All images, above the shared base chains if there are any."""
    bases = [chain(root, shape, (), shape.depth // 2) for _ in range(shape.shared)] or [()]
    for number, base in zip(range(shape.images), itertools.cycle(bases), strict=False):
        yield image(root, number, chain(root, shape, base, shape.depth))


def skeleton(path: Path) -> None:
    """The folders that every root has, with the modes of the engine."""
    path.chmod(0o710)
    img = "image/overlay2"
    shut = ["image", img, *(f"{img}/{name}" for name in ("distribution", "imagedb", "layerdb"))]
    shut += [f"{img}/imagedb/{name}" for name in ("content", "content/sha256", "metadata", "metadata/sha256")]
    for name in shut:
        folder(f"{path}/{name}", 0o700)
    for name in ("layerdb/sha256", "layerdb/mounts", "layerdb/tmp"):
        folder(f"{path}/{img}/{name}")
    for name in ("diffid-by-digest", "v2metadata-by-diffid"):
        folder(folder(f"{path}/{img}/distribution/{name}") + "/sha256")
    for name, mode in (("overlay2", 0o710), ("overlay2/l", 0o700), ("containers", 0o710), ("volumes", 0o701), ("tmp", 0o700)):
        folder(f"{path}/{name}", mode)


def make_root(path: Path, shape: Shape) -> dict[str, int]:
    """Fills the empty or new folder `path`; hands back how many layers, images, containers and orphans it holds."""
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise FileExistsError(f"{path} is not empty")
    old = os.umask(0)
    try:
        skeleton(path)
        root = Root(path.resolve(), random.Random(shape.seed))
        made = list(images(root, shape))
        write(f"{root.image}/repositories.json", compact({"Repositories": root.tags}), 0o600)
        for number in range(shape.containers):
            container(root, number, made[number % len(made)])
        for number in range(shape.orphans):
            below = made[number % len(made)].layers[0].lower if made else ""
            orphan = root.hex_id()
            driver_dir(root, orphan, below)
            fill(root, orphan, {"left": b"of a pull that was killed\n"})
    finally:
        os.umask(old)
    layers = {layer.chain_id for one in made for layer in one.layers}
    return {"layers": len(layers), "images": len(made), "containers": shape.containers, "orphans": shape.orphans}


def main(argv: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write a consistent overlay2 data root.")
    parser.add_argument("dir", type=Path)
    for name in ("images", "depth", "containers", "orphans"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument(
        "--shared", type=int, default=0, help="base chains of half the depth, dealt to the images (default: none)"
    )
    parser.add_argument("--files", type=int, default=2, help="files in each layer")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    shape = Shape(**{name: value for name, value in vars(args).items() if name != "dir"})
    if complaint := shape.complaint():
        parser.error(complaint)
    sys.stdout.write(json.dumps(make_root(args.dir, shape)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
