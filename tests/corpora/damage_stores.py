"""The roots on which damages are struck, each healthy: unpacked corpora, and roots of the builder for kinds that no corpus has."""

import functools
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import unpacking
from damage_kinds import BUILT, ENGINE28, MAPPER, VFS, Site
from msgspec import structs

from docker_fsck.host import HostView, Recorded
from docker_fsck.ids import digest
from docker_fsck.records.containerd import META
from docker_fsck.testing.table import STOPPED
from docker_fsck.testing.whole import Whole, whole

TAG, NAME = "acme/app:legacy", "running1"
MESSAGE = b"\x0a\x06stdout\x10\x01\x1a\x05one\r\n"[:18].ljust(18, b"\n")
UUID = "containerd/daemon/io.containerd.grpc.v1.introspection/uuid"


def lacks() -> str:
    """Why the stores cannot be had here, nothing if they can."""
    missing = [name for name in (ENGINE28, VFS) if not unpacking.archive(name).exists()]
    return f"a source distribution has no corpora: {', '.join(missing)}" if missing else unpacking.lacks(unpacking.workshop())


@contextmanager
def store(name: str) -> Iterator[tuple[Site, HostView]]:
    """A healthy root of that name, and what is known of its host; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="dfd", dir=unpacking.workshop()) as place:
        yield (_unpacked if name in {ENGINE28, VFS} else _built)(name, Path(place))


def _unpacked(name: str, place: Path) -> tuple[Site, HostView]:
    root = unpacking.unpack(name, place)
    driver = name.split("-")[1]
    tags = json.loads((root / "image" / driver / "repositories.json").read_bytes())["Repositories"]
    named = (json.loads(each.read_bytes()) for each in root.glob("containers/*/config.v2.json"))
    container = next(each["ID"] for each in named if each["Name"] == f"/{NAME}")
    return Site(root, driver, tags[TAG.partition(":")[0]][TAG], container), STOPPED


def _like_an_engines(made: Whole) -> None:
    """What roots of engines have and the builder does not make by itself, so that kinds of both can be struck in one root."""
    root = made.root
    root.volume("options", options={"type": "tmpfs", "device": "tmpfs", "o": "size=1m"})
    root.write("engine-id", b"4f6a2f1c-5b6d-4c7e-8f90-a1b2c3d4e5f6")
    root.write(root.image_metadata(made.app) / "builtLocally", b"\1")
    root.write_bolt("buildkit/history.db", {"_records": {"a": b"one"}}, 0o600)
    manifest = b'{"schemaVersion":2}'
    size = bytes([2 * len(manifest)])
    blob = root.path / "containerd/daemon/io.containerd.content.v1.content/blobs/sha256" / digest(manifest)[7:]
    blob.parent.mkdir(parents=True)
    root.write(blob, manifest)
    (root.path / META).parent.mkdir(parents=True)
    root.write_bolt(META, {"v1": {"moby": {"content": {"blob": {digest(manifest): {"size": size}}}}}}, 0o644)


def _built(name: str, place: Path) -> tuple[Site, HostView]:
    driver = {BUILT: "overlay2", MAPPER: "devicemapper"}.get(name, name)
    made = whole(place / "root", driver)
    root, site = made.root, Site(place / "root", driver, made.web, made.ran)
    if name == BUILT:
        _like_an_engines(made)
        root.plugin()
        root.swarm()
        (root.path / UUID).parent.mkdir(parents=True)
        root.write(UUID, b"4f6a2f1c-5b6d-4c7e-8f90-a1b2c3d4e5f6")
        root.write(
            root.container_dir(made.ran) / "container-cached.log", (18).to_bytes(4, "big") + MESSAGE + (18).to_bytes(4, "big")
        )
        checkpoint = root.container_dir(made.ran) / "checkpoints/first"
        checkpoint.mkdir()
        root.write(checkpoint / "pages-1.img", b"memory of a process\n" * 200)
        layer = {
            "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "size": 5,
            "digest": "sha256:" + "a" * 64,
        }
        root.write(site.record / "descriptor.json", json.dumps(layer | {"urls": ["https://registry.example/layer"]}).encode())
    if driver == "devicemapper":
        return site, structs.replace(STOPPED, recorded={driver: Recorded(root.pool.probe(), 1 << 62, "the-probe")})
    return site, STOPPED
