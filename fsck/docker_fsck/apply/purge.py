"""The only real deletion: removes finished transactions from the quarantine, and nothing outside it (promise 4)."""

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress

import msgspec
from msgspec import structs

from docker_fsck.apply.history import Record, homes_of, names, survey
from docker_fsck.apply.journal import PURGING
from docker_fsck.apply.shelves import NAMES, place
from docker_fsck.apply.site import Event, Purged, Site, Skip, alone
from docker_fsck.apply.tree import FOLDER, READING, Tree, words
from docker_fsck.apply.walk import Census, Walk, identity
from docker_fsck.apply.writer import note, retire
from docker_fsck.errors import FsckError, Refused, UsageError
from docker_fsck.facts import SUBVOLUME
from docker_fsck.mounttable import UNLISTED, foreign_mounts
from docker_fsck.values import spell

SNAP_DESTROY = 0x5000940F
"""BTRFS_IOC_SNAP_DESTROY: delete the subvolume of that name in an open folder (linux/btrfs.h, struct btrfs_ioctl_vol_args)."""
_VOL_ARGS = struct.Struct("q4088s")
_OPEN = {"unfinished", "undoing"}
_REFUSED = {
    errno.EPERM: "the kernel refuses it: a swap file in it is in use, it is being sent, or it is the default subvolume",
    errno.EROFS: "it lies in a read-only subvolume, which must be made writable first: btrfs property set <path> ro false",
    errno.ENOTEMPTY: "another subvolume lies in it",
}


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
    here = {name for home in ("", *UNLISTED) for name in names(tree, home)} if records else set()
    for txn in txns:
        if txn not in records or not here & {txn, txn + PURGING}:
            raise UsageError(f"there is no transaction {txn}")
    if killed := next((record.txn for record in records.values() if record.state in _OPEN), None):
        raise Refused(f"transaction {killed} is unfinished: docker-fsck recover comes first")
    return [record for txn, record in records.items() if txn in txns or txn + PURGING in here]


def _remove(site: Site, tree: Tree, record: Record, held: frozenset[str]) -> "_Sweep":
    txn = record.txn
    sweep = _Sweep(lambda path: site.watch(Event(what="purging", txn=txn, path=path, why="a subvolume")))
    homes = [home for home in ("", *UNLISTED) if {txn, txn + PURGING}.intersection(names(tree, home))]
    for home in (foreign_mounts(tree.root) or frozenset()).intersection(homes_of(tree, txn, site.journal_dir)):
        sweep.leave(f"{place(home)}/{txn}", f"it cannot be seen: another file system is mounted on {home}")
    old = tuple(f"{place(home)}/{name}/" for home in homes for name in (txn, txn + PURGING))
    if used := next((path for path in sorted(held) if f"{path}/".startswith(old)), None):
        sweep.leave(used, "a process has it mounted or open")
    if sweep.left:
        return sweep
    site.watch(Event(what="purging", txn=txn))
    for home in homes:  # the root's own first: that it is being purged is known from there
        with suppress(FileNotFoundError):  # it is half gone already
            retire(tree, txn, home)
    for home in reversed(homes):
        with tree.parent(f"{place(home)}/{txn}{PURGING}") as (around, name):
            _empty(sweep, around, name, home)
            if sweep.left:
                break
            if not home:
                with suppress(OSError):  # the disk may be full all the same: the line is not worth to stop for
                    note(tree, msgspec.json.encode(structs.replace(record, state="purged")) + b"\n")
            sweep.remove(around, place(home), name)
    site.watch(Event(what="purged", txn=txn))
    return sweep


def _empty(sweep: "_Sweep", around: int, name: str, home: str) -> None:
    """Remove the shelves; then come the line of history and the journal: killed in between, the next purge knows enough."""
    fd = os.open(name, READING | os.O_DIRECTORY, dir_fd=around)
    try:
        for shelf in NAMES:
            sweep.remove(fd, f"{place(home)}/{name}", shelf)
    finally:
        os.close(fd)


