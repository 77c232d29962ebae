"""How much a tree on the data root takes and how young it is; reads through the reader alone."""

from docker_fsck.facts import SUBVOLUME, Weight
from docker_fsck.reader import Reader
from docker_fsck.values import Trouble

DEEPEST = 200


def weigh(reader: Reader, path: str) -> Weight | Trouble:
    """How much the tree at `path` takes and how young it is; links are not followed, other mounts not entered.

    A subvolume is as young as itself: the files of a snapshot are older than it.
    """
    top = reader.facts(path)
    if isinstance(top, Trouble):
        return top
    total, newest, partial, stack = top.blocks * 512, top.ctime_ns, "", [path] if top.kind == "dir" else []
    if top.kind == "dir" and top.ino == SUBVOLUME:
        newest = max(newest, reader.born_ns(path))
    modified = top.mtime_ns
    seen: set[tuple[int, int]] = set()
    inner = 0
    while stack:
        here = stack.pop()
        for name, facts in reader.members(here):
            if isinstance(facts, Trouble):
                partial = partial or f"{facts.path}: {facts.why}"
                continue
            newest, modified = max(newest, facts.ctime_ns), max(modified, facts.mtime_ns)
            if facts.nlink == 1 or facts.kind == "dir" or (facts.dev, facts.ino) not in seen:
                total += facts.blocks * 512
                if facts.nlink > 1:
                    seen.add((facts.dev, facts.ino))
            if facts.kind == "dir":
                inner += facts.ino == SUBVOLUME and facts.dev != top.dev
                if here.count("/") > DEEPEST:
                    partial = partial or f"{here}: more than {DEEPEST} folders deep"
                    continue
                stack.append(f"{here}/{name}")
    return Weight(total, newest, partial, inner, modified)
