"""The reader's system calls in small: bytes of an open file, threads, mounts; only reader.py and treewalk.py use it."""

import fcntl
import os
import resource
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

THREADS = 4  # measured on a cold disk with two cores: 8 took longer than 4, one three times as long
ONE_READ = 2048
_SUBVOLUME_INFO, _INFO_SIZE = 0x81F8943C, 504
"""BTRFS_IOC_GET_SUBVOL_INFO, which only reads (linux/btrfs.h, struct btrfs_ioctl_get_subvol_info_args)."""
_OTIME, _OTIME_AT = struct.Struct("QI"), 392


def short(dir_fd: int, name: str, flags: int) -> bytes | None:
    """The bytes of a small file that its folder just listed as regular; None where it must be looked at with care."""
    try:
        fd = os.open(name, flags, dir_fd=dir_fd)
    except OSError:
        return None
    try:
        data = os.read(fd, ONE_READ)
        return None if os.read(fd, 1) else data  # cheaper than fstat
    except OSError:
        return None
    finally:
        os.close(fd)


def sparing(name: str, flags: int, noatime: int, dir_fd: int | None) -> int:
    """Open without a trace in the access time; of what another owner has it cannot be spared."""
    try:
        return os.open(name, flags | noatime, dir_fd=dir_fd)
    except PermissionError:
        if not noatime:
            raise
        return os.open(name, flags, dir_fd=dir_fd)


def all_of(fd: int, size: int, limit: int) -> bytes:
    """The bytes of an open file of `size`; of one that grows meanwhile at most a little more than `limit`."""
    data = os.read(fd, size + 1)
    if len(data) == size:
        return data
    parts = [data]
    while data and sum(map(len, parts)) <= limit:
        data = os.read(fd, 1 << 20)
        parts.append(data)
    return b"".join(parts)


def last_of(fd: int, size: int, limit: int) -> bytes:
    """The last bytes of an open file of `size`, at most `limit`."""
    return os.pread(fd, limit, max(0, size - limit))


def born_ns(fd: int) -> int:
    """When the subvolume behind an open folder was made, in ns; 0 where that cannot be told (kernels before 4.18)."""
    told = bytearray(_INFO_SIZE)
    try:
        fcntl.ioctl(fd, _SUBVOLUME_INFO, told)
    except OSError:
        return 0
    seconds, nanoseconds = _OTIME.unpack_from(told, _OTIME_AT)
    return int(seconds * 1_000_000_000 + nanoseconds)


def possible(path: str) -> bool:
    """Whether the kernel can be asked for such a name."""
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def mount_id(fd: int) -> str | None:
    """Which mount an open file lies on (`mnt_id` of its fdinfo); None where /proc does not tell."""
    try:
        with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as info:  # noqa: PTH123 - a Path would cost more than the read
            return next((line.split()[1] for line in info if line.startswith("mnt_id:")), None)
    except OSError:
        return None


def threads() -> "ThreadPoolExecutor":
    """A pool for reading ahead."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - only a cold disk pays for loading it

    return ThreadPoolExecutor(THREADS)


def disk_reads() -> int:
    """Pages of 4 KiB that came from a disk for this process: the one sign of a cold cache that a busy host does not blur."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_inblock // 8
