"""The tables of the store, each read from real files; what loads and what does not is the engine's own answer.

tests/engine/test_tagstore_engine.py runs the tables of this module past Docker 20.10.24.
"""

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from docker_fsck.facts import Row
from docker_fsck.ids import digest, hex_of
from docker_fsck.reader import Reader
from docker_fsck.records import containers, distribution, fields, imagedb, layerdb, mounts, quarantine, repositories
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.table import refusing
from docker_fsck.values import Trouble

IMAGE = "image/vfs"
Edit = Callable[[bytes], bytes]


class Record(Struct, frozen=True):
    """A file of a record made of the good one, and whether the engine loads the record with it."""

    data: Edit
    engine: bool


def holding(data: bytes, engine: bool) -> Record:
    """Something else in the file's place."""
    return Record(lambda _: data, engine)


def changed(data: Edit, engine: bool) -> Record:
    """Something made of what stood there."""
    return Record(data, engine)


DIGESTS = {
    "a line end": changed(lambda old: old + b"\n", True),
    "a line end of two bytes": changed(lambda old: old + b"\r\n", True),
    "a space before": changed(lambda old: b" " + old, True),
    "a hard space behind": changed(lambda old: old + b"\xc2\xa0", True),
    "a line separator behind": changed(lambda old: old + b"\xe2\x80\xa8", True),
    "a file separator behind": changed(lambda old: old + b"\x1c", False),
    "large hex digits": changed(lambda old: old[:7] + old[7:].upper(), False),
    "large letters": changed(lambda old: old.upper(), False),
    "nothing": holding(b"", False),
    "white space": holding(b" \n", False),
    "a digit less": changed(lambda old: old[:-1], False),
    "a digit more": changed(lambda old: old + b"0", False),
    "no algorithm": changed(lambda old: old[7:], False),
    "a zero byte behind": changed(lambda old: old + b"\0", False),
    "zero bytes": changed(lambda old: bytes(len(old)), False),
    "two of them": changed(lambda old: old + b"\n" + old, False),
    "an unknown algorithm": holding(b"md5:" + b"a" * 32, False),
}
LAYER_FILES = {("diff", what): row for what, row in DIGESTS.items()} | {("parent", what): row for what, row in DIGESTS.items()}
LAYER_FILES |= {
    ("size", "a plus sign"): holding(b"+5", True),
    ("size", "a minus sign"): holding(b"-5", True),
    ("size", "the largest number"): holding(b"9223372036854775807", True),
    ("size", "a larger number"): holding(b"9223372036854775808", False),
    ("size", "the smallest number"): holding(b"-9223372036854775808", True),
    ("size", "a smaller number"): holding(b"-9223372036854775809", False),
    ("size", "many zeros before"): holding(b"0" * 30 + b"7", True),
    ("size", "a line end"): holding(b"5\n", False),
    ("size", "a space before"): holding(b" 5", False),
    ("size", "nothing"): holding(b"", False),
    ("size", "a sign alone"): holding(b"+", False),
    ("size", "two signs"): holding(b"+-5", False),
    ("size", "a fraction"): holding(b"1.0", False),
    ("size", "an exponent"): holding(b"1e3", False),
    ("size", "a number to the base 16"): holding(b"0x10", False),
    ("size", "an underscore"): holding(b"1_0", False),
    ("size", "a digit of another script"): holding("\u0663".encode(), False),
    ("size", "a zero byte behind"): holding(b"5\0", False),
    ("cache-id", "a line end"): changed(lambda old: old + b"\n", True),
    ("cache-id", "a space inside"): holding(b"a b", True),
    ("cache-id", "any word"): holding(b"xyz", True),
    ("cache-id", "large hex digits"): changed(lambda old: old.upper(), True),
    ("cache-id", "a way out"): holding(b"../x", True),
    ("cache-id", "a zero byte inside"): holding(b"a\0b", True),
    ("cache-id", "bytes that are no text"): holding(b"\xff", True),
    ("cache-id", "nothing"): holding(b"", False),
    ("cache-id", "white space"): holding(b" \t\n", False),
    ("descriptor.json", "an object"): holding(b"{}", True),
    ("descriptor.json", "null"): holding(b"null", True),
    ("descriptor.json", "nothing"): holding(b"", False),
    ("descriptor.json", "a list"): holding(b"[]", False),
    ("descriptor.json", "something behind it"): holding(b"{} x", False),
    ("descriptor.json", "a string as size"): holding(b'{"size":"x"}', False),
    ("descriptor.json", "a string as urls"): holding(b'{"urls":"x"}', False),
    ("descriptor.json", "a number as digest"): holding(b'{"digest":5}', False),
    ("descriptor.json", "bytes that are no text"): holding(b'{"mediaType":"\xff"}', True),
}
"""By file and what stands in it."""

