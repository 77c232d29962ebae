"""On a root that an engine left by a clean stop there is nothing to find, by the library and by the command line (promise 2)."""

import json
from pathlib import Path
from typing import Any

import engine_truth
import jsonschema
import pytest
import unpacking
from corpus_runs import REGISTRY, command, run, survey, without_run
from unpacking import Corpus

from docker_fsck import reports
from docker_fsck.testing.table import registry

SCHEMA: dict[str, Any] = json.loads(Path(reports.__file__).with_name("report.schema.json").read_text())
DRIVERS = tuple(each.name for each in REGISTRY.drivers)
HELD = ("overlay2/*", "overlay2/l/*", "vfs/dir/*", "btrfs/subvolumes/*", "image/*/layerdb/*/*", "containers/*", "volumes/*")
NOBODYS = {"overlay2/l", "volumes/metadata.db", "volumes/backingFsBlockDev"}


def test_the_files_of_the_corpora_are_those_that_were_committed() -> None:
    found = {path.name: unpacking.digest(path) for path in unpacking.HERE.glob("*.zst")}
    if not found:
        pytest.skip("a source distribution has no corpora")
    names = [*unpacking.CLEAN, *unpacking.DIRTY, unpacking.CONTAINERD, unpacking.MIGRATED]
    files = {path.name for name in names for path in (unpacking.archive(name), unpacking.report_file(name))}
    assert files == found.keys()
    assert unpacking.sums() == found


def test_the_engine_accounts_for_all_that_its_root_holds(clean: Corpus) -> None:
    """So the truth of the dirty corpora, which is read in the same way, leaves nothing out that is in use."""
    held = {str(path.relative_to(clean.root)) for pattern in HELD for path in clean.root.glob(pattern)}
    assert held - NOBODYS == {
        path for path in engine_truth.used(clean.root, clean.report) if not path.startswith("image/") or "/layerdb/" in path
    }


def test_nothing_is_found_and_nothing_planned(clean: Corpus) -> None:
    seen = survey(clean.root)
    assert seen.findings == ()
    assert (seen.plan.actions, seen.plan.blocked, seen.plan.pull) == ((), (), ())
    assert seen.checked.incomplete == ()


def test_the_whole_store_was_looked_at(clean: Corpus) -> None:
    seen = survey(clean.root)
    driver = clean.report["info"]["Driver"]
    layers = {chain for image in clean.report["image_inspect"] for chain in engine_truth.chains(image["RootFS"]["Layers"])}
    assert seen.layouts == (f"graphdriver:{driver}",)
    assert seen.counts["images"] == len(clean.report["image_inspect"])
    assert seen.counts["containers"] == seen.counts["mounts"] == len(clean.report["container_inspect"])
    assert seen.counts["layers"] >= len(layers)
    assert {each.source: each.state for each in seen.sources} == dict.fromkeys((each.source for each in seen.sources), "read")
    others = {rule.name for rule in registry().rules if rule.drivers and driver not in rule.drivers}
    assert others == {each.rule for each in seen.checked.outcomes if each.state != "ran"}


def test_the_command_line_says_clean_in_the_same_bytes_twice(clean: Corpus) -> None:
    check = command(clean.root, "check", "--format", "json")
    first, second = run(check, PYTHONHASHSEED="1"), run(check, PYTHONHASHSEED="2")
    assert (first.exit, first.err, second.exit, second.err) == (0, "", 0, "")
    document = first.document
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert (document["verdict"], document["exit"], document["findings"]) == ("clean", 0, [])
    assert without_run(first.out) == without_run(second.out)


def test_a_root_with_only_the_containerd_store_is_refused(containerd: Corpus) -> None:
    for words in (("check",), ("plan",), ("--dry-run",), ("apply", "--class", "lossless,reclaim,lossy", "--yes")):
        ended = run(command(containerd.root, *words))
        assert (ended.exit, ended.out) == (64, "")
        assert "containerd image store" in ended.err


def test_a_root_that_also_holds_a_containerd_store_is_never_called_clean(migrated: Corpus) -> None:
    """The graph driver store in it is judged: the driver dirs and three volumes of six deleted containers are left over."""
    ended = run(command(migrated.root, "plan", "--grace", "0s", "--format", "json"))
    document = ended.document
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert (ended.exit, document["verdict"]) == (8, "incomplete")
    assert document["store"]["layouts"] == ["graphdriver:overlay2", "containerd"]
    unjudged = [each["reason"] for each in document["coverage"]["rules"] if each["rule"] == "containerd"]
    assert unjudged == ["the containerd image store in it is not judged by this version"]
    assert [each["rule"] for each in document["findings"]] == ["driver-orphan"] * 6 + ["volume-unreferenced-anonymous"] * 3
    named = {f"overlay2/{file.read_text()}" for file in migrated.root.glob("image/overlay2/layerdb/sha256/*/cache-id")}
    away = {step["path"] for action in document["plan"]["actions"] for step in action["steps"]}
    assert (len(named), named & away) == (12, set())
