"""The laws that hold for every rule, driver and damage (architecture section 8), each once; they tell breaches in sentences.

Law 1 is `whole_is_clean`, law 2 `cards`, law 8 `survives`. Laws 3 to 7 are steps of one `journey` over a row.
"""

import os
import random
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from docker_fsck import planner
from docker_fsck.apply.executor import execute
from docker_fsck.apply.site import Site
from docker_fsck.apply.undo import undo
from docker_fsck.host import HostView, RootLock
from docker_fsck.reader import QUARANTINE
from docker_fsck.rules import Rule
from docker_fsck.testing.table import CONSEQUENT, DRIVERS, Row, Run, Terms, judged, names, run, terms
from docker_fsck.testing.tree import changes, snapshot
from docker_fsck.testing.whole import Whole, whole
from docker_fsck.values import ActionClass, Level, Plan

TXN = "20240506T070809Z-ab12"
MOMENT = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
DONE = frozenset(ActionClass) - {ActionClass.MANUAL}
PAGE = ("Why it matters", "How it comes about", "Repair")


def whole_is_clean(path: Path, driver: str) -> list[str]:
    """Law 1: a whole store gives no finding and no plan, and all of it was read."""
    return clean(run(whole(path, driver).root.path))


def clean(outcome: Run) -> list[str]:
    """Law 1 for a check that was made."""
    breaches = [f"{each.rule}: {each.message}" for each in outcome.findings]
    breaches += [f"planned: {action.does}" for action in outcome.plan.actions]
    breaches += [f"{each.rule} {each.state}: {each.reason}" for each in outcome.checked.outcomes if each.state == "failed"]
    return breaches + [
        f"{source.source} is {source.state}" for source in outcome.sources if source.state not in {"read", "absent"}
    ]


def cards(rules: Iterable[Rule], rows: Sequence[Row], lone: dict[str, tuple[str, ...]]) -> list[str]:
    """Law 2: each rule has a firing row for each driver, a near-miss, a page, and offers the classes that its card declares.

    `lone` names the drivers of rules that can have nothing to find on others.
    """
    breaches = []
    for rule in rules:
        fired = [row for row in rows if row.kind == "fires" and row.rule == rule.name]
        due = set(lone.get(rule.name, rule.drivers or DRIVERS))
        if missing := due - {driver for row in fired for driver in row.drivers}:
            breaches.append(f"{rule.name} has no firing row on {', '.join(sorted(missing))}")
        if not any(row.kind == "silent" and row.rule == rule.name for row in rows):
            breaches.append(f"{rule.name} has no near-miss")
        if offered := {row.cls for row in fired if row.cls is not None} ^ set(rule.actions):
            breaches.append(f"{rule.name}: rows and card differ in {', '.join(sorted(offered))}")
        breaches += [f"{rule.name} has no section {name!r}" for name in PAGE if not rule.section(name)]
    known = {rule.name for rule in rules}
    return breaches + [f"a row is of {row.rule}, which is no rule" for row in rows if row.rule not in known]


def journey(row: Row, driver: str, path: Path, elsewhere: "Elsewhere") -> list[str]:
    """Laws 3 to 7 on the damage of one row: check and plan, ask elsewhere, apply, check again, undo."""
    store = whole(path, driver)
    row.how(store)
    wanted = terms(row, store)
    before = states(path)
    first = wanted.run()
    after = states(path)
    breaches = [f"law 3: check and plan changed {name}" for name in before.keys() | after if before.get(name) != after.get(name)]
    if msgspec.json.decode(msgspec.json.encode(first.plan), type=Plan) != first.plan:
        breaches.append("law 4: the plan is another one after JSON")
    told = elsewhere.ask(wanted)
    if told != spelled(first):
        breaches.append(f"law 7: under another hash seed and directory order: {told.decode(errors='replace')}")
    if any(action.cls in DONE for action in first.plan.actions):
        breaches += _applied(row, store, first)
    return breaches


def losses(store: Whole, rule: str, source: str = "", level: Level = Level.STANDARD) -> list[str]:
    """Promise 9: a plan of class lossy has nothing for what `rule` found, where that can be mended without a loss."""
    everyone = names(store.root.path / "containers")
    lossy = (ActionClass.LOSSY, ActionClass.LOSSY_USER)
    outcome = run(store.root.path, consents=everyone, classes=lossy, source=source, level=level)
    marks = {finding.fingerprint for finding in outcome.of(rule)}
    found = [f"{rule}: {action.does}" for action in outcome.plan.actions if marks & set(action.findings)]
    return found if marks else [f"{rule} finds nothing"]


def states(path: Path) -> dict[str, tuple[int, ...]]:
    """What the kernel tells of every path below: no write, rename, link, change of mode or reading leaves all of it as it was."""
    found: dict[str, tuple[int, ...]] = {}
    todo = [str(path)]
    while todo:
        name = todo.pop()
        info = os.lstat(name)
        atime = 0 if stat.S_ISLNK(info.st_mode) else info.st_atime_ns
        found[name] = (info.st_mode, info.st_ino, info.st_nlink, info.st_size, atime, info.st_mtime_ns, info.st_ctime_ns)
        if stat.S_ISDIR(info.st_mode):
            fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NOATIME)
            try:
                todo += [f"{name}/{each}" for each in os.listdir(fd)]
            finally:
                os.close(fd)
    return found


