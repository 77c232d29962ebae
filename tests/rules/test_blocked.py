"""A source of references that was not read completely blocks what it could name, and nothing else (interface 10; FC-58)."""

import errno
import os
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path

import pytest
from msgspec import Struct

from docker_fsck import bolt
from docker_fsck.testing.refusals import refusing
from docker_fsck.testing.table import DRIVERS, Run, run
from docker_fsck.testing.whole import Whole, whole
from docker_fsck.values import ActionClass

from .cases import AUFS, OTHER, OVERLAY, bolt_garbage

DIR, SNAPSHOT, LAYER, MOUNT, REMOVING, TMP, PROBE = "dir", "snapshot", "layer", "mount", "removing", "tmp", "probe"
SCRATCH, PLUGIN = "scratch", "plugin"
Blow = Callable[[Whole], object]
BUILDS = "references of BuildKit unknown"


class Source(Struct, frozen=True, kw_only=True):
    """Something unread: what was done to it, or which path the kernel refuses; and for each garbage that it blocks the reason."""

    what: str
    blocks: dict[str, str]
    blow: Blow = lambda _: None
    denied: Callable[[Whole], Path] | None = None
    drivers: tuple[str, ...] = DRIVERS


def garbage(store: Whole) -> dict[str, tuple[str, str]]:
    """One piece of each kind, as the object that its finding blames."""
    root = store.root
    pieces = {
        DIR: ("driverdir", root.orphan_dir(parent=root.chains_of(store.base)[-1])),
        SNAPSHOT: ("driverdir", root.orphan_dir(root.names.snapshot())),
        LAYER: ("layer", root.unreferenced_layers(2)[-1]),
        MOUNT: ("mount", root.orphan_mount(store.app)),
        REMOVING: ("file", store.rel(root.removing())),
        TMP: ("file", store.rel(root.layer_tmp())),
        PROBE: ("file", f"{root.driver}/metacopy-check7"),
        SCRATCH: ("file", "tmp-old"),
        PLUGIN: ("file", f"plugins/{OTHER}-removing"),
    }
    root.make_dir(root.path / pieces[PROBE][1])
    root.make_dir("tmp-old/GetImageBlob1")
    root.make_dir(pieces[PLUGIN][1])
    return pieces


def told(outcome: Run, pieces: dict[str, tuple[str, str]]) -> dict[str, str]:
    """For each piece `planned`, the reasons for which it is not, or `not found`."""
    found: dict[str, str] = {}
    for name, blame in pieces.items():
        marks = [each.fingerprint for each in outcome.findings if (each.object.kind, each.object.id) == blame]
        planned = any(
            mark in action.findings for mark in marks for action in outcome.plan.actions if action.cls is ActionClass.RECLAIM
        )
        reasons = [each.why for each in outcome.plan.blocked if each.fingerprint in marks]
        found[name] = "planned" if planned else "; ".join(reasons) if marks else "not found"
    return found


def emptied(place: Callable[[Whole], Path]) -> Blow:
    """The file is empty."""
    return lambda store: store.root.empty(place(store))


def gone(place: Callable[[Whole], Path | str]) -> Blow:
    """It is gone."""
    return lambda store: store.root.delete(place(store))


def word(place: Callable[[Whole], Path]) -> Blow:
    """It holds something else."""
    return lambda store: store.root.write(place(store), b"<html>")


def newer(name: str) -> Blow:
    """A database of a version of bolt that is not known, with the right checksums."""

    def blow(store: Whole) -> None:
        path = store.root.path / name
        data = bytearray(path.read_bytes())
        for start in (16, 4096 + 16):
            data[start + 4 : start + 8] = (bolt.VERSION + 1).to_bytes(4, "little")
            data[start + 56 : start + 64] = bolt.checksum(bytes(data[start : start + 56])).to_bytes(8, "little")
        store.root.write(path, bytes(data))

    return blow


def image(store: Whole) -> Path:
    """An image configuration."""
    return store.root.image_file(store.web)


def tags(store: Whole) -> Path:
    """The tag store."""
    return store.root.tags


def config(store: Whole) -> Path:
    """A container's config."""
    return store.root.container_dir(store.ran) / "config.v2.json"


