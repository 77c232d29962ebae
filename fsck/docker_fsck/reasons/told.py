"""What `why` tells, as plain values; the names of the fields are those of the schema `docker-fsck/why/1`."""

from typing import Literal

import msgspec

from docker_fsck.values import ActionClass, Confidence, Ref, Severity, Source

WHY_SCHEMA = "docker-fsck/why/1"

State = Literal["kept", "dead", "unknown", "missing", "unused", "other"]
"""`kept`: reached from a root. `dead`: every source was read and none leads to it. `unknown`: none that was read does, but
not all could be read. `missing`: it is named and not there. `unused`: a volume that no container names, or a record of another
store that nothing there needs; nothing is reclaimed for that. `other`: a path that is no object of the store."""


class Thing(msgspec.Struct, frozen=True, order=True):
    """An object of the store; `driver` is empty for what all trees share. Kinds as in `Ref`, and those of other stores."""

    kind: str
    id: str
    driver: str = ""

    @property
    def ref(self) -> Ref:
        """Its name in findings and plans."""
        return Ref(self.kind, self.id)


class Edge(msgspec.Struct, frozen=True):
    """One reference: `how` reads before the thing at the other end, such as `cache-id of` or `init layer`."""

    how: str
    thing: Thing
    note: str = ""


class Link(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One branch of a tree of references.

    `bytes` are allocated on disk, `size` is what the layer records say. `again`: what belongs below it stands elsewhere in
    the same tree. `left_out` counts further branches below it that are not told. `path` is printable.
    """

    how: str
    kind: str
    id: str
    driver: str = ""
    name: str = ""
    path: str = ""
    state: State = "kept"
    note: str = ""
    bytes: int | None = None
    size: int | None = None
    facts: dict[str, str] = {}
    again: bool = False
    left_out: int = 0
    links: tuple["Link", ...] = ()


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that concerns the thing, the actions of the plan that mend it, and why others are blocked."""

    fingerprint: str
    rule: str
    severity: Severity
    confidence: Confidence
    message: str
    actions: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """An action of the plan that changes or moves the thing."""

    id: str
    cls: ActionClass = msgspec.field(name="class")
    does: str
    bytes: int


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer.

    `kept_by` leads from the thing up to the roots, `made_of` down to what it needs. `shown` is False for what is on the disk
    and not listed by the engine; the reason is among `causes`. `changed` and `modified` are the newest ctime and mtime of any
    member, RFC 3339, and `looks` what a thing without an owner seems to be. `doubts`: what unread things could name it.
    `sources` are all that was read for references. `users`: images, containers and volumes that cannot be without it.
    """

    schema: str = WHY_SCHEMA
    tool: dict[str, str]
    root: str
    asked: str
    kind: str
    id: str
    driver: str
    name: str
    path: str
    path_b64: bytes | msgspec.UnsetType = msgspec.UNSET
    state: State
    shown: bool
    note: str
    looks: str
    bytes: int | None
    size: int | None
    changed: str | None
    modified: str | None
    kept_by: tuple[Link, ...]
    made_of: tuple[Link, ...]
    images: tuple[str, ...]
    containers: tuple[str, ...]
    volumes: tuple[str, ...]
    causes: tuple[Cause, ...]
    plan: tuple[Taken, ...]
    doubts: tuple[str, ...]
    sources: tuple[Source, ...]
