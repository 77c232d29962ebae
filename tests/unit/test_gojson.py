"""JSON as the engine reads it: tables of odd documents with what Docker 20.10.24 made of each, held against our own reading.

tests/engine/test_tagstore_engine.py runs the same tables past a real engine.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from docker_fsck.ids import digest, reference_fault
from docker_fsck.reader import Reader
from docker_fsck.records import containers, imagedb, repositories
from docker_fsck.records.gojson import first, ill_typed, is_time, member, respelt, strict, text
from docker_fsck.testing.documents import container_config
from docker_fsck.values import Trouble

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
"""Stand for the ids of two images that are there."""


class TagStore(Struct, frozen=True):
    """A repositories.json and the references that the engine lists with it, None where it does not start."""

    data: bytes
    engine: tuple[str, ...] | None


def tags(inner: str, *, before: bytes = b"", after: bytes = b"") -> bytes:
    """A tag store with `inner` in its outer object; `a` and `b` in angle brackets are the images' ids."""
    return before + b'{"Repositories":{' + inner.replace("<a>", A).replace("<b>", B).encode() + b"}}" + after


ONE = '"a":{"a:1":"<a>"}'
TWO = '"b":{"b:1":"<b>"}'
ELSEWHERE = tags(ONE)[1:]

TAG_STORES = {
    "empty": TagStore(b"", None),
    "all zero": TagStore(bytes(64), None),
    "an empty object": TagStore(b"{}", ()),
    "null": TagStore(b"null", None),
    "a list": TagStore(b"[]", None),
    "a string": TagStore(b'"x"', None),
    "a number": TagStore(b"1", None),
    "another member only": TagStore(b'{"Other":{"a":{"a:1":"x"}}}', ()),
    "a list for Repositories": TagStore(b'{"Repositories":[]}', None),
    "a name in lower case": TagStore(tags(ONE).replace(b"Rep", b"rep"), ("a:1",)),
    "a name in mixed case": TagStore(tags(ONE).replace(b"Repositories", b"rEPOSITORIES"), ("a:1",)),
    "a name with a long s": TagStore(tags(ONE).replace(b"itories", "itorie\u017f".encode()), ("a:1",)),
    "Repositories twice": TagStore(tags(ONE)[:-1] + b"," + tags(TWO)[1:], ("a:1", "b:1")),
    "repositories, then Repositories": TagStore(tags(ONE).replace(b"Rep", b"rep")[:-1] + b"," + tags(TWO)[1:], ("a:1", "b:1")),
    "Repositories, then repositories": TagStore(tags(ONE)[:-1] + b"," + tags(TWO)[1:].replace(b"Rep", b"rep"), ("a:1", "b:1")),
    "a repository twice": TagStore(tags(ONE + ',"a":{"a:2":"<b>"}'), ("a:2",)),
    "a reference twice": TagStore(tags('"a":{"a:1":"junk","a:1":"<b>"}'), ("a:1",)),
    "something behind it": TagStore(tags(ONE, after=b" trailing }"), ("a:1",)),
    "a second document behind it": TagStore(tags(ONE, after=tags(TWO)), ("a:1",)),
    "zero bytes behind it": TagStore(tags(ONE, after=bytes(64)), ("a:1",)),
    "zero bytes before it": TagStore(tags(ONE, before=bytes(8)), None),
    "white space before it": TagStore(tags(ONE, before=b" \t\r\n"), ("a:1",)),
    "a vertical tab before it": TagStore(tags(ONE, before=b"\v"), None),
    "a byte order mark": TagStore(tags(ONE, before=b"\xef\xbb\xbf"), None),
    "a comment before it": TagStore(tags(ONE, before=b"// c\n"), None),
    "cut": TagStore(tags(ONE)[:-1], None),
    "a comma too many": TagStore(tags(ONE + ","), None),
    "a control character": TagStore(tags(ONE + ',"x\x01":{}'), None),
    "a name that is no text": TagStore(tags(ONE + ',"#":{"#:1":"<b>"}').replace(b"#", b"\xff"), ("a:1",)),
    "a name of cut text": TagStore(tags(ONE + ',"#":{"#:1":"<b>"}').replace(b"#", b"\xe2\x82"), ("a:1",)),
    "a value that is no text": TagStore(tags('"a":{"a:1":"<a>#"}').replace(b"#", b"\xff"), ()),
    "half a surrogate pair": TagStore(tags(ONE + r',"\ud800":{"\ud800:1":"<b>"}'), ("a:1",)),
    "a number as a value": TagStore(tags('"a":{"a:1":5}'), None),
    "a boolean as a value": TagStore(tags('"a":{"a:1":true}'), None),
    "null as a value": TagStore(tags('"a":{"a:1":null},' + TWO), ("b:1",)),
    "null as a repository": TagStore(tags('"a":null,' + TWO), ("b:1",)),
    "a list as a repository": TagStore(tags('"a":[],' + TWO), None),
    "a repository without tags": TagStore(tags('"a":{},' + TWO), ("b:1",)),
    "names of no length": TagStore(tags('"":{"":"<a>"},' + TWO), ("b:1",)),
    "a large number elsewhere": TagStore(b'{"x":1e999,' + ELSEWHERE, ("a:1",)),
    "many digits elsewhere": TagStore(b'{"x":' + b"9" * 400 + b"," + ELSEWHERE, ("a:1",)),
    "lists that are too deep": TagStore(b'{"x":' + b"[" * 20000 + b"]" * 20000 + b"," + ELSEWHERE, None),
    "no number elsewhere": TagStore(b'{"x":NaN,' + ELSEWHERE, None),
    "a number with a zero in front": TagStore(b'{"x":01,' + ELSEWHERE, None),
}

