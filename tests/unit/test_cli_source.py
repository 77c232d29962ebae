"""`--source` on the command line: what is planned with it, what a saved plan remembers, what is told where it does not help."""

import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from restorekit import BASE, BASE_TAR, UPPER, UPPER_TAR, legacy, write
from test_apply_kit import needs_root, snapshot
from test_cli_kit import on, run

from docker_fsck import reports
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.layertar import pack

pytestmark = needs_root
TARS = (BASE_TAR, UPPER_TAR)


def damaged(tmp_path: Path, *lost: int, driver: str = "overlay2", name: str = "docker") -> DataRoot:
    """A root with one image of which the folders of some layers are gone."""
    root = DataRoot(tmp_path / name, driver)
    image = root.image("app:1", [BASE, UPPER])
    root.container(image, "web")
    for number in lost:
        root.delete(root.driver_dir(root.dir_of(root.chains_of(image)[number])))
    return root


def test_without_a_source_nothing_is_restored_and_a_plan_names_none(tmp_path: Path) -> None:
    root = damaged(tmp_path, 0)
    plain = run(*on(root, "plan", "--format", "json", "-o", str(tmp_path / "plan.json"))).report
    assert ["lossy"] == [action["class"] for action in plain["plan"]["actions"]]
    assert [] == plain["notes"]
    assert "sources" not in json.loads((tmp_path / "plan.json").read_bytes())


def test_a_plan_with_a_source_is_lossless_names_it_and_is_carried_out_without_naming_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, saved = damaged(tmp_path, 0, 1), str(tmp_path / "plan.json")
    archive = write(tmp_path / "save.tar", legacy(*TARS))
    before = snapshot(root.path)
    monkeypatch.chdir(tmp_path)
    planned = run(*on(root, "plan", "--source", "save.tar", "-o", saved, "--format", "json")).report
    schema = json.loads(Path(reports.__file__).with_name("report.schema.json").read_text())
    jsonschema.validate(planned, schema)
    actions = planned["plan"]["actions"]
    assert ["lossless"] * 2 == [action["class"] for action in actions]
    assert all(f"from {archive} (" in action["does"] for action in actions)
    assert {"mkdir", "write", "unpack"} == {step["op"] for action in actions for step in action["steps"]}
    assert [str(archive)] == json.loads(Path(saved).read_bytes())["sources"]
    assert before == snapshot(root.path)
    monkeypatch.chdir("/")
    done = run(*on(root, "apply", saved, "--yes"))
    assert (1, "") == (done.status, done.err)
    assert 0 == run(*on(root, "check", "--level", "deep", "--state-dir", str(tmp_path / "state"))).status
    assert 0 == run(*on(root, "undo", "last")).status
    assert before == snapshot(root.path)


def test_a_source_that_was_changed_or_is_gone_makes_a_plan_stale(tmp_path: Path) -> None:
    root, saved = damaged(tmp_path, 1), str(tmp_path / "plan.json")
    archive = write(tmp_path / "save.tar", legacy(*TARS))
    run(*on(root, "plan", "--source", str(archive), "-o", saved))
    write(archive, legacy(BASE_TAR))
    told = run(*on(root, "apply", saved, "--yes"))
    assert (64, True) == (told.status, "stale plan" in told.err)
    archive.unlink()
    told = run(*on(root, "apply", saved, "--yes"))
    assert (16, True) == (told.status, "no such file" in told.err)


def test_what_no_source_has_is_told_in_a_note_and_the_rest_is_restored_all_the_same(tmp_path: Path) -> None:
    root = damaged(tmp_path, 1)
    archive = write(tmp_path / "save.tar", legacy(BASE_TAR))
    planned = run(*on(root, "plan", "--source", str(archive), "--format", "json")).report
    (note,) = planned["notes"]
    assert ("source", root.chains_of(next(iter(root.images)))[1]) == (note["about"], note["subject"])
    assert note["message"].startswith("is not restored: no --source holds sha256:")
    assert ["lossy"] == [action["class"] for action in planned["plan"]["actions"]]
    assert "is not restored: no --source holds" in " ".join(run(*on(root, "plan", "--source", str(archive))).out.split())


def test_a_layer_on_one_that_stays_lost_is_not_restored(tmp_path: Path) -> None:
    root = damaged(tmp_path, 0, 1)
    archive = write(tmp_path / "save.tar", legacy(UPPER_TAR))
    planned = run(*on(root, "plan", "--source", str(archive), "--format", "json")).report
    assert {"lossy"} == {action["class"] for action in planned["plan"]["actions"]}
    words = sorted(each["message"] for each in planned["notes"])
    assert 2 == len(words)
    assert words[0].startswith("is not restored: a layer below it is lost too, and no --source has it: overlay2/")


def test_on_another_driver_it_says_that_it_does_not(tmp_path: Path) -> None:
    root = damaged(tmp_path, 1, driver="aufs")
    archive = write(tmp_path / "save.tar", legacy(*TARS))
    planned = run(*on(root, "plan", "--source", str(archive), "--format", "json")).report
    assert "unpack" not in {step["op"] for action in planned["plan"]["actions"] for step in action["steps"]}


def test_apply_and_preen_take_a_source_themselves(tmp_path: Path) -> None:
    root = damaged(tmp_path, 1)
    other = tmp_path / "other"
    shutil.copytree(damaged(tmp_path / "whole").path, other, symlinks=True)
    assert 1 == run(*on(root, "-p", "--source", str(other))).status
    root.delete(root.content(root.dir_of(root.chains_of(next(iter(root.images)))[1])))
    assert 1 == run(*on(root, "apply", "--class", "lossless", "--source", str(other), "--yes")).status
    assert 0 == run(*on(root, "check")).status


