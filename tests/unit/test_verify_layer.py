"""One layer against its archive: files read together or alone, what does not fit, attributes, and what all of it costs."""

import os
import shutil
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from layerkit import TIME, Layer, Member

from docker_fsck.verify import outward, xattrs
from docker_fsck.verify.hashing import SMALL

CAPABILITY = "security.capability"
NOTED = (("user.note", "told"),)
MIB = 1 << 20


def test_files_of_all_sizes_and_names_are_put_together_in_their_order(tmp_path: Path) -> None:
    sizes = [0, 1, 511, 512, 513, SMALL - 1, SMALL, SMALL + 1, 3 * MIB + 7]
    members = [Member("a/"), Member("b/"), Member("a/c/"), Member(".hidden", b"h")]
    members += [Member(f"{'a' if turn % 2 else 'b'}/{turn}", os.urandom(size)) for turn, size in enumerate(sizes)]
    members += [Member(f"a/c/{turn:03}", b"%d" % turn) for turn in range(300)]
    members += [Member("./b/point", b"1"), Member("b//slashes", b"22"), Member("b/../b/up", b"333"), Member("/b/top", b"4444")]
    verdict = Layer(tmp_path, members).verdict()
    assert ("whole", (), ()) == (verdict.state, verdict.extra, verdict.drift)
    assert verdict.bytes % 512 == 0 < verdict.bytes


def test_a_layer_of_nothing_is_whole(tmp_path: Path) -> None:
    assert "whole" == Layer(tmp_path, []).verdict().state


def _kind(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


BLOWS: dict[str, Callable[[Path], object]] = {
    "lost": Path.unlink,
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"x"),
    "shorter": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "a folder": lambda path: _kind(path, Path.mkdir),
    "a pipe": lambda path: _kind(path, os.mkfifo),
    "a link": lambda path: _kind(path, lambda each: each.symlink_to("/etc/passwd")),
    "a link to its like": lambda path: _kind(path, lambda each: each.symlink_to("file-099")),
    "other bytes": lambda path: path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes())),
}


@pytest.mark.parametrize("size", [700, SMALL + 700])
@pytest.mark.parametrize("blow", BLOWS)
def test_one_file_of_many_is_named_and_every_descriptor_closed(tmp_path: Path, blow: str, size: int) -> None:
    count = 200 if size < SMALL else 3
    layer = Layer(tmp_path, [Member("d/"), *(Member(f"d/file-{turn:03}", bytes([turn]) * size) for turn in range(count))])
    BLOWS[blow](layer.top / f"d/file-{count - 1:03}")
    before = os.listdir("/proc/self/fd")
    verdict = layer.verdict()
    assert before == os.listdir("/proc/self/fd")
    assert ("damaged", [f"d/file-{count - 1:03}"]) == (verdict.state, [each.name for each in verdict.damages])


def test_a_folder_that_is_lost_names_all_its_files(tmp_path: Path) -> None:
    layer = Layer(tmp_path, [Member("d/"), *(Member(f"d/{turn}", b"x") for turn in range(5)), Member("e/"), Member("e/x", b"x")])
    shutil.rmtree(layer.top / "d")
    assert [f"d/{turn}" for turn in range(5)] == [each.name for each in layer.verdict().damages]


@pytest.mark.parametrize("at_once", [7, 100_000])
def test_strangers_are_named_however_many_names_are_compared_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(outward, "_AT_ONCE", at_once)
    layer = Layer(tmp_path, [Member("d/"), *(Member(f"d/{turn}", b"x") for turn in range(50)), Member("e/")])
    for name in ("d/stranger", "e/other", "new"):
        (layer.top / name).write_bytes(b"")
    (layer.top / "f/g").mkdir(parents=True)
    (layer.top / "f/g/deep").write_bytes(b"")
    verdict = layer.verdict()
    assert ("whole", ("d/stranger", "e/other", "f/g/deep", "new")) == (verdict.state, verdict.extra)


