"""What the tests of host.py share: a data root, and programs that run beside the test and use it."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from docker_fsck import host

READY = "print(); sys.stdout.flush(); time.sleep(600)"
LOCK = f"import fcntl,sys,time; f=open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); {READY}"
HOLD = f"import sys,time; from docker_fsck import host; l=host.hold(sys.argv[1]); {READY}"
LOOK = "import sys; from docker_fsck import host; view=host.look(sys.argv[1]); print(view.state); print(view.why)"
OPEN = f"import sys,time; f=open(sys.argv[1]); {READY}"
MAP = f"import mmap,sys,time; f=open(sys.argv[1]); m=mmap.mmap(f.fileno(),0,access=mmap.ACCESS_READ); f.close(); {READY}"
SLEEP = f"import sys,time; {READY}"
WAIT = "echo && exec sleep 600"

Start = Callable[..., subprocess.Popen[str]]


@contextlib.contextmanager
def starter() -> Iterator[Start]:
    """Starts programs, each until it has said one line; they end with the block."""
    with contextlib.ExitStack() as stack:

        def launch(*command: str, cwd: Path | None = None) -> subprocess.Popen[str]:
            child = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=cwd))
            stack.callback(child.kill)
            assert child.stdout is not None
            assert "\n" == child.stdout.readline()
            return child

        yield launch


def data_root(path: Path) -> Path:
    """A data root with some of the databases that an engine locks."""
    for folder in ("overlay2/l", ".docker-fsck"):
        (path / folder).mkdir(parents=True, exist_ok=True)
    for database in (host.METADATA, "buildkit/snapshots.db", "network/files/local-kv.db"):
        (path / database).parent.mkdir(parents=True, exist_ok=True)
        (path / database).write_bytes(b"")
    return path


def python(code: str, *args: Path) -> tuple[str, ...]:
    """The command that runs `code`."""
    return (sys.executable, "-c", code, *map(str, args))
