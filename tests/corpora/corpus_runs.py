"""Runs check, plan, apply and undo on an unpacked corpus, by the library and by the real command line."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from docker_fsck import engine, planner, plugins, rules
from docker_fsck.apply.executor import execute
from docker_fsck.apply.site import Applied, Site, Undone
from docker_fsck.apply.undo import undo
from docker_fsck.engine import Checked
from docker_fsck.host import HostView
from docker_fsck.policy import Policy
from docker_fsck.reader import Reader
from docker_fsck.store import open_store
from docker_fsck.values import Finding, Level, Plan, PutAway, Source, Step

STOPPED = HostView(state="stopped", why="no process uses this data root")
REGISTRY = plugins.load()
TXN = "20300101T000000Z-c0de"


class Seen(msgspec.Struct, frozen=True):
    """One check with its plan."""

    layouts: tuple[str, ...]
    counts: dict[str, int]
    sources: tuple[Source, ...]
    checked: Checked
    plan: Plan
    findings: tuple[Finding, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step of the plan."""
        return tuple(step for action in self.plan.actions for step in action.steps)

    @property
    def put_away(self) -> frozenset[str]:
        """Every path that the plan moves away."""
        return frozenset(step.path for step in self.steps if isinstance(step, PutAway))

    @property
    def named(self) -> frozenset[str]:
        """Every path that a finding names."""
        return frozenset(each.path for found in self.findings for each in found.paths)


def survey(root: Path, grace: float = 0.0, now: float | None = None) -> Seen:
    """Check and plan with every rule; `grace` in seconds, `now` in seconds since the epoch."""
    policy = Policy(now=time.time() if now is None else now, grace=grace)
    with Reader(str(root)) as reader:
        store = open_store(reader, REGISTRY.drivers, REGISTRY.sources, STOPPED, policy)
        checked = engine.check(store, rules.select(REGISTRY.rules, Level.STANDARD), REGISTRY.failures)
        plan, findings = planner.make(checked, store, REGISTRY.veto)
        return Seen(store.layouts, dict(store.counts), store.sources, checked, plan, findings)


def apply(root: Path, plan: Plan) -> Applied:
    """Carry a plan out, on a host where nothing else runs."""
    return execute(plan, _site(root), txn=TXN, now=datetime.now(UTC))


def take_back(root: Path) -> Undone:
    """Undo what `apply` did."""
    return undo(_site(root), "last")


class _Lock(msgspec.Struct):
    guarded: bool = True


def _site(root: Path) -> Site:
    @contextmanager
    def hold(_: str) -> Iterator[_Lock]:
        yield _Lock()

    return Site(
        root=str(root), hold=hold, engine_processes=lambda _: (), look=lambda _: STOPPED, settle=0.0, sleep=lambda _: None
    )


class Run(msgspec.Struct, frozen=True):
    """How a command line ended."""

    exit: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """What it wrote, as JSON."""
        parsed: dict[str, Any] = json.loads(self.out)
        return parsed


def command(root: Path, *words: str) -> list[str]:
    """The command line of docker-fsck for this root."""
    return [sys.executable, "-m", "docker_fsck", *words, "--root", str(root)]


def run(argv: Sequence[str], **environ: str) -> Run:
    """Run a command line to its end, without settings from the environment."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_FSCK_")}
    done = subprocess.run(argv, check=False, capture_output=True, text=True, env={**clean, **environ}, timeout=120)
    return Run(done.returncode, done.stdout, done.stderr)


def without_run(text: str) -> str:
    """A JSON report with the value of `run` taken out of its bytes; the rest stays as it was written."""
    start = text.index('"run":')
    value, length = json.JSONDecoder().raw_decode(text[start + len('"run":') :].lstrip())
    assert set(value) == {"id", "started", "ended", "level", "argv", "fail_on"}
    at = text.index("{", start)
    return text[:at] + text[at + length :]
