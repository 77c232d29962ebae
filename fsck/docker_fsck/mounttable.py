"""Which folders below a root are mount points, as the kernel tells this process; reads /proc only."""

import os
import re
from pathlib import Path

UNLISTED = ("btrfs", "fuse-overlayfs", "overlay", "overlay2", "vfs")
"""Driver homes whose entries no engine lists (classic-store 0.2): one that is a mount of its own has a quarantine of its own."""
_OCTAL = re.compile(r"\\([0-7]{3})")


def unescape(field: str) -> str:
    """A path of mountinfo with its octal escapes undone."""
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), field).encode("latin-1").decode("utf-8", "surrogateescape")


def lines_of(mountinfo: str) -> list[str]:
    """The lines of a table of mounts, a character for each byte; only a newline ends one, whatever `splitlines` thinks."""
    return Path(mountinfo).read_bytes().decode("latin-1").split("\n")[:-1]


def foreign_mounts(root: str, mountinfo: str = "/proc/self/mountinfo") -> frozenset[str] | None:
    """Mount points below `root`, relative to it, less folders that are bind-mounted onto themselves.

    Engines bind their driver home onto itself (btrfs; all drivers up to 17.03) and leave that behind when killed
    (classic-store 16): the same files are there, so that such a mount is entered. None where /proc does not tell.
    """
    try:
        lines = lines_of(mountinfo)
    except OSError:
        return None
    mounts = [_parse(line) for line in lines]
    found: set[str] = set()
    for device, source, point in mounts:
        if not point.startswith(root.rstrip("/") + "/"):
            continue
        around = max(
            (each for each in mounts if each[2] != point and _inside(point, each[2])), key=lambda each: len(each[2]), default=None
        )
        rest = os.path.relpath(point, around[2]) if around else ""
        if around is None or (device, os.path.normpath(source)) != (
            around[0],
            os.path.normpath(f"{around[1].rstrip('/')}/{rest}"),
        ):
            found.add(os.path.relpath(point, root))
    inside = {os.path.relpath(point, root) for _, _, point in mounts if any(_inside(point, f"{root}/{each}") for each in found)}
    return frozenset(found | inside)


def _parse(line: str) -> tuple[str, str, str]:
    fields = line.split(" ")
    return fields[2], unescape(fields[3]), unescape(fields[4])


def _inside(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")
