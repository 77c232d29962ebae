"""Edges grown to trees of bounded width, depth and number; a thing that stands in a tree already is not unfolded again."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from docker_fsck.facts import Weight
from docker_fsck.reasons import parts, states
from docker_fsck.reasons.holders import holders
from docker_fsck.reasons.known import Known
from docker_fsck.reasons.told import Edge, Link, Thing
from docker_fsck.values import Trouble, printable

if TYPE_CHECKING:
    from docker_fsck.model import Model

HOLDERS, PARTS = 20, 256
DEEPEST = 12
MOST = 2000

Step = Callable[[Known, Thing], list[Edge]]


class _Growth:
    """One tree: where the next edges come from, how many may stand beside each other, and what stands in it."""

    def __init__(self, known: Known, top: Thing, step: Step, width: int) -> None:
        self.known, self.top, self.step, self.width = known, top, step, width
        self.seen: set[Thing] = set()
        self.left = MOST

    def links(self, edges: list[Edge], depth: int) -> tuple[Link, ...]:
        found = []
        for edge in edges[: self.width]:
            if self.left <= 0:
                break
            self.left -= 1
            found.append(self._link(edge, depth))
        return tuple(found)

    def _link(self, edge: Edge, depth: int) -> Link:
        thing = edge.thing
        more = [each for each in self.step(self.known, thing) if each.thing != self.top]
        again = thing in self.seen and bool(more)
        self.seen.add(thing)
        below = self.links(more, depth + 1) if more and not again and depth < DEEPEST else ()
        return Link(
            how=edge.how,
            kind=thing.kind,
            id=printable(thing.id),
            driver=thing.driver,
            name=printable(self.known.name(thing)),
            path=printable(self.known.path(thing)),
            state=states.state(self.known, thing),
            note=printable(edge.note),
            bytes=weight(self.known, thing) if self.step is not holders else None,
            size=size(self.known, thing),
            facts=facts(self.known, thing),
            again=again,
            left_out=0 if again else len(more) - len(below),
            links=below,
        )


def kept_by(known: Known, thing: Thing) -> tuple[tuple[Link, ...], int]:
    """Who holds the thing, up to the roots; and how many direct holders are not told."""
    edges = holders(known, thing)
    links = _Growth(known, thing, holders, HOLDERS).links(edges, 1)
    return links, len(edges) - len(links)


def made_of(known: Known, thing: Thing) -> tuple[tuple[Link, ...], int]:
    """What the thing stands on; and how many direct parts are not told."""
    edges = parts.made_of(known, thing)
    links = _Growth(known, thing, parts.below, PARTS).links(edges, 1)
    return links, len(edges) - len(links)


def weight(known: Known, thing: Thing) -> int | None:
    """Allocated bytes of a thing that has a tree of files, None for another and where that cannot be told."""
    found = weighed(known, thing)
    return found.bytes if isinstance(found, Weight) else None


def weighed(known: Known, thing: Thing) -> Weight | Trouble | None:
    """The tree of files of a driver dir, container folder, volume or path."""
    if thing.kind not in {"driverdir", "container", "volume", "file", "mount"}:
        return None
    return known.store.weigh(known.path(thing))


def size(known: Known, thing: Thing) -> int | None:
    """What the layer records say a layer, or an image's layers together, take when unpacked."""
    match thing.kind:
        case "layer":
            chains: tuple[str, ...] = (thing.id,)
        case "image":
            image = known.model(thing).images.images.get(thing.id)
            chains = image.chains if image else ()
        case _:
            return None
    sizes = _sizes(known.model(thing), chains)
    return sum(sizes) if len(sizes) == len(chains) else None


def _sizes(model: "Model", chains: tuple[str, ...]) -> list[int]:
    layers = (model.layers.layers.get(chain) for chain in chains)
    return [layer.size for layer in layers if layer is not None and isinstance(layer.size, int)]


def facts(known: Known, thing: Thing) -> dict[str, str]:
    """What a layer's record says: its diff-id, chain-id and cache-id."""
    layer = known.model(thing).layers.layers.get(thing.id) if thing.kind == "layer" else None
    if layer is None:
        return {}
    found = {"diff-id": layer.diff, "chain-id": layer.chain, "cache-id": layer.cache_id}
    return {name: printable(value) if isinstance(value, str) else printable(f"? {value.why}") for name, value in found.items()}
