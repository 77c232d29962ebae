"""The damage verbs of a built data root, one function each; a path is relative to the root, or absolute and below it."""

import os
import shutil
import time
from pathlib import Path
from typing import Protocol


class Rooted(Protocol):
    """Something that stands for a data root."""

    path: Path


def place(root: Rooted, path: str | Path) -> Path:
    """`path` as an absolute path, its last part not followed. Raises ValueError if it is not below the root."""
    whole = root.path / path
    if ".." in whole.parts or root.path not in whole.parents:
        msg = f"{path} is not below {root.path}"
        raise ValueError(msg)
    return whole


def delete(root: Rooted, path: str | Path) -> None:
    """Remove a file, a link, or a folder with all that is in it."""
    where = place(root, path)
    if where.is_dir() and not where.is_symlink():
        shutil.rmtree(where)
    else:
        where.unlink()


def empty(root: Rooted, path: str | Path) -> None:
    """A file becomes 0 bytes long, a folder loses all its entries."""
    where = place(root, path)
    if where.is_dir():
        for entry in sorted(where.iterdir()):
            delete(root, entry)
    else:
        where.write_bytes(b"")


def cut(root: Rooted, path: str | Path) -> None:
    """Only the first half of a file stays."""
    where = place(root, path)
    os.truncate(where, where.stat().st_size // 2)


def flip(root: Rooted, path: str | Path, bit: int = 0) -> None:
    """Turn one bit of a file over; bits count from the lowest of the first byte."""
    where = place(root, path)
    data = bytearray(where.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    where.write_bytes(data)


def nul(root: Rooted, path: str | Path) -> None:
    """A file keeps its size and becomes NUL bytes, as a power cut leaves it."""
    where = place(root, path)
    where.write_bytes(bytes(where.stat().st_size))


def write(root: Rooted, path: str | Path, data: bytes) -> None:
    """Put a file with `data` there, mode kept where a file was; a link or folder that was there goes."""
    where = place(root, path)
    if os.path.lexists(where) and (where.is_symlink() or where.is_dir()):
        delete(root, path)
    where.write_bytes(data)


def link_to(root: Rooted, path: str | Path, target: str) -> None:
    """Put a symbolic link with the text `target` there; whatever was there goes."""
    where = place(root, path)
    if os.path.lexists(where):
        delete(root, path)
    where.symlink_to(target)


def make_dir(root: Rooted, path: str | Path) -> None:
    """Put an empty folder there; whatever was there goes, folders above are made."""
    where = place(root, path)
    if os.path.lexists(where):
        delete(root, path)
    where.mkdir(parents=True)


def chmod(root: Rooted, path: str | Path, mode: int) -> None:
    """Give it other permission bits."""
    place(root, path).chmod(mode)


def age(root: Rooted, path: str | Path, seconds: float) -> None:
    """Set both times (not the ctime, which cannot be set) to `seconds` before now."""
    then = time.time() - seconds
    os.utime(place(root, path), (then, then), follow_symlinks=False)


def move(root: Rooted, path: str | Path, target: str | Path) -> None:
    """Rename it."""
    place(root, path).rename(place(root, target))
