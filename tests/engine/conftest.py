"""Fixtures with a real engine: a fresh one, and a populated root of which every test gets its own copy at the same path."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dockerd import Engine, lacks
from population import Populated, populate
from repairkit import Stock, stock_up

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test of this folder."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.engine)


@pytest.fixture(scope="session", autouse=True)
def _able() -> None:
    """Skips the folder where no engine can run."""
    if lack := lacks():
        pytest.skip(lack)


@pytest.fixture(scope="session", params=["overlay2", "vfs"])
def driver(request: pytest.FixtureRequest) -> str:
    """The storage driver of the engine."""
    return str(request.param)


@pytest.fixture
def workplace() -> Iterator[Path]:
    """A folder for roots, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="dfw") as name:
        yield Path(name)


@pytest.fixture
def engine(driver: str, workplace: Path) -> Iterator[Engine]:
    """A running engine on an empty root."""
    with Engine(workplace, driver) as made:
        made.start()
        yield made


@pytest.fixture(scope="session")
def pristine(driver: str) -> Iterator[tuple[Populated, Path]]:
    """A populated root, and the copy of it that no test touches."""
    with tempfile.TemporaryDirectory(prefix="dfp") as name, Engine(Path(name), driver) as engine:
        made = populate(engine)
        kept = Path(name, "kept")
        made.root.rename(kept)
        yield made, kept


@pytest.fixture
def populated(pristine: tuple[Populated, Path]) -> Iterator[Populated]:
    """A stopped, populated root of the test's own. It lies where it was made, since container records hold absolute paths."""
    made, kept = pristine
    subprocess.run(["cp", "-a", "--reflink=auto", kept, made.root], check=True)
    yield made
    made.engine.kill()
    shutil.rmtree(made.root)


@pytest.fixture(scope="session")
def stocked(pristine: tuple[Populated, Path]) -> tuple[Stock, Path]:
    """A populated root with more in it, and the copy of it that no test touches."""
    made, kept = pristine
    subprocess.run(["cp", "-a", "--reflink=auto", kept, made.root], check=True)
    stock = stock_up(made, kept.with_name("stocked"))
    return stock, kept.with_name("stocked")


@pytest.fixture
def stock(stocked: tuple[Stock, Path]) -> Iterator[Stock]:
    """A stopped, stocked root of the test's own, where it was made."""
    made, kept = stocked
    subprocess.run(["cp", "-a", "--reflink=auto", kept, made.root], check=True)
    yield made
    made.engine.kill()
    shutil.rmtree(made.root)
