"""The commands on built roots, with a host that is asked for nothing: what they do, say and leave as exit status."""

import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from freezegun import freeze_time

from docker_fsck import config
from docker_fsck.cli import main, options, session, sites
from docker_fsck.cli.edge import Call, Edge
from docker_fsck.cli.start import guarded, work_of
from docker_fsck.cli.terminal import Terminal
from docker_fsck.host import HostView, User
from docker_fsck.log import Log
from docker_fsck.reports import document
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.tree import snapshot, snapshot_with_atimes

STOPPED = HostView(state="stopped", why="a test says so")
LIVE = HostView(state="live", why="a test says so", users=(User(7, "dockerd", "holds a lock"),))


class Stream(io.TextIOWrapper):
    """A text stream that may pass for a terminal."""

    def __init__(self, text: str = "", *, tty: bool = False) -> None:
        super().__init__(io.BytesIO(text.encode()), encoding="utf-8", write_through=True)
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty

    @property
    def text(self) -> str:
        return bytes(self.buffer.getvalue()).decode()  # type: ignore[attr-defined]  # the buffer is a BytesIO


class Ended(msgspec.Struct):
    status: int
    out: str
    err: str

    @property
    def report(self) -> Any:
        return json.loads(self.out)


def run(
    *argv: str, answers: str = "", tty: tuple[bool, bool, bool] = (False, False, False), file: str = os.devnull, **edge: Any
) -> Ended:
    """One command line; `tty` says which of input, output and error are terminals, `file` is the settings' file."""
    streams = [Stream(answers, tty=tty[0]), Stream(tty=tty[1]), Stream(tty=tty[2])]
    command, given = options.parse([*argv])
    settings = config.load(vars(given), {}, file)
    terminal = Terminal({"NO_COLOR": "1"}, *streams)
    log = Log(settings.log_format, settings.log_file, getattr(given, "verbose", 0), streams[2])
    parts = {
        "look": lambda _root: STOPPED,
        "engine_processes": lambda _root: (),
        "settle": 0.0,
        "sleep": lambda _seconds: None,
        **edge,
    }
    status = guarded(
        work_of(command),
        Call(given=given, argv=argv, config=settings, edge=Edge(environ={}, terminal=terminal, log=log, **parts)),
    )
    return Ended(status, streams[1].text, streams[2].text)


@pytest.fixture
def healthy(tmp_path: Path) -> DataRoot:
    root = DataRoot(tmp_path / "docker")
    root.container(root.image("app:1"), "web")
    return root


@pytest.fixture
def garbage(healthy: DataRoot) -> DataRoot:
    healthy.orphan_dir()
    return healthy


@pytest.fixture
def broken(healthy: DataRoot) -> DataRoot:
    """A layer whose link file is empty (lossless), and an orphan (reclaim)."""
    top = next(iter(healthy.layers.values()))
    healthy.empty(healthy.driver_dir(top.cache_id) / "link")
    healthy.orphan_dir()
    return healthy


def on(root: DataRoot, *argv: str) -> tuple[str, ...]:
    return (*argv, "--root", str(root.path), "--grace", "0s")


def apply_all(root: DataRoot) -> Ended:
    return run(*on(root, "apply", "--class", "lossless,reclaim", "--yes"))


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


def test_preen_on_a_clean_root_is_silent_and_0(healthy: DataRoot) -> None:
    assert Ended(0, "", "") == run(*on(healthy, "-p"))


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
    assert ({"root", "layout", "made", "tool"}, plan) == (found.keys() - plan.keys(), {key: found[key] for key in plan})


def test_a_saved_plan_is_narrowed_to_lossless_by_itself_and_the_rest_is_listed(broken: DataRoot, saved: str) -> None:
    ended = run("apply", saved, "--yes", "--root", str(broken.path))
    assert (1, True) == (ended.status, "left out (--class does not name reclaim)" in ended.out)


def test_a_saved_plan_does_all_classes_that_are_named(broken: DataRoot, saved: str) -> None:
    run("apply", saved, "--class", "lossless,reclaim", "--yes", "--root", str(broken.path))
    assert [] == run(*on(broken, "check", "--format", "json")).report["findings"]


def edited(saved: str, change: Callable[[dict[str, Any]], object]) -> str:
    plan = json.loads(Path(saved).read_text())
    change(plan)
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


# transactions


def test_history_names_each_transaction_oldest_first(broken: DataRoot) -> None:
    run(*on(broken, "apply", "--class", "lossless", "--yes"))
    run(*on(broken, "apply", "--class", "reclaim", "--yes"))
    told = run(*on(broken, "history", "--format", "json")).report
    assert [["lossless"], ["reclaim"]] == [each["classes"] for each in told]


