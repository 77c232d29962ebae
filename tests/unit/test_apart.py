"""Work in a second process: the same answer as without, whatever happens to that process."""

import subprocess
import sys
from pathlib import Path

import pytest

from docker_fsck import apart
from docker_fsck.reader import Reader
from docker_fsck.records import distribution, layerdb
from docker_fsck.testing.whole import whole

HEAD = "import os, sys, msgspec\nfrom docker_fsck import apart\nos.sched_getaffinity = lambda _pid: {0, 1}\n"


def said(program: str, *words: str) -> str:
    """What a program of its own, without other threads, prints."""
    run = subprocess.run([sys.executable, "-c", HEAD + program, *words], capture_output=True, text=True, check=False, timeout=60)
    assert "" == run.stderr
    return run.stdout.strip()


def test_the_answer_comes_from_another_process() -> None:
    pids = said("wait = apart.begin(os.getpid, int)\nprint(os.getpid(), wait())").split()
    assert 2 == len(set(pids))


def test_an_answer_larger_than_a_pipe_comes_whole() -> None:
    assert "3000000" == said("print(len(apart.begin(lambda: 'x' * 3_000_000, str)()))")


@pytest.mark.parametrize(
    "work", ["os.abort", "lambda: 1 / 0", "lambda: os.kill(os.getpid(), 9)", "lambda: '\\udcff'", "object", "lambda: 'no number'"]
)
def test_a_process_that_gives_no_answer_gives_none(work: str) -> None:
    assert "None" == said(f"print(apart.begin({work}, int)())")


def test_nothing_is_begun_on_one_processor_or_beside_threads() -> None:
    assert "None" == said("os.sched_getaffinity = lambda _pid: {0}\nprint(apart.begin(os.getpid, int))")
    program = "import threading\nthreading.Timer(30, print).start()\nprint(apart.begin(os.getpid, int), flush=True)\nos._exit(0)"
    assert "None" == said(program)


def test_where_no_process_can_be_made_the_work_is_left_to_the_caller() -> None:
    program = "def no():\n    raise OSError\nos.fork = no\nbefore = os.listdir('/proc/self/fd')\nprint(apart.begin(os.getpid, int), before == os.listdir('/proc/self/fd'))"
    assert "None True" == said(program)


TABLES = """
from docker_fsck import ahead
from docker_fsck.reader import Reader
from docker_fsck.records import distribution, layerdb
ahead.WORTH_A_PROCESS = 1
table = {"layers": layerdb, "distribution": distribution}[sys.argv[3]]
real, calls = table.read, []
table.read = lambda *given: calls.append(os.getpid()) or real(*given)
reader = Reader(sys.argv[1])
if table is layerdb:
    found = table.begin(reader, sys.argv[2])()
else:
    found = table.begin(reader, sys.argv[2], 1)()
own = Reader(sys.argv[1])
print(found == real(own, sys.argv[2]), reader.unread == own.unread, len(getattr(found, sys.argv[4])), len(calls))
"""


@pytest.mark.parametrize("driver", ["overlay2", "vfs"])
def test_a_table_read_apart_is_the_same_and_so_is_what_the_kernel_refused(tmp_path: Path, driver: str) -> None:
    store, where = whole(tmp_path / "root", driver), f"image/{driver}"
    store.root.empty(store.root.record(store.root.chains_of(store.web)[-1]) / "diff")
    reader = Reader(str(tmp_path / "root"))
    layers, diffs = len(layerdb.read(reader, where).layers), len(distribution.read(reader, where).diffs)
    assert layers > 0 < diffs
    assert f"True True {layers} 0" == said(TABLES, str(tmp_path / "root"), where, "layers", "layers")
    assert f"True True {diffs} 0" == said(TABLES, str(tmp_path / "root"), where, "distribution", "diffs")


REFUSED = """
from docker_fsck import ahead
from docker_fsck.reader import Reader
from docker_fsck.values import Trouble
ahead.WORTH_A_PROCESS = 1
reader = Reader(sys.argv[1])
def read(each):
    each.unread["x"] = Trouble("x", "unreadable", "input/output error")
    return os.getpid()
found = ahead.begin(reader, read, int, 1)()
print(found != os.getpid(), reader.unread["x"].why)
"""


def test_what_the_second_process_may_not_read_is_known_to_the_first(tmp_path: Path) -> None:
    assert "True input/output error" == said(REFUSED, str(tmp_path))


def test_a_table_with_names_that_cannot_be_sent_is_read_here(tmp_path: Path) -> None:
    whole(tmp_path / "root", "vfs")
    (tmp_path / "root" / "image/vfs/layerdb/sha256" / "no\udcffname").mkdir()
    assert "True True 5 1" == said(TABLES, str(tmp_path / "root"), "image/vfs", "layers", "layers")


def test_a_small_table_is_not_worth_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole(tmp_path / "root", "vfs")
    monkeypatch.setattr(apart, "begin", lambda *_given: pytest.fail("a process was begun"))
    reader = Reader(str(tmp_path / "root"))
    assert layerdb.begin(reader, "image/vfs")() == layerdb.read(reader, "image/vfs")
