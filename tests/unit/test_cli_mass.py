"""Damage of very many objects at once: apply stops before it, says why, and what to look at first (promise 11)."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from test_cli_kit import on, run

from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.tree import snapshot

IMAGES = 50
Damage = Callable[[DataRoot], None]


@pytest.fixture
def many(tmp_path: Path) -> DataRoot:
    """Fifty images, without a container that remembers the name of one."""
    root = DataRoot(tmp_path / "root")
    for number in range(IMAGES):
        root.image(f"app{number}:1", 1)
    return root


def emptied_tags(root: DataRoot) -> None:
    """What a power cut leaves of repositories.json."""
    root.tags.write_bytes(b"")


def emptied_records(root: DataRoot) -> None:
    """What it leaves of layer records that were just written."""
    for chain in root.layers:
        for file in root.record(chain).iterdir():
            file.write_bytes(b"")


def no_records(root: DataRoot) -> None:
    """The folder of layer records is gone."""
    shutil.rmtree(root.record(next(iter(root.layers))).parent)


BRAKES = (
    (emptied_tags, f"it would leave {IMAGES} of {IMAGES} images without their names"),
    (emptied_records, f"it would put away {IMAGES} of {IMAGES} layers"),
    (no_records, f"it would put away all {IMAGES} images"),
)


@pytest.mark.parametrize(("damage", "why"), BRAKES, ids=lambda each: getattr(each, "__name__", ""))
def test_mass_damage_trips_the_brake_which_says_what_to_look_at(many: DataRoot, damage: Damage, why: str) -> None:
    damage(many)
    before = snapshot(many.path)
    planned = run(*on(many, "plan"))
    assert [True, True] == [
        f"apply --class lossy --allow-mass --root {many.path}" in planned.out,
        why in " ".join(planned.out.split()),
    ]
    held = run(*on(many, "apply", "--class", "lossy", "--yes"))
    assert (68, before) == (held.status, snapshot(many.path))
    assert f"nothing was changed: {why}. So much damage at once is seldom many faults" in held.err
    assert "--allow-mass takes this brake off" in held.err


@pytest.mark.parametrize(("damage", "why"), BRAKES, ids=lambda each: getattr(each, "__name__", ""))
def test_the_brake_comes_off_and_undo_gives_everything_back(many: DataRoot, damage: Damage, why: str) -> None:
    damage(many)
    before = snapshot(many.path)
    assert why not in run(*on(many, "apply", "--class", "lossy", "--yes", "--allow-mass")).err
    assert before != snapshot(many.path, leave_out=(".docker-fsck",))
    assert 0 == run(*on(many, "undo", "last")).status
    assert before == snapshot(many.path, leave_out=(".docker-fsck",))


def test_a_folder_of_records_that_is_none_is_told_and_nothing_is_planned(many: DataRoot) -> None:
    no_records(many)
    many.record(next(iter(many.layers))).parent.parent.joinpath("sha256").write_bytes(b"")
    ended = run(*on(many, "plan", "--format", "json"))
    assert [] == ended.report["plan"]["actions"]
    assert {"file-unreadable"} == {each["rule"] for each in ended.report["findings"]}


def test_twenty_images_are_no_mass(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root")
    for number in range(20):
        root.image(f"app{number}:1", 1)
    emptied_tags(root)
    assert 1 == run(*on(root, "apply", "--class", "lossy", "--yes")).status
