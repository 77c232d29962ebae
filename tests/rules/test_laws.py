"""The laws of the house over all tables (architecture section 8)."""

import os
import re
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec import structs

from docker_fsck.testing import laws
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.table import DRIVERS, SAMPLED, Row, disagreements, registry, run, silent
from docker_fsck.testing.tree import changes, snapshot_with_atimes
from docker_fsck.testing.whole import Whole, supply, whole
from docker_fsck.values import ActionClass, Severity

from . import (
    test_aufs,
    test_blobs,
    test_btrfs,
    test_buildkit,
    test_containers,
    test_contents,
    test_devicemapper,
    test_distribution,
    test_elsewhere,
    test_engine_state,
    test_garbage,
    test_halves,
    test_hidden,
    test_host,
    test_images,
    test_layers,
    test_mounts,
    test_networks,
    test_overlay1,
    test_overlay2,
    test_ownfiles,
    test_plugindirs,
    test_roots,
    test_strangers,
    test_surroundings,
    test_tags,
    test_upgrade,
    test_volumes,
    test_zfs,
)
from .cases import OTHER_ID, OVERLAYS, retagged, rows

TABLES = (
    test_aufs,
    test_blobs,
    test_btrfs,
    test_buildkit,
    test_containers,
    test_contents,
    test_devicemapper,
    test_distribution,
    test_elsewhere,
    test_engine_state,
    test_garbage,
    test_halves,
    test_hidden,
    test_host,
    test_images,
    test_layers,
    test_mounts,
    test_networks,
    test_overlay1,
    test_overlay2,
    test_ownfiles,
    test_plugindirs,
    test_roots,
    test_strangers,
    test_surroundings,
    test_tags,
    test_upgrade,
    test_volumes,
    test_zfs,
)
ROWS: tuple[Row, ...] = tuple(row for table in TABLES for row in table.ROWS)
FIRING = tuple(row for row in ROWS if row.kind == "fires")
LONE = {
    "backing-fs": (),  # tests/unit/test_backing.py makes file systems for it
    "downgrade-driver-unknown": ("overlay2",),
    "init-layer-changed": ("vfs",),
    "init-parent-wrong": ("overlay2", "aufs"),
    "layer-extra-files": ("overlay2", "aufs"),
    "upgrade-driver-removed": ("aufs",),
    "upgrade-driver-unchosen": ("aufs",),
    "upgrade-dtype": (),  # tests/unit/test_backing.py makes a file system for it
    "upgrade-migration": ("vfs",),
}
EVERYWHERE = tuple({row.rule: row for row in reversed(FIRING) if row.drivers == DRIVERS}.values())
SAMPLE = tuple(structs.replace(row, drivers=SAMPLED) for row in EVERYWHERE)
"""One row of each rule that holds on every driver, for those drivers on which not every row is tried."""
LIMIT = 120


@pytest.fixture(scope="session")
def elsewhere() -> Iterator[laws.Elsewhere]:
    """The other interpreter, one for all rows."""
    with laws.Elsewhere(seed=4711) as process:
        yield process


