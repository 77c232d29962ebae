"""Rules on the root as a whole: what the kernel would not give, other stores beside it (classic-store 15, 16)."""

from collections.abc import Iterable, Iterator

from docker_fsck.api import Fault, Model, ProbedHome, Ref, Rule, Severity, Trouble, hookimpl, rule
from docker_fsck_plugins.parts import lost_half
from docker_fsck_plugins.remedies import refused


@rule("file-unreadable", Severity.ERROR, after=("*",))
def unreadable(model: Model) -> Iterator[Fault]:
    """A file or folder of the data root could not be read.

    Why it matters: nothing can be said about it: the verdict is incomplete, and nothing that it could name is reclaimed.
    How it comes about: a damaged disk or file system (EIO), missing rights, or a file where a folder of the store belongs.
    Repair: none; run as root; on EIO run the file system's own check first.
    Never: write to a file system that reports errors.
    Daemon says: input/output error
    Seen in: FC-49, FC-58, FC-59
    """
    tables = (model.images, model.layers, model.mounts, model.store.containers)
    closed = [fault for table in tables for fault in table.faults] + [
        each for each in model.home.partial if not _told(model, each)
    ]
    found = {fault.path: fault for fault in closed if not refused(model, fault.path)} | model.store.reader.unread
    for path, fault in sorted(found.items()):
        yield Fault(Ref("file", path), f"cannot be read: {fault.why}", (path,), "", fault.why)


@rule("root-part-elsewhere", Severity.INFO)
def part_elsewhere(model: Model) -> Iterator[Fault]:
    """A part of the data root lies elsewhere: another file system is mounted there, or a link stands there.

    Why it matters: it is no fault, engines follow both. This program enters neither, and has read nothing of that part: the
        verdict is incomplete, and nothing that the part could name is reclaimed.
    How it comes about: somebody gave volumes, layers or another part a disk of its own.
    Repair: none is needed. To check all of it, mount that disk for the whole data root, or look at the part by other means.
    Never: take what could not be read for damage, or for empty; follow the link.
    Seen in: FC-59
    """
    for path, fault in model.store.elsewhere.items():
        yield Fault(Ref("file", path), f"{path} was not read: {fault.why}", (path,), "", fault.why)


def _told(model: Model, fault: Trouble) -> bool:
    """Whether a law of overlay2 tells of it (a folder l/ that is none), or the verdict itself: a pool that cannot be seen."""
    if isinstance(model.home, ProbedHome) and fault.why == model.home.unseen:
        return True
    return fault.path == f"{model.home.name}/l" and fault.state == "wrong"


@rule("half-store", Severity.ERROR)
def half_store(model: Model) -> Iterator[Fault]:
    """Of a storage driver's tree only one half is there: the records without the layers' folders, or the reverse.

    Why it matters: without the folders no image and no container can be used; without the records the engine knows of none,
        and every folder looks like garbage.
    How it comes about: one of the two was deleted or not copied, or it lies on a disk that is not mounted.
    Repair: none; bring the other half back from where it is, or mount it. Nothing of the half that is there is put away.
    Never: start an engine on it to see what happens: it makes an empty other half.
    Seen in: FC-39, FC-44
    """
    home, image, lost = model.home.name, model.image_dir, lost_half(model)
    if lost == "folders":
        count = len(model.layers.layers) + len(model.mounts.mounts)
        message = f"{count} records are there, but nothing of what they name"
        yield Fault(
            Ref("store", model.name), message, (home, image), "the layers' folders", "nothing", suffers=_everything(model)
        )
    elif lost == "records":
        message = f"{len(model.home.ids())} folders of layers are there, but not the records of any image"
        expected, suffers = "records of images and layers", tuple(Ref("container", ident) for ident in sorted(model.containers))
        yield Fault(Ref("store", model.name), message, (image, home), expected, "nothing", suffers=suffers)


def _everything(model: Model) -> tuple[Ref, ...]:
    return (*(Ref("layer", chain) for chain in model.layers.layers), *(Ref("mount", name) for name in model.mounts.mounts))


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The rules on the root."""
    return (unreadable, part_elsewhere, half_store)
