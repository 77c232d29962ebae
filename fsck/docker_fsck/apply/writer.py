"""The only door for writing below the data root: a few moves by folder descriptor, each of which can be done again.

Nothing is deleted here. A thing is put away by a rename into the quarantine, a new thing is made beside and renamed to its
place. Every move looks at the inodes first, so that it goes on where a killed run stopped.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from docker_fsck.apply.journal import HISTORY, LINK, NAME, PURGING, Times, Was
from docker_fsck.apply.kernel import copy_label, flush, inode, renameat2, reserve, within, write_all
from docker_fsck.apply.observe import CAPABILITY
from docker_fsck.apply.tree import FOLDER, READING, Tree
from docker_fsck.errors import Refused
from docker_fsck.reader import QUARANTINE
from docker_fsck.values import MakeDir, PutAway, Relink, SetMeta, Step, WriteFile

SHELVES = ("q", "t", "u")
"""The folders of a transaction: what was put away, new things before their time, new things that undo took out."""
_MOVED = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_NEW = os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


def rename_new(source: str, target: str, source_fd: int, target_fd: int) -> None:
    """Rename, but never over something: EEXIST. Where the kernel cannot promise that, a look goes before."""
    if renameat2(source, target, source_fd, target_fd):
        return
    if inode(target_fd, target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    os.rename(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd)


def prepare(tree: Tree) -> None:
    """Make the quarantine if it is not there; the root's own times stay."""
    before = os.stat(".", dir_fd=tree.fd)
    with suppress(FileExistsError):
        os.mkdir(QUARANTINE, 0o700, dir_fd=tree.fd)
        os.utime(".", ns=(before.st_atime_ns, before.st_mtime_ns), dir_fd=tree.fd)
        flush(tree.fd)


def start(tree: Tree, txn: str) -> None:
    """Make the folders of a new transaction. `Refused` if the quarantine is not ours alone."""
    with _quarantine(tree) as home:
        os.mkdir(txn, 0o700, dir_fd=home)
        folder = os.open(txn, FOLDER, dir_fd=home)
        try:
            for name in SHELVES:
                os.mkdir(name, 0o700, dir_fd=folder)
            flush(folder)
        finally:
            os.close(folder)
        flush(home)


def retire(tree: Tree, txn: str) -> None:
    """Mark a transaction as one that is being purged: from here on it cannot be taken back."""
    with _quarantine(tree) as home:
        rename_new(txn, txn + PURGING, home, home)
        flush(home)


def note(tree: Tree, line: bytes) -> None:
    """Append a line to the history of purged transactions."""
    with _quarantine(tree) as home:
        fd = os.open(HISTORY, os.O_WRONLY | os.O_APPEND | _NEW, 0o600, dir_fd=home)
        try:
            write_all(fd, line)
            os.fsync(fd)
        finally:
            os.close(fd)


@contextmanager
def _quarantine(tree: Tree) -> Iterator[int]:
    fd = tree.open(QUARANTINE)
    try:
        facts = os.fstat(fd)
        if facts.st_uid != os.geteuid() or stat.S_IMODE(facts.st_mode) & 0o022:
            raise Refused(f"{QUARANTINE} belongs to another user or can be written by others")
        if mount := tree.mount_above(QUARANTINE):
            raise Refused(f"another file system is mounted on {mount}: nothing could be renamed into it")
        yield fd
    finally:
        os.close(fd)