STRICTER = {
    "null for Repositories": b'{"Repositories":null}',
    "null for Repositories at last": tags(ONE)[:-1] + b',"Repositories":null}',
}
"""The engine starts without tags, and the first one that is set makes it panic (nil map): we call the file damaged."""


def test_members_that_stand_twice_are_taken_as_go_takes_them() -> None:
    value = first(
        b'{"a":{"x":1,"y":[1]},"A":{"Y":[2]},"t":"one","T":null,"l":[1],"L":null,"o":{"x":1},"O":null,"n":null,"N":"late"}', "p"
    )
    assert {"x": 1, "y": [2]} == {name: member(member(value, "a"), name) for name in "xy"}
    assert ["one", None, None, "late", None] == [member(value, name) for name in "tlonz"]


def test_every_one_of_members_that_stand_twice_must_have_the_right_type() -> None:
    assert "ID is no text" == ill_typed(first(b'{"ID":5,"id":"x"}', "p"), {"ID": "text"})


def listed(data: bytes) -> tuple[str, ...] | None:
    """The references that should be listed by our reading, None for a file that cannot be read."""
    found = repositories.parse(data, "image/vfs/repositories.json")
    if isinstance(found, Trouble):
        return None
    return tuple(sorted(key[1] for key, image in found.items() if image in {A, B} and reference_fault(*key) is None))


def cases(table: dict[str, Any]) -> list[Any]:
    """The rows of a table as parameters."""
    return [pytest.param(row, id=name) for name, row in table.items()]


@pytest.mark.parametrize("row", cases(TAG_STORES))
def test_a_tag_store_is_read_as_the_engine_reads_it(row: TagStore) -> None:
    assert row.engine == listed(row.data)


@pytest.mark.parametrize("data", STRICTER.values(), ids=STRICTER)
def test_a_tag_store_in_which_no_tag_can_be_set_is_damaged_though_the_engine_starts(data: bytes) -> None:
    assert None is listed(data)


Document = dict[str, Any]
Edit = Callable[[Document], bytes]


def having(**members: Any) -> Edit:
    """A document with these members changed; one that is set to the Ellipsis goes."""

    def edit(document: Document) -> bytes:
        changed = {key: value for key, value in (document | members).items() if value is not ...}
        return json.dumps(changed).encode()

    return edit


def rewritten(old: bytes, new: bytes) -> Edit:
    """A document with other bytes at one place."""

    def edit(document: Document) -> bytes:
        data = json.dumps(document).encode()
        assert old in data
        return data.replace(old, new, 1)

    return edit


