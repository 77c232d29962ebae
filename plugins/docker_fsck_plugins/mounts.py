"""Rules on mount records, their driver dirs and their `-init` layers (classic-store 7)."""

from collections.abc import Iterable, Iterator

from docker_fsck.api import (
    ActionClass,
    Fault,
    Model,
    Ref,
    Remedy,
    Rule,
    Severity,
    Trouble,
    WriteFile,
    hookimpl,
    mounts,
    rule,
    short,
)
from docker_fsck_plugins import derive, initlayer
from docker_fsck_plugins.initlayer import owned
from docker_fsck_plugins.parts import lost_half
from docker_fsck_plugins.remedies import put_away

GONE = ("mount-record-broken", "mount-rwdir-missing", "mount-initdir-missing", "layer-driverdir-missing", "ovl-diff-missing")


def _ref(mount: mounts.Mount) -> Ref:
    return Ref("mount", mount.name)


@rule("mount-record-broken", Severity.ERROR, actions=(ActionClass.LOSSLESS,))
def record_broken(model: Model) -> Iterator[Fault]:
    """A file of a container's mount record is missing, empty or malformed.

    Why it matters: the engine hides the container; the next prune takes its image and its volumes.
    How it comes about: power loss; these files are written without a sync in all versions.
    Repair: what is lost is written again from the other files, the init layer and the image, if all that is known agrees.
    Never: give a container a writable layer on a guess.
    Daemon says: failed to load container mount … error="mount does not exist"
    Seen in: FC-22, FC-24
    """
    for mount in owned(model):
        broken = [each for each in mount.troubles if each.state != "unreadable"]
        if mount.init_id is None and isinstance(mount.mount_id, str) and f"{mount.mount_id}-init" in model.home.ids():
            broken.append(Trouble(f"{mount.path}/init-id", "absent", "no such file"))
        if not broken:
            continue
        found = derive.derive(model, model.store.containers.containers[mount.name], mount)
        names = {each.path.rpartition("/")[2]: each for each in broken}
        what = "; ".join(f"{name}: {each.why}" for name, each in names.items())
        remedies = () if isinstance(found, str) else (_rewrite(mount, found, set(names)),)
        message = f"the mount record of {short(mount.name)} cannot be loaded: {what}"
        expected = found if isinstance(found, str) else f"{found.mount_id} ({found.why})"
        yield Fault(_ref(mount), message, tuple(each.path for each in broken), expected, what, remedies)


def _rewrite(mount: mounts.Mount, found: derive.Derived, names: set[str]) -> Remedy:
    wanted = dict(derive.texts(found))
    lacking = [name for name, value in (("init-id", mount.init_id), ("parent", mount.parent)) if value is None and name in wanted]
    if isinstance(mount.mount_id, str):
        lacking = [name for name in lacking if name != "parent"]  # that is mount-parent-missing-file's
    names = names.union(lacking)
    steps = tuple(
        WriteFile(path=f"{mount.path}/{name}", data=wanted[name].encode()) if name in wanted else put_away(f"{mount.path}/{name}")
        for name in sorted(names)
    )
    return Remedy(
        cls=ActionClass.LOSSLESS, does=f"write {', '.join(sorted(names))} of the mount record {short(mount.name)}", steps=steps
    )


@rule("mount-rwdir-missing", Severity.ERROR, after=("mount-record-broken", "container-dead"))
def rwdir_missing(model: Model) -> Iterator[Fault]:
    """The writable layer of a container is gone.

    Why it matters: the container can only be removed; what was changed in it is lost, its volumes are not.
    How it comes about: cleaning by hand, or a removal that was cut short.
    Repair: none; `docker rm` removes the rest. On btrfs it leaves the record and the init layer, which the next run puts away;
        on zfs it fails with engines before 27.4.
    Never: make an empty layer in its place.
    Daemon says: stat …/overlay2/<id>: no such file or directory
    Seen in: FC-22
    """
    yield from _dir_missing(model, _writable, "the writable layer")


def _writable(mount: mounts.Mount) -> str | Trouble | None:
    """The driver id of the writable layer, as the record tells it or as it follows from that of the init layer."""
    told = isinstance(mount.mount_id, Trouble) and mount.mount_id.state != "unreadable" and isinstance(mount.init_id, str)
    return str(mount.init_id).removesuffix("-init") if told else mount.mount_id


@rule("mount-initdir-missing", Severity.ERROR, after=("mount-record-broken", "container-dead"))
def initdir_missing(model: Model) -> Iterator[Fault]:
    """The init layer of a container is gone.

    Why it matters: on overlay2 and aufs the container cannot be mounted; its writable layer is whole.
    How it comes about: cleaning by hand.
    Repair: none yet in this version.
    Never: remove the writable layer X because X-init is gone.
    Daemon says: error creating overlay mount to …/merged: no such file or directory
    Seen in: FC-22
    """
    yield from _dir_missing(model, lambda mount: mount.init_id, "the init layer")


def _dir_missing(model: Model, which: "derive.Which", what: str) -> Iterator[Fault]:
    if model.home.partial or lost_half(model):
        return
    for mount in owned(model):
        ident = which(mount)
        part = model.home.missing(ident) if isinstance(ident, str) else None
        if part is None or part.name not in {"dir", "id"} or part.trouble.state == "unreadable":
            continue
        mild = what == "the init layer" and not model.home.union
        container = model.store.containers.containers[mount.name]
        through = (Ref("container", mount.name),)
        message = f"{what} of {container.ref_name} is gone"
        severity = Severity.WARNING if mild else None
        yield Fault(_ref(mount), message, (part.path, mount.path), "a folder", part.trouble.why, (), through, severity=severity)


