"""Standard input, output and error of a run: the only place that prints; a reader that goes away does not end the run."""

import io
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any, TextIO

from docker_fsck.reports.lines import Block, Line, plain, unfolded
from docker_fsck.reports.words import escape


class Terminal:
    """Where a run is told. `lost` says why a part of the output could not be written, if one could not."""

    def __init__(
        self, environ: Mapping[str, str], stdin: TextIO | None = None, stdout: TextIO | None = None, stderr: TextIO | None = None
    ) -> None:
        """The streams of the process, unless others are given."""
        self._in = stdin or sys.stdin or io.StringIO()  # a stream is None where the process was started without it
        self._out = stdout or sys.stdout or io.StringIO()
        self._err = stderr or sys.stderr or io.StringIO()
        self._environ = environ
        self._gone: set[int] = set()
        self.color = "auto"
        self.lost = ""
        for stream in (self._in, self._out, self._err):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")

    @property
    def shown(self) -> bool:
        """Whether standard output is a terminal."""
        return self._out.isatty()

    @property
    def attended(self) -> bool:
        """Whether somebody may be watching: in cron nobody is."""
        return self.shown or self._err.isatty()

    @property
    def watched(self) -> bool:
        """Whether standard error is a terminal that can write over a line."""
        return self._err.isatty() and self._environ.get("TERM") != "dumb"

    @property
    def can_answer(self) -> bool:
        """Whether a question can be put to somebody."""
        return self._in.isatty()

    @property
    def coloured(self) -> bool:
        """Whether lines get colours: as --color says, else on a terminal that has not asked for none."""
        if self.color != "auto":
            return self.color == "always"
        return self.shown and not self._environ.get("NO_COLOR") and self._environ.get("TERM") != "dumb"

    def lines(self, lines: Iterable[Line]) -> None:
        """Print styled lines."""
        self.blocks(lines)

    def blocks(self, blocks: Iterable[Block]) -> None:
        """Print styled lines and trees."""
        if self.coloured:
            from docker_fsck.reports.paint import painted  # noqa: PLC0415 - rich only for a terminal

            self.text(painted(blocks))
        else:
            self.text(plain(unfolded(blocks)))

    def text(self, text: str) -> None:
        """Write `text` as it is."""
        self._write(self._out, text)

    def data(self, data: bytes) -> None:
        """Write a document that is UTF-8 by itself."""
        raw = getattr(self._out, "buffer", None)
        if raw is None:
            self.text(data.decode())
        elif id(self._out) not in self._gone:
            self._write(raw, data)

    def note(self, message: str) -> None:
        """One line on standard error, behind the program's name; for warnings and errors."""
        self._write(self._err, f"docker-fsck: {escape(message)}\n")

    def aside(self, lines: Iterable[Line]) -> None:
        """Lines on standard error: what a question is about, so that standard output stays the report's."""
        self._write(self._err, plain(lines))

    def passing(self, text: str) -> None:
        """A line on standard error in place of the one before; it ends short of the edge, and an empty one leaves no trace."""
        self._write(self._err, f"\r{escape(text)[: shutil.get_terminal_size().columns - 1]}\x1b[K")

    def ask(self, question: str) -> bool:
        """Put a yes-or-no question; no answer and the end of input are no."""
        self._write(self._err, f"{escape(question)} [y/N] ")
        answer = self._in.readline()
        return answer.strip().lower() in {"y", "yes"}

    def input_lines(self) -> Iterator[str]:
        """Standard input to its end, line by line; a line that is too long comes in pieces."""
        while piece := self._in.readline(1 << 16):
            yield piece

    def _write(self, stream: IO[Any], content: str | bytes) -> None:
        """Write and flush; a stream that cannot be written any more is left alone from then on: the run goes on."""
        if id(stream) in self._gone:
            return
        try:
            stream.write(content)
            stream.flush()
        except BrokenPipeError:
            self._leave(stream)
        except OSError as error:
            self.lost = f"the output is not complete: {error.strerror}"
            self._leave(stream)

    def _leave(self, stream: IO[Any]) -> None:
        self._gone.add(id(stream))
        # Python flushes the stream once more at its end: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
