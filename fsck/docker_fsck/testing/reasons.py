"""What must be true of every answer of `why`: its references and the marks that decide on garbage agree; for tests."""

from docker_fsck.reasons.holders import holders
from docker_fsck.reasons.known import Known
from docker_fsck.reasons.states import state
from docker_fsck.reasons.told import Thing

ROOTS = frozenset({"tag", "image", "container", "use", "store", "quarantine", "file"})
MARKED = frozenset({"layer", "driverdir", "mount"})


def marked(known: Known) -> list[Thing]:
    """The things that marks decide on."""
    return sorted({each for each in known.everything() if each.kind in MARKED})


def rooted(known: Known, thing: Thing, seen: set[Thing] | None = None) -> bool:
    """Whether references lead from `thing` to a root; whatever another store records counts as one, as the marks have it."""
    if thing.kind in ROOTS or thing.ref in known.nodes:
        return True
    seen = set() if seen is None else seen
    if thing in seen:
        return False
    seen.add(thing)
    return any(rooted(known, edge.thing, seen) for edge in holders(known, thing))


def contradictions(known: Known) -> list[str]:
    """Where references and marks do not agree, in words."""
    found = [(each, state(known, each)) for each in marked(known)]
    wrong = [(each, told) for each, told in found if told != "missing" and (told == "kept") != rooted(known, each)]
    return [f"{each.kind} {each.id} is {told}, its holders: {holders(known, each)}" for each, told in wrong]
