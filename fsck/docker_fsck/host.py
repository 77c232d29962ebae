"""Who uses this data root: locks, engines, mounts and open files of every process; it takes no lock but in `hold`.

Below the data root it only opens the databases that an engine locks, without following a link and without reading them.
"""

import fcntl
import functools
import itertools
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Literal, Self, TypeVar

from msgspec import Struct

from docker_fsck import hostengine, hostlocks, hostmounts, hostproc
from docker_fsck.errors import Refused, RootError
from docker_fsck.hostengine import Listing, Root
from docker_fsck.hostlocks import METADATA, OWN_LOCK, Owner
from docker_fsck.hostmounts import NESTED, Mount, Views, join, under
from docker_fsck.hostproc import Process

__all__ = ["METADATA", "OWN_LOCK", "HostView", "Recorded", "RootLock", "State", "User", "engine_processes", "hold", "look"]

T = TypeVar("T")
State = Literal["stopped", "live", "unknown"]

_HOMES = ("overlay2", "overlay", "fuse-overlayfs")
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class User(Struct, frozen=True):
    """A process that uses the data root, and how that is known."""

    pid: int
    name: str
    how: str


class Recorded(Struct, frozen=True):
    """What a tool of the host printed, as the operator recorded it: the text, when the file was written (ns), its path."""

    text: str
    at_ns: int
    path: str


class HostView(Struct, frozen=True, kw_only=True):
    """Who uses a data root now.

    `held`: paths below the root that some process has mounted or open. A path must not be moved if it is one of them or
    lies above one. `overlay2/l/<short>` stands as it is in the mount options: whoever asks knows which layer that is.
    `mount_points`: what is mounted below the root in our namespace (a rename across one fails with EXDEV).
    `recorded`: by storage driver what the operator recorded of the host's own tools (--probe).
    `fsck_pid`: another docker-fsck that changes this root; its own locks and open files do not count.
    """

    state: State
    why: str
    users: tuple[User, ...] = ()
    held: frozenset[str] = frozenset()
    fsck_pid: int | None = None
    mount_points: frozenset[str] = frozenset()
    recorded: dict[str, Recorded] = {}


class RootLock:
    """The locks that `hold` took.

    `guarded` is False where there is no volumes/metadata.db to lock: then nothing keeps an engine from starting, and the
    caller must look for `engine_processes` again and again.
    """

    def __init__(self, locks: ExitStack, *, guarded: bool) -> None:
        """Take over the open files; `release` closes them."""
        self._locks = locks
        self.guarded = guarded

    def release(self) -> None:
        """Give the locks back; a second call does nothing."""
        self._locks.close()

    def __enter__(self) -> Self:
        """Hold on until the end of the block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Give the locks back."""
        self.release()


class _Scene(Struct, frozen=True):
    """One look at one data root. `doubts` grows by every reason why the answer may be wrong."""

    proc: str
    top: Root
    own: tuple[Mount, ...]
    crowd: tuple[Process, ...]
    doubts: list[str]
    listing: Listing


def look(root: str, *, proc: str = "/proc") -> HostView:
    """Who uses `root` (interface promises 11 and 14). Raises RootError if the folder cannot be opened."""
    with ExitStack() as stack:
        scene = _scene(root, proc, stack)
        owned = _owned(scene)
        me = os.getpid()
        fsck = next((owner.pid for owner in owned if owner.rel.endswith(OWN_LOCK) and owner.pid != me), None)
        others = tuple(process for process in scene.crowd if process.pid not in {me, fsck})
        users = _users(scene, [owner for owner in owned if owner.pid not in {me, fsck}], others)
        held = _held(scene, others)
    shims = {process.pid for process in others if hostengine.kind(process) == "shim"}
    active = tuple(user for user in users if user.pid not in shims)
    state: State = "unknown" if scene.doubts else "live" if active else "stopped"
    why = _why(scene.doubts, active, users, held) + (f"; docker-fsck (pid {fsck}) is at work on it" if fsck else "")
    points = frozenset(rel for mount in scene.own if (rel := under(mount.point, scene.top.path)))
    return HostView(state=state, why=why, users=users, held=held, fsck_pid=fsck, mount_points=points)


