"""The table of what only deep verification sees: files of layers against the archives that they came from (classic-store 6)."""

import gzip
import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from docker_fsck.host import HostView
from docker_fsck.tarsplit import entries
from docker_fsck.testing.table import Row, Told, disagreements, fires, run, silent
from docker_fsck.testing.whole import Whole, whole
from docker_fsck.values import Level

from .cases import AUFS, DRIVERS, LOSSLESS, LOSSY, OVERLAY, UNION, VFS, How, rows

CONTENT, SPLIT, LOOSE, EXTRA, DRIFT = (
    "layer-content-mismatch", "layer-tarsplit-corrupt", "layer-content-unverifiable", "layer-extra-files", "layer-metadata-drift",
)  # fmt: skip


def some_file(store: Whole) -> Path:
    """A file with content of the top layer of an image."""
    content = store.root.content(store.dir_of(store.web))
    batches = entries([split(store).read_bytes()])
    return content / next(entry.name for batch in batches for entry in batch if entry.has_content)


def split(store: Whole) -> Path:
    """The tar-split of that layer."""
    return store.root.record(store.root.chains_of(store.web)[-1]) / "tar-split.json.gz"


def layer(store: Whole, path: Path) -> Told:
    """The blame for that layer at a path."""
    return Told("layer", store.root.chains_of(store.web)[-1], store.rel(path))


def hurt(blow: str, *args: object) -> How:
    """The file is damaged by a verb of the builder, and keeps its time."""

    def how(store: Whole) -> Told:
        path = some_file(store)
        before = path.stat()
        getattr(store.root, blow)(path, *args)
        if path.exists():
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns), follow_symlinks=False)
        return layer(store, path)

    return how


def swapped(store: Whole) -> Told:
    """Other content of the same size and time."""
    path = some_file(store)
    before = path.stat()
    path.write_bytes(bytes(byte ^ 0xFF for byte in path.read_bytes()))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return layer(store, path)


def split_hurt(blow: str) -> How:
    """The record is damaged."""

    def how(store: Whole) -> Told:
        getattr(store.root, blow)(split(store))
        return layer(store, split(store))

    return how


def with_more(store: Whole) -> Told:
    """A file that no archive has."""
    path = some_file(store).with_name("stranger")
    path.write_bytes(b"who put me here")
    return layer(store, path)


def chmodded(store: Whole) -> Told:
    """A file with another mode."""
    path = some_file(store)
    path.chmod(stat.S_IMODE(path.stat().st_mode) ^ 0o022)
    return layer(store, path)


def aged(store: Whole) -> Told:
    """A file with another time."""
    path = some_file(store)
    os.utime(path, (1, 1))
    return layer(store, path)


def noted(store: Whole) -> Told:
    """A file with an attribute that no archive has."""
    path = some_file(store)
    os.setxattr(path, "user.note", b"by hand")
    return layer(store, path)


def capable(store: Whole) -> Told:
    """A file that may do more than its archive lets it."""
    path = some_file(store)
    os.setxattr(path, "security.capability", struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0))
    return layer(store, path)


def chowned(store: Whole) -> Told:
    """A file of somebody else."""
    path = some_file(store)
    os.chown(path, 5, 6)
    return layer(store, path)


def owned(uid: int, gid: int) -> Callable[[Whole], None]:
    """All of the root is somebody else's, as that of a rootless engine or of a container."""

    def how(store: Whole) -> None:
        for path in (store.root.path, *store.root.path.rglob("*")):
            os.chown(path, uid, gid, follow_symlinks=False)

    return how


def owned_and_chmodded(store: Whole) -> Told:
    """All of the root is somebody else's, and one file has another mode."""
    owned(1000, 1000)(store)
    return chmodded(store)


def lazy(store: Whole) -> Told:
    """A file whose content overlay keeps in a lower layer."""
    path = some_file(store)
    before = path.stat()
    path.write_bytes(bytes(before.st_size))
    os.setxattr(path, "user.overlay.metacopy", b"")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return layer(store, store.root.record(store.root.chains_of(store.web)[-1]))


def unusual(store: Whole) -> None:
    """What mounts and containers change in the folder of a layer that is whole."""
    content = store.root.content(store.dir_of(store.web))
    os.utime(content, (5, 5))
    for folder in content.iterdir():
        if folder.is_dir():
            os.utime(folder, (6, 6))


def of_a_container(store: Whole) -> None:
    """What a container wrote is nobody's archive."""
    store.root.write(store.root.content(store.root.mount_id(store.ran)) / "written", b"by the container")


def mounted(store: Whole) -> HostView:
    """A container that stands on the layer has outlived its engine."""
    merged = store.root.driver_dir(store.root.mount_id(store.busy)) / "merged"
    return HostView(state="stopped", why="", held=frozenset({store.rel(merged)}))


LEFT = ("layer-parent-missing",)
"""A container stands on the layer: until the pull it has nothing to stand on."""

