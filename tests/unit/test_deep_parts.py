"""A run of the deep level over a part of the layers says so, and never calls clean what another part was found to have lost."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from test_cli_deep import deep, seen
from test_cli_kit import run

from docker_fsck.testing.builder import DataRoot

LAYERS = 8
DAY = 86400.0


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    made = DataRoot(tmp_path / "root", "overlay2")
    for number in range(LAYERS):
        made.image(f"app:{number}", 1)
    return made


def damaged(root: DataRoot) -> tuple[str, int]:
    """A layer of which a file is damaged, and its half of the root: 1 or 2."""
    chain = root.chains_of(next(iter(root.images)))[-1]
    content = root.content(root.dir_of(chain))
    victim = next(path for path in sorted(content.rglob("*")) if path.is_file() and path.stat().st_size)
    victim.write_bytes(bytes(victim.stat().st_size))
    return chain, int(chain[-8:], 16) % 2 + 1


def test_a_layer_that_failed_is_in_every_part(root: DataRoot, tmp_path: Path) -> None:
    chain, half = damaged(root)
    runs = [deep(root, tmp_path / "state", "--subset", f"{part}/2") for part in (half, 3 - half, half, 3 - half)]
    assert [(4, chain)] * 4 == [(each.status, each.report["findings"][0]["object"]["id"]) for each in runs]


@pytest.mark.parametrize("budget", [("--max-age", "1d"), ("--subset", "1%"), ("--subset", "1")])
def test_it_is_in_every_other_run_too(root: DataRoot, tmp_path: Path, budget: tuple[str, str]) -> None:
    damaged(root)
    assert [4, 4, 4] == [deep(root, tmp_path / "state", *words).status for words in ((), budget, budget)]


def test_one_that_was_mended_is_one_of_its_part_again(root: DataRoot, tmp_path: Path) -> None:
    chain = root.chains_of(next(iter(root.images)))[-1]
    content = root.content(root.dir_of(chain))
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in content.rglob("*") if path.is_file()}
    half, state = damaged(root)[1], tmp_path / "state"
    assert 4 == deep(root, state, "--subset", f"{half}/2").status
    for path, (data, mtime) in before.items():
        path.write_bytes(data)
        os.utime(path, ns=(mtime, mtime))
    assert 0 == deep(root, state, "--subset", f"{3 - half}/2").status
    often = seen(state).count(chain)
    assert (0, often) == (deep(root, state, "--subset", f"{3 - half}/2").status, seen(state).count(chain))


def test_one_with_something_to_tell_of_it_is_in_every_part(root: DataRoot, tmp_path: Path) -> None:
    chain = root.chains_of(next(iter(root.images)))[-1]
    (root.content(root.dir_of(chain)) / "more").write_bytes(b"x")
    half = int(chain[-8:], 16) % 2 + 1
    for part in (half, 3 - half):
        found = deep(root, tmp_path / "state", "--subset", f"{part}/2").report["findings"]
        assert ["layer-extra-files"] == [each["rule"] for each in found]


def contents(*words: str, root: DataRoot, state: Path, **edge: Callable[[], float]) -> tuple[int, int, int]:
    where = ("check", "--root", str(root.path), "--level", "deep", "--state-dir", str(state), "--format", "json")
    found = run(*where, *words, **edge).report["coverage"]["contents"]
    return found["verified"], found["earlier"], found["left_out"]


def test_a_report_says_how_many_layers_were_verified_now_earlier_and_not(root: DataRoot, tmp_path: Path) -> None:
    state = tmp_path / "state"
    mine = sum(int(layer.chain[-8:], 16) % 2 == 0 for layer in root.layers.values())
    assert 0 < mine < LAYERS
    assert (mine, 0, LAYERS - mine) == contents("--subset", "1/2", root=root, state=state)
    assert (mine, 0, LAYERS - mine) == contents("--subset", "1/2", root=root, state=state)
    assert (LAYERS - mine, mine, 0) == contents("--subset", "2/2", root=root, state=state)
    assert (0, LAYERS, 0) == contents("--max-age", "1d", root=root, state=state)
    assert (LAYERS, 0, 0) == contents(root=root, state=state)


def test_what_was_whole_too_long_ago_is_left_out_of_a_part(root: DataRoot, tmp_path: Path) -> None:
    state, now = tmp_path / "state", 2e9
    contents(root=root, state=state, clock=lambda: now)
    mine, earlier, left = contents("--subset", "1/2", "--max-age", "1d", root=root, state=state, clock=lambda: now + 2 * DAY)
    assert (0, LAYERS) == (earlier, mine + left)


def test_the_text_says_it_too_also_where_all_is_well(root: DataRoot, tmp_path: Path) -> None:
    where = ("--root", str(root.path), "--level", "deep", "--state-dir", str(tmp_path / "state"))
    first = run("check", *where, "--subset", "1/2")
    assert (0, True) == (first.status, "clean (" in first.out and "left out" in first.out)
    run("check", *where)
    assert f"contents of layers: 0 verified now, {LAYERS} earlier)" in run("check", *where, "--max-age", "1d").out
    damaged(root)
    assert f"Contents of layers: {LAYERS} verified now, 0 earlier." in run("check", *where).out


def test_other_levels_say_nothing_of_it(root: DataRoot) -> None:
    report = run("check", "--root", str(root.path), "--format", "json").report
    assert "contents" not in report["coverage"]
