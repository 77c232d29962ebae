"""Whose every folder of a data root is, by its map (classic-store 0.1, 15), the records and the plan; reads names only."""

from collections.abc import Iterator

from docker_fsck.ids import HEX64
from docker_fsck.model import IMAGES
from docker_fsck.reader import QUARANTINE
from docker_fsck.records.containerd import GRAPH_DRIVERS
from docker_fsck.records.containers import BASE, CONFIG
from docker_fsck.space.holders import Holders
from docker_fsck.space.values import ContainerUse, Estate, Kind, Owner
from docker_fsck.store import Store
from docker_fsck.values import ActionClass, Plan, PutAway, Trouble

Claim = tuple[tuple[str, ...], Owner]

TOP = {
    **dict.fromkeys(("buildkit", "builder"), Kind.BUILD_CACHE),
    **dict.fromkeys(("containerd", "content", "rootfs"), Kind.CONTAINERD),
    **dict.fromkeys(
        ("graph", "init", "execdriver", "linkgraph.db", ".migration-v1-images.json", ".migration-v1-tags"), Kind.INACTIVE
    ),
    **dict.fromkeys(("image", "containers", "volumes", "network", "swarm", "trust", "policy", "engine-id"), Kind.METADATA),
    **dict.fromkeys(("runtimes", "runtimes-old", "lost+found"), Kind.METADATA),
    **dict.fromkeys(("tmp", "tmp-old"), Kind.TEMP),
    "plugins": Kind.PLUGINS,
    QUARANTINE: Kind.QUARANTINE,
}
"""What lies at the top of a root by its name."""
_LOGS = ("container-cached.log",)
MANY = 2
IDENTITY_CACHE = "image/identity-cache.db"  # Docker 29.3 and later write it, with the containerd image store alone
CONTAINERD = "containerd"


def survey(store: Store, plan: Plan) -> Estate:
    """The owners of `store`; what `plan` reclaims is garbage, whatever else it would be."""
    active = active_driver(store)
    trees = [Holders(model) for model in store.models]
    claims: dict[str, Owner] = {"": Owner(Kind.METADATA, "")}
    for paths, owner in _claims(store, trees, active):
        claims.update(dict.fromkeys(paths, owner))
    logs = {
        f"{BASE}/{ident}": Owner(Kind.LOGS, f"{BASE}/{ident}/{ident}-json.log", ident) for ident in store.containers.containers
    }
    claims.update({f"{folder}/local-logs": owner for folder, owner in logs.items()})
    planned = _planned(plan, claims)
    claims.update(planned)
    if planned:
        claims = {path: _around(path, planned) or owner for path, owner in claims.items()}
        logs = {path: owner for path, owner in logs.items() if path not in planned}
    owners = sorted({*claims.values(), *logs.values()}, key=lambda owner: (owner.kind.rank, owner.depth, owner.path))
    number = {owner: at for at, owner in enumerate(owners)}
    return Estate(
        owners=tuple(owners),
        claims={path: number[owner] for path, owner in claims.items()},
        starts={
            path: tuple((start, number[owner]) for start in (f"{owner.id}-json.log", *_LOGS)) for path, owner in logs.items()
        },
        images=tuple(image for tree in trees for image in tree.images()),
        containers=(*(one for tree in trees for one in tree.containers()), *_others(store)),
        active=active,
    )


def active_driver(store: Store) -> str:
    """The storage driver that this root was last used with: that of the newest containers and tag stores (classic-store 15).

    `CONTAINERD` or a driver of it for the containerd image store, nothing where nothing tells.
    """
    reader, containers = store.reader, store.containers.containers.values()
    seen = [(f"{IMAGES}/{name}/repositories.json", name) for name in (*(model.name for model in store.models), *store.unknown)]
    seen.append((IDENTITY_CACHE, CONTAINERD))
    seen += [(f"{each.path}/{CONFIG}", each.driver) for each in containers if each.driver]
    if len({name for path, name in seen if path != IDENTITY_CACHE}) < MANY and isinstance(reader.facts(IDENTITY_CACHE), Trouble):
        return seen[0][1] if seen[0][1] != CONTAINERD else ""
    facts = ((reader.facts(path), name) for path, name in seen)
    return max(((found.mtime_ns, name) for found, name in facts if not isinstance(found, Trouble)), default=(0, ""))[1]


