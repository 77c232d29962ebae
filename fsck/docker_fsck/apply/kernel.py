"""The calls of the kernel that Python lacks or that want a loop; by descriptor only, no name below the root is chosen here."""

import ctypes
import errno
import os
from contextlib import suppress

from docker_fsck.apply.tree import READING, open_noatime

LABEL = "security.selinux"
_NOREPLACE = 1
_KEEP_SIZE = 1
_UNKNOWN = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}
_libc = ctypes.CDLL(None, use_errno=True)


def renameat2(source: str, target: str, source_fd: int, target_fd: int) -> bool:
    """Rename, never over something (EEXIST); False where kernel, libc or file system do not have that call."""
    call = getattr(_libc, "renameat2", None)
    if call is None:
        return False
    return _worked(call(source_fd, os.fsencode(source), target_fd, os.fsencode(target), _NOREPLACE))


def reserve(fd: int, size: int) -> bool:
    """Set `size` bytes of disk aside for the file, whose length stays; False where that is not to be had."""
    call = getattr(_libc, "fallocate64", None)
    if call is None:
        return False
    return _worked(call(fd, _KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(size)))


def settle(fd: int) -> None:
    """Bring all of the file system on which the open file lies to the disk: for very many new files at once."""
    call = getattr(_libc, "syncfs", None)
    if call is None:
        os.sync()
    elif call(fd):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _worked(result: int) -> bool:
    if result == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNKNOWN:
        return False
    raise OSError(code, os.strerror(code))


def inode(folder: int, name: str) -> int:
    """The inode number at `name`, 0 if nothing is there."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_ino
    except FileNotFoundError:
        return 0


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def flush(folder: int, name: str = ".") -> None:
    """Bring the file or folder `name` to the disk."""
    fd = open_noatime(name, READING, folder)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def within(folder: int, name: str) -> str:
    """A path by which calls without a folder argument reach `name` in the open `folder`."""
    return f"/proc/self/fd/{folder}/{name}"


def copy_label(model: str, made: str) -> None:
    """Give `made` the SELinux label of `model`, where there is one: a new thing comes from a folder with another label."""
    with suppress(OSError):
        os.setxattr(made, LABEL, os.getxattr(model, LABEL, follow_symlinks=False), follow_symlinks=False)


def set_attribute(path: str, name: str, value: bytes | None) -> None:
    """Give an extended attribute this value, or take it away."""
    if value is not None:
        os.setxattr(path, name, value)
        return
    try:
        os.removexattr(path, name)
    except OSError as error:
        if error.errno not in {errno.ENODATA, errno.ENOTSUP}:
            raise
