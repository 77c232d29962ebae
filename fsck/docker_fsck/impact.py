"""Who suffers from a damaged object: up the graph from it to images and containers. Pure."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from docker_fsck.graph import reach
from docker_fsck.values import Impact, Ref

if TYPE_CHECKING:
    from docker_fsck.model import Model


def impact(model: "Model", subject: Ref) -> Impact:
    """The images (by tag) and containers (by id) that `subject` takes with it, and volumes of such a container."""
    match subject.kind:
        case "layer":
            return _of_chains(model, reach([subject.id], lambda chain: model.children.get(chain, ())))
        case "driverdir":
            return _of_dirs(model, reach([subject.id], model.needing))
        case "image":
            return Impact(images=model.image_names(subject.id))
        case "mount":
            return _of_containers(model, [subject.id])
        case "container":
            return _of_containers(model, [subject.id])
        case "volume":
            return Impact(containers=model.store.volume_users.get(subject.id, ()), volumes=(subject.id,))
        case "tag":
            return Impact(images=(subject.id,))
        case _:
            return Impact()


def sufferers(model: "Model", chain: str) -> tuple[set[str], set[str]]:
    """Chain ids and image ids that cannot be without the layer `chain`, itself included."""
    chains = reach([chain], lambda each: model.children.get(each, ()))
    chains |= {above for image in model.images_of.get(chain, ()) for above in image.chains[image.chains.index(chain) :]}
    return chains, {image.id for each in chains for image in model.images_of.get(each, ())}


def _of_chains(model: "Model", chains: Iterable[str], mounts: Iterable[str] = ()) -> Impact:
    chains = set(chains)
    images = {name for chain in chains for image in model.images_of.get(chain, ()) for name in model.image_names(image.id)}
    names = {mount.name for chain in chains for mount in model.mounts_of.get(chain, ())}
    containers = _known(model, names.union(mounts))
    return Impact(tuple(sorted(images)), tuple(sorted(containers)))


def _of_dirs(model: "Model", dirs: set[str]) -> Impact:
    chains = {model.dir_owner[ident].chain for ident in dirs if ident in model.dir_owner}
    mounts = {model.dir_mount[ident].name for ident in dirs if ident in model.dir_mount}
    above = reach(chains, lambda chain: model.children.get(chain, ()))
    return _of_chains(model, above, mounts)


def _known(model: "Model", names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if name in model.store.containers.containers)


def _of_containers(model: "Model", names: list[str]) -> Impact:
    known = list(_known(model, names))
    volumes = {volume for name in known for volume in model.store.containers.containers[name].volumes}
    return Impact(containers=tuple(known), volumes=tuple(sorted(volumes)))
