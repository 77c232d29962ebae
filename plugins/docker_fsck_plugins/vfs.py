"""The graph driver vfs: `vfs/dir/<id>` is a whole tree, nothing else is kept (classic-store 9.5). It has no laws of its own."""

from collections.abc import Collection, Iterator

from docker_fsck.api import DRIVER_ID, Driver, Part, Reader, Trouble, hookimpl
from docker_fsck_plugins.parts import FullCopies, has_state, lacking, outside


class VfsHome(FullCopies):
    """What vfs keeps: one folder a driver id, no parents."""

    name = "vfs"
    union = False

    def __init__(self, reader: Reader) -> None:
        """List the home."""
        names = reader.names("vfs/dir")
        self.partial: tuple[Trouble, ...] = (names,) if isinstance(names, Trouble) and names.state != "absent" else ()
        self.entries: dict[str, str] = {} if isinstance(names, Trouble) else names
        self.dirs = {ident for ident, kind in self.entries.items() if kind == "dir" and DRIVER_ID.fullmatch(ident)}

    def ids(self) -> Collection[str]:
        """Every driver id with a folder."""
        return self.dirs

    def path(self, ident: str) -> str:
        """The folder of `ident`."""
        return f"vfs/dir/{ident}"

    def missing(self, ident: str) -> Part | None:
        """The folder, unless it is there."""
        path = self.path(ident)
        kind = self.entries.get(ident)
        return outside(ident, path) or (None if kind == "dir" else lacking("dir", path, kind))

    def holdings(self, ident: str) -> tuple[str, ...]:
        """The folder."""
        return (self.path(ident),) if ident in self.dirs else ()


class Vfs:
    """The driver."""

    name = "vfs"

    def detect(self, reader: Reader) -> bool:
        """Whether there is a home or an image tree."""
        return has_state(reader, self.name)

    def survey(self, reader: Reader) -> VfsHome:
        """Read the home."""
        return VfsHome(reader)


@hookimpl
def fsck_drivers() -> Iterator[Driver]:
    """The driver vfs."""
    yield Vfs()
