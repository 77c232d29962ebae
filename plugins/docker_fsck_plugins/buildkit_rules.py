"""Rules on BuildKit's state beside a graph driver (classic-store 12, buildkit-and-containerd-store 2 and 4.2)."""

import re
from collections.abc import Iterator

from docker_fsck.api import (
    BUILDKIT_ID,
    ActionClass,
    Damaged,
    Fault,
    Model,
    Ref,
    References,
    Remedy,
    Rule,
    Severity,
    Trouble,
    Weight,
    alone,
    living,
    reach,
    rule,
)
from docker_fsck_plugins.parts import lost_half
from docker_fsck_plugins.remedies import put_away, reclaim, reset_builds

HOME = "buildkit"
SNAPSHOTS, LEASES = f"{HOME}/snapshots.db", f"{HOME}/containerdmeta.db"
RECORDS, OLD_RECORDS = f"{HOME}/metadata_v2.db", f"{HOME}/metadata.db"
CACHE, HISTORY = f"{HOME}/cache.db", f"{HOME}/history.db"
BACKUP = re.compile(r"cache\.db\.[0-9a-z]+\.bak", re.ASCII)
BUILDS = Ref("store", HOME)


def builds(model: Model) -> References | None:
    """What BuildKit keeps, told once: for the tree that holds any of it, else for the first; None for the others."""
    found = next((each for each in model.store.references if each.home == HOME), None)
    if found is None:
        return None
    owner = next((each for each in model.store.models if found.dirs & set(each.home.ids())), model.store.models[0])
    return found if model is owner else None


@rule("buildkit-db-unreadable", Severity.CRITICAL, actions=(ActionClass.LOSSY,))
def db_unreadable(model: Model) -> Iterator[Fault]:
    """A database of BuildKit is damaged.

    Why it matters: the engine does not start. Of cache.db alone engines since 27.0.1 make a new one, if its first pages are
        damaged; behind whole first pages it stops them too.
    How it comes about: power loss, a full disk, a wrong copy; cache.db is never synced, so that it is the first to break.
    Repair: cache.db is put away alone, nothing refers to it. Any other one goes with buildkit/ as a whole and exactly the
        folders and layers that only BuildKit names: the build cache and the list of past builds start empty. Images,
        containers and volumes are not touched. Cache mounts are lost. If anything else that could name such a folder cannot
        be read, buildkit/ goes alone and a later run finds the folders. Where only the newest transaction is torn nothing
        is done: the engine goes on with the state before it.
    Never: put one of the other databases away alone: the engine makes an empty one, builds then fail, and what only it
        named is lost space for good.
    Daemon says: failed to open database file …: invalid database
    Seen in: FC-30
    """
    found = builds(model)
    for source in found.sources if found else ():
        ref, paths, why = Ref("file", source.source), (source.source,), source.why or ""
        if isinstance(source, Damaged):
            remedy = _cache_alone() if source.source == CACHE and not _others(found) else reset_builds(())
            said = "" if "meta" in why else "panic: …"
            message = f"{source.source} is damaged: {why}"
            yield Fault(ref, message, paths, "a whole database", why, (remedy,), daemon_error=said)
        elif source.state == "partial":
            yield Fault(ref, f"{source.source}: {why}", paths, "two valid metas", why, severity=Severity.INFO)


def _cache_alone() -> Remedy:
    loses = ("which steps of past builds can be used again; what they made stays until a prune",)
    return Remedy(
        cls=ActionClass.LOSSY, does=f"put {CACHE} away: the engine makes a new one", steps=(put_away(CACHE),), loses=loses
    )


def _others(found: References | None) -> bool:
    others = [each for each in (found.sources if found else ()) if each.source != CACHE]
    return any(isinstance(each, Damaged) or (each.state == "absent" and found is not None and found.hides) for each in others)


