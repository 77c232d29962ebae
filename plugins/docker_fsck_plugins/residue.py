"""Rules on what starts and older versions of the engine leave in the root (classic-store 13, 14)."""

import re
from collections.abc import Iterable, Iterator

from docker_fsck.api import HEX64, ActionClass, Fault, Model, Ref, Remedy, Rule, Severity, hookimpl, rule
from docker_fsck_plugins.remedies import children, kind_at, reclaim

TMP_OLD, BUILDER, GRAPH = "tmp-old", "builder", "graph"
RUNTIMES = re.compile(r"runtimes-old|gen-runtimes[0-9]+", re.ASCII)
FSCACHE = frozenset({"fscache.db", "fscache"})
SINCE_20_10 = ("buildkit/metadata_v2.db", "engine-id")
LEGACY = re.compile(r"repositories-[a-z0-9]+|\.migration-v1-(images\.json|tags)|linkgraph\.db", re.ASCII)


@rule("tmp-old-stuck", Severity.INFO, actions=(ActionClass.RECLAIM,))
def tmp_old(model: Model) -> Iterator[Fault]:
    """The folder tmp-old holds something.

    Why it matters: it stays for ever, and each start has to delete tmp at once instead of in the background.
    How it comes about: the engine was killed while it deleted the temporary files of the run before.
    Repair: the folder is put away.
    Daemon says: failed to rename … for background deletion: … Deleting synchronously
    Seen in: FC-37
    """
    names = children(model, TMP_OLD)
    if names:
        message = f"{len(names)} temporary files of an earlier run were left"
        yield Fault(Ref("file", TMP_OLD), message, (TMP_OLD,), "", "", (reclaim(TMP_OLD),))


@rule("runtime-residue", Severity.INFO, actions=(ActionClass.RECLAIM,))
def runtime(model: Model) -> Iterator[Fault]:
    """A copy of the generated runtime scripts was left.

    Why it matters: it does not.
    How it comes about: the engine was killed while it started: `runtimes` is made anew at every start.
    Repair: the folder is put away.
    """
    for name, kind in children(model, "").items():
        if kind == "dir" and RUNTIMES.fullmatch(name):
            yield Fault(Ref("file", name), "scripts of runtimes were left", (name,), "", "", (reclaim(name),))


@rule("builder-fscache", Severity.INFO, actions=(ActionClass.RECLAIM,))
def fscache(model: Model) -> Iterator[Fault]:
    """The build cache of the builder of engines 17.07 to 19.03 was left.

    Why it matters: space that no command sees or frees; no engine since 20.10 reads it.
    How it comes about: an upgrade.
    Repair: the folder is put away if an engine of 20.10 or newer has used this root; else it is only told. What else lies in
        it stays there.
    """
    if FSCACHE & children(model, BUILDER).keys():
        remedies: tuple[Remedy, ...] = ()
        if any(kind_at(model, sign) == "file" for sign in SINCE_20_10):
            names = children(model, BUILDER)
            own = names.keys() <= FSCACHE
            remedies = (reclaim(*([BUILDER] if own else [f"{BUILDER}/{name}" for name in names if name in FSCACHE])),)
        yield Fault(Ref("file", BUILDER), "the cache of the old builder was left", (BUILDER,), "", "", remedies)


@rule("legacy-graph", Severity.INFO)
def legacy(model: Model) -> Iterator[Fault]:
    """The image store of engines before 1.10 was left.

    Why it matters: space; no engine since 19.03 reads it, and a migration that succeeded never deletes it.
    How it comes about: an upgrade from before 1.10.
    Repair: none: the driver folders that `graph/` names are kept as long as it is there. If all images that are wanted are
        listed, move `graph/` and `repositories-*` away by hand and run docker-fsck again.
    Never: remove it before the migration is known to be whole.
    """
    names = children(model, "")
    held = any(HEX64.fullmatch(each) for each in children(model, GRAPH))
    paths = (*((GRAPH,) if held else ()), *(name for name in names if LEGACY.fullmatch(name)))
    if paths:
        yield Fault(Ref("file", GRAPH), f"the image store of an engine before 1.10 was left: {', '.join(paths)}", paths)


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The rules on residue."""
    return (tmp_old, runtime, fscache, legacy)
