"""What a person reads about a check: what is wrong, where, who suffers, what is done about it; lines in, nothing printed here."""

from collections.abc import Iterator
from itertools import groupby
from typing import assert_never

from docker_fsck.reports.gatetext import gate_verdict, reasons
from docker_fsck.reports.lines import BLANK, Line, field, fields, line, plain, wrapped
from docker_fsck.reports.plantext import plan_lines, title_of
from docker_fsck.reports.told import contents, graded, named, remedies, sufferers, unread, worst_first
from docker_fsck.reports.view import View
from docker_fsck.reports.words import brief as brief_id
from docker_fsck.reports.words import escape, many, size
from docker_fsck.values import Contents, Finding, Report, Scope, Severity, StoreInfo

MOST_FINDINGS = 5
MOST_PATHS = 4


def render(report: Report) -> bytes:
    """The whole report as plain text, nothing left out."""
    view = View(verbose=True)
    return plain(whole(report, view)).encode()


def whole(report: Report, view: View) -> Iterator[Line]:
    """Findings and plan."""
    yield from heading(report)
    yield from findings(report, view)
    yield from plan_lines(report.plan, report.findings, report.store.counts, view)
    yield from closing(report)


def found_only(report: Report, view: View) -> Iterator[Line]:
    """Findings without the plan."""
    yield from heading(report)
    yield from findings(report, view)
    yield from closing(report)
    if report.plan.actions or report.plan.blocked:
        yield (("", "What can be done: "), ("command", escape(view.again("plan"))))


def gated(report: Report, view: View) -> Iterator[Line]:
    """The answer of the gate in one line, then why, then what was found."""
    yield from gate_verdict(report)
    yield from reasons(report)
    yield BLANK
    yield from heading(report)
    yield from findings(report, view)
    yield from closing(report)
    if report.plan.actions or report.plan.blocked:
        yield (("", "What can be done by docker-fsck: "), ("command", escape(view.again("plan"))))


def planned(report: Report, view: View) -> Iterator[Line]:
    """The plan without the findings."""
    yield from heading(report)
    yield from _gaps(report)
    yield from plan_lines(report.plan, report.findings, report.store.counts, view)
    yield from closing(report)


def brief(report: Report) -> Iterator[Line]:
    """One line for each finding above info, and the verdict: what -q leaves of a report."""
    yield from gate_verdict(report)
    if report.store.unfinished_transaction:
        yield from unfinished(report.store.unfinished_transaction)
    for found in worst_first(report.findings):
        if found.severity is not Severity.INFO and found.baseline == "new":
            yield ((found.severity, found.severity), ("", f" {found.rule}: {escape(found.message)} [{_where(found)}]"))
    yield from _gaps(report)
    yield from closing(report)


def heading(report: Report) -> Iterator[Line]:
    """Which root this is, who uses it, and what must be known before anything else."""
    store = report.store
    counts = ", ".join(many(number, noun.replace("_", " ").removesuffix("s")) for noun, number in store.counts.items())
    yield (
        ("head", escape(store.root)),
        ("", f": {escape(', '.join(store.layouts)) or 'no storage driver'}; {counts or 'nothing counted'}"),
    )
    if store.unfinished_transaction:
        yield from unfinished(store.unfinished_transaction)
    yield from _engine(store)
    yield from _limits(report)
    yield BLANK


def _limits(report: Report) -> Iterator[Line]:
    """What of the findings is not told, and what of the keep-lists protects nothing."""
    only = report.coverage.only
    if isinstance(only, Scope):
        told = f"Only what concerns the {_scope(only)}: {many(only.left_out, 'other finding')} not told."
        yield from wrapped(told, style="warning" if only.left_out else "")
    if isinstance(report.coverage.contents, Contents):
        style = "warning" if report.coverage.contents.left_out else ""
        yield from wrapped(f"Contents of layers: {contents(report.coverage.contents)}.", style=style)
    for each in report.coverage.keep_unused:
        yield from wrapped(f"Kept by configuration, but nothing here has that name: {each}", style="warning")


def _scope(only: Scope) -> str:
    return (
        title_of(only.object)
        if only.name in {only.object.id, brief_id(only.object.id)}
        else f"{title_of(only.object)} ({only.name})"
    )


def unfinished(txn: str) -> Iterator[Line]:
    """What to do about a transaction that was cut short."""
    told = (
        f"Transaction {txn} was cut short. `docker-fsck recover` takes it back as a whole, `docker-fsck recover --finish` "
        "completes it. Nothing else is changed before that."
    )
    yield from wrapped(told, style="warning")