class Writer:
    """The door, open for one transaction. `OSError` means that a move was not done, or only in part."""

    def __init__(self, tree: Tree, txn: str) -> None:
        """Open the folders of the transaction `txn`."""
        self.tree = tree
        self._touched: set[str] = set()
        with _quarantine(tree) as home:
            self._home = os.open(txn, FOLDER, dir_fd=home)
        self._q, self._t, self._u = (os.open(name, FOLDER, dir_fd=self._home) for name in SHELVES)

    def close(self) -> None:
        """Give the descriptors back."""
        for fd in (self._q, self._t, self._u, self._home):
            os.close(fd)

    def new_journal(self, txn: str, journal_dir: str | None, size: int) -> int:
        """Make the journal, with `size` bytes set aside, and return its descriptor."""
        place = "" if journal_dir is None else os.path.realpath(journal_dir)
        if not place:
            fd = os.open(NAME, os.O_RDWR | os.O_EXCL | _NEW, 0o600, dir_fd=self._home)
        elif f"{place}/".startswith(f"{self.tree.root}/"):
            raise Refused(f"the journal must not lie below the data root: {place}")
        else:
            fd = os.open(f"{place}/{txn}.jsonl", os.O_RDWR | os.O_EXCL | _NEW, 0o600)
        try:
            if place:
                os.symlink(f"{place}/{txn}.jsonl", LINK, dir_fd=self._home)
                flush(self.tree.fd, place)
            reserve(fd, size)
            flush(self._home)
        except OSError:
            os.close(fd)
            raise
        return fd

    def put_away(self, step: PutAway, was: Was) -> int:
        """Rename into the quarantine."""
        with self._at(step) as (folder, name):
            if inode(self._q, str(step.n)) != was.ino or not was.ino:
                rename_new(name, str(step.n), folder, self._q)
        return was.ino

    def write(self, step: WriteFile, was: Was) -> int:
        """Put a new file in place; a file that was there is never missing in between."""
        with self._at(step) as (folder, name):
            fd = os.open(str(step.n), os.O_WRONLY | os.O_TRUNC | _NEW, 0o600, dir_fd=self._t)
            try:
                write_all(fd, step.data)
                os.fchown(fd, step.uid, step.gid)
                os.fchmod(fd, step.mode)
                copy_label(within(folder, name if was.kind == "file" else "."), within(self._t, str(step.n)))
                os.fsync(fd)
            finally:
                os.close(fd)
            return self._exchange(was, folder, name)

    def relink(self, step: Relink, was: Was) -> int:
        """Put a new symlink in place; what was there is never missing in between, unless it is a folder."""
        draft = str(step.n)
        with self._at(step) as (folder, name):
            if not inode(self._t, draft):
                os.symlink(step.target, draft, dir_fd=self._t)
            os.chown(draft, step.uid, step.gid, dir_fd=self._t, follow_symlinks=False)
            copy_label(within(folder, name if was.kind == "link" else "."), within(self._t, draft))
            return self._exchange(was, folder, name)

    def make_dir(self, step: MakeDir, was: Was) -> int:
        """Put an empty folder where nothing is."""
        draft = str(step.n)
        with self._at(step) as (folder, name):
            if was.kind != "absent":
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            with suppress(FileExistsError):
                os.mkdir(draft, 0o700, dir_fd=self._t)
            fd = os.open(draft, READING | os.O_DIRECTORY, dir_fd=self._t)
            try:
                os.fchown(fd, step.uid, step.gid)
                os.fchmod(fd, step.mode)
                copy_label(within(folder, "."), within(self._t, draft))
                os.fsync(fd)
            finally:
                os.close(fd)
            return self._exchange(was, folder, name)

    def set_meta(self, step: SetMeta, was: Was) -> int:
        """Change mode, owner, mtime; a file capability survives."""
        wanted = Was(
            n=step.n, kind=was.kind, ino=was.ino, caps=was.caps, atime_ns=was.atime_ns,
            mode=was.mode if step.mode is None else step.mode, uid=was.uid if step.uid is None else step.uid,
            gid=was.gid if step.gid is None else step.gid, mtime_ns=was.mtime_ns if step.mtime_ns is None else step.mtime_ns,
        )  # fmt: skip
        self._give(step, wanted)
        return was.ino

    def unput(self, step: PutAway, was: Was) -> None:
        """Take back `put_away`."""
        with self._at(step) as (folder, name):
            if was.ino and inode(self._q, str(step.n)) == was.ino:
                rename_new(str(step.n), name, self._q, folder)

    def unwrite(self, step: WriteFile | Relink | MakeDir, was: Was) -> None:
        """Take back `write`, `relink`, `make_dir`: the new thing goes to the shelf `u`, the old one comes home."""
        number = str(step.n)
        with self._at(step) as (folder, name):
            here, kept = inode(folder, name), inode(self._q, number)
            if here and here == was.ino:
                if kept == was.ino and was.kind != "dir":
                    self._drop_link(number)
                return
            if here and inode(self._t, number):
                return  # the new thing was never put in place, so what stands here is another's
            if here and was.kind in {"absent", "dir"}:
                rename_new(name, number, folder, self._u)
            elif here and inode(self._u, number) != here:
                os.link(name, number, src_dir_fd=folder, dst_dir_fd=self._u, follow_symlinks=False)
            if was.kind in {"absent", "dir"} or not here:
                self._bring_home(was, kept, folder, name)
            else:
                os.rename(number, name, src_dir_fd=self._q, dst_dir_fd=folder)

    def unset(self, step: SetMeta, was: Was) -> None:
        """Take back `set_meta`."""
        self._give(step, was)

    def restore_times(self, times: Iterable[Times]) -> None:
        """Give folders the times they had; one that is gone is left out."""
        for each in times:
            with suppress(FileNotFoundError), self.tree.parent(each.raw) as (folder, name):
                os.utime(name, ns=(each.atime_ns, each.mtime_ns), dir_fd=folder, follow_symlinks=False)
                self._touched.add(each.raw)

    def sync(self) -> int:
        """Bring the touched folders and the shelves to the disk; gives how many folders of the root that were."""
        for path in self._touched:
            try:
                fd = self.tree.open(path)
            except OSError as error:
                if error.errno not in _MOVED:
                    raise
                continue
            try:
                flush(fd)
            finally:
                os.close(fd)
        for fd in (self._q, self._t, self._u):
            flush(fd)
        count = len(self._touched)
        self._touched.clear()
        return count

    @contextmanager
    def _at(self, step: Step) -> Iterator[tuple[int, str]]:
        path = step.raw
        with self.tree.parent(path) as place:
            self._touched.add(path.rpartition("/")[0])
            yield place

    def _exchange(self, was: Was, folder: int, name: str) -> int:
        """Put the draft in place and keep what was there; gives the draft's inode."""
        number = str(was.n)
        made = inode(self._t, number)
        if was.ino and inode(self._q, number) != was.ino:
            if was.kind == "dir":
                rename_new(name, number, folder, self._q)
            else:
                os.link(name, number, src_dir_fd=folder, dst_dir_fd=self._q, follow_symlinks=False)
        if was.ino and inode(folder, name) == was.ino:
            os.rename(number, name, src_dir_fd=self._t, dst_dir_fd=folder)
        else:
            rename_new(number, name, self._t, folder)
        return made

    def _bring_home(self, was: Was, kept: int, folder: int, name: str) -> None:
        if was.ino and kept == was.ino:
            rename_new(str(was.n), name, self._q, folder)

    def _drop_link(self, number: str) -> None:
        """Take the second name of an old file away without deleting: another thing is renamed over it."""
        if not inode(self._t, number):
            os.close(os.open(number, os.O_WRONLY | _NEW, 0o600, dir_fd=self._t))
        os.rename(number, number, src_dir_fd=self._t, dst_dir_fd=self._q)

    def _give(self, step: SetMeta, wanted: Was) -> None:
        with self._at(step) as (folder, name):
            fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            try:
                _set(fd, wanted, within(folder, name), step)
            finally:
                os.close(fd)
            if wanted.kind in {"file", "dir"}:
                flush(folder, name)


def _set(fd: int, wanted: Was, path: str, step: SetMeta) -> None:
    found, itself = os.fstat(fd), f"/proc/self/fd/{fd}"
    if found.st_ino != wanted.ino:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    if wanted.kind == "link" and step.mode is not None:
        raise OSError(errno.EOPNOTSUPP, "a symlink has no mode of its own")
    if (found.st_uid, found.st_gid) != (wanted.uid, wanted.gid):
        os.chown(path, wanted.uid, wanted.gid, follow_symlinks=False)
    if wanted.kind != "link":
        os.chmod(itself, wanted.mode)
    if wanted.caps is not None:
        os.setxattr(itself, CAPABILITY, wanted.caps)
    if step.mtime_ns is not None:
        os.utime(path, ns=(wanted.atime_ns, wanted.mtime_ns), follow_symlinks=False)
