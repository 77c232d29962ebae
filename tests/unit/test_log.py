"""The log: its two forms, its thresholds, where it goes, and that nothing is imported for what is not logged."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from freezegun import freeze_time

from docker_fsck.errors import UsageError
from docker_fsck.log import Event, Log


@freeze_time("2024-05-06 07:08:09")
def test_a_json_event_is_one_object_on_a_line_with_time_level_and_facts() -> None:
    stream = io.StringIO()
    Log("json", None, 0, stream).say(Event.SKIPPED, path="overlay2/a\nb", n=3)
    expected = {
        "event": "step-skipped",
        "level": "warning",
        "timestamp": "2024-05-06T07:08:09.000Z",
        "path": "overlay2/a\nb",
        "n": 3,
    }
    assert (1, expected) == (stream.getvalue().count("\n"), json.loads(stream.getvalue()))


def test_a_console_event_stays_on_one_line_whatever_a_name_holds() -> None:
    stream = io.StringIO()
    Log("console", None, 0, stream).say(Event.SKIPPED, path="a\nb\x1b[2J")
    assert (1, False) == (stream.getvalue().count("\n"), "\x1b" in stream.getvalue())


def test_standard_error_gets_warnings_only() -> None:
    stream = io.StringIO()
    log = Log("console", None, 0, stream)
    log.say(Event.STEP, n=1)
    assert "" == stream.getvalue()


@pytest.mark.parametrize(("verbosity", "events"), [(0, 1), (1, 2), (2, 3)])
def test_each_v_lowers_the_threshold(verbosity: int, events: int) -> None:
    stream = io.StringIO()
    log = Log("json", None, verbosity, stream)
    for event in (Event.SKIPPED, Event.STEP, Event.PASS_REPEATED):
        log.say(event)
    assert events == stream.getvalue().count("\n")


def test_a_file_gets_events_of_info_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    log = Log("json", str(path), 0)
    log.say(Event.RUN_STARTED, argv=[])
    log.close()
    assert ["before", "run-started"] == [path.read_text().splitlines()[0], json.loads(path.read_text().splitlines()[1])["event"]]


def test_a_log_file_that_cannot_be_opened_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--log-file"):
        Log("console", str(tmp_path / "no/such/folder"), 0).say(Event.RUN_STARTED)


def test_every_event_has_a_name_of_its_own() -> None:
    assert len(Event) == len({event.word for event in Event})


def test_structlog_is_not_imported_before_something_is_logged() -> None:
    code = "import sys; from docker_fsck.log import *; Log('console', None, 0).say(Event.STEP); print('structlog' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "False\n" == done.stdout
