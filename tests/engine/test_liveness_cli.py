"""The commands while a root is in use: by an engine, by what a killed one has left, by nobody knows whom (promises 11, 14)."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from docker_fsck import host
from docker_fsck.apply.executor import execute
from docker_fsck.apply.history import history
from docker_fsck.apply.site import Event
from docker_fsck.testing import tree
from docker_fsck.values import ActionClass, Plan
from dockerd import Engine
from windowkit import (
    CLASSES,
    FSCK,
    LOCK_WAIT,
    NOW,
    TXN,
    Littered,
    Stage,
    at_once,
    btrfs,
    clone,
    litter,
    outcome,
    parts,
    plan_of,
)

LATER = "20240506T070810Z-cd34"
APPLY = ("apply", "--class", CLASSES, "--yes", "--allow-mass")
CHANGES = (
    APPLY, ("-p",), ("undo", TXN), ("undo", "last"), ("recover",), ("recover", "--finish"), ("purge", "--txn", TXN),
    ("purge", "--older-than", "0s"),
)  # fmt: skip
NAMESPACE = ("unshare", "-pf", "--mount-proc")
LOOKS = ((), ("plan",))


class Ended(NamedTuple):
    """How the program ended."""

    status: int
    out: str
    err: str


def fsck(root: Path, *argv: str, inside: tuple[str, ...] = ()) -> Ended:
    """The program as a process; `inside` are words before it."""
    done = subprocess.run([*inside, *FSCK, *argv, "--root", root, "--grace", "0s"], check=False, capture_output=True, text=True)
    return Ended(done.returncode, done.stdout, done.stderr)


def report(root: Path, *argv: str, inside: tuple[str, ...] = ()) -> Any:
    """The report of a look."""
    return json.loads(fsck(root, *argv, "--format", "json", inside=inside).out)


@pytest.fixture(scope="module", params=["disk", "btrfs"])
def littered(request: pytest.FixtureRequest) -> Iterator[Littered]:
    """The littered root, which no test touches."""
    with tempfile.TemporaryDirectory(prefix="dfl") as name, ExitStack() as stack:
        base = Path(name)
        yield litter(stack.enter_context(btrfs(base)) if request.param == "btrfs" else base)


@pytest.fixture
def stage(littered: Littered) -> Iterator[Stage]:
    """A copy of a test's own."""
    clone(littered.kept, littered.root)
    with Engine(littered.root.parent, "overlay2", littered.root) as engine:
        yield Stage(littered, outcome(littered), engine)
    shutil.rmtree(littered.root)


@pytest.fixture
def changed(stage: Stage) -> Stage:
    """The same, with a transaction that is done, and one that was interrupted after its first step."""
    plan, came = plan_of(stage.root), []

    def watch(event: Event) -> None:
        came.extend(["now"] if event.what == "done" else [])

    def part(cls: ActionClass) -> Plan:
        return Plan(actions=tuple(action for action in plan.actions if action.cls is cls))

    execute(part(ActionClass.LOSSY), stage.site(sleep=at_once), txn=TXN, now=NOW)
    site = stage.site(sleep=at_once, watch=watch, interrupted=lambda: bool(came))
    assert execute(part(ActionClass.RECLAIM), site, txn=LATER, now=NOW).interrupted
    assert ["applied", "interrupted"] == [record.state for record in history(str(stage.root))]
    return stage


def picture(root: Path) -> tuple[Any, Any]:
    """What a refused change must not change."""
    return parts(root), tree.snapshot(root / ".docker-fsck")


# a running engine


def test_while_an_engine_runs_every_change_is_refused_with_its_name_and_nothing_is_changed(changed: Stage) -> None:
    changed.engine.start()
    before = picture(changed.root)
    for argv in CHANGES:
        ended = fsck(changed.root, *argv)
        assert 64 == ended.status & 64, argv
        assert f"dockerd (pid {changed.engine.pid}" in ended.err, argv
        assert before == picture(changed.root), argv
    rehearsed = fsck(changed.root, *APPLY, "--dry-run")
    assert 64 == rehearsed.status & 64
    assert "apply would be refused: an engine uses this root: dockerd" in rehearsed.err
    assert before == picture(changed.root)


def test_while_an_engine_runs_every_look_works_says_so_and_changes_nothing(stage: Stage) -> None:
    stage.engine.start()
    before = parts(stage.root)
    for argv in LOOKS:
        ended = fsck(stage.root, *argv)
        assert 0 == ended.status & (64 | 32 | 16 | 8), argv
        assert "An engine uses this root" in ended.out, argv
    assert "live" == report(stage.root, "check")["store"]["engine"]
    assert before == parts(stage.root)
    assert stage.engine.images()


# what a killed engine leaves


@pytest.fixture
def surviving(stage: Stage) -> tuple[Stage, str, str]:
    """The engine was killed and its container goes on; hands back the container and its driver dir."""
    lossless = tuple(action for action in stage.plan.actions if action.cls is ActionClass.LOSSLESS)
    execute(Plan(actions=lossless), stage.site(sleep=at_once), txn=TXN, now=NOW)  # else it would be made above an empty `link`
    stage.engine.start()
    container = stage.engine.run_detached("sleeper", "app:1", "/bin/sleep", "600")
    before = host.engine_processes(str(stage.root))
    os.kill(stage.engine.pid, signal.SIGKILL)
    gone = {user.pid for user in before if user.name in {"dockerd", "containerd"}}
    deadline = time.monotonic() + LOCK_WAIT
    while gone & {user.pid for user in host.engine_processes(str(stage.root))}:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return stage, container, (record(stage, container) / "mount-id").read_text("utf-8")


