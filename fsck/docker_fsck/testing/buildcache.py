"""BuildKit's cache in a built root: driver dirs, snapshots.db, leases and records (buildkit-and-containerd-store 2.2-2.4)."""

import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from docker_fsck.ids import chain_id
from docker_fsck.testing.documents import compact
from docker_fsck.testing.layertar import MTIME, pack

if TYPE_CHECKING:
    from docker_fsck.testing.builder import DataRoot

YEAR_ONE = 62_135_596_800
"""Seconds from 0001-01-01, where Go's binary time begins, to 1970."""


class BuildCache(msgspec.Struct, frozen=True, kw_only=True):
    """What a `build_cache` call made; keys of snapshots.db, and driver ids.

    `active`: key and driver dir of a mutable snapshot (a build context), `result` the record that shares it and has
    no lease. `committed`: key of a build step whose data lies in the driver dir `committed_dir`. `imported`: record
    and key that stand for the image layer `chain`, with `chainid`. `exported`, `exported_dir`, `exported_image`: a
    step that became the layer of an image, so that BuildKit and layerdb both name its dir; empty without `export`.
    """

    active: str
    result: str
    committed: str
    committed_dir: str
    imported: str
    chain: str
    exported: str = ""
    exported_dir: str = ""
    exported_image: str = ""


class Tables(msgspec.Struct):
    """What the three databases hold: buckets of snapshots.db, lease -> snapshot key, record -> key -> JSON value."""

    snapshots: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)
    leases: dict[str, str] = msgspec.field(default_factory=dict)
    records: dict[str, dict[str, object]] = msgspec.field(default_factory=dict)


def build_cache(root: "DataRoot", image: str | None = None, export: str | None = None) -> BuildCache:
    """What a few builds FROM `image` (default: the newest one that has layers, else a new one) leave in the cache.

    `export` is a tag: then one step is exported as an image of that name.
    """
    base = root.images[image or _newest(root)]
    chain = base.chains[-1]
    below = root.layers[chain].cache_id
    active, result = _context(root)
    imported = _imported(root, chain)
    committed, committed_dir = _step(root, below, chain, imported)
    made = BuildCache(
        active=active, result=result, committed=committed, committed_dir=committed_dir, imported=imported, chain=chain
    )
    if export is not None:
        made = _exported(root, made, base.id, export)
    write_buildkit(root)
    root.disk.settle()
    return made


def write_buildkit(root: "DataRoot") -> None:
    """Write `buildkit/` from what the root knows, as an engine leaves it that ran a build at least once."""
    tables, folder = root.buildkit, root.disk.folder(root.path / "buildkit", 0o711)
    root.disk.folder(root.disk.folder(folder / "content") / "ingest")
    executor = root.disk.folder(folder / "executor", 0o711)
    root.disk.put(executor / "resolv.conf", "nameserver 192.0.2.53\n")
    root.disk.put(executor / "runc-log.json", b"")
    root.write_bolt("buildkit/cache.db", {name: {} for name in ("_backlinks", "_byresult", "_links", "_result")}, 0o600)
    root.write_bolt("buildkit/snapshots.db", tables.snapshots, 0o600)
    leases = {ident: _lease(key) for ident, key in tables.leases.items()}
    root.write_bolt("buildkit/containerdmeta.db", {"v1": {"buildkit": {"leases": leases}}} if leases else {}, 0o644)
    root.write_bolt("buildkit/metadata_v2.db", _records(tables.records), 0o600)
    root.disk.settle()


def _newest(root: "DataRoot") -> str:
    """The id of the newest image with a layer, made if there is none."""
    whole = [image.id for image in root.images.values() if image.diffs]
    return whole[-1] if whole else root.image("base:1", 1)


def _context(root: "DataRoot") -> tuple[str, str]:
    """A build context: a mutable snapshot, and the immutable record that shares its dir."""
    key, result = root.names.snapshot(), root.names.snapshot()
    root.make_dir_of(key, None, root.some_files(), "image")
    root.buildkit.snapshots[key] = {"parent": "", "size": "64"}
    root.buildkit.leases[key] = key
    shared = f"local.sharedKey:context:context:{key[:8]}"
    indexed: dict[str, object] = {shared: {"value": shared, "index": shared}}
    root.buildkit.records[key] = _record(root, "local source for context", {"cache.recordType": "source.local"}) | indexed
    fields = {"cache.equalMutable": key, "snapshot.committed": True, "snapshot.size": 64}
    root.buildkit.records[result] = _record(root, "local source for context", fields)
    return key, result


