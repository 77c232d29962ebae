"""What a person reads about a check: what is wrong, where, who suffers, what is done about it; lines in, nothing printed here."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import assert_never

from docker_fsck.reports.lines import BLANK, Line, field, fields, line, plain, wrapped
from docker_fsck.reports.plantext import plan_lines, title_of
from docker_fsck.reports.view import View
from docker_fsck.reports.words import brief as brief_id
from docker_fsck.reports.words import escape, listing, many, size
from docker_fsck.values import Action, Finding, Report, Scope, Severity, StoreInfo

MOST_FINDINGS = 5
MOST_NAMES = 6
MOST_PATHS = 4


def render(report: Report) -> bytes:
    """The whole report as plain text, nothing left out."""
    view = View(verbose=True)
    return plain(whole(report, view)).encode()


def whole(report: Report, view: View) -> Iterator[Line]:
    """Findings and plan."""
    yield from heading(report)
    yield from findings(report, view)
    yield from plan_lines(report.plan, report.findings, view)
    yield from closing(report)


def found_only(report: Report, view: View) -> Iterator[Line]:
    """Findings without the plan."""
    yield from heading(report)
    yield from findings(report, view)
    yield from closing(report)
    if report.plan.actions or report.plan.blocked:
        yield (("", "What can be done: "), ("command", escape(view.again("plan"))))


def planned(report: Report, view: View) -> Iterator[Line]:
    """The plan without the findings."""
    yield from heading(report)
    yield from _gaps(report)
    yield from plan_lines(report.plan, report.findings, view)
    yield from closing(report)


def brief(report: Report) -> Iterator[Line]:
    """One line for each finding above info, and the verdict: what -q leaves of a report."""
    if report.store.unfinished_transaction:
        yield from unfinished(report.store.unfinished_transaction)
    for found in worst_first(report.findings):
        if found.severity is not Severity.INFO:
            yield ((found.severity, found.severity), ("", f" {found.rule}: {escape(found.message)} [{_where(found)}]"))
    yield from _gaps(report)
    yield from closing(report)


def heading(report: Report) -> Iterator[Line]:
    """Which root this is, who uses it, and what must be known before anything else."""
    store = report.store
    counts = ", ".join(many(number, noun.replace("_", " ").removesuffix("s")) for noun, number in store.counts.items())
    yield (
        ("head", escape(store.root)),
        ("", f": {', '.join(store.layouts) or 'no storage driver'}; {counts or 'nothing counted'}"),
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
    remedies = _remedies(report, view)
    for rule, group in groupby(worst_first(report.findings), key=lambda found: found.rule):
        members = tuple(group)
        shown = members if view.verbose else members[:MOST_FINDINGS]
        for found in shown:
            yield from _finding(found, remedies.get(found.fingerprint, []))
        if len(members) > len(shown):
            yield line(f"... and {len(members) - len(shown)} more of {rule}; -v prints them all", "label")
            yield BLANK
    yield from _gaps(report)


def worst_first(found: Iterable[Finding]) -> list[Finding]:
    """By severity, then by rule, otherwise in the order of the report."""
    return sorted(found, key=lambda each: (-each.severity.rank, each.rule))


def _remedies(report: Report, view: View) -> dict[str, list[str]]:
    """By fingerprint: what is done about a finding, and why something is not."""
    names = {action.id: action for action in report.plan.actions}
    table: dict[str, list[str]] = {}
    for found in report.findings:
        table[found.fingerprint] = [_does(names[ident]) for ident in found.actions if ident in names]
    for each in report.plan.blocked:
        asked = each.cls is None or each.cls in view.classes
        table.setdefault(each.fingerprint, []).append(f"blocked: {each.why}" if asked else f"{each.cls} was not asked for")
    return table


def _does(action: Action) -> str:
    return f"{action.id} ({action.cls}): {action.does}"


def _finding(found: Finding, remedies: list[str]) -> Iterator[Line]:
    probable = " (probable)" if found.confidence == "probable" else ""
    yield ((found.severity, f"{found.severity.upper():<8}"), ("head", found.rule), ("", f"  {title_of(found.object)}{probable}"))
    yield from wrapped(found.message, indent=2)
    paths = tuple(each.path for each in found.paths)
    yield from fields("where", _cut(paths))
    if found.severity is not Severity.INFO:
        yield from field("expected", found.evidence.expected)
        yield from field("actual", found.evidence.actual)
    yield from field("suffers", _sufferers(found))
    yield from field("engine says", found.daemon_error)
    yield from field("also", "; ".join(each.message for each in found.folded[:MOST_PATHS]))
    yield from fields("plan", remedies or ["nothing is offered; explain says what you can do"])
    yield from field("more", found.help, style="command")
    yield BLANK


def _cut(paths: tuple[str, ...]) -> tuple[str, ...]:
    left = len(paths) - MOST_PATHS
    return paths if left <= 0 else (*paths[:MOST_PATHS], f"and {left} more")


def _where(found: Finding) -> str:
    return escape(found.paths[0].path) if found.paths else title_of(found.object)


def _sufferers(found: Finding) -> str:
    impact = found.impact
    groups = (("image", impact.images), ("container", impact.containers), ("volume", impact.volumes))
    return "; ".join(f"{many(len(names), kind)}: {listing(names, MOST_NAMES)}" for kind, names in groups if names)


def _gaps(report: Report) -> Iterator[Line]:
    told = [*_unread(report)]
    if told:
        yield line("Not checked completely:", "warning")
        for each in told:
            yield from wrapped(each, indent=2)
        yield BLANK


def _unread(report: Report) -> Iterator[str]:
    for outcome in report.coverage.rules:
        if outcome.state == "failed":
            yield f"rule {outcome.rule}: {outcome.reason or 'failed'}"
        elif outcome.rule in report.store.layouts:  # no rule but a whole store that was not looked at
            yield f"{outcome.rule}: {outcome.reason}"
    for source in report.coverage.sources:
        if source.state not in {"read", "absent"}:
            yield f"{source.source}: {source.state}{f' ({source.why})' if source.why else ''}"


def closing(report: Report) -> Iterator[Line]:
    """How many findings of which severity, what can be had back, and the verdict."""
    counts = Counter(each.severity for each in report.findings)
    parts = [f"{counts[severity]} {severity}" for severity in reversed(Severity) if counts[severity]]
    about = f" on {title_of(report.coverage.only.object)}" if isinstance(report.coverage.only, Scope) else ""
    told = f"{many(len(report.findings), 'finding')}{about}: {', '.join(parts)}." if parts else f"No findings{about}."
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
    return (
        ("head", escape(report.store.root)),
        ("", ": "),
        ("good", "clean"),
        ("", escape(f" ({many(ran, 'rule')} over {counts or 'an empty store'}{limit})")),
    )
