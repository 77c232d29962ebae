"""An engine is started in every window of an apply: the root is untouched or whole, and none works with half (promise 14)."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from docker_fsck.apply.history import history, unfinished
from docker_fsck.apply.undo import finish, recover, undo
from docker_fsck.errors import FsckError, Refused
from docker_fsck.values import Action, ActionClass, Guard, Plan, PutAway
from dockerd import Engine
from windowkit import (
    CLASSES,
    FSCK,
    TXN,
    Littered,
    Outcome,
    Stage,
    after,
    at_once,
    at_step,
    behind,
    btrfs,
    clone,
    litter,
    outcome,
    parts,
    steps_of,
    waits,
)

SEEN = r"an engine uses this root: dockerd \(pid \d+, runs with data root "


@pytest.fixture(scope="module", params=["disk", "btrfs"])
def littered(request: pytest.FixtureRequest) -> Iterator[Littered]:
    """The littered root, which no test touches."""
    with tempfile.TemporaryDirectory(prefix="dfw") as name, ExitStack() as stack:
        base = Path(name)
        yield litter(stack.enter_context(btrfs(base)) if request.param == "btrfs" else base)


@pytest.fixture(scope="module")
def ends(littered: Littered) -> Outcome:
    """How it may look afterwards."""
    return outcome(littered)


@pytest.fixture
def stage(littered: Littered, ends: Outcome) -> Iterator[Stage]:
    """A copy of a test's own."""
    clone(littered.kept, littered.root)
    with Engine(littered.root.parent, "overlay2", littered.root) as engine:
        yield Stage(littered, ends, engine)
    shutil.rmtree(littered.root)


def middle(stage: Stage) -> int:
    """The number of a step in the middle: the tags are written, and no folder has gone yet."""
    return next(step.n for step in steps_of(stage.plan) if step.rank == 5)


def state(stage: Stage) -> list[str]:
    """How the transactions stand."""
    return [record.state for record in history(str(stage.root))]


# before the lock


def test_an_engine_that_runs_is_seen_before_anything_is_made(stage: Stage) -> None:
    stage.engine.start()
    with pytest.raises(Refused, match=SEEN):
        stage.apply()
    stage.is_untouched(own=False)


def test_an_engine_that_has_only_been_executed_is_seen_before_anything_is_made(stage: Stage) -> None:
    stage.launch_frozen()
    with pytest.raises(Refused, match=SEEN):
        stage.apply()
    stage.thaw()
    assert stage.comes_up()
    stage.is_untouched(own=False)


def test_an_engine_that_came_up_between_look_and_lock_has_the_lock(stage: Stage) -> None:
    with pytest.raises(Refused, match=r"dockerd \(pid \d+\) holds the lock on volumes/metadata.db"):
        stage.apply(hold=behind(stage.engine.start))
    stage.is_untouched()
    assert [] == state(stage)


def test_an_engine_that_was_executed_between_look_and_lock_is_seen_after_the_lock(stage: Stage) -> None:
    with pytest.raises(Refused, match=SEEN):
        stage.apply(hold=behind(stage.launch_frozen), sleep=at_once)
    stage.thaw()
    assert stage.comes_up()
    stage.is_untouched()


# while the lock settles


@pytest.mark.parametrize("delay", [0.0, 0.7, 1.45])
def test_an_engine_that_starts_while_the_lock_settles_is_seen_whether_it_comes_up_or_not(stage: Stage, delay: float) -> None:
    with pytest.raises(Refused, match=SEEN):
        stage.apply(sleep=waits(after(delay, stage.launch)))
    stage.comes_up()
    stage.is_untouched()


def test_an_engine_that_gives_up_while_the_lock_settles_does_not_stop_apply(stage: Stage) -> None:
    def whole_try(_: float) -> None:
        stage.launch()
        assert not stage.comes_up()

    done = stage.apply(sleep=waits(whole_try, at_once))
    assert () == done.skipped
    stage.is_applied()


# behind the last look


def test_an_engine_that_starts_behind_the_last_look_gives_up_and_apply_is_whole(stage: Stage) -> None:
    done = stage.apply(sleep=waits(at_once), watch=lambda event: stage.launch_to_the_lock() if event.what == "checked" else None)
    assert () == done.skipped
    assert not stage.comes_up()
    stage.is_applied()


def test_an_engine_that_has_read_half_of_the_steps_gives_up(stage: Stage) -> None:
    done = stage.apply(sleep=waits(at_once), watch=at_step("done", middle(stage), stage.launch_to_the_lock))
    assert () == done.skipped
    assert not stage.comes_up()
    stage.is_applied()


def test_an_engine_that_has_read_all_but_the_last_step_gives_up(stage: Stage) -> None:
    last = steps_of(stage.plan)[-1].n
    done = stage.apply(sleep=waits(at_once), watch=at_step("starts", last, stage.launch_to_the_lock))
    assert () == done.skipped
    assert not stage.comes_up()
    stage.is_applied()


