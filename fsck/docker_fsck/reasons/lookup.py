"""From what a person types to one object: paths, tags, names, ids and their prefixes; many or none is told with candidates."""

from collections.abc import Iterable

from docker_fsck import ids
from docker_fsck.errors import Incomplete, UsageError
from docker_fsck.reasons.known import Known
from docker_fsck.reasons.paths import below, owners
from docker_fsck.reasons.told import Thing
from docker_fsck.values import printable

SHORTEST = 3
MOST = 10
SEARCHED = 20_000
ORDER = ("container", "image", "layer", "mount", "driverdir", "volume", "tag")
"""Of two objects with one id the earlier is meant: a container's mount record and a snapshot's folder bear the same name."""


def one(known: Known, text: str, roots: tuple[str, ...] = ()) -> Thing:
    """The object that `text` means. A `UsageError` names the candidates if it may mean several, and near names if none.

    Where not everything could be read, that nothing has the name is not known: `Incomplete` says so.
    """
    found = candidates(known, text, roots)
    if len(found) == 1:
        return found[0]
    if found:
        told = "; ".join(_told(known, each) for each in found[:MOST])
        more = f"; and {len(found) - MOST} more" if len(found) > MOST else ""
        raise UsageError(f"{printable(text)} may mean {len(found)} things, give more of the id, or a path: {told}{more}")
    outside = text.startswith("/") and below(known, text, roots) is None
    unread = () if outside else _unread(known)
    if unread:
        more = f" and {len(unread) - MOST} more" if len(unread) > MOST else ""
        told = f"{', '.join(unread[:MOST])}{more} could not be read, and nothing else here has that path, id or name"
        raise Incomplete(f"{printable(text)}: {told}")
    near = () if outside else _near(known, text)
    hint = f", perhaps {' or '.join(near)}" if near else ""
    what = "lies outside the data root" if outside else f"nothing here has that path, id or name{hint}"
    raise UsageError(f"{printable(text)}: {what}")


def _unread(known: Known) -> tuple[str, ...]:
    """What could have named the thing and was not read."""
    store = known.store
    return tuple(sorted(printable(path) for path in {*store.reader.unread, *(each.source for each in store.unread_sources)}))


def candidates(known: Known, text: str, roots: tuple[str, ...] = ()) -> list[Thing]:
    """Every object that `text` may mean: as a path or whole name, else as the beginning of an id."""
    path = below(known, text, roots) if "/" in text else None
    found = owners(known, path) if path else []
    if path and path.startswith("l/"):
        found += [each for model in known.models.values() for each in owners(known, f"{model.home.name}/{path}")]
    everything = list(dict.fromkeys(known.everything()))
    found += _links(known, text)
    found += _whole(known, everything, text)
    if not found:
        found = _begins(everything, text)
    if not found and "/" not in text:
        found = owners(known, text)
    return _distinct(known, found)


def _links(known: Known, text: str) -> list[Thing]:
    """The driver dir that a bare short name leads to."""
    if not ids.SHORT_LINK.fullmatch(text):
        return []
    return [
        each for model in known.models.values() for each in owners(known, f"{model.home.name}/l/{text}") if each.kind != "file"
    ]


def _whole(known: Known, everything: Iterable[Thing], text: str) -> list[Thing]:
    """By id or name; else by diff id, or by how another store calls its object."""
    tags = _references(text)
    digest = f"sha256:{text.removeprefix('sha256:')}"
    found = [each for each in everything if each.id in {text, digest} or (each.kind == "tag" and each.id in tags)]
    found += [Thing("container", each.id) for each in known.store.containers.containers.values() if text == each.ref_name]
    if found:
        return found
    for model in known.models.values():
        found += [Thing("layer", chain, model.name) for chain, layer in model.layers.layers.items() if layer.diff == digest]
    return found + [Thing(ref.kind, ref.id) for ref, node in known.nodes.items() if text and node.label == text]


def _references(text: str) -> set[str]:
    """How the tag store may spell a reference that a person types."""
    name = text.removeprefix("docker.io/").removeprefix("library/")
    tagged = "@" in name or ":" in name.rpartition("/")[2]
    return {text, name} if tagged else {f"{text}:latest", f"{name}:latest"}


def _begins(everything: Iterable[Thing], text: str) -> list[Thing]:
    head = text.removeprefix("sha256:")
    if len(head) < SHORTEST:
        return []
    kinds = {"tag", "volume"}
    return [each for each in everything if each.kind not in kinds and each.id.removeprefix("sha256:").startswith(head)]


def _distinct(known: Known, found: Iterable[Thing]) -> list[Thing]:
    """One for each object: of equal ids the first by `ORDER`, of X and X-init X, an image for its tag."""
    real = dict.fromkeys(_image_of(known, each) for each in found)
    best: dict[tuple[str, str], Thing] = {}
    for each in sorted(real, key=_rank):
        key = (each.id, each.driver)
        if not any((each.id, driver) in best for driver in {each.driver, ""}) and (
            each.driver or not any(ident == each.id for ident, _ in best)
        ):
            best[key] = each
    idents = {each.id for each in best.values()}
    return [each for each in best.values() if not (each.id.endswith("-init") and each.id.removesuffix("-init") in idents)]


def _rank(thing: Thing) -> tuple[int, Thing]:
    return ORDER.index(thing.kind) if thing.kind in ORDER else len(ORDER), thing


def _image_of(known: Known, thing: Thing) -> Thing:
    """The image that a tag stands for, if it is there."""
    if thing.kind != "tag":
        return thing
    model = known.model(thing)
    image = next((value for (_, name), value in model.known_tags.items() if name == thing.id), "")
    return Thing("image", image, thing.driver) if image in model.images.images else thing


def _told(known: Known, thing: Thing) -> str:
    name = known.name(thing)
    shown = f" ({printable(name)})" if name not in {thing.id, ids.short(thing.id)} else ""
    return f"{thing.kind} {printable(thing.id)}{shown} at {printable(known.path(thing))}"


def _near(known: Known, text: str) -> list[str]:
    names: dict[str, None] = {}
    for each in known.everything():
        if len(names) >= SEARCHED:
            break
        names[each.id if each.kind in {"tag", "volume"} else known.name(each) if each.kind == "container" else each.id] = None
    bare = {name.removeprefix("sha256:")[: max(len(text), 12)]: name for name in names}
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way to an error

    close = get_close_matches(text.removeprefix("sha256:"), bare, 3, 0.75)
    return [printable(bare[each]) for each in close]
