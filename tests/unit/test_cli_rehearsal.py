"""`apply --dry-run` says and leaves what the apply itself would (interface section 2)."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from test_cli_kit import LIVE, Ended, broken_root, healthy_root, on, run

from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.tree import snapshot_with_atimes

ALL = "lossless,reclaim,lossy"


def both(root: DataRoot, *argv: str) -> tuple[Ended, Ended]:
    """The dry run, which changes nothing, and then the apply."""
    before = snapshot_with_atimes(root.path)
    dry = run(*on(root, "apply", *argv, "--dry-run"))
    assert before == snapshot_with_atimes(root.path)
    return dry, run(*on(root, "apply", *argv, "--yes"))


@pytest.fixture
def lost(tmp_path: Path) -> DataRoot:
    """A root whose only image has lost a layer: all images would go."""
    root = DataRoot(tmp_path / "docker")
    root.image("app:1", 2)
    root.delete(root.driver_dir(next(iter(root.layers.values())).cache_id))
    return root


@pytest.mark.parametrize("saved", [False, True])
def test_the_brake_holds_in_a_dry_run_too(lost: DataRoot, tmp_path: Path, *, saved: bool) -> None:
    file = str(tmp_path / "plan.json")
    run(*on(lost, "plan", "-o", file))
    dry, real = both(lost, *([file] if saved else []), "--class", ALL)
    assert (68, 68) == (dry.status, real.status)
    assert [True, True] == ["it would put away all 1 images" in ended.err for ended in (dry, real)]
    assert "Would do 0 actions" in dry.out


@pytest.fixture
def blocked(tmp_path: Path) -> DataRoot:
    """Layers that nothing may take as long as the tag store, and an image with it, cannot be read."""
    root = healthy_root(tmp_path)
    image = root.image("other:1")
    root.unreferenced_layers(2)
    root.write(root.tags, b"{")
    root.write(root.image_file(image), b"{")
    return root


def test_what_is_blocked_is_listed_and_refused(blocked: DataRoot) -> None:
    dry, real = both(blocked, "--class", "reclaim")
    assert (68, 68, True, True) == (
        dry.status,
        real.status,
        "blocked: would be done, but" in dry.out,
        "layer-unreferenced" in dry.out,
    )


def test_a_root_that_is_mounted_read_only_is_refused(tmp_path: Path) -> None:
    root = broken_root(tmp_path)
    point = tmp_path / "point"
    point.mkdir()
    subprocess.run(["mount", "--bind", root.path, point], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", point], check=True)
        ended = [run("apply", "--class", "lossless", word, "--root", str(point)) for word in ("-n", "--yes")]
    finally:
        subprocess.run(["umount", point], check=True)
    assert [(68, True)] * 2 == [(each.status, "mounted read-only" in each.err) for each in ended]


def test_a_dry_run_with_nothing_to_do_is_0_even_beside_an_engine(tmp_path: Path) -> None:
    argv = on(healthy_root(tmp_path), "apply", "--class", "lossless", "-n")
    assert 0 == run(*argv, look=lambda _root: LIVE).status


def test_a_dry_run_writes_every_report(tmp_path: Path) -> None:
    root = broken_root(tmp_path)
    wishes = [f"json={tmp_path}/x.json", f"sarif={tmp_path}/y.sarif"]
    run(*on(root, "apply", "--class", "lossless", "-n", "--report", wishes[0], "--report", wishes[1]))
    assert ("damaged", ["x.json", "y.sarif"]) == (
        json.loads((tmp_path / "x.json").read_text())["verdict"],
        sorted(name for name in os.listdir(tmp_path) if "." in name),
    )


def test_a_quiet_dry_run_is_one_line_a_finding(tmp_path: Path) -> None:
    quiet = run(*on(broken_root(tmp_path), "apply", "--class", "lossless", "-n", "-q"))
    assert (4, False, True) == (quiet.status, "Would do" in quiet.out, "ovl-link-file" in quiet.out)
