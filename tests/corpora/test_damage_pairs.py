"""Two damages at once are both reported, for each pair of kinds of files."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import damage_stores
import pytest
from damage_blows import blows, struck
from damage_kinds import KINDS, STORES, Kind
from damage_stores import store
from damage_table import aside, reporting

from docker_fsck.host import HostView
from docker_fsck.values import Level

ORDER = ("emptied", "deleted", "halved", "junk", "directory")
"""The damages of which each kind gets the first that a check at the standard level reports."""
UNTELLABLE: dict[frozenset[str], str] = {}
"""Pairs of which one damage makes the other undeterminable, with the reason."""


def chosen(kind: Kind, root: Path, path: Path, host: HostView) -> str:
    """The damage that the kind gets, none if none is reported at this level."""
    for damage in ORDER:
        with struck(path, blows(damage, path)[0][1], aside(root, path)):
            if reporting(root, [path], host, Level.STANDARD)[0]:
                return damage
    return ""


def unreported(name: str) -> Iterator[str]:
    """Every pair of kinds in a store of which one damage is not reported beside the other."""
    with store(name) as (site, host):
        places = {kind: kind.find(site) for kind in KINDS if kind.store == name}
        damages = {kind: damage for kind, path in places.items() if (damage := chosen(kind, site.root, path, host))}
        for pair in itertools.combinations(damages, 2):
            if frozenset(kind.name for kind in pair) not in UNTELLABLE:
                first, second = (places[kind] for kind in pair)
                if first in second.parents or second in first.parents:
                    continue  # what is in a folder that is struck is no second damage
                yield from _both(site.root, [(kind, places[kind], damages[kind]) for kind in pair], host)


def _both(root: Path, pair: list[tuple[Kind, Path, str]], host: HostView) -> Iterator[str]:
    (_, first, one), (_, second, two) = pair
    with (
        struck(first, blows(one, first)[0][1], root.parent / "first"),
        struck(second, blows(two, second)[0][1], root.parent / "second"),
    ):
        found = reporting(root, [first, second], host, Level.STANDARD)
        if not all(found):
            found = reporting(root, [first, second], host, Level.DEEP)
    for (kind, _, damage), findings, other in zip(pair, found, reversed(pair), strict=True):
        if not findings:
            yield f"{kind.name} {damage} beside {other[0].name} {other[2]}"


@pytest.mark.parametrize("name", STORES)
def test_two_damages_are_both_reported(name: str) -> None:
    if lack := damage_stores.lacks():
        pytest.skip(lack)
    assert [] == list(unreported(name))
