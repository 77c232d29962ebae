"""Volumes: the folders of `volumes/`, their opts.json, and what volumes/metadata.db says of them (classic-store 11)."""

import json
import re
from typing import Any

import msgspec

from docker_fsck.boltread import open_database, told
from docker_fsck.facts import Row
from docker_fsck.reader import Reader
from docker_fsck.records.fields import decoded
from docker_fsck.records.gojson import ill_typed, member, strict, text
from docker_fsck.records.salvage import objects
from docker_fsck.values import Source, Trouble

BASE = "volumes"
DATABASE = f"{BASE}/metadata.db"
OPTS = "opts.json"
DATA = "_data"
OPTIONS = {"type": "MountType", "o": "MountOpts", "device": "MountDevice"}
"""Options of a local volume as `docker volume create -o` takes them, and their names in opts.json (volume/local)."""

_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_SIZE = re.compile(r"(\d+(?:\.\d+)*) ?([kmgtp]?)i?b?", re.ASCII | re.IGNORECASE)
_QUOTA_MAX = 1 << 64
_RECORD = re.compile(rb'\{"Name":"')


class Record(msgspec.Struct, frozen=True):
    """What volumes/metadata.db holds of a volume. `options` None: they are of a kind that the engine would not write."""

    name: str
    driver: str = "local"
    labels: dict[str, str] = {}
    options: dict[str, str] | None = {}

    @property
    def local(self) -> bool:
        """Whether the volume lies in this root."""
        return self.driver in {"", "local"}


class Options(msgspec.Struct, frozen=True):
    """A parsed opts.json; all empty means none, as the engine takes it."""

    kind: str = ""
    options: str = ""
    device: str = ""
    size: int = 0

    def text(self) -> str:
        """As the engine writes it."""
        document = {"MountType": self.kind, "MountOpts": self.options, "MountDevice": self.device, "Quota": {"Size": self.size}}
        whole = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
        return whole.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


class Volume(msgspec.Struct, frozen=True):
    """A folder of `volumes/`. `data`: the kind of its `_data`, empty if there is none; `target`: where that link points.

    `opts` None: no opts.json, as it is for most. `record` None: metadata.db has none, or could not be read.
    """

    name: str
    path: str
    data: str
    target: str
    opts: Options | Trouble | None
    record: Record | None


class VolumeTable(msgspec.Struct, frozen=True):
    """Volumes by name, other entries of the folder by path, all records by name; `database` is how metadata.db was read.

    `faults`: what could not be listed; `damaged`: records that cannot be parsed, by name.
    """

    volumes: dict[str, Volume]
    foreign: dict[str, str]
    records: dict[str, Record]
    damaged: dict[str, Trouble]
    database: Source
    faults: tuple[Trouble, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every volume was seen."""
        return not self.faults


def read(reader: Reader) -> VolumeTable:
    """All of volumes/."""
    records, damaged, source = _records(reader)
    rows = reader.table(BASE, (OPTS,))
    if isinstance(rows, Trouble):
        return VolumeTable({}, {}, records, damaged, source, () if rows.state == "absent" else (rows,))
    found: dict[str, Volume] = {}
    foreign: dict[str, str] = {}
    faults: list[Trouble] = []
    for name, row in rows:
        path = f"{BASE}/{name}"
        if isinstance(row, Row):
            found[name] = _volume(reader, name, path, row, records.get(name))
        elif row.state == "unreadable":
            faults.append(row)
        elif row.state == "wrong":
            foreign[path] = row.why
    return VolumeTable(found, foreign, records, damaged, source, tuple(faults))


def _volume(reader: Reader, name: str, path: str, row: Row, record: Record | None) -> Volume:
    kind = row.entries.get(DATA, "")
    links = reader.links(path) if kind == "link" else {}
    target = links.get(DATA, "") if isinstance(links, dict) else ""
    return Volume(name, path, kind, target if isinstance(target, str) else "", _opts(path, row), record)


def _opts(path: str, row: Row) -> Options | Trouble | None:
    data = row.files.get(OPTS)
    if OPTS not in row.entries or data is None:
        return None
    return data if isinstance(data, Trouble) else parse_opts(data, f"{path}/{OPTS}")


def parse_opts(data: bytes, path: str) -> Options | Trouble:
    """An opts.json as the engine reads it (json.Unmarshal); `null` and `{}` are valid and mean no options (FC-31)."""
    value = strict(data, path)
    if isinstance(value, Trouble) or value is None:
        return Options() if value is None else value
    if not isinstance(value, dict):
        return Trouble(path, "malformed", "not a JSON object")
    quota = member(value, "Quota")
    wrong = ill_typed(value, dict.fromkeys(OPTIONS.values(), "text") | {"Quota": "object"})
    wrong = wrong or (ill_typed(quota, {"Size": "integer"}) if isinstance(quota, dict) else None)
    size = member(quota, "Size") if isinstance(quota, dict) else 0
    if wrong or not 0 <= (size or 0) < _QUOTA_MAX:
        return Trouble(path, "malformed", wrong or "Size is no size")
    kind, options, device = (text(value, OPTIONS[name]) or "" for name in ("type", "o", "device"))
    return Options(kind, options, device, size or 0)


def rebuilt(options: dict[str, str]) -> Options | None:
    """The opts.json that the engine made of these options; None if one of them is not known."""
    if options.keys() - {*OPTIONS, "size"}:
        return None
    size = quota(options.get("size", ""))
    return None if size is None else Options(options.get("type", ""), options.get("o", ""), options.get("device", ""), size)


def quota(given: str) -> int | None:
    """The bytes that `size=` means: a number with a binary unit (docker/go-units RAMInBytes); None if it is none."""
    found = _SIZE.fullmatch(given)
    if not given or found is None or found[1].count(".") > 1:
        return None if given else 0
    return int(float(found[1]) * (1 << 10 * _UNITS[found[2].lower()]))


def _records(reader: Reader) -> tuple[dict[str, Record], dict[str, Trouble], Source]:
    database = open_database(reader, DATABASE)
    if isinstance(database, Source):
        return {}, {}, database
    records: dict[str, Record] = {}
    damaged: dict[str, Trouble] = {}
    bucket = database.root.bucket(b"volumes")
    for key, value in bucket.items() if bucket else ():
        name = decoded(key)
        made = parse_record(value, name) if isinstance(value, bytes) else Trouble(DATABASE, "malformed", "a bucket")
        if isinstance(made, Trouble):
            damaged[name] = made
        else:
            records[name] = made
    return records, damaged, told(DATABASE, database)


def parse_record(data: bytes, name: str) -> Record | Trouble:
    """A value of the bucket `volumes` (volume/service/db.go)."""
    value = strict(data, DATABASE)
    if isinstance(value, Trouble):
        return value
    if not isinstance(value, dict) or text(value, "Name") not in {name, ""} or not isinstance(member(value, "Driver"), str):
        return Trouble(DATABASE, "malformed", "no record of this volume")
    labels, options = _words(member(value, "Labels")), _words(member(value, "Options"))
    return Record(name, text(value, "Driver") or "", labels or {}, options)


def _words(value: Any) -> dict[str, str] | None:  # noqa: ANN401 - JSON is any value
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        return None
    return value


def salvage(data: bytes) -> tuple[Record, ...]:
    """The records that can still be read in a damaged database; old ones of freed pages may be among them."""
    found: dict[str, Record] = {}
    for value in objects(data, _RECORD):
        name = text(value, "Name") or ""
        made = parse_record(json.dumps(value).encode(), name)
        if name and isinstance(made, Record):
            found[name] = made
    return tuple(record for _, record in sorted(found.items()))
