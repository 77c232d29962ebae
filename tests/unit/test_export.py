"""Export: a container's own data in a tar, with deletions as image layers spell them, and nothing changed in the root."""

import json
import os
import socket
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_cli_kit import LIVE, Ended, on, run

from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.tree import snapshot_with_atimes

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="device nodes, owners and trusted attributes need root")


class Box:
    """A root with the container `web`, and the folder that it writes to."""

    def __init__(self, folder: Path, driver: str = "overlay2") -> None:
        self.root = DataRoot(folder / "docker", driver=driver)
        self.id = self.root.container(self.root.image("app:1"), "web")
        self.driver = driver
        self.top = self.root.content(self.root.mount_id(self.id))
        self.tar = folder / "out.tar"

    def export(self, *more: str, **edge: Any) -> Ended:
        return run(*on(self.root, "export", "web", "-o", str(self.tar), *more), **edge)

    def told(self) -> Any:
        return json.loads(self.read("export.json"))

    def read(self, name: str) -> bytes:
        with tarfile.open(self.tar) as tar:
            file = tar.extractfile(name)
            assert file is not None
            return file.read()

    def members(self) -> dict[str, tarfile.TarInfo]:
        with tarfile.open(self.tar, errors="surrogateescape") as tar:
            return {each.name: each for each in tar}


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_files_folders_links_owners_modes_and_times_are_in_the_tar(box: Box) -> None:
    folder = box.top / "srv"
    folder.mkdir(mode=0o750)
    (folder / "file").write_bytes(b"data\n")
    (folder / "twin").hardlink_to(folder / "file")
    (folder / "link").symlink_to("../etc")
    os.mkfifo(folder / "pipe")
    os.mknod(folder / "null", 0o600 | 0o020000, os.makedev(1, 3))
    os.chown(folder / "file", 1000, 70_000_000)
    os.chmod(folder / "file", 0o4711)
    os.utime(folder / "file", ns=(5, 1_700_000_000_123_456_789))
    assert 0 == box.export().status
    found = box.members()
    file, twin = found["layer/srv/file"], found["layer/srv/twin"]
    assert (1000, 70_000_000, 0o4711, "1700000000.123456789") == (file.uid, file.gid, file.mode, file.pax_headers["mtime"])
    assert (b"data\n", "layer/srv/file", True) == (box.read("layer/srv/twin"), twin.linkname, twin.islnk())
    assert ("../etc", 0o750) == (found["layer/srv/link"].linkname, found["layer/srv"].mode)
    assert (True, (1, 3)) == (
        found["layer/srv/pipe"].isfifo(),
        (found["layer/srv/null"].devmajor, found["layer/srv/null"].devminor),
    )


def test_deletions_are_spelled_as_image_layers_spell_them(box: Box) -> None:
    os.mknod(box.top / "gone", 0o020000, 0)
    (box.top / "fresh").mkdir()
    os.setxattr(box.top / "fresh", "trusted.overlay.opaque", b"y")
    os.setxattr(box.top / "fresh", "trusted.overlay.impure", b"y")
    assert 0 == box.export().status
    found = box.members()
    assert {"layer/.wh.gone", "layer/fresh", "layer/fresh/.wh..wh..opq"} <= found.keys()
    assert ("layer/gone" in found, [2, 0]) == (False, [box.told()["deletions"], found["layer/.wh.gone"].size])
    assert [] == [key for each in found.values() for key in each.pax_headers if "overlay" in key]


def test_attributes_are_kept_also_binary_ones(box: Box) -> None:
    capability = bytes.fromhex("0100000200200000000000000000000000000000")
    (box.top / "ping").write_bytes(b"x")
    os.setxattr(box.top / "ping", "security.capability", capability)
    os.setxattr(box.top / "ping", "trusted.mine", b"\xff\xfe")
    assert 0 == box.export().status
    headers = box.members()["layer/ping"].pax_headers
    values = {
        key: headers[f"SCHILY.xattr.{key}"].encode("utf-8", "surrogateescape") for key in ("security.capability", "trusted.mine")
    }
    assert {"security.capability": capability, "trusted.mine": b"\xff\xfe"} == values


