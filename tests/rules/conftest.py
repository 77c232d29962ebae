"""A folder on fast storage for the roots of one test, gone when it ends."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def place() -> Iterator[Path]:
    """Where a test makes its root; some thousand of them are made in a run, so that none is kept."""
    memory = "/dev/shm"  # a memory disk is three times as fast, and nothing here asks for more than a file system can
    top = Path(tempfile.mkdtemp(prefix="docker-fsck-rules-", dir=memory if os.access(memory, os.W_OK) else None))
    yield top / "root"
    shutil.rmtree(top)
