"""Workers of deep verification step back for everybody else where that is asked for; read back from the kernel."""

import ctypes
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest

from docker_fsck.testing.builder import DataRoot

IOPRIO_GET = {"x86_64": 252, "aarch64": 31}
JOBS = 2
IDLE = (os.SCHED_IDLE, 19, 3)
NORMAL = (os.SCHED_OTHER, os.getpriority(os.PRIO_PROCESS, 0), 0)


def state(pid: int) -> tuple[int, int, int]:
    """Scheduler, niceness and I/O class of a process."""
    kind = ctypes.CDLL(None).syscall(IOPRIO_GET[platform.machine()], 1, pid) >> 13
    return os.sched_getscheduler(pid), os.getpriority(os.PRIO_PROCESS, pid), kind


def states(pid: int, wanted: tuple[int, int, int]) -> set[tuple[int, int, int]]:
    """Those of the processes that it has started, as soon as there are two and they are as `wanted`."""
    deadline = time.monotonic() + 20
    found: set[tuple[int, int, int]] = set()
    while time.monotonic() < deadline:
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        found = {state(int(each)) for each in workers}
        if len(workers) == JOBS and found == {wanted}:
            break
        time.sleep(0.02)
    return found


@pytest.mark.skipif(platform.machine() not in IOPRIO_GET, reason="the number of the call is not known here")
@pytest.mark.parametrize(("words", "expected"), [(("--idle",), IDLE), ((), NORMAL)])
def test_workers_are_idle_and_their_parent_is_not(tmp_path: Path, words: tuple[str, ...], expected: tuple[int, int, int]) -> None:
    root = DataRoot(tmp_path / "root", "overlay2")
    for number in range(4):
        root.image(f"app:{number}", 1)
    command = [
        sys.executable,
        "-m",
        "docker_fsck",
        "check",
        "--root",
        str(root.path),
        "--level",
        "deep",
        "--limit",
        "1K/s",
        *words,
    ]
    with subprocess.Popen(
        [*command, "--state-dir", str(tmp_path / "state"), "--jobs", str(JOBS)], stdout=subprocess.DEVNULL
    ) as process:
        try:
            assert ({expected}, NORMAL) == (states(process.pid, expected), state(process.pid))
        finally:
            process.kill()
