"""What the homes of several graph drivers tell in the same way: whether there is one, and what is wrong with a part of it."""

from typing import Literal

from docker_fsck.api import Model, Part, Reader, Trouble, led_to


class FullCopies:
    """The home of a driver whose layers stand for themselves: none needs another, each has one path."""

    def path(self, ident: str) -> str:
        """Where `ident` is."""
        raise NotImplementedError

    def content(self, ident: str) -> str:
        """The same folder."""
        return self.path(ident)

    def needs(self, ident: str) -> tuple[str, ...]:
        """Nothing."""
        del ident
        return ()

    def vague(self, ident: str) -> bool:
        """Never."""
        del ident
        return False

    def aliases(self, ident: str) -> tuple[str, ...]:
        """The same folder."""
        return (self.path(ident),)


def has_state(reader: Reader, name: str) -> bool:
    """Whether the driver `name` has a home or an image tree on the root."""
    return any(not isinstance(reader.facts(path), Trouble) for path in (name, f"image/{name}"))


def outside(ident: str, path: str, reserved: tuple[str, ...] = ()) -> Part | None:
    """The fault of an id that would lead out of the driver's home or to one of its own folders."""
    if "/" in ident or ident in {".", "..", *reserved}:
        return Part("id", path, Trouble(path, "wrong", "not a driver id: it would lead out of the driver's home"))
    return None


def lacking(name: str, path: str, kind: str | None, due: str = "folder") -> Part:
    """The part `name` at `path`, where a `kind` stands or nothing (None) instead of what is due."""
    return Part(name, path, Trouble(path, "wrong" if kind else "absent", f"a {kind} stands there" if kind else f"no such {due}"))


def lost_half(model: Model) -> Literal["folders", "records", ""]:
    """Which half of a driver's tree is not there although the other is: one fault, whatever else follows from it."""
    if model.home.partial:
        return ""
    if not led_to(model.store).issuperset(model.home.ids()):
        return "records" if _bare(model, model.image_dir) else ""
    return "folders" if (model.layers.layers or model.mounts.mounts) and _bare(model, model.home.name) else ""


def _bare(model: Model, path: str) -> bool:
    """Whether a folder is not there or, like the place of a disk that is not mounted, empty."""
    names = model.store.top_names(path)
    return names.state == "absent" if isinstance(names, Trouble) else not names
