"""Layers unpacked in their place: as the engine does it, all or nothing, never outside, whatever the tar says or whoever kills it."""

import os
import signal
import stat
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec import structs
from restorekit import digest, entry, legacy, write
from test_apply_kit import NOW, TXN, apply, in_child, killer, make_root, needs_root, plan_of, shape, site_of, snapshot

from docker_fsck.apply import staging
from docker_fsck.apply.executor import execute
from docker_fsck.apply.history import history, unfinished
from docker_fsck.apply.staging import unpack
from docker_fsck.apply.undo import finish, recover, undo
from docker_fsck.restore.supply import Supply
from docker_fsck.steps import MakeDir, Step, Unpack, WriteFile
from docker_fsck.testing.layertar import archive

pytestmark = needs_root
PLACE = "overlay2/id3/diff"
DIR, LINK, HARD, CHAR = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE
LAYER = archive(
    entry("etc/", type=DIR, mode=0o2750, uid=5, gid=6), entry("etc/passwd", b"root\n" * 300, mode=0o4755, uid=1, gid=2),
    entry("etc/again", type=HARD, linkname="etc/passwd", mode=0o4755, uid=1, gid=2), entry("etc/mtab", type=LINK, linkname="/proc/mounts"),
    entry("etc/null", type=CHAR, devmajor=1, devminor=3, mode=0o666), entry("deep/er/file", b"implied"),
    entry("etc/.wh.gone"), entry("etc/.wh..wh..opq"),
    entry("caps", b"x", pax_headers={"SCHILY.xattr.user.note": "kept", "mtime": "1600000000.25"}),
)  # fmt: skip


def unpacked(folder: Path, data: bytes, diff: str = "", shift: tuple[int, int] = (0, 0)) -> Path:
    """The tar in a new folder."""
    folder.mkdir()
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        unpack(fd, [data], diff or digest(data), shift)
    finally:
        os.close(fd)
    return folder


def step_of(root: Path, layer: bytes = LAYER, path: str = PLACE, **more: Any) -> Unpack:
    """The step that puts a layer at `path`, from an archive beside the root."""
    archive = root.with_name("save.tar")
    if not archive.exists():
        write(archive, legacy(layer))
    found = Supply([str(archive)], str(root)).find(digest(layer))
    assert not isinstance(found, str)
    return Unpack(path=path, diff=digest(layer), origin=found[0], bytes=found[1], **more)


def test_owners_modes_times_links_devices_attributes_and_deletions_are_those_of_an_engine(tmp_path: Path) -> None:
    top = unpacked(tmp_path / "new", LAYER)
    facts = {str(path.relative_to(top)): path.lstat() for path in top.rglob("*")}
    assert {
        "etc",
        "etc/passwd",
        "etc/again",
        "etc/mtab",
        "etc/null",
        "etc/gone",
        "deep",
        "deep/er",
        "deep/er/file",
        "caps",
    } == set(facts)
    assert (0o2750, 5, 6, 1_600_000_000) == (
        facts["etc"].st_mode & 0o7777,
        facts["etc"].st_uid,
        facts["etc"].st_gid,
        facts["etc"].st_mtime,
    )
    assert (0o4755, 1, 2, 2) == (
        facts["etc/passwd"].st_mode & 0o7777, facts["etc/passwd"].st_uid, facts["etc/passwd"].st_gid, facts["etc/passwd"].st_nlink
    )  # fmt: skip
    assert facts["etc/passwd"].st_ino == facts["etc/again"].st_ino
    assert ("/proc/mounts", 1_600_000_000) == (os.readlink(top / "etc/mtab"), facts["etc/mtab"].st_mtime)
    assert (True, os.makedev(1, 3)) == (stat.S_ISCHR(facts["etc/null"].st_mode), facts["etc/null"].st_rdev)
    assert (True, 0) == (stat.S_ISCHR(facts["etc/gone"].st_mode), facts["etc/gone"].st_rdev)
    assert b"y" == os.getxattr(top / "etc", "trusted.overlay.opaque")
    assert (b"kept", 1_600_000_000_250_000_000) == (os.getxattr(top / "caps", "user.note"), facts["caps"].st_mtime_ns)
    assert 0o755 == facts["deep/er"].st_mode & 0o7777


def test_a_layer_that_changes_nothing_is_an_empty_folder(tmp_path: Path) -> None:
    for number, layer in enumerate((bytes(1024), b"", bytes(10240), archive(entry("./", type=DIR, mode=0)))):
        top = unpacked(tmp_path / str(number), layer)
        assert ([], 0o755) == (list(top.iterdir()), top.stat().st_mode & 0o777)


