"""Looks at single paths below the root for apply, by folder descriptors and without any memory of them; it never writes."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from docker_fsck.errors import Refused, RootError
from docker_fsck.reader import QUARANTINE

FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_WORDS = {
    errno.EPERM: "not permitted; it may be immutable (lsattr shows it)",
    errno.ENOSPC: "no space left on the disk of the data root",
    errno.EDQUOT: "the disk quota is exhausted",
    errno.EBUSY: "in use as a mount point",
    errno.EXDEV: "it lies on another mount or subvolume, and nothing is copied",
    errno.EROFS: "the file system, or the subvolume, is read-only",
    errno.ELOOP: "a part of the path is a symlink, which is not followed",
    errno.EEXIST: "something is there already",
    errno.ENOENT: "it is gone",
}


def words(error: OSError) -> str:
    """What an error of the kernel means here."""
    return _WORDS.get(error.errno or 0) or (error.strerror or str(error)).lower()


def split(path: str) -> list[str]:
    """The parts of a path that a step may touch; `Refused` if it could lead out of the root or into the quarantine."""
    parts = path.split("/")
    if any(part in {"", ".", ".."} or "\0" in part for part in parts) or QUARANTINE in parts[:2]:
        raise Refused(f"the plan names a path that no step may touch: {path!r}")
    return parts


def open_noatime(name: str, flags: int, dir_fd: int | None = None) -> int:
    """Open with O_NOATIME, or without where only the owner may have it."""
    try:
        return os.open(name, flags | os.O_NOATIME, dir_fd=dir_fd)
    except PermissionError:
        return os.open(name, flags, dir_fd=dir_fd)


def mount_id(fd: int) -> str:
    """The id of the mount on which an open file lies (proc_pid_fdinfo(5)); `Refused` where /proc does not tell."""
    with suppress(OSError):
        for line in Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines():
            if line.startswith("mnt_id:"):
                return line
    raise Refused("/proc does not tell on which mount a file lies")


class Tree:
    """The root, opened once. All paths are relative to it; a symlink on the way is an `OSError` with ELOOP."""

    def __init__(self, root: str) -> None:
        """Open `root`, which may be reached by a symlink itself; `RootError` if it cannot be."""
        self.root = os.path.realpath(root)
        try:
            self.fd = os.open(self.root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise RootError(f"{root}: {(error.strerror or str(error)).lower()}") from None
        self.dev = os.fstat(self.fd).st_dev
        self._mount = mount_id(self.fd)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.fd)

    def open(self, path: str) -> int:
        """A descriptor (O_PATH) of the folder `path`, which the caller closes; the root for an empty path."""
        fd = os.open(".", FOLDER, dir_fd=self.fd)
        for part in path.split("/") if path else ():
            above = fd
            try:
                fd = _enter(part, above)
            finally:
                os.close(above)
        return fd

    @contextmanager
    def parent(self, path: str) -> Iterator[tuple[int, str]]:
        """The descriptor of the folder in which `path` lies, and its name there; the root is `.` in itself."""
        folder, _, name = path.rpartition("/")
        fd = self.open(folder)
        try:
            yield fd, name or "."
        finally:
            os.close(fd)

    def lstat(self, path: str) -> os.stat_result | None:
        """Lstat of `path`, None if nothing is there."""
        try:
            with self.parent(path) as (fd, name):
                return os.stat(name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def digest(self, path: str) -> str:
        """The sha256 of the regular file `path`, in hex."""
        with self.parent(path) as (folder, name), open(open_noatime(name, READING, folder), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            return hashlib.file_digest(file, "sha256").hexdigest()

    def target(self, path: str) -> str:
        """The text of the symlink `path`."""
        with self.parent(path) as (folder, name):
            return os.readlink(name, dir_fd=folder)

    def names(self, path: str) -> list[str]:
        """The names in the folder `path`, sorted; its atime stays."""
        with self.parent(path) as (folder, name):
            fd = open_noatime(name, READING | os.O_DIRECTORY, folder)
        try:
            return sorted(os.listdir(fd))
        finally:
            os.close(fd)

    def mount_above(self, path: str, base: str = "") -> str | None:
        """The mount point below `base` on whose mount the folder `path` lies, None if it is the mount of `base` itself."""
        if self._mount_of(path) == (self._mount_of(base) if base else self._mount):
            return None
        above = path.rpartition("/")[0]
        return (self.mount_above(above, base) if above and above != base else None) or path

    def _mount_of(self, path: str) -> str:
        fd = self.open(path)
        try:
            return mount_id(fd)
        finally:
            os.close(fd)


def _enter(part: str, above: int) -> int:
    try:
        return os.open(part, FOLDER, dir_fd=above)
    except NotADirectoryError:
        found = os.stat(part, dir_fd=above, follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
        raise
