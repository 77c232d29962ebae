"""What an image archive says of itself: under which name each layer lies, by diff id; pure, small documents in, names out.

Both layouts: manifest.json as `docker save` has always written it, and the OCI index of engines from 25.0 on and of other tools.
What is said here is a hint: a layer is believed by its digest alone.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

LARGEST = 4 << 20
MOST_DOCUMENTS = 1000
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
Get = Callable[[str], bytes | None]
"""Gives a small member by its name, None where it is not there or is large."""


def layers(get: Get) -> dict[str, str]:
    """The names of layers by diff id."""
    found: dict[str, str] = {}
    for config, names in (*_saved(get), *_indexed(get)):
        diffs = _diffs(get, config)
        if len(diffs) == len(names):  # an attestation has other layers than its configuration tells
            for diff, name in zip(diffs, names, strict=True):
                found.setdefault(diff, name)
    return found


def _saved(get: Get) -> Iterator[tuple[str, list[str]]]:
    """Configuration and layers of each image in manifest.json."""
    for each in _items(_document(get, "manifest.json")):
        if isinstance(each, dict) and isinstance(each.get("Config"), str):
            yield each["Config"], [str(name) for name in _items(each.get("Layers"))]


def _indexed(get: Get) -> Iterator[tuple[str, list[str]]]:
    """The same of each manifest that index.json leads to."""
    todo, seen = ["index.json"], {"index.json"}
    while todo and len(seen) < MOST_DOCUMENTS:
        document = _document(get, todo.pop(0))
        table = document if isinstance(document, dict) else {}
        if (config := _blob(table.get("config"))) is not None:
            yield config, [name for each in _items(table.get("layers")) if (name := _blob(each)) is not None]
        fresh = {name for each in _items(table.get("manifests")) if (name := _blob(each)) is not None} - seen
        seen |= fresh
        todo += sorted(fresh)


def _blob(descriptor: object) -> str | None:
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    return f"blobs/sha256/{digest[7:]}" if isinstance(digest, str) and _DIGEST.fullmatch(digest) else None


def _diffs(get: Get, name: str) -> list[str]:
    """The diff ids of a configuration, none where it is no image's."""
    config = _document(get, name)
    rootfs = config.get("rootfs") if isinstance(config, dict) else None
    diffs = _items(rootfs.get("diff_ids")) if isinstance(rootfs, dict) else []
    return diffs if all(isinstance(each, str) and _DIGEST.fullmatch(each) for each in diffs) else []


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _document(get: Get, name: str) -> object:
    data = get(name)
    try:
        return None if data is None else msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
