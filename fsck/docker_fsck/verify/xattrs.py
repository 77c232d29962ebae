"""Extended attributes of a layer's files against those that its archive records: whose affair each of them is."""

import errno
import os
from collections.abc import Iterable, Mapping

CAPABILITY = "security.capability"
_THEIRS = ("user.", "security.")
_OF_THE_HOST = (
    "user.overlay.", "user.fuseoverlayfs.", "user.containers.", "user.rootlesscontainers", "trusted.overlay.",
    "security.selinux", "security.ima", "security.evm", "security.SMACK64", "security.apparmor",
)  # fmt: skip
"""What drivers and the kernel's security modules write by themselves, whatever the archive says."""

NOWHERE = bytes(bytearray(b"nowhere"))
"""Told apart by identity."""
_V3, _OWNER, _FLAGS = 0x03000000, 20, 0x00FFFFFF


def some(fds: Iterable[int]) -> bool:
    """Whether any of the open files has any extended attribute. Raises `OSError`."""
    try:
        return any(map(os.listxattr, fds))
    except OSError as error:
        if error.errno in {errno.EOPNOTSUPP, errno.ENOSYS}:
            return False
        raise


def told(fd: int) -> list[str]:
    """The attributes of an open file that would stand in its archive. Raises `OSError`."""
    names = os.listxattr(fd) if some((fd,)) else ()
    return [name for name in names if name.startswith(_THEIRS) and _archived(name)]


def compared(recorded: Mapping[str, bytes], fd: int, owner: int | None, *, more: bool) -> dict[str, tuple[str, str]]:
    """By name what the archive says of each attribute and what the open file has; with `more` also of those not `recorded`.

    ACLs and the like (`system.`, `trusted.`) count only where the archive records them: no engine writes them into one.
    `owner` is the root user of the namespace in which the layer was unpacked, None where that is not known. Raises `OSError`.
    """
    names = {*(told(fd) if more else ()), *filter(_archived, recorded)}
    found = {name: _value(fd, name) for name in names}
    return {
        name: (_shown(name, recorded.get(name), owner), _shown(name, value, owner))
        for name, value in found.items()
        if value is not NOWHERE
    }


def certain(name: str, pair: tuple[str, str], shift: tuple[int, int] | None) -> bool:
    """Whether it is known what to write to give a file this attribute: `pair` is what the archive says and what is there.

    The kernel ties a capability to the namespace of who sets it, others leave it as it is: only without a namespace, and where
    nobody has tied it to one, it is what the archive has.
    """
    if shift == (0, 0):
        return name != CAPABILITY or not any(len(each) == 2 * (_OWNER + 4) for each in pair)
    return name.startswith("user.")


def _archived(name: str) -> bool:
    return not name.startswith(_OF_THE_HOST)


def _value(fd: int, name: str) -> bytes | None:
    """The value, None where there is none, `NOWHERE` where no file can have it here: then no engine has written it."""
    try:
        return os.getxattr(fd, name)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return NOWHERE
        if error.errno == errno.ENODATA:
            return None
        raise


def _shown(name: str, value: bytes | None, owner: int | None) -> str:
    if value is None:
        return "none"
    return (_capability(value, owner) if name == CAPABILITY else value).hex()


def _capability(value: bytes, owner: int | None) -> bytes:
    """A capability that the kernel tied to the root user of the layer's own namespace, as an archive has it."""
    head, tied = int.from_bytes(value[:4], "little"), int.from_bytes(value[_OWNER:], "little")
    if len(value) != _OWNER + 4 or head & ~_FLAGS != _V3 or owner not in {None, tied}:
        return value
    return (0x02000000 | head & _FLAGS).to_bytes(4, "little") + value[4:_OWNER]
