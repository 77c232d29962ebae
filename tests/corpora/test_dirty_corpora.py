"""What a killed engine left behind is named and planned away; what the engine uses after its next start stays."""

import time
from collections import Counter

import engine_truth
import jsonschema
import pytest
import unpacking
from corpus_runs import Seen, command, run, survey
from test_clean_corpora import SCHEMA
from unpacking import Corpus

from docker_fsck.policy import DAY
from docker_fsck.values import ActionClass, Severity

HOUR = 3600.0
EXPECTED: dict[str, dict[str, int]] = {
    "dirty-docker20.10-overlay2-rmi-layer": {"layer-removing": 1},
    "dirty-docker20.10-overlay2-running-powercut": {"container-unclean": 4},
    "dirty-docker20.10-vfs-load-unpack": {"driver-orphan": 1, "layer-tmp": 1},
    "dirty-docker28.5-overlay2-build-buildkit-prepare": {"driver-orphan": 1},
    "dirty-docker28.5-overlay2-build-buildkit-run": {"buildkit-executor-residue": 2},
    "dirty-docker28.5-overlay2-commit-layer": {"layer-tmp": 1},
    "dirty-docker28.5-overlay2-create-container": {"mount-orphan": 1},
    "dirty-docker28.5-overlay2-create-lower": {"driver-orphan": 1},
    "dirty-docker28.5-overlay2-load-unpack": {"driver-orphan": 1, "layer-tmp": 1},
    "dirty-docker28.5-overlay2-rm-config": {"container-remnant": 1},
    "dirty-docker28.5-overlay2-rm-layer": {"container-dead": 1},
    "dirty-docker28.5-overlay2-rmi-beforelayer": {"layer-unreferenced": 1},
    "dirty-docker28.5-overlay2-volume-create": {"volume-stray-dir": 1},
}
NOT_RECLAIMED = {"container-unclean", "container-dead", "volume-stray-dir"}
"""How often each rule speaks; of the corpora that do not stand here the engine's next start mends all by itself.

`NOT_RECLAIMED` is left to the engine: its next start, `docker rm`, `docker volume rm`; a dead container goes with consent.
"""


@pytest.fixture(scope="session")
def seen(dirty: Corpus) -> Seen:
    """The corpus with a plan that knows no grace: an unpacked root has new ctimes."""
    return survey(dirty.root, grace=0.0)


@pytest.fixture(scope="session")
def in_use(dirty: Corpus) -> frozenset[str]:
    """What the same engine uses after its next start."""
    return engine_truth.used(dirty.root, dirty.report["restart"]["truth"])


def test_what_is_left_after_all_prunes_and_used_by_nothing_is_named(dirty: Corpus, seen: Seen) -> None:
    left = engine_truth.left_behind(dirty.report) - engine_truth.used_after_prune(dirty.root, dirty.report)
    assert {path for path in left if not (dirty.root / path).exists()} == set()
    assert left - seen.named == set()


def test_nothing_that_the_restarted_engine_uses_is_planned_away(seen: Seen, in_use: frozenset[str]) -> None:
    lost = {used for used in in_use for path in seen.put_away if used == path or used.startswith(f"{path}/")}
    assert lost == set()
    assert len(in_use) > 50


def test_what_the_engine_would_keep_for_ever_is_planned_away(dirty: Corpus, seen: Seen, in_use: frozenset[str]) -> None:
    gone = engine_truth.left_behind(dirty.report) - engine_truth.used_after_prune(dirty.root, dirty.report) - in_use
    assert gone - seen.put_away == set()


def test_each_cause_is_found_once_and_is_no_more_than_info(dirty: Corpus, seen: Seen) -> None:
    assert Counter(each.rule for each in seen.findings) == EXPECTED.get(dirty.name, {})
    assert {each.severity for each in seen.findings if each.rule != "container-dead"} <= {Severity.INFO}
    assert {action.cls for action in seen.plan.actions} <= {ActionClass.RECLAIM}
    assert {each.why.partition(":")[0] for each in seen.plan.blocked} <= {"needs consent"}
    assert (seen.plan.pull, seen.checked.incomplete) == ((), ())


def test_every_finding_is_mended_by_an_action(seen: Seen) -> None:
    assert {each.rule for each in seen.findings if not each.actions} <= NOT_RECLAIMED


def test_the_command_line_plans_the_same(dirty: Corpus, seen: Seen) -> None:
    ended = run(command(dirty.root, "plan", "--grace", "0s", "--format", "json"))
    assert (ended.exit, ended.err) == (0, "")
    document = ended.document
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert (document["verdict"], document["plan"]["digest"]) == ("clean", seen.plan.digest)
    assert [each["fingerprint"] for each in document["findings"]] == [each.fingerprint for each in seen.findings]


def test_the_default_grace_reclaims_nothing_on_a_freshly_unpacked_root(dirty: Corpus, seen: Seen) -> None:
    """The ctime of every file is the moment of unpacking, whatever its mtime says (promise 12)."""
    fresh = survey(dirty.root, grace=DAY, now=time.time())
    assert fresh.plan.actions == ()
    blocked = {each.fingerprint: (each.cls, each.why) for each in fresh.plan.blocked if each.cls is ActionClass.RECLAIM}
    assert blocked == {
        each.fingerprint: (ActionClass.RECLAIM, "changed within the grace period of 24 h")
        for each in seen.findings
        if each.rule not in NOT_RECLAIMED
    }


def test_the_default_grace_ends_after_a_day(dirty: Corpus, seen: Seen) -> None:
    before, after = (survey(dirty.root, grace=DAY, now=time.time() + hours * HOUR) for hours in (23, 25))
    assert (before.plan.actions, after.plan.digest) == ((), seen.plan.digest)


def test_every_corpus_of_the_table_exists() -> None:
    assert set(EXPECTED) - set(unpacking.DIRTY) == set()
