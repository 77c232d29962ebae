"""Saved plans are files that anybody may have edited and kept too long: the grace they were made with, and their digest."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_cli_kit import Ended, healthy_root, on, run

from docker_fsck.steps import sealed
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.tree import snapshot


@pytest.fixture
def garbage(tmp_path: Path) -> DataRoot:
    """A healthy root and an orphan."""
    root = healthy_root(tmp_path)
    root.orphan_dir()
    return root


def aged(root: DataRoot, saved: str, *argv: str, hours: float) -> tuple[Ended, int]:
    """Apply the plan with the class reclaim so many hours after the newest change; and how many steps were done."""
    newest = max(path.lstat().st_ctime for path in root.path.rglob("*"))
    ended = run(
        "apply", saved, "--class", "reclaim", "--yes", "--root", str(root.path), *argv, clock=lambda: newest + hours * 3600
    )
    return ended, len(list(root.path.glob(".docker-fsck/*/q/*")))


@pytest.mark.parametrize(("argv", "hours"), [(("--grace", "24h"), 1), (("--grace", "2h"), 1)])
def test_a_longer_grace_than_that_of_the_plan_leaves_out_what_is_young(
    garbage: DataRoot, tmp_path: Path, argv: tuple[str, ...], hours: float
) -> None:
    saved = str(tmp_path / "plan.json")
    run(*on(garbage, "plan", "-o", saved))
    ended, moved = aged(garbage, saved, *argv, hours=hours)
    assert (0, 0, True) == (ended.status, moved, f"left out (changed within the grace period of {argv[1][:-1]} h)" in ended.out)


@pytest.mark.parametrize(("made", "argv", "hours"), [("0s", (), 1), ("24h", ("--grace", "0s"), 25), ("0s", ("--grace", "2h"), 3)])
def test_what_is_old_enough_for_both_graces_is_done(
    garbage: DataRoot, tmp_path: Path, made: str, argv: tuple[str, ...], hours: float
) -> None:
    saved, later = str(tmp_path / "plan.json"), max(path.lstat().st_ctime for path in garbage.path.rglob("*")) + 25 * 3600
    run("plan", "-o", saved, "--root", str(garbage.path), "--grace", made, clock=lambda: later)
    ended, moved = aged(garbage, saved, *argv, hours=hours)
    assert (1, True) == (ended.status & 65, moved > 0)


def test_what_changed_in_a_folder_since_the_plan_is_judged_by_the_grace_of_the_plan(garbage: DataRoot, tmp_path: Path) -> None:
    saved = str(tmp_path / "plan.json")
    later = max(path.lstat().st_ctime for path in garbage.path.rglob("*")) + 25 * 3600
    run("plan", "-o", saved, "--root", str(garbage.path), clock=lambda: later)
    ended, moved = aged(garbage, saved, hours=1)
    assert (64, 0, True) == (ended.status & 64, moved, "stale plan" in ended.err and "grace period of 24 h" in ended.err)


@pytest.fixture
def saved(garbage: DataRoot, tmp_path: Path) -> Path:
    """Its plan."""
    garbage.delete(garbage.container_dir(next(iter(garbage.mounts))) / "config.v2.json")
    path = tmp_path / "plan.json"
    ident = next(iter(garbage.mounts))
    run(*on(garbage, "plan", "-o", str(path), "--consent", ident))
    return path


def apply(root: DataRoot, path: Path) -> Ended:
    return run("apply", str(path), "--class", "reclaim", "--yes", "--root", str(root.path))


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: plan["actions"][0].update(bytes=7),
        lambda plan: plan["actions"][0].update(does="nothing at all"),
        lambda plan: [each.update(consent=None) for each in plan["actions"]],
        lambda plan: [each.update({"class": "reclaim"}) for each in plan["actions"]],
        lambda plan: plan["actions"][0]["steps"].pop(),
        lambda plan: plan["actions"].pop(),
        lambda plan: plan.update(digest=""),
        lambda plan: plan.pop("digest"),
    ],
)
def test_a_plan_whose_digest_does_not_fit_is_refused(
    garbage: DataRoot, saved: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    plan, before = json.loads(saved.read_text()), snapshot(garbage.path)
    change(plan)
    saved.write_text(json.dumps(plan))
    ended = apply(garbage, saved)
    assert (16, before) == (ended.status, snapshot(garbage.path))
    assert "was edited: its digest does not fit its actions" in ended.err


def test_a_plan_that_only_looks_otherwise_is_taken(garbage: DataRoot, saved: Path) -> None:
    saved.write_text(json.dumps(json.loads(saved.read_text()), indent=7, sort_keys=True))
    assert 0 == apply(garbage, saved).status & 80


def test_a_digest_over_fields_of_a_newer_minor_version_fits(garbage: DataRoot, saved: Path) -> None:
    plan = json.loads(saved.read_text())
    for action in plan["actions"]:
        action["later"] = [1, "ü"]
    text = json.dumps(plan["actions"], separators=(",", ":"), ensure_ascii=False)
    saved.write_text(
        json.dumps(plan | {"schema": "docker-fsck/plan/1.7", "digest": sealed(text.encode())}, ensure_ascii=False, indent=2)
    )
    assert 0 == apply(garbage, saved).status & 80