@pytest.fixture(autouse=True)
def ends() -> Iterator[None]:
    """A run that does not end fails."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"no end within {LIMIT} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("driver", [*DRIVERS, *SAMPLED])
def test_law_1_a_whole_store_gives_nothing(driver: str, place: Path) -> None:
    assert [] == laws.whole_is_clean(place, driver)


@pytest.mark.parametrize("driver", [*DRIVERS, *SAMPLED])
def test_law_1_a_store_in_which_nothing_was_ever_made_gives_nothing(driver: str, place: Path) -> None:
    assert [] == laws.clean(run(DataRoot(place, driver).path))


@pytest.mark.parametrize("driver", [*DRIVERS, *SAMPLED])
def test_law_3_a_check_leaves_bytes_times_and_attributes_as_they_are(driver: str, place: Path) -> None:
    store = whole(place, driver)
    store.root.orphan_dir()
    store.root.empty(store.root.image_file(store.web))
    before = snapshot_with_atimes(place)
    assert run(place).plan.actions
    assert {} == changes(before, snapshot_with_atimes(place))


def test_law_3_would_see_a_file_that_was_read_or_written(place: Path) -> None:
    store = whole(place, "overlay2")
    before = laws.states(place)
    store.root.tags.read_bytes()
    store.root.chmod(store.root.image_file(store.web), 0o600)
    after = laws.states(place)
    seen = {str(store.root.tags), str(store.root.image_file(store.web))}
    assert seen == {name for name in before.keys() | after if before.get(name) != after.get(name)}


@pytest.mark.parametrize("driver", [*DRIVERS, *SAMPLED])
def test_law_1_what_is_unusual_but_normal_gives_nothing(driver: str, place: Path) -> None:
    store = whole(place, driver)
    unusual(store)
    assert [] == laws.clean(run(place))


def unusual(store: Whole) -> None:
    """What healthy stores hold although many do not (FC-57)."""
    root = store.root
    content = root.content(store.dir_of(store.web))
    (content / "twin").hardlink_to(next(each for each in content.rglob("*.conf")))
    (content / "zero").touch()
    os.truncate(content / "zero", 1 << 20)
    if os.geteuid() == 0:
        os.mknod(content / "gone", stat.S_IFCHR, os.makedev(0, 0))
        os.setxattr(content, "trusted.overlay.opaque", b"y")
    os.utime(content)
    root.write(root.image_metadata(store.app) / "builtLocally", b"\1")
    root.write(root.record(root.chains_of(store.web)[-1]) / "descriptor.json", b'{"mediaType":"x","digest":"y","size":1}')
    root.write(root.record(root.chains_of(store.web)[-1]) / "os", b"linux")
    nameless = root.image(None, 1)
    retagged(store, "only", f"only@{OTHER_ID}", nameless)
    root.image("nothing:1", 0)
    root.container(None, "scratch")
    root.volume("tmpfs", options={"type": "tmpfs", "device": "tmpfs", "o": "size=1m"})
    root.delete(root.image_metadata(store.web))
    for name in ("lost+found", "trust", "graph", f"{root.driver}/lost+found"):
        (root.path / name).mkdir(exist_ok=True)
    root.write("engine-id", b"4f6a2f1c-5b6d-4c7e-8f90-a1b2c3d4e5f6")
    if root.driver in OVERLAYS:
        for ident in (store.dir_of(store.base, 0), root.mount_id(store.ran)):
            (root.driver_dir(ident) / "merged").mkdir()
        (root.driver_dir(root.mount_id(store.ran)) / "work" / "index").mkdir()
        root.delete(root.driver_dir(store.dir_of(store.base, 0)) / "committed")


def test_law_2_each_rule_has_its_rows_its_page_and_its_classes() -> None:
    assert [] == laws.cards(registry().rules, ROWS, LONE)


@rows(FIRING)
def test_laws_3_to_7_hold_on_the_way_through(row: Row, driver: str, place: Path, elsewhere: laws.Elsewhere) -> None:
    assert "" == "\n".join(laws.journey(row, driver, place, elsewhere))


@rows(SAMPLE)
def test_a_rule_that_holds_on_every_driver_holds_on_those_that_are_sampled(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))


@rows(SAMPLE)
def test_laws_3_to_7_hold_on_the_drivers_that_are_sampled(row: Row, driver: str, place: Path, elsewhere: laws.Elsewhere) -> None:
    assert "" == "\n".join(laws.journey(row, driver, place, elsewhere))


@rows(tuple(row for row in FIRING if row.cls is ActionClass.LOSSLESS and not row.refused))
def test_where_a_fact_can_be_derived_nothing_is_given_up(row: Row, driver: str, place: Path) -> None:
    store = whole(place, driver)
    row.how(store)
    assert [] == laws.losses(store, row.rule, supply(store) if row.supplied else "", row.level)


def kind(store: Whole, path: Path) -> str:
    """What sort of file a path is: its name with the ids taken out."""
    return re.sub(r"[0-9a-f]{64}|\b[0-9a-z]{25}\b|\b[A-Z2-7]{26}\b", "#", store.rel(path))


@pytest.mark.parametrize("driver", [*DRIVERS, *SAMPLED])
def test_law_8_any_kind_of_file_may_be_damaged_in_any_way(driver: str, place: Path) -> None:
    store = whole(place, driver)
    first = {kind(store, path): path for path in reversed(laws.metadata(store))}
    aside = place.with_name("aside")
    breaches = {
        (name, strike): found
        for name, path in first.items()
        for strike in laws.STRIKES
        if (found := laws.survives(place, path, strike, aside=aside))
    }
    assert {} == breaches
    assert [] == laws.clean(run(place))


@pytest.fixture(scope="module", params=DRIVERS)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A whole store that outlives one example."""
    return whole(tmp_path_factory.mktemp("law8") / "root", request.param)


