"""The exit status of a run, bit by bit (interface section 4), and the verdict that goes with it; pure."""

from collections.abc import Iterable
from typing import Literal

from docker_fsck.errors import CORRECTED, FINDINGS, INCOMPLETE, INTERRUPTED, REFUSED
from docker_fsck.values import Finding, Severity

Verdict = Literal["clean", "damaged", "incomplete", "refused"]


def check_bits(findings: Iterable[Finding], incomplete: Iterable[str], fail_on: Severity | None) -> int:
    """The bits of a check; `fail_on` None is `never`. What the baseline knows does not fail it."""
    failed = fail_on is not None and any(found.baseline == "new" and found.severity.rank >= fail_on.rank for found in findings)
    return (FINDINGS if failed else 0) | (INCOMPLETE if any(incomplete) else 0)


def apply_bits(checked: int, findings: Iterable[Finding], *, changed: int, refused: bool, interrupted: bool) -> int:
    """The bits after an apply: `checked` are those of the re-check, `changed` counts steps done, `refused`: some were not.

    An error that is left, though --fail-on lets it pass, keeps the store from being called corrected.
    """
    bits = checked | (REFUSED if refused else 0) | (INTERRUPTED if interrupted else 0)
    clean = verdict(bits & ~REFUSED, findings) == "clean"
    return bits | (CORRECTED if changed and clean else 0)


def verdict(bits: int, findings: Iterable[Finding]) -> Verdict:
    """The first that applies. An error stays damage where --fail-on lets the run pass: that is about runs, not about stores."""
    if bits & REFUSED:
        return "refused"
    if bits & (INCOMPLETE | INTERRUPTED):
        return "incomplete"
    broken = any(found.severity.rank >= Severity.ERROR.rank for found in findings)
    return "damaged" if broken or bits & FINDINGS else "clean"
