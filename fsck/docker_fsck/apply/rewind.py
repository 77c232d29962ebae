"""Looks whether a transaction can be taken back whole, by going back through it on paper; it never writes."""

import hashlib
import os
import stat
from typing import Literal

from msgspec import structs

from docker_fsck.apply.batches import ordered
from docker_fsck.apply.journal import Was
from docker_fsck.apply.observe import attributes
from docker_fsck.apply.shelves import Shelves
from docker_fsck.apply.site import ancestors
from docker_fsck.apply.story import Story
from docker_fsck.apply.tree import Tree, words
from docker_fsck.errors import Refused
from docker_fsck.facts import kind_of
from docker_fsck.mounttable import UNLISTED
from docker_fsck.steps import Unpack
from docker_fsck.values import MakeDir, PutAway, Relink, SetMeta, Step, WriteFile

_LOST = 0o6000
"""The bits that a change of owner takes from a mode, until the same step gives them back."""

State = Literal["before", "half", "done"]


class StuckError(Exception):
    """The step being looked at cannot be taken back, and why."""


class Rewind:
    """The root as it looks while the steps are taken back, last first, though nothing is moved.

    A thing that would be back home is looked at where it lies now. The newest change above a path counts.
    """

    def __init__(self, tree: Tree, shelves: Shelves) -> None:
        """Start from the root as it is."""
        self.tree = tree
        self._shelves = shelves
        self._turn = 0
        self._moved: dict[str, tuple[int, str | None]] = {}
        self._mounts: dict[str, str | None] = {}

    def place(self, path: str) -> str | None:
        """Where that which would stand at `path` lies now; None if nothing would stand there."""
        newest, found = 0, path or None
        for above in (path, *ancestors(path)):
            turn, place = self._moved.get(above, (0, None))
            if turn > newest:
                newest, found = turn, None if place is None else place + path[len(above) :]
        return found

    def lstat(self, path: str) -> os.stat_result | None:
        """Lstat of what would stand at `path`."""
        place = self.place(path)
        return None if place is None else self.tree.lstat(place)

    def kept(self, step: Step, was: Was) -> int:
        """The inode of what the step has put away, 0 for none."""
        return known(self.tree.lstat(self._shelves.kept(step)), was)

    def staged(self, step: Step) -> bool:
        """Whether what the step makes is not at its path yet."""
        return self.tree.lstat(self._shelves.draft(step)) is not None

    def home(self, step: Step) -> None:
        """From here on, what the step has put away is back at its path."""
        self._turn += 1
        self._moved[step.raw] = (self._turn, self._shelves.kept(step))

    def gone(self, step: Step) -> None:
        """From here on, nothing stands at the step's path."""
        self._turn += 1
        self._moved[step.raw] = (self._turn, None)

    def reachable(self, path: str) -> None:
        """The folder of `path` must be there, on the mount of the shelves from which it gets back what was in it."""
        folder = path.rpartition("/")[0]
        place = self.place(folder) if folder else ""
        found = self.tree.lstat(place) if place is not None else None
        if place is None or found is None or not stat.S_ISDIR(found.st_mode):
            raise StuckError("the folder in which it was is gone")
        if place not in self._mounts:
            self._mounts[place] = self.tree.mount_above(place, self._shelves.home(path))
        if mount := self._mounts[place]:
            bound = "; if it is its own folder, as a killed engine leaves it, unmount that" if mount in UNLISTED else ""
            raise StuckError(f"another file system is mounted on {mount}{bound}")


def known(found: os.stat_result | None, was: Was) -> int:
    """The inode of what was found, 0 for nothing; that of `was` also where a copy of the whole root gave it another one.

    A faithful copy keeps kind, mode, owner and time: only then the two are taken for one.
    """
    if found is None:
        return 0
    old = (was.kind, was.mode, was.uid, was.gid, was.mtime_ns)
    now = (kind_of(found.st_mode), stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, found.st_mtime_ns)
    return was.ino if was.ino and now == (old[0], stat.S_IMODE(old[1]), *old[2:]) else found.st_ino


def here(tree: Tree, shelves: Shelves, step: Step, was: Was) -> Was:
    """`was` with the inode that it has in this root, which is another one where the whole root was copied."""
    path = step.raw if isinstance(step, SetMeta) else shelves.kept(step)
    found = tree.lstat(path)
    if found is None or not was.ino or known(found, was) != was.ino:
        return was
    return structs.replace(was, ino=found.st_ino)


def sequence(story: Story) -> list[Step]:
    """The steps that were begun and not skipped, in the order in which they were done."""
    actions = story.planned.actions if story.planned else ()
    return [step for step in ordered(actions) if step.n in story.was and step.n not in story.skipped]


def examine(tree: Tree, txn: str, story: Story) -> dict[int, State]:
    """How far each step that was begun has come. `Refused`, with the path, if one cannot be taken back.

    Goes back from the last step, so that each home is looked at as it was right after its own step.
    """
    rewind = Rewind(tree, story.shelves)
    states: dict[int, State] = {}
    for step in reversed(sequence(story)):
        try:
            states[step.n] = _state(rewind, step, story.was[step.n], story.made.get(step.n, 0))
        except StuckError as stuck:
            raise Refused(f"transaction {txn} cannot be taken back whole: {step.path}: {stuck}") from None
        except OSError as error:
            raise Refused(f"transaction {txn} cannot be taken back whole: {step.path}: {words(error)}") from None
    return states


