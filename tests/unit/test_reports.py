"""Reports: what a person reads, the JSON document and its schema, the stream, and files that are written whole or not at all."""

import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from docker_fsck import reports
from docker_fsck.errors import UsageError
from docker_fsck.reports import document, files, plantext, stream, text, words
from docker_fsck.reports.lines import plain
from docker_fsck.reports.paint import STYLES, painted
from docker_fsck.reports.view import View
from docker_fsck.values import (
    Action,
    ActionClass,
    Blocked,
    Confidence,
    Coverage,
    Evidence,
    Finding,
    Folded,
    Gate,
    Guard,
    Impact,
    Level,
    Note,
    Outcome,
    Plan,
    PutAway,
    Ref,
    Report,
    RunInfo,
    Severity,
    Source,
    StoreInfo,
    Summary,
    Target,
    WriteFile,
    at,
)

SCHEMA = Path(reports.__file__).with_name("report.schema.json")
VIEW = View(where=("--root /r",))


def finding(**more: Any) -> Finding:
    fields: dict[str, Any] = {
        "fingerprint": "f1",
        "rule": "ovl-link-file",
        "title": "A driver dir has no link file.",
        "message": "overlay2/ab has an empty link file",
        "severity": Severity.ERROR,
        "confidence": Confidence.CERTAIN,
        "object": Ref("driverdir", "ab"),
        "paths": (at("overlay2/ab/link"),),
        "evidence": Evidence("26 letters", "0 bytes"),
        "impact": Impact(images=("app:1",), containers=("c" * 64,)),
        "folded": (Folded("layer-x", Ref("layer", "l"), "cannot be judged"),),
        "daemon_error": "readlink l: invalid argument",
        "actions": ("a1",),
        "help": "docker-fsck explain ovl-link-file",
    }
    return Finding(**{**fields, **more})


def action(**more: Any) -> Action:
    fields: dict[str, Any] = {
        "id": "a1",
        "cls": ActionClass.LOSSLESS,
        "does": "write the link file anew",
        "steps": (WriteFile(path="overlay2/ab/link", data=b"\x00\xff", n=0),),
        "pre": (Guard(path="overlay2/ab/link", dev=1, ino=2, ctime_ns=3, size=0, sha256="00"),),
        "bytes": 0,
    }
    return Action(**{**fields, **more})


def report(findings: tuple[Finding, ...] = (), plan: Plan | None = None, **more: Any) -> Report:
    fields: dict[str, Any] = {
        "tool": {"name": "docker-fsck", "version": "0"},
        "run": RunInfo("r", "2024-01-01T00:00:00Z", "2024-01-01T00:00:01Z", Level.STANDARD, ("check",)),
        "store": StoreInfo("/r", ("graphdriver:overlay2",), "stopped", None, {"images": 1, "layers": 2}),
        "verdict": "damaged" if findings else "clean",
        "exit": 4 if findings else 0,
        "coverage": Coverage((Outcome("ovl-link-file", "ran", None, 2),), 0, (Source("containers", "read"),)),
        "findings": findings,
        "plan": plan or Plan(),
        "summary": Summary({"error": len(findings)}, 0, 0),
    }
    return Report(**{**fields, **more})


def damaged() -> Report:
    garbage = PutAway(
        path="overlay2/x\udcff".encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"),
        path_b64=b"overlay2/x\xff",
        n=1,
    )
    reclaim = action(
        id="a2", cls=ActionClass.RECLAIM, does="put overlay2/x away", steps=(garbage,), bytes=12_345_678, findings=("f2",)
    )
    plan = Plan(
        actions=(action(), reclaim),
        blocked=(Blocked(fingerprint="f3", why="younger than the grace period"),),
        pull=("app@sha256:1",),
    )
    orphan = finding(
        fingerprint="f2", rule="driverdir-orphan", severity=Severity.INFO, message="nothing names it", actions=("a2",)
    )
    young = finding(fingerprint="f3", rule="driverdir-orphan", severity=Severity.INFO, message="too young", actions=())
    return report((finding(), orphan, young), plan)


def shown(found: Report, view: View = VIEW) -> str:
    return plain(text.whole(found, view))


def test_the_committed_schema_is_the_one_of_the_values() -> None:
    assert json.loads(document.pretty(document.schema())) == json.loads(SCHEMA.read_text())


def test_a_report_is_valid_by_the_committed_schema() -> None:
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(json.loads(document.render(damaged())))


@pytest.mark.parametrize(
    ("path", "value"), [(("verdict",), "fine"), (("exit",), "0"), (("findings", 0, "severity"), "bad"), (("schema",), "x/2")]
)
def test_a_report_with_a_wrong_value_is_not_valid(path: tuple[str | int, ...], value: object) -> None:
    broken = json.loads(document.render(damaged()))
    inner = broken
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, document.schema(), jsonschema.Draft202012Validator)


def test_the_document_has_the_fields_of_the_contract() -> None:
    top = ["schema", "tool", "run", "store", "verdict", "exit", "coverage", "findings", "plan", "summary", "notes"]
    assert top == list(json.loads(document.render(damaged())))


