"""Whose the files of layers are: judged only where the map of ids is known, and only as far."""

import os
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from layerkit import Layer, Member
from msgspec import structs

from docker_fsck import owners
from docker_fsck.reader import Reader
from docker_fsck.verdicts import Verdict
from docker_fsck.verify.layer import verify

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners are root's to give")
CAPABILITY = "security.capability"
SHIFT = (100_000, 200_000)


def judged(layer: Layer, shift: tuple[int, int] | None) -> Verdict:
    with Reader(str(layer.place)) as reader:
        return verify(reader, structs.replace(layer.task, shift=shift), lambda _count: None)


def layer_of(place: Path, ids: Sequence[int], found: Sequence[int]) -> Layer:
    """Files `0`, `1`, … of these users, who have other numbers on the disk."""
    layer = Layer(place, [Member(f"{turn}", b"x", owner=(uid, 0)) for turn, uid in enumerate(ids)])
    for turn, uid in enumerate(found):
        os.chown(layer.top / f"{turn}", uid, SHIFT[1])
    return layer


def test_where_the_map_is_not_known_nothing_is_said_of_owners_and_all_of_the_rest(tmp_path: Path) -> None:
    layer = layer_of(tmp_path, [0, 0, 33], [1000, 1000, 100_032])
    assert () == judged(layer, None).drift
    (layer.top / "1").chmod(0o600)
    (found,) = judged(layer, None).drift
    assert ("mode 0600", 0o644, None, None) == (found.found, found.meta and found.meta.mode, found.meta and found.meta.uid,
                                               found.meta and found.meta.gid)  # fmt: skip


def test_a_map_counts_as_far_as_it_is_seen(tmp_path: Path) -> None:
    layer = layer_of(tmp_path, [0, 0, 0, 5, 3, 2000], [100_000, 100_000, 100_000, 100_005, 7, 500_000])
    (found,) = judged(layer, SHIFT).drift
    assert ("4", "owner 100003:200000", 100_003) == (found.name, found.expected, found.meta and found.meta.uid)


@pytest.mark.parametrize("count", [3, 4, 5])
def test_an_owner_that_most_files_have_is_told_and_stays(tmp_path: Path, count: int) -> None:
    layer = Layer(tmp_path, [Member(f"{turn}", b"x", owner=(0, 0)) for turn in range(6)])
    for turn in range(count):
        os.chown(layer.top / f"{turn}", 1000, 1000)
    found = judged(layer, (0, 0)).drift
    assert (count, {count <= 3}) == (len(found), {each.meta is not None for each in found})


@pytest.mark.parametrize(("shift", "mended"), [((0, 0), True), (SHIFT, False), (None, False)])
def test_a_capability_is_only_written_where_it_is_known_which(
    tmp_path: Path, shift: tuple[int, int] | None, mended: bool
) -> None:
    layer = Layer(tmp_path, [Member("a", b"x", owner=(0, 0))])
    os.chown(layer.top / "a", *(shift or (0, 0)))
    os.setxattr(layer.top / "a", CAPABILITY, struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0))
    (found,) = judged(layer, shift).drift
    assert (((CAPABILITY, None),) if mended else None) == (found.meta and found.meta.xattrs)


def test_a_capability_that_is_tied_to_another_namespace_stays(tmp_path: Path) -> None:
    layer = Layer(tmp_path, [Member("a", b"x", owner=(0, 0))])
    os.setxattr(layer.top / "a", CAPABILITY, struct.pack("<6I", 0x03000001, 1 << 13, 0, 0, 0, 100_000))
    (found,) = judged(layer, (0, 0)).drift
    assert None is found.meta


@pytest.mark.parametrize(
    ("name", "root", "tops", "expected"),
    [
        ("docker", (0, 0), [(0, 0)] * 3, (0, 0)),
        ("20.10", (0, 0), [(0, 0)] * 3, (0, 0)),
        ("docker", (0, 0), [(0, 0), (0, 0), (1000, 1000)], (0, 0)),
        ("docker", (0, 0), [(0, 0), (1000, 1000)], None),
        ("docker", (0, 100_000), [(0, 0)], (0, 0)),
        ("docker", (1000, 1000), [(1000, 1000)] * 3, None),
        ("docker", (1000, 1000), [(0, 0)] * 3, None),
        ("docker", (100_000, 100_000), [(100_000, 100_000)], None),
        ("100000.200000", (0, 200_000), [SHIFT] * 2, SHIFT),
        ("100000.200000", SHIFT, [SHIFT] * 2, SHIFT),
        ("100000.200000", (1000, 1000), [SHIFT] * 2, None),
        ("copy", (0, 200_000), [SHIFT] * 2, None),
        ("100000.200001", (0, 200_000), [SHIFT] * 2, None),
        ("docker", (0, 0), [], (0, 0)),
        ("100000.200000", (0, 200_000), [], SHIFT),
        ("20.10", (0, 0), [], (0, 0)),
        ("docker", (1000, 1000), [], None),
    ],
)
def test_the_shift_is_that_of_the_owners(
    tmp_path: Path, name: str, root: tuple[int, int], tops: list[tuple[int, int]], expected: tuple[int, int] | None
) -> None:
    place = tmp_path / name
    (place / "home").mkdir(parents=True)
    os.chown(place / "home", *root)
    contents = [f"home/{turn}" for turn in range(len(tops))]
    for path, owner in zip(contents, tops, strict=True):
        (place / path).mkdir()
        os.chown(place / path, *owner)
    os.chown(place, *root)
    with Reader(str(place)) as reader:
        assert expected == owners.shift_of(reader, "home", contents)
