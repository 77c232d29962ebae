"""What comes in the way of a change of a whole root: a second run, a signal, an immutable file, a full disk, a process in it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec import Struct, structs
from whole_roots import (
    CLASSES,
    NOW,
    OWN,
    TXN,
    Damaged,
    Shot,
    Stalled,
    copy,
    damaged,
    looked_at,
    needs_host,
    needs_root,
    on,
    said,
    site_of,
    snapshot,
    steps_of,
)

from docker_fsck import host
from docker_fsck.apply.executor import execute
from docker_fsck.apply.history import history, unfinished
from docker_fsck.testing import tree
from docker_fsck.testing.builder import DataRoot
from docker_fsck.values import PutAway

pytestmark = needs_host
READY = "print(); sys.stdout.flush(); time.sleep(600)"
OPEN = f"import sys,time; f=open(sys.argv[1]); {READY}"
MAP = f"import mmap,sys,time; f=open(sys.argv[1]); m=mmap.mmap(f.fileno(),0,access=mmap.ACCESS_READ); f.close(); {READY}"
WAIT = "echo && exec sleep 600"
Start = Callable[..., subprocess.Popen[str]]
ALL = ("apply", "--class", CLASSES, "--yes", "--allow-mass")


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Damaged:
    """The damaged root, which no test touches."""
    return damaged(tmp_path_factory.mktemp("master") / "root")


@pytest.fixture(scope="module")
def before(master: Damaged) -> Shot:
    """How it and its copies look."""
    return snapshot(master.path)


@pytest.fixture
def root(master: Damaged, tmp_path: Path) -> Path:
    """A copy of a test's own."""
    return copy(master.path, tmp_path / "root")


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts programs, each until it has said one line; they end with the test."""
    with contextlib.ExitStack() as stack:

        def launch(*words: str | Path, cwd: Path | None = None) -> subprocess.Popen[str]:
            child = stack.enter_context(subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=cwd))
            stack.callback(child.kill)
            assert child.stdout is not None
            assert "\n" == child.stdout.readline()
            return child

        yield launch


def state(root: Path) -> list[str]:
    """How the transactions stand."""
    return [record.state for record in history(str(root))]


def never(_: float) -> None:
    """A wait where none may be."""
    raise AssertionError("it waits")


# a second run


def test_a_second_change_is_refused_at_once_while_the_first_waits_for_its_lock_to_settle(root: Path, before: Shot) -> None:
    first = Stalled(*on(root, *ALL))
    deadline = time.monotonic() + 20
    while host.look(str(root)).fsck_pid != first.process.pid:
        assert time.monotonic() < deadline, "it takes no lock"
        time.sleep(0.02)
    for argv in (ALL, ("-p",)):
        ended = said(root, *argv, sleep=never)
        assert 64 == ended.status & 64
        assert f"another docker-fsck (process {first.process.pid}) is changing this root" in ended.err
    assert before == snapshot(root)
    assert first.end()[0] & 64 == 0
    assert ["applied"] == state(root)


def test_in_the_middle_of_an_apply_every_other_change_is_refused_at_once_and_check_says_that_it_runs(root: Path) -> None:
    pure = said(root, "check").status
    first = Stalled(*on(root, *ALL))
    first.read_until('"what":"done"', 15)
    (txn,) = (name for name in os.listdir(root / OWN) if "-" in name)
    for argv in (ALL, ("-p",), ("undo", "last"), ("undo", txn), ("recover",), ("recover", "--finish"), ("purge", "--txn", txn)):
        ended = said(root, *argv, sleep=never)
        assert 64 == ended.status & 64, argv
        named = f"another docker-fsck (process {first.process.pid}) is changing this root" in ended.err
        assert (True, False) == (named, "unfinished" in ended.err or "cut short" in ended.out), argv
    looked = said(root, "check")
    assert f"another docker-fsck (process {first.process.pid}) is changing this root" in looked.err
    assert (pure, False) == (looked.status, "cut short" in looked.out)
    assert first.end()[0] & 64 == 0
    assert (["applied"], None) == (state(root), unfinished(str(root)))
    assert 0 == said(root, "undo", "last").status


# signals


@pytest.mark.parametrize(
    ("number", "way"), [(signal.SIGINT, ("recover",)), (signal.SIGTERM, ("recover", "--finish"))], ids=["SIGINT", "SIGTERM"]
)
def test_a_signal_in_the_middle_stops_apply_between_two_steps_and_recover_goes_either_way(
    root: Path, before: Shot, number: int, way: tuple[str, ...]
) -> None:
    plan = looked_at(root).plan
    run = Stalled(*on(root, *ALL))
    run.read_until('"what":"done"', 15)
    run.process.send_signal(number)
    status, err = run.end()
    assert (32, 0, "") == (status & 32, status & 64, err), err
    (record,) = history(str(root))
    assert ("interrupted", None) == (record.state, unfinished(str(root)))
    assert 15 <= record.done < len(steps_of(plan))
    assert 0 == said(root, "check", "--fail-on", "never").status
    assert 0 == said(root, *way).status
    if "--finish" in way:
        assert ["applied"] == state(root)
        assert () == looked_at(root).plan.actions
        assert 0 == said(root, "undo", "last").status
    assert before == snapshot(root)


def test_a_signal_before_the_first_step_changes_nothing(root: Path, before: Shot) -> None:
    run = Stalled(*on(root, *ALL))
    deadline = time.monotonic() + 20
    while host.look(str(root)).fsck_pid != run.process.pid:
        assert time.monotonic() < deadline, "it takes no lock"
        time.sleep(0.02)
    run.process.send_signal(signal.SIGINT)
    status, _ = run.end()
    assert (32, before) == (status & 32, snapshot(root))
    assert unfinished(str(root)) is None


# what the disk refuses


@contextlib.contextmanager
def immutable(path: Path) -> Iterator[None]:
    """Meanwhile not even root may rename it."""
    done = subprocess.run(["chattr", "+i", path], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no immutable files here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", path], check=True)


@needs_root
def test_an_immutable_folder_stays_is_named_and_everything_else_is_done(root: Path, master: Damaged, before: Shot) -> None:
    plan, words = looked_at(root, (master.lost,)).plan, (*ALL, "--consent", master.lost)
    orphan = next(action for action in plan.actions if action.does.startswith("put overlay2/") and len(action.steps) == 2)
    folder = next(step.path for step in orphan.steps if step.path.startswith("overlay2/") and "/l/" not in step.path)
    with immutable(root / folder):
        ended = said(root, *words)
        assert 64 == ended.status & 64
        assert folder in ended.out
        assert "not permitted; it may be immutable (lsattr shows it)" in " ".join(ended.out.split())
        (record,) = history(str(root))
        assert ("applied", 1, len(steps_of(plan)) - 1) == (record.state, record.skipped, record.done)
        assert [folder] == [step.path for step in steps_of(looked_at(root).plan)]
        assert 64 == said(root, *words).status & 64
    assert 1 == said(root, *words).status
    for _ in range(state(root).count("applied")):
        assert 0 == said(root, "undo", "last").status
    assert before == snapshot(root)


@contextlib.contextmanager
def mounted(point: Path, *words: str | Path) -> Iterator[Path]:
    """Something is mounted at `point` meanwhile."""
    point.mkdir(exist_ok=True)
    subprocess.run(["mount", *words, point], check=True)
    try:
        yield point
    finally:
        subprocess.run(["umount", point], check=True)


def fill(folder: Path) -> Path:
    """Take all the space that is left on the disk of `folder`."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    return filler


