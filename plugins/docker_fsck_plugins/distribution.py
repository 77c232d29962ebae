"""Rules on the distribution cache, which the engine fills again by itself (classic-store 4)."""

import re
from collections.abc import Iterable, Iterator

from docker_fsck.api import ActionClass, Fault, Model, Ref, Remedy, Rule, Severity, Trouble, distribution, hookimpl, rule, short
from docker_fsck_plugins import strangers
from docker_fsck_plugins.remedies import kind_at, reclaim, refused

TEMPORARY = re.compile(strangers.TEMP, re.DOTALL)


def _dropped(model: Model, *paths: str) -> tuple[Remedy, ...]:
    """Put entries away, unless lost tags may still have to be told from them (FC-54)."""
    return () if model.tags.trouble is not None else (reclaim(*paths),)


@rule("dist-pair-mismatch", Severity.ERROR, actions=(ActionClass.RECLAIM,), after=("dist-corrupt",))
def pair_mismatch(model: Model) -> Iterator[Fault]:
    """The cache says that a blob of a registry is another layer than the layer's own entry says.

    Why it matters: a pull may take the wrong layer for a part of its image and fails, again and again.
    How it comes about: bit rot or an edit.
    Repair: both entries are put away: the next pull looks for itself.
    Never: while the tag store is lost: then the cache tells where images came from.
    Daemon says: layers from manifest don't match image configuration
    Seen in: FC-54
    """
    cache = model.store.distribution(model.image_dir)
    for diff, digests in sorted(cache.digests.items()):
        for digest in digests if isinstance(digests, tuple) else ():
            other = cache.diffs.get(digest)
            if isinstance(other, str) and other != diff:
                path = cache.by_digest(digest)
                both = (path, cache.by_diff(diff))
                message = f"the blob {short(digest)} is taken for the layer {short(other)}, which is {short(diff)}"
                yield Fault(Ref("file", path), message, both, diff, other, _dropped(model, *both))


@rule("dist-digest-lost", Severity.INFO, actions=(ActionClass.RECLAIM,), after=("dist-corrupt",))
def digest_lost(model: Model) -> Iterator[Fault]:
    """The cache knows a layer by a blob of a registry, and not the blob.

    Why it matters: little: the next pull that meets the blob fetches it although its layer is here.
    How it comes about: the entry of the blob was deleted, a digest in the entry of the layer was damaged, or the engine was
        killed between the two writes.
    Repair: the entry of the layer is put away, if no blob of it is known: the next pull writes both anew.
    Never: while the tag store is lost: then the cache tells where images came from.
    """
    cache = model.store.distribution(model.image_dir)
    if distribution.BY_DIGEST in cache.unlisted:
        return
    for diff, digests in sorted(cache.digests.items()):
        known = digests if isinstance(digests, tuple) else ()
        lost = [each for each in known if each not in cache.diffs]
        if lost:
            path, paths = cache.by_diff(diff), tuple(map(cache.by_digest, lost))
            remedies = _dropped(model, path) if len(lost) == len(known) else ()
            message = f"the layer {short(diff)} is known by the blob {short(lost[0])}, of which there is no entry"
            yield Fault(Ref("file", paths[0]), message, (*paths, path), diff, "no such file", remedies)


@rule("dist-corrupt", Severity.INFO, actions=(ActionClass.RECLAIM,))
def corrupt(model: Model) -> Iterator[Fault]:
    """An entry of the distribution cache cannot be read, or something else lies there.

    Why it matters: it does not: the engine takes the layer as unknown and fetches it again.
    How it comes about: power loss, or the engine was killed between write and rename.
    Repair: the entry is put away. What has a name that engines do not give is left alone.
    Never: while the tag store is lost: then the cache tells where images came from.
    Seen in: FC-54
    """
    cache = model.store.distribution(model.image_dir)
    for fault in (*cache.diffs.values(), *cache.digests.values()):
        if isinstance(fault, Trouble) and fault.state != "absent" and not refused(model, fault.path):
            message = f"an entry of the distribution cache cannot be read: {fault.why}"
            full = kind_at(model, fault.path) == "dir" and not strangers.empty(model, fault.path)
            remedies = () if full else _dropped(model, fault.path)
            yield Fault(Ref("file", fault.path), message, (fault.path,), "", fault.why, remedies)
    for path in cache.strays:
        mine = () if TEMPORARY.fullmatch(path.rpartition("/")[2]) else (path.rpartition("/")[2],)
        message = f"something was left in the distribution cache{strangers.told(mine)}"
        yield Fault(Ref("file", path), message, (path,), "", "", () if mine else _dropped(model, path))


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The rules on the distribution cache."""
    return (pair_mismatch, digest_lost, corrupt)
