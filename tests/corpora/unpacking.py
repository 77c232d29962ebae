"""Unpacks the archives of this folder and reads their reports; it knows nothing of what is in a data root."""

import hashlib
import json
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import IO, Any

import zstandard

from docker_fsck.testing import subvolumes

HERE = Path(__file__).parent
SUMS = HERE / "SHA256SUMS"
DATA_ROOT = "var/lib/docker"
TAR = ("tar", "--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls", "-xpf", "-", "-C")

IMAGES = ("docker20.10-btrfs-mixed", "docker28.5-btrfs-mixed")
"""Whole file systems: subvolumes go into no tar."""
CLEAN = (
    *IMAGES,
    "docker20.10-overlay2-buildkit",
    "docker20.10-vfs-mixed",
    "docker28.5-overlay2-buildkit",
    "docker28.5-vfs-mixed",
    "docker29.7-overlay2-graphdriver",
)
COPYABLE = tuple(name for name in CLEAN if name not in IMAGES)  # a copy has no subvolumes
DIRTY = (
    "dirty-docker20.10-overlay2-rmi-layer",
    "dirty-docker20.10-overlay2-running-powercut",
    "dirty-docker20.10-vfs-load-unpack",
    "dirty-docker28.5-overlay2-build-buildkit-prepare",
    "dirty-docker28.5-overlay2-build-buildkit-run",
    "dirty-docker28.5-overlay2-builder-prune",
    "dirty-docker28.5-overlay2-commit-layer",
    "dirty-docker28.5-overlay2-create-container",
    "dirty-docker28.5-overlay2-create-lower",
    "dirty-docker28.5-overlay2-load-unpack",
    "dirty-docker28.5-overlay2-rm-config",
    "dirty-docker28.5-overlay2-rm-layer",
    "dirty-docker28.5-overlay2-rmi-beforelayer",
    "dirty-docker28.5-overlay2-volume-create",
)
CONTAINERD = "docker29.7-overlayfs-managed"
MIGRATED = "mixed-docker28.5to29.7-overlay2-migrated"
MEMORY = Path("/dev/shm")
ROOM = 1 << 29


class Corpus:
    """An unpacked data root that nobody may change, and what its engine said about it."""

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.root = root

    @cached_property
    def report(self) -> dict[str, Any]:
        """The engine's report."""
        return report(self.name)

    def copy(self, to: Path) -> Path:
        """A root of a test's own, at `to`."""
        subprocess.run(["cp", "-a", "--reflink=auto", str(self.root), str(to)], check=True)
        return to


def workshop() -> Path:
    """The folder in which corpora are unpacked: in memory where there is room, since they are thousands of small files."""
    disk = Path(tempfile.gettempdir())
    if not os.access(MEMORY, os.W_OK):
        return disk
    room = os.statvfs(MEMORY)
    return MEMORY if room.f_bavail * room.f_frsize > ROOM and lacks(MEMORY) == lacks(disk) else disk


def archive(name: str) -> Path:
    """The data root of a corpus."""
    return HERE / f"{name}.{'img' if name in IMAGES else 'tar'}.zst"


def report_file(name: str) -> Path:
    """What the engine said about it."""
    return HERE / f"{name}.json.zst"


def report(name: str) -> dict[str, Any]:
    """What the engine said about it, read."""
    with report_file(name).open("rb") as packed, zstandard.ZstdDecompressor().stream_reader(packed) as whole:
        said: dict[str, Any] = json.load(whole)
    return said


def sums() -> dict[str, str]:
    """The digest of each file, as SHA256SUMS has them."""
    rows = (line.split("  ", 1) for line in SUMS.read_text().splitlines())
    return {name: digest for digest, name in rows}


def digest(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(name: str, into: Path) -> Path:
    """Unpack a corpus below the folder `into`; returns its data root. Whole if `lacks(into)` is empty."""
    with archive(name).open("rb") as packed, zstandard.ZstdDecompressor().stream_reader(packed) as whole:
        (_without_privilege if lacks(into) else _as_it_was)(whole, into)
    return into / DATA_ROOT


@contextmanager
def attached(name: str, into: Path) -> Iterator[Path]:
    """The mounted file system of a corpus, on a loop device; the copy in the folder `into` is written to by nobody else."""
    disk, root = into / "disk", into / DATA_ROOT
    with archive(name).open("rb") as packed, disk.open("wb") as whole:
        for block in zstandard.ZstdDecompressor().read_to_iter(packed):
            if block.strip(b"\0"):
                whole.write(block)
            else:
                whole.seek(len(block), os.SEEK_CUR)
        whole.truncate()
    root.mkdir(parents=True)
    with subvolumes.mounted(disk, root):
        yield root


@cache
def lacks(folder: Path) -> str:
    """What cannot be made in `folder`, so that corpora are not whole there; nothing if all can."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        probe = Path(name)
        tries: dict[str, Callable[[], None]] = {
            "owners": lambda: os.chown(probe, 1, 1),
            "device nodes": lambda: os.mknod(probe / "node", stat.S_IFCHR | 0o600, os.makedev(0, 0)),
            "trusted attributes": lambda: os.setxattr(probe, "trusted.overlay.opaque", b"y"),
        }
        refused = [what for what, attempt in tries.items() if not _works(attempt)]
    return f"no {', '.join(refused)} can be made here" if refused else ""


def _works(attempt: Callable[[], None]) -> bool:
    try:
        attempt()
    except OSError:
        return False
    return True


def _as_it_was(whole: IO[bytes], into: Path) -> None:
    with subprocess.Popen([*TAR, str(into)], stdin=subprocess.PIPE) as tar:
        assert tar.stdin is not None
        shutil.copyfileobj(whole, tar.stdin, 1 << 20)
        tar.stdin.close()
    assert tar.returncode == 0, f"tar ended with {tar.returncode}"


def _without_privilege(whole: IO[bytes], into: Path) -> None:
    """Names, bytes, links and times as they were; the caller owns and may read all, device nodes are left out."""
    with tarfile.open(fileobj=whole, mode="r|") as tar:
        tar.extraction_filter = lambda member, _: member  # an engine's links point where they like, and nobody follows them
        tar.extractall(into, (_readable(member) for member in tar if not member.isdev()))


def _readable(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mode |= 0o700 if member.isdir() else 0o600
    return member
