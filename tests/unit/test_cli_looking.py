"""The commands that look: what they find and say, how quiet they are, and that they change nothing."""

import errno
import os
import shutil
import time
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from freezegun import freeze_time
from test_cli_kit import LIVE, STOPPED, Ended, apply_all, broken_root, healthy_root, on, run

from docker_fsck.cli import roots, session
from docker_fsck.host import HostView
from docker_fsck.reports import document
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.refusals import refusing
from docker_fsck.testing.table import DRIVERS, SAMPLED
from docker_fsck.testing.tree import snapshot_with_atimes


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


# looking


@pytest.mark.parametrize("argv", [(), ("--dry-run",), ("-n",), ("check",), ("plan",)])
def test_looking_changes_nothing_not_even_access_times(broken: DataRoot, argv: tuple[str, ...]) -> None:
    before = snapshot_with_atimes(broken.path)
    assert (4, before) == (run(*on(broken, *argv)).status, snapshot_with_atimes(broken.path))


def test_a_healthy_root_is_one_line_and_0(healthy: DataRoot) -> None:
    ended = run(*on(healthy, "check"))
    assert (0, 1, "") == (ended.status, ended.out.count("\n"), ended.err)


def test_check_tells_findings_plan_tells_actions_and_the_bare_run_both(broken: DataRoot) -> None:
    told = [run(*on(broken, *argv)).out for argv in ((), ("check",), ("plan",))]
    assert [(True, True), (True, False), (False, True)] == [
        ("ERROR   ovl-link-file" in each, "Plan: 2 actions" in each) for each in told
    ]


def test_a_json_report_is_valid_and_the_same_twice_apart_from_run(broken: DataRoot) -> None:
    first, second = (run(*on(broken, "check", "--format", "json")).report for _ in range(2))
    jsonschema.validate(first, document.schema(), jsonschema.Draft202012Validator)
    assert {**first, "run": None} == {**second, "run": None}


def test_the_report_says_4_damaged_and_which_actions_mend_what(broken: DataRoot) -> None:
    report = run(*on(broken, "check", "--format", "json")).report
    known = {action["id"] for action in report["plan"]["actions"]}
    assert (4, "damaged", True) == (
        report["exit"],
        report["verdict"],
        all(set(each["actions"]) <= known for each in report["findings"]),
    )


@freeze_time("2024-05-06 07:08:09")
def test_times_of_a_run_come_from_the_clock(healthy: DataRoot) -> None:
    told = run(*on(healthy, "check", "--format", "json")).report["run"]
    assert ("2024-05-06T07:08:09.000Z", "2024-05-06T07:08:09.000Z", "20240506T070809Z-") == (
        told["started"],
        told["ended"],
        told["id"][:17],
    )


def test_every_report_file_is_written_besides_standard_output(broken: DataRoot, tmp_path: Path) -> None:
    run(
        *on(
            broken,
            "check",
            "--report",
            f"json={tmp_path}/a.json",
            "--report",
            f"jsonl={tmp_path}/b",
            "--report",
            f"text={tmp_path}/c",
        )
    )
    firsts = [(tmp_path / name).read_text()[:14] for name in ("a.json", "b", "c")]
    assert ['{\n  "schema": ', '{"type":"run",', str(broken.path)[:14]] == firsts


def test_a_report_file_in_the_root_is_refused_before_anything_is_read(broken: DataRoot) -> None:
    ended = run(*on(broken, "check", "--report", f"json={broken.path}/x"), look=None)
    assert (16, True) == (ended.status, "lies in the data root" in ended.err)


@pytest.mark.parametrize(("level", "status"), [("error", 4), ("critical", 0), ("never", 0), ("info", 4)])
def test_fail_on_sets_the_status(broken: DataRoot, level: str, status: int) -> None:
    assert status == run(*on(broken, "check", "--fail-on", level)).status


def test_only_the_chosen_rules_run(broken: DataRoot) -> None:
    report = run(*on(broken, "check", "--rule", "driver-orphan", "--format", "json")).report
    assert (["driver-orphan"], 0) == ([each["rule"] for each in report["coverage"]["rules"]], report["exit"])


def test_an_unknown_rule_is_a_usage_error(broken: DataRoot) -> None:
    assert 16 == run(*on(broken, "check", "--skip", "no-such-rule")).status


def test_a_folder_that_is_no_data_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert 64 == run("check", "--root", str(tmp_path)).status


