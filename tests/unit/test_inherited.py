"""Whole copies: what a layer has from those below it is compared with their archives."""

from pathlib import Path

import pytest

from docker_fsck.tarsplit import FILE, Entry
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.table import run
from docker_fsck.values import Level
from docker_fsck.verify import inherited

BASE = {"etc/kept": b"kept\n", "usr/lib/one": b"1\n", "usr/lib/two": b"2\n", "swap": b"a file\n"}
ABOVE = {"usr/lib/three": b"3\n", "swap": b"another\n"}


def built(path: Path) -> tuple[DataRoot, Path]:
    """A root of vfs with an image of two layers; the folder of the upper one is as the engine makes it."""
    root = DataRoot(path, "vfs")
    image = root.image("app:1", [BASE, ABOVE])
    return root, root.content(root.dir_of(root.chains_of(image)[-1]))


def found(path: Path) -> list[tuple[str, str]]:
    """The rules at the deep level, with the first path of each finding."""
    return [(each.rule, each.paths[0].raw.rpartition("/")[2]) for each in run(path, level=Level.DEEP).findings]


def test_a_whole_copy_is_whole(tmp_path: Path) -> None:
    root, content = built(tmp_path / "root")
    assert {"kept", "one", "two", "three", "swap"} == {each.name for each in content.rglob("*") if each.is_file()}
    assert [] == found(root.path)


def kept(*layers: list[str]) -> list[str]:
    """What the layers below leave of their files, the last one being the layer itself; names as in archives."""
    found: dict[str, Entry] = {}
    for number, names in enumerate(layers, 1):
        batch = [
            Entry(type=FILE, position=0, name=name, size=0 if name.endswith("/") else 1, payload=b"8 bytes.") for name in names
        ]
        inherited._lay(found, inherited._files([batch]), last=number == len(layers))
    return sorted(found)


@pytest.mark.parametrize(
    ("above", "expected"),
    [
        ([], ["a/b/one", "a/two", "c"]),
        (["a/.wh.two"], ["a/b/one", "c"]),
        (["a/", "a/.wh.b"], ["a/two", "c"]),
        (["a/", "a/.wh..wh..opq", "a/three"], ["c"]),
        (["./c", "a/", "a/b/"], ["a/b/one", "a/two"]),
        (["a"], ["c"]),
    ],
    ids=[
        "nothing",
        "a file is gone",
        "a folder is gone",
        "a folder is another",
        "a file is another",
        "a file takes a folder's place",
    ],
)
def test_what_a_layer_hides_or_replaces_is_not_looked_for(above: list[str], expected: list[str]) -> None:
    assert expected == kept(["a/", "a/b/", "a/b/one", "./a/two", "c"], above)


def test_what_a_layer_between_brings_back_is_looked_for() -> None:
    assert ["a/two"] == kept(["a/one"], ["a/.wh.one", "a/two"], ["b"])


@pytest.mark.parametrize("data", [b"kepT\n", b"", b"kept\nand more\n"], ids=["another bit", "empty", "longer"])
def test_a_file_that_it_keeps_is_compared(tmp_path: Path, data: bytes) -> None:
    root, content = built(tmp_path / "root")
    root.write(content / "etc/kept", data)
    assert [("layer-content-mismatch", "kept")] == found(root.path)


def test_a_file_that_it_keeps_and_has_not_is_told(tmp_path: Path) -> None:
    root, content = built(tmp_path / "root")
    root.delete(content / "etc/kept")
    assert [("layer-content-mismatch", "kept")] == found(root.path)


def test_damage_below_is_blamed_on_the_layer_that_has_it(tmp_path: Path) -> None:
    root, content = built(tmp_path / "root")
    chain = next(iter(root.layers))
    root.write(root.content(root.dir_of(chain)) / "etc/kept", b"kepT\n")
    assert [("layer-content-mismatch", "kept")] == found(root.path)
    assert b"kept\n" == (content / "etc/kept").read_bytes()