def wrapped(before: bytes = b"", after: bytes = b"") -> Edit:
    """A document with something before and behind it."""
    return lambda document: before + json.dumps(document).encode() + after


def holding(data: bytes) -> Edit:
    """Something else in the document's place."""
    return lambda _: data


def spelled(case: Callable[[str], str]) -> Edit:
    """A document with the names of its members, and of those of `rootfs`, in another case."""

    def edit(document: Document) -> bytes:
        rootfs = {case(key): value for key, value in document.get("rootfs", {}).items()}
        return json.dumps({case(key): rootfs if key == "rootfs" else value for key, value in document.items()}).encode()

    return edit


class Config(Struct, frozen=True):
    """A config.v2.json, and whether the engine lists the container: `listed`, `dead`, or `hidden`."""

    edit: Edit
    engine: str


CONFIGS = {
    "whole": Config(having(), "listed"),
    "no ID": Config(having(ID=...), "listed"),
    "null as ID": Config(having(ID=None), "listed"),
    "an empty ID": Config(having(ID=""), "hidden"),
    "a number as ID": Config(having(ID=5), "hidden"),
    "no Name": Config(having(Name=...), "listed"),
    "a number as Name": Config(having(Name=1), "hidden"),
    "no Driver": Config(having(Driver=...), "hidden"),
    "a number as Driver": Config(having(Driver=1), "hidden"),
    "no Image": Config(having(Image=...), "listed"),
    "null as Image": Config(having(Image=None), "listed"),
    "an Image that is no digest": Config(having(Image="junk"), "listed"),
    "a number as Image": Config(having(Image=1), "hidden"),
    "no State": Config(having(State=...), "listed"),
    "an empty State": Config(having(State={}), "listed"),
    "a list as State": Config(having(State=[]), "hidden"),
    "a string as State": Config(having(State="x"), "hidden"),
    "a string as Running": Config(having(State={"Running": "yes"}), "hidden"),
    "a number as Dead": Config(having(State={"Dead": 1}), "hidden"),
    "dead": Config(having(State={"Dead": True}), "dead"),
    "dead in lower case": Config(having(State={"dead": True}), "dead"),
    "being removed": Config(having(State={"RemovalInProgress": True}), "dead"),
    "a string as Config": Config(having(Config="x"), "hidden"),
    "null as MountPoints": Config(having(MountPoints=None), "listed"),
    "a list as MountPoints": Config(having(MountPoints=[]), "hidden"),
    "a string as mount point": Config(having(MountPoints={"/d": "x"}), "hidden"),
    "null as NetworkSettings": Config(having(NetworkSettings=None), "listed"),
    "a list as NetworkSettings": Config(having(NetworkSettings=[]), "hidden"),
    "null as Created": Config(having(Created=None), "listed"),
    "no time as Created": Config(having(Created="junk"), "hidden"),
    "a number as Created": Config(having(Created=5), "hidden"),
    "an object as Args": Config(having(Args={}), "hidden"),
    "null as Args": Config(having(Args=None), "listed"),
    "a fraction as RestartCount": Config(having(RestartCount=1.5), "hidden"),
    "a number as Path": Config(having(Path=1), "hidden"),
    "a number as LogPath": Config(having(LogPath=1), "hidden"),
    "a string as Managed": Config(having(Managed="x"), "hidden"),
    "members that nobody knows": Config(having(Whatever=[1, {"a": None}]), "listed"),
    "all names in lower case": Config(spelled(str.lower), "listed"),
    "all names in upper case": Config(spelled(str.upper), "listed"),
    "something behind it": Config(wrapped(after=b" xyz"), "listed"),
    "zero bytes behind it": Config(wrapped(after=bytes(100)), "listed"),
    "white space before it": Config(wrapped(before=b"\n\t "), "listed"),
    "a byte order mark": Config(wrapped(before=b"\xef\xbb\xbf"), "hidden"),
    "bytes that are no text": Config(rewritten(b'"/bin/sh"', b'"/bin/\xff"'), "listed"),
    "half a surrogate pair": Config(rewritten(b'"/bin/sh"', rb'"/bin/\ud800"'), "listed"),
    "a wrong ID, then the right one": Config(rewritten(b"{", b'{"ID":"junk",'), "listed"),
    "the right ID, then a wrong one": Config(lambda document: having()(document)[:-1] + b',"ID":"junk"}', "hidden"),
    "the right ID, then a wrong id": Config(lambda document: having()(document)[:-1] + b',"id":"junk"}', "hidden"),
    "empty": Config(holding(b""), "hidden"),
    "null": Config(holding(b"null"), "hidden"),
    "a list": Config(holding(b"[]"), "hidden"),
    "all zero": Config(holding(bytes(50)), "hidden"),
    "an empty object": Config(holding(b"{}"), "hidden"),
}

