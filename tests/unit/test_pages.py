"""What a user can look up is what the code says: the pages of the rules, the README's commands, the changelog."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from test_reports import damaged

from docker_fsck import plugins, reports
from docker_fsck.cli.options import COMMANDS
from docker_fsck.reports import textfile
from docker_fsck.reports.ended import Ended
from docker_fsck.rules import SECTIONS, sections
from docker_fsck.upgrade import timeline

HOME = Path(__file__).parents[2]
NOT_TAKEN = {"root-in-use": "no fault of a root: `store.engine` of the report and each refusal of a change tell it"}
"""Names of the catalogue that are no rules here, and why."""


def _writer() -> dict[str, str]:
    return _module("write_rules").pages()


def _module(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, HOME / f"docs/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_pages_are_those_of_the_cards() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in (HOME / "docs/rules").glob("*.md")}
    assert _writer() == committed


def test_every_name_of_the_catalogue_is_a_rule_or_has_a_reason() -> None:
    lines = (HOME / "tests/data/catalogue.txt").read_text(encoding="ascii").splitlines()
    assert list(range(1, 95)) == [int(line.split()[0]) for line in lines]
    names = {name for line in lines for name in line.split()[1:]}
    rules = {rule.name for rule in plugins.load().rules}
    assert (NOT_TAKEN.keys(), set()) == (names - rules, NOT_TAKEN.keys() & rules)


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


def _table(page: str, heading: str) -> dict[str, list[str]]:
    """The rows of the first table behind a heading, by their first column without its ticks."""
    part = page.partition(heading)[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in part.splitlines() if row.startswith("| `")]
    return {row[0].strip("`"): row[1:] for row in rows}


def test_the_page_on_reports_lists_the_formats_and_which_are_told_without_a_report() -> None:
    page = (HOME / "docs/reports.md").read_text(encoding="utf-8")
    told = {name: "yes" if reports.without_report(name) else "no" for name in reports.OWN}
    assert told == {name: row[-1] for name, row in _table(page, "# Reports").items()}


def test_the_page_on_reports_lists_the_metrics_in_their_order() -> None:
    page = (HOME / "docs/reports.md").read_text(encoding="utf-8")
    families = [each.name for each in text_string_to_metric_families(textfile.render(damaged()).decode())]
    assert families == list(_table(page, "## Metrics"))


def test_a_run_without_report_has_the_first_five_metrics() -> None:
    page = (HOME / "docs/reports.md").read_text(encoding="utf-8")
    ended = textfile.without_report(Ended(root="/r", why="x", exit=64, at=1.0, version="0"))
    assert [each.name for each in text_string_to_metric_families(ended.decode())] == list(_table(page, "## Metrics"))[:5]


def test_every_change_of_the_engine_that_the_gate_knows_names_its_rules_and_every_rule_a_change() -> None:
    gates = {rule.name for rule in plugins.load().rules if rule.gate}
    assert gates == {name for change in timeline.CHANGES for name in change.rules}


def test_the_page_on_the_gate_is_that_of_its_tables() -> None:
    assert (HOME / "docs/gate.md").read_text(encoding="utf-8") == _module("write_gate").page()
