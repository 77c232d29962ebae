"""A run that ended before there was a report: refused, a usage error, nothing there; a value."""

import msgspec

from docker_fsck import errors


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no report. `root` is empty where it is not known; `at` is seconds since the epoch."""

    root: str
    why: str
    exit: int
    at: float
    version: str


def state(bits: int) -> str:
    """The one word for exit bits without a report."""
    if not bits:
        return "clean"
    if bits & errors.REFUSED:
        return "refused"
    return "usage-error" if bits & errors.USAGE else "incomplete"
