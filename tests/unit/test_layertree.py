"""Names of an archive are found in a layer as if it were the root of everything; nothing leads out of it."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from docker_fsck.layertree import LayerTree, plain


@pytest.fixture
def layer(tmp_path: Path) -> Iterator[tuple[Path, LayerTree]]:
    own, lower = tmp_path / "own", tmp_path / "lower"
    (own / "usr/lib").mkdir(parents=True)
    (own / "usr/lib/x").write_bytes(b"own")
    (own / "lib").symlink_to("/usr/lib")
    (own / "up").symlink_to("../../../../usr")
    (own / "loop").symlink_to("loop")
    (own / "secret").symlink_to("/etc/passwd")
    (own / "away").symlink_to(tmp_path)
    lower.mkdir()
    (lower / "bin").symlink_to("usr/bin")
    (own / "usr/bin").mkdir()
    (own / "usr/bin/tool").write_bytes(b"tool")
    (lower / "only").write_bytes(b"below")
    (tmp_path / "outside").write_bytes(b"foreign")
    tree = LayerTree(os.open(own, os.O_RDONLY), [lambda: os.open(lower, os.O_RDONLY), lambda: None], 0)
    yield own, tree
    tree.close()


def content(tree: LayerTree, name: str) -> bytes | int | None:
    try:
        fd = tree.open(name)
    except OSError as error:
        return error.errno
    try:
        return os.read(fd, 100)
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("usr/lib/x", b"own"),
        ("lib/x", b"own"),
        ("up/lib/x", b"own"),
        ("bin/tool", b"tool"),
        ("only", errno.ENOENT),
        ("loop/x", errno.ELOOP),
        ("secret", errno.ELOOP),
        ("away/outside", errno.ENOENT),
        ("none/x", errno.ENOENT),
    ],
)
def test_a_name_leads_to_the_file_of_the_layer_or_nowhere(layer: tuple[Path, LayerTree], name: str, expected: object) -> None:
    assert expected == content(layer[1], name)


def test_folders_stay_open_in_bounds_and_all_are_closed(layer: tuple[Path, LayerTree]) -> None:
    own, tree = layer
    before = len(os.listdir("/proc/self/fd"))
    for n in range(500):
        (own / f"d{n}").mkdir()
        (own / f"d{n}" / "f").write_bytes(b"%d" % n)
        assert b"%d" % n == content(tree, f"d{n}/f")
    assert len(os.listdir("/proc/self/fd")) <= before + 210
    tree.close()
    assert len(os.listdir("/proc/self/fd")) == before - 1
    tree._folders = {}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("./a/", "a"),
        ("/a", "a"),
        ("a//b", "a/b"),
        ("a/./b", "a/b"),
        ("a/../b", "b"),
        ("../../b", "b"),
        (".a", ".a"),
        ("a/.b", "a/.b"),
        ("./", ""),
        ("a/..", ""),
    ],
)
def test_a_name_is_made_plain(name: str, expected: str) -> None:
    assert expected == plain(name)
