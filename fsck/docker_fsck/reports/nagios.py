"""The report as one line for Nagios and its kin: state, what is worst, and perfdata behind the bar; pure.

The exit status of the program stays that of docker-fsck; examples/nagios has the wrapper that turns this line's word into theirs.
"""

from collections import Counter

from docker_fsck.reports.ended import Ended
from docker_fsck.reports.plantext import title_of
from docker_fsck.reports.told import failing, graded, unread, worst_first
from docker_fsck.reports.words import escape, many
from docker_fsck.values import Report, Severity

NAME = "DOCKER-FSCK"


def render(report: Report) -> bytes:
    """The line."""
    return _line(_state(report), _told(report), _perfdata(report))


def without_report(ended: Ended) -> bytes:
    """That the run did not come to a report."""
    return _line("UNKNOWN" if ended.exit else "OK", ended.why, "")


def _line(state: str, told: str, perfdata: str) -> bytes:
    text = escape(told).replace("|", "/")
    return f"{NAME} {state} - {text}{f' | {perfdata}' if perfdata else ''}\n".encode("utf-8", "backslashreplace")


def _state(report: Report) -> str:
    """What fails the run decides; then what is not known; then what the run let pass."""
    worst = max((each.severity.rank for each in failing(report)), default=-1)
    if worst >= Severity.ERROR.rank:
        return "CRITICAL"
    if report.verdict in {"incomplete", "refused"}:
        return "UNKNOWN"
    passed = any(each.severity is not Severity.INFO and each.baseline == "new" for each in report.findings)
    return "WARNING" if worst >= 0 or passed else "OK"


def _told(report: Report) -> str:
    told = f"{report.store.root}: {report.verdict}, {graded(report) or 'no findings'}"
    new = [each for each in worst_first(report.findings) if each.baseline == "new"]
    if new and new[0].severity is not Severity.INFO:
        told += f"; {new[0].rule}: {title_of(new[0].object)}"
    gaps = [*unread(report)]
    return told + (f"; {many(len(gaps), 'thing')} not read: {gaps[0]}" if gaps else "")


def _perfdata(report: Report) -> str:
    """`label=value[unit]` with blanks between; only findings that no baseline knows are counted by severity."""
    new = Counter(each.severity for each in report.findings if each.baseline == "new")
    rows = [(str(severity), f"{new[severity]}") for severity in reversed(Severity)]
    rows += [
        ("known", f"{sum(1 for each in report.findings if each.baseline == 'known')}"),
        ("not_read", f"{sum(1 for _ in unread(report))}"),
        ("reclaimable", f"{report.summary.reclaimable_bytes}B"),
        ("quarantine", f"{report.summary.quarantine_bytes}B"),
    ]
    return " ".join(f"{label}={value};;;0" for label, value in rows)