def test_holes_stay_holes(box: Box) -> None:
    with (box.top / "sparse").open("wb") as file:
        file.write(b"begin")
        file.seek(1 << 30)
        file.write(b"middle")
        file.truncate(1 << 31)
    with (box.top / "hollow").open("wb") as file:
        file.truncate(1 << 40)
    assert 0 == box.export().status
    assert box.tar.stat().st_size < 1 << 20
    with tarfile.open(box.tar) as tar:
        file = tar.extractfile("layer/sparse")
        assert file is not None
        parts = [file.read(5)]
        file.seek(1 << 30)
        parts.append(file.read(6))
        assert ([b"begin", b"middle"], 1 << 31, 1 << 40) == (
            parts,
            tar.getmember("layer/sparse").size,
            tar.getmember("layer/hollow").size,
        )
    place = box.tar.parent / "unpacked"
    place.mkdir()
    subprocess.run(["tar", "-xf", box.tar, "-C", place, "layer/sparse"], check=True)
    (made, source) = (place / "layer/sparse", box.top / "sparse")
    assert (source.stat().st_size, True) == (made.stat().st_size, made.stat().st_blocks * 512 < 1 << 20)


def test_names_that_are_no_utf_8_survive(box: Box) -> None:
    (box.top / os.fsdecode(b"caf\xe9")).write_bytes(b"1")
    assert 0 == box.export().status
    assert os.fsdecode(b"layer/caf\xe9") in box.members()


def test_a_socket_is_left_out_and_nothing_lacks(box: Box) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        fd = os.open(box.top, os.O_PATH)
        made.bind(f"/proc/self/fd/{fd}/sock")
        os.close(fd)
    assert (0, False) == (box.export().status, "layer/sock" in box.members())


def test_what_a_tar_cannot_say_is_told_and_sets_8(box: Box) -> None:
    (box.top / "moved").mkdir()
    os.setxattr(box.top / "moved", "trusted.overlay.redirect", b"/old")
    (box.top / ".wh.mine").write_bytes(b"x")
    ended = box.export()
    lacks = box.told()["lacks"]
    assert (8, [True, True]) == (
        ended.status,
        [lacks[0].startswith(".wh.mine: its name"), lacks[1].startswith("moved: the folder was")],
    )
    assert "lacks" in ended.out


@pytest.mark.parametrize("key", [b"trusted.\xff", b"trusted.a=b", b"trusted.a\nb"])
def test_an_attribute_whose_name_a_tar_cannot_hold_is_told_and_the_rest_kept(box: Box, key: bytes) -> None:
    (box.top / "odd").write_bytes(b"x")
    os.setxattr(box.top / "odd", key, b"1")
    os.setxattr(box.top / "odd", "trusted.good", b"2")
    assert (8, b"x") == (box.export().status, box.read("layer/odd"))
    (lack,) = box.told()["lacks"]
    assert lack.startswith("odd: no tar can hold an attribute of the name 'trusted.")
    assert ["SCHILY.xattr.trusted.good"] == [name for name in box.members()["layer/odd"].pax_headers if "xattr" in name]


def test_the_configuration_is_taken_as_it_is(box: Box) -> None:
    place = box.root.container_dir(box.id)
    assert 0 == box.export().status
    assert [(place / name).read_bytes() for name in ("config.v2.json", "hostconfig.json")] == [
        box.read(f"container/{name}") for name in ("config.v2.json", "hostconfig.json")
    ]


