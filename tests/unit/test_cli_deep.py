"""Deep verification from the command line: its budget, its memory, and what its end means for the verdict."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from test_cli_kit import Ended, run

from docker_fsck.host import HostView
from docker_fsck.testing.builder import DataRoot
from docker_fsck.verify.memory import FILE

LAYERS = 24


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    made = DataRoot(tmp_path_factory.mktemp("deep") / "root", "overlay2")
    for number in range(LAYERS // 2):
        made.image(f"app:{number}", 2)
    return made


def deep(root: DataRoot, state: Path, *words: str) -> Ended:
    return run("check", "--root", str(root.path), "--level", "deep", "--state-dir", str(state), "--format", "json", *words)


def seen(state: Path) -> list[str]:
    """The layers of every verdict that is remembered, in the order of their coming."""
    lines = [line for file in state.rglob(FILE) for line in file.read_bytes().splitlines() if line]
    return [json.loads(line)["chain"] for line in lines]


def test_every_layer_is_verified_and_their_bytes_are_told(root: DataRoot, tmp_path: Path) -> None:
    ended = deep(root, tmp_path)
    assert (0, LAYERS, True) == (ended.status, len(set(seen(tmp_path))), ended.report["coverage"]["bytes_verified"] > 0)
    states = {each["rule"]: each["state"] for each in ended.report["coverage"]["rules"]}
    assert "ran" == states["layer-content-mismatch"]


def test_at_the_other_levels_nothing_is_read_or_remembered(root: DataRoot, tmp_path: Path) -> None:
    ended = run("check", "--root", str(root.path), "--state-dir", str(tmp_path), "--format", "json")
    assert (0, [], 0) == (ended.status, seen(tmp_path), ended.report["coverage"]["bytes_verified"])
    assert "layer-metadata-drift" not in {each["rule"] for each in ended.report["coverage"]["rules"]}


def test_five_parts_cover_every_layer_exactly_once(root: DataRoot, tmp_path: Path) -> None:
    ends = [deep(root, tmp_path, "--subset", f"{part}/5").status for part in range(1, 6)]
    assert ([0] * 5, LAYERS, LAYERS) == (ends, len(seen(tmp_path)), len(set(seen(tmp_path))))


def test_shares_go_on_where_the_last_run_ended(root: DataRoot, tmp_path: Path) -> None:
    for _ in range(4):
        deep(root, tmp_path, "--subset", "25%")
    assert LAYERS == len(set(seen(tmp_path)))


def test_what_was_whole_lately_is_left_out(root: DataRoot, tmp_path: Path) -> None:
    deep(root, tmp_path)
    deep(root, tmp_path, "--max-age", "30d")
    assert LAYERS == len(seen(tmp_path))


def test_a_damaged_layer_comes_first_the_next_time(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root", "overlay2")
    for number in range(4):
        root.image(f"app:{number}", 1)
    chain = root.chains_of(next(iter(root.images)))[-1]
    content = root.content(root.dir_of(chain))
    victim = next(path for path in sorted(content.rglob("*")) if path.is_file() and path.stat().st_size)
    victim.write_bytes(bytes(victim.stat().st_size))
    first = deep(root, tmp_path / "state")
    assert (4, ["layer-content-mismatch"]) == (first.status, [each["rule"] for each in first.report["findings"]])
    deep(root, tmp_path / "state", "--subset", "1", "--jobs", "1")
    assert chain == seen(tmp_path / "state")[-1]


def test_a_time_limit_makes_the_verdict_incomplete_and_the_next_run_goes_on(root: DataRoot, tmp_path: Path) -> None:
    begun = time.monotonic()
    ended = deep(root, tmp_path, "--max-duration", "5s", "--limit", "1K/s", "--jobs", "2")
    assert (8, "incomplete", True) == (ended.status, ended.report["verdict"], time.monotonic() - begun < 6)
    some = len(set(seen(tmp_path)))
    assert some < LAYERS
    assert (0, LAYERS) == (deep(root, tmp_path).status, len(set(seen(tmp_path))))


LIVE = HostView(state="live", why="a test says so")


def live(root: DataRoot, state: Path, *words: str, sleep: Callable[[float], None] = lambda _seconds: None) -> Ended:
    """As `deep`, on a root that an engine uses; `sleep` happens between two passes."""
    where = ("check", "--root", str(root.path), "--level", "deep", "--state-dir", str(state), "--format", "json")
    return run(*where, *words, look=lambda _root: LIVE, sleep=sleep)


def some_file(root: DataRoot) -> Path:
    """A file with content of some layer."""
    content = root.content(root.dir_of(root.chains_of(next(iter(root.images)))[-1]))
    return next(path for path in sorted(content.rglob("*")) if path.is_file() and path.stat().st_size)


@pytest.mark.parametrize(
    ("rule", "blow"),
    [
        ("layer-content-mismatch", lambda path: path.write_bytes(bytes(path.stat().st_size))),
        ("layer-extra-files", lambda path: path.with_name("stranger").write_bytes(b"")),
        ("layer-metadata-drift", lambda path: path.chmod(0o4700)),
    ],
)
def test_on_a_live_root_doubtful_layers_are_looked_at_again_and_no_others(
    tmp_path: Path, rule: str, blow: Callable[[Path], object]
) -> None:
    root = DataRoot(tmp_path / "root", "overlay2")
    root.image("app:1", 4)
    blow(some_file(root))
    ended = live(root, tmp_path / "state")
    assert ([rule], 4 + 1) == ([each["rule"] for each in ended.report["findings"]], len(seen(tmp_path / "state")))


def test_what_was_only_a_moment_is_no_finding(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root", "overlay2")
    root.image("app:1", 2)
    stranger = some_file(root).with_name("stranger")
    stranger.write_bytes(b"")
    ended = live(root, tmp_path / "state", sleep=lambda _seconds: stranger.unlink(missing_ok=True))
    assert (0, []) == (ended.status, ended.report["findings"])


def test_a_layer_that_goes_between_two_passes_is_no_finding(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root", "overlay2")
    image = root.image("app:1", 2)
    root.image("other:1", 2)
    some_file(root).write_bytes(b"x")
    chain = root.chains_of(image)[-1]

    def remove(_seconds: float) -> None:
        shutil.rmtree(root.record(chain), ignore_errors=True)

    ended = live(root, tmp_path / "state", sleep=remove)
    assert "layer-content-mismatch" not in [each["rule"] for each in ended.report["findings"]]


def test_time_that_is_over_makes_no_further_pass_over_a_live_root(root: DataRoot, tmp_path: Path) -> None:
    pauses: list[float] = []
    begun = time.monotonic()
    ended = live(root, tmp_path, "--max-duration", "1s", "--limit", "1K/s", "--jobs", "2", sleep=pauses.append)
    assert (8, [], True) == (ended.status, pauses, time.monotonic() - begun < 5)


@pytest.mark.parametrize(
    "words", [("--subset", "6/5"), ("--limit", "fast"), ("--jobs", "0"), ("--max-duration", "long"), ("--max-age", "x")]
)
def test_nonsense_is_a_usage_error(root: DataRoot, tmp_path: Path, words: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "docker_fsck", "check", "--root", str(root.path), "--level", "deep"]
    done = subprocess.run([*command, "--state-dir", str(tmp_path), *words], check=False, capture_output=True, text=True)
    assert (16, True) == (done.returncode, words[0] in done.stderr)


def test_the_memory_never_lies_in_the_root(root: DataRoot) -> None:
    ended = deep(root, root.path / "state")
    assert (16, True) == (ended.status, "lies in the data root" in ended.err)


def test_a_run_that_is_killed_loses_at_most_one_layer_of_each_worker(root: DataRoot, tmp_path: Path) -> None:
    """Every layer that the log tells of is remembered, save for those that were just on their way; the next run takes the rest."""
    chance = random.Random(5)
    for turn in range(20):
        state, log = tmp_path / f"state{turn}", tmp_path / f"log{turn}"
        command = [sys.executable, "-m", "docker_fsck", "check", "--root", str(root.path), "--level", "deep", "--jobs", "2", "-v"]
        command += ["--state-dir", str(state), "--limit", "200K/s", "--log-file", str(log), "--log-format", "json"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(0.2 + chance.random() * 0.6)
            os.kill(process.pid, signal.SIGKILL)
        told = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        done = max((each["layers"] for each in told if each["event"] == "verified"), default=0)
        assert done <= len(set(seen(state))) <= done + 2
        assert (0, LAYERS, LAYERS) == (deep(root, state, "--max-age", "1d").status, len(seen(state)), len(set(seen(state))))
