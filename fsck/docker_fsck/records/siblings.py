"""Temporary copies that an atomic writer leaves beside a file (classic-store 1), the newest first, by age and never by name."""

from collections.abc import Iterable

import msgspec

from docker_fsck.reader import Reader
from docker_fsck.values import Trouble


class Sibling(msgspec.Struct, frozen=True):
    """Such a copy as it was read; when it was written, in ns."""

    path: str
    data: bytes | Trouble
    mtime_ns: int


def is_temp(name: str, target: str) -> bool:
    """Whether `name` is what a writer of the file `target` leaves: of engines since 1.12, or of those before."""
    return name.startswith(f".tmp-{target}") or name == f"{target}.tmp"


def beside(reader: Reader, folder: str, names: Iterable[str], target: str) -> list[Sibling]:
    """The copies of `target` among the `names` of a folder, the newest first; of two that are equally old by name."""
    found: list[Sibling] = []
    for name in names:
        if is_temp(name, target):
            path = f"{folder}/{name}"
            data, facts = reader.read(path), reader.facts(path)
            if not isinstance(facts, Trouble):
                found.append(Sibling(path, data, facts.mtime_ns))
    return sorted(found, key=lambda each: (-each.mtime_ns, each.path))