DEEP: tuple[Row, ...] = (
    fires(CONTENT, "a file of a layer is empty", hurt("empty"), drivers=UNION, cls=LOSSY, leaves=LEFT),
    fires(CONTENT, "a file of a layer is cut", hurt("cut"), drivers=UNION, cls=LOSSY, leaves=LEFT),
    fires(CONTENT, "a bit of a file is another", hurt("flip"), drivers=UNION, cls=LOSSY, leaves=LEFT),
    fires(CONTENT, "a file of a layer is lost", hurt("delete"), drivers=UNION, cls=LOSSY, leaves=LEFT),
    fires(CONTENT, "a file is a link to another one", hurt("link_to", "/etc/passwd"), drivers=UNION, cls=LOSSY, leaves=LEFT),
    fires(CONTENT, "a file has other bytes of the same number", swapped, drivers=UNION, cls=LOSSY, leaves=LEFT),
    fires(CONTENT, "a file of a layer is empty and the layer is supplied", hurt("empty"), drivers=OVERLAY, cls=LOSSLESS, supplied=True),
    fires(CONTENT, "a file of a layer is empty, the layer is supplied, and a container that stands on it is mounted", hurt("empty"),
          drivers=OVERLAY, cls=LOSSLESS, supplied=True, refused="in use", host=mounted),
    fires(CONTENT, "a file of a layer is empty and what is supplied cannot be unpacked on this driver", hurt("empty"), drivers=AUFS,
          cls=LOSSY, leaves=LEFT, supplied=True),
    fires(SPLIT, "the record is cut and the layer is supplied", split_hurt("cut"), cls=LOSSLESS, supplied=True),
    fires(SPLIT, "record and file are hurt and the layer is supplied", lambda store: (hurt("empty")(store), split_hurt("cut")(store))[1],
          drivers=OVERLAY, cls=LOSSLESS, supplied=True),
    fires(CONTENT, "a file is empty and the image may run", hurt("empty"), drivers=VFS, cls=LOSSY, refused="still run"),
    silent(CONTENT, "folders have other times", unusual),
    silent(CONTENT, "a container has written", of_a_container),
    fires(SPLIT, "the record is empty", split_hurt("empty"), drivers=UNION, cls=LOSSY, leaves=LEFT),
    fires(SPLIT, "the record is cut", split_hurt("cut"), drivers=UNION, cls=LOSSY, leaves=LEFT),
    fires(SPLIT, "the record is lost in part and the image runs", split_hurt("cut"), drivers=VFS, cls=LOSSY, refused="still run"),
    silent(SPLIT, "the record is compressed in another way", lambda store: split(store).write_bytes(
        gzip.compress(gzip.decompress(split(store).read_bytes()), 1))),
    fires(LOOSE, "a file is kept in another layer by overlay", lazy),
    silent(LOOSE, "overlay notes on a file where its copy came from", lambda store: os.setxattr(
        some_file(store), "user.overlay.origin", b"")),
    fires(EXTRA, "a file lies there that no archive has", with_more, drivers=UNION),
    silent(EXTRA, "a container has written", of_a_container),
    fires(DRIFT, "a file has another mode", chmodded, cls=LOSSLESS),
    fires(DRIFT, "a file has another time", aged, cls=LOSSLESS),
    fires(DRIFT, "a file has another attribute", noted, cls=LOSSLESS),
    *((
        fires(DRIFT, "a file has a capability", capable, cls=LOSSLESS),
        fires(DRIFT, "a file has another owner", chowned, cls=LOSSLESS),
        silent(DRIFT, "all of the root is an ordinary user's", owned(1000, 1000)),
        silent(DRIFT, "all of the root is that of a container's root user", owned(100_000, 100_000)),
        fires(DRIFT, "all of the root is an ordinary user's and a file has another mode", owned_and_chmodded, cls=LOSSLESS),
    ) if not os.geteuid() else ()),
    silent(DRIFT, "folders have other times", unusual),
    silent(DRIFT, "a driver has noted something on a file", lambda store: os.setxattr(
        some_file(store), "user.overlay.origin", b"x")),
    silent(DRIFT, "a time has other fractions of a second", lambda store: os.utime(some_file(store), ns=(
        0, some_file(store).stat().st_mtime_ns // 10**9 * 10**9 + 999_999_999))),
)  # fmt: skip
ROWS: tuple[Row, ...] = (
    *(structs.replace(row, level=Level.DEEP) for row in DEEP),
    fires(CONTENT, "a file is empty and only sizes are looked at", hurt("empty"), drivers=UNION, cls=LOSSY, leaves=LEFT),
    fires(CONTENT, "a file is cut and only sizes are looked at", hurt("cut"), drivers=UNION, cls=LOSSY, leaves=LEFT),
    silent(CONTENT, "a file has other bytes of the same number and only sizes are looked at", swapped),
    silent(CONTENT, "a file that is not there may lie elsewhere, and only sizes are looked at", hurt("delete")),
)


@rows(ROWS)
def test_rows(row: Row, driver: str, place: Path) -> None:
    assert [] == disagreements(row, driver, place)


@pytest.mark.parametrize("name", ["root", "20.10"])
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_whole_store_is_whole_to_the_last_byte_whatever_its_name(driver: str, name: str, place: Path) -> None:
    assert () == run(whole(place.with_name(name), driver).root.path, level=Level.DEEP).findings


@pytest.mark.skipif(os.geteuid() != 0, reason="owners are root's to give")
@pytest.mark.parametrize("driver", DRIVERS)
def test_in_the_root_of_a_user_namespace_a_file_gets_the_owner_that_it_has_there(driver: str, place: Path) -> None:
    store = whole(place.with_name("100000.200000"), driver)
    owned(100_000, 200_000)(store)
    assert () == run(store.root.path, level=Level.DEEP).findings
    path = some_file(store)
    os.chown(path, 0, 0)
    (action,) = run(store.root.path, level=Level.DEEP).plan.actions
    (step,) = action.steps
    assert (store.rel(path), 100_000, 200_000) == (step.raw, step.uid, step.gid)  # type: ignore[union-attr]
