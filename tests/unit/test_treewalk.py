"""The walk behind `du`: equal to GNU du on every odd tree, whoever walks it, whatever happens meanwhile; nothing outside, nothing followed."""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from otheruser import as_nobody

from docker_fsck import treewalk
from docker_fsck.errors import Incomplete
from docker_fsck.reader import Reader
from docker_fsck.space import crew
from docker_fsck.tally import OUTSIDE, Plot, Share, Tally
from docker_fsck.testing import subvolumes
from docker_fsck.testing.tree import changes, snapshot_with_atimes
from docker_fsck.treewalk import Walker

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting and other users need root")
JOBS = (1, 3)


def du(path: Path, *options: str) -> int:
    done = subprocess.run(["du", "-s", "--block-size=1", *(options or ["-x"]), path], check=True, capture_output=True, text=True)
    return int(done.stdout.split()[0])


def counted(path: Path, plot: Plot | None = None, owners: int = 1, jobs: int = 1) -> Tally:
    with Reader(str(path)) as reader:
        return crew.count(reader, plot or Plot(0), owners, jobs)


def taken(path: Path, jobs: int = 1) -> int:
    tally = counted(path, jobs=jobs)
    assert tally.faults == []
    return tally.sectors[0] * 512


@contextmanager
def mounted(*command: str) -> Iterator[None]:
    subprocess.run(["mount", *command], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", command[-1]], check=True)


def fill(folder: Path, width: int = 4, depth: int = 3) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(width):
        (folder / f"file{number}").write_bytes(b"x" * 5000 * number)
        if depth:
            fill(folder / f"folder{number}", width, depth - 1)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have threads, which only wait: counting by processes is to be tried all the same."""
    monkeypatch.setattr(crew.threading, "active_count", lambda: 1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with 85 folders and 340 files."""
    fill(tmp_path / "root")
    return tmp_path / "root"


def deep(root: Path, levels: int) -> Path:
    """A chain of folders with a file and a small folder beside each step; its path is longer than any the kernel takes."""
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    for level in range(levels):
        for name in (f"level{level}", "beside"):
            os.mkdir(name, dir_fd=fd)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=fd))
        below = os.open(f"level{level}", os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    return root


@pytest.mark.parametrize("jobs", JOBS)
def test_it_is_what_du_says_of_a_plain_tree(root: Path, jobs: int) -> None:
    assert (du(root), 85 + 340) == (taken(root, jobs), counted(root, jobs=jobs).inodes[0])


@pytest.mark.parametrize("jobs", JOBS)
def test_a_file_with_several_links_counts_once(root: Path, jobs: int) -> None:
    for number in range(4):
        os.link(root / "file3", root / f"folder{number}/folder1/link")
        os.link(root / f"folder{number}/file2", root / f"folder{number}/again")
    assert du(root) == taken(root, jobs)


@pytest.mark.parametrize("jobs", JOBS)
def test_a_file_with_links_of_several_owners_is_the_first_ones(root: Path, jobs: int) -> None:
    plot = Plot(0, {"folder0": Plot(2), "folder3": Plot(1)})
    (root / "folder3/mine").write_bytes(b"x" * 20_000)
    before = counted(root, plot, 3, jobs)
    os.link(root / "folder3/mine", root / "folder0/link")
    after = counted(root, plot, 3, jobs)
    assert (list(before.sectors), list(before.inodes)) == (list(after.sectors), list(after.inodes))
    assert du(root) == sum(after.sectors) * 512


@pytest.mark.parametrize("jobs", JOBS)
def test_a_hole_in_a_file_takes_nothing(root: Path, jobs: int) -> None:
    before = taken(root, jobs)
    with (root / "folder0/file0").open("r+b") as file:
        file.truncate(1 << 40)
    assert (before, du(root)) == (taken(root, jobs), before)


@pytest.mark.parametrize("jobs", JOBS)
def test_links_are_not_followed(root: Path, tmp_path: Path, jobs: int) -> None:
    fill(tmp_path / "outside")
    before = counted(root, jobs=jobs).inodes[0]
    for number, target in enumerate(("/", "..", "../outside", str(tmp_path / "outside"), "folder0", ".", "nowhere")):
        (root / f"link{number}").symlink_to(target)
    assert (before + 7, du(root)) == (counted(root, jobs=jobs).inodes[0], taken(root, jobs))


@pytest.mark.parametrize("jobs", JOBS)
def test_names_that_are_no_text_are_counted_and_named(root: Path, jobs: int) -> None:
    odd = os.fsencode(root) + b"/\xff\xfe\n\x1b[2J"
    os.mkdir(odd)
    Path(os.fsdecode(odd + b"/\x80")).write_bytes(b"x" * 9000)
    assert du(root) == taken(root, jobs)


@pytest.mark.parametrize("jobs", JOBS)
@pytest.mark.parametrize("levels", [200, 2000])
def test_a_deep_chain_is_counted_to_its_end(tmp_path: Path, levels: int, jobs: int) -> None:
    root = deep(tmp_path, levels)
    assert (du(root), 1 + 3 * levels) == (taken(root, jobs), counted(root, jobs=jobs).inodes[0])
    subprocess.run(["rm", "-rf", f"{root}/level0"], check=True)


def test_a_deep_chain_needs_few_open_files(tmp_path: Path) -> None:
    root = deep(tmp_path, 1000)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, before[1]))
    try:
        assert taken(root) > 0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    subprocess.run(["rm", "-rf", f"{root}/level0"], check=True)