def record(name: str) -> Callable[[Whole], Path]:
    """A file of a mount record."""
    return lambda store: store.root.mount_record(store.ran) / name


def cache_id(store: Whole) -> Path:
    """The cache-id of a layer."""
    return store.root.record(store.root.chains_of(store.web)[-1]) / "cache-id"


def folder(name: str) -> Callable[[Whole], Path]:
    """A folder by its name below the root."""
    return lambda store: store.root.path / name.format(driver=store.root.driver)


def database(name: str) -> Callable[[Whole], Path]:
    """A database of BuildKit."""
    return lambda store: store.root.path / "buildkit" / name


def many(what: str, place: Callable[[Whole], Path], blocks: dict[str, str]) -> Iterable[Source]:
    """A file in every state in which nothing is known of it."""
    states = (("empty", emptied), ("cut", lambda spot: lambda store: store.root.cut(spot(store))), ("of other text", word),
              ("all NUL", lambda spot: lambda store: store.root.nul(spot(store))))  # fmt: skip
    for how, blow in states:
        yield Source(what=f"{what} is {how}", blow=blow(place), blocks=blocks)
    yield Source(what=f"{what} cannot be read", denied=place, blocks=blocks)


# fmt: off
IMAGES = {LAYER: "references of images unknown"}
BUILDKIT = {SNAPSHOT: BUILDS, LAYER: BUILDS}
OWN_LIST = {DIR: "parents of", SNAPSHOT: "parents of", LAYER: "parents of", REMOVING: "parents of", TMP: "parents of"}
NO_LAYERS = {DIR: "not found", SNAPSHOT: "not found", LAYER: "not found", REMOVING: "not found",
          TMP: "references of layers unknown"}
