"""What a digest does not cover: files that the archive has not, and attributes that are not those of the archive."""

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import nsmallest
from operator import attrgetter, itemgetter
from typing import NamedTuple

from docker_fsck.layertree import LayerTree
from docker_fsck.tarsplit import FILE, Entry
from docker_fsck.verdicts import Damage, Meta
from docker_fsck.verify import xattrs
from docker_fsck.verify.belongs import Owners
from docker_fsck.verify.headers import Attributes, Shift, attributes, is_global, plain_file, plain_files, settled
from docker_fsck.verify.replaced import Gone

NS = 1_000_000_000
MOST_TOLD = 1000
WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
_OF_AUFS = ".wh..wh."
_AT_ONCE = 100_000
_HARD_LINK = b"1"
_KINDS = {
    b"0": "file", b"\0": "file", b"1": "file", b"7": "file", b"2": "link", b"3": "device", b"4": "device", b"5": "folder",
    b"6": "pipe",
}  # fmt: skip
_MODES = {
    stat.S_IFREG: "file", stat.S_IFLNK: "link", stat.S_IFCHR: "device", stat.S_IFBLK: "device", stat.S_IFDIR: "folder",
    stat.S_IFIFO: "pipe",
}  # fmt: skip
_PLAIN = itemgetter(stat.ST_MODE, stat.ST_MTIME, stat.ST_UID, stat.ST_GID)
_OWNERLESS = itemgetter(stat.ST_MODE, stat.ST_MTIME)
_CHANGED = attrgetter("st_ctime_ns")
Batches = Iterator[list[Entry]]


class _Other(NamedTuple):
    """An entry that differs: by attribute what the archive says and what is there. `each`: all that the archive says."""

    position: int
    name: str
    wrong: dict[str, tuple[str, str]]
    each: Attributes | None = None


