"""Roots in the root: the stores that engines keep for user namespaces in folders `<uid>.<gid>` (classic-store 0, FC-50)."""

from docker_fsck.ids import USERNS_ROOT
from docker_fsck.reader import Reader
from docker_fsck.values import Trouble

SIGNS = ("image", "containers", "volumes")


def read(reader: Reader) -> tuple[str, ...]:
    """Folders that hold a store of their own; one that cannot be looked into counts."""
    names = reader.names("")
    found = names if isinstance(names, dict) else {}
    return tuple(name for name, kind in found.items() if kind == "dir" and USERNS_ROOT.fullmatch(name) and _store(reader, name))


def _store(reader: Reader, name: str) -> bool:
    inner = reader.names(name)
    return isinstance(inner, Trouble) or any(sign in inner for sign in SIGNS)
