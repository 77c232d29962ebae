"""The log for people and collectors: structlog, imported when the first event is written; it may be lost and decides nothing."""

import contextlib
import enum
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from docker_fsck.errors import UsageError
from docker_fsck.reports.words import escape

DEBUG, INFO, WARNING, ERROR = 10, 20, 30, 40


class Event(enum.Enum):
    """Every event that is ever logged: its name and its level."""

    RUN_STARTED = ("run-started", INFO)
    RUN_ENDED = ("run-ended", INFO)
    PASS_REPEATED = ("pass-repeated", DEBUG)
    REFUSED = ("refused", WARNING)
    USAGE = ("usage-error", WARNING)
    INCOMPLETE = ("incomplete", WARNING)
    INTERRUPTED = ("interrupted", WARNING)
    FAILED = ("failed", ERROR)
    TRACEBACK = ("traceback", DEBUG)
    TRANSACTION = ("transaction", INFO)
    STEP = ("step", INFO)
    VERIFIED = ("verified", INFO)
    PROGRESS = ("progress", INFO)
    SKIPPED = ("step-skipped", WARNING)

    @property
    def word(self) -> str:
        """The name as it is logged."""
        return self.value[0]

    @property
    def level(self) -> int:
        """How urgent it is, as in the logging module."""
        return self.value[1]


class Log:
    """Where events go: console or JSON lines, to standard error or to the end of a file.

    Below `threshold` nothing is written and structlog is not even imported: standard error starts at warnings so that cron
    stays quiet, a file at info.
    """

    def __init__(self, form: str, path: str | None, verbosity: int, stream: TextIO | None = None) -> None:
        """`form` is console or json; `path` None means `stream`, else standard error."""
        self.form = form
        self.path = path
        self.threshold = (INFO if path else WARNING) - 10 * verbosity
        self._stream = stream
        self._file: TextIO | None = None
        self._logger: Any = None

    @property
    def beside_messages(self) -> bool:
        """Whether a console line of it would repeat, on the same screen, what the program says anyway."""
        return self.path is None and self.form == "console"

    @property
    def replaces_messages(self) -> bool:
        """Whether standard error holds JSON lines, between which a plain line would only disturb."""
        return self.path is None and self.form == "json"

    def say(self, event: Event, **facts: object) -> None:
        """Write one event with its facts, if it is urgent enough."""
        if self.hears(event):
            self.insist(event, **facts)

    def hears(self, event: Event) -> bool:
        """Whether it is urgent enough, and there is somewhere to write it to."""
        return event.level >= self.threshold and not self._unheard

    @property
    def _unheard(self) -> bool:
        """Whether the process was started without the standard error that events would go to."""
        return self.path is None and self._stream is None and sys.stderr is None

    def insist(self, event: Event, **facts: object) -> None:
        """Write one event that was asked for."""
        if self._unheard:  # structlog would take standard output
            return
        if self._logger is None:
            self._logger = _logger(self.form, self._target())
        level = {DEBUG: "debug", INFO: "info", WARNING: "warning", ERROR: "error"}[event.level]
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        shown = facts if self.form == "json" else {key: _tame(value) for key, value in facts.items()}
        with contextlib.suppress(OSError):  # a log may be lost: it must not end what it tells about
            getattr(self._logger, level)(event.word, timestamp=now, **shown)

    def close(self) -> None:
        """Close the file, if one was opened."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = self._logger = None

    def _target(self) -> TextIO:
        if self.path is None:
            return self._stream or sys.stderr
        try:
            self._file = Path(self.path).open("a", encoding="utf-8", errors="backslashreplace", buffering=1)  # noqa: SIM115 - closed by `close`
        except OSError as error:
            raise UsageError(f"--log-file {self.path}: {error.strerror}") from None
        return self._file


def _tame(value: object) -> object:
    """A value for a console: names from a hostile disk must not move the cursor."""
    return escape(value) if isinstance(value, str) else value


def _logger(form: str, target: TextIO) -> Any:  # noqa: ANN401 - the type of structlog's loggers is Any by their own declaration
    import structlog  # noqa: PLC0415 - late, because most runs log nothing

    last = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    return structlog.wrap_logger(
        structlog.PrintLogger(target),
        wrapper_class=structlog.BoundLogger,
        processors=[structlog.processors.add_log_level, last],
    )
