"""Lets the kernel seem to refuse one path, which root cannot bring about with permissions; for the thread of a test."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock


@contextmanager
def refusing(path: Path, error: int) -> Iterator[None]:
    """While it lasts, the kernel seems to refuse to open `path` (EACCES, EPERM) or, with another error, to read or list it."""
    real_open, real_read, real_scandir = os.open, os.read, os.scandir
    failure = OSError(error, os.strerror(error), str(path))
    at_open = error in {errno.EACCES, errno.EPERM}

    def bad(where: str) -> bool:
        return where == str(path)

    def fake_open(name: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if at_open and bad(name if dir_fd is None else str(Path(_place(dir_fd), name))):
            raise failure
        return real_open(name, flags, mode, dir_fd=dir_fd)

    def fake_read(fd: int, length: int) -> bytes:
        if bad(_place(fd)):
            raise failure
        return real_read(fd, length)

    def fake_scandir(where: Any) -> Any:  # noqa: ANN401 - as os.scandir
        if isinstance(where, int) and bad(_place(where)):
            raise failure
        return real_scandir(where)

    with (
        mock.patch.object(os, "open", fake_open),
        mock.patch.object(os, "read", fake_read),
        mock.patch.object(os, "scandir", fake_scandir),
    ):
        yield


def _place(fd: int) -> str:
    return os.readlink(f"/proc/self/fd/{fd}")
