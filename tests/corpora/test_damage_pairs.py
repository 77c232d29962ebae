"""Two damages at once are both reported, for each pair of kinds of files."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import damage_stores
import pytest
from damage_blows import blows, struck
from damage_kinds import BUILT, ENGINE28, KINDS, STORES, Kind, Site
from damage_stores import store
from damage_table import aside, reporting

from docker_fsck.host import HostView
from docker_fsck.values import Level

ORDER = ("emptied", "deleted", "halved", "junk", "directory")
"""The damages of which each kind gets the first that a check at the standard level reports."""
HARMLESS = {"BuildKit's resolv.conf"}
"""Kinds of which no damage is one."""
UNTELLABLE = {
    frozenset({"layer of vfs", "layer's cache-id"}): "nothing but the cache-id says that there was such a folder",
    frozenset(
        {"layer's list of aufs", "layer's cache-id"}
    ): "an empty list is that of a base layer; only the cache-id says whose it is",
    frozenset(
        {"init layer's list of aufs", "mount's parent"}
    ): "an empty list is that of a container made of no layer; only parent says otherwise",
}
"""Pairs of which one damage makes the other undeterminable, with the reason."""


def chosen(kind: Kind, root: Path, path: Path, host: HostView) -> str:
    """The damage that the kind gets, none if none is reported at this level."""
    for damage in ORDER:
        with struck(path, blows(damage, path)[0][1], aside(root, path)):
            if reporting(root, [path], host, Level.STANDARD)[0]:
                return damage
    return ""


def there(kind: Kind, site: Site) -> Path | None:
    """Where a kind lies in a store, if it has it."""
    try:
        path = kind.find(site)
    except (OSError, ValueError):
        return None
    return path if path.exists() or path.is_symlink() else None


def unreported(name: str) -> Iterator[str]:
    """Every pair of kinds in a store of which one damage is not reported beside the other, and every kind of which none is.

    Each kind of the store is also struck beside those kinds of other stores that it has.
    """
    with store(name) as (site, host):
        found = ((kind, there(kind, site)) for kind in KINDS)
        places = {kind: path for kind, path in found if path is not None and (kind.store == name or name != ENGINE28)}
        damages = {kind: chosen(kind, site.root, path, host) for kind, path in places.items()}
        yield from (
            f"{kind.name}: nothing is reported" for kind, damage in damages.items() if not damage and kind.name not in HARMLESS
        )
        for pair in itertools.combinations([kind for kind, damage in damages.items() if damage], 2):
            first, second = (places[kind] for kind in pair)
            if name not in {kind.store for kind in pair} or first in second.parents or second in first.parents:
                continue  # both are struck in another store; or what is in a folder that is struck is no second damage
            told = list(_both(site.root, [(kind, places[kind], damages[kind]) for kind in pair], host))
            if frozenset(kind.name for kind in pair) not in UNTELLABLE:
                yield from told
            elif not told:
                yield f"{pair[0].name} and {pair[1].name} are both reported, the exception has to go"


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


def test_each_kind_of_overlay2_is_struck_beside_each_other() -> None:
    """In the root of the engine or in that of the builder; the few that the latter lacks are in the former."""
    with store(BUILT) as (site, _):
        lacking = {kind.name for kind in KINDS if kind.store in {ENGINE28, BUILT} and there(kind, site) is None}
    assert {"BuildKit's blob"} == lacking


@pytest.mark.parametrize("name", STORES)
def test_two_damages_are_both_reported(name: str) -> None:
    if lack := damage_stores.lacks():
        pytest.skip(lack)
    assert [] == list(unreported(name))
