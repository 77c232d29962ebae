"""How a name means one thing: what is ambiguous lists its candidates, what is not there its near names, both exit 16."""

import errno
from pathlib import Path

import pytest
from msgspec import structs
from test_cli_kit import on, run
from whykit import READ, asked, naming, refused

from docker_fsck.protocols import Node, References
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.refusals import refusing
from docker_fsck.testing.whole import Whole, whole
from docker_fsck.values import Ref


@pytest.fixture
def store(tmp_path: Path) -> Whole:
    return whole(tmp_path / "root", "overlay2")


def crowded(folder: Path, count: int) -> tuple[DataRoot, list[str]]:
    """A root with that many orphans whose ids begin alike."""
    root = DataRoot(folder / "root")
    return root, [root.orphan_dir("abc" + f"{number:061x}") for number in range(count)]


def test_an_ambiguous_beginning_lists_the_candidates(tmp_path: Path) -> None:
    root, idents = crowded(tmp_path, 2)
    told = refused(root, "abc")
    assert ("may mean 2 things" in told, [each in told for each in idents]) == (True, [True, True])


def test_of_very_many_candidates_ten_are_listed(tmp_path: Path) -> None:
    root, _ = crowded(tmp_path, 13)
    told = refused(root, "abc")
    assert ("may mean 13 things" in told, "and 3 more" in told, told.count("driverdir")) == (True, True, 10)


def test_a_whole_id_is_not_ambiguous_because_another_begins_with_it(store: Whole) -> None:
    """X and X-init."""
    ident = store.root.mount_id(store.ran)
    assert [ident, f"{ident}-init"] == [asked(store.root, each)["id"] for each in (ident, f"{ident}-init")]
    assert ident == asked(store.root, ident[:14])["id"]


def test_two_letters_are_no_beginning(tmp_path: Path) -> None:
    root, _ = crowded(tmp_path, 1)
    assert "nothing here" in refused(root, "ab")


def test_one_name_for_two_containers_is_ambiguous(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root")
    image = root.image("app:1", 1)
    boxes = [root.container(image, "box"), root.container(image, "box")]
    told = refused(root, "box")
    assert [True, True] == [box in told for box in boxes]


def test_one_tag_in_the_trees_of_two_drivers_is_ambiguous_and_a_path_tells_them_apart(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root")
    image = root.image("app:1", 1)
    other = DataRoot(root.path, "vfs")
    second = other.image("app:1", 2)
    told = refused(root, "app:1")
    assert ("may mean 2 things" in told, image in told, second in told) == (True, True, True)
    path = str(other.image_file(second).relative_to(root.path))
    assert ("vfs", second) == (asked(root, path)["driver"], asked(root, path)["id"])


def test_a_container_and_a_volume_of_one_name_are_ambiguous(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root")
    root.container(root.image("app:1", 1), "data")
    root.volume("data")
    assert "may mean 2 things" in refused(root, "data")
    assert "volume" == asked(root, "volumes/data")["kind"]


@pytest.mark.parametrize(("typed", "near"), [("ap:1", "app:1"), ("bussy", "busy"), ("dat", "data")])
def test_near_names_are_proposed(store: Whole, typed: str, near: str) -> None:
    assert near in refused(store.root, typed).rpartition("perhaps")[2]


def test_a_wrong_digit_in_an_id_proposes_the_right_one(store: Whole) -> None:
    ident = store.dir_of(store.app)
    assert ident in refused(store.root, ident[:6] + ("0" if ident[6] != "0" else "1") + ident[7:])


@pytest.mark.parametrize("text", ["/etc/passwd", "/", "/nowhere/overlay2/l"])
def test_a_path_outside_the_root_is_refused(store: Whole, text: str) -> None:
    assert "lies outside the data root" in refused(store.root, text)


@pytest.mark.parametrize(
    "text", ["", "..", "../x", "overlay2/../..", "overlay2/no/such", "containers/x", "l/NOSUCHSHORTNAME", "\x00", "a/\x00"]
)
def test_what_is_nothing_is_refused(store: Whole, text: str) -> None:
    assert "nothing here" in refused(store.root, text)


def test_a_root_behind_a_link_may_be_named_by_either_path(store: Whole, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(store.root.path)
    inside = f"overlay2/{store.dir_of(store.app)}"
    for top in (link, store.root.path):
        ended = run("why", f"{top}/{inside}", "--root", str(link), "--format", "json")
        assert (0, store.dir_of(store.app)) == (ended.status, ended.report["id"])


def test_an_object_of_another_store_is_found_by_the_beginning_of_its_id(store: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(Ref("build-record", "q7zz0" * 5), "buildkit/metadata_v2.db", root=True)
    naming(monkeypatch, References(sources=READ, nodes=(node,)))
    assert ("build-record", "kept") == (asked(store.root, "q7zz0q")["kind"], asked(store.root, "q7zz0q")["state"])


def test_why_without_a_name_is_a_usage_error(store: Whole) -> None:
    from docker_fsck.cli import main

    assert 16 == main(["why", "--root", str(store.root.path)])


def test_a_report_format_that_why_does_not_write_is_a_usage_error(store: Whole) -> None:
    assert 16 == run(*on(store.root, "why", "ran", "--format", "jsonl")).status


@pytest.mark.parametrize("argv", [("why", "gone:1"), ("export", "gone", "-o", "x.tar"), ("check", "--object", "gone:1")])
def test_what_was_not_read_is_not_taken_for_absent(
    store: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    with refusing(store.root.path / "image/overlay2/repositories.json", errno.EACCES):
        ended = run(*on(store.root, *argv))
    assert (8, "", False) == (ended.status, ended.out, (tmp_path / "x.tar").exists())
    assert "image/overlay2/repositories.json could not be read, and nothing else here has that" in ended.err


def test_an_object_that_was_read_is_told_beside_what_was_not(store: Whole) -> None:
    with refusing(store.root.path / "buildkit/snapshots.db", errno.EIO):
        assert 8 == run(*on(store.root, "why", "app:1")).status


def test_a_path_outside_the_root_is_wrong_whatever_was_read(store: Whole) -> None:
    with refusing(store.root.path / "image/overlay2/repositories.json", errno.EACCES):
        assert 16 == run(*on(store.root, "why", "/elsewhere")).status