def _applied(row: Row, store: Whole, first: Run) -> Iterator[str]:
    """Laws 5 and 6."""
    path, view = store.root.path, row.host(store)
    before = snapshot(path, {QUARANTINE})
    applied = execute(planner.narrowed(first.plan, DONE)[0], site(path, view), txn=TXN, now=MOMENT)
    yield from (f"law 5: {skip.path} was skipped: {skip.why}" for skip in applied.skipped)
    second = judged(row, store)
    known = {each.fingerprint for each in first.findings}
    mended = {mark for action in first.plan.actions if action.cls in DONE for mark in action.findings}
    for each in second.findings:
        if each.rule not in {*row.leaves, *(CONSEQUENT - {row.rule})} and (
            each.fingerprint in mended or each.fingerprint not in known
        ):
            yield f"law 5: {each.rule} {'still' if each.fingerprint in mended else 'newly'} finds: {each.message}"
    left = {each.fingerprint for each in second.findings if each.rule in row.leaves}
    again = (action for action in second.plan.actions if action.cls in DONE and not left & set(action.findings))
    yield from (f"law 5: planned again: {action.does}" for action in again)
    undo(site(path, view), TXN)
    yield from (f"law 6: not given back: {name}: {pair}" for name, pair in changes(before, snapshot(path, {QUARANTINE})).items())


def site(path: Path, view: HostView) -> Site:
    """The root on a host where nothing else runs, without waiting."""

    @contextmanager
    def hold(_: str) -> Iterator[RootLock]:
        yield RootLock(ExitStack(), guarded=True)

    return Site(root=str(path), hold=hold, engine_processes=lambda _: (), look=lambda _: view, settle=0.0, sleep=lambda _: None)


def spelled(outcome: Run) -> bytes:
    """All that a report tells of a run, in the order in which it tells it."""
    checked = outcome.checked
    return msgspec.json.encode(
        (outcome.findings, outcome.plan, checked.outcomes, checked.incomplete, outcome.sources, outcome.counts)
    )


class Elsewhere:
    """Another interpreter with its own hash seed, in which every folder is listed in another order (law 7)."""

    def __init__(self, seed: int) -> None:
        """Start it."""
        code = "from docker_fsck.testing.laws import serve; serve()"
        environment = os.environ | {"PYTHONHASHSEED": str(seed)}
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, with a fixed line of code
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )

    def __enter__(self) -> Self:
        """The interpreter itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End it."""
        self._process.communicate()

    def ask(self, wanted: Terms) -> bytes:
        """What a run there tells of a root."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the other interpreter has no pipes")
        self._process.stdin.write(msgspec.json.encode(wanted) + b"\n")
        self._process.stdin.flush()
        size = int(self._process.stdout.readline() or b"0")
        return self._process.stdout.read(size)


def serve() -> None:
    """Answer the questions of an `Elsewhere` until there are no more."""
    shuffle = random.Random(7).shuffle  # noqa: S311 - an order, not a secret
    real = os.scandir

    @contextmanager
    def scandir(where: Any) -> Iterator[list[os.DirEntry[str]]]:  # noqa: ANN401 - as os.scandir
        with real(where) as listing:
            entries = list(listing)
        shuffle(entries)
        yield entries

    os.scandir = scandir  # type: ignore[assignment]
    for line in sys.stdin.buffer:
        told = spelled(msgspec.json.decode(line, type=Terms).run())
        sys.stdout.buffer.write(b"%d\n%s" % (len(told), told))
        sys.stdout.buffer.flush()


def _halve(path: Path, data: bytes) -> None:
    path.write_bytes(data[: len(data) // 2])


def _flip(path: Path, data: bytes) -> None:
    path.write_bytes(bytes([*data[:-1], data[-1] ^ 1]) if data else b"\1")


STRIKES: dict[str, Callable[[Path, bytes], object]] = {
    "deleted": lambda path, data: None,  # noqa: ARG005 - nothing is put there
    "emptied": lambda path, data: path.write_bytes(b""),  # noqa: ARG005
    "halved": _halve,
    "flipped": _flip,
    "all NUL": lambda path, data: path.write_bytes(bytes(len(data))),
    "a folder": lambda path, data: path.mkdir(),  # noqa: ARG005
    "a link": lambda path, data: path.symlink_to("/etc"),  # noqa: ARG005
    "a loop": lambda path, data: path.symlink_to(path.name),  # noqa: ARG005
    "a pipe": lambda path, data: os.mkfifo(path),  # noqa: ARG005
}
"""What can become of a file or folder (law 8): each puts something at a path where nothing is; the old bytes are given."""


def survives(root: Path, path: Path, strike: str, *, aside: Path) -> list[str]:
    """Law 8: with `path` struck no rule crashes and the run ends. The path is brought back from `aside`, on the same disk."""
    data = path.read_bytes() if stat.S_ISREG(path.lstat().st_mode) else b""
    path.rename(aside)
    try:
        STRIKES[strike](path, data)
        outcome = run(root)
        json = spelled(outcome)
    finally:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        aside.rename(path)
    failed = [f"{each.rule} {each.state}: {each.reason}" for each in outcome.checked.outcomes if each.state == "failed"]
    return failed + ([] if json else ["the run told nothing"])


def metadata(store: Whole, leave_out: Collection[str] = ("diff", "root", "upper")) -> list[Path]:
    """Every path of a store that a check may look at: all but the content of layers, volumes and quarantine."""
    found: list[Path] = []
    todo = [store.root.path]
    while todo:
        for entry in sorted(todo.pop().iterdir()):
            found.append(entry)
            around = entry.parent.name if entry.parent != store.root.path else ""
            inside = around in leave_out or around == "dir" or entry.name == "_data"
            if entry.is_dir() and not entry.is_symlink() and not inside:
                todo.append(entry)
    return found
