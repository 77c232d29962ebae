"""What a store beside the graph driver alone keeps, so that it can be put away whole (classic-store 12, 18.1). Pure."""

from collections.abc import Collection
from typing import TYPE_CHECKING

import msgspec

from docker_fsck.graph import reach
from docker_fsck.ids import BUILDKIT_ID
from docker_fsck.marks import DIRS, LAYERS
from docker_fsck.values import Ref

if TYPE_CHECKING:
    from docker_fsck.model import Model
    from docker_fsck.protocols import References
    from docker_fsck.store import Store


BESIDE = "beside"
"""In `Remedy.knowing`, for any class: a store goes only if nothing unread could name what it alone seems to keep."""


class Alone(msgspec.Struct, frozen=True):
    """Driver ids and chain ids of one tree that would be garbage without the store; `gone` are not there, links may be."""

    dirs: frozenset[str]
    chains: frozenset[str]
    gone: frozenset[str]


def alone(model: "Model", store: "References") -> Alone:
    """What only `store` keeps in the tree of `model`, by the marks with and without it: so what a `lower` needs is kept.

    Where the store was not read, every 25-character driver dir and every layer that nothing else needs is its own: no other
    table gives such names, and it is what the store could have named (interface promise 10).
    """
    with_it, without = model.marks, model.store.marks_without(model, store.home)
    present = set(model.home.ids()) - without.dirs
    dead = set(without.dead_layers)
    if store.hides:
        dirs = {ident for ident in present if ident in with_it.dirs or BUILDKIT_ID.fullmatch(ident)}
        chains = dead
    else:
        dirs = present & with_it.dirs
        chains = reach(dead - set(with_it.dead_layers), lambda chain: model.children.get(chain, ())) & dead
    return Alone(frozenset(dirs), frozenset(chains), with_it.dirs - without.dirs - set(model.home.ids()))


def others_unknown(store: "Store", home: str) -> list[str]:
    """Why something other than the store at `home` may name what it seems to keep alone; empty if all others were read."""
    hidden = [store.marks_without(model, home).hidden for model in store.models]
    found = [why for each in hidden for why in (*each[LAYERS], *each[DIRS])]
    return found + [f"the storage driver {name} is not known to this version" for name in store.unknown]


def living(store: "References", kinds: Collection[str] = ()) -> frozenset[Ref]:
    """All that the objects of `store` that live by themselves reach, themselves included; only those of `kinds` if given."""
    needs = {node.ref: node.needs for node in store.nodes}
    roots = (node.ref for node in store.nodes if node.root and (not kinds or node.ref.kind in kinds))
    return frozenset(reach(roots, lambda ref: needs.get(ref, ())))