MOUNT_FILES = {
    ("mount-id", "a line end"): changed(lambda old: old + b"\n", True),
    ("mount-id", "a tab before"): changed(lambda old: b"\t" + old, True),
    ("mount-id", "the init layer's name"): changed(lambda old: old + b"-init", True),
    ("mount-id", "nothing"): holding(b"", False),
    ("mount-id", "large hex digits"): changed(lambda old: old.upper(), False),
    ("mount-id", "a digit less"): changed(lambda old: old[:-1], False),
    ("mount-id", "a name of BuildKit"): holding(b"a" * 25, False),
    ("mount-id", "two of them"): changed(lambda old: old + b"\n" + old, False),
    ("mount-id", "a file separator behind"): changed(lambda old: old + b"\x1c", False),
    ("init-id", "nothing"): holding(b"", False),
    ("init-id", "any word"): holding(b"x", False),
    ("init-id", "no suffix"): changed(lambda old: old.removesuffix(b"-init"), True),
    ("parent", "nothing"): holding(b"", False),
    ("parent", "any word"): holding(b"x", False),
    ("parent", "a line end"): changed(lambda old: old + b"\n", True),
}
"""By file and what stands in it."""


class Time(Struct, frozen=True):
    """A lastUpdated, and whether the engine can inspect the image with it."""

    data: bytes
    engine: bool


TAG_TIMES = {
    "nanoseconds": Time(b"2024-05-01T10:00:00.123456789Z", True),
    "seconds": Time(b"2024-05-01T10:00:00Z", True),
    "an offset": Time(b"2024-05-01T10:00:00+01:00", True),
    "nothing": Time(b"", True),
    "a comma": Time(b"2024-05-01T10:00:00,5Z", True),
    "one digit for the hour": Time(b"2024-05-01T1:00:00Z", True),
    "a line end": Time(b"2024-05-01T10:00:00Z\n", False),
    "a small t": Time(b"2024-05-01t10:00:00Z", False),
    "a space": Time(b"2024-05-01 10:00:00Z", False),
    "a point without digits": Time(b"2024-05-01T10:00:00.Z", False),
    "a digit of another script": Time("\u0662024-05-01T10:00:00Z".encode(), False),
    "any word": Time(b"junk", False),
    "zero bytes": Time(bytes(30), False),
    "more than nanoseconds": Time(b"2024-05-01T10:00:00.1234567890123Z", False),
    "a 13th month": Time(b"2024-13-01T10:00:00Z", False),
    "a 30th of February": Time(b"2024-02-30T10:00:00Z", False),
    "hour 24": Time(b"2024-05-01T24:00:00Z", False),
    "second 60": Time(b"2024-05-01T10:00:60Z", False),
    "an offset of a day": Time(b"2024-05-01T10:00:00+25:00", False),
}


def cases(table: dict[Any, Any]) -> list[Any]:
    """The rows with their keys as parameters."""
    return [
        pytest.param(
            key,
            row,
            id=": ".join(key) if isinstance(key, tuple) else key,
        )
        for key, row in table.items()
    ]


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    """An empty built root."""
    return DataRoot(tmp_path / "root", "vfs")


@pytest.fixture
def reader(root: DataRoot) -> Iterator[Reader]:
    """A reader of that root."""
    with Reader(str(root.path)) as made:
        yield made


@pytest.mark.parametrize(("key", "row"), cases(LAYER_FILES))
def test_a_layer_record_loads_where_it_loads_for_the_engine(
    root: DataRoot, reader: Reader, key: tuple[str, str], row: Record
) -> None:
    chain = root.chains_of(root.image("x:1", 2))[-1]
    path = root.record(chain) / key[0]
    root.write(path, row.data(path.read_bytes() if path.exists() else b""))
    assert row.engine is (layerdb.read(reader, IMAGE).layers[chain].troubles == ())


@pytest.mark.parametrize(("key", "row"), cases(MOUNT_FILES))
def test_a_mount_record_loads_where_it_loads_for_the_engine(
    root: DataRoot, reader: Reader, key: tuple[str, str], row: Record
) -> None:
    ident = root.container(root.image("x:1", 1))
    path = root.mount_record(ident) / key[0]
    root.write(path, row.data(path.read_bytes()))
    assert row.engine is (mounts.read(reader, IMAGE).mounts[ident].troubles == ())