@pytest.fixture
def running(surviving: tuple[Stage, str, str]) -> tuple[Stage, str]:
    """The same, but no record knows the container any more: its folders are garbage. Hands back the driver dir."""
    stage, container, driver_dir = surviving
    shutil.rmtree(stage.root / "containers" / container)
    shutil.rmtree(record(stage, container))
    return stage, driver_dir


def record(stage: Stage, container: str) -> Path:
    """The mount record of a container."""
    return stage.root / "image" / "overlay2" / "layerdb" / "mounts" / container


def needed(root: Path, driver_dir: str) -> set[str]:
    """The folders and links that the mount of a container is made of."""
    links = (root / "overlay2" / driver_dir / "lower").read_text("utf-8").split(":")
    dirs = [(root / "overlay2" / link).resolve().parent.name for link in links]
    return {f"overlay2/{each}" for each in (driver_dir, *dirs, *links)}


def test_of_a_container_that_outlived_its_engine_nothing_is_moved_and_the_rehearsal_says_what_apply_does(
    surviving: tuple[Stage, str, str],
) -> None:
    stage, container, driver_dir = surviving
    used = needed(stage.root, driver_dir)
    assert "stopped" == host.look(str(stage.root)).state
    rehearsed, ended = fsck(stage.root, *APPLY, "--dry-run"), fsck(stage.root, *APPLY)
    assert all(os.path.lexists(stage.root / path) for path in used)
    assert record(stage, container).exists()
    assert (stage.root / "containers" / container / "config.v2.json").exists()
    assert rehearsed.status & 64 == ended.status & 64, ended.err


def test_what_the_container_of_a_killed_engine_has_mounted_is_never_moved_and_the_rest_is(running: tuple[Stage, str]) -> None:
    stage, driver_dir = running
    used = needed(stage.root, driver_dir)
    before = {path: tree.snapshot(stage.root / path / "diff") for path in used if "/l/" not in path}
    assert "stopped" == host.look(str(stage.root)).state
    planned = {step["path"] for action in report(stage.root, "plan")["plan"]["actions"] for step in action["steps"]}
    assert {f"overlay2/{orphan}" for orphan in stage.littered.orphans} <= planned
    assert set() == planned & used
    ended = fsck(stage.root, *APPLY)
    assert 0 == ended.status & (64 | 32), ended.err
    assert before == {path: tree.snapshot(stage.root / path / "diff") for path in before}
    assert not any((stage.root / "overlay2" / orphan).exists() for orphan in stage.littered.orphans)
    assert all(os.path.lexists(stage.root / path) for path in used)


def test_when_only_the_mounts_are_left_they_are_not_moved_and_when_they_are_gone_they_are(running: tuple[Stage, str]) -> None:
    stage, driver_dir = running
    stage.engine.kill_processes()
    used = needed(stage.root, driver_dir)
    assert () == host.look(str(stage.root)).users
    assert 0 == fsck(stage.root, *APPLY).status & (64 | 32)
    assert all(os.path.lexists(stage.root / path) for path in used)
    assert (stage.root / "overlay2" / driver_dir / "merged" / "etc" / "issue").exists()
    stage.engine.unmount()
    deadline = time.monotonic() + LOCK_WAIT
    while held := host.look(str(stage.root)).held:  # a process that another test started with all mounts of that moment
        assert time.monotonic() < deadline, held
        time.sleep(0.1)
    assert 0 == fsck(stage.root, "apply", "--class", "reclaim", "--yes").status & (64 | 32)
    assert not (stage.root / "overlay2" / driver_dir).exists()
    stage.engine.start()
    assert [("app:1", stage.littered.app)] == stage.engine.images()
    assert {"box": "exited"} == stage.engine.ps()


# nobody knows

HERE = pytest.mark.parametrize("littered", ["disk"], indirect=True)
"""For what has nothing to do with the file system."""


@HERE
def test_in_a_pid_namespace_of_its_own_every_change_is_refused_and_every_look_works(changed: Stage) -> None:
    before = picture(changed.root)
    for argv in (APPLY, ("undo", TXN), ("recover",), ("purge", "--txn", TXN)):
        ended = fsck(changed.root, *argv, inside=NAMESPACE)
        assert 64 == ended.status & 64, argv
        assert "it cannot be told who uses this data root" in ended.err, argv
        assert before == picture(changed.root), argv
    looked = report(changed.root, "plan", inside=NAMESPACE)
    assert (0, "unknown") == (looked["exit"] & (64 | 32 | 16 | 8), looked["store"]["engine"])
    assert looked["plan"]["actions"]
    assert before == picture(changed.root)


@HERE
def test_with_the_proc_of_another_pid_namespace_every_change_is_refused(changed: Stage) -> None:
    before = picture(changed.root)
    for argv in (APPLY, ("undo", TXN)):
        ended = fsck(changed.root, *argv, inside=("unshare", "-pf"))
        assert 64 == ended.status & 64, argv
        assert "it cannot be told who uses this data root" in ended.err, argv
        assert before == picture(changed.root), argv


@HERE
def test_in_a_pid_namespace_of_its_own_a_running_engine_is_not_taken_for_none(stage: Stage) -> None:
    stage.engine.start()
    ended = fsck(stage.root, *APPLY, inside=NAMESPACE)
    assert 64 == ended.status & 64
    assert "it cannot be told who uses this data root" in ended.err
    stage.is_untouched(own=False)
