"""The command `why`: one thing, what keeps it or since when it is dead; it changes nothing."""

from docker_fsck.cli import roots, session
from docker_fsck.cli.edge import Call
from docker_fsck.errors import INCOMPLETE
from docker_fsck.reasons import lookup
from docker_fsck.reasons.known import Known
from docker_fsck.reasons.why import why as answer
from docker_fsck.reports import document, whytext


@roots.needed()
def why(call: Call) -> int:
    """`why X`: 0, or bit 8 if not everything could be read, so that the answer may lack something."""
    form = call.simple_format()
    asked = call.one("which") or ""
    terminal = call.edge.terminal
    with session.surveyed(call, session.policy(call)) as (found, store):
        known = Known(store)
        told = answer(known, lookup.one(known, asked, roots.spellings(call.config)), asked, found.report)
    if form == "json":
        terminal.data(document.pretty(told))
    else:
        terminal.blocks(whytext.blocks(told))
    return found.report.exit & INCOMPLETE
