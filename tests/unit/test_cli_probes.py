"""--probe: a pool that the root does not show, and the steps for the operator that come of it, from the command line."""

import os
from pathlib import Path

import jsonschema
import msgspec
import pytest
from test_cli_kit import on, run

from docker_fsck.reports import document
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.tree import snapshot
from docker_fsck.values import SavedPlan


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    """An image and a container of it on zfs."""
    made = DataRoot(tmp_path / "docker", "zfs")
    made.container(made.image("app:1"), "web")
    return made


def recorded(root: DataRoot) -> tuple[str, str]:
    """The option with a file of what the pool holds now."""
    path = root.path.with_name("zfs.list")
    path.write_text(root.pool.probe())
    return "--probe", f"zfs={path}"


def orphaned(root: DataRoot) -> str:
    """The command that takes away a dataset that nothing names."""
    return f"zfs destroy tank/docker/{root.orphan_dir()}"


def test_without_a_list_the_verdict_is_incomplete_and_says_once_how_to_make_one(root: DataRoot) -> None:
    ended = run(*on(root, "check"))
    assert (8, 1, True) == (ended.status, ended.out.count("run `zfs"), "No findings." in ended.out)


def test_with_a_list_a_healthy_root_is_clean(root: DataRoot) -> None:
    ended = run(*on(root, "check", *recorded(root)))
    assert (0, 1, "") == (ended.status, ended.out.count("\n"), ended.err)


def test_the_plan_has_each_command_on_a_line_of_its_own(root: DataRoot) -> None:
    command = orphaned(root)
    ended = run(*on(root, "plan", *recorded(root)))
    assert (0, True, True) == (ended.status, f"        {command}\n" in ended.out, "steps for you to take" in ended.out)
    assert "apply --class" not in ended.out


def test_a_report_with_steps_for_the_operator_is_valid(root: DataRoot) -> None:
    command = orphaned(root)
    report = run(*on(root, "--format", "json", *recorded(root))).report
    jsonschema.validate(report, document.schema(), jsonschema.Draft202012Validator)
    (action,) = report["plan"]["actions"]
    assert ("manual", [], [command]) == (action["class"], action["steps"], action["next"])
    assert [[action["id"]]] == [each["actions"] for each in report["findings"]]


@pytest.mark.parametrize("classes", ["lossless", "reclaim", "lossless,reclaim,lossy"])
def test_apply_lists_the_steps_and_takes_none(root: DataRoot, classes: str) -> None:
    command, before = orphaned(root), snapshot(root.path)
    ended = run(*on(root, "apply", "--class", classes, "--yes", *recorded(root)))
    assert (0, before) == (ended.status, snapshot(root.path))
    assert (True, True) == ("left out (steps for you to take)" in ended.out, f"        {command}\n" in ended.out)


def test_a_saved_plan_with_steps_for_the_operator_can_be_applied(root: DataRoot) -> None:
    orphaned(root)
    root.orphan_mount(next(iter(root.images)))
    saved = root.path.with_name("plan.json")
    run(*on(root, "plan", "-o", str(saved), *recorded(root)))
    assert ["manual", "reclaim"] == sorted(each.cls for each in msgspec.json.decode(saved.read_bytes(), type=SavedPlan).actions)
    ended = run(*on(root, "apply", str(saved), "--class", "reclaim", "--yes", *recorded(root)))
    assert (1, True) == (ended.status, "left out (steps for you to take)" in ended.out)


def test_a_blocked_step_for_the_operator_does_not_make_an_apply_a_refusal(root: DataRoot) -> None:
    root.orphan_dir("k" * 25)
    root.build_cache()
    root.empty("buildkit/snapshots.db")
    assert 0 == run(*on(root, "apply", "--class", "lossless", "--yes", "--skip", "buildkit-db-missing", *recorded(root))).status


@pytest.mark.parametrize("option", ["zfs", "zfs=", "=x", "overlay2=x", "zfs=/no/such/file", "zfs=/dev/null"])
def test_a_probe_that_cannot_be_taken_is_a_usage_error(root: DataRoot, option: str) -> None:
    assert 16 == run(*on(root, "check", "--probe", option)).status


def test_a_pipe_is_no_probe_and_is_not_waited_for(root: DataRoot) -> None:
    os.mkfifo(pipe := root.path.with_name("pipe"))
    assert 16 == run(*on(root, "check", "--probe", f"zfs={pipe}")).status


def test_a_probe_lies_outside_the_root(root: DataRoot) -> None:
    root.write("zfs.list", root.pool.probe().encode())
    assert 16 == run(*on(root, "check", "--probe", f"zfs={root.path}/zfs.list")).status


def test_a_setting_names_a_probe_too(root: DataRoot, tmp_path: Path) -> None:
    settings = tmp_path / "config.toml"
    settings.write_text(f'probe = ["{recorded(root)[1]}"]\n')
    assert 0 == run(*on(root, "check", "--config", str(settings))).status
