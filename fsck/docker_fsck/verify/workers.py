"""Processes that verify layers, one layer at a time each. Neither a worker that dies nor a parent leaves anything behind."""

import os
import selectors
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

import msgspec

from docker_fsck import offspring

T = TypeVar("T")
_LENGTH = 8


class Worker(Generic[T]):
    """One process. `busy` is the number of the job it does, None while it waits."""

    def __init__(self, pid: int, jobs: int, answers: int) -> None:
        self.pid, self.jobs, self.answers = pid, jobs, answers
        self.busy: int | None = None

    def give(self, number: int) -> None:
        """Let it do the job of this number."""
        self.busy = number
        os.write(self.jobs, number.to_bytes(_LENGTH, "big"))

    def end(self, how: int) -> None:
        """End it, if need be in the middle of a layer, which only reads."""
        os.close(self.jobs)
        os.close(self.answers)
        os.kill(self.pid, how)
        os.waitpid(self.pid, 0)


class Pulse(msgspec.Struct, frozen=True):
    """What the parent does meanwhile: `beat`, when no answer came for `every` seconds (None: never)."""

    every: float | None
    beat: Callable[[], None]


def answers(
    work: Callable[[int], T],
    kind: type[T],
    count: int,
    jobs: int,
    patience: Callable[[], float | None],
    pulse: Pulse | None = None,
) -> Iterator[tuple[int, T | None]]:
    """The number and the answer of each job from 0 to `count`, as they come; None for one whose worker died.

    `patience` gives the seconds that are left, None for any; when they are over the rest is left undone.
    """
    workers: list[Worker[T]] = []
    waiting = iter(range(count))
    every = pulse.every if pulse else None
    with selectors.DefaultSelector() as selector:
        try:
            for _ in range(min(jobs, count)):
                _start(workers, work, selector, waiting)
            while any(worker.busy is not None for worker in workers):
                left = patience()
                ready = selector.select(min((each for each in (left, every) if each is not None), default=None))
                if not ready and left is not None and left <= 0:
                    return
                if not ready and pulse:
                    pulse.beat()
                if left is not None and left <= 0:
                    waiting = iter(())
                for key, _ in ready:
                    worker = key.data
                    yield worker.busy, _answer(worker, kind)
                    _next(worker, workers, work, selector, waiting)
        finally:
            for worker in workers:
                worker.end(signal.SIGKILL)


def _start(workers: list[Worker[T]], work: Callable[[int], T], selector: selectors.BaseSelector, waiting: Iterator[int]) -> None:
    number = next(waiting, None)
    if number is None:
        return
    worker = _forked(work, workers)
    workers.append(worker)
    selector.register(worker.answers, selectors.EVENT_READ, worker)
    worker.give(number)


def _next(
    worker: Worker[T],
    workers: list[Worker[T]],
    work: Callable[[int], T],
    selector: selectors.BaseSelector,
    waiting: Iterator[int],
) -> None:
    """The next job for a worker that answered; another worker for one that died."""
    if worker.busy is None:
        number = next(waiting, None)
        if number is not None:
            worker.give(number)
        return
    selector.unregister(worker.answers)
    workers.remove(worker)
    worker.end(signal.SIGKILL)
    _start(workers, work, selector, waiting)


def _answer(worker: Worker[T], kind: type[T]) -> T | None:
    """What the worker says; it stays busy if it died over it."""
    data = _exactly(worker.answers, _LENGTH)
    data = _exactly(worker.answers, int.from_bytes(data, "big")) if data else b""
    if not data:
        return None
    worker.busy = None
    return msgspec.msgpack.decode(data, type=kind)


def _exactly(fd: int, length: int) -> bytes:
    """So many bytes, none if they end before."""
    parts: list[bytes] = []
    while length:
        part = os.read(fd, length)
        if not part:
            return b""
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _forked(work: Callable[[int], T], others: Sequence[Worker[T]]) -> Worker[T]:
    take, jobs = os.pipe()
    answers, say = os.pipe()
    pid = offspring.fork()
    if pid:
        os.close(take)
        os.close(say)
        return Worker(pid, jobs, answers)
    try:
        for fd in (jobs, answers, *(each for other in others for each in (other.jobs, other.answers))):
            os.close(fd)  # else nobody would see the end of the parent
        while number := _exactly(take, _LENGTH):
            data = msgspec.msgpack.encode(work(int.from_bytes(number, "big")))
            with open(say, "wb", closefd=False) as pipe:
                pipe.write(len(data).to_bytes(_LENGTH, "big") + data)
    finally:
        os._exit(0)
