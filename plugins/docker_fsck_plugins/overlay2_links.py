"""The short links of overlay2: files `link`, symlinks in l/, names that only children still tell (classic-store 9.2)."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, cast

from docker_fsck.api import (
    SHORT_LINK,
    ActionClass,
    Fault,
    MakeDir,
    Model,
    Ref,
    Relink,
    Remedy,
    Rule,
    Severity,
    Step,
    Trouble,
    WriteFile,
    rule,
    spell,
)
from docker_fsck_plugins.remedies import reclaim

if TYPE_CHECKING:
    from docker_fsck_plugins.overlay2 import OverlayHome

DRIVERS = ("overlay2", "fuse-overlayfs")


def home_of(model: Model) -> "OverlayHome":
    """The home of overlay2 or fuse-overlayfs."""
    return cast("OverlayHome", model.home)


def ref(ident: str) -> Ref:
    """A driver dir as a node of the graph."""
    return Ref("driverdir", ident)


def write(path: str, text: str) -> WriteFile:
    """The step that puts `text` at a path of the file system."""
    shown, coded = spell(path)
    return WriteFile(path=shown, path_b64=coded, data=text.encode())


def _relink(path: str, target: str) -> Relink:
    shown, coded = spell(path)
    return Relink(path=shown, path_b64=coded, target=target)


@rule("ovl-link-file", Severity.ERROR, actions=(ActionClass.LOSSLESS,), drivers=DRIVERS)
def link_file(model: Model) -> Iterator[Fault]:
    """The file `link` of an overlay2 layer is missing, empty or not a short name.

    Why it matters: a container or layer that is made directly on a layer with an empty link mounts the folder l/ itself in
        its place: the layer's files are missing there, and no command says so. With the file gone, create fails. What was
        made before is not affected, unless the short link in l/ is lost too. An engine before 18.06 that removes a layer
        with an empty link removes the whole folder l/.
    How it comes about: power was lost after the plain, unsynced write that engines before 25 (20.10.27, 23.0.8, 24.0.7) use.
    Repair: the name is taken from the link in l/ that points to the layer, else from the lower of a child, else made anew.
    Never: delete l/ or the layer's folder.
    Daemon says: readlink …/overlay2/l: invalid argument
    Seen in: FC-02
    """
    home, told = home_of(model), from_children(model)
    for ident in model.living:
        link, short = home.link(ident), home.short(ident)
        unread = link if isinstance(link, Trouble) else home.linkless
        if link == short or (unread is not None and unread.state == "unreadable"):
            continue
        path = f"{home.path(ident)}/link"
        name = short or told.get(ident) or home.fresh(ident)
        steps: tuple[WriteFile | Relink, ...] = (write(path, name),)
        if name not in home.links:
            steps = (*steps, _relink(f"{home.name}/l/{name}", f"../{ident}/diff"))
        does = f"write the short name {name} to {path}"
        remedies = (Remedy(cls=ActionClass.LOSSLESS, does=does, steps=steps),) if home.target.get(name, ident) == ident else ()
        actual = link.why if isinstance(link, Trouble) else link
        message, harms = f"the link file of {ident} gives no usable short name", _made_on(model, ident, short)
        severity = Severity.WARNING if ident in model.dir_mount and harms == () else None
        yield Fault(ref(ident), message, (path,), name, actual, remedies, severity=severity, harms=harms)


def _made_on(model: Model, ident: str, short: str | None) -> tuple[Ref, ...] | None:
    """Who suffers from a lost `link`: images of which a container would be made directly on `ident`. None: all above it.

    A layer's own children have its short name already, and need only the link in l/; nothing is made on a writable layer, nor
    on an init layer once there is one (classic-store 9.2).
    """
    mount = model.dir_mount.get(ident)
    if mount is not None and (ident == mount.mount_id or short is not None):
        return ()
    if short is None:
        return None
    chains = model.dir_layers.get(ident, ())
    images = {image.id for chain in chains for image in model.images_of.get(chain, ()) if image.chains[-1] == chain}
    return tuple(Ref("image", image) for image in sorted(images))


def from_children(model: Model) -> dict[str, str]:
    """Short names that only children still tell: by layer without one, what stands at its position in the lower of a child."""
    home = home_of(model)
    return told_of(model, home.nameless.intersection(model.living) if home.nameless else frozenset())


def told_of(model: Model, broken: AbstractSet[str]) -> dict[str, str]:
    """The same of any layers, whether their folders are there or not."""
    home = home_of(model)
    found: dict[str, str] = {}
    for child in sorted(home.dirs) if broken else ():
        expected, elements = model.expected_parents(child), home.elements(child)
        for ident, element in zip(expected or (), elements, strict=False):
            short = element.removeprefix("l/")
            free = short not in home.links and short not in home.linked and len(short) == 26  # noqa: PLR2004 - a short name's length
            if ident in broken and free and len(elements) == len(expected or ()):
                found.setdefault(ident, short)
    return found


@rule("ovl-link-symlink", Severity.ERROR, actions=(ActionClass.LOSSLESS,), after=("ovl-link-file",), drivers=DRIVERS)
def link_symlink(model: Model) -> Iterator[Fault]:
    """The short link in l/ that a layer's `link` file names is missing or leads elsewhere.

    Why it matters: every layer and container above mounts this layer through the short link and cannot start without it.
    How it comes about: l/ was cleaned by hand, copied with links resolved, or lost in a crash; the engine never makes it again.
    Repair: the symlink is made again from the layer's `link` file.
    Daemon says: readlink …/overlay2/l/<SHORT>: no such file or directory
    Seen in: FC-02, FC-44
    """
    home = home_of(model)
    if not home.links and len(model.living) > 1:
        yield from _all_lost(model)
        return
    for ident in model.living:
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
        paths, message = (path, f"{home.path(ident)}/link"), f"the short link of {ident} does not lead to it"
        severity = Severity.WARNING if harmless else None
        yield Fault(ref(ident), message, paths, f"../{ident}/diff", actual, remedies, (ref(ident),), severity=severity)


def _all_lost(model: Model) -> Iterator[Fault]:
    """The one fault of a folder l/ in which there is no link at all."""
    home = home_of(model)
    place, fault = f"{home.name}/l", home.linkless
    if fault is not None and fault.state == "unreadable":
        return
    own = {ident: link for ident in model.living if isinstance(link := home.link(ident), str) and home.short(ident) == link}
    links = tuple(_relink(f"{place}/{link}", f"../{ident}/diff") for ident, link in own.items())
    steps: tuple[Step, ...] = links if fault is None else (MakeDir(path=place, mode=0o700), *links)
    does = f"make {len(links)} short links in {place} again"
    remedies = (Remedy(cls=ActionClass.LOSSLESS, does=does, steps=steps),) if fault is None or fault.state == "absent" else ()
    actual = "an empty folder" if fault is None else fault.why
    message = f"all {len(links)} short links are gone"
    yield Fault(Ref("file", place), message, (place,), f"{len(links)} links", actual, remedies, suffers=tuple(map(ref, own)))


@rule("ovl-link-dangling", Severity.INFO, actions=(ActionClass.RECLAIM,), drivers=DRIVERS)
def link_dangling(model: Model) -> Iterator[Fault]:
    """A short link in l/ leads to no layer and no `lower` needs it, or is no link.

    Why it matters: it does not; it is a leftover of a few bytes.
    How it comes about: a create that failed, in all versions; a removal while the layer's `link` was empty.
    Repair: it is put away, unless a `lower` names it, it has a name that no engine gives, or it is a folder that holds something.
    Seen in: FC-01
    """
    home = home_of(model)
    lost = [pair for pair in home.target.items() if pair[1] not in home.rows and pair[1] not in model.marks.dirs]
    for short, ident in sorted(lost):
        if short not in home.wanted:
            path = f"{home.name}/l/{short}"
            remedies = (reclaim(path),) if SHORT_LINK.fullmatch(short) else ()
            yield Fault(Ref("file", path), f"the short link {short} leads to no layer", (path,), "", f"../{ident}/diff", remedies)
    none = {short: found for short, found in home.links.items() if isinstance(found, Trouble) and found.state == "wrong"}
    living = set(model.living) if none else set()
    for short, found in sorted(none.items()):
        if living.isdisjoint(home.linked.get(short, ())):
            path = f"{home.name}/l/{short}"
            remedies = () if short in home.wanted or not _engine_made(model, path, short) else (reclaim(path),)
            yield Fault(Ref("file", path), f"{path} is no link", (path,), "a link", found.why, remedies)


def _engine_made(model: Model, path: str, short: str) -> bool:
    """Whether what is no link has the name of one, and holds nothing if it is a folder."""
    held = model.store.reader.names(path)
    return SHORT_LINK.fullmatch(short) is not None and (isinstance(held, Trouble) or not held)


RULES: tuple[Rule, ...] = (link_file, link_symlink, link_dangling)
