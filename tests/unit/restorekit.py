"""Tars and image archives for the tests of restores, in the layouts that engines and other tools write."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import zstandard

from docker_fsck.testing.layertar import archive, pack

BASE = {"etc/motd": b"welcome\n", "bin/tool": b"#!/bin/sh\n" + b"echo hi\n" * 900}
UPPER = {"srv/data": b"data\n" * 700, "srv/empty/": b""}
BASE_TAR, UPPER_TAR = pack(BASE).tar, pack(UPPER).tar
PACKINGS = {"plain": bytes, "gzip": lambda data: gzip.compress(data, mtime=0), "zstd": zstandard.ZstdCompressor().compress}


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def entry(name: str, data: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """A member with any fields of `TarInfo`."""
    info = tarfile.TarInfo(name)
    info.size, info.mtime = len(data), 1_600_000_000
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def config(tars: Sequence[bytes]) -> bytes:
    """The configuration of an image of these layers."""
    return json.dumps({"rootfs": {"type": "layers", "diff_ids": [digest(each) for each in tars]}}).encode()


def legacy(*tars: bytes, link: bool = False) -> dict[str, bytes | str]:
    """The files of `docker save` up to 24; with `link` the last layer is a link to where another image has it."""
    names = [f"{digest(each)[7:]}/layer.tar" for each in tars]
    files: dict[str, bytes | str] = dict(zip(names, tars, strict=True))
    if link:
        files["f" * 64 + "/layer.tar"] = files.pop(names[-1])
        files[names[-1]] = f"../{'f' * 64}/layer.tar"
    about = config(tars)
    files[f"{digest(about)[7:]}.json"] = about
    files["manifest.json"] = json.dumps([{"Config": f"{digest(about)[7:]}.json", "RepoTags": ["a:1"], "Layers": names}]).encode()
    return files


def oci(*tars: bytes, packing: str = "plain", manifest: bool = True) -> dict[str, bytes | str]:
    """The files of `docker save` from 25 on; without `manifest` those of other tools, with an index in the index."""
    blobs = [PACKINGS[packing](each) for each in tars]
    about = config(tars)
    inner = json.dumps({"config": {"digest": digest(about)}, "layers": [{"digest": digest(each)} for each in blobs]}).encode()
    attestation = json.dumps({"config": {"digest": digest(about)}, "layers": [{"digest": "sha256:" + "0" * 64}]}).encode()
    index = json.dumps({"manifests": [{"digest": digest(attestation)}, {"digest": digest(inner)}]}).encode()
    files: dict[str, bytes | str] = {
        f"blobs/sha256/{digest(each)[7:]}": each for each in (*blobs, about, inner, attestation, index)
    }
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [{"digest": digest(index)}]}).encode()
    files["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
    if manifest:
        names = [f"blobs/sha256/{digest(each)[7:]}" for each in blobs]
        files["manifest.json"] = json.dumps([{"Config": f"blobs/sha256/{digest(about)[7:]}", "Layers": names}]).encode()
    return files


def write(path: Path, files: dict[str, bytes | str], packing: str = "plain") -> Path:
    """An archive in one file."""
    members = [
        entry(name, data) if isinstance(data, bytes) else entry(name, type=tarfile.SYMTYPE, linkname=data)
        for name, data in files.items()
    ]
    path.write_bytes(PACKINGS[packing](archive(*members)))
    return path


def spread(path: Path, files: dict[str, bytes | str]) -> Path:
    """The same as a folder."""
    for name, data in files.items():
        place = path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(data, bytes):
            place.write_bytes(data)
        else:
            place.symlink_to(data)
    return path
