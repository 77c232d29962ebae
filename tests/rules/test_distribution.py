"""The table of the rules on the distribution cache (classic-store 4; FC-54)."""

from pathlib import Path

import pytest

from docker_fsck.ids import hex_of
from docker_fsck.testing.table import DRIVERS, Row, disagreements, fires, silent
from docker_fsck.testing.whole import Whole

from .cases import DAY, OTHER, OTHER_ID, RECLAIM, Spot, cut, deleted, does, emptied, file, foldered, nulled, piped, rows, written

PAIR, CORRUPT, LOST = "dist-pair-mismatch", "dist-corrupt", "dist-digest-lost"


def entry(store: Whole, folder: str) -> Path:
    """An entry of the cache: that of the base's lowest layer by its diff id, or of the blob that it is."""
    base = store.root.image_home / "distribution"
    diff = store.root.images[store.base].diffs[0]
    if folder == "v2metadata-by-diffid":
        return base / folder / "sha256" / hex_of(diff)
    return next(path for path in sorted((base / folder / "sha256").iterdir()) if path.read_text() == diff)


BLOB: Spot = file(lambda store: entry(store, "diffid-by-digest"))
LAYER: Spot = file(lambda store: entry(store, "v2metadata-by-diffid"))


def beside(name: str) -> Spot:
    """Another name among the entries."""
    return file(lambda store: store.root.image_home / "distribution/diffid-by-digest/sha256" / name)


# fmt: off
ROWS: tuple[Row, ...] = (
    fires(PAIR, "a blob is taken for another layer", does(beside(OTHER), lambda store: [
        store.root.write(LAYER.path(store), f'[{{"Digest":"{OTHER_ID}","SourceRepository":"x"}}]'.encode()),
        store.root.write(beside(OTHER).path(store), store.root.images[store.base].diffs[1].encode())]), cls=RECLAIM),
    silent(PAIR, "the blob is not known", does(beside(OTHER), lambda store: store.root.write(
        LAYER.path(store), f'[{{"Digest":"{OTHER_ID}","SourceRepository":"x"}}]'.encode())), also=(LOST,)),
    fires(LOST, "the blob is not known", does(beside(OTHER), lambda store: store.root.write(
        LAYER.path(store), f'[{{"Digest":"{OTHER_ID}","SourceRepository":"x"}}]'.encode())), cls=RECLAIM),
    fires(LOST, "one of its blobs is not known: the other one is kept", does(beside(OTHER), lambda store: store.root.write(
        LAYER.path(store), f'[{{"Digest":"sha256:{BLOB.path(store).name}"}},{{"Digest":"{OTHER_ID}","SourceRepository":"x"}}]'.encode()))),
    silent(LOST, "the folder of blobs is gone", lambda store: store.root.delete(beside(OTHER).path(store).parent)),
    silent(LOST, "the folder of blobs is a file", lambda store: [store.root.delete(beside(OTHER).path(store).parent),
        store.root.write(beside(OTHER).path(store).parent, b"x")][0]),
    silent(LOST, "a layer is known by no blob", does(LAYER, lambda store: store.root.write(LAYER.path(store), b"[]"))),
    silent(PAIR, "an entry is gone", does(LAYER, lambda store: store.root.delete(LAYER.path(store)))),
    *(fires(CORRUPT, f"the entry of a layer {what}", strike(LAYER), cls=RECLAIM) for what, strike in (
        ("is empty", emptied), ("is cut", cut), ("is all NUL", nulled), ("is a folder", foldered), ("is a pipe", piped),
        ("is an object", lambda where: written(where, b"{}")))),
    fires(CORRUPT, "the entry of a blob is empty", does(beside(OTHER), written(beside(OTHER), b"")), cls=RECLAIM),
    fires(CORRUPT, "a temporary file was left", written(beside(".tmp-123"), b"x"), cls=RECLAIM),
    fires(CORRUPT, "it is young", emptied(LAYER), cls=RECLAIM, grace=DAY, refused="grace period"),
    silent(CORRUPT, "an entry holds null", written(LAYER, b"null")),
)
WITHOUT_TAGS = fires(
    CORRUPT, "the tags are lost too", does(LAYER, emptied(LAYER), emptied(file(lambda store: store.root.tags))), also=("tags-unparsable",)
)
"""Nothing is taken away that the repair of tags may use; with the tags back the next run takes it, so that law 5 cannot hold."""
# fmt: on


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_the_repair_of_tags_may_use_is_kept(driver: str, place: Path) -> None:
    assert [] == disagreements(WITHOUT_TAGS, driver, place)


@rows(ROWS)
def test_the_table_of_the_distribution_cache_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))
