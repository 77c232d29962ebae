"""The laws of overlay2: short links, lowers and the small files beside a layer's content (classic-store 9.2)."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

from docker_fsck.api import (
    ActionClass,
    Fault,
    MakeDir,
    Model,
    Ref,
    Relink,
    Remedy,
    Rule,
    Severity,
    Trouble,
    WriteFile,
    rule,
    spell,
)
from docker_fsck_plugins.remedies import forget, put_away, reclaim

if TYPE_CHECKING:
    from docker_fsck_plugins.overlay2 import OverlayHome

Test = Callable[[str], bool]
DRIVERS = ("overlay2",)
GONE = ("layer-driverdir-missing", "layer-parent-missing", "image-layer-missing", "ovl-diff-missing", "mount-rwdir-missing", "mount-initdir-missing")


def _home(model: Model) -> "OverlayHome":
    return cast("OverlayHome", model.home)


def _living(model: Model) -> tuple[str, ...]:
    """Driver dirs with content that something needs, by id."""
    return model.living


def _ref(ident: str) -> Ref:
    return Ref("driverdir", ident)


def _write(path: str, text: str) -> WriteFile:
    shown, coded = spell(path)
    return WriteFile(path=shown, path_b64=coded, data=text.encode())


def _relink(path: str, target: str) -> Relink:
    shown, coded = spell(path)
    return Relink(path=shown, path_b64=coded, target=target)


def _causes(model: Model, ident: str) -> tuple[Ref, ...]:
    """What may be wrong with a parent: its folder, its layer record."""
    layer, mount = model.dir_owner.get(ident), model.dir_mount.get(ident)
    refs = [_ref(ident)]
    refs += [Ref("layer", layer.chain)] if layer else []
    refs += [Ref("mount", mount.name)] if mount else []
    return tuple(refs)


@rule("ovl-link-file", Severity.ERROR, actions=(ActionClass.LOSSLESS,), drivers=DRIVERS)
def link_file(model: Model) -> Iterator[Fault]:
    """The file `link` of an overlay2 layer is missing, empty or not a short name.

    Why it matters: a container made above a layer with an empty link mounts the folder l/ itself in its place: the layer's
        files are missing there, and no command says so. With the file gone, create fails.
    How it comes about: power was lost after the plain, unsynced write that engines before 25 (20.10.27, 23.0.8, 24.0.7) use.
    Repair: the name is taken from the link in l/ that points to the layer, else from the lower of a child, else made anew.
    Never: delete l/ or the layer's folder.
    Daemon says: readlink …/overlay2/l: invalid argument
    Seen in: FC-02
    """
    home = _home(model)
    for ident in _living(model):
        link, short = home.link(ident), home.short(ident)
        if isinstance(link, str) and link == (short or link):
            continue
        path = f"{home.path(ident)}/link"
        name = short or _from_children(model, ident) or home.fresh(ident)
        steps: tuple[WriteFile | Relink, ...] = (_write(path, name),)
        if name not in home.links:
            steps = (*steps, _relink(f"{home.name}/l/{name}", f"../{ident}/diff"))
        does = f"write the short name {name} to {path}"
        remedies = (Remedy(cls=ActionClass.LOSSLESS, does=does, steps=steps),) if home.target.get(name, ident) == ident else ()
        actual = link.why if isinstance(link, Trouble) else link
        yield Fault(_ref(ident), f"the link file of {ident} gives no usable short name", (path,), name, actual, remedies)


def _from_children(model: Model, ident: str) -> str | None:
    """The short name that stands at this layer's position in the lower of a child, where nothing else has that name."""
    home = _home(model)
    for child in sorted(home.dirs):
        expected, elements = model.expected_parents(child), home.elements(child)
        if expected and ident in expected and len(elements) == len(expected):
            short = elements[expected.index(ident)].removeprefix("l/")
            if short not in home.links and len(short) == 26:  # noqa: PLR2004 - the length of a short name
                return short
    return None


@rule("ovl-link-symlink", Severity.ERROR, actions=(ActionClass.LOSSLESS,), after=("ovl-link-file",), drivers=DRIVERS)
def link_symlink(model: Model) -> Iterator[Fault]:
    """The short link in l/ that a layer's `link` file names is missing or leads elsewhere.

    Why it matters: every layer and container above mounts this layer through the short link and cannot start without it.
    How it comes about: l/ was cleaned by hand, copied with links resolved, or lost in a crash; the engine never makes it again.
    Repair: the symlink is made again from the layer's `link` file.
    Daemon says: readlink …/overlay2/l/<SHORT>: no such file or directory
    Seen in: FC-02, FC-44
    """
    home = _home(model)
    for ident in _living(model):
        link = home.link(ident)
        if not isinstance(link, str) or home.short(ident) != link:
            continue
        path, target = f"{home.name}/l/{link}", home.links.get(link)
        if target == f"../{ident}/diff":
            continue
        rivals = [each for each in home.linked.get(link, ()) if each != ident]
        steps = (_relink(path, f"../{ident}/diff"),)
        remedies = () if rivals else (Remedy(cls=ActionClass.LOSSLESS, does=f"make the short link {path} again", steps=steps),)
        mount = model.dir_mount.get(ident)
        harmless = mount is not None and ident == mount.mount_id
        actual = target.why if isinstance(target, Trouble) else target or "no such link"
        yield Fault(
            _ref(ident), f"the short link of {ident} does not lead to it", (path, f"{home.path(ident)}/link"), f"../{ident}/diff", actual,
            remedies, (_ref(ident),), severity=Severity.WARNING if harmless else None,
        )  # fmt: skip


