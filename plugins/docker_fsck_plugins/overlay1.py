"""The graph driver overlay (v1): how its home is read (classic-store 9.4). Its rules are in `overlay1_rules`."""

from collections.abc import Collection, Iterable, Iterator

from docker_fsck.api import DRIVER_ID, Driver, Part, Reader, Row, Rule, Trouble, hookimpl, shown
from docker_fsck_plugins import overlay1_rules
from docker_fsck_plugins.parts import has_state, lacking, outside

SKELETON = frozenset({"upper", "work", "merged", "lower-id"})


class Overlay1Home:
    """What overlay keeps: `<id>/root` (a whole tree, hard-linked with its parent's), or `<id>/{upper,work,merged,lower-id}`.

    `lower-id` names the dir whose `root` lies below `upper`. A dir that has a `root` is nothing but that: the engine looks
    at the rest only where there is none. Made above a dir without `root`, `upper` and `lower-id` are copies of that dir's.
    """

    name = "overlay"
    union = False

    def __init__(self, reader: Reader) -> None:
        """Read the home."""
        rows = reader.table(self.name, ("lower-id",))
        self.rows: dict[str, Row | Trouble] = {} if isinstance(rows, Trouble) else dict(rows)
        self.dirs = {ident: row for ident, row in self.rows.items() if isinstance(row, Row) and DRIVER_ID.fullmatch(ident)}
        closed = {ident: row for ident, row in self.rows.items() if isinstance(row, Trouble) and row.state == "unreadable"}
        self.unread = closed.keys()
        self.partial = (rows,) if isinstance(rows, Trouble) and rows.state != "absent" else tuple(closed.values())

    def ids(self) -> Collection[str]:
        """Every driver id with a folder."""
        return self.dirs.keys()

    def path(self, ident: str) -> str:
        """The folder of `ident`."""
        return f"{self.name}/{ident}"

    def rooted(self, ident: str) -> bool:
        """Whether the dir holds a whole tree of its own."""
        return ident in self.dirs and self.dirs[ident].entries.get("root") == "dir"

    def content(self, ident: str) -> str:
        """The folder `root` or, where there is none, `upper`."""
        return f"{self.path(ident)}/{'upper' if self._framed(ident) else 'root'}"

    def _framed(self, ident: str) -> bool:
        return not self.rooted(ident) and ident in self.dirs and not SKELETON.isdisjoint(self.dirs[ident].entries)

    def missing(self, ident: str) -> Part | None:
        """The whole folder, or the tree in it."""
        path, row = self.path(ident), self.rows.get(ident)
        if stray := outside(ident, path):
            return stray
        if not isinstance(row, Row):
            return lacking("dir", path, None) if row is None else Part("dir", path, row)
        place = self.content(ident)
        kind = row.entries.get(place.rpartition("/")[2])
        return None if kind == "dir" else lacking("content", place, kind)

    def lower(self, ident: str) -> str | Trouble | None:
        """The driver id in `lower-id`, None for a dir with a tree of its own."""
        row = self.dirs.get(ident)
        if row is None or self.rooted(ident):
            return None
        path, data = f"{self.path(ident)}/lower-id", row.files.get("lower-id")
        if data is None:
            return lacking("lower-id", path, None, "file").trouble
        if isinstance(data, Trouble):
            return data
        text = data.decode("utf-8", "backslashreplace")
        return text if DRIVER_ID.fullmatch(text) else Trouble(path, "malformed", shown(data))

    def needs(self, ident: str) -> tuple[str, ...]:
        """The dir whose tree lies below."""
        lower = self.lower(ident)
        return (lower,) if isinstance(lower, str) else ()

    def vague(self, ident: str) -> bool:
        """Whether `lower-id` is due and cannot be read."""
        return isinstance(self.lower(ident), Trouble)

    def aliases(self, ident: str) -> tuple[str, ...]:
        """The folder."""
        return (self.path(ident),)

    def holdings(self, ident: str) -> tuple[str, ...]:
        """The folder."""
        return (self.path(ident),) if ident in self.dirs else ()


class Overlay1:
    """The driver."""

    name = "overlay"

    def detect(self, reader: Reader) -> bool:
        """Whether there is a home or an image tree."""
        return has_state(reader, self.name)

    def survey(self, reader: Reader) -> Overlay1Home:
        """Read the home."""
        return Overlay1Home(reader)


@hookimpl
def fsck_drivers() -> Iterator[Driver]:
    """The driver overlay."""
    yield Overlay1()


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The laws of overlay."""
    return overlay1_rules.RULES
