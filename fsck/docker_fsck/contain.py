"""The one place where the code of others may crash: a plugin is anybody's, and its crash is an outcome, never the end of a run.

Law 6: whoever calls through here tells what crashed and makes the verdict incomplete.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import msgspec

from docker_fsck.values import printable

T = TypeVar("T")
P = ParamSpec("P")


class Crash(msgspec.Struct, frozen=True):
    """What a call ended with instead of an answer, in words."""

    why: str


def attempt(work: Callable[P, T], *args: P.args, **terms: P.kwargs) -> T | Crash:
    """What `work` returns, or how it crashed; what ends a run (an interrupt, an exit) is let through."""
    try:
        return work(*args, **terms)
    except Exception as error:  # noqa: BLE001 - anybody's code: see above
        return Crash(printable(f"{type(error).__name__}: {error}"))
