"""Each damage verb does one thing to one path, and a picture of a tree shows every change and makes none."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from freezegun import freeze_time

from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.tree import changes, snapshot, snapshot_with_atimes

TAGS = "image/overlay2/repositories.json"


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    """A root with one image and one container."""
    root = DataRoot(tmp_path / "root")
    root.container(root.image("app:1", [{"etc/issue": b"hello\n", "opt/run": b"#!/bin/sh\n"}]), "box")
    return root


def test_delete_removes_a_file_a_link_and_a_folder(root: DataRoot) -> None:
    ident = next(iter(root.layers.values())).cache_id
    root.delete(TAGS)
    root.delete(root.short_link(ident))
    root.delete(root.driver_dir(ident))
    assert not root.tags.exists()
    assert not root.short_link(ident).is_symlink()
    assert not root.driver_dir(ident).exists()


def test_deleting_a_link_leaves_what_it_points_to(root: DataRoot) -> None:
    ident = next(iter(root.layers.values())).cache_id
    root.delete(root.short_link(ident))
    assert (root.content(ident) / "etc/issue").read_bytes() == b"hello\n"


def test_empty_makes_a_file_short_and_a_folder_bare(root: DataRoot) -> None:
    init = root.content(next(iter(root.mounts.values())).init_id)
    root.empty(TAGS)
    root.empty(init)
    assert root.tags.read_bytes() == b""
    assert list(init.iterdir()) == []


def test_cut_nul_and_flip_change_only_the_bytes(root: DataRoot) -> None:
    whole = root.tags.read_bytes()
    root.flip(TAGS, 13)
    assert root.tags.read_bytes() == bytes([whole[0], whole[1] ^ 0b100000]) + whole[2:]
    root.flip(TAGS, 13)
    assert root.tags.read_bytes() == whole
    root.cut(TAGS)
    assert root.tags.read_bytes() == whole[: len(whole) // 2]
    root.nul(TAGS)
    assert root.tags.read_bytes() == bytes(len(whole) // 2)
    assert stat.S_IMODE(root.tags.stat().st_mode) == 0o600


def test_write_keeps_the_mode_and_never_writes_through_a_link(root: DataRoot, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"safe")
    root.write(TAGS, b"{}")
    assert (root.tags.read_bytes(), stat.S_IMODE(root.tags.stat().st_mode)) == (b"{}", 0o600)
    root.link_to(TAGS, str(outside))
    assert str(root.tags.readlink()) == str(outside)
    root.write(TAGS, b"new")
    assert (root.tags.read_bytes(), root.tags.is_symlink(), outside.read_bytes()) == (b"new", False, b"safe")


def test_make_dir_puts_a_folder_in_the_place_of_a_file(root: DataRoot) -> None:
    root.make_dir(TAGS)
    root.make_dir("containers/stray/deep")
    assert root.tags.is_dir()
    assert (root.path / "containers/stray/deep").is_dir()


def test_chmod_age_and_move_do_what_their_names_say(root: DataRoot) -> None:
    root.chmod(TAGS, 0o640)
    assert stat.S_IMODE(root.tags.stat().st_mode) == 0o640
    with freeze_time("2026-01-02 00:00:00"):
        root.age(TAGS, 3600)
    assert (root.tags.stat().st_mtime, root.tags.stat().st_atime) == (1767308400, 1767308400)
    root.move(TAGS, "image/kept.json")
    assert not root.tags.exists()
    assert (root.path / "image/kept.json").is_file()


@pytest.mark.parametrize("path", ["..", "../outside", "containers/../../outside", "/etc/passwd", "", "."])
def test_no_verb_leaves_the_root(root: DataRoot, path: str) -> None:
    with pytest.raises(ValueError, match="is not below"):
        root.delete(path)


def test_damage_stays_when_the_builder_goes_on(root: DataRoot) -> None:
    record = root.record(next(iter(root.layers)))
    root.delete(record / "size")
    root.empty(record / "diff")
    root.container(next(iter(root.images)), "second")
    assert not (record / "size").exists()
    assert (record / "diff").read_bytes() == b""


def test_two_pictures_of_an_untouched_root_are_equal(root: DataRoot) -> None:
    before = snapshot_with_atimes(root.path)
    assert snapshot_with_atimes(root.path) == before
    assert {entry.atime_ns for entry in snapshot(root.path).values()} == {0}


CHANGES: dict[str, Callable[[DataRoot], None]] = {
    "bytes": lambda root: root.flip(TAGS),
    "mode": lambda root: root.chmod(TAGS, 0o644),
    "time": lambda root: root.age(TAGS, 1),
    "name": lambda root: root.move(TAGS, "image/overlay2/other"),
    "kind": lambda root: root.make_dir(TAGS),
    "target": lambda root: root.link_to(root.short_link(next(iter(root.layers.values())).cache_id), "../x/diff"),
    "xattr": lambda root: os.setxattr(root.tags, "user.note", b"1"),
    "hard link": lambda root: os.link(root.tags, root.path / "containers" / "twin"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_picture_shows_a_changed(root: DataRoot, what: str) -> None:
    before = snapshot(root.path)
    CHANGES[what](root)
    assert changes(before, snapshot(root.path)) != {}


def test_a_picture_names_the_changed_paths_and_leaves_out_what_it_shall(root: DataRoot) -> None:
    before = snapshot(root.path)
    root.flip(TAGS)
    times = root.path.stat()
    root.make_dir(".docker-fsck/1")
    os.utime(root.path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert list(changes(before, snapshot(root.path, (".docker-fsck",)))) == [TAGS]
    assert list(changes(before, snapshot(root.path))) == [".docker-fsck", ".docker-fsck/1", TAGS]
