"""Whether a thing is alive, by the marks that also the rules on garbage go by, and what a dead one looks like."""

from docker_fsck import ids, marks
from docker_fsck.reasons.known import Known
from docker_fsck.reasons.told import State, Thing


def state(known: Known, thing: Thing) -> State:
    """Kept, dead, unknown, missing, unused or other."""
    match thing.kind:
        case "tag":
            return "kept" if any(name == thing.id for _, name in known.model(thing).known_tags) else "missing"
        case "image":
            return "kept" if thing.id in known.model(thing).images.images else "missing"
        case "layer" | "mount" | "driverdir":
            return _marked(known, thing)
        case "container":
            return "kept" if thing.id in known.store.containers.containers else "missing"
        case "volume" if thing.id in known.users:
            return "kept" if thing.id in known.volumes else "missing"
        case "volume":
            return "unknown" if doubts(known, thing) else "unused"
        case "file" | "use" | "store" | "quarantine":
            return "other"
        case _:
            return "kept" if thing.ref in known.rooted else "unused" if thing.ref in known.nodes else "missing"


def _marked(known: Known, thing: Thing) -> State:
    model = known.model(thing)
    match thing.kind:
        case "layer":
            present, living = thing.id in model.layers.layers, thing.id in model.marks.layers
        case "mount":
            doubt = bool(model.marks.needy) or model.marks.blank
            living = thing.id in model.store.containers.containers or thing.id in model.marks.lent
            living |= doubt and thing.id in model.marks.orphan_mounts
            present = thing.id in model.mounts.mounts
        case _:
            living = thing.id in model.marks.dirs
            present = thing.id in model.home.ids() and not (living and model.home.missing(thing.id) is not None)
    if not present:
        return "missing"
    if living:
        return "kept"
    return "unknown" if doubts(known, thing) else "dead"


def doubts(known: Known, thing: Thing) -> tuple[str, ...]:
    """What was not read completely and may name the thing."""
    hidden = known.model(thing).marks.hidden if thing.driver in known.models else {}
    match thing.kind:
        case "layer":
            return hidden.get(marks.LAYERS, ())
        case "mount":
            return hidden.get(marks.MOUNTS, ())
        case "driverdir":
            build = ids.BUILDKIT_ID.fullmatch(thing.id.removesuffix("-init"))
            return hidden.get(marks.BUILDKIT_DIRS if build else marks.DIRS, ())
        case "volume":
            table = known.store.containers
            faults = (*table.faults, *(each.fault for each in table.containers.values() if each.fault is not None))
            gone = ("containers unknown: the folder containers is not there",) if table.absent else ()
            return (*gone, *sorted(f"containers unknown: {fault.path}: {fault.why}" for fault in faults))
        case _:
            return ()


def shown(known: Known, thing: Thing) -> bool:
    """Whether the engine would list it, as far as that is known from its records (classic-store 3.3, 5.4, 10.4)."""
    match thing.kind:
        case "image":
            model = known.model(thing)
            image = model.images.images.get(thing.id)
            return image is not None and image.usable and set(image.chains) <= model.loadable
        case "container":
            return any(_listed(known, name, thing.id) for name in known.models)
        case _:
            return True


def _listed(known: Known, driver: str, ident: str) -> bool:
    model = known.models[driver]
    container = model.containers.get(ident)
    if container is None or container.fault is not None:
        return False
    mount = model.mounts.mounts.get(ident)
    if mount is None or mount.troubles:
        return False
    return mount.parent_id is None or mount.parent_id in model.loadable


def looks(known: Known, thing: Thing) -> str:
    """What a driver dir seems to be, by its name and its neighbours (field-cases FC-01); empty for what says it itself."""
    if thing.kind != "driverdir":
        return ""
    home, ident = known.model(thing).home, thing.id
    if ident.endswith("-init"):
        return "the init layer of a container"
    if ids.BUILDKIT_ID.fullmatch(ident):
        return "a build snapshot"
    needs = home.needs(ident) if ident in home.ids() else ()
    if f"{ident}-init" in home.ids() or (needs and needs[0].endswith("-init")):
        return "the writable layer of a container"
    return "a read-only layer"
