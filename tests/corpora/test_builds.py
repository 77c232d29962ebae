"""What only the build cache keeps in real roots is known by name, kept by every plan, and goes exactly with a reset (issue: every root known)."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import engine_truth
import pytest
from corpus_runs import REGISTRY, STOPPED, apply, survey, take_back
from unpacking import COPYABLE, Corpus

from docker_fsck.beside import alone, living
from docker_fsck.policy import Policy
from docker_fsck.protocols import References
from docker_fsck.reader import Reader
from docker_fsck.store import Store, open_store
from docker_fsck.testing.tree import changes, snapshot
from docker_fsck.values import ActionClass, Ref

HOMES = {"overlay2": "overlay2", "vfs": "vfs/dir", "btrfs": "btrfs/subvolumes"}
BUILD_ID = re.compile("[0-9a-z]{25}")


@contextmanager
def opened(root: Path) -> Iterator[tuple[Store, References]]:
    with Reader(str(root)) as reader:
        store = open_store(reader, REGISTRY.drivers, REGISTRY.sources, STOPPED, Policy(now=0, grace=0))
        yield store, next(each for each in store.references if each.home == "buildkit")


def only_builds(corpus: Corpus) -> set[str]:
    """Driver ids that neither a layer nor a container of the engine's report has, worked out from the files of the root."""
    tree = corpus.root / "image" / corpus.report["info"]["Driver"] / "layerdb"
    known = {
        path.read_text().strip()
        for name in ("sha256/*/cache-id", "mounts/*/mount-id", "mounts/*/init-id")
        for path in tree.glob(name)
    }
    home = corpus.root / HOMES[corpus.report["info"]["Driver"]]
    return {path.name for path in home.iterdir() if BUILD_ID.fullmatch(path.name)} - known


def test_the_folders_that_only_builds_name_are_fifteen_and_each_is_reached_from_a_record(clean: Corpus) -> None:
    expected = only_builds(clean)
    with opened(clean.root) as (store, found):
        (model,) = store.models
        assert 15 == len(expected)
        assert (expected, set()) == (set(alone(model, found).dirs), set(alone(model, found).chains))
        reached = {ref.id for ref in living(found, ("cache-record",)) if ref.kind == "driverdir"}
        assert set() == expected - reached
        assert set() == {node.path for node in found.nodes} - {
            "buildkit/snapshots.db",
            "buildkit/containerdmeta.db",
            "buildkit/metadata_v2.db",
        }


def test_the_records_say_what_the_engine_said_of_them(clean: Corpus) -> None:
    with opened(clean.root) as (_, found):
        labels = {node.ref.id: node.label for node in found.nodes if node.ref.kind == "cache-record"}
    for row in clean.report["buildx_du"]:
        what = row["Description"] if len(row["Description"]) <= 72 else row["Description"][:71] + "…"
        assert labels[row["ID"]].startswith(f"{what} ({row['Type']}")
        assert re.search(r"last used 2026-11-23 \d\d:\d\d UTC", labels[row["ID"]])


@pytest.mark.parametrize("clean", COPYABLE, indirect=True)
def test_a_reset_takes_exactly_the_folders_that_only_builds_name_and_comes_back(clean: Corpus, tmp_path: Path) -> None:
    root = clean.copy(tmp_path / "root")
    (root / "buildkit/metadata_v2.db").write_bytes(b"\0" * 32768)
    before = snapshot(root)
    seen = survey(root)
    assert ["buildkit-db-unreadable"] == [each.rule for each in seen.findings]
    (action,) = seen.plan.actions
    home = HOMES[clean.report["info"]["Driver"]]
    dirs = {f"{home}/{ident}" for ident in only_builds(clean)}
    assert ActionClass.LOSSY is action.cls
    assert {"buildkit", *dirs} == {path for path in seen.put_away if not path.startswith("overlay2/l/")}
    kept = {path for path in engine_truth.used(clean.root, clean.report | {"buildx_du": []})}
    assert set() == kept & seen.put_away
    apply(root, seen.plan)
    assert () == survey(root).findings
    take_back(root)
    assert {} == {
        path: what for path, what in changes(before, snapshot(root)).items() if not str(path).startswith(".docker-fsck")
    }


@pytest.mark.parametrize("clean", COPYABLE, indirect=True)
def test_a_cut_down_tree_of_builds_is_told_once_and_its_reset_leaves_nothing_to_find(clean: Corpus, tmp_path: Path) -> None:
    """FC-08: folders were deleted by hand, as forum advice has it."""
    root = clean.copy(tmp_path / "root")
    home = root / HOMES[clean.report["info"]["Driver"]]
    for ident in sorted(only_builds(clean))[:3]:
        shutil.rmtree(home / ident)
    seen = survey(root)
    assert {"buildkit-ref-dangling"} == {each.rule for each in seen.findings} - {"ovl-link-dangling", "ovl-lower"}
    apply(root, seen.plan)
    assert () == survey(root).findings


def test_a_killed_build_leaves_no_finding_on_what_a_next_start_cleans(dirty: Corpus) -> None:
    with opened(dirty.root) as (store, found):
        assert found.nodes
        assert {Ref("store", "buildkit")}.isdisjoint({each.object for each in survey(dirty.root).findings})
        assert {source.state for source in found.sources} == {"read"}
        assert set() == {ref.id for ref in living(found) if ref.kind == "driverdir"} - {
            ident for model in store.models for ident in model.home.ids()
        }