def _claims(store: Store, trees: list[Holders], active: str) -> Iterator[Claim]:
    """Everything but the plan; what is claimed later is claimed better."""
    homes = {tree.model.home.path("x").partition("/")[0]: tree.model.name for tree in trees}
    within = set(store.nested)
    for name in _names(store, ""):
        kind = Kind.NESTED if name in within else TOP.get(name)
        if name in homes or name in GRAPH_DRIVERS:
            known = homes.get(name)
            kind = (Kind.METADATA if known else Kind.OTHER) if active in {known or name, ""} else Kind.INACTIVE
        elif name.startswith(("gen-runtimes", "repositories-")):
            kind = Kind.METADATA if name.startswith("gen") else Kind.INACTIVE
        yield (name,), Owner(kind or Kind.OTHER, name, name)
    for base in ("volumes", "plugins", QUARANTINE, *(f"{home}/{QUARANTINE}" for home in homes)):
        yield from _members(store, base)
    for ident in store.containers.containers:
        yield (f"{BASE}/{ident}",), Owner(Kind.CONTAINERS, f"{BASE}/{ident}", ident)
    for tree in trees:
        yield from _tree(tree, active)


def _members(store: Store, base: str) -> Iterator[Claim]:
    """Volumes, plugins and transactions: each folder is its own owner."""
    kinds = {"volumes": Kind.VOLUMES, "plugins": Kind.PLUGINS}
    for name, kind in _names(store, base).items():
        if kind == "dir" and (base != "plugins" or HEX64.match(name)):
            yield (f"{base}/{name}",), Owner(kinds.get(base, Kind.QUARANTINE), f"{base}/{name}", name)
        elif (base, name) == ("plugins", "tmp"):
            yield ("plugins/tmp",), Owner(Kind.TEMP, "plugins/tmp")


def _tree(tree: Holders, active: str) -> Iterator[Claim]:
    """What one driver has, of a driver that is no longer used nothing but that."""
    model = tree.model
    inactive = active not in {model.name, ""}
    if inactive:
        yield (model.image_dir,), Owner(Kind.INACTIVE, model.image_dir, model.name)
    else:
        yield (f"{model.image_dir}/layerdb/tmp",), Owner(Kind.TEMP, f"{model.image_dir}/layerdb/tmp")
    for paths, owner in tree.owners():
        yield paths, Owner(Kind.INACTIVE, owner.path, model.name, depth=owner.depth) if inactive else owner


def _planned(plan: Plan, claims: dict[str, Owner]) -> dict[str, Owner]:
    """By path what the plan reclaims; a folder and the links that go with it have one owner."""
    found: dict[str, Owner] = {}
    for action in plan.actions:
        for step in action.steps if action.cls is ActionClass.RECLAIM else ():
            if isinstance(step, PutAway):
                was = claims.get(step.raw)
                found[step.raw] = Owner(Kind.GARBAGE, was.path if was else step.raw, was.id if was else "", planned=True)
    return found


def _around(path: str, planned: dict[str, Owner]) -> Owner | None:
    """The garbage in which `path` lies."""
    parts = path.split("/")
    return next((owner for end in range(1, len(parts) + 1) if (owner := planned.get("/".join(parts[:end])))), None)


def _others(store: Store) -> Iterator[ContainerUse]:
    """Containers of drivers whose trees are not known: only their folders can be told."""
    known = {ident for model in store.models for ident in model.containers}
    for ident, each in sorted(store.containers.containers.items()):
        if ident not in known:
            yield ContainerUse(ident, each.ref_name, each.driver, (), (), each.volumes)


def _names(store: Store, path: str) -> dict[str, str]:
    names = store.reader.names(path)
    return {} if isinstance(names, Trouble) else names
