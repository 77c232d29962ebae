"""Rules on read-only layers: records, chain ids, driver dirs (classic-store 5)."""

from collections.abc import Iterable, Iterator

from docker_fsck.api import ActionClass as Class
from docker_fsck.api import Fault, Model, Ref, Rule, Severity, Trouble, chain_id, hookimpl, layerdb, rule, short
from docker_fsck_plugins import identity, restored
from docker_fsck_plugins.parts import lost_half
from docker_fsck_plugins.remedies import fetch_again, forget, surely_gone

STORE_DEPTH = 125


@rule("layer-record-incomplete", Severity.ERROR, actions=(Class.LOSSLESS, Class.LOSSY))
def record_incomplete(model: Model) -> Iterator[Fault]:
    """A file of a layer record is missing, empty or malformed.

    Why it matters: the engine does not load the layer nor any above it, hides their images, and the folder that is there
        blocks every pull of the layer.
    How it comes about: power loss with engines before 1.13, a full disk, an edit.
    Repair: `diff` and `parent` are written again where an image, or the other one with some known digest, gives the record's
        name: that is a proof. `size` is counted anew, any number loads. A lost `cache-id` is found on union drivers if just one
        folder that nothing claims stands on the layer's parents and has exactly what its archive has, by digest. A broken
        descriptor.json, which only layers from foreign servers have, is put away (lossy).
        Where the record does not lead to the layer's content any more, it and what stands on it are put away, so that a pull
        fetches what is missing (lossy).
    Never: remove the record without accounting for the folder that its cache-id names.
    Daemon says: rename …/layerdb/tmp/write-set-N …/layerdb/sha256/<chain>: file exists
    Seen in: FC-06
    """
    damaged = [layer for layer in model.damaged.values() if any(each.state != "unreadable" for each in layer.troubles)]
    identities = identity.Identities(model, damaged)
    for layer in sorted(damaged, key=lambda each: (model.depth[each.chain], each.chain)):
        broken = [each for each in layer.troubles if each.state != "unreadable"]
        what = "; ".join(f"{each.path.rpartition('/')[2]}: {each.why}" for each in broken)
        if layer.diff is layer.size and isinstance(layer.diff, Trouble):
            what = layer.diff.why
        paths = tuple(dict.fromkeys(each.path for each in broken))
        found = identity.mended(identities, layer)
        message = f"the record of layer {short(layer.chain)} cannot be loaded: {what}"
        expected = found if isinstance(found, str) else found.does
        lost = (forget(model, layer.chain),) if _leads_nowhere(model, layer) else ()
        yield Fault(Ref("layer", layer.chain), message, paths, expected, what, lost if isinstance(found, str) else (found,))


def _leads_nowhere(model: Model, layer: layerdb.Layer) -> bool:
    """Whether it is certain that the content which this record stood for cannot be found through it."""
    if model.home.partial or any(each.state == "unreadable" for each in layer.troubles):
        return False
    part = model.home.missing(layer.dir_id) if layer.dir_id is not None else None
    return layer.dir_id is None or (part is not None and surely_gone(model, part))


@rule("layer-chainid-mismatch", Severity.ERROR, actions=(Class.LOSSLESS,), after=("layer-record-incomplete",))
def chainid_mismatch(model: Model) -> Iterator[Fault]:
    """A layer record's name is not the chain id of its `parent` and `diff`.

    Why it matters: the layer passes for another one; with its `parent` lost it no longer protects what it stands on, which
        is then deleted with its own image.
    How it comes about: the `parent` file was lost, or the folder was renamed. The engine never checks this.
    Repair: `parent` is written again where the layer's `diff` and another known layer give the record's name: that is a proof.
        A record with another `diff` is left alone: whose folder it names cannot be told from records.
    Never: take the folder of such a layer, or that of its lost parent, as garbage.
    Daemon says: could not verify layer data for: sha256:<diff>
    """
    misnamed = [model.layers.layers[chain] for chain in sorted(model.misnamed)]
    identities = identity.Identities(model, misnamed)
    for layer in misnamed:
        actual = chain_id(layer.parent_id, str(layer.diff))
        message = f"layer {short(layer.chain)} should be called {short(actual)} by its diff and parent"
        remedy = identity.reparented(layer, identities.of(layer))
        misfit = f"{layer.path}/parent" if remedy else _misfit(model, layer)
        paths = dict.fromkeys((misfit, layer.path, f"{layer.path}/diff", f"{layer.path}/parent"))
        yield Fault(Ref("layer", layer.chain), message, tuple(paths), layer.chain, actual, (remedy,) if remedy else ())


