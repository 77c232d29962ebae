"""What one repair brings to light is done by the same apply, so that the run after it finds nothing to do (promise 7)."""

from pathlib import Path
from typing import Any

import pytest
from test_cli_kit import healthy_root, on, run

from docker_fsck.apply.executor import execute
from docker_fsck.apply.site import Applied
from docker_fsck.cli import applying, plans
from docker_fsck.errors import Refused
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.tree import snapshot

ALL = "lossless,reclaim,lossy"


@pytest.fixture
def hiding(tmp_path: Path) -> DataRoot:
    """A layer record that lost its cache-id, so that a leftover folder might be its own until it is found again."""
    root = healthy_root(tmp_path)
    root.empty(root.record(next(iter(root.layers))) / "cache-id")
    root.orphan_dir()
    return root


@pytest.mark.parametrize("how", [("--yes",), ("--yes", "--format", "json")])
def test_a_second_round_does_what_the_first_brought_to_light(hiding: DataRoot, how: tuple[str, ...]) -> None:
    before = snapshot(hiding.path)
    ended = run(*on(hiding, "apply", "--class", ALL, *how))
    assert 1 == ended.status
    assert [] == run(*on(hiding, "plan", "--format", "json")).report["plan"]["actions"]
    history = run(*on(hiding, "history", "--format", "json")).report
    assert 2 == len(history)
    if how == ("--yes",):
        assert [f"docker-fsck undo {each['txn']} " in ended.out for each in history] == [True, True]
        assert 1 == ended.out.count("Checked again")
    for _ in history:
        assert 0 == run(*on(hiding, "undo", "last")).status
    assert before == snapshot(hiding.path, leave_out=(".docker-fsck",))


def test_no_class_is_used_that_was_not_named(hiding: DataRoot) -> None:
    run(*on(hiding, "apply", "--class", "lossless", "--yes"))
    actions = run(*on(hiding, "plan", "--format", "json")).report["plan"]["actions"]
    assert ["reclaim"] == [each["class"] for each in actions]


CAME = "1 action of the same classes came to light and can be done now: docker-fsck apply --class lossless,reclaim,lossy --root "


def test_what_nobody_has_read_is_not_done_after_a_question(hiding: DataRoot) -> None:
    ended = run(*on(hiding, "apply", "--class", ALL), answers="y\n", tty=(True, True, True))
    assert (1, True) == (len(run(*on(hiding, "history", "--format", "json")).report), CAME in ended.out)
    (command,) = (line.partition("now: docker-fsck ")[2] for line in ended.out.splitlines() if line.startswith("1 action of"))
    assert f"{hiding.path} --grace 0s" in command
    last = run(*command.split(), "--yes")
    assert (1, False, []) == (
        last.status,
        "came to light" in last.out,
        run(*on(hiding, "plan", "--format", "json")).report["plan"]["actions"],
    )


def test_what_somebody_said_no_to_is_nothing_new(hiding: DataRoot) -> None:
    hiding.empty(hiding.driver_dir(next(iter(hiding.mounts.values())).mount_id) / "link")
    ended = run(*on(hiding, "apply", "--class", "lossless", "--interactive"), answers="y\nn\n", tty=(True, True, True))
    assert (True, False) == ("Checked again" in ended.out, "came to light" in ended.out)


def test_what_a_saved_plan_does_not_say_is_not_done(hiding: DataRoot, tmp_path: Path) -> None:
    saved = str(tmp_path / "plan.json")
    run(*on(hiding, "plan", "-o", saved))
    ended = run(*on(hiding, "apply", saved, "--class", ALL, "--yes"))
    assert (1, True) == (len(run(*on(hiding, "history", "--format", "json")).report), CAME in ended.out)


def test_what_is_of_another_class_than_the_saved_plan_was_applied_with_is_not_named(hiding: DataRoot, tmp_path: Path) -> None:
    saved = str(tmp_path / "plan.json")
    run(*on(hiding, "plan", "-o", saved))
    ended = run(*on(hiding, "apply", saved, "--yes"))
    assert (True, False) == ("Checked again" in ended.out, "came to light" in ended.out)


def test_an_engine_that_starts_between_two_rounds_stops_the_second(hiding: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Applied] = []

    def once(*args: Any, **terms: Any) -> Applied:
        if done:
            raise Refused("an engine uses the root")
        done.append(execute(*args, **terms))
        return done[0]

    monkeypatch.setattr(applying, "execute", once)
    ended = run(*on(hiding, "apply", "--class", ALL, "--yes"))
    assert (65, 1) == (ended.status, len(run(*on(hiding, "history", "--format", "json")).report))
    assert "the rest was not done: an engine uses the root" in ended.err
    assert "Checked again" in ended.out


def test_what_has_no_effect_is_not_done_again(hiding: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    narrowed, first = plans.narrowed, list[Any]()

    def again(*args: Any) -> Any:
        actions, left = narrowed(*args)
        before = tuple(first)
        first.extend(() if before else actions)
        return (*before, *actions), left

    monkeypatch.setattr(plans, "narrowed", again)
    run(*on(hiding, "apply", "--class", "lossless", "--yes"))
    assert 1 == len(run(*on(hiding, "history", "--format", "json")).report)


def test_all_rounds_together_keep_to_the_brake(hiding: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applying, "brake", lambda actions, _counts: "too many" if len([*actions]) > 1 else None)
    run(*on(hiding, "apply", "--class", ALL, "--yes"))
    assert 1 == len(run(*on(hiding, "history", "--format", "json")).report)


def test_a_root_that_is_in_use_after_the_first_round_is_left_alone(hiding: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    monkeypatch.setattr(applying, "in_the_way", lambda _: begun.append("") or ("in use" if len(begun) > 1 else ""))
    assert 1 == run(*on(hiding, "apply", "--class", ALL, "--yes")).status
    assert (1, 2) == (len(run(*on(hiding, "history", "--format", "json")).report), len(begun))
