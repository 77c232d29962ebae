"""The plain frozen values that the rooms hand to each other; nothing here reads, writes or decides.

Paths inside the program are `str` relative to the data root with `/` between the parts, decoded with
surrogateescape. Values that leave the program (`Finding`, `Plan`, `Report`) hold printable text; where a
path is not UTF-8 its bytes stand beside it as `path_b64` (interface section 6).
"""

import enum
import os
from typing import Literal

import msgspec

REPORT_SCHEMA = "docker-fsck/report/1"
PLAN_SCHEMA = "docker-fsck/plan/1.0"


class Severity(enum.StrEnum):
    """How bad a finding is (interface section 5), from mild to worst."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info up to 3 for critical."""
        return list(Severity).index(self)


class ActionClass(enum.StrEnum):
    """What kind of consent a change needs (interface section 3), from gentle to harsh."""

    LOSSLESS = "lossless"
    RECLAIM = "reclaim"
    LOSSY = "lossy"
    LOSSY_USER = "lossy-user"
    MANUAL = "manual"

    @property
    def rank(self) -> int:
        """0 for lossless up to 4 for manual."""
        return list(ActionClass).index(self)


class Level(enum.StrEnum):
    """How deep a check looks; a rule runs at its own level and above."""

    QUICK = "quick"
    STANDARD = "standard"
    DEEP = "deep"

    @property
    def rank(self) -> int:
        """0 for quick up to 2 for deep."""
        return list(Level).index(self)


class Confidence(enum.StrEnum):
    """Only a certain finding may carry an action."""

    CERTAIN = "certain"
    PROBABLE = "probable"


class Ref(msgspec.Struct, frozen=True, order=True):
    """A node of the object graph.

    Kinds: tag, image, layer, driverdir, mount, container, volume, snapshot, file, store. The id of a layer is
    `sha256:<chain id>`, of an image `sha256:<image id>`, of a file its path below the data root.
    """

    kind: str
    id: str


class Trouble(msgspec.Struct, frozen=True):
    """Why a fact could not be had from a path.

    `absent`: nothing is there. `wrong`: another kind of file, a link, too large. `malformed`: read, but not what
    the format says. `unreadable`: the kernel refused, so nothing is known (law 6: unread is never clean).
    """

    path: str
    state: Literal["absent", "wrong", "malformed", "unreadable"]
    why: str


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
    """Give `path` another mode, owner or mtime; a field left None stays as it is."""

    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    mtime_ns: int | None = None
    n: int = -1
    rank: int = 0


Step = PutAway | WriteFile | Relink | MakeDir | SetMeta
"""One step of a plan. `n` numbers the steps of a plan in the order in which they are done, from 0; `rank` is the
group (a sync lies between two ranks): lossless writes 0, tag 1, image 2, container 3, mount 4, layer 5, link 6,
driver dir 7, residue 8."""