def test_a_whole_sibling_stands_in_for_a_broken_configuration(box: Box) -> None:
    config = box.root.container_dir(box.id) / "config.v2.json"
    data = config.read_bytes()
    config.with_name(".tmp-config.v2.json123").write_bytes(data)
    config.write_bytes(b"")
    ended = run(*on(box.root, "export", box.id[:12], "-o", str(box.tar)))
    assert (0, data) == (ended.status, box.read("container/config.v2.json"))
    assert f"containers/{box.id}/.tmp-config.v2.json123" == box.told()["sources"]["config.v2.json"]


def no_record(box: Box) -> None:
    box.root.delete(box.root.mount_record(box.id))


def empty_mount_id(box: Box) -> None:
    box.root.empty(box.root.mount_record(box.id) / "mount-id")


def no_folder(box: Box) -> None:
    box.root.delete(box.root.container_dir(box.id))


def no_config(box: Box) -> None:
    box.root.delete(box.root.container_dir(box.id) / "config.v2.json")


@pytest.mark.parametrize("hide", [no_record, empty_mount_id, no_folder, no_config])
def test_a_hidden_container_is_exported_too(box: Box, hide: Callable[[Box], None]) -> None:
    (box.top / "data").write_bytes(b"kept\n")
    hide(box)
    ended = run(*on(box.root, "export", box.id, "-o", str(box.tar)))
    assert (0, b"kept\n") == (ended.status, box.read("layer/data")), ended.err


def test_where_two_layers_may_be_the_containers_none_is_taken(box: Box) -> None:
    other = box.root.container(box.root.image("app:2"), "other")
    for each in (box.id, other):
        box.root.delete(box.root.mount_record(each))
    ended = box.export()
    assert (64, False) == (ended.status, box.tar.exists())
    assert "cannot be told" in ended.err


def test_whole_copies_are_exported_as_a_whole_and_that_is_said(tmp_path: Path) -> None:
    box = Box(tmp_path, "vfs")
    (box.top / "own").write_bytes(b"1")
    ended = box.export()
    names = {f"layer/{path.relative_to(box.top)}" for path in box.top.rglob("*")} | {"layer"}
    assert (0, names) == (ended.status, {name for name in box.members() if name.startswith("layer")})
    assert "vfs keeps each layer whole" in ended.out


def test_aufs_has_the_spelling_already(tmp_path: Path) -> None:
    box = Box(tmp_path, "aufs")
    for name in (".wh.gone", ".wh..wh.aufs"):
        (box.top / name).write_bytes(b"")
    (box.top / ".wh..wh.plnk").mkdir(exist_ok=True)
    (box.top / "fresh").mkdir()
    (box.top / "fresh/.wh..wh..opq").write_bytes(b"")
    assert 0 == box.export().status
    found = {name for name in box.members() if ".wh" in name}
    assert {"layer/.wh.gone", "layer/fresh/.wh..wh..opq"} == found


def test_nothing_in_the_root_is_touched(box: Box) -> None:
    (box.top / "data").write_bytes(b"kept\n")
    before = snapshot_with_atimes(box.root.path)
    assert 0 == box.export("--format", "json").status
    assert before == snapshot_with_atimes(box.root.path)


def test_beside_a_living_engine_it_works_with_a_warning(box: Box) -> None:
    ended = box.export(look=lambda _root: LIVE)
    assert (0, True) == (ended.status, "may be at work" in ended.err)


def test_a_target_in_the_root_is_refused(box: Box) -> None:
    ended = run(*on(box.root, "export", "web", "-o", f"{box.root.path}/x.tar"))
    assert (16, True) == (ended.status, "lies in the data root" in ended.err)


def test_an_image_is_no_container(box: Box) -> None:
    ended = run(*on(box.root, "export", "app:1", "-o", str(box.tar)))
    assert (16, True) == (ended.status, "is no container" in ended.err)


def test_a_disk_that_is_full_is_told(box: Box) -> None:
    (box.top / "big").write_bytes(os.urandom(1 << 20))
    ended = run(*on(box.root, "export", "web", "-o", "/dev/full"))
    assert (16, True) == (ended.status, "No space left" in ended.err)
