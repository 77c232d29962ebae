"""Sources of layers: every layout gives the very tar, and what is hostile, damaged or foreign is refused in bounded memory."""

import contextlib
import gzip
import os
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from restorekit import BASE, BASE_TAR, PACKINGS, UPPER, UPPER_TAR, config, digest, entry, legacy, oci, spread, write

from docker_fsck.errors import UsageError
from docker_fsck.restore import holders
from docker_fsck.restore.members import Members, inside
from docker_fsck.restore.packing import plain
from docker_fsck.restore.stream import BrokenError, Stream
from docker_fsck.restore.supply import Supply
from docker_fsck.tarsplit import SEGMENT, entries
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.layertar import archive

TARS = (BASE_TAR, UPPER_TAR)
LAYOUTS = {
    "legacy": legacy(*TARS),
    "legacy with a link": legacy(*TARS, link=True),
    "OCI": oci(*TARS),
    "OCI with gzip": oci(*TARS, packing="gzip"),
    "OCI with zstd": oci(*TARS, packing="zstd"),
    "OCI without manifest.json": oci(*TARS, packing="gzip", manifest=False),
}


def supply(source: Path, tmp_path: Path) -> Supply:
    root = tmp_path / "docker"
    root.mkdir(exist_ok=True)
    return Supply([str(source)], str(root))


def have(source: Path, tmp_path: Path, data: bytes) -> bytes | str:
    """What a source gives for the tar that is `data`."""
    found = supply(source, tmp_path).find(digest(data))
    return found if isinstance(found, str) else b"".join(holders.tar(found[0]))


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_archive_of_any_layout_gives_each_layer_to_the_last_byte(layout: str, packing: str, tmp_path: Path) -> None:
    path = write(tmp_path / "save.tar", LAYOUTS[layout], packing)
    assert list(TARS) == [have(path, tmp_path, each) for each in TARS]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_with_an_unpacked_archive_gives_them_too(layout: str, tmp_path: Path) -> None:
    path = spread(tmp_path / "save", LAYOUTS[layout])
    assert list(TARS) == [have(path, tmp_path, each) for each in TARS]


def test_an_archive_that_names_no_layer_is_searched_for_them(tmp_path: Path) -> None:
    path = write(tmp_path / "old.tar", {"a/layer.tar": BASE_TAR, "b/layer.tar": UPPER_TAR, "b/json": b"{}"})
    assert list(TARS) == [have(path, tmp_path, each) for each in TARS]


@pytest.mark.parametrize("driver", ["overlay2", "vfs", "aufs"])
def test_another_data_root_gives_its_layers_as_they_were_pulled(driver: str, tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "other", driver)
    root.image("app:1", [BASE, UPPER])
    assert list(TARS) == [have(root.path, tmp_path, each) for each in TARS]
    root.empty(next(path for path in root.path.rglob("srv/data")))
    told = have(root.path, tmp_path, UPPER_TAR)
    assert isinstance(told, str)
    assert "another size than in the archive" in told


def test_a_layer_with_another_digest_than_its_archive_says_is_none(tmp_path: Path) -> None:
    files = legacy(*TARS)
    name = next(name for name, data in files.items() if data == UPPER_TAR)
    path = write(tmp_path / "save.tar", {**files, name: BASE_TAR})
    told = have(path, tmp_path, UPPER_TAR)
    assert told == f"{name} in {path} should be {digest(UPPER_TAR)} and has the digest {digest(BASE_TAR)}"


def test_what_no_source_has_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "save.tar", legacy(BASE_TAR))
    assert have(path, tmp_path, UPPER_TAR) == f"no --source holds {digest(UPPER_TAR)}"


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.write_bytes(b"no tar at all" * 100), "it is no tar"),
        (lambda path: path.write_bytes(b""), "it is no image archive"),
        (lambda path: path.write_bytes(archive(entry("a", b"x"))), "it is no image archive"),
        (lambda path: path.write_bytes(b"BZh91AY&SY" * 9), "bzip2"),
        (lambda path: path.write_bytes(gzip.compress(archive(entry("a", b"x" * 5000)))[:-20]), "cut"),
        (lambda path: path.write_bytes(b"\x28\xb5\x2f\xfd" + b"\xff" * 99), "zstd stream is damaged"),
        (lambda path: path.mkdir(), "neither an unpacked image archive nor a data root"),
        (lambda path: (path / "image/zfs/layerdb/sha256").mkdir(parents=True), "no layer of a storage driver"),
        (lambda path: os.mkfifo(path), "neither a file nor a folder"),
        (lambda path: None, "no such file"),
    ],
)
def test_what_is_no_source_is_a_wrong_use(make: Callable[[Path], object], why: str, tmp_path: Path) -> None:
    make(tmp_path / "source")
    with pytest.raises(UsageError, match=why):
        supply(tmp_path / "source", tmp_path)


