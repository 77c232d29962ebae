"""The report as one HTML page, no scripts, nothing from elsewhere; jinja2 escapes the names, which come from a hostile disk."""

from pathlib import Path

from jinja2 import Environment, StrictUndefined

from docker_fsck.reports.told import graded, named, remedies, sufferers, unread, worst_first
from docker_fsck.reports.words import escape, size
from docker_fsck.values import Report

TEMPLATE = Path(__file__).with_name("page.html.j2")


def render(report: Report) -> bytes:
    """The whole page."""
    page = _environment().from_string(TEMPLATE.read_text("utf-8"))
    text = page.render(
        report=report,
        findings=worst_first(report.findings),
        mends=remedies(report),
        gaps=[*unread(report)],
        graded=graded(report),
    )
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _environment() -> Environment:
    made = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=False)
    made.filters |= {"shown": escape, "size": size, "named": named, "sufferers": sufferers}
    return made
