"""The bbolt reader, against databases of our writer, one of bbolt itself, and damaged copies of them."""

import base64
import lzma
import struct
import tracemalloc
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docker_fsck import bolt
from docker_fsck.testing import boltfile

PAGE = boltfile.PAGE_SIZE
u16, u32, u64 = (struct.Struct(form).pack for form in ("<H", "<I", "<Q"))

WRITTEN_BY_BBOLT = (
    "T>t=p0RR90|NsC0{{R4Le|r*HrQuMUkZzSop=wOcgRO5(aAJ_@ggl))gYnJ5_s1WdA?6A~kH+<fb%<~5*H)H`c}ldwA)ADY--Vw;b)t@ho<^I>@s-5G-^>x&kkc"
    "|C6H4s+)A9T^)p?Cxc%#fq)&--&6>g@bk^vP|52g)Hdm0VvtrfsE%5$E?TN#Q(ZQ8>zCws_w8af9@<>?Ig2hx@{Y3_f_3`ayjv$9WXQFs6w;tDnaI~uzS!<e5!i"
    ";?6z*IXJA3Y5N-;HWh6h=YG)>y!67XLjWFw#nMEIIqESQwnJYG;adgPncaeKhkQXI!Qv$11#^gwK{aRl627+OK4V#2&j}E-<X2tiCQn9qDt19cpnrZ?dN0KM^AH"
    "@tJhG9gmLKGa*No3x4@A@4FOtlb0d@$>{0@+jAxRPsS2qr;Bn8~dQdCKc?KCWyY$XLKML2K>~Y=YTka;8%~d%2cB2|14gV2vCP;`>T6OY^nO?uiDKA>Y^<=YkNx"
    "5IhR|TNA1e*rt*FYSOm1W*mp!Xb4i~v)LZ>Z{6Xf(uXV_cgCClG4k%+AJ$1R<O%4%4r%>*Q|UYT^yYJh^il<Ki-g;j6OZ0vBc`Y%u2@ibWL}+g<;VD4&7xVEX+p"
    "ewaHWVqesc9(1(ra>_wlzp+R0@n@FjpL7HSj2<HjgQeNfde?4H&U93Cf0mIBnU*;72}J6vH;PL<H8xE+AcviRq)Ls;UvPuF#4sM<xx$_4V9*we?fW{Wr~fkg2HP"
    "ni9W{fu*=66RJiqW&_+?9e2TF@g0~mvpL_%3&0K6KQ{RnRXx}ksY@G(#XTh#se;<nx783ax`u1D#7ff!l6qqapNj+O#GEpO=Z5-qX"
)
"""Of bbolt 1.3.6 with pages of 1024 bytes, compressed. Bucket `many` got key-00 to key-59 and lost every third again,
`outer` has a long value and `inner` with sequence 7; page splits, merges and free pages are bbolt's own."""

FLAT = boltfile.build({"a": "1", "b": "2"})  # page 3: a leaf
INLINE = boltfile.build({"in": {"a": "1"}})  # page 3: a leaf with one inline bucket, the header of which is at byte 50
NESTED = boltfile.build({"b": {"k": "v" * 2000}, "c": {}}, free=3)  # page 3: bucket b, 4: the root, 5 to 7: free
TALL = boltfile.build({f"k{n:03}": "v" * 200 for n in range(40)})  # 3 to 5: leaves from k000, k018, k036 on, 6: the branch
FLATS: dict[str, Any] = {f"{n:0300}": {} for n in range(9)}
LEASES = {str(n): {"id": "x" * n, "flat": {}} for n in range(9)}
MIXED = boltfile.build({"leases": LEASES, "long": "y" * 5000, **FLATS}, page_size=1024, free=2)


def content(bucket: bolt.Bucket) -> dict[bytes, Any]:
    return {key: content(value) if isinstance(value, bolt.Bucket) else value for key, value in bucket.items()}


def read(data: bytes) -> dict[bytes, Any]:
    return content(bolt.open_bytes(data).root)


def encoded(tree: dict[str, Any]) -> dict[bytes, Any]:
    return {key.encode(): encoded(value) if isinstance(value, dict) else value.encode() for key, value in tree.items()}


def patched(data: bytes, at: int, patch: bytes) -> bytes:
    return data[:at] + patch + data[at + len(patch) :]


