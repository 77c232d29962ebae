"""The commands about what was done before: history, undo, recover, purge."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time
from test_cli_kit import apply_all, broken_root, on, run

from docker_fsck.cli import sites
from docker_fsck.cli.edge import Call
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.tree import snapshot


@pytest.fixture
def broken(tmp_path: Path) -> DataRoot:
    return broken_root(tmp_path)


def test_history_names_each_transaction_oldest_first(broken: DataRoot) -> None:
    run(*on(broken, "apply", "--class", "lossless", "--yes"))
    run(*on(broken, "apply", "--class", "reclaim", "--yes"))
    told = run(*on(broken, "history", "--format", "json")).report
    assert [["lossless"], ["reclaim"]] == [each["classes"] for each in told]


def test_history_of_one_transaction_has_its_actions(broken: DataRoot) -> None:
    apply_all(broken)
    txn = run(*on(broken, "history", "--format", "json")).report[0]["txn"]
    told = run(*on(broken, "history", txn, "--format", "json")).report
    assert (txn, 2) == (told[0]["txn"], len(told[0]["actions"]))


def test_purge_frees_the_space_and_nothing_is_left_to_undo(broken: DataRoot) -> None:
    apply_all(broken)
    txn = run(*on(broken, "history", "--format", "json")).report[0]["txn"]
    ended = run(*on(broken, "purge", "--txn", txn))
    assert (0, True, 64) == (ended.status, "Purged 1 transaction" in ended.out, run(*on(broken, "undo", txn)).status)


@pytest.mark.parametrize(("later", "purged"), [(13, 0), (15, 1)])
def test_purge_by_age_waits_for_its_day(broken: DataRoot, later: int, purged: int) -> None:
    with freeze_time("2024-05-01 12:00:00"):
        apply_all(broken)
    with freeze_time(f"2024-05-{1 + later} 12:00:00"):
        told = run(*on(broken, "purge", "--format", "json")).report
    assert purged == len(told["txns"])


def test_a_transaction_that_is_not_there_is_a_usage_error(broken: DataRoot) -> None:
    apply_all(broken)
    assert [16, 16, 16] == [
        run(*on(broken, *argv)).status for argv in (("undo", "nope"), ("history", "nope"), ("purge", "--txn", "nope"))
    ]


def test_recover_with_nothing_to_recover_says_so(broken: DataRoot) -> None:
    ended = run(*on(broken, "recover"))
    assert (0, True) == (ended.status, "nothing to recover" in ended.out)


class Killed(BaseException):
    """The process was killed."""


def killed_apply(root: DataRoot) -> None:
    """An apply that ended in its first step, as a kill leaves it."""

    def watch(_call: Call) -> Callable[[Any], None]:
        def stop(event: Any) -> None:
            if event.what == "done":
                raise Killed

        return stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sites, "_watch", watch)
        with pytest.raises(Killed):
            apply_all(root)


def test_an_unfinished_transaction_is_told_first_and_refuses_every_change_but_recover(broken: DataRoot) -> None:
    before = snapshot(broken.path)
    killed_apply(broken)
    check = run(*on(broken, "check"))
    applied, undone, preened = (
        run(*on(broken, *argv)).status for argv in (("apply", "--class", "reclaim", "--yes"), ("undo", "last"), ("-p",))
    )
    recovered = run(*on(broken, "recover")).status
    assert (True, [True] * 3, 0, before) == (
        "docker-fsck recover" in check.out.splitlines()[1],
        [bool(each & 64) for each in (applied, undone, preened)],
        recovered,
        snapshot(broken.path, leave_out=(".docker-fsck",)),
    )


def test_recover_finish_completes_it(broken: DataRoot) -> None:
    killed_apply(broken)
    assert (0, 0) == (run(*on(broken, "recover", "--finish")).status, run(*on(broken, "check")).status)


@pytest.mark.parametrize("command", [("undo", "last"), ("purge", "--older-than", "0s")])
def test_a_stream_that_only_settings_ask_for_is_not_mixed_with_text(
    broken: DataRoot, tmp_path: Path, command: tuple[str, ...]
) -> None:
    apply_all(broken)
    (tmp_path / "c.toml").write_text('format = "jsonl"')
    ended = run(*on(broken, *command), file=str(tmp_path / "c.toml"))
    assert (0, False) == (ended.status, "{" in ended.out)
