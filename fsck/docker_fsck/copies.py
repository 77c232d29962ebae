"""Facts that the store holds twice, looked for only where the first place is damaged (field-cases 2). Reads through the reader.

Nothing here decides: what is found is either proved by a digest, or told as it stands.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from docker_fsck import ids, tarsplit
from docker_fsck.facts import Facts
from docker_fsck.reader import Reader
from docker_fsck.records import distribution, imagedb
from docker_fsck.records.layerdb import Layer
from docker_fsck.values import Ref, Trouble
from docker_fsck.verdicts import Damage, Task
from docker_fsck.weight import DEEPEST

if TYPE_CHECKING:
    from docker_fsck.model import Model

BLOBS = "containerd/daemon/io.containerd.content.v1.content/blobs/sha256"


class Copy(msgspec.Struct, frozen=True):
    """A second copy of a file: where it lies and its bytes, which have the digest that the first one is named by."""

    path: str
    data: bytes


def layer_size(model: "Model", layer: Layer, ident: str) -> int | None:
    """The size of a layer as its driver tells it: the files in its driver dir `ident`, or where that is a whole copy those that
    its archive names.
    """
    if model.home.union:
        return None if model.home.missing(ident) is not None else _files(model.store.reader, model.home.content(ident))
    data = model.store.reader.read(f"{layer.path}/tar-split.json.gz")
    if isinstance(data, Trouble):
        return None
    try:
        return sum(entry.size for batch in tarsplit.entries([data]) for entry in batch if entry.type == tarsplit.FILE)
    except tarsplit.TarSplitError:
        return None


def _files(reader: Reader, content: str) -> int | None:
    """The sizes of all below a folder that is no folder, hard links once (classic-store 5.2); None where not all was seen."""
    sizes: dict[tuple[int, int], int] = {}
    stack = [content]
    while stack:
        here = stack.pop()
        if here.count("/") > DEEPEST:
            return None
        for name, facts in reader.members(here):
            if isinstance(facts, Trouble):
                return None
            if facts.kind == "dir":
                stack.append(f"{here}/{name}")
            else:
                sizes[facts.dev, facts.ino] = facts.size
    return sum(sizes.values())


def holds(model: "Model", ident: str, layer: Layer, diff: str) -> bool:
    """Whether a driver dir has exactly what a layer's archive has: content by the diff id, nothing more, nothing changed."""
    if model.store.verify is None:
        return False
    below = tuple(map(model.home.content, model.home.needs(ident)))
    record = f"{layer.path}/tar-split.json.gz"
    verdict = model.store.verify(Task(layer.chain, diff, record, model.home.content(ident), below, shift=model.shift))
    return verdict.state == "whole" and not verdict.extra and not verdict.drift


WHOLE_COPIES = ("vfs", "btrfs")


def beneath_records(model: "Model", layer: Layer) -> tuple[str, ...]:
    """The records of the layers below where each layer is a whole copy, the base first; none if one of them is missing.

    overlay (v1) has hard links to what lies below: what is wrong with that is wrong with the layer that it comes from.
    """
    found: list[str] = []
    while model.name in WHOLE_COPIES and layer.parent_id is not None:
        parent = model.layers.layers.get(layer.parent_id)
        if parent is None or not parent.tarsplit or len(found) > len(model.layers.layers):
            return ()
        layer = parent
        found.append(f"{layer.path}/tar-split.json.gz")
    return tuple(reversed(found))


def differs(model: "Model", ident: str, chain: str) -> tuple[Damage, ...]:
    """Files of a whole copy of the layer `chain` in another driver dir that are not the layer's; none if that cannot be told."""
    layer = model.layers.layers.get(chain)
    if model.store.verify is None or layer is None or not isinstance(layer.diff, str) or not layer.tarsplit:
        return ()
    record, beneath = f"{layer.path}/tar-split.json.gz", beneath_records(model, layer)
    task = Task(chain, layer.diff, record, model.home.content(ident), whole_tree=True, shift=model.shift, beneath=beneath)
    verdict = model.store.verify(task)
    return verdict.damages if verdict.state == "damaged" else ()


def image_config(model: "Model", image: str) -> Copy | None:
    """Another copy of an image's configuration: a temporary file, that of another driver's tree, or containerd's blob."""
    name = ids.hex_of(image)
    beside = sorted(path for path in model.images.residue if name in path.rpartition("/")[2] and "/content/" in path)
    others = [each.path_of(Ref("image", image)) for each in model.store.models if each is not model]
    for path in (*beside, *others, f"{BLOBS}/{name}"):
        data = model.store.reader.read(path, imagedb.CONFIG_LIMIT)
        if isinstance(data, bytes) and imagedb.load(path, image, data).usable:
            return Copy(path, data)
    return None


def repositories(model: "Model", image: imagedb.Image) -> tuple[str, ...]:
    """Repositories that the top layer of an image came from or went to: a guess at its name, and a sign that it was pulled."""
    return distribution.sources(model.store.reader, model.image_dir, image.diffs[-1]) if image.diffs else ()


def pulls(model: "Model", ident: str, names: Iterable[str]) -> list[str]:
    """By which of its `names` an image can be pulled.

    By digest where one is known; by tag where the layers are known to be in that registry's repository.
    """
    names = tuple(names)
    digests = [name for name in names if "@" in name]
    if digests:
        return digests
    image = model.images.images.get(ident)
    diffs = image.diffs if image else ()
    known = {source for diff in diffs for source in distribution.sources(model.store.reader, model.image_dir, diff)}
    return [name for name in names if name.rpartition(":")[0] in known]


def known_diffs(model: "Model") -> frozenset[str]:
    """Every diff id that a record, an image or the distribution cache names."""
    names = model.store.reader.names(f"{model.image_dir}/distribution/v2metadata-by-diffid/sha256")
    cached = (f"sha256:{name}" for name in names if ids.HEX64.fullmatch(name)) if isinstance(names, dict) else ()
    recorded = (layer.diff for layer in model.layers.layers.values() if isinstance(layer.diff, str))
    return frozenset((*cached, *recorded, *(diff for image in model.images.images.values() for diff in image.diffs)))


def beneath(model: "Model", dirs: Iterable[str], name: str) -> Facts | None:
    """What a path is in the tree that these driver dirs make together, nearest first; None where nothing is.

    A whiteout or another kind of file on the way hides what lies further down.
    """
    parts = name.split("/")
    for ident in dirs:
        content = model.home.content(ident)
        for end in range(1, len(parts) + 1):
            facts = model.store.reader.facts(f"{content}/{'/'.join(parts[:end])}")
            if isinstance(facts, Trouble):
                break
            if end == len(parts) and facts.kind != "other":
                return facts
            if facts.kind != "dir":
                return None
    return None
