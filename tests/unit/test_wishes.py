"""What settings wish of findings: other severities and some rules only, and that a wish which changes nothing is told."""

from pathlib import Path
from typing import Any

import pytest
from test_cli_kit import broken_root, healthy_root, on, run
from test_reports import finding

from docker_fsck import wishes
from docker_fsck.errors import UsageError
from docker_fsck.rules import Rule
from docker_fsck.values import Level, Severity


def rule(name: str, **more: Any) -> Rule:
    return Rule(name=name, severity=Severity.ERROR, find=iter, doc="", **more)


RULES = (rule("a-a"), rule("b-b", level=Level.DEEP), rule("c-c", renamed_from=("c-old",)))


def found(name: str, severity: Severity) -> Any:
    return finding(rule=name, severity=severity, fingerprint=f"{name}{severity}")


def test_a_wish_takes_the_place_of_the_cards_severity() -> None:
    made = wishes.regraded([found("a-a", Severity.ERROR), found("c-c", Severity.ERROR)], RULES, {"a-a": Severity.INFO})
    assert [("c-c", "error"), ("a-a", "info")] == [(each.rule, each.severity) for each in made]


@pytest.mark.parametrize("own", [Severity.INFO, Severity.WARNING, Severity.CRITICAL])
@pytest.mark.parametrize("wish", Severity)
def test_what_a_rule_grades_by_itself_keeps_its_grade(own: Severity, wish: Severity) -> None:
    assert [own] == [each.severity for each in wishes.regraded([found("a-a", own)], RULES, {"a-a": wish})]


def test_a_wish_may_name_a_rule_by_an_earlier_name() -> None:
    assert {"c-c": Severity.INFO} == wishes.severities({"c-old": Severity.INFO}, RULES)


def test_a_wish_for_a_rule_that_does_not_exist_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no rule is called d-d"):
        wishes.severities({"d-d": Severity.INFO}, RULES)


def notes(**more: Any) -> list[tuple[str, str]]:
    fields = {"rules": RULES, "chosen": (RULES[0], RULES[2]), "level": Level.STANDARD, "only": (), "skip": (), "wishes": {}}
    return [(each.about, each.subject) for each in wishes.notes(**{**fields, **more})]


def test_wishes_that_do_something_are_not_told() -> None:
    assert [] == notes(chosen=(RULES[2],), skip=("a-a",), wishes={"c-c": Severity.INFO})


def test_a_chosen_rule_that_this_level_does_not_run_is_told() -> None:
    assert [("rule-unused", "b-b")] == notes(chosen=(RULES[0],), only=("a-a", "b-b"))


def test_a_skipped_rule_that_would_not_run_anyway_is_told() -> None:
    assert ([("rule-unused", "b-b")], [("rule-unused", "c-c")]) == (
        notes(skip=("b-b",)),
        notes(chosen=(RULES[0],), only=("a-a",), skip=("c-c",)),
    )


def test_a_severity_that_changes_nothing_is_told() -> None:
    assert [("severity-unused", "a-a"), ("severity-unused", "b-b")] == notes(wishes={"a-a": Severity.ERROR, "b-b": Severity.INFO})


# in a run


def settings(tmp_path: Path, text: str) -> str:
    (tmp_path / "c.toml").write_text(text)
    return str(tmp_path / "c.toml")


@pytest.mark.parametrize(("wish", "status"), [("warning", 0), ("error", 4), ("critical", 4)])
def test_another_severity_changes_what_fails_a_run(tmp_path: Path, wish: str, status: int) -> None:
    ended = run(
        *on(broken_root(tmp_path), "check", "--format", "json"), file=settings(tmp_path, f'[severity]\novl-link-file = "{wish}"')
    )
    severities = {each["rule"]: each["severity"] for each in ended.report["findings"]}
    assert (status, wish) == (ended.status, severities["ovl-link-file"])


def test_rules_are_chosen_by_the_settings_and_the_command_line_wins(tmp_path: Path) -> None:
    root, file = broken_root(tmp_path), settings(tmp_path, '[rules]\nonly = ["driver-orphan"]\nskip = ["tags-dangling"]')
    ran = [
        [each["rule"] for each in run(*on(root, "check", "--format", "json", *more), file=file).report["coverage"]["rules"]]
        for more in ((), ("--rule", "tags-bad-key"))
    ]
    assert [["driver-orphan"], ["tags-bad-key"]] == ran


def test_a_wish_that_changes_nothing_is_told_even_to_cron(tmp_path: Path) -> None:
    ended = run(*on(healthy_root(tmp_path)), file=settings(tmp_path, '[severity]\novl-link-file = "error"'))
    assert (0, True) == (ended.status, "ovl-link-file: is of severity error by itself" in ended.out)


def test_a_severity_for_an_unknown_rule_is_16(tmp_path: Path) -> None:
    assert 16 == run(*on(healthy_root(tmp_path)), file=settings(tmp_path, '[severity]\novl-lnk-file = "error"')).status
