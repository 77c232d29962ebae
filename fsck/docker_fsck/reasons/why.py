"""The answer to `why`: the thing, what keeps it, what it is made of, what is wrong with it, and what a plan would do."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from docker_fsck.facts import Weight
from docker_fsck.impact import impact
from docker_fsck.reader import QUARANTINE
from docker_fsck.reasons import states, tree
from docker_fsck.reasons.concern import Scope, scope
from docker_fsck.reasons.known import Known
from docker_fsck.reasons.told import Cause, State, Taken, Thing, Why
from docker_fsck.values import Finding, Impact, Plan, Report, printable, spell

PRUNED = "untagged and used by no container: it stays until `docker image prune` or `docker rmi`; no plan takes an image for that"


def why(known: Known, thing: Thing, asked: str, report: Report) -> Why:
    """The whole answer about `thing`; `report` is a check of the same store, with its plan."""
    path, coded = spell(known.path(thing))
    found = states.state(known, thing)
    kept, left = tree.kept_by(known, thing)
    parts, parts_left = tree.made_of(known, thing)
    weight = tree.weighed(known, thing)
    suffers = _suffers(known, thing)
    mine = scope(known, thing)
    return Why(
        tool=report.tool,
        root=report.store.root,
        asked=printable(asked),
        kind=thing.kind,
        id=printable(thing.id),
        driver=thing.driver,
        name=printable(known.name(thing)),
        path=path,
        path_b64=coded,
        state=found,
        shown=states.shown(known, thing),
        note=_note(known, thing, found, left, parts_left),
        looks=states.looks(known, thing) if found != "missing" else "",
        bytes=weight.bytes if isinstance(weight, Weight) else None,
        size=tree.size(known, thing),
        changed=_moment(weight.newest_ns) if isinstance(weight, Weight) else None,
        modified=_moment(weight.modified_ns) if isinstance(weight, Weight) else None,
        kept_by=kept,
        made_of=parts,
        images=tuple(map(printable, suffers.images)),
        containers=suffers.containers,
        volumes=tuple(map(printable, suffers.volumes)),
        causes=tuple(_causes(mine, found, report)),
        plan=tuple(_taken(known, thing, report.plan)),
        doubts=tuple(map(printable, states.doubts(known, thing))) if found == "unknown" else (),
        sources=report.coverage.sources,
    )


def _suffers(known: Known, thing: Thing) -> Impact:
    if thing.driver in known.models:
        return impact(known.model(thing), thing.ref)
    if thing.kind == "volume":
        return Impact(containers=tuple(each.id for each in known.users.get(thing.id, ())))
    return Impact()


def _note(known: Known, thing: Thing, state: State, left: int, parts_left: int) -> str:
    """One sentence about what the trees cannot say."""
    told = []
    match thing.kind:
        case "container":
            container = known.store.containers.containers.get(thing.id)
            if container is not None and container.dead:
                told.append("its removal began: `docker rm` finishes it")
            else:
                told.append("a container lives until `docker rm`")
        case "image" if state == "kept" and not known.model(thing).names_of.get(thing.id):
            if not known.made_from.get((thing.driver, thing.id)):
                told.append(PRUNED)
        case "volume" if state == "unused":
            told.append("no container names it; a volume is user data, and no plan takes one")
        case "file" if thing.id.partition("/")[0] == QUARANTINE:
            told.append("in the quarantine: `docker-fsck history` tells from where, undo and purge decide")
        case "layer" if state == "kept" and thing.id not in known.model(thing).images_of:
            told.append("no image has this layer")
        case _:
            pass
    if left:
        told.append(f"{left} more that keep it are not told")
    if parts_left:
        told.append(f"{parts_left} more parts are not told")
    return "; ".join(told)


def _moment(nanoseconds: int) -> str | None:
    """RFC 3339, UTC, to the second; None for what no calendar has."""
    try:
        return datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return None


def _causes(mine: Scope, state: State, report: Report) -> Iterator[Cause]:
    blocked: dict[str, list[str]] = {}
    for each in report.plan.blocked:
        blocked.setdefault(each.fingerprint, []).append(each.why)
    for finding in report.findings:
        if mine.holds(finding) or (state in {"dead", "unknown"} and _names(finding, mine)):
            yield Cause(
                fingerprint=finding.fingerprint,
                rule=finding.rule,
                severity=finding.severity,
                confidence=finding.confidence,
                message=finding.message,
                actions=finding.actions,
                blocked=tuple(blocked.get(finding.fingerprint, ())),
            )


def _names(finding: Finding, mine: Scope) -> bool:
    """Whether a finding on something else means the dead thing too, as that on a dead layer means its folder."""
    return any(each.path in mine.folders for each in finding.paths)


def _taken(known: Known, thing: Thing, plan: Plan) -> Iterator[Taken]:
    """The actions that change the thing or something in it."""
    places = set(_places(known, thing))
    for action in plan.actions:
        if any(step.raw in places or any(step.raw.startswith(f"{place}/") for place in places) for step in action.steps):
            yield Taken(id=action.id, cls=action.cls, does=action.does, bytes=action.bytes)


def _places(known: Known, thing: Thing) -> Iterable[str]:
    path = known.path(thing)
    if thing.kind == "driverdir":
        return (path, *known.model(thing).home.holdings(thing.id))
    return (path,) if path and thing.kind != "tag" else ()
