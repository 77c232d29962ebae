"""The table of the rules on layer records (classic-store 5; FC-03, FC-06, FC-08, FC-12, FC-46, FC-53)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from docker_fsck.apply.executor import execute
from docker_fsck.testing import laws
from docker_fsck.testing.table import STOPPED, Row, Told, disagreements, fires, folds, run, silent
from docker_fsck.testing.whole import Whole, whole

from .cases import (
    LOSSLESS,
    LOSSY,
    OTHER_ID,
    OVERLAY,
    UNION,
    VFS,
    How,
    Spot,
    all_images,
    cut,
    deleted,
    does,
    emptied,
    file,
    flipped,
    foldered,
    hurting,
    linked,
    nulled,
    piped,
    rows,
    spot,
    told,
    written,
)

INCOMPLETE, IDENTITY, NO_PARENT, NO_DIR = (
    "layer-record-incomplete", "layer-chainid-mismatch", "layer-parent-missing", "layer-driverdir-missing",
)  # fmt: skip
TWICE, NO_SPLIT, DEEP, ORPHAN = "layer-cacheid-duplicate", "layer-tarsplit-missing", "layer-too-deep", "driver-orphan"
AGAIN = (NO_PARENT,)
LOST = (*AGAIN, ORPHAN, "ovl-lower", "buildkit-db-missing")


def top(store: Whole) -> str:
    """The layer that only `web` has."""
    return store.root.chains_of(store.web)[-1]


def low(store: Whole) -> str:
    """The layer below everything."""
    return store.root.chains_of(store.base)[0]


def mid(store: Whole) -> str:
    """The layer above it."""
    return store.root.chains_of(store.base)[1]


def part(name: str, chain: Callable[[Whole], str] = mid) -> Spot:
    """A file of a layer record."""
    return spot("layer", chain, lambda store: store.root.record(chain(store)) / name)


def record(chain: Callable[[Whole], str]) -> Spot:
    """A whole layer record, which a finding about its files names by the first of them."""
    return spot("layer", chain, lambda store: store.root.record(chain(store)))


def at_diff(how: How) -> How:
    """The finding names the first file of the record that the engine reads."""

    def more(store: Whole) -> Told:
        blame: Told = how(store)
        return Told(blame.kind, blame.id, f"{blame.path}/diff")

    return more


def hollow(store: Whole) -> None:
    """All files of a record become empty, as power loss with an old engine leaves them."""
    for name in ("diff", "size", "cache-id", "parent", "tar-split.json.gz"):
        store.root.empty(store.root.record(mid(store)) / name)


def emptying(*names: str) -> Callable[[Whole], None]:
    """These files of a record become empty."""

    def blow(store: Whole) -> None:
        for name in names:
            store.root.empty(store.root.record(mid(store)) / name)

    return blow


def content_of(store: Whole) -> Path:
    """Where the files of that layer lie."""
    return store.root.content(store.root.dir_of(mid(store)))


def changed(store: Whole) -> None:
    """One of its files has other bytes, as many as before."""
    store.root.flip(next(path for path in sorted(content_of(store).rglob("*")) if path.is_file()), 0)


def twin_of(store: Whole) -> None:
    """An interrupted pull left the same content once more, on the same parent."""
    files = {
        str(path.relative_to(content_of(store))): path.read_bytes()
        for path in content_of(store).rglob("*") if path.is_file()
    }  # fmt: skip
    store.root.orphan_dir(parent=low(store), files=files)


def dir_of(chain: Callable[[Whole], str]) -> Spot:
    """The driver dir of a layer."""
    return spot("layer", chain, lambda store: store.root.driver_dir(store.root.dir_of(chain(store))))


def some_file(store: Whole) -> Path:
    """A file of that layer."""
    return next(path for path in sorted(store.root.content(store.root.dir_of(mid(store))).rglob("*")) if path.is_file())


def spare(store: Whole) -> Told:
    """The folder of an image that no container has is gone."""
    chain = store.root.chains_of(store.root.image("spare:1", 1, base=store.base))[-1]
    folder = store.root.driver_dir(store.root.dir_of(chain))
    store.root.delete(folder)
    return told(store, "layer", chain, folder)


def with_cache_id(text: str) -> How:
    """A record whose cache-id is a path that leads elsewhere."""
    return written(part("cache-id", top), text.encode())


def renamed(store: Whole) -> Told:
    """A record has the name of another chain."""
    store.root.move(store.root.record(top(store)), store.root.record(OTHER_ID))
    return told(store, "layer", OTHER_ID, store.root.record(OTHER_ID))


def copied(store: Whole) -> Told:
    """The record of one layer names the driver dir of another."""
    victim = store.root.dir_of(low(store))
    store.root.write(store.root.record(top(store)) / "cache-id", victim.encode())
    first = min(low(store), top(store))
    return told(store, "driverdir", victim, store.root.record(first) / "cache-id")


def tower(height: int) -> How:
    """An image of that many layers."""

    def how(store: Whole) -> Told:
        chain = store.root.chains_of(store.root.image("deep:1", [{}] * height))[-1]
        return told(store, "layer", chain, store.root.record(chain))

    return how


def without_names(store: Whole) -> None:
    """The images are gone: only records of layers, containers and pulls still speak of layers."""
    for image in (store.web, store.app, store.base, store.built):
        store.root.delete(store.root.image_file(image))
    store.root.delete(store.root.image_home / "imagedb" / "metadata")
    store.root.repositories.clear()
    store.root.write(store.root.tags, b'{"Repositories":{}}')


def without_images(store: Whole) -> Told:
    """The images are gone and then a layer below their containers: only the containers' records still speak of it."""
    return gap(store, top(store))


