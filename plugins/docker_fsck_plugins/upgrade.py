"""Rules that run for `gate` alone: what the engine version it names can no longer read, will hide, or will do by itself."""

from collections.abc import Iterable, Iterator

from docker_fsck.api import HEX64, Fault, Model, Ref, Rule, Severity, hookimpl, rule, sufferers, timeline
from docker_fsck_plugins import prospect
from docker_fsck_plugins.prospect import CONTAINERD, Prospect, Share


@rule("upgrade-driver-removed", Severity.CRITICAL, gate=True)
def driver_removed(model: Model) -> Iterator[Fault]:
    """The engine version no longer has the storage driver of data that is here.

    Why it matters: its images and containers are out of reach. Chosen in the configuration, the engine does not start; not
        chosen, its directory is not even looked at, and the engine comes up without it, silently.
    How it comes about: aufs and overlay were removed in 24, devicemapper in 25, graph-driver plugins in 28.
    Repair: none. With the present engine save what is needed (`docker save`, `docker commit`, copies of volumes), choose a
        driver that the new version has, and load it there.
    Never: remove the driver's tree because it is not the one in use; prune while its containers are not shown.
    Daemon says: [graphdriver] ERROR: the <name> storage-driver has been deprecated and removed
    Seen in: FC-09, FC-39
    """
    found = prospect.prospect(model.store)
    if found is None:
        return
    told = {share.name for share in found.hidden() if timeline.removed(share.name, found.target)}
    configured = model.store.policy.engine.driver
    if found.choice.refuses and timeline.removed(configured, found.target):
        told.add(configured)
    for name in sorted(told):
        share = found.shares.get(name, Share(name, 0, (), 0, ()))
        gone = timeline.removed(name, found.target)
        does = f"with the present engine save what is needed, then choose a driver that {found.target} has, and load it there"
        message = f"{_cannot(model, found, share)}: the storage driver {name} was removed in {gone}. To do: {does}"
        yield _fault(found, share, message, f"a driver that engine {found.target} has")


@rule("upgrade-driver-unchosen", Severity.CRITICAL, gate=True)
def driver_unchosen(model: Model) -> Iterator[Fault]:
    """The engine version does not start until its configuration chooses a storage driver.

    Why it matters: the engine stays down after the upgrade.
    How it comes about: several drivers have state here and none is chosen; or, with 23, the driver with state is one that is to
        be removed (aufs, overlay, devicemapper), which must be chosen by name from then on.
    Repair: none. Set `storage-driver` in daemon.json to the driver whose data is to be used.
    Never: remove a driver's directory to get around it without looking what is in it.
    Daemon says: … contains several valid graphdrivers: …
    Seen in: FC-39
    """
    found = prospect.prospect(model.store)
    if found is None or not found.choice.refuses or found.choice.explicit:
        return
    message = f"engine {found.target} does not start: {found.choice.why}. To do: set storage-driver in daemon.json"
    names = [share.name for share in found.shares.values() if share.name != CONTAINERD]
    yield Fault(
        Ref("store", "storage-driver"), message, tuple(names), "a storage driver that is chosen, or one only with state",
        found.choice.why, daemon_error=found.choice.refuses,
    )  # fmt: skip


@rule("upgrade-store-hidden", Severity.CRITICAL, gate=True)
def store_hidden(model: Model) -> Iterator[Fault]:
    """The engine version opens another store than the one that is here, and shows nothing of it.

    Why it matters: images and containers are gone from view, no command tells of their space, and the next prune deletes
        the volumes of containers that are not shown.
    How it comes about: from 29 on the containerd image store is the default unless a driver other than vfs has state here; a
        store of containerd is not seen by engines before; the feature containerd-snapshotter, or a storage driver, is set; an
        empty driver directory that some start has left beside a filled containerd store counts as state.
    Repair: none. The configuration decides: set `storage-driver`, or `features.containerd-snapshotter` to true or false, before
        the upgrade.
    Never: take the store that is not shown for garbage; prune before its containers are back.
    Seen in: FC-40, FC-55
    """
    found = prospect.prospect(model.store)
    if found is None or found.choice.refuses:
        return
    for share in found.hidden():
        if share.name == CONTAINERD or timeline.known(share.name, found.target):
            message = f"{_cannot(model, found, share)}: {_opens(found)}. To do: {_advice(found, share)}"
            yield _fault(found, share, message, f"engine {found.target} opens {share.name}")
    left = found.shares.get("vfs")
    if left is not None and not left.empty and not found.choice.store:
        message = (
            f"engine {found.target} opens vfs only if this host can do no other driver: vfs never counts as state. To do: set"
        )
        message += " storage-driver to vfs in daemon.json"
        yield Fault(
            Ref("store", "vfs"), message, prospect.paths(left), "vfs is chosen", found.choice.why, severity=Severity.WARNING,
            suffers=prospect.sufferers(left),
        )  # fmt: skip


