"""Rules on folders of a graph driver that nothing refers to (classic-store 14, 18.1); the other garbage is in `garbage`."""

import re
from collections.abc import Iterable, Iterator

from docker_fsck.api import BUILDKIT_ID, ActionClass, Confidence, Fault, Model, Ref, Remedy, Rule, Severity, rule
from docker_fsck_plugins import derive, strangers
from docker_fsck_plugins.parts import lost_half
from docker_fsck_plugins.remedies import reclaim

PROBE = re.compile(
    r"(check-overlayfs-support|opaque-bug-check|multiple-lowerdir-check|metacopy-check|fsutils-dummy)[0-9]+|userxattr-check",
    re.ASCII,
)


def knowing_of(idents: Iterable[str]) -> tuple[str, ...]:
    """Which sources could name these driver dirs."""
    found = {"buildkit-dirs" if BUILDKIT_ID.fullmatch(ident.removesuffix("-init")) else "dirs" for ident in idents}
    return tuple(sorted(found))


@rule("driver-orphan", Severity.INFO, actions=(ActionClass.RECLAIM,), after=("aufs-partial-create",))
def driver_orphan(model: Model) -> Iterator[Fault]:
    """A folder of the graph driver that nothing refers to.

    Why it matters: space that no command sees or frees.
    How it comes about: the engine was killed between making the folder and writing the record, in pull, build, load or create.
    Repair: the folder and its short link are put away. Every source of references must have been read: records, mounts,
        BuildKit, the lists of parents of all that is kept, and the mounts and open files of every process.
    Never: on the word of `docker inspect`; while any source cannot be read; l/ itself.
    Seen in: FC-01, FC-07, FC-47
    """
    if model.layers.faults or model.mounts.faults or lost_half(model):
        return
    dead = set(_movable(model))
    for ident in sorted(dead):
        if ident.endswith("-init"):
            continue
        group = [ident] + ([f"{ident}-init"] if f"{ident}-init" in dead else [])
        yield _orphan(model, group)
    for pair in _doubtful(model):
        fault = _orphan(model, [pair, f"{pair}-init"])
        yield Fault(
            fault.subject, fault.message, fault.paths, "", "", fault.remedies, fault.through[1:], confidence=Confidence.PROBABLE
        )


def _movable(model: Model) -> list[str]:
    """What nothing refers to and a rename can put away; of the rest the driver's own rules tell (zfs, devicemapper)."""
    return [ident for ident in model.marks.dead_dirs if model.home.holdings(ident)]


def _doubtful(model: Model) -> list[str]:
    """Writable layers that nothing claims while some container lacks its own, less those of which it is known whose they are."""
    pairs, needy = model.marks.pairs, model.marks.needy
    if not needy or len(pairs) < 2:  # noqa: PLR2004 - a single one is that container's
        return []
    found = [derive.derive(model, model.containers[name], model.mounts.mounts.get(name)) for name in needy]
    known = {each.mount_id for each in found if not isinstance(each, str)}
    return [pair for pair in pairs if pair not in known and model.home.holdings(pair)]


def _orphan(model: Model, group: list[str]) -> Fault:
    ident = group[0]
    folders = set(map(model.home.path, group))  # what is orphaned itself, before the links that refer to it
    paths = tuple(sorted((path for each in group for path in model.home.holdings(each)), key=lambda path: path not in folders))
    forget = tuple(Ref("driverdir", each) for each in group)
    looks = (
        "a build snapshot"
        if BUILDKIT_ID.fullmatch(ident)
        else "a container's layer and its init layer"
        if len(group) > 1
        else "a layer"
    )
    remedy = Remedy(cls=ActionClass.RECLAIM, does=f"put {model.home.path(ident)} away", forget=forget, knowing=knowing_of(group))
    mine = strangers.in_dirs(model, group)
    through = (Ref("driverdir", ident), Ref("file", model.image_dir))
    message = f"nothing refers to {ident}, which looks like {looks}{strangers.told(mine)}"
    return Fault(Ref("driverdir", ident), message, paths, "", "", () if mine else (remedy,), through)


@rule("driver-orphan-init", Severity.INFO, actions=(ActionClass.RECLAIM,), after=("aufs-partial-create",))
def driver_orphan_init(model: Model) -> Iterator[Fault]:
    """An init layer X-init without its X that nothing refers to.

    Why it matters: lost space, little.
    How it comes about: a create that failed after the init layer, in engines before 29.1.4; a lost `init-id`.
    Repair: the folder and its short link are put away.
    Seen in: FC-01
    """
    dead = set() if model.layers.faults or model.mounts.faults or lost_half(model) else set(_movable(model))
    for ident in sorted(dead):
        if ident.endswith("-init") and ident.removesuffix("-init") not in dead:
            fault = _orphan(model, [ident])
            yield Fault(
                fault.subject, f"nothing refers to the init layer {ident}", fault.paths, "", "", fault.remedies, fault.through
            )


@rule("driver-probe-residue", Severity.INFO, actions=(ActionClass.RECLAIM,))
def probe_residue(model: Model) -> Iterator[Fault]:
    """A folder that the engine made at its start to try the file system was left.

    Why it matters: it does not.
    How it comes about: the engine was killed while it started.
    Repair: the folder is put away, unless something is mounted in it.
    """
    for base in ("", model.home.name):
        names = model.store.top_names(base)
        for name in names if isinstance(names, dict) else ():
            path = f"{base}/{name}" if base else name
            if (
                "-" in name
                and PROBE.fullmatch(name)
                and not any(_within(held, path) for held in model.store.host.held | model.store.host.mount_points)
            ):
                yield Fault(Ref("file", path), "a probe of the file system was left", (path,), "", "", (reclaim(path),))


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


RULES: tuple[Rule, ...] = (driver_orphan, driver_orphan_init, probe_residue)