def between(store: Whole) -> Told:
    """The images are gone and then a layer in the middle: the layers above it are left, which containers stand on."""
    return gap(store, mid(store))


def gap(store: Whole, chain: str) -> Told:
    """All images are gone, and the record of one layer."""
    without_names(store)
    store.root.delete(store.root.record(chain))
    return told(store, "layer", chain, store.root.record(chain))


NO_IMAGE = ("container-image-missing",) * 3
EVERYONE = (all_images, lambda store: [store.ran, store.busy, store.made])
# fmt: off
ROWS: tuple[Row, ...] = (
    *(fires(INCOMPLETE, f"{name} is gone", hurting(deleted(part(name)), *EVERYONE), cls=LOSSLESS) for name in ("diff", "size")),
    *(fires(INCOMPLETE, f"{name} is {what}", blow(part(name)), cls=LOSSLESS) for name in ("diff", "size", "parent")
      for what, blow in (("empty", emptied), ("all NUL", nulled), ("a folder", foldered), ("a pipe", piped))),
    *(fires(INCOMPLETE, f"{name} is cut", cut(part(name)), cls=LOSSLESS) for name in ("diff", "parent")),
    *(fires(INCOMPLETE, f"{' and '.join(names)} are empty", does(part(names[0]), emptying(*names)), cls=LOSSLESS)
      for names in (("diff", "size"), ("diff", "parent"), ("size", "parent"), ("diff", "size", "parent"))),
    fires(INCOMPLETE, "the diff of a base layer is empty", emptied(part("diff", low)), cls=LOSSLESS),
    fires(INCOMPLETE, "a base layer has a parent that is none", written(part("parent", low), b"junk"), cls=LOSSLESS),
    fires(INCOMPLETE, "the diff is empty and the parent gone", does(part("diff"), emptied(part("diff")), deleted(part("parent"))),
          cls=LOSSLESS),
    fires(INCOMPLETE, "the size is empty and the parent is another layer", does(part("size", top), emptied(part("size", top)),
          written(part("parent", top), low)), cls=LOSSLESS, also=(IDENTITY,)),
    fires(INCOMPLETE, "the size is empty and no image is left, but containers", does(part("size", top), without_names,
          emptied(part("size", top))), cls=LOSSLESS, also=NO_IMAGE),
    fires(INCOMPLETE, "the parent is empty and no image is left, but containers", does(part("parent", top), without_names,
          emptied(part("parent", top))), cls=LOSSLESS, also=NO_IMAGE),
    fires(INCOMPLETE, "the diff is empty and only the distribution cache knows it", does(part("diff", top), without_names,
          emptied(part("diff", top))), cls=LOSSLESS, also=NO_IMAGE),
    fires(INCOMPLETE, "size is empty and tar-split is no archive's", does(part("size"), emptied(part("size")),
          written(part("tar-split.json.gz"), b"x")), cls=LOSSLESS, drivers=UNION),
    fires(INCOMPLETE, "size is empty and tar-split is no archive's", does(part("size"), emptied(part("size")),
          written(part("tar-split.json.gz"), b"x")), drivers=VFS),
    fires(INCOMPLETE, "size is no number", written(part("size"), b"12\n"), cls=LOSSLESS),
    fires(INCOMPLETE, "size does not fit in 64 bits", written(part("size"), b"9" * 20), cls=LOSSLESS),
    *(fires(INCOMPLETE, f"cache-id is {what}", blow(part("cache-id", where)), cls=LOSSLESS, drivers=UNION, also=also)
      for where, also in ((low, ()), (mid, ()), (top, ())) for what, blow in (("empty", emptied), ("gone", deleted))),
    fires(INCOMPLETE, "all but tar-split is empty", does(part("diff"), emptying("diff", "size", "cache-id", "parent")), cls=LOSSLESS,
          drivers=UNION),
    fires(INCOMPLETE, "cache-id is empty and a file of the layer is another", does(part("cache-id"), emptied(part("cache-id")),
          changed), cls=LOSSY, leaves=LOST, drivers=UNION),
    fires(INCOMPLETE, "cache-id is empty and the layer has a file more", does(part("cache-id"), emptied(part("cache-id")),
          lambda store: store.root.write(content_of(store) / "more", b"")), cls=LOSSY, leaves=LOST, drivers=UNION),
    fires(INCOMPLETE, "cache-id is empty and two folders have the layer's content", does(part("cache-id"), twin_of,
          emptied(part("cache-id"))), cls=LOSSY, leaves=LOST, drivers=UNION, also=(ORPHAN,)),
    fires(INCOMPLETE, "cache-id is empty", emptied(part("cache-id")), cls=LOSSY, leaves=LOST, drivers=VFS, also=(ORPHAN,)),
    fires(INCOMPLETE, "the descriptor is empty", written(part("descriptor.json"), b""), cls=LOSSY),
    fires(INCOMPLETE, "the descriptor is no object", written(part("descriptor.json"), b"[]"), cls=LOSSY),
    fires(INCOMPLETE, "the folder is empty", at_diff(emptied(record(mid))), cls=LOSSY, leaves=LOST, drivers=UNION),
    fires(INCOMPLETE, "all files are empty", at_diff(does(record(mid), hollow)), cls=LOSSY, leaves=LOST, drivers=UNION),
    fires(INCOMPLETE, "a file has the name of a layer", written(record(mid), b"x"), cls=LOSSY, leaves=LOST, drivers=UNION),
    fires(INCOMPLETE, "a link has the name of a layer", linked(record(mid), "../x"), cls=LOSSY, leaves=LOST, drivers=UNION),
    silent(INCOMPLETE, "white space surrounds digests and ids", does(
        part("diff"), *(written(part(name), lambda store, name=name: (store.root.record(mid(store)) / name).read_text() + " \n")
                        for name in ("diff", "parent", "cache-id")))),
    silent(INCOMPLETE, "size has a sign", written(part("size"), b"+5")),
    silent(INCOMPLETE, "size is negative", written(part("size"), b"-1")),
    silent(INCOMPLETE, "there is a descriptor", written(part("descriptor.json"), b'{"mediaType":"x","size":1,"urls":[]}')),
    silent(INCOMPLETE, "the record has the file os of another system", written(part("os"), b"linux")),
    folds(NO_PARENT, "image-layer-missing", "the record below is gone", hurting(deleted(record(low)), *EVERYONE), cls=LOSSY, leaves=LOST,
          drivers=UNION),
    fires(IDENTITY, "the parent is lost", deleted(part("parent")), cls=LOSSLESS),
    fires(IDENTITY, "the parent of the top layer is lost", deleted(part("parent", top)), cls=LOSSLESS),
    fires(IDENTITY, "the parent is lost and no image is left, but containers", does(part("parent", top), without_names,
          deleted(part("parent", top))), cls=LOSSLESS, also=NO_IMAGE),
    fires(IDENTITY, "the diff is another digest", written(part("diff", top), OTHER_ID.encode())),
    fires(IDENTITY, "the parent is another layer", written(part("parent", top), low), cls=LOSSLESS),
    fires(IDENTITY, "the record was renamed", renamed, drivers=UNION, also=("image-layer-missing",)),
    fires(IDENTITY, "the record was renamed and nobody else names its folder", renamed, drivers=VFS,
          also=("image-layer-missing",)),
    silent(IDENTITY, "a layer is in two images at different heights", does(
        record(low), lambda store: store.root.image("again:1", [{"a": b"1"}, {"a": b"1"}]))),
    fires(NO_PARENT, "only a container's record still names it", without_images, drivers=UNION, also=NO_IMAGE),
    fires(NO_PARENT, "only a container's record still names it", without_images, drivers=VFS, also=(ORPHAN, *NO_IMAGE)),
    fires(NO_PARENT, "layers above the gap are left, which no image names", between, cls=LOSSY, leaves=LOST, drivers=UNION,
          also=NO_IMAGE),
    silent(NO_PARENT, "a whole layer stands on a whole one", does(record(low), lambda store: store.root.image("more:1", 3))),
    *(fires(NO_DIR, what, hurting(how, *EVERYONE), cls=LOSSY, **terms) for what, how in (
        ("the folder below everything is gone", deleted(dir_of(low))),
        ("a file stands in its place", written(dir_of(low), b"x")),
        ("a pipe stands in its place", piped(dir_of(low))),
    ) for terms in ({"drivers": OVERLAY, "leaves": AGAIN}, {"drivers": VFS, "refused": "app:1, base:1, built:1 and 4 more still run without it"})),
    fires(NO_DIR, "a link stands in its place, which the engine follows", hurting(linked(dir_of(low), "/etc"), *EVERYONE),
          drivers=("overlay2", "vfs")),
    fires(NO_DIR, "the folder of one image is gone", hurting(deleted(dir_of(top)), lambda _: ["web:1"]), cls=LOSSY, leaves=AGAIN,
          drivers=OVERLAY),
    fires(NO_DIR, "the folder of one image is gone, of which containers have copies", deleted(dir_of(top)), cls=LOSSY,
          drivers=VFS, refused="container busy, container made still run without it"),
    fires(NO_DIR, "the folder of one image is gone and those of its containers too", does(dir_of(top), lambda store: [
        store.root.delete(store.root.driver_dir(store.root.mount_id(box))) for box in (store.busy, store.made)],
        deleted(dir_of(top))), cls=LOSSY, drivers=VFS, also=("mount-rwdir-missing",) * 2, leaves=AGAIN),
    fires(NO_DIR, "the folder of an image is gone that no container has", spare, cls=LOSSY, drivers=("overlay2", "vfs")),
    *(fires(NO_DIR, f"the cache-id is {text!r}", with_cache_id(text), cls=LOSSY, leaves=AGAIN, drivers=UNION)
      for text in ("../../../etc", "/etc", "..", "a/b")),
    *(fires(NO_DIR, f"the layer is supplied and {what}", how, cls=LOSSLESS, drivers=OVERLAY, supplied=True) for what, how in (
        ("the folder below everything is gone", hurting(deleted(dir_of(low)), *EVERYONE)),
        ("the folder of one image is gone", deleted(dir_of(top))),
    )),
    fires(NO_DIR, "the layer is supplied and its short link is gone too, which only children still name", does(
        dir_of(low), deleted(dir_of(low)), lambda store: store.root.delete(store.root.short_link(store.root.dir_of(low(store))))),
          cls=LOSSLESS, drivers=OVERLAY, supplied=True, also=("ovl-lower",)),
    fires(NO_DIR, "the layer is supplied and the one above is gone too", does(dir_of(low), deleted(dir_of(low)), deleted(dir_of(mid))),
          cls=LOSSLESS, drivers=OVERLAY, supplied=True, also=(NO_DIR,)),
    fires(NO_DIR, "the layer is supplied and a file stands in its place", written(dir_of(low), b"x"), cls=LOSSY, leaves=AGAIN,
          drivers=OVERLAY, supplied=True),
    fires(NO_DIR, "the layer is supplied on a driver of whole copies", spare, cls=LOSSY, drivers=VFS, supplied=True),
    silent(NO_DIR, "a build names a folder that is gone", does(
        record(low), lambda store: store.root.delete(store.root.driver_dir(store.cache.committed_dir))),
          drivers=("overlay2", "vfs"), also=("buildkit-ref-dangling",)),
    folds("ovl-lower", NO_DIR, "the folder is gone and children name it", deleted(dir_of(low)), drivers=OVERLAY, cls=LOSSY,
          leaves=AGAIN),
    fires(TWICE, "a record was copied", copied, drivers=UNION),
    fires(TWICE, "a record was copied and a folder is unclaimed, which stays", copied, drivers=VFS, also=(ORPHAN,)),
    silent(TWICE, "two layers have the same content", does(record(low),
          lambda store: store.root.image("twin:1", [{"a": b"1"}] * 2))),
    *(fires(NO_SPLIT, what, hurting(how, *EVERYONE), cls=LOSSY, **terms) for what, how in (
        ("it is gone", deleted(part("tar-split.json.gz"))), ("a folder stands there", foldered(part("tar-split.json.gz"))),
    ) for terms in ({"drivers": UNION, "refused": "still run without it, and no registry is known"}, {"drivers": VFS, "refused": "app:1, base:1, built:1 and 4 more still run without it"})),
    fires(NO_SPLIT, "it is gone and the layer is supplied", deleted(part("tar-split.json.gz")), cls=LOSSLESS, supplied=True),
    fires(NO_SPLIT, "it is gone, a file is damaged, and the layer is supplied", does(
        part("tar-split.json.gz"), lambda store: store.root.empty(some_file(store)), deleted(part("tar-split.json.gz"))),
        cls=LOSSLESS, drivers=OVERLAY, supplied=True),
    fires(NO_SPLIT, "it is gone and a pull brings the only image back", hurting(deleted(part("tar-split.json.gz", top)),
          lambda _: ["web:1"], lambda store: [store.busy, store.made]), cls=LOSSY, leaves=AGAIN, drivers=UNION),
    silent(NO_SPLIT, "it is damaged, which is for a deeper look", flipped(part("tar-split.json.gz"), bit=160)),
    fires(DEEP, "a chain has 126 layers", tower(126)),
    silent(DEEP, "a chain has 125 layers", tower(125)),
)
# fmt: on


@rows(ROWS)
def test_the_table_of_layers_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))


@pytest.mark.parametrize("driver", UNION)
def test_the_folders_of_a_whole_chain_are_found_in_one_plan(driver: str, place: Path) -> None:
    store = whole(place, driver)
    chains = store.root.chains_of(store.web)
    files = {store.root.record(chain) / name for chain in chains for name in ("diff", "cache-id")}
    before = {path: path.read_bytes() for path in files}
    for path in files:
        store.root.empty(path)
    execute(run(place).plan, laws.site(place, STOPPED), txn=laws.TXN, now=laws.MOMENT)
    assert before == {path: path.read_bytes() for path in files}
    assert () == run(place).findings
