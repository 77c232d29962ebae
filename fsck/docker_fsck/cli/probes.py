"""What the operator recorded of the host's own tools (--probe): read and dated here, for the storage driver to understand."""

import os
import stat
from collections.abc import Iterable

import msgspec

from docker_fsck.config import Config
from docker_fsck.errors import UsageError
from docker_fsck.host import HostView, Recorded
from docker_fsck.protocols import Driver, ProbedDriver
from docker_fsck.reports import files

LIMIT = 256 << 20


def told(seen: HostView, config: Config, drivers: Iterable[Driver], root: str) -> HostView:
    """`seen` with what was recorded. `UsageError` for a file that cannot be read or that no driver asks for."""
    wanted = sorted(driver.name for driver in drivers if isinstance(driver, ProbedDriver))
    found = dict(_one(each, wanted, root) for each in config.probe)
    return msgspec.structs.replace(seen, recorded=found) if found else seen


def _one(text: str, wanted: list[str], root: str) -> tuple[str, Recorded]:
    name, equals, path = text.partition("=")
    if not equals or not path or name not in wanted:
        raise UsageError(f"--probe {text}: wants DRIVER=FILE, and DRIVER is one of {', '.join(wanted)}")
    files.outside(path, root, "--probe")
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            info = os.fstat(file.fileno())
            data = file.read(LIMIT + 1) if stat.S_ISREG(info.st_mode) else b""
    except OSError as error:
        raise UsageError(f"--probe {path}: {error.strerror or error}") from None
    if not stat.S_ISREG(info.st_mode) or len(data) > LIMIT:
        raise UsageError(f"--probe {path}: wants a regular file of at most {LIMIT >> 20} MiB")
    return name, Recorded(data.decode("utf-8", "backslashreplace"), info.st_mtime_ns, path)
