"""Reading a bolt database of the root beside an owner that goes on writing: a whole state, or the word that there was none."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from docker_fsck import bolt
from docker_fsck.boltread import ATTEMPTS, Damaged, open_database
from docker_fsck.reader import BIG, Reader
from docker_fsck.testing import boltfile
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.table import run
from docker_fsck.values import Source, Trouble

PAGE = boltfile.PAGE_SIZE
KEYS = 120
HALF = 2 + KEYS  # pages that one state takes at most: its leaves and the branch above them
NAME = "snapshots.db"
LATER = b"".join(page[:20] + b"\3\0\0\0" + page[24:] for page in (boltfile.build({})[at : at + PAGE] for at in (0, PAGE)))


class Owner:
    """Writes as bbolt does: the pages of a state go where none of the state before lies, then the meta tells of them.

    So transaction n+2 writes over the pages of n, each page with a call of its own.
    """

    def __init__(self, path: Path) -> None:
        self.txid = 1
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT)
        os.pwrite(self.fd, boltfile.meta(0, root=2, freelist=bolt.NO_FREELIST, high_water=2), 0)
        self.commit()

    def commit(self) -> None:
        """One transaction: every value becomes its number."""
        self.txid += 1
        pages = boltfile._Pages(PAGE)
        first = HALF * (self.txid % 2)
        pages.images = [b""] * first
        root = pages.tree(boltfile._items(pages, {f"{n:04}": f"{self.txid:08}" * 200 for n in range(KEYS)}))
        for number, image in enumerate(pages.images[first:], first + 2):
            os.pwrite(self.fd, image, number * PAGE)
        meta = boltfile.meta(self.txid, root=root, freelist=bolt.NO_FREELIST, high_water=2 * HALF + 2)
        os.ftruncate(self.fd, (2 * HALF + 2) * PAGE)
        os.pwrite(self.fd, meta, PAGE * (self.txid % 2))


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Owner]:
    """The owner of the one database in a root."""
    made = Owner(tmp_path / NAME)
    yield made
    os.close(made.fd)


class Slow(Reader):
    """Reads in pieces of a page and lets the owner work in between: `between` is called before each piece but the first."""

    def __init__(self, root: str, between: Callable[[int], None]) -> None:
        super().__init__(root)
        self.between, self.copies = between, 0

    def read(self, path: str, limit: int = BIG) -> bytes | Trouble:
        assert limit == BIG
        self.copies += 1
        size = (Path(self.root) / path).stat().st_size
        pieces = []
        for at in range(0, size, PAGE):
            if at:
                self.between(at // PAGE)
            with (Path(self.root) / path).open("rb") as file:
                file.seek(at)
                pieces.append(file.read(PAGE))
        return b"".join(pieces)


def states(found: bolt.Database | Source) -> set[bytes] | Source:
    """The numbers of the transactions that wrote what was read."""
    return (
        found if isinstance(found, Source) else {bytes(value)[:8] for _, value in found.root.items() if isinstance(value, bytes)}
    )


def at_piece(owner: Owner, *whens: int) -> Callable[[int], None]:
    """Commits before these pieces, counted over all copies."""
    count = iter(range(1 << 30))
    return lambda _: owner.commit() if next(count) in whens else None


def test_a_database_at_rest_is_read_with_two_copies(tmp_path: Path, owner: Owner) -> None:
    with Slow(str(tmp_path), at_piece(owner)) as reader:
        assert {b"00000002"} == states(open_database(reader, NAME))
        assert 2 == reader.copies


def test_a_copy_over_which_two_transactions_went_mixes_them_without_a_sign_and_another_one_is_taken(
    tmp_path: Path, owner: Owner
) -> None:
    with Slow(str(tmp_path), at_piece(owner, 5, 20)) as reader:
        torn = reader.read(NAME)
    assert isinstance(torn, bytes)
    assert {b"00000002", b"00000004"} == states(bolt.open_bytes(torn))
    with Slow(str(tmp_path), at_piece(owner, 5, 20)) as reader:
        assert {b"00000006"} == states(open_database(reader, NAME))
        assert 4 == reader.copies


def test_a_copy_over_which_one_transaction_went_is_not_used(tmp_path: Path, owner: Owner) -> None:
    with Slow(str(tmp_path), at_piece(owner, 5)) as reader:
        assert {b"00000003"} == states(open_database(reader, NAME))
        assert 4 == reader.copies


def test_an_owner_that_never_rests_leaves_the_database_unread_and_not_damaged(tmp_path: Path, owner: Owner) -> None:
    with Slow(str(tmp_path), lambda at: owner.commit() if at % 50 == 0 else None) as reader:
        assert Source(NAME, "unstable", "it changes while it is read") == open_database(reader, NAME)
        assert 2 * ATTEMPTS == reader.copies


def test_beside_a_writer_at_full_speed_nothing_but_whole_states_is_read(tmp_path: Path, owner: Owner) -> None:
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            owner.commit()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        with Reader(str(tmp_path)) as reader:
            found = []
            while owner.txid < 80 or len(found) < 20:
                found.append(states(open_database(reader, NAME)))
    finally:
        stop.set()
        thread.join()
    assert set() == {each.state for each in found if isinstance(each, Source)} - {"unstable"}
    assert {1} == {len(each) for each in found if not isinstance(each, Source)}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (None, Source(NAME, "absent", "no such file or directory")),
        (b"", Source(NAME, "absent", "no bytes: created and never written")),
        (b"x" * 9000, Damaged(NAME, "unreadable", "neither meta page is valid")),
        (LATER, Source(NAME, "newer", "of a later version of the format")),
    ],
)
def test_what_is_no_database_is_told_with_its_state(tmp_path: Path, data: bytes | None, expected: Source) -> None:
    if data is not None:
        (tmp_path / NAME).write_bytes(data)
    with Reader(str(tmp_path)) as reader:
        found = open_database(reader, NAME)
    assert (expected, type(expected)) == (found, type(found))


def test_a_folder_in_the_place_of_a_database_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with Reader(str(tmp_path)) as reader:
        found = open_database(reader, NAME)
    assert (Source, "unreadable") == (type(found), found.state if isinstance(found, Source) else "")


def test_what_was_not_read_makes_the_verdict_incomplete_and_damage_does_not(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root")
    root.build_cache()
    whole = (root.path / "buildkit" / NAME).read_bytes()
    ends = {}
    for name, data in (("whole", whole), ("noise", b"x" * 9000), ("later", LATER)):
        root.write(f"buildkit/{NAME}", data)
        ends[name] = run(root.path).checked.incomplete
    assert {"whole": (), "noise": (), "later": (f"buildkit/{NAME}: of a later version of the format",)} == ends
