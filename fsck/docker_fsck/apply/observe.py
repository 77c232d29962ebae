"""Notes what stands at the paths of steps, and what was put away weighs; it never writes."""

import errno
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
from docker_fsck.values import Action, PutAway, SetMeta, Step, spell
from docker_fsck.weight import weigh as tree_weight

_NONE = {errno.ENODATA, errno.ENOTSUP, errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
CAPABILITY = "security.capability"


def observe(tree: Tree, step: Step) -> Was:
    """What stands at the path of `step` now."""
    found = tree.lstat(step.raw)
    if found is None:
        return Was(n=step.n)
    kind = kind_of(found.st_mode)
    return Was(
        n=step.n, kind=kind, ino=found.st_ino, mode=stat.S_IMODE(found.st_mode), uid=found.st_uid, gid=found.st_gid,
        atime_ns=found.st_atime_ns, mtime_ns=found.st_mtime_ns,
        caps=attribute(tree, step.raw, CAPABILITY) if kind == "file" else None,
        xattrs=attributes(tree, step.raw, step) if isinstance(step, SetMeta) else (),
    )  # fmt: skip


def attributes(tree: Tree, path: str, step: SetMeta) -> tuple[tuple[str, bytes | None], ...]:
    """The extended attributes that `step` changes, as they are now at `path`."""
    return tuple((name, attribute(tree, path, name)) for name, _ in step.xattrs)


def attribute(tree: Tree, path: str, what: str) -> bytes | None:
    """An extended attribute of the file or folder `path`, None where it has none."""
    try:
        with tree.parent(path) as (folder, name):
            fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            try:
                return os.getxattr(f"/proc/self/fd/{fd}", what)
            finally:
                os.close(fd)
    except OSError as error:
        if error.errno not in _NONE:
            raise
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
