"""Who uses a data root, asked of the real kernel: locks, mounts in other namespaces, open files, PID namespaces, btrfs."""

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostkit import LOCK, LOOK, MAP, OPEN, SLEEP, WAIT, Start, data_root, python, starter

from docker_fsck import host
from docker_fsck.errors import Refused, RootError
from docker_fsck.host import HostView, look
from docker_fsck.testing import subvolumes

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
with_btrfs = pytest.mark.skipif(bool(subvolumes.lacks()), reason=subvolumes.lacks() or "all is there")


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts programs that end with the test."""
    with starter() as launch:
        yield launch


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty data root with the databases that an engine locks."""
    return data_root(tmp_path / "docker")


@pytest.fixture
def btrfs(tmp_path: Path) -> Iterator[Path]:
    """A fresh btrfs on a loop device."""
    with subvolumes.btrfs(tmp_path) as point:
        yield point


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


@pytest.mark.parametrize("code", [OPEN, MAP])
def test_an_open_or_mapped_file_is_held_but_says_nothing_about_an_engine(root: Path, start: Start, code: str) -> None:
    (root / "overlay2/l/x y").write_bytes(b"data")
    start(*python(code, root / "overlay2/l/x y"))
    view = look(str(root))
    assert ("stopped", frozenset({"overlay2/l/x y"}), ()) == (view.state, view.held, view.users)
    assert "no engine runs on this data root, but 1 paths below it are mounted or open, such as overlay2/l/x y" == view.why


def test_a_working_folder_is_held_but_the_root_itself_is_not(root: Path, start: Start) -> None:
    start("sh", "-c", WAIT, cwd=root / "overlay2")
    start("sh", "-c", WAIT, cwd=root)
    assert {"overlay2"} == look(str(root)).held


def test_an_engine_that_holds_no_lock_yet_is_found_by_its_command_line(root: Path, start: Start, tmp_path: Path) -> None:
    engine = start("bash", "-c", 'exec -a dockerd "$@"', "-", *python(SLEEP), "--data-root", str(root))
    start("bash", "-c", 'exec -a dockerd "$@"', "-", *python(SLEEP), f"--data-root={tmp_path}")
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
def test_who_may_not_see_the_open_files_of_all_processes_gets_unknown(root: Path, start: Start) -> None:
    start("sh", "-c", WAIT)
    less = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-all"]
    said = subprocess.run([*less, *python(LOOK, root)], check=True, capture_output=True, text=True).stdout.splitlines()
    assert "unknown" == said[0]
    assert said[1].endswith("cannot be listed")


@as_root
def test_mounts_of_another_namespace_are_held(root: Path, tmp_path: Path, start: Start) -> None:
    base, top, away = root / "overlay2/base", root / "overlay2/top", tmp_path / "away"
    layers = [base / "diff", root / "overlay2/more/diff", top / "diff", top / "work", top / "merged"]
    for folder in (*layers, root / "volumes/v/_data", root / "7.7/overlay2", away / "data"):
        folder.mkdir(parents=True)
    (root / "overlay2/l/SHORT").symlink_to("../more/diff")
    options = f"lowerdir=l/SHORT:base/diff,upperdir={top}/diff,workdir=top/work"
    union = f"cd {root}/overlay2 && mount -t overlay overlay -o {options} {top}/merged && cd /"
    bind = f"mount --bind {root}/volumes/v/_data {away}/data"
    start("unshare", "-m", "sh", "-c", f"{union} && {bind} && {WAIT}")
    view = look(str(root))
    lower = {"overlay2/l/SHORT", "overlay2/base/diff"}
    expected = lower | {f"overlay2/top/{part}" for part in ("diff", "work", "merged")} | {"volumes/v/_data"}
    elsewhere = {f"7.7/overlay2/{name}" for name in ("l/SHORT", "base/diff", "top/work")}
    assert expected | elsewhere == set(view.held)
    assert frozenset() == view.mount_points


@as_root
def test_a_folder_reached_through_a_bind_mount_elsewhere_is_held(root: Path, tmp_path: Path, start: Start) -> None:
    away = tmp_path / "away"
    away.mkdir()
    start("unshare", "-m", "sh", "-c", f"mount --bind {root}/overlay2 {away} && mkdir {away}/x && cd {away}/x && {WAIT}")
    assert {"overlay2", "overlay2/x"} == look(str(root)).held


@as_root
def test_what_the_engine_bind_mounts_to_itself_is_not_held(root: Path, start: Start) -> None:
    folder = root / "volumes/v/_data"
    folder.mkdir(parents=True)
    binds = " && ".join(f"mount --bind {place} {place}" for place in (root, root / "overlay2", folder))
    start("unshare", "-m", "sh", "-c", f"{binds} && {WAIT}")
    assert {"volumes/v/_data"} == look(str(root)).held
    code = LOOK.replace("view.state", "*sorted(view.mount_points)")
    command = ["unshare", "-m", "sh", "-c", f'{binds} && exec "$@"', "-", *python(code, root)]
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
    (btrfs / "away").mkdir()
    subprocess.run(["btrfs", "-q", "subvolume", "create", root / "btrfs/subvolumes/x"], check=True)
    start("unshare", "-m", "sh", "-c", f"mount --bind {root}/btrfs/subvolumes/x {btrfs}/away && {WAIT}")
    assert {"btrfs/subvolumes/x"} == look(str(root)).held


def test_a_look_at_a_host_with_200_processes_takes_less_than_50_ms(root: Path) -> None:
    children = [subprocess.Popen(["sleep", "600"]) for _ in range(200 - len(list(Path("/proc").glob("[0-9]*"))))]
    try:
        assert 0.05 > min(duration(root) for _ in range(20))
    finally:
        for child in children:
            child.kill()
            child.wait()


def duration(root: Path) -> float:
    """The seconds that a look takes."""
    begin = time.perf_counter()
    look(str(root))
    return time.perf_counter() - begin
