"""The pieces of a written data root: ids, files, layer archives, overlay2 driver dirs; it decides nothing about size or shape."""

import base64
import functools
import gzip
import hashlib
import json
import os
import random
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EPOCH = 1_700_000_000
CREATED = "2023-11-14T22:13:20Z"


@dataclass(frozen=True)
class Packed:
    """The archive of a layer: its tar, the tar-split that rebuilds it, and the files that both tell of."""

    tar: bytes
    split: bytes
    files: dict[str, bytes]

    @functools.cached_property
    def diff_id(self) -> str:
        """`sha256:` and the digest of the tar."""
        return digest(self.tar)


@dataclass(frozen=True)
class Layer:
    """A registered layer. `lower` is what the `lower` file of a child says."""

    chain_id: str
    diff_id: str
    cache_id: str
    lower: str
    blob: bytes
    depth: int


@dataclass(frozen=True)
class Image:
    """An image in imagedb, with its layers from the base up."""

    id: str
    name: str
    layers: tuple[Layer, ...]


@dataclass
class Root:
    """The folder being filled, and the source of ids."""

    path: Path
    random: random.Random
    tags: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def image(self) -> str:
        """The image folder of the driver."""
        return f"{self.path}/image/overlay2"

    def hex_id(self) -> str:
        """64 hex digits."""
        return self.random.randbytes(32).hex()


def digest(data: bytes) -> str:
    """`sha256:` and 64 hex digits."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def bare(name: str) -> str:
    """A digest without its `sha256:`."""
    return name.removeprefix("sha256:")


def compact(value: object) -> bytes:
    """JSON as the engine writes it: no blanks, keys in the order given."""
    return json.dumps(value, separators=(",", ":")).encode()


def folder(path: str, mode: int = 0o755) -> str:
    """Makes a folder (the umask is 0 here) and hands its path back."""
    os.mkdir(path, mode)
    return path


def write(path: str, data: bytes | str, mode: int = 0o644) -> None:
    """Makes a file that must not be there yet."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        os.write(handle, data.encode() if isinstance(data, str) else data)
    finally:
        os.close(handle)


@functools.cache
def crc_table() -> tuple[int, ...]:
    """The 256 steps of the reflected ISO polynomial (classic-store 6.1)."""
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xD800000000000000 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


def crc64(data: bytes) -> bytes:
    """CRC-64/GO-ISO, eight bytes big endian."""
    table, crc = crc_table(), 0xFFFFFFFFFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return (crc ^ 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big")


def header(name: str, size: int) -> bytes:
    """A tar header: a folder if the name ends with `/`."""
    info = tarfile.TarInfo(name.rstrip("/"))
    info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
    info.mode = 0o755 if info.isdir() else 0o644
    info.size, info.mtime, info.uname, info.gname = size, EPOCH, "root", "root"
    return info.tobuf(tarfile.USTAR_FORMAT)


def pack(files: dict[str, bytes]) -> Packed:
    """The layer that holds `files` in the folder `srv/`, disassembled as tar-split does (classic-store 6.1)."""
    entries: list[tuple[str, bytes]] = [("srv/", b""), *((f"srv/{name}", data) for name, data in files.items())]
    raw, records = bytearray(), list[dict[str, Any]]()
    pending = b""
    for name, data in entries:
        segment = pending + header(name, len(data))
        records.append({"type": 2, "payload": base64.b64encode(segment).decode(), "position": len(records)})
        checksum = base64.b64encode(crc64(data)).decode() if data else None
        records.append(
            {"type": 1, "name": name, **({"size": len(data)} if data else {}), "payload": checksum, "position": len(records)}
        )
        raw += segment + data
        pending = bytes(-len(data) % tarfile.BLOCKSIZE)
    end = pending + bytes(2 * tarfile.BLOCKSIZE)
    for payload in (end, b""):
        records.append({"type": 2, "payload": base64.b64encode(payload).decode(), "position": len(records)})
    lines = b"".join(compact(record) + b"\n" for record in records)
    return Packed(bytes(raw + end), gzip.compress(lines, 6, mtime=0), files)


def driver_dir(root: Root, name: str, parent: str) -> str:
    """The folder of the overlay2 driver for one id, empty (classic-store 9.2); hands back what a child's `lower` says."""
    link = base64.b32encode(root.random.randbytes(16)).decode().rstrip("=")
    base = folder(f"{root.path}/overlay2/{name}", 0o710)
    folder(f"{base}/diff")
    os.symlink(f"../{name}/diff", f"{root.path}/overlay2/l/{link}")
    write(f"{base}/link", link)
    if not parent:
        return f"l/{link}"
    folder(f"{base}/work", 0o700)
    write(f"{base}/lower", parent)
    return f"l/{link}:{parent}"


def fill(root: Root, cache_id: str, files: dict[str, bytes]) -> None:
    """Unpacks a layer's files into its driver dir."""
    srv = folder(f"{root.path}/overlay2/{cache_id}/diff/srv")
    for name, data in files.items():
        write(f"{srv}/{name}", data)
        os.utime(f"{srv}/{name}", (EPOCH, EPOCH))
    os.utime(srv, (EPOCH, EPOCH))


def commit(root: Root, cache_id: str) -> None:
    """Marks a driver dir as the parent of another one."""
    mark = f"{root.path}/overlay2/{cache_id}/committed"
    if not os.path.lexists(mark):
        write(mark, b"", 0o600)
