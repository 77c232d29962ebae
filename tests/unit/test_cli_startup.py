"""How a run begins and ends as a process: what is imported, what is printed when something goes wrong, which status it leaves."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from docker_fsck import __version__
from docker_fsck.cli.interrupts import SIGNALS, deferred
from docker_fsck.testing.builder import DataRoot

HEAVY = {"msgspec", "pluggy", "structlog", "rich", "tomli", "docker_fsck.values"}


def run(*argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "docker_fsck", *argv],
        capture_output=True, text=True, env={**os.environ, **env}, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip


def imported_after(code: str) -> set[str]:
    program = (
        "import sys, contextlib, io",
        "from docker_fsck.cli import main",
        "with contextlib.redirect_stdout(io.StringIO()):",
        f"    {code}",
        "print(*sys.modules)",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(program)], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("argv", [["--version"], ["--help"], ["apply", "--help"], ["no-such-command"]])
def test_version_help_and_usage_errors_import_nothing_heavy(argv: list[str]) -> None:
    assert set() == HEAVY & imported_after(f"main({argv!r})")


def test_a_check_imports_neither_log_nor_colours_nor_the_rooms_of_apply(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "docker").path
    heavy = {"structlog", "rich", "tomli", "docker_fsck.apply.executor", "docker_fsck.apply.history", "docker_fsck.testing"}
    assert set() == heavy & imported_after(f"main(['check', '--root', {str(root)!r}])")


def test_the_version_is_the_packages() -> None:
    assert (0, f"docker-fsck {__version__}\n") == ((done := run("--version")).returncode, done.stdout)


def test_the_plugin_metadata_is_what_docker_asks_for() -> None:
    told = json.loads(run("docker-cli-plugin-metadata").stdout)
    assert ("0.1.0", {"SchemaVersion", "Vendor", "Version", "ShortDescription"}) == (told["SchemaVersion"], set(told))


@pytest.mark.parametrize(
    "argv",
    [
        ["--no-such"],
        ["check", "--root"],
        ["--grace", "soon"],
        ["--config", "/nonexistent"],
        ["--format", "yaml", "rules"],
        ["apply"],
    ],
)
def test_a_usage_error_is_one_line_and_16(argv: list[str]) -> None:
    done = run(*argv)
    assert (16, "", 1, True) == (done.returncode, done.stdout, done.stderr.count("\n"), done.stderr.startswith("docker-fsck: "))


def run_with(body: str, tmp_path: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """`docker-fsck version` with another body."""
    lines = (
        "import os, signal",
        "import docker_fsck.cli.words as words",
        "def instead(call):",
        f"    {body}",
        "words.version = instead",
    )
    (tmp_path / "sitecustomize.py").write_text("\n".join(lines))
    return run("version", *argv, PYTHONPATH=os.pathsep.join([str(tmp_path), *sys.path]))


def test_an_error_of_the_program_is_one_line_and_8_and_no_traceback(tmp_path: Path) -> None:
    done = run_with("raise KeyError('x')", tmp_path)
    assert (8, "", 1, True) == (done.returncode, done.stdout, done.stderr.count("\n"), "internal error" in done.stderr)


def test_the_traceback_goes_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    run_with("raise KeyError('x')", tmp_path, "-v", "--log-file", str(log), "--log-format", "json")
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert ["run-started", "traceback", "failed", "run-ended"] == [each["event"] for each in events]


def test_a_json_log_on_standard_error_holds_nothing_but_json() -> None:
    done = run("undo", "last", "--root", "/nonexistent", "--log-format", "json")
    assert ["usage-error"] == [json.loads(line)["event"] for line in done.stderr.splitlines()]


@pytest.mark.parametrize("argv", [["rules"], ["--help"], ["rules", "--format", "json"]])
def test_a_reader_that_went_away_is_no_error(argv: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "docker_fsck", *argv], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (0, "") == (done.returncode, done.stderr)


def test_output_that_cannot_be_written_makes_the_run_incomplete() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "docker_fsck", "rules"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (8, "docker-fsck: the output is not complete: No space left on device\n") == (done.returncode, done.stderr)


def test_an_interrupt_leaves_32(tmp_path: Path) -> None:
    done = run_with("os.kill(os.getpid(), signal.SIGINT)", tmp_path)
    assert (32, "docker-fsck: interrupted\n") == (done.returncode, done.stderr)


def test_a_missing_standard_output_is_no_error() -> None:
    shell = f"exec {sys.executable} -m docker_fsck version >&-"
    done = subprocess.run(["/bin/sh", "-c", shell], stderr=subprocess.PIPE, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)


def test_signals_of_an_apply_are_given_back_afterwards() -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    with deferred() as interrupted:
        first = interrupted()
        os.kill(os.getpid(), signal.SIGTERM)
        second = interrupted()
    assert (False, True, before) == (first, second, [signal.getsignal(each) for each in SIGNALS])


@pytest.mark.parametrize(("color", "coloured"), [("always", True), ("auto", False), ("never", False)])
def test_a_flag_for_colours_overrides_the_environment(tmp_path: Path, color: str, coloured: bool) -> None:
    root = DataRoot(tmp_path / "docker").path
    done = run("check", "--root", str(root), "--color", color, NO_COLOR="1")
    assert (0, coloured) == (done.returncode, "\x1b[32m" in done.stdout)
