"""The command gate: may an engine of another version be started on this root; checks, answers, changes nothing."""

from typing import Literal

import msgspec

from docker_fsck.cli import engineconf, session
from docker_fsck.cli.edge import Call
from docker_fsck.cli.telling import tell
from docker_fsck.errors import FINDINGS, INCOMPLETE, UsageError
from docker_fsck.policy import Policy
from docker_fsck.records import trees
from docker_fsck.reports import text
from docker_fsck.store import Store
from docker_fsck.upgrade import version
from docker_fsck.upgrade.choice import choose
from docker_fsck.upgrade.version import Version
from docker_fsck.values import Gate, Report, Severity, printable


def gate(call: Call) -> int:
    """`gate --target X[.Y]`: 4 if something stands against it, 8 if something could not be judged, else 0."""
    with session.surveyed(call, _policy(call)) as (found, store):
        report = msgspec.structs.replace(found.report, gate=answer(found.report, store))
        return tell(call, msgspec.structs.replace(found, report=report), text.gated)


def _policy(call: Call) -> Policy:
    """What is asked: an error always stands against it, whatever --fail-on; a stricter --fail-on counts."""
    policy = session.policy(call)
    strict = Severity.ERROR if policy.fail_on is None or policy.fail_on.rank > Severity.ERROR.rank else policy.fail_on
    named = call.one("daemon_json")
    engine = policy.engine if named is None else engineconf.of_file(named)
    return msgspec.structs.replace(policy, fail_on=strict, target=_target(call), engine=engine)


def _target(call: Call) -> Version:
    asked = call.one("target")
    if asked is None:
        raise UsageError("gate wants --target X[.Y], the version of the engine that is to be started")
    try:
        return version.parse(asked)
    except ValueError as error:
        raise UsageError(f"--target {asked}: {error}") from None


def answer(report: Report, store: Store) -> Gate:
    """The answer that a report and the store give."""
    target, engine = store.policy.target, store.policy.engine
    if target is None:
        raise UsageError("no version is asked about")
    choice = choose(target, engine, trees.read(store.reader).homes)
    why = f"does not start: {choice.why}" if choice.refuses else choice.why
    return Gate(str(target), _decision(report.exit), choice.store, printable(why), printable(engine.origin))


def _decision(bits: int) -> Literal["passed", "blocked", "undecided"]:
    if bits & FINDINGS:
        return "blocked"
    return "undecided" if bits & INCOMPLETE else "passed"
