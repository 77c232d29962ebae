"""The plain frozen values that the rooms hand to each other; nothing here reads, writes or decides.

Paths inside the program are `str` relative to the data root with `/` between the parts, decoded with
surrogateescape. Values that leave the program (`Finding`, `Plan`, `Report`) hold printable text; where a
path is not UTF-8 its bytes stand beside it as `path_b64` (interface section 6).
"""

from typing import Literal

import msgspec

from docker_fsck.coverage import Contents, Outcome, Source
from docker_fsck.grades import ActionClass, Confidence, Level, Severity
from docker_fsck.steps import (
    PLAN_SCHEMA,
    Action,
    At,
    Blocked,
    Guard,
    MakeDir,
    Plan,
    PutAway,
    Relink,
    SavedPlan,
    SetMeta,
    Step,
    Target,
    WriteFile,
    at,
    printable,
    spell,
)

REPORT_SCHEMA = "docker-fsck/report/1"


class Ref(msgspec.Struct, frozen=True, order=True):
    """A node of the object graph.

    Kinds: tag, image, layer, driverdir, mount, container, volume, snapshot, cache-record, lease, file, store. The id of a
    layer is `sha256:<chain id>`, of an image `sha256:<image id>`, of a file its path below the data root.
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


class Remedy(msgspec.Struct, frozen=True, kw_only=True):
    """A way to mend a fault, as a rule offers it: the planner decides.

    `steps` are file changes without numbers and guards. `forget` names objects whose files are all put away; what stands on
    them must go too. `retag`: tags (repository, reference) to be dropped. `unnamed`: how many images lose their names. `knowing`:
    sources of references that must have been read completely. `ages`: when things that are no files were made (ns since 1970,
    0: not known). `refused`: why the rule holds it back; with `holders` only while one of these images and mounts still works.
    """

    cls: ActionClass
    does: str
    steps: tuple[Step, ...] = ()
    forget: tuple[Ref, ...] = ()
    retag: tuple[tuple[str, str], ...] = ()
    knowing: tuple[str, ...] = ()
    ages: tuple[int, ...] = ()
    loses: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    pull: tuple[str, ...] = ()
    consent: str | None = None
    unnamed: int = 0
    refused: str = ""
    holders: tuple[Ref, ...] = ()


class Fault(msgspec.Struct, frozen=True):
    """What a rule found wrong.

    `paths`: first what is broken or missing itself, then what refers to it. `through`: the objects whose damage
    would explain this fault; if a rule named in `after` has a finding on one of them, the fault is folded into it.
    `suffers`: objects that the subject takes with it where the graph does not tell, as for a file. `harms`: who suffers where
    it is not all that stands on the subject, in place of what the graph tells.
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
    suffers: tuple[Ref, ...] = ()
    harms: tuple[Ref, ...] | None = None


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


class Scope(msgspec.Struct, frozen=True):
    """The object that `check --object` asks about, and how many findings do not concern it and are left out."""

    object: Ref
    name: str
    left_out: int


class Coverage(msgspec.Struct, frozen=True):
    """What was looked at, so that silence means something.

    `keep_unused`: entries of the keep-lists that mean nothing in this root. `only`: findings of other objects are left out.
    `contents`: how far the deep level has come.
    """

    rules: tuple[Outcome, ...]
    bytes_verified: int = 0
    sources: tuple[Source, ...] = ()
    keep_unused: tuple[str, ...] = ()
    only: Scope | msgspec.UnsetType = msgspec.UNSET
    contents: Contents | msgspec.UnsetType = msgspec.UNSET


class RunInfo(msgspec.Struct, frozen=True):
    """The part of a report that differs between two runs on the same store. Times are RFC 3339, UTC.

    `fail_on`: the severity from which new findings set bit 4, or `never`. `beside`: the process of another docker-fsck that is
    changing the root, so that what is seen may be half of it.
    """

    id: str
    started: str
    ended: str
    level: Level
    argv: tuple[str, ...]
    fail_on: Literal["info", "warning", "error", "critical", "never"] = "error"
    beside: int | msgspec.UnsetType = msgspec.UNSET


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


class Note(msgspec.Struct, frozen=True):
    """What the user wished for and what does not do what it says: a part of a baseline or of the settings."""

    about: Literal["baseline-expired", "baseline-unused", "baseline-outgrown", "severity-unused", "rule-unused", "source"]
    subject: str
    message: str


class Gate(msgspec.Struct, frozen=True):
    """The answer of `gate`: may an engine of version `target` be started here.

    `opens`: the storage driver, or `containerd`, that it would show; empty if it refuses to start or takes what the host can do.
    `why`: the reason for that. `settings`: where its configuration was read, empty if none is known.
    """

    target: str
    decision: Literal["passed", "blocked", "undecided"]
    opens: str
    why: str
    settings: str


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
    notes: tuple[Note, ...] = ()
    gate: Gate | msgspec.UnsetType = msgspec.UNSET


__all__ = [
    "PLAN_SCHEMA",
    "REPORT_SCHEMA",
    "Action",
    "ActionClass",
    "At",
    "Blocked",
    "Confidence",
    "Contents",
    "Coverage",
    "Evidence",
    "Fault",
    "Finding",
    "Folded",
    "Gate",
    "Guard",
    "Impact",
    "Level",
    "MakeDir",
    "Note",
    "Outcome",
    "Plan",
    "PutAway",
    "Ref",
    "Relink",
    "Remedy",
    "Report",
    "RunInfo",
    "SavedPlan",
    "Scope",
    "SetMeta",
    "Severity",
    "Source",
    "Step",
    "StoreInfo",
    "Summary",
    "Target",
    "Trouble",
    "WriteFile",
    "at",
    "printable",
    "spell",
]
