"""`plan --target-free`: how much must come free, and which reclaims are enough, the largest first. Pure but for weighing."""

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from docker_fsck.errors import UsageError
from docker_fsck.graph import reach
from docker_fsck.safety import weight_of
from docker_fsck.values import ActionClass, Plan, PutAway, Target

if TYPE_CHECKING:
    from docker_fsck.expand import Draft
    from docker_fsck.reader import Reader
    from docker_fsck.store import Store

_PERCENT = re.compile(r"(\d{1,3})(?:\.(\d{1,3}))? ?%", re.ASCII)
_SIZE = re.compile(r"(\d{1,15})(?:\.(\d{1,3}))? ?([kKMGTP]?)(i?)B?", re.ASCII)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_WANTS = "wants a size like 10G, 500MB or 10GiB, or a share of the file system like 20%"


def wanted(asked: str, reader: "Reader", quarantine: int) -> Target:
    """What is missing to have as much free as `asked` says. `UsageError` for what is no size or more than there is."""
    total, free = reader.space()
    aim = parse(asked, total)
    if aim > total:
        raise UsageError(f"--target-free {asked}: the whole file system has {total} bytes")
    return Target(asked=asked, total=total, free=free, quarantine=quarantine, wanted=max(0, aim - free - quarantine), short=0)


def parse(asked: str, total: int) -> int:
    """Bytes of a size, in powers of 1000 (with an i of 1024), or of a share of `total`."""
    text = asked.strip()
    share, size = _PERCENT.fullmatch(text), _SIZE.fullmatch(text)
    if share and float(f"{share[1]}.{share[2] or 0}") <= 100:  # noqa: PLR2004 - per cent
        thousandths = int(share[1]) * 1000 + int((share[2] or "").ljust(3, "0"))
        return -(-total * thousandths // 100_000)
    if size is None or (size[4] and not size[3]):
        raise UsageError(f"--target-free {_WANTS}, not {asked!r}")
    unit: int = (1024 if size[4] else 1000) ** _POWERS[size[3].lower()]
    return int(size[1]) * unit + int((size[2] or "").ljust(3, "0")) * unit // 1000


def chosen(store: "Store", drafts: "list[Draft]", goal: Target) -> "tuple[list[Draft], list[Draft]]":
    """The drafts that stay and those that are left out: reclaims, the largest first, until enough would come free.

    A reclaim takes along what must go before it, so that none is refused for what is left out.
    """
    reclaims = [draft for draft in drafts if draft.cls is ActionClass.RECLAIM]
    weights = {id(draft): sum(_weights(store, [draft]).values()) for draft in reclaims}
    owners, tally = _owners(reclaims), _Tally(store, reclaims)
    taken: dict[int, Draft] = {}
    for draft in sorted(reclaims, key=lambda each: (-weights[id(each)], each.findings)):
        if id(draft) in taken or tally.bytes >= goal.wanted:
            continue
        for each in _with(draft, owners):
            if id(each) not in taken:
                taken[id(each)] = each
                tally.add(each)
    left = [draft for draft in reclaims if id(draft) not in taken]
    return [draft for draft in drafts if draft.cls is not ActionClass.RECLAIM or id(draft) in taken], left


class _Tally:
    """What the paths of a growing number of drafts weigh together; what lies in another of them is counted once."""

    def __init__(self, store: "Store", drafts: "Iterable[Draft]") -> None:
        self._store = store
        every = {path for draft in drafts for path in _paths(draft)}
        self._around = every & {above for path in every for above in _above(path)}
        self._sizes: dict[str, int] = {}
        self.bytes = 0

    def add(self, draft: "Draft") -> None:
        for path in sorted(_paths(draft)):
            if path in self._sizes or any(above in self._sizes for above in _above(path)):
                continue
            if path in self._around:
                inside = [each for each in self._sizes if each.startswith(f"{path}/")]
                self.bytes -= sum(self._sizes.pop(each) for each in inside)
            self._sizes[path] = weight_of(self._store, path)
            self.bytes += self._sizes[path]


def _paths(draft: "Draft") -> set[str]:
    return {step.raw for _, step in draft.steps if isinstance(step, PutAway)}


def _weights(store: "Store", drafts: "Iterable[Draft]") -> dict[str, int]:
    """The paths that these drafts put away with their allocated bytes; what lies in another of them is not counted twice."""
    paths = {path for draft in drafts for path in _paths(draft)}
    return {path: weight_of(store, path) for path in paths if not any(above in paths for above in _above(path))}


def _above(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _owners(drafts: "Iterable[Draft]") -> "dict[tuple[int, str, str], Draft]":
    """The draft that takes each layer, driver dir and mount record."""
    return {
        (id(draft.model), kind, ident): draft
        for draft in drafts
        for kind, idents in (("layer", draft.layers), ("dir", draft.dirs), ("mount", draft.mounts), ("image", draft.images))
        for ident in idents
    }


def _with(draft: "Draft", owners: "dict[tuple[int, str, str], Draft]") -> "list[Draft]":
    """A draft and all that must go with it: what still needs what it takes (`safety.needed`)."""
    by_id = {id(draft): draft}

    def needs(number: int) -> Iterator[int]:
        one = by_id[number]
        for key in _needers(one):
            other = owners.get(key)
            if other is not None:
                by_id[id(other)] = other
                yield id(other)

    return [by_id[number] for number in sorted(reach([id(draft)], needs), key=lambda each: by_id[each].findings)]


def _needers(draft: "Draft") -> Iterator[tuple[int, str, str]]:
    model = draft.model
    for chain in draft.layers:
        yield from ((id(model), "layer", child) for child in model.children.get(chain, ()))
        yield from ((id(model), "image", image.id) for image in model.images_of.get(chain, ()))
        yield from ((id(model), "mount", mount.name) for mount in model.mounts_of.get(chain, ()))
    for ident in draft.dirs:
        yield from ((id(model), "dir", child) for child in model.needing(ident))
        yield from ((id(model), "layer", chain) for chain in model.dir_layers.get(ident, ()))
        yield from ((id(model), "mount", mount.name) for mount in model.dir_mounts.get(ident, ()))


def reason(goal: Target) -> str:
    """Why a reclaim is left out."""
    return f"left out: enough would be free without it (--target-free {goal.asked})"


def reached(store: "Store", plan: Plan, goal: Target, left: "Iterable[Draft]", withheld: "Iterable[Draft]") -> Target:
    """The target with what the plan comes to."""
    planned = sum(action.bytes for action in plan.actions if action.cls is ActionClass.RECLAIM)
    forbidden = [draft for draft in withheld if draft.cls is ActionClass.RECLAIM]
    return msgspec.structs.replace(
        goal,
        planned=planned,
        left_out=sum(_weights(store, left).values()),
        blocked=sum(_weights(store, forbidden).values()),
        short=max(0, goal.wanted - planned),
    )
