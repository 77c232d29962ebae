"""The folders of the graph drivers, made as the engine makes them; knows no image and no record."""

import os
from pathlib import Path
from typing import Literal, Protocol

from docker_fsck.testing import subvolumes
from docker_fsck.testing.disk import Disk
from docker_fsck.testing.layertar import Files
from docker_fsck.testing.names import short_name
from docker_fsck.testing.pools import Devicemapper, Zfs

Kind = Literal["image", "init", "writable"]
"""`image`: unpacked, never mounted. `init`: mounted once for the standard files. `writable`: mounted and written to
(a container's layer or a BuildKit snapshot)."""

INIT_FOLDERS = ("dev/pts", "dev/shm", "etc", "proc", "sys")
INIT_FILES = (".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf")
INIT_LINKS = {"etc/mtab": "/proc/mounts"}


INNER = 0 if os.geteuid() == 0 else 0o700
"""The mode of `work/work`: the kernel makes it with no bits at all. Only root can remove such a folder again."""


class HomeBuilder(Protocol):
    """Makes driver dirs."""

    def make(self, ident: str, parent: str | None, files: Files, kind: Kind) -> None:
        """A driver dir `ident` above the driver dir `parent`."""
        ...

    def folder(self, ident: str) -> Path:
        """The driver dir of `ident`: the one folder that is named like it."""
        ...

    def content(self, ident: str) -> Path:
        """Where the files of `ident` lie."""
        ...


def home_of(driver: str, root: Path, disk: Disk) -> HomeBuilder:
    """The home of `driver` below `root`. Raises ValueError for a driver that has no builder."""
    match driver:
        case "overlay2":
            return Overlay2(root / driver, disk)
        case "fuse-overlayfs":
            return Overlay2(root / driver, disk, work=0o710, inner=0o700)
        case "vfs":
            return Vfs(root / driver, disk)
        case "aufs":
            return Aufs(root / driver, disk)
        case "overlay":
            return Overlay1(root / driver, disk)
        case "zfs":
            return Zfs(root / driver, disk)
        case "devicemapper":
            return Devicemapper(root / driver, disk)
        case "btrfs":
            return Btrfs(root / driver, disk)
    msg = f"no builder for the graph driver {driver!r}"
    raise ValueError(msg)


def _fill(disk: Disk, base: Path, files: Files, kind: Kind) -> None:
    """The content of a driver dir; an init layer also gets what the engine puts into every container (classic-store 7)."""
    if kind == "init":
        for name in INIT_FOLDERS:
            disk.folders(base, name)
        for name in INIT_FILES:
            disk.put(base / name, b"", 0o755)
        for name, target in INIT_LINKS.items():
            (base / name).unlink(missing_ok=True)
            disk.link(base / name, target)
    disk.tree(base, files)


class Overlay2:
    """`overlay2/<id>/{diff,link,lower,work,committed}` and `overlay2/l/<short>` (classic-store 9.2); fuse-overlayfs too."""

    def __init__(self, home: Path, disk: Disk, work: int = 0o700, inner: int = INNER) -> None:
        self._home, self._disk = disk.folder(home, 0o710), disk
        self._work, self._inner = work, inner
        self._lower: dict[str, str] = {}
        disk.folder(home / "l", 0o700)

    def folder(self, ident: str) -> Path:
        """`overlay2/<id>`."""
        return self._home / ident

    def content(self, ident: str) -> Path:
        """`overlay2/<id>/diff`."""
        return self._home / ident / "diff"

    def make(self, ident: str, parent: str | None, files: Files, kind: Kind) -> None:
        """In the engine's own order; a parent gets its `committed` mark."""
        disk, short = self._disk, short_name(ident)
        base = disk.folder(self.folder(ident), 0o710)
        disk.folder(base / "diff")
        disk.link(self._home / "l" / short, f"../{ident}/diff")
        disk.put(base / "link", short)
        if parent is not None:
            disk.folder(base / "work", self._work)
            disk.put(self.folder(parent) / "committed", b"", 0o600)
            self._lower[ident] = ":".join(filter(None, (f"l/{short_name(parent)}", self._lower.get(parent))))
            disk.put(base / "lower", self._lower[ident])
            if kind != "image":
                disk.folder(base / "work" / "work", self._inner)
        _fill(disk, base / "diff", files, kind)


