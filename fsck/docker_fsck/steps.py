"""What a plan is made of: paths as they leave the program, steps, guards, actions; values only, nothing is decided here."""

import hashlib
import os
from typing import Literal

import msgspec

from docker_fsck.grades import ActionClass

PLAN_SCHEMA = "docker-fsck/plan/1.0"


class At(msgspec.Struct, frozen=True, kw_only=True):
    """A path below the data root as it leaves the program; build one with `at()`."""

    path: str
    path_b64: bytes | msgspec.UnsetType = msgspec.UNSET

    @property
    def raw(self) -> str:
        """The path as the file system has it (surrogateescape)."""
        return os.fsdecode(self.path_b64) if isinstance(self.path_b64, bytes) else self.path


def printable(text: str) -> str:
    r"""`text` with bytes that are not UTF-8 written as `\xNN`, so that it can be encoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return text


def spell(raw: str) -> tuple[str, bytes | msgspec.UnsetType]:
    """The two fields of `At` for a path of the file system."""
    shown = printable(raw)
    return (shown, msgspec.UNSET) if shown == raw else (shown, os.fsencode(raw))


def at(raw: str) -> At:
    """`raw` as it leaves the program."""
    path, coded = spell(raw)
    return At(path=path, path_b64=coded)


class PutAway(At, frozen=True, tag_field="op", tag="quarantine"):
    """Rename `path` (a file, link or whole folder) into the quarantine."""

    n: int = -1
    rank: int = 0


class WriteFile(At, frozen=True, tag_field="op", tag="write"):
    """Put a new file with `data` at `path`: temp, fsync, rename. Bytes that were there are kept in the quarantine."""

    data: bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    n: int = -1
    rank: int = 0


class Relink(At, frozen=True, tag_field="op", tag="symlink"):
    """Put a symlink to `target` (text, never resolved) at `path`. What was there is kept in the quarantine."""

    target: str
    uid: int = 0
    gid: int = 0
    n: int = -1
    rank: int = 0


class MakeDir(At, frozen=True, tag_field="op", tag="mkdir"):
    """Make an empty folder at `path`, where nothing is."""

    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    n: int = -1
    rank: int = 0


class SetMeta(At, frozen=True, tag_field="op", tag="setmeta"):
    """Give `path` another mode, owner or mtime; a field left None stays as it is.

    `xattrs`: the values that these extended attributes get; None: it goes.
    """

    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    mtime_ns: int | None = None
    xattrs: tuple[tuple[str, bytes | None], ...] = ()
    n: int = -1
    rank: int = 0


class Origin(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where the archive of a layer lies that the operator supplied.

    `source` is what was named, an absolute path: an image archive (unpacked itself, of its bytes `length` from `at` on are
    the layer's), a folder with an unpacked one, or a second data root. `member` is the layer's name in it, in a data root its
    driver and chain id. `size` and `mtime_ns` are those of the file that is read.
    """

    kind: Literal["archive", "folder", "root"]
    source: str
    member: str
    at: int = 0
    length: int = 0
    size: int = 0
    mtime_ns: int = 0


class Unpack(At, frozen=True, tag_field="op", tag="unpack"):
    """Unpack the layer whose tar has the digest `diff`, a folder, to `path`. What was there is kept in the quarantine.

    It is unpacked beside and hashed on the way: with another digest nothing is put in place. `mode`, `uid` and `gid` are those of
    the folder itself, `shift` is added to the owners in the tar; `bytes` is the length of the tar.
    """

    diff: str
    origin: Origin
    bytes: int = 0
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    shift: tuple[int, int] = (0, 0)
    n: int = -1
    rank: int = 0


Step = PutAway | WriteFile | Relink | MakeDir | SetMeta | Unpack
"""One step of a plan. `n` numbers the steps of a plan in the order in which they are done, from 0; `rank` is the
group (a sync lies between two ranks): lossless writes 0, tag 1, image 2, container 3, mount 4, layer 5, link 6,
driver dir 7, residue 8, the file that is the engine's lock 9."""


class Guard(At, frozen=True):
    """What must still be true of a path right before a step touches it; `absent` says that nothing may be there."""

    dev: int = 0
    ino: int = 0
    ctime_ns: int = 0
    size: int = 0
    sha256: str | msgspec.UnsetType | None = msgspec.UNSET
    absent: bool = False


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What is done about one or more findings: it is applied whole or not at all. `unnamed`: how many images lose their names."""

    id: str
    cls: ActionClass = msgspec.field(name="class")
    does: str
    steps: tuple[Step, ...]
    pre: tuple[Guard, ...]
    bytes: int
    needs: str = msgspec.field(default="engine stopped")
    findings: tuple[str, ...] = ()
    consent: str | None = None
    loses: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    unnamed: int = 0


class Blocked(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A remedy that is not in the plan, and why not."""

    fingerprint: str
    why: str
    cls: ActionClass | None = msgspec.field(name="class", default=None)
    does: str = ""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What `plan --target-free` asked for, in bytes of the file system.

    `free` is what an unprivileged process may use now, `quarantine` what a purge of older transactions frees, `wanted` what
    must come free beside that, `planned` what the chosen reclaims free after a purge, `left_out` those that were not needed.
    `blocked` is the size of reclaims that something forbids; `short` what is missing, 0 if the target is reached.
    """

    asked: str
    total: int
    free: int
    quarantine: int
    wanted: int
    planned: int = 0
    left_out: int = 0
    blocked: int = 0
    short: int = 0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What apply would do. `digest` is the sha256 over the actions; a saved plan has `root`, `layout`, `made`, `tool`."""

    schema: str = PLAN_SCHEMA
    digest: str = ""
    actions: tuple[Action, ...] = ()
    blocked: tuple[Blocked, ...] = ()
    pull: tuple[str, ...] = ()
    target: Target | msgspec.UnsetType = msgspec.UNSET


def digest(actions: tuple[Action, ...]) -> str:
    """What tells two plans apart, and a saved one that was edited."""
    return sealed(msgspec.json.encode(actions))


def sealed(actions: bytes) -> str:
    """The same of actions as they are encoded without blanks."""
    return "sha256:" + hashlib.sha256(actions).hexdigest()


class SavedPlan(Plan, frozen=True, kw_only=True):
    """A plan as `plan -o` writes it; `sources`: what layers come from that it restores; `grace`: the seconds it was made with."""

    root: str
    layout: tuple[str, ...]
    made: str
    tool: dict[str, str]
    sources: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    grace: float | msgspec.UnsetType = msgspec.UNSET
