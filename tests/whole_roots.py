"""A whole overlay2 root with every kind of damage, its plan, a site to change it on, and children that die at one event of it."""

import fcntl
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, TextIO

import pytest
from msgspec import Struct, structs

from docker_fsck import config, host
from docker_fsck.apply.executor import execute, operation
from docker_fsck.apply.site import Applied, Event, Site
from docker_fsck.cli import options
from docker_fsck.cli.edge import Call, Edge
from docker_fsck.cli.start import guarded, work_of
from docker_fsck.cli.terminal import Terminal
from docker_fsck.log import Log
from docker_fsck.testing import images as built
from docker_fsck.testing import tree
from docker_fsck.testing.table import STOPPED, Run, Whole, run, whole
from docker_fsck.values import Plan, Step

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
TXN = "20240506T070809Z-ab12"
OWN = ".docker-fsck"
FSCK = (sys.executable, "-m", "docker_fsck")
CLASSES = "lossless,reclaim,lossy"
Shot = dict[str, tree.Entry]

view = host.look("/")
needs_host = pytest.mark.skipif(view.state == "unknown", reason=f"nothing may be changed on this host: {view.why}")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts, attributes of files, processes of others")


class Damaged(Struct, frozen=True):
    """A root whose faults are of every class, and the container to whose loss a plan needs consent."""

    path: Path
    lost: str


def damaged(path: Path) -> Damaged:
    """The healthy store of the tables, and then everything that has a remedy of this part, in one root."""
    store = whole(path, "overlay2")
    _broken(store)
    lost = _lost(store)
    _garbage(store)
    return Damaged(path, lost)


def _broken(store: Whole) -> None:
    """What is mended without loss: files of driver dirs and of mount records."""
    root = store.root
    root.empty(root.driver_dir(store.dir_of(store.app)) / "link")
    root.delete(root.short_link(store.dir_of(store.web)))
    root.empty(root.driver_dir(root.init_id(store.ran)) / "lower")
    root.delete(root.driver_dir(root.mount_id(store.ran)) / "work")
    root.write(root.driver_dir(root.mount_id(store.made)) / "committed", b"")
    root.delete(root.mount_record(store.busy) / "init-id")
    root.delete(root.mount_record(store.made) / "parent")


def _lost(store: Whole) -> str:
    """What cannot be had back: the lowest folder of an image with two tags, and a document of the container handed back."""
    root = store.root
    image = root.image("lost:1", 2)
    built.tag(root, "lost:again", image)
    root.delete(root.driver_dir(root.dir_of(root.chains_of(image)[0])))
    root.tag("gone:1", "sha256:" + "5" * 64)
    container = root.container(store.base, "headless", files={"tmp/work": b"of the user\n"})
    root.delete(root.container_dir(container) / "config.v2.json")
    return container


def _garbage(store: Whole) -> None:
    """What nothing refers to."""
    root = store.root
    top = root.chains_of(store.base)[-1]
    root.orphan_dir()
    root.orphan_dir(parent=top)
    root.orphan_mount(store.base)
    root.orphan_pair(store.base)
    root.unreferenced_layers(2)
    root.unreferenced_layers(1, base=top)
    root.removing()
    root.layer_tmp()
    root.link_to("overlay2/l/" + "A" * 26, "../" + "7" * 64 + "/diff")
    root.write(root.image_home / ".tmp-repositories.json123", b"{")
    root.write(root.container_dir(store.ran) / ".tmp-config.v2.json123", b"{")


def copy(root: Path, to: Path) -> Path:
    """A root of a test's own: everything but inodes and ctimes is the same."""
    subprocess.run(["cp", "-a", "--reflink=auto", root, to], check=True)
    return to


def looked_at(root: Path, consents: Collection[str] = ()) -> Run:
    """Check and plan with no grace."""
    return run(root, now=time.time(), consents=consents)


def steps_of(plan: Plan) -> list[Step]:
    """All steps in the order in which they are done."""
    return sorted((step for action in plan.actions for step in action.steps), key=lambda step: step.n)


def operations(plan: Plan) -> set[str]:
    """The kinds of steps."""
    return {operation(step) for step in steps_of(plan)}


def quiet(_: Event) -> None:
    """Watches and does nothing."""


def site_of(root: Path, watch: Callable[[Event], None] = quiet, **other: Any) -> Site:
    """The root with the real locks, on a host where nothing else runs, without waiting."""
    return Site(
        root=str(root), hold=host.hold, engine_processes=lambda _: (), look=lambda _: STOPPED, watch=watch, settle=0.0,
        sleep=lambda _: None, **other,
    )  # fmt: skip


