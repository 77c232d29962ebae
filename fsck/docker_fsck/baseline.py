"""Accepted findings: the file that lists them with reason and expiry, and what it changes in a report; pure.

An entry accepts one finding (rule and object, by fingerprint) up to a severity and to the end of a day, UTC. Then it counts.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator
from typing import Annotated, Any

import msgspec

from docker_fsck.errors import UsageError
from docker_fsck.grades import Severity
from docker_fsck.values import Finding, Note, Ref

SCHEMA = "docker-fsck/baseline/1"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
Fingerprint = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]
Day = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$", extra_json_schema={"format": "date"})]
Text = Annotated[str, msgspec.Meta(min_length=1, pattern=r"\S")]


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One accepted finding. `severity`: a graver one on the same object is news. `expires`: the last day on which it holds."""

    fingerprint: Fingerprint
    rule: Text
    object: Ref
    severity: Severity
    reason: Text
    expires: Day

    def holds(self, today: dt.date) -> bool:
        """Whether it has not expired."""
        return today.isoformat() <= self.expires

    def covers(self, found: Finding) -> bool:
        """Whether the finding is no graver than what was accepted."""
        return found.fingerprint == self.fingerprint and found.severity.rank <= self.severity.rank


class Baseline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file: at most one entry a finding."""

    schema: str = SCHEMA
    entries: tuple[Entry, ...] = ()


def decode(data: bytes, name: str) -> Baseline:
    """The baseline in `data`; a `UsageError` with `name` for what is none, so that a typo accepts nothing."""
    try:
        found = msgspec.json.decode(data, type=Baseline)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(f"{name}: not a baseline: {error}") from None
    if found.schema != SCHEMA:
        raise UsageError(f"{name}: its schema is {found.schema!r}, this version reads {SCHEMA}")
    for entry in found.entries:
        if not _is_day(entry.expires):
            raise UsageError(f"{name}: not a baseline: {entry.expires} is no day of any year")
    marks = [entry.fingerprint for entry in found.entries]
    if twice := sorted({mark for mark in marks if marks.count(mark) > 1}):
        raise UsageError(f"{name}: more than one entry for {', '.join(twice)}")
    return found


def _is_day(text: str) -> bool:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def encode(entries: Iterable[Entry]) -> bytes:
    """The file for these entries, by rule and fingerprint: the same entries are the same bytes."""
    ordered = tuple(sorted(entries, key=lambda entry: (entry.rule, entry.fingerprint)))
    return msgspec.json.format(msgspec.json.encode(Baseline(entries=ordered)), indent=2) + b"\n"


def schema() -> dict[str, Any]:
    """The JSON Schema of the file, as shipped in baseline.schema.json."""
    found = msgspec.json.schema(Baseline)
    shape = found["$defs"]["Baseline"]
    shape["properties"]["schema"] = {"const": SCHEMA}
    shape["required"] = ["entries", "schema"]
    return {"$schema": DIALECT, "title": SCHEMA, **found}


def mark(findings: Iterable[Finding], entries: Iterable[Entry], today: dt.date) -> tuple[Finding, ...]:
    """The findings, those that an entry accepts today marked as known."""
    accepted = {entry.fingerprint: entry for entry in entries if entry.holds(today)}
    return tuple(
        msgspec.structs.replace(each, baseline="known")
        if each.fingerprint in accepted and accepted[each.fingerprint].covers(each)
        else each
        for each in findings
    )


def notes(
    entries: Iterable[Entry], findings: Iterable[Finding], ran: Collection[str], known: Collection[str], today: dt.date
) -> Iterator[Note]:
    """What of a baseline does not do what it says. `ran` are the rules that ran, `known` those that there are."""
    found = {each.fingerprint: each for each in findings}
    for entry in entries:
        name = f"{entry.rule} {entry.fingerprint}"
        here = found.get(entry.fingerprint)
        if entry.rule not in known:
            yield Note("baseline-unused", name, "the baseline accepts a finding of a rule that does not exist")
        elif here is None and entry.rule in ran:
            yield Note(
                "baseline-unused", name, "the baseline accepts a finding that is not there; `docker-fsck baseline prune` drops it"
            )
        elif here is not None and not entry.holds(today):
            yield Note("baseline-expired", name, f"accepted until {entry.expires} ({entry.reason}); it counts again")
        elif here is not None and not entry.covers(here):
            yield Note("baseline-outgrown", name, f"accepted as {entry.severity} and now {here.severity}; it counts again")
