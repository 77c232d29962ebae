"""Files that the user asked for, written whole or not at all; never below a data root."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from docker_fsck.errors import UsageError


def outside(path: str, root: str, what: str) -> None:
    """Refuse, as a `UsageError`, to write `path` if that lies in the data root (promise 1)."""
    real = os.path.realpath(path)
    if real == root or real.startswith(root.rstrip("/") + "/"):
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
