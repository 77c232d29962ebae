"""Signals from outside: SIGTERM and SIGHUP end a run as SIGINT does, and nothing that it started outlives it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_cli_kit import healthy_root

from docker_fsck import offspring
from docker_fsck.cli.interrupts import like_ctrl_c
from docker_fsck.testing.builder import DataRoot

PATIENCE = 20
SLOW = ("--level", "deep", "--limit", "1K/s", "--jobs", "2")


def root_of(folder: Path) -> DataRoot:
    root = healthy_root(folder)
    for number in range(4):
        root.image(f"many:{number}", 1)
    return root


def children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def runs(pid: int) -> bool:
    """Whether the process is still there, and no zombie that waits to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def within(what: list[int], seconds: float = 2) -> list[int]:
    """Those of the processes that still run after so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(map(runs, what)):
        time.sleep(0.02)
    return [each for each in what if runs(each)]


@contextmanager
def deep(root: DataRoot, folder: Path, *words: str, **kind: object) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A slow deep check that has its two workers."""
    command = [sys.executable, "-m", "docker_fsck", *(words or ("check",)), "--root", str(root.path), *SLOW]
    command += ["--state-dir", str(folder / "state"), "--report", f"prometheus={folder}/x.prom"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kind) as run:
        deadline = time.monotonic() + PATIENCE
        while len(workers := children(run.pid)) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        try:
            assert 2 == len(workers)
            yield run, workers
        finally:
            run.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda each: each.name)
@pytest.mark.parametrize("words", [("check",), ("plan",), ()], ids=["check", "plan", "bare"])
def test_a_signal_ends_a_check_with_32_and_its_report_says_so(
    tmp_path: Path, number: signal.Signals, words: tuple[str, ...]
) -> None:
    with deep(root_of(tmp_path), tmp_path, *words) as (run, workers):
        run.send_signal(number)
        _, err = run.communicate(timeout=PATIENCE)
        assert ((32, "docker-fsck: interrupted\n"), []) == ((run.returncode, err), within(workers))
    assert " 32" in (tmp_path / "x.prom").read_text()


def test_a_signal_to_all_of_them_is_an_interrupt_too(tmp_path: Path) -> None:
    with deep(root_of(tmp_path), tmp_path, start_new_session=True) as (run, workers):
        os.killpg(run.pid, signal.SIGTERM)
        _, err = run.communicate(timeout=PATIENCE)
        assert ((32, "docker-fsck: interrupted\n"), []) == ((run.returncode, err), within(workers))


def test_workers_do_not_outlive_one_that_was_killed(tmp_path: Path) -> None:
    with deep(root_of(tmp_path), tmp_path) as (run, workers):
        run.kill()
        run.wait(PATIENCE)
        assert [] == within(workers)


def test_who_asks_for_no_hangup_gets_none(tmp_path: Path) -> None:
    def ignoring() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with deep(root_of(tmp_path), tmp_path, preexec_fn=ignoring) as (run, workers):
        run.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            run.wait(0.5)
        assert workers == within(workers, 0)


def test_a_handler_of_somebody_else_stays() -> None:
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)]
    signal.signal(signal.SIGTERM, print)
    try:
        like_ctrl_c()
        assert print is signal.getsignal(signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGHUP)
    except KeyboardInterrupt:
        pass
    else:
        pytest.fail("no interrupt")
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGHUP), before, strict=True):
            signal.signal(number, handler)


def test_a_child_whose_parent_is_gone_already_ends() -> None:
    pid = os.fork()
    if not pid:
        offspring.tie(1 << 22)  # no process has that number
        os._exit(7)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_child_leaves_an_interrupt_to_its_parent() -> None:
    read, write = os.pipe()
    pid = offspring.fork()
    if not pid:
        os.write(write, b"x")
        time.sleep(0.3)
        os._exit(7)
    os.read(read, 1)
    os.kill(pid, signal.SIGINT)
    assert 7 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert not {signal.SIGINT, signal.SIGTERM} & signal.pthread_sigmask(signal.SIG_BLOCK, ())