def _engine(store: StoreInfo) -> Iterator[Line]:
    match store.engine:
        case "stopped":
            return
        case "live":
            yield from wrapped(
                "An engine uses this root: each finding was seen twice in a row. Stop the engine before apply.", style="warning"
            )
        case "unknown":
            yield from wrapped(
                "Whether an engine uses this root could not be found out, so nothing can be applied here.", style="warning"
            )
        case _:
            assert_never(store.engine)


def findings(report: Report, view: View) -> Iterator[Line]:
    """Every finding, worst first; many of one rule are cut short unless `view.verbose`, and what could not be read is named."""
    mends = remedies(report, view.classes)
    for rule, group in groupby(worst_first(report.findings), key=lambda found: found.rule):
        members = tuple(group)
        shown = members if view.verbose else members[:MOST_FINDINGS]
        for found in shown:
            yield from _finding(found, mends.get(found.fingerprint, []))
        if len(members) > len(shown):
            yield line(f"... and {len(members) - len(shown)} more of {rule}; -v prints them all", "label")
            yield BLANK
    yield from _gaps(report)


def _finding(found: Finding, mends: list[str]) -> Iterator[Line]:
    yield (
        (found.severity, f"{found.severity.upper():<7} "),
        ("head", found.rule),
        ("", f"  {named(found)}"),
    )
    yield from wrapped(found.message, indent=2)
    paths = tuple(each.path for each in found.paths)
    yield from fields("where", _cut(paths))
    if found.severity is not Severity.INFO:
        yield from field("expected", found.evidence.expected)
        yield from field("actual", found.evidence.actual)
    yield from field("suffers", sufferers(found))
    yield from field("engine says", found.daemon_error)
    yield from field("also", "; ".join(each.message for each in found.folded[:MOST_PATHS]))
    yield from fields("plan", mends or ["nothing is offered; explain says what you can do"])
    yield from field("more", found.help, style="command")
    yield BLANK


def _cut(paths: tuple[str, ...]) -> tuple[str, ...]:
    left = len(paths) - MOST_PATHS
    return paths if left <= 0 else (*paths[:MOST_PATHS], f"and {left} more")


def _where(found: Finding) -> str:
    return escape(found.paths[0].path) if found.paths else title_of(found.object)


def _gaps(report: Report) -> Iterator[Line]:
    told = [*unread(report)]
    if told:
        yield line("Not checked completely:", "warning")
        for each in told:
            yield from wrapped(each, indent=2)
        yield BLANK
    if report.notes:
        yield line("Wishes that do not do what they say:", "warning")
        for note in report.notes:
            yield from wrapped(f"{note.subject}: {note.message}", indent=2)
        yield BLANK


def closing(report: Report) -> Iterator[Line]:
    """How many findings of which severity, what can be had back, and the verdict."""
    about = f" on {title_of(report.coverage.only.object)}" if isinstance(report.coverage.only, Scope) else ""
    told = f"{many(len(report.findings), 'finding')}{about}: {graded(report)}." if report.findings else f"No findings{about}."
    if known := sum(1 for each in report.findings if each.baseline == "known"):
        told += f" The baseline knows {known} of them."
    if report.summary.reclaimable_bytes:
        told += f" {size(report.summary.reclaimable_bytes)} can be reclaimed."
    if report.summary.quarantine_bytes:
        told += f" {size(report.summary.quarantine_bytes)} lie in quarantine."
    style = "good" if report.verdict == "clean" else "error"
    yield (("", f"{told} Verdict: "), (style, report.verdict), ("", f" (exit {report.exit})."))


def one_line(report: Report) -> Line:
    """All of it, when nothing at all was found."""
    ran = sum(1 for outcome in report.coverage.rules if outcome.state == "ran")
    counts = ", ".join(many(number, noun.replace("_", " ").removesuffix("s")) for noun, number in report.store.counts.items())
    only = report.coverage.only
    limit = f", only what concerns the {_scope(only)}; {only.left_out} others not told" if isinstance(only, Scope) else ""
    depth = report.coverage.contents
    far = f"; contents of layers: {contents(depth)}" if isinstance(depth, Contents) else ""
    return (
        ("head", escape(report.store.root)),
        ("", ": "),
        ("good", "clean"),
        ("", escape(f" ({many(ran, 'rule')} over {counts or 'an empty store'}{limit}{far})")),
    )
