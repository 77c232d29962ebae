"""docs/damages.md is what checks of damaged roots say; no damage is left without an answer."""

import importlib.util
from pathlib import Path

import damage_stores
import pytest
from damage_blows import DAMAGES, FLIPS, flipped, spot
from damage_claims import CLAIMS
from damage_kinds import KINDS
from damage_table import Cell, table

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def cells() -> list[Cell]:
    """The whole table, worked out once."""
    if lack := damage_stores.lacks():
        pytest.skip(lack)
    return list(table())


def test_every_kind_has_an_entry_for_every_damage_and_there_are_three_entries(cells: list[Cell]) -> None:
    assert [(kind.name, damage) for kind in KINDS for damage in DAMAGES] == [(cell.kind, cell.damage) for cell in cells]
    assert len(KINDS) == len({kind.name for kind in KINDS})
    assert {"reported", "same", "alone"} == {cell.entry for cell in cells}
    assert [] == [cell.fault for cell in cells if cell.fault]


def test_no_claim_is_of_a_kind_or_damage_that_does_not_exist() -> None:
    assert set() == CLAIMS.keys() - {(kind.name, damage) for kind in KINDS for damage in DAMAGES}


def test_the_page_is_what_the_checks_say(cells: list[Cell]) -> None:
    """After a rule or a kind came: `python docs/write_damages.py`."""
    spec = importlib.util.spec_from_file_location("write_damages", DOCS / "write_damages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.page(cells) == (DOCS / "damages.md").read_text(encoding="utf-8")


def test_a_flip_changes_one_bit_of_a_byte_that_is_not_zero() -> None:
    data = bytes(1000) + bytes(range(1, 101)) + bytes(1000)
    for number in range(FLIPS):
        at = spot(data, number)
        wrong = [index for index, (old, new) in enumerate(zip(data, flipped(data, number), strict=True)) if old != new]
        assert ([at // 8], number) == (wrong, at % 8)
        assert data[at // 8] == 1 + (2 * number + 1) * 100 // (2 * FLIPS)
