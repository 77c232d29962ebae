"""What containers and volumes use beside their own mount records is nobody's garbage (classic-store 11, 15, 18.1)."""

import json
from pathlib import Path

import pytest

from docker_fsck.cli import main
from docker_fsck.testing.table import DRIVERS, Row, Run, Told, disagreements, fires, run, silent
from docker_fsck.testing.whole import Whole, whole
from docker_fsck.values import ActionClass

from .cases import OTHER, UNION, VFS, How, forgotten, rows


def bare(store: Whole) -> Told:
    """The folder containers is empty, as the place of a disk that is not mounted."""
    store.root.empty("containers")
    return Told("file", "containers", "containers")


def created(store: Whole) -> None:
    """The same, and no container ever wrote anything."""
    bare(store)
    for name in (store.ran, store.busy, store.made):
        store.root.empty(store.root.content(store.root.mount_id(name)))


def lent(name: str) -> How:
    """An image is mounted in a container; the record has this name, in which {} is the container's."""
    return lambda store: store.root.mount_image(store.busy, store.web, name.format(store.busy))


def snapshotted(store: Whole) -> None:
    """A container of the containerd image store whose snapshotter has the name of a graph driver."""
    manifest = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": f"sha256:{OTHER}", "size": 400}
    ident = store.root.container(store.app, "elsewhere", driver="another", config={"ImageManifest": manifest})
    path = store.root.container_dir(ident) / "config.v2.json"
    store.root.write(path, path.read_bytes().replace(b'"another"', f'"{store.root.driver}"'.encode()))


def old_volume(store: Whole, driver: str = "vfs") -> Path:
    """A volume of an engine before 1.7: its data lie among the layers of vfs, `_data` leads there; returns their folder."""
    data = store.root.path / driver / "dir" / OTHER
    store.root.make_dir(data)
    store.root.write(data / "table", b"of a database\n")
    store.root.make_dir(store.root.volume_dir(OTHER))
    store.root.link_to(store.root.volume_dir(OTHER) / "_data", f"{store.root.home}/{store.rel(data)}")
    return data


def bound(store: Whole) -> None:
    """The content of a layer that nothing names is mounted into a container."""
    ident = store.root.orphan_dir(parent=store.root.chains_of(store.base)[-1])
    source = f"{store.root.home}/{store.rel(store.root.content(ident))}"
    point = {"Source": source, "Destination": "/mnt", "RW": True, "Name": "", "Driver": "", "Type": "bind"}
    store.root.container(store.app, "looks", config={"MountPoints": {"/mnt": point}})


def reclaimed(outcome: Run) -> list[str]:
    """What the plan would put away as garbage."""
    return [action.does for action in outcome.plan.actions if action.cls is ActionClass.RECLAIM]


OF_VOLUME = ("volume-data-link", "volume-unreferenced-anonymous")
NAMES = {
    "28": "{}-tools:1",
    "28 from a registry": "{}-registry.example/team/tools:1",
    "29": b"{}".hex() * 40,
    "later engines": OTHER,
}
# fmt: off
ROWS: tuple[Row, ...] = (
    fires("container-folder-missing", "the folder is empty", bare, drivers=UNION),
    *(silent("*", f"an image is mounted in a container by {what}", lent(name)) for what, name in NAMES.items()),
    silent("*", "a layer that nothing names is mounted into a container", bound),
    silent("driver-orphan", "volumes lie among the layers", old_volume, drivers=VFS, also=OF_VOLUME),
    silent("half-store", "volumes lie where the layers of vfs would", old_volume, drivers=UNION, also=OF_VOLUME),
)
# fmt: on


@rows(ROWS)
def test_the_table_of_claims_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))


@pytest.mark.parametrize("blow", [bare, created], ids=["written", "created"])
@pytest.mark.parametrize("driver", DRIVERS)
def test_nothing_of_a_container_is_garbage_while_the_place_of_all_containers_is_empty(
    driver: str, blow: How, place: Path
) -> None:
    store = whole(place, driver)
    pair, orphan = store.root.orphan_pair(store.app), store.root.orphan_dir(parent=store.root.chains_of(store.base)[-1])
    blow(store)
    outcome = run(place)
    garbage = [f"put {store.rel(store.root.driver_dir(orphan))} away"] if driver != "vfs" else []  # there a layer looks like any
    assert garbage == reclaimed(outcome)
    told = {each.rule for each in outcome.findings}
    assert told & {"mount-orphan", "container-folder-missing"}
    assert pair.mount_id not in {each.object.id for each in outcome.findings}


def test_records_without_a_container_are_garbage_again_once_there_is_any_container(place: Path) -> None:
    store = whole(place, "overlay2")
    created(store)
    assert [] == reclaimed(run(place))
    store.root.container(store.app, "new")
    assert 3 == len(reclaimed(run(place)))


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_mounted_image_goes_with_its_container_alone(driver: str, name: str, place: Path) -> None:
    store = whole(place, driver)
    image = store.root.image("tools:1", 2)
    record = store.root.mount_image(store.busy, image, name.format(store.busy))
    path = store.rel(store.root.mount_record(record))
    forgotten(store, image)
    assert [] == reclaimed(run(place))
    sourceless(store)
    assert [] == reclaimed(run(place))
    store.root.delete(store.root.container_dir(store.busy))
    gone = {step.path for action in run(place).plan.actions for step in action.steps if action.cls is ActionClass.RECLAIM}
    layers = {store.rel(store.root.record(chain)) for chain in store.root.chains_of(image)}
    assert {path, *layers} <= gone


def sourceless(store: Whole) -> None:
    """The container does not say where its images are mounted: only the name of the record tells."""
    path = store.root.container_dir(store.busy) / "config.v2.json"
    document = json.loads(path.read_bytes())
    for point in document["MountPoints"].values():
        point["Source"] = ""
    store.root.write(path, json.dumps(document).encode())


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_mounted_image_may_be_of_a_container_that_cannot_be_read(driver: str, name: str, place: Path) -> None:
    store = whole(place, driver)
    record = store.root.mount_image(store.busy, store.web, name.format(store.busy))
    store.root.empty(store.root.container_dir(store.busy) / "config.v2.json")
    outcome = run(place)
    assert [] == reclaimed(outcome)
    assert record not in {each.object.id for each in outcome.findings}


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_container_of_the_containerd_store_is_never_given_a_layer_of_a_graph_driver(driver: str, place: Path) -> None:
    store = whole(place, driver)
    store.root.orphan_pair(store.app)
    snapshotted(store)
    outcome = run(place)
    assert not {"container-record-missing", "prune-hazard"} & {each.rule for each in outcome.findings}
    assert not [action for action in outcome.plan.actions if action.cls is ActionClass.LOSSLESS]


def test_the_data_of_an_old_volume_are_told_as_kept(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = old_volume(whole(place, "vfs"))
    main(["why", str(data), "--root", str(place)])
    told = capsys.readouterr().out
    assert "kept" in told
    assert f"data of volume {OTHER}" in told
