"""Goes through a folder with two descriptors open at any depth; it enters no link and no other mount, and changes nothing."""

import errno
import os
from contextlib import suppress
from typing import Protocol

from msgspec import Struct

from docker_fsck.apply.tree import READING, mount_id, words
from docker_fsck.errors import FsckError
from docker_fsck.facts import SUBVOLUME

MOUNTED = "another file system is mounted here"


class Hand(Protocol):
    """What is done on the way. `around` is the open folder in which `name` lies, `path` what people call it."""

    def enters(self, around: int, name: str, path: str, below: os.stat_result) -> bool:
        """A folder, before it is gone through; False leaves it out."""

    def meets(self, around: int, name: str, path: str) -> None:
        """Anything but a folder."""

    def leaves(self, around: int, name: str, path: str) -> None:
        """A folder that was gone through."""

    def fails(self, path: str, error: OSError) -> None:
        """What the kernel did not give."""

    def stops(self, path: str, why: str) -> None:
        """What must not be entered."""


class _Level(Struct, frozen=True):
    """A folder on the way down: its name, its device and inode, and the folders in it that are still to be gone through."""

    name: str
    file: tuple[int, int]
    folders: list[str]


class Walk:
    """One way through a folder, children before their parents. The way up is `..`, which must lead where it came from."""

    def __init__(self, hand: Hand) -> None:
        """`hand` does the work."""
        self._hand = hand
        self._fd = -1
        self._trail: list[_Level] = []

    def through(self, base: int, where: str, top: str) -> None:
        """Go through the folder `top` of the open folder `base`, whose path is `where`."""
        mount, self._fd = mount_id(base), os.dup(base)
        self._trail = [_Level(where, identity(os.fstat(base)), [top])]
        try:
            while self._trail[0].folders or len(self._trail) > 1:
                if self._trail[-1].folders:
                    self._down(mount)
                else:
                    self._up()
        finally:
            os.close(self._fd)

    def _open(self, name: str) -> int:
        return os.open(name, READING | os.O_DIRECTORY, dir_fd=self._fd)

    def _move(self, fd: int) -> None:
        os.close(self._fd)
        self._fd = fd

    def _path(self, name: str) -> str:
        return "/".join(filter(None, [*(level.name for level in self._trail), name]))

    def _down(self, mount: str) -> None:
        """Enter the next folder and show what in it is no folder."""
        name = self._trail[-1].folders.pop()
        path = self._path(name)
        try:
            below = self._open(name)
        except OSError as error:
            self._hand.fails(path, error)
            return
        facts = os.fstat(below)
        other = mount_id(below) != mount
        if other or not self._hand.enters(self._fd, name, path, facts):
            os.close(below)
            if other:
                self._hand.stops(path, MOUNTED)
            return
        self._move(below)
        self._trail.append(_Level(name, identity(facts), []))
        try:
            with os.scandir(below) as listing:
                entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in listing]
        except OSError as error:
            self._hand.fails(path, error)
            return
        self._trail[-1].folders.extend(entry for entry, folder in entries if folder)
        for entry, folder in entries:
            if not folder:
                self._hand.meets(below, entry, self._path(entry))

    def _up(self) -> None:
        """Go back to the folder above."""
        self._move(self._open(".."))
        name = self._trail.pop().name
        if identity(os.fstat(self._fd)) != self._trail[-1].file:
            raise FsckError(f"{self._path(name)} was moved while it was being removed")
        self._hand.leaves(self._fd, name, self._path(name))


def identity(facts: os.stat_result) -> tuple[int, int]:
    """What tells one file from all others on the same host: the inodes of two subvolumes may have one number."""
    return facts.st_dev, facts.st_ino


class Census(Struct):
    """A hand that only looks at a subvolume: which subvolumes it holds, what they take, and why it must not go.

    `found` has the path of each from the open folder, itself first and each before those in it, with its device and inode;
    `bytes` the allocated bytes by device, hard links once.
    """

    found: dict[str, tuple[int, int]] = {}
    bytes: dict[int, int] = {}
    trouble: tuple[str, str] | None = None
    _seen: set[tuple[int, int]] = set()

    def enters(self, around: int, name: str, path: str, below: os.stat_result) -> bool:
        """Note it if it is a subvolume."""
        del around, name
        if below.st_ino == SUBVOLUME:
            self.found[path] = identity(below)
        self._add(below)
        return True

    def meets(self, around: int, name: str, path: str) -> None:
        """Weigh it."""
        del path
        with suppress(FileNotFoundError):
            self._add(os.stat(name, dir_fd=around, follow_symlinks=False))

    def leaves(self, around: int, name: str, path: str) -> None:
        """Nothing is left to do."""

    def fails(self, path: str, error: OSError) -> None:
        """What was not seen may hold a subvolume or a mount."""
        if error.errno != errno.ENOENT:
            self.stops(path, words(error))

    def stops(self, path: str, why: str) -> None:
        """Keep the first reason."""
        self.trouble = self.trouble or (path, why)

    def _add(self, facts: os.stat_result) -> None:
        if identity(facts) not in self._seen:
            if facts.st_nlink > 1:
                self._seen.add(identity(facts))
            self.bytes[facts.st_dev] = self.bytes.get(facts.st_dev, 0) + facts.st_blocks * 512
