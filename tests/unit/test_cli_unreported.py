"""Runs that end without a report are told to monitoring: the files of --report that can say it, and standard output."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli_kit import LIVE, broken_root, healthy_root, on, run

from docker_fsck.cli import roots


def status_in(path: Path) -> tuple[str, ...]:
    """Exit status, completeness and verdict of a textfile."""
    rows = [row for row in path.read_text().splitlines() if not row.startswith("#")]
    wanted = ("docker_fsck_exit_status", "docker_fsck_run_complete")
    verdict = [row.split('verdict="')[1].split('"')[0] for row in rows if "_verdict{" in row and row.endswith(" 1.0")]
    return (*(row.split()[-1] for name in wanted for row in rows if row.startswith(name)), *verdict)


@pytest.fixture
def textfile(tmp_path: Path) -> Path:
    return tmp_path / "docker_fsck.prom"


def test_a_clean_run_writes_a_whole_textfile(tmp_path: Path, textfile: Path) -> None:
    run(*on(healthy_root(tmp_path), "check", "--report", f"prometheus={textfile}"))
    assert ("0.0", "1.0", "clean") == status_in(textfile)


def test_a_folder_that_is_no_data_root_is_told(tmp_path: Path, textfile: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/file").write_text("")
    run("check", "--root", str(tmp_path / "root"), "--report", f"prometheus={textfile}")
    assert ("64.0", "0.0", "refused") == status_in(textfile)


def test_a_refused_apply_is_told_with_what_the_check_found(tmp_path: Path, textfile: Path) -> None:
    root = broken_root(tmp_path)
    ended = run(*on(root, "-p", "--report", f"prometheus={textfile}"), look=lambda _root: LIVE)
    assert (68, ("68.0", "0.0", "refused"), True) == (ended.status, status_in(textfile), "ovl-link-file" in textfile.read_text())


def test_an_error_of_the_program_is_told(tmp_path: Path, textfile: Path) -> None:
    def look(_root: str) -> None:
        raise KeyError("x")

    run(*on(healthy_root(tmp_path), "check", "--report", f"prometheus={textfile}"), look=look)
    assert ("8.0", "0.0", "incomplete") == status_in(textfile)


def test_a_host_on_which_docker_never_started_is_whole(tmp_path: Path, textfile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roots, "choose", lambda _config: roots.Root(str(tmp_path / "absent"), "built-in", explicit=False))
    ended = run("--report", f"prometheus={textfile}")
    assert (0, ("0.0", "1.0", "clean")) == (ended.status, status_in(textfile))


def test_an_old_number_does_not_outlive_the_run_that_could_not_be(tmp_path: Path, textfile: Path) -> None:
    root = broken_root(tmp_path)
    run(*on(root, "check", "--report", f"prometheus={textfile}"))
    before = "docker_fsck_findings" in textfile.read_text()
    run("check", "--root", str(tmp_path / "gone"), "--report", f"prometheus={textfile}")
    assert (True, False) == (before, "docker_fsck_findings" in textfile.read_text())


def test_json_is_not_written_where_there_is_no_report(tmp_path: Path) -> None:
    run("check", "--root", str(tmp_path / "gone"), "--report", f"json={tmp_path}/x.json")
    assert [] == os.listdir(tmp_path)


def test_nothing_is_written_into_the_root_even_when_that_is_the_mistake(tmp_path: Path) -> None:
    root = healthy_root(tmp_path)
    ended = run(*on(root, "check", "--report", f"prometheus={root.path}/x.prom"))
    assert (16, False) == (ended.status, (root.path / "x.prom").exists())


@pytest.mark.parametrize(
    ("form", "begins"),
    [("nagios", "DOCKER-FSCK UNKNOWN - "), ("github", "::error title=docker-fsck::"), ("sarif", "{"), ("junit", "<?xml")],
)
def test_standard_output_says_it_in_formats_that_can(tmp_path: Path, form: str, begins: str) -> None:
    ended = run("check", "--root", str(tmp_path / "gone"), "--format", form)
    assert (16, True) == (ended.status, ended.out.startswith(begins))


def process(*argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "docker_fsck", *argv], capture_output=True, text=True, env={**os.environ, **env}, check=False
    )  # fmt: skip


@pytest.mark.parametrize(
    "argv",
    [
        ["check", "--no-such"],
        ["chek"],
        ["--grace", "soon"],
        ["fsck", "check", "--level", "bad"],
        ["--config", "/nonexistent"],
        ["plan", "--root"],
    ],
)
def test_a_wrong_command_line_is_told(textfile: Path, argv: list[str]) -> None:
    done = (
        process(*argv[:1], "--report", f"prometheus={textfile}", *argv[1:])
        if argv[0] in {"check", "plan"}
        else process(*argv, f"--report=prometheus={textfile}")
    )
    assert (16, ("16.0", "0.0", "usage-error")) == (done.returncode, status_in(textfile))


def test_the_files_of_the_settings_are_told_of_a_wrong_command_line(tmp_path: Path, textfile: Path) -> None:
    done = process("check", "--no-such", DOCKER_FSCK_REPORT=f"prometheus={textfile}")
    assert (16, True) == (done.returncode, textfile.exists())


def test_a_wrong_command_line_with_a_format_says_it_there_too() -> None:
    done = process("check", "--format", "nagios", "--no-such")
    assert (16, True, True) == (done.returncode, done.stdout.startswith("DOCKER-FSCK UNKNOWN - "), "unrecognized" in done.stderr)


def test_a_wrong_command_line_writes_nothing_into_the_root_that_it_names(tmp_path: Path) -> None:
    root = healthy_root(tmp_path)
    done = process("check", "--no-such", "--root", str(root.path), "--report", f"prometheus={root.path}/x.prom")
    assert (16, False, True) == (done.returncode, (root.path / "x.prom").exists(), "lies in the data root" in done.stderr)


@pytest.mark.parametrize("argv", [["explain", "no-such-rule"], ["undo", "--bogus"], ["config", "edit"]])
def test_a_command_that_makes_no_report_overwrites_none(textfile: Path, argv: list[str]) -> None:
    done = process(*argv, DOCKER_FSCK_REPORT=f"prometheus={textfile}")
    assert (16, False) == (done.returncode, textfile.exists())


def test_a_wrong_report_is_told_once(tmp_path: Path) -> None:
    assert 1 == run(*on(healthy_root(tmp_path), "check", "--report", "json")).err.count("wants FORMAT=PATH")
    assert 1 == process("check", "--no-such", "--report", "json").stderr.count("wants FORMAT=PATH")
