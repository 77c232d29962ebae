"""Writes docs/rules from the cards of the built-in rules and the table of sayings: `python docs/write_rules.py`.

A test holds pages and cards equal.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from docker_fsck import explain, plugins
from docker_fsck.rules import Rule
from docker_fsck.sayings.cases import TITLES
from docker_fsck.sayings.matching import ALL
from docker_fsck.values import Severity

HERE = Path(__file__).parent / "rules"
INTRO = "Written from the cards of the rules and the table of what engines say; do not edit."


def pages() -> dict[str, str]:
    """The text of each page by its file name."""
    rules = sorted(plugins.load().rules, key=lambda rule: (-rule.severity.rank, rule.name))
    made = {f"{rule.name}.md": explain.markdown(rule) for rule in rules}
    made["index.md"] = _page("Rules by severity", [*_siblings(), *_by_severity(rules)])
    made["by-error-text.md"] = _page("Rules by what the engine says", [*_siblings(), *_by_error_text(rules)])
    made["by-field-case.md"] = _page("Rules by field case", [*_siblings(), *_by_field_case(rules)])
    return made


def _page(title: str, lines: Iterable[str]) -> str:
    return "\n".join([f"# {title}", "", INTRO, *lines]) + "\n"


def _siblings() -> list[str]:
    return ["", "[by severity](index.md) · [by what the engine says](by-error-text.md) · [by field case](by-field-case.md)"]


def _by_severity(rules: list[Rule]) -> Iterator[str]:
    for severity in sorted(Severity, key=lambda each: -each.rank):
        yield from ["", f"## {severity}", "", "| rule | what is wrong | classes |", "|---|---|---|"]
        yield from (
            f"| {_link(rule.name)} | {rule.title} | {', '.join(rule.actions) or 'none'} |"
            for rule in rules
            if rule.severity is severity
        )


def _by_error_text(rules: list[Rule]) -> Iterator[str]:
    """Every wording, by its letters; what only a card quotes is among them."""
    known = {rule.name for rule in rules}
    quoted = [explain.saying(rule) for rule in rules if rule.section(explain.DAEMON)]
    names: dict[str, dict[str, None]] = {}
    cases: dict[str, dict[str, None]] = {}
    for saying in (*ALL, *quoted):
        for says in saying.says:
            names.setdefault(says, {}).update(dict.fromkeys(_link(name) for name in saying.rules if name in known))
            cases.setdefault(says, {}).update(dict.fromkeys(saying.cases))
    yield from [
        "",
        "`docker-fsck explain TEXT` looks it up, and says what it means and what to do. In a text `…` stands for anything.",
    ]
    yield from ["", "| the engine says | seen in | rules |", "|---|---|---|"]
    for says in sorted(names, key=lambda each: (each.lstrip("….").lower(), each)):
        yield f"| {_code(says)} | {', '.join(sorted(cases[says]))} | {', '.join(names[says]) or 'no rule yet'} |"


def _by_field_case(rules: list[Rule]) -> Iterator[str]:
    """Every case with the rules whose cards name it; a case without one is told too."""
    yield from ["", "Failures of Docker's storage as users met them.", "", "| case | what it is | rules |", "|---|---|---|"]
    for case, title in TITLES.items():
        names = ", ".join(_link(rule.name) for rule in sorted(rules, key=lambda rule: rule.name) if case in explain.cases(rule))
        yield f"| {case} | {title.replace('<', '&lt;')} | {names or 'none in this version'} |"


def _link(name: str) -> str:
    return f"[{name}]({name}.md)"


def _code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}".replace("|", "\\|")


def main() -> int:
    """Write every page and take away those whose rule is gone."""
    made = pages()
    for old in HERE.glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (HERE / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
