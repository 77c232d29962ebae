"""What was looked at and how far: parts of a report, which `values` passes on."""

from typing import Literal

import msgspec


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
