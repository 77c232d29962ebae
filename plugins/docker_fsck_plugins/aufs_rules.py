"""The laws of aufs: the list of ancestors, the mount point, half removed and half made layers (classic-store 9.1)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from docker_fsck.api import (
    BUILDKIT_ID,
    DRIVER_ID,
    ActionClass,
    Fault,
    MakeDir,
    Model,
    Ref,
    Remedy,
    Rule,
    Severity,
    Trouble,
    WriteFile,
    rule,
)
from docker_fsck_plugins.orphans import knowing_of
from docker_fsck_plugins.remedies import lost_content, reclaim

if TYPE_CHECKING:
    from docker_fsck_plugins.aufs import AufsHome

DRIVERS = ("aufs",)
GONE = ("layer-driverdir-missing", "mount-rwdir-missing", "mount-initdir-missing", "aufs-dir-missing")


def _home(model: Model) -> "AufsHome":
    return cast("AufsHome", model.home)


def _living(model: Model) -> list[str]:
    return sorted((model.marks.dirs & _home(model).all.keys()) - model.dying)


@rule("aufs-layers-file", Severity.ERROR, actions=(ActionClass.LOSSLESS,), after=GONE, drivers=DRIVERS)
def layers_file(model: Model) -> Iterator[Fault]:
    """The list of ancestors of an aufs layer is missing, not a list of ids, or not that of its chain.

    Why it matters: a missing list counts as "no parents": the container silently sees only its own files.
    How it comes about: the list is appended line by line and not synced; a crash leaves it short.
    Repair: a list that is missing, not readable, or a shorter beginning of the right one is written again from the layer
        records. Any other list whose layers all exist is left alone.
    Daemon says: open …/aufs/layers/<id>: no such file or directory
    Seen in: FC-09
    """
    home = _home(model)
    for ident in _living(model):
        if home.missing(ident) is not None or home.partial:
            continue
        actual, expected = home.list_of(ident), model.expected_parents(ident)
        path = home.part("layers", ident)
        if isinstance(actual, Trouble) and actual.state == "unreadable":
            continue
        if isinstance(actual, Trouble):
            yield _list_fault(path, ident, f"the list of ancestors of {ident} is not usable: {actual.why}", expected, actual.why)
        elif expected is None and not actual and _stands(model, ident):
            yield _list_fault(path, ident, f"the list of ancestors of {ident} is empty, and it has some", None, "nothing")
        elif expected is not None and actual != expected:
            gone = tuple(cause for each in expected if home.missing(each) is not None for cause in _causes(model, each))
            cut = expected[: len(actual)] == actual or any(each not in home.all for each in actual)
            if not cut and _elsewhere(model, ident, actual, expected):
                continue
            message = (
                f"the list of ancestors of {ident} has {len(actual)} entries and is not that of its chain of {len(expected)}"
            )
            yield _list_fault(path, ident, message, expected if cut else None, " ".join(actual) or "nothing", gone)


def _stands(model: Model, ident: str) -> bool:
    """Whether a record tells that it stands on another layer, though not on which; that of a base is named by its diff."""
    mount, owner = model.dir_mount.get(ident), model.dir_owner.get(ident)
    writable = mount is not None and ident == mount.mount_id and mount.init_id is not None
    if owner is None or owner.parent is None:
        return writable
    return owner.parent_id is not None or (isinstance(owner.diff, str) and owner.chain != owner.diff)


def _elsewhere(model: Model, ident: str, actual: tuple[str, ...], expected: tuple[str, ...]) -> bool:
    """Whether a whole list that differs is legal (a parent in the shadow, classic-store 12.1) or init-parent-wrong's to tell."""
    if ident in model.dir_mount and actual[:1] != expected[:1]:
        return True
    odd = [mine for mine, due in zip(actual, expected, strict=False) if mine != due]
    return len(actual) == len(expected) and all(BUILDKIT_ID.fullmatch(each) for each in odd)


def _list_fault(
    path: str, ident: str, message: str, expected: tuple[str, ...] | None, actual: str, through: tuple[Ref, ...] = ()
) -> Fault:
    remedies: tuple[Remedy, ...] = ()
    text = "".join(f"{each}\n" for each in expected or ())
    if expected is not None:
        steps = (WriteFile(path=path, data=text.encode()),)
        remedies = (Remedy(cls=ActionClass.LOSSLESS, does=f"write {path} from the layer records", steps=steps),)
    return Fault(Ref("driverdir", ident), message, (path,), text.replace("\n", " ").strip(), actual, remedies, through)


