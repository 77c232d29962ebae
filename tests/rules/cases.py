"""What the tables of all domains share: where things lie in the whole store, and damages as values."""

import os
import struct
from collections.abc import Callable, Collection
from pathlib import Path

import pytest
from msgspec import Struct, structs

from docker_fsck.host import HostView, Recorded
from docker_fsck.testing import images as built
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.table import DRIVERS, UNION, How, Row, Told, label, spread, untouched
from docker_fsck.testing.whole import Whole
from docker_fsck.values import ActionClass, Severity

OVERLAY, AUFS, VFS = ("overlay2",), ("aufs",), ("vfs",)
OVERLAYS = ("overlay2", "fuse-overlayfs")
LOSSLESS, RECLAIM, LOSSY, LOSSY_USER = ActionClass.LOSSLESS, ActionClass.RECLAIM, ActionClass.LOSSY, ActionClass.LOSSY_USER
MANUAL = ActionClass.MANUAL
INFO, WARNING, ERROR, CRITICAL = Severity.INFO, Severity.WARNING, Severity.ERROR, Severity.CRITICAL
OTHER = "5" * 64
OTHER_ID = f"sha256:{OTHER}"
DAY = 86400.0

__all__ = [
    "AUFS",
    "CRITICAL",
    "DAY",
    "DRIVERS",
    "ERROR",
    "INFO",
    "LOSSLESS",
    "LOSSY",
    "LOSSY_USER",
    "MANUAL",
    "OTHER",
    "OTHER_ID",
    "OVERLAY",
    "OVERLAYS",
    "RECLAIM",
    "UNION",
    "VFS",
    "WARNING",
    "How",
    "Row",
    "Spot",
    "Told",
    "Whole",
    "all_images",
    "cut",
    "deleted",
    "does",
    "emptied",
    "file",
    "flipped",
    "foldered",
    "forgotten",
    "hurting",
    "linked",
    "nulled",
    "only",
    "piped",
    "probed",
    "recorded",
    "retagged",
    "rows",
    "spot",
    "told",
    "written",
]  # fmt: skip


class Spot(Struct, frozen=True):
    """A path of the whole store, and the object that is to be blamed for damage there."""

    kind: str
    ident: Callable[[Whole], str]
    path: Callable[[Whole], Path]

    def told(self, store: Whole) -> Told:
        """The blame."""
        return Told(self.kind, self.ident(store), store.rel(self.path(store)))


def spot(kind: str, ident: Callable[[Whole], str], path: Callable[[Whole], Path]) -> Spot:
    """A path whose damage is the object's."""
    return Spot(kind, ident, path)


def file(path: Callable[[Whole], Path]) -> Spot:
    """A path that is blamed itself."""
    return Spot("file", lambda store: store.rel(path(store)), path)


def told(store: Whole, kind: str, ident: str, path: Path) -> Told:
    """The blame for an object at a path of the store."""
    return Told(kind, ident, store.rel(path))


def _struck(where: Spot, blow: Callable[[Whole, Path], object]) -> How:
    def how(store: Whole) -> Told:
        blame = where.told(store)
        blow(store, where.path(store))
        return blame

    return how


def deleted(where: Spot) -> How:
    """It is gone, a folder with all that is in it."""
    return _struck(where, lambda store, path: store.root.delete(path))


def emptied(where: Spot) -> How:
    """It has no bytes or no entries left."""
    return _struck(where, lambda store, path: store.root.empty(path))


def cut(where: Spot) -> How:
    """Half of it is left."""
    return _struck(where, lambda store, path: store.root.cut(path))


def flipped(where: Spot, bit: int = 0) -> How:
    """One bit is another."""
    return _struck(where, lambda store, path: store.root.flip(path, bit))


def nulled(where: Spot) -> How:
    """Its bytes are zero."""
    return _struck(where, lambda store, path: store.root.nul(path))


