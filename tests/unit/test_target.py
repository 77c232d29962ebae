"""`plan --target-free`: the largest reclaims until enough would be free, the others left out, and what is missing if they are not enough."""

import json
from pathlib import Path

import jsonschema
import pytest
from msgspec import structs
from test_cli_kit import Ended, on, run
from test_engine import NOW

from docker_fsck import engine, planner, target
from docker_fsck.errors import UsageError
from docker_fsck.reader import Reader
from docker_fsck.reports import document
from docker_fsck.rules import ordered
from docker_fsck.store import open_store
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.table import STOPPED, registry
from docker_fsck.testing.tree import snapshot_with_atimes
from docker_fsck.values import Plan, Target

KB = 1000


@pytest.fixture(params=("overlay2", "vfs", "aufs"))
def root(request: pytest.FixtureRequest, tmp_path: Path) -> DataRoot:
    made = DataRoot(tmp_path / "root", request.param)
    made.container(made.image("app:1", 2), "box")
    return made


def orphan(root: DataRoot, kilobytes: int) -> str:
    return root.orphan_dir(files={"data": b"x" * kilobytes * KB})


def planned(root: DataRoot, wanted: int, **policy: object) -> Plan:
    """The plan when that many bytes must come free."""
    goal = Target(asked="a test", total=10**12, free=0, quarantine=0, wanted=wanted)
    known = registry()
    with Reader(str(root.path)) as reader:
        store = open_store(reader, known.drivers, known.sources, STOPPED, structs.replace(NOW, **policy))
        return planner.make(engine.check(store, ordered(known.rules)), store, wanted=goal)[0]


def gone(root: DataRoot, plan: Plan) -> set[str]:
    """The driver ids that the plan takes."""
    return {step.path.rpartition("/")[2] for action in plan.actions for step in action.steps} & {
        path.name for path in root.path.rglob("*") if path.is_dir()
    }


def goal(plan: Plan) -> Target:
    assert isinstance(plan.target, Target)
    return plan.target


def test_the_largest_are_taken_first_and_the_rest_is_left_out(root: DataRoot) -> None:
    small, large, middle = (orphan(root, size) for size in (50, 400, 200))
    plan = planned(root, 500 * KB)
    assert ({large, middle}, True) == ({small, large, middle} & gone(root, plan), goal(plan).planned >= 500 * KB)
    assert (0, True) == (goal(plan).short, goal(plan).left_out > 50 * KB)
    assert ["left out: enough would be free without it (--target-free a test)"] == [each.why for each in plan.blocked]


def test_nothing_is_taken_where_enough_is_free(root: DataRoot) -> None:
    orphan(root, 100)
    plan = planned(root, 0)
    assert ((), 0, 1) == (plan.actions, goal(plan).short, len(plan.blocked))


def test_what_cannot_be_reached_is_told_with_what_is_missing(root: DataRoot) -> None:
    orphan(root, 100)
    plan = planned(root, 10**9)
    assert (1, goal(plan).wanted - goal(plan).planned, 0) == (len(plan.actions), goal(plan).short, goal(plan).left_out)


def test_grace_holds_and_what_it_withholds_is_told(root: DataRoot) -> None:
    young = orphan(root, 100)
    newest = max(path.lstat().st_ctime for path in root.driver_dir(young).rglob("*"))
    plan = planned(root, 10**9, now=newest + 60, grace=3600)
    assert ((), True) == (plan.actions, goal(plan).blocked >= 100 * KB)


def test_a_kept_path_is_not_taken_for_a_target(root: DataRoot) -> None:
    kept, other = orphan(root, 400), orphan(root, 50)
    path = str(root.driver_dir(kept).relative_to(root.path))
    assert {other} == {kept, other} & gone(root, planned(root, 10**9, keep_paths=(path,)))


