"""The graph driver btrfs with the real engine on a real btrfs: stopped cleanly, broken, killed with its home left as a mount."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from docker_fsck.testing import subvolumes, tree
from dockerd import Engine, mounts_below
from places import Places, drop_image
from population import Populated, populate
from repairkit import OURS, Told, apply, explains, fsck, refusal, survey, take_back, told

ORPHAN, REMOVED, LIMIT = "a" * 64, "b" * 64, "c" * 64


@dataclass(frozen=True)
class Disk:
    """A btrfs in the file `kept`, whose root an engine has filled and left, and the place where it is mounted."""

    made: Populated
    kept: Path
    point: Path


@pytest.fixture(scope="module")
def disk() -> Iterator[Disk]:
    """Such a disk."""
    if lack := subvolumes.lacks():
        pytest.skip(lack)
    with tempfile.TemporaryDirectory(prefix="dfb") as name:
        base = Path(name)
        with subvolumes.btrfs(base) as point, Engine(base, "btrfs", point / "root") as engine:
            made = populate(engine)
            subprocess.run(["sync", "-f", point], check=True)
            subprocess.run(["umount", "-R", point], check=True)
            subprocess.run(["cp", "--sparse=always", base / "disk", base / "kept"], check=True)
            yield Disk(made, base / "kept", point)
            subprocess.run(["mount", "-o", "loop", base / "disk", point], check=True)


@pytest.fixture
def made(disk: Disk) -> Iterator[Populated]:
    """A stopped root of the test's own, where it was made."""
    own = disk.kept.with_name("own")
    subprocess.run(["cp", "--sparse=always", disk.kept, own], check=True)
    with subvolumes.mounted(own, disk.point):
        try:
            yield disk.made
        finally:
            disk.made.engine.kill()
    own.unlink()


@pytest.fixture
def places(made: Populated) -> Places:
    """Where things lie in it."""
    return Places(made.root, "btrfs")


def grown(where: Path) -> Path:
    """A subvolume with another one in it, which has one in itself, and a file in each."""
    for path in (where, where / "var/inner", where / "var/inner/deep"):
        path.parent.mkdir(exist_ok=True)
        (subvolumes.create(path) / "file").write_bytes(os.urandom(5000))
    return where


def is_bound(made: Populated) -> bool:
    """Whether the home is a mount of its own."""
    return made.root / "btrfs" in mounts_below(made.root).values()


def listed(root: Path) -> set[str]:
    """The subvolumes of the disk, by path below the data root."""
    said = subprocess.run(["btrfs", "subvolume", "list", root], check=True, capture_output=True, text=True).stdout.splitlines()
    return {line.split(" path ")[1].removeprefix("root/") for line in said}


def break_it(made: Populated, places: Places) -> list[Told]:
    """All that can be wrong at once, and what must be said of it."""
    chains = places.chains(dict(image_ids(places))["lone:1"])
    grown(places.home / ORPHAN)
    gone = places.writable(made.created)
    subprocess.run(["btrfs", "-q", "subvolume", "delete", gone], check=True, capture_output=True)
    quotas = made.root / "btrfs/quotas"
    quotas.mkdir(exist_ok=True)
    (quotas / LIMIT).write_text("1000000")
    drop_image(places, dict(image_ids(places))["lone:1"])
    subvolumes.create(places.home / REMOVED)
    removing = places.record(chains[0]).with_name(f"{'d' * 64}-{'e' * 64}-removing")
    shutil.copytree(places.record(chains[0]), removing)
    (removing / "cache-id").write_text(REMOVED)
    return sorted([
        Told("driver-orphan", f"driverdir {ORPHAN}", severity="info", mend="reclaim"),
        Told("btrfs-quota-orphan", f"file btrfs/quotas/{LIMIT}", severity="info", mend="reclaim"),
        Told("layer-unreferenced", f"layer {chains[-1]}", severity="info", mend="reclaim"),
        Told("layer-removing", f"file {places.path(removing)}", severity="info", mend="reclaim"),
        Told("mount-rwdir-missing", f"mount {made.created}", (), (made.created,)),
    ])  # fmt: skip


def image_ids(places: Places) -> Iterator[tuple[str, str]]:
    """Tag and id of every image."""
    for group in json.loads(places.tags.read_bytes())["Repositories"].values():
        yield from group.items()


def digests(made: Populated, *without: str) -> dict[str, list[str]]:
    """What `docker save` gives, by tag."""
    return {tag: made.engine.save_digests(tag) for tag in made.images if tag not in without}


def expected(made: Populated, *without: str) -> dict[str, list[str]]:
    """What it gave when the root was made."""
    return {tag: said for tag, said in made.images.items() if tag not in without}


def test_a_root_that_was_stopped_cleanly_is_silent_twice_in_the_same_words(made: Populated) -> None:
    before = tree.snapshot_with_atimes(made.root)
    first, second = fsck(made.root, "check"), fsck(made.root, "check")
    assert (0, [], 0) == (first.exit, first.report["findings"], second.exit)
    assert {**first.report, "run": 0} == {**second.report, "run": 0}
    assert {} == tree.changes(before, tree.snapshot_with_atimes(made.root))