FATAL_CONFIGS = {
    "null as State": having(State=None),
    "null as Config": having(Config=None),
    "no Config": having(Config=...),
}
"""With each of these the engine panics at its start: nil pointer dereference."""

IDENT = "c" * 64


def container(root: Path, data: bytes) -> str:
    """What becomes of the container by our reading."""
    folder = root / "containers" / IDENT
    folder.mkdir(parents=True)
    (folder / "config.v2.json").write_bytes(data)
    with Reader(str(root)) as reader:
        found = containers.read(reader).containers[IDENT]
    if found.fault is not None or found.stated_id != IDENT or found.driver != "vfs":
        return "hidden"
    return "dead" if found.dead else "listed"


def document() -> Document:
    """A whole config.v2.json."""
    times = ("2024-05-01T10:00:00Z",) * 3
    return container_config(IDENT, "box", A, "/var/lib/docker", times) | {"Driver": "vfs"}


@pytest.mark.parametrize("row", cases(CONFIGS))
def test_a_container_configuration_is_read_as_the_engine_reads_it(tmp_path: Path, row: Config) -> None:
    assert row.engine == container(tmp_path, row.edit(document()))


@pytest.mark.parametrize("edit", FATAL_CONFIGS.values(), ids=FATAL_CONFIGS)
def test_a_container_configuration_that_makes_the_engine_panic_is_damaged(edit: Edit) -> None:
    assert isinstance(containers.parse(edit(document()), "containers/x/config.v2.json"), Trouble)


class ImageConfig(Struct, frozen=True):
    """An image configuration, and the number of layers that the engine gives the image; None where it hides it."""

    edit: Edit
    engine: int | None


def rootfs(**members: Any) -> Edit:
    """An image with another root file system."""
    return lambda config: having(rootfs={"type": "layers", "diff_ids": config["rootfs"]["diff_ids"]} | members)(config)


def behind(extra: Callable[[list[str]], str]) -> Edit:
    """An image with one more member at the end, made of its diff ids."""
    return lambda config: having()(config)[:-1] + b"," + extra(config["rootfs"]["diff_ids"]).encode() + b"}"


def noisy(config: Document) -> bytes:
    """An image with a comment that is no text."""
    return behind(lambda _: '"comment":"#"')(config).replace(b"#", b"\xff\xfe")