def test_a_report_survives_its_document() -> None:
    assert damaged() == msgspec.json.decode(document.render(damaged()), type=Report)


def test_tables_are_sorted_whatever_order_they_were_filled_in() -> None:
    one = report(summary=Summary({"info": 1, "error": 2}))
    other = report(summary=Summary({"error": 2, "info": 1}))
    assert document.render(one) == document.render(other)


def test_the_stream_has_one_object_a_line_each_with_its_type() -> None:
    kinds = [json.loads(line)["type"] for line in stream.render(damaged()).splitlines()]
    assert ["run", "store", "coverage", *["finding"] * 3, "plan", "action", "action", "blocked", "summary"] == kinds


def test_the_stream_holds_the_same_findings_as_the_document() -> None:
    lines = [json.loads(line) for line in stream.render(damaged()).splitlines()]
    found = [{key: value for key, value in each.items() if key != "type"} for each in lines if each["type"] == "finding"]
    assert json.loads(document.render(damaged()))["findings"] == found


def test_the_stream_holds_all_that_the_document_does() -> None:
    base = damaged()
    found = msgspec.structs.replace(
        base,
        plan=msgspec.structs.replace(base.plan, target=Target(asked="20%", total=100, free=20, quarantine=5, wanted=15)),
        notes=(Note("rule-unused", "x", "no rule"), Note("source", "y", "not there")),
        gate=Gate("29.0", "passed", "overlay2", "it is there", ""),
    )
    lines = [json.loads(line) for line in stream.render(found).splitlines()]
    every: dict[str, list[dict[str, Any]]] = {}
    for each in lines:
        every.setdefault(each.pop("type"), []).append(each)
    head, summary = every["run"][0], every["summary"][0]
    built = {
        **{name: head.pop(name) for name in ("schema", "tool")},
        "run": head,
        **{name: every[name][0] for name in ("store", "coverage", "gate")},
        **{name: summary.pop(name) for name in ("verdict", "exit")},
        "findings": every["finding"],
        "plan": {**every["plan"][0], "actions": every["action"], "blocked": every["blocked"]},
        "summary": summary,
        "notes": every["note"],
    }
    assert json.loads(document.render(found)) == built
    assert ({*stream.TYPES}, "summary") == ({*every}, stream.TYPES[-1])


def test_a_finding_is_told_in_the_order_what_where_expected_actual_who_engine_plan_next() -> None:
    told = shown(damaged())
    parts = [
        "ERROR",
        "overlay2/ab has an empty link file",
        "where       overlay2/ab/link",
        "expected    26 letters",
        "actual      0 bytes",
        "suffers     1 image: app:1; 1 container",
        "engine says readlink l: invalid argument",
        "plan        a1 (lossless): write the link file anew",
        "more        docker-fsck explain ovl-link-file",
    ]
    assert parts == sorted(parts, key=told.index)


def test_the_worst_comes_first() -> None:
    found = report((finding(rule="b", severity=Severity.INFO), finding(rule="a", severity=Severity.CRITICAL), finding(rule="c")))
    told = shown(found)
    assert told.index("CRITICAL") < told.index("ERROR") < told.index("INFO")


def test_the_plan_is_told_by_class_with_gain_reasons_pulls_and_next_commands() -> None:
    told = shown(damaged())
    parts = [
        "Plan: 2 actions, 1 blocked; nothing has been changed.",
        "  lossless: 1 action\n",
        "  reclaim: 1 action; 12.3 MB to be freed by a later purge",
        "blocked: would be done, but\n    younger than the grace period\n      driverdir-orphan, driverdir ab",
        "docker pull app@sha256:1",
        "docker-fsck apply --class lossless --root /r\n",
        "docker-fsck apply --class lossless,reclaim --root /r\n",
        "docker-fsck plan -o plan.json --root /r",
    ]
    assert parts == sorted(parts, key=told.index)


def test_no_line_is_longer_than_a_hundred_columns_unless_one_word_is() -> None:
    long = finding(message="word " * 60, evidence=Evidence("x " * 200, "overlay2/" + "a" * 200))
    rows = shown(report((long,))).splitlines()
    assert [] == [row for row in rows if len(row) > 100 and len(max(row.split(), key=len)) < 100]


def test_many_findings_of_a_rule_are_cut_short_and_counted() -> None:
    told = shown(report(tuple(finding(fingerprint=f"f{n}", message=f"number {n};") for n in range(12))))
    assert (True, True, False) == ("number 4;" in told, "and 7 more of ovl-link-file" in told, "number 5;" in told)


def test_verbose_cuts_nothing() -> None:
    told = shown(report(tuple(finding(message=f"number {n};") for n in range(12))), View(verbose=True))
    assert (True, False) == ("number 11;" in told, "more of" in told)