@rule("ovl-link-dangling", Severity.INFO, actions=(ActionClass.RECLAIM,), drivers=DRIVERS)
def link_dangling(model: Model) -> Iterator[Fault]:
    """A short link in l/ leads to no layer, and no `lower` needs it.

    Why it matters: it does not; it is a leftover of a few bytes.
    How it comes about: a create that failed, in all versions; a removal while the layer's `link` was empty.
    Repair: the link is put away.
    Seen in: FC-01
    """
    home = _home(model)
    for short, ident in sorted(home.target.items()):
        path = f"{home.name}/l/{short}"
        if ident in home.rows or short in home.wanted or f"{ident}/diff" in model.store.host.held:
            continue
        remedy = reclaim(path)
        yield Fault(Ref("file", path), f"the short link {short} leads to no layer", (path,), "", f"../{ident}/diff", (remedy,))


@rule("ovl-lower-through-l", Severity.ERROR, actions=(ActionClass.LOSSLESS,), after=("ovl-link-file", *GONE), drivers=DRIVERS)
def lower_through_l(model: Model) -> Iterator[Fault]:
    """A layer was made while the `link` of its parent was empty: its `lower` names the folder l/ itself.

    Why it matters: the parent's files are missing in the container and the short links appear in its /.
    How it comes about: see ovl-link-file; the engine does not notice when it builds the list.
    Repair: the list is written again from the layer records.
    Daemon says: readlink …/overlay2/l: invalid argument
    Seen in: FC-02
    """
    home = _home(model)
    for ident in _living(model):
        if None in home.resolved(ident) and {"l", "l/"} & set(home.elements(ident)):
            yield _lower_fault(model, ident, "the lower names the folder l itself", home.elements(ident), fold=False)


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
    home = _home(model)
    for ident in _living(model):
        text, expected = home.lower(ident), model.expected_parents(ident)
        paths = home.resolved(ident)
        if isinstance(text, Trouble):
            yield _lower_fault(model, ident, f"the lower of {ident} is not usable: {text.why}", [], fold=False)
        elif text is None and expected:
            yield _lower_fault(model, ident, f"{ident} has no lower although it stands on {len(expected)} layers", [], fold=False)
        elif None in paths and any(home.resolve(each) is None for each in home.elements(ident) if each not in {"l", "l/"}):
            yield _lower_fault(model, ident, f"the lower of {ident} leads nowhere", home.elements(ident), fold=True)
        elif not home.gone.isdisjoint(paths):
            yield _lower_fault(model, ident, f"the lower of {ident} leads to a layer that is gone", home.elements(ident), fold=True)
        elif expected is not None and len(paths) != len(expected):
            yield _length_fault(model, ident, len(paths), len(expected))


def _length_fault(model: Model, ident: str, actual: int, expected: int) -> Fault:
    path = f"{_home(model).path(ident)}/lower"
    message = f"the lower of {ident} names {actual} layers, its chain has {expected}"
    return Fault(_ref(ident), message, (path,), str(expected), str(actual), (), (_ref(ident),))


def _lower_fault(model: Model, ident: str, message: str, elements: list[str], *, fold: bool) -> Fault:
    """The fault with its remedy, where the records tell what should stand there."""
    home, expected = _home(model), model.expected_parents(ident)
    path = f"{home.path(ident)}/lower"
    text = home.lower_of(expected) if expected else None
    remedies: tuple[Remedy, ...] = ()
    if text:
        remedies = (Remedy(cls=ActionClass.LOSSLESS, does=f"write {path} from the layer records", steps=(_write(path, text),)),)
    named = [each for element in elements for each in home.linked.get(element.removeprefix("l/"), ())]
    through = [cause for each in (*home.needs(ident), *named) for cause in _causes(model, each)] if fold else []
    mount = model.dir_mount.get(ident)
    if fold and expected is None and mount is not None and mount.parent_id is not None:
        through.append(Ref("layer", mount.parent_id))
    if fold and not text:
        through += [cause for each in expected or () if home.missing(each) is not None for cause in _causes(model, each)]
    actual = ":".join(elements) or "nothing"
    return Fault(_ref(ident), message, (path,), text or "", actual, remedies, tuple(dict.fromkeys(through)))


