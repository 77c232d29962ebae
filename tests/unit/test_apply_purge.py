"""Purge, the only deletion, and the list of transactions (interface promises 4, 15, 21)."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from freezegun import freeze_time
from msgspec import structs
from test_apply_executor import fill, immutable, mounted
from test_apply_kit import NOW, TXN, apply, in_child, killer, make_root, mixed, needs_root, plan_of, put, site_of, snapshot

from docker_fsck.apply.executor import execute
from docker_fsck.apply.history import Record, expired, history, txn_id, unfinished
from docker_fsck.apply.purge import purge
from docker_fsck.apply.undo import undo
from docker_fsck.errors import Refused, RootError, UsageError
from docker_fsck.values import MakeDir, PutAway, WriteFile

LATER = "20240506T070810Z-cd34"


def quarantine(root: Path) -> list[str]:
    """What lies in the quarantine, beside what is set aside for a full disk."""
    return sorted(name for name in os.listdir(root / ".docker-fsck") if name != "spare")


def test_purge_removes_the_quarantine_of_a_transaction_and_nothing_else(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    put(root, "overlay2/id0/diff/big", b"x" * 1_000_000)
    apply(root, *mixed(root))
    apply(root, (PutAway(path="overlay2/id3"),), txn=LATER)
    before = snapshot(root)
    purged = purge(site_of(root), [TXN])
    assert purged.txns == (TXN,)
    assert purged.left == ()
    assert purged.freed >= 1_000_000
    assert before == snapshot(root)
    assert [LATER, "history.jsonl"] == quarantine(root)
    with pytest.raises(Refused, match="is purged: it cannot be undone"):
        undo(site_of(root), TXN)
    undo(site_of(root), LATER)


def test_freed_bytes_count_a_file_with_two_names_once_and_only_if_no_name_is_left(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for n, name in enumerate(("a", "b")):
        put(root, f"{name}/one", b"x" * 40_960)
        if n:
            os.link(root / "b/one", root / "b/two")
    os.link(root / "a/one", root / "elsewhere")
    sizes = {name: sum(file.lstat().st_blocks * 512 for file in (root / name, root / name / "one")) for name in ("a", "b")}
    apply(root, (PutAway(path="a"),))
    apply(root, (PutAway(path="b"),), txn=LATER)
    empty = 5 * (root / ".docker-fsck" / TXN / "t").stat().st_blocks * 512
    journal = (root / ".docker-fsck" / TXN / "journal.jsonl").stat().st_blocks * 512
    assert (
        purge(site_of(root), [LATER]).freed - purge(site_of(root), [TXN]).freed == 40_960 + 4096
    )  # the file that was set aside for a full disk
    assert sizes["b"] + empty + journal > 40_960


def test_links_in_the_quarantine_are_removed_and_never_followed(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    outside = put(tmp_path, "outside/precious").parent
    (root / "overlay2/id3/diff/out").symlink_to(outside)
    (root / "overlay2/id3/diff/up").symlink_to("../../../..")
    before = snapshot(outside)
    apply(root, (PutAway(path="overlay2/id3"),))
    purge(site_of(root), [TXN])
    assert before == snapshot(outside)
    assert ["history.jsonl"] == quarantine(root)


@needs_root
def test_a_mount_in_the_quarantine_is_left_and_named(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    precious = put(root, "containers/c2/precious").parent
    apply(root, (PutAway(path="overlay2/id3"),))
    where = root / ".docker-fsck" / TXN / "q/0/diff"
    subprocess.run(["mount", "--bind", precious, where], check=True)
    try:
        purged = purge(site_of(root), [TXN])
        assert purged.txns == ()
        assert [(f".docker-fsck/{TXN}.purging/q/0/diff", "another file system is mounted here")] == [
            (skip.path, skip.why) for skip in purged.left
        ]
        assert sorted(os.listdir(precious)) == ["config.v2.json", "precious"]
    finally:
        subprocess.run(["umount", root / ".docker-fsck" / f"{TXN}.purging" / "q/0/diff"], check=True)
    assert purge(site_of(root), []).txns == (TXN,)
    assert ["history.jsonl"] == quarantine(root)


@needs_root
def test_what_cannot_be_removed_is_named_and_the_rest_goes(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    apply(root, (PutAway(path="overlay2/id3"), PutAway(path="overlay2/id4")))
    with immutable(root / ".docker-fsck" / TXN / "q/0/diff/bin/sh"):
        purged = purge(site_of(root), [TXN])
        assert [f".docker-fsck/{TXN}.purging/q/0/diff/bin/sh"] == [skip.path for skip in purged.left]
        assert ["0"] == os.listdir(root / ".docker-fsck" / f"{TXN}.purging" / "q")
        (root / ".docker-fsck" / f"{TXN}.purging").rename(root / ".docker-fsck" / TXN)
    purge(site_of(root), [TXN])
    assert ["history.jsonl"] == quarantine(root)


def test_a_held_quarantine_is_left(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    apply(root, (PutAway(path="overlay2/id3"),))
    purged = purge(site_of(root, held=frozenset({f".docker-fsck/{TXN}/q/0/diff"})), [TXN])
    assert [f".docker-fsck/{TXN}/q/0/diff"] == [skip.path for skip in purged.left]
    assert [TXN] == quarantine(root)


def test_a_very_deep_tree_is_removed(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    fd = os.open(root / "overlay2/id3", os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    apply(root, (PutAway(path="overlay2/id3"),))
    assert purge(site_of(root), [TXN]).left == ()
    assert ["history.jsonl"] == quarantine(root)


def test_a_killed_purge_is_ended_by_the_next(tmp_path: Path) -> None:
    real = os.unlink

    def die_at(at: int) -> None:
        seen = iter(range(1000))

        def unlink(*args: object, **kwargs: object) -> None:
            if next(seen) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            real(*args, **kwargs)

        os.unlink = unlink

    def job(root: Path, at: int) -> None:
        die_at(at)
        purge(site_of(root), [TXN])

    for at in range(100):
        root = make_root(tmp_path / str(at))
        apply(root, (PutAway(path="overlay2/id3"), PutAway(path="overlay2/id4"), WriteFile(path="overlay2/id5/link", data=b"x")))
        before = snapshot(root)
        if in_child(lambda root=root, at=at: job(root, at)) == 0:
            break
        assert ["purged"] == [record.state for record in history(str(root))]
        assert unfinished(str(root)) is None
        with pytest.raises(Refused, match="purged"):
            undo(site_of(root), TXN)
        assert purge(site_of(root), []).txns == (TXN,)
        assert ["history.jsonl"] == quarantine(root)
        assert [(TXN, "purged", 3)] == [(record.txn, record.state, record.steps) for record in history(str(root))]
        assert before == snapshot(root)
        shutil.rmtree(root)
    assert at > 5


@needs_root
def test_purge_works_on_a_full_disk(tmp_path: Path) -> None:
    (disk := tmp_path / "disk").mkdir()
    with mounted("-t", "tmpfs", "-o", "size=512k", "none", str(disk)):
        root = make_root(disk)
        apply(root, (PutAway(path="overlay2/id3"),))
        fill(disk)
        assert purge(site_of(root), [TXN]).left == ()
        assert ["purged"] == [record.state for record in history(str(root))]


def test_purge_refuses_while_a_transaction_is_unfinished_and_knows_only_what_is_there(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    with pytest.raises(UsageError, match="no transaction"):
        purge(site_of(root), [TXN])
    assert purge(site_of(root), []).txns == ()
    assert not (root / ".docker-fsck").exists()
    apply(root, (PutAway(path="overlay2/id3"),))
    assert (
        in_child(lambda: apply(root, *mixed_rest(), txn=LATER, site=site_of(root, watch=killer(1, frozenset({"done"})))))
        == signal.SIGKILL
    )
    for txn in (TXN, LATER):
        with pytest.raises(Refused, match=f"{LATER} is unfinished"):
            purge(site_of(root), [txn])
    assert [LATER, TXN] == sorted(quarantine(root), reverse=True)


def mixed_rest() -> Iterator[tuple[PutAway, ...]]:
    """Two actions of one step."""
    yield (PutAway(path="containers/c1"),)
    yield (PutAway(path="containers/c2"),)


def test_only_transactions_older_than_the_retention_expire(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    with freeze_time("2024-05-01T00:00:00Z") as clock:
        for suffix, path in (("aa", "containers/c1"), ("bb", "containers/c2"), ("cc", "overlay2/id3")):
            now = datetime.now(UTC)
            execute(plan_of(root, (PutAway(path=path),)), site_of(root), txn=txn_id(now, suffix), now=now)
            clock.tick(timedelta(days=7))
        names = ("20240501T000000Z-aa", "20240508T000000Z-bb", "20240515T000000Z-cc")
        assert expired(str(root), timedelta(days=14), datetime.now(UTC)) == names[:1]
        clock.tick(timedelta(seconds=1))
        assert expired(str(root), timedelta(days=14), datetime.now(UTC)) == names[:2]
        clock.move_to("2024-04-01T00:00:00Z")
        assert expired(str(root), timedelta(0), datetime.now(UTC)) == ()
        clock.move_to("2024-05-22T00:00:01Z")
        purge(site_of(root), expired(str(root), timedelta(days=14), datetime.now(UTC)))
        assert expired(str(root), timedelta(days=14), datetime.now(UTC)) == ()
    assert ["purged", "purged", "applied"] == [record.state for record in history(str(root))]


def test_history_lists_every_transaction_oldest_first(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    assert history(str(root)) == []
    apply(root, (PutAway(path="containers/c1"),), (MakeDir(path="new"),), site=site_of(root, held=frozenset({"new"})), txn=LATER)
    apply(root, (PutAway(path="containers/c2"),))
    undo(site_of(root), TXN)
    common = {"made": "2024-05-06T07:08:09Z", "classes": ("reclaim",)}
    assert history(str(root)) == [
        Record(txn=TXN, state="undone", steps=1, done=1, bytes=4096, **common),
        Record(txn=LATER, state="applied", steps=2, done=1, skipped=1, bytes=4096, **common),
    ]
    purge(site_of(root), [TXN])
    assert history(str(root))[0] == Record(txn=TXN, state="purged", steps=1, done=1, bytes=4096, **common)


def test_history_changes_nothing_not_even_an_atime(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    apply(root, *mixed(root))
    purge(site_of(root), [TXN])
    apply(root, (PutAway(path="containers/c2"),), txn=LATER)
    times = {}
    for path in sorted(root.rglob("*")):
        if not path.is_symlink():
            os.utime(path, ns=(1, path.stat().st_mtime_ns))
            times[path] = path.stat().st_ctime_ns
    history(str(root))
    assert unfinished(str(root)) is None
    assert {1} == {path.stat().st_atime_ns for path in times}
    assert times == {path: path.stat().st_ctime_ns for path in times}


def test_history_survives_whatever_lies_in_the_quarantine(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    apply(root, (PutAway(path="containers/c1"),))
    put(root, ".docker-fsck/20240506T070811Z-ee", b"a file")
    put(root, ".docker-fsck/20240506T070812Z-ff/journal.jsonl", b"\0\xff garbage\n" * 9)
    put(root, ".docker-fsck/20249999T999999Z-gg/journal.jsonl", b"")
    put(root, ".docker-fsck/20240506T070813Z-hh/journal.jsonl", b'{"rec":"open","schema":"docker-fsck/journal/9.0"}\n')
    (root / ".docker-fsck/20240506T070814Z-ii").symlink_to("/etc")
    put(root, ".docker-fsck/history.jsonl", b'garbage\n{"txn":1}\n\xff\n')
    put(root, ".docker-fsck/lock", b"")
    assert [TXN] == [record.txn for record in history(str(root))]
    assert unfinished(str(root)) is None
    put(root, ".docker-fsck/20240506T070812Z-ff/q/0")
    assert unfinished(str(root)) == "20240506T070812Z-ff"
    with pytest.raises(RootError):
        history(str(tmp_path / "none"))


def test_a_transaction_of_many_folders_is_told_by_a_short_look_at_its_journal(tmp_path: Path) -> None:
    root = tmp_path / "root"
    paths = [f"overlay2/{n:064}/link" for n in range(400)]
    for path in paths:
        put(root, path)
    apply(root, *((WriteFile(path=path, data=b"x"),) for path in paths))
    assert (root / ".docker-fsck" / TXN / "journal.jsonl").stat().st_size > 200_000
    assert [("applied", 400)] == [(record.state, record.done) for record in history(str(root))]
    assert in_child(lambda: undo(site_of(root, watch=killer(0, frozenset({"undoing"}))), TXN)) == signal.SIGKILL
    assert [("undoing", 400)] == [(record.state, record.done) for record in history(str(root))]


def test_a_transaction_that_was_killed_before_its_first_step_is_not_listed_and_expires(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    site = site_of(root, watch=killer(0, frozenset({"starts", "checked"})))
    assert in_child(lambda: apply(root, (PutAway(path="containers/c1"),), site=site)) == signal.SIGKILL
    for shelf in ("q", "t", "u"):
        (root / ".docker-fsck" / TXN / shelf).mkdir(parents=True)
    assert history(str(root)) == []
    assert unfinished(str(root)) is None
    assert expired(str(root), timedelta(days=1), NOW + timedelta(days=2)) == (TXN,)
    assert purge(site_of(root), [TXN]).txns == (TXN,)


def test_purge_leaves_a_journal_that_was_put_elsewhere(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    (tmp_path / "books").mkdir()
    site = structs.replace(site_of(root), journal_dir=str(tmp_path / "books"))
    apply(root, (PutAway(path="containers/c1"),), site=site)
    purge(site, [TXN])
    assert ["history.jsonl"] == quarantine(root)
    assert [f"{TXN}.jsonl"] == os.listdir(tmp_path / "books")


def test_the_name_of_a_transaction_is_its_beginning_in_utc() -> None:
    assert txn_id(datetime.fromisoformat("2024-05-06T09:08:09+02:00"), "ab12") == TXN