@rule("mount-parent-missing-file", Severity.ERROR, actions=(ActionClass.LOSSLESS,), after=("mount-record-broken",))
def parent_missing_file(model: Model) -> Iterator[Fault]:
    """A mount record has no `parent` although its container stands on layers.

    Why it matters: the engine no longer protects those layers: the removal of their image takes them from under the container.
    How it comes about: power loss while the record was written.
    Repair: the file is written again from the init layer and the image, if they agree.
    Seen in: FC-24
    """
    for mount in owned(model):
        if mount.parent is not None or not isinstance(mount.mount_id, str):
            continue
        container = model.store.containers.containers[mount.name]
        found = derive.derive(model, container, mount)
        if isinstance(found, str) or found.parent is None:
            continue
        path = f"{mount.path}/parent"
        remedy = Remedy(cls=ActionClass.LOSSLESS, does=f"write {path}", steps=(WriteFile(path=path, data=found.parent.encode()),))
        yield Fault(
            _ref(mount),
            f"the mount record of {container.ref_name} names no parent",
            (path,),
            found.parent,
            "no such file",
            (remedy,),
        )


@rule("mount-parent-mismatch", Severity.ERROR, after=("mount-record-broken",))
def parent_mismatch(model: Model) -> Iterator[Fault]:
    """The parent in a mount record is not the chain of the container's image.

    Why it matters: the engine protects the wrong layers from removal.
    How it comes about: a copied record or bit rot.
    Repair: none in this version.
    """
    for mount in owned(model):
        chain = derive.image_chain(model, model.store.containers.containers[mount.name])
        if isinstance(mount.parent, str) and not isinstance(chain, Trouble) and chain != mount.parent:
            name = model.store.containers.containers[mount.name].ref_name
            path = f"{mount.path}/parent"
            yield Fault(
                _ref(mount),
                f"the mount record of {name} names another image's layer",
                (path,),
                chain or "no parent",
                mount.parent,
            )


@rule("mount-id-duplicate", Severity.ERROR)
def id_duplicate(model: Model) -> Iterator[Fault]:
    """Two mount records, or a mount record and a layer, claim the same directory.

    Why it matters: two containers write into one layer, or a container writes into an image.
    How it comes about: a record was copied by hand.
    Repair: none; which of them is right cannot be told.
    """
    claims: dict[str, list[str]] = {}
    for _, mount in sorted(model.mounts.mounts.items()):
        if isinstance(mount.mount_id, str):
            claims.setdefault(mount.mount_id, []).append(mount.path)
    for ident, paths in sorted(claims.items()):
        layer = model.dir_owner.get(ident)
        if len(paths) > 1 or layer is not None:
            everyone = (*paths, *((layer.path,) if layer else ()))
            yield Fault(
                Ref("driverdir", ident),
                f"{len(everyone)} records claim the directory {ident}",
                everyone,
                "one",
                str(len(everyone)),
            )


@rule("init-pair-broken", Severity.ERROR, after=("mount-record-broken", "mount-id-duplicate"))
def init_pair_broken(model: Model) -> Iterator[Fault]:
    """The two ids of a mount record are not a pair X and X-init.

    Why it matters: the container is mounted over the init layer of another one, or a removal leaves one of the two behind.
    How it comes about: bit rot or an edit.
    Repair: none; which of the two is right cannot be told.
    """
    for mount in owned(model):
        if isinstance(mount.mount_id, str) and isinstance(mount.init_id, str) and mount.init_id != f"{mount.mount_id}-init":
            odd = ("init-id", "mount-id") if f"{mount.mount_id}-init" in model.home.ids() else ("mount-id", "init-id")
            paths = tuple(f"{mount.path}/{name}" for name in odd)
            through = (Ref("driverdir", mount.mount_id), _ref(mount))
            yield Fault(
                _ref(mount), "mount-id and init-id are not a pair", paths, f"{mount.mount_id}-init", mount.init_id, (), through
            )


@rule(
    "init-parent-wrong",
    Severity.ERROR,
    after=("init-pair-broken", "mount-parent-mismatch", "ovl-lower", "ovl-lower-through-l", "aufs-layers-file", *GONE),
)
def init_parent_wrong(model: Model) -> Iterator[Fault]:
    """A writable layer does not stand on its init layer, or the init layer not on the layer that the record names.

    Why it matters: the container sees other files than those of its image.
    How it comes about: an edit, or a record that was given to the wrong layer.
    Repair: none; a list that resolves is never changed.
    """
    if not model.home.union:
        return
    for mount in owned(model):
        image = model.expected_parents(mount.init_id) if isinstance(mount.init_id, str) else None
        for ident, parent in ((mount.mount_id, mount.init_id), (mount.init_id, image[0] if image else None)):
            if not isinstance(ident, str) or not isinstance(parent, str) or model.home.missing(ident) is not None:
                continue
            needs = model.home.needs(ident)
            if not model.home.vague(ident) and needs and needs[0] != parent:
                through = (Ref("driverdir", ident), _ref(mount), *((Ref("layer", mount.parent_id),) if mount.parent_id else ()))
                message = f"{ident} stands on another layer than its record says"
                yield Fault(Ref("driverdir", ident), message, (model.home.path(ident), mount.path), parent, needs[0], (), through)


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The rules on mount records."""
    return (
        record_broken, rwdir_missing, initdir_missing, parent_missing_file, parent_mismatch, id_duplicate, init_pair_broken,
        init_parent_wrong, *initlayer.RULES,
    )  # fmt: skip
