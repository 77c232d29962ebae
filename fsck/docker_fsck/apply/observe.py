"""Notes what stands at the paths of steps, and what was put away weighs; it never writes."""

import os
import stat
from collections.abc import Iterable
from contextlib import closing, suppress

from docker_fsck.apply.journal import Times, Was
from docker_fsck.apply.shelves import Shelves
from docker_fsck.apply.tree import Tree
from docker_fsck.facts import Weight, kind_of
from docker_fsck.reader import Reader
from docker_fsck.steps import Unpack
from docker_fsck.values import Action, PutAway, Step, spell
from docker_fsck.weight import weigh as tree_weight

CAPABILITY = "security.capability"


def observe(tree: Tree, step: Step) -> Was:
    """What stands at the path of `step` now."""
    found = tree.lstat(step.raw)
    if found is None:
        return Was(n=step.n)
    kind = kind_of(found.st_mode)
    return Was(
        n=step.n, kind=kind, ino=found.st_ino, mode=stat.S_IMODE(found.st_mode), uid=found.st_uid, gid=found.st_gid,
        atime_ns=found.st_atime_ns, mtime_ns=found.st_mtime_ns, caps=capability(tree, step.raw) if kind == "file" else None,
    )  # fmt: skip


def capability(tree: Tree, path: str) -> bytes | None:
    """The file capability of the regular file `path`."""
    with suppress(OSError), tree.parent(path) as (folder, name):
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            return os.getxattr(f"/proc/self/fd/{fd}", CAPABILITY)
        finally:
            os.close(fd)
    return None


def folder_times(tree: Tree, folders: set[str]) -> tuple[Times, ...]:
    """The times of those of `folders` that are there, sorted by path."""
    found = []
    for folder in sorted(folders):
        with suppress(OSError):
            if (facts := tree.lstat(folder)) is not None:
                path, coded = spell(folder)
                found.append(Times(path=path, path_b64=coded, atime_ns=facts.st_atime_ns, mtime_ns=facts.st_mtime_ns))
    return tuple(found)


def weigh(tree: Tree, shelves: Shelves, actions: Iterable[Action], made: dict[int, int]) -> int:
    """The allocated bytes that were put away: as planned for whole actions, else weighed."""
    total = 0
    with closing(Reader(tree.root)) as reader:
        for action in actions:
            done = [step for step in action.steps if step.n in made]
            if len(done) == len(action.steps):
                total += action.bytes
                continue
            for step in done:
                weight = tree_weight(reader, shelves.kept(step)) if isinstance(step, PutAway | Unpack) else None
                total += weight.bytes if isinstance(weight, Weight) else 0
    return total
