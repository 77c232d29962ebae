"""The one door for reading, against real files: what leads out, hangs, is refused, vanishes or is too large."""

import errno
import os
import pickle
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from otheruser import as_nobody

from docker_fsck import reader as room
from docker_fsck.errors import RootError
from docker_fsck.facts import Facts, Row, Weight
from docker_fsck.reader import Reader
from docker_fsck.testing.table import refusing
from docker_fsck.values import Trouble
from docker_fsck.weight import DEEPEST, together, weigh

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting, device nodes and other users need root")
NOBODY = 65534
LONG_AGO = 1_000_000_000.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a few files."""
    top = tmp_path / "root"
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "file").write_bytes(b"content")
    (top / "a" / "b" / "deep").write_bytes(b"below")
    return top


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user may enter."""
    with tempfile.TemporaryDirectory(prefix="dfr") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(autouse=True)
def _never_hangs() -> Iterator[None]:
    """A test that waits for a pipe is a failed test."""
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(30)
    yield
    signal.alarm(0)


def _too_long(_number: int, _frame: object) -> None:
    raise TimeoutError("the reader hangs")


@contextmanager
def mounted(*arguments: object) -> Iterator[None]:
    """`mount` with these arguments, the last of which is the mount point, undone at the end."""
    subprocess.run(["mount", *map(str, arguments)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(arguments[-1])], check=True)


def state(found: object) -> str:
    """The state of a trouble; a value has none."""
    return found.state if isinstance(found, Trouble) else f"no trouble but {found!r}"


def rows_of(reader: Reader, base: str, files: tuple[str, ...] = ()) -> dict[str, Row | Trouble]:
    """A table as a mapping."""
    rows = reader.table(base, files)
    assert not isinstance(rows, Trouble)
    return dict(rows)


def everyone(reader: Reader, path: str) -> dict[str, str]:
    """How each way of looking at a folder ends."""
    ways = {
        "names": reader.names(path),
        "table": reader.table(path, ()),
        "links": reader.links(path),
        "read": reader.read(f"{path}/x"),
    }
    return {name: state(found) for name, found in ways.items()}


def test_a_folder_that_is_not_there_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(RootError, match="no such folder"):
        Reader(str(tmp_path / "absent"))


def test_a_file_is_no_root(root: Path) -> None:
    with pytest.raises(RootError, match="not a folder"):
        Reader(str(root / "a" / "file"))


