"""One text of an engine and what it means; a value, and how it is found in a line."""

import re
from functools import cached_property
from typing import NamedTuple

import msgspec

_HOLES = {
    "…": r".{0,300}?",
    "<id>": r"(?:(?:sha256:)?(?:[0-9a-f]{12,64}|[0-9a-z]{25})(?:-init)?|<[a-z]+>|(?:sha256:)?[^\s:/]*(?:\.\.\.|…))",
    "<n>": r"(?:\d+|N)",
    "<short>": r"[A-Z2-7]{26}",
}
_WORD = r"\S{1,300}?"
_HOLE = re.compile(r"(…|<(?!none>)[A-Za-z]+>)")
_SHORT = 8
"""A wording with fewer letters must be a word of its own, in this very spelling."""


class Wording(NamedTuple):
    """How a saying is found: the number of its fixed letters, the longest fixed part in small letters, the pattern."""

    letters: int
    key: str
    pattern: re.Pattern[str]


class Saying(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One thing that an engine says of a damaged store.

    `says`: the wordings, as versions differ. In them `…` stands for any text, `<id>` for an id (or what was pasted in place of
    one), `<n>` for a number, `<short>` for a short link name, any other `<word>` for a word. `rules` may name rules that an
    installation does not have. `cases` are field cases.
    """

    says: tuple[str, ...]
    cases: tuple[str, ...]
    means: str
    do: str
    rules: tuple[str, ...] = ()

    @cached_property
    def wordings(self) -> tuple[Wording, ...]:
        """How each wording is found, whatever case its letters have."""
        return tuple(map(wording, self.says))

    def letters_in(self, line: str, small: str) -> int:
        """How many fixed letters the best wording that fits `line` has, 0 if none does; `small`: the line in small letters."""
        return max((each.letters for each in self.wordings if each.key in small and each.pattern.search(line)), default=0)


def wording(says: str) -> Wording:
    """How one wording is found."""
    parts = _HOLE.split(says)
    fixed = parts[::2]
    letters = sum(map(len, fixed))
    spelled = "".join(re.escape(part) if at % 2 == 0 else _HOLES.get(part, _WORD) for at, part in enumerate(parts))
    flags = re.IGNORECASE if letters >= _SHORT else re.NOFLAG
    return Wording(letters, max(fixed, key=len).lower(), re.compile(spelled if flags else rf"(?<!\w){spelled}(?!\w)", flags))
