"""What a user can look up is what the code says: the pages of the rules, the README's commands, the changelog."""

import importlib.util
import re
from pathlib import Path

import pytest

from docker_fsck import plugins
from docker_fsck.cli.options import COMMANDS
from docker_fsck.rules import SECTIONS, sections

HOME = Path(__file__).parents[2]


def _writer() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("write_rules", HOME / "docs/write_rules.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.pages()


def test_the_committed_pages_are_those_of_the_cards() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in (HOME / "docs/rules").glob("*.md")}
    assert _writer() == committed


def test_every_rule_is_in_the_indexes_by_what_its_card_says() -> None:
    made = _writer()
    rules = plugins.load().rules
    lost = [rule.name for rule in rules if f"[{rule.name}]" not in made["index.md"]]
    lost += [rule.name for rule in rules if rule.section("Daemon says") and f"[{rule.name}]" not in made["by-error-text.md"]]
    lost += [rule.name for rule in rules if "FC-" in rule.section("Seen in") and f"[{rule.name}]" not in made["by-field-case.md"]]
    assert lost == []


def test_every_link_of_the_pages_leads_to_a_page() -> None:
    made = _writer()
    assert {name for text in made.values() for name in re.findall(r"\]\(([^)]+)\)", text)} - set(made) == set()


@pytest.mark.parametrize("rule", plugins.load().rules, ids=lambda rule: rule.name)
def test_a_card_says_why_it_matters_how_it_comes_about_and_what_is_done(rule) -> None:
    found = sections(rule.doc)
    assert {"Why it matters", "How it comes about", "Repair"} - found.keys() == set()
    assert found.keys() - set(SECTIONS) == set()
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", rule.name)
    assert rule.title.endswith(".")


def test_the_readme_names_only_commands_that_exist() -> None:
    used = set(re.findall(r"`docker-fsck ([a-z]+)", (HOME / "README.md").read_text(encoding="utf-8")))
    assert used - set(COMMANDS) == set()
