"""How a driver writes down that a file was deleted, and how an OCI layer does: from the one to the other; pure.

overlay: a character device 0:0, and the attribute `overlay.opaque` on a folder. aufs and OCI: `.wh.<name>` and `.wh..wh..opq`.
"""

import stat
from collections.abc import Callable, Iterator

import msgspec

from docker_fsck.wholetree import Entry

GONE, OPAQUE = ".wh.", ".wh..wh..opq"
_OVERLAYS = ("trusted.overlay.", "user.overlay.", "user.fuseoverlayfs.")
_HOST = "security.selinux"
"""The host's label says nothing elsewhere."""


class Deleted(msgspec.Struct, frozen=True):
    """A whiteout to be written: its name below the top, already in OCI's spelling."""

    name: str


class Lost(msgspec.Struct, frozen=True):
    """What a tar cannot say, and why."""

    name: str
    why: str


Told = Entry | Deleted | Lost
Spelling = Callable[[Entry], Iterator[Told]]


def overlay(entry: Entry) -> Iterator[Told]:
    """An entry of the writable layer of overlay2."""
    base, slash, last = entry.name.rpartition("/")
    if stat.S_ISCHR(entry.info.st_mode) and entry.info.st_rdev == 0:
        yield Deleted(f"{base}{slash}{GONE}{last}")
        return
    if last.startswith(GONE):
        yield Lost(entry.name, "its name means a deletion in a tar of a layer, so that it is left out")
        return
    own = {key: value for key, value in entry.attributes.items() if key.startswith(_OVERLAYS)}
    yield from _bare(entry)
    for key, value in sorted(own.items()):
        word = key.rpartition(".")[2]
        if word == "opaque" and value == b"y":
            yield Deleted(f"{entry.name}/{OPAQUE}" if entry.name else OPAQUE)
        elif word == "redirect":
            yield Lost(entry.name, f"the folder was renamed in the container: what it had before lies in the image at {value!r}")
        elif word == "metacopy":
            yield Lost(entry.name, "only its owner or mode was changed: its bytes lie in the image")


def aufs(entry: Entry) -> Iterator[Told]:
    """An entry of the writable layer of aufs, which has OCI's spelling and a few files of its own at the top."""
    base, slash, last = entry.name.rpartition("/")
    if entry.name.partition("/")[0] in {".wh..wh.aufs", ".wh..wh.plnk", ".wh..wh.orph"}:
        return
    if last.startswith(GONE):
        yield Deleted(f"{base}{slash}{last}")
        return
    yield from _bare(entry)


def whole(entry: Entry) -> Iterator[Told]:
    """An entry of a whole tree, in which nothing is ever marked as deleted."""
    if entry.name.rpartition("/")[2].startswith(GONE):
        yield Lost(entry.name, "its name means a deletion in a tar of a layer, so that it is left out")
        return
    yield from _bare(entry)


def _bare(entry: Entry) -> Iterator[Entry]:
    attributes = {key: value for key, value in entry.attributes.items() if not key.startswith(_OVERLAYS) and key != _HOST}
    yield entry if attributes == entry.attributes else msgspec.structs.replace(entry, attributes=attributes)


SPELLINGS: dict[str, Spelling] = {"overlay2": overlay, "aufs": aufs, "vfs": whole, "btrfs": whole}
"""By driver; those that are not here keep their layers where no folder shows them."""
DIFFERENCES = frozenset({"overlay2", "aufs"})
"""Drivers whose writable layer holds only what the container changed."""
