"""Image configurations and their metadata, `image/<driver>/imagedb/` (classic-store 3)."""

from typing import Any

import msgspec

from docker_fsck import ids
from docker_fsck.facts import Row
from docker_fsck.reader import Reader
from docker_fsck.records.fields import digest_text, optional
from docker_fsck.records.gojson import every, ill_typed, is_time, labels, member, strict, text
from docker_fsck.values import Trouble

CONFIG_LIMIT = 64 << 20
SHAPE = {
    "architecture": "text", "os": "text", "author": "text", "docker_version": "text", "created": "time", "config": "object",
    "container_config": "object", "history": "list", "rootfs": "object", "parent": "text", "variant": "text",
}  # fmt: skip
RUN_SHAPE = {
    "Env": "texts",
    "Cmd": "words",
    "Entrypoint": "words",
    "OnBuild": "texts",
    "Labels": "object",
    "WorkingDir": "text",
    "User": "text",
}


class Image(msgspec.Struct, frozen=True):
    """An image config. `hash_fault`: the bytes are not those of the name; `fault`: the config cannot be used.

    `diffs` are the diff ids of `rootfs`, `chains` the chain ids of all prefixes, the base first. They are given, for what
    they are worth, also where the hash is wrong.
    """

    id: str
    path: str
    size: int
    hash_fault: Trouble | None
    fault: Trouble | None
    diffs: tuple[str, ...] = ()
    chains: tuple[str, ...] = ()
    os: str = ""
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def usable(self) -> bool:
        """Whether the engine would read it."""
        return self.hash_fault is None and self.fault is None


class Metadata(msgspec.Struct, frozen=True):
    """What stands beside an image: parent image, time of the last tag, mark of a local build; a `Trouble` where one is broken."""

    id: str
    path: str
    parent: str | Trouble | None
    last_updated: str | Trouble | None
    built_locally: bool | Trouble | None = None


class ImageTable(msgspec.Struct, frozen=True):
    """The images by id (`sha256:…`), their metadata by id, foreign entries and residue by path.

    `faults`: what could not be listed. `absent`: no folder of configurations.
    """

    images: dict[str, Image]
    metadata: dict[str, Metadata]
    foreign: dict[str, str]
    residue: tuple[str, ...]
    faults: tuple[Trouble, ...]
    absent: bool = False


def is_temp(name: str) -> bool:
    """Whether `name` is what an atomic writer leaves (classic-store 1)."""
    return name.startswith(".tmp-") or name.endswith(".tmp")


def read(reader: Reader, image_dir: str) -> ImageTable:
    """All of `image_dir`/imagedb."""
    images: dict[str, Image] = {}
    foreign: dict[str, str] = {}
    residue: list[str] = []
    known: dict[str, str] = {}  # images share most of their layers: one text for each saves megabytes
    base = f"{image_dir}/imagedb/content/sha256"
    names = reader.names(base)
    faults = [names] if isinstance(names, Trouble) and names.state != "absent" else []
    for name, kind in ({} if isinstance(names, Trouble) else names).items():
        path = f"{base}/{name}"
        if ids.HEX64.fullmatch(name) and kind != "dir":
            image = load(path, f"sha256:{name}", reader.read(path, CONFIG_LIMIT))
            diffs, chains = (tuple([known.setdefault(each, each) for each in row]) for row in (image.diffs, image.chains))
            images[image.id] = msgspec.structs.replace(image, diffs=diffs, chains=chains)
        elif is_temp(name):
            residue.append(path)
        else:
            foreign[path] = kind
    metadata, beside, fault = _metadata(reader, f"{image_dir}/imagedb/metadata/sha256")
    absent = isinstance(names, Trouble) and names.state == "absent"
    return ImageTable(images, metadata, foreign, (*residue, *beside), (*faults, *fault), absent)


def load(path: str, ident: str, data: bytes | Trouble) -> Image:
    """The image config `data` that stands under the name `ident`."""
    if isinstance(data, Trouble):
        return Image(ident, path, 0, None, data)
    actual = ids.digest(data)
    wrong = None if actual == ident else Trouble(path, "malformed", _hash_words(data, actual))
    config = every(data, path) if _twice(data) else strict(data, path)
    if isinstance(config, Trouble):
        return Image(ident, path, len(data), wrong, config)
    diffs = _diffs(config, path)
    if isinstance(diffs, Trouble):
        return Image(ident, path, len(data), wrong, diffs)
    named = labels(member(config, "config"))
    return Image(ident, path, len(data), wrong, None, diffs, ids.chain_ids(diffs), text(config, "os") or "", named)


def _twice(data: bytes) -> bool:
    """Whether what an image's layers hang on may stand twice in `data`, in whatever spelling (`\u017f` folds to an s)."""
    small = data.lower()
    return small.count(b'"rootfs"') > 1 or small.count(b'"diff_ids"') > 1 or "\u017f".encode() in data


def _hash_words(data: bytes, actual: str) -> str:
    if not data.strip(b"\0"):
        return f"{len(data)} bytes, all of them zero" if data else "the file is empty"
    return f"the sha256 of its {len(data)} bytes is {ids.hex_of(actual)}"


def _diffs(config: Any, path: str) -> tuple[str, ...] | Trouble:  # noqa: ANN401 - JSON is any value
    if not isinstance(config, dict):
        return Trouble(path, "malformed", "not a JSON object")
    wrong = ill_typed(config, SHAPE) or ill_typed(member(config, "config") or {}, RUN_SHAPE)
    wrong = wrong or ill_typed(member(config, "rootfs") or {}, {"type": "text"})
    if wrong:
        return Trouble(path, "malformed", wrong)
    rootfs = member(config, "rootfs")
    if rootfs is None:
        return Trouble(path, "malformed", "no rootfs in the configuration")
    diffs = (member(rootfs, "diff_ids") or []) if isinstance(rootfs, dict) else None
    if not isinstance(diffs, list) or not all(isinstance(each, str) and ids.is_digest(each) for each in diffs):
        return Trouble(path, "malformed", "rootfs.diff_ids is not a list of digests")
    return tuple(diffs)


NANO = 9
"""Digits of a second in lastUpdated, which is parsed as RFC3339Nano: engine 20.10.24 takes no more of them, unlike in JSON."""


def _time(data: bytes) -> str | None:
    value = data.decode("utf-8", "replace")
    return value if not value or is_time(value, NANO) else None


def _mark(data: bytes) -> bool | None:
    return True if data == b"\1" else None


def _metadata(reader: Reader, base: str) -> tuple[dict[str, Metadata], list[str], list[Trouble]]:
    rows = reader.table(base, ("parent", "lastUpdated", "builtLocally"))
    if isinstance(rows, Trouble):
        return {}, [], [rows] if rows.state != "absent" else []
    found: dict[str, Metadata] = {}
    residue: list[str] = []
    for name, row in rows:
        path = f"{base}/{name}"
        if isinstance(row, Row) and ids.HEX64.fullmatch(name):
            residue += [f"{path}/{entry}" for entry in row.entries if is_temp(entry)]
            parent = optional(row, path, "parent", digest_text)
            updated, built = optional(row, path, "lastUpdated", _time), optional(row, path, "builtLocally", _mark)
            found[f"sha256:{name}"] = Metadata(f"sha256:{name}", path, parent, updated, built)
    return found, residue, []
