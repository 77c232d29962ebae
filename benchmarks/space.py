"""Measures `docker-fsck du` against GNU `du -s` on the same warm tree of a million files; it changes only the root it makes.

Every number is the median of interleaved runs after one of each that does not count. Beside the wall time stands the time of
the processors, which other work on the machine blurs less.
"""

import argparse
import os
import shlex
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from measure import MeasureError, Row, Sample, interleaved, make, median, megabytes, run, seconds, spread, table, workplace

MILLION = "--images 100 --depth 10 --containers 20 --orphans 5 --files 1000"
WALL_LIMIT = 1.6
ALONE_LIMIT = 2.5
CPU_LIMIT = 2.0
MEMORY_LIMIT = 100_000_000


def cpu(samples: Sequence[Sample]) -> float:
    """The median of user and system time."""
    return statistics.median(sample.cpu for sample in samples)


def cpu_spread(samples: Sequence[Sample]) -> str:
    """The least and the most of it."""
    return f"{seconds(min(each.cpu for each in samples))} to {seconds(max(each.cpu for each in samples))}"


def measure(root: Path, command: Sequence[str], runs: int) -> list[Row]:
    """All rows."""
    ours = [*command, "du", "--root", str(root), "--format", "json"]
    many = str(len(os.sched_getaffinity(0)))
    got = interleaved(
        {
            "du": lambda: run(["du", "-s", str(root)], frozenset({0})),
            "many": lambda: run([*ours, "--jobs", many], frozenset({0})),
            "one": lambda: run([*ours, "--jobs", "1"], frozenset({0})),
        },
        runs,
    )
    base = median(got["du"])
    rows = [
        Row(f"du --jobs {many}", median(got["many"]), spread(got["many"]), "du -s", base, WALL_LIMIT, seconds),
        Row("du --jobs 1", median(got["one"]), spread(got["one"]), "du -s", base, ALONE_LIMIT, seconds),
    ]
    for jobs, name in ((many, "many"), ("1", "one")):
        what = f"du --jobs {jobs}, user + system"
        rows.append(Row(what, cpu(got[name]), cpu_spread(got[name]), "du -s", cpu(got["du"]), CPU_LIMIT, seconds))
    peaks = [sample.peak for sample in got["many"]]
    around = f"{megabytes(min(peaks))} to {megabytes(max(peaks))}"
    rows.append(Row("du, peak memory", statistics.median(peaks), around, "allowed", MEMORY_LIMIT, 1.0, megabytes))
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """The command line: 0 if every limit holds, 1 if one does not, 2 if it could not be measured."""
    parser = argparse.ArgumentParser(description="Measure docker-fsck du against du -s.")
    parser.add_argument("root", type=Path, nargs="?", help="a data root (default: makes one of a million files, 4.2 GB)")
    parser.add_argument("--command", default="docker-fsck", help="how docker-fsck is called (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=7)
    args = parser.parse_args(argv)
    if args.runs < 1:
        parser.error("--runs must be at least 1")
    try:
        with workplace() as scratch:
            if args.root is None:
                make(scratch / "root", MILLION)
            rows = measure(args.root or scratch / "root", shlex.split(args.command), args.runs)
    except (MeasureError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(table(rows))
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
