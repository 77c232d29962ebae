"""Field cases of layers, images and tags: FC-01 to FC-19, FC-46, FC-52 to FC-54."""

import gzip
import json
import os
import shutil
from pathlib import Path

from fieldkit import CRITICAL, ERROR, INFO, LOSSLESS, LOSSY, RECLAIM, WARNING, Case, Paths, Whole

from docker_fsck.host import HostView
from docker_fsck.testing.buildcache import write_buildkit
from docker_fsck.values import Level

ONLY_LOSSLESS, ONLY_RECLAIM, ONLY_LOSSY = frozenset({LOSSLESS}), frozenset({RECLAIM}), frozenset({LOSSY})
CONTAINERD = "the containerd image store is not judged by this version"
DAY = 86400.0
STANDING = ("layer-parent-missing", "prune-hazard")
"""Containers stand on what was put away: until the pull they have nothing to stand on."""


def base_dir(store: Whole, part: str = "") -> Path:
    """A driver dir that two images and all containers stand on, or a file in it."""
    return store.root.driver_dir(store.dir_of(store.base, 0)) / part


def record(store: Whole, name: str = "") -> Path:
    """A layer record in the middle of every chain."""
    return store.root.record(store.root.chains_of(store.base)[1]) / name


def user_data(store: Whole) -> Paths:
    """The writable layers, containers and volumes: never removed."""
    for name in (store.ran, store.busy, store.made):
        yield store.root.driver_dir(store.root.mount_id(name))
        yield store.root.container_dir(name)
    yield store.root.path / "volumes"


def layers_below(store: Whole) -> Paths:
    """The good layers, and what users made."""
    yield from user_data(store)
    yield store.root.driver_dir(store.dir_of(store.base, 0))
    yield store.root.record(store.root.chains_of(store.base)[0])


def all_layers(store: Whole) -> Paths:
    """Every layer, and what users made."""
    yield from layers_below(store)
    for layer in store.root.layers.values():
        yield store.root.driver_dir(layer.cache_id)
        yield store.root.record(layer.chain)


def all_layers_of_images(store: Whole) -> Paths:
    """Every layer that an image has, and what users made."""
    yield from layers_below(store)
    for image in (store.base, store.app, store.web, store.built):
        yield from (store.root.record(chain) for chain in store.root.chains_of(image))


def link_folder(store: Whole) -> Paths:
    """The folder of short links as a whole, and every driver dir."""
    yield from all_layers(store)
    yield from (store.root.short_link(layer.cache_id) for layer in store.root.layers.values())


def shadow(store: Whole) -> None:
    """An image stands on a folder that no record names."""
    store.root.shadow_parent()


def unseen(store: Whole) -> None:
    """No cache record is left of what BuildKit's snapshots name: FC-07 (a)."""
    store.root.buildkit.records.clear()
    write_buildkit(store.root)


def image_gone(store: Whole) -> None:
    """Forced removal of an image: its configuration and names are gone, the container stays."""
    store.root.delete(store.root.image_file(store.web))
    shutil.rmtree(store.root.image_metadata(store.web), ignore_errors=True)
    tags = store.root.tags
    told = json.loads(tags.read_bytes())
    told["Repositories"] = {
        name: kept
        for name, refs in told["Repositories"].items()
        if (kept := {ref: image for ref, image in refs.items() if image != store.web})
    }
    store.root.write(tags, json.dumps(told).encode())


def removing_twin(store: Whole) -> None:
    """A `-removing` record whose cache-id the re-pulled layer uses: FC-14 (e)."""
    chain = store.root.chains_of(store.base)[1]
    source = store.root.record(chain)
    shutil.copytree(source, source.with_name(f"{source.name}-{'e' * 64}-removing"))


def removing_lost(store: Whole) -> None:
    """A `-removing` record without a cache-id: FC-14 (c)."""
    (store.root.removing() / "cache-id").unlink()