def test_a_source_does_not_lie_in_the_root_itself_and_has_a_name_that_a_plan_can_hold(tmp_path: Path) -> None:
    inside = write(tmp_path / "save.tar", legacy(BASE_TAR))
    with pytest.raises(UsageError, match="lies in the data root"):
        Supply([str(inside)], str(tmp_path))
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    inside.rename(odd)
    with pytest.raises(UsageError, match="not UTF-8"):
        supply(odd, tmp_path)


def test_no_link_leads_out_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(UPPER_TAR)
    files = legacy(*TARS)
    name = next(name for name, data in files.items() if data == UPPER_TAR)
    for target in ("../../outside", str(tmp_path / "outside")):
        path = spread(tmp_path / target.replace("/", "-"), {**files, name: target})
        told = have(path, tmp_path, UPPER_TAR)
        assert isinstance(told, str)
        assert "leads out" in told


def test_a_file_that_was_changed_since_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "save.tar", legacy(*TARS))
    found = supply(path, tmp_path).find(digest(UPPER_TAR))
    assert not isinstance(found, str)
    os.utime(path, ns=(1, 1))
    with pytest.raises(BrokenError, match="changed since the plan"):
        b"".join(holders.tar(found[0]))


def test_a_bomb_ends_at_what_the_disk_has_and_in_little_memory(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(64 << 20))
    tracemalloc.start()
    with pytest.raises(BrokenError, match="more than the 33554432 bytes that it had"):
        Stream(plain([bomb]), 32 << 20).digest()
    count = sum(len(piece) for piece in plain([bomb]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (64 << 20, True) == (count, peak < 4 << 20)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/../x", ".."])
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    with pytest.raises(BrokenError, match="leads out"):
        inside(name)


def test_names_are_taken_as_below_the_layer() -> None:
    assert [["a", "b"], ["etc", "x"], ["b"], []] == [inside(name) for name in ("./a//b/", "/etc/x", "a/../b", "./")]
    with pytest.raises(BrokenError, match="longer than 4095"):
        inside("a/" * 4000)


def members(data: bytes) -> list[tuple[str, str, int]]:
    return [(each.name, each.kind, each.size) for each in Members(Stream([data]))]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_dialect_is_read_as_others_read_it(form: int) -> None:
    long = "d" * 90 + "/" + "f" * 60
    made = archive(
        entry(long, b"x" * 700, uid=7, gid=8, mode=0o4711), entry("dir/", type=tarfile.DIRTYPE, mode=0o1777),
        entry("link", type=tarfile.SYMTYPE, linkname="t" * 90), entry("hard", type=tarfile.LNKTYPE, linkname="dir/x"),
        entry("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3), entry("pipe", type=tarfile.FIFOTYPE), form=form,
    )  # fmt: skip
    found = list(Members(Stream([made])))
    assert [long, "dir/", "link", "hard", "null", "pipe"] == [each.name for each in found]
    assert [700, 0, 0, 0, 0, 0] == [each.size for each in found]
    assert (7, 8, 0o4711, 1_600_000_000 * 10**9) == (found[0].uid, found[0].gid, found[0].mode, found[0].mtime_ns)
    assert ("t" * 90, (1, 3)) == (found[2].link, found[4].device)
    assert ["file", "folder", "link", "hard link", "char device", "pipe"] == [each.kind for each in found]


def test_times_to_the_nanosecond_and_attributes_are_read() -> None:
    more = {"mtime": "1600000000.123456789", "SCHILY.xattr.user.a": "b=c\nd", "uid": "3000000"}
    (found,) = Members(Stream([archive(entry("a", pax_headers=more))]))
    assert (1_600_000_000_123_456_789, {"user.a": b"b=c\nd"}, 3_000_000) == (found.mtime_ns, found.xattrs, found.uid)
    assert [-1_500_000_000] == [each.mtime_ns for each in Members(Stream([archive(entry("a", pax_headers={"mtime": "-1.5"}))]))]


EXTENDED = archive(entry("a", pax_headers={"comment": "y" * (400 << 10)})).partition(b"a" + bytes(99))[0]
GOOD = archive(entry("a", b"x" * 600), entry("b", b"y"))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (GOOD[:700], "cut"),
        (GOOD[:1100], "cut"),
        (GOOD[:1536] + bytes(512) + GOOD[1536:], "one block of zeros"),
        (bytes([*GOOD[:5], GOOD[5] ^ 1, *GOOD[6:]]), "damaged"),
        (archive(entry("a", type=b"7")), "type b'7'"),
        (archive(entry("a", pax_headers={"GNU.sparse.major": "1"})), "sparse"),
        (archive(entry("a", pax_headers={"uid": "1e3"})), "a number in the tar"),
        (archive(entry("a", pax_headers={"mtime": "soon"})), "a number in the tar"),
        (archive(entry("a", pax_headers={"mtime": "9" * 5000})), "a number in the tar"),
        (archive(entry("a", pax_headers={"uid": str(1 << 32)})), "header of 'a' is damaged"),
        (archive(entry("a", uid=-1), form=tarfile.GNU_FORMAT), "header of 'a' is damaged"),
        (archive(entry("a", type=tarfile.CHRTYPE, devmajor=1 << 13)), "header of 'a' is damaged"),
        (archive(entry("a", pax_headers={"SCHILY.xattr.user.\0": "x"})), "extension header in the tar is damaged"),
        (archive(entry("a", pax_headers={"comment": "y" * (600 << 10)}))[: 500 << 10], "cut"),
        (EXTENDED * 3 + GOOD, "extension headers of more than"),
        (archive(entry("a", pax_headers={"SCHILY.xattr.user.x": "y" * (2 << 20)})), "extension headers of more than"),
    ],
)
def test_a_tar_that_is_not_exactly_understood_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(BrokenError, match=why):
        members(data)


def test_a_tar_split_made_anew_gives_the_tar_again(tmp_path: Path) -> None:
    odd = os.fsdecode(b"odd-\xff")
    layer = archive(
        entry("./", type=tarfile.DIRTYPE), entry("a", b"x" * 1500), entry("b" * 300, b"y" * 512), entry("zero"),
        entry("h", type=tarfile.LNKTYPE, linkname="a"), entry("xattr", b"z", pax_headers={"SCHILY.xattr.user.k": "v"}),
        entry(odd, b"o"),
    ) + bytes(3 << 20)  # fmt: skip
    path = write(tmp_path / "save.tar", legacy(layer))
    split = supply(path, tmp_path).split(digest(layer))
    assert isinstance(split, bytes)
    files = {each.name: data for each, data in contents(layer)}
    made = b""
    for batch in entries([split]):
        for each in batch:
            name = os.fsdecode(each.name_raw) if each.name_raw else each.name
            made += (each.payload or b"") if each.type == SEGMENT else files[name] if each.has_content else b""
    assert made == layer


def contents(data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    stream = Stream([data])
    return [(tarfile.TarInfo(each.name), stream.take(each.size)) for each in Members(stream)]


def test_a_tar_split_of_the_builder_is_the_one_made_anew(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "other")
    root.image("app:1", [BASE])
    (record,) = root.path.rglob("tar-split.json.gz")
    path = write(tmp_path / "save.tar", legacy(BASE_TAR))
    split = supply(path, tmp_path).split(digest(BASE_TAR))
    assert isinstance(split, bytes)
    old, new = (
        [(each.type, each.name, each.size, each.payload) for batch in entries([data]) for each in batch]
        for data in (record.read_bytes(), split)
    )
    assert [each for each in old if each[3] != b""] == new
    assert config([BASE_TAR])


VARIED = archive(
    entry("d/", type=tarfile.DIRTYPE), entry("d/" + "n" * 200, b"x" * 700, pax_headers={"mtime": "1.5", "SCHILY.xattr.user.a": "b"}),
    entry("l", type=tarfile.SYMTYPE, linkname="t" * 150), entry("h", type=tarfile.LNKTYPE, linkname="l"),
)  # fmt: skip
SAVED = archive(*(entry(name, data) for name, data in legacy(VARIED).items() if isinstance(data, bytes)))


@settings(derandomize=True, deadline=None, database=None, max_examples=300)
@given(at=some.integers(0, len(SAVED) - 1), bits=some.integers(1, 255), end=some.integers(0, len(SAVED)), sums=some.booleans())
def test_a_tar_with_any_byte_changed_or_cut_anywhere_is_read_or_refused(at: int, bits: int, end: int, sums: bool) -> None:
    data = bytearray(SAVED[:end] if end % 3 == 0 else SAVED)
    at %= max(len(data), 1)
    data[at : at + 1] = bytes([data[at] ^ bits]) if data else b""
    if sums and len(data) > at | 511:  # a header that was changed by somebody who knows how
        block = at & ~511
        data[block + 148 : block + 156] = b" " * 8
        data[block + 148 : block + 156] = b"%06o\0 " % sum(data[block : block + 512])
    for pieces in ([bytes(data)], [gzip.compress(bytes(data), 1)[: len(data)]]):
        with contextlib.suppress(BrokenError):
            for member in Members(Stream(plain(pieces))):
                inside(member.name)
