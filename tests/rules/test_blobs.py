"""The table of the rules on blobs that a content store lists: gone, of another length, of other bytes."""

from pathlib import Path

from docker_fsck.ids import digest
from docker_fsck.testing import boltfile
from docker_fsck.testing.table import Row, disagreements, fires, silent
from docker_fsck.testing.whole import Whole
from docker_fsck.values import Level

from .cases import How, cut, deleted, does, emptied, file, flipped, foldered, rows

MISSING, DAMAGED = "blob-missing", "blob-damaged"
META = "containerd/daemon/io.containerd.metadata.v1.bolt/meta.db"
MANIFEST = b'{"schemaVersion":2}'
BLOB = file(
    lambda store: store.root.path / "containerd/daemon/io.containerd.content.v1.content/blobs/sha256" / digest(MANIFEST)[7:]
)


def pulled(store: Whole) -> None:
    """The manifest of a pulled image, as engines since 20.10 keep it."""
    BLOB.path(store).parent.mkdir(parents=True)
    (store.root.path / META).parent.mkdir(parents=True)
    store.root.write(BLOB.path(store), MANIFEST)
    size = bytes([len(MANIFEST) * 2])
    store.root.write(META, boltfile.build({"v1": {"moby": {"content": {"blob": {digest(MANIFEST): {"size": size}}}}}}))


def struck(strike: How) -> How:
    """That and then a damage."""
    return does(BLOB, pulled, strike)


# fmt: off
ROWS: tuple[Row, ...] = (
    *(fires(MISSING, f"it is {what}", struck(strike(BLOB))) for what, strike in (
        ("gone", deleted), ("empty", emptied), ("cut", cut), ("a folder", foldered))),
    silent(MISSING, "it is whole", does(BLOB, pulled)),
    silent(MISSING, "one of its bits is another", struck(flipped(BLOB, 9))),
    fires(DAMAGED, "one of its bits is another", struck(flipped(BLOB, 9)), level=Level.DEEP),
    silent(DAMAGED, "it is whole", does(BLOB, pulled), level=Level.DEEP),
)
# fmt: on


@rows(ROWS)
def test_the_table_of_blobs_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))
