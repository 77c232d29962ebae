"""The report as a stream of JSON objects, one a line, each with its `type`; pure."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from docker_fsck.reports.ended import Ended, least_report
from docker_fsck.values import Report

TYPES = ("run", "store", "coverage", "finding", "plan", "action", "blocked", "note", "gate", "summary")
"""The types of a report's lines, in the order in which they come; apply writes lines of type `event` before them."""


def line(kind: str, value: object) -> bytes:
    """One object of type `kind` with the fields of `value`, and the newline."""
    return msgspec.json.encode({"type": kind, **_plain(value)}) + b"\n"


def render(report: Report) -> bytes:
    """All lines of a report."""
    return b"".join(line(kind, value) for kind, value in _objects(report))


def without_report(ended: Ended) -> bytes:
    """All lines of the least report there is, where the root was refused or is not there; else nothing."""
    report = least_report(ended)
    return render(report) if report else b""


def _objects(report: Report) -> Iterator[tuple[str, object]]:
    plan, gate = report.plan, report.gate
    yield "run", {"schema": report.schema, "tool": report.tool, **_plain(report.run)}
    yield "store", report.store
    yield "coverage", report.coverage
    yield from _each("finding", report.findings)
    target = {} if isinstance(plan.target, msgspec.UnsetType) else {"target": plan.target}
    yield "plan", {"schema": plan.schema, "digest": plan.digest, "pull": plan.pull, **target}
    yield from _each("action", plan.actions)
    yield from _each("blocked", plan.blocked)
    yield from _each("note", report.notes)
    yield from _each("gate", () if isinstance(gate, msgspec.UnsetType) else (gate,))
    yield "summary", {"verdict": report.verdict, "exit": report.exit, **_plain(report.summary)}


def _each(kind: str, values: Iterable[object]) -> Iterator[tuple[str, object]]:
    return ((kind, value) for value in values)


def _plain(value: object) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(value, order="deterministic")
    return found
