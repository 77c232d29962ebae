"""Layers that are lost or damaged come back from an archive, a folder or another root: without a pull, under their old names."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from docker_fsck.testing import tree
from places import copy
from repairkit import OURS, Run, Stock, fsck, refusal, state, take_back, told

pytestmark = pytest.mark.parametrize("driver", ["overlay2"], indirect=True)


def save(stock: Stock, *tags: str) -> list[str]:
    """The options that name the archives of some images."""
    return [word for tag in tags for word in ("--source", str(stock.archives[tag]))]


@contextmanager
def restored(stock: Stock, *words: str) -> Iterator[Run]:
    """Saves a plan, applies it, takes that back beside, and leaves what apply made for the engine."""
    before, plan = tree.snapshot(stock.root, OURS), str(stock.root.with_name("plan.json"))
    planned = fsck(stock.root, "plan", "-o", plan, *words)
    assert {} == tree.changes(before, tree.snapshot(stock.root)), "a plan writes nothing"
    assert {"lossless"} == {action["class"] for action in planned.report["plan"]["actions"]}, planned.report["plan"]
    level = words[: words.index("--source")]  # the plan itself names its sources
    done = fsck(stock.root, "apply", plan, "--yes", *level)
    if done.exit != 1:
        raise AssertionError(done)
    aside = stock.root.with_name("aside")
    stock.root.rename(aside)
    copy(aside, stock.root)
    try:
        take_back(aside)
        assert {} == tree.changes(before, tree.snapshot(aside, OURS))
        yield done
    finally:
        stock.engine.kill()
        shutil.rmtree(aside)


def test_lost_folders_of_a_base_and_a_top_layer_come_back_and_their_containers_start(stock: Stock) -> None:
    places, engine = stock.places, stock.engine
    base, top = places.chains(stock.images["shop:1"])[0], places.chains(stock.images["lone:1"])[-1]
    links = [(places.layer(chain) / "link").read_text() for chain in (base, top)]
    for chain in (base, top):
        shutil.rmtree(places.layer(chain))
    engine.start()
    for words in (("start", "-a", "worker"), ("start", "-a", "exited"), ("start", "-a", "twin")):
        assert "error creating overlay mount to" in refusal(engine, *words)
    engine.stop()
    with restored(stock, *save(stock, "shop:2", "lone:1")) as done:
        assert (1, []) == (done.exit, told(done))
        assert links == [(places.layer(chain) / "link").read_text() for chain in (base, top)]
        checked = fsck(stock.root, "check", "--level", "deep", "--state-dir", str(stock.root.with_name("state")))
        assert (0, []) == (checked.exit, told(checked))
        engine.start()
        assert stock.state == state(engine)


def flip(stock: Stock, tag: str, name: str) -> tuple[str, Path]:
    """Changes a byte of a file in the top layer of an image that has it."""
    for chain in reversed(stock.places.chains(stock.images[tag])):
        path = stock.places.layer(chain) / "diff" / name
        if path.exists():
            data, facts = path.read_bytes(), path.stat()
            path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
            os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
            return chain, path
    raise ValueError(f"{tag} has no {name}")


def deep(stock: Stock) -> tuple[str, ...]:
    """The options of a run that reads every byte."""
    return ("--level", "deep", "--state-dir", str(stock.root.with_name("state")))


def test_damaged_content_and_a_cut_tar_split_come_back(stock: Stock) -> None:
    _, path = flip(stock, "lone:1", "srv/b")
    other = stock.places.chains(stock.images["plain:1"])[-1]
    record = stock.places.record(other) / "tar-split.json.gz"
    record.write_bytes(record.read_bytes()[:-9])
    (stock.places.record(stock.places.chains(stock.images["plain:1"])[0]) / "tar-split.json.gz").unlink()
    engine = stock.engine
    engine.start()
    assert 'file integrity checksum failed for "srv/b"' in refusal(engine, "save", "lone:1")
    assert "tar-split.json.gz: no such file or directory" in refusal(engine, "save", "plain:1")
    engine.stop()
    found = fsck(stock.root, "check", *deep(stock))
    assert {"layer-content-mismatch", "layer-tarsplit-corrupt", "layer-tarsplit-missing"} == {each.rule for each in told(found)}
    with restored(stock, *deep(stock), *save(stock, "lone:1", "plain:1")) as done:
        assert 1 == done.exit
        assert b"b\n" == path.read_bytes()
        assert (0, []) == (fsck(stock.root, "check", *deep(stock)).exit, told(fsck(stock.root, "check", *deep(stock))))
        engine.start()
        assert stock.state == state(engine)
