"""Rules on the root as a whole: what the kernel would not give, other stores beside it (classic-store 15, 16)."""

from collections.abc import Iterable, Iterator

from docker_fsck.api import Fault, Model, Ref, Rule, Severity, hookimpl, rule


@rule("file-unreadable", Severity.ERROR, after=("*",))
def unreadable(model: Model) -> Iterator[Fault]:
    """The kernel would not give a file or folder of the data root.

    Why it matters: nothing can be said about it: the verdict is incomplete, and nothing that it could name is reclaimed.
    How it comes about: a damaged disk or file system (EIO), or missing rights.
    Repair: none; run as root; on EIO run the file system's own check first.
    Never: write to a file system that reports errors.
    Daemon says: input/output error
    Seen in: FC-49, FC-58
    """
    for path, fault in sorted(model.store.reader.unread.items()):
        yield Fault(Ref("file", path), f"cannot be read: {fault.why}", (path,), "", fault.why)


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The rules on the root."""
    return (unreadable,)