IMAGES = {
    "whole": ImageConfig(having(comment="whole"), 2),
    "no rootfs": ImageConfig(having(rootfs=...), None),
    "null as rootfs": ImageConfig(having(rootfs=None), None),
    "an empty rootfs": ImageConfig(having(rootfs={}), 0),
    "a list as rootfs": ImageConfig(having(rootfs=[]), None),
    "a string as rootfs": ImageConfig(having(rootfs="x"), None),
    "null as diff_ids": ImageConfig(rootfs(diff_ids=None), 0),
    "a string as diff_ids": ImageConfig(rootfs(diff_ids="x"), None),
    "a number among the diff_ids": ImageConfig(rootfs(diff_ids=[5]), None),
    "no digest among the diff_ids": ImageConfig(rootfs(diff_ids=["junk"]), None),
    "another type of rootfs": ImageConfig(rootfs(type="junk"), 2),
    "a number as type of rootfs": ImageConfig(rootfs(type=5), None),
    "all names in upper case": ImageConfig(spelled(str.upper), 2),
    "a second rootfs without diff_ids": ImageConfig(behind(lambda _: '"rootfs":{"type":"layers"}'), 2),
    "a second rootfs with fewer diff_ids": ImageConfig(behind(lambda diffs: f'"rootfs":{{"diff_ids":["{diffs[0]}"]}}'), 1),
    "a second rootfs in another spelling": ImageConfig(behind(lambda diffs: f'"RootFS":{{"diff_ids":["{diffs[0]}"]}}'), 1),
    "null as a second rootfs": ImageConfig(behind(lambda _: '"rootfs":null'), None),
    "something behind it": ImageConfig(wrapped(after=b"x"), None),
    "white space behind it": ImageConfig(wrapped(after=b"\n\n"), 2),
    "zero bytes behind it": ImageConfig(wrapped(after=bytes(4)), None),
    "white space before it": ImageConfig(wrapped(before=b"\n"), 2),
    "a byte order mark": ImageConfig(wrapped(before=b"\xef\xbb\xbf"), None),
    "bytes that are no text": ImageConfig(noisy, 2),
    "half a surrogate pair": ImageConfig(behind(lambda _: r'"comment":"\ud800"'), 2),
    "no created": ImageConfig(having(created=...), 2),
    "no time as created": ImageConfig(having(created="junk"), None),
    "more digits than a nanosecond has in created": ImageConfig(having(created="2020-01-01T00:00:00.1234567891Z"), 2),
    "a comma in created": ImageConfig(having(created="2020-01-01T00:00:00,1234567891Z"), 2),
    "an hour of one digit in created": ImageConfig(having(created="2020-01-01T0:00:00Z"), 2),
    "the hour 24 in created": ImageConfig(having(created="2020-01-01T24:00:00Z"), None),
    "a leap second in created": ImageConfig(having(created="2016-12-31T23:59:60Z"), None),
    "an offset of 24 hours and 60 minutes in created": ImageConfig(having(created="2020-01-01T00:00:00+24:60"), 2),
    "a small t in created": ImageConfig(having(created="2020-01-01t00:00:00Z"), None),
    "a small z in created": ImageConfig(having(created="2020-01-01T00:00:00z"), None),
    "a string as config": ImageConfig(having(config="x"), None),
    "a string as Cmd": ImageConfig(having(config={"Cmd": "x"}), 2),
    "a string as Entrypoint": ImageConfig(having(config={"Entrypoint": "x"}), 2),
    "a number as Cmd": ImageConfig(having(config={"Cmd": 5}), None),
    "null among Env": ImageConfig(having(config={"Env": [None, "a=b"]}), 2),
    "a string as Env": ImageConfig(having(config={"Env": "x"}), None),
    "null as config": ImageConfig(having(config=None), 2),
    "a string as history": ImageConfig(having(history="x"), None),
    "an empty history": ImageConfig(having(history=[]), 2),
    "no os": ImageConfig(having(os=...), 2),
    "a number as os": ImageConfig(having(os=5), None),
    "a large number in a member that nobody knows": ImageConfig(behind(lambda _: '"x":1e999'), 2),
    "null": ImageConfig(holding(b"null"), None),
    "a list": ImageConfig(holding(b"[]"), None),
    "a string": ImageConfig(holding(b'"x"'), None),
    "an empty object": ImageConfig(holding(b"{}"), None),
}


def image_document() -> Document:
    """A whole image configuration with two layers."""
    return {"architecture": "amd64", "config": {}, "created": "2024-05-01T10:00:00Z", "os": "linux"} | {
        "rootfs": {"type": "layers", "diff_ids": [A, B]}
    }


