"""What deep verification asks and answers for one layer; values only."""

from typing import Literal

import msgspec

State = Literal["whole", "damaged", "record", "unverifiable", "unread", "gone"]
"""`whole`: the digest is the diff id. `damaged`: files differ. `record`: every file is as its entry says and the digest differs
all the same, or the entries cannot be read. `unverifiable`: the driver keeps what an archive cannot be made of. `unread`: the
kernel refused something, so nothing is known. `gone`: it was removed meanwhile."""


class Task(msgspec.Struct, frozen=True):
    """A layer to verify: its diff id, its tar-split record, the folder of its content, those of its parents, nearest first.

    `whole_tree`: the driver keeps what the layer shows, not only what it adds; `beneath` are then the records of the layers
    below, the base first. `shift` is added to the owners of the archive, which are not compared where it is None.
    Paths are below the data root.
    """

    chain: str
    diff: str
    record: str
    content: str
    below: tuple[str, ...] = ()
    whole_tree: bool = False
    shift: tuple[int, int] | None = (0, 0)
    beneath: tuple[str, ...] = ()


class Meta(msgspec.Struct, frozen=True):
    """What a file is to have as its archive says: the fields of a step `setmeta`, those that differ."""

    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    mtime_ns: int | None = None
    xattrs: tuple[tuple[str, bytes | None], ...] = ()


class Damage(msgspec.Struct, frozen=True):
    """A file that is not what was archived. `found` and `expected` are words: sizes, checksums, kinds.

    `meta`: what would mend it, where only its attributes differ and its name leads through no link.
    """

    name: str
    expected: str
    found: str
    meta: Meta | None = None


class Verdict(msgspec.Struct, frozen=True):
    """The answer for one layer. `bytes` were hashed; `why` says more where there are no damages to tell it.

    `extra`: files that the archive has not. `drift`: attributes that are not those of the archive.
    """

    chain: str
    state: State
    bytes: int = 0
    why: str = ""
    damages: tuple[Damage, ...] = ()
    extra: tuple[str, ...] = ()
    drift: tuple[Damage, ...] = ()
