"""The table of parts of a root that lie elsewhere, behind a mount or a link: they are no damage, and were not read (FC-59)."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from unittest.mock import patch

import pytest

from docker_fsck.testing.table import DRIVERS, Row, disagreements, fires, run, silent
from docker_fsck.testing.whole import Whole, whole

from .cases import OTHER, does, file, linked, rows

AWAY = "root-part-elsewhere"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")
Place = Callable[[Whole], Path]


def top(name: str) -> Place:
    """A path by its name below the root; `{driver}` is the driver's."""
    return lambda store: store.root.path / name.format(driver=store.root.driver)


PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    *((name, DRIVERS) for name in (
        "volumes", "network", "network/files", "image", "image/{driver}", "image/{driver}/imagedb",
        "image/{driver}/imagedb/content/sha256", "image/{driver}/layerdb", "image/{driver}/layerdb/sha256",
        "image/{driver}/layerdb/mounts", "image/{driver}/distribution", "swarm", "containers", "plugins", "plugins/tmp", "{driver}",
    )),
    ("vfs/dir", ("vfs",)), ("aufs/diff", ("aufs",)), ("aufs/layers", ("aufs",)),
)  # fmt: skip
FILES = ("volumes/metadata.db", "network/files/local-kv.db", "image/{driver}/repositories.json", "swarm/state.json")


def joined(store: Whole) -> None:
    """The node is in a swarm, and its containers are on a network that only the managers know."""
    store.root.swarm()
    store.root.container(store.app, "there", config={"NetworkSettings": {"Networks": {"mine": {"NetworkID": OTHER}}}})


# fmt: off
ROWS: tuple[Row, ...] = (
    *(fires(AWAY, f"a link stands at {name}", linked(file(top(name)), "/srv/docker"), drivers=drivers) for name, drivers in PARTS),
    *(fires(AWAY, f"a link stands in place of {name}", linked(file(top(name)), "/srv/file")) for name in FILES),
    fires(AWAY, "a link stands at containerd", linked(file(top("containerd")), "/srv/docker")),
    fires(AWAY, "a link stands in place of the uuid of containerd", does(
        file(top("containerd/daemon/io.containerd.grpc.v1.introspection/uuid")), lambda store: store.root.make_dir(
            "containerd/daemon/io.containerd.grpc.v1.introspection"), linked(
            file(top("containerd/daemon/io.containerd.grpc.v1.introspection/uuid")), "/srv/uuid"))),
    fires(AWAY, "the swarm that a node is in lies elsewhere", does(file(top("swarm")), joined, linked(file(top("swarm")), "/srv"))),
    fires(AWAY, "the image tree of another driver lies elsewhere", linked(file(top("image/zfs")), "/srv/docker")),
    silent(AWAY, "nothing is read there", linked(file(top("trust")), "/srv")),
    silent(AWAY, "temporary files lie elsewhere", linked(file(top("tmp")), "/srv")),
)
# fmt: on


@rows(ROWS)
def test_the_table_of_parts_that_lie_elsewhere_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))


@contextmanager
def disk(point: Path) -> Iterator[None]:
    """Another file system at a folder, which is made."""
    point.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", str(point)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(point)], check=True)


@as_root
@pytest.mark.parametrize("blind", [False, True], ids=["the kernel tells of mounts", "it does not"])
@pytest.mark.parametrize("name", [name for name, drivers in PARTS if "overlay2" in drivers])
def test_a_part_on_a_file_system_of_its_own_is_no_damage_and_makes_the_verdict_incomplete(
    place: Path, name: str, blind: bool
) -> None:
    part = name.format(driver="overlay2")
    whole(place, "overlay2")
    unknown = patch("docker_fsck.reader.foreign_mounts", lambda _: None) if blind else nullcontext()
    with disk(place / part), unknown:
        outcome = run(place)
    assert [(AWAY, part)] == [(each.rule, each.object.id) for each in outcome.findings if each.rule != "driver-orphan"]
    assert ((f"{part}: another file system is mounted here",), ()) == (outcome.checked.incomplete, outcome.plan.actions)


@pytest.mark.parametrize(("part", "source"), [("volumes", "volumes/metadata.db"), ("swarm", "swarm"), ("plugins", "plugins")])
def test_the_sources_of_a_report_name_what_was_not_read(place: Path, part: str, source: str) -> None:
    whole(place, "overlay2").root.link_to(part, "/srv/docker")
    assert [source] == [each.source for each in run(place).sources if each.state != "read"]


@as_root
@pytest.mark.parametrize("name", ["containers", "image", "image/overlay2/layerdb/mounts", "overlay2"])
def test_what_a_part_that_was_not_read_could_name_is_kept(place: Path, name: str) -> None:
    store = whole(place, "overlay2")
    store.root.orphan_pair(store.app)
    store.root.orphan_mount(store.app)
    with disk(place / name):
        assert () == run(place).plan.actions


def test_a_file_in_the_place_of_the_folder_of_plugins_makes_the_verdict_incomplete(place: Path) -> None:
    store = whole(place, "overlay2")
    store.root.delete("plugins")
    store.root.write("plugins", b"x")
    outcome = run(place)
    assert ["plugins"] == [each.partition(":")[0] for each in outcome.checked.incomplete]
    assert "unreadable" == next(each.state for each in outcome.sources if each.source == "plugins")
