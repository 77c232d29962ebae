"""Archives that are legal and unusual, unpacked by a real engine: nothing false is said of their layers."""

import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from docker_fsck.testing.layertar import archive
from dockerd import Engine
from repairkit import fsck, told

OLD, NEW = b"a" * 30, b"b" * 50


def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, **more: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.mode = len(data), kind, 0o755 if kind == tarfile.DIRTYPE else 0o644
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def sparse(place: Path, version: str) -> bytes:
    """What GNU tar makes of a file with a hole, and of one without."""
    with (place / "big").open("wb") as file:
        file.write(OLD)
        file.truncate(1 << 20)
    (place / "small").write_bytes(NEW)
    command = ["tar", "-C", place, "--format=posix", f"--sparse-version={version}", "-S", "-cf", "-", "big", "small"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def before_posix(data: bytes) -> bytes:
    """The headers without what POSIX added: a folder is a file whose name ends with a slash."""
    made, at = bytearray(data), 0
    while made[at : at + 512].strip(b"\0"):
        size = int(made[at + 124 : at + 135], 8)
        made[at + 156 : at + 512] = bytes(356)
        made[at + 148 : at + 156] = b" " * 8
        made[at + 148 : at + 156] = b"%06o\0 " % sum(made[at : at + 512])
        at += 512 + size + -size % 512
    return bytes(made)


def saved(*layers: bytes) -> bytes:
    """An image of these layers as `docker save` writes it."""
    diffs = [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in layers]
    about = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diffs}}
    names = [f"{number}/layer.tar" for number, _ in enumerate(layers)]
    manifest = [{"Config": "config.json", "RepoTags": None, "Layers": names}]
    return archive(
        member("config.json", json.dumps(about).encode()), member("manifest.json", json.dumps(manifest).encode()),
        *(member(name, data) for name, data in zip(names, layers, strict=True)),
    )  # fmt: skip


FOLDERS = member("usr", kind=tarfile.DIRTYPE), member("usr/lib", kind=tarfile.DIRTYPE)
ARCHIVES = {
    "a link leads two entries to one file": archive(
        *FOLDERS, member("lib", kind=tarfile.SYMTYPE, linkname="usr/lib"), member("usr/lib/x", OLD), member("lib/x", NEW)
    ),
    "a mark of deletion has content": archive(member("x", OLD), member(".wh.y", NEW)),
    "a global header": tarfile.TarInfo.create_pax_global_header({"comment": "x"}) + archive(member("x", OLD, mtime=7), member("y", NEW)),
    "before POSIX": before_posix(archive(member("d/", kind=tarfile.DIRTYPE), member("d/x", OLD), form=tarfile.USTAR_FORMAT)),
    "a hard link to a link": archive(member("s", kind=tarfile.SYMTYPE, linkname="x"), member("t", kind=tarfile.LNKTYPE, linkname="s")),
    "a hard link to a pipe": archive(member("p", kind=tarfile.FIFOTYPE), member("q", kind=tarfile.LNKTYPE, linkname="p")),
    "devices": archive(member("c", kind=tarfile.CHRTYPE, devmajor=1, devminor=3), member("b", kind=tarfile.BLKTYPE, devmajor=7)),
    "odd names": archive(member("./d//", kind=tarfile.DIRTYPE), member(".//d//x", OLD), member("/y", OLD), member("d/../z", NEW)),
    "numbers that need other fields": archive(member("x", OLD, uid=3_000_000, mtime=-5), form=tarfile.GNU_FORMAT),
    "long names": archive(member("d" * 90 + "/" + "f" * 120, OLD), member("s", kind=tarfile.SYMTYPE, linkname="t" * 300)),
    "long names of GNU": archive(member("d" * 90 + "/" + "f" * 120, OLD), form=tarfile.GNU_FORMAT),
    "a folder after its files": archive(member("d/x", OLD), member("d", kind=tarfile.DIRTYPE)),
    "a folder is emptied and filled": archive(*FOLDERS, member("usr/x", OLD), member("usr/.wh..wh..opq")),
}  # fmt: skip
ABOVE = {
    "through a link below": archive(member("lib/x", b"c" * 70)),
    "a deletion through a link below": archive(member("lib/.wh.x")),
    "a link in the place of a folder": archive(member("usr", kind=tarfile.SYMTYPE, linkname="elsewhere")),
}


def test_no_archive_that_an_engine_took_is_called_damaged(engine: Engine, workplace: Path) -> None:
    (workplace / "holes").mkdir()
    archives = {**ARCHIVES, **{f"sparse {each}": sparse(workplace / "holes", each) for each in ("0.0", "0.1", "1.0")}}
    for data in archives.values():
        (workplace / "layer.tar").write_bytes(data)
        engine.docker("import", str(workplace / "layer.tar"))
    base = archive(
        *FOLDERS, member("lib", kind=tarfile.SYMTYPE, linkname="usr/lib"), member("usr/lib/x", OLD), member("usr/lib/y", OLD)
    )
    for data in ABOVE.values():
        (workplace / "image.tar").write_bytes(saved(base, data))
        engine.docker("load", "-i", str(workplace / "image.tar"))
    engine.stop()
    deep = fsck(engine.root, "check", "--level", "deep", "--grace", "0s", "--state-dir", str(workplace / "state"))
    assert {"layer-content-unverifiable"} == {each.rule for each in told(deep, plain=True)}
    assert (5, 0, 0) == (len(told(deep, plain=True)), deep.exit, fsck(engine.root, "check").exit)
    assert [] == fsck(engine.root, "plan", "--grace", "0s", "--level", "deep").report["plan"]["actions"]
