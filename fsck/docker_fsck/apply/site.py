"""What a change of the root is given and what it hands back: values, and the wait for being alone; it opens no file."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, Protocol

from msgspec import Struct

from docker_fsck.errors import Refused
from docker_fsck.values import At


class Lock(Protocol):
    """The root's lock while it is held; `guarded` says that it also keeps a starting engine out (promise 14)."""

    @property
    def guarded(self) -> bool:
        """True if the flock on volumes/metadata.db is held, False if there is no such file."""


class User(Protocol):
    """A process that uses the root."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def name(self) -> str:
        """Its command name."""

    @property
    def how(self) -> str:
        """What gives it away."""


class View(Protocol):
    """Who uses the root, as the host tells."""

    @property
    def state(self) -> str:
        """One of stopped, live, unknown."""

    @property
    def why(self) -> str:
        """What the state is concluded from."""

    @property
    def held(self) -> frozenset[str]:
        """Paths below the root that a process has mounted or open."""


What = Literal["waiting", "checked", "starts", "done", "skipped", "synced", "undoing", "undone", "ended", "purging", "purged"]


class Event(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Something that happened; the journal decides, this is for people and logs.

    `starts` comes before the last look at a step's preconditions and is followed by its `done` or `skipped`; `undoing` and
    `undone` stand around its way back.
    """

    what: What
    txn: str = ""
    n: int = -1
    op: str = ""
    path: str = ""
    why: str = ""


class Skip(At, frozen=True, kw_only=True):
    """A step that was not done, or a thing that was not purged, and why."""

    n: int
    why: str


class Applied(Struct, frozen=True, kw_only=True):
    """The end of an apply or of `recover --finish`: every step of the plan is in `done` or in `skipped`.

    `bytes_quarantined` are allocated bytes. `quarantine` is the folder of the transaction, relative to the root.
    """

    txn: str
    done: tuple[int, ...]
    skipped: tuple[Skip, ...] = ()
    interrupted: bool = False
    bytes_quarantined: int = 0
    quarantine: str = ""


class Ground(Struct, frozen=True):
    """The root while nobody else is on it: its lock, and the paths that some process still has mounted or open."""

    lock: Lock
    held: frozenset[str]


class Undone(Struct, frozen=True, kw_only=True):
    """The end of an undo: the steps that were taken back, last first, and the paths they gave back."""

    txn: str
    steps: tuple[int, ...]
    paths: tuple[str, ...]


class Purged(Struct, frozen=True, kw_only=True):
    """The end of a purge: the transactions that are gone, the bytes the disk got back, and what could not be removed."""

    txns: tuple[str, ...]
    freed: int
    left: tuple[Skip, ...] = ()


class Site(Struct, frozen=True, kw_only=True):
    """The root and all that a change of it needs from outside.

    `hold(root)` is a context manager that gives a `Lock` or raises `Refused`. `journal_dir` is where a new journal is put
    (None: into the transaction's folder) and where old ones are looked for too. Times are in seconds.
    """

    root: str
    hold: Callable[[str], AbstractContextManager[Lock]]
    engine_processes: Callable[[str], Sequence[User]]
    look: Callable[[str], View]
    watch: Callable[[Event], None] = lambda _: None
    interrupted: Callable[[], bool] = lambda: False
    settle: float = 1.5
    sleep: Callable[[float], None] = time.sleep
    journal_dir: str | None = None


@contextmanager
def alone(site: Site) -> Iterator[Ground]:
    """Hold the root's lock and give the ground once no engine can be inside any more (promise 14).

    Raises `Refused` if the lock is taken, an engine process is there, or the host cannot say that there is none. The lock
    is kept for another `settle` seconds, since an old engine reads layerdb before it waits for it.
    """
    if why := engine(site):  # before the lock: even a short one can keep a starting engine out
        raise Refused(why)
    with site.hold(site.root) as lock:
        site.watch(Event(what="waiting"))
        site.sleep(site.settle)
        if why := engine(site):
            raise Refused(why)
        view = site.look(site.root)
        if view.state != "stopped":
            raise Refused(f"the engine is not known to be stopped: {view.why}")
        try:
            yield Ground(lock, view.held)
        finally:
            site.sleep(site.settle)


def engine(site: Site) -> str:
    """The engine process that uses the root, in words, or nothing.

    The shim of a container that outlived its engine is none: what the container has mounted is held, the rest may change.
    """
    for user in site.engine_processes(site.root):
        if "containerd-shim" in user.name:
            continue
        return f"an engine uses this root: {user.name} (pid {user.pid}, {user.how})"
    return ""


class Held:
    """The paths that must not be moved; each answer costs one look-up per part of the path."""

    def __init__(self, held: frozenset[str]) -> None:
        """Take the held paths, relative to the root."""
        self._held = held
        self._above = {above for path in held for above in ancestors(path)}

    def why_not(self, path: str) -> str:
        """Why `path` must stay: it is or contains a held path; nothing if it may go.

        What lies in a held folder may go: a shell that stands in overlay2/ does not use every layer.
        """
        if path in self._held or path in self._above:
            return "a process has it or something in it mounted or open"
        return ""


def ancestors(path: str) -> Iterator[str]:
    """The folders above `path`, nearest first, without the root."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
