"""One data root as values: the tables that all graph drivers share, and a `Model` for each driver with state on it."""

from collections.abc import Iterable
from functools import cached_property

from docker_fsck.errors import Refused
from docker_fsck.facts import Weight
from docker_fsck.host import HostView
from docker_fsck.model import IMAGES, Model, listed
from docker_fsck.policy import Policy
from docker_fsck.protocols import Driver, References, ReferenceSource
from docker_fsck.reader import Reader
from docker_fsck.records import containers, quarantine
from docker_fsck.values import Source, Trouble


class Store:
    """One data root: the tables that all graph drivers share, and a `Model` for each driver with state on it."""

    def __init__(
        self, reader: Reader, drivers: Iterable[Driver], sources: Iterable[ReferenceSource], host: HostView, policy: Policy
    ) -> None:
        """Look which drivers have state; nothing else is read yet."""
        self.reader = reader
        self.host = host
        self.policy = policy
        self.reference_sources = tuple(sources)
        drivers = sorted(drivers, key=lambda driver: driver.name)
        self.models = tuple(Model(self, driver) for driver in drivers if driver.detect(reader))
        self.unknown = self._unknown_drivers({driver.name for driver in drivers})
        self._names: dict[str, dict[str, str] | Trouble] = {}
        self._weights: dict[str, Weight | Trouble] = {}

    def _unknown_drivers(self, known: set[str]) -> tuple[str, ...]:
        names = self.reader.names(IMAGES)
        found = {} if isinstance(names, Trouble) else names
        return tuple(
            name
            for name, kind in found.items()
            if kind == "dir" and name not in known and not isinstance(self.reader.names(f"{IMAGES}/{name}/layerdb"), Trouble)
        )

    @property
    def layouts(self) -> tuple[str, ...]:
        """`graphdriver:<name>` for each tree."""
        return tuple(f"graphdriver:{name}" for name in (*(model.name for model in self.models), *self.unknown))

    @cached_property
    def containers(self) -> containers.ContainerTable:
        """The containers of all drivers."""
        return containers.read(self.reader)

    @cached_property
    def references(self) -> tuple[References, ...]:
        """What the stores beside the graph driver keep alive."""
        on_disk = {ident for model in self.models for ident in model.home.ids()}
        return tuple(source.references(self.reader, on_disk) for source in self.reference_sources)

    @cached_property
    def wanted(self) -> quarantine.Wanted:
        """Layers that images in the quarantine need."""
        return quarantine.read(self.reader)

    @cached_property
    def hides(self) -> frozenset[str]:
        """What an unread part of those stores could have named (`protocols.References`)."""
        return frozenset().union(*(each.hides for each in self.references))

    def top_names(self, path: str) -> dict[str, str] | Trouble:
        """What a folder holds: name to kind, listed once."""
        if path not in self._names:
            self._names[path] = self.reader.names(path)
        return self._names[path]

    def weigh(self, path: str) -> Weight | Trouble:
        """`Reader.weigh`, once for each path."""
        if path not in self._weights:
            self._weights[path] = self.reader.weigh(path)
        return self._weights[path]

    @property
    def counts(self) -> dict[str, int]:
        """How many objects there are."""
        return {
            "images": sum(len(model.images.images) for model in self.models),
            "layers": sum(len(model.layers.layers) for model in self.models),
            "mounts": sum(len(model.mounts.mounts) for model in self.models),
            "containers": len(self.containers.containers),
            "driver_dirs": sum(len(model.home.ids()) for model in self.models),
        }

    @property
    def sources(self) -> tuple[Source, ...]:
        """How much of each source of references was read, by name."""
        found = [source for each in self.references for source in each.sources]
        found.append(listed("containers", self.containers.faults))
        for model in self.models:
            found += model.own_sources
        return tuple(sorted(found, key=lambda source: source.source))


def open_store(
    reader: Reader, drivers: Iterable[Driver], sources: Iterable[ReferenceSource], host: HostView, policy: Policy
) -> Store:
    """The store below `reader`; `Refused` for a folder that is no data root or whose layout is not known."""
    store = Store(reader, drivers, sources, host, policy)
    if store.models:
        return store
    if store.unknown:
        raise Refused(f"{reader.root}: the storage driver {', '.join(store.unknown)} is not known to this version")
    here = reader.names("")
    signs = {"containers", "volumes", "buildkit", "network", "plugins"}
    found = set() if isinstance(here, Trouble) else signs & here.keys()
    if _has_containerd(reader):
        raise Refused(f"{reader.root}: the containerd image store, which this version cannot judge yet")
    if len(found) < 2:  # noqa: PLR2004 - one of these folders alone may be anybody's
        raise Refused(f"{reader.root}: not a Docker data root")
    return store


def _has_containerd(reader: Reader) -> bool:
    names = ("image/identity-cache.db", "buildkit/containerd-overlayfs", "rootfs/overlayfs")
    return any(not isinstance(reader.facts(name), Trouble) for name in names)
