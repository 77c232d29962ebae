"""One cause, one finding: what many objects suffer from is told once, with everybody who suffers (issue of a lost base layer)."""

import shutil
from pathlib import Path

import pytest
from msgspec import structs

from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.table import run
from docker_fsck.values import ActionClass, Finding

IMAGES = 200
CONTAINERS = 20


@pytest.fixture
def tower(tmp_path: Path) -> DataRoot:
    """Two hundred images of two layers on one base of two, and twenty containers."""
    root = DataRoot(tmp_path / "root")
    base = root.image("base:1", 2)
    for number in range(IMAGES):
        image = root.image(f"app{number:03}:1", 2, base=base)
        if number < CONTAINERS:
            root.container(image, f"box{number:02}")
    return root


def lone(root: DataRoot) -> Finding:
    """The one finding that fails a run."""
    (found,) = (each for each in run(root.path).findings if each.rule != "prune-hazard" and each.severity.rank > 0)
    return found


def base_of(root: DataRoot) -> str:
    return root.chains_of(root.repositories["base"]["base:1"])[0]


def lose_folder(root: DataRoot) -> None:
    shutil.rmtree(root.driver_dir(root.dir_of(base_of(root))))


def lose_record(root: DataRoot) -> None:
    shutil.rmtree(root.record(base_of(root)))


def empty_record(root: DataRoot) -> None:
    for file in root.record(base_of(root)).iterdir():
        file.write_bytes(b"")


@pytest.mark.parametrize(
    ("lose", "rule"),
    [(lose_folder, "layer-driverdir-missing"), (lose_record, "image-layer-missing"), (empty_record, "layer-record-incomplete")],
)
def test_a_lost_base_layer_under_two_hundred_images_is_one_finding_with_all_who_suffer(
    tower: DataRoot, lose: object, rule: str
) -> None:
    lose(tower)  # type: ignore[operator]
    found = lone(tower)
    assert rule == found.rule
    assert {"base:1", *(f"app{number:03}:1" for number in range(IMAGES))} == {*found.impact.images}
    assert CONTAINERS == len(found.impact.containers)
    actions = run(tower.path).plan.actions
    assert {ActionClass.LOSSY} == {each.cls for each in actions if found.fingerprint in each.findings}


def test_one_unreadable_configuration_of_a_container_is_one_finding(tower: DataRoot) -> None:
    (config,) = (path for path in tower.path.glob("containers/*/config.v2.json") if b"/box03" in path.read_bytes())
    config.write_bytes(b"")
    name = config.parent.name
    found = lone(tower)
    assert ("container-config-corrupt", name) == (found.rule, found.object.id)
    assert ((), 1) == (found.impact.images, len(found.impact.containers))
