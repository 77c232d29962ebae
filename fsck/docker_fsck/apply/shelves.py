"""Where a transaction keeps what it puts away: names and open folders; nothing is made, moved or deleted here."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from msgspec import Struct

from docker_fsck.apply.tree import FOLDER, Tree
from docker_fsck.errors import Refused
from docker_fsck.mounttable import UNLISTED, foreign_mounts
from docker_fsck.reader import QUARANTINE
from docker_fsck.values import Step

NAMES = ("q", "t", "u")
"""The folders of a transaction: what was put away, new things before their time, new things that undo took out."""


class Shelves(Struct, frozen=True):
    """The folders of the transaction `txn`: below the root, and below each of `homes`.

    `homes` are driver homes that were a mount of their own when it began: what lies there stays there, since nothing can
    be renamed out of a mount (architecture section 6).
    """

    txn: str
    homes: tuple[str, ...] = ()

    def home(self, path: str) -> str:
        """The driver home in which `path` stays when it is put away; empty for the root's own quarantine."""
        first, inside, _ = path.partition("/")
        return first if inside and first in self.homes else ""

    def kept(self, step: Step) -> str:
        """Where that which the step puts away lies then."""
        return f"{place(self.home(step.raw))}/{self.txn}/q/{step.n}"

    def draft(self, step: Step) -> str:
        """Where that which the step makes lies before it is put in its place."""
        return f"{place(self.home(step.raw))}/{self.txn}/t/{step.n}"

    @property
    def places(self) -> tuple[str, ...]:
        """The driver homes with folders of the transaction, the root itself (empty) first."""
        return ("", *self.homes)


class Shelf(Struct, frozen=True):
    """The open folders of a transaction in one place."""

    base: int
    q: int
    t: int
    u: int


def place(home: str) -> str:
    """The quarantine of a driver home, that of the root for an empty one."""
    return f"{home}/{QUARANTINE}" if home else QUARANTINE


def mounted_homes(tree: Tree, steps: Iterable[Step]) -> tuple[str, ...]:
    """The driver homes that are bound to themselves, as a killed engine leaves them, and in which one of the steps works."""
    wanted = {step.raw.partition("/")[0] for step in steps if "/" in step.raw}.intersection(UNLISTED)
    foreign = foreign_mounts(tree.root) if wanted else frozenset()
    if foreign is None:
        return ()
    found = []
    for home in sorted(wanted - foreign):
        with suppress(OSError):
            found += [home] if tree.mount_above(home) else []
    return tuple(found)


@contextmanager
def quarantine(tree: Tree, home: str) -> Iterator[int]:
    """The open quarantine of a driver home. `Refused` if it is not there, not ours alone, or a mount of its own."""
    name = place(home)
    try:
        fd = tree.open(name)
    except FileNotFoundError:
        raise Refused(f"{name} is not there") from None
    try:
        facts = os.fstat(fd)
        if facts.st_uid != os.geteuid() or stat.S_IMODE(facts.st_mode) & 0o022:
            raise Refused(f"{name} belongs to another user or can be written by others")
        if mount := tree.mount_above(name, home):
            raise Refused(f"another file system is mounted on {mount}: nothing could be renamed into it")
        yield fd
    finally:
        os.close(fd)


def opened(tree: Tree, shelves: Shelves, stack: ExitStack) -> dict[str, Shelf]:
    """The open folders by driver home; `stack` closes them."""
    found = {}
    for home in shelves.places:
        with quarantine(tree, home) as fd:
            base = os.open(shelves.txn, FOLDER, dir_fd=fd)
        stack.callback(os.close, base)
        folders = [os.open(name, FOLDER, dir_fd=base) for name in NAMES]
        for each in folders:
            stack.callback(os.close, each)
        found[home] = Shelf(base, *folders)
    return found
