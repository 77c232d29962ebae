"""Writes docs/damages.md from checks of damaged roots: `python docs/write_damages.py`.

A test holds page and checks equal. It needs the corpora beside it. How a bit is chosen: damage_blows.py.
"""

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests/corpora"))

from damage_blows import DAMAGES, FLIPS  # noqa: E402 - found only now
from damage_kinds import KINDS  # noqa: E402
from damage_table import ALONE, SAME, Cell, table  # noqa: E402

PAGE = HERE / "damages.md"
HEAD = f"""# What becomes of a damaged file

Written from checks of damaged roots by `docs/write_damages.py`; do not edit.

Each kind of metadata file is struck by each of seven damages on a healthy root, and checked. The roots are those of real engines
in tests/corpora; where none has a kind, the builder of docker_fsck.testing makes it. An entry is

- the rules that report it. A finding counts only if it names the file, a folder around it, or something in it. *deep*: it takes
  `--level deep`, which reads contents.
- `same`: the engine answers the same. A test with a real engine shows it (tests/engine/test_damage_engine.py).
- `alone`: there is no second copy of the fact on the disk to tell it by. The reasons are below.

There is no fourth: a test fails for a damage that is not reported and that nobody gave a reason for, and for a reason that is no
longer needed.

| damage | of a file | of a folder | of a link |
|---|---|---|---|
| deleted | gone | gone | gone |
| emptied | 0 bytes | no entries | a file of 0 bytes |
| halved | the first half of its bytes | every second entry is gone | the first half of its text |
| zero-filled | as many zero bytes | the files in it are of zero bytes | a file of as many zero bytes |
| bit-flipped | one bit, {FLIPS} times anew (see below) | so of the files in it | so of its text |
| junk | as many bytes without meaning, at least 16 | a file of such | another text |
| directory | an empty folder | a folder with something else in it | an empty folder |

Flip n of {FLIPS}, from 0, turns bit n of a byte over: of the bytes that are not zero the one that lies (2n+1)/{2 * FLIPS} of the
way through them. The entry is `reported` only if each is that changes a meaning. Databases have room that is not in use, and
freed pages: a flip there changes none. What each flip did is told at the end.

## The table
"""


def page(cells: Iterable[Cell]) -> str:
    """The page."""
    found = list(cells)
    return "\n".join([HEAD, *_table(found), "", *_reasons(found), *_flips(found)]) + "\n"


def _table(cells: list[Cell]) -> Iterator[str]:
    yield f"| kind | {' | '.join(DAMAGES)} |"
    yield f"|---|{'---|' * len(DAMAGES)}"
    paths = {kind.name: kind.path for kind in KINDS}
    for name, row in groupby(cells, lambda cell: cell.kind):
        yield f"| **{name}** `{paths[name]}` | {' | '.join(map(_entry, row))} |"


def _entry(cell: Cell) -> str:
    if cell.entry in {SAME, ALONE}:
        return cell.entry
    deep = " *deep*" if all(blow.deep for blow in cell.blows if blow.rules) else ""
    return ", ".join(f"[{rule}](rules/{rule}.md)" for rule in cell.rules) + deep


def _reasons(cells: list[Cell]) -> Iterator[str]:
    for entry, title in ((SAME, "Why the engine answers the same"), (ALONE, "Why nothing can tell")):
        yield from [f"## {title}", "", "| kind | damage | why |", "|---|---|---|"]
        chosen = [(cell.kind, _why(cell), cell.damage) for cell in cells if cell.entry == entry]
        for (kind, why), group in groupby(sorted(chosen, key=lambda each: each[:2]), lambda each: each[:2]):
            yield f"| {kind} | {', '.join(damage for _, _, damage in group)} | {why} |"
        yield ""


def _why(cell: Cell) -> str:
    if cell.claim is not None:
        return cell.claim.why
    return "nothing changes: there is no byte in it" if cell.damage != "halved" else "what is cut off is not in use"


def _flips(cells: list[Cell]) -> Iterator[str]:
    yield from [f"## The {FLIPS} bit flips, one by one", ""]
    yield "Kinds of which each flip is reported are left out."
    yield from ["", "| kind | reported | changes nothing | not reported |", "|---|---|---|---|"]
    for cell in cells:
        if cell.damage == "bit-flipped" and (cell.silent or cell.idle):
            told = [blow.name for blow in cell.blows if blow.rules]
            yield f"| {cell.kind} | {_numbers(told)} | {_numbers(cell.idle)} | {_numbers(cell.silent)} |"


def _numbers(names: Iterable[str]) -> str:
    return ", ".join(name.rpartition(" ")[2] for name in names)


def main() -> int:
    """Write the page, or say what is no entry."""
    cells = list(table())
    if faults := [cell.fault for cell in cells if cell.fault]:
        sys.stderr.write("\n".join(faults) + "\n")
        return 1
    PAGE.write_text(page(cells), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
