"""The report as annotations of a GitHub workflow, one command a line; no name can end a line or begin a command; pure."""

from collections.abc import Iterator

from docker_fsck import errors
from docker_fsck.reports.ended import Ended
from docker_fsck.reports.plantext import title_of
from docker_fsck.reports.told import failing, sufferers, unread, worst_first
from docker_fsck.reports.words import escape, many
from docker_fsck.values import Finding, Report, Severity

_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = {**_DATA, ":": "%3A", ",": "%2C"}
_LEVELS = {Severity.INFO: "notice", Severity.WARNING: "warning", Severity.ERROR: "error", Severity.CRITICAL: "error"}


def render(report: Report) -> bytes:
    """One annotation a finding, worst first, then what was not read, then the verdict."""
    return "".join(f"{row}\n" for row in _rows(report)).encode("utf-8", "backslashreplace")


def without_report(ended: Ended) -> bytes:
    """That the run did not come to a report."""
    kind = "error" if ended.exit else "notice"
    return f"{command(kind, 'docker-fsck', escape(ended.why))}\n".encode("utf-8", "backslashreplace")


def command(kind: str, title: str, message: str) -> str:
    """One workflow command; both texts are safe to print already, newlines of ours excepted."""
    return f"::{kind} title={_spelled(title, _PROPERTY)}::{_spelled(message, _DATA)}"


def _rows(report: Report) -> Iterator[str]:
    for found in worst_first(report.findings):
        kind = "notice" if found.baseline == "known" else _LEVELS[found.severity]
        yield command(kind, f"{found.rule}, {title_of(found.object)}", _message(found))
    for gap in unread(report):
        yield command("error", "docker-fsck did not read everything", escape(gap))
    for note in report.notes:
        yield command("warning", "docker-fsck", escape(f"{note.subject}: {note.message}"))
    told = f"{many(len(report.findings), 'finding')}, {len(failing(report))} of them fail this run"
    kind = "error" if report.exit > errors.CORRECTED else "notice"
    yield command(kind, "docker-fsck", f"{escape(report.store.root)}: {told}. Verdict: {report.verdict} (exit {report.exit}).")


def _message(found: Finding) -> str:
    parts = [
        found.message,
        f"where: {found.paths[0].path}" if found.paths else "",
        sufferers(found),
        f"the engine says: {found.daemon_error}" if found.daemon_error else "",
        found.help,
    ]
    return "\n".join(escape(part) for part in parts if part)


def _spelled(text: str, table: dict[str, str]) -> str:
    """`text` with the characters that mean something to the runner spelled out."""
    return "".join(table.get(each, each) for each in text)
