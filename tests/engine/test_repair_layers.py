"""Lost driver dirs and configurations: put away in the open, brought back by a load, and containers tied to what came back."""

import os
import shutil

import pytest

from docker_fsck.testing import tree
from places import drop_image, empty
from repairkit import Stock, Told, apply, explains, fsck, mended, refusal, state, survey, told

LOST = ("shop:1", "shop:2", "lone:1", "exited", "created", "twin", "worker")
GONE = "no such file or directory"


def lose_dirs(stock: Stock) -> tuple[str, str]:
    """Deletes the dirs of a base that two images share and of a layer that a container stands on; hands back their chain ids."""
    base, top = stock.places.chains(stock.images["shop:1"])[0], stock.places.chains(stock.images["lone:1"])[-1]
    for chain in (base, top):
        shutil.rmtree(stock.places.layer(chain))
    return base, top


def test_the_engine_misses_a_lost_dir_only_where_it_needs_it(stock: Stock) -> None:
    base, top = (stock.places.path(stock.places.layer(chain)) for chain in lose_dirs(stock))
    engine = stock.engine
    engine.start()
    assert {"shop:1", "shop:2", "lone:1"} <= {reference for reference, _ in engine.images()}
    assert f"stat {stock.root}/{base}: {GONE}" in refusal(engine, "save", "shop:1")
    assert f"stat {stock.root}/{top}: {GONE}" in refusal(engine, "save", "lone:1")
    engine.docker("load", "-i", str(stock.archives["lone:1"]))
    assert f"stat {stock.root}/{top}: {GONE}" in refusal(engine, "save", "lone:1"), "a load alone brings nothing back"
    made = refusal(engine, "create", "lone:1", "true")
    if engine.driver == "vfs":
        assert f"stat {stock.root}/{top}: {GONE}" in made
        assert [0, 0] == [engine.docker("start", "-a", name).returncode for name in ("exited", "worker")]
    else:
        assert f"open {stock.root}/{top}/committed: {GONE}" in made
        for words in (("start", "-a", "worker"), ("start", "-a", "exited"), ("run", "shop:2", "true")):
            assert "error creating overlay mount to" in refusal(engine, *words)
    engine.stop()
    found = survey(stock.root)
    assert ["layer-driverdir-missing"] * 2 == [each.rule for each in told(found, "warning")]
    assert explains(found, "layer-driverdir-missing", f"stat {stock.root}/{top}: {GONE}"), "the words of the card"


@pytest.mark.parametrize("driver", ["vfs"], indirect=True)
def test_on_vfs_nothing_is_hidden_that_runs_without_a_lost_layer(stock: Stock) -> None:
    lose_dirs(stock)
    engine, before = stock.engine, tree.snapshot(stock.root)
    done = apply(stock.root, "lossy")
    assert (4 | 64, {}) == (done.exit, tree.changes(before, tree.snapshot(stock.root)))
    assert [True, True] == sorted(
        each["why"].startswith(("container worker still run", "shop:1, shop:2")) for each in done.report["plan"]["blocked"]
    )
    engine.start()
    for tag in ("shop:1", "shop:2"):
        engine.run("probe", tag, "cat", "/etc/motd")
        engine.docker("rm", "probe")
    for name in ("exited", "created", "twin", "worker"):
        engine.docker("start", "-a", name)


@pytest.mark.parametrize("driver", ["overlay2"], indirect=True)
def test_lost_dirs_are_put_away_loaded_again_and_their_containers_tied_to_them(stock: Stock) -> None:
    base, top = lose_dirs(stock)
    places, engine = stock.places, stock.engine
    found = survey(stock.root)
    expected = [stock.hurt("layer-driverdir-missing", chain, f"layer {chain}", "lossy") for chain in (base, top)]
    assert (4, sorted(expected)) == (found.exit, told(found))
    stem = places.metadata(stock.images["lone:1"]) / "parent"
    before = stem.read_text()
    above = [places.chains(stock.images[tag])[-1] for tag in ("shop:1", "shop:2")]
    hidden = [
        stock.of("layer-parent-missing", f"layer {above[0]}", "exited", mend=""),
        stock.of("layer-parent-missing", f"layer {above[1]}", "created", "twin", mend=""),
        stock.of("layer-parent-missing", f"layer {top}", "worker", mend=""),
    ]
    with mended(stock, "lossy", status=4) as done:
        assert (sorted(hidden), []) == (told(done), done.report["plan"]["pull"])
        engine.start()
        bare = stock.state.without(*LOST).with_image(before, engine.save_digests(before))
        assert bare == state(engine)
        words = engine.log_text()
        assert 4 == words.count('msg="failed to load container mount"')
        assert explains(done, "layer-parent-missing", words)
        for tag in ("shop:1", "shop:2", "lone:1"):
            engine.docker("load", "-i", str(stock.archives[tag]))
        assert stock.state.images == {tag: digests for tag, digests in state(engine).images.items() if tag != before}
        engine.stop()
        again = survey(stock.root)
        assert tied(stock) == told(again)
        relinked = apply(stock.root, "lossless")
        assert (1 if told(again) else 0, []) == (relinked.exit, told(relinked))
        engine.start()
        assert stock.state.with_image(before, engine.save_digests(before)) == state(engine)


