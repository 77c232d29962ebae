"""The commands that carry out a plan: consent, refusals, saved plans, and what is told and logged of it."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_cli_kit import LIVE, Ended, apply_all, broken_root, healthy_root, on, run

from docker_fsck.cli import main
from docker_fsck.host import HostView
from docker_fsck.steps import sealed
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.tree import snapshot, snapshot_with_atimes


@pytest.fixture
def healthy(tmp_path: Path) -> DataRoot:
    return healthy_root(tmp_path)


@pytest.fixture
def garbage(healthy: DataRoot) -> DataRoot:
    healthy.orphan_dir()
    return healthy


@pytest.fixture
def broken(tmp_path: Path) -> DataRoot:
    return broken_root(tmp_path)


# applying


def test_apply_mends_checks_again_and_leaves_1(broken: DataRoot) -> None:
    ended = apply_all(broken)
    assert (1, True, 0) == (ended.status, "Checked again" in ended.out, run(*on(broken, "check")).status)


def test_apply_tells_how_to_free_the_space_and_how_to_go_back(broken: DataRoot) -> None:
    out = apply_all(broken).out
    txn = run(*on(broken, "history", "--format", "json")).report[0]["txn"]
    assert [True, True] == [f"0 bytes freed so far; docker-fsck purge --txn {txn} " in out, f"docker-fsck undo {txn} " in out]


def test_undo_gives_the_tree_back(broken: DataRoot) -> None:
    before = snapshot(broken.path)
    apply_all(broken)
    assert (0, before) == (run(*on(broken, "undo", "last")).status, snapshot(broken.path, leave_out=(".docker-fsck",)))


def test_apply_does_only_the_classes_that_were_named(broken: DataRoot) -> None:
    run(*on(broken, "apply", "--class", "reclaim", "--yes"))
    assert ["ovl-link-file"] == [each["rule"] for each in run(*on(broken, "check", "--format", "json")).report["findings"]]


@pytest.mark.parametrize(
    "argv",
    [
        ("apply",),
        ("apply", "--yes"),
        ("apply", "--class", "manual", "--yes"),
        ("apply", "--class", "", "--yes"),
        ("apply", "--class", "lossless"),
    ],
)
def test_apply_without_what_to_do_or_leave_to_do_it_is_a_usage_error(broken: DataRoot, argv: tuple[str, ...]) -> None:
    before = snapshot(broken.path)
    assert (16, before) == (run(*on(broken, *argv)).status, snapshot(broken.path))


@pytest.mark.parametrize(("answers", "status"), [("y\n", 1), ("n\n", 4), ("", 4)])
def test_apply_asks_once_on_a_terminal(broken: DataRoot, answers: str, status: int) -> None:
    assert status == run(*on(broken, "apply", "--class", "lossless"), answers=answers, tty=(True, True, True)).status


def test_interactive_asks_for_each_action(broken: DataRoot) -> None:
    ended = run(*on(broken, "apply", "--class", "lossless,reclaim", "--interactive"), answers="n\ny\n")
    left = [each["rule"] for each in run(*on(broken, "check", "--format", "json")).report["findings"]]
    assert (4, ["ovl-link-file"], True) == (ended.status, left, "not agreed to" in ended.out)


def test_a_question_says_what_why_for_whom_and_how_much(broken: DataRoot) -> None:
    asked = run(*on(broken, "apply", "--class", "lossless,reclaim", "--interactive"), answers="n\nn\n").err
    asked = " ".join(asked.split())
    assert [True] * 6 == [
        word in asked
        for word in (
            "(lossless): write the short name",
            "why ovl-link-file: the link file of",
            "impact no image, container or volume suffers from it now",
            "gains what suffers from it works again; nothing is lost",
            "of the disk, once it is purged",
            "undo gives all of it back",
        )
    ], asked


def test_the_end_of_an_apply_says_what_was_lost_and_what_is_left_to_do(healthy: DataRoot) -> None:
    image = healthy.image("lost:1", 2)
    healthy.container(image, "worker")
    healthy.delete(healthy.driver_dir(healthy.dir_of(healthy.chains_of(image)[0])))
    told = run(*on(healthy, "apply", "--class", "lossy", "--yes")).out
    told = " ".join(told.split())
    assert [True] * 4 == [
        word in told
        for word in (
            "lost the image lost:1",
            "Left for you to do:",
            "container worker stands on it: pull the image, then run",
            "undo",
        )
    ], told


@pytest.mark.parametrize("host", [LIVE, HostView(state="unknown", why="no /proc"), HostView(state="stopped", why="", fsck_pid=9)])
def test_apply_beside_an_engine_or_another_fsck_is_refused(broken: DataRoot, host: HostView) -> None:
    before = snapshot(broken.path)
    ended = run(*on(broken, "apply", "--class", "lossless", "--yes"), look=lambda _root: host)
    assert (68, before, True) == (ended.status, snapshot(broken.path), "nothing was changed" in ended.err)


def test_a_refusal_is_told_in_json_too(broken: DataRoot) -> None:
    report = run(*on(broken, "apply", "--class", "lossless", "--yes", "--format", "json"), look=lambda _root: LIVE).report
    assert ("refused", 68) == (report["verdict"], report["exit"])


def test_apply_with_nothing_to_do_is_0_even_beside_an_engine(healthy: DataRoot) -> None:
    assert 0 == run(*on(healthy, "apply", "--class", "lossless", "--yes"), look=lambda _root: LIVE).status


def test_what_is_too_young_or_not_agreed_to_is_not_refused(garbage: DataRoot) -> None:
    assert 0 == run("apply", "--class", "reclaim", "--yes", "--root", str(garbage.path)).status


def test_the_stream_of_an_apply_begins_with_what_was_done(broken: DataRoot) -> None:
    lines = [
        json.loads(line)
        for line in run(*on(broken, "apply", "--class", "lossless", "--yes", "--format", "jsonl")).out.splitlines()
    ]
    events = [each["what"] for each in lines if each["type"] == "event"]
    assert (True, "event", "summary", 1) == ("done" in events, lines[0]["type"], lines[-1]["type"], lines[-1]["exit"])


def test_preen_does_the_lossless_part_without_a_question_and_reports_the_rest(broken: DataRoot) -> None:
    ended = run(*on(broken, "-p"))
    assert (1, ["driver-orphan"]) == (
        ended.status,
        [each["rule"] for each in run(*on(broken, "check", "--format", "json")).report["findings"]],
    )


@pytest.mark.parametrize("command", [("apply", "--class", "lossless", "--yes"), ("-p",)])
def test_an_error_that_is_left_is_not_corrected_whatever_fails_the_run(broken: DataRoot, command: tuple[str, ...]) -> None:
    broken.delete(broken.driver_dir(list(broken.layers.values())[1].cache_id))
    ended = run(*on(broken, *command, "--fail-on", "never", "--format", "json"))
    assert (0, 0, "damaged") == (ended.status, ended.report["exit"], ended.report["verdict"])
    assert [".docker-fsck"] == [name for name in os.listdir(broken.path) if name.startswith(".")]


def test_preen_on_a_clean_root_is_silent_and_0(healthy: DataRoot) -> None:
    assert Ended(0, "", "") == run(*on(healthy, "-p"))


def test_an_interrupt_during_apply_ends_it_between_two_steps_with_32(broken: DataRoot) -> None:
    before = snapshot(broken.path)
    ended = run(*on(broken, "apply", "--class", "lossless", "--yes"), sleep=lambda _seconds: os.kill(os.getpid(), signal.SIGINT))
    after = snapshot(broken.path, leave_out=(".docker-fsck",))
    assert (36, before, True) == (ended.status, after, "recover --finish" in ended.out)


@pytest.fixture
def lost(healthy: DataRoot) -> DataRoot:
    """A container whose configuration is gone: only its user can say that the rest may be put away."""
    healthy.delete(healthy.container_dir(next(iter(healthy.mounts))) / "config.v2.json")
    return healthy


def test_user_data_is_not_touched_without_consent_and_that_is_no_refusal(lost: DataRoot) -> None:
    before = snapshot(lost.path)
    ended = run(*on(lost, "apply", "--class", "lossless,lossy,lossy-user", "--yes"))
    assert (4, before, True) == (ended.status, snapshot(lost.path), f"--consent {next(iter(lost.mounts))}" in run(*on(lost)).out)


def test_user_data_is_touched_with_consent_to_its_full_id(lost: DataRoot) -> None:
    ident = next(iter(lost.mounts))
    wrong = run(*on(lost, "apply", "--class", "lossy", "--yes", "--consent", ident[:12])).status
    right = run(*on(lost, "apply", "--class", "lossy", "--yes", "--consent", ident)).status
    assert (4, 1) == (wrong, right & 1)


# saved plans


@pytest.fixture
def saved(broken: DataRoot, tmp_path: Path) -> str:
    path = str(tmp_path / "plan.json")
    run(*on(broken, "plan", "-o", path))
    return path


def test_a_saved_plan_is_the_plan_of_the_report_with_its_origin(broken: DataRoot, saved: str) -> None:
    plan = run(*on(broken, "plan", "--format", "json")).report["plan"]
    found = json.loads(Path(saved).read_text())
    assert ({"root", "layout", "made", "tool", "grace"}, plan) == (found.keys() - plan.keys(), {key: found[key] for key in plan})


def test_a_saved_plan_is_narrowed_to_lossless_by_itself_and_the_rest_is_listed(broken: DataRoot, saved: str) -> None:
    ended = run("apply", saved, "--yes", "--root", str(broken.path))
    assert (1, True) == (ended.status, "left out (--class does not name reclaim)" in ended.out)


def test_a_saved_plan_does_all_classes_that_are_named(broken: DataRoot, saved: str) -> None:
    run("apply", saved, "--class", "lossless,reclaim", "--yes", "--root", str(broken.path))
    assert [] == run(*on(broken, "check", "--format", "json")).report["findings"]


def edited(saved: str, change: Callable[[dict[str, Any]], object]) -> str:
    """The plan with a change, and with the digest that belongs to it: what is not seen by the digest must be seen all the same."""
    plan = json.loads(Path(saved).read_text())
    change(plan)
    plan["digest"] = sealed(json.dumps(plan["actions"], separators=(",", ":")).encode())
    Path(saved).write_text(json.dumps(plan))
    return saved


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: plan.update(root="/elsewhere"),
        lambda plan: plan.update(layout=["graphdriver:vfs"]),
        lambda plan: plan.update(schema="docker-fsck/plan/2.0"),
        lambda plan: plan["actions"][0]["steps"][0].update(path="containers"),
        lambda plan: plan["actions"][0]["steps"][0].update(data="AAAA"),
        lambda plan: plan["actions"][0]["pre"][0].update(ino=1),
    ],
)
def test_a_foreign_newer_or_edited_plan_is_refused(
    broken: DataRoot, saved: str, change: Callable[[dict[str, Any]], object]
) -> None:
    before = snapshot(broken.path)
    ended = run("apply", edited(saved, change), "--yes", "--root", str(broken.path))
    assert (True, before) == (bool(ended.status & 64), snapshot(broken.path, leave_out=(".docker-fsck",)))


def test_a_plan_of_a_newer_minor_version_is_accepted(broken: DataRoot, saved: str) -> None:
    newer = edited(saved, lambda plan: plan.update(schema="docker-fsck/plan/1.7", more=1))
    assert 1 == run("apply", newer, "--yes", "--root", str(broken.path)).status


def test_a_plan_whose_finding_is_gone_is_refused(broken: DataRoot, saved: str) -> None:
    apply_all(broken)
    ended = run("apply", saved, "--yes", "--root", str(broken.path))
    assert (64, True) == (ended.status, "stale plan" in ended.err)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"schema": "docker-fsck/plan/1.0"}', "\udc80"])
def test_a_file_that_is_no_plan_is_a_usage_error(broken: DataRoot, tmp_path: Path, text: str) -> None:
    path = tmp_path / "p.json"
    path.write_text(text, errors="surrogateescape")
    assert 16 == run("apply", str(path), "--yes", "--root", str(broken.path)).status


def test_a_dry_run_of_apply_changes_nothing_and_says_what_it_would_do(broken: DataRoot, saved: str) -> None:
    before = snapshot_with_atimes(broken.path)
    ended = run("apply", saved, "--dry-run", "--class", "lossless,reclaim", "--root", str(broken.path))
    assert (4, True, before) == (ended.status, "Would do 2 actions" in ended.out, snapshot_with_atimes(broken.path))


def test_a_dry_run_of_apply_says_what_would_be_skipped(broken: DataRoot, saved: str) -> None:
    stale = edited(saved, lambda plan: plan["actions"][0]["pre"][0].update(ino=1))
    ended = run("apply", stale, "--dry-run", "--root", str(broken.path))
    assert (68, True) == (ended.status, "would be skipped:" in ended.out)


def test_a_dry_run_of_apply_beside_an_engine_says_that_it_would_be_refused(broken: DataRoot, saved: str) -> None:
    ended = run("apply", saved, "--dry-run", "--root", str(broken.path), look=lambda _root: LIVE)
    assert (68, True) == (ended.status, "apply would be refused: an engine uses this root" in ended.err)


def test_a_plan_for_what_is_mounted_now_is_refused_with_that_reason(broken: DataRoot, saved: str) -> None:
    held = frozenset({json.loads(Path(saved).read_text())["actions"][0]["steps"][0]["path"]})
    host = HostView(state="stopped", why="", held=held)
    ended = run("apply", saved, "--yes", "--root", str(broken.path), look=lambda _root: host)
    assert (64, True) == (ended.status, "is mounted or open" in ended.err)


# the log


def test_the_log_of_an_apply_has_every_step(broken: DataRoot, tmp_path: Path) -> None:
    log = tmp_path / "log"
    run(*on(broken, "apply", "--class", "reclaim", "--yes", "--log-file", str(log), "--log-format", "json"))
    events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert ["run-started", "transaction", "step", "step", "transaction", "run-ended"] == events


def test_the_log_has_every_refusal(broken: DataRoot, tmp_path: Path) -> None:
    log = tmp_path / "log"
    argv = on(broken, "apply", "--class", "lossless", "--yes", "--log-file", str(log), "--log-format", "json")
    run(*argv, look=lambda _root: LIVE)
    assert ["run-started", "refused", "run-ended"] == [json.loads(line)["event"] for line in log.read_text().splitlines()]


def test_a_log_in_the_data_root_is_a_usage_error(broken: DataRoot) -> None:
    before = snapshot(broken.path)
    assert (16, before) == (main([*on(broken, "check", "--log-file", str(broken.path / "log"))]), snapshot(broken.path))
