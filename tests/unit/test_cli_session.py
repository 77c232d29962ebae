"""The straight way over a root in use: what counts is only what two looks in a row agree on (promise 3)."""

from collections.abc import Iterator
from typing import Any

import pytest

from docker_fsck.cli.session import PASSES, settled
from docker_fsck.engine import Checked
from docker_fsck.values import Confidence, Evidence, Finding, Impact, Ref, Severity


class Reader:
    """Counts how many stores were let go."""

    closed = 0

    def close(self) -> None:
        Reader.closed += 1


class Store:
    """A store that nobody reads."""

    def __init__(self) -> None:
        self.reader = Reader()


def finding(mark: str) -> Finding:
    """`a1` is what fingerprint `a` says in state `1`."""
    return Finding(
        fingerprint=mark[0], rule="r", title="t", message="m", severity=Severity.ERROR, confidence=Confidence.CERTAIN,
        object=Ref("layer", "l"), paths=(), evidence=Evidence("", mark[1:]), impact=Impact(),
    )  # fmt: skip


def looks(*passes: str) -> tuple[list[str], int, tuple[str, ...]]:
    """What is kept when the looks give these findings (`!x` is something that could not be read), and how many looks it took."""
    taken = 0
    rows: Iterator[str] = iter(passes)

    def look() -> Any:
        nonlocal taken
        taken += 1
        marks = next(rows).split()
        found = tuple(finding(mark) for mark in marks if not mark.startswith("!"))
        return Checked(found, {}, (), tuple(mark for mark in marks if mark.startswith("!"))), Store()

    checked, _ = settled(look, look)
    return [each.fingerprint + each.evidence.actual for each in checked.findings], taken, checked.incomplete


@pytest.mark.parametrize(
    ("passes", "kept", "taken"),
    [
        (("",), [], 1),
        (("a1", "a1"), ["a1"], 2),
        (("a1", ""), [], 2),
        (("a1 b1", "a1"), ["a1"], 2),
        (("a1", "a1 b1", "a1 b1"), ["a1", "b1"], 3),
        (("a1", "a1 b1", "a1"), ["a1"], 3),
        (("a1", "a2", "a2"), ["a2"], 3),
        (("a1", "a1 b1", "a1 c1", "a1 d1", "a1 e1"), ["a1"], 5),
        (("a1", "a2", "a3", "a4", "a5"), [], 5),
    ],
)
def test_only_what_two_looks_in_a_row_found_is_kept(passes: tuple[str, ...], kept: list[str], taken: int) -> None:
    assert (kept, taken) == looks(*passes)[:2]


def test_what_could_not_be_read_once_is_tried_again() -> None:
    assert ([], 2, ()) == looks("!gone", "")


def test_what_cannot_be_read_stays_incomplete_without_further_looks() -> None:
    assert (["a1"], 2, ("!eio",)) == looks("a1 !eio", "a1 !eio")


def test_there_are_never_more_looks_than_promised() -> None:
    assert PASSES == looks(*(f"a{n}" for n in range(20)))[1]


def test_every_store_but_the_last_is_let_go() -> None:
    Reader.closed = 0
    looks("a1", "a1 b1", "a1 b1")
    assert 2 == Reader.closed
