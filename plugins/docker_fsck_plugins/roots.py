"""Rules on a root as a whole: roots in it, trees of several drivers (classic-store 0, 15)."""

from collections.abc import Iterable, Iterator

from docker_fsck.api import Fault, Model, Ref, Rule, Severity, hookimpl, rule

IMAGES = "image"


@rule("userns-root-present", Severity.INFO)
def userns_root(model: Model) -> Iterator[Fault]:
    """A folder of the root is a root of its own, as engines keep for user namespaces.

    Why it matters: what lies in it is seen by no command of an engine that runs without `userns-remap`. It is not judged
        with this root.
    How it comes about: the engine ran, or runs, with `userns-remap`.
    Repair: none is needed; check it with `--root <folder>`.
    Never: take it as garbage of the outer root.
    Seen in: FC-50
    """
    for name in model.store.nested:
        yield Fault(
            Ref("file", name), f"{name} is a root of its own: check it with --root {model.store.reader.absolute(name)}", (name,)
        )


@rule("multiple-drivers", Severity.INFO)
def multiple_drivers(model: Model) -> Iterator[Fault]:
    """Several storage drivers have images or layers here.

    Why it matters: an engine sees one of them; images and containers of the others are hidden and take space. Without an
        explicit `storage-driver` some versions do not start.
    How it comes about: the driver was changed; the older tree stays complete and valid.
    Repair: none. Each tree is judged; containers of all keep their volumes.
    Never: take a tree as garbage because it is not the current one.
    Daemon says: contains several valid graphdrivers
    Seen in: FC-39, FC-40
    """
    store = model.store
    found = [each.name for each in store.models if each.layers.layers or each.images.images or each.mounts.mounts]
    found += store.unknown
    if len(found) > 1:
        paths = tuple(f"{IMAGES}/{name}" for name in found)
        yield Fault(Ref("file", IMAGES), f"{len(found)} storage drivers have something here: {', '.join(found)}", paths)


@rule("container-foreign-driver", Severity.WARNING)
def foreign_driver(model: Model) -> Iterator[Fault]:
    """A container is of a storage driver that has no tree here.

    Why it matters: no engine shows it; its name is free, and its volumes are not protected from a prune.
    How it comes about: the driver was changed and the older tree removed, or the folder was copied from another host.
    Repair: none; an engine with that driver and its tree shows the container again.
    Never: take it or its volumes as garbage.
    Daemon says: cannot load container because it was created with another storage driver
    Seen in: FC-55
    """
    store = model.store
    trees = ", ".join(each.name for each in store.models)
    for ident in store.foreign:
        container = store.containers.containers[ident]
        path = f"{container.path}/config.v2.json"
        message = f"the container {container.ref_name} is of the driver {container.driver}, which has no tree here"
        yield Fault(Ref("container", ident), message, (path,), trees, container.driver)


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The rules on the root."""
    return (userns_root, multiple_drivers, foreign_driver)
