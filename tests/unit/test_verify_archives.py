"""Archives that are legal and unusual: an engine that unpacked one leaves a layer of which nothing false may be said."""

import base64
import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fastcrc.crc64 import go_iso

from docker_fsck.reader import Reader
from docker_fsck.verdicts import Damage, Task, Verdict
from docker_fsck.verify import glance
from docker_fsck.verify.layer import verify

TIME = 1_700_000_000
OLD, NEW = b"a" * 30, b"b" * 50
FOLDER, LINK, HARD = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def entry(name: str, data: bytes = b"", **more: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.uid, info.gid = len(data), TIME, os.getuid(), os.getgid()
    info.mode = 0o755 if more.get("type") == FOLDER else 0o644
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


class Unpacked:
    """A layer of which archive and folder are given; `whole` has the content of files as unpacked, where that is another."""

    def __init__(self, place: Path, *entries: tuple[tarfile.TarInfo, bytes], front: bytes = b"", whole: Mapping[str, bytes] = {}):
        self.place, self.top = place, place / "diff"
        self.top.mkdir()
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for info, data in entries:
                tar.addfile(info, io.BytesIO(data))
        self._lines, self._data, self._at = list[dict[str, object]](), front + buffer.getvalue(), 0
        if front:
            self._segment(len(front) - 497)  # its content has 15 bytes, which padding follows
            self._lines.append({"type": 1, "name": "pax_global_header", "payload": None})
        buffer.seek(0)
        with tarfile.open(fileobj=buffer) as tar:
            for number, info in enumerate(tar):
                data = whole.get(info.name, entries[number][1])
                self._segment(len(front) + info.offset_data)
                self._file(entries[number][0].name, data)
                self._at += len(entries[number][1])
        self._segment(len(self._data))
        lines = [json.dumps({**line, "position": at}).encode() for at, line in enumerate(self._lines)]
        (place / "tar-split.json.gz").write_bytes(gzip.compress(b"\n".join(lines)))

    def _segment(self, end: int) -> None:
        self._lines.append({"type": 2, "payload": base64.b64encode(self._data[self._at : end]).decode()})
        self._at = end

    def _file(self, name: str, data: bytes) -> None:
        crc = base64.b64encode(go_iso(data).to_bytes(8, "big")).decode() if data else None
        self._lines.append({"type": 1, "name": name, "size": len(data), "payload": crc})

    def put(self, name: str, data: bytes = NEW, mode: int = 0o644) -> None:
        path = self.top / name
        path.write_bytes(data)
        path.chmod(mode)
        os.utime(path, (TIME, TIME))

    @property
    def task(self) -> Task:
        return Task("sha256:chain", f"sha256:{hashlib.sha256(self._data).hexdigest()}", "tar-split.json.gz", "diff")

    def verdict(self) -> Verdict:
        with Reader(str(self.place)) as reader:
            return verify(reader, self.task, lambda _count: None)

    def glance(self) -> tuple[Damage, ...]:
        with Reader(str(self.place)) as reader:
            return glance._sizes(reader, self.task)


def linked(place: Path, target: str = "usr/lib") -> Unpacked:
    """Two entries lead to one file, through a link of the same archive."""
    layer = Unpacked(
        place, entry("usr", type=FOLDER), entry("usr/lib", type=FOLDER), entry("lib", type=LINK, linkname=target),
        entry("usr/lib/libx.so", OLD), entry("lib/libx.so", NEW), entry("usr/lib/other", OLD),
    )  # fmt: skip
    (layer.top / "usr/lib").mkdir(parents=True)
    (layer.top / "lib").symlink_to(target)
    layer.put("usr/lib/libx.so", NEW)
    layer.put("usr/lib/other", OLD)
    return layer


@pytest.mark.parametrize("target", ["usr/lib", "/usr/lib"])
def test_of_two_entries_that_lead_to_one_file_the_last_counts(tmp_path: Path, target: str) -> None:
    layer = linked(tmp_path, target)
    assert ("unverifiable", (), ()) == (layer.verdict().state, layer.verdict().damages, layer.glance())


@pytest.mark.parametrize("name", ["libx.so", "other"])
def test_what_is_damaged_beside_or_last_is_told(tmp_path: Path, name: str) -> None:
    layer = linked(tmp_path)
    layer.put(f"usr/lib/{name}", b"cut")
    last = "lib/libx.so" if name == "libx.so" else "usr/lib/other"
    assert [last] == [each.name for each in layer.verdict().damages] == [each.name for each in layer.glance()]


def test_a_folder_that_a_link_replaces_takes_its_files_with_it(tmp_path: Path) -> None:
    layer = Unpacked(tmp_path, entry("e", type=FOLDER), entry("e/x", NEW), entry("d/x", OLD), entry("d", type=LINK, linkname="e"))
    (layer.top / "e").mkdir()
    layer.put("e/x")
    (layer.top / "d").symlink_to("e")
    assert ("unverifiable", ()) == (layer.verdict().state, layer.glance())


def test_a_file_that_is_there_twice_is_the_last_one(tmp_path: Path) -> None:
    layer = Unpacked(tmp_path, entry("x", OLD), entry("./x", NEW), entry("y", OLD), entry("y", OLD, mode=0o755))
    layer.put("x", NEW)
    layer.put("y", OLD, 0o755)
    assert ("unverifiable", ()) == (layer.verdict().state, layer.glance())


def test_attributes_are_those_of_the_last_entry(tmp_path: Path) -> None:
    layer = Unpacked(tmp_path, entry("y", OLD), entry("y", OLD, mode=0o755), entry("z", OLD))
    layer.put("y", OLD, 0o755)
    layer.put("z", OLD, 0o600)
    assert ("whole", ["z"]) == (layer.verdict().state, [each.name for each in layer.verdict().drift])


def test_content_of_a_mark_of_deletion_is_not_looked_for(tmp_path: Path) -> None:
    assert "unverifiable" == Unpacked(tmp_path, entry(".wh.x", OLD)).verdict().state


SPARSE = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": "4096", "GNU.sparse.map": "0,30"}


def test_a_sparse_file_cannot_be_verified_and_what_is_beside_it_can(tmp_path: Path) -> None:
    hole = OLD + bytes(4066)
    layer = Unpacked(tmp_path, entry("big", OLD, pax_headers=SPARSE), entry("y", OLD), whole={"big": hole})
    layer.put("big", hole)
    layer.put("y", OLD)
    assert ("unverifiable", True, ()) == (layer.verdict().state, "sparse" in layer.verdict().why, layer.glance())
    layer.put("y", OLD[::-1] + b"!")
    assert ["y"] == [each.name for each in layer.verdict().damages]


def test_a_global_header_is_no_file_and_moves_no_header(tmp_path: Path) -> None:
    front = tarfile.TarInfo.create_pax_global_header({"comment": "abc"})
    layer = Unpacked(tmp_path, entry("x", OLD), front=front)
    layer.put("x", OLD)
    assert ("whole", ()) == (layer.verdict().state, layer.verdict().drift)


def test_a_second_name_of_a_link_and_a_folder_of_old_are_no_drift(tmp_path: Path) -> None:
    layer = Unpacked(
        tmp_path,
        entry("s", type=LINK, linkname="gone"),
        entry("t", type=HARD, linkname="s"),
        entry("old/", type=tarfile.AREGTYPE),
    )
    (layer.top / "s").symlink_to("gone")
    os.link(layer.top / "s", layer.top / "t", follow_symlinks=False)
    (layer.top / "old").mkdir(mode=0o644)
    assert ("whole", ()) == (layer.verdict().state, layer.verdict().drift)