@pytest.mark.parametrize(
    "command", [("check",), ("gate", "--target", "29.0"), ("du",), ("apply", "--class", "reclaim", "--yes"), ("history",)]
)
@pytest.mark.parametrize("name", ["aufs", "btrfs", "devicemapper", "fuse-overlayfs", "overlay", "overlay2", "vfs", "zfs"])
def test_the_name_of_a_driver_makes_no_data_root(tmp_path: Path, name: str, command: tuple[str, ...]) -> None:
    (tmp_path / name / "volumes").mkdir(parents=True)
    (tmp_path / "volumes").mkdir()
    assert 64 == run(*command, "--root", str(tmp_path)).status
    (tmp_path / "containers").mkdir()
    assert 64 != run(*command, "--root", str(tmp_path)).status


def test_the_image_folder_of_a_root_is_none(broken: DataRoot) -> None:
    assert 64 == run("gate", "--target", "29.0", "--root", str(broken.path / "image")).status


@pytest.mark.parametrize("driver", [*DRIVERS, *SAMPLED])
def test_the_layers_of_a_driver_alone_are_a_data_root(tmp_path: Path, driver: str) -> None:
    root = DataRoot(tmp_path / "docker", driver)
    root.image("app:1", 2)
    for name in sorted(os.listdir(root.path)):
        if name != driver:
            shutil.rmtree(root.path / name) if (root.path / name).is_dir() else (root.path / name).unlink()
    assert 64 != run("check", "--root", str(root.path)).status


def test_class_filters_the_plan(broken: DataRoot) -> None:
    plan = run(*on(broken, "plan", "--class", "reclaim", "--format", "json")).report["plan"]
    assert ["reclaim"] == [action["class"] for action in plan["actions"]]


def test_the_default_grace_keeps_what_is_young(garbage: DataRoot) -> None:
    plan = run("plan", "--root", str(garbage.path), "--format", "json").report["plan"]
    assert [] == plan["actions"]


def test_a_damaged_file_that_cannot_be_read_is_bit_8(broken: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_model: Any) -> Any:
        raise KeyError("x")

    registry = session.plugins.load()
    rules = tuple(
        msgspec.structs.replace(each, find=failing) if each.name == "driver-orphan" else each for each in registry.rules
    )
    monkeypatch.setattr(session.plugins, "load", lambda *_: msgspec.structs.replace(registry, rules=rules))
    ended = run(*on(broken, "check"))
    assert (12, True) == (ended.status, "rule driver-orphan: KeyError" in ended.out)


@pytest.mark.parametrize("argv", [(), ("-p",), ("check",), ("plan",), ("history",), ("apply", "--class", "lossless", "--yes")])
def test_a_host_on_which_docker_never_started_is_one_line_and_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...]
) -> None:
    default = roots.Root(str(tmp_path / "absent"), "built-in", explicit=False)
    monkeypatch.setattr(roots, "choose", lambda _config: default)
    ended = run(*argv)
    assert (0, 1, "") == (ended.status, ended.out.count("\n"), ended.err)


# beside a running engine


def test_a_check_beside_an_engine_looks_twice_and_says_so(broken: DataRoot) -> None:
    pauses: list[float] = []
    ended = run(*on(broken, "check"), look=lambda _root: LIVE, sleep=pauses.append)
    assert (4, [1.0], True) == (ended.status, pauses, "An engine uses this root" in ended.out)


def test_what_vanishes_between_two_looks_is_no_finding(healthy: DataRoot) -> None:
    orphan = healthy.orphan_dir()

    def engine_removes_it(_seconds: float) -> None:
        if healthy.driver_dir(orphan).exists():
            healthy.delete(healthy.short_link(orphan))
            healthy.delete(healthy.driver_dir(orphan))

    report = run(*on(healthy, "check", "--format", "json"), look=lambda _root: LIVE, sleep=engine_removes_it).report
    assert ("live", []) == (report["store"]["engine"], report["findings"])


def test_a_check_beside_a_running_apply_says_so(broken: DataRoot) -> None:
    ended = run(*on(broken, "check"), look=lambda _root: HostView(state="stopped", why="", fsck_pid=99))
    assert "another docker-fsck (process 99) is changing this root" in ended.err


BESIDE = HostView(state="stopped", why="", fsck_pid=99)


def test_the_bare_run_beside_one_says_so_even_where_all_is_well(healthy: DataRoot) -> None:
    ended = run(*on(healthy), look=lambda _root: BESIDE)
    assert (0, "", True) == (ended.status, ended.out, "another docker-fsck (process 99)" in ended.err)


