"""What an archive says of attributes, as far as an engine can give them to a file."""

import os
from pathlib import Path

import pytest

from docker_fsck.verify import xattrs
from docker_fsck.verify.headers import settled


@pytest.mark.parametrize(("told", "given"), [(0, 0), (5, 5), (-1, 0), ((1 << 63) - 1, (1 << 63) - 1), (1 << 63, 0)])
def test_a_time_that_an_engine_does_not_give_is_that_which_it_gives(told: int, given: int) -> None:
    assert given == settled(told)


def test_an_attribute_that_no_file_can_have_is_no_drift(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        found = xattrs.compared({"com.example": b"x", "user.note": b"y"}, fd, 0, more=True)
    finally:
        os.close(fd)
    assert {"user.note": (b"y".hex(), "none")} == found
