"""The examples of docs/why.md: which corpus each asks, and what is printed now. Run it as a program to write the page anew."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import unpacking
from corpus_runs import command, run

PAGE = Path(__file__).parents[2] / "docs" / "why.md"
EXAMPLE = re.compile(r"```console\n\$ docker-fsck (?P<words>.*)\n(?P<told>(?:.*\n)*?)```")
ASKED = (
    "docker28.5-overlay2-buildkit",
    "docker28.5-overlay2-buildkit",
    "dirty-docker28.5-overlay2-create-lower",
)
"""The corpus of each example, in the order of the page."""


def examples(place: Path) -> Iterator[tuple[re.Match[str], str]]:
    """Each example of the page and what the program prints; the corpora are unpacked below `place`."""
    roots = {name: unpacking.unpack(name, _folder(place / name)) for name in set(ASKED)}
    for name, found in zip(ASKED, EXAMPLE.finditer(PAGE.read_text()), strict=True):
        yield found, run(command(roots[name], *found["words"].split())).out


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def write() -> None:
    """Put what is printed now into the page."""
    text = PAGE.read_text()
    with tempfile.TemporaryDirectory(dir=unpacking.workshop()) as place:
        for found, told in examples(Path(place)):
            text = text.replace(found["told"], told)
    PAGE.write_text(text)


if __name__ == "__main__":
    write()
