"""From pasted text or a log to what it means: each line against the table, then what is named in it; pure."""

import re
from collections.abc import Iterable, Iterator

import msgspec

from docker_fsck.sayings.databases import DATABASES
from docker_fsck.sayings.general import CAUSES, READERS
from docker_fsck.sayings.layers import LAYERS
from docker_fsck.sayings.objects import OBJECTS
from docker_fsck.sayings.saying import Saying

SAYINGS = (*LAYERS, *OBJECTS, *DATABASES)
ALL = (*SAYINGS, *READERS, *CAUSES)
LONGEST = 4000
"""Letters of a line that are looked at; what an engine says stands at its beginning."""
MOST_NAMES = 8
_JOINED = 40
_NEAREST = 3
_ENOUGH = 0.5

_SPACE = re.compile(r"\s+")
_PATH = re.compile(r"(?<![\w.:/])/[\w.@%+~-]+(?:/[\w.@%+~:-]*[\w@%+~-])+")
_ID = re.compile(r"\bsha256:[0-9a-f]{64}\b|(?<![\w/])[0-9a-f]{64}(?:-init)?\b")
_LETTERS = re.compile(r"[a-z]{4,}")


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A saying that was found: the first line of it, how many there were, and what they name."""

    saying: Saying
    line: str
    count: int
    paths: tuple[str, ...]
    ids: tuple[str, ...]


class _Found:
    """Lines of one saying, as they are collected."""

    def __init__(self, line: str) -> None:
        self.line, self.count = line, 0
        self.paths: dict[str, None] = {}
        self.ids: dict[str, None] = {}

    def add(self, line: str) -> None:
        self.count += 1
        for table, pattern in ((self.paths, _PATH), (self.ids, _ID)):
            for name in pattern.findall(line):
                if len(table) < MOST_NAMES:
                    table.setdefault(name)


def match(lines: Iterable[str], more: Iterable[Saying] = ()) -> tuple[Told, ...]:
    """What the lines say, in the order in which it comes. `more` are sayings of rules, for what the table does not have.

    Text that was broken over several lines is tried as one line if no single line says anything.
    """
    tiers = (SAYINGS, tuple(more), READERS)
    keys = {wording.key for tier in (*tiers, CAUSES) for saying in tier for wording in saying.wordings}
    found: dict[int, _Found] = {}
    known: dict[int, Saying] = {}
    first: list[str] = []
    for raw in lines:
        line = tidy(raw)
        if line and len(first) < _JOINED:
            first.append(line)
        small = line.lower()
        if not any(key in small for key in keys):  # most lines of a log: a tenth of the time
            continue
        for saying in _of_line(line, small, tiers):
            known[id(saying)] = saying
            found.setdefault(id(saying), _Found(line)).add(line)
    if not found and len(first) > 1:
        return match([" ".join(first)], tiers[1])
    return tuple(
        Told(saying=known[key], line=each.line, count=each.count, paths=tuple(each.paths), ids=tuple(each.ids))
        for key, each in found.items()
    )


def tidy(raw: str) -> str:
    """A line as the table knows it: quotes of a structured log taken off, blanks as single ones, not too long."""
    return _SPACE.sub(" ", raw[:LONGEST].replace('\\"', '"')).strip()


def _of_line(line: str, small: str, tiers: tuple[tuple[Saying, ...], ...]) -> Iterator[Saying]:
    """The one saying of the first tier that has any, that of most letters; and the causes."""
    for tier in tiers:
        fits = [(letters, each) for each in tier if (letters := each.letters_in(line, small))]
        if fits:
            yield max(fits, key=lambda pair: pair[0])[1]
            break
    yield from (each for each in CAUSES if each.letters_in(line, small))


def nearest(text: str, more: Iterable[Saying] = ()) -> tuple[str, ...]:
    """Wordings that share most of their words with the text, for text that says nothing known."""
    words = set(_LETTERS.findall(text[:LONGEST].lower()))
    rows = []
    for says in dict.fromkeys(says for each in (*ALL, *more) for says in each.says):
        own = set(_LETTERS.findall(says.lower()))
        if own and len(own & words) / len(own) >= _ENOUGH:
            rows.append((len(own & words), says))
    return tuple(says for _, says in sorted(rows, key=lambda row: (-row[0], row[1]))[:_NEAREST])
