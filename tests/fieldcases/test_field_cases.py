"""Every field case, built and judged: what is said, what is planned, and what must never be (docs/field-cases.md lists them)."""

import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import field_host
import field_layers
import field_rest
import pytest
from fieldkit import Case, breaches

from docker_fsck.sayings.cases import TITLES
from docker_fsck.testing import subvolumes

DOCS = Path(__file__).parents[2] / "docs"
CASES: tuple[Case, ...] = (*field_layers.CASES, *field_rest.CASES, *field_host.CASES)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Where a case is built, on fast storage, that of btrfs on a btrfs; gone afterwards."""
    if request.node.callspec.params["case"].driver == "btrfs":
        if lack := subvolumes.lacks():
            pytest.skip(lack)
        with tempfile.TemporaryDirectory(prefix="dff") as base, subvolumes.btrfs(Path(base)) as point:
            yield point / "root"
        return
    top = Path(tempfile.mkdtemp(prefix="dff", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    yield top / "root"
    shutil.rmtree(top)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_the_field_case_is_judged_as_it_should_be(case: Case, place: Path) -> None:
    assert [] == [*breaches(case, place)]


def test_every_field_case_has_a_test() -> None:
    assert [*TITLES] == sorted({case.id for case in CASES})


def test_no_two_tests_have_one_name() -> None:
    assert len(CASES) == len({case.label for case in CASES})


def test_the_list_of_field_cases_is_that_of_these_tests() -> None:
    """After a rule came, or a row changed: `python docs/write_field_cases.py`."""
    spec = importlib.util.spec_from_file_location("write_field_cases", DOCS / "write_field_cases.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.page() == (DOCS / "field-cases.md").read_text(encoding="utf-8")