class _Sweep:
    """A hand that removes folders; `freed` are the bytes the disk got back, `left` what it could not remove.

    Of subvolumes they are what files take, and more than the disk gets back where another snapshot shares them.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        """`tell` gets the path of each subvolume before any of them is deleted."""
        self._tell = tell
        self.freed = 0
        self.left: list[Skip] = []

    def leave(self, path: str, why: str) -> None:
        """Report that something stays."""
        shown, coded = spell(path)
        self.left.append(Skip(n=-1, path=shown, path_b64=coded, why=why))

    def remove(self, base: int, where: str, top: str) -> None:
        """Remove the folder `top` of the open folder `base`, whose path is `where`; no link and no mount is entered."""
        Walk(self).through(base, where, top)

    def enters(self, around: int, name: str, path: str, below: os.stat_result) -> bool:
        """A subvolume goes as one, all else piece by piece."""
        if below.st_ino != SUBVOLUME or below.st_dev == os.fstat(around).st_dev:
            return True
        self._subvolumes(around, name, path)
        return False

    def meets(self, around: int, name: str, path: str) -> None:
        """Unlink it."""
        self._take(os.unlink, around, name, path)

    def leaves(self, around: int, name: str, path: str) -> None:
        """Remove the folder that is empty now."""
        self._take(os.rmdir, around, name, path)

    def stops(self, path: str, why: str) -> None:
        """Report it."""
        self.leave(path, why)

    def fails(self, path: str, error: OSError) -> None:
        """Report it, unless it is gone or what keeps it is named already."""
        if error.errno != errno.ENOENT and not (error.errno == errno.ENOTEMPTY and self.left):
            self.leave(path, words(error))

    def _take(self, delete: Callable[..., None], around: int, name: str, path: str) -> None:
        try:
            facts = os.stat(name, dir_fd=around, follow_symlinks=False)
            delete(name, dir_fd=around)
        except OSError as error:
            self.fails(path, error)
            return
        if delete is os.rmdir or facts.st_nlink == 1:
            self.freed += facts.st_blocks * 512

    def _subvolumes(self, around: int, name: str, path: str) -> None:
        """Delete a subvolume with those in it, of which a list is made first; none of them if a mount lies in it."""
        census = Census()
        Walk(census).through(around, "", name)
        outside = path.removesuffix(name)
        if census.trouble is not None:
            inner, why = census.trouble
            self.leave(outside + inner, why)
            return
        for each in census.found:
            self._tell(spell(outside + each)[0])
        for each, known in reversed(census.found.items()):
            try:
                _destroy(around, each, known)
            except OSError as error:
                self.leave(outside + each, _REFUSED.get(error.errno or 0) or words(error))
                return
            self.freed += census.bytes.get(known[0], 0)


def _destroy(around: int, path: str, known: tuple[int, int]) -> None:
    """Delete the subvolume at `path` below the open folder, if it still is the `known` one; no link is followed."""
    with _parent(around, path) as (folder, name):
        if identity(os.stat(name, dir_fd=folder, follow_symlinks=False)) != known:
            raise FsckError(f"{path} was moved while it was being removed")
        fcntl.ioctl(folder, SNAP_DESTROY, bytearray(_VOL_ARGS.pack(0, os.fsencode(name))))  # more than 1024 bytes: no `bytes`


@contextmanager
def _parent(around: int, path: str) -> Iterator[tuple[int, str]]:
    *folders, name = path.split("/")
    fd = os.open(".", FOLDER, dir_fd=around)
    try:
        for part in folders:
            above, fd = fd, os.open(part, FOLDER, dir_fd=fd)
            os.close(above)
        below = os.open(".", READING | os.O_DIRECTORY, dir_fd=fd)
    finally:
        os.close(fd)
    try:
        yield below, name
    finally:
        os.close(below)
