"""Check and plan change no real root: its picture stays, a read-only mount does, no system call could change it (promise 1)."""

import os
import stat
import sys
import tempfile
from pathlib import Path

import pytest
import syscall_trace
from corpus_runs import Run, command, run, without_run
from unpacking import Corpus, workshop

from docker_fsck.cli import main
from docker_fsck.testing.tree import changes, snapshot_with_atimes

LONG_AGO = 1_000_000_000_000_000_000
PLAN = ("plan", "--grace", "0s", "--format", "json")
TRACED = (
    "dirty-docker20.10-overlay2-rmi-layer",
    "dirty-docker20.10-vfs-load-unpack",
    "dirty-docker28.5-overlay2-commit-layer",
    "dirty-docker28.5-overlay2-create-container",
    "dirty-docker28.5-overlay2-rm-config",
    "dirty-docker28.5-overlay2-rmi-beforelayer",
)
"""One for each kind of thing that is found."""
IN_MOUNT = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'


def test_a_clean_root_is_the_same_after_check_and_plan(clean: Corpus) -> None:
    assert changed_by_looking(clean.root) == {}


def test_a_dirty_root_is_the_same_after_check_and_plan(dirty: Corpus) -> None:
    assert changed_by_looking(dirty.root) == {}


def changed_by_looking(root: Path) -> dict[str, object]:
    """What differs after check, plan and the bare run, access times included: they are old, so that any read would show."""
    grow_old(root)
    before = snapshot_with_atimes(root)
    for words in (("check",), PLAN, ("--dry-run",)):
        assert main([*words, "--root", str(root)]) == 0
    return dict(changes(before, snapshot_with_atimes(root)))


def grow_old(folder: Path) -> None:
    """Set every access time to long before the mtime: the kernel then writes a new one even where it is mounted relatime."""
    for where, _, files in os.walk(folder):
        for path in (where, *(os.path.join(where, name) for name in files)):
            info = os.lstat(path)
            if not stat.S_ISLNK(info.st_mode):
                os.utime(path, ns=(LONG_AGO, info.st_mtime_ns))


def test_reading_without_care_would_show_in_the_picture() -> None:
    with tempfile.TemporaryDirectory(dir=workshop()) as name:
        top = Path(name)
        (top / "folder").mkdir()
        (top / "folder/file").write_bytes(b"x")
        grow_old(top)
        before = snapshot_with_atimes(top)
        list((top / "folder").iterdir())
        (top / "folder/file").read_bytes()
        seen = {*changes(before, snapshot_with_atimes(top))}
        if os.statvfs(top).f_flag & os.ST_NOATIME:
            pytest.skip(f"{top.parent} is mounted noatime: access times never change there")
    assert seen == {"folder", "folder/file"}


@pytest.fixture(scope="module")
def _mountable(tmp_path_factory: pytest.TempPathFactory) -> None:
    if lack := mounted_read_only(tmp_path_factory.mktemp("mounted"), "true").err:
        pytest.skip(f"nothing can be mounted here: {lack.splitlines()[0]}")


def mounted_read_only(root: Path, *argv: str) -> Run:
    """How `argv` ends where the root is a read-only bind mount; the mount is in a namespace of its own and ends with it."""
    return run(["unshare", "--mount", "--propagation", "private", "sh", "-c", IN_MOUNT, "sh", str(root), *argv])


@pytest.mark.usefixtures("_mountable")
def test_a_clean_root_is_judged_the_same_on_a_read_only_mount(clean: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    same_when_mounted_read_only(clean.root, capsys)


@pytest.mark.usefixtures("_mountable")
def test_a_dirty_root_is_judged_the_same_on_a_read_only_mount(dirty: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    same_when_mounted_read_only(dirty.root, capsys)


def same_when_mounted_read_only(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mounted = mounted_read_only(root, *command(root, *PLAN))
    assert (mounted.exit, mounted.err) == (0, "")
    assert main([*PLAN, "--root", str(root)]) == 0
    assert without_run(capsys.readouterr().out) == without_run(mounted.out)


@pytest.mark.usefixtures("_mountable")
def test_the_read_only_mount_is_one(tmp_path: Path) -> None:
    ended = mounted_read_only(tmp_path, "touch", str(tmp_path / "file"))
    assert (ended.exit != 0, "Read-only file system" in ended.err, list(tmp_path.iterdir())) == (True, True, [])


@pytest.fixture(scope="module")
def _traceable() -> None:
    if lack := syscall_trace.lacks():
        pytest.skip(lack)


@pytest.mark.usefixtures("_traceable")
def test_no_system_call_of_a_check_could_change_a_clean_root(clean: Corpus, tmp_path: Path) -> None:
    done = syscall_trace.trace(command(clean.root, "check"), clean.root, tmp_path / "log")
    assert (done.exit, done.offences, done.opened > 100) == (0, (), True)


@pytest.mark.usefixtures("_traceable")
@pytest.mark.parametrize("dirty", TRACED, indirect=True)
def test_no_system_call_of_a_plan_could_change_a_dirty_root(dirty: Corpus, tmp_path: Path) -> None:
    done = syscall_trace.trace(command(dirty.root, *PLAN), dirty.root, tmp_path / "log")
    assert (done.exit, done.offences, done.opened > 100) == (0, (), True)


HARM = """
import fcntl, os, sys
os.chdir("/")
os.mkdir(sys.argv[1] + "/made")
here = os.open(sys.argv[1], os.O_RDONLY)
file = os.open("made/file", os.O_RDWR | os.O_CREAT, dir_fd=here)
fcntl.flock(here, fcntl.LOCK_SH)
fcntl.lockf(file, fcntl.LOCK_EX)
os.fchmod(here, 0o700)
os.utime("made/file", dir_fd=here, follow_symlinks=False)
os.setxattr(here, "user.x", b"")
os.rename("made/file", "made/other", src_dir_fd=here, dst_dir_fd=here)
os.symlink("x", "made/link", dir_fd=here)
os.link("made/other", "made/hard", src_dir_fd=here, dst_dir_fd=here)
os.open("made/other", os.O_RDONLY, dir_fd=here)
for name in ("other", "link", "hard"):
    os.unlink("made/" + name, dir_fd=here)
os.rmdir("made", dir_fd=here)
"""
OFFENCES = [
    "mkdir", "openat", "flock", "fcntl", "fchmod", "utimensat", "fsetxattr", "renameat", "symlinkat", "linkat",
    "unlinkat", "unlinkat", "unlinkat", "unlinkat",
]  # fmt: skip


@pytest.mark.usefixtures("_traceable")
def test_the_trace_shows_every_kind_of_change(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    done = syscall_trace.trace([sys.executable, "-c", HARM, str(folder)], folder, tmp_path / "log")
    made = [line.partition("(")[0].replace("renameat2", "renameat").replace("mkdirat", "mkdir") for line in done.offences]
    assert (done.exit, made) == (0, OFFENCES)


@pytest.mark.usefixtures("_traceable")
def test_the_trace_is_silent_about_what_happens_elsewhere(tmp_path: Path) -> None:
    for name in ("folder", "folder2"):
        (tmp_path / name).mkdir()
    done = syscall_trace.trace([sys.executable, "-c", HARM, str(tmp_path / "folder2")], tmp_path / "folder", tmp_path / "log")
    assert (done.exit, done.offences, done.opened) == (0, (), 0)