def test_history_of_one_transaction_has_its_actions(broken: DataRoot) -> None:
    apply_all(broken)
    txn = run(*on(broken, "history", "--format", "json")).report[0]["txn"]
    told = run(*on(broken, "history", txn, "--format", "json")).report
    assert (txn, 2) == (told[0]["txn"], len(told[0]["actions"]))


def test_purge_frees_the_space_and_nothing_is_left_to_undo(broken: DataRoot) -> None:
    apply_all(broken)
    txn = run(*on(broken, "history", "--format", "json")).report[0]["txn"]
    ended = run(*on(broken, "purge", "--txn", txn))
    assert (0, True, 64) == (ended.status, "Purged 1 transaction" in ended.out, run(*on(broken, "undo", txn)).status)


@pytest.mark.parametrize(("later", "purged"), [(13, 0), (15, 1)])
def test_purge_by_age_waits_for_its_day(broken: DataRoot, later: int, purged: int) -> None:
    with freeze_time("2024-05-01 12:00:00"):
        apply_all(broken)
    with freeze_time(f"2024-05-{1 + later} 12:00:00"):
        told = run(*on(broken, "purge", "--format", "json")).report
    assert purged == len(told["txns"])


def test_a_transaction_that_is_not_there_is_a_usage_error(broken: DataRoot) -> None:
    apply_all(broken)
    assert [16, 16, 16] == [
        run(*on(broken, *argv)).status for argv in (("undo", "nope"), ("history", "nope"), ("purge", "--txn", "nope"))
    ]


def test_recover_with_nothing_to_recover_says_so(broken: DataRoot) -> None:
    ended = run(*on(broken, "recover"))
    assert (0, True) == (ended.status, "nothing to recover" in ended.out)


class Killed(BaseException):
    """The process was killed."""


def killed_apply(root: DataRoot) -> None:
    """An apply that ended in its first step, as a kill leaves it."""

    def watch(_call: Call) -> Callable[[Any], None]:
        def stop(event: Any) -> None:
            if event.what == "done":
                raise Killed

        return stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sites, "_watch", watch)
        with pytest.raises(Killed):
            apply_all(root)


def test_an_unfinished_transaction_is_told_first_and_refuses_every_change_but_recover(broken: DataRoot) -> None:
    before = snapshot(broken.path)
    killed_apply(broken)
    check = run(*on(broken, "check"))
    applied, undone, preened = (
        run(*on(broken, *argv)).status for argv in (("apply", "--class", "reclaim", "--yes"), ("undo", "last"), ("-p",))
    )
    recovered = run(*on(broken, "recover")).status
    assert (True, [True] * 3, 0, before) == (
        "docker-fsck recover" in check.out.splitlines()[1],
        [bool(each & 64) for each in (applied, undone, preened)],
        recovered,
        snapshot(broken.path, leave_out=(".docker-fsck",)),
    )


def test_recover_finish_completes_it(broken: DataRoot) -> None:
    killed_apply(broken)
    assert (0, 0) == (run(*on(broken, "recover", "--finish")).status, run(*on(broken, "check")).status)


# words


def test_explain_tells_the_card_of_every_rule() -> None:
    names = [each["rule"] for each in run("rules", "--format", "json").report]
    assert [0] * len(names) == [run("explain", name).status for name in names]


def test_explain_of_an_unknown_rule_names_near_ones() -> None:
    ended = run("explain", "ovl-link-fil")
    assert (16, True) == (ended.status, "perhaps ovl-link-file" in ended.err)


def test_rules_is_one_line_a_rule() -> None:
    assert len(run("rules", "--format", "json").report) == run("rules").out.count("\n")


def test_config_show_can_be_read_back(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(run("config", "show", "--root", "/some/root", "--rule", "a,b").out)
    again = run("config", "show", "--origin", file=str(file)).out
    assert [True, True] == ['root = "/some/root"' in again, str(file) in again]


def test_a_format_for_reports_does_not_keep_anybody_from_an_undo(broken: DataRoot, tmp_path: Path) -> None:
    apply_all(broken)
    (tmp_path / "c.toml").write_text('format = "jsonl"')
    assert 0 == run(*on(broken, "undo", "last"), file=str(tmp_path / "c.toml")).status


def test_a_format_that_a_command_does_not_write_is_a_usage_error() -> None:
    assert 16 == run("rules", "--format", "jsonl").status


# demo


def test_the_demo_ends_with_0_and_leaves_its_root_only_where_it_was_told_to(tmp_path: Path) -> None:
    ended = run("demo", str(tmp_path / "here"))
    assert (0, True, 4) == (ended.status, "Every byte" in ended.out, run("check", "--root", str(tmp_path / "here")).status)


def test_the_demo_takes_no_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    assert (16, ["mine"]) == (run("demo", str(tmp_path)).status, os.listdir(tmp_path))


def test_the_demo_works_on_no_other_root() -> None:
    assert 16 == run("demo", "--root", "/var/lib/docker").status