def test_a_broken_root_is_told_mended_taken_back_and_its_engine_starts(made: Populated, places: Places) -> None:
    due = break_it(made, places)
    before, there = tree.snapshot(made.root), listed(made.root)
    run = survey(made.root)
    assert due == told(run)
    assert 4 == run.exit
    assert 4 == apply(made.root, "lossless,reclaim,lossy").exit
    assert [each for each in due if not each.mend] == told(survey(made.root))
    take_back(made.root)
    assert ({}, there) == (tree.changes(before, tree.snapshot(made.root, OURS)), subvolumes_outside(made.root))
    assert 4 == apply(made.root, "lossless,reclaim,lossy").exit
    made.engine.start()
    assert expected(made, "lone:1") == digests(made, "lone:1")
    assert {"exited", "created"} == made.engine.ps().keys()
    made.engine.docker("start", "-a", "exited")
    made.engine.docker("rm", "created")
    made.engine.stop()
    left = survey(made.root)
    assert [Told("mount-orphan", f"mount {made.created}", severity="info", mend="reclaim")] == told(left)
    init = places.path(places.init(made.created))
    assert init in {step["path"] for action in left.report["plan"]["actions"] for step in action["steps"]}
    assert 1 == apply(made.root, "reclaim").exit
    assert [] == told(survey(made.root))
    assert 0 == fsck(made.root, "purge", "--older-than", "0s").exit
    assert set() == {path for path in listed(made.root) if ".docker-fsck" in path}
    made.engine.start()
    assert expected(made, "lone:1") == digests(made, "lone:1")
    made.engine.stop()
    assert [] == told(survey(made.root))


def subvolumes_outside(root: Path) -> set[str]:
    """Those that are not in the quarantine."""
    return {path for path in listed(root) if ".docker-fsck" not in path}


def test_a_killed_engine_leaves_its_home_as_a_mount_and_garbage_is_put_away_in_it(made: Populated, places: Places) -> None:
    made.engine.start()
    app = made.engine.run_detached("app", "shop:2", "sleep", "600")
    made.engine.kill_processes()
    assert is_bound(made)
    unclean = Told("container-unclean", f"container {app}", (), (app,), "info")
    grown(places.home / ORPHAN)
    before, there = tree.snapshot(made.root), listed(made.root)
    run = survey(made.root)
    assert [unclean, Told("driver-orphan", f"driverdir {ORPHAN}", severity="info", mend="reclaim")] == told(run)
    assert 1 == apply(made.root, "reclaim").exit
    (txn,) = sorted(os.listdir(made.root / "btrfs/.docker-fsck"))
    assert ["0"] == os.listdir(made.root / f"btrfs/.docker-fsck/{txn}/q")
    assert [] == os.listdir(made.root / f".docker-fsck/{txn}/q")
    assert [unclean] == told(survey(made.root))
    assert 0 == fsck(made.root, "undo", "last").exit
    assert ({}, there) == (tree.changes(before, tree.snapshot(made.root, OURS)), listed(made.root))
    assert 1 == apply(made.root, "reclaim").exit
    applied = fsck(made.root, "history").report[-1]
    assert ("applied", True) == (applied["state"], applied["bytes"] > 10_000)
    purged = fsck(made.root, "purge", "--txn", applied["txn"])
    assert (0, [applied["txn"]]) == (purged.exit, purged.report["txns"])
    inner = {places.path(places.home / ORPHAN) + tail for tail in ("", "/var/inner", "/var/inner/deep")}
    assert there - inner == listed(made.root)
    made.engine.kill()
    assert not is_bound(made)
    made.engine.start()
    assert expected(made) == digests(made)
    made.engine.stop()
    assert [] == told(survey(made.root))


def test_what_was_put_away_from_the_home_of_a_killed_engine_comes_back_after_a_clean_start(
    made: Populated, places: Places
) -> None:
    made.engine.start()
    made.engine.kill_processes()
    grown(places.home / ORPHAN)
    assert 1 == apply(made.root, "reclaim").exit
    made.engine.kill()
    made.engine.start()
    made.engine.stop()
    assert not is_bound(made)
    take_back(made.root)
    run = survey(made.root)
    assert [Told("driver-orphan", f"driverdir {ORPHAN}", severity="info", mend="reclaim")] == told(run)


def test_a_layer_that_a_copy_made_a_plain_folder_is_told_in_the_engines_own_words(made: Populated, places: Places) -> None:
    chain = places.chains(dict(image_ids(places))["shop:2"])[-1]
    layer = places.layer(chain)
    layer.rename(layer.with_name("aside"))
    subprocess.run(["cp", "-a", layer.with_name("aside"), layer], check=True)
    subprocess.run(["btrfs", "-q", "subvolume", "delete", layer.with_name("aside")], check=True, capture_output=True)
    run = survey(made.root)
    blamed = Told("btrfs-not-subvolume", f"driverdir {layer.name}", places.images_on(chain), places.containers_on(chain))
    assert ([blamed], 4) == (told(run), run.exit)
    made.engine.start()
    assert explains(run, "btrfs-not-subvolume", refusal(made.engine, "create", "--name", "another", "shop:2", "sh"))
    assert expected(made) == digests(made)


def test_a_check_of_a_btrfs_root_starts_no_other_program(made: Populated, tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    command = [sys.executable, "-m", "docker_fsck", "check", "--root", str(made.root)]
    log = tmp_path / "log"
    subprocess.run(
        ["strace", "-f", "-o", log, "-e", "trace=execve,execveat,fork,vfork", *command], check=True, capture_output=True
    )
    calls = [line for line in log.read_text().splitlines() if "(" in line and "+++" not in line]
    assert 1 == len(calls), calls
