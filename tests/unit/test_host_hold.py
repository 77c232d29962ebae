"""The locks that keep engines and other docker-fscks off a data root while it is changed."""

import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostkit import HOLD, LOCK, Start, data_root, python, starter

from docker_fsck import host
from docker_fsck.errors import Refused
from docker_fsck.host import look


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts programs that end with the test."""
    with starter() as launch:
        yield launch


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty data root with the databases that an engine locks."""
    return data_root(tmp_path / "docker")


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
