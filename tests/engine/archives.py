"""The archives that test images are made of and saved to; it knows nothing of engines."""

import io
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

APPLETS = ("sh", "cat", "ls", "mkdir", "rm", "sleep", "touch", "true")
Layer = Mapping[str, bytes]


def busybox() -> Path:
    """The program that every test image holds."""
    return Path(shutil.which("busybox") or "/bin/busybox").resolve()


def archive(layer: Layer, programs: Sequence[str] = ()) -> bytes:
    """A tar of the files of a layer, with busybox under the names `programs`. Times are 0: the same files give the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        if programs:
            add_file(tar, "bin/busybox", busybox().read_bytes(), 0o755)
        for name in programs:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for name, data in layer.items():
            add_file(tar, name, data, 0o644)
    return buffer.getvalue()


def add_file(tar: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    """One regular file of root's."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    tar.addfile(entry, io.BytesIO(data))


def member(tar: tarfile.TarFile, name: str) -> bytes:
    """The bytes of one file of an archive."""
    with tar.extractfile(name) or io.BytesIO() as stream:
        return stream.read()