class Vfs:
    """`vfs/dir/<id>`, each a whole copy of its parent (classic-store 9.5)."""

    def __init__(self, home: Path, disk: Disk) -> None:
        self._home, self._disk = disk.folder(home, 0o710), disk
        disk.folder(home / "dir", 0o710)

    def folder(self, ident: str) -> Path:
        """`vfs/dir/<id>`."""
        return self._home / "dir" / ident

    def content(self, ident: str) -> Path:
        """The driver dir itself."""
        return self.folder(ident)

    def make(self, ident: str, parent: str | None, files: Files, kind: Kind) -> None:
        """The parent's files, then its own."""
        base = self.folder(ident)
        if parent is None:
            self._disk.folder(base)
        else:
            self._disk.copy(self.folder(parent), base)
        _fill(self._disk, base, files, kind)


class Btrfs:
    """`btrfs/subvolumes/<id>`, each a snapshot of its parent (classic-store 9.6). Only on a btrfs, and only for root."""

    def __init__(self, home: Path, disk: Disk) -> None:
        self._home, self._disk = disk.folder(home, 0o710), disk
        disk.folder(home / "subvolumes", 0o710)

    def folder(self, ident: str) -> Path:
        """`btrfs/subvolumes/<id>`."""
        return self._home / "subvolumes" / ident

    def content(self, ident: str) -> Path:
        """The subvolume itself."""
        return self.folder(ident)

    def make(self, ident: str, parent: str | None, files: Files, kind: Kind) -> None:
        """A subvolume or a snapshot, then its own files."""
        base = self.folder(ident)
        if parent is None:
            subvolumes.create(base)
        else:
            subvolumes.snapshot(self.folder(parent), base)
        self._disk.folder(base)
        _fill(self._disk, base, files, kind)


class Aufs:
    """`aufs/{diff,layers,mnt}/<id>` (classic-store 9.1)."""

    def __init__(self, home: Path, disk: Disk) -> None:
        self._home, self._disk = disk.folder(home, 0o710), disk
        self._lines: dict[str, str] = {}
        for name in ("mnt", "diff", "layers"):
            disk.folder(home / name, 0o710)

    def folder(self, ident: str) -> Path:
        """`aufs/diff/<id>`."""
        return self._home / "diff" / ident

    def content(self, ident: str) -> Path:
        """`aufs/diff/<id>`."""
        return self._home / "diff" / ident

    def make(self, ident: str, parent: str | None, files: Files, kind: Kind) -> None:
        """The triple; a branch that was mounted for writing also has the three entries that aufs keeps there."""
        disk = self._disk
        disk.folder(self._home / "mnt" / ident)
        base = disk.folder(self.folder(ident))
        self._lines[ident] = "" if parent is None else f"{parent}\n{self._lines[parent]}"
        disk.put(self._home / "layers" / ident, self._lines[ident])
        if parent is not None and kind != "image":
            disk.put(base / ".wh..wh.aufs", b"", 0o444)
            disk.folder(base / ".wh..wh.orph", 0o700)
            disk.folder(base / ".wh..wh.plnk", 0o700)
        _fill(disk, base, files, kind)


class Overlay1:
    """`overlay/<id>/root` or `overlay/<id>/{upper,work,lower-id}`; `merged` is there while mounted (classic-store 9.4)."""

    def __init__(self, home: Path, disk: Disk) -> None:
        self._home, self._disk = disk.folder(home, 0o710), disk

    def folder(self, ident: str) -> Path:
        """`overlay/<id>`."""
        return self._home / ident

    def content(self, ident: str) -> Path:
        """Its `root`, else its `upper`."""
        base = self.folder(ident)
        return base / "root" if (base / "root").is_dir() else base / "upper"

    def make(self, ident: str, parent: str | None, files: Files, kind: Kind) -> None:
        """As `Create` does it, and for an unpacked layer `ApplyDiff`: a tree that shares its files with the parent's."""
        disk, base = self._disk, self._disk.folder(self.folder(ident), 0o710)
        if parent is None:
            _fill(disk, disk.folder(base / "root"), files, kind)
            return
        above = self.folder(parent)
        if kind == "image" and (above / "root").is_dir():
            disk.share(above / "root", base / "root")
            _fill(disk, base / "root", files, kind)
            return
        if (above / "root").is_dir():
            lower = parent
            disk.folder(base / "upper")
        else:
            lower = (above / "lower-id").read_text()
            disk.copy(above / "upper", base / "upper")
        disk.folder(disk.folder(base / "work", 0o700) / "work", INNER)
        disk.put(base / "lower-id", lower, 0o600)
        _fill(disk, base / "upper", files, kind)
