"""Budgets, memory and processes of deep verification; what it finds is in the tables of rules."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from docker_fsck.errors import UsageError
from docker_fsck.verdicts import Task, Verdict
from docker_fsck.verify.budget import Budget, chosen, size, subset
from docker_fsck.verify.counts import Counts
from docker_fsck.verify.memory import FILE, Memory, Seen
from docker_fsck.verify.workers import Pulse, answers


def task(number: int) -> Task:
    return Task(f"sha256:{number:064x}", "", "", "")


TASKS = [task(number) for number in range(100)]
SIZES = {each.chain: 10 for each in TASKS}


def test_parts_cover_every_layer_exactly_once() -> None:
    parts = [chosen(TASKS, SIZES, {}, subset(f"{n}/5"), 0.0) for n in range(1, 6)]
    assert sorted(each.chain for part in parts for each in part) == [each.chain for each in TASKS]


def test_what_failed_comes_first_then_the_unknown_then_the_oldest() -> None:
    seen = {
        TASKS[0].chain: Seen(TASKS[0].chain, "whole", 20.0),
        TASKS[1].chain: Seen(TASKS[1].chain, "whole", 10.0),
        TASKS[3].chain: Seen(TASKS[3].chain, "damaged", 30.0),
    }
    assert [3, 2, 1, 0] == [int(each.chain[7:], 16) for each in chosen(TASKS[:4], SIZES, seen, Budget(), 99.0)]


@pytest.mark.parametrize(("text", "count"), [("10%", 10), ("100%", 100), ("35", 3), ("1K", 100), ("5", 1)])
def test_a_share_or_a_size_takes_so_many_and_always_one(text: str, count: int) -> None:
    assert count == len(chosen(TASKS, SIZES, {}, subset(text), 0.0))


def test_what_was_whole_lately_is_left_out_and_what_failed_is_not() -> None:
    seen = {
        each.chain: Seen(each.chain, state, at)
        for each, state, at in zip(TASKS, ("whole", "whole", "damaged"), (90.0, 10.0, 90.0), strict=False)
    }
    kept = chosen(TASKS[:3], SIZES, seen, Budget(max_age=50.0), 100.0)
    assert [2, 1] == [int(each.chain[7:], 16) for each in kept]


def test_a_clock_that_went_back_leaves_nothing_out() -> None:
    seen = {TASKS[0].chain: Seen(TASKS[0].chain, "whole", 500.0)}
    assert [TASKS[0]] == chosen(TASKS[:1], SIZES, seen, Budget(max_age=50.0), 100.0)


@pytest.mark.parametrize("text", ["", "0/5", "6/5", "1/0", "0%", "101%", "-1", "10X", "0"])
def test_nonsense_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="--subset"):
        subset(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("100M", 100 << 20), ("1.5K", 1536), ("7", 7), ("2GiB", 2 << 30), ("3tb", 3 << 40)]
)
def test_sizes_are_read(text: str, expected: int) -> None:
    assert expected == size(text, "--limit")


def test_verdicts_are_remembered_beside_torn_lines(tmp_path: Path) -> None:
    first = Memory(str(tmp_path), "/root", "overlay2")
    first.note(Seen("sha256:1", "whole", 1.0))
    first.note(Seen("sha256:1", "damaged", 2.0))
    first.close()
    (file,) = tmp_path.rglob(FILE)
    with file.open("ab") as torn:
        torn.write(b'{"chain":"sha256:2","sta')
    again = Memory(str(tmp_path), "/root", "overlay2")
    again.note(Seen("sha256:3", "whole", 3.0))
    again.close()
    found = Memory(str(tmp_path), "/root", "overlay2").seen
    assert {"sha256:1": "damaged", "sha256:3": "whole"} == {key: each.state for key, each in found.items()}
    assert {} == Memory(str(tmp_path), "/other", "overlay2").seen


def test_worn_memory_is_written_anew(tmp_path: Path) -> None:
    memory = Memory(str(tmp_path), "/root", "vfs")
    for at in range(50):
        memory.note(Seen("sha256:1", "whole", float(at)))
    memory.close()
    again = Memory(str(tmp_path), "/root", "vfs")
    (file,) = tmp_path.rglob(FILE)
    assert (49.0, 1) == (again.seen["sha256:1"].at, len(file.read_bytes().split()))


def test_a_folder_that_cannot_be_used_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="--state-dir"):
        Memory(str(tmp_path / "file"), "/root", "vfs")


def verdict(number: int) -> Verdict:
    return Verdict(f"{os.getpid()}", "whole", bytes=number)


def test_every_job_is_answered_once_by_as_many_processes_as_asked() -> None:
    found = dict(answers(verdict, Verdict, 40, 3, lambda: None))
    assert list(range(40)) == sorted(found)
    assert {number: number for number in range(40)} == {number: each.bytes for number, each in found.items() if each}
    assert 1 < len({each.chain for each in found.values() if each}) <= 3


def dies(number: int) -> Verdict:
    if number % 5 == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return verdict(number)


def test_a_worker_that_dies_costs_its_layer_and_nothing_else() -> None:
    found = dict(answers(dies, Verdict, 20, 2, lambda: None))
    assert list(range(20)) == sorted(found)
    assert [2, 7, 12, 17] == sorted(number for number, each in found.items() if each is None)


def slow(number: int) -> Verdict:
    time.sleep(0 if number == 0 else 60)
    return verdict(number)


def test_patience_ends_a_run_in_the_middle_of_a_layer() -> None:
    begun = time.monotonic()
    found = [number for number, _ in answers(slow, Verdict, 4, 1, lambda: max(0.0, begun + 0.5 - time.monotonic()))]
    assert ([0], True) == (found, time.monotonic() - begun < 5)


def test_the_parent_beats_while_no_answer_comes() -> None:
    beats: list[float] = []
    pulse = Pulse(0.05, lambda: beats.append(time.monotonic()))
    begun = time.monotonic()
    list(answers(slow, Verdict, 2, 1, lambda: max(0.0, begun + 0.6 - time.monotonic()), pulse))
    assert (True, True) == (2 <= len(beats) <= 14, time.monotonic() - begun < 5)


def test_no_job_is_given_away_when_time_is_over() -> None:
    assert len([number for number, _ in answers(verdict, Verdict, 1000, 2, lambda: 0.0)]) <= 2


def test_bytes_of_a_layer_are_counted_while_another_process_hashes_it() -> None:
    counts = Counts([100, 50, 0])
    taken: list[int] = []
    pid = os.fork()
    if not pid:
        count = counts.counted(0, taken.append)
        count(30)
        count(40)
        counts.counted(1, taken.append)(80)
        counts.counted(2, taken.append)(80)
        os._exit(0)
    os.waitpid(pid, 0)
    assert (150, 120, []) == (counts.whole, counts.done, taken)
    counts.finish(0)
    assert 150 == counts.done


PARENT = """
import os, time
from docker_fsck.verdicts import Verdict
from docker_fsck.verify.workers import answers
def work(number):
    os.write(1, b"%d\\n" % os.getpid())
    time.sleep(0.3)
    return Verdict("", "whole")
for _ in answers(work, Verdict, 1000, 2, lambda: None):
    pass
"""


def test_workers_end_with_a_parent_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(parent.stdout.readline()) for _ in range(2)]
        parent.kill()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [False, False] == [Path(f"/proc/{pid}").exists() for pid in pids]