@rule("ovl-committed-on-rw", Severity.ERROR, actions=(ActionClass.LOSSLESS,), drivers=DRIVERS)
def committed_on_rw(model: Model) -> Iterator[Fault]:
    """A container's writable layer is marked as used by a child (`committed`).

    Why it matters: the engine mounts it read-only: every write in the container fails.
    How it comes about: a wrong copy, or a tool that touched the folder.
    Repair: the empty marker file is put away.
    Daemon says: Read-only file system
    """
    home = _home(model)
    for mount in sorted(model.mounts.mounts.values(), key=lambda each: each.name):
        row = home.dirs.get(mount.mount_id) if isinstance(mount.mount_id, str) else None
        if row is not None and "committed" in row.entries and mount.init_id is not None:
            path = f"{home.path(str(mount.mount_id))}/committed"
            remedy = Remedy(cls=ActionClass.LOSSLESS, does=f"put the marker {path} away", steps=(put_away(path),))
            yield Fault(_ref(str(mount.mount_id)), "a writable layer is marked read-only", (path,), "no file", "a marker", (remedy,))


@rule("ovl-work-missing", Severity.ERROR, actions=(ActionClass.LOSSLESS,), drivers=DRIVERS)
def work_missing(model: Model) -> Iterator[Fault]:
    """A layer above others has no folder `work`.

    Why it matters: the mount of a container fails without it.
    How it comes about: a wrong copy of the data root, or cleaning by hand.
    Repair: an empty folder is made; it holds nothing between two mounts.
    Daemon says: error creating overlay mount to …/merged: no such file or directory
    """
    home = _home(model)
    for ident in _living(model):
        if "lower" in home.dirs[ident].entries and home.dirs[ident].entries.get("work") != "dir":
            path = f"{home.path(ident)}/work"
            kind = home.dirs[ident].entries.get("work")
            steps = (MakeDir(path=path, mode=0o700),)
            remedies = () if kind else (Remedy(cls=ActionClass.LOSSLESS, does=f"make the folder {path}", steps=steps),)
            yield Fault(_ref(ident), f"{ident} has no folder work", (path,), "a folder", kind or "nothing", remedies)


@rule("ovl-diff-missing", Severity.ERROR, actions=(ActionClass.LOSSY,), drivers=DRIVERS)
def diff_missing(model: Model) -> Iterator[Fault]:
    """The folder of a layer is there, its content `diff` is not.

    Why it matters: nothing above the layer can be mounted.
    How it comes about: cleaning by hand, a wrong copy, file system damage.
    Repair: the records of the layer and of what stands on it are put away, so that a pull fetches what is missing; of a
        container's own writable layer nothing can be had back.
    Never: make an empty folder in its place.
    Daemon says: error creating overlay mount to …/merged: no such file or directory
    Seen in: FC-03
    """
    home = _home(model)
    for ident in sorted((model.marks.dirs & home.dirs.keys()) - model.dying):
        part = home.missing(ident)
        if part is None or part.name != "diff":
            continue
        layer, mount = model.dir_owner.get(ident), model.dir_mount.get(ident)
        remedies = (forget(layer.chain),) if layer else ()
        refers = (layer.path,) if layer else (mount.path,) if mount else ()
        yield Fault(_ref(ident), f"the content of {ident} is gone", (part.path, *refers), "a folder", part.trouble.why, remedies)


@rule("ovl-merged-stale", Severity.INFO, drivers=DRIVERS)
def merged_stale(model: Model) -> Iterator[Fault]:
    """Files lie in the mount point `merged` of a layer that is not mounted.

    Why it matters: they belong to nobody; the next mount hides them.
    How it comes about: something wrote there while nothing was mounted.
    Repair: none; look at them, then decide.
    """
    home = _home(model)
    for ident, names in sorted(home.merged.items()):
        path = f"{home.path(ident)}/merged"
        if names and path not in model.store.host.mount_points and path not in model.store.host.held:
            yield Fault(_ref(ident), f"{len(names)} entries lie in an unmounted mount point", (path,), "an empty folder", names[0])


@rule("ovl-temp-residue", Severity.INFO, actions=(ActionClass.RECLAIM,), drivers=DRIVERS)
def temp_residue(model: Model) -> Iterator[Fault]:
    """A temporary file of the engine's atomic writer was left in a layer's folder.

    Why it matters: it does not; a few bytes.
    How it comes about: the engine was killed between write and rename.
    Repair: the file is put away.
    Seen in: FC-37
    """
    home = _home(model)
    for ident in _living(model):
        for name in home.dirs[ident].entries:
            if name.startswith(".tmp-"):
                path = f"{home.path(ident)}/{name}"
                yield Fault(Ref("file", path), "a temporary file was left", (path,), "", "", (reclaim(path),))


RULES: tuple[Rule, ...] = (
    link_file, link_symlink, link_dangling, lower_through_l, lower, committed_on_rw, work_missing, diff_missing, merged_stale,
    temp_residue,
)  # fmt: skip