class Guard(At, frozen=True):
    """What must still be true of a path right before a step touches it; `absent` says that nothing may be there."""

    dev: int = 0
    ino: int = 0
    ctime_ns: int = 0
    size: int = 0
    sha256: str | msgspec.UnsetType | None = msgspec.UNSET
    absent: bool = False


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What is done about one or more findings: it is applied whole or not at all."""

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


class Blocked(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A remedy that is not in the plan, and why not."""

    fingerprint: str
    why: str
    cls: ActionClass | None = msgspec.field(name="class", default=None)
    does: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What apply would do. `digest` is the sha256 over the actions; a saved plan has `root`, `layout`, `made`, `tool`."""

    schema: str = PLAN_SCHEMA
    digest: str = ""
    actions: tuple[Action, ...] = ()
    blocked: tuple[Blocked, ...] = ()
    pull: tuple[str, ...] = ()


class SavedPlan(Plan, frozen=True, kw_only=True):
    """A plan as `plan -o` writes it."""

    root: str
    layout: tuple[str, ...]
    made: str
    tool: dict[str, str]


class Remedy(msgspec.Struct, frozen=True, kw_only=True):
    """A way to mend a fault, as a rule offers it: the planner decides.

    `steps` are file changes without numbers and guards. `forget` names objects whose files are all put away; what
    stands on them must go with them or the remedy is refused. `retag` are tags (repository, reference) that are
    dropped from the tag store. `knowing` names the sources of references that must have been read completely.
    """

    cls: ActionClass
    does: str
    steps: tuple[Step, ...] = ()
    forget: tuple[Ref, ...] = ()
    retag: tuple[tuple[str, str], ...] = ()
    knowing: tuple[str, ...] = ()
    loses: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    pull: tuple[str, ...] = ()
    consent: str | None = None


class Fault(msgspec.Struct, frozen=True):
    """What a rule found wrong.

    `paths`: first what is broken or missing itself, then what refers to it. `through`: the objects whose damage
    would explain this fault; if a rule named in `after` has a finding on one of them, the fault is folded into it.
    """

    subject: Ref
    message: str
    paths: tuple[str, ...] = ()
    expected: str = ""
    actual: str = ""
    remedies: tuple[Remedy, ...] = ()
    through: tuple[Ref, ...] = ()
    confidence: Confidence = Confidence.CERTAIN
    severity: Severity | None = None
    daemon_error: str = ""


class Folded(msgspec.Struct, frozen=True):
    """A fault that the finding it stands in has caused."""

    rule: str
    object: Ref
    message: str


class Impact(msgspec.Struct, frozen=True):
    """Who suffers: images by a tag or id, containers by id, volumes by name."""

    images: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()


class Evidence(msgspec.Struct, frozen=True):
    """What should be and what is."""

    expected: str = ""
    actual: str = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One cause, told once (interface section 6)."""

    fingerprint: str
    rule: str
    title: str
    message: str
    severity: Severity
    confidence: Confidence
    object: Ref
    paths: tuple[At, ...]
    evidence: Evidence
    impact: Impact
    folded: tuple[Folded, ...] = ()
    daemon_error: str = ""
    baseline: Literal["new", "known"] = "new"
    actions: tuple[str, ...] = ()
    help: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """How a rule's run went: law 6 wants to know that it ran."""

    rule: str
    state: Literal["ran", "skipped", "failed"]
    reason: str | None = None
    objects: int = 0


class Source(msgspec.Struct, frozen=True):
    """How much of a source of references was read."""

    source: str
    state: Literal["read", "absent", "partial", "unstable", "newer", "unreadable"]
    why: str | None = None


class Coverage(msgspec.Struct, frozen=True):
    """What was looked at, so that silence means something."""

    rules: tuple[Outcome, ...]
    bytes_verified: int = 0
    sources: tuple[Source, ...] = ()


class RunInfo(msgspec.Struct, frozen=True):
    """The part of a report that differs between two runs on the same store. Times are RFC 3339, UTC."""

    id: str
    started: str
    ended: str
    level: Level
    argv: tuple[str, ...]


class StoreInfo(msgspec.Struct, frozen=True):
    """What kind of root this is; `layouts` like `graphdriver:overlay2`."""

    root: str
    layouts: tuple[str, ...]
    engine: Literal["stopped", "live", "unknown"]
    unfinished_transaction: str | None
    counts: dict[str, int]


class Summary(msgspec.Struct, frozen=True):
    """Numbers over all findings; bytes are allocated bytes."""

    by_severity: dict[str, int]
    reclaimable_bytes: int = 0
    quarantine_bytes: int = 0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole check (interface section 6); every output format is a view of it."""

    schema: str = REPORT_SCHEMA
    tool: dict[str, str]
    run: RunInfo
    store: StoreInfo
    verdict: Literal["clean", "damaged", "incomplete", "refused"]
    exit: int
    coverage: Coverage
    findings: tuple[Finding, ...]
    plan: Plan
    summary: Summary
