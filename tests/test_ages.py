"""Grace and retention by the clock: nothing young is reclaimed or purged, and a clock that went back makes everything young."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time
from msgspec import Struct
from whole_roots import CLASSES, OWN, Ended, said

from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.table import STOPPED, run
from docker_fsck.values import ActionClass, Plan

DAY = 86400.0
GAP = 0.05
"""How long after the rest one member changes; file systems count in units of a few milliseconds."""


class Aged(Struct):
    """A root with garbage of every kind; `rest` is the moment after which nothing in it changed, `now` what the clock says."""

    root: DataRoot
    orphan: str
    chain: str
    mount: str
    write_set: Path
    removing: Path
    rest: float
    now: float = 0.0

    @property
    def members(self) -> dict[str, Path]:
        """One member of each kind of garbage, by a name."""
        root, orphan = self.root, self.root.driver_dir(self.orphan)
        return {
            "the folder of an orphan": orphan,
            "a file deep in an orphan": next(path for path in sorted(orphan.rglob("*")) if path.name == "data"),
            "a link in an orphan": orphan / "diff" / "opt" / "link",
            "the short link of an orphan": root.short_link(self.orphan),
            "the folder of a dead layer": root.driver_dir(root.dir_of(self.chain)),
            "the record of a dead layer": root.record(self.chain) / "cache-id",
            "the record of an orphan mount": root.mount_record(self.mount),
            "the writable layer of an orphan mount": root.content(root.mount_id(self.mount)),
            "the init layer of an orphan mount": root.driver_dir(root.init_id(self.mount)) / "link",
            "an unfinished registration": self.write_set / "diff",
            "the folder of an unfinished registration": root.driver_dir(root.lost_dirs[0]),
            "a record that was being removed": self.removing,
            "the folder of a record that was being removed": root.content(root.lost_dirs[1]),
            "a dangling short link": root.path / "overlay2" / "l" / ("A" * 26),
            "a temporary copy of the tag store": root.image_home / ".tmp-repositories.json123",
        }


MEMBERS = (
    "the folder of an orphan", "a file deep in an orphan", "a link in an orphan", "the short link of an orphan",
    "the folder of a dead layer", "the record of a dead layer", "the record of an orphan mount",
    "the writable layer of an orphan mount", "the init layer of an orphan mount", "an unfinished registration",
    "the folder of an unfinished registration", "a record that was being removed",
    "the folder of a record that was being removed", "a dangling short link", "a temporary copy of the tag store",
)  # fmt: skip
KINDS = 7


@pytest.fixture
def aged(tmp_path: Path) -> Aged:
    """The root, all of which changed before `rest`."""
    root = DataRoot(tmp_path / "docker")
    root.container(root.image("app:1"), "web")
    orphan, (chain,), mount = root.orphan_dir(), root.unreferenced_layers(1), root.orphan_mount()
    write_set, removing = root.layer_tmp(), root.removing()
    root.link_to("overlay2/l/" + "A" * 26, "../" + "7" * 64 + "/diff")
    root.write(root.image_home / ".tmp-repositories.json123", b"{")
    (root.driver_dir(orphan) / "diff" / "opt" / "link").symlink_to("elsewhere")
    newest = max(path.lstat().st_ctime for path in root.path.rglob("*"))
    time.sleep(GAP)
    return Aged(root, orphan, chain, mount, write_set, removing, newest)


def at(aged: Aged, seconds: float) -> None:
    """Put the clock of what follows to a moment."""
    aged.now = seconds


def frozen(aged: Aged) -> Any:
    """Meanwhile the program's clock stands; what the kernel notes goes on with the real time."""
    return freeze_time(datetime.fromtimestamp(aged.now, UTC))


def plan(aged: Aged, grace: float = DAY) -> Plan:
    """What would be reclaimed by the frozen clock."""
    with frozen(aged):
        return run(aged.root.path, now=time.time(), grace=grace).plan


def moved(plan: Plan) -> set[str]:
    """The paths that would go."""
    return {step.path for action in plan.actions if action.cls is ActionClass.RECLAIM for step in action.steps}


def touched(path: Path) -> float:
    """Change nothing but the ctime, and give it."""
    facts = path.lstat()
    os.chown(path, facts.st_uid, facts.st_gid, follow_symlinks=False)
    return path.lstat().st_ctime


def test_there_is_a_test_for_each_member(aged: Aged) -> None:
    assert set(MEMBERS) == aged.members.keys()


def test_before_the_grace_period_is_over_nothing_is_reclaimed_and_afterwards_all_of_it(aged: Aged) -> None:
    at(aged, aged.rest + DAY - 1)
    early = plan(aged)
    assert set() == moved(early)
    assert KINDS == len(early.blocked)
    assert {"changed within the grace period of 24 h"} == {each.why for each in early.blocked}
    at(aged, aged.rest + DAY + 1)
    late = plan(aged)
    assert () == late.blocked
    assert KINDS == len(late.actions)
    home = str(aged.root.path)
    everything = {str(path.relative_to(home)) for path in aged.members.values()}
    assert not {path for path in everything if not any(f"{path}/".startswith(f"{each}/") for each in moved(late))}


