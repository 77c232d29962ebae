"""What nothing refers to: it goes into quarantine and nothing else does, comes back by undo, and is gone after a purge."""

import shutil

from docker_fsck.testing import tree
from places import copy, drop_image, orphan, sizes
from repairkit import OURS, Stock, Told, apply, explains, fsck, mended, state, survey, told

OTHER, RANDOM = "c" * 64, "e" * 64


def litter(stock: Stock) -> list[Told]:
    """Leaves garbage of nearly every kind, the layers made by the engine; hands back what has to be told."""
    places, engine = stock.places, stock.engine
    engine.start()
    engine.docker("load", "-i", str(stock.archives["loose:1"]))
    loose = dict(engine.images())["loose:1"]
    engine.stop()
    dead = places.chains(loose)[-1]
    drop_image(places, loose)
    plain = [places.layer(chain) for chain in places.chains(stock.images["plain:1"])]
    writable = places.writable(stock.ids["twin"])
    single = orphan(places, "1" * 64, plain[0], "A" * 26)
    pair = orphan(places, "2" * 64, writable, "B" * 26)
    orphan(places, f"{pair.name}-init", places.init(stock.ids["twin"]), "C" * 26)
    written = places.tree / "layerdb/tmp/write-set-123"
    written.mkdir(0o700, parents=True)
    (written / "cache-id").write_text(orphan(places, "3" * 64, plain[1], "D" * 26).name)
    removing = places.record(dead).with_name(f"{'d' * 64}-{RANDOM}-removing")
    copy(places.record(dead), removing)
    (removing / "cache-id").write_text(orphan(places, "4" * 64, plain[1], "E" * 26).name)
    files = {
        "container-temp-residue": stock.root / "containers" / stock.ids["twin"] / ".tmp-config.v2.json123",
        "image-temp-residue": places.config(stock.images["lone:1"]).with_name(f".tmp-{stock.images['lone:1'][7:]}123"),
        "tags-temp-residue": places.tags.with_name(".tmp-repositories.json123"),
    }
    if places.driver == "overlay2":
        files["ovl-temp-residue"] = plain[0] / ".tmp-link123"
    for file in files.values():
        file.touch()
    subjects = {
        "driver-orphan": [f"driverdir {single.name}", f"driverdir {pair.name}"],
        "layer-unreferenced": [f"layer {dead}"],
        "layer-tmp": [f"file {places.path(written)}"],
        "layer-removing": [f"file {places.path(removing)}"],
    } | {rule: [f"file {places.path(file)}"] for rule, file in files.items()}
    return sorted(Told(rule, each, severity="info", mend="reclaim") for rule, found in subjects.items() for each in found)


def test_garbage_goes_into_quarantine_comes_back_and_is_gone_after_a_purge(stock: Stock) -> None:
    dirs = sorted(path.name for path in stock.places.home.iterdir())
    engine = stock.engine
    stray = Told("container-foreign-entry", "file containers/stray", severity="info")
    (stock.root / "containers/stray").touch()
    expected = sorted([*litter(stock), stray])
    engine.start()
    assert stock.state == state(engine)
    words = engine.log_text()
    engine.kill()
    found = survey(stock.root)
    assert (0, "clean", expected) == (found.exit, found.report["verdict"], told(found))
    assert explains(found, "container-foreign-entry", words)
    with mended(stock, "reclaim") as done:
        assert [stray] == told(done)
        assert dirs == sorted(path.name for path in stock.places.home.iterdir())
        (record,) = fsck(stock.root, "history").report
        engine.start()
        assert [64, 64] == [fsck(stock.root, *words).exit for words in (("undo", "last"), ("purge", "--txn", record["txn"]))]
        engine.stop()
        before = sizes(stock.root)
        purged = fsck(stock.root, "purge", "--txn", record["txn"])
        assert (0, [record["txn"]]) == (purged.exit, purged.report["txns"])
        freed = before - sizes(stock.root) + sizes(stock.root / ".docker-fsck/history.jsonl")
        assert freed == purged.report["freed"]
        assert freed >= found.report["summary"]["reclaimable_bytes"] > 0
        engine.start()
        assert stock.state == state(engine)


def test_the_command_undo_gives_a_whole_apply_back(stock: Stock) -> None:
    litter(stock)
    before = tree.snapshot(stock.root, OURS)
    assert 1 == apply(stock.root, "reclaim").exit
    undone = fsck(stock.root, "undo", "last")
    assert (0, {}) == (undone.exit, tree.changes(before, tree.snapshot(stock.root, OURS)))


def test_what_a_container_left_goes_with_the_layers_that_only_it_held(stock: Stock) -> None:
    places, engine, worker = stock.places, stock.engine, stock.ids["worker"]
    shutil.rmtree(stock.root / "containers" / worker)
    remnant = stock.root / "containers" / OTHER
    remnant.mkdir()
    (remnant / "hostname").write_text("rest\n")
    chains = places.chains(stock.images["lone:1"])
    held = [places.record(chain) for chain in chains] + [places.layer(chain) for chain in chains]
    held += [places.writable(worker), places.init(worker), places.mount(worker), remnant]
    engine.start()
    assert sorted({"exited", "created", "twin"}) == sorted(engine.ps())
    engine.docker("rmi", "lone:1")
    words = engine.log_text()
    engine.stop()
    assert [True] * len(held) == [path.exists() for path in held], "the engine frees none of it"
    expected = [
        Told("container-remnant", f"container {OTHER}", (), (OTHER,), "info", "reclaim"),
        Told("mount-orphan", f"mount {worker}", severity="info", mend="reclaim"),
    ]
    found = survey(stock.root)
    assert (0, expected) == (found.exit, told(found))
    assert explains(found, "container-remnant", words)
    with mended(stock, "reclaim") as done:
        assert ([], []) == (told(done), [path for path in held if path.exists()])
        engine.start()
        assert stock.state.without("lone:1", "worker") == state(engine)
        engine.stop()
        assert [] == told(survey(stock.root))
