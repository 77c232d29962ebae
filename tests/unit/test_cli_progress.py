"""How far deep verification is: a line that is written over on a terminal and wiped at the end, lines now and then, or events."""

import json
from pathlib import Path

import pytest
from test_cli_kit import Ended, run

from docker_fsck.cli import progress
from docker_fsck.testing.builder import DataRoot
from docker_fsck.verify.run import Progress

TERMINAL, ERRORS_SHOWN = (False, False, False), (False, False, True)
WIPED = "\r\x1b[K"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    made = DataRoot(tmp_path_factory.mktemp("progress") / "root", "overlay2")
    made.image("app:1", 3)
    return made


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is heard is shown."""
    monkeypatch.setattr(progress, "_OFTEN", 0.0)
    monkeypatch.setattr(progress, "_SELDOM", 0.0)


def deep(root: DataRoot, state: Path, *words: str, tty: tuple[bool, bool, bool] = ERRORS_SHOWN) -> Ended:
    return run("check", "--root", str(root.path), "--level", "deep", "--state-dir", str(state), "--jobs", "1", *words, tty=tty)


def test_a_terminal_sees_bytes_rate_and_time_in_one_line_that_is_wiped(root: DataRoot, tmp_path: Path) -> None:
    told = deep(root, tmp_path).err
    lines = [each.removesuffix("\x1b[K") for each in told.split("\r") if each]
    assert ("3 of 3 layers verified", "", 0) == (lines[-2].split(", ")[0], lines[-1], told.count("\n"))
    assert (True, True, True) == (" of " in lines[-2].split(", ")[1], "B/s" in lines[-2], lines[-2].endswith("0:00 left"))


@pytest.mark.parametrize(
    ("words", "tty"),
    [
        ((), TERMINAL),
        (("-q",), ERRORS_SHOWN),
        (("--format", "json"), ERRORS_SHOWN),
        (("--progress", "never"), ERRORS_SHOWN),
        (("--level", "standard"), ERRORS_SHOWN),
    ],
)
def test_nobody_is_told_who_did_not_look(
    root: DataRoot, tmp_path: Path, words: tuple[str, ...], tty: tuple[bool, bool, bool]
) -> None:
    assert "" == deep(root, tmp_path, *words, tty=tty).err


def test_a_screen_with_log_lines_on_it_gets_no_other_line(root: DataRoot, tmp_path: Path) -> None:
    assert "\r" not in deep(root, tmp_path, "-v").err


def test_always_means_lines_where_there_is_no_terminal(root: DataRoot, tmp_path: Path) -> None:
    told = deep(root, tmp_path, "--progress", "always", tty=TERMINAL).err.splitlines()
    assert (True, "docker-fsck: 3 of 3 layers verified") == (len(told) >= 3, told[-1].split(", ")[0])


def test_always_shows_the_line_beside_a_document(root: DataRoot, tmp_path: Path) -> None:
    ended = deep(root, tmp_path, "--progress", "always", "--format", "json")
    assert (True, "clean") == (ended.err.endswith(WIPED), ended.report["verdict"])


@pytest.mark.parametrize("words", [("-v",), ("--progress", "always")])
def test_a_json_log_gets_events(root: DataRoot, tmp_path: Path, words: tuple[str, ...]) -> None:
    told = [json.loads(line) for line in deep(root, tmp_path, "--log-format", "json", *words).err.splitlines()]
    last = [each for each in told if each["event"] == "progress"][-1]
    assert {"layers", "of_layers", "bytes", "of_bytes", "seconds", "rate", "eta", "event", "level", "timestamp"} == last.keys()
    assert (3, 3, last["of_bytes"], 0) == (last["layers"], last["of_layers"], last["bytes"], last["eta"])


def test_a_log_file_names_every_layer(root: DataRoot, tmp_path: Path) -> None:
    deep(root, tmp_path / "state", "--log-format", "json", "--log-file", str(tmp_path / "log"))
    told = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert set(root.layers) == {each["layer"] for each in told if each["event"] == "verified"}


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        (Progress(0, 3, 0, 10**9, 0.5), "0 of 3 layers verified, 0 bytes of 1.0 GB, 0 bytes/s"),
        (Progress(1, 1, 5 * 10**8, 10**9, 1.0), "1 of 1 layer verified, 500.0 MB of 1.0 GB, 500.0 MB/s, 0:01 left"),
        (Progress(1, 3, 10**6, 10**9 + 10**6, 1.0), "1 of 3 layers verified, 1.0 MB of 1.0 GB, 1.0 MB/s, 16:40 left"),
        (Progress(1, 3, 10**5, 10**9 + 10**5, 1.0), "1 of 3 layers verified, 100.0 kB of 1.0 GB, 100.0 kB/s, 2:46:40 left"),
    ],
)
def test_the_line_tells_layers_bytes_rate_and_what_is_left(done: Progress, expected: str) -> None:
    assert expected == progress.line(done)
