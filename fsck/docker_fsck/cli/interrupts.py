"""Signals while a plan is applied: they are noted, so that the executor ends between two steps; nothing is undone here."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """Inside, a signal only makes the given function answer True; a second SIGINT does no more than the first."""
    came: list[int] = []
    before = {number: signal.signal(number, lambda got, _frame: came.append(got)) for number in SIGNALS}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
