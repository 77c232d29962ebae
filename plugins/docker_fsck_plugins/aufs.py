"""The graph driver aufs: how its home is read, and its laws (classic-store 9.1)."""

from collections.abc import Collection, Iterable, Iterator

from docker_fsck.api import DRIVER_ID, Driver, Part, Reader, Rule, Trouble, hookimpl, shown
from docker_fsck_plugins import aufs_rules
from docker_fsck_plugins.parts import has_state, lacking, outside

PARTS = ("diff", "layers", "mnt")


class AufsHome:
    """What aufs keeps: `diff/<id>` (content), `layers/<id>` (ancestors, nearest first), `mnt/<id>` (mount point)."""

    name = "aufs"
    union = True

    def __init__(self, reader: Reader) -> None:
        """List the three folders and read the lists."""
        listed = {part: reader.names(f"aufs/{part}") for part in PARTS}
        self.partial = tuple(each for each in listed.values() if isinstance(each, Trouble) and each.state != "absent")
        self.entries = {part: {} if isinstance(names, Trouble) else names for part, names in listed.items()}
        self.lists = {ident: _lines(reader, ident) for ident, kind in self.entries["layers"].items() if kind == "file"}
        found = {ident for part in PARTS for ident in self.entries[part] if DRIVER_ID.fullmatch(ident)}
        self.all = dict.fromkeys(sorted(found))

    def ids(self) -> Collection[str]:
        """Every driver id that one of the three folders knows."""
        return self.all.keys()

    def path(self, ident: str) -> str:
        """The folder in `diff/`."""
        return f"aufs/diff/{ident}"

    def content(self, ident: str) -> str:
        """The same folder."""
        return self.path(ident)

    def part(self, part: str, ident: str) -> str:
        """The path of one of the three."""
        return f"aufs/{part}/{ident}"

    def missing(self, ident: str) -> Part | None:
        """The whole triple, or `diff` of it."""
        path = self.path(ident)
        kind = self.entries["diff"].get(ident)
        whole = None if kind == "dir" else lacking("diff" if kind or ident in self.all else "dir", path, kind)
        return outside(ident, path) or whole

    def list_of(self, ident: str) -> tuple[str, ...] | Trouble:
        """The lines of `layers/<id>`."""
        path = self.part("layers", ident)
        kind = self.entries["layers"].get(ident)
        return self.lists[ident] if kind == "file" else lacking("layers", path, kind, "file").trouble

    def needs(self, ident: str) -> tuple[str, ...]:
        """The listed ancestors."""
        found = self.list_of(ident)
        return () if isinstance(found, Trouble) else found

    def vague(self, ident: str) -> bool:
        """Whether the list cannot be read."""
        return isinstance(self.list_of(ident), Trouble)

    def aliases(self, ident: str) -> tuple[str, ...]:
        """All three places."""
        return tuple(self.part(part, ident) for part in PARTS)

    def holdings(self, ident: str) -> tuple[str, ...]:
        """What is there of the triple: the list that refers to others first."""
        return tuple(self.part(part, ident) for part in ("layers", "mnt", "diff") if ident in self.entries[part])


def _lines(reader: Reader, ident: str) -> tuple[str, ...] | Trouble:
    path = f"aufs/layers/{ident}"
    data = reader.read(path, 1 << 20)
    if isinstance(data, Trouble):
        return data
    lines = tuple(data.decode("utf-8", "backslashreplace").split("\n"))
    found = tuple(line for line in lines if line)
    return found if all(DRIVER_ID.fullmatch(line) for line in found) else Trouble(path, "malformed", shown(data))


class Aufs:
    """The driver."""

    name = "aufs"

    def detect(self, reader: Reader) -> bool:
        """Whether there is a home or an image tree."""
        return has_state(reader, self.name)

    def survey(self, reader: Reader) -> AufsHome:
        """Read the home."""
        return AufsHome(reader)


@hookimpl
def fsck_drivers() -> Iterator[Driver]:
    """The driver aufs."""
    yield Aufs()


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The laws of aufs."""
    return aufs_rules.RULES
