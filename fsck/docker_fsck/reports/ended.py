"""A run that ended before there was a report: refused, a usage error, nothing there; a value."""

import msgspec

from docker_fsck import errors
from docker_fsck.steps import digest
from docker_fsck.values import Coverage, Gate, Outcome, Plan, Report, RunInfo, StoreInfo, Summary, printable


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no report. `root` is empty where it is not known; `at` is seconds since the epoch.

    `run` is None for a command line that was not understood; `gate`: the version that was asked about, empty for no gate.
    """

    root: str
    why: str
    exit: int
    at: float
    version: str
    run: RunInfo | None = None
    gate: str = ""


def state(bits: int) -> str:
    """The one word for exit bits without a report."""
    if not bits:
        return "clean"
    if bits & errors.REFUSED:
        return "refused"
    return "usage-error" if bits & errors.USAGE else "incomplete"


def least_report(ended: Ended) -> Report | None:
    """The report of a root that was refused or is not there: nothing was looked at, and why. None where no verdict says it."""
    if ended.run is None or ended.exit not in {0, errors.REFUSED}:
        return None
    why = printable(ended.why)
    decision = Gate(ended.gate, "undecided" if ended.exit else "passed", "", why, "")
    return Report(
        tool={"name": "docker-fsck", "version": ended.version},
        run=ended.run,
        store=StoreInfo(printable(ended.root), (), "unknown", None, {}),
        verdict="refused" if ended.exit else "clean",
        exit=ended.exit,
        coverage=Coverage((Outcome("root", "skipped", why),)),
        findings=(),
        plan=Plan(digest=digest(())),
        summary=Summary({}),
        gate=decision if ended.gate else msgspec.UNSET,
    )
