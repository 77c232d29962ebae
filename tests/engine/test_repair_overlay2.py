"""The small files of overlay2, damaged: what the engine says, and that after the repair it gives every byte again."""

import shutil

import pytest

from places import empty
from repairkit import Stock, Told, explains, mended, refusal, state, survey, told

pytestmark = pytest.mark.parametrize("driver", ["overlay2"], indirect=True)
GONE = "no such file or directory"


def ids_of(stock: Stock) -> dict[str, str]:
    """All images, by the names that reports give them."""
    named = {image: name for name, image in stock.images.items() if name != "dangling"}
    configs = [f"sha256:{path.name}" for path in (stock.places.tree / "imagedb/content/sha256").iterdir()]
    return {named.get(image, image[7:19]): image for image in configs}


def test_short_names_that_are_empty_or_lost_come_back_and_what_the_engine_made_of_them_is_made_good(stock: Stock) -> None:
    places, engine = stock.places, stock.engine
    base, top = places.chains(stock.images["shop:1"])[0], places.chains(stock.images["shop:2"])[-1]
    single, under = places.chains(stock.images["dangling"])[0], places.chains(stock.images["lone:1"])[0]
    broken = {chain: places.layer(chain) for chain in (base, top, single, under)}
    empty(broken[base] / "link", broken[single] / "link")
    lost = places.home / "l" / (broken[under] / "link").read_text()
    (broken[top] / "link").unlink()
    lost.unlink()
    engine.start()
    kid = engine.create_container("kid", stock.images["dangling"], "cat", "/etc/dangling")
    through, missing = refusal(engine, "start", "-a", "kid"), refusal(engine, "start", "-a", "worker")
    assert f"readlink {places.home}/l: invalid argument" in through
    assert f"readlink {lost}: {GONE}" in missing
    assert f"open {broken[top]}/link: {GONE}" in refusal(engine, "create", "shop:2", "true")
    engine.run("silent", "shop:1", "cat", "/etc/motd")
    engine.docker("rm", "silent")
    engine.stop()
    made = places.writable(kid), places.init(kid)
    assert [":l", "l"] == [(place / "lower").read_text()[-2:] for place in made]
    rules = {base: "ovl-link-file", top: "ovl-link-file", single: "ovl-link-file", under: "ovl-link-symlink"}
    made_on = {
        chain: tuple(name for name in places.images_on(chain) if chain == places.chains(ids_of(stock)[name])[-1])
        for chain in rules
    }
    hurt = [Told(rules[each], f"driverdir {broken[each].name}", made_on[each], mend="lossless") for each in (base, top, single)]
    hurt.append(stock.hurt(rules[under], under, f"driverdir {broken[under].name}", "lossless"))
    hurt += [Told("ovl-lower-through-l", f"driverdir {place.name}", (), (kid,), mend="lossless") for place in made]
    found = survey(stock.root)
    assert (4, sorted(hurt)) == (found.exit, told(found, "warning"))
    assert explains(found, "ovl-link-file", through)
    assert explains(found, "ovl-lower-through-l", through)
    assert explains(found, "ovl-link-symlink", missing)
    with mended(stock, "lossless") as done:
        assert [] == told(done, "warning")
        engine.start()
        assert "d\n" == engine.docker("start", "-a", "kid").stdout
        engine.docker("rm", "kid")
        assert stock.state == state(engine)


def test_lost_lists_of_parents_and_work_folders_come_back_and_a_wrong_marker_goes(stock: Stock) -> None:
    places, engine, ids = stock.places, stock.engine, stock.ids
    plain, shop = places.chains(stock.images["plain:1"])[-1], places.chains(stock.images["shop:1"])[-1]
    init, work = places.init(ids["created"]), places.writable(ids["worker"])
    empty(places.layer(plain) / "lower", places.writable(ids["exited"]) / "lower", init / "lower")
    shutil.rmtree(work / "work")
    shutil.rmtree(places.layer(shop) / "work")
    (places.writable(ids["twin"]) / "committed").touch()
    engine.start()
    read_only, unmounted = refusal(engine, "cp", __file__, "twin:/"), refusal(engine, "start", "-a", "worker")
    assert "too many levels of symbolic links" in refusal(engine, "run", "plain:1", "true")
    assert "too many levels of symbolic links" in refusal(engine, "diff", "created")
    assert f"readlink {places.home}: invalid argument" in refusal(engine, "image", "inspect", "plain:1")
    lower = refusal(engine, "start", "-a", "exited")
    assert f"readlink {places.home}: invalid argument" in lower
    assert f"error creating overlay mount to {work}/merged: {GONE}" in unmounted
    assert "read-only file system" in read_only
    assert stock.state.images["shop:1"] == engine.save_digests("shop:1"), "a layer for reading needs no work folder"
    engine.run("reader", "shop:1", "cat", "/etc/motd")
    engine.docker("diff", "reader")
    engine.docker("commit", "reader", "reader:1")
    for words in (("rm", "reader"), ("rmi", "reader:1")):
        engine.docker(*words)
    engine.stop()
    expected = [
        stock.hurt("ovl-lower", plain, f"driverdir {places.layer(plain).name}", "lossless"),
        stock.of("ovl-lower", f"driverdir {places.writable(ids['exited']).name}", "exited"),
        stock.of("ovl-lower", f"driverdir {init.name}", "created"),
        stock.of("ovl-work-missing", f"driverdir {work.name}", "worker"),
        Told("ovl-work-missing", f"driverdir {places.layer(shop).name}", severity="warning", mend="lossless"),
        stock.of("ovl-committed-on-rw", f"driverdir {places.writable(ids['twin']).name}", "twin"),
    ]
    found = survey(stock.root)
    assert (4, sorted(expected)) == (found.exit, told(found, "warning"))
    assert explains(found, "ovl-lower", lower)
    assert explains(found, "ovl-work-missing", unmounted)
    assert explains(found, "ovl-committed-on-rw", read_only)
    with mended(stock, "lossless") as done:
        assert [] == told(done, "warning")
        engine.start()
        assert stock.state == state(engine)
        engine.stop()
        assert [] == told(survey(stock.root), "warning")


def test_every_short_link_comes_back(stock: Stock) -> None:
    places, engine = stock.places, stock.engine
    targets = {link.name: link.readlink() for link in (places.home / "l").iterdir()}
    bases = {places.chains(image)[0] for image in stock.images.values()}
    images = sorted({name for chain in bases for name in places.images_on(chain)})
    shutil.rmtree(places.home / "l")
    engine.start()
    words = refusal(engine, "start", "-a", "worker")
    assert f"readlink {places.home}/l/" in words
    assert "error creating overlay mount to" in refusal(engine, "save", "lone:1")
    engine.stop()
    found = survey(stock.root)
    expected = Told("ovl-link-symlink", "file overlay2/l", tuple(images), tuple(sorted(stock.ids.values())), mend="lossless")
    assert (4, [(expected.rule, expected.subject)]) == (found.exit, [(each.rule, each.subject) for each in told(found)])
    assert explains(found, "ovl-link-symlink", words)
    with mended(stock, "lossless") as done:
        assert [] == told(done)
        assert targets == {link.name: link.readlink() for link in (places.home / "l").iterdir()}
        engine.start()
        assert stock.state == state(engine)
    assert [expected] == told(found), "every image and every container suffers"
