"""Saved plans: read and judged before apply believes them; they are files that anybody may have edited or kept too long."""

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from docker_fsck.errors import Refused, UsageError
from docker_fsck.safety import TAKES_AWAY, YOUNG
from docker_fsck.steps import digest, sealed
from docker_fsck.values import PLAN_SCHEMA, Action, ActionClass, Plan, SavedPlan, Step

_LIMIT = 1 << 30


def read(path: str) -> SavedPlan:
    """The plan in a file. `UsageError` if it is none, `Refused` if its schema is of a newer major version."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(_LIMIT + 1) if os.fstat(file.fileno()).st_size <= _LIMIT else None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None
    if data is None or len(data) > _LIMIT:
        raise UsageError(f"{path}: larger than {_LIMIT >> 20} MiB, not a plan that `plan -o` saved")
    try:
        head = msgspec.json.decode(data, type=_Head)
        _known(path, head.schema)
        plan = msgspec.json.decode(data, type=SavedPlan)
        digests = [digest(plan.actions), sealed(msgspec.json.format(bytes(head.actions), indent=-1))]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: not a plan that `plan -o` saved: {error}") from None
    if plan.digest not in digests:
        raise UsageError(f"{path}: was edited: its digest does not fit its actions; make a new plan, or choose with --class")
    return plan


class _Head(msgspec.Struct):
    """The actions as they stand there: a newer minor version may have written more of each than this one knows."""

    schema: str
    actions: msgspec.Raw = msgspec.Raw(b"[]")


def _known(path: str, schema: str) -> None:
    """A newer minor version only adds fields; a newer major one may mean something else."""
    own, _, _ = PLAN_SCHEMA.rpartition(".")
    if schema.rpartition(".")[0] != own:
        raise Refused(f"{path}: its schema is {schema!r}, this version reads {own}.x")


def fits(plan: SavedPlan, root: str, layouts: tuple[str, ...]) -> None:
    """`Refused` unless the plan was made for this root and its storage drivers."""
    if plan.root != root:
        raise Refused(f"the plan was made for {plan.root}, not for {root}")
    if plan.layout != layouts:
        raise Refused(f"stale plan: it was made when the root held {', '.join(plan.layout)}, now it holds {', '.join(layouts)}")


def current(actions: Iterable[Action], now: Plan) -> None:
    """`Refused` unless a check of this moment would still do every step of `actions`.

    Guards see that the files of a plan changed; that something began to refer to them only a new check sees.
    """
    offered = {(action.cls, bare(step)) for action in now.actions for step in action.steps}
    blocked = {each.fingerprint: each.why for each in now.blocked}
    for action in actions:
        gone = next((step for step in action.steps if (action.cls, bare(step)) not in offered), None)
        if gone is not None:
            why = next((blocked[mark] for mark in action.findings if mark in blocked), "a check does not find this any more")
            raise Refused(f"stale plan: {action.id} ({action.does}), {gone.path}: {why}; make a new plan")


def old_enough(actions: Iterable[Action], now: Plan) -> tuple[tuple[Action, ...], tuple[tuple[Action, str], ...]]:
    """The actions that may be done by the grace period of a check of this moment, and the others, each with the reason."""
    young = {each.fingerprint: each.why for each in now.blocked if each.why.startswith(YOUNG)}
    reasons = [
        (action, next((young[mark] for mark in action.findings if mark in young and action.cls in TAKES_AWAY), ""))
        for action in actions
    ]
    return tuple(action for action, why in reasons if not why), tuple((action, why) for action, why in reasons if why)


def bare(step: Step) -> Step:
    """The step without its place in a plan."""
    return msgspec.structs.replace(step, n=-1, rank=0)


def narrowed(
    plan: Plan, classes: frozenset[ActionClass], consents: frozenset[str]
) -> tuple[tuple[Action, ...], tuple[tuple[Action, str], ...]]:
    """The actions that may be done, and the others, each with the reason why it is left out."""
    reasons = [(action, _left_out(action, classes, consents)) for action in plan.actions]
    return tuple(action for action, why in reasons if not why), tuple((action, why) for action, why in reasons if why)


def _left_out(action: Action, classes: frozenset[ActionClass], consents: frozenset[str]) -> str:
    if action.cls is ActionClass.MANUAL:
        return "steps for you to take"
    if action.consent is not None and action.consent not in consents:
        return f"wants --consent {action.consent}"
    if action.cls not in classes and not (action.cls is ActionClass.LOSSY_USER and action.consent in consents):
        return f"--class does not name {action.cls}"
    return ""
