"""Files that cannot be written are told before anything is done, and keep nothing else from being told or written."""

import json
import os
from pathlib import Path

import pytest
from test_cli_kit import broken_root, healthy_root, on, run

from docker_fsck.errors import UsageError
from docker_fsck.reports import files
from docker_fsck.testing.tree import snapshot


@pytest.mark.parametrize("command", [("apply", "--class", "lossless", "--yes"), ("-p",)])
def test_a_report_that_cannot_be_written_is_told_before_the_change(tmp_path: Path, command: tuple[str, ...]) -> None:
    root = broken_root(tmp_path)
    before = snapshot(root.path)
    ended = run(*on(root, *command, "--report", f"json={tmp_path}/absent/x"))
    assert (16, before, True) == (ended.status, snapshot(root.path), "absent/x: No such file or directory" in ended.err)


def test_trying_a_file_neither_makes_nor_changes_anything(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("old")
    os.mkfifo(tmp_path / "pipe")
    before = snapshot(tmp_path)
    for name in ("there", "new", "pipe"):
        files.probe(str(tmp_path / name), "--report")
    files.probe("/dev/full", "--report")
    after = snapshot(tmp_path)
    assert before.pop(".").mode == after.pop(".").mode
    assert before == after


@pytest.mark.parametrize("name", ["", "absent/x", "n" * 300])
def test_what_cannot_be_written_is_known_before(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="--report"):
        files.probe(str(tmp_path / name), "--report")


def test_a_report_that_fails_keeps_no_other_from_being_written(tmp_path: Path) -> None:
    root = broken_root(tmp_path)
    ended = run(*on(root, "check", "--report", "json=/dev/full", "--report", f"json={tmp_path}/ok.json"))
    told = json.loads((tmp_path / "ok.json").read_text())["verdict"]
    assert (20, "damaged", True, True) == (ended.status, told, "ovl-link-file" in ended.out, "/dev/full: No space" in ended.err)


def test_a_report_that_fails_after_a_change_is_one_bit_more(tmp_path: Path) -> None:
    root = broken_root(tmp_path)
    ended = run(*on(root, "apply", "--class", "lossless,reclaim", "--yes", "--report", "json=/dev/full"))
    assert (17, True) == (ended.status, "Checked again:\n" in ended.out and "clean" in ended.out)


def test_a_refusal_is_told_although_its_report_cannot_be_written(tmp_path: Path) -> None:
    root = broken_root(tmp_path)
    (root.path / ".docker-fsck").write_text("")
    ended = run(*on(root, "apply", "--class", "lossless", "--yes", "--format", "json", "--report", "json=/dev/full"))
    assert (64 | 16, "refused", True) == (ended.status & 80, ended.report["verdict"], "nothing was changed" in ended.err)


def test_a_plan_that_cannot_be_saved_is_told_before_the_check(tmp_path: Path) -> None:
    asked: list[str] = []
    ended = run(*on(healthy_root(tmp_path), "plan", "-o", f"{tmp_path}/absent/x"), look=asked.append)
    assert (16, []) == (ended.status, asked)