@pytest.fixture
def small(master: Damaged, tmp_path: Path) -> Iterator[Path]:
    """The damaged root on a small ext4 of its own, which `fill` fills to the last block, for root too."""
    disk = tmp_path / "disk"
    with disk.open("wb") as file:
        file.truncate(24 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", disk], check=True)
    with mounted(tmp_path / "small", "-o", "loop", disk) as point:
        yield copy(master.path, point / "root")


@needs_root
def test_on_a_full_disk_check_works_apply_refuses_and_purge_frees(small: Path, master: Damaged, before: Shot) -> None:
    pure = said(small, "check")
    assert 0 == said(small, "apply", "--class", "reclaim", "--yes", "--allow-mass").status & (64 | 32)
    half = snapshot(small)
    fill(small.parent)
    full = said(small, "check")
    assert pure.status == full.status
    ended = said(small, *ALL)
    assert 64 == ended.status & 64
    assert "no space left on the disk of the data root" in ended.err
    assert (half, ["applied"]) == (snapshot(small), state(small))
    free = os.statvfs(small).f_bfree
    assert 0 == said(small, "purge", "--older-than", "0s").status
    assert (half, ["purged"]) == (snapshot(small), state(small))
    assert os.statvfs(small).f_bfree > free
    assert 0 == said(small, *ALL).status & (64 | 32)
    assert () == looked_at(small).plan.actions


def exhaust(folder: Path) -> None:
    """Take all the inodes that are left on the disk of `folder`."""
    many = folder / "many"
    many.mkdir()
    with contextlib.suppress(OSError):
        for number in range(1 << 20):
            (many / str(number)).touch()


@needs_root
@pytest.mark.parametrize("take", [fill, exhaust])
def test_in_folders_that_were_set_aside_apply_works_without_a_byte_or_an_inode(
    small: Path, tmp_path: Path, take: Callable[[Path], object]
) -> None:
    assert 0 == said(small, "apply", "--class", "lossless", "--yes").status & (64 | 32)
    half = snapshot(small)
    take(small.parent)
    plan, elsewhere = looked_at(small).plan, ("--journal-dir", str(tmp_path))
    moving = [action for action in plan.actions if all(isinstance(step, PutAway) for step in action.steps)]
    said(small, *ALL, *elsewhere)
    left = {action.does for action in looked_at(small).plan.actions}
    assert (True, set()) == (len(moving) > 3, {action.does for action in moving} & left)
    assert ["applied", "applied"] == state(small), "the journal is found without being told where it is"
    assert (0, half) == (said(small, "undo", "last").status, snapshot(small))


@needs_root
@pytest.mark.parametrize("take", [fill, exhaust])
def test_without_folders_set_aside_apply_refuses_and_says_what_it_needs(
    small: Path, tmp_path: Path, before: Shot, take: Callable[[Path], object]
) -> None:
    take(small.parent)
    for more in ((), ("--journal-dir", str(tmp_path))):
        ended = said(small, *ALL, *more)
        assert 64 == ended.status & 64
        assert ("inodes are needed" if take is exhaust else "bytes are needed") in ended.err
    assert (before, []) == (snapshot(small), state(small))


@needs_root
def test_undo_works_on_a_full_disk(small: Path, before: Shot) -> None:
    assert 0 == said(small, *ALL).status & (64 | 32)
    fill(small.parent)
    assert (0, before) == (said(small, "undo", "last").status, snapshot(small))


@needs_root
def test_where_no_byte_can_be_written_what_only_moves_is_done_and_what_writes_is_skipped(
    master: Damaged, tmp_path: Path, before: Shot
) -> None:
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=16m", "tmpfs") as point:
        root = copy(master.path, point / "root")
        plan = looked_at(root).plan
        fill(point)
        assert 64 == said(root, *ALL).status & 64
        assert (before, []) == (snapshot(root), state(root))
        ended = said(root, *ALL, "--journal-dir", str(tmp_path))
        assert 64 == ended.status & 64
        assert "no space left on the disk of the data root" in ended.out
        moving = [action for action in plan.actions if all(guard.sha256 is None for guard in action.pre)]
        (record,) = history(str(root), str(tmp_path))
        assert record.done >= len(moving)
        writing = {action.does for action in plan.actions if any(type(step).__name__ == "WriteFile" for step in action.steps)}
        assert writing == {action.does for action in looked_at(root).plan.actions}
        assert 0 == said(root, "undo", "last", "--journal-dir", str(tmp_path)).status
        assert before == snapshot(root)


# a process in it


class Garbage(Struct, frozen=True):
    """A healthy root with one piece of garbage of each kind, and the folders in which a process may be found."""

    root: DataRoot
    other: str
    content: Path
    places: dict[str, Path]


@pytest.fixture
def garbage(tmp_path: Path) -> Garbage:
    """The root with garbage."""
    root = DataRoot(tmp_path / "docker")
    root.container(root.image("app:1"), "web")
    other, orphan = root.orphan_dir(), root.orphan_dir(files={"data": b"x" * 8192})
    (chain,) = root.unreferenced_layers(1)
    mount, write_set, removing = root.orphan_mount(), root.layer_tmp(), root.removing()
    places = (
        root.content(orphan), root.driver_dir(root.dir_of(chain)), root.record(chain), root.content(root.mount_id(mount)),
        root.driver_dir(root.init_id(mount)), root.mount_record(mount), write_set, root.driver_dir(root.lost_dirs[0]), removing,
        root.content(root.lost_dirs[1]),
    )  # fmt: skip
    return Garbage(root, other, root.content(orphan), dict(zip(PLACES, places, strict=True)))


PLACES = (
    "the content of an orphan", "the folder of an unreferenced layer", "the record of an unreferenced layer",
    "the writable layer of an orphan mount", "the init layer of an orphan mount", "the record of an orphan mount",
    "an unfinished registration", "the folder of an unfinished registration", "a record that was being removed",
    "the folder of a record that was being removed",
)  # fmt: skip


def settled_without(garbage: Garbage, place: Path, held: subprocess.Popen[str]) -> None:
    """What is in use is not moved and the rest is; when the process has ended, that is moved too."""
    root = garbage.root.path
    used = str(place.relative_to(root))
    was = tree.snapshot(place)
    report = said(root, "plan", "--format", "json").report
    moved = {step["path"] for action in report["plan"]["actions"] for step in action["steps"]}
    assert not {path for path in moved if f"{used}/".startswith(f"{path}/") or f"{path}/".startswith(f"{used}/")}
    assert f"overlay2/{garbage.other}" in moved
    if not used.startswith("overlay2/"):
        assert any(each["why"].startswith(f"in use: {used}") for each in report["plan"]["blocked"])
    ended = said(root, *ALL)
    assert 0 == ended.status & 32
    assert was == tree.snapshot(place)
    assert not garbage.root.driver_dir(garbage.other).exists()
    held.kill()
    held.wait()
    assert 0 == said(root, *ALL).status & (64 | 32)
    assert not place.exists()
    assert () == looked_at(root).findings


@pytest.mark.parametrize("where", PLACES)
def test_garbage_in_which_a_process_stands_is_left_and_the_rest_is_moved(garbage: Garbage, start: Start, where: str) -> None:
    place = garbage.places[where]
    settled_without(garbage, place, start("sh", "-c", WAIT, cwd=place))


@pytest.mark.parametrize("code", [OPEN, MAP], ids=["open", "mapped"])
def test_garbage_of_which_a_process_has_a_file_open_or_mapped_is_left(garbage: Garbage, start: Start, code: str) -> None:
    settled_without(garbage, garbage.content, start(sys.executable, "-c", code, garbage.content / "data"))


@needs_root
@pytest.mark.parametrize(
    "mount",
    [
        'mount --bind "$1" "$2"',
        'mount --bind "$2" "$1"',
        'mount --bind "$1"/data "$2"/../file',
        'mount -t overlay -o lowerdir="$1":"$2" overlay "$2"',
        'mount -t overlay -o lowerdir="$2",upperdir="$1",workdir="$3" overlay "$2"',
        'cd "$1"/../.. && mount -t overlay -o lowerdir="${1##*overlay2/}":l overlay "$2"',
    ],
    ids=["bind of it", "bind on it", "bind of a file", "overlay on it", "overlay that writes to it", "overlay by relative paths"],
)
def test_garbage_that_another_mount_namespace_has_mounted_is_left(
    garbage: Garbage, start: Start, tmp_path: Path, mount: str
) -> None:
    point, work = tmp_path / "point", tmp_path / "work"
    point.mkdir()
    work.mkdir()
    (tmp_path / "file").write_bytes(b"")
    script = f"{mount} && cd / && {WAIT}"
    process = start("unshare", "-m", "sh", "-c", script, "sh", garbage.content, point, work)
    settled_without(garbage, garbage.content, process)


def test_a_process_that_comes_into_garbage_after_the_plan_keeps_it_there(garbage: Garbage, start: Start, tmp_path: Path) -> None:
    root, saved = garbage.root.path, tmp_path / "plan.json"
    assert 0 == said(root, "plan", "-o", str(saved)).status
    plan = looked_at(root).plan
    start("sh", "-c", WAIT, cwd=garbage.content)
    done = execute(plan, structs.replace(site_of(root), look=host.look), txn=TXN, now=NOW)
    used = str(garbage.content.parent.relative_to(root))
    assert used in {skip.path for skip in done.skipped}
    assert garbage.content.exists()
    assert not garbage.root.driver_dir(garbage.other).exists()
    assert 64 == said(root, "apply", str(saved), "--class", "reclaim", "--yes").status & 64
