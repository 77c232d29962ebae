"""The objects in BuildKit's databases: leases, records, snapshots, what each keeps (buildkit-and-containerd-store 2.2-2.4)."""

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from docker_fsck.api import Bucket, Node, Ref, is_digest
from docker_fsck_plugins.buildkit_rules import LEASES, RECORDS, SNAPSHOTS

TEMPORARY = b"buildkit/lease.temporary"
BELOW = ("cache.parent", "cache.lowerDiffParent", "cache.upperDiffParent", "cache.equalMutable")
NANO = 1_000_000_000
WORDS = 72
"""Characters of a description that are shown: a RUN may be a page long."""


class _Value(msgspec.Struct):
    """The value of a record's key."""

    value: object = None


_DECODER = msgspec.json.Decoder(_Value)


def nodes(snapshots: Bucket | None, leases: Bucket | None, records: Bucket | None) -> Iterator[Node]:
    """All objects of the databases that could be read."""
    if snapshots is not None:
        yield from (_snapshot(snapshots, key, bucket) for key, bucket in buckets(snapshots))
    spaces = leases.bucket(b"v1") if leases else None
    for _, space in buckets(spaces) if spaces else ():
        found = space.bucket(b"leases")
        yield from (_lease(key, bucket) for key, bucket in buckets(found)) if found else ()
    main = records.bucket(b"_main") if records else None
    yield from (_record(key, bucket) for key, bucket in buckets(main)) if main else ()


def text(bucket: Bucket, field: str) -> str:
    """A value as text, empty where there is none."""
    value = bucket.get(field.encode())
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else ""


def own_dir(key: str, bucket: Bucket) -> str | None:
    """The driver id that holds a snapshot's data; None where that is an image layer's (section 2.2)."""
    if committed := text(bucket, "committed"):
        return committed
    if key.startswith("sha256:"):
        return None
    return None if text(bucket, "chainid") and bucket.get(b"parent") is None else key


def buckets(parent: Bucket) -> Iterator[tuple[str, Bucket]]:
    """The buckets in a bucket, with their names as text."""
    for key, value in parent.items():
        if isinstance(value, Bucket):
            yield key.decode("utf-8", "backslashreplace"), value


def _snapshot(root: Bucket, key: str, bucket: Bucket) -> Node:
    needs = []
    ident, parent, chain = own_dir(key, bucket), text(bucket, "parent"), text(bucket, "chainid")
    if ident is not None:
        needs.append(Ref("driverdir", ident))
    if ident not in {None, key} and root.bucket(str(ident).encode()) is not None:
        needs.append(Ref("snapshot", str(ident)))  # that bucket keeps the parent
    needs += [Ref("layer", each) for each in dict.fromkeys((key, chain, parent)) if is_digest(each)]
    if parent and not is_digest(parent):
        needs.append(Ref("snapshot", parent))
    return Node(Ref("snapshot", key), SNAPSHOTS, tuple(needs))


def _lease(ident: str, bucket: Bucket) -> Node:
    """A lease lives by itself; only engines end one."""
    kinds = bucket.bucket(b"snapshots")
    keys = [key.decode("utf-8", "backslashreplace") for _, each in buckets(kinds) for key, _ in each.items()] if kinds else []
    labels = bucket.bucket(b"labels")
    label = "temporary: gone at the next start" if labels and labels.get(TEMPORARY) is not None else ""
    return Node(Ref("lease", ident), LEASES, tuple(Ref("snapshot", key) for key in keys), label, root=True)


def _record(ident: str, bucket: Bucket) -> Node:
    fields = {name: _value(bucket, name) for name in (*BELOW, "cache.snapshot", "cache.chainID", "cache.mergeParents")}
    merged = fields["cache.mergeParents"]
    above = [fields[name] for name in BELOW] + (merged if isinstance(merged, list) else [])
    needs = [Ref("snapshot", str(fields["cache.snapshot"] or ident))]
    needs += [Ref("cache-record", each) for each in dict.fromkeys(map(str, filter(None, above)))]
    if is_digest(str(fields["cache.chainID"])):
        needs.append(Ref("layer", str(fields["cache.chainID"])))
    return Node(Ref("cache-record", ident), RECORDS, tuple(needs), _label(bucket), root=True)


def _label(bucket: Bucket) -> str:
    """What a person knows of a record: what made it, of which type, how large, when it was last used."""
    size, used = _value(bucket, "snapshot.size"), _value(bucket, "cache.lastUsedAt")
    parts = [str(_value(bucket, "cache.recordType") or "regular")]
    if isinstance(size, int) and size >= 0:
        parts.append(f"{size} bytes")
    if isinstance(used, int) and 0 < used < 1 << 62:
        parts.append(f"last used {datetime.fromtimestamp(used // NANO, UTC):%Y-%m-%d %H:%M} UTC")
    if _value(bucket, "cache.deleted") is True:
        parts.append("being deleted")
    what = str(_value(bucket, "cache.description") or "no description")
    return f"{what if len(what) <= WORDS else what[: WORDS - 1] + '…'} ({', '.join(parts)})"


def _value(bucket: Bucket, name: str) -> object:
    """The value under a key of a record, None where it cannot be read: no mark depends on it."""
    data = bucket.get(name.encode())
    try:
        return _DECODER.decode(data).value if isinstance(data, bytes) and data else None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
