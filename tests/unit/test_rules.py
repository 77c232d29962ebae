"""Rule cards: how they are made, ordered and selected, and how their docstrings are taken apart."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from docker_fsck.errors import FsckError, UsageError
from docker_fsck.rules import Rule, named, ordered, rule, sections, select
from docker_fsck.values import ActionClass, Fault, Level, Severity


def silent(_model: object) -> Iterator[Fault]:
    """Finds nothing."""
    return iter(())


def card(name: str, *after: str, **fields: Any) -> Rule:
    """A rule that finds nothing."""
    return Rule(name=name, severity=Severity.INFO, find=silent, doc="Doc.", after=after, **fields)


def names(rules: tuple[Rule, ...]) -> list[str]:
    return [each.name for each in rules]


def test_a_generator_becomes_a_card() -> None:
    @rule("some-name", Severity.ERROR, after=("other",), actions=(ActionClass.LOSSY,), level=Level.DEEP)
    def find(_model: object) -> Iterator[Fault]:
        """What it is.

        Why it matters: it does
            much.
        """
        return iter(())

    assert ("some-name", Severity.ERROR, ("other",), (ActionClass.LOSSY,), Level.DEEP) == (
        find.name, find.severity, find.after, find.actions, find.level,
    )  # fmt: skip
    assert ("What it is.", "it does much.", "", __name__) == (
        find.title, find.section("Why it matters"), find.section("Never"), find.module,
    )  # fmt: skip


def test_a_docstring_is_taken_apart_at_its_headings_and_nowhere_else() -> None:
    doc = "Title.\n\nlost: before any heading\nWhy it matters: one\n  two: three\n\nNever: four\nOther: five\nSeen in:\n  six"
    assert {"Why it matters": "one two: three", "Never": "four Other: five", "Seen in": "six"} == sections(doc)


def test_a_rule_comes_behind_those_that_it_waits_for_and_else_by_name() -> None:
    rules = [card("d"), card("a", "c"), card("c", "b"), card("b")]
    assert ["b", "c", "a", "d"] == names(ordered(rules))


def test_the_order_does_not_depend_on_the_order_of_the_input() -> None:
    rules = [card(f"r{n}", *(f"r{m}" for m in range(10) if m > n and (n + m) % 3 == 0)) for n in range(10)] + [card("z", "*")]
    expected = names(ordered(rules))
    shuffled = random.Random(7)
    for _ in range(20):
        shuffled.shuffle(rules)
        assert expected == names(ordered(rules))


def test_a_rule_that_waits_for_all_comes_last() -> None:
    assert ["b", "c", "a"] == names(ordered([card("a", "*"), card("b"), card("c")]))


def test_two_rules_that_wait_for_all_come_last_by_name() -> None:
    assert ["b", "a", "c"] == names(ordered([card("c", "*"), card("a", "*"), card("b")]))


def test_a_rule_that_waits_for_one_that_is_not_there_does_not_wait() -> None:
    assert ["a", "b"] == names(ordered([card("a", "absent"), card("b")]))


@pytest.mark.parametrize(
    "rules", [(card("a", "a"),), (card("a", "b"), card("b", "a")), (card("a", "b"), card("b", "c"), card("c", "a"))]
)
def test_rules_that_wait_for_each_other_are_told_by_name(rules: tuple[Rule, ...]) -> None:
    with pytest.raises(FsckError, match=r"rules wait for each other: a > .*a"):
        ordered(rules)


def test_a_rule_is_found_by_its_earlier_names() -> None:
    renamed = card("new", renamed_from=("old", "older"))
    assert {"new": renamed, "old": renamed, "older": renamed} == named([renamed])


def test_an_earlier_name_does_not_hide_a_rule_of_that_name() -> None:
    assert ["b", "z"] == names(select([card("b"), card("z", renamed_from=("b",))], Level.DEEP))


LEVELLED = (card("deep", level=Level.DEEP), card("quick", level=Level.QUICK), card("standard", level=Level.STANDARD))


@pytest.mark.parametrize(
    ("level", "expected"),
    [(Level.QUICK, ["quick"]), (Level.STANDARD, ["quick", "standard"]), (Level.DEEP, ["deep", "quick", "standard"])],
)
def test_a_level_takes_its_own_rules_and_those_below(level: Level, expected: list[str]) -> None:
    assert expected == names(select(LEVELLED, level))


@pytest.mark.parametrize(
    ("only", "skip", "expected"),
    [
        ((), (), ["a", "b", "new"]),
        (("a",), (), ["a"]),
        (("b", "a", "a"), (), ["a", "b"]),
        ((), ("a",), ["b", "new"]),
        (("a", "b"), ("a",), ["b"]),
        (("old",), (), ["new"]),
        ((), ("old",), ["a", "b"]),
        (("new", "old"), (), ["new"]),
    ],
)
def test_rules_are_chosen_and_left_out_by_name(only: tuple[str, ...], skip: tuple[str, ...], expected: list[str]) -> None:
    rules = [card("a"), card("b"), card("new", renamed_from=("old",))]
    assert expected == names(select(rules, Level.DEEP, only, skip))


@pytest.mark.parametrize(("only", "skip"), [(("x",), ()), ((), ("x",)), (("a", "y"), ("x",))])
def test_an_unknown_name_is_a_usage_error_that_tells_it(only: tuple[str, ...], skip: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=r"no rule is called .*[xy].*docker-fsck rules"):
        select([card("a")], Level.DEEP, only, skip)


@pytest.mark.parametrize(
    ("only", "skip"),
    [(("deep",), ()), (("quick", "deep"), ()), (("quick",), ("quick",)), ((), ("quick",))],
    ids=["above the level", "one of two above the level", "chosen and left out", "all left out"],
)
def test_a_choice_that_leaves_nothing_to_run_is_a_usage_error(only: tuple[str, ...], skip: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        select(LEVELLED, Level.QUICK, only, skip)