@rule("downgrade-driver-unknown", Severity.CRITICAL, gate=True)
def driver_unknown(model: Model) -> Iterator[Fault]:
    """The engine version does not have the storage driver of data that is here yet.

    Why it matters: it comes up with another, empty store, or does not start.
    How it comes about: a downgrade: overlay2 came with 1.12, fuse-overlayfs with 20.10. Or a driver that no version of the engine
        has by itself.
    Repair: none. Save what is needed with the present engine, and load it after the downgrade.
    Never: prune while the containers are not shown.
    Daemon says: driver not supported
    """
    found = prospect.prospect(model.store)
    if found is None:
        return
    for share in found.hidden():
        if (
            share.name != CONTAINERD
            and not timeline.known(share.name, found.target)
            and not timeline.removed(share.name, found.target)
        ):
            message = f"{_cannot(model, found, share)}: it has no storage driver {share.name}; {_opens(found)}"
            yield _fault(found, share, message, f"a driver that engine {found.target} has")


@rule("upgrade-dtype", Severity.CRITICAL, gate=True)
def dtype(model: Model) -> Iterator[Fault]:
    """The file system below overlay2 does not tell the kinds of entries (d_type).

    Why it matters: from 23 on the engine does not start on it. Before, deleted files may come back in containers.
    How it comes about: an xfs made with ftype=0, the default of xfsprogs until 2015; an ext4 without the feature filetype.
    Repair: none. Copy the data root to a file system with d_type (with hard links, attributes and owners), then upgrade.
    Never: move the data with the engine running.
    Daemon says: the backing xfs filesystem is formatted without d_type support
    Seen in: FC-45
    """
    found = prospect.prospect(model.store)
    if found is None or found.target < timeline.DTYPE or found.choice.store not in {"overlay2", "fuse-overlayfs"}:
        return
    if model.store.reader.typed(found.choice.store) is False:
        message = (
            f"engine {found.target} does not start: overlay2 lies on a file system without d_type. To do: copy the data root to"
        )
        message += " one with d_type (xfs with ftype=1, ext4) before the upgrade"
        yield Fault(Ref("store", found.choice.store), message, (found.choice.store,), "a file system with d_type", "none")


@rule("upgrade-migration", Severity.WARNING, gate=True)
def migration(model: Model) -> Iterator[Fault]:
    """The engine version is told to copy the images into the containerd store.

    Why it matters: only tagged images are copied; intermediate images and the build cache stay behind, digests and image ids
        change, and the old tree keeps all its space. A later start without the feature shows the old tree again.
    How it comes about: the feature containerd-migration, from 29 on. It does nothing while there are containers, or above the
        size that DOCKER_MIGRATE_SNAPSHOTTER_THRESHOLD names.
    Repair: none. Take the feature out if this is not meant; else have room for all images once more, and keep the feature
        containerd-snapshotter on afterwards.
    Never: take the old tree for garbage before the new store is known to be whole.
    Seen in: FC-40
    """
    found = prospect.prospect(model.store)
    if found is None or found.target < timeline.CONTAINERD_DEFAULT or not model.store.policy.engine.migration:
        return
    share = found.shares.get(found.choice.store)
    if share is None or share.name == CONTAINERD:
        return
    count = len(share.containers)
    if count:
        message = f"the migration to the containerd store will not take place: there are {count} containers"
    else:
        message = f"engine {found.target} copies the images of {share.name} into the containerd store if their size allows it:"
        message += " their ids change, what has no tag stays behind, and the old tree keeps its space"
    severity = Severity.INFO if count else None
    actual = f"containerd-migration in {model.store.policy.engine.origin}"
    yield Fault(Ref("store", "migration"), message, prospect.paths(share)[:2], "", actual, severity=severity)


