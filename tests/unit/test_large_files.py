"""Our own files and the host's, far larger than they can be: told, and not read (promise 16)."""

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_apply_kit import TXN, apply, make_root, site_of
from test_cli_kit import apply_all, broken_root, healthy_root, on, run

from docker_fsck.apply import journal
from docker_fsck.apply.history import history, unfinished
from docker_fsck.apply.story import read
from docker_fsck.apply.undo import recover
from docker_fsck.cli.roots import Places, choose
from docker_fsck.config import load
from docker_fsck.errors import Refused, UsageError
from docker_fsck.testing.builder import DataRoot
from docker_fsck.values import PutAway
from docker_fsck.verify.memory import FILE

HUGE = 3 << 30
ROOM = 400 << 20


def blow(path: Path, begin: bytes = b"", size: int = HUGE) -> Path:
    """A file of 3 GB that takes no disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(begin)
    os.truncate(path, size)
    return path


def told(*argv: str) -> tuple[int, str]:
    """Exit status and words of a process that may not take more than 400 MB."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({ROOM}, {ROOM})); from docker_fsck.cli import run; run_ = run()"
    done = subprocess.run(
        [sys.executable, "-c", f"{limit}; raise SystemExit(run_)", *argv], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def changed(tmp_path: Path) -> DataRoot:
    root = broken_root(tmp_path)
    assert 1 == apply_all(root).status
    return root


def test_a_list_of_purges_that_is_too_large_is_told_and_not_read(tmp_path: Path) -> None:
    root = changed(tmp_path)
    blow(root.path / ".docker-fsck/history.jsonl")
    begun = time.monotonic()
    status, words = told("check", "--root", str(root.path), "--grace", "0s")
    assert (8, True) == (status & 8, ".docker-fsck/history.jsonl" in words and "larger than 16 MiB" in words)
    ended = run(*on(root, "history", "--format", "json"))
    assert (8, 1, True) == (ended.status, len(ended.report), "larger than 16 MiB" in ended.err)
    assert time.monotonic() - begun < 20


def test_such_a_list_holds_nothing_back(tmp_path: Path) -> None:
    root = changed(tmp_path)
    blow(root.path / ".docker-fsck/history.jsonl")
    root.orphan_dir()
    plan = run(*on(root, "plan", "--format", "json")).report["plan"]
    assert (["reclaim"], []) == ([each["class"] for each in plan["actions"]], plan["blocked"])


def test_lines_of_the_list_that_are_no_lines_of_ours_are_passed_over(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    mine = b'{"txn":"20240506T070809Z-aa","state":"purged","made":""}\n'
    (root / ".docker-fsck").mkdir()
    (root / ".docker-fsck/history.jsonl").write_bytes(b"\n" * 9 + b"[" * 900_000 + b"\n{\n" + mine)
    assert ["20240506T070809Z-aa"] == [each.txn for each in history(str(root))]


def test_a_journal_that_is_too_large_is_told_and_refused(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    apply(root, (PutAway(path="containers/c1"),))
    book = root / ".docker-fsck" / TXN / "journal.jsonl"
    whole = book.read_bytes()
    blow(book, size=HUGE // 4)
    assert TXN == unfinished(str(root))
    with pytest.raises(Refused, match="has no beginning"):
        recover(site_of(root))
    blow(book, b"".join(whole.splitlines(keepends=True)[:-1]), HUGE // 4)  # killed before its end, with much disk set aside
    recover(site_of(root))
    assert ["undone"] == [each.state for each in history(str(root))]


@pytest.mark.parametrize("end", [b"", b"\n", b"\0\0", b'{"rec":'])
def test_zeros_behind_the_last_whole_line_are_its_end(end: bytes) -> None:
    opened = journal.Opened(txn=TXN, root="/r", tool="t", digest="d", made="", dev=1, steps=0, classes=())
    data = journal.encoded(opened)
    assert len(data) == read(io.BytesIO(data + b'{"rec"\0\0' + end), "j").size


def test_zeros_between_lines_are_damage() -> None:
    opened = journal.encoded(journal.Opened(txn=TXN, root="/r", tool="t", digest="d", made="", dev=1, steps=0, classes=()))
    with pytest.raises(Refused, match="is damaged"):
        read(io.BytesIO(opened + b'{"rec"\0\0\n' + journal.encoded(journal.UndoEnded())), "j")


def test_a_line_of_a_journal_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docker_fsck.apply.story.LONGEST", 4 << 20)
    with pytest.raises(Refused, match="a line is longer than 4 MiB"):
        read(io.BytesIO(b"x" * (6 << 20)), "j")


def test_a_plan_that_no_journal_can_hold_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_root(tmp_path)
    monkeypatch.setattr("docker_fsck.apply.journal.LONGEST", 100)
    with pytest.raises(Refused, match="too large for one transaction"):
        apply(root, (PutAway(path="containers/c1"),))
    assert (root / "containers/c1").is_dir()


def test_what_was_verified_when_is_not_read_from_a_file_that_is_too_large(tmp_path: Path) -> None:
    root = healthy_root(tmp_path)
    deep = on(root, "check", "--level", "deep", "--state-dir", str(tmp_path / "state"))
    assert 0 == run(*deep).status
    blow(next((tmp_path / "state").rglob(FILE)))
    ended = run(*deep)
    assert (16, True) == (ended.status, "larger than 256 MiB" in ended.err)


def test_a_plan_that_is_too_large_is_none(tmp_path: Path) -> None:
    status, words = told("apply", str(blow(tmp_path / "plan.json")), "--yes", "--root", str(healthy_root(tmp_path).path))
    assert (16, True) == (status, "larger than 1024 MiB" in words)


def test_a_daemon_json_and_a_unit_that_are_too_large_name_no_root(tmp_path: Path) -> None:
    none = str(tmp_path / "none")
    places = Places(daemon_json=str(blow(tmp_path / "daemon.json", b"{")), proc=none, units=())
    with pytest.raises(UsageError, match="larger than 1 MiB"):
        choose(load({}, {}, os.devnull), places)
    unit = blow(tmp_path / "docker.service", b"[Service]\nExecStart=dockerd -g /elsewhere\n")
    assert none == choose(load({}, {}, os.devnull), Places(daemon_json=none, proc=none, units=(str(unit),), default=none)).path


def test_a_file_of_settings_that_is_too_large_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="larger than 16 MiB"):
        load({}, {}, str(blow(tmp_path / "config.toml", b"level = 1\n")))
