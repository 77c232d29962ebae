"""`check --object`: only the findings that concern one object, the exit status with them, and the report says so."""

from pathlib import Path

import pytest
from test_cli_kit import Ended, on, run

from docker_fsck.testing.whole import Whole, whole


@pytest.fixture(params=("overlay2", "vfs", "aufs"))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Whole:
    return whole(tmp_path / "root", request.param)


def check(store: Whole, text: str, *more: str) -> Ended:
    return run(*on(store.root, "check", "--object", text, "--format", "json", *more))


def rules(ended: Ended) -> list[str]:
    return [each["rule"] for each in ended.report["findings"]]


def lost(store: Whole, image: str) -> None:
    """The top layer of the image loses its record."""
    store.root.delete(store.root.record(store.root.chains_of(image)[-1]))


def test_an_image_that_is_whole_is_clean_although_another_is_not(store: Whole) -> None:
    lost(store, store.web)
    ended = check(store, "app:1")
    assert (0, "clean", []) == (ended.status, ended.report["verdict"], rules(ended))
    only = ended.report["coverage"]["only"]
    assert ({"kind": "image", "id": store.app}, "app:1", True) == (only["object"], only["name"], only["left_out"] > 0)


def test_an_image_that_suffers_fails(store: Whole) -> None:
    lost(store, store.web)
    ended = check(store, "web:1")
    assert (4, "damaged") == (ended.status, ended.report["verdict"])
    assert all("web:1" in each["impact"]["images"] or each["object"]["id"] == store.web for each in ended.report["findings"])


def test_damage_of_a_base_layer_concerns_all_that_stand_on_it(store: Whole) -> None:
    chain = store.root.chains_of(store.base)[0]
    store.root.delete(store.root.driver_dir(store.root.dir_of(chain)))
    found = {
        text: rules(check(store, text))
        for text in ("app:1", "web:1", "base:1", "ran", chain, store.root.chains_of(store.app)[-1])
    }
    assert {1} == {len(each) for each in found.values()}
    assert 1 == len({each[0] for each in found.values()})


def test_a_container_has_its_record_its_folders_and_its_own_folder(store: Whole) -> None:
    store.root.cut(store.root.container_dir(store.ran) / "config.v2.json")
    store.root.delete(store.root.content(store.root.mount_id(store.busy)))
    assert (["prune-hazard", "container-config-corrupt"], True) == (
        rules(check(store, store.ran)),
        rules(check(store, "busy")) != [],
    )
    assert [] == rules(check(store, "made"))


def test_a_layer_is_not_concerned_by_what_stands_above_it(store: Whole) -> None:
    lost(store, store.web)
    assert [] == rules(check(store, store.root.chains_of(store.base)[-1]))


def test_garbage_is_left_out_and_counted(store: Whole) -> None:
    store.root.orphan_dir()
    ended = check(store, "app:1", "--fail-on", "info")
    assert (0, 1) == (ended.status, ended.report["coverage"]["only"]["left_out"])
    assert [] == ended.report["plan"]["actions"]


def test_the_text_says_that_only_one_object_was_asked_for(store: Whole) -> None:
    lost(store, store.web)
    told = run(*on(store.root, "check", "--object", "web:1")).out
    assert "Only what concerns the image" in told
    assert "other finding" in told


def test_what_could_not_be_read_stays_incomplete(tmp_path: Path) -> None:
    from docker_fsck.testing.table import refusing

    store = whole(tmp_path / "root", "overlay2")
    with refusing(store.root.path / "buildkit/snapshots.db", 5):
        assert 8 == check(store, "app:1").status


def test_a_whole_check_says_nothing_of_one_object(store: Whole) -> None:
    assert "only" not in run(*on(store.root, "check", "--format", "json")).report["coverage"]


def test_an_object_that_is_not_there_is_a_usage_error(store: Whole) -> None:
    ended = check(store, "nothing:1")
    assert (16, "") == (ended.status, ended.out)


def test_one_line_that_says_clean_says_of_what(store: Whole) -> None:
    store.root.orphan_dir()
    told = run(*on(store.root, "check", "--object", "app:1")).out
    assert (1, True) == (told.count("\n"), told.endswith("(app:1); 1 others not told)\n"))


def test_damage_of_a_layer_from_which_nobody_suffers_yet_concerns_all_that_stand_on_it(tmp_path: Path) -> None:
    store = whole(tmp_path / "root", "overlay2")
    chain = store.root.chains_of(store.base)[-1]
    store.root.empty(store.root.driver_dir(store.root.dir_of(chain)) / "link")
    told = {each: rules(check(store, each)) for each in (chain, "base:1", "app:1", "web:1", store.ran, "busy")}
    assert {each: ["ovl-link-file"] for each in told} == told


def test_a_lost_record_of_a_layer_concerns_its_image_and_container(store: Whole) -> None:
    lost(store, store.app)
    assert [True, True] == [check(store, each).status == 4 for each in ("app:1", store.ran)]
