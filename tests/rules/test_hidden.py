"""The table of the rules on hidden and dead containers, and on what a prune takes (classic-store 10.4; FC-23, FC-25, FC-33, FC-60)."""

from collections.abc import Callable
from pathlib import Path

from docker_fsck.host import HostView, User
from docker_fsck.testing.table import Row, Told, disagreements, fires, folds, run, silent
from docker_fsck.testing.whole import Whole, whole

from .cases import ERROR, LOSSY_USER, OTHER_ID, How, does, emptied, file, forgotten, hurting, rows, told
from .test_containers import CONFIG, HOSTCONFIG, busy, folder, lost_pair, made, part, ran, record, stated

DEAD, UNCLEAN, NAME = "container-dead", "container-unclean", "container-name-duplicate"
NO_IMAGE, PRUNE = "container-image-missing", "prune-hazard"
CORRUPT, HOST, NO_RECORD, BROKEN = (
    "container-config-corrupt", "container-hostconfig-corrupt", "container-record-missing", "mount-record-broken",
)  # fmt: skip
DYING = stated(State={"Dead": True})
RUNS = stated(State={"Running": True, "Pid": 4711})
Blow = Callable[[Whole], object]


def hazard(volume: Callable[[Whole], str], *blows: Blow) -> How:
    """These damages hide containers; the volume is the first that is told."""

    def how(store: Whole) -> Told:
        for blow in blows:
            blow(store)
        return told(store, "store", "prune", store.root.volume_dir(volume(store)))

    return how


def data(store: Whole) -> str:
    """The volume of `ran`."""
    return store.data


def emptied_config(store: Whole) -> None:
    """The config of `ran` is empty."""
    store.root.empty(CONFIG.path(store))


def shadowed(*blows: Blow) -> How:
    """`busy` is called like `ran`, and more."""

    def how(store: Whole) -> Told:
        for blow in (stated(busy, Name="/ran"), *blows):
            blow(store)
        return part("config.v2.json", busy).told(store)

    return how


def first_of_both(store: Whole) -> Told:
    """Both have a writable layer: the first by id is told."""
    stated(busy, Name="/ran")(store)
    ident = min(store.ran, store.busy)
    return told(store, "container", ident, store.root.container_dir(ident) / "config.v2.json")


def only_image(store: Whole) -> Told:
    """A container without volumes, the only one of its image, is hidden."""
    ident = store.root.container(store.built, "lone")
    store.root.empty(store.root.container_dir(ident) / "hostconfig.json")
    return told(store, "store", "prune", store.root.container_dir(ident))


def shims(_: Whole) -> HostView:
    """Containers outlived their engine."""
    return HostView(state="stopped", why="live-restore", users=(User(1, "shim", "runs"),))


def without_image(store: Whole) -> Told:
    """The image of `ran` was removed by force."""
    forgotten(store, store.app)
    return CONFIG.told(store)


