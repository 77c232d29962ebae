"""Explain pages: a rule's card for the terminal and as Markdown."""

from collections.abc import Iterator
from typing import Any

from docker_fsck import explain
from docker_fsck.reports.lines import plain
from docker_fsck.rules import rule
from docker_fsck.values import ActionClass, Fault, Severity


@rule(
    "layer-gone",
    Severity.ERROR,
    actions=(ActionClass.LOSSY,),
    after=("b-rule", "a-rule"),
    drivers=("aufs",),
    renamed_from=("layer-lost",),
)
def gone(model: Any) -> Iterator[Fault]:
    """A layer is gone.

    Why it matters: no container can be made
    from it.
    How it comes about: somebody deleted it.
    Repair: the record is put away.
    Never: do not make an empty one.
    Daemon says: stat /x: no such file
    """
    yield from model


@rule("bare", Severity.INFO)
def bare(model: Any) -> Iterator[Fault]:
    """A thing is bare."""
    yield from model


def test_the_card_tells_facts_then_sections_in_a_fixed_order() -> None:
    told = plain(explain.lines(gone))
    parts = [
        "layer-gone",
        "A layer is gone.",
        "rule        layer-gone",
        "severity    error",
        "classes     lossy",
        "level       quick",
        "since       0.1",
        "drivers     aufs",
        "folded into a-rule, b-rule",
        "was called  layer-lost",
        "Why it matters\n  no container can be made from it.",
        "How it comes about",
        "Repair",
        "Never",
        "Daemon says\n  stat /x: no such file",
    ]
    assert parts == sorted(parts, key=told.index)


def test_a_rule_without_sections_has_only_facts() -> None:
    told = plain(explain.lines(bare))
    assert (True, True, False) == ("none, it only reports" in told, "drivers     all" in told, "Why it matters" in told)


def test_the_page_has_a_title_a_table_and_a_heading_for_each_section() -> None:
    page = explain.markdown(gone)
    assert (
        ["# layer-gone", "## Why it matters", "## How it comes about", "## Repair", "## Never", "## Daemon says"],
        True,
        True,
    ) == (
        [row for row in page.splitlines() if row.startswith("#")],
        "| severity | error |" in page,
        "```text\nstat /x: no such file\n```\n" in page,
    )


def test_the_page_ends_with_one_newline() -> None:
    assert ("\n", False) == (explain.markdown(bare)[-1], explain.markdown(bare).endswith("\n\n"))
