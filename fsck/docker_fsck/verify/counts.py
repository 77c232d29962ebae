"""How many bytes of each layer are hashed: memory that parent and workers share, one number a layer, each with one writer."""

import mmap
from collections.abc import Callable, Sequence

_NUMBER = 8


class Counts:
    """`sizes`: the bytes of each job. An archive has headers besides, so that more is hashed: it counts as far as the size."""

    def __init__(self, sizes: Sequence[int]) -> None:
        """Nothing is done."""
        self._sizes = sizes
        self._done = memoryview(mmap.mmap(-1, _NUMBER * (len(sizes) or 1))).cast("Q")
        self.whole = sum(sizes)

    def counted(self, number: int, pace: Callable[[int], None]) -> Callable[[int], None]:
        """`pace` for this job, in a worker; what it is told of is counted."""
        done, hashed = self._done, 0

        def count(length: int) -> None:
            nonlocal hashed
            hashed += length
            done[number] = hashed
            pace(length)

        return count

    def finish(self, number: int) -> None:
        """The job is done, however many bytes it had."""
        self._done[number] = self._sizes[number]

    @property
    def done(self) -> int:
        """Bytes done up to now, of all jobs."""
        return sum(map(min, self._done, self._sizes))
