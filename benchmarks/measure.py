"""Measures `docker-fsck check` against a dockerd's start, `du` and an empty Python; it changes only the root it is given.

Every number is the median of interleaved runs (engine, du, check, engine, …) after one of each that does not count. The engine
is measured from exec until `/_ping` answers on its socket, and is gone before the next run starts.
"""

import argparse
import contextlib
import os
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MAKE_ROOT = Path(__file__).with_name("make_root.py")
FULL = "--images 1900 --depth 20 --shared 100 --containers 1000 --orphans 100"
BARE = "--images 0 --depth 1 --containers 0 --orphans 0"
START_LIMIT = 1.0
DU_LIMIT = 3.0
MEMORY_LIMIT = 150_000_000
OPTION_LIMIT = 4.0
BARE_CHECK_LIMIT = 12.0
READY_TIMEOUT = 300.0
STOP_TIMEOUT = 60.0
DONE = frozenset({0, 4})  # checked: nothing found, or findings


class MeasureError(Exception):
    """A run that cannot be measured; the text says why."""


@dataclass(frozen=True)
class Sample:
    """One run: wall time, the peak resident memory of the largest process in it, user and system time (0 where not asked)."""

    seconds: float
    peak: int = 0
    cpu: float = 0.0


@dataclass(frozen=True)
class Row:
    """One comparison: what was measured, what it may cost at most. All values in seconds, or all in bytes."""

    what: str
    value: float
    spread: str
    against: str
    base: float
    limit: float
    show: Callable[[float], str]

    @property
    def ratio(self) -> float:
        """How many times the base."""
        return self.value / self.base

    @property
    def holds(self) -> bool:
        """True if the limit is kept."""
        return self.ratio <= self.limit

    def cells(self) -> tuple[str, ...]:
        """The row as text, in the order of the table's head."""
        return (
            self.what,
            self.show(self.value),
            self.spread,
            f"{self.against}: {self.show(self.base)}",
            f"{self.ratio:.2f}",
            f"{self.limit:.2f}",
            "pass" if self.holds else "FAIL",
        )


def seconds(value: float) -> str:
    """Seconds, or milliseconds where that reads better."""
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.0f} ms"


def megabytes(value: float) -> str:
    """Bytes as 10^6."""
    return f"{value / 1e6:.0f} MB"


def run(command: Sequence[str], accepted: frozenset[int]) -> Sample:
    """Runs a command to its end, its output thrown away."""
    with tempfile.TemporaryFile() as errors:
        begun = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, env=environment())
        _, status, usage = os.wait4(process.pid, 0)
        taken = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in accepted:
            errors.seek(0)
            told = errors.read().decode(errors="replace")[-500:]
            raise MeasureError(f"{shlex.join(command)} ended with {process.returncode}: {told}")
    return Sample(taken, usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime)


def environment() -> dict[str, str]:
    """The environment of the runs: compiled modules are kept, as those of an installed program are."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def make(root: Path, shape: str) -> None:
    """Writes a root, in a process of its own: a child starts with the peak memory of its parent, so that this one stays small."""
    run([sys.executable, str(MAKE_ROOT), str(root), *shape.split()], frozenset({0}))


def answers(path: Path) -> bool:
    """True if an engine serves `/_ping` at this socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(READY_TIMEOUT)
        try:
            probe.connect(str(path))
            probe.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in probe.recv(64)
        except OSError:
            return False


def await_ready(process: subprocess.Popen[bytes], path: Path, log: Path) -> None:
    """Returns when the engine answers; an engine that ends or hangs is an error with the end of its log."""
    deadline = time.monotonic() + READY_TIMEOUT
    while not answers(path):
        if process.poll() is not None or time.monotonic() > deadline:
            raise MeasureError(f"dockerd did not start: {log.read_text(errors='replace')[-1000:]}")
        time.sleep(0.002)


def start_engine(dockerd: str, root: Path, scratch: Path) -> Sample:
    """One start of an engine on `root`, from exec to ready; the engine is stopped afterwards."""
    path, log = scratch / "s", scratch / "log"
    command = [
        dockerd,
        "--data-root",
        str(root),
        "--exec-root",
        str(scratch / "x"),
        "-H",
        f"unix://{path}",
        "-p",
        str(scratch / "p"),
        "--iptables=false",
        "--ip6tables=false",
        "--bridge=none",
        "--storage-driver=overlay2",
    ]
    with log.open("wb") as output:
        begun = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        await_ready(process, path, log)
        taken = time.perf_counter() - begun
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        process.wait(STOP_TIMEOUT)
    return Sample(taken)


