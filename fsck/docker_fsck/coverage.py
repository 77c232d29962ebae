"""What was looked at and how far: parts of a report, which `values` passes on."""

from typing import Literal

import msgspec


class Outcome(msgspec.Struct, frozen=True):
    """How a rule's run went: law 6 wants to know that it ran."""

    rule: str
    state: Literal["ran", "skipped", "failed"]
    reason: str | None = None
    objects: int = 0


class Contents(msgspec.Struct, frozen=True):
    """Of how many layers the content was verified: now, in earlier runs that found it whole, and not at all.

    `left_out`: the rest, which this run was not asked for, or had no time for; with `--max-age` also what is older than that.
    """

    verified: int
    earlier: int
    left_out: int


class Source(msgspec.Struct, frozen=True):
    """How much of a source of references was read."""

    source: str
    state: Literal["read", "absent", "partial", "unstable", "newer", "unreadable"]
    why: str | None = None
