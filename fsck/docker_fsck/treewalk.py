"""Walks a data root as fast as `du` and adds up, by owner, what it takes; a part of the door for reading that opens folders only.

Memory grows with the depth of the tree and with the files that have several links, not with the number of files.
"""

import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from docker_fsck.facts import trouble
from docker_fsck.fdread import mount_id
from docker_fsck.reader import Reader
from docker_fsck.tally import OUTSIDE, Plot, Share, empty
from docker_fsck.values import Trouble

if TYPE_CHECKING:
    from os import _ScandirIterator as ScandirIterator


_WAITING: Final = 10_000  # so many folders of one folder are known by name before its listing is read on
_OPEN: Final = 64  # so many folders of a chain stay open; those above are opened again through ".."
_GIFT: Final = 4096
_GIVING: Final = 200  # from deeper than this nothing is given away: its path would be as long as the way there
_MOST_FAULTS: Final = 10_000
_GONE: Final = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}  # it went away meanwhile, whatever stands in its place now


class _Frame:
    """A folder on the way: `fd` -1 while it is closed, `waiting` folders still to be entered, `rest` of its listing."""

    __slots__ = ("dev", "fd", "ino", "name", "plot", "rest", "waiting")

    def __init__(self, fd: int, name: str, plot: Plot) -> None:
        facts = os.fstat(fd)
        self.fd, self.name, self.plot = fd, name, plot
        self.dev, self.ino = facts.st_dev, facts.st_ino
        self.waiting: list[str] = []
        self.rest: ScandirIterator[str] | None = None


