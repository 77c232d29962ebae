"""The commands that look and tell: the bare run, check and plan; they change nothing."""

from contextlib import nullcontext

import msgspec

from docker_fsck.cli import roots, session
from docker_fsck.cli.classes import wished
from docker_fsck.cli.edge import Call, rfc3339
from docker_fsck.cli.session import Survey
from docker_fsck.cli.telling import tell, tell_cron
from docker_fsck.engine import Checked
from docker_fsck.errors import UsageError
from docker_fsck.reports import document, files, text
from docker_fsck.steps import digest
from docker_fsck.store import Store
from docker_fsck.values import Plan, Ref, SavedPlan, Scope, printable


def bare(call: Call) -> int:
    """No command word: check and plan, the form for cron; with --preen the lossless part of the plan is applied."""
    if not call.has("preen"):
        return tell_cron(call, session.survey(call, session.policy(call, wished(call))), text.whole)
    if call.has("dry_run"):
        raise UsageError("--preen applies and --dry-run changes nothing: only one of them")
    from docker_fsck.cli import applying  # noqa: PLC0415 - the rooms of apply only where something may be applied

    return applying.preen(call)


def check(call: Call) -> int:
    """`check`: the findings without the plan."""
    with (
        roots.needed() if call.one("object") else nullcontext(),
        session.surveyed(call, session.policy(call), only=_about(call)) as (found, _),
    ):
        return tell(call, found, text.found_only)


def _about(call: Call) -> session.Only:
    """Which findings a check tells: all, or those that concern the object of --object."""
    asked = call.one("object")
    if asked is None:
        return session.everything
    from docker_fsck.reasons import concern, lookup  # noqa: PLC0415 - few ask for one object
    from docker_fsck.reasons.known import Known  # noqa: PLC0415

    def only(checked: Checked, store: Store) -> tuple[Checked, Scope]:
        known = Known(store)
        thing = lookup.one(known, asked, roots.spellings(call.config))
        mine = concern.scope(known, thing)
        kept = tuple(each for each in checked.findings if mine.holds(each))
        name = Ref(thing.kind, printable(thing.id))
        scope = Scope(object=name, name=printable(known.name(thing)), left_out=len(checked.findings) - len(kept))
        return msgspec.structs.replace(checked, findings=kept), scope

    return only


def plan(call: Call) -> int:
    """`plan`: the plan, which -o saves."""
    target = call.one("output")
    if target is not None:
        files.outside(target, roots.choose(call.config).path, "-o")
        files.probe(target, "-o")
    try:
        with session.surveyed(call, session.policy(call, wished(call)), goal=call.one("target_free")) as (found, _):
            if target is not None:
                files.put(target, document.pretty(saved(found)), "-o")
            return tell(call, found, text.planned)
    except roots.NothingHere:
        if target is not None:
            files.put(target, document.pretty(_nothing(call)), "-o")
        raise


def _nothing(call: Call) -> SavedPlan:
    """The plan for a host on which Docker was never started."""
    root, made = printable(roots.choose(call.config).path), rfc3339(call.edge.clock())
    return SavedPlan(digest=digest(()), root=root, layout=(), made=made, tool=session.tool())


def saved(found: Survey) -> SavedPlan:
    """The plan of a survey as a file holds it."""
    report = found.report
    fields = {name: getattr(found.plan, name) for name in Plan.__struct_fields__}
    return SavedPlan(
        **fields,
        root=report.store.root,
        layout=report.store.layouts,
        made=report.run.started,
        tool=report.tool,
        sources=found.policy.sources or msgspec.UNSET,
        grace=found.policy.grace,
    )