def apply(root: Path, plan: Plan, watch: Callable[[Event], None] = quiet) -> Applied:
    """Carry the plan out."""
    return execute(plan, site_of(root, watch), txn=TXN, now=NOW)


def snapshot(root: Path) -> Shot:
    """Everything that undo must bring back."""
    return tree.snapshot(root, leave_out=(OWN,))


def timeless(shot: Shot, plan: Plan) -> Shot:
    """The picture without the times that an apply of the plan sets: those of its paths and of the folders around them."""
    touched = {path for step in steps_of(plan) for path in (step.raw, step.raw.rpartition("/")[0] or ".")}
    return {path: structs.replace(entry, mtime_ns=0) if path in touched else entry for path, entry in shot.items()}


def in_child(job: Callable[[], object]) -> int:
    """Run `job` in a forked process and give the signal that ended it, 0 if it came to its end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn where other threads are: the child uses none
        pid = os.fork()
    if pid == 0:
        code = 70
        try:
            job()
            code = 0
        except BaseException:  # noqa: BLE001 - a child must not go on with the tests
            traceback.print_exc()
        finally:
            os._exit(code)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the child failed"
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def die() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def killer(at: int) -> Callable[[Event], None]:
    """A watch that ends its process at event number `at`, from 0: before and after each step, each sync, and around the whole.

    The end of one step and the beginning of the next are one moment: nothing lies between them.
    """
    numbers, last = count(), ""

    def watch(event: Event) -> None:
        nonlocal last
        same = (last, event.what) in {("done", "starts"), ("undone", "undoing")}
        last = event.what
        if not same and next(numbers) == at:
            die()

    return watch


def each_death(master: Path, work: Path, run_until: Callable[[Path, int], int], check: Callable[[Path], None]) -> int:
    """Kill a run on a fresh copy of `master` at its event 0, 1, 2, … until one comes to its end; gives how many were killed."""
    for at in range(1000):
        root = copy(master, work / f"root{at}")
        if run_until(root, at) == 0:
            return at
        check(root)
        shutil.rmtree(root)
    raise AssertionError("it never came to its end")


class Ended(Struct, frozen=True):
    """What a command line said and left."""

    status: int
    out: str
    err: str

    @property
    def report(self) -> Any:
        """The JSON document on standard output."""
        return json.loads(self.out)


def command(*argv: str, out: TextIO, err: TextIO, **edge: Any) -> int:
    """One command line inside this process, on the real host but without waiting; gives its exit status."""
    chosen, given = options.parse([*argv])
    settings = config.load(vars(given), {}, os.devnull)
    log = Log(settings.log_format, settings.log_file, 0, err)
    parts = {"settle": 0.0, **edge}
    made = Edge(environ={}, terminal=Terminal({"NO_COLOR": "1"}, None, out, err), log=log, **parts)
    return guarded(work_of(chosen), Call(given=given, argv=argv, config=settings, edge=made))


def on(root: Path, *argv: str) -> tuple[str, ...]:
    """The arguments of a command about this root."""
    return (*argv, "--root", str(root), "--grace", "0s")


def said(root: Path, *argv: str, **edge: Any) -> Ended:
    """A command about this root inside this process."""
    out, err = io.StringIO(), io.StringIO()
    return Ended(command(*on(root, *argv), out=out, err=err, **edge), out.getvalue(), err.getvalue())


class DeadlyStream:
    """A standard output that ends its process at line number `at` (from 0) that has `mark` in it."""

    def __init__(self, mark: str, at: int) -> None:
        self._mark, self._at, self._numbers = mark, at, count()

    def write(self, text: str) -> int:
        """Take a line."""
        if self._mark in text and next(self._numbers) == self._at:
            die()
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""

    def isatty(self) -> bool:
        """It is a pipe."""
        return False

    def fileno(self) -> int:
        """Standard output's own number, which nobody reads here."""
        return 1


class Stalled:
    """A command line of its own process that writes JSON lines into a pipe of one page: it goes on only as far as it is read."""

    def __init__(self, *argv: str) -> None:
        self._reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        os.write(writing, b"\n" * fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ))
        self.process = subprocess.Popen([*FSCK, *argv, "--format", "jsonl"], stdout=writing, stderr=subprocess.PIPE, text=True)
        os.close(writing)

    def read_until(self, mark: str, times: int) -> None:
        """Read until `mark` has come so often; what comes behind that fills the page again, and then it stands still."""
        mark_bytes, text = mark.encode(), b""
        while text.count(mark_bytes) < times:
            page = os.read(self._reading, 4096)
            assert page, "it ended before"
            text += page

    def end(self) -> tuple[int, str]:
        """Read the rest; gives the exit status and what stood on standard error."""
        with open(self._reading, "rb") as file:
            file.read()
        _, err = self.process.communicate()
        return self.process.returncode, err
