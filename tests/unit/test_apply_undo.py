"""Undo gives everything back, or refuses before its first step (interface promise 6)."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs
from test_apply_executor import immutable, mounted
from test_apply_kit import OLD, TXN, apply, make_root, mixed, needs_root, put, site_of, snapshot

from docker_fsck.apply import spares, writer
from docker_fsck.apply.history import history, unfinished
from docker_fsck.apply.tree import Tree
from docker_fsck.apply.undo import recover, undo
from docker_fsck.errors import FsckError, Refused, UsageError
from docker_fsck.host import User
from docker_fsck.values import MakeDir, PutAway, Relink, SetMeta, Step, WriteFile

LATER = "20240506T070810Z-cd34"


def test_undo_of_a_mixed_plan_gives_the_identical_tree(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    before = snapshot(root)
    apply(root, *mixed(root))
    assert before != snapshot(root)
    undone = undo(site_of(root), "last")
    assert before == snapshot(root)
    assert undone.txn == TXN
    assert undone.steps == tuple(range(29, -1, -1))
    assert undone.paths[-1] == "image/overlay2/repositories.json"


@pytest.mark.parametrize(
    "step",
    [
        PutAway(path="overlay2/id3"),
        PutAway(path="overlay2/l/LINK3"),
        PutAway(path="overlay2/id1/pipe"),
        PutAway(path="containers"),
        WriteFile(path="overlay2/id3/link", data=b"x"),
        WriteFile(path="overlay2/id3/new", data=b""),
        WriteFile(path="overlay2/l/LINK3", data=b"x"),
        WriteFile(path="overlay2/id3/diff", data=b"x"),
        WriteFile(path="overlay2/id1/pipe", data=b"x"),
        WriteFile(path="top", data=b"x"),
        Relink(path="overlay2/l/LINK3", target="y"),
        Relink(path="overlay2/l/NEW", target="y"),
        Relink(path="overlay2/id3/link", target="y"),
        Relink(path="overlay2/id3", target="y"),
        MakeDir(path="overlay2/id3/work"),
        MakeDir(path="top"),
        SetMeta(path="overlay2/id3", mode=0o1700),
        SetMeta(path="overlay2/id3/diff/bin/sh", mtime_ns=7),
        SetMeta(path="overlay2/l/LINK3", mtime_ns=7),
        SetMeta(path="overlay2/id3/diff/bin/sh", xattrs=(("user.note", b"x"), ("user.none", None))),
        SetMeta(path="overlay2/id3/diff", xattrs=(("user.note", b""),)),
    ],
    ids=lambda step: f"{type(step).__name__}-{step.path}",
)
def test_undo_of_one_step_gives_the_identical_tree(tmp_path: Path, step: Step) -> None:
    root = make_root(tmp_path)
    before = snapshot(root)
    assert apply(root, (step,)).done == (0,)
    assert before != snapshot(root)
    undo(site_of(root), TXN)
    assert before == snapshot(root)


def test_what_apply_wrote_is_kept_after_undo(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    apply(root, (WriteFile(path="overlay2/id3/link", data=b"WRITTEN"),))
    undo(site_of(root), TXN)
    assert [b"WRITTEN"] == [file.read_bytes() for file in (root / ".docker-fsck" / TXN / "u").iterdir()]


def occupied(root: Path) -> None:
    put(root, "containers/c1")


def rewritten(root: Path) -> None:
    (root / "image/overlay2/repositories.json").write_bytes(b'{"Repositories":{"b":{}}}')


def filled(root: Path) -> None:
    put(root, "image/overlay2/layerdb/mounts/m2/init-id")


def relinked(root: Path) -> None:
    (root / "overlay2/l/NEW").unlink()
    (root / "overlay2/l/NEW").symlink_to("../id5/diff")


def remoded(root: Path) -> None:
    (root / "overlay2/id3").chmod(0o700)


def noted(root: Path) -> None:
    os.setxattr(root / "overlay2/id3/diff", "user.note", b"another")


def test_undo_refuses_where_an_attribute_that_it_gave_is_another_now(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    apply(root, (SetMeta(path="overlay2/id3/diff", xattrs=(("user.note", b"ours"),)),))
    noted(root)
    with pytest.raises(Refused, match="overlay2/id3/diff: its attributes were changed since"):
        undo(site_of(root), TXN)


def test_an_attribute_that_no_file_can_have_is_skipped_and_nothing_stays_open(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    before = snapshot(root)
    done = apply(root, (SetMeta(path="overlay2/id3/diff", mode=0o700, xattrs=(("com.example", b"x"),)),))
    assert ((), 1) == (done.done, len(done.skipped))
    assert (None, before) == (unfinished(str(root)), snapshot(root))


def bare(root: Path) -> None:
    shutil.rmtree(root / "containers")


def emptied(root: Path) -> None:
    (root / ".docker-fsck" / TXN / "q" / "0").unlink()


@pytest.mark.parametrize(
    ("meddle", "named"),
    [
        (occupied, r"containers/c1: its place is occupied"), (rewritten, r"repositories\.json: it was changed since"),
        (filled, r"mounts/m2: something was put into it since"),
        (relinked, r"overlay2/l/NEW: its place is occupied"), (remoded, r"overlay2/id3: its mode or owner was changed since"),
        (bare, r"containers/c\d[^:]*: the folder in which it was is gone"),
        (emptied, r"repositories\.json: what stood there before is not in the quarantine"),
    ],
)  # fmt: skip
def test_undo_refuses_before_the_first_step_and_names_what_changed(
    tmp_path: Path, meddle: Callable[[Path], None], named: str
) -> None:
    root = make_root(tmp_path)
    apply(root, *mixed(root))
    meddle(root)
    before = snapshot(root)
    with pytest.raises(Refused, match=named):
        undo(site_of(root), TXN)
    assert before == snapshot(root)
    assert ["applied"] == [record.state for record in history(str(root))]
    assert unfinished(str(root)) is None


def test_times_of_a_folder_that_somebody_changed_since_stay_as_they_are(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    apply(root, (PutAway(path="containers/c1"), PutAway(path="overlay2/id3")))
    put(root, "containers/c3/config.v2.json")
    assert (root / "containers").stat().st_mtime_ns > OLD + 10_000
    undo(site_of(root), TXN)
    assert (root / "containers").stat().st_mtime_ns > OLD + 10_000
    assert (root / "overlay2").stat().st_mtime_ns < OLD + 10_000


def test_transactions_are_taken_back_one_by_one_newest_first_for_last(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    first = snapshot(root)
    apply(root, (PutAway(path="containers/c1"), WriteFile(path="overlay2/id3/link", data=b"1")))
    second = snapshot(root)
    apply(root, (PutAway(path="containers/c2"), WriteFile(path="overlay2/id3/link", data=b"2")), txn=LATER)
    with pytest.raises(Refused, match="overlay2/id3/link"):
        undo(site_of(root), TXN)
    assert undo(site_of(root), "last").txn == LATER
    assert second == snapshot(root)
    assert undo(site_of(root), "last").txn == TXN
    assert first == snapshot(root)
    with pytest.raises(UsageError, match="no transaction that could be undone"):
        undo(site_of(root), "last")


def test_an_older_transaction_that_no_later_one_touched_can_be_taken_back_alone(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    apply(root, (PutAway(path="containers/c1"),))
    apply(root, (PutAway(path="overlay2/id3"),), txn=LATER)
    undo(site_of(root), TXN)
    assert (root / "containers/c1").exists()
    assert not (root / "overlay2/id3").exists()


def test_an_unknown_transaction_is_a_usage_error_and_one_that_is_undone_is_refused(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    with pytest.raises(UsageError, match="no transaction 20240506T070810Z-cd34"):
        undo(site_of(root), LATER)
    apply(root, (PutAway(path="containers/c1"),))
    undo(site_of(root), TXN)
    with pytest.raises(Refused, match="is undone: it cannot be undone"):
        undo(site_of(root), TXN)


def test_undo_gives_back_only_what_was_done(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    before = snapshot(root)
    site = site_of(root, held=frozenset({"overlay2/id3"}))
    applied = apply(root, (PutAway(path="overlay2/id3"),), (PutAway(path="containers/c1"),), site=site)
    assert applied.done == (1,)
    assert undo(site_of(root), TXN).steps == (1,)
    assert before == snapshot(root)


def test_undo_refuses_beside_an_engine_and_under_a_held_path(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    apply(root, (PutAway(path="containers/c1"), PutAway(path="overlay2/id3")))
    before = snapshot(root)
    with pytest.raises(Refused, match="an engine uses this root"):
        undo(structs.replace(site_of(root), engine_processes=lambda _: (User(7, "dockerd", "runs"),)), TXN)
    with pytest.raises(Refused, match="overlay2/id3: a process has it"):
        undo(site_of(root, held=frozenset({"overlay2/id3/diff"})), TXN)
    assert before == snapshot(root)
    assert unfinished(str(root)) is None


@needs_root
def test_undo_refuses_if_a_file_system_is_mounted_over_a_home(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    before = snapshot(root)
    apply(root, (PutAway(path="containers/c1"), PutAway(path="overlay2/id3/link")))
    with (
        mounted("-t", "tmpfs", "none", str(root / "overlay2/id3")),
        pytest.raises(Refused, match="another file system is mounted on overlay2/id3"),
    ):
        undo(site_of(root), TXN)
    undo(site_of(root), TXN)
    assert before == snapshot(root)


@needs_root
def test_an_undo_that_the_kernel_stops_is_ended_by_recover(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    before = snapshot(root)
    apply(root, (PutAway(path="containers/c1"), PutAway(path="overlay2/id3/link", rank=7)))
    with immutable(root / "containers"), pytest.raises(FsckError, match="docker-fsck recover goes on with it"):
        undo(site_of(root), TXN)
    assert unfinished(str(root)) == TXN
    assert (root / "overlay2/id3/link").exists()
    recover(site_of(root))
    assert before == snapshot(root)


def test_after_journals_could_not_begin_elsewhere_one_that_can_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_root(tmp_path)
    before = snapshot(root)

    def full(*_given: object, **_named: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    def begin(txn: str) -> None:
        (tmp_path / txn).mkdir()
        site = structs.replace(site_of(root), journal_dir=str(tmp_path / txn))
        apply(root, (PutAway(path="containers/c1"),), site=site, txn=txn)

    with monkeypatch.context() as less:
        less.setattr(writer, "reserve", full)
        with pytest.raises(Refused, match="no journal can be made"):
            begin("20240102T000000Z-ab12")
        spares.set_aside(Tree(str(root)))
        less.setattr(os, "symlink", full)  # there is no room for a link either: the file that was set aside takes the path
        with pytest.raises(Refused, match="no journal can be made"):
            begin("20240102T000001Z-ab12")
    begin(LATER)
    assert [(LATER, "applied")] == [(record.txn, record.state) for record in history(str(root))]
    undo(site_of(root), LATER)
    assert before == snapshot(root)


def test_a_journal_elsewhere_is_found_by_the_link_and_where_it_was_moved_to(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    before = snapshot(root)
    for name in ("books", "moved"):
        (tmp_path / name).mkdir()
    apply(root, (PutAway(path="containers/c1"),), site=structs.replace(site_of(root), journal_dir=str(tmp_path / "books")))
    assert sorted(os.listdir(root / ".docker-fsck" / TXN)) == ["journal", "q", "t", "u"]
    assert ["applied"] == [record.state for record in history(str(root))]
    (tmp_path / "books" / f"{TXN}.jsonl").rename(tmp_path / "moved" / f"{TXN}.jsonl")
    assert unfinished(str(root)) == TXN
    with pytest.raises(Refused, match="--journal-dir says where it was put"):
        recover(site_of(root))
    assert unfinished(str(root), str(tmp_path / "moved")) is None
    undo(structs.replace(site_of(root), journal_dir=str(tmp_path / "moved")), TXN)
    assert before == snapshot(root)
