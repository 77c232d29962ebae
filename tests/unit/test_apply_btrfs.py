"""Apply, undo, recover and purge on a real btrfs: subvolumes, and a driver home that is bound to itself (promises 4, 5, 6, 15)."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_apply_crash import EVENTS, calls_until
from test_apply_kit import TXN, apply, in_child, killer, put, site_of, snapshot

from docker_fsck.apply import purge as purging
from docker_fsck.apply.history import history, unfinished
from docker_fsck.apply.purge import purge
from docker_fsck.apply.site import Event
from docker_fsck.apply.undo import finish, recover, undo
from docker_fsck.errors import Refused
from docker_fsck.mounttable import UNLISTED
from docker_fsck.testing import subvolumes
from docker_fsck.values import MakeDir, PutAway, Step, WriteFile

pytestmark = pytest.mark.skipif(bool(subvolumes.lacks()), reason=subvolumes.lacks() or "all is there")
OWN = f"btrfs/.docker-fsck/{TXN}"
MAIN = f".docker-fsck/{TXN}"
A, B = (PutAway(path=f"btrfs/subvolumes/{name}", rank=7) for name in "ab")
RECORD = PutAway(path="image/btrfs/layerdb/sha256/chain0", rank=5)
Groups = tuple[tuple[Step, ...], ...]


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A btrfs."""
    with subvolumes.btrfs(tmp_path_factory.mktemp("btrfs")) as point:
        yield point


def make(top: Path) -> Path:
    """A root with two subvolumes, `a` with two more in it, one inside the other; a limit and a record of a layer."""
    root = top / "root"
    put(root, "btrfs/quotas/a", b"1000")
    put(root, "image/btrfs/layerdb/sha256/chain0/cache-id", b"a")
    put(root, "image/btrfs/layerdb/mounts/m1/mount-id", b"b")
    (root / "btrfs/subvolumes").mkdir()
    for name in ("a", "b", "a/inner", "a/inner/deep"):
        made = subvolumes.create(root / "btrfs/subvolumes" / name)
        put(made, "etc/passwd", name.encode() * 9)
        os.link(made / "etc/passwd", made / "etc/again")
    return root


@pytest.fixture
def root(disk: Path) -> Iterator[Path]:
    """Such a root, in a folder of the test's own: a test that fails may leave a mount in it, which goes with the disk."""
    top = Path(tempfile.mkdtemp(dir=disk))
    yield make(top)
    shutil.rmtree(top, ignore_errors=True)


