"""What the kernel says of a path, as values: lstat, kinds, errors; opens nothing."""

import errno
import os
import stat
import sys

import msgspec

from docker_fsck.values import Trouble

_GONE = {errno.ENOENT}
_WRONG = {errno.EISDIR, errno.ENXIO, errno.ENAMETOOLONG, errno.EINVAL, errno.ENODEV, errno.EXDEV}


DAMAGED = ("input/output error", "structure needs cleaning")
"""What a `Trouble` says where the file system or the disk below it is damaged: EIO and EUCLEAN."""

SUBVOLUME = 256
"""The inode number of the top of every btrfs subvolume, and of nothing else on btrfs."""


class Facts(msgspec.Struct, frozen=True):
    """What lstat says; `kind` is file, dir, link or other. Times in ns, `blocks` in units of 512 bytes."""

    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    nlink: int
    dev: int
    ino: int
    mtime_ns: int
    ctime_ns: int
    blocks: int


class Row(msgspec.Struct, frozen=True):
    """One folder of a table: what it holds (name to kind) and the bytes of the files that were asked for and are there."""

    entries: dict[str, str]
    files: dict[str, bytes | Trouble]


class Weight(msgspec.Struct, frozen=True):
    """A tree's bytes that no link from outside keeps, its newest ctime and mtime in ns, and why it was not seen whole.

    `inner`: how many btrfs subvolumes lie in it, itself not counted. `shared`: by (device, inode) of files that have more links
    than the tree holds: links in it, links in all, bytes.
    """

    bytes: int
    newest_ns: int
    partial: str = ""
    inner: int = 0
    modified_ns: int = 0
    shared: dict[tuple[int, int], tuple[int, int, int]] = {}


def kind_of(mode: int) -> str:
    """The kind of file in words."""
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "dir"
    return "link" if stat.S_ISLNK(mode) else "other"


def trouble(path: str, error: OSError) -> Trouble:
    """The `Trouble` that an error of the kernel means."""
    words = (error.strerror or str(error)).lower()
    if error.errno in _GONE:
        return Trouble(path, "absent", words)
    if error.errno in {errno.ENOTDIR, errno.ELOOP}:
        return Trouble(path, "wrong", "another kind of file stands here, or a link, which is not followed")
    if error.errno in _WRONG:
        return Trouble(path, "wrong", words)
    return Trouble(path, "unreadable", words)


_kept = sys.intern
"""Thousands of folders have the same few names in them."""


def entries_of(fd: int) -> dict[str, str]:
    """The names in an open folder, each with its kind; nothing is followed."""
    with os.scandir(fd) as listing:
        return {_kept(entry.name): "file" if entry.is_file(follow_symlinks=False) else _kind(entry) for entry in listing}


def _kind(entry: "os.DirEntry[str]") -> str:
    if entry.is_dir(follow_symlinks=False):
        return "dir"
    return "link" if entry.is_symlink() else "other"


def facts_of(found: os.stat_result) -> Facts:
    """The `Facts` of an lstat."""
    return Facts(
        kind_of(found.st_mode), found.st_mode, found.st_uid, found.st_gid, found.st_size, found.st_nlink,
        found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_blocks,
    )  # fmt: skip
