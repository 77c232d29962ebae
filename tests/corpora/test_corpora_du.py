"""On every real root, clean or left by a crash, `du` adds up to what GNU du says, and its garbage is what a plan reclaims."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import engine_truth
import jsonschema
import pytest
import syscall_trace
from corpus_runs import command, run
from unpacking import Corpus

from docker_fsck import reports

SCHEMA: dict[str, Any] = json.loads(Path(reports.__file__).with_name("du.schema.json").read_text())


def gnu(path: Path) -> int:
    """What GNU du says; -x would leave out the subvolumes of btrfs, which have device numbers of their own."""
    options = () if (path / "btrfs").is_dir() else ("-x",)
    done = subprocess.run(["du", *options, "-s", "--block-size=1", path], check=True, capture_output=True, text=True)
    return int(done.stdout.split()[0])


def asked(root: Path, *argv: str) -> dict[str, Any]:
    done = run(command(root, "du", "--format", "json", "--grace", "0s", *argv))
    assert (done.exit, done.err) == (0, "")
    jsonschema.Draft202012Validator(SCHEMA).validate(done.document)
    return done.document


def adds_up(root: Path) -> dict[str, Any]:
    """What `du` answers, the same by one process and by three."""
    found = asked(root, "--jobs", "1")
    assert asked(root, "--jobs", "3") == found
    sums = [sum(each["bytes"] for each in found[table]) for table in ("kinds", "owners")]
    assert [found["total"], *sums] == [gnu(root)] * 3
    return found


def listed(images: list[dict[str, Any]]) -> Iterator[str]:
    """The images that the engine lists without -a: with a name, or without a child."""
    parents = {each.get("Parent") for each in images}
    yield from (each["Id"] for each in images if each["RepoTags"] or each["RepoDigests"] or each["Id"] not in parents)


def paths(found: dict[str, Any], *kinds: str) -> set[str]:
    return {each["path"] for each in found["owners"] if each["kind"] in kinds}


def test_a_clean_root_adds_up_and_has_no_garbage(clean: Corpus) -> None:
    found = adds_up(clean.root)
    assert paths(found, "garbage", "other", "inactive", "quarantine") == set()
    assert {each["id"] for each in found["images"]} == set(listed(clean.report["image_inspect"]))
    assert {each["id"] for each in found["containers"]} == {each["Id"] for each in clean.report["container_inspect"]}
    assert found["active"] == clean.report["info"]["Driver"]


def test_every_volume_is_there_with_the_containers_that_name_it(clean: Corpus) -> None:
    found = {each["name"]: set(each["containers"]) for each in asked(clean.root)["volumes"]}
    named: dict[str, set[str]] = {each["Name"]: set() for each in clean.report["volume_inspect"]}
    for container in clean.report["container_inspect"]:
        for mount in container["Mounts"]:
            if mount["Type"] == "volume":
                named[mount["Name"]].add(container["Name"].removeprefix("/"))
    assert found == named


def test_a_crashed_root_adds_up_and_its_garbage_is_what_a_plan_reclaims(dirty: Corpus) -> None:
    found = adds_up(dirty.root)
    plan = run(command(dirty.root, "plan", "--class", "reclaim", "--format", "json", "--grace", "0s")).document
    assert found["frees"]["plan"] == plan["summary"]["reclaimable_bytes"]
    used = engine_truth.used(dirty.root, dirty.report) if "info" in dirty.report else set()
    assert paths(found, "garbage") & used == set()


def test_a_root_of_the_containerd_store_adds_up(containerd: Corpus) -> None:
    found = adds_up(containerd.root)
    assert (found["active"], found["frees"]["plan"], found["layouts"]) == ("overlayfs", 0, ["containerd"])
    biggest = max(found["kinds"], key=lambda each: each["bytes"])
    assert biggest["kind"] == "containerd"


def test_the_old_tree_of_a_migrated_root_is_inactive(migrated: Corpus) -> None:
    found = adds_up(migrated.root)
    assert found["active"] == "containerd"
    assert paths(found, "images", "shared") == set()
    assert "image/overlay2" in paths(found, "inactive")


@pytest.mark.parametrize("dirty", ["dirty-docker28.5-overlay2-rmi-beforelayer"], indirect=True)
def test_no_system_call_of_du_could_change_a_root(dirty: Corpus, tmp_path: Path) -> None:
    if lack := syscall_trace.lacks():
        pytest.skip(lack)
    done = syscall_trace.trace(command(dirty.root, "du", "--jobs", "2"), dirty.root, tmp_path / "log")
    assert (done.exit, done.offences, done.opened > 100) == (0, (), True)