class Walker:
    """Counts shares of a tree. `wanted` says, asked before each folder, whether somebody waits for work; `give` hands it over."""

    def __init__(
        self,
        reader: Reader,
        plot: Plot,
        owners: int,
        wanted: Callable[[], object] = lambda: False,
        give: Callable[[Share], object] = lambda _share: None,
    ) -> None:
        """A walker of the whole root; `plot` is the root's."""
        self.tally = empty(owners)
        self._reader, self._plot = reader, plot
        self._wanted, self._give = wanted, give
        self._base = ""
        self._frames: list[_Frame] = []

    def top(self) -> Share:
        """Count the root folder itself and its files; gives the folders in it."""
        fd = self._reader.enter("")
        if isinstance(fd, Trouble):
            self._note(fd)
            return Share("", ())
        frame = _Frame(fd, "", self._plot)
        self.tally.sectors[self._plot.owner] += os.fstat(fd).st_blocks
        self.tally.inodes[self._plot.owner] += 1
        self._frames, frame.rest = [frame], os.scandir(fd)
        names: list[str] = []
        while frame.rest is not None:
            self._read(frame)
            names += frame.waiting
            frame.waiting = []
        self._leave()
        return Share("", tuple(names))

    def walk(self, share: Share) -> None:
        """Count a share."""
        fd = self._reader.enter(share.path)
        if isinstance(fd, Trouble):
            if fd.state == "unreadable":
                self._note(fd)
            return
        plot = self._plot
        for part in share.path.split("/") if share.path else ():
            plot = plot.inside(part)
        frame = _Frame(fd, "", plot)
        frame.waiting = list(share.names)
        self._base, self._frames = share.path, [frame]
        while self._frames:
            here = self._frames[-1]
            if here.waiting:
                if self._wanted():
                    self._share_out()
                self._enter(here, here.waiting.pop())
            elif here.rest is not None:
                self._read(here)
            else:
                self._leave()

    def _enter(self, above: _Frame, name: str) -> None:
        """Open a folder, count what is in it; if folders are in it, it is the innermost from now on."""
        fd = -1
        try:
            fd = self._reader.step(name, above.fd)
            frame = _Frame(fd, name, above.plot if above.plot.plain else above.plot.inside(name))
            if frame.dev != above.dev and self._foreign(fd, above.fd):
                os.close(fd)
                return
            frame.rest = os.scandir(fd)
        except OSError as error:
            self._refused(self._path(name), error)
            if fd >= 0:
                os.close(fd)
            return
        self._frames.append(frame)
        if len(self._frames) > _OPEN:
            outer = self._frames[-_OPEN - 1]
            if outer.fd >= 0 and outer.rest is None:  # a listing still looks at its entries through the descriptor
                os.close(outer.fd)
                outer.fd = -1
        self._read(frame)

    def _leave(self) -> None:
        """Close the innermost folder; the one around it is opened again if it was closed."""
        left = self._frames.pop()
        above = self._frames[-1] if self._frames else None
        if above is not None and above.fd < 0:
            try:
                above.fd = self._reader.step("..", left.fd)
                facts = os.fstat(above.fd)
                moved = (facts.st_dev, facts.st_ino) != (above.dev, above.ino)
            except OSError:
                moved = True
            if moved:  # on a live host; what it still holds is somewhere else now
                self._note(Trouble(self._path(), "unreadable", "moved while it was read"))
                above.waiting = []
                self._shut(above)
        if left.fd >= 0:
            os.close(left.fd)

    @staticmethod
    def _foreign(fd: int, above: int) -> bool:
        """Whether a folder with another device number is another mount: subvolumes of btrfs differ in the number alone."""
        mount = mount_id(fd)
        return mount is None or mount != mount_id(above)

    def _read(self, frame: _Frame) -> None:
        """Count the entries of a folder and note the folders among them, until it is read or enough of them wait."""
        read = self._plain if frame.plot.plain else self._mixed
        try:
            if frame.rest is not None and read(frame, frame.rest):
                self._shut(frame)
        except OSError as error:
            self._refused(self._path(), error)
            self._shut(frame)

    @staticmethod
    def _shut(frame: _Frame) -> None:
        if frame.rest is not None:
            frame.rest.close()
            frame.rest = None

    def _plain(self, frame: _Frame, listing: "ScandirIterator[str]") -> bool:
        """A folder of one owner, the hot path: whether its listing came to an end."""
        sectors = inodes = 0
        dev, waiting, owner, done = frame.dev, frame.waiting, frame.plot.owner, True
        for entry in listing:
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError as error:
                self._refused(self._path(entry.name), error)
                continue
            if entry.is_dir(follow_symlinks=False):
                if found.st_dev != dev and self._other_mount(frame, entry.name):
                    continue
                waiting.append(entry.name)
                if len(waiting) >= _WAITING:
                    done = False
            elif found.st_dev != dev:
                continue  # a file that is mounted here
            elif found.st_nlink > 1:
                self.tally.link(dev, found.st_ino, owner, found.st_blocks)
                continue
            sectors += found.st_blocks
            inodes += 1
            if not done:
                break
        self.tally.sectors[owner] += sectors
        self.tally.inodes[owner] += inodes
        return done

    def _mixed(self, frame: _Frame, listing: "ScandirIterator[str]") -> bool:
        """As `_plain`, for a folder whose entries have owners of their own."""
        for entry in listing:
            owner = frame.plot.inside(entry.name).owner
            if owner == OUTSIDE:
                continue
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError as error:
                self._refused(self._path(entry.name), error)
                continue
            folder = entry.is_dir(follow_symlinks=False)
            if found.st_dev != frame.dev and not (folder and not self._other_mount(frame, entry.name)):
                continue
            if found.st_nlink > 1 and not folder:
                self.tally.link(found.st_dev, found.st_ino, owner, found.st_blocks)
                continue
            self.tally.sectors[owner] += found.st_blocks
            self.tally.inodes[owner] += 1
            if folder:
                frame.waiting.append(entry.name)
                if len(frame.waiting) >= _WAITING:
                    return False
        return True

    def _other_mount(self, frame: _Frame, name: str) -> bool:
        try:
            fd = self._reader.step(name, frame.fd)
        except OSError:
            return False  # it is counted, and entering it will say why it cannot be
        try:
            return self._foreign(fd, frame.fd)
        finally:
            os.close(fd)

    def _share_out(self) -> None:
        """Give half of the outermost waiting folders away; all the own work is kept if there is too little of it."""
        room = max(_GIVING - self._base.count("/"), 0)
        for depth, frame in enumerate(self._frames[:room]):
            if len(frame.waiting) > 1:
                some = frame.waiting[: min(len(frame.waiting) // 2, _GIFT)]
                del frame.waiting[: len(some)]
                self._give(Share(self._path(upto=depth + 1), tuple(some)))
                return

    def _path(self, name: str = "", upto: int | None = None) -> str:
        """The path of the innermost folder, or of the first `upto` on the way, or of an entry `name` in it."""
        parts = (self._base, *(frame.name for frame in self._frames[:upto]), name)
        return "/".join(part for part in parts if part)

    def _refused(self, path: str, error: OSError) -> None:
        if error.errno not in _GONE:
            self._note(Trouble(path, "unreadable", trouble(path, error).why))

    def _note(self, fault: Trouble) -> None:
        if len(self.tally.faults) < _MOST_FAULTS:
            self.tally.faults.append(fault)
