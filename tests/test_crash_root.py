"""Killed anywhere, apply leaves a whole data root that recover brings to before, or with --finish to after (promise 5)."""

import io
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from whole_roots import (
    CLASSES,
    FSCK,
    NOW,
    OWN,
    Damaged,
    DeadlyStream,
    Shot,
    Stalled,
    apply,
    command,
    copy,
    damaged,
    each_death,
    in_child,
    killer,
    looked_at,
    needs_host,
    on,
    operations,
    said,
    site_of,
    snapshot,
    steps_of,
    timeless,
)

from docker_fsck.apply.history import history, unfinished
from docker_fsck.apply.site import Applied, Undone
from docker_fsck.apply.undo import finish, recover, undo
from docker_fsck.testing import tree
from docker_fsck.values import ActionClass, Plan

KILLED = -signal.SIGKILL
MIDDLE = 40
"""An event in the middle of an apply of the damaged root."""


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory where the machine has one: a killed process leaves there what it leaves on a disk, only sooner."""
    usable = os.access("/dev/shm", os.W_OK) and os.path.ismount("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="dfc", dir="/dev/shm" if usable else tmp_path_factory.mktemp("memory")) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def master(memory: Path) -> Damaged:
    """The damaged root, which no test touches."""
    return damaged(memory / "master")


@pytest.fixture
def work(memory: Path) -> Iterator[Path]:
    """An empty folder beside the damaged root."""
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def before(master: Damaged) -> Shot:
    """How it and its copies look."""
    return snapshot(master.path)


@pytest.fixture(scope="module")
def after(master: Damaged, memory: Path) -> Shot:
    """How a copy looks after an apply that nobody disturbed."""
    root = copy(master.path, memory / "after")
    plan = plan_of(root, master)
    apply(root, plan)
    return timeless(snapshot(root), plan)


@pytest.fixture
def root(master: Damaged, tmp_path: Path) -> Path:
    """A copy of a test's own, on the disk."""
    return copy(master.path, tmp_path / "root")


def plan_of(root: Path, master: Damaged) -> Plan:
    """What all classes, with consent, would do."""
    return looked_at(root, (master.lost,)).plan


def states(root: Path) -> list[str]:
    """How the transactions stand."""
    return [record.state for record in history(str(root))]


def apply_words(master: Damaged) -> tuple[str, ...]:
    """The command that carries the whole plan out."""
    return ("apply", "--class", CLASSES, "--consent", master.lost, "--yes", "--allow-mass")


# what is applied


def test_the_plan_has_more_than_thirty_steps_of_every_kind_and_rewrites_the_tags(root: Path, master: Damaged) -> None:
    plan = plan_of(root, master)
    assert len(steps_of(plan)) >= 30
    assert {"write", "symlink", "mkdir", "quarantine"} == operations(plan)
    assert set(ActionClass) - {ActionClass.MANUAL} == {action.cls for action in plan.actions}
    assert "image/overlay2/repositories.json" in {step.path for step in steps_of(plan)}
    assert () == plan.blocked


def test_after_an_undisturbed_apply_nothing_is_left_to_do_and_only_planned_paths_have_changed(
    root: Path, master: Damaged, before: Shot
) -> None:
    plan = plan_of(root, master)
    paths = {step.raw for step in steps_of(plan)}
    around = {path.rpartition("/")[0] or "." for path in paths}
    assert len(steps_of(plan)) == len(apply(root, plan).done)
    changed = tree.changes(before, snapshot(root)).keys()
    strange = {path for path in changed - around if not any(f"{path}/".startswith(f"{each}/") for each in paths)}
    assert set() == strange
    again = looked_at(root, (master.lost,))
    assert ((), (), ()) == (again.findings, again.plan.actions, again.plan.blocked)
    undo(site_of(root), "last")
    assert before == snapshot(root)


# killed at every event


def test_killed_at_every_event_recover_brings_the_tree_from_before(
    master: Damaged, work: Path, before: Shot, after: Shot
) -> None:
    plans: dict[Path, Plan] = {}

    def run_until(root: Path, at: int) -> int:
        plans[root] = plan_of(root, master)
        return in_child(lambda: apply(root, plans[root], killer(at)))

    def check(root: Path) -> None:
        was = unfinished(str(root))
        assert isinstance(recover(site_of(root)), Undone) == (was is not None)
        assert unfinished(str(root)) is None
        if states(root) == ["applied"]:  # killed after its end: it is whole, and can be taken back
            assert after == timeless(snapshot(root), plans[root])
            undo(site_of(root), "last")
        assert before == snapshot(root)

    deaths = each_death(master.path, work, run_until, check)
    assert deaths > len(steps_of(next(iter(plans.values()))))


