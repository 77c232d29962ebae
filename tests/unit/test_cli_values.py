"""Names that are not UTF-8 and numbers beyond every clock: they work, or are told in one line."""

import os
from pathlib import Path

import pytest
import tomli
from test_cli_kit import apply_all, broken_root, on, run

from docker_fsck.errors import UsageError
from docker_fsck.settingvalues import duration
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.tree import snapshot

NOT_UTF8 = "x\udcff"
DIGITS = "9" * 5000


@pytest.fixture
def broken(tmp_path: Path) -> DataRoot:
    return broken_root(tmp_path)


def test_a_root_whose_path_is_not_utf8_is_mended_and_given_back(broken: DataRoot, tmp_path: Path) -> None:
    os.rename(broken.path, tmp_path / NOT_UTF8)
    broken.path = tmp_path / NOT_UTF8
    before = snapshot(broken.path)
    applied = apply_all(broken)
    history = run(*on(broken, "history", "--format", "json")).report
    assert (1, True, "applied") == (applied.status, "x\\xff' frees" in applied.out, history[0]["state"])
    assert (0, before) == (run(*on(broken, "undo", "last")).status, snapshot(broken.path, leave_out=(".docker-fsck",)))


def test_settings_that_are_not_utf8_are_shown(tmp_path: Path) -> None:
    argv = ("config", "show", "--journal-dir", NOT_UTF8, "--report", f"json={NOT_UTF8}", "--root", str(tmp_path / NOT_UTF8))
    told = run(*argv, "--format", "json").report
    assert ("x\\xff", ["json=x\\xff"], True) == (told["journal_dir"], told["report"], told["root"].endswith("/x\\xff"))
    shown = run(*argv).out
    assert ("# journal_dir = " in shown, "journal_dir" in tomli.loads(shown)) == (True, False)


def test_shown_settings_can_be_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the log is written there
    (tmp_path / "c.toml").write_text('log_file = "a\\u007f\\U0001F433"\nseverity = {"\\U0001F433" = "info"}\n')
    told = tomli.loads(run("config", "show", file=str(tmp_path / "c.toml")).out)
    assert ("a\x7f\U0001f433", {"\U0001f433": "info"}) == (told["log_file"], told["severity"])


def test_a_reason_that_is_not_utf8_is_kept(broken: DataRoot, tmp_path: Path) -> None:
    file = str(tmp_path / "b.json")
    ended = run(*on(broken, "baseline", "create", "--baseline", file, "--reason", NOT_UTF8, "--expires", "90d"))
    assert (0, True) == (ended.status, "x\\xff" in run("baseline", "show", "--baseline", file).out)


@pytest.mark.parametrize("time", ["30d", "999999999w"])
def test_a_long_time_is_no_limit(broken: DataRoot, tmp_path: Path, time: str) -> None:
    more = ("--max-duration", time, "--max-age", time, "--state-dir", str(tmp_path / "state"))
    assert 4 == run(*on(broken, "check", "--level", "deep", *more)).status


def test_nothing_is_older_than_a_thousand_years(broken: DataRoot) -> None:
    apply_all(broken)
    ended = run("purge", "--older-than", "999999999w", "--root", str(broken.path))
    assert (0, True) == (ended.status, "nothing to purge" in ended.out)
    assert 365_250 * 86400 == duration("999999999w")


@pytest.mark.parametrize(
    "more", [("--subset", f"{DIGITS}%"), ("--subset", f"1/{DIGITS}"), ("--subset", f"{DIGITS}G"), ("--limit", f"{DIGITS}M/s")]
)
def test_a_number_without_end_is_a_usage_error(broken: DataRoot, more: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="wants a"):
        run(*on(broken, "check", *more))