def under_way(root: DataRoot) -> str:
    """A transaction whose journal has no end yet."""
    assert 1 == apply_all(root).status
    (journal,) = root.path.glob(".docker-fsck/*/journal.jsonl")
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-2]))
    return journal.parent.name


@pytest.mark.parametrize("argv", [("check",), ("plan",), (), ("check", "-q")])
def test_a_running_apply_is_not_told_as_one_that_was_cut_short(broken: DataRoot, argv: tuple[str, ...]) -> None:
    under_way(broken)
    alone, beside = (run(*on(broken, *argv), look=lambda _root, view=view: view) for view in (STOPPED, BESIDE))
    assert ("was cut short" in alone.out, "was cut short" in beside.out, "process 99" in beside.err) == (True, False, True)


def test_one_that_began_while_the_check_ran_is_seen_too(broken: DataRoot) -> None:
    txn, views = under_way(broken), iter([STOPPED, BESIDE])
    report = run(*on(broken, "check", "--format", "json"), look=lambda _root: next(views)).report
    assert (None, 99) == (report["store"]["unfinished_transaction"], report["run"]["beside"])
    killed = run(*on(broken, "check", "--format", "json")).report
    assert (txn, False) == (killed["store"]["unfinished_transaction"], "beside" in killed["run"])


@pytest.mark.parametrize(
    "argv",
    [("apply", "--class", "lossless", "--yes"), ("-p",), ("undo", "last"), ("recover",), ("purge", "--older-than", "0s")],
)
@pytest.mark.parametrize("begun", [True, False])
def test_a_second_change_is_refused_by_the_name_of_the_first(broken: DataRoot, argv: tuple[str, ...], begun: bool) -> None:
    under_way(broken) if begun else apply_all(broken)
    ended = run(*on(broken, *argv), look=lambda _root: BESIDE)
    assert (64, True, False) == (ended.status & 64, "process 99) is changing" in ended.err, "unfinished" in ended.err)


# quiet when all is well


def test_the_bare_run_on_a_clean_root_is_silent_without_a_terminal(healthy: DataRoot) -> None:
    assert Ended(0, "", "") == run(*on(healthy))


def test_the_bare_run_on_a_clean_root_is_one_line_on_a_terminal(healthy: DataRoot) -> None:
    assert 1 == run(*on(healthy), tty=(True, True, True)).out.count("\n")


def test_garbage_alone_sends_no_mail_from_cron(garbage: DataRoot) -> None:
    assert Ended(0, "", "") == run(*on(garbage))


@pytest.mark.parametrize("tty", [(True, True, True), (True, False, True)])
def test_garbage_alone_is_told_to_somebody_at_a_terminal(garbage: DataRoot, tty: tuple[bool, bool, bool]) -> None:
    assert "driver-orphan" in run(*on(garbage), tty=tty).out


def test_garbage_alone_is_told_with_v(garbage: DataRoot) -> None:
    assert "driver-orphan" in run(*on(garbage, "-v")).out


def test_damage_is_told_to_cron(broken: DataRoot) -> None:
    assert "ovl-link-file" in run(*on(broken)).out


def test_a_json_document_is_always_written(healthy: DataRoot) -> None:
    assert "clean" == run(*on(healthy, "--format", "json")).report["verdict"]


@pytest.mark.parametrize("argv", [(), ("check",), ("plan",)])
def test_q_is_silent_when_all_is_well(garbage: DataRoot, argv: tuple[str, ...]) -> None:
    assert Ended(0, "", "") == run(*on(garbage, "-q", *argv), tty=(True, True, True))


def test_q_is_one_line_a_finding_when_not(broken: DataRoot) -> None:
    assert ["error ovl-link-file", "2 findings: 1 error"] == [
        row[:19] for row in run(*on(broken, "-q", "check")).out.splitlines()
    ]


def test_what_the_kernel_refuses_only_while_the_plan_is_weighed_is_bit_8(healthy: DataRoot) -> None:
    orphan = healthy.driver_dir(healthy.orphan_dir())
    (orphan / "diff/deep").mkdir()
    with refusing(orphan / "diff/deep", errno.EIO):
        ended = run("check", "--root", str(healthy.path), "--format", "json", clock=lambda: time.time() + 30 * 86400)
    unread = [source["source"] for source in ended.report["coverage"]["sources"] if source["state"] == "unreadable"]
    assert (8, "incomplete", [f"{orphan.relative_to(healthy.path)}/diff/deep"]) == (
        ended.status, ended.report["verdict"], unread,
    )  # fmt: skip