@pytest.mark.parametrize("jobs", JOBS)
def test_a_folder_of_many_folders_is_read_in_parts(root: Path, monkeypatch: pytest.MonkeyPatch, jobs: int) -> None:
    for number in range(100):
        fill(root / f"folder1/many{number}", 2, 1)
    monkeypatch.setattr(treewalk, "_WAITING", 3)
    monkeypatch.setattr(treewalk, "_OPEN", 2)
    plot = Plot(0, {"folder1": Plot(0, {"many3": Plot(1)})})
    assert du(root) == taken(root, jobs)
    assert [du(root) - du(root / "folder1/many3"), du(root / "folder1/many3")] == [
        sectors * 512 for sectors in counted(root, plot, 2, jobs).sectors
    ]


def test_work_is_given_away_and_nothing_is_lost_or_counted_twice(root: Path) -> None:
    given: list[Share] = []
    with Reader(str(root)) as reader:
        walker = Walker(reader, Plot(0), 1, lambda: True, given.append)
        walker.walk(walker.top())
        shares = len(given)
        while given:
            walker.walk(given.pop())
        walker.tally.settle()
    assert (du(root), True) == (walker.tally.sectors[0] * 512, shares > 3)


@pytest.mark.parametrize("jobs", JOBS)
def test_every_folder_has_the_owner_of_the_longest_claim(root: Path, jobs: int) -> None:
    logs = (("file1", Plot(3)),)
    plot = Plot(0, {"folder0": Plot(1, {"folder1": Plot(2), "folder2": Plot(1, {}, logs)}), "folder3": Plot(OUTSIDE)})
    (root / "folder0/folder2/file1.gz").write_bytes(b"x" * 10_000)
    found = [sectors * 512 for sectors in counted(root, plot, 4, jobs).sectors]
    inner, log = du(root / "folder0/folder1"), du(root / "folder0/folder2/file1") + du(root / "folder0/folder2/file1.gz")
    first = du(root / "folder0")
    assert [du(root) - first - du(root / "folder3"), first - inner - log, inner, log] == found


@as_root
@pytest.mark.parametrize("jobs", JOBS)
def test_a_mount_is_not_entered_and_what_is_hidden_below_it_not_counted(root: Path, jobs: int) -> None:
    before = taken(root)
    place = root / "folder0/folder0"
    with mounted("-t", "tmpfs", "none", str(place)):
        fill(place)
        assert (root / "folder0/file0").exists()
        inside = Plot(0, {"folder0": Plot(0, {"folder0": Plot(OUTSIDE)})})
        known, unknown = counted(root, inside, 1, jobs), counted(root, Plot(0), 1, jobs)
        assert [du(root)] * 2 == [known.sectors[0] * 512, unknown.sectors[0] * 512]
    assert before == taken(root)


