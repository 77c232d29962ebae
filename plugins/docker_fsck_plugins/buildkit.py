"""BuildKit with a graph driver: its databases, and what they keep in the driver's tree (buildkit-and-containerd-store 2)."""

from collections.abc import Collection, Iterable, Iterator

from docker_fsck.api import (
    BUILDKIT_ID,
    Bucket,
    Damaged,
    Database,
    Reader,
    References,
    Rule,
    Source,
    Trouble,
    hookimpl,
    is_digest,
    open_database,
    told,
)
from docker_fsck_plugins import buildkit_refs, buildkit_rules
from docker_fsck_plugins.buildkit_nodes import nodes, text
from docker_fsck_plugins.buildkit_rules import CACHE, HISTORY, HOME, LEASES, OLD_RECORDS, RECORDS, SNAPSHOTS

LOSES = (
    "the build cache: every step is built anew, and what cache mounts (RUN --mount=type=cache) held is gone",
    "the list of past builds",
)


class BuildKit:
    """Reads snapshots.db for what it names, the others so that nothing unread can hide a reference."""

    name = "buildkit"

    def references(self, reader: Reader, dirs: Collection[str]) -> References:
        """Driver ids and chain ids that it names (classic-store 12); what is hidden where a database cannot be read."""
        old = _lacks(reader, RECORDS) and not _lacks(reader, OLD_RECORDS)
        found = {path: _opened(reader, path) for path in (SNAPSHOTS, LEASES, OLD_RECORDS if old else RECORDS)}
        rest = {path: state for path in (CACHE, HISTORY) if not _absent(state := _opened(reader, path))}
        roots = {path: each.root for path, each in found.items() if isinstance(each, Database)}
        snapshots, records = roots.get(SNAPSHOTS), roots.get(OLD_RECORDS if old else RECORDS)
        named, chains = _snapshots(snapshots) if snapshots else (frozenset[str](), frozenset[str]())
        there = not _lacks(reader, HOME)
        return References(
            sources=tuple(told(path, each) for path, each in (found | rest).items()),
            dirs=named,
            chains=chains | (_record_chains(records) if records else frozenset()),
            hides=frozenset({"buildkit-dirs", "layers"}) if _blind(found, dirs, there=there, old=old) else frozenset(),
            nodes=tuple(nodes(snapshots, roots.get(LEASES), records)),
            home=HOME,
            loses=LOSES,
        )


def _opened(reader: Reader, path: str) -> Database | Source:
    """As it could be had; a folder in its place stops the engine as damage does."""
    found, facts = open_database(reader, path), reader.facts(path)
    if isinstance(found, Source) and not isinstance(facts, Trouble) and facts.kind == "dir" and path not in reader.mounts:
        return Damaged(path, "unreadable", "it is a folder")
    return found


def _lacks(reader: Reader, path: str) -> bool:
    facts = reader.facts(path)
    return isinstance(facts, Trouble) and facts.state == "absent"


def _absent(found: Database | Source) -> bool:
    return isinstance(found, Source) and found.state == "absent"


def _blind(found: dict[str, Database | Source], dirs: Collection[str], *, there: bool, old: bool) -> bool:
    """Whether something could have been named that was not read (interface promise 10)."""
    if any(told(path, each).state not in {"read", "absent"} for path, each in found.items()):
        return True
    if _absent(found[SNAPSHOTS]):
        return there or any(BUILDKIT_ID.fullmatch(ident) for ident in dirs)
    return not old and any(_absent(each) for each in found.values())


def _snapshots(root: Bucket) -> tuple[frozenset[str], frozenset[str]]:
    """The mark rules of classic-store 12: bucket names and `committed` are driver ids, digests are chain ids."""
    dirs: set[str] = set()
    chains: set[str] = set()
    for key, value in root.items():
        name = key.decode("utf-8", "backslashreplace")
        (chains if name.startswith("sha256:") else dirs).add(name)
        if not isinstance(value, Bucket):
            continue
        fields = {field: text(value, field) for field in ("committed", "chainid", "parent")}
        if fields["committed"]:
            dirs.add(fields["committed"])
        chains |= {fields[field] for field in ("chainid", "parent") if is_digest(fields[field])}
    return frozenset(dirs), frozenset(chains)


def _record_chains(root: Bucket) -> frozenset[str]:
    """The chain ids of cache records (`cache.chainID` holds `{"value": …}` with the digest as JSON text)."""
    main = root.bucket(b"_main")
    found: set[str] = set()
    for _, record in main.items() if main else ():
        if isinstance(record, Bucket):
            value = text(record, "cache.chainID")
            start = value.find("sha256:")
            if start >= 0 and is_digest(value[start : start + 71]):
                found.add(value[start : start + 71])
    return frozenset(found)


@hookimpl
def fsck_stores() -> Iterable[BuildKit]:
    """BuildKit's state."""
    return _stores()


def _stores() -> Iterator[BuildKit]:
    yield BuildKit()


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The rules on BuildKit's state."""
    return (*buildkit_rules.RULES, *buildkit_refs.RULES)
