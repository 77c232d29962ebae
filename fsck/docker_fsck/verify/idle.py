"""Makes a process read and compute only when nobody else wants to: the kernel's idle classes, for disk and processor."""

import functools
import os
from contextlib import suppress

_IOPRIO_SET = {
    "x86_64": 251, "i686": 289, "i586": 289, "armv7l": 314, "armv6l": 314, "aarch64": 30, "riscv64": 30, "loongarch64": 30,
    "ppc64le": 273, "ppc64": 273, "s390x": 282,
}  # fmt: skip
"""No libc has a function for it: the number of the call on each machine."""

_WHO_PROCESS = 1
_IDLE_CLASS = 3 << 13
_NICEST = 19


@functools.cache
def yield_to_others() -> None:
    """For this process from now on; once is enough. What the kernel refuses, or has no number on this machine, stays as it is."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICEST)
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    number = _IOPRIO_SET.get(os.uname().machine)
    if number is not None:
        import ctypes  # noqa: PLC0415 - it takes as long to load as all else here

        ctypes.CDLL(None).syscall(number, _WHO_PROCESS, 0, _IDLE_CLASS)
