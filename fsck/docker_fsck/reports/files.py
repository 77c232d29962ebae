"""Files that the user asked for, written whole or not at all; never below a data root."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from docker_fsck import hostmounts, hostproc
from docker_fsck.errors import UsageError


def outside(path: str, root: str, what: str) -> None:
    """Refuse, as a `UsageError`, to write `path` if that lies in the data root (promise 1), by whatever name or mount."""
    real, top = os.path.realpath(path), os.path.realpath(root)
    if hostmounts.under(real, top) is not None or _same_folder(real, top) or _mounted(real, top):
        raise UsageError(f"{what} {path}: lies in the data root, where nothing is written")


def probe(path: str, what: str) -> None:
    """Find out now whether `put` could write `path`, without touching what is there; a `UsageError` says why it could not."""
    import tempfile  # noqa: PLC0415 - most runs write no file

    target = Path(os.path.realpath(path))
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not target.exists() or target.is_file():
            with tempfile.NamedTemporaryFile(prefix=f".{target.name}.", dir=target.parent):
                pass
        elif not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise UsageError(f"{what} {path}: {error.strerror or error}") from None


def _same_folder(path: str, root: str) -> bool:
    """Whether `path` or a folder above it is the root itself under another name."""
    try:
        top = Path(root).stat()
    except OSError:
        return False
    for each in (path, *map(str, Path(path).parents)):
        with contextlib.suppress(OSError):
            if os.path.samestat(Path(each).stat(), top):
                return True
    return False


def _mounted(path: str, root: str) -> bool:
    """Whether the place of `path` in its file system is below that of the root, or of a disk mounted on one of its own folders.

    Mounts deeper in it do not count: a volume may be a folder of the host that is mounted there.
    """
    try:
        table = hostmounts.mount_table(hostproc.content("/proc/self/mountinfo"))
        home, mount = (_mount_of(each, table) for each in (root, path))
    except OSError:
        return False
    if home is None or mount is None or (inner := hostmounts.under(path, mount.point)) is None:
        return False
    place = hostmounts.join(mount.root, inner)
    tops = hostmounts.places(root, home, table).get(mount.dev, ())
    return any(hostmounts.under(place, top.path) is not None for top in tops if "/" not in top.rel)


def _mount_of(path: str, table: Iterable[hostmounts.Mount]) -> hostmounts.Mount | None:
    """The mount on which `path` lies, or will lie."""
    there = next(each for each in (path, *map(str, Path(path).parents)) if os.path.lexists(each))
    fd = os.open(there, os.O_PATH | os.O_CLOEXEC)
    try:
        return hostmounts.mount_of("/proc", fd, there, table)
    finally:
        os.close(fd)


def put(path: str, data: bytes, what: str) -> None:
    """Write `data` to `path`: temp, fsync, rename; what is no regular file (/dev/null, a pipe) is written straight to.

    Raises `UsageError` with the reason if it cannot be written; then what was there before is still there.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            target.write_bytes(data)
        else:
            _replace(target, data)
    except OSError as error:
        raise UsageError(f"{what} {path}: {error.strerror or error}") from None


def _replace(target: Path, data: bytes) -> None:
    with _beside(target) as file:
        file.write(data)


@contextlib.contextmanager
def streamed(path: str, what: str) -> Iterator[IO[bytes]]:
    """A file to be written piece by piece that stands at `path` when the block has ended well, and not at all otherwise.

    What is no regular file is written straight to. Raises `UsageError` with the reason if it cannot be written.
    """
    target = Path(os.path.realpath(path))
    try:
        straight = target.exists() and not stat.S_ISREG(target.stat().st_mode)
        with target.open("wb") if straight else _beside(target) as file:
            yield file
    except OSError as error:
        raise UsageError(f"{what} {path}: {error.strerror or error}") from None


@contextlib.contextmanager
def _beside(target: Path) -> Iterator[IO[bytes]]:
    """A temporary file in the same folder, which takes the place of `target` once it is on the disk."""
    import tempfile  # noqa: PLC0415 - most runs write no file

    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), _mode(target))
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def _mode(target: Path) -> int:
    """The mode of the file that is replaced, else what the umask leaves of 0666."""
    if target.exists():
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
