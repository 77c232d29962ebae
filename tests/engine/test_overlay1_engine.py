"""The engine judges overlay (v1) and fuse-overlayfs too: what the builder makes of them it runs, what it makes itself is clean."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from docker_fsck.apply.executor import execute
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.laws import MOMENT, TXN, clean, site
from docker_fsck.testing.table import STOPPED, run
from dockerd import Engine, EngineError
from population import populate
from test_builder_engine import (
    root,
    test_the_engine_lists_every_image_container_and_volume,
    test_the_engine_prunes_from_the_build_cache_exactly_its_own_folders,
    test_the_engine_saves_layers_with_the_digests_that_were_built,
    test_the_engine_starts_a_built_container_with_its_files_and_volume,
    test_the_leftovers_are_garbage_to_the_engine_too,
)
from test_builder_engine import test_the_engine_makes_the_same_files_with_the_same_modes as same_files

FUSE = shutil.which("fuse-overlayfs") and Path("/dev/fuse").exists()
only_overlay = pytest.mark.parametrize("driver", ["overlay"], indirect=True)


@pytest.fixture(scope="session", params=["overlay", "fuse-overlayfs"] if FUSE else ["overlay"])
def driver(request: pytest.FixtureRequest) -> str:
    """The storage driver of the engine; fuse-overlayfs where its program is."""
    return str(request.param)


def test_what_the_engine_made_gives_nothing(driver: str, workplace: Path) -> None:
    with Engine(workplace, driver) as engine:
        made = populate(engine)
    assert [] == clean(run(made.root))


@only_overlay
def test_the_engine_makes_the_same_files_on_overlay(driver: str, workplace: Path) -> None:
    """The program fuse-overlayfs leaves marks of its own in every new folder."""
    same_files(DataRoot(workplace / "built", driver), workplace)


@only_overlay
def test_a_container_whose_lower_id_and_work_folder_are_lost_runs_again_after_the_repair(driver: str, workplace: Path) -> None:
    made = DataRoot(workplace / "built", driver)
    shell = Path(shutil.which("busybox") or "").read_bytes()
    image = made.image("app:1", [{"bin/sh": shell}, {"etc/issue": b"hello\n"}])
    box = made.container(image, "box", config={"Args": ["-c", "read a </etc/issue; echo $a"]})
    orphan = made.orphan_dir(parent=made.chains_of(image)[-1])
    folder = made.driver_dir(made.mount_id(box))
    made.empty(folder / "lower-id")
    with Engine(workplace, driver, made.path) as engine:
        engine.start()
        with pytest.raises(EngineError, match="error creating overlay mount"):
            engine.docker("start", "-a", "box")
        engine.stop()
    made.delete(folder / "work")
    found = run(made.path)
    assert ["driver-orphan", "overlay1-shape", "overlay1-shape"] == sorted(each.rule for each in found.findings)
    execute(found.plan, site(made.path, STOPPED), txn=TXN, now=MOMENT)
    assert [] == clean(run(made.path))
    with Engine(workplace, driver, made.path) as engine:
        engine.start()
        said = engine.docker("start", "-a", "box").stdout
        engine.stop()
    assert ("hello\n", False) == (said, made.driver_dir(orphan).exists())