@rule("buildkit-db-missing", Severity.ERROR, actions=(ActionClass.LOSSY,))
def db_missing(model: Model) -> Iterator[Fault]:
    """A database of BuildKit is gone, or empty, and what it named is still there.

    Why it matters: the engine makes an empty one. Without snapshots.db builds that use the cache fail; without
        containerdmeta.db a prune does; without metadata_v2.db, or all of buildkit/, no command sees the cache, and its folders
        take space for good.
    How it comes about: deleted by hand as a cure for something else, or not restored.
    Repair: what is left of buildkit/ is put away with exactly the folders and layers that nothing else needs: without the
        database no one can tell which of them it named, and with it gone no engine can use any. Done only if every
        other source of references was read, which then leaves no other owner for a folder with such a name.
    Never: while a copy of buildkit/ could be put back.
    Daemon says: can not convert active <id> to layer
    Seen in: FC-07, FC-30
    """
    found = builds(model)
    named = [each for each in found.sources if each.source not in {CACHE, HISTORY}] if found else []
    if found is None or not found.hides or any(each.state not in {"read", "absent"} for each in named):
        return
    lost = [alone(each, found) for each in model.store.models]
    dirs = [each.home.path(ident) for each, own in zip(model.store.models, lost, strict=True) for ident in sorted(own.dirs)]
    if not dirs and not found.nodes:
        return
    gone = tuple(each.source for each in found.sources if each.state == "absent")
    whole = not isinstance(model.store.reader.facts(HOME), Trouble)
    severity = Severity.ERROR if gone[0] != RECORDS and found.nodes else Severity.INFO
    message = f"{', '.join(gone) if whole else HOME} is not there, and {len(dirs)} folders that nothing else needs are"
    yield Fault(BUILDS, message, (*gone, *dirs), "a database", "none", (reset_builds(),), severity=severity)


@rule(
    "buildkit-ref-dangling",
    Severity.ERROR,
    actions=(ActionClass.LOSSY,),
    after=("buildkit-other-driver", "layer-driverdir-missing", "ovl-diff-missing", "aufs-dir-missing"),
)
def ref_dangling(model: Model) -> Iterator[Fault]:
    """The build cache names a folder or a layer that is not there.

    Why it matters: builds that use the step fail, and since 23.0 `docker system df` fails for the whole host.
    How it comes about: folders were deleted by hand in the graph driver's folder, the usual advice against a full disk.
    Repair: with the engine running `docker builder prune --all` mends it. Offline buildkit/ is put away with exactly the
        folders and layers that only it names; cache mounts are lost either way.
    Never: make an empty folder in its place.
    Daemon says: failed to prepare <id>: open …/<id>/committed: no such file or directory
    Seen in: FC-08
    """
    found = builds(model)
    if found is None or not (lost := _dangling(model, found)):
        return
    for ref in lost:
        owner = next((each.dir_owner[ref.id] for each in model.store.models if ref.id in each.dir_owner), None)
        through = (ref, BUILDS, *([Ref("layer", owner.chain)] if owner and ref.kind == "driverdir" else []))
        what = "a folder" if ref.kind == "driverdir" else "a layer record"
        said = "" if ref.kind == "driverdir" else "layer does not exist"
        message = f"the build cache names {what} that is not there: {ref.id}"
        yield Fault(ref, message, (model.path_of(ref), SNAPSHOTS), what, "nothing", (reset_builds(),), through, daemon_error=said)


def _dangling(model: Model, found: References) -> list[Ref]:
    """What living snapshots name directly and no tree holds; nothing where a tree, or who lives, is not known."""
    models = model.store.models
    if found.hides or model.store.unknown or any(each.home.partial or each.layers.faults for each in models):
        return []
    if any(map(lost_half, models)):
        return []
    held = {Ref("driverdir", ident) for each in models for ident in each.home.ids()}
    held |= {Ref("layer", chain) for each in models for chain in each.layers.layers}
    return sorted(_wanted(found) - held)


def _wanted(found: References) -> set[Ref]:
    """The folders and layers that living snapshots name; a record alone may speak of a layer that was never fetched."""
    live = living(found)
    snapshots = (node for node in found.nodes if node.ref.kind == "snapshot" and node.ref in live)
    return {ref for node in snapshots for ref in node.needs if ref.kind != "snapshot"}


