"""The laws of overlay (v1): what a layer's folder holds, and what a cut-short unpacking leaves in it (classic-store 9.4)."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from docker_fsck.api import (
    BUILDKIT_ID,
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
from docker_fsck_plugins.remedies import forget, reclaim, surely_gone

if TYPE_CHECKING:
    from docker_fsck_plugins.overlay1 import Overlay1Home

DRIVERS = ("overlay",)
BESIDE = ("lower-id", "merged", "upper", "work")
TMPROOT = re.compile(r"tmproot[0-9]+", re.ASCII)
GONE = ("layer-driverdir-missing", "layer-parent-missing", "image-layer-missing", "mount-rwdir-missing")


def _home(model: Model) -> "Overlay1Home":
    return cast("Overlay1Home", model.home)


def _present(model: Model) -> list[str]:
    """Driver dirs that something needs and that are there, whole or not."""
    return sorted((model.marks.dirs & _home(model).dirs.keys()) - model.dying)


@rule(
    "overlay1-shape", Severity.ERROR, actions=(ActionClass.LOSSLESS, ActionClass.RECLAIM, ActionClass.LOSSY), after=GONE,
    drivers=DRIVERS,
)  # fmt: skip
def shape(model: Model) -> Iterator[Fault]:
    """The folder of an overlay layer is neither a whole tree (`root`) nor a whole `upper`, `work` and `lower-id`.

    Why it matters: a container is mounted with its `upper` over the `root` of the layer that `lower-id` names; without one
        of them it does not start. A layer without its tree is lost for every container that is made from it.
    How it comes about: cleaning by hand, a wrong copy, power loss; what lies beside a `root` is what the engine could not
        delete when it had unpacked the layer.
    Repair: `lower-id` is written again from the records where it is missing, not an id, or names a dir without tree; `work`
        is made again, it is empty between two mounts. A lost tree is forgotten with what stands on it, so that a pull
        fetches it. What lies beside the `root` of an image's layer is put away: the engine never looks at it.
    Never: change a file below a `root` in place: all layers that share it change with it. "Correct" a `lower-id` that leads
        to a tree.
    Daemon says: error creating overlay mount to …/merged: no such file or directory
    Seen in: FC-03, FC-44
    """
    home = _home(model)
    for ident in _present(model):
        part, layer = home.missing(ident), model.dir_owner.get(ident)
        if part is not None:
            remedies = (forget(model, layer.chain),) if layer and surely_gone(model, part) else ()
            refers = (layer.path,) if layer else ()
            yield Fault(
                _ref(ident), f"the content of {ident} is gone", (part.path, *refers), "a folder", part.trouble.why, remedies
            )
        elif home.rooted(ident):
            yield from _beside_root(model, ident)
        else:
            yield from _frame(model, ident)


def _ref(ident: str) -> Ref:
    return Ref("driverdir", ident)


def _beside_root(model: Model, ident: str) -> Iterator[Fault]:
    """What is left beside the tree of an image's layer; a container's may hold what somebody wrote."""
    home = _home(model)
    paths = tuple(f"{home.path(ident)}/{name}" for name in BESIDE if name in home.dirs[ident].entries)
    if paths and ident in model.dir_owner and ident not in model.dir_mount:
        message = f"what was used to unpack {ident} was left beside its tree"
        yield Fault(_ref(ident), message, paths, "", "", (reclaim(*paths),), severity=Severity.INFO)


def _frame(model: Model, ident: str) -> Iterator[Fault]:
    """Faults of a dir that has no tree of its own. An init layer is never mounted again: they hurt nobody there."""
    home, base = _home(model), _home(model).path(ident)
    mild = Severity.WARNING if ident.endswith("-init") else None
    if _unpacked(model, ident):
        message = f"the tree of {ident} was never finished, although a record calls it a layer"
        yield Fault(_ref(ident), message, (f"{base}/root", f"{base}/upper"), "a folder root", "only upper", (), (_ref(ident),))
        return
    if (kind := home.dirs[ident].entries.get("work")) != "dir":
        path = f"{base}/work"
        step = (MakeDir(path=path, mode=0o700),)
        remedies = () if kind else (Remedy(cls=ActionClass.LOSSLESS, does=f"make the folder {path}", steps=step),)
        yield Fault(
            Ref("file", path), f"{ident} has no folder work", (path,), "a folder", kind or "nothing", remedies, severity=mild,
            suffers=(_ref(ident),),
        )  # fmt: skip
    lower = home.lower(ident)
    if isinstance(lower, Trouble) and lower.state != "unreadable":
        yield _lower_fault(model, ident, f"the lower-id of {ident} is not usable: {lower.why}", lower.why, mild)
    elif isinstance(lower, str) and not home.rooted(lower):
        told = lower in _present(model) and _base(model, ident) is None  # the tree that it lacks is a fault of its own
        if not told and lower not in home.unread:
            yield _lower_fault(model, ident, f"the lower-id of {ident} names {lower}, which has no tree", lower, mild)


def _unpacked(model: Model, ident: str) -> bool:
    """Whether the dir is an image's layer that the engine must have unpacked over the whole tree of its parent (or of none)."""
    home, expected = _home(model), model.expected_parents(ident)
    if ident not in model.dir_owner or ident in model.dir_mount or BUILDKIT_ID.fullmatch(ident) or expected is None:
        return False
    return not expected or home.rooted(expected[0])


def _lower_fault(model: Model, ident: str, message: str, actual: str, severity: Severity | None) -> Fault:
    home, expected = _home(model), _base(model, ident)
    path = f"{home.path(ident)}/lower-id"
    steps = () if expected is None else (WriteFile(path=path, data=expected.encode(), mode=0o600),)
    does = f"write {path} from the layer records"
    remedies = (Remedy(cls=ActionClass.LOSSLESS, does=does, steps=steps),) if steps else ()
    through = (_ref(ident), *(cause for each in (home.needs(ident) if not steps else ()) for cause in _causes(model, each)))
    return Fault(_ref(ident), message, (path,), expected or "", actual, remedies, through, severity=severity)


def _causes(model: Model, ident: str) -> tuple[Ref, ...]:
    layer = model.dir_owner.get(ident)
    return (_ref(ident), *((Ref("layer", layer.chain),) if layer else ()))


def _base(model: Model, ident: str) -> str | None:
    """The dir whose tree should lie below by the records, None where they do not tell or the tree is not there."""
    home = _home(model)
    for parent in model.expected_parents(ident) or ():
        if home.rooted(parent):
            return parent
        if _unpacked(model, parent) or (home.missing(parent) is not None and not parent.endswith("-init")):
            return None
    return None


@rule("overlay1-tmproot", Severity.INFO, actions=(ActionClass.RECLAIM,), drivers=DRIVERS)
def tmproot(model: Model) -> Iterator[Fault]:
    """A tree that was being unpacked (`tmproot<digits>`) was left in the folder of an overlay layer.

    Why it matters: lost space, as far as its files are not shared with other layers.
    How it comes about: the engine was killed while it unpacked a layer.
    Repair: the tree is put away, if the layer's own `root` is beside it.
    Never: while the layer has no `root`: it may be the only copy.
    Seen in: FC-37
    """
    home = _home(model)
    for ident in _present(model):
        for name in sorted(home.dirs[ident].entries) if home.rooted(ident) else ():
            if TMPROOT.fullmatch(name):
                path = f"{home.path(ident)}/{name}"
                yield Fault(Ref("file", path), "a tree that was being unpacked was left", (path,), "", "", (reclaim(path),))


RULES: tuple[Rule, ...] = (shape, tmproot)
