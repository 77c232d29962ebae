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
IDLE = (os.SCHED_IDLE, 19, 3)
NORMAL = (os.SCHED_OTHER, os.getpriority(os.PRIO_PROCESS, 0), 0)


def state(pid: int) -> tuple[int, int, int]:
    """Scheduler, niceness and I/O class of a process."""
    kind = ctypes.CDLL(None).syscall(IOPRIO_GET[platform.machine()], 1, pid) >> 13
    return os.sched_getscheduler(pid), os.getpriority(os.PRIO_PROCESS, pid), kind


def workers(pid: int) -> list[int]:
    """The processes that it has started, as soon as there are any."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if found := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            time.sleep(0.2)
            return [int(each) for each in found]
        time.sleep(0.01)
    return []


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
        [*command, "--state-dir", str(tmp_path / "state"), "--jobs", "2"], stdout=subprocess.DEVNULL
    ) as process:
        try:
            found = {state(pid) for pid in workers(process.pid)}
            assert ({expected}, NORMAL) == (found, state(process.pid))
        finally:
            process.kill()