@pytest.mark.parametrize("delay", [0.0, 1.3])
def test_an_engine_that_starts_right_after_the_last_step_sees_all_of_it_or_gives_up(stage: Stage, delay: float) -> None:
    done = stage.apply(sleep=waits(at_once, after(delay, stage.launch)))
    assert () == done.skipped
    assert stage.comes_up() or delay < 1.0  # one that comes to the lock when it is free again waits no second
    stage.is_applied()


# without the file that is locked


@pytest.mark.parametrize("way", ["recover", "finish"])
def test_without_the_locked_file_an_engine_that_starts_between_two_batches_stops_apply_in_good_order(
    stage: Stage, way: str
) -> None:
    (stage.root / "volumes" / "metadata.db").unlink()
    done = stage.apply(sleep=at_once, watch=at_step("done", middle(stage), stage.launch))
    assert 0 < len(done.done) < len(steps_of(stage.plan))
    assert not done.interrupted
    assert any("an engine uses this root: dockerd" in skip.why for skip in done.skipped)
    assert (["interrupted"], None) == (state(stage), unfinished(str(stage.root)))
    assert stage.engine.ready()
    half = parts(stage.root)
    for job in (recover, finish):
        with pytest.raises(Refused, match="dockerd"):
            job(stage.site(sleep=at_once))
    assert half == parts(stage.root)
    stage.engine.stop()
    quick = stage.site(sleep=at_once)
    if way == "recover":
        assert recover(quick) is not None
        stage.is_untouched()
    else:
        assert finish(quick) is not None
        stage.is_applied()


def test_without_the_locked_file_an_engine_that_starts_during_undo_stops_it_and_recover_ends_it(stage: Stage) -> None:
    (stage.root / "volumes" / "metadata.db").unlink()
    assert () == stage.apply(sleep=at_once).skipped
    with pytest.raises(FsckError, match="dockerd"):
        undo(stage.site(sleep=at_once, watch=at_step("undone", middle(stage), stage.launch)), "last")
    assert (["undoing"], TXN) == (state(stage), unfinished(str(stage.root)))
    assert stage.engine.ready()
    with pytest.raises(Refused, match="dockerd"):
        recover(stage.site(sleep=at_once))
    stage.engine.stop()
    assert recover(stage.site(sleep=at_once)) is not None
    stage.is_untouched()


def test_a_plan_that_sets_the_locked_file_aside_looks_for_engines_between_its_batches_and_moves_it_last(stage: Stage) -> None:
    orphans = [f"overlay2/{name}" for name in stage.littered.orphans]
    paths = ["volumes/metadata.db", *orphans]
    steps = tuple(PutAway(path=path, n=n, rank=6 + n) for n, path in enumerate(paths))
    facts = [(path, (stage.root / path).lstat()) for path in paths]
    pre = tuple(
        Guard(path=path, dev=each.st_dev, ino=each.st_ino, ctime_ns=each.st_ctime_ns, size=each.st_size) for path, each in facts
    )
    actions = tuple(
        Action(id=f"a{step.n}", cls=ActionClass.LOSSY, does="test", steps=(step,), pre=(guard,), bytes=0)
        for step, guard in zip(steps, pre, strict=True)
    )
    stage.plan = Plan(digest="sha256:0", actions=actions)
    done = stage.apply(sleep=at_once, watch=at_step("done", 1, stage.launch_frozen))
    assert (1,) == done.done
    assert [0, 2] == [skip.n for skip in done.skipped]
    assert all("an engine uses this root: dockerd" in skip.why for skip in done.skipped)
    assert (stage.root / "volumes" / "metadata.db").exists()
    stage.thaw()
    assert stage.comes_up()
    assert {"box": "exited"} == stage.engine.ps()


# the program itself


APPLY = ("apply", "--class", CLASSES, "--yes", "--allow-mass")


def fsck(stage: Stage, *argv: str) -> subprocess.Popen[str]:
    """The program, started."""
    words = [*FSCK, *argv, "--root", str(stage.root), "--grace", "0s"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_an_engine_that_starts_beside_the_program_is_seen_and_nothing_is_changed(stage: Stage) -> None:
    with fsck(stage, *APPLY, "--format", "jsonl") as run:
        assert run.stdout is not None
        assert any('"what":"waiting"' in line for line in run.stdout)
        stage.launch()
        _, err = run.communicate()
    assert 64 == run.returncode & 64
    assert "nothing was changed: an engine uses this root: dockerd (pid" in err
    stage.comes_up()
    stage.is_untouched()


def test_an_engine_that_starts_while_the_program_does_its_steps_gives_up_or_sees_all_of_them(stage: Stage) -> None:
    with fsck(stage, *APPLY, "--format", "jsonl") as run:
        assert run.stdout is not None
        assert any('"what":"checked"' in line for line in run.stdout)
        stage.launch()
        rest, err = run.communicate()
    assert (0, "") == (run.returncode & (64 | 32), err)
    assert '"what":"ended"' in rest
    stage.comes_up()
    stage.is_applied()
