"""What a digest does not cover: files that the archive has not, and attributes that are not those of the archive."""

import os
import stat
from collections.abc import Callable, Iterator

from docker_fsck.layertree import LayerTree
from docker_fsck.tarsplit import FILE, Entry
from docker_fsck.verdicts import Damage
from docker_fsck.verify.headers import Attributes, Headers, attributes, plain_file

MOST_TOLD = 1000
WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
CAPABILITY = "security.capability"
_LINK, _HARD_LINK = b"2", b"1"
_KINDS = {
    b"0": "file", b"\0": "file", b"1": "file", b"7": "file", b"2": "link", b"3": "device", b"4": "device", b"5": "folder",
    b"6": "pipe",
}  # fmt: skip
_MODES = {
    stat.S_IFREG: "file", stat.S_IFLNK: "link", stat.S_IFCHR: "device", stat.S_IFBLK: "device", stat.S_IFDIR: "folder",
    stat.S_IFIFO: "pipe",
}  # fmt: skip
Batches = Iterator[list[Entry]]


class Outward:
    """What the headers of an archive say, held against a layer; `shift`: what user namespaces add to owners.

    `drift`: where kind, mode, owner, time, target or capabilities are not the archive's. A change of a folder's time is none:
    every mount may change it (FC-04).
    """

    def __init__(self, tree: LayerTree, shift: tuple[int, int]) -> None:
        """Nothing is looked at yet."""
        self._tree, self._shift, self._headers = tree, shift, Headers()
        self.drift: list[Damage] = []
        self._files = 0

    def watch(self, batches: Batches) -> Batches:
        """The same batches; what their headers say is compared on the way."""
        uid, gid = self._shift
        for batch in batches:
            for name, blocks in self._headers.of(batch):
                if WHITEOUT in name:
                    self._files += _last(name) != OPAQUE
                    continue
                plain = plain_file(blocks)
                facts = self._facts(name)
                if facts is None:
                    continue
                self._files += not stat.S_ISDIR(facts.st_mode)
                there = facts.st_mode, facts.st_uid - uid, facts.st_gid - gid, facts.st_mtime_ns // 1_000_000_000
                if plain != there and name:
                    self._note(name, blocks, facts)
            yield batch

    def _facts(self, name: str) -> os.stat_result | None:
        try:
            return self._tree.facts(name)
        except (FileNotFoundError, NotADirectoryError):
            self._tell(Damage(name, "kind as in the archive", "kind missing"))
            return None

    def _note(self, name: str, blocks: bytes, facts: os.stat_result) -> None:
        each = attributes(name, blocks)
        wrong = {} if each is None else _compare(each, facts, self._tree, self._shift)
        if wrong:
            expected, actual = (", ".join(f"{key} {pair[side]}" for key, pair in wrong.items()) for side in (0, 1))
            self._tell(Damage(name, expected, actual))

    def _tell(self, damage: Damage) -> None:
        if len(self.drift) < MOST_TOLD:
            self.drift.append(damage)

    def strange(self, batches: Callable[[], Batches]) -> tuple[str, ...]:
        """Files that the archive has not, for drivers that keep what a layer adds; a whiteout counts as what it hides.

        Every name of the archive has been found: only if there are more files than names must they be compared one by one.
        An archive may name a file through a link to its folder.
        """
        if sum(1 for _ in _files(self._tree)) == self._files:
            return ()
        names = [each.name for batch in batches() for each in batch if each.type == FILE]
        known = {f"{self._tree.real(_base(name))}/{_last(_shown_as(name))}".lstrip("/") for name in names}
        return tuple(sorted(path for path in _files(self._tree) if path not in known)[:MOST_TOLD])


def _compare(each: Attributes, facts: os.stat_result, tree: LayerTree, shift: tuple[int, int]) -> dict[str, tuple[str, str]]:
    """What differs: by attribute what the archive says and what is there."""
    kind = _KINDS.get(each.kind, "file")
    there = _MODES.get(stat.S_IFMT(facts.st_mode), "other")
    if kind != there:
        return {"kind": (kind, there)}
    if each.kind == _HARD_LINK or (kind == "file" and facts.st_nlink > 1):
        return {}  # several headers speak of one file, and the last one counts
    told = {"owner": (f"{each.uid + shift[0]}:{each.gid + shift[1]}", f"{facts.st_uid}:{facts.st_gid}")}
    if kind == "link":
        told["target"] = (each.link, tree.target(each.name))
    else:
        told["mode"] = (f"{each.mode:04o}", f"{facts.st_mode & 0o7777:04o}")
    if kind == "file":
        told["time"] = (str(each.mtime), str(facts.st_mtime_ns // 1_000_000_000))
        for key in {CAPABILITY, *each.xattrs} if each.mode & 0o111 else each.xattrs:
            told[key] = (_shown(each.xattrs.get(key)), _shown(tree.attribute(each.name, key)))
    return {key: pair for key, pair in sorted(told.items()) if pair[0] != pair[1]}


def _files(tree: LayerTree) -> Iterator[str]:
    """Everything below the layer that is no folder; what aufs keeps for itself is not the layer's."""
    todo = [""]
    while todo:
        base = todo.pop()
        for name, is_folder in tree.names(base):
            path = f"{base}/{name}" if base else name
            if name.startswith(".wh..wh."):
                continue
            if is_folder:
                todo.append(path)
            else:
                yield path if WHITEOUT not in name else _shown_as(path)


def _shown_as(path: str) -> str:
    """The name that a whiteout hides, on disk a device or a file of its own; any other name as it is."""
    last = _last(path)
    return f"{_base(path)}/{last[len(WHITEOUT) :]}".lstrip("/") if last.startswith(WHITEOUT) else path


def _base(path: str) -> str:
    return path.rpartition("/")[0]


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _shown(value: bytes | None) -> str:
    return "none" if value is None else value.hex()


def shift_of(root: str) -> tuple[int, int]:
    """What is added to owners in the root of a user namespace, `<uid>.<gid>`; nothing elsewhere."""
    uid, dot, gid = os.path.basename(root).partition(".")  # noqa: PTH119 - text
    return (int(uid), int(gid)) if dot and uid.isdecimal() and gid.isdecimal() else (0, 0)
