"""The laws of overlay2 on lowers and what lies beside a layer's content (classic-store 9.2); see also `overlay2_links`."""

from collections.abc import Iterator

from docker_fsck.api import ActionClass, Fault, MakeDir, Model, Ref, Remedy, Rule, Severity, Trouble, reach, rule
from docker_fsck_plugins import overlay2_links, restored
from docker_fsck_plugins.overlay2_links import DRIVERS, from_children, home_of, ref, write
from docker_fsck_plugins.remedies import lost_content, put_away, reclaim

GONE = (
    "layer-record-incomplete",
    "layer-driverdir-missing",
    "layer-parent-missing",
    "image-layer-missing",
    "ovl-diff-missing",
    "mount-rwdir-missing",
    "mount-initdir-missing",
)


def _causes(model: Model, ident: str) -> tuple[Ref, ...]:
    """What may be wrong with a parent: its folder, its layer record."""
    layer, mount = model.dir_owner.get(ident), model.dir_mount.get(ident)
    refs = [ref(ident)]
    refs += [Ref("layer", layer.chain)] if layer else []
    refs += [Ref("mount", mount.name)] if mount else []
    return tuple(refs)


@rule("ovl-lower-through-l", Severity.ERROR, actions=(ActionClass.LOSSLESS,), after=("ovl-link-file", *GONE), drivers=DRIVERS)
def lower_through_l(model: Model) -> Iterator[Fault]:
    """A layer was made while the `link` of its parent was empty: its `lower` names the folder l/ itself.

    Why it matters: the parent's files are missing in the container and the short links appear in its /.
    How it comes about: see ovl-link-file; the engine does not notice when it builds the list.
    Repair: the list is written again from the layer records.
    Daemon says: readlink …/overlay2/l: invalid argument
    Seen in: FC-02
    """
    home, told = home_of(model), from_children(model)
    for ident in model.living:
        if None in home.resolved(ident) and {"l", "l/"} & set(home.elements(ident)):
            yield _lower_fault(model, ident, "the lower names the folder l itself", home.elements(ident), told)


@rule(
    "ovl-lower", Severity.ERROR, actions=(ActionClass.LOSSLESS,),
    after=("ovl-link-file", "ovl-link-symlink", "ovl-lower-through-l", *GONE), drivers=DRIVERS,
)  # fmt: skip
def lower(model: Model) -> Iterator[Fault]:
    """The `lower` of a layer is missing, empty, leads nowhere, or is shorter or longer than its chain.

    Why it matters: without it a layer has no layers below it: commands are not found, or the mount fails with
        "too many levels of symbolic links", which is no loop of links at all.
    How it comes about: power loss after an unsynced write; a parent whose own `lower` was empty.
    Repair: only a `lower` that does not resolve is written again, from the layer records. One that resolves but differs is
        left alone: BuildKit legally makes such lists (shadow parents).
    Never: "correct" a list that resolves.
    Daemon says: readlink …/overlay2: invalid argument
    Seen in: FC-02, FC-15
    """
    home, told = home_of(model), from_children(model)
    gone = home.gone
    for ident in model.living:
        text, expected = home.lower(ident), model.expected_parents(ident)
        paths = home.resolved(ident)
        if (isinstance(text, Trouble) and text.state == "unreadable") or (home.linkless and home.linkless.state == "unreadable"):
            continue
        if isinstance(text, Trouble):
            yield _lower_fault(model, ident, f"the lower of {ident} is not usable: {text.why}", [], told)
        elif text is None and expected:
            yield _lower_fault(model, ident, f"{ident} has no lower although it stands on {len(expected)} layers", [], told)
        elif None in paths and any(home.resolve(each) is None for each in home.elements(ident) if each not in {"l", "l/"}):
            yield _folding(
                model, _lower_fault(model, ident, f"the lower of {ident} leads nowhere", home.elements(ident), told), told
            )
        elif gone and not gone.isdisjoint(paths):
            message = f"the lower of {ident} leads to a layer that is gone"
            yield _folding(model, _lower_fault(model, ident, message, home.elements(ident), told), told)
        elif expected is not None and len(paths) != len(expected):
            yield _length_fault(model, ident, len(paths), len(expected))


def _length_fault(model: Model, ident: str, actual: int, expected: int) -> Fault:
    path = f"{home_of(model).path(ident)}/lower"
    message = f"the lower of {ident} names {actual} layers, its chain has {expected}"
    return Fault(ref(ident), message, (path,), str(expected), str(actual), (), (ref(ident),))


