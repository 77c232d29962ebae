"""Makes the answer of `du` of an estate and what was counted: sums by kind, image, container, volume and owner; pure."""

from collections.abc import Iterable

from docker_fsck.space.values import (
    ContainerSum,
    Estate,
    Frees,
    ImageSum,
    Kind,
    KindSum,
    OwnerSum,
    VolumeSum,
)
from docker_fsck.steps import printable, spell
from docker_fsck.tally import OUTSIDE, SECTOR, Plot, Tally
from docker_fsck.values import ActionClass, Plan


def plot(estate: Estate, mounts: Iterable[str]) -> Plot:
    """The estate as the walk wants it: a tree of plots with all claims in it, mount points left out of the count."""
    root = Plot(estate.claims[""])
    for path, owner in sorted(estate.claims.items()):
        _at(root, path).owner = owner
    for path, starts in estate.starts.items():
        _at(root, path).starts = tuple((start, Plot(owner)) for start, owner in starts)
    for path in mounts:
        _at(root, path).owner = OUTSIDE
    return root


def _at(root: Plot, path: str) -> Plot:
    """The plot of a path, made if need be; whoever has what is around it has it too."""
    here = root
    for part in path.split("/") if path else ():
        here = here.below.setdefault(part, Plot(here.owner))
    return here


class Ledger:
    """The sums of an estate. All are in allocated bytes; the lists have the largest first."""

    def __init__(self, estate: Estate, tally: Tally) -> None:
        """`tally` is settled."""
        self.estate = estate
        self.bytes = [each * SECTOR for each in tally.sectors]
        self.inodes = tally.inodes

    @property
    def total(self) -> int:
        """Everything."""
        return sum(self.bytes)

    def kinds(self) -> tuple[KindSum, ...]:
        """Every kind that has something."""
        sums: dict[Kind, tuple[int, int, int]] = {}
        for at, owner in enumerate(self.estate.owners):
            if self.inodes[at]:
                size, inodes, owners = sums.get(owner.kind, (0, 0, 0))
                sums[owner.kind] = size + self.bytes[at], inodes + self.inodes[at], owners + 1
        return tuple(
            sorted((KindSum(kind, *each) for kind, each in sums.items()), key=lambda each: (-each.bytes, each.kind.rank))
        )

    def owners(self) -> tuple[OwnerSum, ...]:
        """Every owner that has something."""
        found = []
        for at, owner in enumerate(self.estate.owners):
            if self.inodes[at]:
                path, coded = spell(owner.path)
                ident = printable(owner.id)
                found.append(
                    OwnerSum(
                        path=path, path_b64=coded, kind=owner.kind, id=ident, bytes=self.bytes[at], inodes=self.inodes[at],
                        planned=owner.planned,
                    )
                )  # fmt: skip
        return tuple(sorted(found, key=lambda each: (-each.bytes, each.kind.rank, each.path)))

    def images(self) -> tuple[ImageSum, ...]:
        """Every image."""
        found = []
        for each in self.estate.images:
            unique, shared = self._of(each.unique), self._of(each.shared)
            names = tuple(map(printable, each.names))
            found.append(
                ImageSum(id=each.id, names=names, driver=each.driver, total=unique + shared, unique=unique, shared=shared)
            )
        return tuple(sorted(found, key=lambda each: (-each.total, each.names, each.id)))

    def containers(self) -> tuple[ContainerSum, ...]:
        """Every container."""
        parts: dict[tuple[Kind, str], int] = {}
        for at, owner in enumerate(self.estate.owners):
            if owner.path.startswith("containers/"):
                parts[owner.kind, owner.id] = parts.get((owner.kind, owner.id), 0) + self.bytes[at]
        found = [
            ContainerSum(
                id=each.id, name=printable(each.name), driver=printable(each.driver), writable=self._of(each.writable),
                logs=parts.get((Kind.LOGS, each.id), 0), folder=parts.get((Kind.CONTAINERS, each.id), 0),
                layers=self._of(each.layers), volumes=tuple(sorted(map(printable, each.volumes))),
            )
            for each in self.estate.containers
        ]  # fmt: skip
        return tuple(sorted(found, key=lambda each: (-each.own, each.name, each.id)))

    def volumes(self) -> tuple[VolumeSum, ...]:
        """Every volume."""
        named: dict[str, list[str]] = {}
        for each in self.estate.containers:
            for name in each.volumes:
                named.setdefault(name, []).append(printable(each.name))
        found = []
        for at, owner in enumerate(self.estate.owners):
            if owner.kind is Kind.VOLUMES:
                path, coded = spell(owner.path)
                users = tuple(sorted(named.get(owner.id, ())))
                found.append(
                    VolumeSum(
                        path=path, path_b64=coded, name=printable(owner.id), bytes=self.bytes[at], inodes=self.inodes[at],
                        containers=users,
                    )
                )  # fmt: skip
        return tuple(sorted(found, key=lambda each: (-each.bytes, each.name)))

    def frees(self, plan: Plan) -> Frees:
        """What could be had back, `plan` being the one of which the estate was made."""
        sums = {True: 0, False: 0}
        purge = 0
        for at, owner in enumerate(self.estate.owners):
            if owner.kind is Kind.GARBAGE:
                sums[owner.planned] += self.bytes[at]
            elif owner.kind is Kind.QUARANTINE:
                purge += self.bytes[at]
        why = sorted({each.why for each in plan.blocked if each.cls is ActionClass.RECLAIM})
        return Frees(sums[True], sums[False], tuple(why), purge)

    def _of(self, paths: Iterable[str]) -> int:
        """What these folders take."""
        return sum(self.bytes[self.estate.claims[path]] for path in paths)
