"""Reports for tests of the formats: one with everything in it, and one whose every name is hostile."""

from typing import Any

import msgspec
from test_reports import action, damaged, finding, report

from docker_fsck.reports.ended import Ended
from docker_fsck.values import (
    Blocked,
    Coverage,
    Evidence,
    Folded,
    Impact,
    Note,
    Outcome,
    Plan,
    Ref,
    Report,
    Severity,
    Source,
    StoreInfo,
    Summary,
    at,
)

NASTY = "a<script>alert(1)</script>\"'&|`x`](javascript:1) %0A::error::pwned, b:c\r\n::set-output name=x::y\x1b[2J\u202e\x00"
REFUSED = Ended(root="/r", why=f"an engine uses this root: {NASTY}", exit=64, at=1704067200.0, version="0")


def hostile() -> Report:
    """Every text that can come from a disk is NASTY, and a path is not UTF-8."""
    bad = finding(
        message=NASTY,
        object=Ref("layer", NASTY),
        paths=(at(NASTY), at("overlay2/\udcff")),
        evidence=Evidence(NASTY, NASTY),
        impact=Impact((NASTY,), (NASTY,), (NASTY,)),
        folded=(Folded("x-y", Ref("layer", NASTY), NASTY),),
        daemon_error=NASTY,
    )
    plan = Plan(
        actions=(action(does=NASTY, loses=(NASTY,), next=(NASTY,)),),
        blocked=(Blocked(fingerprint="f1", why=NASTY),),
        pull=(NASTY,),
    )
    coverage = Coverage((Outcome("x-y", "failed", NASTY),), 0, (Source(NASTY, "unreadable", NASTY),))
    store = StoreInfo(NASTY, (NASTY,), "live", NASTY, {"images": 1})
    return report(
        (bad,),
        plan,
        coverage=coverage,
        store=store,
        notes=(Note("baseline-unused", NASTY, NASTY),),
        exit=12,
        verdict="incomplete",
    )


def whole() -> Report:
    """A finding of each severity, one of them known, one rule that failed, one that was skipped."""
    found = tuple(
        finding(fingerprint=f"f{n}", rule=f"rule-{severity}", severity=severity, actions=())
        for n, severity in enumerate(Severity)
    )
    known = finding(fingerprint="f9", rule="rule-error", object=Ref("layer", "k"), baseline="known", actions=())
    outcomes = [Outcome(f"rule-{severity}", "ran", None, 1) for severity in Severity]
    coverage = Coverage(
        (
            *outcomes,
            Outcome("failed-rule", "failed", "KeyError: 1"),
            Outcome("aufs-x", "skipped", "no aufs"),
            Outcome("quiet", "ran"),
        )
    )
    return report((*found, known), coverage=coverage, exit=12, verdict="incomplete", summary=Summary({}, 1000, 20))


def of_another_run(found: Report) -> Report:
    """The same report of another run."""
    run: Any = msgspec.structs.replace(
        found.run, id="other", started="2025-01-01T00:00:00Z", ended="2025-01-01T00:01:00Z", argv=("x",)
    )
    return msgspec.structs.replace(found, run=run)


__all__ = ["NASTY", "REFUSED", "damaged", "hostile", "of_another_run", "report", "whole"]
