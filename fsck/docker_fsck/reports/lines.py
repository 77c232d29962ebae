"""The pieces that the text views are made of: lines of styled spans, wrapped once and safe to print; pure."""

import textwrap
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from docker_fsck.reports.words import escape

WIDTH = 100
_LABEL = 12

Span = tuple[str, str]
"""A style (empty, or one that `paint.STYLES` knows) and the text."""
Line = tuple[Span, ...]

BLANK: Line = ()


class Branch(NamedTuple):
    """A line of a tree and what hangs below it."""

    label: Line
    below: "tuple[Branch, ...]"


Block = Line | Branch
"""What a view with trees is made of."""


def unfolded(blocks: Iterable[Block]) -> Iterator[Line]:
    """The blocks as lines: a tree is drawn with plain signs, so that it can go through any pipe."""
    for block in blocks:
        if isinstance(block, Branch):
            yield block.label
            yield from _hanging(block.below, "")
        else:
            yield block


def _hanging(branches: "tuple[Branch, ...]", before: str) -> Iterator[Line]:
    for number, branch in enumerate(branches, 1):
        last = number == len(branches)
        yield (("label", f"{before}{'`- ' if last else '|- '}"), *branch.label)
        yield from _hanging(branch.below, before + ("   " if last else "|  "))


def line(text: str, style: str = "") -> Line:
    """One line, not wrapped."""
    return ((style, escape(text)),)


def wrapped(text: str, indent: int = 0, style: str = "") -> Iterator[Line]:
    """`text` over as many lines as it needs; a word that is too long (a path) stays whole, so that it can be copied."""
    for row in _rows(text, indent):
        yield (("", " " * indent), (style, row))


def field(label: str, text: str, indent: int = 2, style: str = "") -> Iterator[Line]:
    """A label and its text beside it; nothing for an empty text."""
    if not text:
        return
    for row in _rows(text, indent + _LABEL):
        yield (("label", f"{' ' * indent}{label:<{_LABEL}}"), (style, row))
        label = ""


def fields(label: str, texts: Iterable[str], indent: int = 2, style: str = "") -> Iterator[Line]:
    """Several texts below one label, each on lines of its own."""
    for text in texts:
        yield from field(label, text, indent, style)
        label = ""


def plain(lines: Iterable[Line]) -> str:
    """The lines without their styles, each ended by a newline."""
    return "".join("".join(text for _, text in each).rstrip() + "\n" for each in lines)


def _rows(text: str, indent: int) -> list[str]:
    room = max(WIDTH - indent, 20)
    return textwrap.wrap(escape(text), room, break_long_words=False, break_on_hyphens=False) or [""]