def test_killed_at_every_event_finish_brings_the_tree_of_a_clean_apply(
    master: Damaged, work: Path, before: Shot, after: Shot
) -> None:
    plans: dict[Path, Plan] = {}

    def run_until(root: Path, at: int) -> int:
        plans[root] = plan_of(root, master)
        return in_child(lambda: apply(root, plans[root], killer(at)))

    def check(root: Path) -> None:
        was = unfinished(str(root))
        applied = finish(site_of(root))
        if was is None and not states(root):  # killed before the first step: there is nothing to finish
            assert (None, before) == (applied, snapshot(root))
            return
        assert ["applied"] == states(root)
        if isinstance(applied, Applied):
            steps = [step.n for step in steps_of(plans[root])]
            assert (steps, ()) == (list(applied.done), applied.skipped)
        assert after == timeless(snapshot(root), plans[root])
        assert isinstance(undo(site_of(root), "last"), Undone)
        assert before == snapshot(root)

    deaths = each_death(master.path, work, run_until, check)
    assert deaths > len(steps_of(next(iter(plans.values()))))


def test_undo_killed_at_every_event_is_ended_by_recover(master: Damaged, work: Path, before: Shot) -> None:
    def run_until(root: Path, at: int) -> int:
        apply(root, plan_of(root, master))
        return in_child(lambda: undo(site_of(root, killer(at)), "last"))

    def check(root: Path) -> None:
        if states(root) == ["applied"]:  # killed before it began
            undo(site_of(root), "last")
        else:
            recover(site_of(root))
        assert before == snapshot(root)
        assert (["undone"], None) == (states(root), unfinished(str(root)))

    assert each_death(master.path, work, run_until, check) > 50


def test_recover_killed_at_every_event_is_ended_by_the_next(master: Damaged, work: Path, before: Shot) -> None:
    def run_until(root: Path, at: int) -> int:
        plan = plan_of(root, master)
        assert signal.SIGKILL == in_child(lambda: apply(root, plan, killer(MIDDLE)))
        return in_child(lambda: recover(site_of(root, killer(at))))

    def check(root: Path) -> None:
        recover(site_of(root))
        assert before == snapshot(root)
        assert (["undone"], None) == (states(root), unfinished(str(root)))

    assert each_death(master.path, work, run_until, check) > 20


def test_finish_killed_at_every_event_can_be_finished_and_then_taken_back(
    master: Damaged, work: Path, before: Shot, after: Shot
) -> None:
    plans: dict[Path, Plan] = {}

    def run_until(root: Path, at: int) -> int:
        plans[root] = plan_of(root, master)
        assert signal.SIGKILL == in_child(lambda: apply(root, plans[root], killer(MIDDLE)))
        return in_child(lambda: finish(site_of(root, killer(at))))

    def check(root: Path) -> None:
        finish(site_of(root))
        assert after == timeless(snapshot(root), plans[root])
        assert (["applied"], None) == (states(root), unfinished(str(root)))
        undo(site_of(root), "last")
        assert before == snapshot(root)

    assert each_death(master.path, work, run_until, check) > 20


# by the command line


@needs_host
@pytest.mark.parametrize("share", [0.0, 0.15, 0.5, 1.0], ids=["first", "early", "middle", "last"])
def test_an_apply_command_killed_after_a_step_is_taken_back_or_finished_by_the_recover_command(
    root: Path, master: Damaged, before: Shot, after: Shot, share: float
) -> None:
    def killed() -> None:
        plan = plan_of(root, master)
        step = int(share * (len(steps_of(plan)) - 1))
        out = DeadlyStream('"what":"done"', step)
        job = on(root, *apply_words(master), "--format", "jsonl")
        assert signal.SIGKILL == in_child(lambda: command(*job, out=out, err=io.StringIO()))
        assert step + 1 == len(os.listdir(root / OWN / txn() / "q")) + made(plan, step)

    def txn() -> str:
        found = unfinished(str(root))
        assert found is not None
        return found

    def made(plan: Plan, last: int) -> int:
        """How many of the first steps put nothing away, since nothing was there."""
        kept = {guard.raw for action in plan.actions for guard in action.pre if not guard.absent}
        return sum(1 for each in steps_of(plan)[: last + 1] if each.raw not in kept)

    killed()
    assert (0, before) == (said(root, "recover").status, snapshot(root))
    plan = plan_of(root, master)
    killed()
    assert 0 == said(root, "recover", "--finish").status
    assert after == timeless(snapshot(root), plan)
    assert (0, before) == (said(root, "undo", "last").status, snapshot(root))