def _lower_fault(model: Model, ident: str, message: str, elements: list[str], told: dict[str, str]) -> Fault:
    """The fault with its remedy, where the records tell what should stand there."""
    home, expected = home_of(model), model.expected_parents(ident)
    path = f"{home.path(ident)}/lower"
    text = home.lower_of(expected, told) if expected else None
    remedies: tuple[Remedy, ...] = ()
    if text:
        work = () if "work" in home.dirs[ident].entries else (MakeDir(path=f"{home.path(ident)}/work", mode=0o700),)
        does = f"write {path} from the layer records"
        remedies = (Remedy(cls=ActionClass.LOSSLESS, does=does, steps=(write(path, text), *work)),)
    return Fault(ref(ident), message, (path,), text or "", ":".join(elements) or "nothing", remedies)


def _folding(model: Model, fault: Fault, told: dict[str, str]) -> Fault:
    """The fault of a lower that stands as it should, with what may be wrong with the layers that it names."""
    home, ident = home_of(model), fault.subject.id
    expected, mount = model.expected_parents(ident), model.dir_mount.get(ident)
    names = {element.removeprefix("l/") for element in home.elements(ident)}
    named = [each for name in sorted(names) for each in home.linked.get(name, ())]
    named += [each for each, name in told.items() if name in names]
    through = [Ref("file", f"{home.name}/l"), *(cause for each in (*home.needs(ident), *named) for cause in _causes(model, each))]
    if expected is None:
        layer = model.dir_owner.get(ident)
        through += _below(model, layer.parent_id if layer else mount.parent_id if mount else None)
    if not fault.remedies:
        through += [cause for each in expected or () if home.missing(each) is not None for cause in _causes(model, each)]
    return Fault(
        fault.subject, fault.message, fault.paths, fault.expected, fault.actual, fault.remedies, tuple(dict.fromkeys(through))
    )


def _below(model: Model, chain: str | None) -> list[Ref]:
    """The layers from `chain` down, as far as records tell; the last may be the one that does not."""
    layers = model.layers.layers
    steps = reach([chain] if chain else [], lambda at: [each.parent_id] if (each := layers.get(at)) and each.parent_id else [])
    return [Ref("layer", each) for each in sorted(steps)]


@rule("ovl-committed-on-rw", Severity.ERROR, actions=(ActionClass.LOSSLESS,), drivers=DRIVERS)
def committed_on_rw(model: Model) -> Iterator[Fault]:
    """A container's writable layer is marked as used by a child (`committed`).

    Why it matters: the engine mounts it read-only: every write in the container fails.
    How it comes about: a wrong copy, or a tool that touched the folder.
    Repair: the empty marker file is put away.
    Daemon says: Read-only file system
    """
    home = home_of(model)
    for mount in sorted(model.mounts.mounts.values(), key=lambda each: each.name):
        mine = isinstance(mount.mount_id, str) and mount.mount_id not in model.dir_owner
        row = home.dirs.get(str(mount.mount_id)) if mine else None
        if row is not None and "committed" in row.entries and mount.init_id is not None:
            path = f"{home.path(str(mount.mount_id))}/committed"
            remedy = Remedy(cls=ActionClass.LOSSLESS, does=f"put the marker {path} away", steps=(put_away(path),))
            yield Fault(
                ref(str(mount.mount_id)), "a writable layer is marked read-only", (path,), "no file", "a marker", (remedy,)
            )


@rule("ovl-work-missing", Severity.ERROR, actions=(ActionClass.LOSSLESS,), drivers=DRIVERS)
def work_missing(model: Model) -> Iterator[Fault]:
    """A layer above others has no folder `work`.

    Why it matters: a container whose writable layer lacks it does not start. A layer that is only read does without.
    How it comes about: a wrong copy of the data root, or cleaning by hand.
    Repair: an empty folder is made; it holds nothing between two mounts.
    Daemon says: error creating overlay mount to …/merged: no such file or directory
    """
    home = home_of(model)
    for ident in model.living:
        if "lower" in home.dirs[ident].entries and home.dirs[ident].entries.get("work") != "dir":
            path = f"{home.path(ident)}/work"
            kind = home.dirs[ident].entries.get("work")
            steps = (MakeDir(path=path, mode=0o700),)
            remedies = () if kind else (Remedy(cls=ActionClass.LOSSLESS, does=f"make the folder {path}", steps=steps),)
            message, actual = f"{ident} has no folder work", kind or "nothing"
            severity, harms = (None, None) if _written(model, ident) else (Severity.WARNING, ())
            yield Fault(ref(ident), message, (path,), "a folder", actual, remedies, severity=severity, harms=harms)