@rule("downgrade-cacheid", Severity.ERROR, gate=True)
def cacheid(model: Model) -> Iterator[Fault]:
    """The engine version cannot read the cache-ids of layers that BuildKit made.

    Why it matters: these layers, and every image on them, are not loaded.
    How it comes about: a downgrade below 18.06, which knows only ids of 64 digits; BuildKit's have 25 characters.
    Repair: none. Save and load those images, or build them anew, with an engine that does not use BuildKit.
    Never: rename the directories.
    Daemon says: invalid cache id value
    """
    target = model.store.policy.target
    if target is None or target >= timeline.SHORT_IDS:
        return
    for each in model.store.models:
        table = each.layers.layers
        odd = [chain for chain, layer in sorted(table.items()) if layer.dir_id and not HEX64.fullmatch(layer.dir_id)]
        if odd:
            images = {image for chain in odd for image in sufferers(each, chain)[1]}
            names = tuple(Ref("tag", name) for image in sorted(images) for name in each.image_names(image))
            message = f"engine {target} cannot read {len(odd)} layers of {each.name}: their cache-ids have not 64 digits"
            files = tuple(f"{each.path_of(Ref('layer', chain))}/cache-id" for chain in odd)
            yield Fault(Ref("store", each.name), message, files, "64 hex digits", table[odd[0]].dir_id or "", suffers=names)


@rule("downgrade-removing", Severity.INFO, gate=True)
def removing(model: Model) -> Iterator[Fault]:
    """Layers in removal that the engine version never finishes to remove.

    Why it matters: it does not hurt; their space stays taken.
    How it comes about: a downgrade below 20.10, which does not know `-removing` records.
    Repair: stop the present engine cleanly, which finishes them, or let `docker-fsck apply --class reclaim` put them away.
    """
    target = model.store.policy.target
    if target is None or target >= timeline.REMOVING:
        return
    for each in model.store.models:
        if records := each.layers.removing:
            message = f"engine {target} ignores {len(records)} `-removing` records of {each.name} for good"
            yield Fault(Ref("store", each.name), message, tuple(record.path for record in records))


def _cannot(model: Model, found: Prospect, share: Share) -> str:
    """What of a store is out of reach, and what a prune would add to it."""
    told = prospect.what(model.store, share)
    return f"engine {found.target} cannot show what {share.name} holds ({told}{prospect.prune(found.volumes(share))})"


def _opens(found: Prospect) -> str:
    """What the engine does instead."""
    if found.choice.refuses:
        return f"it does not start: {found.choice.why}"
    return f"it opens {found.choice.store}: {found.choice.why}" if found.choice.store else found.choice.why


def _advice(found: Prospect, share: Share) -> str:
    """What brings a store that the version still knows back into view."""
    chosen = f"set storage-driver to {share.name} in daemon.json"
    if share.name != CONTAINERD and found.choice.store == CONTAINERD and found.choice.explicit:
        return f"set features.containerd-snapshotter to false and {chosen}, or save what is needed first"
    if share.name != CONTAINERD:
        return f"{chosen}, or save what is needed first"
    if found.target >= timeline.FEATURE:
        return "set features.containerd-snapshotter to true in daemon.json"
    return "save what is needed first: this version knows no containerd store"


def _fault(found: Prospect, share: Share, message: str, expected: str) -> Fault:
    return Fault(
        Ref("store", share.name), message, prospect.paths(share), expected, _opens(found), severity=found.grade(share),
        suffers=prospect.sufferers(share), daemon_error=found.choice.refuses,
    )  # fmt: skip


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The rules of the gate."""
    return (
        driver_removed, driver_unchosen, store_hidden, driver_unknown, dtype, migration, cacheid, removing,
    )  # fmt: skip
