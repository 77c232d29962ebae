"""The standard content of an init layer, as the engine makes it, and rules on it (classic-store 7, daemon/initlayer)."""

from collections.abc import Iterator

from docker_fsck.api import (
    ActionClass,
    Fault,
    Level,
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
    copies,
    mounts,
    rule,
)

FOLDERS = ("dev/pts", "dev/shm", "proc", "sys")
FILES = (".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf")
LINKS = {"etc/mtab": "/proc/mounts"}
COPYING = ("vfs", "btrfs")
"""Drivers whose init layers hold all that the image has (classic-store 8.1)."""
MODE = 0o755
"""Of folders and files alike; a folder of the image keeps its own."""


def lost(model: Model, init: str) -> tuple[str, ...]:
    """Files that the engine makes in every init layer and this one has not; where the image has a folder, it makes none."""
    content = model.home.content(init)
    held = {above: model.store.top_names(f"{content}/{above}".removesuffix("/")) for above in ("", "dev", "etc")}
    if any(isinstance(names, Trouble) and names.state == "unreadable" for names in held.values()):
        return ()
    parts = ((name, name.rpartition("/")) for name in (*FILES, *LINKS))
    gone = [name for name, (above, _, last) in parts if isinstance(names := held[above], Trouble) or last not in names]
    if not gone or not model.home.union:
        return tuple(gone)
    below = {name: copies.beneath(model, model.home.needs(init), name) for name in gone}
    return tuple(name for name, facts in below.items() if facts is None or facts.kind != "dir")


def refilled(model: Model, init: str) -> Remedy | str:
    """The remedy of an emptied init layer, or why it cannot be told what was in it."""
    if not model.home.union:
        return f"{model.name} keeps whole copies: the image's files in it cannot be written again one by one"
    if model.home.vague(init):
        return "it does not tell on which image it stands"
    content, below = model.home.content(init), model.home.needs(init)
    if any(model.home.missing(ident) is not None for ident in below):
        return "a layer that it stands on is gone"
    top = model.store.reader.facts(content)
    if isinstance(top, Trouble):
        return top.why
    folders = dict.fromkeys(folder for name in (*FOLDERS, *FILES, *LINKS) for folder in _above(name))
    seen = {name: copies.beneath(model, below, name) for name in (*folders, *FOLDERS, *FILES, *LINKS)}
    for folder in folders:
        facts = seen[folder]
        if facts is not None and (facts.kind != "dir" or (facts.uid, facts.gid) != (top.uid, top.gid)):
            return f"the image has its own kind of /{folder}"
    there = {name for name, facts in seen.items() if facts is not None and facts.kind == "dir"}
    wanted = [name for name in (*FOLDERS, *FILES, *LINKS) if name not in there]
    parents = sorted({folder for name in wanted for folder in _above(name)})
    modes = {name: facts.mode & 0o7777 for name, facts in seen.items() if facts is not None and name in there}
    steps = (*(MakeDir(path=f"{content}/{name}", mode=modes.get(name, MODE)) for name in parents), *_made(content, wanted))
    return Remedy(cls=ActionClass.LOSSLESS, does=f"fill {content} again with the engine's own empty files", steps=steps)


def _above(name: str) -> Iterator[str]:
    parts = name.split("/")
    yield from ("/".join(parts[:end]) for end in range(1, len(parts)))


def _made(content: str, wanted: list[str]) -> Iterator[Step]:
    for name in wanted:
        path = f"{content}/{name}"
        if name in FOLDERS:
            yield MakeDir(path=path, mode=MODE)
        elif name in LINKS:
            yield Relink(path=path, target=LINKS[name])
        else:
            yield WriteFile(path=path, data=b"", mode=MODE)


def init_of(mount: mounts.Mount) -> str:
    """The driver id of a container's init layer, as the record tells it or as it follows from the writable layer's."""
    return (
        mount.init_id if isinstance(mount.init_id, str) else f"{mount.mount_id if isinstance(mount.mount_id, str) else ''}-init"
    )


def owned(model: Model) -> Iterator[mounts.Mount]:
    """Records that belong to a container, by name."""
    for name, mount in sorted(model.mounts.mounts.items()):
        if name in model.store.containers.containers:
            yield mount


@rule("init-layer-emptied", Severity.WARNING, actions=(ActionClass.LOSSLESS,), after=("mount-initdir-missing",))
def init_layer_emptied(model: Model) -> Iterator[Fault]:
    """The init layer of a container is empty, or lacks files that the engine makes in every one.

    Why it matters: `docker diff` and commit show files that the engine made; mount points like /etc/hosts are made anew.
    How it comes about: power loss right after create, or cleaning by hand.
    Repair: on union drivers the engine's own empty files and folders are made again if nothing is left, folders that the image
        has with its modes; what the container has written lies elsewhere and is not touched. Where each layer is a whole copy
        (vfs, btrfs), and where only some are gone, nothing is done.
    """
    for mount in owned(model):
        init = init_of(mount)
        if not model.home.holdings(init) or init in model.dying or model.home.missing(init) is not None:
            continue  # its content does not lie in the root, or is another rule's business
        path, names, gone = model.home.content(init), model.top_names(init), lost(model, init)
        if isinstance(names, Trouble) or not gone:
            continue
        found = refilled(model, init) if names == {} else ", ".join(gone)
        remedies, expected = ((), found) if isinstance(found, str) else ((found,), ".dockerenv, dev, etc, …")
        what = "is empty" if names == {} else f"lacks {', '.join(gone)}"
        message = f"the init layer of {model.store.containers.containers[mount.name].ref_name} {what}"
        yield Fault(Ref("driverdir", init), message, (path,), expected, ", ".join(names) or "nothing", remedies)


@rule("init-layer-changed", Severity.WARNING, level=Level.DEEP, after=("init-layer-emptied", "layer-content-mismatch"))
def init_layer_changed(model: Model) -> Iterator[Fault]:
    """Files of an init layer that is a whole copy are not those of the image.

    Why it matters: `docker diff` and commit compare the container with it: they show files that nobody changed.
    How it comes about: power loss right after create, bit rot.
    Repair: none; what the container has written lies elsewhere.
    """
    for mount in owned(model):
        whole = model.name in COPYING and isinstance(mount.init_id, str) and mount.init_id not in model.dying
        if not whole or mount.parent_id is None or model.home.missing(str(mount.init_id)) is not None:
            continue
        engines = {*FOLDERS, *FILES, *LINKS, "dev", "etc"}
        wrong = [each for each in copies.differs(model, str(mount.init_id), mount.parent_id) if each.name not in engines]
        if wrong:
            content = model.home.content(str(mount.init_id))
            message = f"{len(wrong)} files of the init layer of {model.store.containers.containers[mount.name].ref_name} differ"
            paths = tuple(f"{content}/{each.name}" for each in wrong[:20])
            through = (Ref("layer", mount.parent_id),)
            yield Fault(Ref("driverdir", str(mount.init_id)), message, paths, wrong[0].expected, wrong[0].found, (), through)


RULES: tuple[Rule, ...] = (init_layer_emptied, init_layer_changed)