SOURCES: tuple[Source, ...] = (
    *many("an image configuration", image, IMAGES),
    *many("the tag store", tags, IMAGES),
    Source(what="the tag store is gone", blow=gone(tags), blocks=IMAGES),
    *many("a container's config", config, {}),
    Source(what="a container's config is gone", blow=gone(config), blocks={}),
    *(Source(what=f"the mount-id of a container is {how}", blow=blow(record("mount-id")), blocks={MOUNT: "ambiguous"})
      for how, blow in (("empty", emptied), ("of other text", word), ("gone", gone))),
    Source(what="a container has no mount record", blow=gone(lambda store: store.root.mount_record(store.ran)),
          blocks={MOUNT: "ambiguous"}),
    Source(what="the mount-id of a container cannot be read", denied=record("mount-id"), blocks={
        MOUNT: "ambiguous", **dict.fromkeys((DIR, SNAPSHOT, LAYER, REMOVING, TMP), "references of mounts unknown")}),
    Source(what="the parent of a container cannot be read", denied=record("parent"), blocks=dict.fromkeys(
        (DIR, SNAPSHOT, LAYER, REMOVING, TMP), "references of mounts unknown")),
    Source(what="the folder of mounts cannot be read", denied=folder("image/{driver}/layerdb/mounts"), blocks={
        DIR: "not found", SNAPSHOT: "not found", MOUNT: "not found",
          **dict.fromkeys((LAYER, REMOVING, TMP), "references of mounts unknown")}),
    Source(what="the folder of mounts is gone", blow=gone(folder("image/{driver}/layerdb/mounts")), blocks={
        MOUNT: "not found", **dict.fromkeys((DIR, SNAPSHOT, LAYER, REMOVING, TMP), "references of mounts unknown")}),
    Source(what="the folder of containers cannot be read", denied=folder("containers"), blocks={
        MOUNT: "not found", **dict.fromkeys((DIR, SNAPSHOT, LAYER, REMOVING, TMP), "containers unknown")}),
    Source(what="the folder of containers is gone", blow=gone(folder("containers")), blocks={
        MOUNT: "not found", **dict.fromkeys((DIR, SNAPSHOT, LAYER, REMOVING, TMP), "containers unknown")}),
    Source(what="the folder of images cannot be read", denied=lambda store: image(store).parent, blocks=IMAGES),
    Source(what="the folder of layers cannot be read", denied=folder("image/{driver}/layerdb/sha256"), blocks=NO_LAYERS),
    Source(what="the cache-id of a layer is empty", blow=emptied(cache_id), blocks=dict.fromkeys(
        (DIR, SNAPSHOT, LAYER, REMOVING, TMP), "references of layers unknown")),
    Source(what="the cache-id of a layer cannot be read", denied=cache_id, blocks=dict.fromkeys(
        (DIR, SNAPSHOT, LAYER, REMOVING, TMP), "references of layers unknown")),
    Source(what="the cache-id of a layer leads elsewhere", blow=lambda store: store.root.write(cache_id(store), b"../../etc"),
          blocks=dict.fromkeys(
        (DIR, SNAPSHOT, LAYER, REMOVING, TMP), "references of layers unknown")),
    *(source for name in ("snapshots.db", "containerdmeta.db", "metadata_v2.db") for source in (
        Source(what=f"{name} is noise", blow=lambda store, name=name: bolt_garbage(store, name), blocks=BUILDKIT),
        Source(what=f"{name} is cut", blow=lambda store, name=name: os.truncate(database(name)(store), 8192), blocks=BUILDKIT),
        Source(what=f"{name} is all NUL", blow=lambda store, name=name: store.root.nul(database(name)(store)), blocks=BUILDKIT),
        Source(what=f"{name} is a folder", blow=lambda store, name=name: store.root.make_dir(database(name)(store)),
              blocks=BUILDKIT),
        Source(what=f"{name} cannot be read", denied=database(name), blocks=BUILDKIT),
        Source(what=f"{name} is empty", blow=emptied(database(name)), blocks=BUILDKIT),
        Source(what=f"{name} is gone", blow=gone(database(name)), blocks=BUILDKIT),
    )),
    Source(what="the folder of BuildKit is gone and builds left folders", blow=gone(folder("buildkit")), blocks=BUILDKIT),
    Source(what="the list of parents of a build step is lost", drivers=OVERLAY, blow=lambda store: store.root.empty(
        store.root.driver_dir(store.cache.committed_dir) / "lower"),
          blocks=dict.fromkeys((DIR, SNAPSHOT, LAYER, REMOVING, TMP), "parents of")),
    Source(what="an older BuildKit has no metadata_v2.db", blow=lambda store: store.root.move("buildkit/metadata_v2.db",
          "buildkit/metadata.db"),
           blocks={}),
    *(Source(what=f"{name} is of a newer version", blow=newer(f"buildkit/{name}"), blocks=BUILDKIT)
      for name in ("snapshots.db", "containerdmeta.db", "metadata_v2.db")),
    *(source for name in ("volumes/metadata.db", "network/files/local-kv.db") for source in (
        *many(name, folder(name), {}), Source(what=f"{name} is gone", blow=gone(folder(name)), blocks={}),
        Source(what=f"{name} is a folder", blow=lambda store, name=name: store.root.make_dir(name), blocks={}),
        Source(what=f"{name} is of a newer version", blow=newer(name), blocks={}))),
    Source(what="the folder of volumes cannot be read", denied=folder("volumes"), blocks={}),
    Source(what="the folder of plugins cannot be read", denied=folder("plugins"), blocks={PLUGIN: "not found"}),
    Source(what="the tables of images are gone", blow=gone(folder("image/{driver}/imagedb")), blocks=dict.fromkeys(
        (DIR, SNAPSHOT, LAYER, REMOVING, TMP), "references of images unknown")),
    Source(what="the folder of mounts is a file", blow=lambda store: store.root.write(
        folder("image/{driver}/layerdb/mounts")(store), b"x"), blocks={
            DIR: "not found", SNAPSHOT: "not found", MOUNT: "not found",
            **dict.fromkeys((LAYER, REMOVING, TMP), "references of mounts unknown")}),
    Source(what="the folder of containers is a file", blow=lambda store: store.root.write("containers", b"x"), blocks={
        MOUNT: "not found", **dict.fromkeys((DIR, SNAPSHOT, LAYER, REMOVING, TMP), "containers unknown")}),
    Source(what="the list of parents of a build step cannot be read", drivers=OVERLAY, denied=lambda store: store.root.driver_dir(
        store.cache.committed_dir) / "lower", blocks=OWN_LIST),
    Source(what="the list of parents of a layer that was built is empty", drivers=AUFS, blow=lambda store: store.root.empty(
        f"aufs/layers/{store.dir_of(store.built)}"), blocks=OWN_LIST),
    Source(what="the list of parents of a build step cannot be read", drivers=AUFS, denied=lambda store: store.root.path
           / "aufs/layers" / store.cache.committed_dir, blocks=OWN_LIST),
    Source(what="nothing is unread", blocks={}),
)
# fmt: on
CASES = [
    pytest.param(source, driver, error, id=f"{driver}: {source.what}" + (f": {errno.errorcode[error]}" if error else ""))
    for source in SOURCES
    for driver in source.drivers
    for error in ((errno.EIO, errno.EACCES) if source.denied else (0,))
]