@rule("buildkit-other-driver", Severity.ERROR, actions=(ActionClass.LOSSY,))
def other_driver(model: Model) -> Iterator[Fault]:
    """The build cache belongs to another graph driver: nothing that it names is here.

    Why it matters: buildkit/ is shared by all drivers of a root; every build that meets an old step fails.
    How it comes about: the storage driver was changed and its old tree deleted, or buildkit/ was copied from another host.
    Repair: buildkit/ is put away; no folder of this driver goes with it, since it names none.
    Daemon says: layer does not exist
    """
    found = builds(model)
    lost = _dangling(model, found) if found else []
    if found is not None and len(lost) > 1 and len(lost) == len(_wanted(found)):
        message = f"none of the {len(lost)} folders and layers that the build cache names is in a tree of this root"
        yield Fault(BUILDS, message, (SNAPSHOTS,), "names of this tree", "names of another one", (reset_builds(),))


@rule("buildkit-unseen", Severity.INFO, actions=(ActionClass.LOSSY,))
def unseen(model: Model) -> Iterator[Fault]:
    """Folders that BuildKit knows and no prune sees: snapshots without a cache record.

    Why it matters: `docker builder prune --all` frees nothing of them, `docker system df` does not count them.
    How it comes about: a build was killed between snapshot and record; metadata_v2.db was lost or deleted.
    Repair: buildkit/ is put away with exactly the folders and layers that only it names, which takes the rest of the build
        cache and its cache mounts too: prune first, then there is little to lose.
    Never: delete the folder and keep the snapshot: the next build that meets it fails.
    Seen in: FC-07
    """
    found = builds(model)
    if found is None or found.hides:
        return
    seen = {ref.id for ref in living(found, ("cache-record",))}
    for each in model.store.models:
        recorded = {layer.dir_id for chain, layer in each.layers.layers.items() if chain in seen and layer.dir_id}
        kept = reach(seen | recorded, each.home.needs)
        own = sorted(alone(each, found).dirs - kept) if (found.dirs & set(each.home.ids())) - kept else []
        if own:
            size = sum(weight.bytes for ident in own if isinstance(weight := model.store.weigh(each.home.path(ident)), Weight))
            message = f"{len(own)} folders with {size} bytes are known to BuildKit and seen by no prune"
            paths = (*(each.home.path(ident) for ident in own), SNAPSHOTS)
            yield Fault(BUILDS, message, paths, "a cache record", "none", (reset_builds(),))
            return


@rule("buildkit-cache-backup", Severity.INFO, actions=(ActionClass.RECLAIM,))
def cache_backup(model: Model) -> Iterator[Fault]:
    """The engine set a damaged cache.db aside and started a new one.

    Why it matters: it does not; nothing ever reads the file again.
    How it comes about: power loss; cache.db is never synced. Engines since 27.0.1 do so at their start.
    Repair: the file is put away.
    """
    names = model.store.top_names(HOME)
    for name in names if builds(model) and isinstance(names, dict) else ():
        if BACKUP.fullmatch(name):
            path = f"{HOME}/{name}"
            yield Fault(Ref("file", path), "a damaged cache.db was set aside", (path,), "", "", (reclaim(path),))


@rule("buildkit-executor-residue", Severity.INFO, actions=(ActionClass.RECLAIM,))
def executor_residue(model: Model) -> Iterator[Fault]:
    """What a build step needed while it ran is still there.

    Why it matters: some kilobytes that nothing ever removes.
    How it comes about: the engine was killed during a RUN.
    Repair: bundle and hosts file are put away, unless something is mounted in them.
    Never: beside a live engine, which may be running the step.
    """
    names = model.store.top_names(f"{HOME}/executor")
    if not builds(model) or model.store.host.state != "stopped" or not isinstance(names, dict):
        return
    for name, kind in names.items():
        ident = name.removeprefix("hosts.")
        if BUILDKIT_ID.fullmatch(ident) and kind == ("file" if ident != name else "dir"):
            path = f"{HOME}/executor/{name}"
            yield Fault(Ref("file", path), "a build step that was killed left its bundle", (path,), "", "", (reclaim(path),))


RULES: tuple[Rule, ...] = (
    db_unreadable, db_missing, ref_dangling, other_driver, unseen, cache_backup, executor_residue,
)  # fmt: skip
