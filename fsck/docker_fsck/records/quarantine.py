"""Images that were put away and not purged: a pull or an undo brings them back, so that their layers are still wanted.

What lies in the quarantine was found broken or lost a layer; the intact layers below are exactly what a pull is to use
again (field-cases FC-03, FC-12). So the quarantine is a source of references to layers. A layer record that did not tell which
folder was its own may have meant any that nothing else names (FC-06).
"""

import io
from collections.abc import Iterator

import msgspec

from docker_fsck.ids import DRIVER_ID, HEX64
from docker_fsck.reader import QUARANTINE, Reader
from docker_fsck.records import imagedb, layerdb
from docker_fsck.records.fields import trimmed
from docker_fsck.values import Trouble

JOURNAL_LIMIT = 256 << 20
RECORD = {(name, "file") for name in (*layerdb.FILES, "tar-split.json.gz")}


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

    `images` are the ids of those images; `astray` says which layer record there does not tell its folder.
    """

    chains: frozenset[str]
    unknown: tuple[str, ...]
    images: frozenset[str] = frozenset()
    astray: tuple[str, ...] = ()


def read(reader: Reader) -> Wanted:
    """What the images and layer records of all transactions that are not purged need."""
    names = reader.names(QUARANTINE)
    chains: set[str] = set()
    idents: set[str] = set()
    unknown = [f"{QUARANTINE}: {names.why}"] if isinstance(names, Trouble) and names.state != "absent" else []
    astray = list(unknown)
    for txn, kind in names.items() if isinstance(names, dict) else ():
        if kind != "dir":
            continue
        held = _held(reader, f"{QUARANTINE}/{txn}")
        if isinstance(held, str):
            unknown.append(f"an image in the quarantine may need them: {held}")
            astray += [f"{place} may be a layer record that does not tell its folder" for place in _unknown(reader, txn)]
            continue
        records = [(path, place) for path, place in held if _within(path, "layerdb/sha256") and _is_astray(reader, place)]
        astray += [f"{path} did not tell its folder: pull its image, then purge the transaction {txn}" for path, _ in records]
        for place, image_id in (
            (place, f"sha256:{path[-64:]}") for path, place in held if _within(path, "imagedb/content/sha256")
        ):
            idents.add(image_id)
            image = imagedb.load(place, image_id, reader.read(place, imagedb.CONFIG_LIMIT))
            chains |= set(image.chains)
            if not image.usable and not (image.fault and image.fault.state == "absent"):
                unknown.append(f"{place} is a damaged image that may need them: pull it, or purge the transaction {txn}")
    return Wanted(frozenset(chains), tuple(unknown), frozenset(idents), tuple(astray))


def _within(path: str, table: str) -> bool:
    """Whether `path` is that of an entry of a table of images or layers."""
    around, _, name = path.rpartition("/")
    return around.endswith(f"/{table}") and HEX64.fullmatch(name) is not None


def _is_astray(reader: Reader, record: str) -> bool:
    """Whether a layer record is there and does not tell which folder is its own."""
    data = reader.read(f"{record}/cache-id")
    if isinstance(data, Trouble):
        return not isinstance(reader.facts(record), Trouble)
    return not DRIVER_ID.fullmatch(trimmed(data))


def _unknown(reader: Reader, txn: str) -> Iterator[str]:
    """What could be such a record by what it holds, where no journal tells what was put away."""
    base = f"{QUARANTINE}/{txn}/q"
    names = reader.names(base)
    for place in (f"{base}/{name}" for name, kind in (names.items() if isinstance(names, dict) else ()) if kind == "dir"):
        inside = reader.names(place)
        if isinstance(inside, Trouble) or ({*inside.items()} <= RECORD and _is_astray(reader, place)):
            yield place


def _held(reader: Reader, txn: str) -> list[tuple[str, str]] | str:
    """What was put away, and where it lies in the quarantine, by the journal; why that cannot be told."""
    held = reader.names(f"{txn}/q")
    if held == {} or (isinstance(held, Trouble) and held.state == "absent"):
        return []
    data = reader.read(f"{txn}/journal.jsonl", JOURNAL_LIMIT)
    if isinstance(data, Trouble):
        return f"{data.path}: {data.why}"
    found: list[tuple[str, str]] = []
    planned = False
    for line in io.BytesIO(data):
        try:
            record = msgspec.json.decode(line, type=_Record)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        planned = planned or bool(record.actions)
        steps = (step for action in record.actions for step in action.steps)
        found += [(step.path, f"{txn}/q/{step.n}") for step in steps if step.op == "quarantine"]
    return found if planned else f"{txn}/journal.jsonl does not tell what was put away"