def _written(model: Model, ident: str) -> bool:
    """Whether something may be mounted to write into a layer: into a container's own, or one of a build that nothing tells of."""
    mount = model.dir_mount.get(ident)
    if mount is not None:
        return ident == mount.mount_id
    return ident not in model.dir_owner and "committed" not in home_of(model).dirs[ident].entries


@rule("ovl-diff-missing", Severity.ERROR, actions=(ActionClass.LOSSLESS, ActionClass.LOSSY), drivers=DRIVERS)
def diff_missing(model: Model) -> Iterator[Fault]:
    """The folder of a layer is there, its content `diff` is not.

    Why it matters: nothing above the layer can be mounted.
    How it comes about: cleaning by hand, a wrong copy, file system damage.
    Repair: with `--source`, an archive that has the layer, it is unpacked in its old place (lossless). Otherwise
        the records of the layer and of what stands on it are put away, so that a pull fetches what is missing; of a
        container's own writable layer nothing can be had back.
    Never: make an empty folder in its place.
    Daemon says: error creating overlay mount to …/merged: no such file or directory
    Seen in: FC-03
    """
    home = home_of(model)
    hollow = {ident for ident, row in home.dirs.items() if row.entries.get("diff") != "dir"}
    for ident in sorted((model.marks.dirs & hollow) - model.dying):
        part = home.missing(ident)
        if part is None or part.name != "diff":
            continue
        layer, mount = model.dir_owner.get(ident), model.dir_mount.get(ident)
        remedies = (*restored.lost(model, ident, part), *lost_content(model, ident, part))
        refers = (layer.path,) if layer else (mount.path,) if mount else ()
        paths = (part.path, *_also_broken(model, ident), *refers)
        yield Fault(ref(ident), f"the content of {ident} is gone", paths, "a folder", part.trouble.why, remedies)


def _also_broken(model: Model, ident: str) -> Iterator[str]:
    """What else of a lost layer is damaged: it goes with it, so that it is no finding of its own."""
    home, base, entries = home_of(model), home_of(model).path(ident), home_of(model).dirs[ident].entries
    link, lower = home.link(ident), home.lower(ident)
    if not isinstance(link, str):
        yield f"{base}/link"
    elif home.links.get(link) != f"../{ident}/diff":
        yield f"{home.name}/l/{link}"
    if isinstance(lower, Trouble) or (lower is None and model.expected_parents(ident)) or None in home.resolved(ident):
        yield f"{base}/lower"
    if "lower" in entries and entries.get("work") != "dir":
        yield f"{base}/work"
    if entries.get("committed", "file") != "file":
        yield f"{base}/committed"


@rule("ovl-merged-stale", Severity.INFO, drivers=DRIVERS)
def merged_stale(model: Model) -> Iterator[Fault]:
    """Files lie in the mount point `merged` of a layer that is not mounted.

    Why it matters: they belong to nobody; the next mount hides them.
    How it comes about: something wrote there while nothing was mounted.
    Repair: none; look at them, then decide.
    """
    home = home_of(model)
    for ident, names in sorted(home.merged.items()):
        path = f"{home.path(ident)}/merged"
        if names and path not in model.store.host.mount_points and path not in model.store.host.held:
            yield Fault(ref(ident), f"{len(names)} entries lie in an unmounted mount point", (path,), "an empty folder", names[0])


@rule("ovl-temp-residue", Severity.INFO, actions=(ActionClass.RECLAIM,), drivers=DRIVERS)
def temp_residue(model: Model) -> Iterator[Fault]:
    """A temporary file of the engine's atomic writer was left in a layer's folder.

    Why it matters: it does not; a few bytes.
    How it comes about: the engine was killed between write and rename.
    Repair: the file is put away.
    Seen in: FC-37
    """
    home = home_of(model)
    for ident in model.living:
        for name in home.dirs[ident].entries:
            if name.startswith(".tmp-"):
                path = f"{home.path(ident)}/{name}"
                yield Fault(Ref("file", path), "a temporary file was left", (path,), "", "", (reclaim(path),))


RULES: tuple[Rule, ...] = (
    *overlay2_links.RULES, lower_through_l, lower, committed_on_rw, work_missing, diff_missing, merged_stale, temp_residue,
)  # fmt: skip