@contextmanager
def bound(home: Path) -> Iterator[None]:
    """The folder, bound to itself as a killed engine leaves it."""
    subprocess.run(["mount", "--bind", home, home], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", home], check=True)


@pytest.fixture
def home(root: Path) -> Iterator[Path]:
    """The home of btrfs, bound to itself."""
    with bound(root / "btrfs"):
        yield root / "btrfs"


def seen(root: Path) -> dict[str, tuple[object, ...]]:
    """The root without both quarantines."""
    return {path: what for path, what in snapshot(root).items() if ".docker-fsck" not in path.split("/")}


def names(folder: Path) -> list[str]:
    """What a folder holds, beside what is set aside for a full disk; nothing where it is not there."""
    return sorted(name for name in os.listdir(folder) if name != "spare") if folder.exists() else []


def test_two_subvolumes_of_one_plan_are_put_away_though_both_have_the_inode_256(root: Path) -> None:
    before = seen(root)
    applied = apply(root, (RECORD, A), (B,))
    assert (applied.done, applied.skipped) == ((0, 1, 2), ())
    assert (names(root / MAIN / "q"), names(root / "btrfs")) == (["0", "1", "2"], ["quotas", "subvolumes"])
    undo(site_of(root), TXN)
    assert before == seen(root)


def test_a_file_is_not_copied_out_of_its_subvolume(root: Path) -> None:
    before = seen(root)
    applied = apply(root, (PutAway(path="btrfs/subvolumes/a/etc/passwd"),), (B,))
    assert ((1,), ["it lies on another mount or subvolume, and nothing is copied"]) == (
        applied.done,
        [skip.why for skip in applied.skipped],
    )
    undo(site_of(root), TXN)
    assert before == seen(root)


def test_what_lies_in_a_home_that_is_bound_to_itself_stays_in_it(root: Path, home: Path) -> None:
    before = seen(root)
    applied = apply(root, (RECORD, PutAway(path="btrfs/quotas/a", rank=7), A), (B,))
    assert (applied.done, applied.skipped) == ((0, 1, 2, 3), ())
    assert (names(root / MAIN / "q"), names(root / OWN / "q")) == (["0"], ["1", "2", "3"])
    assert [0o40700] * 2 == [os.lstat(path).st_mode for path in (home / ".docker-fsck", root / OWN)]
    undo(site_of(root), TXN)
    assert before == seen(root)
    assert ["undone"] == [record.state for record in history(str(root))]


def test_files_are_written_in_a_bound_home_and_taken_back(root: Path, home: Path) -> None:
    before = seen(root)
    apply(
        root,
        (MakeDir(path="btrfs/new"), WriteFile(path="btrfs/new/file", data=b"x"), WriteFile(path="btrfs/quotas/a", data=b"7")),
    )
    assert ((home / "quotas/a").read_bytes(), names(home / "new"), names(root / OWN / "q")) == (b"7", ["file"], ["2"])
    undo(site_of(root), TXN)
    assert before == seen(root)


@pytest.mark.usefixtures("home")
def test_the_bytes_of_a_half_done_action_are_weighed_where_they_lie(root: Path) -> None:
    (root / "btrfs/subvolumes/b/etc/big").write_bytes(os.urandom(1 << 20))
    os.sync()
    other = PutAway(path="image/btrfs/layerdb/mounts/m1", rank=8)

    def disturb(event: Event) -> None:
        if (event.what, event.n) == ("done", 0):
            put(root, f"{other.path}/late")

    applied = apply(root, (B, other), site=site_of(root, watch=disturb))
    assert ((0,), True) == (applied.done, applied.bytes_quarantined >= 1 << 20)


def test_what_was_put_away_in_a_bound_home_comes_back_when_it_is_bound_no_more(root: Path) -> None:
    before = seen(root)
    with bound(root / "btrfs"):
        apply(root, (RECORD, A), (B,))
    undo(site_of(root), TXN)
    assert before == seen(root)


def test_what_was_put_away_before_the_home_was_bound_is_not_copied_over_and_the_mount_is_named(root: Path) -> None:
    before = seen(root)
    apply(root, (RECORD, A), (B,))
    after = seen(root)
    named = "another file system is mounted on btrfs; if it is its own folder, as a killed engine leaves it, unmount that"
    with bound(root / "btrfs"), pytest.raises(Refused, match=named):
        undo(site_of(root), TXN)
    assert after == seen(root)
    undo(site_of(root), TXN)
    assert before == seen(root)


def test_a_mount_inside_a_bound_home_is_left_alone(root: Path, home: Path) -> None:
    held = frozenset({"btrfs/subvolumes/a/etc"})
    with bound(home / "subvolumes/a/etc"):
        groups = (PutAway(path="btrfs/subvolumes/a/etc/again"),), (A,), (B,)
        applied = apply(root, *groups, site=site_of(root, held=held))
    assert (2,) == applied.done
    assert [
        "it lies on the mount btrfs/subvolumes/a/etc, and nothing is copied",
        "a process has it or something in it mounted or open",
    ] == [skip.why for skip in applied.skipped]


@pytest.mark.parametrize("name", UNLISTED)
def test_every_home_that_no_engine_lists_keeps_its_own_while_it_is_bound_to_itself(root: Path, name: str) -> None:
    put(root, f"{name}/one/file")
    before = seen(root)
    with bound(root / name):
        assert (0, 1) == apply(root, (RECORD, PutAway(path=f"{name}/one", rank=7))).done
    assert (["0"], ["1"]) == (names(root / MAIN / "q"), names(root / f"{name}/.docker-fsck" / TXN / "q"))
    undo(site_of(root), TXN)
    assert before == seen(root)


@pytest.mark.parametrize("name", ["aufs", "devicemapper", "containers"])
def test_a_folder_whose_entries_an_engine_lists_is_refused_when_it_is_a_mount(root: Path, name: str) -> None:
    put(root, f"{name}/one/file")
    with bound(root / name):
        applied = apply(root, (PutAway(path=f"{name}/one"),), (B,))
    assert ((1,), [f"it lies on the mount {name}, and nothing is copied"]) == (
        applied.done,
        [each.why for each in applied.skipped],
    )
    assert ["one"] == names(root / name)


def test_a_home_that_is_another_disk_is_refused(root: Path, tmp_path: Path) -> None:
    other = put(tmp_path, "disk/dir/id0/file").parents[2]
    (root / "vfs").mkdir()
    subprocess.run(["mount", "--bind", other, root / "vfs"], check=True)
    try:
        applied = apply(root, (PutAway(path="vfs/dir/id0"),), (B,))
    finally:
        subprocess.run(["umount", root / "vfs"], check=True)
    assert ((1,), ["it lies on the mount vfs, and nothing is copied"]) == (applied.done, [each.why for each in applied.skipped])
    assert ["dir"] == names(other)


def test_a_read_only_subvolume_is_not_put_away_and_the_reason_is_told(root: Path) -> None:
    subprocess.run(["btrfs", "property", "set", root / A.path, "ro", "true"], check=True)
    before = seen(root)
    applied = apply(root, (RECORD, A), (B,))
    assert "the file system, or the subvolume, is read-only" in {skip.why for skip in applied.skipped}
    undo(site_of(root), TXN)
    assert before == seen(root)
    subprocess.run(["btrfs", "property", "set", root / A.path, "ro", "false"], check=True)


# purge


@pytest.fixture
def deleted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The subvolumes that purge deletes, in their order, by path in the quarantine; nothing else may be deleted in one."""
    told: list[str] = []
    real, real_unlink = purging._destroy, os.unlink

    def destroy(around: int, path: str, known: tuple[int, int]) -> None:
        real(around, path, known)
        told.append(path)

    def unlink(path: str, *, dir_fd: int) -> None:
        assert path != "passwd"
        real_unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(purging, "_destroy", destroy)
    monkeypatch.setattr(os, "unlink", unlink)
    return told


@pytest.mark.parametrize("bind", [True, False])
def test_purge_deletes_subvolumes_whole_the_deepest_first(root: Path, deleted: list[str], bind: bool) -> None:
    (root / A.path / "etc/big").write_bytes(os.urandom(1 << 20))
    (root / A.path / "link").symlink_to(root / B.path)
    os.sync()
    with bound(root / "btrfs"):
        apply(root, (RECORD, A))
        before = seen(root)
        if bind:
            purged = purge(site_of(root), [TXN])
    if not bind:
        purged = purge(site_of(root), [TXN])
    assert ((TXN,), ()) == (purged.txns, purged.left)
    assert ["1/inner/deep", "1/inner", "1"] == deleted
    assert purged.freed >= 1 << 20
    assert before == seen(root)
    assert (["history.jsonl"], []) == (names(root / ".docker-fsck"), names(root / "btrfs/.docker-fsck"))


@pytest.mark.usefixtures("home")
def test_a_mount_in_a_quarantined_subvolume_keeps_it_and_all_in_it(root: Path, deleted: list[str]) -> None:
    apply(root, (A,), (B,))
    inside, moved = f"{OWN}/q/0/inner/etc", f"{OWN}.purging/q/0/inner/etc"
    subprocess.run(["mount", "--bind", root / inside, root / inside], check=True)
    try:
        purged = purge(site_of(root), [TXN])
        assert [(moved, "another file system is mounted here")] == [(skip.path, skip.why) for skip in purged.left]
        assert (["1"], ["again", "passwd"]) == (deleted, names(root / f"{OWN}.purging/q/0/inner/deep/etc"))
    finally:
        subprocess.run(["umount", root / moved], check=True)
    assert (TXN,) == purge(site_of(root), []).txns
    assert ["1", "0/inner/deep", "0/inner", "0"] == deleted


def test_the_subvolumes_that_will_go_are_all_named_before_the_first_of_them_goes(root: Path) -> None:
    apply(root, (A,))
    told: list[tuple[str, bool]] = []
    top = f"{MAIN}.purging/q/0"

    def watch(event: Event) -> None:
        if event.what == "purging" and event.path:
            told.append((event.path, (root / top / "inner/deep/etc/passwd").exists()))

    purge(site_of(root, watch=watch), [TXN])
    assert [(top, True), (f"{top}/inner", True), (f"{top}/inner/deep", True)] == told


def test_a_read_only_subvolume_in_one_that_is_put_away_is_deleted(root: Path, deleted: list[str]) -> None:
    subprocess.run(["btrfs", "property", "set", root / A.path / "inner/deep", "ro", "true"], check=True)
    apply(root, (A,))
    assert (TXN,) == purge(site_of(root), [TXN]).txns
    assert ["0/inner/deep", "0/inner", "0"] == deleted


def test_what_lies_in_a_read_only_subvolume_is_left_and_the_way_out_is_told(root: Path, deleted: list[str]) -> None:
    subprocess.run(["btrfs", "property", "set", root / A.path / "inner", "ro", "true"], check=True)
    apply(root, (A,), (B,))
    purged = purge(site_of(root), [TXN])
    left = f"{MAIN}.purging/q/0/inner"
    assert [f"{left}/deep"] == [skip.path for skip in purged.left]
    assert "btrfs property set" in purged.left[0].why
    assert ["1"] == deleted
    subprocess.run(["btrfs", "property", "set", root / left, "ro", "false"], check=True)
    assert (TXN,) == purge(site_of(root), []).txns
    assert ["1", "0/inner/deep", "0/inner", "0"] == deleted


@pytest.mark.usefixtures("home")
def test_a_held_quarantine_in_a_home_is_left(root: Path) -> None:
    apply(root, (RECORD, A))
    purged = purge(site_of(root, held=frozenset({f"{OWN}/q/1/etc"})), [TXN])
    assert ([f"{OWN}/q/1/etc"], [TXN]) == ([skip.path for skip in purged.left], names(root / "btrfs/.docker-fsck"))


def test_nothing_is_purged_while_a_part_of_it_cannot_be_seen(root: Path, tmp_path: Path) -> None:
    with bound(root / "btrfs"):
        apply(root, (RECORD, A))
    subprocess.run(["mount", "--bind", tmp_path, root / "btrfs"], check=True)
    try:
        purged = purge(site_of(root), [TXN])
        why = "it cannot be seen: another file system is mounted on btrfs"
        assert [(OWN, why)] == [(skip.path, skip.why) for skip in purged.left]
        assert ["0"] == names(root / MAIN / "q")
    finally:
        subprocess.run(["umount", root / "btrfs"], check=True)
    undo(site_of(root), TXN)


def test_a_quarantine_whose_main_part_was_deleted_by_hand_is_purged_when_asked_for(root: Path) -> None:
    with bound(root / "btrfs"):
        apply(root, (RECORD, A))
    shutil.rmtree(root / ".docker-fsck")
    assert ([(TXN, "purged")], None) == ([(each.txn, each.state) for each in history(str(root))], unfinished(str(root)))
    assert () == purge(site_of(root), []).txns
    assert ["1"] == names(root / OWN / "q")
    (root / ".docker-fsck").mkdir(0o700)
    assert (TXN,) == purge(site_of(root), [TXN]).txns
    assert [] == names(root / "btrfs/.docker-fsck")


def test_a_purge_that_was_killed_between_two_subvolumes_is_ended_by_the_next(root: Path) -> None:
    real = purging._destroy

    def job(at: int) -> None:
        left = iter(range(at, -1, -1))

        def destroy(around: int, path: str, known: tuple[int, int]) -> None:
            if next(left) == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            real(around, path, known)

        purging._destroy = destroy
        purge(site_of(root), [TXN])

    for at in range(3):
        with bound(root / "btrfs"):
            apply(root, (RECORD, A))
            before = seen(root)
            assert in_child(lambda at=at: job(at)) == signal.SIGKILL
        assert ["purged"] == [record.state for record in history(str(root))]
        assert (TXN,) == purge(site_of(root), []).txns
        assert (before, []) == (seen(root), names(root / "btrfs/.docker-fsck"))
        shutil.rmtree(root)
        make(root.parent)


# killed


def groups() -> Groups:
    """A layer with all that is its, another one, and a file that is written."""
    return (
        (RECORD, PutAway(path="btrfs/quotas/a", rank=7), A),
        (B,),
        (WriteFile(path="image/btrfs/layerdb/mounts/m1/parent", data=b"x"),),
    )


@pytest.mark.parametrize("end", [recover, finish])
def test_an_apply_in_a_bound_home_that_is_killed_at_any_step_is_brought_to_before_or_after(
    disk: Path, end: Callable[..., object]
) -> None:
    for at in range(100):
        root = make(disk / str(at))
        with bound(root / "btrfs"):
            before = seen(root)
            ended = in_child(lambda root=root, at=at: apply(root, *groups(), site=site_of(root, watch=killer(at, EVENTS))))
            if ended:
                assert TXN == unfinished(str(root))
                end(site_of(root))
                assert unfinished(str(root)) is None
            if end is recover and ended:
                assert before == seen(root)
            elif ended:
                assert ["a", "b"] == [kept.read_text()[0] for kept in sorted((root / OWN / "q").glob("*/etc/passwd"))]
                undo(site_of(root), TXN)
                assert before == seen(root)
        shutil.rmtree(root.parent)
        if not ended:
            break
    assert at >= 10


def test_an_apply_in_a_bound_home_that_is_killed_after_any_call_is_taken_back(disk: Path) -> None:
    def job(root: Path, at: int) -> None:
        calls_until(at)()
        apply(root, *groups())

    for at in range(200):
        root = make(disk / str(at))
        for home in (root, root / "btrfs"):
            (home / ".docker-fsck").mkdir(0o700)  # between the very first call of all and the next the folder's mtime is new
        with bound(root / "btrfs"):
            before = seen(root)
            ended = in_child(lambda root=root, at=at: job(root, at))
            if ended and unfinished(str(root)):
                recover(site_of(root))
            elif ended and history(str(root)):  # it had come to its end
                undo(site_of(root), TXN)
            assert not ended or before == seen(root)
        shutil.rmtree(root.parent)
        if not ended:
            break
    assert 20 < at < 199


def test_an_undo_in_a_bound_home_that_is_killed_at_any_step_is_ended_by_recover(disk: Path) -> None:
    for at in range(100):
        root = make(disk / str(at))
        with bound(root / "btrfs"):
            before = seen(root)
            apply(root, *groups())
            watch = killer(at, frozenset({"undoing", "undone"}))
            ended = in_child(lambda root=root, watch=watch: undo(site_of(root, watch=watch), TXN))
            if ended:
                recover(site_of(root))
            assert before == seen(root)
        shutil.rmtree(root.parent)
        if not ended:
            break
    assert at >= 10


def test_a_transaction_that_was_killed_is_taken_back_after_a_restart_that_took_the_mount_away(root: Path) -> None:
    before = seen(root)
    with bound(root / "btrfs"):
        assert in_child(lambda: apply(root, *groups(), site=site_of(root, watch=killer(7, EVENTS)))) == signal.SIGKILL
    recover(site_of(root))
    assert before == seen(root)