def test_what_must_go_before_a_large_thing_goes_with_it(tmp_path: Path) -> None:
    """A large orphan below a small one: its child's `lower` names it, so that both go or neither."""
    root = DataRoot(tmp_path / "root")
    root.image("app:1", 1)
    large, small, other = "a" * 64, "b" * 64, "c" * 64
    root.make_dir_of(large, None, {"data": b"x" * 400 * KB}, "image")
    root.make_dir_of(small, large, {"data": b"x"}, "image")
    root.make_dir_of(other, None, {"data": b"x" * 100 * KB}, "image")
    assert {large, small} == {large, small, other} & gone(root, planned(root, 300 * KB))
    assert {large, small, other} == {large, small, other} & gone(root, planned(root, 450 * KB))


def test_damage_is_mended_and_given_up_as_without_a_target(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root")
    image = root.image("app:1", 2)
    root.empty(root.driver_dir(root.dir_of(root.chains_of(image)[0])) / "link")
    other = root.image("web:1", 1)
    root.delete(root.driver_dir(root.dir_of(root.chains_of(other)[0])))
    orphan(root, 100)
    assert ["lossless", "lossy"] == sorted(action.cls for action in planned(root, 0).actions)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10G", 10**10), ("500M", 5 * 10**8), ("500MB", 5 * 10**8), ("1GiB", 1 << 30), ("1.5k", 1500), ("7", 7), ("0", 0), ("20%", 200),
        ("20 %", 200), ("12.5%", 125), ("100%", 1000), ("0.1%", 1), ("2 T", 2 * 10**12), ("1P", 10**15), ("3Ki", 3072),
    ],
)  # fmt: skip
def test_a_size_is_a_number_with_a_unit_or_a_share(text: str, size: int) -> None:
    assert size == target.parse(text, 1000)


@pytest.mark.parametrize("text", ["", "%", "-1G", "101%", "ten", "10X", "1e9", "10GG", "1iB", "10G%", "٣G", " ", "1.2345G"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="wants a size like 10G"):
        target.parse(text, 1000)


def plan(root: DataRoot, asked: str, *more: str) -> Ended:
    return run(*on(root, "plan", "--target-free", asked, *more))


def test_the_command_line_measures_the_file_system(root: DataRoot) -> None:
    orphan(root, 100)
    with Reader(str(root.path)) as reader:
        total, _ = reader.space()
    report = plan(root, "100%", "--format", "json").report
    jsonschema.validate(report, document.schema(), jsonschema.Draft202012Validator)
    told = report["plan"]["target"]
    assert ("100%", total, total - told["free"]) == (told["asked"], told["total"], told["wanted"])
    assert (1, told["wanted"] - told["planned"]) == (len(report["plan"]["actions"]), told["short"])


def test_the_text_says_that_nothing_is_freed_before_a_purge(root: DataRoot) -> None:
    orphan(root, 100)
    for asked, said in (("1", "reached without any reclaim"), ("100%", "cannot be reached"), ("100%", "are missing to")):
        told = " ".join(plan(root, asked).out.split())
        assert (True, True) == (said in told, "Nothing is freed before `docker-fsck purge`." in told)


def test_more_than_the_file_system_holds_is_a_usage_error(root: DataRoot) -> None:
    assert 16 == plan(root, "999P").status


def test_what_lies_in_quarantine_counts_as_free_after_a_purge(root: DataRoot) -> None:
    orphan(root, 300)
    assert 0 == run(*on(root, "apply", "--class", "reclaim", "--yes")).status & 64
    told = plan(root, "100%", "--format", "json").report["plan"]["target"]
    assert (True, told["total"] - told["free"] - told["quarantine"]) == (told["quarantine"] > 300 * KB, told["wanted"])


def test_a_saved_plan_with_a_target_can_be_applied(root: DataRoot, tmp_path: Path) -> None:
    orphan(root, 300)
    file = tmp_path / "plan.json"
    plan(root, "100%", "-o", str(file))
    assert "100%" == json.loads(file.read_text())["target"]["asked"]
    assert 1 == run(*on(root, "apply", str(file), "--class", "reclaim", "--yes")).status


def test_planning_for_a_target_changes_nothing(root: DataRoot) -> None:
    orphan(root, 300)
    before = snapshot_with_atimes(root.path)
    plan(root, "100%")
    assert before == snapshot_with_atimes(root.path)


def test_without_a_target_the_plan_has_none(root: DataRoot) -> None:
    assert "target" not in run(*on(root, "plan", "--format", "json")).report["plan"]
