"""Which mounts below a root lead out of it, from mountinfo as the kernel writes it."""

import os
from pathlib import Path

import pytest

from docker_fsck.mounttable import foreign_mounts, unescape

DISK, OTHER = "254:0", "254:1"
ROOT = "/data/docker"
HOST = (DISK, "/", "/")
VOLUME = (OTHER, "/vol", "/data")
"""The root lies on a folder `vol` of a second disk, so that the source of the mount around it is not `/`."""

Mount = tuple[str, str, str]


def mountinfo(path: Path, *mounts: Mount) -> str:
    """A table with these mounts: device, folder on it, mount point."""
    lines = [f"{n} 1 {device} {source} {point} rw - ext4 /dev/x rw\n" for n, (device, source, point) in enumerate(mounts, 20)]
    path.write_bytes(os.fsencode("".join(lines)))
    return str(path)


@pytest.mark.parametrize(
    ("mounts", "foreign"),
    [
        pytest.param((), set(), id="nothing at all"),
        pytest.param((HOST,), set(), id="nothing below"),
        pytest.param((HOST, ("0:9", "/", f"{ROOT}/tmp")), {"tmp"}, id="a memory disk"),
        pytest.param((HOST, ("0:9", "/", f"{ROOT}/a/b/c")), {"a/b/c"}, id="deep below"),
        pytest.param((HOST, ("0:9", "/", f"{ROOT}2/tmp")), set(), id="a folder whose name begins alike"),
        pytest.param((HOST, ("0:9", "/", ROOT)), set(), id="the root itself"),
        pytest.param((HOST, ("0:9", "/", "/data")), set(), id="above the root"),
        pytest.param((HOST, VOLUME, (OTHER, "/vol/docker/btrfs", f"{ROOT}/btrfs")), set(), id="a folder onto itself"),
        pytest.param((HOST, VOLUME, (OTHER, "/vol/docker/a", f"{ROOT}/b")), {"b"}, id="another folder of the same disk"),
        pytest.param((HOST, VOLUME, (DISK, "/vol/docker/b", f"{ROOT}/b")), {"b"}, id="the same path of another disk"),
        pytest.param(
            (HOST, VOLUME, (OTHER, "/vol/docker", ROOT), (OTHER, "/vol/docker/btrfs", f"{ROOT}/btrfs")),
            set(),
            id="the root and a folder in it, both onto themselves",
        ),
        pytest.param(
            (HOST, VOLUME, (OTHER, "/vol/docker/b", f"{ROOT}/b"), ("0:9", "/", f"{ROOT}/b")),
            {"b"},
            id="a memory disk over a folder that is mounted onto itself",
        ),
        pytest.param(
            (HOST, VOLUME, (OTHER, "/vol/docker/b", f"{ROOT}/b"), ("0:9", "/", f"{ROOT}/b/c")),
            {"b/c"},
            id="a memory disk inside a folder that is mounted onto itself",
        ),
        pytest.param(
            (HOST, VOLUME, ("0:9", "/", f"{ROOT}/b"), ("0:9", "/c", f"{ROOT}/b/c")),
            {"b", "b/c"},
            id="a bind inside a foreign disk",
        ),
    ],
)
def test_a_mount_below_the_root_is_foreign_unless_it_shows_the_same_files(
    tmp_path: Path, mounts: tuple[Mount, ...], foreign: set[str]
) -> None:
    assert foreign == foreign_mounts(ROOT, mountinfo(tmp_path / "mountinfo", *mounts))


@pytest.mark.parametrize(
    "around",
    [pytest.param(HOST, id="on the root file system"), pytest.param((OTHER, "/", ROOT), id="on a disk of the root's own")],
)
def test_a_self_bind_mount_on_a_whole_file_system_is_not_foreign(tmp_path: Path, around: Mount) -> None:
    source = ROOT if around is HOST else ""
    table = mountinfo(tmp_path / "mountinfo", HOST, around, (around[0], f"{source}/btrfs", f"{ROOT}/btrfs"))
    assert frozenset() == foreign_mounts(ROOT, table)


def test_a_table_that_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    assert None is foreign_mounts(ROOT, str(tmp_path / "absent"))


def test_names_with_spaces_and_bytes_that_are_no_text_are_found(tmp_path: Path) -> None:
    table = mountinfo(tmp_path / "mountinfo", HOST, ("0:9", "/", rf"{ROOT}/a\040b"), ("0:9", "/", f"{ROOT}/\udcff"))
    assert {"a b", "\udcff"} == foreign_mounts(ROOT, table)


@pytest.mark.parametrize("name", ["公共", "Åben", "a\x0bb", "a\x1cb", "a\rb"])
def test_a_name_may_hold_what_ends_a_line_elsewhere(tmp_path: Path, name: str) -> None:
    table = mountinfo(tmp_path / "mountinfo", HOST, ("0:9", "/", f"{ROOT}/{name}"), ("0:9", "/", f"{ROOT}/x"))
    assert {name, "x"} == foreign_mounts(ROOT, table)


@pytest.mark.parametrize(
    ("field", "path"),
    [
        ("/plain", "/plain"),
        (r"/a\040b\011c\012d\134e", "/a b\tc\nd\\e"),
        (r"/\303\251", "/é"),
        (r"/\377", "/\udcff"),
        (r"/\08", r"/\08"),
    ],
)
def test_octal_escapes_are_undone(field: str, path: str) -> None:
    assert path == unescape(field)
