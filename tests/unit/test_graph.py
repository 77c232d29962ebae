"""Reachability, depth and cycles over small graphs, long chains and random ones."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_fsck.graph import depths, on_cycle, reach, reverse

LONG = 100_000

parents = st.dictionaries(st.integers(0, 12), st.integers(0, 15))
"""Each node's parent; some parents are nobody's nodes."""


def test_what_the_roots_need_is_reached_once_around_every_cycle() -> None:
    edges = {"a": "bc", "b": "d", "d": "a", "x": "a", "y": "y"}
    assert (set("abcd"), set("abcdx"), {"y"}, set()) == tuple(
        reach(roots, lambda node: edges.get(node, "")) for roots in ("a", "x", "y", "")
    )


def test_a_root_that_nobody_knows_is_reached_itself() -> None:
    assert {"z"} == reach(["z"], lambda _node: ())


def test_edges_are_turned_around() -> None:
    assert {"b": ["a", "c"], "d": ["a"]} == reverse({"a": ["b", "d"], "c": ["b"], "e": []})


@pytest.mark.parametrize(
    ("parent", "expected"),
    [
        ({}, {"a": 0}),
        ({"a": "b", "b": "c"}, {"a": 2, "b": 1, "c": 0}),
        ({"a": "a"}, {"a": -1}),
        ({"a": "b", "b": "a"}, {"a": -1, "b": -1}),
        ({"a": "b", "b": "c", "c": "b"}, {"a": -1, "b": -1, "c": -1}),
        ({"a": "gone"}, {"a": 1, "gone": 0}),
    ],
)
def test_depth_counts_ancestors_and_is_minus_one_on_and_above_a_cycle(parent: dict[str, str], expected: dict[str, int]) -> None:
    assert expected == depths("a", parent.get)


def test_depth_does_not_depend_on_the_order_of_nodes() -> None:
    parent = {"a": "b", "b": "c", "c": "a", "d": "a", "e": "f", "f": "g"}
    assert depths("abcdefg", parent.get) == depths("gfedcba", parent.get) == depths("dgafceb", parent.get)


@given(parents)
def test_depth_is_one_more_than_the_parents_unless_there_is_a_cycle(parent: dict[int, int]) -> None:
    found = depths(parent, parent.get)
    for node, depth in found.items():
        above = parent.get(node)
        expected = 0 if above is None else -1 if found[above] < 0 else found[above] + 1
        assert (expected, depth < 0) == (depth if depth >= 0 else expected, _loops(parent, node))


def _loops(parent: dict[int, int], node: int) -> bool:
    """Whether the walk up from `node` never ends."""
    at: int | None = node
    for _ in range(len(parent) + 2):
        at = parent.get(at) if at is not None else None
    return at is not None


@given(parents)
def test_a_node_is_on_a_cycle_if_it_is_its_own_ancestor(parent: dict[int, int]) -> None:
    expected = {node for node in parent if node in _ancestors(parent, node)}
    assert expected == on_cycle(parent, parent.get)


def _ancestors(parent: dict[int, int], node: int) -> set[int]:
    found: set[int] = set()
    at = parent.get(node)
    while at is not None and at not in found:
        found.add(at)
        at = parent.get(at)
    return found


@pytest.mark.parametrize("nodes", [range(LONG), range(LONG - 1, -1, -1)], ids=["base first", "top first"])
def test_a_chain_of_a_hundred_thousand_takes_no_recursion_and_linear_time(nodes: range) -> None:
    before = time.perf_counter()
    parent = {node: node - 1 for node in range(1, LONG)}
    assert (LONG - 1, set(), LONG) == (
        depths(nodes, parent.get)[LONG - 1],
        on_cycle(nodes, parent.get),
        len(reach([LONG - 1], lambda node: [parent[node]] if node else [])),
    )
    assert time.perf_counter() - before < 5
