"""The corpora, each unpacked once a session when it is first wanted, and removed when the last test that wants it is done."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import unpacking


class Corpus:
    """An unpacked data root that nobody may change, and what its engine said about it."""

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.root = root

    @cached_property
    def report(self) -> dict[str, Any]:
        """The engine's report."""
        return unpacking.report(self.name)

    def copy(self, to: Path) -> Path:
        """A root of a test's own."""
        subprocess.run(["cp", "-a", "--reflink=auto", str(self.root), str(to)], check=True)
        return to


def pytest_report_header() -> str:
    """Says what an unpacked corpus lacks on this machine."""
    lack = unpacking.lacks(Path(tempfile.gettempdir()))
    return f"corpora: unpacked without what is missing here: {lack}" if lack else "corpora: unpacked whole"


def _unpacked(name: str, factory: pytest.TempPathFactory) -> Iterator[Corpus]:
    if not unpacking.archive(name).exists():
        pytest.skip(f"{unpacking.archive(name).name} is not here: a source distribution has no corpora")
    place = factory.mktemp("corpus")
    yield Corpus(name, unpacking.unpack(name, place))
    shutil.rmtree(place)


@pytest.fixture(scope="session", params=unpacking.CLEAN)
def clean(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corpus]:
    """Each root that its engine left by a clean stop."""
    yield from _unpacked(request.param, tmp_path_factory)


@pytest.fixture(scope="session", params=unpacking.DIRTY)
def dirty(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corpus]:
    """Each root whose engine was killed."""
    yield from _unpacked(request.param, tmp_path_factory)


@pytest.fixture(scope="session")
def containerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corpus]:
    """A root with the containerd image store and no graph driver."""
    yield from _unpacked(unpacking.CONTAINERD, tmp_path_factory)
