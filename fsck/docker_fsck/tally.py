"""What a walk counts, and whose each folder is: values that go between processes; pure.

A `Plot` is a folder's owner, by number. What has several links goes into a table of its own, since its other links may be met
by another process.
"""

from array import array
from typing import Final

import msgspec

from docker_fsck.values import Trouble

OUTSIDE: Final = -1
"""The owner of mount points: neither counted nor entered."""
SECTOR: Final = 512
_OWNER = 48
"""A file with several links is one number: its owner above so many bits of sectors."""


class Plot(msgspec.Struct, gc=False):
    """A folder and all in it belong to `owner`, but for the names in `below` and for files whose names begin as in `starts`."""

    owner: int
    below: dict[str, "Plot"] = {}
    starts: tuple[tuple[str, "Plot"], ...] = ()

    @property
    def plain(self) -> bool:
        """Whether everything in it has one owner."""
        return not self.below and not self.starts

    def inside(self, name: str) -> "Plot":
        """The plot of an entry."""
        found = self.below.get(name)
        if found is None:
            found = next((plot for start, plot in self.starts if name.startswith(start)), None)
        return found or Plot(self.owner)


class Share(msgspec.Struct, frozen=True):
    """A piece of work: the folders `names` in the folder `path`, with everything below them."""

    path: str
    names: tuple[str, ...]


class Tally(msgspec.Struct):
    """What was counted. By owner: allocated `sectors` of 512 bytes and number of `inodes`, files with several links left out.

    `links`: those, by device and inode: the first of their owners and their sectors. `faults`: what could not be read.
    """

    sectors: "array[int]"
    inodes: "array[int]"
    links: dict[int, dict[int, int]]
    faults: list[Trouble]

    def add(self, other: "Tally") -> None:
        """Take in what another process counted."""
        for mine, its in ((self.sectors, other.sectors), (self.inodes, other.inodes)):
            for at, value in enumerate(its):
                if value:
                    mine[at] += value
        for device, table in other.links.items():
            known = self.links.setdefault(device, {})
            for inode, link in table.items():
                known[inode] = min(known.get(inode, link), link)
        self.faults += other.faults

    def link(self, device: int, inode: int, owner: int, sectors: int) -> None:
        """Note one of the links of a file."""
        table = self.links.setdefault(device, {})
        link = owner << _OWNER | sectors
        table[inode] = min(table.get(inode, link), link)

    def settle(self) -> None:
        """Give each file with several links to the first of its owners."""
        for table in self.links.values():
            for link in table.values():
                self.sectors[link >> _OWNER] += link & (1 << _OWNER) - 1
                self.inodes[link >> _OWNER] += 1
        self.links.clear()
        self.faults.sort(key=lambda fault: fault.path)


def empty(owners: int) -> Tally:
    """Nothing counted yet, for so many owners."""
    return Tally(array("Q", bytes(8 * owners)), array("Q", bytes(8 * owners)), {}, [])
