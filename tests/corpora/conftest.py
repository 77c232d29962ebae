"""The corpora as fixtures: each is unpacked once a session, when a test first wants it, and gone after the last that does."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import unpacking
from unpacking import Corpus, workshop

from docker_fsck.testing import subvolumes


def pytest_report_header() -> str:
    """Says where corpora are unpacked and what they lack on this machine."""
    return f"corpora: unpacked in {workshop()}, {unpacking.lacks(workshop()) or 'whole'}"


def _unpacked(name: str) -> Iterator[Corpus]:
    if not unpacking.archive(name).exists():
        pytest.skip(f"{unpacking.archive(name).name} is not here: a source distribution has no corpora")
    if name in unpacking.IMAGES and (lack := subvolumes.lacks()):
        pytest.skip(lack)
    with tempfile.TemporaryDirectory(prefix="dfc", dir=workshop()) as place:
        if name in unpacking.IMAGES:
            with unpacking.attached(name, Path(place)) as root:
                yield Corpus(name, root)
        else:
            yield Corpus(name, unpacking.unpack(name, Path(place)))


@pytest.fixture(scope="session", params=unpacking.CLEAN)
def clean(request: pytest.FixtureRequest) -> Iterator[Corpus]:
    """Each root that its engine left by a clean stop."""
    yield from _unpacked(request.param)


@pytest.fixture(scope="session", params=unpacking.DIRTY)
def dirty(request: pytest.FixtureRequest) -> Iterator[Corpus]:
    """Each root whose engine was killed."""
    yield from _unpacked(request.param)


@pytest.fixture(scope="session")
def containerd() -> Iterator[Corpus]:
    """A root with the containerd image store and no graph driver."""
    yield from _unpacked(unpacking.CONTAINERD)


@pytest.fixture(scope="session")
def migrated() -> Iterator[Corpus]:
    """A root with a graph driver store and a containerd store beside it."""
    yield from _unpacked(unpacking.MIGRATED)
