"""The corpora, each unpacked once a session when it is first wanted, and removed when the last test that wants it is done."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import unpacking

MEMORY = Path("/dev/shm")
ROOM = 1 << 29

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
        """A root of a test's own, at `to`."""
        subprocess.run(["cp", "-a", "--reflink=auto", str(self.root), str(to)], check=True)
        return to


def pytest_report_header() -> str:
    """Says what an unpacked corpus lacks on this machine."""
    lack = unpacking.lacks(workshop())
    return f"corpora: unpacked in {workshop()}, {lack or 'whole'}"


def workshop() -> Path:
    """Where the corpora are unpacked: in memory if there is room, since they are many small files."""
    if os.access(MEMORY, os.W_OK):
        room = os.statvfs(MEMORY)
        if room.f_bavail * room.f_frsize > ROOM and not unpacking.lacks(MEMORY):
            return MEMORY
    return Path(tempfile.gettempdir())


def _unpacked(name: str) -> Iterator[Corpus]:
    if not unpacking.archive(name).exists():
        pytest.skip(f"{unpacking.archive(name).name} is not here: a source distribution has no corpora")
    with tempfile.TemporaryDirectory(prefix="dfc", dir=workshop()) as place:
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
