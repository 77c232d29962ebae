"""Measures deep verification against `sha256sum` and `tar | sha256sum` over the same files, both with two processes.

Every number is the median of interleaved runs after one that warms the cache. It makes its own data root and removes it.
"""

import argparse
import functools
import multiprocessing
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deep_root import Shape, make

JOBS = 2
MIB = 1 << 20


@dataclass(frozen=True)
class Case:
    """Layers of one shape, what they are measured against, and how much slower verification may be (bytes/s)."""

    name: str
    shape: Shape
    base: str
    least: float


DEPTHS = (1, 40)
MANY, ROOM = 200_000, 80
"""So many files in a layer, and the MB that a process may take for them."""


CASES = (
    Case("20 layers of 64 MiB", Shape(20, 1, 64 * MIB), "sha256sum", 0.85),
    Case("300 layers of 64 files of 32 KiB", Shape(300, 64, 32 << 10), "sha256sum", 0.6),
    Case("20 layers of 8,000 files of 1 KiB", Shape(20, 8000, 1 << 10), "tar", 1.0),
)


def written(path: Path, shape: Shape) -> None:
    """Make the root in a process of its own: what this one holds would count as memory of those that it starts."""
    maker = multiprocessing.get_context("fork").Process(target=make, args=(path, shape))
    maker.start()
    maker.join()


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def shell(before: list[str], line: str) -> None:
    """Run a line of bash, its output thrown away."""
    subprocess.run([*before, "bash", "-o", "pipefail", "-c", line], check=True, stdout=subprocess.DEVNULL)


def against(before: list[str], case: Case, root: Path) -> Callable[[], None]:
    """The base: all files, or each layer as an archive, by `JOBS` processes at a time."""
    diffs = f"{shlex.quote(str(root))}/overlay2/*/diff"
    if case.base == "tar":
        return lambda: shell(before, f"ls -d {diffs} | xargs -P {JOBS} -I D sh -c 'tar -C D -c . | sha256sum'")
    some = max(1, case.shape.layers * case.shape.files // (4 * JOBS))
    return lambda: shell(before, f"find {diffs} -type f -print0 | xargs -0 -P {JOBS} -n {some} sha256sum")


def words(command: list[str], root: Path, state: Path) -> list[str]:
    """The command line of a deep check."""
    return [*command, "check", "--level", "deep", "--root", str(root), "--state-dir", str(state), "--jobs", str(JOBS), "-q"]


def verify(command: list[str], root: Path, state: Path) -> Callable[[], None]:
    """A deep check of every layer."""
    line = words(command, root, state)

    def run() -> None:
        status = subprocess.run(line, check=False, stdout=subprocess.DEVNULL).returncode
        if status:
            raise SystemExit(f"{shlex.join(line)} ended with {status}")

    return run


def cells(*words: str, ratio: float, least: float) -> tuple[str, bool]:
    """A row of the table, and whether the limit is kept."""
    row = (*words, f"{ratio:.2f}", f"{least:.2f}", "pass" if ratio >= least else "FAIL")
    return f"| {' | '.join(row)} |", ratio >= least


def measure(case: Case, before: list[str], command: list[str], runs: int) -> tuple[str, bool]:
    """A row of the table, and whether the limit is kept."""
    place = Path(tempfile.mkdtemp(prefix="dfd"))
    try:
        written(place / "root", case.shape)
        jobs = {
            "base": against(before, case, place / "root"),
            "deep": verify([*before, *command], place / "root", place / "state"),
        }
        for job in jobs.values():
            job()
        taken: dict[str, list[float]] = {name: [] for name in jobs}
        for _ in range(runs):
            for name, job in jobs.items():
                taken[name].append(timed(job))
    finally:
        shutil.rmtree(place)
    base, deep = (statistics.median(taken[name]) for name in ("base", "deep"))
    rate = case.shape.layers * case.shape.files * case.shape.size / 1e6
    against_it = f"{case.base} {base:.2f} s, {rate / base:.0f} MB/s"
    return cells(case.name, f"{deep:.2f} s, {rate / deep:.0f} MB/s", against_it, ratio=base / deep, least=case.least)


def depth(command: list[str], runs: int) -> tuple[str, bool]:
    """The same layers alone, and 40 on each other."""
    place = Path(tempfile.mkdtemp(prefix="dfd"))
    try:
        taken: dict[int, list[float]] = {each: [] for each in DEPTHS}
        for each in DEPTHS:
            written(place / str(each), Shape(40, 200, 8 << 10, each))
        jobs = {each: verify(command, place / str(each), place / f"state{each}") for each in DEPTHS}
        for turn in range(runs + 1):
            for each, job in jobs.items():
                seconds = timed(job)
                taken[each] += [seconds] if turn else []
    finally:
        shutil.rmtree(place)
    alone, stacked = (statistics.median(taken[each]) for each in DEPTHS)
    return cells("40 layers on each other", f"{stacked:.2f} s", f"alone {alone:.2f} s", ratio=alone / stacked, least=0.91)


def memory(command: list[str]) -> tuple[str, bool]:
    """The largest process of a check of layers of very many files, one of them with a file that is not in its archive."""
    place = Path(tempfile.mkdtemp(prefix="dfd"))
    try:
        written(place / "root", Shape(JOBS, MANY, 16))
        next(place.glob("root/overlay2/*/diff/d0000")).joinpath("stranger").write_bytes(b"")
        process = subprocess.Popen(words(command, place / "root", place / "state"), stdout=subprocess.DEVNULL)
        peak = os.wait4(process.pid, 0)[2].ru_maxrss * 1024 / 1e6
    finally:
        shutil.rmtree(place)
    return cells(f"{JOBS} layers of {MANY:,} files", f"{peak:.0f} MB", f"{ROOM} MB", ratio=ROOM / peak, least=1)


def main() -> int:
    """The command line: 0 if every limit is kept."""
    parser = argparse.ArgumentParser(description="Measure deep verification against sha256sum and tar.")
    parser.add_argument("--command", default="docker-fsck")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--before", default="", help='put before all that is measured, like "chrt -r 5" where others are at work')
    parser.add_argument("--only", type=int, nargs="*", help="these rows of the table, from 1")
    args = parser.parse_args()
    print("| layers | deep | against | times as fast | at least | result |\n| --- | --- | --- | --- | --- | --- |")
    before, command = shlex.split(args.before), shlex.split(args.command)
    jobs = [
        *(functools.partial(measure, case, before, command, args.runs) for case in CASES),
        functools.partial(depth, [*before, *command], args.runs),
        functools.partial(memory, command),
    ]
    kept = []
    for job in (jobs[number - 1] for number in args.only or range(1, len(jobs) + 1)):
        row, holds = job()
        print(row, flush=True)
        kept.append(holds)
    return 0 if all(kept) else 1


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.exit(main())