def damage(data: bytes) -> str:
    with pytest.raises(bolt.BoltError) as caught:
        bolt.open_bytes(data)
    return str(caught.value)


@pytest.mark.parametrize("page_size", [1024, 4096, 65536])
@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"a": ""},
        {"volumes": {"data": '{"Name": "data"}'}},
        {"empty": {}, "full": {"deep": {"deeper": {"deepest": {"k": "v"}}}}},
        {"long": {"value": "v" * 200_000, "k" * 30_000: "long key"}},
        {f"{n:04}": {"parent": f"{n - 1:04}", "committed": str(n)} for n in range(800)},
        {"one": {f"{n:05}": "x" * (n % 50) for n in range(3000)}},
    ],
    ids=["nothing", "value", "volumes", "nested", "overflow", "many buckets", "deep tree"],
)
def test_what_was_written_is_read_in_key_order_and_found_by_key(tree: dict[str, Any], page_size: int) -> None:
    data = boltfile.build(tree, page_size=page_size)
    root = bolt.open_bytes(data).root
    assert encoded(tree) == content(root)
    assert sorted(encoded(tree)) == [key for key, _ in root.items()]
    assert [] == bolt.check(data)


def test_a_database_of_bbolt_itself_is_read_as_it_was_written() -> None:
    data = lzma.decompress(base64.b85decode("".join(WRITTEN_BY_BBOLT)))
    many = {b"key-%02d" % n: b"%d" % n for n in range(60) if n % 3}
    outer = {b"inner": {b"a": b"1", b"none": b""}, b"long": b"x" * 3000}
    assert {b"many": many, b"outer": outer} == read(data)
    database = bolt.open_bytes(data)
    inner = database.root.bucket(b"outer", b"inner")
    assert inner is not None
    assert (7, 1024, 4, 16, False) == (inner.sequence, database.page_size, database.txid, database.high_water, database.torn)
    assert [] == bolt.check(data)


def test_a_key_is_found_in_any_page_and_no_other_key_is() -> None:
    root = bolt.open_bytes(TALL).root
    assert [b"v" * 200] * 40 == [root.get(b"k%03d" % n) for n in range(40)]
    assert [None] * 5 == [root.get(key) for key in (b"", b"k", b"k017\0", b"k0170", b"k040")]


def test_a_path_of_buckets_ends_at_a_bucket_or_at_none() -> None:
    root = bolt.open_bytes(boltfile.build({"v1": {"moby": {"leases": {"a": "b"}}}})).root
    found = root.bucket(b"v1", b"moby", b"leases")
    assert found is not None
    assert b"b" == found.get(b"a")
    absent = ((b"v2", b"moby"), (b"v1", b"moby", b"leases", b"a"), (b"v1", b"moby", b"leases", b"a", b"c"))
    assert [None, None, None] == [root.bucket(*path) for path in absent]
    assert root is root.bucket()


def test_the_counter_of_an_inline_and_of_a_long_bucket_is_read() -> None:
    tree = {"short": boltfile.Sequenced(3, {"a": "b"}), "long": boltfile.Sequenced(1 << 40, {"a": "b" * 5000})}
    root = bolt.open_bytes(boltfile.build(tree)).root
    assert [3, 1 << 40] == [bucket.sequence for name in (b"short", b"long") if (bucket := root.bucket(name))]


def test_no_bytes_are_told_from_damage() -> None:
    with pytest.raises(bolt.EmptyDatabase):
        bolt.open_bytes(b"")
    assert (["no bytes: created and never written"], ()) == (bolt.check(b""), bolt.txids(b""))


def test_the_valid_meta_of_the_higher_transaction_is_used_and_a_torn_one_leaves_the_state_before() -> None:
    newer = patched(NESTED, PAGE, boltfile.meta(3, root=3, freelist=bolt.NO_FREELIST, high_water=8))
    torn = patched(newer, PAGE + 40, b"\xff")
    assert ({b"k": b"v" * 2000}, 3, False, (2, 3)) == state(newer)
    assert ({b"b": {b"k": b"v" * 2000}, b"c": {}}, 2, True, (2,)) == state(torn)
    # In the newer state page 4 is lost, which cannot be where no freelist is stored.
    assert [[], []] == [bolt.check(newer), bolt.check(torn)]


def state(data: bytes) -> tuple[dict[bytes, Any], int, bool, tuple[int, ...]]:
    database = bolt.open_bytes(data)
    return content(database.root), database.txid, database.torn, bolt.txids(data)


