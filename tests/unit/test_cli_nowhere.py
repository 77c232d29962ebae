"""Where Docker was never started, and where the root is refused: programs get an answer too (interface sections 2 and 6)."""

import json
from pathlib import Path

import jsonschema
import pytest
from test_cli_kit import broken_root, on, run

from docker_fsck.cli import roots
from docker_fsck.reports import document, duschema

JSON = ("--format", "json")


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The host's own root, which is not there."""
    root = tmp_path / "absent"
    monkeypatch.setattr(roots, "choose", lambda _config: roots.Root(str(root), "built-in", explicit=False))
    return root


def valid(report: object) -> bool:
    jsonschema.validate(report, document.schema(), jsonschema.Draft202012Validator)
    return True


REPORTING = [(), ("-p",), ("check",), ("plan",), ("apply", "--class", "reclaim", "--yes"), ("gate", "--target", "29")]


@pytest.mark.parametrize("argv", REPORTING)
def test_where_there_is_no_root_the_report_is_empty_and_clean(nowhere: Path, argv: tuple[str, ...]) -> None:
    ended = run(*argv, *JSON)
    told = ended.report
    assert (0, True, str(nowhere), "clean", 0) == (
        ended.status,
        valid(told),
        told["store"]["root"],
        told["verdict"],
        told["exit"],
    )
    assert "Docker was never started" in ended.err
    assert "Docker was never started" in told["coverage"]["rules"][0]["reason"]


@pytest.mark.parametrize("argv", REPORTING)
def test_of_a_root_that_is_refused_the_report_says_so(tmp_path: Path, argv: tuple[str, ...]) -> None:
    (tmp_path / "something").mkdir()
    ended = run(*argv, *JSON, "--root", str(tmp_path))
    told = ended.report
    assert (64, True, "refused", 64) == (ended.status, valid(told), told["verdict"], told["exit"])
    assert told["coverage"]["rules"][0]["reason"] in ended.err


@pytest.mark.parametrize(("name", "decision"), [("absent", "passed"), ("something", "undecided")])
def test_a_gate_has_an_answer_even_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, decision: str) -> None:
    (tmp_path / "something/file").mkdir(parents=True)
    monkeypatch.setattr(roots, "choose", lambda _config: roots.Root(str(tmp_path / name), "built-in", explicit=False))
    ended = run("gate", "--target", "29", *JSON)
    assert ("29.0", decision) == (ended.report["gate"]["target"], ended.report["gate"]["decision"])


def test_the_stream_and_the_files_get_it_too(nowhere: Path, tmp_path: Path) -> None:
    lines = run("check", "--format", "jsonl", "--report", f"json={tmp_path}/x.json").out.splitlines()
    assert ("clean", True) == (json.loads(lines[-1])["verdict"], valid(json.loads((tmp_path / "x.json").read_text())))


def test_a_usage_error_is_no_report(tmp_path: Path) -> None:
    ended = run("check", "--root", str(tmp_path / "gone"), *JSON)
    assert (16, "") == (ended.status, ended.out)


@pytest.mark.parametrize(("argv", "answer"), [(("history",), []), (("recover",), None)])
def test_what_was_done_there_is_nothing(nowhere: Path, argv: tuple[str, ...], answer: object) -> None:
    ended = run(*argv, *JSON)
    assert (0, answer) == (ended.status, ended.report)


def test_a_purge_there_frees_nothing(nowhere: Path) -> None:
    assert ([], 0) == ((told := run("purge", *JSON).report)["txns"], told["freed"])


def test_the_space_there_is_none(nowhere: Path) -> None:
    ended = run("du", *JSON)
    jsonschema.validate(ended.report, duschema.schema(), jsonschema.Draft202012Validator)
    assert (0, 0) == (ended.status, ended.report["total"])


def test_a_plan_for_it_is_saved_and_does_nothing(nowhere: Path, tmp_path: Path) -> None:
    file = str(tmp_path / "plan.json")
    saved = run("plan", "-o", file)
    plan = json.loads(Path(file).read_text())
    assert (0, str(nowhere), [], []) == (saved.status, plan["root"], plan["layout"], plan["actions"])
    assert [16, 16] == [run("apply", file, word).status for word in ("--dry-run", "--yes")]


@pytest.mark.parametrize(
    "argv",
    [("why", "shop"), ("export", "web", "-o", "x.tar"), ("undo", "last"), ("history", "20240101T000000Z"), ("purge", "--txn", "x"), ("check", "--object", "shop")],
)  # fmt: skip
def test_what_is_asked_for_by_name_cannot_be_had(
    nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = run(*argv)
    assert (16, "", 1) == (ended.status, ended.out, ended.err.count("\n"))


def test_a_stale_plan_is_a_refusal_for_programs_too(tmp_path: Path) -> None:
    root = broken_root(tmp_path)
    file = str(tmp_path / "plan.json")
    run(*on(root, "plan", "-o", file))
    root.image("more:1")
    run(*on(root, "apply", "--class", "lossless", "--yes"))
    ended = run(*on(root, "apply", file, "--yes", *JSON))
    assert (64, "refused", True) == (ended.status, ended.report["verdict"], valid(ended.report))
