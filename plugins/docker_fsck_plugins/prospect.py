"""What the engine version that the gate asks about will not show of a root: stores, their containers, images and volumes."""

from collections.abc import Iterator

import msgspec

from docker_fsck.api import Choice, Ref, Severity, Store, Trouble, Version, choose, containers, timeline, trees

FIRST = 6
CONTAINERD = timeline.CONTAINERD


class Share(msgspec.Struct, frozen=True):
    """What one store of the root holds: images by a name (of a driver that is not known only their number), containers."""

    name: str
    images: int
    names: tuple[str, ...]
    layers: int
    containers: tuple[containers.Container, ...]

    @property
    def empty(self) -> bool:
        """Whether nobody would miss it; a containerd store is told of only where it holds something."""
        return self.name != CONTAINERD and not (self.images or self.layers or self.containers)


class Prospect(msgspec.Struct, frozen=True):
    """What the engine opens, and the stores of the root by name."""

    target: Version
    choice: Choice
    shares: dict[str, Share]

    def hidden(self) -> Iterator[Share]:
        """The stores with content that the engine does not open; where that cannot be known, only what it never could."""
        for name, share in sorted(self.shares.items()):
            shown = name == self.choice.store or (self.unsettled and name in {"vfs", *self._possible})
            if not share.empty and not shown:
                yield share

    @property
    def unsettled(self) -> bool:
        """Whether it depends on the host, or on what is configured instead, what the engine opens."""
        return not self.choice.store

    @property
    def _possible(self) -> set[str]:
        """What it may open all the same: after a refusal any driver that it has; else only what counts as no state."""
        return {name for name in self.shares if self.choice.refuses and timeline.known(name, self.target)}

    @property
    def blank(self) -> bool:
        """Whether the engine shows nothing, and nobody told it so."""
        own = self.shares.get(self.choice.store)
        return not self.choice.explicit and (own is None or own.empty)

    def grade(self, share: Share) -> Severity:
        """How bad it is that a store is not shown."""
        if self.blank or self.choice.refuses:
            return Severity.CRITICAL
        return Severity.ERROR if share.containers else Severity.WARNING

    def volumes(self, share: Share) -> tuple[str, ...]:
        """Volumes that only hidden containers name: what the first prune would take."""
        own = self.shares.get(self.choice.store)
        kept = {volume for each in (own.containers if own else ()) for volume in each.volumes}
        return tuple(sorted({volume for each in share.containers for volume in each.volumes} - kept))


def prospect(store: Store) -> Prospect | None:
    """What the target makes of the store; None where no target is asked about."""
    target = store.policy.target
    if target is None:
        return None
    found = trees.read(store.reader)
    names = {*found.trees, *({CONTAINERD} if CONTAINERD in store.layouts else ())}
    shares = {name: _share(store, name, found.trees.get(name, trees.Tree())) for name in sorted(names)}
    return Prospect(target, choose(target, store.policy.engine, found.homes), shares)


def _share(store: Store, name: str, tree: trees.Tree) -> Share:
    model = next((model for model in store.models if model.name == name), None)
    if model is not None:
        tags = {tag for image in model.images.images for tag in model.image_names(image)}
        own = tuple(each for _, each in sorted(model.containers.items()) if each.fault is None)
        return Share(name, len(model.images.images), tuple(sorted(tags)), len(model.layers.layers), own)
    own = tuple(each for _, each in sorted(store.containers.containers.items()) if _is_of(each.driver, name))
    return Share(name, tree.images, (), tree.layers, own)


def _is_of(driver: str, name: str) -> bool:
    """Whether a container of `driver` belongs to the store: one of no graph driver is the containerd store's."""
    if name == CONTAINERD:
        return bool(driver) and driver not in timeline.DRIVERS and not timeline.is_plugin(driver)
    return driver == name


def what(store: Store, share: Share) -> str:
    """What a store holds, in words."""
    parts = [] if share.name == CONTAINERD else [_many(share.images, "image")]
    parts.append(_many(len(share.containers), "container"))
    weight = store.weigh(share.name)
    if not isinstance(weight, Trouble):
        parts.append(f"{weight.bytes / (1 << 20):.1f} MiB")
    return ", ".join(parts)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def prune(names: tuple[str, ...]) -> str:
    """What the first prune would do."""
    if not names:
        return ""
    more = f" and {len(names) - FIRST} more" if len(names) > FIRST else ""
    return f"; the first `docker volume prune -a` there deletes the data of {', '.join(names[:FIRST])}{more}"


def sufferers(share: Share) -> tuple[Ref, ...]:
    """The images and containers, for the impact; a container takes its volumes with it."""
    return (*(Ref("tag", name) for name in share.names), *(Ref("container", each.id) for each in share.containers))


def paths(share: Share) -> tuple[str, ...]:
    """Where the store lies."""
    own = ("containerd",) if share.name == CONTAINERD else (share.name, f"image/{share.name}")
    return (*own, *(each.path for each in share.containers))
