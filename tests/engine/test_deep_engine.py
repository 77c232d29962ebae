"""Deep verification against the real engine: it says of every layer what `docker save` says of the images on it."""

import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import registry
from docker_fsck.ids import hex_of
from docker_fsck.tarsplit import entries
from docker_fsck.testing import tree
from repairkit import OURS, Stock, fsck, state, take_back, told

SEED, DAMAGES = 20_261_125, 25
"""So many on each driver."""


def _flip(path: Path, data: bytes) -> None:
    path.write_bytes(bytes([data[0] ^ 1]) + data[1:])


def _gone(path: Path, data: bytes) -> None:
    del data
    path.unlink()


def _link(path: Path, data: bytes) -> None:
    del data
    path.unlink()
    path.symlink_to("/etc/passwd")


BLOWS: dict[str, Callable[[Path, bytes], object]] = {
    "one bit flipped": _flip,
    "emptied": lambda path, data: path.write_bytes(b""),
    "all NUL": lambda path, data: path.write_bytes(bytes(len(data))),
    "cut": lambda path, data: path.write_bytes(data[: len(data) // 2]),
    "longer": lambda path, data: path.write_bytes(data + b"x"),
    "gone": _gone,
    "a link": _link,
    "another mode": lambda path, data: path.chmod(0o600),
    "a stranger beside it": lambda path, data: path.with_name("stranger").write_bytes(data),
}
HARMLESS = {"another mode", "a stranger beside it"}


def files(stock: Stock) -> dict[Path, str]:
    """Every file with content of every layer, with the layer's chain id."""
    found = {}
    for image in stock.images.values():
        for chain in stock.places.chains(image):
            record = stock.root / "image" / stock.engine.driver / "layerdb/sha256" / hex_of(chain)
            batches = entries([(record / "tar-split.json.gz").read_bytes()])
            for entry in (each for batch in batches for each in batch if each.has_content):
                content = stock.places.layer(chain) / ("diff" if stock.engine.driver == "overlay2" else ".")
                found[content / entry.name] = chain
    return found


def deep(stock: Stock, *words: str) -> tuple[int, set[str]]:
    """Exit status of a deep check, and the layers whose content it calls damaged."""
    found = fsck(stock.root, "check", "--level", "deep", "--state-dir", str(stock.root.with_name("state")), *words)
    wrong = {each.subject.partition(" ")[2] for each in told(found) if each.rule == "layer-content-mismatch"}
    return found.exit, wrong


def unsaved(stock: Stock) -> set[str]:
    """The images that the engine cannot save."""
    out = str(stock.root.with_name("saved.tar"))
    return {
        tag for tag in stock.images if tag != "dangling" and stock.engine.docker("save", "-o", out, tag, check=False).returncode
    }


def test_save_fails_exactly_where_content_is_called_damaged(stock: Stock) -> None:
    stock.engine.start()
    every, chance, done = files(stock), random.Random(SEED), 0
    while done < DAMAGES:
        path, name = chance.choice(sorted(every)), chance.choice(sorted(BLOWS))
        data, facts = path.read_bytes(), path.stat()
        if name == "all NUL" and not data.strip(b"\0"):
            continue
        done += 1
        BLOWS[name](path, data)
        status, wrong = deep(stock)
        hit = {tag for tag, image in stock.images.items() if tag != "dangling" and every[path] in stock.places.chains(image)}
        assert (unsaved(stock), wrong) == ((set(), set()) if name in HARMLESS else (hit, {every[path]})), (name, path)
        assert status == (0 if name in HARMLESS else 4)
        path.with_name("stranger").unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        path.chmod(facts.st_mode & 0o7777)
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert ((0, set()), set()) == (deep(stock), unsaved(stock))


def test_an_engine_that_pulls_runs_and_removes_gives_no_false_finding(stock: Stock, workplace: Path) -> None:
    if lack := registry.lacks():
        pytest.skip(lack)
    engine, stop, turns = stock.engine, threading.Event(), list[int]()
    engine.start()

    def work(tag: str) -> None:
        while not stop.is_set():
            engine.docker("pull", tag)
            engine.docker("create", "--name", "brief", tag, "true")
            engine.docker("run", "--rm", "--network", "none", "shop:1", "true", check=False)
            engine.docker("rm", "brief")
            engine.docker("rmi", tag)
            turns.append(1)

    with registry.running(workplace) as store:
        tag = f"{store.host}/loose:1"
        engine.docker("load", "-i", str(stock.archives["loose:1"]))
        engine.docker("tag", "loose:1", tag)
        engine.docker("push", tag)
        engine.docker("rmi", "loose:1", tag)
        worker = threading.Thread(target=work, args=(tag,))
        worker.start()
        try:
            seen = [deep(stock) for _ in range(8)]
        finally:
            stop.set()
            worker.join()
    assert ([(0, set())] * 8, True) == (seen, len(turns) >= 2)


def test_attributes_that_a_copy_lost_come_back(stock: Stock) -> None:
    engine = stock.engine
    chains = stock.places.chains(stock.images["lone:1"])
    (shell,) = {path for path, chain in files(stock).items() if path.name == "busybox" and chain in chains}
    engine.start()
    facts = shell.stat()
    shell.chmod(0o640)
    os.chown(shell, 1000, 1000)
    os.setxattr(shell, "user.note", b"from the copy")
    os.utime(shell, (1, 1))
    said = engine.docker("run", "--rm", "--network", "none", "lone:1", "true", check=False)
    broken = engine.driver == "overlay2"  # on vfs the layers above have copies of their own
    assert ("executable file not found" in said.stderr, said.returncode != 0) == (broken, broken)
    engine.stop()
    before = tree.snapshot(stock.root, OURS)
    where = ("--level", "deep", "--state-dir", str(stock.root.with_name("state")))
    assert ["layer-metadata-drift"] == [each.rule for each in told(fsck(stock.root, "check", *where))]
    assert 1 == fsck(stock.root, "apply", "--class", "lossless", "--yes", *where).exit
    again = shell.stat()
    assert (facts.st_mode, facts.st_uid, facts.st_gid, facts.st_mtime_ns) == (
        again.st_mode, again.st_uid, again.st_gid, again.st_mtime_ns,
    )  # fmt: skip
    take_back(stock.root)
    assert {} == tree.changes(before, tree.snapshot(stock.root, OURS))
    fsck(stock.root, "apply", "--class", "lossless", "--yes", *where)
    assert ((0, set()), []) == (deep(stock), told(fsck(stock.root, "check", *where)))
    engine.start()
    assert stock.state == state(engine)