def tar_split(store: Whole, data: bytes) -> None:
    """Another tar-split.json.gz in the top layer of an image."""
    store.root.write(store.root.record(store.root.chains_of(store.app)[-1]) / "tar-split.json.gz", data)


def nameless(store: Whole) -> None:
    """The tag store is lost and made anew, a container still knows a name: FC-17."""
    store.root.container(store.web, "knows", config={"Config": {"Image": "web:1"}})
    store.root.write(store.root.tags, b'{"Repositories":{}}')


def tagless(store: Whole) -> None:
    """The tag store is lost, a container still knows a name: FC-17."""
    nameless(store)
    store.root.delete(store.root.tags)


def dangling(store: Whole) -> None:
    """A name of an image that is not there: FC-18."""
    told = json.loads(store.root.tags.read_bytes())
    told["Repositories"]["lost"] = {"lost:1": "sha256:" + "5" * 64}
    store.root.write(store.root.tags, json.dumps(told).encode())


def deep_chain(store: Whole) -> None:
    """An image of 127 layers."""
    store.root.image("deep:1", 127)


def sibling(store: Whole) -> None:
    """The tag store is empty, a complete temporary copy lies beside it: FC-16 (f)."""
    data = store.root.tags.read_bytes()
    store.root.write(store.root.tags.with_name(".tmp-repositories.json123"), data)
    store.root.empty(store.root.tags)


def content(store: Whole) -> Path:
    """A file with content in a base layer."""
    top = store.root.content(store.dir_of(store.base, 0))
    return next(path for path in sorted(top.rglob("*")) if path.is_file() and path.stat().st_size)


def snapshotted(store: Whole) -> None:
    """A container of the containerd image store lies beside the others."""
    store.root.container(store.web, "new", config={"Driver": "overlayfs"})
    name = next(
        each for each in sorted(os.listdir(store.root.path / "containers")) if each not in {store.ran, store.busy, store.made}
    )
    shutil.rmtree(store.root.mount_record(name))
    for ident in (store.root.mount_id(name), store.root.init_id(name)):
        store.root.short_link(ident).unlink()
        shutil.rmtree(store.root.driver_dir(ident))


def mounted_elsewhere(store: Whole) -> HostView:
    """The root of a container is mounted in another process's namespace."""
    path = f"overlay2/{store.root.mount_id(store.ran)}/merged"
    return HostView(state="stopped", why="no engine", held=frozenset({path, path.removesuffix("/merged")}))


def dead(store: Whole) -> None:
    """A removal that was cut short by a busy mount."""
    path = store.root.container_dir(store.ran) / "config.v2.json"
    told = json.loads(path.read_bytes())
    told["State"]["Dead"] = True
    store.root.write(path, json.dumps(told).encode())


def aufs_removing(store: Whole) -> None:
    """A half-removed folder of aufs."""
    ident = store.root.orphan_dir()
    store.root.move(f"aufs/diff/{ident}", f"aufs/diff/{ident}-removing")
    store.root.delete(f"aufs/layers/{ident}")
    store.root.delete(f"aufs/mnt/{ident}")


