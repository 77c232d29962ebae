"""Rules on the root as a whole: what the kernel would not give, other stores beside it (classic-store 15, 16)."""

from collections.abc import Iterable, Iterator

from docker_fsck.api import Fault, Model, Ref, Rule, Severity, Trouble, hookimpl, rule


@rule("file-unreadable", Severity.ERROR, after=("*",))
def unreadable(model: Model) -> Iterator[Fault]:
    """A file or folder of the data root could not be read.

    Why it matters: nothing can be said about it: the verdict is incomplete, and nothing that it could name is reclaimed.
    How it comes about: a damaged disk or file system (EIO), missing rights, or a link, a file or another file system where a
        folder of the store belongs: such are never entered.
    Repair: none; run as root; on EIO run the file system's own check first; where a folder lies elsewhere, check that place.
    Never: write to a file system that reports errors.
    Daemon says: input/output error
    Seen in: FC-49, FC-58, FC-59
    """
    tables = (model.images, model.layers, model.mounts, model.store.containers)
    closed = [fault for table in tables for fault in table.faults] + [
        each for each in model.home.partial if not _told(model, each)
    ]
    found = {fault.path: fault for fault in closed} | model.store.reader.unread
    for path, fault in sorted(found.items()):
        yield Fault(Ref("file", path), f"cannot be read: {fault.why}", (path,), "", fault.why)


def _told(model: Model, fault: Trouble) -> bool:
    """Whether a law of overlay2 tells of it: a folder l/ that is none."""
    return fault.path == f"{model.home.name}/l" and fault.state == "wrong"


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The rules on the root."""
    return (unreadable,)
