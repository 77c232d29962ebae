"""Read-only layers, `image/<driver>/layerdb/sha256/` and `layerdb/tmp/` (classic-store 5)."""

from collections.abc import Callable

import msgspec

from docker_fsck import ahead, ids
from docker_fsck.facts import Row
from docker_fsck.reader import Reader
from docker_fsck.records.fields import cache_id, digest_text, field, int64, optional
from docker_fsck.records.gojson import ill_typed, strict
from docker_fsck.values import Trouble

FILES = ("diff", "size", "cache-id", "parent", "descriptor.json")

DESCRIPTOR = {
    "mediaType": "text",
    "digest": "text",
    "size": "integer",
    "urls": "texts",
    "annotations": "object",
    "platform": "object",
}


class Layer(msgspec.Struct, frozen=True):
    """A layer record by its chain id. A field is a `Trouble` where its file cannot be used; `parent` None: a base layer."""

    chain: str
    path: str
    diff: str | Trouble
    size: int | Trouble
    cache_id: str | Trouble
    parent: str | Trouble | None
    descriptor: Trouble | None
    tarsplit: bool
    residue: tuple[str, ...] = ()

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What keeps the engine from loading the record, in the order in which it reads (classic-store 5.4)."""
        fields = (self.diff, self.size, self.cache_id, self.parent, self.descriptor)
        return tuple(each for each in fields if isinstance(each, Trouble))

    @property
    def parent_id(self) -> str | None:
        """The parent's chain id if it is known."""
        return self.parent if isinstance(self.parent, str) else None

    @property
    def dir_id(self) -> str | None:
        """The driver id of the layer's content if it is known."""
        return self.cache_id if isinstance(self.cache_id, str) else None


class Leftover(msgspec.Struct, frozen=True):
    """A record on its way in (`layerdb/tmp/*`) or out (`*-removing`): `cache_id` names the driver dir that goes with it."""

    path: str
    chain: str | None
    cache_id: str | Trouble


class LayerTable(msgspec.Struct, frozen=True):
    """Layers by chain id, records in removal and in flight, foreign entries by path; `faults`: what could not be listed."""

    layers: dict[str, Layer]
    removing: tuple[Leftover, ...]
    tmp: tuple[Leftover, ...]
    foreign: dict[str, str]
    faults: tuple[Trouble, ...]
    absent: bool = False


def begin(reader: Reader, image_dir: str) -> Callable[[], LayerTable]:
    """Start to read in a second process where there are many records; what comes back ends it."""
    names = reader.names(f"{image_dir}/layerdb/sha256")
    return ahead.begin(reader, lambda each: read(each, image_dir), LayerTable, len(names) if isinstance(names, dict) else 0)


def read(reader: Reader, image_dir: str) -> LayerTable:
    """All of `image_dir`/layerdb but the mounts."""
    base = f"{image_dir}/layerdb/sha256"
    rows = reader.table(base, FILES)
    layers: dict[str, Layer] = {}
    removing: list[Leftover] = []
    foreign: dict[str, str] = {}
    faults: list[Trouble] = []
    absent = isinstance(rows, Trouble) and rows.state == "absent"
    if isinstance(rows, Trouble):
        faults += [rows] if rows.state != "absent" else []
        rows = iter(())
    for name, row in rows:
        path = f"{base}/{name}"
        gone = ids.REMOVING.fullmatch(name)
        if ids.HEX64.fullmatch(name):
            layers[f"sha256:{name}"] = _layer(f"sha256:{name}", path, row)
        elif gone and isinstance(row, Row):
            removing.append(Leftover(path, f"sha256:{gone[1]}", field(row, path, "cache-id", cache_id)))
        else:
            foreign[path] = "dir" if isinstance(row, Row) else row.why
    tmp, fault = _tmp(reader, f"{image_dir}/layerdb/tmp")
    return LayerTable(layers, tuple(removing), tmp, foreign, (*faults, *fault), absent)


def _layer(chain: str, path: str, row: Row | Trouble) -> Layer:
    if isinstance(row, Trouble):
        return Layer(chain, path, row, row, row, row, None, tarsplit=False)
    descriptor = optional(row, path, "descriptor.json", _json_object)
    return Layer(
        chain,
        path,
        field(row, path, "diff", digest_text),
        field(row, path, "size", int64),
        field(row, path, "cache-id", cache_id),
        optional(row, path, "parent", digest_text),
        descriptor if isinstance(descriptor, Trouble) else None,
        tarsplit=row.entries.get("tar-split.json.gz") == "file",
        residue=tuple(f"{path}/{name}" for name in row.entries if name.startswith(".tmp-")),
    )


def _json_object(data: bytes) -> bool | None:
    value = strict(data, "")
    if isinstance(value, Trouble):
        return None
    return True if value is None or (isinstance(value, dict) and ill_typed(value, DESCRIPTOR) is None) else None


def _tmp(reader: Reader, base: str) -> tuple[tuple[Leftover, ...], list[Trouble]]:
    rows = reader.table(base, ("cache-id",))
    if isinstance(rows, Trouble):
        return (), [rows] if rows.state != "absent" else []
    found = []
    for name, row in rows:
        path = f"{base}/{name}"
        ident = field(row, path, "cache-id", cache_id) if isinstance(row, Row) else row
        found.append(Leftover(path, None, ident))
    return tuple(found), []