def engine_processes(root: str, *, proc: str = "/proc") -> tuple[User, ...]:
    """The engines, their containerds and shims that work on `root`, whether they hold a lock yet or not.

    Raises RootError if the folder cannot be opened, Refused if the processes cannot be seen.
    """
    with ExitStack() as stack:
        scene = _scene(root, proc, stack)
        if scene.doubts:
            raise Refused(_why(scene.doubts, (), (), frozenset()))
        return _users(scene, (), [process for process in scene.crowd if process.pid != os.getpid()])


def hold(root: str, *, proc: str = "/proc") -> RootLock:
    """Keep engines and other docker-fscks off `root`: an exclusive flock on our own lock file and on volumes/metadata.db.

    The folder `.docker-fsck` must be there. A root with userns-remap roots in it is locked with all of them. Nothing waits:
    Refused names the process that has the lock. What an engine does in the second before it asks for its lock is the
    caller's business (interface promise 14).
    """
    with ExitStack() as stack:
        scene = _scene(root, proc, stack)
        locks = stack.enter_context(ExitStack())
        if not _take(scene, OWN_LOCK, _FILE | os.O_CREAT, locks):
            raise Refused(f"{OWN_LOCK} cannot be made: there is no folder for it, or no regular file in its place")
        guarded = [_take(scene, join(base, METADATA), _FILE, locks) for base in scene.top.roots]
        return RootLock(locks.pop_all(), guarded=guarded[0])


def _take(scene: _Scene, rel: str, flags: int, locks: ExitStack) -> bool:
    """Lock the regular file `rel`; False where there is none."""
    try:
        here = hostlocks.status(scene.top.fd, rel)
        if here is not None and not stat.S_ISREG(here.st_mode):
            return False
        file = hostlocks.walk(scene.top.fd, rel, flags)
        if file is None:
            return False
        locks.callback(os.close, file)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        now = hostlocks.status(scene.top.fd, rel)
    except BlockingIOError as error:
        raise Refused(_holder(scene, rel)) from error
    except OSError as error:
        raise Refused(f"{rel} cannot be locked: {error.strerror}") from error
    if now is None or not os.path.samestat(now, os.fstat(file)):
        raise Refused(f"{rel} was replaced while it was locked")
    return True


def _holder(scene: _Scene, rel: str) -> str:
    owner = next((owner for owner in _owned(scene) if owner.rel == rel), None)
    if owner is None:
        return f"another process holds the lock on {rel}"
    return f"{hostproc.name_of(scene.proc, owner.pid)} (pid {owner.pid}) holds the lock on {rel}"


def _scene(root: str, proc: str, stack: ExitStack) -> _Scene:
    path = os.path.realpath(root)
    try:
        fd = os.open(path, hostlocks.FOLDER)
        stack.callback(os.close, fd)
        nested = [name for name in hostlocks.names(fd, ".") if NESTED.fullmatch(name)]
    except OSError as error:
        raise RootError(f"{root}: {error.strerror}") from error
    doubts = list(filter(None, [hostproc.namespace_doubt(proc)]))
    own = _known(lambda: hostmounts.mount_table(hostproc.content(f"{proc}/self/mountinfo")), doubts)
    home = hostmounts.mount_of(proc, fd, path, own)
    if home is None:
        doubts.append(f"the mount of {path} is not in {proc}/self/mountinfo")
    where = hostmounts.places(path, home, own) if home else {}
    named: Views = {path: frozenset([""]), os.path.abspath(root): frozenset([""])}
    top = Root(path, fd, ("", *nested), where, hostmounts.merged([hostmounts.views(own, where), named]))
    return _Scene(proc, top, own, _known(lambda: hostproc.processes(proc), doubts), doubts, functools.cache(hostproc.files))


def _known(ask: Callable[[], tuple[T, ...]], doubts: list[str]) -> tuple[T, ...]:
    """An answer of the kernel; nothing and a doubt where it refuses."""
    try:
        return ask()
    except OSError as error:
        doubts.append(f"{error.filename} cannot be read ({error.strerror})")
        return ()