def test_a_hostile_name_can_neither_move_the_cursor_nor_make_a_line_of_its_own() -> None:
    nasty = "a\nERROR faked\x1b[2J\u202e\u2028\x9b\x00"
    hostile = finding(
        message=nasty, object=Ref("layer", nasty), paths=(at(nasty),), evidence=Evidence(nasty, nasty), daemon_error=nasty
    )
    plan = Plan(
        actions=(action(does=nasty, loses=(nasty,), next=(nasty,)),),
        blocked=(Blocked(fingerprint="f", why=nasty),),
        pull=(nasty,),
    )
    told = shown(report((hostile,), plan))
    assert ([], []) == (
        [each for each in told if each != "\n" and not each.isprintable()],
        [row for row in told.splitlines() if row.startswith("ERROR faked")],
    )


def test_what_was_not_read_is_named() -> None:
    outcomes = (Outcome("layer-x", "failed", "KeyError: 1"), Outcome("graphdriver:zfs", "skipped", "it is not known"))
    store = StoreInfo("/r", ("graphdriver:overlay2", "graphdriver:zfs"), "stopped", None, {})
    sources = (Source("buildkit/snapshots.db", "newer", "version 9"),)
    told = shown(report(coverage=Coverage(outcomes, 0, sources), store=store))
    rows = ["  rule layer-x: KeyError: 1", "  graphdriver:zfs: it is not known", "  buildkit/snapshots.db: newer (version 9)"]
    assert ["Not checked completely:", *rows] == told.splitlines()[2:6]


def test_a_rule_for_another_driver_is_no_gap() -> None:
    told = shown(report(coverage=Coverage((Outcome("aufs-x", "skipped", "no tree of aufs here"),), 0, ())))
    assert "Not checked" not in told


def test_an_unfinished_transaction_is_told_before_the_findings() -> None:
    told = shown(msgspec.structs.replace(damaged(), store=StoreInfo("/r", (), "stopped", "t1", {})))
    assert told.index("docker-fsck recover") < told.index("ERROR")


@pytest.mark.parametrize(("engine", "said"), [("live", "An engine uses this root"), ("unknown", "could not be found out")])
def test_an_engine_on_the_root_is_told(engine: Any, said: str) -> None:
    assert said in shown(report(store=StoreInfo("/r", (), engine, None, {})))


def test_brief_is_one_line_a_finding_above_info_and_the_verdict() -> None:
    rows = plain(text.brief(damaged())).splitlines()
    assert ["error ovl-link-file: overlay2/ab has an empty link file [overlay2/ab/link]", "Verdict: damaged (exit 4)."] == [
        rows[0],
        rows[1][-26:],
    ]


def test_coloured_lines_say_the_same_as_plain_ones() -> None:
    lines = list(text.whole(damaged(), VIEW))
    bare = re.sub(r"\x1b\[[0-9;]*m", "", painted(lines))
    assert [row.rstrip() for row in plain(lines).splitlines()] == [row.rstrip() for row in bare.splitlines()]


def test_every_class_and_severity_has_its_words_and_style() -> None:
    assert (set(ActionClass), set()) == (set(plantext.MEANING), set(Severity) - set(STYLES))


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_999, "1.0 MB"),
        (12_345_678, "12.3 MB"),
        (10**19, "10000.0 PB"),
    ],
)
def test_sizes_are_told_in_powers_of_a_thousand(count: int, said: str) -> None:
    assert said == words.size(count)


def test_nouns_are_counted() -> None:
    assert ["1 layer", "2 layers", "0 entries", "2 keys"] == [
        words.many(1, "layer"),
        words.many(2, "layer"),
        words.many(0, "entry"),
        words.many(2, "key"),
    ]


def test_an_unknown_format_is_a_usage_error_that_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="github, html, json, jsonl, junit, markdown, nagios, prometheus, sarif, text"):
        reports.chosen("yaml", ())


@pytest.mark.parametrize("wish", ["json", "json=", "=x", "yaml=/tmp/x"])
def test_a_report_target_must_be_a_format_and_a_path(wish: str) -> None:
    with pytest.raises(UsageError, match="--report"):
        reports.targets([wish], ())


def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    target.write_text("old")
    target.chmod(0o640)
    files.put(str(target), b"new", "--report")
    assert (b"new", 0o640, ["out.json"]) == (target.read_bytes(), target.stat().st_mode & 0o777, os.listdir(tmp_path))


def test_a_file_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--report"):
        files.put(str(tmp_path / "no/folder/x"), b"", "--report")


def test_what_is_no_regular_file_is_written_straight_to(tmp_path: Path) -> None:
    link = tmp_path / "null"
    link.symlink_to("/dev/null")
    files.put(str(link), b"data", "--report")
    assert (True, True) == (link.is_symlink(), Path("/dev/null").is_char_device())


@pytest.mark.parametrize("inside", ["x.json", "sub/../x.json", "../root", "../link/x.json"])
def test_nothing_is_written_into_the_data_root(tmp_path: Path, inside: str) -> None:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to(root)
    with pytest.raises(UsageError, match="lies in the data root"):
        files.outside(str(root / inside), str(root), "--report")


def test_a_folder_with_a_like_name_is_not_the_data_root(tmp_path: Path) -> None:
    files.outside(str(tmp_path / "root2/x"), str(tmp_path / "root"), "--report")
