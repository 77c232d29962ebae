"""Processes that only help this one: none outlives it, and what signals mean is its affair alone."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1


def fork() -> int:
    """As `os.fork`; the child is tied to this process. Raises `OSError`."""
    parent = os.getpid()
    with held():
        pid = os.fork()
        if not pid:
            try:
                tie(parent)
            except BaseException:  # noqa: BLE001 - whatever it is, nothing of the parent's goes on in the child
                os._exit(1)
        return pid


@contextmanager
def held() -> Iterator[None]:
    """Signals wait meanwhile: a child that met one before it is tied would go on as a second parent."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def tie(parent: int) -> None:
    """In a child: end with the process `parent`, however that ends, and leave an interrupt to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    with suppress(ImportError, OSError, AttributeError):  # without it the end of a pipe tells a little later
        import ctypes  # noqa: PLC0415 - it takes long to load

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), *(ctypes.c_ulong(0),) * 3)
    if os.getppid() != parent:  # it ended before the kernel was told
        os._exit(0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
