"""Rules on the blobs of BuildKit's and the engine's own content stores (buildkit-and-containerd-store 2.1, classic-store 4.5)."""

import hashlib
from collections.abc import Iterable, Iterator

from docker_fsck.api import (
    Bucket,
    Database,
    Facts,
    Fault,
    Level,
    Model,
    Ref,
    Rule,
    Severity,
    Trouble,
    containerd,
    hookimpl,
    is_digest,
    open_database,
    rule,
)
from docker_fsck_plugins.remedies import children, refused

STORES = {
    "buildkit/containerdmeta.db": "buildkit/content/blobs",
    containerd.META: f"{containerd.BASE}/io.containerd.content.v1.content/blobs",
}
"""Databases that list blobs by namespace, and where the blobs lie: named by the sha256 of their bytes."""


@rule("blob-missing", Severity.WARNING)
def blob_missing(model: Model) -> Iterator[Fault]:
    """A blob that the content store of BuildKit or of the engine lists is gone or has another length.

    Why it matters: the log or the attestation of a past build, or the manifest of a pulled image, cannot be read. Images,
        containers and builds do not need it with a graph driver.
    How it comes about: deleted by hand, power loss, a full disk.
    Repair: none. `docker buildx history rm` removes a past build, a pull brings a manifest back.
    """
    for path, digest, size in _listed(model):
        facts = model.store.reader.facts(path)
        if isinstance(facts, Facts) and facts.kind == "file" and facts.size == size:
            continue
        if not refused(model, path):
            there = facts.why if isinstance(facts, Trouble) else f"a {facts.kind}"
            actual = f"{facts.size} bytes" if isinstance(facts, Facts) and facts.kind == "file" else there
            yield Fault(Ref("file", path), f"the blob {digest} is not whole", (path,), f"{size} bytes", actual)


@rule("blob-damaged", Severity.WARNING, level=Level.DEEP, after=("blob-missing",))
def blob_damaged(model: Model) -> Iterator[Fault]:
    """The bytes of a blob in the content store of BuildKit or of the engine are not those of its name.

    Why it matters: the log or the attestation of a past build, or the manifest of a pulled image, says something else.
    How it comes about: bit rot, power loss.
    Repair: none. `docker buildx history rm` removes a past build; a manifest that is put away is fetched by the next pull.
    """
    sizes = {path: size for path, _, size in _listed(model)}
    for base in STORES.values() if model is model.store.models[0] and not model.store.containerd.image_store else ():
        for name in children(model, f"{base}/sha256"):
            data = model.store.reader.read(path := f"{base}/sha256/{name}")
            if isinstance(data, bytes) and len(data) == sizes.get(path, len(data)):
                actual, digest = hashlib.sha256(data).hexdigest(), f"sha256:{name}"
                if actual != name:
                    yield Fault(Ref("file", path), f"the blob {digest} is damaged", (path,), digest, f"sha256:{actual}")


def _listed(model: Model) -> Iterator[tuple[str, str, int]]:
    """Path, digest and length of each blob, told once; those of a containerd image store are not judged."""
    if model is not model.store.models[0]:
        return
    for database, base in STORES.items():
        if database == containerd.META and model.store.containerd.image_store:
            continue
        found = open_database(model.store.reader, database)
        spaces = found.root.bucket(b"v1") if isinstance(found, Database) else None
        sizes: dict[str, int] = {}
        for _, space in spaces.items() if spaces else ():
            blobs = space.bucket(b"content", b"blob") if isinstance(space, Bucket) else None
            for key, value in blobs.items() if blobs else ():
                digest, size = key.decode("utf-8", "replace"), value.get(b"size") if isinstance(value, Bucket) else None
                if is_digest(digest) and isinstance(size, bytes) and len(size) <= LONGEST:
                    sizes[digest] = _varint(size)
        yield from ((f"{base}/sha256/{digest[7:]}", digest, size) for digest, size in sorted(sizes.items()))


LONGEST = 10
"""Bytes of the longest number of 64 bits."""


def _varint(data: bytes) -> int:
    """A number as Go's binary.PutVarint writes it."""
    number = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(data))
    return number >> 1 ^ -(number & 1)


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The rules on blobs."""
    return (blob_missing, blob_damaged)