@pytest.mark.parametrize("page_size", bolt.PAGE_SIZES[:8])
def test_without_meta_0_the_page_size_is_found_at_meta_1(page_size: int) -> None:
    data = patched(boltfile.build({"a": "1"}, page_size=page_size, txid=5), 16, bytes(8))
    assert ({b"a": b"1"}, 5, True, (5,)) == state(data)
    assert page_size == bolt.open_bytes(data).page_size


@pytest.mark.parametrize("at", range(16, 80))
def test_a_meta_with_any_byte_changed_is_not_used(at: int) -> None:
    data = patched(FLAT, at, bytes([FLAT[at] ^ 0x10]))
    assert (1,) == bolt.txids(data)
    assert "neither meta page is valid" == damage(patched(data, PAGE, bytes(PAGE)))


@pytest.mark.parametrize(("at", "number"), [(0, bolt.MAGIC - 1), (4, 1), (4, 3), (8, 0), (8, 4095), (8, 1 << 31)])
def test_a_meta_of_another_magic_version_or_page_size_is_not_used(at: int, number: int) -> None:
    head = patched(FLAT[16:72], at, u32(number))
    assert (1,) == bolt.txids(patched(FLAT, 16, head + u64(bolt.checksum(head))))


def test_the_transactions_are_told_from_the_first_two_pages() -> None:
    assert [(2, 1), (2,), (), ()] == [bolt.txids(FLAT[:length]) for length in (2 * PAGE, PAGE, 79, 0)]


BODY = 3 * PAGE + 16
BRANCH = 6 * PAGE + 16
ELEMENT = "page 3 has an element without a key, outside of the page, or over another one"
UNKNOWN = "page 3 has an element of unknown flags, or a bucket that is cut, too deep or one too many"
LISTED = "is in the freelist and in use, or there twice, or not in the file"


@pytest.mark.parametrize(
    ("data", "at", "patch", "expected"),
    [
        (FLAT, 3 * PAGE, u64(9), "page 3 identifies as page 9 with the flags 0x2"),
        (FLAT, 3 * PAGE + 8, u16(3), "page 3 identifies as page 3 with the flags 0x3"),
        (FLAT, 3 * PAGE + 8, u16(0), "page 3 identifies as page 3 with the flags 0x0"),
        (FLAT, 3 * PAGE + 10, u16(65535), "page 3 has no room for 65535 elements"),
        (FLAT, 3 * PAGE + 12, u32(1), "page 3 ends at 4, which is none of the pages 2 to 3"),
        (FLAT, BODY, u32(2), UNKNOWN),
        (FLAT, BODY, u32(1), UNKNOWN),
        (FLAT, BODY + 4, u32(16), ELEMENT),
        (FLAT, BODY + 8, u32(0), ELEMENT),
        (FLAT, BODY + 28, u32(1 << 31), ELEMENT),
        (FLAT, BODY + 20, u32(17), ELEMENT),
        (FLAT, BODY + 32, b"b", "page 3 has keys that do not ascend"),
        (TALL, 3 * PAGE + 12, u32(1), "page 4 is reached twice"),
        (TALL, 5 * PAGE + 12, u32(1), "page 5 is reached twice"),
        (TALL, BRANCH + 24, u64(3), "page 3 is reached twice"),
        (TALL, BRANCH + 24, u64(6), "page 6 is reached twice"),
        (TALL, BRANCH + 24, u64(2), "page 2 identifies as page 2 with the flags 0x10"),
        (TALL, BRANCH + 24, u64(1), "page 1 is none of the pages 2 to 6"),
        (TALL, BRANCH + 24, u64(1 << 63), "page 9223372036854775808 is none of the pages 2 to 6"),
        (TALL, BRANCH + 48, b"k001", "page 3 has keys that do not ascend"),
        (TALL, BRANCH + 52, b"k017", "page 6 has a key that is not above all keys of the child before"),
        (TALL, BRANCH + 56, b"k010", "page 6 has keys that do not ascend"),
        (TALL, BRANCH - 6, u16(0), "page 6 is a branch without children, or too deep in its tree"),
        (INLINE, BODY, u32(3), UNKNOWN),
        (INLINE, 3 * PAGE + 50, u64(3), "page 3 has an inline bucket that is no leaf"),
        (INLINE, 3 * PAGE + 58, u16(1), "page 3 has an inline bucket that is no leaf"),
        (INLINE, 3 * PAGE + 60, u16(2), "page 3 has no room for 2 elements"),
        (INLINE, 3 * PAGE + 62, u32(1), "page 3 has an inline bucket that is no leaf"),
        (INLINE, 3 * PAGE + 66, u32(1), "page 3 has an inline bucket with more than values in it"),
        (INLINE, BODY + 12, u32(20), "page 3 has an inline bucket that is no leaf"),
    ],
)
def test_each_kind_of_damage_is_told_with_its_page(data: bytes, at: int, patch: bytes, expected: str) -> None:
    assert expected == damage(patched(data, at, patch))
    assert [expected] == bolt.check(patched(data, at, patch))


