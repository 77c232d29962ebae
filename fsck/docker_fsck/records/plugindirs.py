"""Managed plugins, `plugins/` (classic-store 11, FC-34)."""

import re

import msgspec

from docker_fsck import ids
from docker_fsck.facts import Row
from docker_fsck.reader import BIG, Reader
from docker_fsck.records.gojson import member, strict, text
from docker_fsck.values import Trouble

BASE = "plugins"
CONFIG = "config.json"
ROOTFS, BACKUP, DATA = "rootfs", "rootfs-old", "propagated-mount"
SCRATCH = f"{BASE}/tmp"  # noqa: S108 - of the engine, below the data root
REMOVING = re.compile(r"[0-9a-f]{64}-removing", re.ASCII)
_NAMED = re.compile(rb'"Name":"([^"\\]+)"')


class Plugin(msgspec.Struct, frozen=True):
    """A plugin by its folder's name. `fault`: why config.json cannot be used. `full`: its folders that hold something."""

    id: str
    path: str
    fault: Trouble | None
    name: str = ""
    full: frozenset[str] = frozenset()


class PluginTable(msgspec.Struct, frozen=True):
    """Plugins by id, removals that were cut short and unpacked scratch by path; `faults`: what could not be listed.

    `lost`: the names that stand in damaged configurations and in those of removals, of plugins or of anything else in them.
    """

    plugins: dict[str, Plugin]
    removing: tuple[str, ...] = ()
    scratch: tuple[str, ...] = ()
    faults: tuple[Trouble, ...] = ()
    lost: frozenset[str] = frozenset()


def read(reader: Reader) -> PluginTable:
    """All of plugins/."""
    rows = reader.table(BASE, ())
    if isinstance(rows, Trouble):
        return PluginTable({}, faults=() if rows.state == "absent" else (rows,))
    found: dict[str, Plugin] = {}
    removing: list[str] = []
    faults: list[Trouble] = []
    for name, row in rows:
        path = f"{BASE}/{name}"
        if REMOVING.fullmatch(name):
            removing.append(path)
        elif isinstance(row, Trouble):
            faults += [row] if row.state == "unreadable" else []
        elif ids.HEX64.fullmatch(name):
            found[name] = _plugin(reader, name, path, row)
    scratch = reader.names(SCRATCH)
    if isinstance(scratch, Trouble):
        faults += [scratch] if scratch.state == "unreadable" else []
        scratch = {}
    halves = (*(each.path for each in found.values() if each.fault is not None), *removing)
    lost = frozenset(name for path in halves for name in _names(reader, path))
    return PluginTable(found, tuple(removing), tuple(f"{SCRATCH}/{name}" for name in scratch), tuple(faults), lost)


def _names(reader: Reader, path: str) -> set[str]:
    data = reader.read(f"{path}/{CONFIG}", BIG)
    return {each.decode("utf-8", "replace") for each in _NAMED.findall(data)} if isinstance(data, bytes) else set()


def _plugin(reader: Reader, ident: str, path: str, row: Row) -> Plugin:
    full = frozenset(name for name in (ROOTFS, BACKUP, DATA) if name in row.entries and reader.names(f"{path}/{name}") != {})
    place = f"{path}/{CONFIG}"
    if CONFIG not in row.entries:
        return Plugin(ident, path, Trouble(place, "absent", "no such file"), full=full)
    data = reader.read(place, BIG)
    value = strict(data, place) if isinstance(data, bytes) else data
    if isinstance(value, Trouble):
        return Plugin(ident, path, value, full=full)
    inner = member(value, "plugin") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(inner, dict | None):
        return Plugin(ident, path, Trouble(place, "malformed", "not a JSON object"), full=full)
    if inner and (text(inner, "Id") or ident) != ident:
        return Plugin(ident, path, Trouble(place, "malformed", f"it is the configuration of {text(inner, 'Id')}"), full=full)
    return Plugin(ident, path, None, (text(inner, "Name") or "") if inner else "", full)