@settings(derandomize=True, deadline=None, database=None, max_examples=120)
@given(choice=some.integers(0, 10_000), strike=some.sampled_from(sorted(laws.STRIKES)), also=some.integers(0, 10_000))
def test_law_8_any_two_files_may_be_damaged(shared: Whole, choice: int, strike: str, also: int) -> None:
    paths = laws.metadata(shared)
    path, other = paths[choice % len(paths)], paths[also % len(paths)]
    apart = path not in other.parents and other not in path.parents and path != other
    spare = shared.root.path.with_name("spare")
    if apart:
        other.rename(spare)
    try:
        assert [] == laws.survives(shared.root.path, path, strike, aside=shared.root.path.with_name("aside"))
    finally:
        if apart:
            spare.rename(other)


def test_the_laws_tell_a_rule_without_rows_and_a_row_without_a_rule() -> None:
    told = laws.cards(registry().rules, ROWS[:1], {})
    assert {f"{rule.name} has no near-miss" for rule in registry().rules} <= set(told)
    assert "a row is of no-such-rule, which is no rule" in laws.cards((), (silent("no-such-rule", "x", unusual),), {})


def test_the_law_of_losses_tells_a_rule_that_gives_up(place: Path) -> None:
    store = whole(place, "overlay2")
    assert ["tags-unparsable finds nothing"] == laws.losses(store, "tags-unparsable")
    store.root.empty(store.root.tags)
    (told,) = laws.losses(store, "tags-unparsable")
    assert told.startswith("tags-unparsable: write a new image/overlay2/repositories.json with 0 names")


def test_the_laws_tell_what_apply_left(place: Path, elsewhere: laws.Elsewhere) -> None:
    row = next(row for row in ROWS if row.kind == "fires" and row.rule == "layer-driverdir-missing" and row.leaves)
    told = laws.journey(structs.replace(row, leaves=()), "overlay2", place, elsewhere)
    assert told
    assert {"law 5"} == {each.partition(":")[0] for each in told}


def test_a_row_that_does_not_hold_is_told_in_sentences(place: Path) -> None:
    row = next(row for row in ROWS if row.kind == "fires" and row.rule == "tags-unparsable" and row.cls is None)
    other = structs.replace(row, rule="tags-dangling", severity=Severity.INFO, cls=ActionClass.LOSSY)
    assert "expected tags-dangling; got tags-unparsable" in disagreements(other, "vfs", place / "one")
    told = disagreements(structs.replace(row, severity=Severity.INFO, cls=ActionClass.LOSSY), "vfs", place / "two")
    assert ["severity: expected info, got error"] == told[:1]
    assert told[1].startswith("expected one action of class lossy")


def test_a_near_miss_that_fires_is_told(place: Path) -> None:
    row = next(row for row in ROWS if row.kind == "fires" and row.rule == "tags-temp-residue" and row.cls is not None)
    quiet = structs.replace(row, kind="silent", cls=None)
    assert "something is planned" in disagreements(quiet, "overlay2", place)