def test_buckets_and_pages_are_not_followed_without_end() -> None:
    tree: dict[str, Any] = {"k": "v"}
    for _ in range(bolt.MAX_DEPTH):
        tree = {"b": tree}
    assert encoded(tree) == read(boltfile.build(tree))
    assert "bucket that is cut, too deep" in damage(boltfile.build({"b": tree}))
    crowd = boltfile.build({f"{n}": u64(9) + u64(0) for n in range(6)})
    for at in range(BODY, BODY + 6 * 16, 16):
        crowd = patched(crowd, at, u32(1))
    assert UNKNOWN == damage(crowd)
    chain = b"".join(struct.pack("<QHHIIIQB", n, bolt.BRANCH, 1, 0, 16, 1, n + 1, 1).ljust(PAGE, b"\0") for n in range(2, 99))
    metas = [boltfile.meta(n, root=2, freelist=bolt.NO_FREELIST, high_water=99) for n in (2, 1)]
    assert "page 66 is a branch without children, or too deep in its tree" == damage(b"".join(metas) + chain)


def test_a_file_that_claims_more_than_it_is_costs_no_memory() -> None:
    page = struct.pack("<QHHI", 2, bolt.LEAF, 65535, 0xFFFFFFFF).ljust(PAGE, b"\0")
    metas = [boltfile.meta(n, root=2, freelist=2, high_water=1 << 62) for n in (2, 1)]
    tracemalloc.start()
    problems = bolt.check(b"".join(metas) + page)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "page 2 ends at 4294967297, which is none of the pages 2 to 2" == problems[0]
    assert peak < 100_000


def test_a_zeroed_page_is_damage_unless_it_is_free() -> None:
    for number in range(2, bolt.open_bytes(NESTED).high_water):
        data = patched(NESTED, number * PAGE, bytes(PAGE))
        told = [] if number > 4 else [f"page {number} identifies as page 0 with the flags 0x0"]
        assert told == bolt.check(data)


@pytest.mark.parametrize(
    ("at", "patch", "expected"),
    [
        (10, u16(2), ["page 7 is the first of 1 pages neither in use nor free"]),
        (10, u16(0), ["page 5 is the first of 3 pages neither in use nor free"]),
        (10, u16(600), ["page 2 has no room for 600 free pages"]),
        (16, u64(7), [f"page 7 {LISTED}", "page 5 is the first of 1 pages neither in use nor free"]),
        (16, u64(8), [f"page 8 {LISTED}", "page 5 is the first of 1 pages neither in use nor free"]),
        (16, u64(3), [f"page 3 {LISTED}", "page 5 is the first of 1 pages neither in use nor free"]),
        (10, u16(65535) + u32(0) + u64(3) + u64(5) + u64(6) + u64(7), []),
        (10, u16(65535) + u32(0) + u64(1 << 60), [f"page 2 has no room for {1 << 60} free pages"]),
    ],
)
def test_each_page_is_in_use_or_free_once_and_a_reader_does_not_mind(at: int, patch: bytes, expected: list[str]) -> None:
    data = patched(NESTED, 2 * PAGE + at, patch)
    assert expected == bolt.check(data)
    assert read(NESTED) == read(data)


def test_what_only_a_writer_minds_is_told_beside_the_content_and_lost_space_is_not() -> None:
    wrong = patched(NESTED, 2 * PAGE + 16, u64(4))
    gone = patched(NESTED, 2 * PAGE, bytes(PAGE))
    fewer = patched(NESTED, 2 * PAGE + 10, u16(2))
    assert [(), (f"page 4 {LISTED}",), ("page 2 identifies as page 0 with the flags 0x0",), ()] == [
        bolt.open_bytes(data).problems for data in (NESTED, wrong, gone, fewer)
    ]


