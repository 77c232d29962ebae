"""What a run gets from outside, as values: arguments, settings, clock, streams, probes of the host; holds them, does nothing."""

import argparse
import os
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import msgspec

from docker_fsck import host
from docker_fsck.cli import engineconf, roots
from docker_fsck.cli.terminal import Terminal
from docker_fsck.config import Config
from docker_fsck.errors import UsageError
from docker_fsck.log import Event, Log
from docker_fsck.upgrade.settings import Settings


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """The machine, as far as the program may ask it. Times are in seconds; `token` gives a few random letters.

    `settle` is how long a change waits for an engine that is just starting (promise 14).
    """

    environ: Mapping[str, str]
    terminal: Terminal
    log: Log
    clock: Callable[[], float] = lambda: time.time()  # noqa: PLW0108 - looked up at each call, as clocks that stand still need it
    sleep: Callable[[float], None] = time.sleep
    settle: float = 1.5
    token: Callable[[], str] = lambda: os.urandom(3).hex()
    look: Callable[[str], host.HostView] = host.look
    hold: Callable[[str], AbstractContextManager[host.RootLock]] = host.hold
    engine_processes: Callable[[str], Sequence[host.User]] = host.engine_processes
    settings: Callable[[Config, roots.Root], Settings] = engineconf.of_host


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One command line: what was given, the settings that result, and the edge."""

    given: argparse.Namespace
    argv: tuple[str, ...]
    config: Config
    edge: Edge

    def has(self, name: str) -> bool:
        """Whether a switch was given."""
        return bool(getattr(self.given, name, False))

    def one(self, name: str) -> str | None:
        """The value of an option or operand, None if it was not given."""
        return getattr(self.given, name, None)

    def several(self, name: str) -> tuple[str, ...]:
        """The values of an option that may be repeated and may hold several with commas between."""
        given: list[str] = getattr(self.given, name, [])
        return tuple(word.strip() for each in given for word in each.split(",") if word.strip())

    @property
    def verbosity(self) -> int:
        """How often -v was given."""
        return int(getattr(self.given, "verbose", 0))

    @property
    def quiet(self) -> bool:
        """Whether -q was given."""
        return self.has("quiet")

    @property
    def program(self) -> str:
        """How this program was called, for the commands that it proposes."""
        return "docker fsck" if self.argv[:1] == ("fsck",) else "docker-fsck"

    def repeated(self, *names: str) -> tuple[str, ...]:
        """The options of these names as they were given, ready for a shell."""
        words: list[str] = []
        for name in names:
            value = getattr(self.given, name, None)
            for each in [value] if isinstance(value, str) else value or ():
                words += ["--" + name.replace("_", "-"), shlex.quote(each)]
        return tuple(words)

    def simple_format(self) -> str:
        """Text or json, for a command that writes no report; a `UsageError` if another one was asked for.

        A format that only settings name is meant for reports: it must not keep anybody from an undo.
        """
        if self.config.format in {"text", "json"}:
            return self.config.format
        if self.has("format"):
            raise UsageError(f"--format {self.config.format}: this command writes text or json")
        return "text"

    @property
    def now(self) -> datetime:
        """The moment, UTC."""
        return datetime.fromtimestamp(self.edge.clock(), UTC)

    def stamp(self) -> str:
        """A name for this run or transaction: time, UTC, with the microseconds, so that names sort by age, and chance."""
        return f"{self.now:%Y%m%dT%H%M%SZ-%f}{self.edge.token()}"

    def complain(self, event: Event, message: str) -> None:
        """Tell on standard error, and log, why a run did not do what was asked."""
        if not self.edge.log.beside_messages:
            self.edge.log.say(event, why=message)
        if not self.edge.log.replaces_messages:
            self.edge.terminal.note(message)


def rfc3339(seconds: float) -> str:
    """A moment as reports write it, to the millisecond, UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