# fmt: off
CASES: tuple[Case, ...] = (
    Case(id="FC-01", what="(a) a layer folder that nothing names", how=lambda s: s.root.orphan_dir(), finds={"driver-orphan": INFO}, classes=ONLY_RECLAIM, keeps=all_layers),
    Case(id="FC-01", what="(b) a writable layer with its -init that nothing names", how=lambda s: s.root.orphan_pair(), finds={"driver-orphan": INFO}, classes=ONLY_RECLAIM, keeps=all_layers),
    Case(id="FC-01", what="(d) a short link without its folder", how=lambda s: shutil.rmtree(s.root.driver_dir(s.root.orphan_dir())), finds={"ovl-link-dangling": INFO}, classes=ONLY_RECLAIM, keeps=link_folder),
    Case(id="FC-01", what="a folder that only another folder's lower names", how=shadow, keeps=all_layers),
    Case(id="FC-01", what="one that is younger than the grace period", how=lambda s: s.root.orphan_dir(), finds={"driver-orphan": INFO}, grace=DAY, refused="grace period", keeps=all_layers),
    Case(id="FC-02", what="(a) an ancestor's link is empty", how=lambda s: s.root.empty(base_dir(s, "link")), finds={"ovl-link-file": ERROR}, classes=ONLY_LOSSLESS, keeps=link_folder),
    Case(id="FC-02", what="(b) a layer's lower is empty", how=lambda s: s.root.empty(s.root.driver_dir(s.dir_of(s.app)) / "lower"), finds={"ovl-lower": ERROR}, classes=ONLY_LOSSLESS, keeps=link_folder),
    Case(id="FC-02", what="(d) NUL bytes in place of a link", how=lambda s: s.root.nul(base_dir(s, "link")), finds={"ovl-link-file": ERROR}, classes=ONLY_LOSSLESS, keeps=link_folder),
    Case(id="FC-03", what="(a) a base layer's folder is gone", how=lambda s: shutil.rmtree(base_dir(s)), finds={"layer-driverdir-missing": ERROR}, classes=ONLY_LOSSY, pulls={"base", "web"}, leaves=STANDING, keeps=user_data),
    Case(id="FC-03", what="(b) a top layer's folder is gone", how=lambda s: shutil.rmtree(s.root.driver_dir(s.dir_of(s.web))), finds={"layer-driverdir-missing": ERROR}, classes=ONLY_LOSSY, pulls={"web"}, leaves=STANDING, keeps=layers_below),
    Case(id="FC-03", what="(c) the folder is there, its diff is gone", how=lambda s: shutil.rmtree(base_dir(s, "diff")), finds={"ovl-diff-missing": ERROR}, classes=ONLY_LOSSY, pulls={"base", "web"}, leaves=STANDING, keeps=user_data),
    Case(id="FC-04", what="(a) a file of a layer is emptied", how=lambda s: s.root.empty(content(s)), finds={"layer-content-mismatch": ERROR}, classes=ONLY_LOSSY, pulls={"base", "web"}, leaves=STANDING, keeps=user_data),
    Case(id="FC-04", what="(c) one bit of a file of a layer is flipped", how=lambda s: s.root.flip(content(s)), level=Level.DEEP, finds={"layer-content-mismatch": ERROR}, classes=ONLY_LOSSY, pulls={"base", "web"}, leaves=STANDING, keeps=user_data),
    Case(id="FC-05", what="a containerd store lies in the root", how=snapshotted, lacks=CONTAINERD, incomplete="containerd image store", keeps=all_layers),
    Case(id="FC-06", what="(a) a layer record is an empty folder", how=lambda s: s.root.empty(record(s)), finds={"layer-record-incomplete": ERROR}, classes=ONLY_LOSSY, pulls={"base", "web"}, leaves=(*STANDING, "buildkit-db-missing", "driver-orphan"), keeps=user_data),
    Case(id="FC-06", what="(c) diff of a layer record is gone", how=lambda s: s.root.delete(record(s, "diff")), finds={"layer-record-incomplete": ERROR}, classes=ONLY_LOSSLESS, keeps=user_data),
    Case(id="FC-06", what="(d) size of a layer record is no number", how=lambda s: s.root.write(record(s, "size"), b"many"), finds={"layer-record-incomplete": ERROR}, classes=ONLY_LOSSLESS, keeps=user_data),
    Case(id="FC-06", what="(e) cache-id of a layer record is empty", how=lambda s: s.root.empty(record(s, "cache-id")), finds={"layer-record-incomplete": ERROR}, classes=ONLY_LOSSLESS, keeps=user_data),
    Case(id="FC-06", what="(g) only tar-split is gone", how=lambda s: s.root.delete(record(s, "tar-split.json.gz")), finds={"layer-tarsplit-missing": ERROR}, refused="no registry is known to hold them", keeps=all_layers),
    Case(id="FC-07", what="(a) BuildKit knows it and no prune sees it", how=unseen, finds={"buildkit-unseen": INFO}, classes=ONLY_LOSSY, keeps=all_layers),
    Case(id="FC-07", what="(b) a build snapshot that no database names", how=lambda s: s.root.orphan_dir(name="0" * 25), finds={"driver-orphan": INFO}, classes=ONLY_RECLAIM, keeps=lambda s: (s.root.driver_dir(s.cache.committed_dir), s.root.driver_dir(s.cache.active))),
    Case(id="FC-07", what="(c) one that the databases name", how=lambda _: None, keeps=lambda s: (s.root.driver_dir(s.cache.committed_dir), s.root.driver_dir(s.cache.active))),
    Case(id="FC-08", what="a build record whose folder is gone", how=lambda s: shutil.rmtree(s.root.driver_dir(s.cache.committed_dir)), finds={"buildkit-ref-dangling": ERROR}, classes=ONLY_LOSSY, keeps=all_layers),
    Case(id="FC-09", what="a half-removed folder of aufs", how=aufs_removing, finds={"aufs-removing": INFO}, classes=ONLY_RECLAIM, driver="aufs", keeps=all_layers),
    Case(id="FC-10", what="a dead container whose root is mounted in some namespace", how=dead, host=mounted_elsewhere, consents=True, finds={"container-dead": WARNING}, refused="in use", keeps=all_layers),
    Case(id="FC-11", what="snapshots of containerd lie in the root", how=snapshotted, lacks=CONTAINERD, incomplete="containerd image store", keeps=all_layers),
    Case(id="FC-12", what="the record of a layer in the middle is gone", how=lambda s: shutil.rmtree(record(s)), finds={"image-layer-missing": ERROR}, classes=ONLY_LOSSY, pulls={"base", "web"}, leaves=STANDING, keeps=layers_below),
    Case(id="FC-13", what="a layer that nothing needs", how=lambda s: s.root.unreferenced_layers(2), finds={"layer-unreferenced": INFO}, classes=ONLY_RECLAIM, keeps=all_layers_of_images),
    Case(id="FC-14", what="(a) a removal that was cut short, its folder still there", how=lambda s: s.root.removing(), finds={"layer-removing": INFO}, classes=ONLY_RECLAIM, keeps=all_layers),
    Case(id="FC-14", what="(c) one without a cache-id", how=removing_lost, finds={"layer-removing-no-cacheid": INFO, "driver-orphan": INFO}, classes=ONLY_RECLAIM, keeps=all_layers),
    Case(id="FC-14", what="(e) one whose folder the new record uses", how=removing_twin, finds={"layer-removing": INFO}, classes=ONLY_RECLAIM, keeps=lambda s: (s.root.driver_dir(s.dir_of(s.base, 1)),)),
    Case(id="FC-15", what="the writable layer's lower is empty", how=lambda s: s.root.empty(s.root.driver_dir(s.root.mount_id(s.ran)) / "lower"), finds={"ovl-lower": ERROR}, classes=ONLY_LOSSLESS, keeps=link_folder),
    Case(id="FC-16", what="(a) the tag store is empty", how=lambda s: s.root.empty(s.root.tags), finds={"tags-unparsable": CRITICAL}, classes=ONLY_LOSSY, keeps=all_layers),
    Case(id="FC-16", what="(b) the tag store is cut off", how=lambda s: s.root.cut(s.root.tags), finds={"tags-unparsable": CRITICAL}, classes=ONLY_LOSSY, keeps=all_layers),
    Case(id="FC-16", what="(e) the tag store is of another shape", how=lambda s: s.root.write(s.root.tags, b'{"Repositories": []}'), finds={"tags-unparsable": CRITICAL}, classes=ONLY_LOSSY, keeps=all_layers),
    Case(id="FC-16", what="(f) it is empty and a whole temporary copy is there", how=sibling, finds={"tags-unparsable": CRITICAL}, classes=ONLY_LOSSLESS, keeps=all_layers),
    Case(id="FC-17", what="the tag store names nothing", how=nameless, finds={"tags-empty": ERROR}, classes=ONLY_LOSSLESS, keeps=all_layers),
    Case(id="FC-17", what="the tag store is gone", how=tagless, finds={"tags-unparsable": ERROR}, classes=ONLY_LOSSY, keeps=all_layers),
    Case(id="FC-18", what="a tag names an image that is not there", how=dangling, finds={"tags-dangling": WARNING}, classes=ONLY_LOSSY, pulls={"lost:1"}, keeps=all_layers),
    Case(id="FC-19", what="(a) an image configuration is empty", how=lambda s: s.root.empty(s.root.image_file(s.web)), finds={"image-hash-mismatch": ERROR}, classes=ONLY_LOSSY, pulls={"web"}, keeps=all_layers),
    Case(id="FC-19", what="(c) an image configuration has another digest", how=lambda s: s.root.flip(s.root.image_file(s.web), 80), finds={"image-hash-mismatch": ERROR}, classes=ONLY_LOSSY, pulls={"web"}, keeps=all_layers),
    Case(id="FC-19", what="(e) the parent of an image is not there", how=lambda s: s.root.write(s.root.image_metadata(s.app) / "parent", b"sha256:" + b"5" * 64), finds={"image-parent-broken": INFO}, classes=ONLY_RECLAIM, keeps=all_layers),
    Case(id="FC-19", what="(g) a file whose name is no digest", how=lambda s: s.root.write(s.root.image_file(s.web).with_name("notes"), b"x"), finds={"image-foreign-entry": INFO}, keeps=all_layers),
    Case(id="FC-41", what="the content store of containerd is in use", how=snapshotted, lacks=CONTAINERD, incomplete="containerd image store", keeps=all_layers),
    Case(id="FC-42", what="the snapshots of containerd are in use", how=snapshotted, lacks=CONTAINERD, incomplete="containerd image store", keeps=all_layers),
    Case(id="FC-46", what="an image of 127 layers", how=deep_chain, finds={"layer-too-deep": INFO}, keeps=all_layers),
    Case(id="FC-52", what="an image with children: healthy, `why` lists them", how=lambda _: None, keeps=all_layers),
    Case(id="FC-53", what="(a) tar-split is gone", how=lambda s: s.root.delete(record(s, "tar-split.json.gz")), finds={"layer-tarsplit-missing": ERROR}, refused="no registry is known to hold them", keeps=all_layers),
    Case(id="FC-53", what="(a) tar-split is gone, and a pull brings every image on the layer back", how=lambda s: s.root.delete(s.root.record(s.root.chains_of(s.web)[-1]) / "tar-split.json.gz"), finds={"layer-tarsplit-missing": ERROR}, classes=ONLY_LOSSY, pulls={"web"}, leaves=STANDING, keeps=layers_below),
    Case(id="FC-53", what="(b) tar-split is empty", how=lambda s: tar_split(s, b""), finds={"layer-tarsplit-corrupt": ERROR}, refused="no registry is known to hold them", level=Level.DEEP, keeps=all_layers),
    Case(id="FC-53", what="(c) tar-split is cut off", how=lambda s: tar_split(s, gzip.compress(b'{"type":2}\n' * 99)[:40]), finds={"layer-tarsplit-corrupt": ERROR}, refused="no registry is known to hold them", level=Level.DEEP, keeps=all_layers),
    Case(id="FC-54", what="a file of the distribution cache is no JSON", how=lambda s: s.root.write(next((s.root.image_home / "distribution/v2metadata-by-diffid/sha256").iterdir()), b"{"), finds={"dist-corrupt": INFO}, classes=ONLY_RECLAIM, keeps=all_layers),
)
# fmt: on