@needs_host
def test_the_program_killed_in_the_middle_is_taken_back_and_in_another_root_finished(
    master: Damaged, tmp_path: Path, before: Shot, after: Shot
) -> None:
    roots = [copy(master.path, tmp_path / name) for name in ("back", "on")]
    plans = [plan_of(root, master) for root in roots]
    runs = [Stalled(*on(root, *apply_words(master))) for root in roots]
    for each in runs:
        each.read_until('"what":"done"', 20)
        each.process.kill()
        assert KILLED == each.end()[0]
    assert [True, True] == [unfinished(str(root)) is not None for root in roots]
    words = (("recover",), ("recover", "--finish"))
    ends = [subprocess.Popen([*FSCK, *on(root, *argv)], stdout=subprocess.PIPE) for root, argv in zip(roots, words, strict=True)]
    assert [0, 0] == [(each.communicate(), each.returncode)[1] for each in ends]
    assert before == snapshot(roots[0])
    assert after == timeless(snapshot(roots[1]), plans[1])


@pytest.fixture
def cut_short(root: Path, master: Damaged) -> tuple[Path, str]:
    """A root whose apply was killed in the middle, and the transaction."""
    plan = plan_of(root, master)
    assert signal.SIGKILL == in_child(lambda: apply(root, plan, killer(MIDDLE)))
    txn = unfinished(str(root))
    assert txn is not None
    return root, txn


@needs_host
@pytest.mark.parametrize("argv", [("check",), ("plan",), (), ("-n",)])
def test_while_a_transaction_is_unfinished_every_look_says_so_first(cut_short: tuple[Path, str], argv: tuple[str, ...]) -> None:
    root, txn = cut_short
    was = tree.snapshot_with_atimes(root)
    lines = said(root, *argv).out.splitlines()
    assert f"Transaction {txn} was cut short." in lines[1]
    assert txn == said(root, *argv, "--format", "json").report["store"]["unfinished_transaction"]
    assert txn in said(root, *argv, "-q").out.splitlines()[0]
    assert was == tree.snapshot_with_atimes(root)


@needs_host
@pytest.mark.parametrize(
    "argv",
    [
        ("apply", "--class", "reclaim", "--yes"),
        ("apply", "--class", CLASSES, "--yes", "--allow-mass"),
        ("-p",),
        ("undo", "last"),
        ("undo", "TXN"),
        ("purge", "--txn", "TXN"),
        ("purge", "--older-than", "0s"),
    ],
)
def test_while_a_transaction_is_unfinished_every_other_change_is_refused(
    cut_short: tuple[Path, str], argv: tuple[str, ...]
) -> None:
    root, txn = cut_short
    was = tree.snapshot(root)
    ended = said(root, *(txn if word == "TXN" else word for word in argv))
    assert 64 == ended.status & 64
    assert f"transaction {txn} is unfinished" in ended.err
    assert "recover" in ended.err
    assert was == tree.snapshot(root)


@needs_host
def test_a_saved_plan_is_refused_while_a_transaction_is_unfinished(
    root: Path, master: Damaged, tmp_path: Path, before: Shot
) -> None:
    saved = tmp_path / "plan.json"
    assert 4 == said(root, "plan", "-o", str(saved)).status
    plan = plan_of(root, master)
    assert signal.SIGKILL == in_child(lambda: apply(root, plan, killer(MIDDLE)))
    was = snapshot(root)
    assert 64 == said(root, "apply", str(saved), "--yes").status & 64
    assert was == snapshot(root)
    assert recover(site_of(root)) is not None
    assert before == snapshot(root)


def test_what_the_journal_says_of_the_time_is_the_time_that_was_given(root: Path, master: Damaged) -> None:
    apply(root, plan_of(root, master))
    assert [NOW.strftime("%Y-%m-%dT%H:%M:%SZ")] == [record.made for record in history(str(root))]