def _peak(place: Path, files: int) -> int:
    """The most bytes that Python holds while a layer of so many files, and one stranger, is verified."""
    place.mkdir()
    layer = Layer(place, [Member("d/"), *(Member(f"d/some-file-with-a-name-{turn:06}", b"%d" % turn) for turn in range(files))])
    (layer.top / "stranger").write_bytes(b"")
    tracemalloc.start()
    try:
        assert ("stranger",) == layer.verdict().extra
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_number_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outward, "_AT_ONCE", 500)  # as many parts as of a very large layer
    few, many = _peak(tmp_path / "few", 2000), _peak(tmp_path / "many", 8000)
    assert (True, True) == (few < 3 * MIB, many - few < MIB // 4), (few, many)


def _drift(layer: Layer) -> list[tuple[str, str, str]]:
    return [(each.name, each.expected, each.found) for each in layer.verdict().drift]


def test_recorded_attributes_that_are_there_are_no_drift(tmp_path: Path) -> None:
    layer = Layer(tmp_path, [Member("a", b"x", xattrs=NOTED), Member("empty", xattrs=NOTED)])
    assert [] == _drift(layer)


def test_recorded_attributes_that_are_lost_or_other_are_drift(tmp_path: Path) -> None:
    members = [Member("a", b"x", xattrs=NOTED), Member("b", b"x", xattrs=NOTED)]
    layer = Layer(tmp_path, members)
    os.removexattr(layer.top / "a", "user.note")
    os.setxattr(layer.top / "b", "user.note", b"other")
    assert [("a", "user.note 746f6c64", "user.note none"), ("b", "user.note 746f6c64", "user.note 6f74686572")] == _drift(layer)


@pytest.mark.parametrize("name", ["full", "empty", "folder"])
def test_what_was_given_to_a_file_since_its_layer_was_registered_is_drift(tmp_path: Path, name: str) -> None:
    layer = Layer(tmp_path, [Member("full", b"x"), Member("empty"), Member("folder/")])
    os.setxattr(layer.top / name, "user.note", b"new")
    assert [(name, "user.note none", "user.note 6e6577")] == _drift(layer)


def test_what_a_build_gave_to_a_file_before_is_none_of_the_archives(tmp_path: Path) -> None:
    layer = Layer(tmp_path, [Member("a", b"x")])
    os.setxattr(layer.top / "a", "user.note", b"new")
    layer.record.write_bytes(layer.record.read_bytes())
    assert [] == _drift(layer)


@pytest.mark.parametrize(
    "key", ["user.overlay.origin", "user.containers.override_stat", "trusted.overlay.origin", "trusted.md5sum"]
)
def test_what_drivers_and_the_host_write_is_no_drift(tmp_path: Path, key: str) -> None:
    layer = Layer(tmp_path, [Member("a", b"x"), Member("d/")])
    if key.startswith("trusted.") and os.geteuid():
        pytest.skip("wants root")
    for name in ("a", "d"):
        os.setxattr(layer.top / name, key, b"x")
    assert [] == _drift(layer)


@pytest.mark.skipif(os.geteuid() != 0, reason="capabilities are root's to give")
@pytest.mark.parametrize("mode", [0o755, 0o644])
def test_a_capability_is_drift_on_any_file(tmp_path: Path, mode: int) -> None:
    layer = Layer(tmp_path, [Member("a", b"x", mode)])
    value = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)
    os.setxattr(layer.top / "a", CAPABILITY, value)
    assert [("a", f"{CAPABILITY} none", f"{CAPABILITY} {value.hex()}")] == _drift(layer)


@pytest.mark.skipif(os.geteuid() != 0, reason="capabilities are root's to give")
def test_a_capability_tied_to_the_namespace_of_its_layer_is_the_one_of_the_archive(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    os.setxattr(path, CAPABILITY, struct.pack("<6I", 0x03000001, 1 << 13, 0, 0, 0, 100_000))
    recorded = {CAPABILITY: struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)}
    fd = os.open(path, os.O_RDONLY)
    try:
        same, other = (xattrs.compared(recorded, fd, owner, more=True)[CAPABILITY] for owner in (100_000, 200_000))
    finally:
        os.close(fd)
    assert (True, False) == (same[0] == same[1], other[0] == other[1])


def test_time_and_mode_of_one_file_among_many_are_named(tmp_path: Path) -> None:
    layer = Layer(tmp_path, [Member(f"{turn}", b"x") for turn in range(150)])
    (layer.top / "77").chmod(0o600)
    os.utime(layer.top / "133", (TIME, TIME + 1))
    assert [("77", "mode 0644", "mode 0600"), ("133", f"time {TIME}", f"time {TIME + 1}")] == _drift(layer)
