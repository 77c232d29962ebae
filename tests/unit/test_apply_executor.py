"""What the executor does, skips and refuses (interface promises 4, 5, 8, 13, 14, 21)."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from test_apply_kit import (
    NOW,
    OLD,
    TXN,
    FakeLock,
    FakeView,
    apply,
    guard_of,
    make_root,
    mixed,
    needs_root,
    plan_of,
    put,
    shape,
    site_of,
    snapshot,
)  # fmt: skip

from docker_fsck import host
from docker_fsck.apply.executor import execute
from docker_fsck.apply.history import history
from docker_fsck.apply.purge import purge
from docker_fsck.apply.site import Event, Site
from docker_fsck.apply.undo import finish, recover, undo
from docker_fsck.errors import Refused
from docker_fsck.host import User
from docker_fsck.values import Action, Guard, MakeDir, Plan, PutAway, Relink, SetMeta, Step, WriteFile

Groups = tuple[tuple[Step, ...], ...]


@contextmanager
def mounted(*command: str) -> Iterator[None]:
    """A mount for the length of a block; the last word is the mount point."""
    subprocess.run(["mount", *command], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", command[-1]], check=True)


@contextmanager
def immutable(path: Path) -> Iterator[None]:
    """Chattr +i for the length of a block."""
    done = subprocess.run(["chattr", "+i", path], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"chattr +i does not work here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", path], check=True)


def fill(disk: Path) -> None:
    """Leave no block free on the disk."""
    with (disk / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    assert os.statvfs(disk).f_bavail == 0


def changed(before: dict[str, tuple[object, ...]], after: dict[str, tuple[object, ...]]) -> set[str]:
    """The paths at which two snapshots differ."""
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


def at(moment: str, path: str, act: Callable[[], object]) -> Callable[[Event], None]:
    """A watch that acts once, at `moment` of the step on `path`."""
    todo = [act]

    def watch(event: Event) -> None:
        if event.what == moment and event.path == path and todo:
            todo.pop()()

    return watch


def test_every_step_of_a_mixed_plan_is_done(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    groups = mixed(root)
    applied = apply(root, *groups)
    assert applied.skipped == ()
    assert applied.done == tuple(range(30))
    assert not applied.interrupted
    assert applied.quarantine == f".docker-fsck/{TXN}"
    assert applied.bytes_quarantined == 4096 * len(groups)
    assert (root / "image/overlay2/layerdb/mounts/m2/mount-id").read_bytes() == b"id7"
    assert os.readlink(root / "overlay2/l/LINK2") == "../id2/other"
    assert (root / "overlay2/id2/diff/bin/sh").stat().st_mode & 0o7777 == 0o600
    assert (root / "overlay2/id2/diff/bin/sh").stat().st_mtime_ns == OLD + 5
    assert (root / "overlay2/id6/work/work").stat().st_mode & 0o7777 == 0
    assert not (root / "overlay2/id4").exists()


@needs_root
def test_new_things_get_mode_and_owner_of_the_plan_whatever_the_umask_says(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    mask = os.umask(0o077)
    try:
        apply(root, (
            WriteFile(path="new", data=b"x", mode=0o644, uid=11, gid=12), MakeDir(path="folder", mode=0o755, uid=13, gid=14),
            Relink(path="pointer", target="x", uid=15, gid=16), SetMeta(path="containers/c1", mode=0o2775, uid=17),
        ))  # fmt: skip
    finally:
        os.umask(mask)
    found = {name: os.lstat(root / name) for name in ("new", "folder", "pointer", "containers/c1")}
    assert (found["new"].st_mode & 0o7777, found["new"].st_uid, found["new"].st_gid) == (0o644, 11, 12)
    assert (found["folder"].st_mode & 0o7777, found["folder"].st_uid, found["folder"].st_gid) == (0o755, 13, 14)
    assert (found["pointer"].st_uid, found["pointer"].st_gid) == (15, 16)
    assert (found["containers/c1"].st_mode & 0o7777, found["containers/c1"].st_uid, found["containers/c1"].st_gid) == (
        0o2775,
        17,
        0,
    )


def test_only_paths_that_the_plan_names_change_but_for_their_folders_times(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    before = snapshot(root, times=False)
    plan = plan_of(root, *mixed(root))
    execute(plan, site_of(root), txn=TXN, now=NOW)
    named = {step.raw for action in plan.actions for step in action.steps}
    folders = {os.path.dirname(path) for path in named}
    for path in changed(before, snapshot(root, times=False)):  # of a folder only the link count may change
        assert path in folders or any(path == each or path.startswith(f"{each}/") for each in named), path


def test_a_file_with_two_names_is_rewritten_under_one_and_stays_under_the_other(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    before = snapshot(root)
    apply(root, (WriteFile(path="overlay2/id0/link", data=b"NEW"),))
    assert (root / "overlay2/id0/link").read_bytes() == b"NEW"
    assert (root / "overlay2/id0/link-again").read_bytes() == b"LINK0"
    undo(site_of(root), TXN)
    assert before == snapshot(root)


def test_both_names_of_one_file_can_be_rewritten_by_one_plan(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    before = snapshot(root)
    applied = apply(
        root, (WriteFile(path="overlay2/id0/link", data=b"A"),), (WriteFile(path="overlay2/id0/link-again", data=b"B"),)
    )
    assert applied.skipped == ()
    undo(site_of(root), TXN)
    assert before == snapshot(root)


def test_a_guard_on_a_folder_holds_though_an_earlier_step_of_the_plan_worked_in_it(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    applied = apply(
        root,
        (PutAway(path="overlay2/id3/link", rank=1), PutAway(path="overlay2/id3", rank=7)),
        (SetMeta(path="overlay2", mode=0o700, rank=8),),
    )
    assert applied.skipped == ()


def test_the_journal_has_every_step_on_the_disk_before_it_is_begun(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    book = root / ".docker-fsck" / TXN / "journal.jsonl"
    seen = []

    def watch(event: Event) -> None:
        if event.what == "starts":
            records = [json.loads(line) for line in book.read_bytes().splitlines()]
            assert any(event.n in {was["n"] for was in record["was"]} for record in records if record["rec"] == "begin")
            seen.append(event.n)

    apply(root, *mixed(root), site=site_of(root, watch=watch))
    assert list(range(30)) == seen


def test_many_steps_are_journalled_in_batches_of_256(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for n in range(600):
        put(root, f"overlay2/l/{n:03}")
    before = snapshot(root)
    applied = apply(root, *((PutAway(path=f"overlay2/l/{n:03}"),) for n in range(600)))
    assert len(applied.done) == 600
    lines = (root / ".docker-fsck" / TXN / "journal.jsonl").read_bytes().splitlines()
    assert [256, 256, 88] == [len(record["was"]) for record in map(json.loads, lines) if record["rec"] == "begin"]
    undo(site_of(root), TXN)
    assert before == snapshot(root)


def test_a_stale_plan_is_refused_with_its_paths_and_nothing_is_made(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    plan = plan_of(
        root, (PutAway(path="containers/c1"),), (WriteFile(path="overlay2/id3/link", data=b"x"),), (MakeDir(path="new"),)
    )
    put(root, "containers/c1/late")
    (root / "overlay2/id3/link").write_bytes(b"other")
    put(root, "new")
    before = snapshot(root)
    with pytest.raises(
        Refused,
        match=r"^stale plan: containers/c1 \(changed\), overlay2/id3/link \(changed\), new \(something stands there now\)$",
    ):
        execute(plan, site_of(root), txn=TXN, now=NOW)
    assert before == snapshot(root)
    assert history(str(root)) == []
    assert not (root / ".docker-fsck" / TXN).exists()


def test_a_changed_content_is_seen_even_if_size_and_times_are_the_same(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    plan = plan_of(root, (WriteFile(path="overlay2/id3/link", data=b"x"),))
    action = plan.actions[0]
    wrong = structs.replace(action, pre=(structs.replace(action.pre[0], sha256="0" * 64),))
    with pytest.raises(Refused, match="its content changed"):
        execute(structs.replace(plan, actions=(wrong,)), site_of(root), txn=TXN, now=NOW)


def test_what_changes_at_the_last_moment_is_skipped_with_the_rest_of_its_action(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    watch = at("starts", "overlay2/l/LINK0", (root / "overlay2/l/LINK0").unlink)
    chain = (PutAway(path="image/overlay2/layerdb/sha256/chain0"), PutAway(path="overlay2/l/LINK0"), PutAway(path="overlay2/id0"))
    applied = apply(root, chain, (PutAway(path="containers/c1"),), site=site_of(root, watch=watch))
    assert applied.done == (0, 3)
    assert [(1, "gone"), (2, "not without the rest of its action: overlay2/l/LINK0: gone")] == [
        (skip.n, skip.why) for skip in applied.skipped
    ]
    assert (root / "overlay2/id0").exists()
    assert not (root / "containers/c1").exists()


def test_a_later_guard_of_an_action_that_fails_keeps_its_first_step_from_being_done(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    watch = at("starts", "containers/c1", lambda: put(root, "overlay2/id3/late"))
    applied = apply(root, (PutAway(path="containers/c1"), PutAway(path="overlay2/id3")), site=site_of(root, watch=watch))
    assert applied.done == ()
    assert applied.skipped[0].why == "overlay2/id3: changed"
    assert (root / "containers/c1").exists()


@pytest.mark.parametrize("path", ["", "/etc", "../x", "overlay2/../../x", "overlay2//x", "./x", ".docker-fsck/x", "overlay2/"])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, path: str) -> None:
    root = make_root(tmp_path)
    action = Action(
        id="a", cls="reclaim", does="", steps=(PutAway(path=path, n=0),), pre=(Guard(path=path, absent=True),), bytes=0
    )
    before = snapshot(tmp_path)
    with pytest.raises(Refused, match="no step may touch"):
        execute(Plan(actions=(action,)), site_of(root), txn=TXN, now=NOW)
    assert before == snapshot(tmp_path)


def test_a_plan_without_numbers_or_without_a_precondition_is_refused(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    plan = plan_of(root, (PutAway(path="containers/c1"),))
    action = plan.actions[0]
    bare = structs.replace(action, steps=(structs.replace(action.steps[0], n=-1),))
    twice = structs.replace(action, steps=(action.steps[0], action.steps[0]))
    unwatched = structs.replace(action, pre=())
    for odd, why in ((bare, "not numbered"), (twice, "not numbered"), (unwatched, "no precondition for containers/c1")):
        with pytest.raises(Refused, match=why):
            execute(structs.replace(plan, actions=(odd,)), site_of(root), txn=TXN, now=NOW)


def test_a_symlink_on_the_way_is_never_followed(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    outside = put(tmp_path, "outside/link")

    def swap() -> None:
        (root / "overlay2/id3").rename(root / "overlay2/id3-real")
        (root / "overlay2/id3").symlink_to(outside.parent)

    before = snapshot(outside.parent)
    plan = plan_of(root, (WriteFile(path="overlay2/id3/link", data=b"x"),), (PutAway(path="overlay2/id3/diff"),))
    applied = execute(plan, site_of(root, watch=at("starts", "overlay2/id3/link", swap)), txn=TXN, now=NOW)
    assert applied.done == ()
    assert {"a part of the path is a symlink, which is not followed"} == {skip.why for skip in applied.skipped}
    with pytest.raises(Refused, match="a part of the path is a symlink"):
        execute(plan, site_of(root), txn="20240506T070809Z-cd34", now=NOW)
    assert before == snapshot(outside.parent)


@needs_root
def test_an_immutable_file_is_skipped_and_its_neighbours_are_done(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    with immutable(root / "overlay2/id3/link"):
        before = snapshot(root)
        applied = apply(
            root, (WriteFile(path="overlay2/id3/link", data=b"x"),), (PutAway(path="overlay2/id2/link"),),
            (SetMeta(path="overlay2/id4/link", mode=0o600), PutAway(path="overlay2/id4/link", rank=1)),
        )  # fmt: skip
        assert applied.done == (1, 2, 3)
        assert [(0, "not permitted; it may be immutable (lsattr shows it)")] == [(skip.n, skip.why) for skip in applied.skipped]
        undo(site_of(root), TXN)
        assert before == snapshot(root)


@needs_root
def test_an_immutable_folder_keeps_what_is_in_it(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    with immutable(root / "overlay2/id3"):
        before = snapshot(root)
        applied = apply(
            root,
            (WriteFile(path="overlay2/id3/link", data=b"x"),),
            (PutAway(path="overlay2/id3/diff"),),
            (MakeDir(path="overlay2/id3/work"),),
        )
        assert applied.done == ()
        assert {"not permitted; it may be immutable (lsattr shows it)"} == {skip.why for skip in applied.skipped}
        assert before == snapshot(root)


@needs_root
def test_a_mount_inside_the_root_is_not_crossed_and_is_named(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    other = put(tmp_path, "other/link").parent
    for command in (("-t", "tmpfs", "none"), ("--bind", str(other)), ("--bind", str(root / "overlay2/id3"))):
        with mounted(*command, str(root / "overlay2/id3")):
            put(root, "overlay2/id3/link")
            put(root, "overlay2/id3/deeper/file")
            groups: Groups = (
                (PutAway(path="overlay2/id3/link"), PutAway(path="containers/c1")),
                (SetMeta(path="overlay2/id3/deeper/file", mode=0o600),),
                (WriteFile(path="overlay2/id3/new", data=b"x"),),
                (PutAway(path="overlay2/id3"),),
            )
            applied = apply(root, *groups, txn=f"20240506T070809Z-{len(command[0])}{len(command[1])}")
            assert applied.done == ()
            named = "it lies on the mount overlay2/id3, and nothing is copied"
            rest = f"not without the rest of its action: overlay2/id3/link: {named}"
            expected = [named, rest, named, named, "in use as a mount point"]
            assert expected == [skip.why for skip in applied.skipped]
            assert (root / "overlay2/id3/link").exists()
        assert (root / "containers/c1").exists()


@needs_root
def test_on_a_full_disk_renames_work_and_new_files_are_skipped(tmp_path: Path) -> None:
    (disk := tmp_path / "disk").mkdir()
    (books := tmp_path / "books").mkdir()
    with mounted("-t", "tmpfs", "-o", "size=256k", "none", str(disk)):
        root = make_root(disk)
        fill(disk)
        before = snapshot(root)
        with pytest.raises(Refused, match="--journal-dir puts it on another disk"):
            apply(root, (PutAway(path="containers/c1"),))
        assert before == snapshot(root)
        site = structs.replace(site_of(root), journal_dir=str(books))
        applied = apply(
            root,
            (WriteFile(path="overlay2/id3/link", data=b"x"),),
            (PutAway(path="containers/c1"),),
            site=site,
            txn="20240506T070810Z-cd34",
        )
        assert applied.done == (1,)
        assert [(0, "no space left on the disk of the data root")] == [(skip.n, skip.why) for skip in applied.skipped]
        assert not (root / "containers/c1").exists()
        assert (books / "20240506T070810Z-cd34.jsonl").exists()
        undo(site_of(root), "last")
        assert before == snapshot(root)


def test_a_journal_below_the_root_is_refused(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    with pytest.raises(Refused, match="must not lie below the data root"):
        apply(root, (PutAway(path="containers/c1"),), site=structs.replace(site_of(root), journal_dir=str(root / "containers")))
    with pytest.raises(Refused, match="no journal can be made"):
        apply(
            root,
            (PutAway(path="containers/c1"),),
            site=structs.replace(site_of(root), journal_dir=str(tmp_path / "none")),
            txn="20240506T070809Z-2",
        )
    assert (root / "containers/c1").exists()


@pytest.mark.parametrize("held", ["overlay2/id3", "overlay2/id3/diff", "overlay2/id3/diff/a/b"])
def test_what_a_process_holds_is_not_moved_nor_what_is_above_it(tmp_path: Path, held: str) -> None:
    root = make_root(tmp_path)
    before = snapshot(root)
    applied = apply(
        root, (PutAway(path="containers/c1"), PutAway(path="overlay2/id3")), site=site_of(root, held=frozenset({held}))
    )
    assert applied.done == ()
    assert all("mounted or open" in skip.why for skip in applied.skipped)
    assert before == snapshot(root)


def test_a_held_neighbour_or_a_shell_in_the_folder_above_does_not_matter(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    applied = apply(
        root,
        (PutAway(path="overlay2/id3"),),
        site=site_of(root, held=frozenset({"overlay2/id33", "overlay2/id", "containers", "overlay2"})),
    )
    assert applied.done == (0,)


def test_an_interrupt_stops_after_the_step_under_way_and_the_rest_can_be_done_or_taken_back(tmp_path: Path) -> None:
    for how in (recover, finish, undo):
        root = make_root(tmp_path / how.__name__)
        before = snapshot(root)
        stop: list[Event] = []
        site = site_of(
            root, watch=lambda event, stop=stop: stop.append(event) if event.what == "done" and event.n == 11 else None
        )
        applied = apply(root, *mixed(root), site=structs.replace(site, interrupted=lambda stop=stop: bool(stop)))
        assert applied.interrupted
        assert applied.done == tuple(range(12))
        assert {"interrupted"} == {skip.why for skip in applied.skipped}
        assert len(applied.skipped) == 18
        assert [("interrupted", 12, 0)] == [(record.state, record.done, record.skipped) for record in history(str(root))]
        if how is undo:
            undo(site_of(root), "last")
        else:
            how(site_of(root))
        if how is finish:
            reference = make_root(tmp_path / "reference")
            apply(reference, *mixed(reference))
            assert shape(reference) == shape(root)
            undo(site_of(root), "last")
        assert before == snapshot(root)


def test_the_lock_comes_first_then_the_wait_then_the_look_and_it_is_kept_after_the_last_step(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    told: list[str] = []

    @contextmanager
    def hold(_: str) -> Iterator[FakeLock]:
        told.append("lock")
        yield FakeLock()
        told.append("unlock")

    def telling(word: str, answer: Any) -> Callable[[str], Any]:
        return lambda _: (told.append(word), answer)[1]

    site = Site(
        root=str(root),
        hold=hold,
        engine_processes=telling("engines", ()),
        look=telling("look", FakeView()),
        watch=lambda event: told.append(event.what),
        sleep=lambda seconds: told.append(f"sleep {seconds}"),
    )
    apply(root, (PutAway(path="containers/c1"),), site=site)
    assert [
        "engines",
        "engines",
        "lock",
        "waiting",
        "sleep 1.5",
        "engines",
        "look",
        "checked",
        "starts",
        "done",
        "synced",
        "ended",
        "sleep 1.5",
        "unlock",
    ] == told


def test_an_engine_or_an_unknown_host_refuses_everything(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    before = snapshot(root)
    engine = structs.replace(site_of(root), engine_processes=lambda _: (User(7, "dockerd", "runs with this root"),))
    unknown = structs.replace(site_of(root), look=lambda _: FakeView(state="unknown", why="it cannot be told"))
    for site, why in (
        (engine, r"an engine uses this root: dockerd \(pid 7, runs with this root\)"),
        (unknown, "it cannot be told"),
    ):
        with pytest.raises(Refused, match=why):
            apply(root, (PutAway(path="containers/c1"),), site=site)
    assert before == snapshot(root)


def test_without_a_lock_that_engines_respect_they_are_looked_for_between_batches(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    before = snapshot(root)
    running: list[User] = []
    watch = at("done", "containers/c1", lambda: running.append(User(7, "dockerd", "just started")))
    site = structs.replace(site_of(root, guarded=False, watch=watch), engine_processes=lambda _: tuple(running))
    applied = apply(
        root, (PutAway(path="containers/c1"), PutAway(path="containers/c2"), PutAway(path="overlay2/id3", rank=7)), site=site
    )
    assert applied.done == (0, 1)
    assert ["an engine uses this root: dockerd (pid 7, just started)"] == [skip.why for skip in applied.skipped]
    assert not applied.interrupted
    undo(site_of(root), "last")
    assert before == snapshot(root)


def test_the_step_that_moves_the_lock_file_itself_is_the_last(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    put(root, "volumes/metadata.db")
    before = snapshot(root)
    seen: list[str] = []
    site = site_of(root, watch=lambda event: seen.append(event.path) if event.what == "done" else None)
    groups = (
        (PutAway(path="volumes/metadata.db"),),
        (PutAway(path="containers/c1", rank=3),),
        (PutAway(path="overlay2/id3", rank=7),),
    )
    apply(root, *groups, site=site)
    assert ["containers/c1", "overlay2/id3", "volumes/metadata.db"] == seen
    undo(site_of(root), "last")
    assert before == snapshot(root)


@needs_root
def test_a_second_apply_at_the_same_time_is_refused_at_once(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    plan = plan_of(root, (PutAway(path="containers/c1"),))
    site = structs.replace(site_of(root), hold=host.hold)
    (root / ".docker-fsck").mkdir(0o700)
    with host.hold(str(root)), pytest.raises(Refused, match="lock"):
        execute(plan, site, txn=TXN, now=NOW)
    assert execute(plan, site, txn=TXN, now=NOW).done == (0,)


@needs_root
def test_with_the_real_probes_of_the_host_a_root_is_changed_taken_back_and_purged(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    put(root, "volumes/metadata.db")
    view = host.look(str(root))
    if view.state == "unknown":
        pytest.skip(f"this host does not tell who uses a folder: {view.why}")
    before = snapshot(root)
    site = structs.replace(site_of(root), hold=host.hold, look=host.look, engine_processes=host.engine_processes)
    groups = mixed(root)
    assert apply(root, *groups, site=site).skipped == ()
    undo(site, "last")
    assert before == snapshot(root)
    assert purge(site, [TXN]).txns == (TXN,)
    assert sorted(os.listdir(root / ".docker-fsck")) == ["history.jsonl", "lock", "spare"]


def test_a_quarantine_that_others_can_write_or_that_is_a_link_is_refused(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    (root / ".docker-fsck").mkdir()
    (root / ".docker-fsck").chmod(0o777)
    with pytest.raises(Refused, match="can be written by others"):
        apply(root, (PutAway(path="containers/c1"),))
    (root / ".docker-fsck").rmdir()
    (tmp_path / "elsewhere").mkdir(0o700)
    (root / ".docker-fsck").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="symlink"):
        apply(root, (PutAway(path="containers/c1"),))
    assert os.listdir(tmp_path / "elsewhere") == []
    assert (root / "containers/c1").exists()


def test_an_empty_plan_makes_no_transaction(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    assert apply(root).done == ()
    assert not (root / ".docker-fsck").exists()


def test_making_the_quarantine_leaves_the_times_of_the_root(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    before = root.stat().st_mtime_ns
    apply(root, (PutAway(path="containers/c1"),))
    assert before == root.stat().st_mtime_ns
    assert (root / ".docker-fsck").stat().st_mode & 0o777 == 0o700


@needs_root
def test_a_new_file_gets_the_label_of_the_old_one_and_a_new_owner_leaves_the_capability(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    label, caps = b"system_u:object_r:container_var_lib_t:s0\0", bytes.fromhex("0100000202200000000000000000000000000000")
    os.setxattr(root / "overlay2/id3/link", "security.selinux", label)
    os.setxattr(root / "overlay2/id4", "security.selinux", label)
    os.setxattr(root / "overlay2/id5/diff/bin/sh", "security.capability", caps)
    before = snapshot(root)
    apply(
        root,
        (WriteFile(path="overlay2/id3/link", data=b"x"), WriteFile(path="overlay2/id4/lower", data=b"x")),
        (SetMeta(path="overlay2/id5/diff/bin/sh", uid=9),),
    )
    assert label == os.getxattr(root / "overlay2/id3/link", "security.selinux")
    assert label == os.getxattr(root / "overlay2/id4/lower", "security.selinux")
    assert caps == os.getxattr(root / "overlay2/id5/diff/bin/sh", "security.capability")
    assert (root / "overlay2/id5/diff/bin/sh").stat().st_mode & 0o7777 == 0o4755
    undo(site_of(root), TXN)
    assert before == snapshot(root)


def test_a_guard_of_a_saved_plan_names_its_digest_with_or_without_the_algorithm(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    plan = plan_of(root, (WriteFile(path="overlay2/id3/link", data=b"x"),))
    guard = guard_of(root, "overlay2/id3/link")
    spelt = structs.replace(plan.actions[0], pre=(structs.replace(guard, sha256=f"sha256:{guard.sha256}"),))
    assert execute(structs.replace(plan, actions=(spelt,)), site_of(root), txn=TXN, now=NOW).done == (0,)


def test_steps_of_one_path_are_done_and_taken_back_in_order(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    before = snapshot(root)
    steps: tuple[Step, ...] = (
        PutAway(path="containers/c1"), MakeDir(path="containers/c1"), WriteFile(path="containers/c1/a", data=b"1"),
        WriteFile(path="containers/c1/a", data=b"22"), SetMeta(path="containers/c1", mode=0o700), PutAway(path="containers/c1"),
        Relink(path="containers/c1", target="nowhere"),
    )  # fmt: skip
    plan = plan_of(root, steps)
    first = {guard.raw: guard for guard in plan.actions[0].pre}
    plan = structs.replace(plan, actions=(structs.replace(plan.actions[0], pre=tuple(first.values())),))
    assert execute(plan, site_of(root), txn=TXN, now=NOW).skipped == ()
    assert os.readlink(root / "containers/c1") == "nowhere"
    undo(site_of(root), TXN)
    assert before == snapshot(root)
