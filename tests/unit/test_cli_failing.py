"""Whatever goes wrong before or beside the work, the status says so and never 1, which means corrected (interface section 4)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli_kit import broken_root, healthy_root

from docker_fsck import config
from docker_fsck.cli import main, options, roots
from docker_fsck.errors import UsageError

PROGRAM = [sys.executable, "-m", "docker_fsck"]


def process(*argv: str, **how: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *argv], text=True, check=False, **{"capture_output": True, **how})  # type: ignore[call-overload,no-any-return]


DOCUMENTS = {
    "lists in lists": "a=" + "[" * 100_000,
    "a long number": "jobs=" + "9" * 5000,
    "a long number in hex": "jobs=0x" + "f" * 5000,
    "a key of many parts": ".".join(["a"] * 5000) + "=1",
    "a zero byte in a list": 'report=["json=/tmp/x\\u0000y"]',
}


@pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS)
def test_settings_that_cannot_be_read_are_a_usage_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(text)
    done = process("-p", "--root", str(tmp_path), "--config", str(file))
    told = (done.returncode, done.stdout, done.stderr.count("\n"), len(done.stderr) < 500, str(file) in done.stderr)
    assert (16, "", 1, True, True) == told


def test_a_long_number_of_a_flag_is_a_usage_error(tmp_path: Path) -> None:
    done = process("check", "--root", str(tmp_path), "--jobs", "9" * 5000)
    assert (16, True) == (done.returncode, len(done.stderr) < 500)


def test_settings_that_may_not_be_looked_at_are_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UsageError, match=r"config\.toml: Permission denied"):
        config.load({}, {})


@pytest.mark.parametrize("argv", [["nonsense"], ["-p", "--config", "/nonexistent", "--report", "prometheus=/nonexistent/x"]])
def test_an_error_that_cannot_be_told_keeps_its_status(argv: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    with open("/dev/full", "w") as full, os.fdopen(write, "w") as broken:
        statuses = [
            process(*argv, capture_output=False, stderr=to, stdout=subprocess.DEVNULL).returncode for to in (full, broken)
        ]
    assert [16, 16] == statuses


def test_standard_output_that_is_gone_does_not_change_the_status_of_an_error() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as broken:
        done = process("check", "--no-such", "--format", "nagios", capture_output=False, stdout=broken, stderr=subprocess.PIPE)
    assert (16, True) == (done.returncode, "unrecognized" in done.stderr)


@pytest.mark.parametrize("told", [True, False])
def test_what_nobody_expected_before_the_work_is_8(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, told: bool
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(options, "parse", fail)
    if not told:
        monkeypatch.setattr(options, "word", fail)
    assert (8, True) == (main(["check", "--format", "nagios"]), "internal error" in capsys.readouterr().err)


@pytest.mark.parametrize(
    "text", ['{"a":' + "[" * 100_000, '{"data-root": "/a\\u0000b"}', '{"data-root": "/a", "b":' + "9" * 5000 + "}"]
)
def test_a_daemon_json_that_cannot_be_read_is_a_usage_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "daemon.json").write_text(text)
    places = roots.Places(daemon_json=str(tmp_path / "daemon.json"))
    with pytest.raises(UsageError, match="name it with --root"):
        roots.choose(config.load({}, {}, os.devnull), places)


def test_a_run_without_any_stream_goes_on(tmp_path: Path) -> None:
    root = broken_root(tmp_path).path
    script = 'exec "$@" >&- 2>&- <&-'
    done = subprocess.run(["sh", "-c", script, "sh", *PROGRAM, "check", "--root", str(root)], capture_output=True, check=False)
    assert (4, b"", b"") == (done.returncode, done.stdout, done.stderr)


def test_an_error_without_standard_error_is_not_told_on_standard_output() -> None:
    done = subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", *PROGRAM, "nonsense"], capture_output=True, check=False)
    assert (16, b"") == (done.returncode, done.stdout)


def test_a_log_without_standard_error_is_not_on_standard_output(tmp_path: Path) -> None:
    argv = ("-v", "check", "--root", str(healthy_root(tmp_path).path), "--format", "json")
    done = subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", *PROGRAM, *argv], capture_output=True, check=False)
    assert (0, b"{", b"}\n") == (done.returncode, done.stdout[:1], done.stdout[-2:])
