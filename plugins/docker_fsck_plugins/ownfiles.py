"""Rules on files and folders that the engine writes anew by itself, where something of another kind stands in their place."""

from collections.abc import Iterable, Iterator

from docker_fsck.api import ActionClass, Fault, Model, Ref, Remedy, Rule, Severity, hookimpl, rule
from docker_fsck_plugins.overlay2_links import DRIVERS, home_of
from docker_fsck_plugins.remedies import children, put_away

WRITTEN = ("hostname", "hosts", "resolv.conf", "resolv.conf.hash", "container-cached.log")
KEPT = ("mounts", "checkpoints", "local-logs")
EXECUTOR = "buildkit/executor"


@rule("engine-file-blocked", Severity.ERROR, actions=(ActionClass.LOSSLESS,), after=("container-config-corrupt",))
def file_blocked(model: Model) -> Iterator[Fault]:
    """A folder stands where the engine writes a file of its own, or a file where it keeps a folder.

    Why it matters: the engine writes these at each start of the container or build step, and fails: the container does not
        start, no container is made from the layer, no build step runs.
    How it comes about: a bind mount of a path that was not there makes a folder of it; a wrong copy; a damaged file system.
    Repair: what stands there is put away; the engine makes its own again. A log is begun anew.
    Daemon says: open …/hostname: is a directory
    """
    for path, expected, actual, owner in (*_of_containers(model), *_of_layers(model), *_of_builds(model)):
        remedy = Remedy(
            cls=ActionClass.LOSSLESS, does=f"put {path} away, so that the engine makes its own", steps=(put_away(path),)
        )
        suffers = (owner,) if owner.kind == "container" else ()
        message = f"a {actual} stands at {path}, where the engine keeps a {expected}"
        yield Fault(Ref("file", path), message, (path,), f"a {expected}", f"a {actual}", (remedy,), (owner,), suffers=suffers)


Found = tuple[str, str, str, Ref]
_WORDS = {"dir": "folder", "other": "pipe, socket or device", "file": "file"}


def _of_containers(model: Model) -> Iterator[Found]:
    for ident, container in sorted(model.containers.items()):
        owner = Ref("container", ident)
        for name in (*WRITTEN, f"{ident}-json.log"):
            if (kind := container.entries.get(name, "file")) in {"dir", "other"}:
                yield f"{container.path}/{name}", "file", _WORDS[kind], owner
        for name in KEPT:
            if (kind := container.entries.get(name, "dir")) in {"file", "other"}:
                yield f"{container.path}/{name}", "folder", _WORDS[kind], owner


def _of_layers(model: Model) -> Iterator[Found]:
    if model.name not in DRIVERS:
        return
    home = home_of(model)
    blocked = {ident for ident, row in home.dirs.items() if row.entries.get("committed") == "dir"}
    for ident in model.living if blocked else ():
        if ident in blocked:
            yield f"{home.path(ident)}/committed", "file", _WORDS["dir"], Ref("driverdir", ident)


def _of_builds(model: Model) -> Iterator[Found]:
    if model is not model.store.models[0]:
        return
    for name, kind in sorted(children(model, EXECUTOR).items()):
        path = f"{EXECUTOR}/{name}"
        cleared = name in {"hosts", "resolv.conf"} and (kind != "dir" or not children(model, path))  # each start does that
        if kind in {"dir", "other"} and name in {"hosts", "resolv.conf", "runc-log.json"} and not cleared:
            yield path, "file", _WORDS[kind], Ref("store", "buildkit")


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The rules on the engine's own files."""
    return (file_blocked,)
