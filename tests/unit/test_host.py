"""Who uses a data root, asked of the real kernel: locks, mounts in other namespaces, open files, PID namespaces, btrfs."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from docker_fsck import host
from docker_fsck.errors import Refused, RootError
from docker_fsck.host import HostView, look

LOCK = "import fcntl,sys,time; f=open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print(); sys.stdout.flush(); time.sleep(600)"
HOLD = "import sys,time; from docker_fsck import host; l=host.hold(sys.argv[1]); print(); sys.stdout.flush(); time.sleep(600)"
LOOK = "import sys; from docker_fsck import host; view=host.look(sys.argv[1]); print(view.state); print(view.why)"
OPEN = "import sys,time; f=open(sys.argv[1]); print(); sys.stdout.flush(); time.sleep(600)"
MAP = "import mmap,sys,time; f=open(sys.argv[1]); m=mmap.mmap(f.fileno(),0,access=mmap.ACCESS_READ); f.close(); print(); sys.stdout.flush(); time.sleep(600)"
WAIT = "echo; exec sleep 600"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
with_btrfs = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("mkfs.btrfs") is None or not os.path.exists("/dev/loop-control"),
    reason="a btrfs needs root, btrfs-progs and loop devices",
)
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a program and waits until it has said one line; it ends with the test."""
    with contextlib.ExitStack() as stack:

        def launch(*command: str, **options: str) -> subprocess.Popen[str]:
            child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload]
            stack.callback(child.wait)
            stack.callback(child.kill)
            stack.callback(child.stdout.close)
            assert "\n" == child.stdout.readline()
            return child

        yield launch


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty data root with the databases that an engine locks."""
    return data_root(tmp_path / "docker")


def data_root(path: Path) -> Path:
    for rel in (host.METADATA, "buildkit/snapshots.db", "network/files/local-kv.db", "overlay2/l", ".docker-fsck"):
        place = path / rel
        (place.parent if place.suffix else place).mkdir(parents=True, exist_ok=True)
        if place.suffix == ".db":
            place.write_bytes(b"")
    return path


def python(code: str, *args: Path) -> tuple[str, ...]:
    return (sys.executable, "-c", code, *map(str, args))


@pytest.fixture
def btrfs(tmp_path: Path) -> Iterator[Path]:
    """A fresh btrfs on a loop device."""
    image, point = tmp_path / "disk", tmp_path / "btrfs"
    with image.open("wb") as file:
        file.truncate(128 << 20)
    point.mkdir()
    subprocess.run(["mkfs.btrfs", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, point], check=True)
    yield point
    subprocess.run(["umount", point], check=True)


def test_a_root_that_nobody_uses_is_stopped(root: Path) -> None:
    assert HostView(state="stopped", why="no process uses this data root") == look(str(root))


def test_a_folder_that_is_not_there_is_a_root_error(tmp_path: Path) -> None:
    with pytest.raises(RootError, match="No such file"):
        look(str(tmp_path / "none"))


@pytest.mark.parametrize("database", [host.METADATA, "buildkit/snapshots.db", "network/files/local-kv.db"])
def test_the_owner_of_a_lock_is_named(root: Path, start: Start, database: str) -> None:
    child = start(*python(LOCK, root / database))
    view = look(str(root))
    assert ("live", [child.pid]) == (view.state, [user.pid for user in view.users])
    assert f"(pid {child.pid}) holds the lock on {database}" in view.why
    assert {database} == view.held


def test_a_lock_in_a_userns_remap_root_counts(root: Path, start: Start) -> None:
    nested = data_root(root / "100000.100000")
    start(*python(LOCK, nested / host.METADATA))
    assert ("live", "stopped") == (look(str(root)).state, look(str(data_root(root / "other"))).state)


def test_a_lock_behind_a_link_is_not_looked_for(root: Path, tmp_path: Path, start: Start) -> None:
    outside = data_root(tmp_path / "elsewhere")
    shutil.rmtree(root / "volumes")
    (root / "volumes").symlink_to(outside / "volumes")
    start(*python(LOCK, outside / host.METADATA))
    assert ("stopped", "live") == (look(str(root)).state, look(str(outside)).state)


def test_a_root_reached_by_a_link_is_the_root_itself(root: Path, tmp_path: Path, start: Start) -> None:
    (tmp_path / "link").symlink_to(root)
    start(*python(LOCK, root / host.METADATA))
    assert "live" == look(str(tmp_path / "link")).state


def test_looking_takes_no_lock_and_leaves_every_atime(root: Path, start: Start) -> None:
    places = [root, *root.rglob("*")]
    for place in places:
        os.utime(place, ns=(1, 1))
    with (root / host.METADATA).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "stopped" == look(str(root)).state  # our own lock does not count
    assert {1} == {place.stat().st_atime_ns for place in places}
    start(*python(LOCK, root / host.METADATA))  # and the other process gets its lock at once


def test_hold_keeps_an_engine_off_until_the_end_of_the_block(root: Path) -> None:
    with host.hold(str(root)) as lock, (root / host.METADATA).open() as file:
        assert lock.guarded
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    with (root / host.METADATA).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert 0o600 == (root / host.OWN_LOCK).stat().st_mode & 0o777


def test_hold_names_the_process_that_has_the_lock(root: Path, start: Start) -> None:
    child = start(*python(LOCK, root / host.METADATA))
    with pytest.raises(Refused, match=rf"\(pid {child.pid}\) holds the lock on volumes/metadata.db"):
        host.hold(str(root))
    with (root / host.OWN_LOCK).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the first lock was given back


def test_a_second_docker_fsck_is_refused_and_seen(root: Path, start: Start) -> None:
    child = start(*python(HOLD, root))
    with pytest.raises(Refused, match=rf"\(pid {child.pid}\) holds the lock on .docker-fsck/lock"):
        host.hold(str(root))
    view = look(str(root))
    assert ("stopped", child.pid, (), frozenset()) == (view.state, view.fsck_pid, view.users, view.held)


def test_hold_without_the_database_is_not_guarded_and_makes_none(root: Path) -> None:
    (root / host.METADATA).unlink()
    with host.hold(str(root)) as lock:
        assert not lock.guarded
    assert not (root / host.METADATA).exists()


@pytest.mark.parametrize("rel", [host.METADATA, "volumes"])
def test_hold_follows_no_link(root: Path, tmp_path: Path, rel: str) -> None:
    outside = data_root(tmp_path / "elsewhere")
    shutil.rmtree(root / "volumes")
    if rel == host.METADATA:
        (root / "volumes").mkdir()
    (root / rel).symlink_to(outside / rel)
    with host.hold(str(root)) as lock, (outside / host.METADATA).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert not lock.guarded


def test_hold_refuses_a_lock_file_that_is_no_file(root: Path) -> None:
    (root / host.OWN_LOCK).symlink_to("nowhere")
    with pytest.raises(Refused, match="no regular file"):
        host.hold(str(root))


def test_hold_locks_the_userns_remap_roots_too(root: Path) -> None:
    nested = data_root(root / "100000.100000")
    with host.hold(str(root)), (nested / host.METADATA).open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


@pytest.mark.parametrize("code", [OPEN, MAP])
def test_an_open_or_mapped_file_is_held_but_says_nothing_about_an_engine(root: Path, start: Start, code: str) -> None:
    (root / "overlay2/l/x y").write_bytes(b"data")
    start(*python(code, root / "overlay2/l/x y"))
    view = look(str(root))
    assert ("stopped", frozenset({"overlay2/l/x y"}), ()) == (view.state, view.held, view.users)
    assert "no engine runs on this data root, but 1 paths below it are mounted or open, such as overlay2/l/x y" == view.why


def test_a_working_folder_is_held_but_the_root_itself_is_not(root: Path, start: Start) -> None:
    start("sh", "-c", WAIT, cwd=str(root / "overlay2"))
    start("sh", "-c", WAIT, cwd=str(root))
    assert {"overlay2"} == look(str(root)).held


def test_an_engine_that_holds_no_lock_yet_is_found_by_its_command_line(root: Path, start: Start, tmp_path: Path) -> None:
    code = "print(); import sys,time; sys.stdout.flush(); time.sleep(600)"
    engine = start("bash", "-c", 'exec -a dockerd "$@"', "-", *python(code), "--data-root", str(root))
    start("bash", "-c", 'exec -a dockerd "$@"', "-", *python(code), f"--data-root={tmp_path}")
    (user,) = host.engine_processes(str(root))
    assert (engine.pid, f"runs with data root {root}") == (user.pid, user.how)
    assert "live" == look(str(root)).state


@as_root
def test_in_another_pid_namespace_the_answer_is_unknown(root: Path, start: Start) -> None:
    start(*python(LOCK, root / host.METADATA))
    command = ["unshare", "-pf", "--mount-proc", *python(LOOK, root)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert "unknown" == said[0]
    assert "PID namespace" in said[1]


@as_root
def test_who_may_not_see_the_mounts_of_all_processes_gets_unknown(root: Path) -> None:
    less = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-all"]
    said = subprocess.run([*less, *python(LOOK, root)], check=True, capture_output=True, text=True).stdout.splitlines()
    assert "unknown" == said[0]
    assert "/mountinfo cannot be read (Permission denied)" in said[1]


@as_root
def test_mounts_of_another_namespace_are_held(root: Path, tmp_path: Path, start: Start) -> None:
    base, top, away = root / "overlay2/base", root / "overlay2/top", tmp_path / "away"
    for folder in (base / "diff", top / "diff", top / "work", top / "merged", root / "volumes/v/_data", away / "data"):
        folder.mkdir(parents=True)
    (root / "overlay2/l/SHORT").symlink_to("../base/diff")
    options = f"lowerdir=l/SHORT:base/diff,upperdir={top}/diff,workdir=top/work"
    script = f"cd {root}/overlay2 && mount -t overlay overlay -o {options} {top}/merged && cd / && mount --bind {root}/volumes/v/_data {away}/data"
    start("unshare", "-m", "sh", "-c", f"{script} && {WAIT}")
    view = look(str(root))
    expected = {"overlay2/l/SHORT", "overlay2/base/diff", "overlay2/top/diff", "overlay2/top/work", "overlay2/top/merged", "volumes/v/_data"}
    relative = {f"{home}/{name}" for home in ("overlay", "fuse-overlayfs") for name in ("l/SHORT", "base/diff", "top/work")}
    assert ("stopped", expected | relative) == (view.state, view.held)
    assert frozenset() == view.mount_points


@as_root
def test_a_process_that_has_only_its_root_folder_here_holds_it(root: Path, start: Start) -> None:
    start("unshare", "-m", "sh", "-c", f"mount --bind {root}/overlay2 /mnt && mkdir {root}/overlay2/x && cd /mnt/x && {WAIT}")
    assert {"overlay2", "overlay2/x"} == look(str(root)).held


@as_root
def test_what_the_engine_bind_mounts_to_itself_is_not_held(root: Path, start: Start) -> None:
    folder = root / "volumes/v/_data"
    folder.mkdir(parents=True)
    binds = " && ".join(f"mount --bind {place} {place}" for place in (root, root / "overlay2", folder))
    start("unshare", "-m", "sh", "-c", f"{binds} && {WAIT}")
    assert {"volumes/v/_data"} == look(str(root)).held
    command = ["unshare", "-m", "sh", "-c", f'{binds} && exec "$@"', "-", *python(LOOK.replace("view.state", "*sorted(view.mount_points)"), root)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert "overlay2 volumes/v/_data" == said[0]


@with_btrfs
def test_on_btrfs_the_owner_of_a_lock_is_found(btrfs: Path, start: Start) -> None:
    subprocess.run(["btrfs", "-q", "subvolume", "create", btrfs / "sub"], check=True)
    root = data_root(btrfs / "sub/docker")
    before = look(str(root))
    child = start(*python(LOCK, root / host.METADATA))
    view = look(str(root))
    assert ("stopped", "live", [child.pid]) == (before.state, view.state, [user.pid for user in view.users])
    with pytest.raises(Refused, match=rf"\(pid {child.pid}\)"):
        host.hold(str(root))


@with_btrfs
def test_on_btrfs_a_lock_on_the_same_inode_number_of_another_subvolume_gives_unknown(btrfs: Path, start: Start) -> None:
    roots = []
    for name in ("a", "b"):
        subprocess.run(["btrfs", "-q", "subvolume", "create", btrfs / name], check=True)
        roots.append(data_root(btrfs / name / "docker"))
    assert (roots[0] / host.METADATA).stat().st_ino == (roots[1] / host.METADATA).stat().st_ino
    start(*python(LOCK, roots[0] / host.METADATA))
    assert ("live", "unknown") == (look(str(roots[0])).state, look(str(roots[1])).state)
    assert "in another subvolume" in look(str(roots[1])).why


@with_btrfs
def test_two_databases_with_one_number_in_the_lock_table_give_unknown(btrfs: Path) -> None:
    roots = [btrfs / "docker", btrfs / "docker/1.1"]
    for root in roots:
        subprocess.run(["btrfs", "-q", "subvolume", "create", root], check=True)
        data_root(root)
    assert "unknown" == look(str(roots[0])).state
    assert "/proc/locks cannot tell" in look(str(roots[0])).why


@with_btrfs
def test_a_root_on_a_subvolume_is_recognised_in_every_namespace(btrfs: Path, start: Start) -> None:
    root = data_root(btrfs / "docker")
    (root / "btrfs/subvolumes").mkdir(parents=True)
    subprocess.run(["btrfs", "-q", "subvolume", "create", root / "btrfs/subvolumes/x"], check=True)
    start("unshare", "-m", "sh", "-c", f"mount --bind {root}/btrfs/subvolumes/x /mnt && {WAIT}")
    assert {"btrfs/subvolumes/x"} == look(str(root)).held


def test_a_look_at_a_host_with_200_processes_takes_less_than_50_ms(root: Path) -> None:
    children = [subprocess.Popen(["sleep", "600"]) for _ in range(200 - len(list(Path("/proc").glob("[0-9]*"))))]
    try:
        assert 0.05 > min(timed(lambda: look(str(root))) for _ in range(20))
    finally:
        for child in children:
            child.kill()
            child.wait()


def timed(work: Callable[[], HostView]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
