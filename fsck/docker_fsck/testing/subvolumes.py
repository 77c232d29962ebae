"""A btrfs of a test's own, and its subvolumes; for tests only, needs root."""

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE = 512 << 20
_CREATE, _SNAPSHOT = 0x5000940E, 0x50009417
_CREATE_ARGS, _SNAPSHOT_ARGS = struct.Struct("q4088s"), struct.Struct("qQQ32s4040s")


def lacks() -> str:
    """Why no btrfs can be had here, nothing if one can."""
    if os.geteuid() != 0:
        return "a btrfs of its own needs root"
    if shutil.which("mkfs.btrfs") is None:
        return "mkfs.btrfs (btrfs-progs) is not installed"
    return "" if Path("/dev/loop-control").exists() else "there are no loop devices"


@contextmanager
def btrfs(base: Path) -> Iterator[Path]:
    """The mount point of a fresh btrfs, in the folder `base`; it goes however the block ends, with all that is mounted in it."""
    disk, point = base / "disk", base / "btrfs"
    with disk.open("wb") as file:
        file.truncate(SIZE)
    point.mkdir()
    try:
        _run("mkfs.btrfs", "-q", disk)
        with mounted(disk, point):
            yield point
    finally:
        disk.unlink()


@contextmanager
def mounted(disk: Path, point: Path, options: str = "loop") -> Iterator[Path]:
    """The file system in the file `disk`, mounted at `point`; the loop device goes with the mount."""
    _run("mount", "-o", options, disk, point)
    try:
        yield point
    finally:
        try:
            _run("umount", "-R", point)
        except subprocess.CalledProcessError:  # a failed test may still have files of it open
            _run("umount", "-R", "-l", point)


def _run(*words: str | Path) -> None:
    subprocess.run(words, check=True, capture_output=True)  # noqa: S603 - fixed commands on a test's own folders


def create(path: Path) -> Path:
    """An empty subvolume at `path`."""
    _call(path.parent, _CREATE, _CREATE_ARGS.pack(0, os.fsencode(path.name)))
    return path


def snapshot(source: Path, path: Path) -> Path:
    """A writable snapshot of the subvolume `source` at `path`; subvolumes in it become empty folders."""
    fd = os.open(source, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _call(path.parent, _SNAPSHOT, _SNAPSHOT_ARGS.pack(fd, 0, 0, b"", os.fsencode(path.name)))
    finally:
        os.close(fd)
    return path


def _call(folder: Path, request: int, arguments: bytes) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(fd, request, bytearray(arguments))
    finally:
        os.close(fd)
