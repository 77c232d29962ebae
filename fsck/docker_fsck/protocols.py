"""What a plugin must offer: graph drivers, sources of references, output formats. Shapes only."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

from docker_fsck.host import Recorded
from docker_fsck.steps import Origin
from docker_fsck.values import MakeDir, PutAway, Ref, Relink, Report, Source, Trouble, WriteFile
from docker_fsck.verdicts import Task

if TYPE_CHECKING:
    from docker_fsck.model import Model
    from docker_fsck.reader import Reader


class Part(msgspec.Struct, frozen=True):
    """Something that must be there for a driver dir to be whole, and is not as it must be.

    `name` is the part's short name (`diff`, `link`, `mnt`, …), `path` where it belongs below the root.
    """

    name: str
    path: str
    trouble: Trouble


class Home(Protocol):
    """What one graph driver keeps on this root: its driver dirs, read once.

    `union`: a child mounts its parents' folders, so that losing one breaks all above it. `partial`: why the listing
    is not complete, empty if it is.
    """

    name: str
    union: bool
    partial: tuple[Trouble, ...]

    def ids(self) -> Collection[str]:
        """Every id that has something on disk."""
        ...

    def path(self, ident: str) -> str:
        """The folder that holds the content of `ident`, whether it is there or not."""
        ...

    def content(self, ident: str) -> str:
        """The folder whose entries are the top of the layer's tree."""
        ...

    def missing(self, ident: str) -> Part | None:
        """The part without which the content of `ident` is lost, None if its content is there."""
        ...

    def needs(self, ident: str) -> tuple[str, ...]:
        """Driver ids that `ident` names as its parents, nearest first, as far as that can be read."""
        ...

    def vague(self, ident: str) -> bool:
        """Whether the parents of `ident` could not be read completely, so that it may need any other."""
        ...

    def aliases(self, ident: str) -> tuple[str, ...]:
        """Paths by which a mount may name `ident`, whether they are there or not."""
        ...

    def holdings(self, ident: str) -> tuple[str, ...]:
        """Every path that goes when `ident` is put away, links that name it first."""
        ...


@runtime_checkable
class Driver(Protocol):
    """A graph driver: how to know it and how to read its home."""

    name: str

    def detect(self, reader: "Reader") -> bool:
        """Whether this driver has state on the root: its home or its image tree."""
        ...

    def survey(self, reader: "Reader") -> Home:
        """Read the home. Never raises for what it finds there."""
        ...


@runtime_checkable
class ProbedHome(Home, Protocol):
    """A home of which not all can be seen in the root. `unseen` says why what it holds is not known, empty if it is."""

    unseen: str


@runtime_checkable
class ProbedDriver(Driver, Protocol):
    """A driver that keeps its layers outside the root's files, in a pool: only a tool of the host can list them.

    This program starts no other one: the operator records what `probe` (a command) prints and names the file with --probe.
    """

    probe: str

    def survey_with(self, reader: "Reader", recorded: Recorded | None) -> ProbedHome:
        """Read the home with what was recorded, if anything was. Never raises for what it finds."""
        ...


class Node(msgspec.Struct, frozen=True):
    """An object of a store beside the graph driver: what it is, where it is recorded, what it keeps.

    `path` is the file of the root that holds the record. `needs` are the objects that it keeps alive: other nodes of the store,
    layers, driver dirs. `root`: it lives by itself (a lease, a cache record), not only because another node needs it.
    """

    ref: Ref
    path: str
    needs: tuple[Ref, ...] = ()
    label: str = ""
    root: bool = False


class References(msgspec.Struct, frozen=True, kw_only=True):
    """What a store beside the graph driver keeps alive.

    `dirs` are driver ids, `chains` are chain ids. `hides` says what an unread part of it could have named:
    `buildkit-dirs` (25-character driver ids) and `layers` (any chain id); empty if everything was read. `nodes` are the
    objects behind these names, for those who ask why. `home` is the folder that holds the store, if it can be put away as
    a whole together with what only it keeps (`Ref("store", home)` in a remedy); `loses` is what that costs.
    """

    sources: tuple[Source, ...]
    dirs: frozenset[str] = frozenset()
    chains: frozenset[str] = frozenset()
    hides: frozenset[str] = frozenset()
    nodes: tuple[Node, ...] = ()
    home: str = ""
    loses: tuple[str, ...] = ()


@runtime_checkable
class ReferenceSource(Protocol):
    """A store beside the graph driver that names driver dirs or layers."""

    name: str

    def references(self, reader: "Reader", dirs: Collection[str]) -> References:
        """What it names. `dirs` are all driver ids on disk: an absent source counts as read only if it could name none."""
        ...


@runtime_checkable
class Reporter(Protocol):
    """An output format."""

    name: str

    def render(self, report: Report) -> bytes:
        """The whole document, ready to be written."""
        ...


class Supplier(Protocol):
    """Layers that the operator has elsewhere, by diff id. `told` takes why one cannot be had, by chain id."""

    told: dict[str, str]

    def find(self, diff: str) -> tuple[Origin, int] | str:
        """Where a tar with this digest lies and its length; why there is none."""
        ...

    def misplaced(self, model: "Model", diff: str) -> str:
        """Why it is not known which owners its files get in this tree; nothing if it is."""
        ...

    def split(self, diff: str) -> bytes | str:
        """A tar-split.json.gz for it; why there is none."""
        ...

    def fits(self, reader: "Reader", task: Task, split: bytes) -> bool:
        """Whether the files of a layer are, by this record, what its diff id says."""
        ...


Mend = WriteFile | Relink | MakeDir | PutAway
"""The file changes that a driver may propose for its own metadata."""
