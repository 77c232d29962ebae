"""What docs/damages.md calls `same` is the same for a real engine: all such damages at once, and it answers as it did before."""

import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import damagekit
from damagekit import Answers, answers, differences, furnish
from docker_fsck.bolt import open_bytes
from docker_fsck.testing.table import STOPPED
from docker_fsck.values import Level
from dockerd import Engine, builder
from places import copy
from population import populate

sys.path.append(str(Path(__file__).parents[1] / "corpora"))

from damage_blows import DAMAGES, blows
from damage_kinds import KINDS, Kind, Site
from damage_table import meaning, reporting

pytestmark = pytest.mark.skipif(builder() is None, reason="no docker command here speaks BuildKit by itself")
PAGE = Path(__file__).parents[2] / "docs/damages.md"
LATER = {"swarm's worker/tasks.db", "swarm's log"}
"""Shown on a swarm of its own, below."""
FLIPS = (0, 6, 7)
"""Enough of the eight for each kind to be struck by one that no check can report."""


def same() -> list[tuple[Kind, str]]:
    """The kinds and damages that the page calls so."""
    rows = (re.fullmatch(r"\| \*\*(.+)\*\* `.*?` \| (.*) \|", line) for line in PAGE.read_text().splitlines())
    entries = {row[1]: row[2].split(" | ") for row in rows if row}
    assert [kind.name for kind in KINDS] == list(entries)
    return [
        (kind, damage) for kind in KINDS for damage, entry in zip(DAMAGES, entries[kind.name], strict=True) if entry == "same"
    ]


@dataclass
class Furnished:
    """A root of an engine, the copy of it that no test touches, what it answers; and what was struck so far."""

    site: Site
    engine: Engine
    kept: Path
    before: Answers
    struck: set[tuple[str, str]] = field(default_factory=set)

    def fresh(self) -> None:
        """The root as it was."""
        shutil.rmtree(self.engine.root)
        copy(self.kept, self.engine.root)

    def strike(self, kind: Kind, damage: str, number: int) -> None:
        """One blow, unless a check reports it: then it is none of those that are meant."""
        path, aside = kind.find(self.site), self.engine.root.with_name("aside")
        _, blow = blows(damage, path)[number]
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        path.rename(aside / path.name)
        blow(aside / path.name, path)
        if damage == "halved" and path.suffix == ".db" and meaning(path) != meaning(aside / path.name):
            shorten(aside / path.name, path)
        if any(reporting(self.engine.root, [path], STOPPED, Level.DEEP)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            (aside / path.name).rename(path)
        else:
            self.struck.add((kind.name, damage))


def shorten(whole: Path, to: Path) -> None:
    """A small database is cut behind its last page in use, as half of a large one is."""
    data = whole.read_bytes()
    found = open_bytes(data)
    to.write_bytes(data[: found.page_size * found.high_water])


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Furnished]:
    """Such a root of overlay2."""
    base = tmp_path_factory.mktemp("damage")
    with Engine(base, "overlay2") as engine:
        site = furnish(populate(engine))
        copy(engine.root, base / "kept")
        engine.start()
        before = answers(engine)
        engine.stop()
        yield Furnished(site, engine, base / "kept", before)


def test_a_healthy_root_answers_twice_the_same(furnished: Furnished) -> None:
    furnished.fresh()
    furnished.engine.start()
    assert {} == differences(furnished.before, answers(furnished.engine))
    furnished.engine.stop()


@pytest.mark.parametrize(
    ("damage", "number"), [(damage, number) for damage in DAMAGES for number in (FLIPS if damage == "bit-flipped" else (0,))]
)
def test_the_engine_answers_the_same(furnished: Furnished, damage: str, number: int) -> None:
    furnished.fresh()
    for kind, each in same():
        if each == damage and kind.name not in LATER:
            furnished.strike(kind, damage, number)
    furnished.engine.start()
    assert {} == differences(furnished.before, answers(furnished.engine))
    furnished.engine.stop()


def test_each_entry_was_shown(furnished: Furnished) -> None:
    wanted = {(kind.name, damage) for kind, damage in same() if kind.name not in LATER}
    assert wanted == furnished.struck, f"run the tests before: {wanted - furnished.struck}"


@pytest.mark.parametrize(
    ("name", "damage"),
    [("swarm's worker/tasks.db", "deleted"), ("swarm's worker/tasks.db", "emptied"), ("swarm's log", "halved")],
)
def test_a_manager_answers_the_same(tmp_path: Path, name: str, damage: str) -> None:
    assert (name, damage) in {(kind.name, each) for kind, each in same()}
    kind = next(kind for kind in KINDS if kind.name == name)
    with Engine(tmp_path, "overlay2") as engine:
        engine.start()
        engine.docker("swarm", "init", "--advertise-addr", "127.0.0.1")
        engine.docker("config", "create", "kept", "-", input="a word of the user\n")
        before = damagekit.spoken(engine, "config", "ls", "--format", "{{.ID}} {{.Name}}")
        engine.stop()
        path = kind.find(Site(engine.root, "overlay2", "", ""))
        path.rename(tmp_path / path.name)
        blows(damage, path)[0][1](tmp_path / path.name, path)
        assert [[]] == reporting(engine.root, [path], STOPPED, Level.DEEP)
        engine.start()
        after = damagekit.until(engine, "config", "ls", "--format", "{{.ID}} {{.Name}}")
        engine.stop()
    assert (0, before[1]) == after


def test_what_the_page_lists_is_shown_here() -> None:
    assert {kind.name for kind, _ in same()} >= LATER
