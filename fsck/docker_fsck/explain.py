"""A rule's card as a person reads it: lines for the terminal and a Markdown page; pure, knows no rule by name."""

import textwrap
from collections.abc import Iterator

from docker_fsck.reports.lines import BLANK, Line, field, wrapped
from docker_fsck.rules import SECTIONS, Rule

HEADINGS = tuple(name for name in SECTIONS if name != "Daemon says")
DAEMON = "Daemon says"


def facts(rule: Rule) -> tuple[tuple[str, str], ...]:
    """What the card says of the rule, as rows of a table."""
    rows = (
        ("severity", rule.severity.value),
        ("actions", ", ".join(rule.actions) or "none, it only reports"),
        ("drivers", ", ".join(rule.drivers) or "all"),
        ("level", rule.level.value),
        ("since", rule.since),
        ("folded into", ", ".join(sorted(rule.after))),
        ("was called", ", ".join(rule.renamed_from)),
    )
    return tuple(row for row in rows if row[1])


def lines(rule: Rule) -> Iterator[Line]:
    """The card for the terminal."""
    yield (("head", rule.name),)
    yield from wrapped(rule.title, indent=2)
    yield BLANK
    for name, value in facts(rule):
        yield from field(name, value)
    for heading, text in _sections(rule):
        yield BLANK
        yield (("head", heading),)
        yield from wrapped(text, indent=2)


def markdown(rule: Rule) -> str:
    """The card as a page of docs/rules; ends with a newline."""
    parts = [f"# {rule.name}", _folded(rule.title), _table(rule)]
    for heading, text in _sections(rule):
        parts.append(f"## {heading}")
        parts.append(f"```text\n{text}\n```" if heading == DAEMON else _folded(text))
    return "\n\n".join(parts) + "\n"


def _sections(rule: Rule) -> list[tuple[str, str]]:
    found = ((name, rule.section(name)) for name in (*HEADINGS, DAEMON))
    return [(name, text) for name, text in found if text]


def _table(rule: Rule) -> str:
    rows = [f"| {name} | {value} |" for name, value in facts(rule)]
    return "\n".join(["| | |", "|---|---|", *rows])


def _folded(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)
