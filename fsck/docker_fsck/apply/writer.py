"""The only door for writing below the data root: a few moves by folder descriptor, each of which can be done again.

Nothing is deleted here. A thing is put away by a rename into the quarantine, a new thing is made beside and renamed to its
place. Every move looks at the inodes first, so that it goes on where a killed run stopped.
"""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from docker_fsck.apply.journal import AT, FRESH, FULL, HISTORY, LINK, NAME, PURGING, Times, Was
from docker_fsck.apply.kernel import copy_label, flush, inode, renameat2, reserve, set_attribute, within, write_all
from docker_fsck.apply.observe import CAPABILITY
from docker_fsck.apply.shelves import Shelf, Shelves, opened, quarantine
from docker_fsck.apply.staging import clear, stage
from docker_fsck.apply.tree import READING, Tree
from docker_fsck.errors import Refused
from docker_fsck.steps import Unpack
from docker_fsck.values import MakeDir, PutAway, Relink, SetMeta, Step, WriteFile

_MOVED = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_NEW = os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


def rename_new(source: str, target: str, source_fd: int, target_fd: int) -> None:
    """Rename, but never over something: EEXIST. Where the kernel cannot promise that, a look goes before."""
    if renameat2(source, target, source_fd, target_fd):
        return
    if inode(target_fd, target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    os.rename(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd)


def retire(tree: Tree, txn: str, home: str = "") -> None:
    """Mark a transaction as one that is being purged: from here on it cannot be taken back."""
    with quarantine(tree, home) as around:
        rename_new(txn, txn + PURGING, around, around)
        flush(around)


def note(tree: Tree, line: bytes) -> None:
    """Append a line to the history of purged transactions."""
    with quarantine(tree, "") as home:
        fd = os.open(HISTORY, os.O_WRONLY | os.O_APPEND | _NEW, 0o600, dir_fd=home)
        try:
            write_all(fd, line)
            os.fsync(fd)
        finally:
            os.close(fd)


def lead_to(journal: str, base: int) -> None:
    """Note in the transaction's folder where its journal lies: in a link, or on a full disk in the file that was set aside."""
    try:
        os.symlink(journal, LINK, dir_fd=base)
    except OSError as error:
        if error.errno not in FULL:
            raise
        fd = os.open(AT, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=base)
        try:
            write_all(fd, os.fsencode(f"{journal}\n"))
            os.fsync(fd)
        finally:
            os.close(fd)


class Writer:
    """The door, open for one transaction. `OSError` means that a move was not done, or only in part."""

    def __init__(self, tree: Tree, shelves: Shelves) -> None:
        """Open the folders of a transaction."""
        self.tree = tree
        self._touched: set[str] = set()
        self._places, self._open = shelves, ExitStack()
        with self._open as opening:
            self._shelves = opened(tree, shelves, opening)
            self._open = opening.pop_all()

    def close(self) -> None:
        """Give the descriptors back."""
        self._open.close()

    def new_journal(self, txn: str, journal_dir: str | None, size: int) -> int:
        """Make the journal, with `size` bytes set aside, and return its descriptor."""
        place = "" if journal_dir is None else os.path.realpath(journal_dir)
        if not place:
            with quarantine(self.tree, "") as around, suppress(FileNotFoundError):
                rename_new(FRESH, NAME, around, self._shelves[""].base)
            fd = os.open(NAME, os.O_RDWR | _NEW, 0o600, dir_fd=self._shelves[""].base)
        elif f"{place}/".startswith(f"{self.tree.root}/"):
            raise Refused(f"the journal must not lie below the data root: {place}")
        else:
            fd = os.open(f"{place}/{txn}.jsonl", os.O_RDWR | os.O_EXCL | _NEW, 0o600)
        try:
            if place:
                lead_to(f"{place}/{txn}.jsonl", self._shelves[""].base)
                flush(self.tree.fd, place)
            reserve(fd, size)
            flush(self._shelves[""].base)
        except OSError:
            os.close(fd)
            raise
        return fd

    def put_away(self, step: PutAway, was: Was) -> int:
        """Rename into the quarantine."""
        with self._at(step) as (folder, name, shelf):
            if inode(shelf.q, str(step.n)) != was.ino or not was.ino:
                rename_new(name, str(step.n), folder, shelf.q)
        return was.ino

    def write(self, step: WriteFile, was: Was) -> int:
        """Put a new file in place; a file that was there is never missing in between."""
        with self._at(step) as (folder, name, shelf):
            fd = os.open(str(step.n), os.O_WRONLY | os.O_TRUNC | _NEW, 0o600, dir_fd=shelf.t)
            try:
                write_all(fd, step.data)
                os.fchown(fd, step.uid, step.gid)
                os.fchmod(fd, step.mode)
                copy_label(within(folder, name if was.kind == "file" else "."), within(shelf.t, str(step.n)))
                os.fsync(fd)
            finally:
                os.close(fd)
            return self._exchange(was, folder, name, shelf)

    def relink(self, step: Relink, was: Was) -> int:
        """Put a new symlink in place; what was there is never missing in between, unless it is a folder."""
        draft = str(step.n)
        with self._at(step) as (folder, name, shelf):
            if not inode(shelf.t, draft):
                os.symlink(step.target, draft, dir_fd=shelf.t)
            os.chown(draft, step.uid, step.gid, dir_fd=shelf.t, follow_symlinks=False)
            copy_label(within(folder, name if was.kind == "link" else "."), within(shelf.t, draft))
            return self._exchange(was, folder, name, shelf)

    def make_dir(self, step: MakeDir, was: Was) -> int:
        """Put an empty folder where nothing is."""
        draft = str(step.n)
        with self._at(step) as (folder, name, shelf):
            if was.kind != "absent":
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            with suppress(FileExistsError):
                os.mkdir(draft, 0o700, dir_fd=shelf.t)
            fd = os.open(draft, READING | os.O_DIRECTORY, dir_fd=shelf.t)
            try:
                os.fchown(fd, step.uid, step.gid)
                os.fchmod(fd, step.mode)
                copy_label(within(folder, "."), within(shelf.t, draft))
                os.fsync(fd)
            finally:
                os.close(fd)
            return self._exchange(was, folder, name, shelf)

    def unpack(self, step: Unpack, was: Was) -> int:
        """Put a folder with the files of a supplied layer in place, once all of it is there and proved."""
        with self._at(step) as (folder, name, shelf):
            stage(step, was, shelf.t, within(folder, name if was.kind == "dir" else "."))
            return self._exchange(was, folder, name, shelf)

    def set_meta(self, step: SetMeta, was: Was) -> int:
        """Change mode, owner, mtime, attributes; a file capability survives."""
        wanted = Was(
            n=step.n, kind=was.kind, ino=was.ino, caps=was.caps, atime_ns=was.atime_ns,
            mode=was.mode if step.mode is None else step.mode, uid=was.uid if step.uid is None else step.uid,
            gid=was.gid if step.gid is None else step.gid, mtime_ns=was.mtime_ns if step.mtime_ns is None else step.mtime_ns,
            xattrs=step.xattrs,
        )  # fmt: skip
        self._give(step, wanted)
        return was.ino

    def unput(self, step: PutAway, was: Was) -> None:
        """Take back `put_away`."""
        with self._at(step) as (folder, name, shelf):
            if was.ino and inode(shelf.q, str(step.n)) == was.ino:
                rename_new(str(step.n), name, shelf.q, folder)

    def unwrite(self, step: WriteFile | Relink | MakeDir | Unpack, was: Was) -> None:
        """Take back `write`, `relink`, `make_dir`: the new thing goes to the shelf `u`, the old one comes home."""
        number = str(step.n)
        with self._at(step) as (folder, name, shelf):
            here, kept = inode(folder, name), inode(shelf.q, number)
            if here and here == was.ino:
                if kept == was.ino and was.kind != "dir":
                    self._drop_link(number, shelf)
                return
            if here and inode(shelf.t, number):
                return  # the new thing was never put in place, so what stands here is another's
            if here and was.kind in {"absent", "dir"}:
                rename_new(name, number, folder, shelf.u)
            elif here and inode(shelf.u, number) != here:
                os.link(name, number, src_dir_fd=folder, dst_dir_fd=shelf.u, follow_symlinks=False)
            if was.kind in {"absent", "dir"} or not here:
                self._bring_home(was, kept, folder, name, shelf)
            else:
                os.rename(number, name, src_dir_fd=shelf.q, dst_dir_fd=folder)

    def unstage(self, step: Unpack, was: Was) -> None:
        """Take back `unpack`; what was not put in place goes for good, since it is neither whole nor anybody's."""
        self.unwrite(step, was)
        with self._at(step) as (_, _, shelf):
            clear(shelf.t, str(step.n))

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
        for shelf in self._shelves.values():
            for fd in (shelf.q, shelf.t, shelf.u):
                flush(fd)
        count = len(self._touched)
        self._touched.clear()
        return count

    @contextmanager
    def _at(self, step: Step) -> Iterator[tuple[int, str, Shelf]]:
        path = step.raw
        with self.tree.parent(path) as (folder, name):
            self._touched.add(path.rpartition("/")[0])
            yield folder, name, self._shelves[self._places.home(path)]

    def _exchange(self, was: Was, folder: int, name: str, shelf: Shelf) -> int:
        """Put the draft in place and keep what was there; gives the draft's inode."""
        number = str(was.n)
        made = inode(shelf.t, number)
        if was.ino and inode(shelf.q, number) != was.ino:
            if was.kind == "dir":
                rename_new(name, number, folder, shelf.q)
            else:
                os.link(name, number, src_dir_fd=folder, dst_dir_fd=shelf.q, follow_symlinks=False)
        if was.ino and inode(folder, name) == was.ino:
            os.rename(number, name, src_dir_fd=shelf.t, dst_dir_fd=folder)
        else:
            rename_new(number, name, shelf.t, folder)
        return made

    def _bring_home(self, was: Was, kept: int, folder: int, name: str, shelf: Shelf) -> None:
        if was.ino and kept == was.ino:
            rename_new(str(was.n), name, shelf.q, folder)

    def _drop_link(self, number: str, shelf: Shelf) -> None:
        """Take the second name of an old file away without deleting: another thing is renamed over it."""
        if not inode(shelf.t, number):
            os.close(os.open(number, os.O_WRONLY | _NEW, 0o600, dir_fd=shelf.t))
        os.rename(number, number, src_dir_fd=shelf.t, dst_dir_fd=shelf.q)

    def _give(self, step: SetMeta, wanted: Was) -> None:
        with self._at(step) as (folder, name, _):
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
    for name, value in wanted.xattrs:
        set_attribute(itself, name, value)
    if step.mtime_ns is not None:
        os.utime(path, ns=(wanted.atime_ns, wanted.mtime_ns), follow_symlinks=False)
