"""The command baseline: accept what a check finds, with reason and expiry; drop entries that do nothing any more; list them."""

import datetime as dt
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from docker_fsck import baseline as known
from docker_fsck.baseline import Entry
from docker_fsck.cli import accepted, roots, session
from docker_fsck.cli.edge import Call
from docker_fsck.errors import INCOMPLETE, UsageError
from docker_fsck.reports import document, files
from docker_fsck.reports.lines import Line, field, line
from docker_fsck.reports.words import brief, many
from docker_fsck.settingvalues import duration
from docker_fsck.values import Finding, Report, printable


def baseline(call: Call) -> int:
    """`baseline create`, `baseline prune` or `baseline show`."""
    path = call.config.baseline
    call.simple_format()
    if path is None:
        raise UsageError("which baseline? name its file with --baseline, or in the settings")
    match call.one("verb"):
        case "create":
            return _create(call, path)
        case "prune":
            return _prune(call, path)
        case _:
            return _show(call, path)


def _create(call: Call, path: str) -> int:
    reason, expires = printable(call.one("reason") or "").strip(), call.one("expires")
    if not reason or expires is None:
        raise UsageError(
            "baseline create wants --reason TEXT and --expires DATE: nothing is accepted for ever, nor without a reason"
        )
    until = _until(expires, call.now.date())
    files.outside(path, roots.choose(call.config).path, "--baseline")
    report = _check(call)
    old = {entry.fingerprint: entry for entry in (accepted.read(path) if Path(path).exists() else ())}
    today = call.now.date()
    kept = {
        mark: entry
        for mark, entry in old.items()
        if entry.holds(today) and all(entry.covers(f) for f in report.findings if f.fingerprint == mark)
    }
    new = [_entry(found, reason, until) for found in _failing(call, report) if found.fingerprint not in kept]
    files.put(path, known.encode({**old, **{entry.fingerprint: entry for entry in new}}.values()), "--baseline")
    head = f"{many(len(new), 'finding')} accepted until {until}; {len(kept)} were already."
    return _tell(call, new, _listed(new, today, head)) | report.exit & INCOMPLETE


def _until(text: str, today: dt.date) -> dt.date:
    """The last day that is meant: a date, or so much time from today on."""
    try:
        found = dt.date.fromisoformat(text)
    except ValueError:
        try:
            found = today + dt.timedelta(seconds=duration(text))
        except (ValueError, OverflowError):
            raise UsageError(f"--expires {text}: wants a date like 2030-01-31 or a duration like 90d") from None
    if found < today:
        raise UsageError(f"--expires {text}: that is past")
    return found


def _check(call: Call) -> Report:
    """What a check finds, every finding as if it were new."""
    bare = msgspec.structs.replace(call, config=msgspec.structs.replace(call.config, baseline=None, report=(), format="text"))
    return session.survey(bare, session.policy(bare)).report


def _failing(call: Call, report: Report) -> Iterator[Finding]:
    """The findings that would set bit 4: there is nothing to accept in the others."""
    least = call.config.fail_on
    if least is None:
        raise UsageError("--fail-on never: no finding fails a run, so there is nothing to accept")
    return (found for found in report.findings if found.severity.rank >= least.rank)


def _entry(found: Finding, reason: str, until: dt.date) -> Entry:
    return Entry(
        fingerprint=found.fingerprint,
        rule=found.rule,
        object=found.object,
        severity=found.severity,
        reason=reason,
        expires=until.isoformat(),
    )


def _prune(call: Call, path: str) -> int:
    """Expired entries go; those whose finding is gone go only if everything was looked at."""
    entries = accepted.read(path)
    files.outside(path, roots.choose(call.config).path, "--baseline")
    report, today = _check(call), call.now.date()
    there = {found.fingerprint for found in report.findings}
    ran = {outcome.rule for outcome in report.coverage.rules if outcome.state == "ran"}
    whole = report.verdict not in {"incomplete", "refused"}
    gone = [each for each in entries if not each.holds(today) or (whole and each.fingerprint not in there and each.rule in ran)]
    if gone:
        files.put(path, known.encode(each for each in entries if each not in gone), "--baseline")
    told = f"{many(len(gone), 'entry')} dropped, {len(entries) - len(gone)} kept."
    return _tell(call, gone, _listed(gone, today, told)) | report.exit & INCOMPLETE


def _show(call: Call, path: str) -> int:
    entries, today = accepted.read(path), call.now.date()
    return _tell(call, entries, _listed(entries, today, f"{many(len(entries), 'finding')} accepted."))


def _listed(entries: Iterable[Entry], today: dt.date, head: str) -> Iterator[Line]:
    for entry in entries:
        state = f"until {entry.expires}" if entry.holds(today) else f"EXPIRED on {entry.expires}"
        yield (
            (entry.severity, f"{entry.severity:<9}"),
            ("head", entry.rule),
            ("", f"  {entry.object.kind} {brief(entry.object.id)}"),
        )
        yield from field("accepted", f"{state}: {entry.reason}")
    yield line(head)


def _tell(call: Call, entries: Iterable[Entry], lines: Iterator[Line]) -> int:
    if call.simple_format() == "json":
        call.edge.terminal.data(document.pretty([*entries]))
    elif not call.quiet:
        call.edge.terminal.lines(lines)
    return 0