def test_a_wrong_source_is_a_wrong_use(tmp_path: Path) -> None:
    root = damaged(tmp_path)
    for source in (tmp_path / "none", root.path / "volumes", root.path):
        assert 16 == run(*on(root, "plan", "--source", str(source))).status


def test_where_two_records_claim_a_folder_nothing_is_put_into_it(tmp_path: Path) -> None:
    root = damaged(tmp_path)
    archive = write(tmp_path / "save.tar", legacy(*TARS))
    low, top = root.chains_of(next(iter(root.images)))
    root.write(root.record(low) / "cache-id", root.dir_of(top).encode())
    root.empty(root.content(root.dir_of(top)) / "srv/data")
    root.cut(root.record(low) / "tar-split.json.gz")
    planned = run(
        *on(root, "plan", "--source", str(archive), "--level", "deep", "--state-dir", str(tmp_path / "s"), "--format", "json")
    )
    steps = [step for action in planned.report["plan"]["actions"] for step in action["steps"]]
    assert [] == [step for step in steps if step["op"] == "unpack" or "tar-split" in step["path"]]
    assert {"is not restored: the records do not tell whose content its folder should hold"} == {
        each["message"] for each in planned.report["notes"]
    }


def test_a_lost_folder_of_short_links_is_made_first_and_then_the_layer_in_one_go(tmp_path: Path) -> None:
    root = damaged(tmp_path, 1)
    archive = write(tmp_path / "save.tar", legacy(*TARS))
    root.delete(root.path / "overlay2/l")
    assert 1 == run(*on(root, "apply", "--class", "lossless", "--source", str(archive), "--yes")).status
    assert 0 == run(*on(root, "check", "--level", "deep", "--state-dir", str(tmp_path / "state"))).status


def test_a_damaged_source_does_not_hide_a_whole_one(tmp_path: Path) -> None:
    root, other = damaged(tmp_path, 1), damaged(tmp_path / "other")
    other.empty(other.content(other.dir_of(other.chains_of(next(iter(other.images)))[1])) / "srv/data")
    archive = write(tmp_path / "save.tar", legacy(*TARS))
    planned = run(*on(root, "plan", "--source", str(other.path), "--source", str(archive), "--format", "json")).report
    assert ["lossless"] == [action["class"] for action in planned["plan"]["actions"]]
    assert [] == planned["notes"]


def given(root: DataRoot, uid: int, gid: int) -> None:
    """All of a root is this user's; in the root of a namespace the engine keeps what only it has to enter, since 20.10.3."""
    for path in (root.path, *root.path.rglob("*")):
        ours = "." in root.path.name and path in {root.path, root.path / "overlay2"}
        os.chown(path, 0 if ours else uid, gid, follow_symlinks=False)


def planned(root: DataRoot, tar: bytes, place: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The steps `unpack` of a plan with this layer, and its notes."""
    archive = write(place / "save.tar", legacy(tar))
    report = run(*on(root, "plan", "--source", str(archive), "--format", "json")).report
    steps = [step for action in report["plan"]["actions"] for step in action["steps"] if step["op"] == "unpack"]
    return steps, [note["message"] for note in report["notes"] if note["about"] == "source"]


def test_where_nothing_tells_how_owners_are_mapped_nothing_is_unpacked(tmp_path: Path) -> None:
    root = damaged(tmp_path, 1)
    given(root, 1000, 1000)
    steps, (note,) = planned(root, UPPER_TAR, tmp_path)
    assert ([], True) == (steps, "cannot be told from outside" in note)


def test_in_the_root_of_a_user_namespace_a_layer_gets_its_owners(tmp_path: Path) -> None:
    root = damaged(tmp_path, 1, name="100000.200000")
    given(root, 100_000, 200_000)
    (step,), notes = planned(root, UPPER_TAR, tmp_path)
    assert (100_000, 200_000, [100_000, 200_000], []) == (step["uid"], step["gid"], step["shift"], notes)
    assert 1 == run(*on(root, "apply", "--source", str(tmp_path / "save.tar"), "--class", "lossless", "--yes")).status
    made = root.path / step["path"]
    found = [(each.lstat().st_uid, each.lstat().st_gid) for each in (made.parent, made, made / "srv/data")]
    assert [(0, 200_000), *[(100_000, 200_000)] * 2] == found


class Owned(tarfile.TarInfo):
    """A member of the user 33 unless told otherwise."""

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self.uid = self.gid = 33


@pytest.mark.parametrize("seen", [False, True])
def test_in_the_root_of_a_user_namespace_ids_are_mapped_as_far_as_layers_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: bool
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tarfile, "TarInfo", Owned)
        root = damaged(tmp_path, 1, name="100000.200000")
        tar = pack(UPPER).tar
    given(root, 100_000, 200_000)
    lower = root.content(root.dir_of(root.chains_of(next(iter(root.images)))[0]))
    for path in lower.rglob("*"):
        os.chown(path, 100_033 if seen else 500_000, 200_033)
    steps, notes = planned(root, tar, tmp_path)
    assert (1, 0) == (len(steps), len(notes)) if seen else (steps, "owners up to 33:33" in notes[0]) == ([], True)