def _owned(scene: _Scene) -> list[Owner]:
    """Who holds which of the locks of the root."""
    top, doubts = scene.top, scene.doubts
    known = _known(lambda: tuple(hostlocks.databases(scene.proc, top.path, top.fd, top.roots, scene.own)), doubts)
    locks = _known(lambda: hostproc.flocks(scene.proc), doubts) if known else ()  # the kernel takes 10 ms to tell
    answers = [*hostlocks.collisions(known), *hostlocks.owners(known, locks, scene.crowd)]
    doubts.extend(answer for answer in answers if isinstance(answer, str))
    return [answer for answer in answers if isinstance(answer, Owner)]


def _users(scene: _Scene, owned: Iterable[Owner], others: Iterable[Process]) -> tuple[User, ...]:
    """One entry for each process that holds a lock (the first of its locks is named) or is a part of an engine here."""
    how: dict[int, list[str]] = {}
    for owner in owned:
        if owner.pid not in how:
            how[owner.pid] = [f"holds the lock on {owner.rel}"]
    for process in others:
        if found := hostengine.belongs(process, scene.top, scene.listing):
            how.setdefault(process.pid, []).append(found)
    return tuple(User(pid, hostproc.name_of(scene.proc, pid), " and ".join(words)) for pid, words in how.items())


def _held(scene: _Scene, others: Iterable[Process]) -> frozenset[str]:
    """What any process has mounted, or any of `others` has open, below the root."""
    top = scene.top
    keys, tables = _tables(scene)
    each = {key: hostmounts.views(table, top.where) for key, table in tables.items()}
    names = [join(base, name) for base in top.roots for name in _HOMES]
    homes = _known(lambda: tuple(name for name in names if hostlocks.status(top.fd, name)), scene.doubts)
    everywhere = hostmounts.merged([top.seen, *each.values()])
    found = set(hostmounts.layered(scene.proc, itertools.chain.from_iterable(tables.values()), everywhere, homes))
    for key, table in tables.items():
        found.update(hostmounts.mounted(table, top.where, each[key]))
    reach = {key: hostmounts.merged([top.seen, seen]) for key, seen in each.items()}
    for process in others:
        found.update(_opened(scene, process, reach.get(keys[process.pid], top.seen)))
    return frozenset(found - {""})


def _opened(scene: _Scene, process: Process, seen: Views) -> Iterator[str]:
    """What a process has open or mapped below the root.

    Not to know that of an engine is a doubt; of others only without the capability: some hosts seal off their init.
    """
    files = scene.listing(process)
    if files is None and (hostengine.kind(process) or not hostproc.sees_all_files(scene.proc)):
        scene.doubts.append(f"the open files of {process.comm} (pid {process.pid}) cannot be listed")
    prefixes = tuple(seen)
    for path in (*(files or ()), *hostproc.mapped(process, prefixes)):
        if path.startswith(prefixes):
            yield from hostmounts.inside(path, seen)


def _tables(scene: _Scene) -> tuple[dict[int, str], dict[str, tuple[Mount, ...]]]:
    """The key of each process, and under the key the mounts that all processes with that key see."""
    keys: dict[int, str] = {}
    tables = {"self": scene.own}
    for process in scene.crowd:
        key = keys[process.pid] = hostmounts.table_key(process)
        if key not in tables and (table := _known(functools.partial(hostmounts.table_of, process), scene.doubts)):
            tables[key] = table
    return keys, tables


def _why(doubts: Sequence[str], active: Sequence[User], users: Sequence[User], held: frozenset[str]) -> str:
    """One sentence for the operator."""
    who = "; ".join(f"{user.name} (pid {user.pid}) {user.how}" for user in (active or users)[:3])
    paths = f"{len(held)} paths below it are mounted or open, such as {min(held)}" if held else ""
    if doubts:
        return f"it cannot be told who uses this data root: {doubts[0]}" + (f"; {who}" if who else "")
    if active:
        return who
    if users:
        return f"no engine runs on this data root, but containers outlived it: {who}" + (f"; {paths}" if paths else "")
    return f"no engine runs on this data root, but {paths}" if held else "no process uses this data root"
