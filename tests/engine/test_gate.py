"""The gate on roots that the real engine made, and the engine as its judge: does it open what the gate says it opens?"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from docker_fsck.testing import table
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.table import STOPPED
from docker_fsck.upgrade.settings import Settings
from docker_fsck.upgrade.version import parse
from docker_fsck.values import Finding, Severity
from dockerd import Engine
from population import Populated

OWN = "20.10"
LATER = ("23", "24", "25", "28.5", "29.7")


def gate(root: Path, target: str, driver: str = "") -> dict[str, Severity]:
    """What stands against a version, by rule."""
    settings = Settings(driver=driver, origin="daemon.json", file="daemon.json") if driver else Settings()
    found = table.run(root, host=STOPPED, target=parse(target), engine_settings=settings).findings
    return {each.rule: each.severity for each in found if _of_gate(each)}


def _of_gate(found: Finding) -> bool:
    return found.rule.startswith(("upgrade-", "downgrade-"))


@pytest.fixture
def undecided(populated: Populated) -> Iterator[Engine]:
    """An engine on the populated root that is told no driver."""
    with Engine(populated.root.parent / "own", "", populated.root) as engine:
        yield engine
        for name in ("overlay2", "devicemapper"):
            if name != populated.engine.driver:
                shutil.rmtree(populated.root / name, ignore_errors=True)


def test_what_each_version_makes_of_the_engines_own_root(populated: Populated) -> None:
    driver = populated.engine.driver
    warned = {} if driver == "overlay2" else {"upgrade-store-hidden": Severity.WARNING}
    lost = {} if driver == "overlay2" else {"upgrade-store-hidden": Severity.CRITICAL}
    expected = {target: lost if target == "29.7" else warned for target in (OWN, *LATER)}
    assert expected == {target: gate(populated.root, target) for target in (OWN, *LATER)}
    assert {target: {} for target in (OWN, *LATER)} == {target: gate(populated.root, target, driver) for target in (OWN, *LATER)}


def test_the_engine_shows_without_a_choice_what_the_gate_says(populated: Populated, undecided: Engine) -> None:
    """overlay2 has state; vfs never counts, so that the engine comes up with another driver and shows nothing."""
    told = gate(populated.root, OWN)
    undecided.log.parent.mkdir(exist_ok=True)
    undecided.start()
    shown = {tag for tag, _ in undecided.images()}
    undecided.stop()
    assert (not told) == ("shop:1" in shown)


@pytest.mark.parametrize("driver", ["overlay2"], indirect=True)  # beside vfs the leftover alone counts
def test_a_leftover_of_devicemapper_keeps_the_engine_from_starting_and_25_does_not_mind(
    populated: Populated, undecided: Engine
) -> None:
    (populated.root / "devicemapper/metadata").mkdir(parents=True)
    (populated.root / "devicemapper/metadata/base").write_text("{}")
    stopped = {"upgrade-driver-unchosen": Severity.CRITICAL}
    expected = {OWN: stopped, "23": stopped, "24": stopped, "25": {}, "28.5": {}, "29.7": {}}
    assert expected == {target: gate(populated.root, target) for target in (OWN, *LATER)}
    assert {} == gate(populated.root, OWN, "overlay2")
    undecided.log.parent.mkdir(exist_ok=True)
    said = undecided.start_fails()
    assert "contains several valid graphdrivers" in said


def test_a_tree_of_aufs_is_lost_from_24_on(workplace: Path) -> None:
    root = DataRoot(workplace / "docker", "aufs")
    root.container(root.image("old:1"), "old", volumes={root.volume("kept"): "/data"})
    unchosen, removed = {"upgrade-driver-unchosen": Severity.CRITICAL}, {"upgrade-driver-removed": Severity.CRITICAL}
    expected = {OWN: {}, "23": unchosen, "24": removed, "25": removed, "28.5": removed, "29.7": removed}
    assert expected == {target: gate(root.path, target) for target in (OWN, *LATER)}