@pytest.mark.parametrize(("key", "row"), cases(TAG_TIMES))
def test_the_time_of_a_tag_is_good_where_the_engine_can_show_it(root: DataRoot, reader: Reader, key: str, row: Time) -> None:
    image = root.image("x:1", 0)
    root.write(root.image_metadata(image) / "lastUpdated", row.data)
    assert row.engine is not isinstance(imagedb.read(reader, IMAGE).metadata[image].last_updated, Trouble)


def test_a_whole_layer_record_is_read_field_by_field(root: DataRoot, reader: Reader) -> None:
    low, top = root.chains_of(root.image("x:1", 2))
    found = layerdb.read(reader, IMAGE).layers[top]
    assert (top, root.layers[top].diff, root.dir_of(top), low, True) == (
        found.chain,
        found.diff,
        found.dir_id,
        found.parent_id,
        found.tarsplit,
    )
    assert (None, ()) == (layerdb.read(reader, IMAGE).layers[low].parent, found.troubles)


@pytest.mark.parametrize(
    ("name", "state"),
    [("diff", "absent"), ("size", "absent"), ("cache-id", "absent"), ("tar-split.json.gz", "none"), ("parent", "none")],
)
def test_a_layer_record_without_a_file_says_which(root: DataRoot, reader: Reader, name: str, state: str) -> None:
    chain = root.chains_of(root.image("x:1", 2))[-1]
    root.delete(root.record(chain) / name)
    found = layerdb.read(reader, IMAGE).layers[chain]
    expected = [] if state == "none" else [(f"{found.path}/{name}", state)]
    assert expected == [(each.path, each.state) for each in found.troubles]
    assert (name != "tar-split.json.gz") is found.tarsplit


@pytest.mark.parametrize("name", ["diff", "size", "cache-id", "parent"])
def test_a_folder_or_link_in_a_files_place_is_wrong(root: DataRoot, reader: Reader, name: str) -> None:
    first, second = (root.chains_of(root.image(None, 2))[-1] for _ in range(2))
    root.make_dir(root.record(first) / name)
    root.link_to(root.record(second) / name, "size")
    table = layerdb.read(reader, IMAGE).layers
    assert [["wrong"], ["wrong"]] == [[each.state for each in table[chain].troubles] for chain in (first, second)]


def test_an_unreadable_file_of_a_record_is_unreadable_and_the_others_are_read(root: DataRoot, reader: Reader) -> None:
    chain = root.chains_of(root.image("x:1", 2))[-1]
    with refusing(root.record(chain) / "diff", errno.EIO):
        found = layerdb.read(reader, IMAGE).layers[chain]
    assert (["unreadable"], root.dir_of(chain)) == ([each.state for each in found.troubles], found.dir_id)


def test_entries_of_the_layer_table_are_told_apart_by_their_names(root: DataRoot, reader: Reader) -> None:
    base = f"{IMAGE}/layerdb/sha256"
    removing = root.removing()
    whole = root.layer(root.some_files())
    root.write(f"{base}/{'f' * 64}", b"")
    root.link_to(f"{base}/{'e' * 64}", "nowhere")
    root.make_dir(f"{base}/junk")
    root.write(f"{base}/{'d' * 64}-x-removing", b"")
    found = layerdb.read(reader, IMAGE)
    assert {whole, f"sha256:{'f' * 64}", f"sha256:{'e' * 64}"} == found.layers.keys()
    assert [str(removing.relative_to(root.path))] == [each.path for each in found.removing]
    assert {f"{base}/junk", f"{base}/{'d' * 64}-x-removing"} == found.foreign.keys()
    assert ("wrong", "wrong") == tuple(found.layers[f"sha256:{name * 64}"].troubles[0].state for name in "fe")


def test_registrations_in_flight_tell_their_driver_dir_if_they_can(root: DataRoot, reader: Reader) -> None:
    whole, bare = root.layer_tmp(), root.layer_tmp(())
    root.write(f"{IMAGE}/layerdb/tmp/stray", b"")
    found = {each.path.rpartition("/")[2]: each.cache_id for each in layerdb.read(reader, IMAGE).tmp}
    states = {name: each.state if isinstance(each, Trouble) else each for name, each in found.items()}
    assert {whole.name: (whole / "cache-id").read_text(), bare.name: "absent", "stray": "wrong"} == states


