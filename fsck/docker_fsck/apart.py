"""Work that a second process does meanwhile: it only reads, and its answer is a value that comes through a pipe."""

import os
from collections.abc import Callable
from typing import TypeVar

import msgspec

from docker_fsck import offspring

T = TypeVar("T")


def begin(work: Callable[[], T], kind: type[T]) -> Callable[[], T | None] | None:
    """Let a forked process do `work`; the function that comes back waits for its answer, a value of type `kind`.

    The answer is None where that process could not give one. None instead of a function where there is nothing to be won:
    with one processor, or beside other threads, which a fork would cut in half. In both cases the work is to be done here.
    """
    import threading  # noqa: PLC0415 - small roots have no need of it

    if len(os.sched_getaffinity(0)) == 1 or threading.active_count() > 1:
        return None
    source, sink = os.pipe()
    try:
        pid = offspring.fork()
    except OSError:
        os.close(source)
        os.close(sink)
        return None
    if not pid:
        _answer(work, source, sink)
    os.close(sink)
    return lambda: _wait(pid, source, kind)


def _answer(work: Callable[[], object], source: int, sink: int) -> None:
    """The life of the second process. However it ends, nothing of the first one's goes on in it."""
    try:
        os.close(source)
        with open(sink, "wb") as pipe:
            pipe.write(msgspec.msgpack.encode(work()))
    finally:
        os._exit(0)


def _wait(pid: int, source: int, kind: type[T]) -> T | None:
    with open(source, "rb") as pipe:
        data = pipe.read()
    os.waitpid(pid, 0)
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.MsgspecError:  # cut short: it was killed, or met what cannot be sent
        return None
