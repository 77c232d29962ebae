"""What a user namespace adds to the owners of files in layers, as far as that shows from outside (classic-store 6.2)."""

from collections import Counter
from collections.abc import Sequence

from docker_fsck.facts import Facts
from docker_fsck.reader import Reader

Shift = tuple[int, int]
ROOT = (0, 0)
_ASKED = 256


def shift_of(reader: Reader, home: str, contents: Sequence[str]) -> Shift | None:
    """What is added to user and group of an archive; None where it is not one number for all ids, or not known.

    The engine gives the top folder of each layer to root: the host's, or that of `--userns-remap`, whose data root has these ids
    for its name. Any other owner is that of a rootless engine, of a container or of a copy, where nothing says how ids are
    mapped. Of very many layers only some are asked.
    """
    root = reader.facts("")
    if not isinstance(root, Facts):
        return None
    top = _owner(reader, contents) if contents else _of_home(reader, home, reader.root.rpartition("/")[2])
    if top is None or root.uid not in {0, top[0]}:
        return None
    return top if top == ROOT or _named(top) == reader.root.rpartition("/")[2] else None


def _owner(reader: Reader, contents: Sequence[str]) -> Shift | None:
    """Whose most of the folders are."""
    found = [reader.facts(each) for each in contents[:: 1 + len(contents) // _ASKED]]
    owners = Counter((each.uid, each.gid) for each in found if isinstance(each, Facts))
    top, count = owners.most_common(1)[0] if owners else (None, 0)
    return top if 2 * count > owners.total() else None


def _of_home(reader: Reader, home: str, name: str) -> Shift | None:
    """Whose layers would be in a home that has none: since 20.10.3 it has only the group of a namespace's root."""
    facts = reader.facts(home)
    if not isinstance(facts, Facts):
        return None
    uid = name.partition(".")[0]
    if not facts.uid and facts.gid and uid.isdecimal() and _named((int(uid), facts.gid)) == name:
        return int(uid), facts.gid
    return facts.uid, facts.gid


def _named(owner: Shift) -> str:
    """The name of the data root of a namespace whose root is this."""
    return f"{owner[0]}.{owner[1]}"
