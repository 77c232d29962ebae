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
    actions: list[_Action] = []


class Wanted(msgspec.Struct, frozen=True):
    """`chains` are needed by images in the quarantine; `unknown` says of which image there the layers cannot be told.

    `images` are the ids of those images.
    """

    chains: frozenset[str]
    unknown: tuple[str, ...]
    images: frozenset[str] = frozenset()


def read(reader: Reader) -> Wanted:
    """What the images of all transactions that are not purged need."""
    names = reader.names(QUARANTINE)
    chains: set[str] = set()
    idents: set[str] = set()
    unknown = [f"{QUARANTINE}: {names.why}"] if isinstance(names, Trouble) and names.state != "absent" else []
    for txn, kind in names.items() if isinstance(names, dict) else ():
        if kind != "dir":
            continue
        images = _images(reader, f"{QUARANTINE}/{txn}")
        if isinstance(images, str):
            unknown.append(f"an image in the quarantine may need them: {images}")
            continue
        for image_id, place in images:
            idents.add(image_id)
            image = imagedb.load(place, image_id, reader.read(place, imagedb.CONFIG_LIMIT))
            chains |= set(image.chains)
            if not image.usable and not (image.fault and image.fault.state == "absent"):
                unknown.append(f"{place} is a damaged image that may need them: pull it, or purge the transaction {txn}")
    return Wanted(frozenset(chains), tuple(unknown), frozenset(idents))


def _images(reader: Reader, txn: str) -> list[tuple[str, str]] | str:
    """Image ids and where their configurations lie in the quarantine, by the journal; why that cannot be told."""
    held = reader.names(f"{txn}/q")
    if held == {} or (isinstance(held, Trouble) and held.state == "absent"):
        return []
    data = reader.read(f"{txn}/journal.jsonl", JOURNAL_LIMIT)
    if isinstance(data, Trouble):
        return f"{data.path}: {data.why}"
    found = []
    planned = False
    for line in data.splitlines():
        try:
            record = msgspec.json.decode(line, type=_Record)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        planned = planned or bool(record.actions)
        for step in (step for action in record.actions for step in action.steps):
            name = step.path.rpartition("/")[2]
            if step.op == "quarantine" and "/imagedb/content/sha256/" in step.path and HEX64.fullmatch(name):
                found.append((f"sha256:{name}", f"{txn}/q/{step.n}"))
    return found if planned else f"{txn}/journal.jsonl does not tell what was put away"