@pytest.mark.parametrize("which", MEMBERS)
def test_one_young_member_keeps_the_whole_thing_and_nothing_else(aged: Aged, which: str) -> None:
    member = aged.members[which]
    young = touched(member)
    assert young > aged.rest
    at(aged, (aged.rest + young) / 2 + DAY)
    found = plan(aged)
    path = str(member.relative_to(aged.root.path))
    assert not {each for each in moved(found) if f"{path}/".startswith(f"{each}/")}
    assert ["changed within the grace period of 24 h"] == [each.why for each in found.blocked]
    assert KINDS - 1 == len(found.actions)
    at(aged, young + DAY + 1)
    assert ((), KINDS) == ((late := plan(aged)).blocked, len(late.actions))


def test_an_old_mtime_makes_nothing_old(aged: Aged) -> None:
    for member in aged.members.values():
        os.utime(member, (0, 0), follow_symlinks=False)
    at(aged, aged.rest + DAY - 1)
    assert set() == moved(plan(aged))


@pytest.mark.parametrize("back", [1.0, 3600.0, 400 * DAY])
def test_a_clock_that_went_back_makes_everything_young(aged: Aged, back: float) -> None:
    at(aged, aged.rest - back)
    found = plan(aged)
    assert (set(), KINDS) == (moved(found), len(found.blocked))
    assert set() == moved(plan(aged, grace=1.0))


def test_a_grace_of_0_reclaims_what_was_made_a_moment_ago_and_what_comes_from_the_future(aged: Aged) -> None:
    for moment in (aged.rest + 1, aged.rest - DAY):
        at(aged, moment)
        assert KINDS == len(plan(aged, grace=0.0).actions)


def test_lossless_repairs_do_not_wait_for_the_grace_period(aged: Aged) -> None:
    layer = next(iter(aged.root.layers.values()))
    aged.root.empty(aged.root.driver_dir(layer.cache_id) / "link")
    at(aged, aged.rest + 1)
    assert [ActionClass.LOSSLESS] == [action.cls for action in plan(aged).actions]


# retention


def command(aged: Aged, *argv: str) -> Ended:
    """A command by the frozen clock, on a host where nothing runs."""
    with frozen(aged):
        return said(
            aged.root.path, *argv, clock=time.time, sleep=lambda _: None, engine_processes=lambda _: (), look=lambda _: STOPPED
        )  # fmt: skip


def states(aged: Aged) -> list[str]:
    """How the transactions stand."""
    return [record["state"] for record in command(aged, "history", "--format", "json").report]


@pytest.fixture
def three(aged: Aged) -> Callable[[float], None]:
    """Three applies, a week apart; puts the clock to some days after the first."""
    rules = ("driver-orphan", "layer-unreferenced", "mount-orphan")
    for number, rule in enumerate(rules):
        at(aged, aged.rest + 7 * number * DAY)
        assert 1 == command(aged, "apply", "--class", CLASSES, "--rule", rule, "--yes").status & 1
    return lambda days: at(aged, aged.rest + days * DAY)


def test_purge_removes_what_is_older_than_two_weeks_and_nothing_younger(aged: Aged, three: Callable[[float], None]) -> None:
    three(13.99)
    assert 0 == command(aged, "purge").status
    assert ["applied", "applied", "applied"] == states(aged)
    three(14.01)
    assert 0 == command(aged, "purge").status
    assert ["purged", "applied", "applied"] == states(aged)
    assert 0 == command(aged, "undo", "last").status
    assert aged.root.mount_record(aged.mount).exists()
    three(21.01)
    assert 0 == command(aged, "purge", "--older-than", "8d").status
    assert ["purged", "purged", "undone"] == states(aged)
    assert 0 == command(aged, "purge", "--older-than", "0s").status
    assert ["purged", "purged", "purged"] == states(aged)
    assert ["history.jsonl", "lock", "spare"] == sorted(os.listdir(aged.root.path / OWN))


def test_purge_by_a_clock_that_went_back_removes_nothing(aged: Aged, three: Callable[[float], None]) -> None:
    for days in (-1.0, -400.0):
        three(days)
        assert 0 == command(aged, "purge", "--older-than", "0s").status
        assert ["applied", "applied", "applied"] == states(aged)


def test_a_named_transaction_is_purged_whatever_its_age(aged: Aged, three: Callable[[float], None]) -> None:
    three(-1.0)
    txn = command(aged, "history", "--format", "json").report[1]["txn"]
    assert 0 == command(aged, "purge", "--txn", txn).status
    assert ["applied", "purged", "applied"] == states(aged)