def test_a_link_to_the_root_is_the_root(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    with Reader(str(tmp_path / "link")) as reader:
        assert (str(root), b"content") == (reader.root, reader.read("a/file"))


@as_root
def test_a_root_that_may_not_be_read_is_told_in_words(public: Path) -> None:
    (public / "root").mkdir(mode=0o700)
    assert "permission denied" in as_nobody(lambda: Reader(str(public / "root")))


def test_a_path_is_told_as_the_host_names_it(root: Path) -> None:
    with Reader(str(root)) as reader:
        assert (str(root / "a" / "file"), str(root)) == (reader.absolute("a/file"), reader.absolute(""))


def test_names_come_sorted_with_their_kinds(root: Path) -> None:
    (root / "z").symlink_to("a")
    os.mkfifo(root / "pipe")
    (root / os.fsdecode(b"\xff")).write_bytes(b"")
    with Reader(str(root)) as reader:
        found = reader.names("")
    expected = {"a": "dir", "pipe": "other", "z": "link", "\udcff": "file"}
    assert list(expected.items()) == list(found.items() if isinstance(found, dict) else ())


def test_bytes_that_are_no_text_are_read_by_their_name(root: Path) -> None:
    (root / os.fsdecode(b"\xff")).write_bytes(b"odd")
    with Reader(str(root)) as reader:
        assert b"odd" == reader.read("\udcff")


def test_what_is_absent_is_no_reason_for_doubt(root: Path) -> None:
    with Reader(str(root)) as reader:
        found = (reader.facts("none"), reader.read("none"), reader.names("none"), reader.read("none/file"), reader.links("none"))
        assert (["absent"] * 5, {}) == ([state(each) for each in found], reader.unread)


def test_facts_are_those_of_lstat(root: Path) -> None:
    (root / "link").symlink_to("a")
    info = (root / "link").lstat()
    with Reader(str(root)) as reader:
        facts = reader.facts("link")
    assert isinstance(facts, Facts)
    assert ("link", info.st_ino, info.st_ctime_ns) == (facts.kind, facts.ino, facts.ctime_ns)


def test_the_texts_of_links_are_read_and_other_things_are_wrong(root: Path) -> None:
    (root / "a" / "link").symlink_to("../nowhere")
    with Reader(str(root)) as reader:
        found = reader.links("a")
    assert isinstance(found, dict)
    assert {"b": "wrong", "file": "wrong", "link": "no trouble but '../nowhere'"} == {
        name: state(each) for name, each in found.items()
    }


def test_no_access_time_changes(root: Path) -> None:
    paths = [root, root / "a", root / "a" / "file", root / "a" / "b"]
    for path in paths:
        os.utime(path, (LONG_AGO, LONG_AGO))
    with Reader(str(root)) as reader:
        reader.names("")
        reader.read("a/file")
        list(reader.table("a", ("deep",)))
        weigh(reader, "a")
    assert [LONG_AGO] * 4 == [path.stat().st_atime for path in paths]


def test_a_link_on_the_way_is_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside" / "sub").mkdir(parents=True)
    (tmp_path / "outside" / "x").write_bytes(b"secret")
    (root / "link").symlink_to(tmp_path / "outside")
    with Reader(str(root)) as reader:
        ways = everyone(reader, "link") | {"below": state(reader.names("link/sub")), "facts": state(reader.facts("link/x"))}
        assert (dict.fromkeys(ways, "wrong"), {}) == (ways, reader.unread)


def test_a_link_in_a_files_place_is_not_followed(root: Path) -> None:
    (root / "a" / "link").symlink_to("file")
    with Reader(str(root)) as reader:
        assert "wrong" == state(reader.read("a/link"))


def test_links_among_the_folders_of_a_table_are_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "deep").write_bytes(b"secret")
    (root / "a" / "link").symlink_to(tmp_path / "outside")
    (root / "a" / "b" / "linked").symlink_to(tmp_path / "outside" / "deep")
    with Reader(str(root)) as reader:
        rows = rows_of(reader, "a", ("deep", "linked"))
    row = rows["b"]
    assert isinstance(row, Row)
    assert ({"b", "file", "link"}, "wrong", "wrong") == (rows.keys(), state(rows["link"]), state(rows["file"]))
    assert (b"below", "wrong") == (row.files["deep"], state(row.files["linked"]))


@pytest.mark.parametrize("path", ["..", "a/..", "../x", "a/../a", "a//b", "a/./b", "a/", "/a", "/", "/etc", "."])
def test_no_folder_is_reached_through_dots_or_empty_parts(root: Path, path: str) -> None:
    with Reader(str(root)) as reader:
        assert ("wrong", "wrong") == (state(reader.names(path)), state(reader.facts(f"{path}/deep")))


@pytest.mark.parametrize("path", ["..", "a/..", ".", "a/.", "a/"])
def test_the_last_part_of_a_path_is_looked_at_too(root: Path, path: str) -> None:
    with Reader(str(root)) as reader:
        assert "wrong" == state(reader.facts(path))


@pytest.mark.parametrize("path", ["a/\0", "a/b\0c/d", "a/\ud800"])
def test_a_name_that_no_file_can_have_is_a_trouble(root: Path, path: str) -> None:
    with Reader(str(root)) as reader:
        assert ("wrong", "wrong") == (state(reader.read(path)), state(reader.facts(path)))


@as_root
def test_a_mount_below_the_root_is_not_entered(root: Path) -> None:
    with mounted("-t", "tmpfs", "none", root / "a" / "b"):
        (root / "a" / "b" / "x").write_bytes(b"foreign")
        with Reader(str(root)) as reader:
            ways = everyone(reader, "a/b") | {"row": state(rows_of(reader, "a", ("x",))["b"])}
            assert (dict.fromkeys(ways, "wrong"), {}) == (ways, reader.unread)


@as_root
def test_a_mount_right_below_the_root_is_not_entered_by_a_table_of_the_root(root: Path) -> None:
    with mounted("-t", "tmpfs", "none", root / "a"):
        (root / "a" / "x").write_bytes(b"foreign")
        with Reader(str(root)) as reader:
            assert "wrong" == state(rows_of(reader, "", ("x",))["a"])


