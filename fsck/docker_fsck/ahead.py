"""What a second process reads meanwhile: the value, and what the kernel refused to it on the way."""

from collections.abc import Callable
from typing import Any, TypeVar

from docker_fsck import apart
from docker_fsck.reader import Reader
from docker_fsck.values import Trouble

WORTH_A_PROCESS = 2000  # layers: a fork and its answer take some 10 ms, a thousand records 30

T = TypeVar("T")


def begin(reader: Reader, read: Callable[[Reader], T], kind: type[T], items: int) -> Callable[[], T]:
    """Start `read`, which gives a value of type `kind`, in a second process if it has many items to read.

    The function that comes back waits for the answer; it reads here where no process was begun or none answered.
    """

    def work() -> tuple[T, dict[str, Trouble]]:
        twin = reader.twin()
        return read(twin), twin.unread

    form: Any = tuple[kind, dict[str, Trouble]]  # type: ignore[valid-type]
    answer = apart.begin(work, form) if items >= WORTH_A_PROCESS else None

    def end() -> T:
        found = answer() if answer else None
        if found is None:
            return read(reader)
        value: T = found[0]
        for path, fault in found[1].items():
            reader.unread.setdefault(path, fault)
        return value

    return end