def _misfit(model: Model, layer: layerdb.Layer) -> str:
    """The file of a record that is not as an image has it, the record itself where no image knows its name."""
    return f"{layer.path}/diff" if layer.chain in model.images_of else layer.path


@rule(
    "layer-parent-missing", Severity.ERROR, actions=(Class.LOSSY,),
    after=("image-layer-missing", "layer-record-incomplete", "layer-chainid-mismatch"),
)  # fmt: skip
def parent_missing(model: Model) -> Iterator[Fault]:
    """The layer that a layer or a container stands on has no record.

    Why it matters: the engine loads neither a layer above the gap nor a container on it, and hides their images.
    How it comes about: the record was removed by hand, or put away so that a pull brings it back.
    Repair: layers above the gap are put away, since they block every pull. Pull the image; the next run of docker-fsck then
        ties its containers to the layers that came back.
    Never: prune before: a hidden container protects neither its image nor its volumes.
    Daemon says: failed to get diff id for sha256:…: open …/diff: no such file or directory
    Seen in: FC-12, FC-22
    """
    if model.layers.faults:
        return
    for chain, above, path in _gaps(model):
        ref = Ref("layer", chain)
        what = "layer" if above.kind == "layer" else "container"
        message = f"the {what} {short(above.id)} stands on {short(chain)}, which has no record"
        remedies = (forget(model, chain),) if above.kind == "layer" else ()
        yield Fault(ref, message, (model.path_of(ref), path), "a layer record", "no such folder", remedies, (ref, above))


def _gaps(model: Model) -> Iterator[tuple[str, Ref, str]]:
    """Chain ids without a record, each with what stands on it and the file that says so."""
    table = model.layers.layers
    for layer in table.values():
        if layer.parent_id is not None and layer.parent_id not in table:
            yield layer.parent_id, Ref("layer", layer.chain), f"{layer.path}/parent"
    for name, mount in sorted(model.mounts.mounts.items()):
        if mount.parent_id is not None and mount.parent_id not in table and name in model.store.containers.containers:
            yield mount.parent_id, Ref("mount", name), f"{mount.path}/parent"


@rule("layer-driverdir-missing", Severity.ERROR, actions=(Class.LOSSLESS, Class.LOSSY), after=("layer-record-incomplete",))
def driverdir_missing(model: Model) -> Iterator[Fault]:
    """A layer's cache-id names a directory that the graph driver does not hold.

    Why it matters: no container can be made from any image above the layer, and a pull says "Already exists".
    How it comes about: directories were deleted by hand, or power was lost after the record was written.
    Repair: with `--source`, an archive that has the layer, it is unpacked in its old place on overlay2 (lossless). Otherwise
        the record and what stands on it are put away, so that a pull fetches what is missing. Where each layer is a
        whole copy (vfs), images and containers above still run, and nothing is put away while one of them is there.
    Never: make an empty directory to silence the error.
    Daemon says: stat …/overlay2/<id>: no such file or directory
    Seen in: FC-03, FC-08
    """
    if model.home.partial or lost_half(model):
        return
    for layer in model.layers.layers.values():
        part = model.home.missing(layer.dir_id) if layer.dir_id is not None else None
        if part is not None and part.name in {"dir", "id"} and part.trouble.state != "unreadable":
            message = f"the content of layer {short(layer.chain)} is gone: {part.trouble.why}"
            paths = (part.path, f"{layer.path}/cache-id") if part.name == "dir" else (f"{layer.path}/cache-id",)
            back = restored.lost(model, layer.dir_id, part)
            remedies = (*back, forget(model, layer.chain)) if surely_gone(model, part) else ()
            said = f"stat …/{model.home.path('<id>')}: no such file or directory"
            ref = Ref("layer", layer.chain)
            yield Fault(ref, message, paths, "a folder", part.trouble.why, remedies, daemon_error=said)


