"""What the builder promises for every driver: the same root each time, for any user, and a refusal of what it cannot make."""

import os
import stat
import tempfile
from pathlib import Path

import pytest
from test_builder import DRIVERS, full, named, on_disk

from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.layertar import MTIME
from docker_fsck.testing.tree import snapshot_with_atimes


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_same_calls_give_the_same_root(driver: str, tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        first = snapshot_with_atimes(full(tmp_path / "first", driver).path)
    finally:
        os.umask(old)
    assert first == snapshot_with_atimes(full(tmp_path / "second", driver).path)
    times = {entry.mtime_ns for entry in first.values()} | {
        entry.atime_ns for entry in first.values() if not stat.S_ISLNK(entry.mode)
    }
    assert times == {MTIME * 1_000_000_000}


def test_what_cannot_be_built_is_refused(tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").touch()
    with pytest.raises(FileExistsError):
        DataRoot(tmp_path / "used")
    with pytest.raises(ValueError, match="windowsfilter"):
        DataRoot(tmp_path / "windowsfilter", "windowsfilter")
    with pytest.raises(ValueError, match="vfs keeps no parents"):
        DataRoot(tmp_path / "vfs", "vfs").shadow_parent()


def test_two_drivers_share_a_root_without_a_common_id(tmp_path: Path) -> None:
    first, second = full(tmp_path / "root", "overlay2"), DataRoot(tmp_path / "root", "vfs")
    second.container(second.image("other:1"), "other")
    assert not on_disk(first) & on_disk(second)
    assert len(list((tmp_path / "root" / "containers").iterdir())) == 3
    foreign = first.container(next(iter(first.images)), driver="zfs")
    assert (first.mount_record(foreign).exists(), first.container_dir(foreign).is_dir()) == (False, True)


def test_a_normal_user_can_build_every_driver() -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                if os.geteuid() == 0:
                    os.setgroups([])
                    os.setgid(65534)
                    os.setuid(65534)
                for driver in DRIVERS:
                    root = full(Path(name, driver), driver)
                    status = 0 if named(root) == on_disk(root) else 2
                    root.delete(driver)
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
