"""What a person reads of the gate's answer: one line that decides, and what the engine would open; lines in, nothing printed."""

from collections.abc import Iterator

from docker_fsck.reports.lines import Line, wrapped
from docker_fsck.reports.told import failing, unread
from docker_fsck.reports.words import escape, many
from docker_fsck.values import Gate, Report

_STYLES = {"passed": "good", "blocked": "error", "undecided": "warning"}


def gate_verdict(report: Report) -> Iterator[Line]:
    """The line that decides; nothing for a report that no gate made."""
    gate = report.gate
    if isinstance(gate, Gate):
        head = f"gate {gate.target}: "
        yield (("head", head), (_STYLES[gate.decision], gate.decision), ("", f" ({_because(report, gate)}; exit {report.exit})"))


def _because(report: Report, gate: Gate) -> str:
    match gate.decision:
        case "blocked":
            count = many(len(failing(report)), "finding")
            return f"settle {count} before engine {gate.target} is started on {escape(report.store.root)}"
        case "undecided":
            return f"{many(sum(1 for _ in unread(report)), 'thing')} could not be judged"
        case "passed":
            return f"nothing stands against engine {gate.target} on {escape(report.store.root)}"


def reasons(report: Report) -> Iterator[Line]:
    """What the engine would open, and by which configuration that is known."""
    gate = report.gate
    if not isinstance(gate, Gate):
        return
    opens = f"Engine {gate.target} opens {gate.opens}" if gate.opens else f"Engine {gate.target}"
    yield from wrapped(f"{opens}: {gate.why}.")
    known = (
        f"Its configuration: {gate.settings}."
        if gate.settings
        else ("No configuration is known for it, so none is assumed; --daemon-json FILE names one.")
    )
    yield from wrapped(known)