@pytest.mark.parametrize(("folder", "faults"), [("layerdb/sha256", 1), ("layerdb/tmp", 1), ("layerdb/mounts", 0)])
def test_a_layer_table_that_cannot_be_listed_says_so_and_an_absent_one_does_not(root: DataRoot, folder: str, faults: int) -> None:
    path = root.path / IMAGE / folder
    with Reader(str(root.path)) as reader, refusing(path, errno.EIO):
        assert faults == len(layerdb.read(reader, IMAGE).faults)
    root.delete(path)
    root.write(path, b"a file")
    with Reader(str(root.path)) as reader:
        assert faults == len(layerdb.read(reader, IMAGE).faults)
    root.delete(path)
    with Reader(str(root.path)) as reader:
        assert () == layerdb.read(reader, IMAGE).faults


def test_a_mount_record_names_and_implies_driver_dirs(root: DataRoot, reader: Reader) -> None:
    ident = root.container(root.image("x:1", 1))
    pair = (root.mount_id(ident), root.init_id(ident))
    assert pair == mounts.read(reader, IMAGE).mounts[ident].dir_ids
    root.delete(root.mount_record(ident) / "init-id")
    assert pair == mounts.read(reader, IMAGE).mounts[ident].dir_ids
    root.delete(root.mount_record(ident) / "mount-id")
    assert () == mounts.read(reader, IMAGE).mounts[ident].dir_ids
    root.write(root.mount_record(ident) / "init-id", pair[1].encode())
    assert set(pair) == set(mounts.read(reader, IMAGE).mounts[ident].dir_ids)


def test_a_mount_record_of_an_empty_image_has_no_parent(root: DataRoot, reader: Reader) -> None:
    found = mounts.read(reader, IMAGE).mounts
    ident = root.container(None)
    found = mounts.read(reader, IMAGE).mounts[ident]
    assert (None, (), None) == (found.parent, found.troubles, found.parent_id)


def test_the_mount_table_tells_absent_empty_foreign_and_unreadable_apart(root: DataRoot) -> None:
    ident = root.container(root.image("x:1", 1))
    path = root.path / IMAGE / "layerdb" / "mounts"
    root.write(path / "stray", b"")
    with Reader(str(root.path)) as reader:
        found = mounts.read(reader, IMAGE)
    assert ({ident}, {f"{IMAGE}/layerdb/mounts/stray"}, (), False) == (
        found.mounts.keys(),
        found.foreign.keys(),
        found.faults,
        found.absent,
    )
    with Reader(str(root.path)) as reader, refusing(path / ident, errno.EACCES):
        assert ["unreadable"] * 3 == [each.state for each in mounts.read(reader, IMAGE).mounts[ident].troubles]
    with Reader(str(root.path)) as reader, refusing(path, errno.EIO):
        found = mounts.read(reader, IMAGE)
    assert ({}, ["unreadable"], False) == (found.mounts, [each.state for each in found.faults], found.absent)
    root.delete(path)
    with Reader(str(root.path)) as reader:
        found = mounts.read(reader, IMAGE)
    assert ({}, (), True) == (found.mounts, found.faults, found.absent)


def test_an_image_gives_the_chain_ids_of_all_prefixes(root: DataRoot, reader: Reader) -> None:
    image = root.image("x:1", 3)
    found = imagedb.read(reader, IMAGE).images[image]
    assert (root.chains_of(image), root.images[image].diffs, "linux", True) == (found.chains, found.diffs, found.os, found.usable)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (bytes(9), "9 bytes, all of them zero"),
        (b"{}", f"the sha256 of its 2 bytes is {hex_of(digest(b'{}'))}"),
    ],
)
def test_an_image_that_is_not_what_its_name_says_tells_what_it_is(data: bytes, words: str) -> None:
    found = imagedb.load("p", f"sha256:{'0' * 64}", data)
    assert (Trouble("p", "malformed", words), False) == (found.hash_fault, found.usable)


def test_an_image_with_a_wrong_hash_still_tells_its_layers(root: DataRoot, reader: Reader) -> None:
    image = root.image("x:1", 2)
    root.write(root.image_file(image), root.image_file(image).read_bytes() + b" ")
    found = imagedb.read(reader, IMAGE).images[image]
    assert (False, root.chains_of(image)) == (found.usable, found.chains)


