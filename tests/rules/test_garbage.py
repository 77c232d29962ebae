"""The table of what nothing refers to, and of what only seems so (classic-store 14, 18.1; FC-01, FC-07, FC-13, FC-14, FC-60)."""

from collections.abc import Callable
from pathlib import Path

from docker_fsck.host import HostView
from docker_fsck.testing.buildcache import write_buildkit
from docker_fsck.testing.table import Row, Told, disagreements, fires, silent
from docker_fsck.testing.whole import Whole

from .cases import (
    DAY,
    OTHER,
    OTHER_ID,
    OVERLAY,
    OVERLAYS,
    RECLAIM,
    UNION,
    How,
    deleted,
    does,
    emptied,
    file,
    foldered,
    forgotten,
    hurting,
    rows,
    spot,
    told,
    written,
)

MOUNT, LAYER, REMOVING, BLIND, TMP = (
    "mount-orphan",
    "layer-unreferenced",
    "layer-removing",
    "layer-removing-no-cacheid",
    "layer-tmp",
)
DIR, INIT, PROBE = "driver-orphan", "driver-orphan-init", "driver-probe-residue"


def first(store: Whole, ident: str) -> Path:
    """The path that a finding names first: the folder itself, then what refers to it (interface section 5)."""
    return store.root.driver_dir(ident)


def orphan(store: Whole) -> Told:
    """A whole driver dir that nothing names."""
    ident = store.root.orphan_dir(parent=store.root.chains_of(store.base)[-1])
    return told(store, "driverdir", ident, first(store, ident))


def snapshot(store: Whole) -> Told:
    """The same with the name of a build's snapshot."""
    ident = store.root.orphan_dir(store.root.names.snapshot())
    return told(store, "driverdir", ident, first(store, ident))


def pair(store: Whole) -> Told:
    """A writable layer with its init layer; the record was never written."""
    ident = store.root.orphan_pair(store.app).mount_id
    return told(store, "driverdir", ident, first(store, ident))


def init_alone(store: Whole) -> Told:
    """Only the init layer."""
    made = store.root.orphan_pair(store.app)
    for path in store.root.path.glob(f"{store.root.driver}/**/{made.mount_id}"):
        store.root.delete(path)
    if store.root.driver in OVERLAYS:
        store.root.delete(store.root.short_link(made.mount_id))
    return told(store, "driverdir", made.init_id, first(store, made.init_id))


def half_made(*names: str) -> How:
    """A driver dir of which only this much is left."""

    def how(store: Whole) -> Told:
        told_of = orphan(store)
        base = store.root.driver_dir(told_of.id)
        for name in names:
            store.root.delete(base / name)
        store.root.delete(store.root.short_link(told_of.id))
        return told(store, "driverdir", told_of.id, base)

    return how


def mount(image: str = "app") -> How:
    """A mount record without a container."""

    def how(store: Whole) -> Told:
        name = store.root.orphan_mount(getattr(store, image))
        return told(store, "mount", name, store.root.mount_record(name))

    return how


def builder_mount(store: Whole) -> Told:
    """What a step of the old builder left: a random name, no init layer."""
    name = store.root.orphan_mount(store.app)
    record = store.root.mount_record(name)
    for path in store.root.path.glob(f"{store.root.driver}/**/{store.root.init_id(name)}"):
        store.root.delete(path)
    if store.root.driver in OVERLAYS:
        store.root.delete(store.root.short_link(store.root.init_id(name)))
    for path in store.root.path.glob(f"aufs/layers/{store.root.mount_id(name)}"):
        path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    for path in store.root.path.glob(f"*/{store.root.mount_id(name)}/lower"):
        path.write_text(path.read_text().partition(":")[2])
    store.root.delete(record / "init-id")
    return told(store, "mount", name, record)


def mount_that_holds(store: Whole) -> Told:
    """A mount record that alone holds a chain of layers, whose image is gone."""
    image = store.root.image("gone:1", 2)
    name = store.root.orphan_mount(image)
    forgotten(store, image)
    return told(store, "mount", name, store.root.mount_record(name))


def chain(height: int, image: str = "") -> How:
    """Layers that nothing needs, above those of an image if one is given."""

    def how(store: Whole) -> Told:
        base = store.root.chains_of(getattr(store, image))[-1] if image else None
        chains = store.root.unreferenced_layers(height, base)
        return told(store, "layer", chains[-1], store.root.record(chains[-1]))

    return how


def fork(store: Whole) -> None:
    """A second layer above the same unneeded one."""
    below = store.root.unreferenced_layers(1)
    store.root.unreferenced_layers(1, below[-1])
    store.root.unreferenced_layers(1, below[-1])


def removing(*blows: Callable[[Whole, Path], object]) -> How:
    """A layer that was being removed, and what else befell it."""

    def how(store: Whole) -> Told:
        path = store.root.removing()
        for blow in blows:
            blow(store, path)
        return told(store, "file", store.rel(path), path)

    return how