def _imported(root: "DataRoot", chain: str) -> str:
    """The record of an image layer: a lease on the chain-id itself, and a key that says `chainid`."""
    key = root.names.snapshot()
    root.buildkit.snapshots[key] = {"chainid": chain}
    root.buildkit.snapshots[chain] = {}
    root.buildkit.leases[key] = chain
    indexed: dict[str, object] = {"cache.chainID": {"value": chain, "index": f"chainid:{chain}"}}
    fields = {"cache.snapshot": chain, "cache.blobonly": True, "snapshot.committed": True, "snapshot.size": 0}
    fields |= {"cache.diffID": root.layers[chain].diff}
    root.buildkit.records[key] = _record(root, "from local", fields) | indexed
    return key


def _step(root: "DataRoot", below: str, parent: str, record: str) -> tuple[str, str]:
    """A committed build step above the driver dir `below`: the key it was committed under, and its driver dir."""
    key, ident, files = root.names.snapshot(), root.names.snapshot(), root.some_files()
    root.make_dir_of(ident, below, files, "writable")
    root.buildkit.snapshots[ident] = {"iscommitted": "", "parent": parent}
    root.buildkit.snapshots[key] = {"committed": ident, "size": str(pack(files).size)}
    root.buildkit.leases[key] = key
    fields = {"cache.equalMutable": None, "cache.parent": record, "snapshot.committed": True, "snapshot.size": 64}
    root.buildkit.records[key] = _record(root, "mount / from exec /bin/sh -c make", fields)
    return key, ident


def _exported(root: "DataRoot", made: BuildCache, base: str, tag: str) -> BuildCache:
    """A committed step that is also the top layer of an image over `base`."""
    files = root.some_files()
    packed = pack(files)
    key, ident = root.names.snapshot(), root.names.snapshot()
    root.make_dir_of(ident, root.layers[made.chain].cache_id, files, "writable")
    root.register(packed, made.chain, ident)
    root.buildkit.snapshots[ident] = {"iscommitted": "", "parent": made.chain}
    root.buildkit.snapshots[key] = {"chainid": chain_id(made.chain, packed.diff), "committed": ident}
    root.buildkit.leases[key] = key
    fields = {"cache.equalMutable": None, "cache.parent": made.imported, "snapshot.committed": True, "snapshot.size": packed.size}
    root.buildkit.records[key] = _record(root, "fileop target", fields)
    return msgspec.structs.replace(made, exported=key, exported_dir=ident, exported_image=root.image(tag, [files], base))


def _record(root: "DataRoot", description: str, fields: Mapping[str, object]) -> dict[str, object]:
    """A cache record; None stands for a key whose value was cleared."""
    moment = (MTIME + root.names.count()) * 1_000_000_000
    common: dict[str, object] = {
        "cache.cachePolicy": 1,
        "cache.createdAt": moment,
        "cache.description": description,
        "cache.lastUsedAt": moment,
        "cache.usageCount": 1,
    }
    return {key: value if value is None else {"value": value} for key, value in (common | dict(fields)).items()}


def _records(records: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    """The tree of metadata_v2.db."""
    if not records:
        return {}
    index = {
        f"{value['index']}::{ident}": b""
        for ident, row in records.items()
        for value in row.values()
        if isinstance(value, Mapping) and "index" in value
    }
    main = {ident: {key: compact(value) if value else b"" for key, value in row.items()} for ident, row in records.items()}
    return {"_external": {}, "_index": index, "_main": main}


def _lease(key: str) -> dict[str, object]:
    """A lease on one snapshot: time as Go writes it, label, resource (buildkit-and-containerd-store 2.3, 3.3)."""
    created = struct.pack(">BqiH", 1, MTIME + YEAR_ONE, 0, 0xFFFF)
    labels = {"containerd.io/gc.flat": "2024-05-01T10:00:00Z"}
    return {"createdat": created, "labels": labels, "snapshots": {"default": {key: b""}}}