# fmt: off
ROWS: tuple[Row, ...] = (
    fires(DEAD, "its layers are whole", hurting(does(CONFIG, DYING), containers=lambda store: [store.ran]), cls=LOSSY_USER),
    fires(DEAD, "nobody consents", does(CONFIG, DYING), cls=LOSSY_USER, refused="needs consent"),
    fires(DEAD, "an older engine was removing it", does(CONFIG, stated(State={"RemovalInProgress": True})), cls=LOSSY_USER),
    folds(NO_RECORD, DEAD, "record and layers are gone", does(CONFIG, DYING, lost_pair(ran)), cls=LOSSY_USER),
    fires(DEAD, "the record is gone and a writable layer may be its own", does(CONFIG, DYING, lambda store: store.root.delete(
        store.root.mount_record(store.ran)))),
    silent(DEAD, "it has ended", does(CONFIG, stated(State={"Dead": False, "ExitCode": 137}))),
    fires(UNCLEAN, "power was lost", does(CONFIG, RUNS)),
    silent(UNCLEAN, "containers outlived their engine", does(CONFIG, RUNS), host=shims),
    silent(UNCLEAN, "it is being removed", does(CONFIG, stated(State={"Running": True, "Dead": True})), also=(DEAD,)),
    folds(NO_RECORD, NAME, "the older one has neither record nor layer", shadowed(lost_pair(busy)), cls=LOSSY_USER),
    fires(NAME, "the older one has neither record nor layer", shadowed(lost_pair(busy)), cls=LOSSY_USER,
          leaves=("volume-unreferenced-anonymous",)),
    fires(NAME, "nobody consents", shadowed(lost_pair(busy)), cls=LOSSY_USER, refused="needs consent"),
    fires(NAME, "both have a writable layer", first_of_both),
    silent(NAME, "another driver has a container of that name", does(folder(), lambda store: store.root.container(
        store.app, "ran", driver="zfs")), also=("container-foreign-driver",)),
    silent(NAME, "one of the two cannot be read", does(CONFIG, stated(busy, Name="/ran"), emptied_config), also=(CORRUPT,)),
    fires(NO_IMAGE, "it was removed by force", without_image, also=("image-parent-broken",)),
    silent(NO_IMAGE, "its config is damaged", does(CONFIG, lambda store: store.root.empty(store.root.image_file(store.app))),
           also=("image-hash-mismatch",)),
    silent(NO_IMAGE, "the container was made from nothing", does(CONFIG, lambda store: store.root.container(None, "scratch"))),
    fires(PRUNE, "a configuration is damaged", hazard(data, emptied_config), also=(CORRUPT,)),
    fires(PRUNE, "a host configuration is damaged", hazard(data, lambda store: store.root.empty(HOSTCONFIG.path(store))),
          also=(HOST,)),
    fires(PRUNE, "a mount record is gone", hazard(data, lost_pair(ran)), also=(NO_RECORD,)),
    fires(PRUNE, "a container is of another driver", hazard(data, lambda store: [
        store.root.delete(store.root.container_dir(store.ran)), store.root.delete(store.root.mount_record(store.ran)),
        *(store.root.delete(path) for ident in (store.root.mount_id(store.ran), store.root.init_id(store.ran))
          for path in store.root.path.glob(f"{store.root.driver}/**/{ident}")),
        *(store.root.delete(store.root.short_link(ident)) for ident in (store.root.mount_id(store.ran), store.root.init_id(
            store.ran)) if store.root.driver == "overlay2"),
        store.root.container(store.app, "far", driver="zfs", volumes={store.data: "/data"})]), also=("container-foreign-driver",)),
    fires(PRUNE, "only an image would go", only_image, severity=ERROR, also=(HOST,)),
    silent(PRUNE, "another container uses volume and image too", does(CONFIG, lambda store: store.root.container(
        store.app, "also", volumes={store.data: "/data"}), lambda store: store.root.empty(HOSTCONFIG.path(store))), also=(HOST,)),
    silent(PRUNE, "the hidden container has no volume and its image is in use", does(part("hostconfig.json", made),
           lambda store: store.root.empty(part("hostconfig.json", made).path(store))), also=(HOST,)),
    silent(PRUNE, "a folder is only the rest of a removal", does(folder(), lambda store: store.root.make_dir(
        f"containers/{OTHER_ID[7:]}")), also=("container-remnant",)),
)
# fmt: on


@rows(ROWS)
def test_the_table_of_hidden_containers_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))


def test_a_prune_hazard_names_volumes_images_and_containers(place: Path) -> None:
    store = whole(place, "overlay2")
    store.root.empty(HOSTCONFIG.path(store))
    (finding,) = run(place).of(PRUNE)
    assert ((store.data,), ("app:1",), (store.ran,)) == (finding.impact.volumes, finding.impact.images, finding.impact.containers)
    assert finding.message.startswith(f"do not prune: the volumes {store.data} and the images ")


def test_volumes_of_a_container_that_cannot_be_read_are_any_that_no_other_names(place: Path) -> None:
    store = whole(place, "overlay2")
    spare = store.root.volume("spare")
    store.root.empty(CONFIG.path(store))
    (finding,) = run(place).of(PRUNE)
    assert {store.data, spare} == set(finding.impact.volumes)


def test_finishing_a_removal_takes_record_layers_and_folder_and_leaves_volumes(place: Path) -> None:
    store = whole(place, "overlay2")
    DYING(store)
    (action,) = run(place, consents=(store.ran,)).plan.actions
    layers = {
        store.rel(store.root.driver_dir(ident)) for ident in (store.root.mount_id(store.ran), store.root.init_id(store.ran))
    }
    record_path = store.rel(store.root.mount_record(store.ran))
    away = [step.path for step in action.steps]
    assert {f"containers/{store.ran}", record_path} | layers <= set(away)
    assert not any(path.startswith("volumes") for path in away)
    assert [f"containers/{store.ran}", record_path] == away[:2]