class Outward:
    """What the headers of an archive say, held against a layer; `shift`: what is added to owners, None if that is not known."""

    def __init__(self, tree: LayerTree, shift: Shift, since: int) -> None:
        """Nothing is looked at yet. `since`: ns; attributes that no archive has are asked of what changed after it alone."""
        self._tree, self._shift, self._since = tree, shift, since
        self._plain = _OWNERLESS if shift is None else _PLAIN
        self._owners = Owners(shift)
        self._others: list[_Other] = []
        self._files = 0

    def opened(
        self, base: str, names: Sequence[str], headers: Sequence[bytes], fds: Sequence[int], positions: Sequence[int]
    ) -> None:
        """Files with content in the folder `base`, by header and descriptor; nearly always all of them are as they should be."""
        self._files += len(fds)
        expected = plain_files(headers, self._shift)
        found = list(map(os.fstat, fds))
        if expected == list(map(self._plain, found)) and (max(map(_CHANGED, found)) < self._since or not xattrs.some(fds)):
            self._owners.fit(expected)
            return
        for name, header, wanted, facts, fd, position in zip(names, headers, expected, found, fds, positions, strict=True):
            if wanted != self._plain(facts) or self._more(facts, fd):
                self._compare(position, f"{base}/{name}" if base else name, header, facts, fd)
            else:
                self._owners.fit((wanted,))

    def _more(self, facts: os.stat_result, fd: int) -> bool:
        """Whether an open file has attributes that were given to it since its layer was registered."""
        return facts.st_ctime_ns >= self._since and bool(xattrs.told(fd))

    def bare(self, name: str, header: bytes, position: int) -> None:
        """Anything without content, by its plain name."""
        if is_global(header):
            return
        if WHITEOUT in name:
            self._files += _last(name) != OPAQUE
            return
        try:
            facts = self._tree.facts(name)
        except (FileNotFoundError, NotADirectoryError):
            self._tell(_Other(position, name, {"kind": ("as in the archive", "missing")}))
            return
        self._files += not stat.S_ISDIR(facts.st_mode)
        if name and ((wanted := plain_file(header, self._shift)) != self._plain(facts) or facts.st_ctime_ns >= self._since):
            self._compare(position, name, header, facts)
        elif name:
            self._owners.fit((wanted,))

    def _compare(self, position: int, name: str, header: bytes, facts: os.stat_result, fd: int | None = None) -> None:
        each = attributes(name, header)
        wrong = {} if each is None else self._differing(each, facts, fd)
        if wrong:
            self._tell(_Other(position, name, wrong, each))

    def drift(self, gone: Gone) -> tuple[Damage, ...]:
        """Where kind, mode, owner, time, target or extended attributes are not the archive's, once all of it was seen.

        A change of a folder's time is none: every mount may change it (FC-04). Of entries that lead to one path the last counts.
        """
        return tuple(damage for each in self._others if (damage := self._drifted(each)) and not gone(each.name, each.position))

    def _drifted(self, other: _Other) -> Damage | None:
        each, wrong = other.each, other.wrong
        if each is not None and not self._owners.known(each):
            wrong = {key: pair for key, pair in wrong.items() if key != "owner"}
        if not wrong:
            return None
        expected, actual = (", ".join(f"{key} {pair[side]}" for key, pair in wrong.items()) for side in (0, 1))
        return Damage(other.name, expected, actual, self._mending(each, wrong) if each else None)

    def _mending(self, each: Attributes, wrong: Mapping[str, tuple[str, str]]) -> Meta | None:
        """What would give the file its attributes back, as far as it is known what to write."""
        base, names = _base(each.name), wrong.keys() - {"mode", "owner", "time"}
        if names & {"kind", "target"} or self._tree.real(base) != base:
            return None
        uid, gid = (self._owners.given(each) if "owner" in wrong else None) or (None, None)
        known = [name for name in sorted(names) if xattrs.certain(name, wrong[name], self._shift)]
        made = Meta(
            mode=each.mode if "mode" in wrong else None, uid=uid, gid=gid,
            mtime_ns=settled(each.mtime * NS + each.rest) if "time" in wrong else None,
            xattrs=tuple((name, each.xattrs.get(name)) for name in known),
        )  # fmt: skip
        return None if made == Meta() else made

    def _differing(self, each: Attributes, facts: os.stat_result, fd: int | None) -> dict[str, tuple[str, str]]:
        """What differs: by attribute what the archive says and what is there."""
        kind = _KINDS.get(each.kind, "file")
        there = _MODES.get(stat.S_IFMT(facts.st_mode), "other")
        if each.kind == _HARD_LINK and there != "folder":
            return {}  # of a file, a link, a pipe or a device, whose own header tells the rest
        if kind != there:
            return {"kind": (kind, there)}
        if kind == "file" and facts.st_nlink > 1:
            return {}  # several headers speak of one file, and the last one counts
        told = self._owners.pair(each, facts)
        if kind == "link":
            told["target"] = (each.link, self._tree.target(each.name))
        else:
            told["mode"] = (f"{each.mode:04o}", f"{facts.st_mode & 0o7777:04o}")
        if kind == "file":
            told["time"] = (str(settled(each.mtime * NS + each.rest) // NS), str(facts.st_mtime_ns // NS))
        if kind in {"file", "folder"}:
            told |= self._attributes(each, facts, fd)
        return {key: pair for key, pair in sorted(told.items()) if pair[0] != pair[1]}

    def _attributes(self, each: Attributes, facts: os.stat_result, fd: int | None) -> dict[str, tuple[str, str]]:
        more = facts.st_ctime_ns >= self._since
        if not more and not each.xattrs:
            return {}
        own = self._tree.open(each.name) if fd is None else fd
        try:
            return xattrs.compared(each.xattrs, own, self._shift and self._shift[0], more=more)
        finally:
            if fd is None:
                os.close(own)

    def _tell(self, other: _Other) -> None:
        if len(self._others) < MOST_TOLD:
            self._others.append(other)

    def strange(self, batches: Callable[[], Batches]) -> tuple[str, ...]:
        """Files that the archive has not, for drivers that keep what a layer adds; a whiteout counts as what it hides.

        Every name of the archive has been found: only if there are more files than names must they be compared one by one.
        An archive may name a file through a link to its folder. Of very many names only a part is compared at a time.
        """
        count = _count(self._tree)
        if count == self._files:
            return ()
        parts = 1 + count // _AT_ONCE
        return tuple(nsmallest(MOST_TOLD, (path for part in range(parts) for path in self._strangers(batches(), part, parts))))

    def _strangers(self, batches: Batches, part: int, parts: int) -> Iterator[str]:
        real: tuple[str, str] = ("", "")
        known: set[int] = set()
        for entry in (each for batch in batches for each in batch if each.type == FILE):
            base = _base(entry.name)
            if base != real[0]:
                real = (base, self._tree.real(base))
            mark = hash(f"{real[1]}/{_last(_shown_as(entry.name))}".lstrip("/"))
            if mark % parts == part:
                known.add(mark)
        found = map(_shown_as, _files(self._tree))
        return (path for path in found if (mark := hash(path)) % parts == part and mark not in known)


def _count(tree: LayerTree) -> int:
    """How many there are of `_files`, faster."""
    todo, count = [""], 0
    while todo:
        base = todo.pop()
        with tree.listing(base) as listing:
            for entry in listing:
                if entry.is_dir(follow_symlinks=False):
                    todo.append(f"{base}/{entry.name}" if base else entry.name)
                elif entry.name[: len(_OF_AUFS)] != _OF_AUFS:
                    count += 1
    return count


def _files(tree: LayerTree) -> Iterator[str]:
    """Everything below the layer that is no folder; what aufs keeps for itself is not the layer's."""
    todo = [""]
    while todo:
        base = todo.pop()
        within = f"{base}/" if base else ""
        with tree.listing(base) as listing:
            for entry in listing:
                if entry.is_dir(follow_symlinks=False):
                    todo.append(within + entry.name)
                elif not entry.name.startswith(_OF_AUFS):
                    yield within + entry.name


def _shown_as(path: str) -> str:
    """The name that a whiteout hides, on disk a device or a file of its own; any other name as it is."""
    last = _last(path)
    return f"{_base(path)}/{last[len(WHITEOUT) :]}".lstrip("/") if last.startswith(WHITEOUT) else path


def _base(path: str) -> str:
    return path.rpartition("/")[0]


def _last(path: str) -> str:
    return path.rpartition("/")[2]
