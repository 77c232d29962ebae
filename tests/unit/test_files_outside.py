"""No file that the user asked for lands in the data root through another mount of it, or of a part of it (promise 1)."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_cli_kit import broken_root, on, run

from docker_fsck.errors import UsageError
from docker_fsck.reports import files

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts")


@contextmanager
def bound(source: Path, point: Path) -> Iterator[None]:
    """`source`, mounted a second time."""
    point.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "--bind", source, point], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", point], check=True)


@pytest.mark.parametrize(("part", "inside"), [("", "x.json"), ("", "new/sub"), ("", ""), ("sub/deep", "x.json")])
def test_nothing_is_written_into_the_data_root_through_another_mount_of_it(tmp_path: Path, part: str, inside: str) -> None:
    root, alias = tmp_path / "root", tmp_path / "alias"
    (root / "sub/deep").mkdir(parents=True)
    with bound(root / part, alias), pytest.raises(UsageError, match="lies in the data root"):
        files.outside(str(alias / inside), str(root), "--report")


def test_the_root_itself_is_known_by_another_name_where_proc_does_not_tell_of_mounts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: str) -> bytes:
        raise OSError

    root, alias = tmp_path / "root", tmp_path / "alias"
    root.mkdir()
    monkeypatch.setattr("docker_fsck.hostproc.content", refused)
    with bound(root, alias), pytest.raises(UsageError, match="lies in the data root"):
        files.outside(str(alias / "x.json"), str(root), "--report")


def test_the_other_name_may_be_that_of_the_root(tmp_path: Path) -> None:
    root, alias = tmp_path / "root", tmp_path / "alias"
    root.mkdir()
    with bound(root, alias), pytest.raises(UsageError, match="lies in the data root"):
        files.outside(str(root / "plan.json"), str(alias), "-o")


def test_a_disk_on_a_folder_of_the_data_root_belongs_to_it_and_what_a_volume_mounts_does_not(tmp_path: Path) -> None:
    root, disk, host = tmp_path / "root", tmp_path / "disk", tmp_path / "srv"
    for each in (disk, host):
        each.mkdir()
    with bound(disk, root / "containers"), bound(host, root / "volumes/v/_data"):
        files.outside(str(host / "x.json"), str(root), "--report")
        with pytest.raises(UsageError, match="lies in the data root"):
            files.outside(str(disk / "x.json"), str(root), "--report")


@pytest.mark.parametrize(
    "argv",
    [
        ("check", "--report", "json={}/x.json"),
        ("plan", "-o", "{}/plan.json"),
        ("check", "--level", "deep", "--state-dir", "{}/state"),
        ("apply", "--class", "lossless", "--yes", "--journal-dir", "{}"),
    ],
    ids=lambda argv: argv[-2],
)
def test_every_option_that_names_a_file_is_judged_so(tmp_path: Path, argv: tuple[str, ...]) -> None:
    root = broken_root(tmp_path)
    with bound(root.path, tmp_path / "alias"):
        ended = run(*on(root, *(each.format(tmp_path / "alias") for each in argv)))
    assert (16, True) == (ended.status, "lies in the data root" in ended.err)
