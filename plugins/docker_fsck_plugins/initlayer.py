"""The standard content of an init layer, as the engine makes it for every container (classic-store 7, daemon/initlayer)."""

from collections.abc import Iterator

from docker_fsck.api import ActionClass, MakeDir, Model, Relink, Remedy, Step, Trouble, WriteFile, copies

FOLDERS = ("dev/pts", "dev/shm", "proc", "sys")
FILES = (".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf")
LINKS = {"etc/mtab": "/proc/mounts"}
MODE = 0o755
"""Of folders and files alike; a folder of the image keeps its own."""


def lost(model: Model, init: str) -> tuple[str, ...]:
    """Files that the engine makes in every init layer and this one has not; folders may be the image's own instead."""
    content = model.home.content(init)
    held = {above: model.store.top_names(f"{content}/{above}".removesuffix("/")) for above in ("", "dev", "etc")}
    if any(isinstance(names, Trouble) and names.state == "unreadable" for names in held.values()):
        return ()
    parts = ((name, name.rpartition("/")) for name in (*FILES, *LINKS))
    return tuple(name for name, (above, _, last) in parts if isinstance(names := held[above], Trouble) or last not in names)


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
