"""Image configurations, tags and the distribution cache of a built root (classic-store 2, 3, 4)."""

import json
from typing import TYPE_CHECKING

import msgspec

from docker_fsck.ids import chain_ids, digest, hex_of
from docker_fsck.testing.documents import compact, image_config

if TYPE_CHECKING:
    from docker_fsck.testing.builder import DataRoot


class Image(msgspec.Struct, frozen=True):
    """An image of the root: its id, the diff-ids and the chain-ids of its layers, the base first."""

    id: str
    diffs: tuple[str, ...]

    @property
    def chains(self) -> tuple[str, ...]:
        """The chain-ids of all prefixes."""
        return chain_ids(self.diffs)


def split_tag(tag: str) -> tuple[str, str]:
    """The familiar repository and the whole reference of `tag`; `app` means `app:latest`."""
    head, colon, last = tag.rpartition(":")
    return (head, tag) if colon and "/" not in last else (tag, f"{tag}:latest")


def full_name(repository: str) -> str:
    """A familiar repository name with its registry, as the distribution cache has it."""
    first, slash, _ = repository.partition("/")
    if slash and ("." in first or ":" in first):
        return repository
    return f"docker.io/{repository}" if slash else f"docker.io/library/{repository}"


def add_image(root: "DataRoot", diffs: tuple[str, ...], base: str | None) -> str:
    """Write the configuration and metadata of an image over layers that are registered; returns its id."""
    document = image_config(root.names.time(), diffs, base)
    content = compact(document).encode()
    image = Image(digest(content), diffs)
    root.images[image.id] = image
    root.disk.put(root.image_file(image.id), content, 0o600)
    if base is not None:
        metadata = root.disk.folder(root.image_metadata(image.id), 0o700)
        root.disk.put(metadata / "parent", base, 0o600)
    return image.id


def tag(root: "DataRoot", name: str, image: str) -> None:
    """Let `name` (`repository:tag`, or `repository@sha256:…`) stand for an image, as `docker tag` and a pull do."""
    if "@" in name:
        repository, reference = name.partition("@")[0], name
    else:
        repository, reference = split_tag(name)
        metadata = root.disk.folder(root.image_metadata(image), 0o700)
        root.disk.put(metadata / "lastUpdated", root.names.time(), 0o600)
    root.repositories.setdefault(repository, {})[reference] = image
    write_tags(root)
    root.disk.settle()


def write_tags(root: "DataRoot") -> None:
    """Write repositories.json from what the root knows."""
    table = {name: dict(sorted(refs.items())) for name, refs in sorted(root.repositories.items())}
    root.disk.put(root.tags, compact({"Repositories": table}), 0o600)


def pulled(root: "DataRoot", name: str, image: str) -> str:
    """What a pull of `name` leaves beside the tag: a digest reference, returned, and both caches for each layer."""
    repository = split_tag(name)[0]
    reference = f"{repository}@{root.names.digest()}"
    source = full_name(repository)
    for diff in root.images[image].diffs:
        blob = root.names.digest()
        cache = root.image_home / "distribution"
        known = cache / "v2metadata-by-diffid" / "sha256" / hex_of(diff)
        entries = json.loads(known.read_bytes()) if known.exists() else []
        root.disk.put(known, compact([*entries, {"Digest": blob, "SourceRepository": source, "HMAC": ""}]))
        root.disk.put(cache / "diffid-by-digest" / "sha256" / hex_of(blob), diff)
    tag(root, reference, image)
    return reference