def tmp(*written_files: str) -> How:
    """A layer that was never finished."""

    def how(store: Whole) -> Told:
        path = store.root.layer_tmp(written_files) if written_files else store.root.layer_tmp()
        return told(store, "file", store.rel(path), path)

    return how


def repulled(store: Whole, path: Path) -> None:
    """Its cache-id is that of a living layer."""
    without_dir(store, path)
    store.root.write(path / "cache-id", store.dir_of(store.web).encode())


def pulled_again(store: Whole, _: Path) -> None:
    """An image has the same layer again, in another driver dir."""
    root = store.root
    content = root.content(root.lost_dirs[-1])
    root.image("again:1", [{str(each.relative_to(content)): each.read_bytes() for each in content.rglob("*") if each.is_file()}])


def without_dir(store: Whole, path: Path) -> None:
    """The driver dir is gone already."""
    ident = (path / "cache-id").read_text()
    for where in store.root.path.glob(f"{store.root.driver}/**/{ident}"):
        store.root.delete(where)
    if store.root.driver in OVERLAYS:
        store.root.delete(store.root.short_link(ident))


def all_held(store: Whole) -> HostView:
    """A process has every driver dir open."""
    return HostView(
        state="stopped", why="", held=frozenset(store.rel(path) for path in store.root.driver_dir("x").parent.iterdir())
    )


def all_mounted(store: Whole) -> HostView:
    """Mounts name every short link."""
    return HostView(
        state="stopped", why="", held=frozenset(store.rel(path) for path in (store.root.path / "overlay2/l").iterdir())
    )


def probe(name: str) -> How:
    """What a start of the engine left in the driver's home."""
    return foldered(file(lambda store: store.root.path / store.root.driver / name))