@as_root
def test_a_folder_that_is_mounted_onto_itself_is_entered(root: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    with mounted("--bind", root, outer), mounted("--bind", outer / "a", outer / "a"), Reader(str(outer)) as reader:
        assert b"content" == reader.read("a/file")


@as_root
def test_a_folder_of_a_whole_file_system_that_is_mounted_onto_itself_is_entered(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted("-t", "tmpfs", "none", disk):
        (disk / "btrfs").mkdir()
        (disk / "btrfs" / "file").write_bytes(b"content")
        with mounted("--bind", disk / "btrfs", disk / "btrfs"), Reader(str(disk)) as reader:
            assert b"content" == reader.read("btrfs/file")


@as_root
def test_a_file_that_is_a_mount_point_is_not_read(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"foreign")
    with mounted("--bind", tmp_path / "outside", root / "a" / "file"), Reader(str(root)) as reader:
        assert "wrong" == state(reader.read("a/file"))


@as_root
def test_without_a_table_of_mounts_the_device_number_tells(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "foreign_mounts", lambda _root: None)
    with mounted("-t", "tmpfs", "none", root / "a"):
        (root / "a" / "x").write_bytes(b"foreign")
        with Reader(str(root)) as reader:
            before = set(os.listdir("/proc/self/fd"))
            assert ("wrong", "wrong") == (state(reader.read("a/x")), state(reader.names("a")))
            assert before == set(os.listdir("/proc/self/fd"))


@as_root
@pytest.mark.parametrize("what", ["row", "file"])
def test_without_a_table_of_mounts_the_device_number_tells_of_rows_and_files_too(
    root: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(room, "foreign_mounts", lambda _root: None)
    with mounted("-t", "tmpfs", "none", root / "a" / "b"):
        (root / "a" / "b" / "x").write_bytes(b"foreign")
        with mounted("--bind", root / "a" / "b" / "x", root / "a" / "file"), Reader(str(root)) as reader:
            found = rows_of(reader, "a", ("x",))["b"] if what == "row" else reader.read("a/file")
    assert "wrong" == state(found)


def test_pipes_and_sockets_are_wrong_and_nobody_waits(root: Path) -> None:
    os.mkfifo(root / "a" / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "a" / "socket"))
        with Reader(str(root)) as reader:
            found = [state(reader.read("a/pipe")), state(reader.read("a/socket")), state(reader.names("a/pipe"))]
            rows = rows_of(reader, "a", ())
    assert (["wrong"] * 3, "wrong", "wrong") == (found, state(rows["pipe"]), state(rows["socket"]))


@as_root
@pytest.mark.parametrize("number", [os.makedev(1, 3), os.makedev(0, 0)], ids=["the null device", "a whiteout"])
def test_a_device_is_wrong(root: Path, number: int) -> None:
    os.mknod(root / "a" / "device", stat.S_IFCHR | 0o666, number)
    with Reader(str(root)) as reader:
        assert ("wrong", {}) == (state(reader.read("a/device")), reader.unread)


def test_a_folder_in_a_files_place_is_wrong_and_so_is_a_file_in_a_folders(root: Path) -> None:
    with Reader(str(root)) as reader:
        assert ["wrong"] * 4 == [
            state(reader.read("a/b")),
            state(reader.names("a/file")),
            state(reader.read("a/file/x")),
            state(reader.facts("a/file/x")),
        ]


def test_a_file_is_read_up_to_its_limit_and_not_beyond(root: Path) -> None:
    with Reader(str(root)) as reader:
        assert (b"content", "wrong") == (reader.read("a/file", 7), state(reader.read("a/file", 6)))


def test_a_huge_sparse_file_is_wrong_without_being_read(root: Path) -> None:
    with (root / "a" / "huge").open("wb") as file:
        file.truncate(1 << 40)
    with Reader(str(root)) as reader:
        assert ("wrong", {}) == (state(reader.read("a/huge")), reader.unread)


def test_a_large_file_of_a_table_is_wrong_and_the_others_are_read(root: Path) -> None:
    (root / "a" / "b" / "large").write_bytes(bytes(room.SMALL + 1))
    with Reader(str(root)) as reader:
        row = rows_of(reader, "a", ("large", "deep", "none"))["b"]
    assert isinstance(row, Row)
    assert ({"deep", "large"}, b"below", "wrong") == (row.files.keys(), row.files["deep"], state(row.files["large"]))


def test_a_name_that_is_too_long_is_wrong(root: Path) -> None:
    with Reader(str(root)) as reader:
        assert ("wrong", {}) == (state(reader.read("n" * 300)), reader.unread)


def test_short_reads_are_put_together(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.read
    monkeypatch.setattr(os, "read", lambda fd, length: real(fd, min(length, 3)))
    with Reader(str(root)) as reader:
        assert b"content" == reader.read("a/file")


def test_short_reads_of_a_table_are_put_together(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.read
    monkeypatch.setattr(os, "read", lambda fd, length: real(fd, min(length, 3)))
    with Reader(str(root)) as reader:
        row = rows_of(reader, "a", ("deep",))["b"]
    assert isinstance(row, Row)
    assert {"deep": b"below"} == row.files


def test_an_empty_file_is_no_bytes(root: Path) -> None:
    (root / "empty").write_bytes(b"")
    with Reader(str(root)) as reader:
        assert b"" == reader.read("empty")


@as_root
def test_what_another_user_may_not_read_is_remembered(public: Path) -> None:
    top = public / "top"
    (top / "open").mkdir(parents=True)
    (top / "closed").mkdir(mode=0o700)
    (top / "secret").touch(mode=0o600)
    (top / "open" / "file").write_bytes(b"mine")

    def work() -> object:
        with Reader(str(public)) as reader:
            found = [
                reader.read("top/secret"),
                reader.names("top/closed"),
                reader.read("top/closed/x"),
                reader.facts("top/closed/x"),
            ]
            rows = {name: state(row) for name, row in rows_of(reader, "top").items() if isinstance(row, Trouble)}
            return [state(each) for each in found], rows, list(reader.unread), reader.read("top/open/file")

    refused = {"closed": "unreadable", "secret": "wrong"}
    assert (["unreadable"] * 4, refused, ["top/secret", "top/closed"], b"mine") == as_nobody(work)


@as_root
def test_files_of_another_owner_are_read_without_the_right_to_spare_their_access_time(public: Path) -> None:
    (public / "file").write_bytes(b"of root")

    def work() -> object:
        with Reader(str(public)) as reader:
            return reader.read("file"), list(reader.unread)

    assert (b"of root", []) == as_nobody(work)


@as_root
def test_own_files_keep_their_access_time_beside_those_of_another_owner(public: Path) -> None:
    (public / "foreign").write_bytes(b"of root")
    (public / "own").write_bytes(b"mine")
    os.chown(public / "own", NOBODY, NOBODY)
    os.utime(public / "own", (LONG_AGO, LONG_AGO))

    def work() -> object:
        with Reader(str(public)) as reader:
            return reader.read("foreign"), reader.read("own")

    assert (b"of root", b"mine") == as_nobody(work)
    assert LONG_AGO == (public / "own").stat().st_atime


@pytest.mark.parametrize("error", [errno.EIO, errno.EACCES, errno.EPERM, errno.EUCLEAN])
def test_a_file_that_the_kernel_refuses_is_remembered(root: Path, error: int) -> None:
    with refusing(root / "a" / "file", error), Reader(str(root)) as reader:
        assert ("unreadable", ["a/file"]) == (state(reader.read("a/file")), list(reader.unread))


@pytest.mark.parametrize("error", [errno.EIO, errno.EACCES])
def test_a_folder_that_the_kernel_refuses_is_remembered(root: Path, error: int) -> None:
    with refusing(root / "a", error), Reader(str(root)) as reader:
        found = {"names": state(reader.names("a")), "table": state(reader.table("a", ())), "links": state(reader.links("a"))}
        assert (dict.fromkeys(found, "unreadable"), ["a"]) == (found, list(reader.unread))


def test_a_file_of_a_table_that_the_kernel_refuses_is_remembered(root: Path) -> None:
    with refusing(root / "a" / "b" / "deep", errno.EIO), Reader(str(root)) as reader:
        row = rows_of(reader, "a", ("deep",))["b"]
        assert isinstance(row, Row)
        assert ("unreadable", ["a/b/deep"]) == (state(row.files["deep"]), list(reader.unread))


def test_a_folder_of_a_table_that_the_kernel_refuses_is_remembered(root: Path) -> None:
    with refusing(root / "a" / "b", errno.EIO), Reader(str(root)) as reader:
        rows = rows_of(reader, "a", ("deep",))
        assert ("unreadable", ["a/b"]) == (state(rows["b"]), list(reader.unread))


def test_each_refusal_is_remembered_once_in_the_order_of_meeting(root: Path) -> None:
    with refusing(root / "a" / "file", errno.EIO), Reader(str(root)) as reader:
        first, second = reader.read("a/file"), reader.read("a/file")
        assert (first, {"a/file": first}) == (second, reader.unread)


def test_no_descriptor_is_left_open_after_more_folders_than_are_kept(tmp_path: Path) -> None:
    for n in range(300):
        (tmp_path / f"{n:03}" / "sub").mkdir(parents=True)
        (tmp_path / f"{n:03}" / "sub" / "file").write_bytes(b"%d" % n)
    before = set(os.listdir("/proc/self/fd"))
    reader = Reader(str(tmp_path))
    found = [reader.read(f"{n:03}/sub/file") for n in (*range(300), *range(300))]
    most = len(os.listdir("/proc/self/fd"))
    reader.close()
    assert [b"%d" % n for n in (*range(300), *range(300))] == found
    assert (before, True) == (set(os.listdir("/proc/self/fd")), most < 300)


def test_a_failed_walk_leaves_no_descriptor_open(root: Path) -> None:
    with Reader(str(root)) as reader:
        before = set(os.listdir("/proc/self/fd"))
        for path in ("a/b/none/x", "a/file/x", "a/b/../x", "none/x"):
            reader.read(path)
        assert before == set(os.listdir("/proc/self/fd"))


def test_a_table_that_is_left_early_closes_what_it_opened(root: Path) -> None:
    with Reader(str(root)) as reader:
        reader.names("a")
        before = set(os.listdir("/proc/self/fd"))
        rows = reader.table("a", ())
        assert not isinstance(rows, Trouble)
        next(rows)
        rows.close()
        assert before == set(os.listdir("/proc/self/fd"))


def test_closing_twice_does_no_harm(root: Path) -> None:
    with Reader(str(root)) as reader:
        reader.close()


def test_threads_give_the_same_rows_in_the_same_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(1200):
        folder = tmp_path / "base" / f"{n:04}"
        folder.mkdir(parents=True)
        (folder / "a").write_bytes(b"%d" % n)
        if n % 7 == 0:
            (folder / "b").symlink_to("a")
    (tmp_path / "base" / "0000x").write_bytes(b"no folder")
    (tmp_path / "base" / "9999").symlink_to("0001")
    with Reader(str(tmp_path)) as reader:
        monkeypatch.setattr(room, "disk_reads", lambda: 0)
        plain = list(reader.table("base", ("a", "b")))
        pages = iter(range(0, 1 << 40, 1 << 20))
        monkeypatch.setattr(room, "disk_reads", lambda: next(pages))
        threads: list[int] = []
        real = room.threads
        monkeypatch.setattr(room, "threads", lambda: threads.append(1) or real())
        cold = list(reader.table("base", ("a", "b")))
    assert (1202, [1]) == (len(plain), threads)
    assert plain == cold
    assert sorted(name for name, _ in plain) == [name for name, _ in plain]


def test_threads_read_only_where_the_cache_is_cold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(4 * room._CHUNK):
        (tmp_path / f"{n:04}").mkdir()
    pages = iter(
        [0, 10_000, 10_000, 10_000, 10_000, 10_100, 10_100, 10_100]
    )  # before and after each part: only the first is cold
    monkeypatch.setattr(room, "disk_reads", lambda: next(pages))
    ahead: list[str] = []
    real = Reader._ahead
    monkeypatch.setattr(Reader, "_ahead", lambda self, *args: ahead.append(args[3][0]) or real(self, *args))
    with Reader(str(tmp_path)) as reader:
        names = [name for name, _ in reader.table("", ())]
    assert (sorted(names), ["0512"]) == (names, ahead)
    assert 4 * room._CHUNK == len(names)


def test_what_vanishes_between_listing_and_reading_is_absent(root: Path) -> None:
    (root / "a" / "gone").mkdir()
    with Reader(str(root)) as reader:
        rows = reader.table("a", ("deep",))
        (root / "a" / "gone").rmdir()
        assert ("absent", {}) == (state(dict(rows)["gone"]), reader.unread)


def test_a_file_that_vanishes_after_the_listing_of_its_folder_is_absent(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = room.entries_of
    monkeypatch.setattr(room, "entries_of", lambda fd: real(fd) | {"ghost": "file"})
    (root / "a" / "ghost").mkdir()
    with Reader(str(root)) as reader:
        row = rows_of(reader, "a", ("ghost",))["b"]
        assert isinstance(row, Row)
        assert ("absent", {}) == (state(row.files["ghost"]), reader.unread)


def test_a_link_that_vanishes_is_absent(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = room.entries_of
    monkeypatch.setattr(room, "entries_of", lambda fd: real(fd) | {"ghost": "link"})
    with Reader(str(root)) as reader:
        found = reader.links("a")
        assert isinstance(found, dict)
        assert "absent" == state(found["ghost"])


def weight(root: Path, path: str) -> Weight:
    with Reader(str(root)) as reader:
        found = weigh(reader, path)
    assert isinstance(found, Weight)
    return found


def blocks(*paths: Path) -> int:
    return sum(path.lstat().st_blocks * 512 for path in paths)


def test_all_members_count_with_what_they_take_on_the_disk(root: Path) -> None:
    a = root / "a"
    assert blocks(a, a / "b", a / "file", a / "b" / "deep") == weight(root, "a").bytes


def test_a_hard_link_counts_once(root: Path) -> None:
    a = root / "a"
    (a / "file").write_bytes(bytes(50_000))
    (a / "b" / "again").hardlink_to(a / "file")
    (a / "again").hardlink_to(a / "file")
    assert blocks(a, a / "b", a / "file", a / "b" / "deep") == weight(root, "a").bytes


def test_a_file_that_another_tree_shares_is_not_freed_with_one_of_them(root: Path) -> None:
    (root / "a" / "file").write_bytes(bytes(50_000))
    (root / "c").mkdir()
    (root / "c" / "same").hardlink_to(root / "a" / "file")
    a, c = weight(root, "a"), weight(root, "c")
    assert (blocks(root / "a", root / "a/b", root / "a/b/deep"), blocks(root / "c")) == (a.bytes, c.bytes)
    assert a.bytes + c.bytes + blocks(root / "a" / "file") == together([a, c])


def test_a_sparse_file_counts_what_is_allocated(root: Path) -> None:
    with (root / "a" / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    assert weight(root, "a").bytes < 1 << 20


def test_a_link_counts_itself_and_is_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "large").write_bytes(bytes(1 << 20))
    (root / "a" / "out").symlink_to(tmp_path / "outside")
    assert (True, "") == (weight(root, "a").bytes < 1 << 20, weight(root, "a").partial)


def test_the_newest_member_at_any_depth_gives_the_age(root: Path) -> None:
    os.chmod(root / "a" / "b" / "deep", 0o600)
    assert (root / "a" / "b" / "deep").stat().st_ctime_ns == weight(root, "a").newest_ns


def test_a_single_file_weighs_itself(root: Path) -> None:
    facts = (root / "a" / "file").stat()
    assert Weight(blocks(root / "a" / "file"), facts.st_ctime_ns, modified_ns=facts.st_mtime_ns) == weight(root, "a/file")


def test_a_path_that_is_absent_is_a_trouble(root: Path) -> None:
    with Reader(str(root)) as reader:
        assert "absent" == state(weigh(reader, "a/none"))


def test_a_tree_that_is_too_deep_is_not_seen_whole(root: Path) -> None:
    (root / "deep" / "/".join(["d"] * (DEEPEST + 20))).mkdir(parents=True)
    assert f"more than {DEEPEST} folders deep" in weight(root, "deep").partial


def test_a_tree_as_deep_as_is_allowed_is_seen_whole(root: Path) -> None:
    (root / "/".join(["d"] * DEEPEST)).mkdir(parents=True)
    assert "" == weight(root, "d").partial


def test_a_folder_that_cannot_be_read_is_named(root: Path) -> None:
    with refusing(root / "a" / "b", errno.EACCES):
        assert "a/b: permission denied" == weight(root, "a").partial


@as_root
def test_another_mount_is_neither_entered_nor_passed_over_in_silence(root: Path) -> None:
    with mounted("-t", "tmpfs", "none", root / "a" / "b"):
        (root / "a" / "b" / "large").write_bytes(bytes(1 << 20))
        found = weight(root, "a")
    assert (True, "a/b: another file system is mounted here") == (found.bytes < 1 << 20, found.partial)