def _causes(model: Model, ident: str) -> tuple[Ref, ...]:
    layer, mount = model.dir_owner.get(ident), model.dir_mount.get(ident)
    refs = [Ref("driverdir", ident)]
    refs += [Ref("layer", layer.chain)] if layer else []
    refs += [Ref("mount", mount.name)] if mount else []
    return tuple(refs)


@rule("aufs-dir-missing", Severity.ERROR, actions=(ActionClass.LOSSLESS, ActionClass.LOSSY), drivers=DRIVERS)
def dir_missing(model: Model) -> Iterator[Fault]:
    """The content (`diff/<id>`) or the mount point (`mnt/<id>`) of an aufs layer is missing.

    Why it matters: nothing above a layer without content can be mounted, nothing at all without its mount point.
    How it comes about: cleaning by hand that took one of the three folders.
    Repair: a mount point is made again, it is empty; lost content is forgotten with what stands on it, so that a pull
        fetches it.
    Never: make an empty folder in place of lost content.
    Daemon says: error creating aufs mount to …/mnt/<id>: no such file or directory
    Seen in: FC-09
    """
    home = _home(model)
    for ident in () if home.partial else _living(model):
        part = home.missing(ident)
        layer = model.dir_owner.get(ident)
        if part is not None and part.name == "diff":
            remedies = lost_content(model, ident, part)
            refers = (layer.path,) if layer else ()
            yield Fault(
                Ref("driverdir", ident),
                f"the content of {ident} is gone",
                (part.path, *refers),
                "a folder",
                part.trouble.why,
                remedies,
            )
        elif part is None and home.entries["mnt"].get(ident) != "dir":
            path, kind = home.part("mnt", ident), home.entries["mnt"].get(ident)
            does = f"make the mount point {path} again"
            remedies = () if kind else (Remedy(cls=ActionClass.LOSSLESS, does=does, steps=(MakeDir(path=path),)),)
            yield Fault(Ref("file", path), f"{ident} has no mount point", (path,), "an empty folder", kind or "nothing", remedies)


@rule("aufs-removing", Severity.INFO, actions=(ActionClass.RECLAIM,), drivers=DRIVERS)
def removing(model: Model) -> Iterator[Fault]:
    """A folder that aufs was removing (`<id>-removing`) was left.

    Why it matters: its space is lost to engines before 17.06.2, and beside a folder of the same id it blocks the next removal.
    How it comes about: the engine was killed while it removed a layer.
    Repair: the folder is put away.
    Daemon says: target rename dir "…-removing" exists but should not, this needs to be manually cleaned up
    Seen in: FC-09
    """
    home = _home(model)
    for part in ("mnt", "diff"):
        for name in home.entries[part]:
            if name.endswith("-removing") and DRIVER_ID.fullmatch(name.removesuffix("-removing")):
                path = home.part(part, name)
                yield Fault(Ref("file", path), "a half removed layer was left", (path,), "", "", (reclaim(path),))


@rule("aufs-partial-create", Severity.INFO, actions=(ActionClass.RECLAIM,), drivers=DRIVERS)
def partial_create(model: Model) -> Iterator[Fault]:
    """Of a layer that no record knows only a part of its three entries is there.

    Why it matters: lost space.
    How it comes about: a create that failed; aufs takes nothing back.
    Repair: what is there of the three is put away together.
    Seen in: FC-01, FC-09
    """
    home = _home(model)
    for ident in model.marks.dead_dirs:
        held = home.holdings(ident)
        if 0 < len(held) < 3:  # noqa: PLR2004 - diff, layers, mnt
            does = f"put what is left of {ident} away"
            remedy = Remedy(cls=ActionClass.RECLAIM, does=does, forget=(Ref("driverdir", ident),), knowing=knowing_of([ident]))
            yield Fault(Ref("driverdir", ident), f"{ident} was never finished: {len(held)} of 3 entries", held, "", "", (remedy,))


RULES: tuple[Rule, ...] = (layers_file, dir_missing, removing, partial_create)