def test_a_database_of_a_later_version_is_told_from_damage() -> None:
    later = patched(patched(FLAT, 20, u32(3)), PAGE + 20, u32(3))
    with pytest.raises(bolt.NewerDatabase):
        bolt.open_bytes(later)
    assert ["of a later version of the format"] == bolt.check(later)
    assert (1,) == bolt.txids(patched(FLAT, 20, u32(3)))
    assert "neither meta page is valid" == damage(b"\xed\xda\x0c\xed" * 5)


def test_a_cut_file_is_told_even_where_all_content_is_left() -> None:
    assert read(NESTED) == read(NESTED[: 5 * PAGE])
    assert "the length of 20480 bytes is 5 pages, the high-water mark 8" == bolt.check(NESTED[: 5 * PAGE])[-1]
    assert ["the length of 34816 bytes is 8.5 pages, the high-water mark 8"] == bolt.check(NESTED + bytes(PAGE // 2))
    assert "page 4 is none of the pages 2 to 3" == damage(NESTED[: 5 * PAGE - 1])


def judged(data: bytes) -> None:
    """Read all of it; nothing but `BoltError` may come out, and `check` must know of what the reader refuses."""
    problems = bolt.check(data)
    try:
        read(data)
        refused = []
    except bolt.BoltError as error:
        refused = [str(error)]
    assert problems[: len(refused)] == refused


NUMBERS = st.sampled_from([0, 1, 2, 3, 5, 15, 16, 17, 255, 0xFFFF, 0x10000, 1 << 31, (1 << 32) - 1, 1 << 63, (1 << 64) - 1])
CHANGES = st.one_of(st.binary(min_size=1, max_size=3), NUMBERS.map(u64), NUMBERS.map(lambda n: u64(n)[:4]), st.just(bytes(64)))
EDITS = st.lists(st.tuples(st.integers(0, len(MIXED)), CHANGES), max_size=4)
SOME = settings(max_examples=250, derandomize=True, database=None, deadline=timedelta(seconds=2))


@SOME
@given(data=st.sampled_from([MIXED, NESTED, TALL, INLINE]), edits=EDITS)
def test_changed_bytes_behind_the_metas_give_content_or_a_bolt_error(data: bytes, edits: list[tuple[int, bytes]]) -> None:
    size = bolt.open_bytes(data).page_size
    live = (bolt.open_bytes(data).high_water - 2) * size
    for at, change in edits:
        data = patched(data, 2 * size + at // 4 * 4 % live, change)
    judged(data)


@SOME
@given(length=st.integers(0, len(MIXED)), edits=EDITS)
def test_cut_and_changed_files_give_content_or_a_bolt_error(length: int, edits: list[tuple[int, bytes]]) -> None:
    data = MIXED
    for at, change in edits:
        data = patched(data, at, change)
    judged(data[:length])


@SOME
@given(root=NUMBERS, freelist=NUMBERS, high_water=NUMBERS)
def test_any_numbers_in_a_valid_meta_give_content_or_a_bolt_error(root: int, freelist: int, high_water: int) -> None:
    judged(patched(MIXED, 0, boltfile.meta(4, root=root, freelist=freelist, high_water=high_water, page_size=1024)))


def test_the_writer_gives_equal_bytes_for_equal_trees_in_any_order() -> None:
    tree = {"b": {"y": "2", "x": "1"}, "a": {}}
    assert boltfile.build(tree) == boltfile.build({b"a": {}, b"b": {b"x": b"1", b"y": b"2"}})
    assert 32768 == len(boltfile.build(tree))


@pytest.mark.parametrize(
    ("tree", "free", "why"),
    [
        ({"": "x"}, 0, "a key that is empty or there twice: ''"),
        ({"a": "x", b"a": "y"}, 0, "a key that is empty or there twice: b'a'"),
        ({"a": 1}, 0, "neither bytes nor str, nor a bucket: 1"),
        ({1: "a"}, 0, "neither bytes nor str, nor a bucket: 1"),
        ({}, 511, "4088 bytes do not fit in page 2"),
    ],
)
def test_the_writer_refuses_what_it_cannot_write(tree: dict[Any, Any], free: int, why: str) -> None:
    with pytest.raises((ValueError, TypeError), match=f"^{why}$"):
        boltfile.build(tree, free=free)
