"""The entries of a tar-split are read as a stream, and damage is told, never guessed over."""

import base64
import json
import tracemalloc
import zlib
from collections.abc import Iterable

import pytest

from docker_fsck.tarsplit import FILE, LONGEST_LINE, SEGMENT, Entry, TarSplitError, entries
from docker_fsck.testing.layertar import gzipped, pack

ENTRY = b'{"type":2,"payload":"YQ==","position":0}\n'


def read(data: bytes, piece: int = 1 << 20) -> list[Entry]:
    return [entry for batch in entries(data[at : at + piece] for at in range(0, len(data), piece)) for entry in batch]


def line(position: int, **more: object) -> bytes:
    return json.dumps({"type": 2, "payload": "", "position": position, **more}).encode() + b"\n"


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_the_entries_of_a_layer_give_its_archive_whatever_the_pieces(piece: int) -> None:
    files = {"a/b": b"1" * 700, "empty": b"", "folder/": b""}
    packed = pack(files)
    found = b""
    for entry in read(packed.split, piece):
        found += (entry.payload or b"") if entry.type == SEGMENT else (files[entry.name] if entry.has_content else b"")
    assert packed.tar == found


def test_a_name_that_is_no_text_comes_as_bytes() -> None:
    assert [b"raw\xff"] == [entry.name_raw for entry in read(pack({"raw\udcff": b"1"}).split) if entry.type == FILE]


def test_a_hard_link_that_states_a_size_has_no_content() -> None:
    crc = base64.b64encode(bytes(8)).decode()
    (entry,) = read(gzipped(json.dumps({"type": 1, "name": "h", "size": 5, "payload": crc, "position": 0}).encode() + b"\n"))
    assert (5, False) == (entry.size, entry.has_content)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "the file is empty"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\xff", "the gzip stream is cut"),
        (gzipped(ENTRY)[:-9], "the gzip stream is cut"),
        (gzipped(ENTRY)[:-1], "the gzip stream is cut"),
        (b"no gzip", "not a gzip stream"),
        (gzipped(ENTRY)[:-8] + bytes(8), "not a gzip stream"),
        (gzipped(b""), "it holds no entries"),
        (gzipped(b"{}\n"), "entry 0 or one behind it cannot be read"),
        (gzipped(ENTRY + b"nonsense\n"), "entry 0 or one behind it cannot be read"),
        (gzipped(ENTRY + b'{"type":1,"name":"h\xffsts","position":1}\n'), "entry 0 or one behind it cannot be read"),
        (gzipped(ENTRY + ENTRY[:20]), "entry 1 or one behind it cannot be read"),
        (gzipped(ENTRY + line(2)), "entry 1 is missing: 2 stands in its place"),
        (gzipped(ENTRY + line(0)), "entry 1 is missing: 0 stands in its place"),
        (gzipped(line(0, payload="no base 64!")), "entry 0 or one behind it cannot be read"),
    ],
)
def test_damage_is_told(data: bytes, why: str) -> None:
    with pytest.raises(TarSplitError, match=why):
        read(data)


def test_a_last_line_without_an_end_is_a_line() -> None:
    assert 1 == len(read(gzipped(ENTRY.strip())))


def test_what_follows_the_gzip_member_is_nobodys() -> None:
    assert 1 == len(read(gzipped(ENTRY) + b"trailing"))


def bomb(text: Iterable[bytes]) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([packer.compress(piece) for piece in text]) + packer.flush()


def test_a_bomb_is_told_and_not_unpacked_as_a_whole() -> None:
    data = bomb(b"a" * (1 << 20) for _ in range(200))
    tracemalloc.start()
    with pytest.raises(TarSplitError, match=f"a line is longer than {LONGEST_LINE} bytes"):
        read(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * LONGEST_LINE
