"""Apply, undo and recover are killed everywhere, and the tree is whole afterwards: before, or after (promise 5)."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_apply_kit import TXN, apply, in_child, killer, make_root, mixed, shape, site_of, snapshot

from docker_fsck.apply import kernel, writer
from docker_fsck.apply.history import history, unfinished
from docker_fsck.apply.undo import finish, recover, undo
from docker_fsck.errors import Refused
from docker_fsck.values import MakeDir, PutAway, Relink, SetMeta, Step, WriteFile

EVENTS = frozenset({"starts", "done"})
BACK = frozenset({"undoing", "undone"})
CALLS = (
    "rename",
    "link",
    "mkdir",
    "symlink",
    "fchown",
    "fchmod",
    "chown",
    "chmod",
    "utime",
    "fsync",
    "fdatasync",
    "pwrite",
    "write",
    "ftruncate",
)
Groups = tuple[tuple[Step, ...], ...]


def few(_: Path) -> Groups:
    """One step of every kind and way, for the series that are killed at every call."""
    return (
        (
            WriteFile(path="image/overlay2/repositories.json", data=b"{}", mode=0o600),
            WriteFile(path="overlay2/id3/lower", data=b"l/X"),
        ),
        (WriteFile(path="overlay2/id4/diff", data=b"a file now"), Relink(path="overlay2/l/LINK2", target="../id2/other")),
        (Relink(path="overlay2/id5/diff", target="x"), MakeDir(path="overlay2/id6/work"), MakeDir(path="overlay2/id6/work/work")),
        (SetMeta(path="overlay2/id2/diff/bin/sh", mode=0o600, uid=7, mtime_ns=5, xattrs=(("user.note", b"x"),)),),
        (PutAway(path="overlay2/id0", rank=7), PutAway(path="containers/c1", rank=3)),
    )


def calls_until(at: int) -> Callable[[], None]:
    """Prepares a child that dies right after its call number `at` that changes something on the disk."""
    seen = 0

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal seen
            result = real(*args, **kwargs)
            if seen == at:
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)
            seen += 1
            return result

        return call

    def arm() -> None:
        for name in CALLS:
            setattr(os, name, counted(getattr(os, name)))
        writer.renameat2 = counted(kernel.renameat2)

    return arm


def until_it_survives(tmp_path: Path, run: Callable[[Path, int], int], check: Callable[[Path], None]) -> int:
    """Kill a fresh copy at 0, 1, 2, … until one comes to its end; gives how many were killed."""
    for at in range(2000):
        root = make_root(tmp_path / str(at))
        ended = run(root, at)
        if ended == 0:
            return at
        check(root)
        shutil.rmtree(tmp_path / str(at))
    raise AssertionError("it never came to its end")


def killed_apply(make: Callable[[Path], Groups]) -> Callable[[Path, int], int]:
    def run(root: Path, at: int) -> int:
        before[root] = snapshot(root)
        return in_child(lambda: apply(root, *make(root), site=site_of(root, watch=killer(at, EVENTS))))

    before.clear()
    return run


def killed_anywhere(make: Callable[[Path], Groups]) -> Callable[[Path, int], int]:
    def run(root: Path, at: int) -> int:
        (root / ".docker-fsck").mkdir(0o700)  # the very first call of all, between which and the next the root's mtime is new
        before[root] = snapshot(root)
        groups = make(root)

        def job() -> None:
            calls_until(at)()
            apply(root, *groups)

        return in_child(job)

    before.clear()
    return run


before: dict[Path, dict[str, tuple[object, ...]]] = {}


def is_before(root: Path) -> None:
    recover(site_of(root))
    if ["applied"] == [record.state for record in history(str(root))]:  # killed after its end was written
        undo(site_of(root), "last")
    assert before[root] == snapshot(root)
    assert unfinished(str(root)) is None


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, tuple[object, ...]]]:
    """How the tree looks after an apply that nobody disturbed."""
    found = {}
    for make in (mixed, few):
        root = make_root(tmp_path_factory.mktemp("wanted"))
        apply(root, *make(root))
        found[make.__name__] = shape(root)
    return found


def test_killed_before_and_after_each_step_recover_gives_the_tree_from_before(tmp_path: Path) -> None:
    assert until_it_survives(tmp_path, killed_apply(mixed), is_before) == 60


def test_killed_before_and_after_each_step_finish_gives_the_tree_from_after(tmp_path: Path, wanted: dict[str, Any]) -> None:
    def is_after(root: Path) -> None:
        applied = finish(site_of(root))
        if applied is None:  # killed before the first step: there is nothing to finish
            assert before[root] == snapshot(root)
            return
        assert applied.skipped == ()
        assert wanted["mixed"] == shape(root)
        assert ["applied"] == [record.state for record in history(str(root))]
        undo(site_of(root), "last")
        assert before[root] == snapshot(root)

    assert until_it_survives(tmp_path, killed_apply(mixed), is_after) == 60


def test_killed_after_any_call_that_changes_the_disk_recover_gives_the_tree_from_before(tmp_path: Path) -> None:
    assert until_it_survives(tmp_path, killed_anywhere(few), is_before) > 80


def test_killed_after_any_call_that_changes_the_disk_finish_gives_the_tree_from_after(
    tmp_path: Path, wanted: dict[str, Any]
) -> None:
    def is_after(root: Path) -> None:
        finish(site_of(root))
        if listed := history(str(root)):  # else it was killed before the first step
            assert [("applied", 10, 0)] == [(record.state, record.done, record.skipped) for record in listed]
            assert wanted["few"] == shape(root)
            undo(site_of(root), "last")
        assert before[root] == snapshot(root)

    assert until_it_survives(tmp_path, killed_anywhere(few), is_after) > 80


def test_killed_inside_undo_at_every_step_recover_ends_it(tmp_path: Path) -> None:
    def run(root: Path, at: int) -> int:
        before[root] = snapshot(root)
        apply(root, *mixed(root))
        return in_child(lambda: undo(site_of(root, watch=killer(at, BACK)), TXN))

    def check(root: Path) -> None:
        assert unfinished(str(root)) == TXN
        with pytest.raises(Refused, match="recover goes on"):
            finish(site_of(root))
        is_before(root)
        assert ["undone"] == [record.state for record in history(str(root))]

    assert until_it_survives(tmp_path, run, check) == 60


def test_killed_inside_undo_after_any_call_that_changes_the_disk_the_tree_from_before_comes_back(tmp_path: Path) -> None:
    def run(root: Path, at: int) -> int:
        before[root] = snapshot(root)
        apply(root, *few(root))

        def job() -> None:
            calls_until(at)()
            undo(site_of(root), TXN)

        return in_child(job)

    assert until_it_survives(tmp_path, run, is_before) > 30


@pytest.mark.parametrize("first", [24, 59])
def test_recover_that_is_killed_itself_is_ended_by_the_next(tmp_path: Path, first: int) -> None:
    def run(root: Path, at: int) -> int:
        before[root] = snapshot(root)
        assert in_child(lambda: apply(root, *mixed(root), site=site_of(root, watch=killer(first, EVENTS)))) == signal.SIGKILL
        return in_child(lambda: recover(site_of(root, watch=killer(at, BACK))))

    assert until_it_survives(tmp_path, run, is_before) in {first, first + 1}


@pytest.mark.parametrize("first", [24])
def test_finish_that_is_killed_itself_can_be_finished_and_taken_back(tmp_path: Path, first: int, wanted: dict[str, Any]) -> None:
    def run(root: Path, at: int) -> int:
        before[root] = snapshot(root)
        assert in_child(lambda: apply(root, *mixed(root), site=site_of(root, watch=killer(first, EVENTS)))) == signal.SIGKILL
        return in_child(lambda: finish(site_of(root, watch=killer(at, EVENTS))))

    def check(root: Path) -> None:
        finish(site_of(root))
        assert wanted["mixed"] == shape(root)
        undo(site_of(root), "last")
        assert before[root] == snapshot(root)

    assert until_it_survives(tmp_path, run, check) >= 60 - first - 1


def test_a_torn_last_line_of_the_journal_is_passed_over(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    was = snapshot(root)
    assert in_child(lambda: apply(root, *mixed(root), site=site_of(root, watch=killer(50, EVENTS)))) == signal.SIGKILL
    book = root / ".docker-fsck" / TXN / "journal.jsonl"
    whole = book.read_bytes()
    for tail in (b"{", b'{"rec":"done","batch":9,"do', b"\0" * 900, b'{"rec":\0\0\0\n\0\0'):
        book.write_bytes(whole + tail)
        assert unfinished(str(root)) == TXN
    recover(site_of(root))
    assert was == snapshot(root)
    assert book.read_bytes().endswith(b'{"rec":"undo-end"}\n')


def test_a_journal_that_is_damaged_in_the_middle_is_refused_and_nothing_is_done(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    assert in_child(lambda: apply(root, *mixed(root), site=site_of(root, watch=killer(50, EVENTS)))) == signal.SIGKILL
    book = root / ".docker-fsck" / TXN / "journal.jsonl"
    lines = book.read_bytes().splitlines(keepends=True)
    book.write_bytes(b"".join([*lines[:2], b"garbage\n", *lines[2:]]))
    was = snapshot(root)
    for job in (recover, finish):
        with pytest.raises(Refused, match="damaged"):
            job(site_of(root))
    assert was == snapshot(root)


def test_a_rename_that_power_loss_took_back_though_the_journal_has_it_does_not_disturb_recover_or_finish(tmp_path: Path) -> None:
    for at, job in enumerate((recover, finish)):
        root = make_root(tmp_path / str(at))
        was = snapshot(root)
        apply(root, *few(root))
        book = root / ".docker-fsck" / TXN / "journal.jsonl"
        lines = book.read_bytes().splitlines(keepends=True)
        book.write_bytes(b"".join(line for line in lines if b'"rec":"end"' not in line))
        (root / "overlay2/id3/lower").rename(root / ".docker-fsck" / TXN / "t" / "1")
        job(site_of(root))
        assert (job is finish) == (root / "overlay2/id3/lower").exists()
        if job is finish:
            undo(site_of(root), TXN)
        assert was == snapshot(root)


def test_finish_refuses_before_the_first_step_if_a_remaining_precondition_fails(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    assert in_child(lambda: apply(root, *mixed(root), site=site_of(root, watch=killer(20, EVENTS)))) == signal.SIGKILL
    (root / "containers/c2/config.v2.json").write_bytes(b"changed")
    was = snapshot(root)
    with pytest.raises(Refused, match=r"containers/c2/config.v2.json \(changed\)"):
        finish(site_of(root))
    assert was == snapshot(root)


def test_every_other_change_waits_for_recover(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    assert in_child(lambda: apply(root, *mixed(root), site=site_of(root, watch=killer(20, EVENTS)))) == signal.SIGKILL
    was = snapshot(root)
    with pytest.raises(Refused, match="recover comes first"):
        apply(root, (PutAway(path="containers/c2"),), txn="20240506T070810Z-cd34")
    with pytest.raises(Refused, match="unfinished"):
        undo(site_of(root), "last")
    assert was == snapshot(root)


def test_there_is_nothing_to_recover_on_a_root_that_was_never_changed(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    assert recover(site_of(root)) is None
    assert finish(site_of(root)) is None
    assert unfinished(str(root)) is None
    assert not (root / ".docker-fsck").exists()
