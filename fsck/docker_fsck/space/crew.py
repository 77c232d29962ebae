"""Counts a tree by several processes that share the work: who has too much gives half of it away; sums do not depend on who."""

import mmap
import os
import threading
from collections import deque
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

from docker_fsck import offspring
from docker_fsck.errors import Incomplete
from docker_fsck.reader import Reader
from docker_fsck.tally import Plot, Share, Tally
from docker_fsck.treewalk import Walker

_FORK = get_context("fork")  # the plot is there already, and starting costs a few milliseconds


def count(reader: Reader, plot: Plot, owners: int, jobs: int) -> Tally:
    """What the tree takes, by owner; `jobs` processes, this one alone if it is 1. Raises `Incomplete` if one of them dies."""
    walker = Walker(reader, plot, owners)
    first = walker.top()
    if jobs == 1 or threading.active_count() > 1:  # a fork would cut other threads in half
        walker.walk(first)
    else:
        for each in _together(reader, plot, owners, jobs, first):
            walker.tally.add(each)
    walker.tally.settle()
    return walker.tally


def _together(reader: Reader, plot: Plot, owners: int, jobs: int, first: Share) -> list[Tally]:
    with mmap.mmap(-1, 1) as hungry:  # shared by all: not 0 while somebody waits for work
        crew = [_started(reader, plot, owners, hungry) for _ in range(jobs)]
        try:
            _deal(deque([first]), [ours for ours, _ in crew], hungry)
            return [_received(ours) for ours, _ in crew]
        finally:
            for ours, process in crew:
                ours.close()  # a worker that waits for work ends, one that works finds out when it tells
                process.join(0.2)
                if process.is_alive():
                    process.terminate()
                    process.join()


def _started(reader: Reader, plot: Plot, owners: int, hungry: mmap.mmap) -> tuple[Connection, Any]:
    ours, its = _FORK.Pipe()
    process = _FORK.Process(target=_work, args=(os.getpid(), its, reader, plot, owners, hungry), daemon=True)
    with offspring.held():
        process.start()
    its.close()
    return ours, process


def _work(parent: int, boss: Connection, reader: Reader, plot: Plot, owners: int, hungry: mmap.mmap) -> None:
    """A worker's life: a share at a time until there are no more, then the tally."""

    def give(share: Share) -> None:
        hungry[0] = 0  # one gift a wish; whoever is still hungry says so again
        boss.send(share)

    offspring.tie(parent)
    walker = Walker(reader.twin(), plot, owners, lambda: hungry[0], give)
    try:
        while (share := boss.recv()) is not None:
            walker.walk(share)
            boss.send(None)
        boss.send(walker.tally)
    except (EOFError, BrokenPipeError):
        return  # the one who waits for the tally was interrupted, and says so


def _deal(todo: deque[Share], crew: list[Connection], hungry: mmap.mmap) -> None:
    """Hand out shares until none is left and everybody is done."""
    idle = list(crew)
    while True:
        while todo and idle:
            idle.pop().send(todo.popleft())
        if len(idle) == len(crew):
            break
        hungry[0] = 1 if idle else 0
        for one in wait([each for each in crew if each not in idle]):
            got = _received(one)  # type: ignore[arg-type]  # only connections were given
            if got is None:
                idle.append(one)  # type: ignore[arg-type]
            else:
                todo.append(got)
    for one in crew:
        one.send(None)


def _received(one: Connection) -> Any:  # noqa: ANN401 - a Share, None for a share that is done, or the Tally at the end
    try:
        return one.recv()
    except (EOFError, ConnectionResetError):
        raise Incomplete("a process that counted was ended from outside; --jobs 1 needs the least memory") from None