def test_entries_of_the_image_table_are_told_apart(root: DataRoot, reader: Reader) -> None:
    base = f"{IMAGE}/imagedb/content/sha256"
    image = root.image("x:1", 1)
    root.make_dir(f"{base}/{'f' * 64}")
    root.write(f"{base}/junk", b"")
    root.write(f"{base}/.tmp-{'e' * 64}123", b"")
    root.write(f"{base}/{'d' * 64}.tmp", b"")
    root.link_to(f"{base}/{'c' * 64}", "junk")
    root.write(root.image_metadata(image) / ".tmp-parent1", b"")
    found = imagedb.read(reader, IMAGE)
    assert {image, f"sha256:{'c' * 64}"} == found.images.keys()
    assert {f"{base}/{'f' * 64}": "dir", f"{base}/junk": "file"} == found.foreign
    metadata = str(root.image_metadata(image).relative_to(root.path))
    assert {f"{base}/.tmp-{'e' * 64}123", f"{base}/{'d' * 64}.tmp", f"{metadata}/.tmp-parent1"} == set(found.residue)
    assert ("wrong", ()) == (found.images[f"sha256:{'c' * 64}"].fault.state, found.faults)  # type: ignore[union-attr]


@pytest.mark.parametrize("folder", ["imagedb/content/sha256", "imagedb/metadata/sha256"])
def test_an_image_table_that_cannot_be_listed_says_so(root: DataRoot, folder: str) -> None:
    root.image("x:1", 1)
    with Reader(str(root.path)) as reader, refusing(root.path / IMAGE / folder, errno.EACCES):
        assert ["unreadable"] == [each.state for each in imagedb.read(reader, IMAGE).faults]


def test_a_container_is_read_with_what_it_refers_to(root: DataRoot, reader: Reader) -> None:
    image = root.image("x:1", 1)
    bind = {"Type": "bind", "Name": "", "Source": "/srv", "Driver": ""}
    other = {"Type": "volume", "Name": "far", "Driver": "nfs"}
    ident = root.container(
        image, "box", volumes={root.volume("data"): "/data"}, config={"MountPoints": {"/srv": bind, "/far": other}}
    )
    found = containers.read(reader).containers[ident]
    assert (ident, "/box", "box", "vfs", image) == (found.stated_id, found.name, found.ref_name, found.driver, found.image)
    assert (("data",), False, False, None, None) == (found.volumes, found.dead, found.running, found.fault, found.hostconfig)


@pytest.mark.parametrize(
    ("state", "dead", "running"),
    [
        ({"Dead": True}, True, False),
        ({"RemovalInProgress": True}, True, False),
        ({"Running": True}, False, True),
        ({}, False, False),
    ],
)
def test_the_state_of_a_container_is_read(
    root: DataRoot,
    reader: Reader,
    state: dict[str, bool],
    dead: bool,
    running: bool,
) -> None:
    ident = root.container(None, config={"State": state})
    found = containers.read(reader).containers[ident]
    assert (dead, running) == (found.dead, found.running)


@pytest.mark.parametrize(
    ("data", "state"),
    [(None, "absent"), (b"", "malformed"), (b"null", "malformed"), (b"[]", "malformed"), (b"{}", None), (b'{"Binds":1} x', None)],
)
def test_a_host_configuration_is_an_object_or_a_trouble(
    root: DataRoot, reader: Reader, data: bytes | None, state: str | None
) -> None:
    ident = root.container(None)
    path = root.container_dir(ident) / "hostconfig.json"
    root.delete(path)
    if data is not None:
        root.write(path, data)
    found = containers.read(reader).containers[ident].hostconfig
    assert state == (found.state if found else None)


def test_a_temporary_copy_is_whole_if_it_could_stand_in_the_configs_place(root: DataRoot, reader: Reader) -> None:
    ident, other = root.container(None), root.container(None)
    folder = root.container_dir(ident)
    good = (folder / "config.v2.json").read_bytes()
    root.write(folder / ".tmp-config.v2.json1", good)
    root.write(folder / ".tmp-config.v2.json2", good[:-5])
    root.write(folder / ".tmp-config.v2.json3", (root.container_dir(other) / "config.v2.json").read_bytes())
    root.write(folder / "config.v2.json.tmp", good)
    root.write(folder / ".tmp-hostconfig.json1", b"null")
    root.write(folder / "hostconfig.json.tmp", b'{"Binds":null}')
    root.write(folder / ".tmp-else1", good)
    found = {each.path.rpartition("/")[2]: each.whole for each in containers.read(reader).containers[ident].siblings}
    assert {
        ".tmp-config.v2.json1": True,
        ".tmp-config.v2.json2": False,
        ".tmp-config.v2.json3": False,
        "config.v2.json.tmp": True,
        ".tmp-hostconfig.json1": False,
        "hostconfig.json.tmp": True,
    } == found


