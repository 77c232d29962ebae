"""What can become of a file, a folder or a link: seven damages, each of which leaves the old one aside and can be taken back."""

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

DAMAGES = ("deleted", "emptied", "halved", "zero-filled", "bit-flipped", "junk", "directory")
FLIPS = 8


def blows(damage: str, path: Path) -> list[tuple[str, Callable[[Path, Path], None]]]:
    """The blows of a damage, by their names: one, or of bit flips eight. Each makes the new path from the old one, which lies aside."""
    form = "link" if path.is_symlink() else "folder" if path.is_dir() else "file"
    if damage == "bit-flipped":
        return [
            (f"bit-flipped {number}", lambda old, new, number=number: _FLIP[form](old, new, number)) for number in range(FLIPS)
        ]
    return [(damage, _BLOWS[form][damage])]


@contextmanager
def struck(path: Path, blow: Callable[[Path, Path], None], aside: Path) -> Iterator[None]:
    """The path is damaged inside, and as it was afterwards. `aside` is a free path on the same file system."""
    path.rename(aside)
    try:
        blow(aside, path)
        yield
    finally:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        aside.rename(path)


def put(new: Path, data: bytes, like: Path) -> None:
    """A file with the mode of another."""
    new.write_bytes(data)
    new.chmod(like.lstat().st_mode & 0o777 if not like.is_symlink() else 0o644)


def junk(size: int) -> bytes:
    """Bytes without meaning, the same ones every time."""
    return random.Random(0).randbytes(max(size, 16))


def spot(data: bytes, number: int) -> int:
    """Which bit a flip turns over, counted from the lowest of the first byte: of the bytes that are not zero the one that lies
    (2n+1)/16 of the way through them, its bit n. Zero bytes are the unused room of databases: a flip there says nothing.
    """
    places = [at for at, byte in enumerate(data) if byte] or list(range(len(data)))
    return 8 * places[(2 * number + 1) * len(places) // (2 * FLIPS)] + number % 8


def flipped(data: bytes, number: int) -> bytes:
    """The bytes with one bit turned over; of no bytes none."""
    changed = bytearray(data)
    if changed:
        at = spot(data, number)
        changed[at // 8] ^= 1 << at % 8
    return bytes(changed)


def _gone(old: Path, new: Path) -> None:
    """Nothing is put there."""


def _folder(old: Path, new: Path) -> None:
    new.mkdir(mode=old.lstat().st_mode & 0o777 if old.is_dir() and not old.is_symlink() else 0o755)


def _copy(old: Path, new: Path) -> list[Path]:
    """The folder again, and the regular files in it."""
    subprocess.run(["cp", "-a", old, new], check=True)
    return sorted(each for each in new.rglob("*") if each.is_file() and not each.is_symlink())


def _half_folder(old: Path, new: Path) -> None:
    _copy(old, new)
    for each in sorted(new.iterdir())[::2]:
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        else:
            each.unlink()


def _zero_folder(old: Path, new: Path) -> None:
    for each in _copy(old, new):
        each.write_bytes(bytes(each.stat().st_size))


def _flip_folder(old: Path, new: Path, number: int) -> None:
    files = [each for each in _copy(old, new) if each.stat().st_size]
    if files:
        each = files[number * len(files) // FLIPS]
        each.write_bytes(flipped(each.read_bytes(), number))


def _text(old: Path) -> bytes:
    return os.fsencode(os.readlink(old))


_FLIP: dict[str, Callable[[Path, Path, int], None]] = {
    "file": lambda old, new, number: put(new, flipped(old.read_bytes(), number), old),
    "folder": _flip_folder,
    "link": lambda old, new, number: os.symlink(flipped(_text(old), number), new),
}
_BLOWS: dict[str, dict[str, Callable[[Path, Path], None]]] = {
    "file": {
        "deleted": _gone,
        "emptied": lambda old, new: put(new, b"", old),
        "halved": lambda old, new: put(new, old.read_bytes()[: old.stat().st_size // 2], old),
        "zero-filled": lambda old, new: put(new, bytes(old.stat().st_size), old),
        "junk": lambda old, new: put(new, junk(old.stat().st_size), old),
        "directory": _folder,
    },
    "folder": {
        "deleted": _gone,
        "emptied": _folder,
        "halved": _half_folder,
        "zero-filled": _zero_folder,
        "junk": lambda old, new: put(new, junk(16), old),
        "directory": lambda old, new: (new / "stray").mkdir(parents=True),
    },
    "link": {
        "deleted": _gone,
        "emptied": lambda old, new: put(new, b"", old),
        "halved": lambda old, new: os.symlink(_text(old)[: len(_text(old)) // 2], new),
        "zero-filled": lambda old, new: put(new, bytes(len(_text(old))), old),
        "junk": lambda old, new: os.symlink("../" + junk(16).hex() + "/diff", new),
        "directory": _folder,
    },
}
