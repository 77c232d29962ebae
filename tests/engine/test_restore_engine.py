"""Layers that are lost or damaged come back from an archive, a folder or another root: without a pull, under their old names."""

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import structs

from archives import add_file
from docker_fsck.testing import tree
from docker_fsck.testing.layertar import pack
from dockerd import Engine
from places import Places, copy
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


def odd_layer() -> bytes:
    """The tar of a layer with everything that a layer can hold."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, fields in {
            "./": {"type": tarfile.DIRTYPE, "mode": 0o700},
            "etc/": {"type": tarfile.DIRTYPE, "mode": 0o1777, "uid": 3, "gid": 4},
            "etc/.wh..wh..opq": {},
            "srv/.wh.second": {},
            "srv/a" * 40: {"pax_headers": {"mtime": "1600000000.123456789"}, "mode": 0o4711, "uid": 2_500_000, "gid": 9},
            "etc/link": {"type": tarfile.SYMTYPE, "linkname": "/etc/motd"},
            "etc/hard": {"type": tarfile.LNKTYPE, "linkname": "srv/a" * 40},
            "etc/hard-link-to-a-link": {"type": tarfile.LNKTYPE, "linkname": "etc/link"},
            "dev/": {"type": tarfile.DIRTYPE, "mode": 0o755},
            "dev/null": {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3, "mode": 0o666},
            "dev/loop": {"type": tarfile.BLKTYPE, "devmajor": 7, "devminor": 0, "mode": 0o660},
            "dev/pipe": {"type": tarfile.FIFOTYPE, "mode": 0o622},
            "bin/ping": {
                "pax_headers": {"SCHILY.xattr.user.note": "kept", "SCHILY.xattr.security.capability": CAPABLE},
                "mode": 0o755,
            },
            os.fsdecode(b"etc/odd-\xff\xfe"): {},
            "old": {"mtime": 0},
            "implied/by/its/content": {"mode": 0},
        }.items():
            info = tarfile.TarInfo(name)
            info.mtime = 1_500_000_000
            for key, value in fields.items():
                setattr(info, key, value)
            info.size = 7 if info.isreg() and ".wh." not in name else 0
            tar.addfile(info, io.BytesIO(b"content"[: info.size]))
    return buffer.getvalue()


CAPABLE = bytes.fromhex("0100000200200000000000000000000000000000").decode()
"""cap_net_raw=ep"""


def odd_archive(path: Path) -> list[str]:
    """An image of a base, the odd layer and one above as an archive; gives the digests that `save` gives of it."""
    tars = [pack({"etc/motd": b"m\n", "srv/second": b"2\n"}).tar, odd_layer(), pack({"srv/third": b"3\n"}).tar]
    diffs = ["sha256:" + hashlib.sha256(each).hexdigest() for each in tars]
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": diffs}}
    ).encode()
    ident = hashlib.sha256(config).hexdigest()
    names = [f"{diff[7:]}/layer.tar" for diff in diffs]
    manifest = json.dumps([{"Config": f"{ident}.json", "RepoTags": ["odd:1"], "Layers": names}]).encode()
    with tarfile.open(path, "w") as tar:
        for name, data in ((f"{ident}.json", config), *zip(names, tars, strict=True), ("manifest.json", manifest)):
            add_file(tar, name, data, 0o644)
    return [f"sha256:{ident}", *diffs]


def timeless(found: dict[str, tree.Entry]) -> dict[str, tree.Entry]:
    """The picture without the times of what the archive does not name: those are of the moment."""
    return {name: each if each.mtime_ns < ARCHIVED else structs.replace(each, mtime_ns=0) for name, each in found.items()}


ARCHIVED = 1_750_000_000 * 10**9


def test_a_restored_folder_is_the_one_that_the_engine_had_unpacked(engine: Engine, workplace: Path) -> None:
    archive = workplace / "odd.tar"
    digests = odd_archive(archive)
    engine.docker("load", "-i", str(archive))
    engine.stop()
    places = Places(engine.root, engine.driver)
    for chain in places.chains(digests[0]):
        folder = places.layer(chain)
        before = tree.snapshot(folder)
        shutil.rmtree(folder)
        done = fsck(engine.root, "apply", "--class", "lossless", "--source", str(archive), "--yes")
        assert (1, []) == (done.exit, told(done, "warning"))
        assert {} == tree.changes(timeless(before), timeless(tree.snapshot(folder)))
    engine.start()
    assert digests == engine.save_digests("odd:1")


def pressed(stock: Stock) -> Path:
    """`docker save | gzip`."""
    path = stock.root.with_name("saved.tar.gz")
    path.write_bytes(gzip.compress(stock.archives["lone:1"].read_bytes(), 1))
    return path


def spread(stock: Stock) -> Path:
    """The archive unpacked into a folder."""
    path = stock.root.with_name("saved")
    with tarfile.open(stock.archives["lone:1"]) as tar:
        tar.extractall(path, filter="data")
    return path


def second(stock: Stock) -> Path:
    """Another data root with the same layers."""
    path = stock.root.with_name("second")
    copy(stock.root, path)
    return path


@pytest.mark.parametrize("make", [pressed, spread, second])
def test_a_layer_comes_back_from_whatever_has_it(stock: Stock, make: Callable[[Stock], Path]) -> None:
    source = make(stock)
    chain = stock.places.chains(stock.images["lone:1"])[1]
    shutil.rmtree(stock.places.layer(chain) / "diff")
    try:
        with restored(stock, "--source", str(source)) as done:
            assert (1, []) == (done.exit, told(done))
            stock.engine.start()
            assert "made\n" == stock.engine.docker("start", "-a", "worker").stdout
            assert stock.state.images["lone:1"] == stock.engine.save_digests("lone:1")
    finally:
        shutil.rmtree(source) if source.is_dir() else source.unlink()
