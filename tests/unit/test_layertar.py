"""Layer archives are tars that anybody reads, and names that would leave a layer are refused."""

import io
import tarfile

import pytest

from docker_fsck.testing.layertar import crc64, pack


def test_crc64_has_the_check_value_of_its_standard() -> None:
    assert crc64(b"123456789") == 0xB90956C775A41001


def test_a_packed_layer_reads_back_as_a_tar_with_every_file() -> None:
    files = {"a/b": b"1" * 700, f"{'long' * 40}/f": b"2", "prog": b"\x7fELF", "folder/": b"", "n\u00f6": b"3", "raw\udcff": b""}
    with tarfile.open(fileobj=io.BytesIO(pack(files).tar), errors="surrogateescape") as archive:
        found = {entry.name: archive.extractfile(entry).read() for entry in archive if entry.isfile()}  # type: ignore[union-attr]
        folders = {entry.name for entry in archive if entry.isdir()}
        modes = {entry.name: entry.mode for entry in archive if entry.isfile()}
    assert {name: data for name, data in files.items() if name != "folder/"} == found
    assert folders == {"a", "long" * 40, "folder"}
    assert {name for name, mode in modes.items() if mode == 0o755} == {"prog"}


@pytest.mark.parametrize("name", ["/a", "../a", "a/../b", "a//b", ".wh.a", "a/.wh..wh..opq", ""])
def test_a_name_that_is_none_inside_a_layer_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a name inside a layer"):
        pack({name: b""})
