"""The exit status, bit by bit, and the verdict that goes with it (interface section 4)."""

from typing import Any

import pytest

from docker_fsck.cli import exits
from docker_fsck.values import Confidence, Evidence, Finding, Impact, Ref, Severity

INFO, WARNING, ERROR, CRITICAL = Severity


def of(*severities: Severity) -> tuple[Finding, ...]:
    fields: dict[str, Any] = {"fingerprint": "f", "rule": "r", "title": "t", "message": "m", "confidence": Confidence.CERTAIN}
    return tuple(
        Finding(severity=each, object=Ref("layer", "l"), paths=(), evidence=Evidence(), impact=Impact(), **fields)
        for each in severities
    )


@pytest.mark.parametrize(
    ("severities", "incomplete", "fail_on", "bits"),
    [
        ((), (), ERROR, 0),
        ((INFO,), (), ERROR, 0),
        ((WARNING,), (), ERROR, 0),
        ((ERROR,), (), ERROR, 4),
        ((INFO, CRITICAL), (), ERROR, 4),
        ((INFO,), (), INFO, 4),
        ((WARNING,), (), WARNING, 4),
        ((ERROR,), (), CRITICAL, 0),
        ((CRITICAL,), (), CRITICAL, 4),
        ((CRITICAL,), (), None, 0),
        ((), ("a rule failed",), ERROR, 8),
        ((ERROR,), ("EIO",), ERROR, 12),
        ((CRITICAL,), ("EIO",), None, 8),
    ],
)
def test_the_bits_of_a_check(
    severities: tuple[Severity, ...], incomplete: tuple[str, ...], fail_on: Severity | None, bits: int
) -> None:
    assert bits == exits.check_bits(of(*severities), incomplete, fail_on)


@pytest.mark.parametrize(
    ("checked", "severities", "changed", "refused", "interrupted", "bits"),
    [
        (0, (), 3, False, False, 1),
        (0, (INFO, WARNING), 3, False, False, 1),
        (0, (), 0, False, False, 0),
        (0, (ERROR,), 3, False, False, 0),
        (0, (CRITICAL,), 3, True, False, 64),
        (4, (ERROR,), 3, False, False, 4),
        (4, (INFO,), 3, False, False, 4),
        (8, (), 3, False, False, 8),
        (0, (), 3, True, False, 65),
        (4, (ERROR,), 3, True, False, 68),
        (0, (), 3, False, True, 32),
        (4, (ERROR,), 0, True, True, 100),
    ],
)
def test_the_bits_after_an_apply(
    checked: int, severities: tuple[Severity, ...], changed: int, refused: bool, interrupted: bool, bits: int
) -> None:
    assert bits == exits.apply_bits(checked, of(*severities), changed=changed, refused=refused, interrupted=interrupted)


@pytest.mark.parametrize(
    ("bits", "severities", "verdict"),
    [
        (0, (), "clean"),
        (0, (INFO, WARNING), "clean"),
        (1, (), "clean"),
        (4, (ERROR,), "damaged"),
        (4, (INFO,), "damaged"),
        (0, (ERROR,), "damaged"),
        (8, (), "incomplete"),
        (12, (ERROR,), "incomplete"),
        (32, (), "incomplete"),
        (64, (), "refused"),
        (76, (ERROR,), "refused"),
    ],
)
def test_the_verdict_is_the_first_that_applies(bits: int, severities: tuple[Severity, ...], verdict: str) -> None:
    assert verdict == exits.verdict(bits, of(*severities))
