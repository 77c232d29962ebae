"""The report as Markdown, for a ticket or the summary of a pipeline; names from the disk can neither format nor link; pure."""

from collections.abc import Iterator

from docker_fsck.reports.told import contents, graded, named, remedies, sufferers, unread, worst_first
from docker_fsck.reports.words import escape, many, size
from docker_fsck.values import Contents, Finding, Report

_SPECIAL = frozenset("\\`*_{}[]()#+-.!|<>&~@$^=")
MOST = 200
"""Findings that are told one by one: a ticket has room for no more."""


def render(report: Report) -> bytes:
    """The whole page."""
    return "\n\n".join(part for part in _parts(report) if part).encode("utf-8", "backslashreplace") + b"\n"


def plain(text: str) -> str:
    """`text` with every character that Markdown or HTML could take for a sign behind a backslash or as an entity."""
    return "".join(_sign(each) for each in escape(text)).replace(":/", "&#58;/")


def _sign(char: str) -> str:
    if char in "<>&@":  # an address or a tag is made of these even behind a backslash, in some readers
        return f"&#{ord(char)};"
    return f"\\{char}" if char in _SPECIAL else char


def code(text: str) -> str:
    """`text` as code, whatever backticks are in it."""
    shown = escape(text).replace("|", "\\x7c")
    fence = "`"
    while fence in shown:
        fence += "`"
    return f"{fence} {shown} {fence}" if "`" in shown else f"`{shown or ' '}`"


def _parts(report: Report) -> Iterator[str]:
    yield f"# docker-fsck: {report.verdict}"
    yield _table(report)
    gaps = [*unread(report)]
    if gaps:
        yield "## Not checked completely"
        yield "\n".join(f"- {plain(each)}" for each in gaps)
    if report.notes:
        yield "## Wishes that do not do what they say"
        yield "\n".join(f"- {code(note.subject)}: {plain(note.message)}" for note in report.notes)
    mends = remedies(report)
    found = worst_first(report.findings)
    for each in found[:MOST]:
        yield _finding(each, mends.get(each.fingerprint, []))
    if len(found) > MOST:
        yield f"... and {many(len(found) - MOST, 'more finding')}: the text and json formats have all."
    if report.plan.pull:
        yield "## To pull when the engine runs again"
        yield "\n".join(f"- {code(each)}" for each in report.plan.pull)


def _table(report: Report) -> str:
    rows = {
        "root": code(report.store.root),
        "store": plain(", ".join(report.store.layouts) or "no storage driver"),
        "engine": report.store.engine,
        "findings": graded(report) or "none",
        "can be reclaimed": size(report.summary.reclaimable_bytes),
        "in quarantine": size(report.summary.quarantine_bytes),
        "exit status": str(report.exit),
    }
    if isinstance(report.coverage.contents, Contents):
        rows["contents of layers"] = contents(report.coverage.contents)
    if isinstance(report.run.beside, int):
        rows["meanwhile"] = f"docker-fsck (process {report.run.beside}) is changing the root: what is seen may be half of it"
    if report.store.unfinished_transaction:
        rows["cut short"] = f"{code(report.store.unfinished_transaction)}: `docker-fsck recover` takes it back"
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def _finding(found: Finding, mends: list[str]) -> str:
    rows = [
        ("where", ", ".join(code(each.path) for each in found.paths[:4])),
        ("expected", code(found.evidence.expected) if found.evidence.expected else ""),
        ("actual", code(found.evidence.actual) if found.evidence.actual else ""),
        ("suffers", plain(sufferers(found))),
        ("the engine says", code(found.daemon_error) if found.daemon_error else ""),
        ("plan", "; ".join(plain(each) for each in mends) or "nothing is offered"),
        ("more", code(found.help) if found.help else ""),
    ]
    told = "\n".join(f"- {name}: {value}" for name, value in rows if value)
    return f"## {found.severity}: {plain(found.rule)}, {plain(named(found))}\n\n{plain(found.message)}\n\n{told}"
