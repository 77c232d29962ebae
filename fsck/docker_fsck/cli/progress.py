"""How far deep verification is, while it runs: a line that is written over on a terminal, lines now and then, or log events."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from docker_fsck.cli.edge import Call
from docker_fsck.log import Event
from docker_fsck.reports.words import many, size

if TYPE_CHECKING:
    from docker_fsck.verify.run import Progress

_OFTEN, _SELDOM = 0.2, 10.0
_MINUTE, _HOUR = 60, 3600
Show = Callable[["Progress"], None]


class Telling:
    """Tells the log of every layer, and shows how far the run is every `every` seconds, if it is to be shown (else None)."""

    def __init__(self, call: Call, every: float | None, show: Show) -> None:
        """Nothing was told yet."""
        self._log, self._show, self._last = call.edge.log, show, 0.0
        self.every = every

    def tell(self, progress: "Progress") -> None:
        """Hear how far it is."""
        if progress.done is not None:
            self._log.say(Event.VERIFIED, layer=progress.done, **_facts(progress))
        if self.every is not None and not 0 <= progress.seconds - self._last < self.every:
            self._last = progress.seconds
            self._show(progress)


@contextmanager
def shown(call: Call) -> Iterator[Telling]:
    """What `--progress` asks for, taken away at the end."""
    terminal, log, wish = call.edge.terminal, call.edge.log, call.config.progress
    text = call.config.format == "text" and not call.quiet
    if wish == "never":
        yield Telling(call, None, lambda _progress: None)
    elif log.form == "json" and (log.hears(Event.PROGRESS) or (wish == "always" and log.replaces_messages)):
        yield Telling(call, _SELDOM, lambda progress: log.insist(Event.PROGRESS, **_facts(progress)))
    elif terminal.watched and not log.replaces_messages and not _crowded(call) and (text or wish == "always"):
        try:
            yield Telling(call, _OFTEN, lambda progress: terminal.passing(line(progress)))
        finally:
            terminal.passing("")
    elif wish == "always":
        yield Telling(call, _SELDOM, lambda progress: terminal.note(line(progress)))
    else:
        yield Telling(call, None, lambda _progress: None)


def _crowded(call: Call) -> bool:
    """Whether lines of the log come on the same screen."""
    return call.edge.log.beside_messages and call.edge.log.hears(Event.VERIFIED)


def _facts(progress: "Progress") -> dict[str, object]:
    facts = msgspec.structs.asdict(progress)
    del facts["done"]
    return {**facts, "rate": progress.rate, "eta": progress.eta}


def line(progress: "Progress") -> str:
    """`12 of 300 layers verified, 1.2 GB of 20.0 GB, 512.0 MB/s, 0:38 left`."""
    parts = [
        f"{progress.layers} of {many(progress.of_layers, 'layer')} verified",
        f"{size(progress.bytes)} of {size(progress.of_bytes)}",
        f"{size(progress.rate)}/s",
    ]
    return ", ".join(parts if progress.eta is None else [*parts, f"{_clock(progress.eta)} left"])


def _clock(seconds: float) -> str:
    """`0:38`, `12:05`, `3:00:10`."""
    minutes, rest = divmod(round(seconds), _MINUTE)
    return f"{minutes}:{rest:02}" if minutes < _MINUTE else f"{minutes // _MINUTE}:{minutes % _MINUTE:02}:{rest:02}"
