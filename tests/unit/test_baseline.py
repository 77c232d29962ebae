"""Accepted findings: what the file may hold, for how long it holds, and what it does to a run."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from freezegun import freeze_time
from test_cli_kit import broken_root, healthy_root, on, run
from test_reports import finding

from docker_fsck import baseline
from docker_fsck.baseline import Entry
from docker_fsck.errors import UsageError
from docker_fsck.testing.builder import DataRoot
from docker_fsck.values import Ref, Severity

SCHEMA = Path(baseline.__file__).with_name("baseline.schema.json")
MARK = "0123456789abcdef"
DAY = dt.date(2030, 1, 31)


def entry(**more: Any) -> Entry:
    fields = {
        "fingerprint": MARK,
        "rule": "a-b",
        "object": Ref("layer", "x"),
        "severity": Severity.ERROR,
        "reason": "known",
        "expires": DAY.isoformat(),
    }
    return Entry(**{**fields, **more})


# the file


def test_the_committed_schema_is_the_one_of_the_values() -> None:
    assert json.loads(json.dumps(baseline.schema())) == json.loads(SCHEMA.read_text())


def test_a_baseline_is_valid_by_its_schema_and_survives_its_file() -> None:
    data = baseline.encode([entry()])
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(json.loads(data))
    assert (entry(),) == baseline.decode(data, "f").entries


def test_the_same_entries_are_the_same_bytes() -> None:
    other = entry(fingerprint="f" * 16, rule="a-a")
    assert baseline.encode([entry(), other]) == baseline.encode([other, entry()])


@pytest.mark.parametrize(
    "edit",
    [
        lambda row: row.pop("reason"),
        lambda row: row.pop("expires"),
        lambda row: row.update(reason=""),
        lambda row: row.update(reason="  "),
        lambda row: row.update(expires="soon"),
        lambda row: row.update(expires="2030-02-31"),
        lambda row: row.update(fingerprint="*"),
        lambda row: row.update(severity="any"),
        lambda row: row.update(fingerprnt="x"),
    ],
)
def test_an_entry_without_reason_or_expiry_or_with_a_typo_accepts_nothing(edit: Any) -> None:
    table = json.loads(baseline.encode([entry()]))
    edit(table["entries"][0])
    with pytest.raises(UsageError, match="f: not a baseline"):
        baseline.decode(json.dumps(table).encode(), "f")


def test_two_entries_for_one_finding_are_an_error() -> None:
    twice = msgspec.json.encode(baseline.Baseline(entries=(entry(), entry(reason="other"))))
    with pytest.raises(UsageError, match=f"more than one entry for {MARK}"):
        baseline.decode(twice, "f")


def test_another_schema_is_an_error() -> None:
    with pytest.raises(UsageError, match="this version reads docker-fsck/baseline/1"):
        baseline.decode(b'{"schema": "docker-fsck/baseline/2"}', "f")


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"\xff", b'{"entries": {}}'])
def test_what_is_no_baseline_is_an_error(data: bytes) -> None:
    with pytest.raises(UsageError, match="not a baseline"):
        baseline.decode(data, "f")


# what it marks

HERE = finding(fingerprint=MARK, rule="a-b")


@pytest.mark.parametrize(("today", "said"), [(DAY, "known"), (DAY + dt.timedelta(1), "new"), (dt.date(1970, 1, 1), "known")])
def test_an_entry_holds_to_the_end_of_its_day(today: dt.date, said: str) -> None:
    assert [said] == [each.baseline for each in baseline.mark([HERE], [entry()], today)]


@pytest.mark.parametrize(
    ("severity", "said"), [(Severity.WARNING, "known"), (Severity.ERROR, "known"), (Severity.CRITICAL, "new")]
)
def test_what_became_graver_is_news(severity: Severity, said: str) -> None:
    worse = msgspec.structs.replace(HERE, severity=severity)
    assert [said] == [each.baseline for each in baseline.mark([worse], [entry()], DAY)]


def notes(*entries: Entry, found: tuple[Any, ...] = (), ran: tuple[str, ...] = ("a-b",), today: dt.date = DAY) -> list[str]:
    return [each.about for each in baseline.notes(entries, found, ran, {"a-b"}, today)]


def test_an_entry_that_does_its_work_is_not_told() -> None:
    assert [] == notes(entry(), found=(HERE,))


def test_an_entry_is_unused_only_if_its_rule_ran() -> None:
    assert (["baseline-unused"], []) == (notes(entry()), notes(entry(), ran=()))


def test_an_entry_of_a_rule_that_does_not_exist_is_unused() -> None:
    assert ["baseline-unused"] == notes(entry(rule="no-such"), ran=())


def test_expired_and_outgrown_entries_are_told() -> None:
    worse = msgspec.structs.replace(HERE, severity=Severity.CRITICAL)
    assert (["baseline-expired"], ["baseline-outgrown"]) == (
        notes(entry(), found=(HERE,), today=DAY + dt.timedelta(1)),
        notes(entry(), found=(worse,)),
    )


# the command and a run with it


@pytest.fixture
def broken(tmp_path: Path) -> DataRoot:
    return broken_root(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "baseline.json")


def create(root: DataRoot, file: str, *more: str) -> Any:
    return run(
        *on(
            root,
            "baseline",
            "create",
            "--baseline",
            file,
            "--reason",
            "the disk is replaced in May",
            "--expires",
            "2030-01-31",
            *more,
        )
    )


@freeze_time("2030-01-01")
def test_an_accepted_finding_is_shown_as_known_and_does_not_fail_the_run(broken: DataRoot, file: str) -> None:
    made = create(broken, file)
    ended = run(*on(broken, "check", "--baseline", file, "--format", "json"))
    marks = {each["rule"]: each["baseline"] for each in ended.report["findings"]}
    assert (0, 0, {"ovl-link-file": "known", "driver-orphan": "new"}) == (made.status, ended.status, marks)


@freeze_time("2030-01-01")
def test_only_what_fails_a_run_is_accepted(broken: DataRoot, file: str) -> None:
    create(broken, file)
    assert ["ovl-link-file"] == [each["rule"] for each in json.loads(Path(file).read_text())["entries"]]


def test_an_expired_entry_counts_again_and_is_told(broken: DataRoot, file: str) -> None:
    with freeze_time("2030-01-01"):
        create(broken, file)
    with freeze_time("2030-01-31 23:59:59"):
        last = run(*on(broken, "check", "--baseline", file)).status
    with freeze_time("2030-02-01"):
        ended = run(*on(broken, "check", "--baseline", file))
    assert (0, 4, True) == (
        last,
        ended.status,
        "accepted until 2030-01-31 (the disk is replaced in May); it counts again" in " ".join(ended.out.split()),
    )


@freeze_time("2030-01-01")
def test_an_entry_whose_finding_is_gone_is_told_and_pruned(broken: DataRoot, file: str) -> None:
    create(broken, file)
    run(*on(broken, "apply", "--class", "lossless", "--yes"))
    told = run(*on(broken, "check", "--baseline", file, "--format", "json")).report["notes"]
    pruned = run(*on(broken, "baseline", "prune", "--baseline", file))
    assert (["baseline-unused"], 0, []) == (
        [each["about"] for each in told],
        pruned.status,
        json.loads(Path(file).read_text())["entries"],
    )


@freeze_time("2030-01-01")
def test_prune_keeps_what_is_still_found_and_what_was_not_looked_at(broken: DataRoot, file: str) -> None:
    create(broken, file)
    before = Path(file).read_bytes()
    run(*on(broken, "baseline", "prune", "--baseline", file))
    run(*on(broken, "baseline", "prune", "--baseline", file, "--rule", "driver-orphan"))
    assert before == Path(file).read_bytes()


def test_creating_again_keeps_reasons_that_hold_and_renews_those_that_expired(broken: DataRoot, file: str) -> None:
    with freeze_time("2030-01-01"):
        create(broken, file)
        run(*on(broken, "baseline", "create", "--baseline", file, "--reason", "other", "--expires", "30d"))
        kept = json.loads(Path(file).read_text())["entries"][0]["reason"]
    with freeze_time("2030-02-02"):
        run(*on(broken, "baseline", "create", "--baseline", file, "--reason", "other", "--expires", "30d"))
        renewed = json.loads(Path(file).read_text())["entries"][0]
    assert ("the disk is replaced in May", "other", "2030-03-04") == (kept, renewed["reason"], renewed["expires"])


@freeze_time("2030-01-01")
@pytest.mark.parametrize(
    "argv",
    [
        ("--reason", "r"),
        ("--expires", "90d"),
        ("--reason", " ", "--expires", "90d"),
        ("--reason", "r", "--expires", "2029-12-31"),
        ("--reason", "r", "--expires", "never"),
        ("--reason", "r", "--expires", "90d", "--fail-on", "never"),
    ],
)
def test_nothing_is_accepted_for_ever_or_without_a_reason(broken: DataRoot, file: str, argv: tuple[str, ...]) -> None:
    assert (16, False) == (run(*on(broken, "baseline", "create", "--baseline", file, *argv)).status, Path(file).exists())


def test_a_baseline_wants_a_file() -> None:
    assert 16 == run("baseline", "show").status


def test_a_baseline_that_is_not_there_accepts_nothing_and_is_an_error(broken: DataRoot, file: str) -> None:
    assert 16 == run(*on(broken, "check", "--baseline", file)).status


def test_no_baseline_is_written_into_the_root(broken: DataRoot) -> None:
    target = broken.path / "baseline.json"
    assert (16, False) == (create(broken, str(target)).status, target.exists())


@freeze_time("2030-01-01")
def test_show_lists_entries_with_their_reasons(broken: DataRoot, file: str) -> None:
    create(broken, file)
    told = run("baseline", "show", "--baseline", file).out
    assert ("ovl-link-file" in told, "until 2030-01-31: the disk is replaced in May" in told) == (True, True)


@freeze_time("2030-01-01")
def test_cron_stays_silent_about_what_is_known(broken: DataRoot, file: str) -> None:
    create(broken, file)
    assert ("", "") == ((ended := run(*on(broken, "--baseline", file))).out, ended.err)


@freeze_time("2030-01-01")
def test_a_known_finding_is_still_planned_and_mended(broken: DataRoot, file: str) -> None:
    create(broken, file)
    assert (1, 0) == (run(*on(broken, "-p", "--baseline", file)).status, run(*on(broken, "check")).status)


def test_a_root_without_findings_makes_an_empty_baseline(tmp_path: Path, file: str) -> None:
    with freeze_time("2030-01-01"):
        create(healthy_root(tmp_path), file)
    assert {"schema": "docker-fsck/baseline/1", "entries": []} == json.loads(Path(file).read_text())