# fmt: off
ROWS: tuple[Row, ...] = (
    fires(DIR, "a layer was unpacked and never registered", hurting(orphan, lambda _: (), lambda _: ()), cls=RECLAIM),
    fires(DIR, "a build's snapshot is known to nobody", snapshot, cls=RECLAIM),
    fires(DIR, "a create ended before its record was written", pair, cls=RECLAIM),
    fires(DIR, "only its content is left", half_made("link", "lower", "work"), drivers=OVERLAY, cls=RECLAIM),
    fires(DIR, "it is empty", half_made("diff", "link", "lower", "work"), drivers=OVERLAY, cls=RECLAIM),
    fires(DIR, "it is young", orphan, cls=RECLAIM, grace=DAY, refused="grace period"),
    fires(DIR, "it is a second short of a day old", orphan, cls=RECLAIM, grace=DAY, age=DAY - 60, refused="grace period"),
    fires(DIR, "it is more than a day old", orphan, cls=RECLAIM, grace=DAY, age=DAY + 60),
    fires(DIR, "the clock went back", orphan, cls=RECLAIM, grace=DAY, age=-10 * DAY, refused="grace period"),
    silent(DIR, "only the cache of a build names it", does(file(lambda store: store.root.tags),
          lambda store: store.root.build_cache(store.web))),
    silent(DIR, "the snapshots of a build know it and its records do not",
          does(file(lambda store: store.root.tags), lambda store: [
        store.root.buildkit.records.clear(), write_buildkit(store.root)]), also=("buildkit-unseen",)),
    silent(DIR, "only the list of a child names it", does(file(lambda store: store.root.tags),
          lambda store: store.root.shadow_parent()), drivers=UNION),
    silent(DIR, "it is the writable layer of the only container without a record", does(
        file(lambda store: store.root.tags), lambda store: store.root.delete(store.root.mount_record(store.ran))),
        also=("container-record-missing",)),
    silent(DIR, "a container made before 1.10 without a record has its name",
          does(file(lambda store: store.root.tags), lambda store: [
        store.root.delete(store.root.mount_record(store.ran)), store.root.orphan_dir(store.ran)]),
          also=("container-record-missing",)),
    silent(DIR, "it lies in a store that was not migrated", does(file(lambda store: store.root.tags), lambda store: [
        store.root.make_dir(f"graph/{OTHER}"), store.root.orphan_dir(OTHER)]), also=("legacy-graph",)),
    silent(DIR, "its name is that of no driver dir",
          foldered(file(lambda store: store.root.driver_dir(OTHER).with_name("lost+found")))),
    silent(DIR, "a process has it open", orphan, host=all_held),
    silent(DIR, "a mount names its short link", orphan, host=all_mounted, drivers=OVERLAY),
    fires(INIT, "a create failed after the init layer", init_alone, cls=RECLAIM),
    fires(INIT, "it is young", init_alone, cls=RECLAIM, grace=DAY, refused="grace period"),
    silent(INIT, "a record that lost its init-id means it", does(file(lambda store: store.root.tags),
          lambda store: store.root.delete(
        store.root.mount_record(store.ran) / "init-id")), also=("mount-record-broken",)),
    fires(MOUNT, "a removal was cut short", mount(), cls=RECLAIM),
    fires(MOUNT, "it alone holds a chain", mount_that_holds, cls=RECLAIM),
    fires(MOUNT, "the old builder was killed", builder_mount, cls=RECLAIM),
    fires(MOUNT, "a container has no record", does(spot("mount", lambda store: list(store.root.mounts)[-1], lambda store: (
        store.root.mount_record(list(store.root.mounts)[-1]))), mount(),
          lambda store: store.root.delete(store.root.mount_record(store.ran))),
        cls=RECLAIM, refused="ambiguous", also=("container-record-missing",), leaves=(MOUNT,)),
    fires(MOUNT, "it is young", mount(), cls=RECLAIM, grace=DAY, refused="grace period"),
    silent(MOUNT, "the container cannot be read", does(file(lambda store: store.root.tags), lambda store: store.root.empty(
        store.root.container_dir(store.ran) / "config.v2.json")), also=("container-config-corrupt",)),
    silent(MOUNT, "a file lies among the records", written(file(lambda store: store.root.mount_record("notes.txt")), b"x")),
    fires(LAYER, "a pull was cut short", chain(1), cls=RECLAIM),
    fires(LAYER, "a pull of three layers was cut short", chain(3), cls=RECLAIM),
    fires(LAYER, "it stands on a layer that is needed", chain(2, "base"), cls=RECLAIM),
    fires(LAYER, "two stand on one", does(spot("layer", lambda store: min(list(store.root.layers)[-2:]),
          lambda store: store.root.record(
        min(list(store.root.layers)[-2:]))), fork), cls=RECLAIM, also=(LAYER,)),
    fires(LAYER, "it is young", chain(1), cls=RECLAIM, grace=DAY, refused="grace period"),
    silent(LAYER, "only a stopped container reaches it", does(file(lambda store: store.root.tags),
          lambda store: forgotten(store, store.web)), also=("container-image-missing", "container-image-missing")),
    silent(LAYER, "only an image without a name needs it", does(file(lambda store: store.root.tags),
          lambda store: store.root.image(None, 2))),
    silent(LAYER, "only a build needs it", does(file(lambda store: store.root.tags),
          lambda store: forgotten(store, store.built))),
    fires(REMOVING, "its folder is whole", removing(), cls=RECLAIM),
    fires(REMOVING, "its folder is gone", removing(without_dir), cls=RECLAIM),
    fires(REMOVING, "a living layer has its folder", removing(repulled), cls=RECLAIM),
    fires(REMOVING, "the layer was pulled again into another folder", removing(pulled_again), cls=RECLAIM),
    fires(REMOVING, "it is young", removing(), cls=RECLAIM, grace=DAY, refused="grace period"),
    silent(REMOVING, "the name only ends like that",
          foldered(file(lambda store: store.root.record(OTHER_ID).with_name("x-removing")))),
    fires(BLIND, "the cache-id is gone", removing(lambda store,
          path: [without_dir(store, path), store.root.delete(path / "cache-id")]), cls=RECLAIM),
    fires(BLIND, "the cache-id is empty and the folder is there",
          removing(lambda store, path: store.root.empty(path / "cache-id")), cls=RECLAIM,
          also=(DIR,)),
    silent(BLIND, "the cache-id has white space around it", removing(lambda store, path: [
        without_dir(store, path), store.root.write(path / "cache-id", (path / "cache-id").read_bytes() + b"\n")]),
          also=(REMOVING,)),
    fires(TMP, "all was written", tmp(), cls=RECLAIM),
    fires(TMP, "unpacking had only begun", tmp("tar-split.json.gz"), cls=RECLAIM, also=(DIR,)),
    fires(TMP, "an old engine left an empty folder",
          foldered(file(lambda store: store.root.image_home / "layerdb/tmp/layer-123")), cls=RECLAIM),
    fires(TMP, "it is young", tmp(), cls=RECLAIM, grace=DAY, refused="grace period"),
    silent(TMP, "the folder is empty", emptied(file(lambda store: store.root.image_home / "layerdb/tmp"))),
    silent(TMP, "the folder is not there", deleted(file(lambda store: store.root.image_home / "layerdb/tmp"))),
    *(fires(PROBE, f"{name} was left", probe(name), cls=RECLAIM) for name in (
        "check-overlayfs-support123", "opaque-bug-check9", "multiple-lowerdir-check1", "metacopy-check2", "userxattr-check")),
    fires(PROBE, "one was left in the root", foldered(file(lambda store: store.root.path / "check-overlayfs-support77")),
          cls=RECLAIM),
    fires(PROBE, "a file was left", written(file(lambda store: store.root.path / store.root.driver / "fsutils-dummy88"), b""),
          cls=RECLAIM),
    silent(PROBE, "something is mounted in it", probe("metacopy-check2"), host=lambda store: HostView(
        state="stopped", why="", mount_points=frozenset({f"{store.root.driver}/metacopy-check2/merged"}))),
    silent(PROBE, "it is the quota helper",
          written(file(lambda store: store.root.path / store.root.driver / "backingFsBlockDev"), b"")),
    silent(PROBE, "the name has no number", probe("opaque-bug-check")),
)
# fmt: on


@rows(ROWS)
def test_the_table_of_garbage_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))
