"""One data root as values: the tables that all graph drivers share, and a `Model` for each driver with state on it."""

from collections.abc import Callable, Iterable
from functools import cached_property

from docker_fsck import elsewhere, marks
from docker_fsck.backing import Backing
from docker_fsck.boltread import Damaged
from docker_fsck.errors import Refused
from docker_fsck.facts import Weight
from docker_fsck.host import HostView
from docker_fsck.keeping import Kept, keep
from docker_fsck.model import Model
from docker_fsck.policy import Policy
from docker_fsck.protocols import Driver, ProbedHome, References, ReferenceSource, Supplier
from docker_fsck.reader import Reader
from docker_fsck.records import (
    containerd,
    containers,
    distribution,
    nested,
    networks,
    plugindirs,
    quarantine,
    swarm,
    trees,
    volumes,
)
from docker_fsck.sources import of_store
from docker_fsck.values import Contents, Source, Trouble
from docker_fsck.verdicts import Task, Verdict
from docker_fsck.watched import Watched, references
from docker_fsck.weight import weigh

SIGNS = frozenset({"containers", "volumes", "buildkit", "network", "plugins"})


class Store:
    """One data root: the tables that all graph drivers share, and a `Model` for each driver with state on it."""

    def __init__(
        self, reader: Reader, drivers: Iterable[Driver], sources: Iterable[ReferenceSource], host: HostView, policy: Policy
    ) -> None:
        """Look which drivers have state; nothing else is read yet."""
        self.reader = reader
        self.host = host
        self.policy = policy
        self.crashes: list[str] = []
        """Plugins that crashed while they were asked about this root: the verdict is incomplete (law 6)."""
        self.reference_sources = tuple(sources)
        watched = sorted((Watched(driver, self.crashes, host.recorded) for driver in drivers), key=lambda driver: driver.name)
        self.models = tuple(Model(self, driver) for driver in watched if driver.detect(reader))
        self.probed = {driver.name for driver in watched if driver.probed}
        self.unknown = tuple(each for each in trees.names(reader) if each not in {model.name for model in self.models})
        self._names: dict[str, dict[str, str] | Trouble] = {}
        self._weights: dict[str, Weight | Trouble] = {}
        self._kept: dict[str, Kept] = {}
        self.verify: Callable[[Task], Verdict] | None = None  # compares one folder with an archive, where contents may be read
        self.supply: Supplier | None = None  # where layers can be had that are lost or damaged here
        self.contents: Contents | None = None  # how many layers that level has verified
        self._verdicts: dict[str, dict[str, Verdict]] = {}
        self._coming: dict[str, Callable[[], dict[str, Verdict]]] = {}
        self._containers: Callable[[], containers.ContainerTable] = lambda: containers.read(reader)
        self._lone: dict[tuple[str, str], marks.Marks] = {}
        self._caches: dict[str, distribution.Distribution] = {}
        self._begun: dict[str, Callable[[], distribution.Distribution]] = {}

    def learn(self, tree: str, verdicts: Callable[[], dict[str, Verdict]]) -> None:
        """What will give the verdicts on the layers of one tree, by chain id: it is asked when somebody wants to know."""
        self._coming[tree] = verdicts

    @property
    def verdicts(self) -> dict[str, dict[str, Verdict]]:
        """What was found of the content of layers, by tree and chain id; what could not be read counts as unread."""
        while self._coming:
            tree, answer = next(iter(self._coming.items()))
            self._verdicts[tree] = answer()
            del self._coming[tree]
            for each in self._verdicts[tree].values():
                if each.state == "unread":
                    path, _, why = each.why.partition(": ")
                    self.reader.unread.setdefault(path, Trouble(path, "unreadable", why))
        return self._verdicts

    @cached_property
    def disk(self) -> Backing:
        """The root's file system. May raise OSError."""
        return self.reader.backing()

    def read_ahead(self) -> None:
        """Start what takes long, for a run of all rules."""
        self._containers = containers.begin(self.reader)
        for model in self.models:
            model.read_ahead()
            self._begun[model.image_dir] = distribution.begin(self.reader, model.image_dir, len(model.home.ids()))

    @property
    def layouts(self) -> tuple[str, ...]:
        """`graphdriver:<name>` for each tree, and what else lies in the root that this version does not judge."""
        known = tuple(f"graphdriver:{model.name}" for model in self.models)
        nested = (f"nested:{name}" for name in self.nested)
        return (*known, *(each for each in self.unjudged if each not in known), *nested)

    @cached_property
    def unjudged(self) -> dict[str, str]:
        """What of this root is not judged, by layout, each with a sentence: law 6, unread is never clean."""
        found = {f"graphdriver:{name}": f"the storage driver {name} is not known to this version" for name in self.unknown}
        homes = {f"graphdriver:{model.name}": model.home for model in self.models if model.name in self.probed}
        found |= {layout: home.unseen for layout, home in homes.items() if isinstance(home, ProbedHome) and home.unseen}
        if self.containerd.image_store:
            found["containerd"] = "the containerd image store in it is not judged by this version"
        return found

    @cached_property
    def elsewhere(self) -> dict[str, Trouble]:
        """Parts of the root behind a mount or a link, by path: an engine follows both, and nothing in them was read here."""
        homes = [fault.path for model in self.models for fault in model.home.partial if not fault.path.endswith("/l")]
        return elsewhere.parts(self.reader, (*(model.name for model in self.models), *self.unknown), homes)

    @cached_property
    def nested(self) -> tuple[str, ...]:
        """Folders of the root that are roots of their own: nobody's garbage here, and to be checked with `--root`."""
        return nested.read(self.reader)

    @cached_property
    def containers(self) -> containers.ContainerTable:
        """The containers of all drivers."""
        return self._containers()

    @cached_property
    def foreign(self) -> tuple[str, ...]:
        """Containers of a graph driver that has no tree here, by id; those of the containerd image store are not meant."""
        known = {*(model.name for model in self.models), *self.unknown, ""}
        return tuple(
            ident
            for ident, container in sorted(self.containers.containers.items())
            if container.driver not in known and not (container.snapshotted or containerd.snapshotted(container.driver))
        )

    @cached_property
    def volumes(self) -> volumes.VolumeTable:
        """The volumes and what metadata.db says of them."""
        return volumes.read(self.reader)

    @cached_property
    def volume_users(self) -> dict[str, tuple[str, ...]]:
        """The containers, of all drivers and hidden ones too, that name each local volume."""
        found: dict[str, list[str]] = {}
        for ident, container in sorted(self.containers.containers.items()):
            for name in container.volumes:
                found.setdefault(name, []).append(ident)
        return {name: tuple(users) for name, users in found.items()}

    @cached_property
    def networks(self) -> networks.NetworkTable:
        """The networks, endpoints and sandboxes of this host."""
        return networks.read(self.reader)

    @cached_property
    def plugins(self) -> plugindirs.PluginTable:
        """The managed plugins."""
        return plugindirs.read(self.reader)

    @cached_property
    def containerd(self) -> containerd.Containerd:
        """The state of the engine's own containerd."""
        return containerd.read(self.reader, self.containers)

    @cached_property
    def swarm(self) -> swarm.Swarm:
        """The state of this node in a swarm."""
        return swarm.read(self.reader)

    @cached_property
    def references(self) -> tuple[References, ...]:
        """What the stores beside the graph driver keep alive."""
        on_disk = {ident for model in self.models for ident in model.home.ids()}
        return tuple(references(source, self.reader, on_disk, self.crashes) for source in self.reference_sources)

    @cached_property
    def pairs(self) -> dict[str, tuple[str, ...]]:
        """Writable layers with their init layers that nothing claims, by tree: a container without a record may own any."""
        return {model.name: tuple(marks.pairs(model)) for model in self.models}

    @cached_property
    def unseen(self) -> bool:
        """Whether there may be such a pair that was not seen: in a home that was not read, or one of an unknown driver."""
        return bool(self.unknown) or any(model.home.partial for model in self.models)

    @property
    def unread_sources(self) -> list[Source]:
        """Sources of references that were not read, not even as damaged; what the kernel refused is told by the reader."""
        found = [source for each in self.references for source in each.sources]
        known = {"read", "absent"}
        return [
            each
            for each in found
            if each.state not in known | {"partial"} and not isinstance(each, Damaged) and each.source not in self.reader.unread
        ]

    @cached_property
    def wanted(self) -> quarantine.Wanted:
        """Layers that images in the quarantine need."""
        return quarantine.read(self.reader)

    @cached_property
    def hides(self) -> frozenset[str]:
        """What an unread part of those stores could have named (`protocols.References`)."""
        return frozenset().union(*(each.hides for each in self.references))

    def marks_without(self, model: Model, home: str) -> marks.Marks:
        """What would be alive in a tree without the store beside the drivers whose home this is."""
        if (model.name, home) not in self._lone:
            self._lone[model.name, home] = marks.mark(model, tuple(each for each in self.references if each.home != home))
        return self._lone[model.name, home]

    def distribution(self, image_dir: str) -> distribution.Distribution:
        """The cache of what registries call the layers below `image_dir`, read once."""
        if image_dir not in self._caches:
            begun = self._begun.pop(image_dir, None)
            self._caches[image_dir] = begun() if begun else distribution.read(self.reader, image_dir)
        return self._caches[image_dir]

    def top_names(self, path: str) -> dict[str, str] | Trouble:
        """What a folder holds: name to kind, listed once."""
        if path not in self._names:
            self._names[path] = self.reader.names(path)
        return self._names[path]

    def weigh(self, path: str) -> Weight | Trouble:
        """`weight.weigh`, once for each path."""
        if path not in self._weights:
            self._weights[path] = weigh(self.reader, path)
        return self._weights[path]

    def kept(self, model: Model) -> Kept:
        """What keep-lists protect in a tree, found once."""
        if model.name not in self._kept:
            self._kept[model.name] = keep(model)
        return self._kept[model.name]

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
        return of_store(self)


def open_store(
    reader: Reader, drivers: Iterable[Driver], sources: Iterable[ReferenceSource], host: HostView, policy: Policy
) -> Store:
    """The store below `reader`; `Refused` for a folder that is no data root or whose layout is not known."""
    store = Store(reader, drivers, sources, host, policy)
    known = is_root(store)
    if (store.models and known) or (policy.target is not None and store.unjudged):  # the gate judges what an engine makes of it
        return store
    if why := [
        *store.unjudged.values(),
        *(f"the store in {name} is a root of its own: check it with --root" for name in store.nested),
    ]:
        raise Refused(f"{reader.root}: {'; '.join(why)}")
    if not known:
        raise Refused(f"{reader.root}: not a Docker data root")
    return store


def is_root(store: Store) -> bool:
    """Whether only an engine makes such a folder: records of layers, a driver's folders, or two of those around them."""
    for model in store.models:
        if not isinstance(store.reader.facts(model.image_dir), Trouble) or model.home.ids():
            return True
        if any(fault.state == "unreadable" for fault in model.home.partial):
            return True
    here = store.top_names("")
    found = set() if isinstance(here, Trouble) else SIGNS & here.keys()
    return len(found) > 1  # one of these folders alone may be anybody's
