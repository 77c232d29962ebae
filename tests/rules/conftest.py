"""A folder on fast storage for the roots of one test, gone when it ends."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from docker_fsck.testing import subvolumes


@pytest.fixture(scope="session")
def btrfs() -> Iterator[Path]:
    """A btrfs for all tests of the session that want one."""
    if lack := subvolumes.lacks():
        pytest.skip(lack)
    with tempfile.TemporaryDirectory(prefix="docker-fsck-btrfs-") as base, subvolumes.btrfs(Path(base)) as point:
        yield point


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Where a test makes its root, for the driver btrfs on a btrfs; some thousand are made in a run, so that none is kept."""
    spec = getattr(request.node, "callspec", None)
    if spec is not None and spec.params.get("driver") == "btrfs":
        point = request.getfixturevalue("btrfs")
        yield point / "root"
        for left in point.iterdir():
            shutil.rmtree(left)
        return
    memory = "/dev/shm"  # a memory disk is three times as fast, and nothing here asks for more than a file system can
    top = Path(tempfile.mkdtemp(prefix="docker-fsck-rules-", dir=memory if os.access(memory, os.W_OK) else None))
    yield top / "root"
    shutil.rmtree(top)