def test_owners_are_shifted_for_a_user_namespace(tmp_path: Path) -> None:
    top = unpacked(tmp_path / "new", LAYER, shift=(100_000, 200_000))
    found = [(top / name).lstat() for name in ("etc/passwd", "etc/gone", "deep")]
    assert [(100_001, 200_002), (100_000, 200_000), (100_000, 200_000)] == [(each.st_uid, each.st_gid) for each in found]


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([entry("../out", b"x")], "leads out"),
        ([entry("a/../../out", b"x")], "leads out"),
        ([entry("a", type=LINK, linkname="../.."), entry("a/out", b"x")], "no folder, yet something lies in it"),
        ([entry("a", type=LINK, linkname="/"), entry("a/out", b"x")], "no folder, yet something lies in it"),
        ([entry("a", b"x"), entry("a/out", b"x")], "no folder, yet something lies in it"),
        ([entry("a", type=HARD, linkname="../../victim")], "leads out"),
        ([entry("a", type=HARD, linkname="missing")], "which the archive has not"),
        (
            [entry("a", type=LINK, linkname=".."), entry("b", type=HARD, linkname="a/victim")],
            "no folder, yet something lies in it",
        ),
        ([entry("a", b"x"), entry("a", b"y")], "twice"),
        ([entry("a", type=LINK, linkname="../victim"), entry("a", b"y")], "twice"),
        ([entry("a", type=DIR), entry("a", b"y")], "twice"),
        ([entry("a", b"y"), entry(".wh.a")], "both has and deletes"),
        ([entry("b/.wh...")], "deletes nothing"),
        ([entry("b/.wh.")], "deletes nothing"),
    ],
)
def test_a_hostile_tar_is_refused_and_touches_nothing_outside(entries: list[Any], why: str, tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"whole")
    before = snapshot(tmp_path, times=False)
    with pytest.raises(OSError, match=why):
        unpacked(tmp_path / "new", archive(*entries))
    after = {name: each for name, each in snapshot(tmp_path, times=False).items() if not name.startswith("new")}
    assert before == after | {".": before["."]}


def test_an_absolute_name_means_the_layer_and_a_link_to_anywhere_is_only_text(tmp_path: Path) -> None:
    top = unpacked(
        tmp_path / "new",
        archive(entry("/etc/x", b"x"), entry("a", type=LINK, linkname="/etc/passwd"), entry("b", type=HARD, linkname="a")),
    )
    assert (b"x", "/etc/passwd", "/etc/passwd") == ((top / "etc/x").read_bytes(), os.readlink(top / "a"), os.readlink(top / "b"))


def test_very_many_folders_need_few_descriptors(tmp_path: Path) -> None:
    names = [f"d{n}/{'e/' * (n % 9)}f" for n in range(700)]
    links = [entry(f"d{n}/link", type=HARD, linkname=name) for n, name in enumerate(names)]
    top = unpacked(tmp_path / "new", archive(*(entry(name, b"x") for name in names), *links))
    assert [2] * 700 == [(top / name).lstat().st_nlink for name in names]
    deep = archive(entry("a/" * 300 + "f", b"x"))
    assert b"x" == (unpacked(tmp_path / "deep", deep) / ("a/" * 300 + "f")).read_bytes()


def test_another_digest_or_a_cut_tar_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="another digest"):
        unpacked(tmp_path / "a", LAYER, digest(b""))
    with pytest.raises(OSError, match="cut"):
        unpacked(tmp_path / "b", LAYER[:2000], digest(LAYER))


