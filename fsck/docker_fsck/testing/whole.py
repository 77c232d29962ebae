"""The healthy store to which the rows of a table do their damage; made by the builder, nothing is judged here."""

import functools
import os
import pickle
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from docker_fsck.testing import subvolumes
from docker_fsck.testing.buildcache import BuildCache
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.disk import Disk
from docker_fsck.testing.layertar import MTIME

NEVER_STARTED = {"StartedAt": "0001-01-01T00:00:00Z", "FinishedAt": "0001-01-01T00:00:00Z"}


class Whole(Struct, frozen=True, kw_only=True):
    """A healthy store. Images by id: `app` and `web` share the two layers of `base`, `built` came out of a build above `app`.

    `base` and `web` look pulled, `app` and `built` were made here. Containers by id: `ran` above `app` has ended and uses
    the volume `data`, `busy` above `web` has ended and uses the anonymous volume, `made` above `web` was never started.
    """

    root: DataRoot
    base: str
    app: str
    web: str
    built: str
    ran: str
    busy: str
    made: str
    data: str
    anonymous: str
    cache: BuildCache

    def dir_of(self, image: str, layer: int = -1) -> str:
        """The driver id of a layer of an image, the top one unless said otherwise."""
        return self.root.dir_of(self.root.chains_of(image)[layer])

    def rel(self, path: Path | str) -> str:
        """`path` as findings spell it: relative to the root."""
        return str((self.root.path / path).relative_to(self.root.path))


def whole(path: Path, driver: str) -> Whole:
    """The healthy store of `driver` at `path`, which must be absent; made once in each process and written out again.

    That of btrfs is only to be had on a btrfs.
    """
    cast = _cast(driver, path.parent if driver == "btrfs" else None)
    for entry in cast.entries:
        if entry.twin:
            (path / entry.name).hardlink_to(path / entry.twin)
        else:
            _put(path / entry.name, entry)
    for entry in reversed(cast.entries):
        os.utime(path / entry.name, (MTIME, MTIME), follow_symlinks=False)
    store: Whole = pickle.loads(cast.known)  # noqa: S301 - our own bytes
    _move(store.root, path)
    return store


def supply(store: Whole) -> str:
    """Another root beside a damaged store, as that was before."""
    path = store.root.path.with_name("supply")
    return str(path if path.exists() else whole(path, store.root.driver).root.path)


class _Entry(Struct, frozen=True):
    """A path of the store: `data` None for a folder, a str for a link's text; `twin`: the same file under an earlier name."""

    name: str
    mode: int
    data: bytes | str | None
    subvolume: bool = False
    twin: str = ""


class _Cast(Struct, frozen=True):
    """A finished store: its tree, parents first, and what its makers know of it."""

    entries: tuple[_Entry, ...]
    known: bytes


@functools.cache
def _cast(driver: str, place: Path | None) -> _Cast:
    with tempfile.TemporaryDirectory(dir=place) as top:
        path = Path(top, "root")
        store = _build(path, driver)
        found = [path, *sorted(path.rglob("*"))]
        return _Cast(tuple(_entries(path, found)), pickle.dumps(store))


def _entries(top: Path, found: Iterable[Path]) -> Iterator[_Entry]:
    first: dict[tuple[int, int], str] = {}
    for each in found:
        entry, info = _entry(each, str(each.relative_to(top))), each.lstat()
        shared = isinstance(entry.data, bytes) and info.st_nlink > 1
        twin = first.setdefault((info.st_dev, info.st_ino), entry.name) if shared else entry.name
        yield entry if twin == entry.name else _Entry(entry.name, entry.mode, b"", twin=twin)


def _entry(path: Path, name: str) -> _Entry:
    mode = path.lstat().st_mode
    if stat.S_ISDIR(mode):
        return _Entry(name, stat.S_IMODE(mode), None, path.parent.name == "subvolumes")
    return _Entry(name, stat.S_IMODE(mode), str(path.readlink()) if stat.S_ISLNK(mode) else path.read_bytes())


def _put(path: Path, entry: _Entry) -> None:
    match entry.data:
        case None:
            if entry.subvolume:
                subvolumes.create(path)
            else:
                path.mkdir(parents=True)
            path.chmod(entry.mode)
        case str():
            path.symlink_to(entry.data)
        case data:
            path.write_bytes(data)
            path.chmod(entry.mode)


def _move(root: DataRoot, path: Path) -> None:
    """Let the builder go on at another path."""
    home: Any = root._home  # noqa: SLF001 - every home builder keeps its folder so
    home._home = path / home._home.relative_to(root.path)  # noqa: SLF001
    root.disk = home._disk = Disk(path)  # noqa: SLF001
    root.image_home = path / root.image_home.relative_to(root.path)
    root.path = path


def _build(path: Path, driver: str) -> Whole:
    root = DataRoot(path, driver)
    base = root.image("base:1", 2, digest_ref=True)
    app = root.image("app:1", 1, base=base)
    web = root.image("web:1", 1, base=base, digest_ref=True)
    data, anonymous = root.volume("data", {"kept": b"by the user\n"}), root.volume()
    ran = root.container(app, "ran", files={"tmp/changed": b"in the container\n"}, volumes={data: "/data"})
    busy = root.container(web, "busy", volumes={anonymous: "/data"})
    made = root.container(web, "made", config={"State": NEVER_STARTED})
    for name in ("hostname", "hosts", "resolv.conf", "resolv.conf.hash", f"{made}-json.log"):
        root.delete(root.container_dir(made) / name)
    cache = root.build_cache(app, export="built:1")
    return Whole(
        root=root, base=base, app=app, web=web, built=cache.exported_image, ran=ran, busy=busy, made=made, data=data,
        anonymous=anonymous, cache=cache,
    )  # fmt: skip
