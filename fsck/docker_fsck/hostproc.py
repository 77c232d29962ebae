"""What /proc tells about processes and locks; it opens nothing below the data root and changes nothing."""

import os
import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

INITIAL_PID_NAMESPACE = "pid:[4026531836]"
INITIAL_USER_NAMESPACE = "user:[4026531837]"
"""The first namespaces have fixed numbers (PROC_PID_INIT_INO and PROC_USER_INIT_INO of the kernel)."""

_OCTAL = re.compile(r"\\([0-7]{3})")
_FLOCK = re.compile(r"^\d+: FLOCK +\S+ +\S+ +(-?\d+) +([0-9a-f]+):([0-9a-f]+):(\d+) ", re.MULTILINE)
_DELETED = " (deleted)"
_CHUNK = 1 << 16
_CAP_SYS_PTRACE = 19


class Lock(Struct, frozen=True):
    """A flock that is held: `dev` is "major:minor" in decimal, `pid` the process that took it."""

    pid: int
    dev: str
    ino: int


class Process(Struct, frozen=True):
    """A process of user space. `base` is its folder in /proc (that of a thread where the first thread has ended)."""

    pid: int
    base: str
    comm: str
    argv: tuple[str, ...]


def content(path: str) -> str:
    """A whole file of /proc or /sys as text (surrogateescape). Raises OSError."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # plain calls: three files for each process of the host
    try:
        return os.fsdecode(b"".join(iter(lambda: os.read(file, _CHUNK), b"")))
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(file)


def plain(escaped: str) -> str:
    r"""`escaped` without the kernel's `\040` spelling of blanks, newlines and backslashes."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), escaped) if "\\" in escaped else escaped


def name_of(proc: str, pid: int) -> str:
    """The command name of a process, or words that fit in its place when it has ended."""
    try:
        return content(f"{proc}/{pid}/comm").rstrip("\n")
    except OSError:
        return "a process that has ended"


def namespace_doubt(proc: str) -> str | None:
    """Why this /proc may not show every process of the host, or None (interface promise 14)."""
    try:
        if os.readlink(f"{proc}/self") != str(os.getpid()):
            return f"{proc} belongs to another PID namespace than this process"
        if os.readlink(f"{proc}/self/ns/pid") != INITIAL_PID_NAMESPACE:
            return "this process runs in a PID namespace of its own and does not see the processes of the host"
    except OSError as error:
        return f"{proc}/self cannot be read ({error.strerror})"
    if not os.path.lexists(f"{proc}/1"):
        return f"{proc} hides processes (hidepid)"
    return None


def sees_all_files(proc: str) -> bool:
    """Whether this process may ask for the open files of every process: CAP_SYS_PTRACE in the first user namespace."""
    try:
        match = re.search(r"^CapEff:\s*([0-9a-f]+)$", content(f"{proc}/self/status"), re.MULTILINE)
        initial = os.readlink(f"{proc}/self/ns/user") == INITIAL_USER_NAMESPACE
    except OSError:
        return False
    return initial and match is not None and int(match[1], 16) >> _CAP_SYS_PTRACE & 1 == 1


def flocks(proc: str) -> tuple[Lock, ...]:
    """The owners of all flocks (proc_locks(5)); who still waits is marked `->` and left out. Raises OSError."""
    lines = _FLOCK.findall(content(f"{proc}/locks"))
    return tuple(Lock(int(pid), f"{int(major, 16)}:{int(minor, 16)}", int(ino)) for pid, major, minor, ino in lines)


def processes(proc: str) -> tuple[Process, ...]:
    """All processes of user space, by pid. Raises OSError if the folder cannot be listed."""
    pids = sorted(int(name) for name in os.listdir(proc) if name.isdigit())
    return tuple(process for pid in pids if (process := _process(pid, f"{proc}/{pid}")))


def _process(pid: int, base: str) -> Process | None:
    try:
        argv = content(f"{base}/cmdline")
        if not argv and not _has_program(base):
            # A kernel thread; or the first thread has ended and the others still hold files and mounts.
            live = sorted(tid for tid in os.listdir(f"{base}/task") if tid != str(pid))
            if not live:
                return None
            base = f"{base}/task/{live[0]}"
            argv = content(f"{base}/cmdline")
        return Process(pid, base, content(f"{base}/comm").rstrip("\n"), tuple(argv.removesuffix("\0").split("\0")))
    except OSError:
        return None


def _has_program(base: str) -> bool:
    try:
        os.readlink(f"{base}/exe")
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def files(process: Process) -> list[str] | None:
    """Working folder, root folder, program and open files of a process; None when they may not be listed."""
    try:
        found = list(_targets(process.base, ("cwd", "root", "exe")))
        return found + list(_targets(f"{process.base}/fd", ()))
    except OSError:
        return None


def _targets(folder: str, names: Iterable[str]) -> Iterator[str]:
    """Where the links `names` of a folder lead, or all of them; nothing when the process has ended. Raises OSError."""
    try:
        at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        return
    try:
        for name in names or os.listdir(at):
            try:
                yield os.readlink(name, dir_fd=at).removesuffix(_DELETED)
            except (FileNotFoundError, ProcessLookupError):
                continue
    except (FileNotFoundError, ProcessLookupError):
        return
    finally:
        os.close(at)


def mapped(process: Process, prefixes: Iterable[str]) -> Iterator[str]:
    """The files that a process has mapped into its memory, if one of `prefixes` is among their paths at all."""
    try:
        text = content(f"{process.base}/maps")
    except OSError:
        return
    if any(prefix in text for prefix in prefixes):
        for line in text.split("\n"):
            if "/" in line:
                yield plain(line[line.index("/") :]).removesuffix(_DELETED)


def openers(crowd: Iterable[Process], dev: int, ino: int) -> Iterator[Process]:
    """The processes that have the file with this st_dev and st_ino open."""
    for process in crowd:
        if (dev, ino) in _open_inodes(process):
            yield process


def _open_inodes(process: Process) -> Iterator[tuple[int, int]]:
    try:
        names = os.listdir(f"{process.base}/fd")
    except OSError:
        return
    for name in names:
        try:
            seen = os.stat(f"{process.base}/fd/{name}")
        except OSError:
            continue
        yield seen.st_dev, seen.st_ino
