"""A littered root, on the disk or on btrfs, and its real engine, which can be started at an exact moment of a change."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from msgspec import structs

from docker_fsck import host
from docker_fsck.apply.executor import execute
from docker_fsck.apply.site import Applied, Event, Lock, Site
from docker_fsck.testing import subvolumes, tree
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.table import run
from docker_fsck.values import Plan, Step
from dockerd import Engine, EngineError

FSCK = (sys.executable, "-m", "docker_fsck")
CLASSES = "lossless,reclaim,lossy"
NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
TXN = "20240506T070809Z-ab12"
OWN = ".docker-fsck"
LOCK_WAIT = 20.0
TIMEOUT = "error while opening volume store metadata database: timeout"
Shot = dict[str, tree.Entry]


@contextlib.contextmanager
def btrfs(base: Path) -> Iterator[Path]:
    """A subvolume of a fresh btrfs, where st_dev is not the device number that /proc/locks has."""
    with subvolumes.btrfs(base) as point:
        yield subvolumes.create(point / "sub")


@dataclass(frozen=True)
class Littered:
    """A root that an engine has used: at `root`, and whole in `kept`.

    The image `app:1` (`app`) with the container `box` has an empty `link` file; `lost:1` (`lost`) has lost a folder; `orphans`
    are folders that nobody knows; two layers and a mount record are not needed by anything.
    """

    root: Path
    kept: Path
    app: str
    lost: str
    orphans: tuple[str, str]


def litter(place: Path) -> Littered:
    """Make it in the folder `place`, which is on one file system."""
    path, shell = place / "root", Path(shutil.which("busybox") or "").read_bytes()
    made = DataRoot(path, home=str(path))
    app = made.image("app:1", [{"bin/sh": shell, "bin/sleep": shell}, {"etc/issue": b"hello\n"}])
    made.container(app, "box")
    lost = made.image("lost:1", 2)
    with Engine(place, "overlay2", path) as engine:  # from here on another start changes nothing but times
        engine.start()
        engine.stop()
    made.empty(made.driver_dir(made.dir_of(made.chains_of(app)[-1])) / "link")
    made.delete(made.driver_dir(made.dir_of(made.chains_of(lost)[0])))
    orphans = made.orphan_dir(), made.orphan_dir()
    made.unreferenced_layers(2)
    made.orphan_mount(app)
    path.rename(place / "kept")
    return Littered(path, place / "kept", app, lost, orphans)


def clone(source: Path, to: Path) -> Path:
    """A copy of a whole root."""
    subprocess.run(["cp", "-a", "--reflink=auto", source, to], check=True)
    return to


def parts(root: Path) -> Shot:
    """Images, layers and their folders, without times: a start of the engine sets some."""
    shots = ((name, tree.snapshot(root / name)) for name in ("image", "overlay2"))
    return {f"{name}/{path}": structs.replace(entry, mtime_ns=0) for name, shot in shots for path, entry in shot.items()}


def steps_of(plan: Plan) -> list[Step]:
    """All steps in the order in which they are done."""
    return sorted((step for action in plan.actions for step in action.steps), key=lambda step: step.n)


def plan_of(root: Path) -> Plan:
    """All classes, with no grace."""
    return run(root, now=time.time()).plan


@dataclass(frozen=True)
class Outcome:
    """How the root may look after a change: as before it, or as after the whole of it; and what an engine then lists."""

    before: Shot
    after: Shot


def outcome(littered: Littered) -> Outcome:
    """Both, from a copy that nobody disturbed."""
    copy = clone(littered.kept, littered.kept.with_name("calm"))
    before = parts(copy)
    calm = Site(
        root=str(copy), hold=host.hold, engine_processes=lambda _: (), look=host.look, settle=0.0, sleep=lambda _: None
    )  # fmt: skip
    done = execute(plan_of(copy), calm, txn=TXN, now=NOW)
    assert () == done.skipped
    after = parts(copy)
    shutil.rmtree(copy)
    return Outcome(before, after)


class Stage:
    """A littered root of a test's own, its engine, and its plan."""

    def __init__(self, littered: Littered, outcome: Outcome, engine: Engine) -> None:
        self.littered, self.outcome, self.engine = littered, outcome, engine
        self.root = littered.root
        self.plan = plan_of(self.root)

    def site(self, **other: object) -> Site:
        """The root on the real host, with the real wait."""
        words = {"hold": host.hold, "engine_processes": host.engine_processes, "look": host.look, **other}
        return Site(root=str(self.root), **words)  # type: ignore[arg-type]

    def apply(self, **other: object) -> Applied:
        """Carry the plan out."""
        return execute(self.plan, self.site(**other), txn=TXN, now=NOW)

    def launch(self) -> None:
        """Start the engine and do not wait."""
        self.engine.launch()

    def launch_frozen(self) -> None:
        """Start the engine and stop it before it has opened anything.

        Until the kernel is through with exec there is no command line to be seen; the stop is what comes behind that.
        """
        self.engine.launch()
        os.kill(self.engine.pid, signal.SIGSTOP)
        deadline = time.monotonic() + LOCK_WAIT
        while Path(f"/proc/{self.engine.pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "T":
            if time.monotonic() > deadline:
                raise EngineError("it does not stop")
            time.sleep(0.001)

    def thaw(self) -> None:
        """Let the stopped engine go on."""
        os.kill(self.engine.pid, signal.SIGCONT)

    def launch_to_the_lock(self) -> None:
        """Start the engine until it has read layerdb and waits for the lock that somebody has."""
        self.engine.launch()
        deadline = time.monotonic() + LOCK_WAIT
        while not self._has_open("volumes/metadata.db"):
            if time.monotonic() > deadline:
                raise EngineError(f"it does not come to the lock:\n{self.engine.log_text()[-4000:]}")
            time.sleep(0.005)

    def _has_open(self, name: str) -> bool:
        folder = f"/proc/{self.engine.pid}/fd"
        with contextlib.suppress(OSError):
            for number in os.listdir(folder):
                with contextlib.suppress(OSError):
                    if os.readlink(f"{folder}/{number}") == str(self.root / name):
                        return True
        return False

    def comes_up(self) -> bool:
        """Whether the launched engine answers in the end; else it has ended because the lock was taken, and is tidied up."""
        if self.engine.ready():
            return True
        assert TIMEOUT in self.engine.log_text(), self.engine.log_text()[-3000:]
        self.engine.kill()
        return False

    def is_untouched(self, *, own: bool = True) -> None:
        """Nothing was changed, and the engine, which is started if it does not run, lists every image."""
        assert self.outcome.before == parts(self.root)
        assert own or not (self.root / OWN).exists()
        self._lists([("app:1", self.littered.app), ("lost:1", self.littered.lost)])
        assert self.outcome.before == parts(self.root)

    def is_applied(self) -> None:
        """All was done, and the engine, which is started if it does not run, lists what is left."""
        assert self.outcome.after == parts(self.root)
        self._lists([("app:1", self.littered.app)])
        assert self.outcome.after == parts(self.root)

    def _lists(self, images: list[tuple[str, str]]) -> None:
        if not host.engine_processes(str(self.root)):
            self.engine.start()
        assert self.engine.ready(), self.engine.log_text()[-3000:]
        assert images == self.engine.images()
        assert {"box": "exited"} == self.engine.ps()


def at_step(what: str, number: int, then: Callable[[], object]) -> Callable[[Event], None]:
    """A watch that does something once, at an event of one step."""

    def watch(event: Event) -> None:
        if (event.what, event.n) == (what, number):
            then()

    return watch


def waits(*jobs: Callable[[float], object]) -> Callable[[float], None]:
    """A sleep that does the first job at the first call, the second at the second, and from then on only sleeps."""
    left = list(jobs)

    def sleep(seconds: float) -> None:
        if left:
            left.pop(0)(seconds)
        else:
            time.sleep(seconds)

    return sleep


def after(delay: float, then: Callable[[], object]) -> Callable[[float], None]:
    """Inside a wait: do something so much later, and wait on until its end."""

    def job(seconds: float) -> None:
        end = time.monotonic() + seconds
        time.sleep(delay)
        then()
        time.sleep(max(0.0, end - time.monotonic()))

    return job


def at_once(_: float) -> None:
    """A wait that is none, where nothing depends on it."""


def behind(then: Callable[[], object]) -> Callable[[str], contextlib.AbstractContextManager[Lock]]:
    """A `hold` before which something happens."""

    def hold(root: str) -> contextlib.AbstractContextManager[Lock]:
        then()
        return host.hold(root)

    return hold
