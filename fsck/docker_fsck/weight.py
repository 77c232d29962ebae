"""How much a tree on the data root takes and how young it is; reads through the reader alone."""

from collections.abc import Iterable

from docker_fsck.facts import SUBVOLUME, Weight
from docker_fsck.reader import Reader
from docker_fsck.values import Trouble

DEEPEST = 200


def weigh(reader: Reader, path: str) -> Weight | Trouble:
    """How much the tree at `path` takes and how young it is; links are not followed, other mounts not entered.

    A file counts once, and only if all its links lie in the tree: the trees of overlay (v1) share most of theirs.
    A subvolume is as young as itself: the files of a snapshot are older than it.
    """
    top = reader.facts(path)
    if isinstance(top, Trouble):
        return top
    total, newest, partial, stack = top.blocks * 512, top.ctime_ns, "", [path] if top.kind == "dir" else []
    if top.kind == "dir" and top.ino == SUBVOLUME:
        newest = max(newest, reader.born_ns(path))
    modified = top.mtime_ns
    shared: dict[tuple[int, int], tuple[int, int, int]] = {}
    inner = 0
    while stack:
        here = stack.pop()
        for name, facts in reader.members(here):
            if isinstance(facts, Trouble):
                partial = partial or f"{facts.path}: {facts.why}"
                continue
            newest, modified = max(newest, facts.ctime_ns), max(modified, facts.mtime_ns)
            if facts.nlink == 1 or facts.kind == "dir":
                total += facts.blocks * 512
            else:
                total += _linked(shared, (facts.dev, facts.ino), (1, facts.nlink, facts.blocks * 512))
            if facts.kind == "dir":
                inner += facts.ino == SUBVOLUME and facts.dev != top.dev
                if here.count("/") > DEEPEST:
                    partial = partial or f"{here}: more than {DEEPEST} folders deep"
                    continue
                stack.append(f"{here}/{name}")
    return Weight(total, newest, partial, inner, modified, shared)


def _linked(shared: dict[tuple[int, int], tuple[int, int, int]], inode: tuple[int, int], more: tuple[int, int, int]) -> int:
    """The bytes of a file if its last link was met; else it stays in `shared`."""
    links = shared.pop(inode, (0, 0, 0))[0] + more[0]
    if links >= more[1]:
        return more[2]
    shared[inode] = (links, more[1], more[2])
    return 0


def together(weights: Iterable[Weight]) -> int:
    """What several trees take, files that only they share among each other included."""
    total, shared = 0, dict[tuple[int, int], tuple[int, int, int]]()
    for weight in weights:
        total += weight.bytes + sum(_linked(shared, inode, more) for inode, more in weight.shared.items())
    return total
