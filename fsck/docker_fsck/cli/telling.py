"""How a report leaves the program: files, standard output, and how much is said there; decides nothing about the root."""

from collections.abc import Callable, Iterator

import msgspec

from docker_fsck import reports
from docker_fsck.cli import exits, outputs
from docker_fsck.cli.edge import Call
from docker_fsck.cli.session import Survey
from docker_fsck.errors import USAGE
from docker_fsck.log import Event
from docker_fsck.reports import text
from docker_fsck.reports.lines import Line
from docker_fsck.reports.view import View
from docker_fsck.values import ActionClass, Gate, Report, Severity

Shape = Callable[[Report, View], Iterator[Line]]


def view(call: Call, classes: frozenset[ActionClass] = frozenset(ActionClass)) -> View:
    """How the user wants a report to be shown."""
    return View(
        program=call.program,
        where=call.repeated("config", "root", "journal_dir"),
        how=call.repeated("grace", "level", "rule", "skip", "baseline", "probe", "source"),
        verbose=call.verbosity > 0,
        classes=classes,
    )


def tell(call: Call, found: Survey, shape: Shape) -> int:
    """Show the report and write its files; gives its exit bits, with that of a file that could not be written."""
    show(call, found, shape)
    return found.report.exit | written(call, found)


def tell_cron(call: Call, found: Survey, shape: Shape) -> int:
    """As `tell`, but nothing is shown if nobody has to know: the form for cron."""
    if call.config.format != "text" or call.verbosity or not nobody_must_know(call, found.report):
        show(call, found, shape)
    else:
        _beside(call, found)
    return found.report.exit | written(call, found)


def written(call: Call, found: Survey) -> int:
    """Write the report's files; bit 16 if one could not be written, which is told."""
    problems = outputs.write(call.config, found.registry.reporters, found.report)
    for problem in problems:
        call.complain(Event.USAGE, problem)
    return USAGE if problems else 0


def show(call: Call, found: Survey, shape: Shape) -> None:
    """The report on standard output: in `shape` if it is text."""
    terminal = call.edge.terminal
    _beside(call, found)
    if call.config.format == "text":
        terminal.lines(_lines(call, found, shape))
    else:
        document(call, found)


def _beside(call: Call, found: Survey) -> None:
    """Say that another run is changing the root, whatever else is said."""
    if found.host.fsck_pid is not None:
        call.edge.terminal.note(
            f"another docker-fsck (process {found.host.fsck_pid}) is changing this root; what is seen here may be half of it"
        )


def document(call: Call, found: Survey) -> None:
    """The report on standard output, unless that is to be text."""
    if call.config.format != "text":
        call.edge.terminal.data(reports.chosen(call.config.format, found.registry.reporters)(found.report))


def with_bits(found: Survey, bits: int) -> Survey:
    """The survey with these exit bits and the verdict that follows from them."""
    report = msgspec.structs.replace(found.report, exit=bits, verdict=exits.verdict(bits, found.report.findings))
    return msgspec.structs.replace(found, report=report)


def _lines(call: Call, found: Survey, shape: Shape) -> Iterator[Line]:
    """Quiet when all is well: nothing with -q, one line from a clean root."""
    report = found.report
    if call.quiet:
        return iter(()) if _well(report) else text.brief(report)
    if _well(report) and not report.findings and not report.notes and not isinstance(report.gate, Gate):
        return iter([text.one_line(report)])
    return shape(report, view(call, found.policy.classes))


def _well(report: Report) -> bool:
    return not report.exit and not report.store.unfinished_transaction


def nobody_must_know(call: Call, report: Report) -> bool:
    """Whether cron may stay silent: exit 0, no new finding above info, and nobody is at a terminal to read the others."""
    if (
        not _well(report)
        or report.notes
        or any(each.severity is not Severity.INFO and each.baseline == "new" for each in report.findings)
    ):
        return False
    return not (call.edge.terminal.attended if report.findings else call.edge.terminal.shown)
