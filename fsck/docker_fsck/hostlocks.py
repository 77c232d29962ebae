"""The databases that an engine locks: where they are in a data root, and who holds their locks according to /proc/locks.

They are opened without following a link and without reading them; taking a lock is the business of `host.hold`.
"""

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from docker_fsck import hostproc
from docker_fsck.hostmounts import Mount, join, mount_of
from docker_fsck.hostproc import Lock, Process

METADATA = "volumes/metadata.db"
OWN_LOCK = ".docker-fsck/lock"

DATABASES = (
    (METADATA,),
    ("network/files/local-kv.db",),
    ("buildkit", r".+\.db"),
    ("buildkit", r"containerd-.+", "metadata_v2.db"),
    ("builder/fscache.db",),
    ("content/metadata.db",),
    ("image/identity-cache.db",),
    ("swarm/worker/tasks.db",),
    ("containerd/daemon/io.containerd.metadata.v1.bolt/meta.db",),
    ("containerd/daemon", r"io\.containerd\.snapshotter\.v1\..+", "metadata.db"),
)
"""The bolt files of a root, each locked by its owner as long as it is open (bolt reference 1.1, 1.3; classic-store 16).
A second part is a pattern for names in the folder before it."""

PATH = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
FOLDER = PATH | os.O_DIRECTORY
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


class Database(Struct, frozen=True):
    """A file that its user locks. `devs`: its device in /proc/locks is that of its mount; on btrfs stat gives another."""

    rel: str
    devs: tuple[str, ...]
    st_dev: int
    ino: int


class Owner(Struct, frozen=True):
    """Who holds the lock on a database."""

    pid: int
    rel: str


def walk(fd: int, rel: str, flags: int) -> int | None:
    """Open `rel` below the folder `fd` without following a link anywhere; None where it is not there. Raises OSError."""
    *folders, name = rel.split("/")
    at = os.dup(fd)
    try:
        for folder in folders:
            below = os.open(folder, FOLDER, dir_fd=at)
            os.close(at)
            at = below
        return os.open(name, flags, 0o600, dir_fd=at)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return None
        raise
    finally:
        os.close(at)


def status(fd: int, rel: str) -> os.stat_result | None:
    """The stat of `rel` itself, found like `walk` does; None where it is not there. Raises OSError."""
    file = walk(fd, rel, PATH)
    if file is None:
        return None
    try:
        return os.fstat(file)
    finally:
        os.close(file)


def names(fd: int, rel: str) -> list[str]:
    """What is in a folder, sorted; nothing where there is no such folder. Its atime stays where we may ask for that."""
    try:
        folder = walk(fd, rel, _LIST | os.O_NOATIME)
    except PermissionError:  # O_NOATIME is for the owner and for root only
        folder = walk(fd, rel, _LIST)
    if folder is None:
        return []
    try:
        return sorted(os.listdir(folder))
    finally:
        os.close(folder)


def locked_files(fd: int, bases: Iterable[str]) -> Iterator[str]:
    """The paths of `DATABASES`, and of our own lock, in each of the roots `bases`, whether they are there or not."""
    for base in bases:
        yield join(base, OWN_LOCK)
        for pattern in DATABASES:
            match pattern:
                case (path,):
                    yield join(base, path)
                case (folder, one, *rest):
                    for name in names(fd, join(base, folder)):
                        if re.fullmatch(one, name):
                            yield "/".join((join(base, folder), name, *rest))


def database(proc: str, rel: str, fd: int, path: str, table: Sequence[Mount]) -> Database | None:
    """What /proc/locks calls the open file `fd`, whose absolute path is `path`; None for what is no regular file."""
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        return None
    mount = mount_of(proc, fd, path, table)
    own = f"{os.major(found.st_dev)}:{os.minor(found.st_dev)}"
    return Database(rel, tuple(dict.fromkeys([mount.dev if mount else own, own])), found.st_dev, found.st_ino)


def databases(proc: str, path: str, fd: int, bases: Iterable[str], table: Sequence[Mount]) -> Iterator[Database]:
    """The locked files of the data root at `path`, open as `fd`. Raises OSError if one cannot be looked at."""
    for rel in locked_files(fd, bases):
        file = walk(fd, rel, PATH)
        if file is None:
            continue
        try:
            found = database(proc, rel, file, join(path, rel), table)
        finally:
            os.close(file)
        if found:
            yield found


def collisions(known: Iterable[Database]) -> Iterator[str]:
    """Two files that /proc/locks cannot tell apart: subvolumes of a btrfs number their inodes each for itself."""
    seen: dict[tuple[str, int], Database] = {}
    for one in known:
        other = seen.setdefault((one.devs[0], one.ino), one)
        if other.st_dev != one.st_dev:
            yield f"/proc/locks cannot tell {other.rel} from {one.rel}"


def owners(known: Iterable[Database], locks: Iterable[Lock], crowd: Sequence[Process]) -> Iterator[Owner | str]:
    """Who holds a lock on one of the files, or in words why that cannot be told.

    Where the device of the mount is that of the file, it names the file together with the inode. On btrfs the inode may
    belong to another subvolume: there the file must also be among the open files of the owner, or of anyone.
    """
    held: dict[tuple[str, int], list[int]] = {}
    for lock in locks:
        held.setdefault((lock.dev, lock.ino), []).append(lock.pid)
    for one in known:
        for pid in dict.fromkeys(pid for dev in one.devs for pid in held.get((dev, one.ino), ())):
            yield Owner(pid, one.rel) if len(one.devs) == 1 else _confirmed(pid, one, crowd)


def _confirmed(pid: int, one: Database, crowd: Sequence[Process]) -> Owner | str:
    owner = [process for process in crowd if process.pid == pid]
    if any(hostproc.files(process) is None for process in owner) or any(hostproc.openers(owner, one.st_dev, one.ino)):
        return Owner(pid, one.rel)
    heir = next(hostproc.openers((process for process in crowd if process.pid != os.getpid()), one.st_dev, one.ino), None)
    if heir:
        return Owner(heir.pid, one.rel)
    return f"process {pid} holds a lock on a file with the inode number of {one.rel}, in another subvolume perhaps"
