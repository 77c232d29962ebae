"""Writable layers, `image/<driver>/layerdb/mounts/` (classic-store 7)."""

import re
from collections.abc import Iterable, Iterator

import msgspec

from docker_fsck import ids
from docker_fsck.facts import Row
from docker_fsck.reader import Reader
from docker_fsck.records.fields import digest_text, field, matching, optional
from docker_fsck.values import Trouble

FILES = ("mount-id", "init-id", "parent")
_Entry = tuple[str, Row | Trouble]
_INNER = re.compile(r"[0-9a-f]{64}-.+", re.DOTALL)
_DEEPEST = 16
"""Folders of a name; a reference has at most 255 characters and hardly ever more than four parts."""


class Mount(msgspec.Struct, frozen=True):
    """A mount record by its name (a container id, or what a build left). None: the file is absent, as it may be.

    The engine's pattern for both ids is 64 hex digits and perhaps `-init` (layer/filestore.go).
    """

    name: str
    path: str
    mount_id: str | Trouble
    init_id: str | Trouble | None
    parent: str | Trouble | None

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What keeps the engine from loading the record."""
        return tuple(each for each in (self.mount_id, self.init_id, self.parent) if isinstance(each, Trouble))

    @property
    def dir_ids(self) -> tuple[str, ...]:
        """Driver ids that the record names or implies."""
        found = [each for each in (self.mount_id, self.init_id) if isinstance(each, str)]
        if isinstance(self.mount_id, str) and not self.mount_id.endswith("-init"):
            found.append(f"{self.mount_id}-init")
        if isinstance(self.init_id, str):
            found.append(self.init_id.removesuffix("-init"))
        return tuple(dict.fromkeys(found))

    @property
    def parent_id(self) -> str | None:
        """The chain id of the parent if it is known."""
        return self.parent if isinstance(self.parent, str) else None


class MountTable(msgspec.Struct, frozen=True):
    """Mount records by name, entries that are no folder by path; `faults`: what could not be listed. `absent`: no table."""

    mounts: dict[str, Mount]
    foreign: dict[str, str]
    faults: tuple[Trouble, ...]
    absent: bool = False


def read(reader: Reader, image_dir: str) -> MountTable:
    """All of `image_dir`/layerdb/mounts."""
    base = f"{image_dir}/layerdb/mounts"
    rows = reader.table(base, FILES)
    if isinstance(rows, Trouble):
        absent = rows.state == "absent"
        return MountTable({}, {}, () if absent else (rows,), absent=absent)
    mounts: dict[str, Mount] = {}
    foreign: dict[str, str] = {}
    for name, row in _named(reader, base, rows):
        path = f"{base}/{name}"
        if isinstance(row, Row):
            mounts[name] = _mount(name, path, row)
        elif row.state == "wrong":
            foreign[path] = row.why
        elif row.state == "unreadable":
            mounts[name] = Mount(name, path, row, row, row)
    return MountTable(mounts, foreign, ())


def _named(reader: Reader, base: str, rows: Iterable[_Entry], above: str = "") -> Iterator[_Entry]:
    """The records with their names.

    For an image that is mounted in a container engine 28 gives the name `<container>-<reference>`, of which each slash makes a
    folder (moby: daemon/volumes.go, layer/filestore.go).
    """
    for last, row in rows:
        name = f"{above}{last}"
        inner = isinstance(row, Row) and "dir" in row.entries.values() and _INNER.fullmatch(name) and name.count("/") < _DEEPEST
        found = reader.table(f"{base}/{name}", FILES) if inner else None
        if found is None or isinstance(found, Trouble):
            yield name, found or row
            continue
        if isinstance(row, Row) and row.files:
            yield name, row
        yield from _named(reader, base, found, f"{name}/")


def _either(value: str) -> bool:
    return bool(ids.MOUNT_ID.fullmatch(value) or ids.INIT_ID.fullmatch(value))


def _mount(name: str, path: str, row: Row) -> Mount:
    ident = matching(_either)
    return Mount(
        name,
        path,
        field(row, path, "mount-id", ident),
        optional(row, path, "init-id", ident),
        optional(row, path, "parent", digest_text),
    )
