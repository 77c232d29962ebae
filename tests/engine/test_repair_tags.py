"""Tag stores that cannot be read: a whole copy beside one takes its place, without one nothing is done."""

import json
import os

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


REMEMBERED = ("lone:1", "shop:1", "shop:2")


@overlay2
@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_tag_store_without_a_copy_gets_the_names_that_are_certain(stock: Stock, how: str) -> None:
    data, words = BROKEN[how]
    stock.places.tags.write_bytes(data)
    assert words in stock.engine.start_fails()
    found = survey(stock.root)
    assert (4, unparsable(stock, "lossy")) == (found.exit, told(found))
    before = tree.snapshot(stock.root)
    careful = apply(stock.root, "lossless,reclaim")
    assert (4, [], {}) == (careful.exit & 15, careful.report["plan"]["actions"], tree.changes(before, tree.snapshot(stock.root)))
    with mended(stock, "lossy") as done:
        assert [] == told(done, "warning")
        (loses,) = (each["loses"] for each in found.report["plan"]["actions"])
        assert stock.images["plain:1"][7:19] in " ".join(loses)
        stock.engine.start()
        names = {reference for reference, _ in stock.engine.images()}
        assert {*REMEMBERED, "<none>:<none>"} == names
        after = state(stock.engine)
        assert stock.state.containers == after.containers
        assert {tag: stock.state.images[tag] for tag in REMEMBERED} == {tag: after.images[tag] for tag in REMEMBERED}


def test_names_that_still_stand_in_a_cut_file_come_back(stock: Stock) -> None:
    data = stock.places.tags.read_bytes()
    stock.places.tags.write_bytes(data[:-1])
    assert "unexpected EOF" in stock.engine.start_fails()
    assert unparsable(stock, "lossless") == told(survey(stock.root)), "it lacks nothing but a brace: no name can be lost"
    with mended(stock, "lossless"):
        assert data == stock.places.tags.read_bytes()
        stock.engine.start()
        assert stock.state == state(stock.engine)


@overlay2
def test_an_old_copy_does_not_take_the_place_of_names_that_still_stand_in_the_file(stock: Stock) -> None:
    data, sibling = stock.places.tags.read_bytes(), stock.places.tags.with_name(SIBLING)
    sibling.write_text(json.dumps({"Repositories": {"lone": {"lone:1": stock.images["lone:1"]}}}))
    os.utime(sibling, (1_400_000_000, 1_400_000_000))
    stock.places.tags.write_bytes(data[:-3] + b"###")
    assert "invalid character" in stock.engine.start_fails()
    assert unparsable(stock, "lossless") == told(survey(stock.root))
    with mended(stock, "lossless") as done:
        assert ([], data, False) == (told(done), stock.places.tags.read_bytes(), sibling.exists())
        stock.engine.start()
        assert stock.state == state(stock.engine)


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
    assert unparsable(stock, "lossy") == told(survey(stock.root))


@pytest.mark.parametrize("how", ["gone", "an empty object", "no repository"])
def test_lost_tags_are_told_while_containers_remember_them(stock: Stock, how: str) -> None:
    tags, engine = stock.places.tags, stock.engine
    data = {"gone": b"", "an empty object": b"{}", "no repository": b'{"Repositories":{}}'}[how]
    tags.write_bytes(data)
    if how == "gone":
        tags.unlink()
        found = survey(stock.root)
        assert (4, [("tags-unparsable", "error")]) == (found.exit, [(each.rule, each.severity) for each in told(found)])
    engine.start()
    assert {"<none>:<none>"} == {reference for reference, _ in engine.images()}
    engine.stop()
    told_of = tuple(sorted(stock.images[tag][7:19] for tag in ("shop:1", "shop:2", "lone:1")))
    found = survey(stock.root)
    assert [Told("tags-empty", f"file {stock.places.path(tags)}", told_of, mend="lossless")] == told(found)
    (finding,) = found.report["findings"]
    assert f"shop:1 for {stock.images['shop:1'][7:19]}" in finding["message"]
    with mended(stock, "lossless") as done:
        assert [] == told(done)
        engine.start()
        assert {*REMEMBERED, "<none>:<none>"} == {reference for reference, _ in engine.images()}
        assert stock.state.containers == state(engine).containers
        pruned = engine.docker("image", "prune", "-f").stdout
        assert stock.images["plain:1"] in pruned, "what no container remembers has no name yet: the plan warns of a prune"
        engine.stop()
        assert [] == told(survey(stock.root), "warning")


@overlay2
def test_images_that_lost_their_last_names_on_purpose_are_no_finding_without_a_container_that_names_them(stock: Stock) -> None:
    engine = stock.engine
    engine.start()
    for name in engine.ps():
        engine.docker("rm", "-v", name)
    engine.create_container("by-id", stock.images["shop:1"], "true")
    for tag in ("shop:2", "lone:1", "plain:1"):
        engine.docker("rmi", tag)
    engine.docker("rmi", "-f", "shop:1", check=False)
    engine.stop()
    assert b'{"Repositories":{}}' == stock.places.tags.read_bytes()
    assert [] == told(survey(stock.root), "warning")
