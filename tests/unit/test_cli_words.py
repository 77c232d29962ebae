"""The commands that only say something, and the demo."""

import os
from pathlib import Path

import pytest
from test_cli_kit import apply_all, broken_root, on, run

from docker_fsck.testing.builder import DataRoot


@pytest.fixture
def broken(tmp_path: Path) -> DataRoot:
    return broken_root(tmp_path)


# words


def test_explain_tells_the_card_of_every_rule() -> None:
    names = [each["rule"] for each in run("rules", "--format", "json").report]
    assert [0] * len(names) == [run("explain", name).status for name in names]


def test_explain_of_an_unknown_rule_names_near_ones() -> None:
    ended = run("explain", "ovl-link-fil")
    assert (16, True) == (ended.status, "perhaps ovl-link-file" in ended.err)


def test_rules_is_one_line_a_rule() -> None:
    assert len(run("rules", "--format", "json").report) == run("rules").out.count("\n")


def test_config_show_can_be_read_back(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(run("config", "show", "--root", "/some/root", "--rule", "a,b").out)
    again = run("config", "show", "--origin", file=str(file)).out
    assert [True, True] == ['root = "/some/root"' in again, str(file) in again]


def test_a_format_for_reports_does_not_keep_anybody_from_an_undo(broken: DataRoot, tmp_path: Path) -> None:
    apply_all(broken)
    (tmp_path / "c.toml").write_text('format = "jsonl"')
    assert 0 == run(*on(broken, "undo", "last"), file=str(tmp_path / "c.toml")).status


def test_a_format_that_a_command_does_not_write_is_a_usage_error() -> None:
    assert 16 == run("rules", "--format", "jsonl").status


# demo


def test_the_demo_ends_with_0_and_leaves_its_root_only_where_it_was_told_to(tmp_path: Path) -> None:
    ended = run("demo", str(tmp_path / "here"))
    assert (0, True, 4) == (ended.status, "Every byte" in ended.out, run("check", "--root", str(tmp_path / "here")).status)


def test_the_demo_takes_no_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    assert (16, ["mine"]) == (run("demo", str(tmp_path)).status, os.listdir(tmp_path))


def test_the_demo_works_on_no_other_root() -> None:
    assert 16 == run("demo", "--root", "/var/lib/docker").status