def test_what_a_person_may_want_of_a_folder_without_config_is_named(root: DataRoot, reader: Reader) -> None:
    ident = root.container(None)
    folder = root.container_dir(ident)
    assert () == containers.read(reader).containers[ident].user_data
    root.delete(folder / "config.v2.json")
    log = f"containers/{ident}/{ident}-json.log"
    assert (log,) == containers.read(reader).containers[ident].user_data
    root.empty(log)
    assert () == containers.read(reader).containers[ident].user_data
    root.make_dir(folder / "checkpoints" / "one")
    root.write(folder / f"{ident}-json.log.1", b"older")
    assert {f"containers/{ident}/checkpoints", f"{log}.1"} == set(containers.read(reader).containers[ident].user_data)


def test_the_container_table_tells_absent_foreign_and_unreadable_apart(root: DataRoot) -> None:
    ident = root.container(None)
    root.write("containers/stray", b"")
    with Reader(str(root.path)) as reader:
        found = containers.read(reader)
    assert ({ident}, {"containers/stray": "file"}, (), False) == (
        found.containers.keys(),
        found.foreign,
        found.faults,
        found.absent,
    )
    with Reader(str(root.path)) as reader, refusing(root.container_dir(ident), errno.EACCES):
        fault = containers.read(reader).containers[ident].fault
        assert ("unreadable", [f"containers/{ident}"]) == (fault.state if fault else None, list(reader.unread))
    with Reader(str(root.path)) as reader, refusing(root.path / "containers", errno.EIO):
        assert ["unreadable"] == [each.state for each in containers.read(reader).faults]
    root.delete("containers")
    with Reader(str(root.path)) as reader:
        found = containers.read(reader)
    assert ({}, (), True) == (found.containers, found.faults, found.absent)


@pytest.mark.parametrize("kind", ["link", "file"])
def test_whatever_stands_under_a_containers_name_counts_as_that_container(root: DataRoot, reader: Reader, kind: str) -> None:
    ident = root.container(None)
    root.move(f"containers/{ident}", "elsewhere")
    if kind == "link":
        root.link_to(f"containers/{ident}", "../elsewhere")
    else:
        root.write(f"containers/{ident}", b"")
    assert {ident} == containers.read(reader).containers.keys()


def test_the_newest_whole_copy_of_the_tag_store_is_found(root: DataRoot, reader: Reader) -> None:
    copies = {".tmp-repositories.json1": (b'{"Repositories":{"a":{"a:1":"x"}}}', 300), "repositories.json.tmp": (b"{}", 200)}
    copies |= {".tmp-repositories.json2": (b"{", 100)}
    for name, (data, age) in copies.items():
        root.write(f"{IMAGE}/{name}", data)
        root.age(f"{IMAGE}/{name}", age)
    root.write(f"{IMAGE}/.tmp-other1", b"{}")
    found = repositories.read(reader, IMAGE)
    assert [".tmp-repositories.json2", "repositories.json.tmp", ".tmp-repositories.json1"] == [
        each.path.rpartition("/")[2] for each in found.siblings
    ]
    assert (f"{IMAGE}/repositories.json.tmp", {}) == (found.whole_sibling.path, found.whole_sibling.tags)  # type: ignore[union-attr]


def test_a_broken_tag_store_is_recovered_entire_only_if_no_entry_can_be_missing(root: DataRoot, reader: Reader) -> None:
    for tag in ("b:2", "b:1", "quay.example/x/y:v1", "a:1"):
        root.tag(tag, f"sha256:{'0' * 64}")
    data, path = root.tags.read_bytes(), root.tags
    tags, recovered = repositories.parse(data, "p"), set[str]()
    for end in range(len(data)):
        lost = len(data) - end
        for how, broken in (("cut", data[:end]), ("nul", data[:end] + bytes(lost)), ("other", data[:end] + b"#" * lost)):
            root.write(path, broken)
            found = repositories.read(reader, path.parent.relative_to(root.path).as_posix())
            assert not found.entire or tags == found.remains, f"{how} at {end}"
            assert found.trouble is not None
            assert not (found.entire and found.torn)
            recovered |= {f"{how} {lost}"} if found.entire else set()
    assert {"cut 1", *(f"{how} {lost}" for how in ("nul", "other") for lost in (1, 2, 3))} == recovered