def tied(stock: Stock) -> list[Told]:
    """What is left to be mended after the images came back: on overlay2 the lists of parents of each container."""
    if stock.engine.driver == "vfs":
        return []
    places = stock.places
    dirs = [(place(container), name) for name, container in stock.ids.items() for place in (places.writable, places.init)]
    return sorted(stock.of("ovl-lower", f"driverdir {place.name}", name) for place, name in dirs)


def test_a_lost_top_layer_that_nothing_stands_on_is_one_finding(stock: Stock) -> None:
    chain = stock.places.chains(stock.images["plain:1"])[-1]
    expected = [stock.hurt("layer-driverdir-missing", chain, f"layer {chain}", "lossy")]
    shutil.rmtree(stock.places.layer(chain))
    assert expected == told(survey(stock.root))


def test_a_lost_top_layer_comes_back_with_the_same_id(stock: Stock) -> None:
    chain = stock.places.chains(stock.images["plain:1"])[-1]
    stem = (stock.places.metadata(stock.images["plain:1"]) / "parent").read_text()
    shutil.rmtree(stock.places.layer(chain))
    with mended(stock, "lossy") as done:
        assert [] == told(done)
        stock.engine.start()
        bare = stock.state.without("plain:1").with_image(stem, stock.engine.save_digests(stem))
        assert bare == state(stock.engine)
        stock.engine.docker("load", "-i", str(stock.archives["plain:1"]))
        assert ("plain:1", stock.images["plain:1"]) in stock.engine.images()
        assert stock.state.images["plain:1"] == stock.engine.save_digests("plain:1")
        stock.engine.stop()
        assert (0, []) == (survey(stock.root).exit, told(survey(stock.root)))


def test_an_emptied_configuration_hides_the_image_until_it_is_loaded_again(stock: Stock) -> None:
    image = stock.images["lone:1"]
    stem = (stock.places.metadata(image) / "parent").read_text()
    empty(stock.places.config(image))
    engine = stock.engine
    engine.start()
    bare = stock.state.without("lone:1").with_image(stem, engine.save_digests(stem))
    assert sorted(bare.images) == sorted(tag.replace("<none>:<none>", image) for tag, image in engine.images())
    words = engine.log_text()
    assert f"invalid image {image}, failed to verify: {image}" in words
    assert "Unable to find image 'lone:1' locally" in refusal(engine, "run", "lone:1", "true")
    engine.stop()
    found = survey(stock.root)
    assert (4, [Told("image-hash-mismatch", f"image {image}", ("lone:1",), mend="lossy")]) == (found.exit, told(found))
    assert explains(found, "image-hash-mismatch", words)
    dirs = sorted(os.listdir(stock.places.home))
    with mended(stock, "lossy") as done:
        assert [] == told(done)
        engine.start()
        assert bare == state(engine), "the containers of a hidden image still start"
        engine.docker("load", "-i", str(stock.archives["lone:1"]))
        assert stock.state.with_image(stem, bare.images[stem]) == state(engine)
        engine.stop()
        assert dirs == sorted(os.listdir(stock.places.home)), "the layers were used again"
        assert [] == told(survey(stock.root))


def test_no_layer_is_garbage_while_a_configuration_cannot_be_read(stock: Stock) -> None:
    places, image = stock.places, stock.images["plain:1"]
    top = places.chains(image)[-1]
    drop_image(places, (places.metadata(image) / "parent").read_text())
    drop_image(places, image)
    assert [Told("layer-unreferenced", f"layer {top}", severity="info", mend="reclaim")] == told(survey(stock.root))
    config = places.config(stock.images["lone:1"])
    empty(config)
    before = tree.snapshot(stock.root)
    done = apply(stock.root, "reclaim")
    assert (4 | 64, {}) == (done.exit, tree.changes(before, tree.snapshot(stock.root)))
    (blocked,) = (each["why"] for each in done.report["plan"]["blocked"] if each["class"] == "reclaim")
    assert f"blocked: references of images unknown: {places.path(config)} cannot be used" == blocked


@pytest.mark.parametrize("driver", ["overlay2"], indirect=True)
def test_lost_dirs_of_a_container_are_told_and_nothing_is_done(stock: Stock) -> None:
    places, engine = stock.places, stock.engine
    init, writable = places.init(stock.ids["created"]), places.writable(stock.ids["twin"])
    shutil.rmtree(init)
    shutil.rmtree(writable)
    engine.start()
    overlay, stat = refusal(engine, "start", "-a", "created"), refusal(engine, "start", "-a", "twin")
    assert f"error creating overlay mount to {init.with_name(init.name.removesuffix('-init'))}/merged: {GONE}" in overlay
    assert f"stat {writable}: {GONE}" in stat
    engine.stop()
    found = survey(stock.root)
    expected = [
        stock.of("mount-initdir-missing", f"mount {stock.ids['created']}", "created", mend=""),
        stock.of("mount-rwdir-missing", f"mount {stock.ids['twin']}", "twin", mend=""),
    ]
    assert (4, expected) == (found.exit, told(found))
    assert explains(found, "mount-initdir-missing", overlay)
    assert explains(found, "mount-rwdir-missing", stat)
    done = fsck(stock.root, "apply", "--class", "lossless,reclaim,lossy", "--yes", "--grace", "0s")
    assert (4, []) == (done.exit, done.report["plan"]["actions"])