@pytest.mark.parametrize(("source", "driver", "error"), CASES)
def test_only_what_an_unread_source_could_name_is_blocked(source: Source, driver: str, error: int, place: Path) -> None:
    store = whole(place, driver)
    pieces = garbage(store)
    denied = None if source.denied is None else source.denied(store)
    source.blow(store)
    with nullcontext() if denied is None else refusing(denied, error):
        actual = told(run(place), pieces)
    free = "the file system reports errors" if error == errno.EIO else "planned"  # a failing disk is not written to at all
    expected = {name: source.blocks.get(name, free) for name in pieces}
    if driver == "vfs" and actual[DIR] == "not found":
        # nothing tells a layer there from the writable layer of a container that has lost its record: all such folders are kept
        expected |= {name: actual[name] for name in (DIR, REMOVING, TMP)}
    assert expected == {name: due if due in actual[name] else actual[name] for name, due in expected.items()}


@pytest.mark.parametrize("name", ["volumes/metadata.db", "network/files/local-kv.db"])
@pytest.mark.parametrize("how", ["nul", "empty", "cut", "delete"])
def test_a_plugin_is_not_put_away_while_it_is_not_known_who_uses_it(name: str, how: str, place: Path) -> None:
    store = whole(place, "overlay2")
    store.root.delete(f"plugins/{store.root.plugin()}/config.json")
    assert ["plugin-config-damaged"] == [each.rule for each in run(place).findings if each.actions]
    blow = {"nul": store.root.nul, "empty": store.root.empty, "cut": store.root.cut, "delete": store.root.delete}[how]
    blow(name) if how != "cut" else store.root.write(name, (place / name).read_bytes()[:8192])
    assert not [each.rule for each in run(place).findings if each.actions and each.rule.startswith("plugin")]


@pytest.mark.parametrize("how", ["the containers", "a container's config", "the volumes"])
def test_no_volume_is_called_unused_while_something_is_unread(how: str, place: Path) -> None:
    store = whole(place, "overlay2")
    store.root.volume()
    assert ["volume-unreferenced-anonymous"] == [each.rule for each in run(place).findings]
    path = {"the containers": place / "containers", "a container's config": config(store), "the volumes": place / "volumes"}[how]
    with refusing(path, errno.EIO):
        outcome = run(place)
    assert [] == outcome.of("volume-unreferenced-anonymous")
    assert outcome.checked.incomplete


def test_builds_that_never_were_block_nothing(place: Path) -> None:
    store = whole(place, "overlay2")
    layer = store.root.unreferenced_layers(1)[-1]
    for ident in {path.name for path in (place / "overlay2").iterdir() if len(path.name) == 25}:
        store.root.delete(store.root.short_link(ident))
        store.root.delete(store.root.driver_dir(ident))
    store.root.delete(store.root.record(store.root.chains_of(store.built)[-1]))
    store.root.delete(store.root.image_file(store.built))
    store.root.delete("buildkit")
    outcome = run(place)
    assert layer in {each.object.id for each in outcome.findings if each.actions}


def test_young_garbage_and_unread_sources_are_told_one_reason_each(place: Path) -> None:
    store = whole(place, "overlay2")
    pieces = garbage(store)
    store.root.nul("buildkit/snapshots.db")
    blocked = run(place, now=2.0**31, grace=2.0**33).plan.blocked
    assert len(pieces) + 2 == len(blocked)
    assert len({each.fingerprint for each in blocked}) == len(blocked)
