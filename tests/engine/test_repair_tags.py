"""Tag stores that cannot be read: a whole copy beside one takes its place, without one nothing is done."""

import pytest

from docker_fsck.testing import tree
from repairkit import Stock, Told, apply, explains, fsck, mended, state, survey, told

SIBLING = ".tmp-repositories.json123"
BROKEN = {
    "empty": (b"", "failed to start daemon: Couldn't create reference store repository: EOF"),
    "cut": (b'{"Repositories":{"lone":{"lo', "Couldn't create reference store repository: unexpected EOF"),
    "null": (b"null", "panic: runtime error: invalid memory address or nil pointer dereference"),
    "wrong": (b'{"Repositories":[]}', "Couldn't create reference store repository: json: cannot unmarshal array"),
}
overlay2 = pytest.mark.parametrize("driver", ["overlay2"], indirect=True)


def unparsable(stock: Stock, mend: str) -> list[Told]:
    """The finding about the tag store."""
    return [Told("tags-unparsable", f"file {stock.places.path(stock.places.tags)}", severity="critical", mend=mend)]


def test_an_emptied_tag_store_is_restored_from_a_whole_copy(stock: Stock) -> None:
    tags = stock.places.tags
    sibling = tags.with_name(SIBLING)
    tags.rename(sibling)
    tags.write_bytes(b"")
    tags.chmod(0o600)
    words = stock.engine.start_fails()
    assert BROKEN["empty"][1] in words
    found = survey(stock.root)
    assert (4, unparsable(stock, "lossless")) == (found.exit, told(found))
    assert explains(found, "tags-unparsable", words)
    with mended(stock, "lossless") as done:
        assert ([], False) == (told(done), sibling.exists())
        stock.engine.start()
        assert stock.state == state(stock.engine)
        stock.engine.stop()
        assert [] == told(survey(stock.root))


@overlay2
@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_tag_store_without_a_copy_is_told_and_nothing_is_done(stock: Stock, how: str) -> None:
    data, words = BROKEN[how]
    stock.places.tags.write_bytes(data)
    assert words in stock.engine.start_fails()
    found = survey(stock.root)
    assert (4, unparsable(stock, "")) == (found.exit, told(found))
    before = tree.snapshot(stock.root)
    done = apply(stock.root, "lossless,reclaim,lossy")
    assert (4, "damaged", [], {}) == (
        done.exit,
        done.report["verdict"],
        done.report["plan"]["actions"],
        tree.changes(before, tree.snapshot(stock.root)),
    )


@overlay2
@pytest.mark.parametrize("how", BROKEN)
def test_a_whole_copy_mends_every_kind_of_broken_tag_store(stock: Stock, how: str) -> None:
    stock.places.tags.rename(stock.places.tags.with_name(SIBLING))
    stock.places.tags.write_bytes(BROKEN[how][0])
    assert unparsable(stock, "lossless") == told(survey(stock.root))
    assert 0 == fsck(stock.root, "apply", "--class", "lossless", "--dry-run").exit & 64


@overlay2
def test_a_copy_that_is_not_whole_mends_nothing(stock: Stock) -> None:
    stock.places.tags.with_name(SIBLING).write_bytes(stock.places.tags.read_bytes()[:-9])
    stock.places.tags.write_bytes(b"")
    assert unparsable(stock, "") == told(survey(stock.root))