@as_root
def test_a_file_that_is_mounted_is_not_counted(root: Path, tmp_path: Path) -> None:
    with mounted("-t", "tmpfs", "none", str(tmp_path / "root/folder1")):
        (root / "folder1/source").write_bytes(b"x" * 50_000)
        with mounted("--bind", str(root / "folder1/source"), str(root / "file3")):
            assert du(root) == taken(root)


@pytest.mark.skipif(bool(subvolumes.lacks()), reason=subvolumes.lacks() or "all is there")
def test_subvolumes_of_btrfs_are_counted_mounts_in_them_are_not(tmp_path: Path) -> None:
    with subvolumes.btrfs(tmp_path) as point:
        for name in ("one", "one/two"):
            fill(subvolumes.create(point / name) / "files", 3, 1)
        os.sync()
        assert du(point, "-x") < du(point, "--count-links") == taken(point)
        with mounted("-t", "tmpfs", "none", str(point / "one/two/files/folder0")):
            fill(point / "one/two/files/folder0")
            assert taken(point) < du(point, "--count-links")


def test_what_goes_away_while_it_is_counted_is_no_error(root: Path) -> None:
    steps = iter(range(10**6))

    def meanwhile() -> bool:
        match next(steps):
            case 2:
                shutil.rmtree(root / "folder0")
                shutil.rmtree(root / "folder1")
            case 4:
                shutil.rmtree(root / "folder2")
                (root / "folder2").symlink_to("/")
        return False

    with Reader(str(root)) as reader:
        walker = Walker(reader, Plot(0), 1, meanwhile)
        walker.walk(walker.top())
    assert ([], True) == (walker.tally.faults, walker.tally.inodes[0] < 85 + 340)


def test_a_share_whose_folder_went_away_is_no_error(root: Path) -> None:
    with Reader(str(root)) as reader:
        walker = Walker(reader, Plot(0), 1)
        walker.walk(Share("folder9/gone", ("x",)))
        walker.walk(Share("folder1", ("gone",)))
    assert ([], 0) == (walker.tally.faults, walker.tally.inodes[0])


@as_root
def test_folders_that_may_not_be_read_are_named_and_the_rest_is_counted(root: Path) -> None:
    for path in (root, *root.parents):
        path.chmod(0o755)
        if path.name.startswith("pytest-of-"):
            break
    (root / "folder1").chmod(0o700)
    (root / "folder2/folder0").chmod(0o600)
    counted(root, jobs=1)  # what this interpreter has to load, another user may not be able to read
    faults = as_nobody(lambda: counted(root, jobs=1).faults)
    assert not isinstance(faults, str), faults
    expected = [(path, "unreadable", "permission denied") for path in ("folder1", "folder2/folder0")]
    assert expected == [(fault.path, fault.state, fault.why) for fault in faults]


def test_a_worker_that_dies_makes_the_count_incomplete(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Walker, "walk", lambda _self, _share: os._exit(9))
    with pytest.raises(Incomplete, match="--jobs 1"):
        counted(root, jobs=2)


@pytest.mark.parametrize("jobs", JOBS)
def test_nothing_is_changed_no_access_time_either(root: Path, jobs: int) -> None:
    for where, _, files in os.walk(root):
        for path in (where, *(os.path.join(where, name) for name in files)):
            os.utime(path, (1, os.lstat(path).st_mtime))
    before = snapshot_with_atimes(root)
    taken(root, jobs)
    assert {} == changes(before, snapshot_with_atimes(root))


def test_no_process_and_no_descriptor_is_left(root: Path) -> None:
    def held() -> tuple[list[str], list[str]]:
        return os.listdir("/proc/self/fd"), Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()

    before = held()
    taken(root, 3)
    assert before == held()
