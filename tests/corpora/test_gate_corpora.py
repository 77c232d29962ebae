"""The gate on real roots: what it answers for engines of other versions, where it is known what these engines did there."""

import pytest
from corpus_runs import command, run
from unpacking import CLEAN, Corpus

from docker_fsck.testing import table
from docker_fsck.upgrade.settings import Settings
from docker_fsck.upgrade.version import parse
from docker_fsck.values import Severity

OVERLAY2 = tuple(name for name in CLEAN if "overlay2" in name)

NONE = Settings()
ON = Settings(snapshotter=True, origin="daemon.json", file="daemon.json")
TARGETS = ("18.06", "20.10", "23", "24", "25", "28.5", "29.7")
MIGRATION = Settings(migration=True, origin="daemon.json", file="daemon.json")


def told(corpus: Corpus, target: str, settings: Settings = NONE) -> dict[str, Severity]:
    """What stands against the version: rule and severity, garbage left out."""
    found = table.run(corpus.root, target=parse(target), engine_settings=settings).findings
    return {each.rule: each.severity for each in found if each.rule.startswith(("upgrade-", "downgrade-"))}


def test_a_root_of_a_driver_with_state_passes_every_version_and_vfs_all_before_29(clean: Corpus) -> None:
    driver = clean.report["info"]["Driver"]
    expected: dict[str, dict[str, Severity]] = {target: {} for target in TARGETS}
    if driver == "vfs":
        expected = {target: {"upgrade-store-hidden": Severity.WARNING} for target in TARGETS}
        expected["29.7"] = {"upgrade-store-hidden": Severity.CRITICAL}
    assert expected == {target: told(clean, target) for target in TARGETS}


def test_what_is_chosen_is_opened(clean: Corpus) -> None:
    driver = clean.report["info"]["Driver"]
    settings = Settings(driver=driver, origin="daemon.json", file="daemon.json")
    assert {target: {} for target in TARGETS} == {target: told(clean, target, settings) for target in TARGETS}


def test_the_containerd_store_hides_what_the_graph_driver_holds(clean: Corpus) -> None:
    """Seen with 28.5 to 29.7: no image and no container is shown, and a prune took the volumes of all containers."""
    outcome = table.run(clean.root, target=parse("29.7"), engine_settings=ON)
    (found,) = outcome.of("upgrade-store-hidden")
    assert (Severity.ERROR, clean.report["info"]["Driver"]) == (found.severity, found.object.id)
    assert {each["Id"] for each in clean.report["container_inspect"]} == set(found.impact.containers)
    named = {mount["Name"] for each in clean.report["container_inspect"] for mount in each["Mounts"] if mount["Type"] == "volume"}
    assert named <= set(found.impact.volumes)
    assert named


def test_layers_that_buildkit_made_cannot_be_read_before_18_06(clean: Corpus) -> None:
    odd = [each for each in clean.root.glob("image/*/layerdb/sha256/*/cache-id") if len(each.read_text()) != 64]
    assert bool(odd) == ("downgrade-cacheid" in told(clean, "17.12"))


@pytest.mark.parametrize("clean", OVERLAY2, indirect=True)
def test_the_migration_does_not_take_place_while_there_are_containers(clean: Corpus) -> None:
    assert {"upgrade-migration": Severity.INFO} == told(clean, "29.7", MIGRATION)


@pytest.mark.parametrize(
    ("target", "settings", "expected", "status"),
    [
        ("28.5", NONE, {"upgrade-store-hidden": Severity.CRITICAL}, 12),
        ("28.5", ON, {}, 8),
        ("29.7", NONE, {}, 8),
        ("20.10", ON, {"upgrade-store-hidden": Severity.CRITICAL}, 12),
    ],
)
def test_a_containerd_store_is_seen_by_29_alone(
    containerd: Corpus, target: str, settings: Settings, expected: dict[str, Severity], status: int
) -> None:
    assert expected == told(containerd, target, settings)
    if settings is NONE:
        ended = run(command(containerd.root, "gate", "--target", target))
        assert (status, f"gate {target}: {'blocked' if status == 12 else 'undecided'}") == (
            ended.exit,
            ended.out.partition(" (")[0],
        )


@pytest.mark.parametrize(
    ("target", "settings", "hidden"),
    [("29.7", NONE, ["containerd"]), ("29.7", ON, ["overlay2"]), ("28.5", NONE, ["containerd"]), ("28.5", ON, ["overlay2"])],
)
def test_of_two_stores_the_one_that_is_not_opened_is_named(
    migrated: Corpus, target: str, settings: Settings, hidden: list[str]
) -> None:
    """The migrated store is invisible as soon as the feature is not set (seen with 29.7)."""
    found = table.run(migrated.root, target=parse(target), engine_settings=settings).of("upgrade-store-hidden")
    assert [(each, Severity.WARNING) for each in hidden] == [(each.object.id, each.severity) for each in found]


def test_a_killed_engines_garbage_stands_against_no_version(dirty: Corpus) -> None:
    target = "20.10" if "20.10" in dirty.name else "28.5"
    found = table.run(dirty.root, target=parse(target)).findings
    assert [] == [each.rule for each in found if each.severity.rank > Severity.WARNING.rank]
