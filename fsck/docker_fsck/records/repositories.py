"""The tag store, `image/<driver>/repositories.json` (classic-store 2)."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from docker_fsck.ids import reference_fault
from docker_fsck.reader import Reader
from docker_fsck.records import siblings
from docker_fsck.records.gojson import first, member
from docker_fsck.values import Trouble

NAME = "repositories.json"
ID = b"sha256:"
OUTDATED = 86_400 * 10**9
"""Ns by which a temporary copy may be older than the broken file and still tell the same names, if nothing speaks against it."""
Tags = dict[tuple[str, str], str]
_PAIR = re.compile(rb'"([^"\\\x00-\x20]{1,600})":"(sha256:[0-9a-f]{64})"')


class Sibling(msgspec.Struct, frozen=True):
    """A temporary copy that a writer left beside the tag store; `tags` is None unless it is whole."""

    path: str
    data: bytes
    tags: Tags | None
    mtime_ns: int = 0


class TagStore(msgspec.Struct, frozen=True):
    """`tags` maps (repository, reference) to the value, as it stands in the file; `trouble` is why it could not be read.

    `siblings` are the writer's temporary files, the newest first. `remains` are the entries that still stand whole in a file
    that as a whole cannot be read; `entire`: they are all that it said, `torn`: it may have said more. `mtime_ns`: when such a
    file was last written, 0 where that is not known.
    """

    path: str
    tags: Tags
    trouble: Trouble | None
    siblings: tuple[Sibling, ...]
    remains: Tags = {}
    entire: bool = False
    torn: bool = False
    mtime_ns: int = 0

    @property
    def whole_sibling(self) -> Sibling | None:
        """The newest temporary copy that holds a whole tag store."""
        return next((each for each in self.siblings if each.tags is not None), None)

    @property
    def known(self) -> Tags:
        """The tags; where the file cannot be read those that still stand in it, and in its newest whole temporary copy."""
        if self.trouble is None:
            return self.tags
        sibling = self.whole_sibling
        return (sibling.tags or {} if sibling else {}) | self.remains

    @property
    def behind_ns(self) -> int:
        """How much older than the broken file its newest whole copy is; 0 where it is not older, or that is not known."""
        copy = self.whole_sibling
        return max(0, self.mtime_ns - copy.mtime_ns) if copy and self.mtime_ns else 0


def parse(data: bytes, path: str) -> Tags | Trouble:
    """The tags in `data`, as the engine reads them: the first JSON value of the file counts."""
    value = first(data, path)
    if isinstance(value, Trouble):
        return value
    if not isinstance(value, dict):
        return Trouble(path, "malformed", f"holds {_type(value)} where an object belongs")
    outer = member(value, "Repositories")
    if outer is None and not any(name.casefold() == "repositories" for name in value):
        return {}
    if not isinstance(outer, dict):
        return Trouble(path, "malformed", f"Repositories is {_type(outer)}, not an object")
    tags: Tags = {}
    for repository, references in outer.items():
        if references is not None and not isinstance(references, dict):
            return Trouble(path, "malformed", f"the entry of {repository!r} is {_type(references)}, not an object")
        for reference, image in (references or {}).items():
            if not isinstance(image, str | None):
                return Trouble(path, "malformed", f"the value of {reference!r} is {_type(image)}, not a string")
            tags[repository, reference] = image or ""
    return tags


def remains(data: bytes) -> Tags:
    """The entries of a broken tag store of which name and image id are whole, as the engine writes them."""
    found: Tags = {}
    for match in _PAIR.finditer(data):
        reference, image = match[1].decode("utf-8", "replace"), match[2].decode()
        repository = reference.partition("@")[0] if "@" in reference else reference.rpartition(":")[0]
        if reference_fault(repository, reference) is None:
            found[repository, reference] = image
    return found


def encode(tags: Tags) -> bytes:
    """The file that holds `tags`: one object, sorted as Go sorts maps, no line end."""
    outer: dict[str, dict[str, str]] = {}
    for (repository, reference), image in sorted(tags.items()):
        outer.setdefault(repository, {})[reference] = image
    return msgspec.json.encode({"Repositories": outer})


def read(reader: Reader, image_dir: str) -> TagStore:
    """The tag store below `image_dir` and its temporary siblings."""
    path = f"{image_dir}/{NAME}"
    data = reader.read(path)
    tags = data if isinstance(data, Trouble) else parse(data, path)
    beside = tuple(_siblings(reader, image_dir))
    if not isinstance(tags, Trouble):
        return TagStore(path, tags, None, beside)
    text, facts = b"" if isinstance(data, Trouble) else data, reader.facts(path)
    left, written = remains(text), 0 if isinstance(facts, Trouble) else facts.mtime_ns
    whole = _entire(text, left)
    return TagStore(path, {}, tags, beside, left, whole, not whole and (bool(left) or ID in text), written)


def _entire(data: bytes, left: Tags) -> bool:
    """Whether a broken file has no room for more entries: signs between them are damaged, or its last brace is cut off.

    One that was cut after an entry may go on as a list does, with a comma.
    """
    whole = encode(left)
    return bool(left) and (data == whole[:-1] or (len(data) == len(whole) and b"," not in data[-3:]))


def _siblings(reader: Reader, image_dir: str) -> Iterator[Sibling]:
    names = reader.names(image_dir)
    for each in siblings.beside(reader, image_dir, () if isinstance(names, Trouble) else names, NAME):
        data = b"" if isinstance(each.data, Trouble) else each.data
        tags = each.data if isinstance(each.data, Trouble) else parse(data, each.path)
        yield Sibling(each.path, data, None if isinstance(tags, Trouble) else tags, each.mtime_ns)


def _type(value: Any) -> str:  # noqa: ANN401 - JSON is any value
    names = {type(None): "null", bool: "a boolean", str: "a string", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")
