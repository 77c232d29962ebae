"""Layer records with lost files: what their names prove is written again, and the engine loads the layers and saves them as before."""

from pathlib import Path

import pytest

from places import empty
from repairkit import Stock, explains, mended, refusal, state, survey, told

GONE = "layer does not exist, not restoring image {}, {}, linux"
FILES = ("diff", "size", "parent")


def contents(record: Path) -> dict[str, bytes]:
    """The files of a record."""
    return {path.name: path.read_bytes() for path in record.iterdir()}


def middle(stock: Stock) -> str:
    """A layer that is neither the lowest nor the highest of an image, with containers above."""
    return stock.places.chains(stock.images["lone:1"])[1]


@pytest.mark.parametrize("names", [*((name,) for name in FILES), FILES], ids="+".join)
def test_emptied_files_of_a_layer_record_are_written_again(stock: Stock, names: tuple[str, ...]) -> None:
    engine, chain, image = stock.engine, middle(stock), stock.images["lone:1"]
    record = stock.places.record(chain)
    before = contents(record)
    empty(*(record / name for name in names))
    engine.start()
    words = engine.log_text()
    assert GONE.format(image, stock.places.chains(image)[-1]) in words
    assert "lone:1" not in {reference for reference, _ in engine.images()}
    assert "file exists" in refusal(engine, "load", "-i", str(stock.archives["lone:1"]))
    assert "No such container: worker" in refusal(engine, "start", "worker")
    engine.stop()
    found = survey(stock.root)
    assert (4, [stock.hurt("layer-record-incomplete", chain, f"layer {chain}", "lossless")]) == (found.exit, told(found))
    with mended(stock, "lossless") as done:
        assert [] == told(done)
        assert {**before, "size": (record / "size").read_bytes()} == contents(record)
        engine.start()
        assert stock.state == state(engine)
        engine.stop()
        assert [] == told(survey(stock.root))


def test_a_size_that_is_counted_anew_is_the_one_that_the_engine_wrote(stock: Stock) -> None:
    records = [stock.places.record(chain) for chain in stock.places.chains(stock.images["lone:1"])]
    before = [(record / "size").read_bytes() for record in records]
    empty(*(record / "size" for record in records))
    with mended(stock, "lossless"):
        assert before == [(record / "size").read_bytes() for record in records]


def test_a_lost_parent_under_a_loaded_layer_is_written_again(stock: Stock) -> None:
    engine, chain = stock.engine, stock.places.chains(stock.images["plain:1"])[-1]
    parent = stock.places.record(chain) / "parent"
    before = parent.read_bytes()
    parent.unlink()
    engine.start()
    assert "plain:1" in {reference for reference, _ in engine.images()}, "the engine never checks"
    engine.stop()
    found = survey(stock.root)
    assert (4, [stock.hurt("layer-chainid-mismatch", chain, f"layer {chain}", "lossless")]) == (found.exit, told(found))
    with mended(stock, "lossless") as done:
        assert ([], before) == (told(done), parent.read_bytes())
        engine.start()
        assert stock.state == state(engine)


@pytest.mark.parametrize("driver", ["vfs"], indirect=True)
def test_where_layers_are_whole_copies_a_lost_cache_id_is_not_guessed(stock: Stock) -> None:
    chain = middle(stock)
    empty(stock.places.record(chain) / "cache-id")
    found = survey(stock.root)
    assert [stock.hurt("layer-record-incomplete", chain, f"layer {chain}", "lossy")] == told(found, "warning")
    assert [] == [each for each in found.report["plan"]["actions"] if each["class"] == "lossless"]
    with mended(stock, "lossy", 4):
        plan = survey(stock.root).report["plan"]
        assert [] == [each for each in plan["actions"] if each["class"] == "reclaim"], "one of these folders was the layer's own"
        assert [True] == [f"{chain.partition(':')[2]} did not tell its folder" in each["why"] for each in plan["blocked"]]


@pytest.mark.parametrize("driver", ["overlay2"], indirect=True)
def test_a_lost_cache_id_is_that_of_the_one_folder_with_the_content_of_the_archive(stock: Stock) -> None:
    engine, chain = stock.engine, middle(stock)
    record = stock.places.record(chain)
    before = contents(record)
    empty(*(record / name for name in ("diff", "size", "cache-id", "parent")))
    engine.start()
    assert "lone:1" not in {reference for reference, _ in engine.images()}
    engine.stop()
    assert [stock.hurt("layer-record-incomplete", chain, f"layer {chain}", "lossless")] == told(survey(stock.root))
    with mended(stock, "lossless") as done:
        assert ([], before) == (told(done), contents(record))
        engine.start()
        assert stock.state == state(engine)


@pytest.mark.parametrize("driver", ["overlay2"], indirect=True)
def test_a_folder_whose_content_has_changed_is_given_to_no_record(stock: Stock) -> None:
    chain = middle(stock)
    file = next(path for path in sorted((stock.places.layer(chain) / "diff").rglob("*")) if path.is_file())
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    empty(stock.places.record(chain) / "cache-id")
    assert [stock.hurt("layer-record-incomplete", chain, f"layer {chain}", "lossy")] == told(survey(stock.root), "warning")


def test_an_emptied_descriptor_is_put_away(stock: Stock) -> None:
    engine, chain, image = stock.engine, middle(stock), stock.images["lone:1"]
    (stock.places.record(chain) / "descriptor.json").write_bytes(b"")
    engine.start()
    assert GONE.format(image, stock.places.chains(image)[-1]) in engine.log_text()
    engine.stop()
    assert [stock.hurt("layer-record-incomplete", chain, f"layer {chain}", "lossy")] == told(survey(stock.root))
    with mended(stock, "lossy") as done:
        assert [] == told(done)
        engine.start()
        assert stock.state == state(engine)


def test_the_card_quotes_what_a_load_over_a_broken_record_says(stock: Stock) -> None:
    chain = middle(stock)
    empty(stock.places.record(chain) / "diff")
    stock.engine.start()
    words = refusal(stock.engine, "load", "-i", str(stock.archives["lone:1"]))
    stock.engine.stop()
    assert explains(survey(stock.root), "layer-record-incomplete", words)
