"""What belongs to one container, also to one that the engine hides: its configuration and its writable layer; pure."""

from typing import TYPE_CHECKING

import msgspec

from docker_fsck.errors import Refused
from docker_fsck.export.spelling import DIFFERENCES, SPELLINGS
from docker_fsck.reader import BIG
from docker_fsck.records.containers import CONFIG, HOSTCONFIG
from docker_fsck.values import Trouble, printable

if TYPE_CHECKING:
    from docker_fsck.model import Model
    from docker_fsck.records.containers import Container
    from docker_fsck.store import Store


class Paper(msgspec.Struct, frozen=True):
    """One of the two configuration files: its bytes, and the file below the root that they come from."""

    name: str
    data: bytes
    source: str


class Belongings(msgspec.Struct, frozen=True, kw_only=True):
    """What is written out. `layer`: the folder of the writable layer; `image`: its image's id, empty if nothing tells it.

    `difference`: the layer holds only what was changed in the container, else it is the whole tree. `notes` are for the user.
    """

    id: str
    name: str
    driver: str
    image: str
    layer: str
    difference: bool
    papers: tuple[Paper, ...]
    notes: tuple[str, ...]


def of(store: "Store", ident: str) -> Belongings:
    """Those of the container `ident`. `Refused` where its writable layer cannot be told for certain, or no folder shows it."""
    container = store.containers.containers.get(ident)
    model = _model(store, ident)
    if model.name not in SPELLINGS:
        raise Refused(f"{model.name} keeps a container's files where no folder shows them: start the engine, use docker export")
    owner = _layer(model, ident)
    if model.home.missing(owner) is not None:
        raise Refused(f"the writable layer of {ident} is gone: {model.home.path(owner)}")
    papers, notes = _papers(store, container) if container else ((), ("no folder of the container is left: no configuration",))
    if model.name not in DIFFERENCES:
        notes = (*notes, f"{model.name} keeps each layer whole: the tar holds the image's files too")
    return Belongings(
        id=ident, name=container.ref_name if container else "", driver=model.name, image=container.image if container else "",
        layer=model.home.content(owner), difference=model.name in DIFFERENCES, papers=papers, notes=notes,
    )  # fmt: skip


def _model(store: "Store", ident: str) -> "Model":
    """The tree that the container's files lie in."""
    found = [model for model in store.models if ident in model.mounts.mounts]
    found = found or [model for model in store.models if ident in model.containers]
    if len(found) != 1:
        raise Refused(f"{ident}: {len(found)} storage drivers may have its writable layer")
    return found[0]


def _layer(model: "Model", ident: str) -> str:
    """The driver id of the writable layer: from the record, else the only one that can be it."""
    mount = model.mounts.mounts.get(ident)
    if mount is not None:
        for each in (mount.mount_id, mount.init_id):
            if isinstance(each, str):
                return each.removesuffix("-init")
    pairs, needy = model.marks.pairs, model.marks.needy
    if len(pairs) == 1 and tuple(needy) == (ident,):
        return pairs[0]
    shown = ", ".join(model.home.path(pair) for pair in pairs[:10]) or "none"
    raise Refused(f"the mount record of {ident} is lost, and its writable layer cannot be told; unclaimed ones: {shown}")


def _papers(store: "Store", container: "Container") -> tuple[tuple[Paper, ...], tuple[str, ...]]:
    """Both files as they are; where one cannot be used, a whole temporary copy beside it in its place."""
    found: list[Paper] = []
    notes: list[str] = []
    for name, fault in ((CONFIG, container.fault), (HOSTCONFIG, container.hostconfig)):
        path = f"{container.path}/{name}"
        whole = [each for each in container.siblings if each.whole and name in each.path]
        if fault is not None and whole:
            found.append(Paper(name, whole[0].data, printable(whole[0].path)))
            which = f"the newest of its {len(whole)} whole copies," if whole[1:] else "its whole copy"
            copy = f"{which} {whole[0].path.rpartition('/')[2]}"
            notes.append(f"{name} cannot be used ({fault.why}): {copy} is taken")
            continue
        data = store.reader.read(path, BIG)
        if isinstance(data, Trouble):
            notes.append(f"{name} cannot be had: {data.why}")
            continue
        found.append(Paper(name, data, path))
        if fault is not None:
            notes.append(f"{name} is taken as it is, but an engine cannot use it: {fault.why}")
    return tuple(found), tuple(notes)
