"""Compares the guards of a plan with the disk, knowing what the plan's own steps have changed; it never writes."""

import os

from docker_fsck.apply.tree import Tree, words
from docker_fsck.values import Guard, Step


class Guards:
    """The guards' view of the root while a plan is carried out.

    `then` is the root's device number when the plan was made; device numbers may be others after a restart, inodes not.
    """

    def __init__(self, tree: Tree, then: int) -> None:
        """Start without any change of our own."""
        self._tree = tree
        self._then = then
        self._ours: dict[str, tuple[int, int, int] | None] = {}
        self._shifted: dict[tuple[int, int], tuple[int, int]] = {}  # every subvolume has the inode 256

    def why_not(self, guard: Guard) -> str:
        """Why the guard does not hold, nothing if it does."""
        path = guard.raw
        try:
            found = self._tree.lstat(path)
            if path in self._ours:
                return "" if self._ours[path] == _identity(found) else "changed since a step of this plan made it"
            if guard.absent:
                return "" if found is None else "something stands there now"
            return "gone" if found is None else self._other(guard, found)
        except OSError as error:
            return words(error)

    def _other(self, guard: Guard, found: os.stat_result) -> str:
        if found.st_ino != guard.ino or not self._same_device(guard, found):
            return "replaced by another file"
        if (found.st_ctime_ns, found.st_size) != self._shifted.get(_file(found), (guard.ctime_ns, guard.size)):
            return "changed"
        if isinstance(guard.sha256, str) and self._tree.digest(guard.raw) != guard.sha256.removeprefix("sha256:"):
            return "its content changed"
        return ""

    def changed(self, step: Step, kept: str) -> None:
        """Take a step that was just done into account: at its path, in its folder, and on what it keeps at `kept`.

        The inode of what it keeps has another ctime now, and may have more names than one.
        """
        path = step.raw
        above = path.rpartition("/")[0]
        found, folder = self._look(path), self._look(above)
        self._ours[path] = _identity(found)
        if above in self._ours:
            self._ours[above] = _identity(folder)
        for facts in (found, folder, self._look(kept)):
            if facts is not None:
                self._shifted[_file(facts)] = (facts.st_ctime_ns, facts.st_size)

    def _look(self, path: str) -> os.stat_result | None:
        try:
            return self._tree.lstat(path)
        except OSError:  # then no guard on it will hold
            return None

    def _same_device(self, guard: Guard, found: os.stat_result) -> bool:
        if self._then == self._tree.dev:
            return found.st_dev == guard.dev
        return guard.dev != self._then or found.st_dev == self._tree.dev


def _file(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _identity(found: os.stat_result | None) -> tuple[int, int, int] | None:
    return None if found is None else (found.st_ino, found.st_ctime_ns, found.st_size)