def test_a_tag_store_is_written_as_the_engine_writes_it(root: DataRoot) -> None:
    for tag in ("b:2", "b:1", "quay.example/x/y:v1", "a:1"):
        root.tag(tag, f"sha256:{'0' * 64}")
    data = root.tags.read_bytes()
    found = repositories.parse(data, "p")
    assert isinstance(found, dict)
    assert data == repositories.encode(found)


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b'{"Repositories":{"a":{"a:1":"sha256:%b","a:2":"sha256:%b"' % (b"1" * 64, b"2" * 63), [("a", "a:1")]),
        (
            b'{"Repositories":{"h:1/a":{"h:1/a@sha256:%b":"sha256:%b"' % (b"3" * 64, b"1" * 64),
            [("h:1/a", f"h:1/a@sha256:{'3' * 64}")],
        ),
        (b'"A:1":"sha256:%b" "b":"sha256:%b" "c:1!":"sha256:%b"' % (b"1" * 64, b"1" * 64, b"1" * 64), []),
        (b"\0" * 400 + b'"a:1":"sha256:%b"}}' % (b"1" * 64), [("a", "a:1")]),
        (b'"' * 100_000, []),
    ],
)
def test_the_remains_of_a_broken_tag_store_are_its_whole_entries(data: bytes, keys: list[tuple[str, str]]) -> None:
    assert dict.fromkeys(keys, "sha256:" + "1" * 64) == repositories.remains(data)


def test_the_sources_of_a_layer_are_told_as_a_person_types_them(root: DataRoot, reader: Reader) -> None:
    image = root.image("x:1", 1, digest_ref=True)
    diff = root.images[image].diffs[0]
    assert ("x",) == distribution.sources(reader, IMAGE, diff)
    root.image("quay.example/a/b:1", [root.some_files()], digest_ref=True)
    path = f"{IMAGE}/distribution/v2metadata-by-diffid/sha256/{hex_of(diff)}"
    entries = [
        {"SourceRepository": "docker.io/library/x"},
        {"SourceRepository": "docker.io/me/x"},
        {"SourceRepository": "q.example/x"},
        5,
        {},
    ]
    root.write(path, json.dumps(entries).encode())
    assert ("x", "me/x", "q.example/x") == distribution.sources(reader, IMAGE, diff)
    root.write(path, b"junk")
    assert ((), ()) == (distribution.sources(reader, IMAGE, diff), distribution.sources(reader, IMAGE, f"sha256:{'0' * 64}"))


def quarantined(root: DataRoot) -> tuple[Path, tuple[str, ...]]:
    """An image whose configuration lies in the quarantine: the folder of the transaction, and the chain ids of the image."""
    image = root.image(None, 2)
    folder = root.path / ".docker-fsck" / "T1"
    (folder / "q").mkdir(parents=True)
    step = {"op": "quarantine", "path": f"{IMAGE}/imagedb/content/sha256/{hex_of(image)}", "n": 4}
    begun = {"rec": "planned", "actions": [{"steps": [step, {"op": "write", "path": "else", "n": 5}]}]}
    (folder / "journal.jsonl").write_bytes(msgspec.json.encode(begun) + b'\n{"rec":"begun"}\nnot JSON\n')
    root.image_file(image).rename(folder / "q" / "4")
    return folder, root.chains_of(image)


def test_the_layers_of_an_image_in_the_quarantine_are_wanted(root: DataRoot, reader: Reader) -> None:
    assert quarantine.Wanted(frozenset(), ()) == quarantine.read(reader)
    _, chains = quarantined(root)
    found = quarantine.read(reader)
    assert (frozenset(chains), ()) == (found.chains, found.unknown)
    assert found.images


def test_a_damaged_image_in_the_quarantine_hides_which_layers_are_wanted(root: DataRoot, reader: Reader) -> None:
    folder, _ = quarantined(root)
    root.cut(folder / "q" / "4")
    found = quarantine.read(reader)
    assert (frozenset(), 1, True) == (found.chains, len(found.unknown), "purge the transaction T1" in found.unknown[0])


@pytest.mark.parametrize("name", ["journal.jsonl", "q/4", ""])
def test_a_part_of_the_quarantine_that_the_kernel_refuses_hides_which_layers_are_wanted(root: DataRoot, name: str) -> None:
    folder, _ = quarantined(root)
    with Reader(str(root.path)) as reader, refusing(folder / name if name else folder.parent, errno.EIO):
        assert () != quarantine.read(reader).unknown


