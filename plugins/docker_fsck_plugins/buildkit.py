"""BuildKit with a graph driver: which driver dirs and layers only it names (buildkit-and-containerd-store 2)."""

from collections.abc import Collection, Iterable, Iterator

from docker_fsck.api import (
    BUILDKIT_ID,
    Bucket,
    Reader,
    References,
    Source,
    Trouble,
    hookimpl,
    is_digest,
    open_database,
)

HOME = "buildkit"
SNAPSHOTS = f"{HOME}/snapshots.db"
LEASES = f"{HOME}/containerdmeta.db"
RECORDS = f"{HOME}/metadata_v2.db"
OLD_RECORDS = f"{HOME}/metadata.db"


class BuildKit:
    """Reads snapshots.db for what it names; the other two only so that nothing unread can hide a reference."""

    name = "buildkit"

    def references(self, reader: Reader, dirs: Collection[str]) -> References:
        """Driver ids and chain ids of snapshots.db and metadata_v2.db; what is hidden where one cannot be read."""
        snapshots, leases, records = (_load(reader, path) for path in (SNAPSHOTS, LEASES, RECORDS))
        there = not isinstance(reader.facts(HOME), Trouble)
        could_name = there or any(BUILDKIT_ID.fullmatch(ident) for ident in dirs)
        old = not isinstance(reader.facts(OLD_RECORDS), Trouble)
        absent = [_lacks(snapshots)]
        unread = [isinstance(each, Source) and each.state != "absent" for each in (snapshots, leases, records)]
        blind = (absent[0] and could_name) or any(unread)
        blind = blind or (not absent[0] and not old and (_lacks(leases) or _lacks(records)))
        named_dirs, chains = _snapshots(snapshots) if isinstance(snapshots, Bucket) else (frozenset[str](), frozenset[str]())
        if isinstance(records, Bucket):
            chains |= _record_chains(records)
        return References(
            sources=tuple(_state(path, each) for path, each in ((SNAPSHOTS, snapshots), (LEASES, leases), (RECORDS, records))),
            dirs=named_dirs,
            chains=chains,
            hides=frozenset({"buildkit-dirs", "layers"}) if blind else frozenset(),
        )


def _lacks(found: Bucket | Source) -> bool:
    return isinstance(found, Source) and found.state == "absent"


def _state(path: str, found: Bucket | Source) -> Source:
    return found if isinstance(found, Source) else Source(path, "read")


def _load(reader: Reader, path: str) -> Bucket | Source:
    """The root bucket, or why there is none."""
    found = open_database(reader, path)
    return found if isinstance(found, Source) else found.root


def _snapshots(root: Bucket) -> tuple[frozenset[str], frozenset[str]]:
    """The mark rules of classic-store 12: bucket names and `committed` are driver ids, digests are chain ids."""
    dirs: set[str] = set()
    chains: set[str] = set()
    for key, value in root.items():
        name = key.decode("utf-8", "backslashreplace")
        (chains if name.startswith("sha256:") else dirs).add(name)
        if not isinstance(value, Bucket):
            continue
        fields = {field: _text(value.get(field)) for field in (b"committed", b"chainid", b"parent")}
        if fields[b"committed"]:
            dirs.add(fields[b"committed"])
        chains |= {fields[field] for field in (b"chainid", b"parent") if is_digest(fields[field])}
    return frozenset(dirs), frozenset(chains)


def _record_chains(root: Bucket) -> frozenset[str]:
    """The chain ids of cache records (`cache.chainID` holds `{"value": …}` with the digest as JSON text)."""
    main = root.get(b"_main")
    found: set[str] = set()
    for _, record in main.items() if isinstance(main, Bucket) else ():
        if isinstance(record, Bucket):
            text = _text(record.get(b"cache.chainID"))
            start = text.find("sha256:")
            if start >= 0 and is_digest(text[start : start + 71]):
                found.add(text[start : start + 71])
    return frozenset(found)


def _text(value: bytes | Bucket | None) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else ""


@hookimpl
def fsck_stores() -> Iterable[BuildKit]:
    """BuildKit's state."""
    return _stores()


def _stores() -> Iterator[BuildKit]:
    yield BuildKit()
