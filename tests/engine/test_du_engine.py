"""`du` beside a running engine and after it: equal to GNU du of the root, mounts of running containers left out, nothing locked."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docker_fsck.testing import subvolumes
from dockerd import Engine
from population import Populated


def gnu(path: Path, *options: str) -> int:
    done = subprocess.run(["du", "-s", "--block-size=1", *(options or ["-x"]), path], check=True, capture_output=True, text=True)
    return int(done.stdout.split()[0])


def asked(root: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "docker_fsck", "du", "--root", root, "--format", "json", "--jobs", "2"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def close(found: dict[str, Any], said: int) -> bool:
    """Whether the sums are within a thousandth, the most that a running engine may have changed in between."""
    sums = {sum(each["bytes"] for each in found[table]) for table in ("kinds", "owners")}
    return sums == {found["total"]} and abs(found["total"] - said) <= said / 1000


@pytest.fixture
def btrfs(workplace: Path) -> Iterator[Engine]:
    """A btrfs engine on a subvolume of a fresh btrfs, not started."""
    with subvolumes.btrfs(workplace) as point, Engine(workplace, "btrfs", point / "root") as engine:
        yield engine


def test_the_root_of_a_live_engine_adds_up_and_its_mounts_are_left_out(engine: Engine) -> None:
    engine.import_image("base:1", [{"etc/one": b"1\n" * 50_000}])
    engine.import_image("app:1", [{"srv/app": b"a\n" * 90_000}], base="base:1")
    one = engine.run_detached("app", "app:1", "sh", "-c", "echo hello; sleep 600", options=("-v", "kept:/kept"))
    found = asked(engine.root)
    assert (True, "live", engine.driver) == (close(found, gnu(engine.root)), found["engine"], found["active"])
    (app,) = found["containers"]
    assert (one, "app", ["kept"]) == (app["id"], app["name"], app["volumes"])
    assert (True, True) == (app["writable"] > 0, app["logs"] > 0)
    merged = [each["path"] for each in found["mounts"] if each["path"].endswith("/merged")]
    assert (1 if engine.driver == "overlay2" else 0) == len(merged)
    assert [] == [each for each in found["owners"] if each["kind"] == "garbage"]
    engine.docker("rm", "-f", "app")


def test_a_populated_root_adds_up_by_image(populated: Populated) -> None:
    found = asked(populated.root)
    assert gnu(populated.root) == found["total"] == sum(each["bytes"] for each in found["kinds"])
    images = {name: each for each in found["images"] for name in each["names"]}
    assert (True, True) == (images["shop:1"]["shared"] > 0, images["shop:1"]["unique"] > 0)
    assert images["shop:1"]["shared"] == images["shop:2"]["shared"]
    volumes = {each["name"]: each["containers"] for each in found["volumes"]}
    assert {"kept": ["exited"], populated.anonymous: ["exited"]} == volumes


def test_removing_an_image_frees_what_was_unique_to_it(populated: Populated) -> None:
    before = asked(populated.root)
    lone = next(each for each in before["images"] if "lone:1" in each["names"])
    layers = {each["path"] for each in before["owners"] if each["kind"] in {"images", "shared"}}
    populated.engine.start()
    populated.engine.docker("rmi", "lone:1")
    populated.engine.stop()
    after = asked(populated.root)
    left = {each["path"] for each in after["owners"] if each["kind"] in {"images", "shared"}}
    gone = sum(each["bytes"] for each in before["owners"] if each["path"] in layers - left)
    assert (lone["unique"], set()) == (gone, left - layers)


def test_on_btrfs_all_subvolumes_are_counted(btrfs: Engine) -> None:
    btrfs.start()
    btrfs.import_image("app:1", [{"etc/one": b"1\n" * 50_000}])
    btrfs.run_detached("app", "app:1", "sleep", "600")
    os.sync()
    found = asked(btrfs.root)
    btrfs.docker("rm", "-f", "app")
    btrfs.stop()
    os.sync()
    assert close(found, found["total"])
    stopped = asked(btrfs.root)
    assert stopped["total"] == gnu(btrfs.root, "--count-links")
    assert stopped["total"] > gnu(btrfs.root)
