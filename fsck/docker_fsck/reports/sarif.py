"""The report as SARIF 2.1.0, for code scanning and what else reads it; pure.

Paths are relative to the data root, which `originalUriBaseIds` names; a path that is not UTF-8 stands there by its bytes.
"""

from typing import Any
from urllib.parse import quote

from docker_fsck import errors
from docker_fsck.reports.document import pretty
from docker_fsck.reports.ended import Ended
from docker_fsck.reports.plantext import title_of
from docker_fsck.reports.told import remedies, sufferers, unread
from docker_fsck.reports.words import escape
from docker_fsck.values import At, Finding, Report, Severity

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
BASE = "DATAROOT"
NOT_WHOLE = errors.INCOMPLETE | errors.USAGE | errors.INTERRUPTED | errors.REFUSED
"""The exit bits after which silence says nothing."""

_LEVELS = {Severity.INFO: "note", Severity.WARNING: "warning", Severity.ERROR: "error", Severity.CRITICAL: "error"}


def render(report: Report) -> bytes:
    """The whole log, one run in it."""
    cards = _cards(report)
    places = {card["id"]: at for at, card in enumerate(cards)}
    mends = remedies(report)
    invocation = {
        "executionSuccessful": not report.exit & NOT_WHOLE,
        "exitCode": report.exit,
        "startTimeUtc": report.run.started,
        "endTimeUtc": report.run.ended,
        "toolExecutionNotifications": [_notification(each, "error") for each in unread(report)]
        + [_notification(f"{note.subject}: {note.message}", "warning") for note in report.notes],
    }
    run = {
        **_tool(report.tool.get("version", ""), cards),
        "invocations": [invocation],
        "originalUriBaseIds": {BASE: {"uri": f"file://{quote(report.store.root.rstrip('/') + '/')}"}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(each, places[each.rule], mends.get(each.fingerprint, [])) for each in report.findings],
        "properties": {"verdict": report.verdict, "layouts": [*map(escape, report.store.layouts)], "counts": report.store.counts},
    }
    return _log(run)


def without_report(ended: Ended) -> bytes:
    """A run without results that says why."""
    invocation = {
        "executionSuccessful": not ended.exit,
        "exitCode": ended.exit,
        "toolExecutionNotifications": [_notification(ended.why, "error" if ended.exit else "note")],
    }
    return _log({**_tool(ended.version, []), "invocations": [invocation], "results": []})


def _log(run: dict[str, Any]) -> bytes:
    return pretty({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _tool(version: str, cards: list[dict[str, Any]]) -> dict[str, Any]:
    return {"tool": {"driver": {"name": "docker-fsck", "version": version, "rules": cards}}}


def _cards(report: Report) -> list[dict[str, Any]]:
    """Every rule that ran or found something, by name; what a finding knows of its rule comes with it."""
    names = {each.rule for each in report.coverage.rules if each.state == "ran"}
    known = {each.rule: each for each in report.findings}
    return [_card(name, known.get(name)) for name in sorted(names | known.keys())]


def _card(name: str, found: Finding | None) -> dict[str, Any]:
    if found is None:
        return {"id": name}
    return {
        "id": name,
        "shortDescription": {"text": found.title or name},
        "help": {"text": f"`{found.help}` says what it means, what breaks and what is done about it."},
    }


def _result(found: Finding, place: int, mends: list[str]) -> dict[str, Any]:
    made = {
        "ruleId": found.rule,
        "ruleIndex": place,
        "level": _LEVELS[found.severity],
        "message": {"text": _message(found)},
        "locations": [_location(found, found.paths[0] if found.paths else None)],
        "relatedLocations": [{**_location(found, path), "id": at} for at, path in enumerate(found.paths[1:], 1)],
        "partialFingerprints": {"dockerFsck/v1": found.fingerprint},
        "properties": {
            "severity": found.severity,
            "confidence": found.confidence,
            "baseline": found.baseline,
            "plan": [*map(escape, mends)],
        },
    }
    if found.baseline == "known":
        made["suppressions"] = [{"kind": "external", "status": "accepted"}]
    return made


def _message(found: Finding) -> str:
    parts = [found.message, sufferers(found), f"The engine says: {found.daemon_error}" if found.daemon_error else ""]
    return "\n".join(escape(part) for part in parts if part)


def _location(found: Finding, path: At | None) -> dict[str, Any]:
    named = f"{found.object.kind} {found.object.id}"
    logical = [{"name": title_of(found.object), "fullyQualifiedName": escape(named), "kind": "object"}]
    if path is None:
        return {"logicalLocations": logical}
    return {
        "physicalLocation": {"artifactLocation": {"uri": _uri(path), "uriBaseId": BASE}},
        "logicalLocations": logical,
    }


def _uri(path: At) -> str:
    return quote(path.path_b64 if isinstance(path.path_b64, bytes) else path.path)


def _notification(text: str, level: str) -> dict[str, Any]:
    return {"level": level, "message": {"text": escape(text)}}
