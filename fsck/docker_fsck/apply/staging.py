"""Makes the folder of a supplied layer on the shelf of drafts, removes one that it did not finish; part of the door for writing.

Unpacked as overlay2 does it (moby's archive.Unpack): a deletion is a character device 0:0, an emptied folder has the attribute
trusted.overlay.opaque. No link is followed and no name leads out; what the engine would replace or follow is refused.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress

from docker_fsck.apply.journal import Was
from docker_fsck.apply.kernel import copy_label, settle, within, write_all
from docker_fsck.apply.tree import READING
from docker_fsck.apply.walk import Walk
from docker_fsck.restore.holders import tar
from docker_fsck.restore.members import Member, Members, inside
from docker_fsck.restore.stream import BrokenError, Stream
from docker_fsck.steps import Unpack
from docker_fsck.verify.headers import settled

WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
OPAQUE_MARK = "trusted.overlay.opaque"
IMPLIED = 0o755
"""The mode of a folder that the archive does not name, although it has something in it."""
_DIR = READING | os.O_DIRECTORY
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE = 1 << 20
_MOST_OPEN = 100
_NODES = {"char device": stat.S_IFCHR, "block device": stat.S_IFBLK, "pipe": stat.S_IFIFO}
NO_ID = (1 << 32) - 1
"""The first number that is no user and no group: to chown it says to leave them as they are."""
_IGNORED = frozenset({errno.ENOTSUP, errno.EPERM})
"""Why an attribute may be left out, as the engine does it."""


def stage(step: Unpack, was: Was, shelf: int, model: str) -> None:
    """The whole folder of the layer as a draft on the shelf, on the disk. `model`: the path whose label it gets.

    Raises `OSError` where it cannot be had exactly, with another digest too; then the draft is left for `clear`.
    """
    if was.kind not in {"absent", "dir"}:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    draft = str(step.n)
    clear(shelf, draft)
    os.mkdir(draft, 0o700, dir_fd=shelf)
    copy_label(model, within(shelf, draft))
    fd = os.open(draft, _DIR, dir_fd=shelf)
    try:
        _room(fd, step.bytes)
        with closing(tar(step.origin)) as pieces:
            unpack(fd, pieces, step.diff, step.shift, step.bytes)
        os.fchown(fd, step.uid, step.gid)
        os.fchmod(fd, step.mode)
        settle(fd)
    finally:
        os.close(fd)


def _room(fd: int, count: int) -> None:
    disk = os.fstatvfs(fd)
    if count > disk.f_bavail * disk.f_frsize:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def unpack(top: int, pieces: Iterable[bytes], diff: str, shift: tuple[int, int] = (0, 0), most: int | None = None) -> None:
    """Unpack a tar of at most so many bytes into the open, empty folder `top`.

    Raises `OSError`, also where its digest is not `diff`.
    """
    stream = Stream(pieces, most)
    hand = _Hand(top, shift)
    try:
        for member in Members(stream):
            hand.put(member, stream)
        hand.settle_times()
        found = stream.digest()
    except BrokenError as error:
        raise OSError(errno.EBADMSG, str(error)) from None
    finally:
        hand.close()
    if found != diff:
        raise OSError(errno.EBADMSG, f"the layer that was supplied has another digest than {diff}")


class _Hand:
    """Puts one member after the other into a folder of which nobody else knows."""

    def __init__(self, top: int, shift: tuple[int, int]) -> None:
        self._top, self._shift = top, shift
        self._open: dict[tuple[str, ...], int] = {}  # a few of them, so that not every name is walked down again
        self._times: dict[tuple[str, ...], int] = {}

    def close(self) -> None:
        """Close all folders."""
        for fd in self._open.values():
            os.close(fd)
        self._open = {}

    def put(self, member: Member, stream: Stream) -> None:
        """One member; the top of the layer itself is left as it is."""
        parts = inside(member.name)
        if not parts:
            return
        with self._folder(tuple(parts[:-1])) as around:
            self._put(member, around, parts[-1], stream)
        if member.kind == "folder":
            self._times[tuple(parts)] = settled(member.mtime_ns)

    def _put(self, member: Member, around: int, name: str, stream: Stream) -> None:
        if name == OPAQUE:
            os.setxattr(around, OPAQUE_MARK, b"y")
        elif name.startswith(WHITEOUT):
            self._whiteout(member, around, name.removeprefix(WHITEOUT))
        else:
            try:
                self._make(member, around, name, stream)
            except FileExistsError:
                raise BrokenError(f"the archive has {member.name!r} twice") from None
            self._dress(member, around, name)

    def settle_times(self) -> None:
        """Give the folders their times, once nothing is put into them any more."""
        for parts, time in self._times.items():
            with self._folder(parts) as fd:
                os.utime(fd, ns=(time, time))

    @contextmanager
    def _folder(self, parts: tuple[str, ...]) -> Iterator[int]:
        """The open folder, which is made with those around it where the archive does not name it."""
        known = len(parts)
        while known and parts[:known] not in self._open:
            known -= 1
        fd = os.dup(self._open[parts[:known]] if known else self._top)
        try:
            for part in parts[known:]:
                above, fd = fd, self._below(fd, part)
                os.close(above)
            if parts not in self._open:
                if len(self._open) >= _MOST_OPEN:
                    self.close()
                self._open[parts] = os.dup(fd)
            yield fd
        finally:
            os.close(fd)

    def _below(self, around: int, name: str) -> int:
        with suppress(FileExistsError):
            os.mkdir(name, IMPLIED, dir_fd=around)
            os.chmod(name, IMPLIED, dir_fd=around)
            os.chown(name, *self._shift, dir_fd=around)
        try:
            return os.open(name, _DIR, dir_fd=around)
        except OSError as error:
            if error.errno not in {errno.ENOTDIR, errno.ELOOP}:
                raise
            raise BrokenError(f"{name!r} in the archive is no folder, yet something lies in it") from None

    def _whiteout(self, member: Member, around: int, name: str) -> None:
        if name in {"", ".", ".."}:
            raise BrokenError(f"{member.name!r} in the archive deletes nothing")
        try:
            os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=around)
        except FileExistsError:
            raise BrokenError(f"the archive both has and deletes {name!r}") from None
        self._own(member, around, name)

    def _make(self, member: Member, around: int, name: str, stream: Stream) -> None:
        match member.kind:
            case "folder":
                self._make_folder(around, name)
            case "file":
                fd = os.open(name, _NEW, 0o600, dir_fd=around)
                try:
                    left = member.size
                    while left and (piece := stream.some(min(left, _PIECE))):
                        write_all(fd, piece)
                        left -= len(piece)
                finally:
                    os.close(fd)
            case "link":
                os.symlink(member.link, name, dir_fd=around)
            case "hard link":
                self._link(member, around, name)
            case _:
                os.mknod(name, _NODES[member.kind] | 0o600, os.makedev(*member.device), dir_fd=around)

    def _make_folder(self, around: int, name: str) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=around)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=around, follow_symlinks=False).st_mode):
                raise

    def _link(self, member: Member, around: int, name: str) -> None:
        """A second name of a file that came before; that one is looked for without following any link."""
        *folders, last = inside(member.link) or [""]
        with self._folder(tuple(folders)) as source:
            try:
                os.link(last, name, src_dir_fd=source, dst_dir_fd=around, follow_symlinks=False)
            except FileNotFoundError:
                raise BrokenError(f"{member.name!r} is a link to {member.link!r}, which the archive has not") from None

    def _own(self, member: Member, around: int, name: str) -> None:
        uid, gid = member.uid + self._shift[0], member.gid + self._shift[1]
        if not (0 <= uid < NO_ID and 0 <= gid < NO_ID):
            raise BrokenError(f"{member.name!r} has an owner that no file can have here")
        os.chown(name, uid, gid, dir_fd=around, follow_symlinks=False)

    def _dress(self, member: Member, around: int, name: str) -> None:
        """Owner, attributes, mode, times, in the order in which none takes back another."""
        self._own(member, around, name)
        for key, value in member.xattrs.items():
            try:
                os.setxattr(within(around, name), key, value, follow_symlinks=False)
            except OSError as error:
                if error.errno not in _IGNORED:
                    raise
        if not stat.S_ISLNK(os.stat(name, dir_fd=around, follow_symlinks=False).st_mode):
            os.chmod(name, member.mode, dir_fd=around)
        if member.kind != "folder":
            os.utime(name, ns=(settled(member.mtime_ns), settled(member.mtime_ns)), dir_fd=around, follow_symlinks=False)


class _Clearing:
    """A hand that removes what was made on a shelf."""

    def enters(self, around: int, name: str, path: str, below: os.stat_result) -> bool:
        """Every folder."""
        del around, name, path, below
        return True

    def meets(self, around: int, name: str, path: str) -> None:
        """Unlink it."""
        del path
        os.unlink(name, dir_fd=around)

    def leaves(self, around: int, name: str, path: str) -> None:
        """Remove the folder that is empty now."""
        del path
        os.rmdir(name, dir_fd=around)

    def stops(self, path: str, why: str) -> None:
        """Nothing mounts here."""
        raise OSError(errno.EBUSY, f"{path}: {why}")

    def fails(self, path: str, error: OSError) -> None:
        """It cannot be removed."""
        raise OSError(error.errno or errno.EIO, f"{path}: {error.strerror}")


def clear(shelf: int, draft: str) -> None:
    """Remove a draft from the shelf, if one is there. Nothing that was ever part of the root comes here."""
    with suppress(FileNotFoundError):
        os.stat(draft, dir_fd=shelf, follow_symlinks=False)
        Walk(_Clearing()).through(shelf, "the shelf of drafts", draft)
