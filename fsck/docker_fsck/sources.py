"""How much of each source of references was read: the tables of a root, and what lies elsewhere."""

from typing import TYPE_CHECKING

from docker_fsck.steps import printable
from docker_fsck.values import Source, Trouble

if TYPE_CHECKING:
    from docker_fsck.model import Model
    from docker_fsck.store import Store


def of_store(store: "Store") -> tuple[Source, ...]:
    """All of them, by name."""
    found = [source for each in store.references for source in each.sources]
    found += [_listed("containers", store.containers.faults), _listed("plugins", store.plugins.faults)]
    found += [store.volumes.database, store.networks.database]
    for model in store.models:
        found += _of_tree(model)
    names = [f"{source.source}/" for source in found]
    away = ((path, fault) for path, fault in store.elsewhere.items() if not any(each.startswith(f"{path}/") for each in names))
    found += [Source(printable(path), "unreadable", fault.why) for path, fault in away]
    return tuple(sorted(found, key=lambda source: source.source))


def _of_tree(model: "Model") -> list[Source]:
    """How much of a tree's own sources of references was read."""
    tags = model.tags.trouble
    found = [Source(model.tags.path, "read")]
    if tags is not None:
        found = [Source(model.tags.path, "absent" if tags.state == "absent" else "unreadable", tags.why)]
    found.append(_listed(f"{model.image_dir}/imagedb", model.images.faults))
    found.append(_listed(f"{model.image_dir}/layerdb/sha256", model.layers.faults))
    found.append(_listed(f"{model.image_dir}/layerdb/mounts", model.mounts.faults))
    found.append(_listed(model.home.name, model.home.partial))
    return found


def _listed(name: str, faults: tuple[Trouble, ...]) -> Source:
    """How much of a table could be listed."""
    return Source(name, "unreadable", faults[0].why) if faults else Source(name, "read")
