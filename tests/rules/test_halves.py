"""The table of trees of which one half is lost, and trees of several drivers side by side (classic-store 15; FC-39, FC-44)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from docker_fsck.testing import laws
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.table import DRIVERS, Row, Told, disagreements, fires, run, silent
from docker_fsck.testing.whole import Whole, whole

from .cases import all_images, hurting, recorded, rows

HALF = "half-store"
EVERYONE = (all_images, lambda store: [store.ran, store.busy, store.made])


def half(name: str, blow: Callable[[Whole, Path], object]) -> Callable[[Whole], Told]:
    """One half of a tree is gone, by name; `{driver}` is the driver's."""

    def how(store: Whole) -> Told:
        path = name.format(driver=store.root.driver)
        blow(store, store.root.path / path)
        return Told("store", store.root.driver, path)

    return how


def deleted(store: Whole, path: Path) -> None:
    """It is gone."""
    store.root.delete(path)


def unmounted(store: Whole, path: Path) -> None:
    """It is empty, as the place of a disk that is not mounted."""
    store.root.empty(path)


def tried(store: Whole) -> None:
    """Engines have been started with other drivers and have made nothing; of one only the home is left, of one the records."""
    for driver in ("fuse-overlayfs", "overlay"):
        DataRoot(store.root.path, driver)
    store.root.delete("fuse-overlayfs")
    store.root.delete("image/overlay")


# fmt: off
ROWS: tuple[Row, ...] = (
    *(fires(HALF, f"the folders of all layers {what}", hurting(half("{driver}", blow), *EVERYONE)) for what, blow in (
        ("are gone", deleted), ("lie on a disk that is not mounted", unmounted))),
    *(fires(HALF, f"the records {what}", hurting(half("image/{driver}", blow), containers=EVERYONE[1])) for what, blow in (
        ("are gone", deleted), ("lie on a disk that is not mounted", unmounted))),
    silent(HALF, "nothing was ever made with a driver", tried),
)
# fmt: on


@rows(ROWS)
def test_the_table_of_halves_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))


@pytest.mark.parametrize("second", ["overlay", "fuse-overlayfs", "devicemapper", "aufs", "vfs", "zfs"])
def test_a_tree_beside_another_one_is_judged_by_itself_and_is_no_garbage(place: Path, second: str) -> None:
    whole(place, "overlay2")
    other = DataRoot(place, second)
    image = other.image("old:1", 2)
    other.container(image, "older")
    outcome = run(place, host=recorded(other)) if second in {"zfs", "devicemapper"} else run(place)
    assert ["multiple-drivers"] == [each.partition(":")[0] for each in laws.clean(outcome)]
    assert 2 == len({each.source for each in outcome.sources if each.source.endswith("imagedb")})


@pytest.mark.parametrize("second", ["overlay", "fuse-overlayfs", "aufs", "vfs"])
def test_garbage_of_a_tree_beside_another_one_is_found_there_alone(place: Path, second: str) -> None:
    whole(place, "overlay2")
    other = DataRoot(place, second)
    other.image("old:1", 2)
    ident = other.orphan_dir()
    outcome = run(place)
    found = [(each.rule, each.object.id) for each in outcome.findings]
    assert [("driver-orphan", ident), ("multiple-drivers", "image")] == found
    assert {second} == {step.path.partition("/")[0] for action in outcome.plan.actions for step in action.steps}
