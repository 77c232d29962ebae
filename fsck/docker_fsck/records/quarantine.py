"""Images that were put away and not purged: a pull or an undo brings them back, so that their layers are still wanted.

What lies in the quarantine was found broken or lost a layer; the intact layers below are exactly what a pull is to use
again (field-cases FC-03, FC-12). So the quarantine is a source of references to layers, and to nothing else.
"""

import msgspec

from docker_fsck.ids import HEX64
from docker_fsck.reader import QUARANTINE, Reader
from docker_fsck.records import imagedb
from docker_fsck.values import Trouble

JOURNAL_LIMIT = 256 << 20


class _Step(msgspec.Struct):
    path: str = ""
    n: int = -1
    op: str = ""


class _Action(msgspec.Struct):
    steps: list[_Step] = []


class _Record(msgspec.Struct):
    rec: str = ""
    actions: list[_Action] = []


class Wanted(msgspec.Struct, frozen=True):
    """`chains` are needed by images in the quarantine; `unknown` says of which image there the layers cannot be told."""

    chains: frozenset[str]
    unknown: tuple[str, ...]


def read(reader: Reader) -> Wanted:
    """What the images of all transactions that are not purged need."""
    names = reader.names(QUARANTINE)
    chains: set[str] = set()
    unknown: list[str] = []
    for txn in names if isinstance(names, dict) else ():
        for image_id, place in _images(reader, f"{QUARANTINE}/{txn}"):
            data = reader.read(place, imagedb.CONFIG_LIMIT)
            if isinstance(data, Trouble):
                continue
            image = imagedb.load(place, image_id, data)
            chains |= set(image.chains)
            if not image.usable:
                unknown.append(f"{place} is a damaged image that may need them: pull it, or purge the transaction {txn}")
    return Wanted(frozenset(chains), tuple(unknown))


def _images(reader: Reader, txn: str) -> list[tuple[str, str]]:
    """Image ids and where their configurations lie in the quarantine, by the journal of the transaction."""
    data = reader.read(f"{txn}/journal.jsonl", JOURNAL_LIMIT)
    found = []
    for line in data.splitlines() if isinstance(data, bytes) else ():
        try:
            record = msgspec.json.decode(line, type=_Record)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        for step in (step for action in record.actions for step in action.steps):
            name = step.path.rpartition("/")[2]
            if step.op == "quarantine" and "/imagedb/content/sha256/" in step.path and HEX64.fullmatch(name):
                found.append((f"sha256:{name}", f"{txn}/q/{step.n}"))
    return found
