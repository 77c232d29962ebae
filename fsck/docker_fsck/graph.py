"""Reachability, order and cycles over names and a function that says what each needs; pure, blind to storage."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TypeVar

N = TypeVar("N", bound=Hashable)


def reach(roots: Iterable[N], needs: Callable[[N], Iterable[N]]) -> set[N]:
    """Everything that `roots` need, themselves included; cycles and depth do no harm."""
    seen = set(roots)
    todo = list(seen)
    while todo:
        for each in needs(todo.pop()):
            if each not in seen:
                seen.add(each)
                todo.append(each)
    return seen


def reverse(edges: Mapping[N, Iterable[N]]) -> dict[N, list[N]]:
    """For each node those that need it."""
    back: dict[N, list[N]] = {}
    for node, needed in edges.items():
        for each in needed:
            back.setdefault(each, []).append(node)
    return back


def depths(nodes: Iterable[N], parent: Callable[[N], N | None]) -> dict[N, int]:
    """How many ancestors each node has among the parents that are known; a node on a cycle, or above one, gets -1."""
    known: dict[N, int] = {}
    for node in nodes:
        path: list[N] = []
        at: N | None = node
        on_path: set[N] = set()
        while at is not None and at not in known and at not in on_path:
            path.append(at)
            on_path.add(at)
            at = parent(at)
        bad = at is not None and (at in on_path or known[at] < 0)
        depth = -1 if at is None or bad else known[at]
        for each in reversed(path):
            depth = -1 if bad else depth + 1
            known[each] = depth
    return known


def on_cycle(nodes: Iterable[N], parent: Callable[[N], N | None]) -> set[N]:
    """The nodes that are their own ancestors."""
    found: set[N] = set()
    done: set[N] = set()
    for node in nodes:
        path: list[N] = []
        place: dict[N, int] = {}
        at: N | None = node
        while at is not None and at not in done and at not in place:
            place[at] = len(path)
            path.append(at)
            at = parent(at)
        if at is not None and at in place:
            found.update(path[place[at] :])
        done.update(path)
    return found
