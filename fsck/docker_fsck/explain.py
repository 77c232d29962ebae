"""What a person reads of a rule's card and of an engine's words: lines for the terminal and Markdown pages; pure."""

import re
import textwrap
from collections.abc import Collection, Iterator
from typing import Any

from docker_fsck.reports.lines import BLANK, Line, field, fields, wrapped
from docker_fsck.rules import SECTIONS, Rule
from docker_fsck.sayings.cases import TITLES
from docker_fsck.sayings.matching import Told
from docker_fsck.sayings.saying import Saying

HEADINGS = tuple(name for name in SECTIONS if name != "Daemon says")
DAEMON = "Daemon says"
SEEN = "Seen in"
QUOTED = 300
_CASE = re.compile(r"FC-\d\d")


def facts(rule: Rule) -> tuple[tuple[str, str], ...]:
    """What the card says of the rule, as rows of a table."""
    rows = (
        ("rule", rule.name),
        ("severity", rule.severity.value),
        ("classes", ", ".join(rule.actions) or "none, it only reports"),
        ("level", rule.level.value),
        ("since", rule.since),
        ("drivers", ", ".join(rule.drivers) or "all"),
        ("folded into", ", ".join(sorted(rule.after))),
        ("was called", ", ".join(rule.renamed_from)),
    )
    return tuple(row for row in rows if row[1])


def card(rule: Rule) -> dict[str, Any]:
    """The card as a table of plain values."""
    told = {name: rule.section(name) for name in SECTIONS if rule.section(name)}
    return {"title": rule.title, **dict(facts(rule)), "sections": told}


def cases(rule: Rule) -> tuple[str, ...]:
    """The field cases that the card names."""
    return tuple(dict.fromkeys(_CASE.findall(rule.section(SEEN))))


def saying(rule: Rule) -> Saying:
    """What the card says of the engine's words, as an entry of the table of sayings."""
    return Saying(
        says=(rule.section(DAEMON),), cases=cases(rule), means=rule.title, do=rule.section("Repair"), rules=(rule.name,)
    )


def title_of_case(case: str) -> str:
    """A field case in a few words."""
    return TITLES.get(case, "")


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


def told_lines(told: Told, known: Collection[str]) -> Iterator[Line]:
    """What one saying means; of its rules those that are `known`."""
    told_of = told.saying
    yield from wrapped(told_of.means, style="head")
    often = f" (the first of {told.count} lines)" if told.count > 1 else ""
    yield from field("said", told.line[:QUOTED] + often)
    yield from field("do", told_of.do)
    yield from fields("seen in", (f"{case}: {title_of_case(case)}" for case in told_of.cases))
    yield from fields("paths", told.paths)
    yield from fields("ids", told.ids)
    yield from fields("more", (f"docker-fsck explain {name}" for name in told_of.rules if name in known), style="command")
    yield BLANK


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
