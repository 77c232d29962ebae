"""The folders of transactions: made, or taken from what an earlier run set aside for a full disk; part of the door for writing.

A folder needs an inode and a block of its own, a rename neither: with folders that are there already, apply puts away and
undo takes back where the disk has not a single byte or inode left.
"""

import os
from contextlib import suppress

from docker_fsck.apply.journal import AT, FRESH, LINK
from docker_fsck.apply.kernel import flush, reserve, write_all
from docker_fsck.apply.shelves import NAMES, Shelves, quarantine
from docker_fsck.apply.tree import FOLDER, Tree
from docker_fsck.apply.writer import rename_new
from docker_fsck.errors import Refused
from docker_fsck.reader import QUARANTINE

SPARE = "spare"
_ROOM = 4096
"""Bytes of the file that is set aside for the path of a journal (PATH_MAX)."""


def prepare(tree: Tree, home: str = "") -> None:
    """Make the quarantine of a driver home, or of the root, if it is not there; the times of the folder around it stay."""
    fd = tree.open(home)
    try:
        before = os.stat(".", dir_fd=fd)
        with suppress(FileExistsError):
            os.mkdir(QUARANTINE, 0o700, dir_fd=fd)
            os.utime(".", ns=(before.st_atime_ns, before.st_mtime_ns), dir_fd=fd)
            flush(fd)
    finally:
        os.close(fd)


def reserve_journal(tree: Tree, size: int) -> None:
    """Set disk aside for a journal in the quarantine before anything else is made, so that a full disk takes no folders."""
    with quarantine(tree, "") as around:
        fd = os.open(FRESH, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=around)
        try:
            reserve(fd, size)
        finally:
            os.close(fd)


def start(tree: Tree, shelves: Shelves) -> None:
    """Have the folders of a new transaction, those of the root first. `Refused` if a quarantine is not ours alone."""
    for home in shelves.places:
        prepare(tree, home)
        with quarantine(tree, home) as around:
            if not home:
                with suppress(FileNotFoundError):
                    rename_new(SPARE, shelves.txn, around, around)
            _complete(around, shelves.txn)
            flush(around)


def _complete(around: int, name: str) -> None:
    """The folder `name` with all shelves; what is there already stays."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=around)
    folder = os.open(name, FOLDER, dir_fd=around)
    try:
        for shelf in NAMES:
            with suppress(FileExistsError):
                os.mkdir(shelf, 0o700, dir_fd=folder)
        flush(folder)
    finally:
        os.close(folder)


def set_aside(tree: Tree) -> None:
    """Make the root's folders of the next transaction while there is room; that there is none any more is nobody's fault."""
    with suppress(OSError, Refused), quarantine(tree, "") as around:
        _complete(around, SPARE)
        _blank(around, SPARE, os.O_CREAT)
        flush(around)


def _blank(around: int, name: str, how: int) -> None:
    """Give the file that is set aside for the path of a journal its room, and nothing in it."""
    fd = os.open(f"{name}/{AT}", os.O_WRONLY | how | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=around)
    try:
        write_all(fd, b"\n" * _ROOM)
        os.fsync(fd)
    finally:
        os.close(fd)


def give_back(tree: Tree, txn: str) -> None:
    """Set the folders aside again of a transaction that could not begin, less what leads to its journal."""
    with suppress(OSError, Refused), quarantine(tree, "") as around:
        with suppress(FileNotFoundError):
            os.rename(f"{txn}/{LINK}", f"{txn}/t/{LINK}", src_dir_fd=around, dst_dir_fd=around)
        with suppress(FileNotFoundError):
            _blank(around, txn, 0)
        rename_new(txn, SPARE, around, around)
        flush(around)


def lacking(tree: Tree, shelves: Shelves, journal: int, writes: int) -> str:
    """What the disk surely lacks for a transaction to begin, nothing if it may have enough; parameters as of `needs`."""
    disk = _disk(tree)
    inodes = _folders(tree, shelves) + (journal > 0)
    few = disk is not None and disk.f_files > 0 and inodes > disk.f_ffree  # btrfs has no fixed number
    full = disk is not None and journal > disk.f_bfree * disk.f_frsize
    return needs(tree, shelves, journal, writes) if few or full else ""


def needs(tree: Tree, shelves: Shelves, journal: int, writes: int) -> str:
    """What a transaction needs to begin, and what there is, in words.

    `journal` are the bytes of a journal in the quarantine, 0 for one elsewhere; `writes` the new files and folders of the plan.
    """
    disk, folders = _disk(tree), _folders(tree, shelves)
    if disk is None:
        return ""
    told = f"{journal + folders * disk.f_frsize} bytes are needed, {disk.f_bavail * disk.f_frsize} are free"
    if disk.f_files:
        told += (
            f"; {folders + (journal > 0)} inodes are needed, and {writes} more for what the plan writes; {disk.f_ffree} are free"
        )
    return told


def _folders(tree: Tree, shelves: Shelves) -> int:
    """How many folders have to be made."""
    ready = _there(tree, f"{QUARANTINE}/{SPARE}")
    return (len(shelves.places) - ready) * (1 + len(NAMES)) + (not _there(tree, QUARANTINE))


def _there(tree: Tree, path: str) -> bool:
    with suppress(OSError):
        return tree.lstat(path) is not None
    return False


def _disk(tree: Tree) -> os.statvfs_result | None:
    try:
        return os.fstatvfs(tree.fd)
    except OSError:  # kernels before 3.12 do not tell it of such a descriptor: then the first write will
        return None
