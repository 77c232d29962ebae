"""The table of the rules on mount records and init layers (classic-store 7; FC-22, FC-24, FC-25)."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from docker_fsck.apply.executor import execute
from docker_fsck.testing import laws
from docker_fsck.testing.table import STOPPED, Row, Told, disagreements, fires, folds, run, silent
from docker_fsck.testing.whole import Whole, whole
from docker_fsck.values import Level

from .cases import (
    LOSSLESS,
    LOSSY_USER,
    OVERLAY,
    UNION,
    VFS,
    WARNING,
    How,
    Spot,
    cut,
    deleted,
    does,
    emptied,
    flipped,
    foldered,
    forgotten,
    hurting,
    linked,
    nulled,
    piped,
    rows,
    spot,
    told,
    written,
)

BROKEN, NO_RW, NO_INIT = "mount-record-broken", "mount-rwdir-missing", "mount-initdir-missing"
NO_PARENT, OTHER_PARENT, TWICE = "mount-parent-missing-file", "mount-parent-mismatch", "mount-id-duplicate"
CHANGED = "init-layer-changed"
NO_PAIR, WRONG, HOLLOW = "init-pair-broken", "init-parent-wrong", "init-layer-emptied"
NO_IMAGE = ("container-image-missing",) * 2
Name = Callable[[Whole], str]


def ran(store: Whole) -> str:
    """The container above `app`."""
    return store.ran


def busy(store: Whole) -> str:
    """One of the two above `web`."""
    return store.busy


def made(store: Whole) -> str:
    """The other one."""
    return store.made


def part(name: str, container: Name = ran) -> Spot:
    """A file of a mount record."""
    return spot("mount", container, lambda store: store.root.mount_record(container(store)) / name)


def record(container: Name = ran) -> Spot:
    """A whole mount record."""
    return spot("mount", container, lambda store: store.root.mount_record(container(store)))


def layer(kind: str, container: Name = ran) -> Spot:
    """The driver dir of a writable layer or of its init layer, blamed on the record."""
    which = {"rw": "mount_id", "init": "init_id"}[kind]
    return spot("mount", container, lambda store: store.root.driver_dir(getattr(store.root, which)(container(store))))


def whole_layer(kind: str) -> How:
    """Every path that the driver keeps of it is gone."""

    def how(store: Whole) -> Told:
        where = layer(kind)
        blame, ident = where.told(store), where.path(store).name
        for base in {"aufs": ("aufs/diff", "aufs/layers", "aufs/mnt")}.get(store.root.driver, (str(where.path(store).parent),)):
            store.root.delete(store.root.path / base / ident)
        return blame

    return how


def dead(store: Whole) -> None:
    """The removal of `ran` has begun."""
    path = store.root.container_dir(store.ran) / "config.v2.json"
    document = json.loads(path.read_bytes())
    document["State"]["Dead"] = True
    store.root.write(path, json.dumps(document).encode())


OF_RAN = spot("container", ran, lambda store: store.root.container_dir(store.ran) / "config.v2.json")


def emptied_all(container: Name) -> Callable[[Whole], None]:
    """All files of a record are empty."""

    def blow(store: Whole) -> None:
        for name in ("mount-id", "init-id", "parent"):
            store.root.empty(store.root.mount_record(container(store)) / name)

    return blow


def each_of(blow: str, *names: str, container: Name = ran) -> Callable[[Whole], None]:
    """The same damage to some files of a record."""

    def strike(store: Whole) -> None:
        for name in names:
            getattr(store.root, blow)(store.root.mount_record(container(store)) / name)

    return strike


def forget_web(store: Whole) -> None:
    """The image of `busy` and `made` was removed by force, and `made` with it."""
    forgotten(store, store.web)


def without_config(store: Whole) -> None:
    """Nobody can say from which image `ran` was made."""
    store.root.delete(store.root.image_file(store.app))


def copied(store: Whole) -> Told:
    """The record of `made` is a copy of that of `busy`."""
    target, source = store.root.mount_record(store.made), store.root.mount_record(store.busy)
    for name in ("mount-id", "init-id"):
        store.root.write(target / name, (source / name).read_bytes())
    first = min(store.made, store.busy)
    return told(store, "driverdir", store.root.mount_id(store.busy), store.root.mount_record(first))


def folder_of_the_image(store: Whole) -> None:
    """The image has a folder /etc/hosts, and the engine leaves it alone."""
    box = store.root.container(store.root.image("odd:1", [{"etc/hosts/note": b"x"}]), "odd")
    store.root.delete(store.root.content(store.root.init_id(box)) / "etc/hosts")


def on_an_image(store: Whole) -> Told:
    """The writable layer of `ran` is the layer of an image."""
    victim = store.dir_of(store.web)
    store.root.write(store.root.mount_record(store.ran) / "mount-id", victim.encode())
    return told(store, "driverdir", victim, store.root.mount_record(store.ran))


def stands_on(ident: Name, other: Name) -> How:
    """A driver dir has the parents of another one."""

    def how(store: Whole) -> Told:
        lists = {
            "overlay2": lambda each: store.root.driver_dir(each) / "lower",
            "aufs": lambda each: store.root.path / "aufs/layers" / each,
        }
        place = lists[store.root.driver]
        store.root.write(place(ident(store)), place(other(store)).read_bytes())
        return told(store, "driverdir", ident(store), store.root.driver_dir(ident(store)))

    return how


def content(kind: str) -> Spot:
    """The files of a writable layer or of its init layer."""
    which = {"rw": "mount_id", "init": "init_id"}[kind]
    ident = lambda store: getattr(store.root, which)(store.ran)  # noqa: E731 - a value, not a function of its own
    return spot("driverdir", ident, lambda store: store.root.content(ident(store)))


def in_image(store: Whole, name: str) -> Path:
    """A path in the top layer of the image of `ran`."""
    return store.root.content(store.dir_of(store.app)) / name


RAN = (lambda _: (), lambda store: [store.ran])
INHERITED = spot("driverdir", lambda store: store.root.init_id(store.ran), lambda store: min(
    each for each in content("init").path(store).rglob("*") if each.is_file() and each.stat().st_size))  # fmt: skip
# fmt: off
ROWS: tuple[Row, ...] = (
    *(fires(BROKEN, f"{name} is {what}", hurting(blow(part(name)), *RAN), cls=LOSSLESS)
      for name in ("mount-id", "init-id") for what, blow in (("empty", emptied), ("all NUL", nulled), ("cut", cut),
          ("gone", deleted))),
    *(fires(BROKEN, f"parent is {what}", blow(part("parent")), cls=LOSSLESS)
      for what, blow in (("empty", emptied), ("all NUL", nulled), ("cut", cut))),
    *(fires(BROKEN, f"{name} is a link", linked(part(name), "../x"), cls=LOSSLESS) for name in ("mount-id", "init-id", "parent")),
    *(fires(BROKEN, f"{name} is a pipe", piped(part(name)), cls=LOSSLESS) for name in ("mount-id", "init-id", "parent")),
    *(fires(BROKEN, f"{' and '.join(names)} are {what}", does(part(names[0]), each_of(blow, *names)), cls=LOSSLESS,
            also=(NO_PARENT,) if (blow, names) == ("delete", ("init-id", "parent")) else ())
      for names in (("mount-id", "init-id"), ("mount-id", "parent"), ("init-id", "parent"), ("mount-id", "init-id", "parent"))
      for what, blow in (("empty", "empty"), ("all NUL", "nul"), ("gone", "delete"))),
    fires(BROKEN, "all three are empty and the image is gone, of which the init layer still tells", does(part("mount-id", busy),
          each_of("empty", "mount-id", "init-id", "parent", container=busy), forget_web), drivers=UNION, cls=LOSSLESS,
          also=("container-image-missing",) * 2),
    fires(BROKEN, "mount-id is a folder", foldered(part("mount-id")), cls=LOSSLESS),
    fires(BROKEN, "mount-id is a build's id", written(part("mount-id"), b"a" * 25), cls=LOSSLESS),
    fires(BROKEN, "all three files are empty", does(part("mount-id"), emptied_all(ran)), cls=LOSSLESS),
    fires(BROKEN, "the folder is empty", does(part("mount-id"), emptied(record())), cls=LOSSLESS),
    fires(BROKEN, "the files of two containers of two images are empty",
          does(part("mount-id"), emptied_all(ran), emptied_all(busy)),
          drivers=UNION, cls=LOSSLESS, also=(BROKEN,)),
    fires(BROKEN, "the files of two containers of one image are empty",
          does(part("mount-id", busy), emptied_all(busy), emptied_all(made)), also=(BROKEN, "driver-orphan", "driver-orphan")),
    fires(BROKEN, "a stranger's writable layer fits too",
          does(part("mount-id"), emptied_all(ran), lambda store: store.root.orphan_pair(store.app)),
          also=("driver-orphan", "driver-orphan")),
    silent(BROKEN, "white space surrounds the ids", does(part("mount-id"), *(
        written(part(name), lambda store, name=name: (store.root.mount_record(store.ran) / name).read_text() + "\n")
        for name in ("mount-id", "init-id", "parent")))),
    silent(BROKEN, "the record has one file more", written(part("notes"), b"x")),
    silent(BROKEN, "the container stands on no layer", does(record(), lambda store: store.root.container(None, "scratch"))),
    fires(NO_RW, "all of it is gone", hurting(whole_layer("rw"), *RAN)),
    fires(NO_RW, "all of it is gone and mount-id is empty", does(layer("rw"), lambda _: None, lambda store: [
        whole_layer("rw")(store), store.root.empty(store.root.mount_record(store.ran) / "mount-id")]), also=(BROKEN,), drivers=VFS),
    fires(NO_RW, "a link stands in its place", linked(layer("rw"), "/etc"), drivers=("overlay2", "vfs")),
    folds(NO_RW, "container-dead", "the container is dead", does(OF_RAN, dead, whole_layer("rw")), cls=LOSSY_USER),
    silent(NO_RW, "the container is dead and its layers are whole", does(layer("rw"), dead), also=("container-dead",)),
    silent(NO_RW, "nothing was ever changed in the container", does(content("rw"), lambda store: store.root.empty(
        store.root.content(store.root.mount_id(store.ran)))), drivers=UNION),
    fires(NO_INIT, "all of it is gone", hurting(whole_layer("init"), *RAN), drivers=UNION),
    fires(NO_INIT, "all of it is gone, of which only a removal takes note", whole_layer("init"), drivers=VFS, severity=WARNING),
    folds("ovl-lower", NO_INIT, "the lower of the writable layer names it", whole_layer("init"), drivers=OVERLAY),
    silent(NO_INIT, "a folder of the init layer is gone", does(content("init"), lambda store: store.root.delete(
        store.root.content(store.root.init_id(store.ran)) / "dev")), also=("init-layer-emptied",)),
    fires(NO_PARENT, "the file is gone", hurting(deleted(part("parent")), *RAN), cls=LOSSLESS),
    fires(NO_PARENT, "the file is gone and the image too", does(part("parent"), deleted(part("parent")), lambda store: [
        store.root.delete(store.root.image_file(store.web)), store.root.delete(store.root.image_metadata(store.web)),
        store.root.repositories.pop("web"), store.root.tag("app:1", store.app)]), drivers=UNION, cls=LOSSLESS,
          also=NO_IMAGE),
    silent(NO_PARENT, "the container was made from nothing", does(record(), lambda store: store.root.container(None, "scratch"))),
    fires(OTHER_PARENT, "it names a layer of another image", hurting(written(part("parent"), lambda store: store.root.chains_of(
        store.web)[-1]), *RAN)),
    fires(OTHER_PARENT, "it names the layer below", written(part("parent"), lambda store: store.root.chains_of(store.base)[-1])),
    silent(OTHER_PARENT, "the image was removed by force", does(record(), lambda store: [
        store.root.delete(store.root.image_file(store.web)), store.root.delete(store.root.image_metadata(store.web)),
        store.root.repositories.pop("web"), store.root.tag("app:1", store.app)]), also=NO_IMAGE),
    fires(TWICE, "a record was copied", copied),
    folds(NO_PAIR, TWICE, "a record names the layer of an image", on_an_image),
    silent(TWICE, "two containers stand on one image", does(record(), lambda store: store.root.container(store.web, "third"))),
    fires(NO_PAIR, "the init layer is that of another", written(part("init-id"), lambda store: store.root.init_id(store.busy))),
    silent(NO_PAIR, "a store of an engine before 1.10 has the container's own id",
          does(record(), lambda store: store.root.container(
        None, "old"))),
    fires(WRONG, "the writable layer stands on the init layer of another", stands_on(
        lambda store: store.root.mount_id(store.made), lambda store: store.root.mount_id(store.busy)), drivers=UNION),
    fires(WRONG, "the init layer stands on another image", stands_on(
        lambda store: store.root.init_id(store.made), lambda store: store.root.init_id(store.ran)), drivers=UNION),
    folds(WRONG, NO_PAIR, "the two ids are no pair", written(part("init-id"), lambda store: store.root.init_id(store.busy)),
          drivers=UNION),
    silent(WRONG, "the driver keeps no parents", does(record(), lambda store: store.root.container(store.app, "more")),
          drivers=VFS),
    silent(WRONG, "the image stands on a parent in the shadow", does(record(), lambda store: store.root.container(
        store.root.shadow_parent().image, "shade")), drivers=UNION),
    fires(HOLLOW, "power was lost after create", HOLLOWED := hurting(emptied(content("init")), lambda _: (), lambda store: [
        store.ran]), cls=LOSSLESS, drivers=UNION),
    fires(HOLLOW, "power was lost after create", HOLLOWED, drivers=VFS),
    *(fires(HOLLOW, f"it is empty and {what}", does(content("init"), emptied(content("init")), blow), drivers=UNION, cls=LOSSLESS)
      for what, blow in (
          ("a folder of the image has another mode", lambda store: store.root.chmod(in_image(store, "etc"), 0o700)),
          ("the image has a folder that every container needs", lambda store: store.root.make_dir(in_image(store, "dev/shm"))),
          ("the image has a file in the place of such a folder", lambda store: store.root.write(in_image(store, "proc"), b"x")),
      )),
    fires(HOLLOW, "it is empty and the image has a link in the place of a folder", does(content("init"), emptied(content("init")),
          lambda store: store.root.link_to(in_image(store, "dev"), "run")), drivers=UNION),
    fires(HOLLOW, "it is empty and a layer of the image is gone", does(content("init"), emptied(content("init")),
          lambda store: store.root.delete(store.root.driver_dir(store.dir_of(store.app)))), drivers=OVERLAY,
          also=("layer-driverdir-missing",), leaves=("layer-parent-missing", "ovl-lower")),
    fires(HOLLOW, "only some of it is left", does(content("init"), lambda store: store.root.delete(
        store.root.content(store.root.init_id(store.ran)) / "etc"))),
    silent(HOLLOW, "the image has a folder where the engine makes a file", folder_of_the_image, drivers=UNION),
    silent(HOLLOW, "a folder of it is gone that the image may have", does(content("init"), lambda store: store.root.delete(
        store.root.content(store.root.init_id(store.ran)) / "proc"))),
    fires(CHANGED, "a file of the image in it is another", flipped(INHERITED), drivers=VFS, level=Level.DEEP),
    silent(CHANGED, "the engine's own files are empty", does(content("init")), drivers=VFS, level=Level.DEEP),
    silent(HOLLOW, "the container is dead", does(content("init"), dead, emptied(content("init"))), also=("container-dead",)),
    silent(HOLLOW, "the writable layer is empty", does(content("rw"), emptied(content("rw"))), drivers=UNION),
)
# fmt: on


@rows(ROWS)
def test_the_table_of_mounts_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))


def shapes(folder: Path) -> dict[str, tuple[int, int, int, str]]:
    """What is in a folder: mode, owner and what a link says, by name; the files that the driver itself keeps there left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        info = path.lstat()
        if not path.name.startswith(".wh."):
            name = str(path.relative_to(folder))
            found[name] = (info.st_mode, info.st_uid, info.st_gid, str(path.readlink()) if path.is_symlink() else "")
    return found


@pytest.mark.parametrize("driver", UNION)
def test_an_emptied_init_layer_is_filled_as_the_engine_fills_it(driver: str, place: Path) -> None:
    store = whole(place, driver)
    folder = store.root.content(store.root.init_id(store.ran))
    store.root.chmod(in_image(store, "etc"), 0o711)
    store.root.chmod(folder / "etc", 0o711)
    before = shapes(folder)
    store.root.empty(folder)
    execute(run(place).plan, laws.site(place, STOPPED), txn=laws.TXN, now=laws.MOMENT)
    assert before == shapes(folder)


def test_what_the_image_has_already_is_not_made_in_the_init_layer(place: Path) -> None:
    store = whole(place, "overlay2")
    store.root.make_dir(in_image(store, "dev/shm"))
    store.root.empty(store.root.content(store.root.init_id(store.ran)))
    paths = {step.path.partition("/diff/")[2] for action in run(place).plan.actions for step in action.steps}
    assert ({"dev", "dev/pts"} <= paths, "dev/shm" in paths) == (True, False)
