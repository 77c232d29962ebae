"""Runs command lines inside the process, on built roots and with a host that is asked for nothing; and the proof that it does."""

import io
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from docker_fsck import config
from docker_fsck.cli import options
from docker_fsck.cli.edge import Call, Edge
from docker_fsck.cli.start import guarded, work_of
from docker_fsck.cli.terminal import Terminal
from docker_fsck.host import HostView, User
from docker_fsck.log import Log
from docker_fsck.testing.builder import DataRoot
from docker_fsck.upgrade.settings import Settings

STOPPED = HostView(state="stopped", why="a test says so")
LIVE = HostView(state="live", why="a test says so", users=(User(7, "dockerd", "holds a lock"),))


class Stream(io.TextIOWrapper):
    """A text stream that may pass for a terminal."""

    def __init__(self, text: str = "", *, tty: bool = False) -> None:
        super().__init__(io.BytesIO(text.encode()), encoding="utf-8", write_through=True)
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty

    @property
    def text(self) -> str:
        return bytes(self.buffer.getvalue()).decode()  # type: ignore[attr-defined]  # the buffer is a BytesIO


class Ended(msgspec.Struct):
    status: int
    out: str
    err: str

    @property
    def report(self) -> Any:
        return json.loads(self.out)


def run(
    *argv: str, answers: str = "", tty: tuple[bool, bool, bool] = (False, False, False), file: str = os.devnull, **edge: Any
) -> Ended:
    """One command line; `tty` says which of input, output and error are terminals, `file` is the settings' file."""
    streams = [Stream(answers, tty=tty[0]), Stream(tty=tty[1]), Stream(tty=tty[2])]
    command, given = options.parse([*argv])
    settings = config.load(vars(given), {}, file)
    terminal = Terminal({"NO_COLOR": "1"}, *streams)
    log = Log(settings.log_format, settings.log_file, getattr(given, "verbose", 0), streams[2])
    parts = {
        "look": lambda _root: STOPPED,
        "engine_processes": lambda _root: (),
        "settings": lambda _config, _root: Settings(),
        "settle": 0.0,
        "sleep": lambda _seconds: None,
        **edge,
    }
    status = guarded(
        work_of(command),
        Call(given=given, argv=argv, config=settings, edge=Edge(environ={}, terminal=terminal, log=log, **parts)),
    )
    return Ended(status, streams[1].text, streams[2].text)


def healthy_root(folder: Path) -> DataRoot:
    """An image and a container of it."""
    root = DataRoot(folder / "docker")
    root.container(root.image("app:1"), "web")
    return root


def broken_root(folder: Path) -> DataRoot:
    """A layer whose link file is empty (lossless), and an orphan (reclaim)."""
    root = healthy_root(folder)
    root.empty(root.driver_dir(next(iter(root.layers.values())).cache_id) / "link")
    root.orphan_dir()
    return root


def on(root: DataRoot, *argv: str) -> tuple[str, ...]:
    return (*argv, "--root", str(root.path), "--grace", "0s")


def apply_all(root: DataRoot) -> Ended:
    return run(*on(root, "apply", "--class", "lossless,reclaim", "--yes"))


def test_the_streams_of_a_run_are_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = run(*on(healthy_root(tmp_path), "check")).out
    assert (True, ("", "")) == (told.endswith("\n"), capsys.readouterr())


def test_the_broken_root_is_broken_in_two_ways(tmp_path: Path) -> None:
    rules = [each["rule"] for each in run(*on(broken_root(tmp_path), "check", "--format", "json")).report["findings"]]
    assert ["ovl-link-file", "driver-orphan"] == rules