@pytest.mark.parametrize("row", cases(IMAGES))
def test_an_image_configuration_is_read_as_the_engine_reads_it(row: ImageConfig) -> None:
    data = row.edit(image_document())
    image = imagedb.load("image/vfs/imagedb/content/sha256/x", digest(data), data)
    assert row.engine == (len(image.chains) if image.usable else None)


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ("2020-01-01T00:00:00" + "." + "9" * 400 + "Z", True),
        ("2020-01-01T00:00:00.Z", False),
        ("2020-01-01T00:00:00,Z", False),
        ("2020-01-01T00:00:00.5+01:00", True),
        ("2020-01-01T00:00:00-00:00", True),
        ("2020-01-01T00:00:00+25:00", False),
        ("2020-01-01T00:00:00+00:61", False),
        ("2020-01-01T00:00:00+0000", False),
        ("2020-01-01T00:00:00+01:00:00", False),
        ("2020-01-01T00:00:00", False),
        ("2020-01-01 00:00:00Z", False),
        ("2020-01-01T00:00Z", False),
        ("2020-01-01T000:00:00Z", False),
        ("2020-01-01T00:0:00Z", False),
        ("2020-1-01T00:00:00Z", False),
        ("2020-00-01T00:00:00Z", False),
        ("2020-01-00T00:00:00Z", False),
        ("2021-02-29T00:00:00Z", False),
        ("2020-02-29T00:00:00Z", True),
        ("0000-01-01T00:00:00Z", True),
    ],
)
def test_a_time_is_one_that_go_of_today_parses(value: str, taken: bool) -> None:
    assert taken is is_time(value)


def test_a_member_is_found_by_its_very_name_before_any_other() -> None:
    assert (1, 2, None) == (member({"a": 2, "A": 1}, "A"), member({"a": 2}, "A"), member({"b": 1}, "A"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [({"A": "x"}, "x"), ({"a": "x"}, "x"), ({}, ""), ({"A": None}, ""), ({"A": 1}, None), ({"A": []}, None)],
)
def test_a_text_member_is_empty_where_absent_and_none_where_of_another_type(value: Document, expected: str | None) -> None:
    assert expected == text(value, "A")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (bytes(7), "7 bytes, all of them zero"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":', "not JSON: input data was truncated"),
    ],
)
def test_damage_is_told_in_words(data: bytes, words: str) -> None:
    assert (Trouble("p", "malformed", words), Trouble("p", "malformed", words)) == (strict(data, "p"), first(data, "p"))


def test_damage_is_told_without_a_slip() -> None:
    fault = strict(b"x", "p")
    assert isinstance(fault, Trouble)
    assert "jSON" not in fault.why


@pytest.mark.parametrize(("data", "value"), [(b"{} x", {}), (b"[1]\0\0", [1]), (b' \n"a"b', "a"), (b"1 2", 1), (b"null,", None)])
def test_only_the_first_value_counts_where_a_decoder_reads_a_stream(data: bytes, value: object) -> None:
    assert (value, True) == (first(data, "p"), isinstance(strict(data, "p"), Trouble))


def test_reading_a_large_document_with_something_behind_it_takes_linear_time() -> None:
    data = tags(",".join(f'"r{n}":{{"r{n}:1":"<a>"}}' for n in range(20_000)), after=b"x")
    found = repositories.parse(data, "p")
    assert isinstance(found, dict)
    assert 20_000 == len(found)


@pytest.mark.parametrize("read", [strict, first])
def test_half_a_surrogate_pair_becomes_a_replacement_character(read: Callable[[bytes, str], Any]) -> None:
    assert {"a\ufffd": ["\ufffdb", {"\U0001f600": "\ufffd"}]} == read(
        rb'{"a\ud800": ["\udc00b", {"\ud83d\ude00": "\ud800"}]}', "p"
    )


@pytest.mark.parametrize("data", [b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}", b"[" * 3000 + b"]" * 3000])
def test_what_is_nested_deeper_than_python_goes_is_damaged_to_us_though_not_to_the_engine(data: bytes) -> None:
    assert Trouble("p", "malformed", "nested too deeply") == strict(data, "p")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Memory": 1, "Dns": []}, []),
        ({"memory": 1, "DNS": []}, []),
        ({"Memorx": 1, "Dns": []}, [("Memorx", "Memory")]),
        ({"Memor\ufffd": 1, "Dns": []}, [("Memor\ufffd", "Memory")]),
        ({"Memory": 1, "Memorx": 1, "Dns": []}, []),
        ({"Memoay": 1, "Dns": []}, []),
        ({"Memories": 1}, []),
        ([], []),
        (None, []),
    ],
    ids=["all", "case", "one bit", "the highest bit", "it is there too", "two bits", "another", "a list", "null"],
)
def test_a_name_that_is_one_bit_from_one_that_is_not_there_is_told(value: object, expected: list[tuple[str, str]]) -> None:
    assert expected == list(respelt(value, ("Memory", "Dns")))
