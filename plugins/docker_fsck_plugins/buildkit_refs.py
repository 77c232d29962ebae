"""A rule on names in BuildKit's databases that lead nowhere inside of them (buildkit-and-containerd-store 2.2-2.4)."""

import re
from collections.abc import Iterator

from docker_fsck.api import Bucket, Database, Fault, Model, Ref, Rule, Severity, gojson, is_digest, open_database, rule
from docker_fsck_plugins.buildkit_nodes import buckets, text
from docker_fsck_plugins.buildkit_rules import CACHE, LEASES, RECORDS, SNAPSHOTS, builds

NO_DIGEST = re.compile(r"sha256:(?![0-9a-f]{64})", re.ASCII)
POINTING = ("cache.parent", "cache.lowerDiffParent", "cache.upperDiffParent", "cache.equalMutable")


@rule("buildkit-record-damaged", Severity.INFO, after=("buildkit-db-unreadable", "buildkit-db-missing"))
def record_damaged(model: Model) -> Iterator[Fault]:
    """An entry in a database of BuildKit names another one that is not there, or cannot be read.

    Why it matters: the step is built anew, or a prune leaves it: the build cache is all that it concerns.
    How it comes about: bit rot, since the databases have no checksum of their pages; databases of two times in one folder.
    Repair: none; `docker builder prune --all` removes the build cache.
    """
    found = builds(model)
    if found is None or found.hides or model.store.unknown or any(each.layers.faults for each in model.store.models):
        return
    read = {path: open_database(model.store.reader, path) for path in (SNAPSHOTS, LEASES, RECORDS, CACHE)}
    roots = {path: each.root for path, each in read.items() if isinstance(each, Database)}
    chains = {chain for each in model.store.models for chain in each.layers.layers}
    lost = {
        SNAPSHOTS: list(_snapshots(roots.get(SNAPSHOTS), chains)),
        LEASES: list(_leases(roots.get(LEASES), roots.get(SNAPSHOTS))),
        RECORDS: list(_records(roots.get(RECORDS))),
        CACHE: list(_cache(roots.get(CACHE))),
    }
    for path, faults in lost.items():
        if faults:
            message = f"{len(faults)} entries of {path} lead nowhere, the first: {faults[0]}"
            yield Fault(Ref("file", path), message, (path,), "entries that agree", faults[0], through=(Ref("file", SNAPSHOTS),))


def _snapshots(root: Bucket | None, chains: set[str]) -> Iterator[str]:
    known = {key for key, _ in buckets(root)} if root else set()
    for key, bucket in buckets(root) if root else ():
        parent = text(bucket, "parent")
        if parent and parent not in known and parent not in chains:
            yield f"the snapshot {key} stands on {parent}"
        if (size := text(bucket, "size")) and not size.isdecimal():
            yield f"the snapshot {key} has the size {size}"


def _leases(root: Bucket | None, snapshots: Bucket | None) -> Iterator[str]:
    """A lease is written before the snapshot of its own name: a build that was killed may have left it alone."""
    known = {key for key, _ in buckets(snapshots)} if snapshots else set()
    spaces = root.bucket(b"v1") if root else None
    for _, space in buckets(spaces) if spaces else ():
        blobs, leases = space.bucket(b"content", b"blob"), space.bucket(b"leases")
        listed = {key for key, _ in buckets(blobs)} if blobs else set()
        yield from (f"a blob is called {name}" for name in sorted(listed) if not is_digest(name))
        for key, lease in buckets(leases) if leases else ():
            held = lease.bucket(b"snapshots")
            for kind, inner in buckets(held) if held else ():
                wrong = _names(inner) if kind != "default" else _names(inner) - known - {key} if snapshots else set()
                yield from (f"the lease {key} holds the snapshot {kind}/{name}" for name in sorted(wrong))
            content = lease.bucket(b"content")
            names = _names(content) if content else set()
            yield from (f"the lease {key} holds the blob {name}" for name in sorted(names - listed))


def _names(bucket: Bucket) -> set[str]:
    return {name.decode("utf-8", "backslashreplace") for name, _ in bucket.items()}


def _records(root: Bucket | None) -> Iterator[str]:
    main = root.bucket(b"_main") if root else None
    known = {key for key, _ in buckets(main)} if main else set()
    for key, record in buckets(main) if main else ():
        for name, data in record.items():
            field = name.decode("utf-8", "backslashreplace")
            value = gojson.strict(data, RECORDS) if isinstance(data, bytes) and data else {}
            if not isinstance(value, dict):
                yield f"the record {key} has a {field} that is no JSON object"
            elif field in POINTING and data and value.get("value") not in known:
                yield f"the record {key} names as {field} {value.get('value')}"


def _cache(root: Bucket | None) -> Iterator[str]:
    """Results and links are kept in both directions (solver/bboltcachestorage)."""
    if root is None:
        return
    for table, other in ((b"_result", b"_byresult"), (b"_links", b"_backlinks")):
        there = {(key, name.rpartition("@")[2]) for key, name in _pairs(root, table)}
        back = {(key, name) for name, key in _pairs(root, other)}
        yield from (f"{' '.join(pair)} is in one of {table.decode()} and {other.decode()}" for pair in sorted(there ^ back))
    results = root.bucket(b"_result")
    for key, held in buckets(results) if results else ():
        for name, data in held.items():
            value = gojson.strict(data, CACHE) if isinstance(data, bytes) else None
            if not isinstance(value, dict) or not gojson.is_time(str(value.get("CreatedAt"))):
                yield f"the result {key} {name.decode('utf-8', 'backslashreplace')} cannot be read"
    yield from (f"the link {name} names no digest" for _, name in sorted(_pairs(root, b"_links")) if NO_DIGEST.search(name))


def _pairs(root: Bucket, table: bytes) -> set[tuple[str, str]]:
    found = root.bucket(table)
    rows = buckets(found) if found else ()
    return {(key, name) for key, held in rows for name in _names(held)}


RULES: tuple[Rule, ...] = (record_damaged,)