@rule("layer-cacheid-duplicate", Severity.ERROR)
def cacheid_duplicate(model: Model) -> Iterator[Fault]:
    """Two layer records claim the same directory.

    Why it matters: the removal of one layer deletes the content of the other.
    How it comes about: a record was copied by hand.
    Repair: none; which of the two is right cannot be told from the records.
    """
    named = [layer.dir_id for layer in model.layers.layers.values() if layer.dir_id is not None]
    if len(set(named)) == len(named):
        return
    claims: dict[str, list[str]] = {}
    for layer in model.layers.layers.values():
        if layer.dir_id is not None:
            claims.setdefault(layer.dir_id, []).append(layer.chain)
    for ident, chains in sorted(claims.items()):
        if len(chains) > 1:
            paths = tuple(f"{model.path_of(Ref('layer', chain))}/cache-id" for chain in sorted(chains))
            message = f"{len(chains)} layers claim the directory {ident}"
            yield Fault(Ref("driverdir", ident), message, paths, "one layer", ", ".join(short(chain) for chain in sorted(chains)))


@rule("layer-tarsplit-missing", Severity.ERROR, actions=(Class.LOSSLESS, Class.LOSSY))
def tarsplit_missing(model: Model) -> Iterator[Fault]:
    """A layer record has no tar-split.json.gz.

    Why it matters: containers run, but the layer can be neither saved, pushed nor verified.
    How it comes about: damage, or an image that was migrated by an engine before 1.10.
    Repair: with `--source`, an archive that has the layer, the file is made anew from it (lossless). Otherwise the layer
        and what stands on it are put away, so that a pull fetches it again: only if every image on it can be pulled.
    Never: make a new record from the folder: its digest cannot be the same.
    Daemon says: open …/tar-split.json.gz: no such file or directory
    Seen in: FC-53
    """
    for layer in model.layers.layers.values():
        lost = isinstance(layer.size, Trouble) and isinstance(layer.diff, Trouble)  # the record as a whole
        if not layer.tarsplit and not lost:
            path = f"{layer.path}/tar-split.json.gz"
            message = f"layer {short(layer.chain)} runs, but cannot be exported"
            remedies = (*restored.unrecorded(model, layer.chain), fetch_again(model, layer.chain))
            yield Fault(Ref("layer", layer.chain), message, (path,), "a file", "no such file", remedies)


@rule("layer-too-deep", Severity.INFO)
def too_deep(model: Model) -> Iterator[Fault]:
    """A chain is deeper than the engine takes.

    Why it matters: nothing can be built or committed on it.
    How it comes about: repeated commits of one container.
    Repair: none; squash or rebuild the image.
    Daemon says: max depth exceeded
    Seen in: FC-46
    """
    for chain, depth in sorted(model.depth.items()):
        if depth + 1 > STORE_DEPTH and chain not in model.children:
            path = model.path_of(Ref("layer", chain))
            yield Fault(Ref("layer", chain), f"a chain of {depth + 1} layers", (path,), f"at most {STORE_DEPTH}", str(depth + 1))


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The rules on layers."""
    return (
        record_incomplete, chainid_mismatch, parent_missing, driverdir_missing, cacheid_duplicate, tarsplit_missing, too_deep,
    )  # fmt: skip