def interleaved(jobs: Mapping[str, Callable[[], Sample]], runs: int) -> dict[str, list[Sample]]:
    """`runs` samples of each job, taken in turns, after one turn that warms the caches."""
    samples: dict[str, list[Sample]] = {name: [] for name in jobs}
    for turn in range(runs + 1):
        for name, job in jobs.items():
            sample = job()
            if turn:
                samples[name].append(sample)
    return samples


def median(samples: Sequence[Sample]) -> float:
    """The median time."""
    return statistics.median(sample.seconds for sample in samples)


def spread(samples: Sequence[Sample]) -> str:
    """The shortest and the longest time."""
    times = [sample.seconds for sample in samples]
    return f"{seconds(min(times))} to {seconds(max(times))}"


def store_rows(root: Path, command: Sequence[str], dockerd: str, scratch: Path, runs: int) -> Iterator[Row]:
    """Time and memory of a check of a large root."""
    check = [*command, "check", "--root", str(root), "--format", "json"]
    got = interleaved(
        {
            "dockerd": lambda: start_engine(dockerd, root, scratch),
            "du": lambda: run(["du", "-s", str(root)], frozenset({0})),
            "check": lambda: run(check, DONE),
        },
        runs,
    )
    taken, around = median(got["check"]), spread(got["check"])
    yield Row("check", taken, around, "dockerd, exec to ready", median(got["dockerd"]), START_LIMIT, seconds)
    yield Row("check", taken, around, "du -s", median(got["du"]), DU_LIMIT, seconds)
    peaks = [sample.peak for sample in got["check"]]
    around = f"{megabytes(min(peaks))} to {megabytes(max(peaks))}"
    yield Row("check, peak memory", statistics.median(peaks), around, "allowed", MEMORY_LIMIT, 1.0, megabytes)


def startup_rows(bare: Path, command: Sequence[str], runs: int) -> Iterator[Row]:
    """What a call costs when there is nothing to do."""
    calls = {
        "--version": ["--version"],
        "--help": ["--help"],
        "check, no images": ["check", "--root", str(bare), "--format", "json"],
    }
    jobs: dict[str, Callable[[], Sample]] = {"pass": lambda: run([sys.executable, "-I", "-c", "pass"], frozenset({0}))}
    for name, words in calls.items():
        jobs[name] = lambda words=words: run([*command, *words], frozenset({0}))  # type: ignore[misc]
    got = interleaved(jobs, runs)
    for name in calls:
        limit = OPTION_LIMIT if name.startswith("--") else BARE_CHECK_LIMIT
        yield Row(name, median(got[name]), spread(got[name]), "python -I -c pass", median(got["pass"]), limit, seconds)


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    head = ("measured", "median", "range", "against", "ratio", "limit", "result")
    lines = [head, tuple("---" for _ in head), *(row.cells() for row in rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A private folder for roots, sockets and logs, gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="dfb"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def measure(args: argparse.Namespace) -> list[Row]:
    """All rows, the ones that the call wants."""
    command, rows = shlex.split(args.command), list[Row]()
    with workplace() as scratch:
        if args.part != "startup":
            root = args.root or scratch / "full"
            if args.root is None:
                make(root, FULL)
            rows += store_rows(root, command, args.dockerd, scratch, args.runs)
        if args.part != "store":
            make(scratch / "bare", BARE)
            start_engine(args.dockerd, scratch / "bare", scratch)
            rows += startup_rows(scratch / "bare", command, args.runs)
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """The command line: 0 if every limit holds, 1 if one does not, 2 if it could not be measured."""
    parser = argparse.ArgumentParser(description="Measure docker-fsck against the limits of its speed.")
    parser.add_argument("root", type=Path, nargs="?", help="a root by make_root.py (default: makes one of 20,000 layers)")
    parser.add_argument("--command", default="docker-fsck", help="how docker-fsck is called (default: %(default)s)")
    parser.add_argument("--dockerd", default="dockerd")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--part", choices=("all", "store", "startup"), default="all")
    args = parser.parse_args(argv)
    if os.geteuid() != 0:
        parser.error("dockerd needs root")
    if args.root is not None and not (args.root / "image" / "overlay2").is_dir():
        parser.error(f"{args.root} is no overlay2 data root")
    if args.runs < 1:
        parser.error("--runs must be at least 1")
    try:
        rows = measure(args)
    except (MeasureError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(table(rows))
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