def test_a_folder_that_is_there_goes_aside_and_comes_back(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    before = snapshot(root)
    done = apply(root, (step_of(root, mode=0o751, uid=3, gid=4),))
    assert ((0,), ()) == (done.done, done.skipped)
    facts = (root / PLACE).lstat()
    assert (0o751, 3, 4) == (facts.st_mode & 0o7777, facts.st_uid, facts.st_gid)
    assert b"root\n" * 300 == (root / PLACE / "etc/passwd").read_bytes()
    undo(site_of(root), TXN)
    assert before == snapshot(root)


def gone(root: Path) -> tuple[Step, ...]:
    """The steps for a layer whose folder is gone."""
    return (
        MakeDir(path="overlay2/new", mode=0o710),
        WriteFile(path="overlay2/new/link", data=b"X"),
        step_of(root, path="overlay2/new/diff"),
    )


def test_a_folder_that_is_gone_comes_back_and_goes_again(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    before = snapshot(root)
    assert () == apply(root, gone(root)).skipped
    assert (root / "overlay2/new/diff/etc/passwd").is_file()
    undo(site_of(root), TXN)
    assert before == snapshot(root)


@pytest.mark.parametrize("harm", ["changed", "gone", "full"])
def test_what_cannot_be_unpacked_changes_nothing_and_leaves_nothing(
    harm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_root(tmp_path)
    step, archive = step_of(root), tmp_path / "save.tar"
    facts = archive.stat()
    match harm:
        case "changed":
            archive.write_bytes(archive.read_bytes().replace(b"root\n", b"evil\n"))
            os.utime(archive, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        case "gone":
            archive.unlink()
        case "full":
            step = structs.replace(step, bytes=1 << 60)
    before = snapshot(root)
    done = apply(root, (step, WriteFile(path="overlay2/id3/link", data=b"other")))
    words = {"changed": "has another digest than", "gone": "cannot be read: no such file", "full": "no space left"}
    assert words[harm] in done.skipped[0].why
    assert ((), 2) == (done.done, len(done.skipped))
    assert ([], []) == (list((root / f".docker-fsck/{TXN}/t").iterdir()), list((root / f".docker-fsck/{TXN}/q").iterdir()))
    assert shape(root) == {name: (*row[:7], 0, 0) for name, row in before.items()}


def test_a_file_or_link_in_its_place_stays(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    done = apply(root, (step_of(root, path="overlay2/id3/link"),))
    assert "something is there already" in done.skipped[0].why


def many(root: Path) -> tuple[tuple[Step, ...], ...]:
    return ((step_of(root),), gone(root))


def kill_in_the_middle(root: Path, at: int) -> int:
    """Apply in a process that is killed at the member number `at`; gives the signal."""

    def job() -> None:
        real, seen = staging._Hand.put, [0]

        def put(self: Any, member: Any, stream: Any) -> None:
            if seen[0] == at:
                os.kill(os.getpid(), signal.SIGKILL)
            seen[0] += 1
            real(self, member, stream)

        staging._Hand.put = put
        execute(plan_of(root, *many(root)), site_of(root), txn=TXN, now=NOW)

    return in_child(job)


@pytest.mark.parametrize("at", range(0, 18, 3))
@pytest.mark.parametrize("way", ["back", "on"])
def test_killed_while_it_unpacks_it_is_before_or_after_as_a_whole(at: int, way: str, tmp_path: Path) -> None:
    whole = make_root(tmp_path / "whole")
    apply(whole, *many(whole))
    root = make_root(tmp_path)
    before = snapshot(root)
    assert signal.SIGKILL == kill_in_the_middle(root, at)
    assert TXN == unfinished(str(root))
    if way == "back":
        recover(site_of(root))
        assert before == snapshot(root)
        assert [] == list((root / f".docker-fsck/{TXN}/t").iterdir())
    else:
        finished = finish(site_of(root))
        assert finished is not None
        assert () == finished.skipped
        assert shape(whole) == shape(root)
        undo(site_of(root), TXN)
        assert before == snapshot(root)


@pytest.mark.parametrize("kind", ["starts", "done"])
@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("way", ["back", "on"])
def test_killed_around_any_step_it_is_before_or_after_as_a_whole(kind: str, at: int, way: str, tmp_path: Path) -> None:
    whole = make_root(tmp_path / "whole")
    apply(whole, *many(whole))
    root = make_root(tmp_path)
    before = snapshot(root)
    site = site_of(root, watch=killer(at, frozenset({kind})))
    assert signal.SIGKILL == in_child(lambda: apply(root, *many(root), site=site))
    if way == "back":
        recover(site_of(root))
        assert before == snapshot(root)
        return
    finish(site_of(root))
    assert shape(whole) == shape(root)
    assert ["applied"] == [record.state for record in history(str(root))]
    undo(site_of(root), TXN)
    assert before == snapshot(root)


@settings(derandomize=True, deadline=None, database=None, max_examples=300)
@given(at=some.integers(0, len(LAYER) - 1), bits=some.integers(1, 255))
def test_any_changed_byte_is_noticed_and_nothing_else_happens(at: int, bits: int) -> None:
    data = bytearray(LAYER)
    data[at] ^= bits
    block = at & ~511
    if block + 148 <= at < block + 156 or bytes(LAYER[block + 257 : block + 262]) != b"ustar":
        pass
    else:  # by somebody who knows how
        data[block + 148 : block + 156] = b" " * 8
        data[block + 148 : block + 156] = b"%06o\0 " % sum(data[block : block + 512])
    with tempfile.TemporaryDirectory() as place, pytest.raises(OSError):  # noqa: PT011 - whatever the kernel or we say
        unpacked(Path(place, "new"), bytes(data), digest(LAYER))
