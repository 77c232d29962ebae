"""What the reader tells of the file system below a root, on file systems that are made for it."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from docker_fsck.reader import Reader
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.table import run
from docker_fsck.upgrade.settings import Settings
from docker_fsck.upgrade.version import Version
from docker_fsck.values import Severity

OWN = Settings(own=True)


@pytest.fixture
def untyped(tmp_path: Path) -> Iterator[Path]:
    """An ext4 that does not tell the kinds of entries."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("needs root and mkfs.ext4")
    disk, point = tmp_path / "disk", tmp_path / "point"
    point.mkdir()
    with disk.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "^filetype", str(disk)], check=True)
    if subprocess.run(["mount", "-o", "loop", str(disk), str(point)], check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield point
    finally:
        subprocess.run(["umount", str(point)], check=True)


def attached(point: Path, kind: str, source: str, options: str) -> bool:
    """Whether it could be mounted."""
    command = ["mount", "-t", kind, "-o", options, source, str(point)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@contextmanager
def mounted(point: Path, kind: str, source: str, options: str) -> Iterator[Path]:
    """A file system for one test."""
    point.mkdir(exist_ok=True)
    if os.geteuid() != 0 or not attached(point, kind, source, options):
        pytest.skip(f"no {kind} can be mounted here")
    try:
        yield point
    finally:
        subprocess.run(["umount", str(point)], check=True)


def told(root: Path, settings: Settings = OWN) -> dict[str, Severity]:
    """What is said of the file system below a root."""
    return {
        each.object.id.removeprefix("file-system-"): each.severity
        for each in run(root, engine_settings=settings).of("backing-fs")
    }


def test_a_root_on_an_overlay_is_told_on_its_own_host_alone(tmp_path: Path) -> None:
    with mounted(tmp_path / "lower", "tmpfs", "none", "size=8m") as base:
        for name in ("low", "up", "work", "point"):
            (base / name).mkdir()
        with mounted(base / "point", "overlay", "none", f"lowerdir={base}/low,upperdir={base}/up,workdir={base}/work") as point:
            DataRoot(point / "docker").image("app:1")
            assert ({"kind": Severity.CRITICAL}, {}) == (told(point / "docker"), told(point / "docker", Settings()))


def test_a_file_system_that_is_read_only_as_a_whole_is_told(tmp_path: Path) -> None:
    with mounted(tmp_path / "point", "tmpfs", "none", "size=8m") as point:
        DataRoot(point / "docker").image("app:1")
        assert {} == told(point / "docker")
        subprocess.run(["mount", "-o", "remount,ro", str(point)], check=True)
        assert {"read-only": Severity.CRITICAL} == told(point / "docker")


def test_a_root_that_is_only_bound_read_only_is_none_of_it(tmp_path: Path) -> None:
    with mounted(tmp_path / "point", "tmpfs", "none", "size=8m") as point:
        DataRoot(point / "docker").image("app:1")
        with mounted(tmp_path / "bound", "none", str(point), "bind") as bound:
            subprocess.run(["mount", "-o", "remount,ro,bind", str(bound)], check=True)
            assert {} == told(bound / "docker")


def test_a_full_file_system_is_told(tmp_path: Path) -> None:
    with mounted(tmp_path / "point", "tmpfs", "none", "size=8m") as point:
        DataRoot(point / "docker").image("app:1")
        with contextlib.suppress(OSError), (point / "filler").open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        assert {"space": Severity.WARNING} == told(point / "docker")


def test_a_file_system_without_inodes_is_told(tmp_path: Path) -> None:
    with mounted(tmp_path / "point", "tmpfs", "none", "size=8m,nr_inodes=600") as point:
        DataRoot(point / "docker").image("app:1")
        with contextlib.suppress(OSError):
            for number in range(600):
                (point / f"filler{number}").touch()
        assert {"inodes": Severity.WARNING} == told(point / "docker")


def test_the_file_system_of_a_root_is_told(tmp_path: Path) -> None:
    with Reader(str(tmp_path)) as reader:
        found = reader.backing()
    whole = os.statvfs(tmp_path)
    assert (whole.f_blocks * whole.f_frsize, whole.f_files, False) == (found.bytes, found.inodes, found.read_only)
    assert found.kind


def test_entries_with_kinds_are_told_from_no_entries(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with Reader(str(tmp_path)) as reader:
        assert (True, None, None) == (reader.typed(""), reader.typed("empty"), reader.typed("absent"))


def test_a_file_system_without_kinds_is_known(untyped: Path) -> None:
    with Reader(str(untyped)) as reader:
        assert (False, "ext4") == (reader.typed(""), reader.backing().kind)


def test_overlay2_on_it_is_told_by_a_check_and_by_the_gate_once(untyped: Path) -> None:
    root = DataRoot(untyped / "docker")
    root.image("app:1")
    assert {"d_type": Severity.WARNING} == told(root.path, Settings())
    (found,) = run(root.path, target=Version(29)).findings
    assert ("upgrade-dtype", ["backing-fs"]) == (found.rule, [each.rule for each in found.folded])


def test_overlay2_on_it_is_stopped_by_the_gate_from_23_on(untyped: Path) -> None:
    root = DataRoot(untyped / "docker")
    root.image("app:1")
    versions = (Version(20, 10), Version(23), Version(29))
    found = {str(version): [each.rule for each in run(root.path, target=version).of("upgrade-dtype")] for version in versions}
    assert {"20.10": [], "23.0": ["upgrade-dtype"], "29.0": ["upgrade-dtype"]} == found