@pytest.mark.parametrize("damage", ["deleted", "emptied", "cut"])
def test_a_transaction_without_a_whole_journal_hides_which_layers_are_wanted(root: DataRoot, reader: Reader, damage: str) -> None:
    folder, _ = quarantined(root)
    {"deleted": root.delete, "emptied": root.empty, "cut": root.cut}[damage](folder / "journal.jsonl")
    assert () != quarantine.read(reader).unknown


def put_away(root: DataRoot, cache_id: bytes | None, *, journal: bool = True) -> str:
    """A layer record in the quarantine; returns the folder in `q`."""
    record = root.record(root.chains_of(root.image(None, 2))[-1])
    folder = root.path / ".docker-fsck" / "T1"
    (folder / "q").mkdir(parents=True)
    step = {"op": "quarantine", "path": str(record.relative_to(root.path)), "n": 4}
    if journal:
        (folder / "journal.jsonl").write_bytes(msgspec.json.encode({"rec": "planned", "actions": [{"steps": [step]}]}) + b"\n")
    record.rename(folder / "q" / "4")
    if cache_id is None:
        root.delete(folder / "q/4/cache-id")
    else:
        root.write(folder / "q/4/cache-id", cache_id)
    return ".docker-fsck/T1/q/4"


@pytest.mark.parametrize("journal", [True, False])
@pytest.mark.parametrize("cache_id", [b"", b"no driver id", None])
def test_a_record_in_the_quarantine_that_does_not_tell_its_folder_may_mean_any(
    root: DataRoot, reader: Reader, cache_id: bytes | None, *, journal: bool
) -> None:
    place = put_away(root, cache_id, journal=journal)
    (why,) = quarantine.read(reader).astray
    assert ("did not tell its folder: pull its image, then purge the transaction T1" in why) == journal
    assert (place in why) == (not journal)


@pytest.mark.parametrize("journal", [True, False])
def test_a_record_in_the_quarantine_that_tells_its_folder_means_no_other(
    root: DataRoot, reader: Reader, *, journal: bool
) -> None:
    put_away(root, b"a" * 64 + b"\n", journal=journal)
    assert () == quarantine.read(reader).astray


def test_a_record_that_was_taken_back_is_none_of_the_quarantine(root: DataRoot, reader: Reader) -> None:
    place = put_away(root, b"")
    (root.path / place).rename(root.path / IMAGE / "layerdb/sha256" / ("b" * 64))
    assert () == quarantine.read(reader).astray


def test_other_things_in_a_quarantine_without_a_journal_are_no_records(root: DataRoot, reader: Reader) -> None:
    put_away(root, b"a" * 64, journal=False)
    for name in ("5/diff", "6/mount-id", "7"):
        (root.path / ".docker-fsck/T1/q" / name).mkdir(parents=True)
    assert [".docker-fsck/T1/q/7 may be a layer record that does not tell its folder"] == list(quarantine.read(reader).astray)


def test_a_quarantine_that_cannot_be_listed_may_hold_such_a_record(root: DataRoot) -> None:
    put_away(root, b"")
    with Reader(str(root.path)) as reader, refusing(root.path / ".docker-fsck", errno.EIO):
        assert () != quarantine.read(reader).astray


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (bytes(3), "3 bytes, all of them zero"),
        (b"ab", "holds 'ab'"),
        (b"a" * 100, f"holds '{'a' * 80}' and more"),
        (b"\xff", "holds '\\\\xff'"),
    ],
)
def test_wrong_content_is_told_by_what_it_is(data: bytes, words: str) -> None:
    assert words == fields.shown(data)


def test_wrong_content_beyond_ascii_is_told_whole() -> None:
    assert "holds '\u0663'" == fields.shown("\u0663".encode())


def test_a_field_that_is_there_but_was_not_read_is_absent() -> None:
    row = Row({"a": "file"}, {})
    assert ("absent", "absent", None) == (
        fields.field(row, "p", "a", bytes).state,  # type: ignore[union-attr]
        fields.field(row, "p", "b", bytes).state,  # type: ignore[union-attr]
        fields.optional(row, "p", "b", bytes),
    )


def test_no_record_of_a_root_with_odd_names_is_lost(root: DataRoot, reader: Reader) -> None:
    chain = root.chains_of(root.image("x:1", 1))[0]
    for name in (b"\xff", b"a\nb", b"\xe2\x82"):
        os.mkdir(os.fsencode(root.path / IMAGE / "layerdb" / "sha256") + b"/" + name)
    found = layerdb.read(reader, IMAGE)
    assert ({chain}, 3) == (found.layers.keys(), len(found.foreign))
