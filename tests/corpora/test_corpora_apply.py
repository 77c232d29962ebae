"""A plan for a real, dirty root is applied, leaves nothing to do and nothing that is used broken, and is taken back whole."""

import os
from pathlib import Path

import engine_truth
import pytest
from conftest import Corpus
from corpus_runs import apply, command, run, survey, take_back

from docker_fsck.testing.tree import changes, snapshot

OWN = (".docker-fsck",)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="not root: the processes of others cannot be seen, so apply refuses")


def test_after_apply_nothing_is_left_to_do_and_undo_brings_all_back(dirty: Corpus, tmp_path: Path) -> None:
    root = dirty.copy(tmp_path / "docker")
    before = snapshot(root, OWN)
    seen = survey(root)
    applied = apply(root, seen.plan)
    assert (len(applied.done), applied.skipped, applied.interrupted) == (len(seen.steps), (), False)
    again = survey(root)
    assert (again.findings, again.plan.actions, again.plan.blocked) == ((), (), ())
    if not seen.steps:
        assert changes(before, snapshot(root, OWN)) == {}
        return
    assert {path for path in seen.put_away if os.path.lexists(root / path)} == set()
    undone = take_back(root)
    assert {*undone.paths} == {step.path for step in seen.steps}
    assert changes(before, snapshot(root, OWN)) == {}


def test_what_the_engine_uses_is_untouched_by_apply(dirty: Corpus, tmp_path: Path) -> None:
    root = dirty.copy(tmp_path / "docker")
    before, in_use = snapshot(root, OWN), engine_truth.used(root, dirty.report["restart"]["truth"])
    apply(root, survey(root).plan)
    touched = {path for path in changes(before, snapshot(root, OWN)) if any(path == each or path.startswith(f"{each}/") for each in in_use)}
    assert touched == set()


@needs_root
@pytest.mark.parametrize("dirty", ["dirty-docker28.5-overlay2-create-container"], indirect=True)
def test_the_command_line_applies_and_takes_back(dirty: Corpus, tmp_path: Path) -> None:
    root = dirty.copy(tmp_path / "docker")
    before, leftover = snapshot(root, OWN), survey(root).put_away
    done = run(command(root, "apply", "--class", "reclaim", "--grace", "0s", "--yes"))
    assert done.exit == 1, done.err
    assert {path for path in leftover if os.path.lexists(root / path)} == set()
    assert run(command(root, "plan", "--grace", "0s", "--format", "json")).document["plan"]["actions"] == []
    assert run(command(root, "history", "--format", "json")).exit == 0
    back = run(command(root, "undo", "last"))
    assert back.exit == 0, back.err
    assert changes(before, snapshot(root, OWN)) == {}
    assert {each["path"] for action in run(command(root, "plan", "--grace", "0s", "--format", "json")).document["plan"]["actions"] for each in action["steps"]} == leftover
