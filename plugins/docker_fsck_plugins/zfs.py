"""The graph driver zfs: how its home is read from what `zfs list` printed (classic-store 9.7). Its rules are in `zfs_rules`."""

from collections.abc import Collection, Iterable, Iterator

from docker_fsck.api import DRIVER_ID, Driver, Part, Reader, Recorded, Rule, Trouble, hookimpl
from docker_fsck_plugins import zfs_rules
from docker_fsck_plugins.parts import FullCopies, has_state, outside
from docker_fsck_plugins.zfslist import PROBE, Dataset, parse

GRAPH = "zfs/graph"
LAYERS, MOUNTS = "image/zfs/layerdb/sha256", "image/zfs/layerdb/mounts"


class ZfsHome(FullCopies):
    """What zfs keeps: a dataset `<parent>/<id>` for each layer, a clone of its parent's; `zfs/graph/<id>` are mount points.

    `parent`: the dataset that holds them, empty if it is not known. `rows`: everything in the list, by name.
    """

    name = "zfs"
    union = False

    def __init__(self, reader: Reader, recorded: Recorded | None) -> None:
        """Read the list and the names of the mount points."""
        found = parse(recorded.text) if recorded is not None else {}
        self.rows: dict[str, Dataset] = {} if isinstance(found, str) else found
        names = reader.names(GRAPH)
        self.points = (
            {} if isinstance(names, Trouble) else {name: kind for name, kind in names.items() if DRIVER_ID.fullmatch(name)}
        )
        claimed, newest = _claimed(reader)
        self.parent = self._parent(claimed, reader.root)
        self.unseen = self._unseen(found, recorded, claimed, newest)
        self.partial: tuple[Trouble, ...] = (Trouble(self.name, "unreadable", self.unseen),) if self.unseen else ()
        self.datasets = {} if self.unseen else {row.base: row for row in self._children(self.parent)}
        self.clones: dict[str, list[str]] = {}
        self.cloned: dict[str, list[str]] = {}
        self.snapshots: dict[str, list[Dataset]] = {}
        for row in self.rows.values():
            if row.origin:
                self.clones.setdefault(row.origin, []).append(row.name)
                self.cloned.setdefault(row.origin.partition("@")[0], []).append(row.name)
            if row.kind == "snapshot":
                self.snapshots.setdefault(row.name.partition("@")[0], []).append(row)
        self.filled = {name for name, kind in self.points.items() if kind != "dir" or reader.names(f"{GRAPH}/{name}") != {}}

    def _children(self, parent: str) -> Iterator[Dataset]:
        rows = (row for row in self.rows.values() if row.above == parent and row.kind == "filesystem")
        return (row for row in rows if parent and DRIVER_ID.fullmatch(row.base))

    def _parent(self, claimed: Collection[str], root: str) -> str:
        """The dataset above the layers that the records name; without records the one in whose mount the root lies.

        Where several have such layers (a backup has the same names) only the one with the root in its mount is believed.
        """
        named = {row.above for row in self.rows.values() if row.kind == "filesystem" and row.base in claimed}
        if len(named) > 1:
            named = {name for name in named if name in self.rows and _around(self.rows[name].mountpoint, root)}
        if claimed:
            return named.pop() if len(named) == 1 else ""
        found = [row for row in self.rows.values() if row.kind == "filesystem" and _around(row.mountpoint, root)]
        return max(found, key=lambda row: len(row.mountpoint)).name if found else ""

    def _unseen(self, found: object, recorded: Recorded | None, claimed: Collection[str], newest: int) -> str:
        """Why the datasets are not known, empty if they are or if the root has never had any."""
        if recorded is None:
            if not claimed and not self.points:
                return ""
            return f"the datasets of zfs cannot be seen in the root: run `{PROBE} > FILE` and give it as --probe zfs=FILE"
        if isinstance(found, str):
            return f"--probe zfs={recorded.path}: {found}; it wants what `{PROBE}` prints"
        if not self.parent:
            return f"--probe zfs={recorded.path}: which of its datasets are those of this root cannot be told from the records"
        if newest > recorded.at_ns:
            return f"--probe zfs={recorded.path}: older than the newest record of a layer: stop the engine, then record it again"
        return ""

    def ids(self) -> Collection[str]:
        """Every driver id with a dataset."""
        return self.datasets.keys()

    def path(self, ident: str) -> str:
        """Where its dataset is mounted while it is used."""
        return f"{GRAPH}/{ident}"

    def missing(self, ident: str) -> Part | None:
        """The dataset, unless the list has it."""
        path = self.path(ident)
        if stray := outside(ident, path):
            return stray
        gone = Part("dir", path, Trouble(path, "absent", f"there is no dataset {self.parent}/{ident}"))
        return None if ident in self.datasets else gone

    def needs(self, ident: str) -> tuple[str, ...]:
        """The layer of whose snapshot the dataset is a clone: zfs destroys no snapshot that has one."""
        row = self.datasets.get(ident)
        origin = self.rows.get(row.origin.partition("@")[0]) if row else None
        return (origin.base,) if origin is not None and origin.base in self.datasets and origin.above == self.parent else ()

    def holdings(self, ident: str) -> tuple[str, ...]:
        """Nothing: no rename takes a dataset away."""
        del ident
        return ()


def _around(mountpoint: str, root: str) -> bool:
    return mountpoint.startswith("/") and f"{root}/".startswith(f"{mountpoint.rstrip('/')}/")


def _claimed(reader: Reader) -> tuple[set[str], int]:
    """The driver ids that records name, and when the newest of these was written (ns)."""
    claimed: set[str] = set()
    newest = 0
    for base, names in ((LAYERS, ("cache-id",)), (MOUNTS, ("mount-id", "init-id"))):
        rows = reader.table(base, names)
        for entry, row in () if isinstance(rows, Trouble) else rows:
            for name, data in () if isinstance(row, Trouble) else row.files.items():
                facts = reader.facts(f"{base}/{entry}/{name}")
                newest = newest if isinstance(facts, Trouble) else max(newest, facts.mtime_ns)
                if isinstance(data, bytes) and DRIVER_ID.fullmatch(text := data.decode("utf-8", "backslashreplace").strip()):
                    claimed.add(text)
    return claimed, newest


class Zfs:
    """The driver."""

    name = "zfs"
    probe = PROBE

    def detect(self, reader: Reader) -> bool:
        """Whether there is a home or an image tree."""
        return has_state(reader, self.name)

    def survey(self, reader: Reader) -> ZfsHome:
        """Read the home without a list of datasets."""
        return ZfsHome(reader, None)

    def survey_with(self, reader: Reader, recorded: Recorded | None) -> ZfsHome:
        """Read the home with the list that the operator recorded."""
        return ZfsHome(reader, recorded)


@hookimpl
def fsck_drivers() -> Iterator[Driver]:
    """The driver zfs."""
    yield Zfs()


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The laws of zfs."""
    return zfs_rules.RULES
