"""Folders of the data root, found part by part by descriptor: no link and no other mount is entered. Only reader.py uses it."""

import copy
import os
from typing import Self

from docker_fsck.facts import trouble
from docker_fsck.fdread import possible, sparing
from docker_fsck.values import Trouble

MOUNTED = "another file system is mounted here"
DIR_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
MOST_OPEN = 256


class Folders:
    """The open root with the folders that were asked for last. `unread` is what the kernel refused, in the order it was met.

    `mounts` are paths where another file system begins; with `blind` they are not known, and the device number must tell.
    """

    def __init__(self, root: str) -> None:
        """Open `root`. Raises `OSError`."""
        self.unread: dict[str, Trouble] = {}
        self.noatime = os.O_NOATIME
        self.fd = self.open_at(root, DIR_FLAGS, None)
        self.dev = os.fstat(self.fd).st_dev
        self.mounts: frozenset[str] = frozenset()
        self.blind = False
        self._open: dict[str, int] = {}

    def close(self) -> None:
        """Close every descriptor; once is enough."""
        for fd in (*self._open.values(), self.fd):
            if fd >= 0:
                os.close(fd)
        self._open.clear()
        self.fd = -1

    def twin(self) -> Self:
        """The same root with descriptors and notes of its own."""
        made = copy.copy(self)
        made.fd = os.open(".", DIR_FLAGS, dir_fd=self.fd)
        made._open, made.unread = {}, {}  # noqa: SLF001 - of the same class
        return made

    def note(self, fault: Trouble) -> Trouble:
        """The fault itself, remembered if the kernel refused something."""
        if fault.state == "unreadable":
            self.unread.setdefault(fault.path, fault)
        return fault

    def open_at(self, name: str, flags: int, dir_fd: int | None) -> int:
        """A descriptor that leaves the access time alone where that is allowed. Raises `OSError`."""
        return sparing(name, flags, self.noatime, dir_fd)

    def place(self, path: str) -> tuple[int, str] | Trouble:
        """The open folder around `path` and its last name."""
        base, _, name = path.rpartition("/")
        if path and (name in {"", ".", ".."} or not possible(path)):
            return Trouble(path, "wrong", "no name that a file can have")
        fd = self.folder(base)
        return Trouble(path, fd.state, fd.why) if isinstance(fd, Trouble) else (fd, name)

    def folder(self, path: str) -> int | Trouble:
        """A descriptor of the folder `path` that stays open as long as the reader."""
        if not path:
            return self.fd
        fd = self._open.get(path)
        if fd is not None:
            return fd
        made = self.walk(path)
        if isinstance(made, Trouble):
            return made
        if len(self._open) >= MOST_OPEN:
            for old in list(self._open.values()):
                os.close(old)
            self._open.clear()
        self._open[path] = made
        return made

    def walk(self, path: str) -> int | Trouble:
        """Open the folder `path` part by part; no link and no other mount is entered."""
        base, _, name = path.rpartition("/")
        start = self._open.get(base, -1)
        here, parts, at = (start, [name], base) if start >= 0 and base else (self.fd, path.split("/"), "")
        opened = -1  # the descriptor that this walk itself holds
        for part in parts:
            at = f"{at}/{part}" if at else part
            fault = Trouble(at, "wrong", "leads out of the folder") if part in {"", ".", ".."} or not possible(part) else None
            if at in self.mounts:
                fault = Trouble(at, "wrong", MOUNTED)
            try:
                if fault is None:
                    previous, opened = opened, self.open_at(part, DIR_FLAGS, here)
                    if self.blind and os.fstat(opened).st_dev != self.dev:
                        fault = Trouble(at, "wrong", MOUNTED)
                    here = opened
                    if previous >= 0:
                        os.close(previous)
                    if fault is None:
                        continue
            except OSError as error:
                fault = self.note(trouble(at, error))
            if opened >= 0:
                os.close(opened)
            return fault
        return opened
