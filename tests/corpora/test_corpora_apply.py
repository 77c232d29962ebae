"""A plan for a real, dirty root is applied, leaves nothing to do and nothing that is used broken, and is taken back whole."""

import os
import shutil
from pathlib import Path

import engine_truth
import pytest
from corpus_runs import apply, command, run, survey, take_back
from test_dirty_corpora import EXPECTED, NOT_RECLAIMED
from unpacking import Corpus

from docker_fsck.testing.tree import changes, snapshot

OWN = (".docker-fsck",)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="not root: the processes of others cannot be seen, so apply refuses")


PLANNED = [name for name, rules in EXPECTED.items() if rules.keys() - NOT_RECLAIMED]


@pytest.mark.parametrize("dirty", PLANNED, indirect=True)
def test_apply_does_the_whole_plan_and_nothing_else_and_undo_takes_it_back(dirty: Corpus) -> None:
    mine = dirty.copy(dirty.root.with_name("mine"))
    before, in_use = snapshot(mine, OWN), engine_truth.used(mine, dirty.report["restart"]["truth"])
    seen = survey(mine)
    applied = apply(mine, seen.plan)
    assert (len(applied.done), applied.skipped, applied.interrupted) == (len(seen.steps), (), False)
    changed = changes(before, snapshot(mine, OWN)).keys()
    assert {path for path in changed if parts(path) & in_use} == set()
    assert {path for path in changed if not parts(path) & seen.put_away} <= {parent(path) for path in seen.put_away} | {"."}
    again = survey(mine)
    assert (again.findings, again.plan.actions, again.plan.blocked) == ((), (), ())
    assert {*take_back(mine).paths} == {step.path for step in seen.steps}
    assert changes(before, snapshot(mine, OWN)) == {}
    shutil.rmtree(mine)


def parts(path: str) -> set[str]:
    """The path with all folders above it."""
    names = path.split("/")
    return {"/".join(names[:count]) for count in range(1, len(names) + 1)}


def parent(path: str) -> str:
    """The folder around a path."""
    return path.rpartition("/")[0]


@needs_root
@pytest.mark.parametrize("dirty", ["dirty-docker28.5-overlay2-create-container"], indirect=True)
def test_the_command_line_applies_and_takes_back(dirty: Corpus, tmp_path: Path) -> None:
    mine = dirty.copy(tmp_path / "docker")
    before, leftover = snapshot(mine, OWN), survey(mine).put_away
    done = run(command(mine, "apply", "--class", "reclaim", "--grace", "0s", "--yes"))
    assert done.exit == 1, done.err
    assert {path for path in leftover if os.path.lexists(mine / path)} == set()
    assert run(command(mine, "plan", "--grace", "0s", "--format", "json")).document["plan"]["actions"] == []
    assert run(command(mine, "history", "--format", "json")).exit == 0
    back = run(command(mine, "undo", "last"))
    assert back.exit == 0, back.err
    assert changes(before, snapshot(mine, OWN)) == {}
    assert survey(mine).put_away == leftover