def written(where: Spot, data: bytes | Callable[[Whole], str]) -> How:
    """It holds something else, or is there at last."""
    return _struck(where, lambda store, path: store.root.write(path, data if isinstance(data, bytes) else data(store).encode()))


def linked(where: Spot, target: str) -> How:
    """It is a symbolic link."""
    return _struck(where, lambda store, path: store.root.link_to(path, target))


def foldered(where: Spot) -> How:
    """It is an empty folder."""
    return _struck(where, lambda store, path: store.root.make_dir(path))


def piped(where: Spot) -> How:
    """It is a FIFO: whoever opens it for reading waits for ever."""

    def blow(store: Whole, path: Path) -> None:
        if os.path.lexists(path):
            store.root.delete(path)
        os.mkfifo(path)

    return _struck(where, blow)


def does(where: Spot, *blows: Callable[[Whole], object]) -> How:
    """All of these, and the blame goes to the spot."""

    def how(store: Whole) -> Told:
        for blow in blows:
            blow(store)
        return where.told(store)

    return how


Names = Callable[[Whole], Collection[str]]


def hurting(how: How, images: Names | None = None, containers: Names | None = None) -> How:
    """The damage, and who must suffer from it: images by tag, containers by id."""

    def more(store: Whole) -> Told:
        blame: Told = how(store)
        return Told(
            blame.kind, blame.id, blame.path,
            None if images is None else images(store), None if containers is None else containers(store),
        )  # fmt: skip

    return more


def all_images(_: Whole) -> Collection[str]:
    """The tags of all images of the whole store."""
    return ("app:1", "base:1", "built:1", "web:1")


def retagged(store: Whole, repository: str, reference: str, image: str) -> None:
    """An entry of the tag store, whatever it says."""
    store.root.repositories.setdefault(repository, {})[reference] = image
    built.write_tags(store.root)


def forgotten(store: Whole, image: str) -> None:
    """The image was removed by force, as `docker rmi -f` does it: its names, metadata and configuration are gone."""
    store.root.delete(store.root.image_file(image))
    if store.root.image_metadata(image).exists():
        store.root.delete(store.root.image_metadata(image))
    for references in store.root.repositories.values():
        for reference in [each for each, target in references.items() if target == image]:
            del references[reference]
    for repository in [each for each, references in store.root.repositories.items() if not references]:
        del store.root.repositories[repository]
    built.write_tags(store.root)


def bolt_garbage(store: Whole, name: str) -> None:
    """A database of BuildKit becomes pages of noise behind a magic number that is none."""
    store.root.write(f"buildkit/{name}", struct.pack("<QHHI", 0, 4, 0, 0) + b"\xed\xda\x0c\xee" * 4096)


def recorded(root: DataRoot) -> HostView:
    """A stopped engine's root with what the driver's probe printed just now."""
    return HostView(state="stopped", why="", recorded={root.driver: Recorded(root.pool.probe(), 1 << 62, "the-probe")})


def probe(store: Whole) -> HostView:
    """The same for a whole store."""
    return recorded(store.root)


def probed(driver: str, table: tuple[Row, ...]) -> tuple[Row, ...]:
    """The rows for this driver alone, each with its probe unless the row says otherwise."""
    hosts = (probe if row.host is untouched else row.host for row in table)
    return tuple(structs.replace(row, drivers=(driver,), host=host) for row, host in zip(table, hosts, strict=True))


def only(drivers: tuple[str, ...], table: tuple[Row, ...]) -> tuple[Row, ...]:
    """The rows for these drivers alone."""
    return tuple(structs.replace(row, drivers=drivers) for row in table)


def rows(table: tuple[Row, ...]) -> pytest.MarkDecorator:
    """The test runs once for each row and driver."""
    found = [pytest.param(row, driver, id=label(row, driver)) for row, driver in spread(table)]
    return pytest.mark.parametrize(("row", "driver"), found)
