"""The only real deletion: removes finished transactions from the quarantine, and nothing outside it (promise 4)."""

import errno
import os
from collections.abc import Callable, Iterable
from contextlib import closing, suppress

import msgspec
from msgspec import Struct, structs

from docker_fsck.apply.history import Record, survey
from docker_fsck.apply.journal import PURGING
from docker_fsck.apply.site import Event, Purged, Site, Skip, alone
from docker_fsck.apply.tree import READING, Tree, mount_id, words
from docker_fsck.apply.writer import SHELVES, note, retire
from docker_fsck.errors import FsckError, Refused, UsageError
from docker_fsck.reader import QUARANTINE
from docker_fsck.values import spell

_OPEN = {"unfinished", "undoing"}


def purge(site: Site, txns: Iterable[str]) -> Purged:
    """Delete what `txns` have put away, and what a purge that was killed has left; needs no space on the disk.

    A line of history stays; a journal in another folder is left there. What cannot be removed is reported, and the next
    purge tries it again. Raises `UsageError` for a transaction that is not there, `Refused` if one is unfinished or the
    root is in use.
    """
    with closing(Tree(site.root)) as tree:
        asked = tuple(txns)
        if not _chosen(tree, site, asked):
            return Purged(txns=(), freed=0)
        with alone(site) as ground:
            records = _chosen(tree, site, asked)
            swept = [_remove(site, tree, record, ground.held) for record in records]
    return Purged(
        txns=tuple(record.txn for record, sweep in zip(records, swept, strict=True) if not sweep.left),
        freed=sum(sweep.freed for sweep in swept), left=tuple(skip for sweep in swept for skip in sweep.left),
    )  # fmt: skip


def _chosen(tree: Tree, site: Site, txns: tuple[str, ...]) -> list[Record]:
    """The transactions to remove: those that were asked for, and those that are half gone."""
    records = {record.txn: record for record in survey(tree, site.journal_dir)}
    here = set(tree.names(QUARANTINE)) if records else set()
    for txn in txns:
        if txn not in records or not here & {txn, txn + PURGING}:
            raise UsageError(f"there is no transaction {txn}")
    if killed := next((record.txn for record in records.values() if record.state in _OPEN), None):
        raise Refused(f"transaction {killed} is unfinished: docker-fsck recover comes first")
    return [record for txn, record in records.items() if txn in txns or txn + PURGING in here]


def _remove(site: Site, tree: Tree, record: Record, held: frozenset[str]) -> "_Sweep":
    folder = f"{QUARANTINE}/{record.txn}{PURGING}"
    sweep = _Sweep()
    old = f"{QUARANTINE}/{record.txn}/"
    if used := next((path for path in sorted(held) if f"{path}/".startswith((old, f"{folder}/"))), None):
        sweep.leave(used, "a process has it mounted or open")
        return sweep
    site.watch(Event(what="purging", txn=record.txn))
    with suppress(FileNotFoundError):  # it is half gone already
        retire(tree, record.txn)
    with tree.parent(folder) as (home, name):
        _empty(sweep, home, name, tree, record)
    site.watch(Event(what="purged", txn=record.txn))
    return sweep


def _empty(sweep: "_Sweep", home: int, name: str, tree: Tree, record: Record) -> None:
    """The shelves first, then the line of history, then the journal: killed in between, the next purge knows enough."""
    fd = os.open(name, READING | os.O_DIRECTORY, dir_fd=home)
    try:
        for shelf in SHELVES:
            sweep.remove(fd, f"{QUARANTINE}/{name}", shelf)
        if sweep.left:
            return
        with suppress(OSError):  # the disk may be full all the same: the line is not worth to stop for
            note(tree, msgspec.json.encode(structs.replace(record, state="purged")) + b"\n")
    finally:
        os.close(fd)
    sweep.remove(home, QUARANTINE, name)


class _Level(Struct, frozen=True):
    """A folder on the way down: its name, its inode, and the folders in it that are still to be removed."""

    name: str
    ino: int
    folders: list[str]


class _Sweep:
    """Removes folders; `freed` are the bytes the disk got back, `left` what it could not remove."""

    def __init__(self) -> None:
        self.freed = 0
        self.left: list[Skip] = []
        self._fd = -1

    def leave(self, path: str, why: str) -> None:
        """Report that something stays."""
        shown, coded = spell(path)
        self.left.append(Skip(n=-1, path=shown, path_b64=coded, why=why))

    def remove(self, base: int, where: str, top: str) -> None:
        """Remove the folder `top` of the open folder `base`, whose path is `where`; no link and no mount is entered.

        Only two descriptors are open at any depth: the way up is `..`, which must lead to the folder it came from.
        """
        mount, self._fd = mount_id(base), os.dup(base)
        trail = [_Level(where, os.fstat(base).st_ino, [top])]
        try:
            while trail[0].folders or len(trail) > 1:
                if trail[-1].folders:
                    self._down(trail, mount)
                else:
                    self._up(trail)
        finally:
            os.close(self._fd)

    def _open(self, name: str) -> int:
        return os.open(name, READING | os.O_DIRECTORY, dir_fd=self._fd)

    def _move(self, fd: int) -> None:
        os.close(self._fd)
        self._fd = fd

    def _down(self, trail: list[_Level], mount: str) -> None:
        """Enter the next folder and take out of it what is no folder."""
        name = trail[-1].folders.pop()
        try:
            below = self._open(name)
        except OSError as error:
            self._fail(error, trail, name)
            return
        if mount_id(below) != mount:
            os.close(below)
            self.leave(_path(trail, name), "another file system is mounted here")
            return
        self._move(below)
        trail.append(_Level(name, os.fstat(below).st_ino, []))
        try:
            with os.scandir(below) as listing:
                entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in listing]
        except OSError as error:
            self._fail(error, trail, ".")
            return
        trail[-1].folders.extend(entry for entry, folder in entries if folder)
        for entry, folder in entries:
            if not folder:
                self._take(os.unlink, entry, trail)

    def _up(self, trail: list[_Level]) -> None:
        """Go back to the folder above and remove the one that is empty now."""
        self._move(self._open(".."))
        name = trail.pop().name
        if os.fstat(self._fd).st_ino != trail[-1].ino:
            raise FsckError(f"{_path(trail, name)} was moved while it was being removed")
        self._take(os.rmdir, name, trail)

    def _take(self, delete: Callable[..., None], name: str, trail: list[_Level]) -> None:
        try:
            facts = os.stat(name, dir_fd=self._fd, follow_symlinks=False)
            delete(name, dir_fd=self._fd)
        except OSError as error:
            self._fail(error, trail, name)
            return
        if delete is os.rmdir or facts.st_nlink == 1:
            self.freed += facts.st_blocks * 512

    def _fail(self, error: OSError, trail: list[_Level], name: str) -> None:
        gone = error.errno == errno.ENOENT
        if not gone and not (error.errno == errno.ENOTEMPTY and self.left):  # then what keeps it is named already
            self.leave(_path(trail, name), words(error))


def _path(trail: list[_Level], name: str) -> str:
    return "/".join([*(level.name for level in trail), name])
