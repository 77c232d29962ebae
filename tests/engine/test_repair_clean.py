"""The program on roots that nobody has damaged: it finds nothing, and it leaves a running engine alone."""

import threading
from pathlib import Path

import pytest

from docker_fsck.testing import tree
from dockerd import Engine
from places import copy, orphan
from population import Populated
from repairkit import OURS, Stock, apply, fsck, state, survey, take_back, told


def test_a_root_that_the_engine_has_just_made_has_no_finding(engine: Engine) -> None:
    engine.stop()
    found = survey(engine.root)
    assert (0, [], "clean") == (found.exit, told(found), found.report["verdict"])


def test_a_populated_root_has_no_finding(populated: Populated) -> None:
    found = survey(populated.root)
    assert (0, [], "clean") == (found.exit, told(found), found.report["verdict"])


def test_a_stocked_root_has_no_finding_after_everything_in_it_was_used(stock: Stock) -> None:
    before = survey(stock.root)
    stock.engine.start()
    assert stock.state == state(stock.engine)
    stock.engine.stop()
    after = survey(stock.root)
    assert (0, [], 0, []) == (before.exit, told(before), after.exit, told(after))
    assert {"images": 11, "layers": 11, "containers": 4, "mounts": 4, "driver_dirs": 19} == after.report["store"]["counts"]


def test_beside_a_working_engine_check_finds_nothing_bad_and_no_change_is_made(stock: Stock) -> None:
    engine, ended = stock.engine, threading.Event()
    engine.start()
    engine.run_detached("sleeper", "shop:1", "sleep", "600")
    worker = threading.Thread(target=work, args=(engine, ended))
    worker.start()
    checks = [fsck(stock.root, "check") for _ in range(3)]
    lost = lost_dir(stock)
    refused = apply(stock.root, "reclaim")
    ended.set()
    worker.join()
    assert [(0, "live", [])] * 3 == [(run.exit, run.report["store"]["engine"], told(run)) for run in checks]
    assert (64, "refused", True) == (refused.exit, refused.report["verdict"], lost.is_dir()), refused.report
    assert not (stock.root / ".docker-fsck").exists()
    engine.docker("rm", "-f", "sleeper")
    assert stock.state == state(engine)
    engine.stop()


def work(engine: Engine, ended: threading.Event) -> None:
    """Makes and removes containers and images until it is told to end."""
    turn = 0
    while not ended.is_set():
        turn += 1
        engine.run(f"turn{turn}", "lone:1", "touch", "/new")
        engine.docker("commit", f"turn{turn}", f"turn:{turn}")
        engine.docker("rm", f"turn{turn}")
        engine.docker("rmi", f"turn:{turn}")


def lost_dir(stock: Stock) -> Path:
    """Makes a driver dir that nothing refers to."""
    model = stock.places.layer(stock.places.chains(stock.images["lone:1"])[-1])
    return orphan(stock.places, "1" * 64, model, "A" * 26)


def test_what_is_younger_than_the_grace_period_stays(stock: Stock) -> None:
    lost_dir(stock)
    before = tree.snapshot(stock.root)
    done = fsck(stock.root, "apply", "--class", "reclaim", "--yes")
    (why,) = {each["why"] for each in done.report["plan"]["blocked"]}
    assert (0, "changed within the grace period of 24 h") == (done.exit, why)
    assert {} == tree.changes(before, tree.snapshot(stock.root))


@pytest.mark.parametrize("driver", ["overlay2"], indirect=True)
def test_an_undo_gives_the_tree_back_in_a_copy_of_the_root(stock: Stock, workplace: Path) -> None:
    lost_dir(stock)
    before = tree.snapshot(stock.root, OURS)
    assert 1 == apply(stock.root, "reclaim").exit
    copy(stock.root, workplace / "copy")
    take_back(workplace / "copy")
    assert {} == tree.changes(before, tree.snapshot(workplace / "copy", OURS))