def _state(rewind: Rewind, step: Step, was: Was, made: int) -> State:
    match step:
        case PutAway():
            state = _put_away(rewind, step, was)
        case WriteFile() | Relink():
            state = _new(rewind, step, was)
        case MakeDir():
            state = _made_dir(rewind, step, was)
        case SetMeta():
            state = _meta(rewind, step, was, made)
        case Unpack():
            state = _unpacked(rewind, step, was)
    if state != "before":
        rewind.reachable(step.raw)
    return state


def _put_away(rewind: Rewind, step: PutAway, was: Was) -> State:
    kept, here = rewind.kept(step, was), rewind.lstat(step.raw)
    if not kept:
        if was.ino != known(here, was):
            raise StuckError("it is neither in the quarantine nor at its place")
        return "before"
    if kept != was.ino:
        raise StuckError("another thing lies in its place in the quarantine")
    if here is not None:
        raise StuckError("its place is occupied")
    rewind.home(step)
    return "done"


def _new(rewind: Rewind, step: WriteFile | Relink, was: Was) -> State:
    kept, here = rewind.kept(step, was), rewind.lstat(step.raw)
    if here is not None and known(here, was) == was.ino:
        return "half" if kept == was.ino else "before"
    if here is not None and not _ours(rewind, step, here):
        raise StuckError("its place is occupied" if was.kind == "absent" else "it was changed since")
    if was.kind == "absent":
        rewind.gone(step)
        return "before" if here is None else "done"
    if kept != was.ino:
        raise StuckError("what stood there before is not in the quarantine")
    rewind.home(step)
    return "half" if here is None else "done"


def _ours(rewind: Rewind, step: WriteFile | Relink, here: os.stat_result) -> bool:
    place = rewind.place(step.raw) or ""
    match step:
        case WriteFile(data=data):
            same = stat.S_ISREG(here.st_mode) and here.st_size == len(data)
            return same and rewind.tree.digest(place) == hashlib.sha256(data).hexdigest()
        case Relink(target=target):
            return stat.S_ISLNK(here.st_mode) and rewind.tree.target(place) == target


def _unpacked(rewind: Rewind, step: Unpack, was: Was) -> State:
    """Whether the new folder is in its place the shelf tells; its owner, mode and time may be those of the old one."""
    kept, here, staged = rewind.kept(step, was), rewind.lstat(step.raw), rewind.staged(step)
    if was.kind == "absent" or kept == was.ino:
        if here is not None and (staged or not stat.S_ISDIR(here.st_mode)):
            raise StuckError("its place is occupied")
        if kept:
            rewind.home(step)
        else:
            rewind.gone(step)
        if here is not None:
            return "done"
        return "half" if kept or staged else "before"
    if kept or known(here, was) != was.ino:
        raise StuckError("what stood there before is neither in the quarantine nor at its place")
    return "half" if staged else "before"


def _made_dir(rewind: Rewind, step: MakeDir, was: Was) -> State:
    here = rewind.lstat(step.raw)
    if here is None or was.kind != "absent":
        return "before"
    if not stat.S_ISDIR(here.st_mode):
        raise StuckError("its place is occupied")
    for name in rewind.tree.names(rewind.place(step.raw) or ""):
        if rewind.lstat(f"{step.raw}/{name}") is not None:
            raise StuckError("something was put into it since")
    rewind.gone(step)
    return "done"


def _meta(rewind: Rewind, step: SetMeta, was: Was, made: int) -> State:
    here = rewind.lstat(step.raw)
    if here is None or (here.st_ino != was.ino and kind_of(here.st_mode) != was.kind):
        raise StuckError("it was replaced since")
    every = [
        (stat.S_IMODE(here.st_mode), was.mode, step.mode, ~_LOST), (here.st_uid, was.uid, step.uid, -1),
        (here.st_gid, was.gid, step.gid, -1),
    ]  # fmt: skip
    if any(new is not None and now & mask not in {old & mask, new & mask} for now, old, new, mask in every):
        raise StuckError("its mode or owner was changed since")
    fields: list[tuple[object, object, object]] = [(now, old, new) for now, old, new, _ in every if new is not None]
    now = attributes(rewind.tree, rewind.place(step.raw) or "", step)
    if any(each not in pair for each, pair in zip(now, zip(was.xattrs, step.xattrs, strict=True), strict=True)):
        raise StuckError("its attributes were changed since")
    if step.xattrs:
        fields.append((now, was.xattrs, step.xattrs))
    if step.mtime_ns is not None:
        fields.append((here.st_mtime_ns, was.mtime_ns, step.mtime_ns))
    if made and all(now == new for now, _, new in fields):
        return "done"
    return "before" if all(now == old for now, old, _ in fields) else "half"
