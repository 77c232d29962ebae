"""Writes docs/rules from the cards of the built-in rules: `python docs/write_rules.py`. A test holds the two equal."""

import sys
from pathlib import Path

from docker_fsck import explain, plugins
from docker_fsck.values import Severity

HERE = Path(__file__).parent / "rules"


def pages() -> dict[str, str]:
    """The text of each page by its file name."""
    rules = sorted(plugins.load().rules, key=lambda rule: (-rule.severity.rank, rule.name))
    made = {f"{rule.name}.md": explain.markdown(rule) for rule in rules}
    lines = ["# Rules", "", "Written from the cards of the rules; do not edit. Gravest first."]
    for severity in sorted(Severity, key=lambda each: -each.rank):
        lines += ["", f"## {severity}", "", "| rule | what is wrong | actions |", "|---|---|---|"]
        lines += [
            f"| [{rule.name}]({rule.name}.md) | {rule.title} | {', '.join(rule.actions) or 'none'} |"
            for rule in rules
            if rule.severity is severity
        ]
    made["index.md"] = "\n".join(lines) + "\n"
    return made


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
