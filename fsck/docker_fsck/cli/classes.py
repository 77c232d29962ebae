"""The action classes that a command line names; pure."""

from docker_fsck.cli.edge import Call
from docker_fsck.errors import UsageError
from docker_fsck.values import ActionClass

APPLICABLE = frozenset(ActionClass) - {ActionClass.MANUAL}


def named(call: Call) -> frozenset[ActionClass] | None:
    """The classes of --class, None if it was not given; a `UsageError` for an unknown word."""
    words = call.several("classes")
    unknown = [word for word in words if word not in set(ActionClass)]
    if unknown or (not words and call.one("classes") is not None):
        raise UsageError(f"--class: {', '.join(unknown) or 'nothing'} is no action class; there are {', '.join(ActionClass)}")
    return frozenset(ActionClass(word) for word in words) if words else None


def wished(call: Call) -> frozenset[ActionClass]:
    """What a plan shows: the classes of --class, else all."""
    return named(call) or frozenset(ActionClass)


def allowed(call: Call) -> frozenset[ActionClass] | None:
    """What apply may do: the classes of --class, and those of user data if --consent names an object. None without --class."""
    found = named(call)
    if found is None:
        return None
    if ActionClass.MANUAL in found:
        raise UsageError("--class manual: those are steps for you; there is nothing to apply")
    return found | consented(call)


def consented(call: Call) -> frozenset[ActionClass]:
    """The class that --consent opens."""
    return frozenset({ActionClass.LOSSY_USER}) if call.several("consent") else frozenset()
