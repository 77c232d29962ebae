"""The graph driver devicemapper: how `metadata/` is read, and what thin_dump tells of the pool (classic-store 9.8)."""

import re
from collections.abc import Collection, Iterable, Iterator

import msgspec

from docker_fsck.api import DRIVER_ID, Driver, Part, Reader, Recorded, Rule, Trouble, gojson, hookimpl
from docker_fsck_plugins import devicemapper_rules
from docker_fsck_plugins.parts import FullCopies, has_state, lacking, outside

METADATA = "devicemapper/metadata"
SET, TRANSACTION = f"{METADATA}/deviceset-metadata", f"{METADATA}/transaction-metadata"
PROBE = "thin_dump --skip-mappings POOL-METADATA-DEVICE"
HIGHEST = 0xFFFFFF
SHAPE = {"device_id": "integer", "size": "integer", "transaction_id": "integer", "initialized": "flag", "deleted": "flag"}
OPEN_SHAPE = {"open_transaction_id": "integer", "device_hash": "text", "device_id": "integer"}
SET_SHAPE = {"next_device_id": "integer", "BaseDeviceUUID": "text", "BaseDeviceFilesystem": "text"}
SUPERBLOCK = re.compile(r'<superblock [^>]*\btransaction="([0-9]{1,19})"', re.ASCII)
THIN = re.compile(r'<device dev_id="([0-9]{1,8})"', re.ASCII)


class Device(msgspec.Struct, frozen=True):
    """What `metadata/<id>` says: the number of the thin device, and whether it waits for its deletion."""

    number: int
    deleted: bool


class Pool(msgspec.Struct, frozen=True):
    """What thin_dump says of the pool: its transaction and the numbers of its devices."""

    transaction: int
    numbers: frozenset[int]


class DevicemapperHome(FullCopies):
    """What devicemapper keeps: a thin device for each layer, and `metadata/<id>` with its number.

    `rows`: all that the engine loads as a device at its start, the base device included; `left`: temporary files.
    `open`: the transaction that was under way, `pool`: what was recorded of the pool, each None if not known.
    """

    name = "devicemapper"
    union = False

    def __init__(self, reader: Reader, recorded: Recorded | None) -> None:
        """Read every file of `metadata/`, and what was recorded."""
        names = reader.names(METADATA)
        self.partial: tuple[Trouble, ...] = (names,) if isinstance(names, Trouble) and names.state != "absent" else ()
        kinds = {} if isinstance(names, Trouble) else names
        self.left = sorted(f"{METADATA}/{name}" for name in kinds if name.startswith(".tmp"))
        special = {SET.rpartition("/")[2], TRANSACTION.rpartition("/")[2]}
        files = [name for name, kind in kinds.items() if kind != "dir" and name[:1] != "." and not name.endswith(".migrated")]
        self.rows = {name: _device(reader, f"{METADATA}/{name}") for name in files if name not in special}
        self.partial += tuple(row for row in self.rows.values() if isinstance(row, Trouble) and row.state == "unreadable")
        self.devices = {name: row for name, row in self.rows.items() if DRIVER_ID.fullmatch(name)}
        started = _members(reader, TRANSACTION, OPEN_SHAPE)
        self.broken = [each for each in (started, _members(reader, SET, SET_SHAPE)) if isinstance(each, Trouble)]
        self.open = None if isinstance(started, Trouble) else _number(started, "open_transaction_id")
        pool = _pool(recorded.text) if recorded else None
        self.pool = pool if isinstance(pool, Pool) else None
        wrong = pool if isinstance(pool, str) else ""
        self.unseen = f"--probe {self.name}={recorded.path}: {wrong}" if recorded and wrong else ""

    def ids(self) -> Collection[str]:
        """Every driver id with a file in `metadata/`."""
        return self.devices.keys()

    def path(self, ident: str) -> str:
        """The file that tells the thin device."""
        return f"{METADATA}/{ident}"

    def content(self, ident: str) -> str:
        """Where the device's tree is while it is mounted."""
        return f"{self.name}/mnt/{ident}/rootfs"

    def missing(self, ident: str) -> Part | None:
        """The file, unless it is there; what it says is another matter."""
        path = self.path(ident)
        return outside(ident, path) or (None if ident in self.devices else lacking("dir", path, None, "file"))

    def aliases(self, ident: str) -> tuple[str, ...]:
        """The mount point."""
        return (f"{self.name}/mnt/{ident}",)

    def holdings(self, ident: str) -> tuple[str, ...]:
        """Nothing: the file must not go without its device."""
        del ident
        return ()


def _members(reader: Reader, path: str, shape: dict[str, str]) -> dict[str, object] | Trouble:
    """The JSON object at `path` as the engine reads it; an absent file is an empty one."""
    data = reader.read(path, 1 << 16)
    if isinstance(data, Trouble):
        return {} if data.state == "absent" else data
    value = gojson.strict(data, path)
    if isinstance(value, Trouble):
        return value
    fault = gojson.ill_typed(value, shape) if isinstance(value, dict) else None if value is None else "no JSON object"
    fault = fault or next((f"{name} instead of {right}" for name, right in gojson.respelt(value, shape)), None)
    return Trouble(path, "malformed", fault) if fault else value or {}


def _number(members: dict[str, object], name: str) -> int:
    found = gojson.member(members, name)
    return found if isinstance(found, int) else 0


def _device(reader: Reader, path: str) -> Device | Trouble:
    members = _members(reader, path, SHAPE)
    if isinstance(members, Trouble):
        return members
    number = _number(members, "device_id")
    if not 0 <= number <= HIGHEST:
        return Trouble(path, "malformed", f"the device number {number} is none that a pool can have")
    return Device(number, gojson.member(members, "deleted") is True)


def _pool(text: str) -> Pool | str:
    """What thin_dump printed, or why this is nothing of that kind."""
    block = SUPERBLOCK.search(text)
    if block is None or not text.rstrip().endswith("</superblock>"):
        return f"not the whole of what `{PROBE}` prints"
    return Pool(int(block[1]), frozenset(map(int, THIN.findall(text))))


class Devicemapper:
    """The driver."""

    name = "devicemapper"
    probe = PROBE

    def detect(self, reader: Reader) -> bool:
        """Whether there is a home or an image tree."""
        return has_state(reader, self.name)

    def survey(self, reader: Reader) -> DevicemapperHome:
        """Read the home without a list of thin devices."""
        return DevicemapperHome(reader, None)

    def survey_with(self, reader: Reader, recorded: Recorded | None) -> DevicemapperHome:
        """Read the home with what thin_dump told."""
        return DevicemapperHome(reader, recorded)


@hookimpl
def fsck_drivers() -> Iterator[Driver]:
    """The driver devicemapper."""
    yield Devicemapper()


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The laws of devicemapper."""
    return devicemapper_rules.RULES
