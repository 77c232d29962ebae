"""Which system calls of a program could have changed something below a folder, and which files it opened there (needs strace).

Traced are the calls that change something by its path, every open, and those that change something through a descriptor
that was opened for reading. Calls that need a descriptor opened for writing (write, ftruncate, ...) need not be: the open
is the offence.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

OPENS = frozenset({"open", "openat", "openat2", "creat"})
_CHANGES = """
rename renameat renameat2 unlink unlinkat rmdir mkdir mkdirat mknod mknodat link linkat symlink symlinkat truncate
chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes futimesat utimensat
setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat
mount umount2 move_mount open_tree mount_setattr fsopen pivot_root swapon quotactl quotactl_fd flock io_uring_setup
"""
CHANGES = frozenset(_CHANGES.split())
MAYBE = frozenset({"fcntl", "fcntl64", "ioctl"})
_CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)$")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_WRITING = re.compile(r"\bO_(?:WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)\b")
_LOCK = re.compile(r"\bF_(?:SETLKW?(?:64)?|OFD_SETLKW?|SETLEASE|NOTIFY)\b")
_HARMLESS_IOCTL = re.compile(r"\b(?:TCGETS2?|FIOCLEX|FIONCLEX|FIONREAD|FS_IOC_GETFLAGS|TIOCGWINSZ|BTRFS_IOC_GET_SUBVOL_INFO)\b")


class Trace(msgspec.Struct, frozen=True):
    """What a program did below a folder: lines of strace, and how many files and folders it opened."""

    exit: int
    offences: tuple[str, ...]
    opened: int


def lacks() -> str:
    """Why nothing can be traced here; nothing if it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    done = subprocess.run(["strace", "-o", "/dev/null", "true"], check=False, capture_output=True, text=True)
    return f"strace may not trace here: {done.stderr.splitlines()[0]}" if done.returncode else ""


def trace(argv: Sequence[str], folder: Path, log: Path) -> Trace:
    """Run `argv` to its end and tell what it did below `folder`; `log` is where strace writes."""
    calls = ",".join(f"?{name}" for name in sorted(OPENS | CHANGES | MAYBE))
    whole = ["strace", "-f", "-y", "--seccomp-bpf", "-o", str(log), "-e", f"trace={calls}", *argv]
    done = subprocess.run(whole, check=False, capture_output=True, text=True, timeout=120)
    lines = log.read_text(errors="backslashreplace").splitlines()
    opened = sum(1 for name, arguments in _calls(lines) if name in OPENS and touches(arguments, folder))
    return Trace(done.returncode, tuple(offences(lines, folder)), opened)


def offences(lines: Iterable[str], folder: Path) -> Iterator[str]:
    """The calls of a log of `strace -y` that could change something in `folder`, with those that nobody can follow."""
    for name, arguments in _calls(lines):
        if name == "io_uring_setup" or (touches(arguments, folder) and _changes(name, arguments)):
            yield f"{name}({arguments}"


def touches(arguments: str, folder: Path) -> bool:
    """Whether the folder, or something below it, is named by a path or by a descriptor that strace has decoded."""
    return re.search(rf"{re.escape(str(folder))}(?=[/>\"])", arguments) is not None


def _changes(name: str, arguments: str) -> bool:
    bare = _STRING.sub('""', arguments)
    if name in OPENS:
        return name == "creat" or _WRITING.search(bare) is not None
    if name.startswith("fcntl"):
        return _LOCK.search(bare) is not None
    if name == "ioctl":
        return _HARMLESS_IOCTL.search(bare) is None
    return True


def _calls(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The name and the arguments of each call, with what it gave back if it ended at once."""
    for line in lines:
        if match := _CALL.match(line):
            yield match[1], match[2]
