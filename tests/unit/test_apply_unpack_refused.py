"""Supplied layers that cannot be unpacked: the step is skipped with its reason, and no transaction stays open."""

from pathlib import Path

import pytest
from msgspec import structs
from restorekit import entry
from test_apply_kit import apply, make_root, needs_root
from test_apply_unpack import step_of, unpacked

from docker_fsck.apply.history import unfinished
from docker_fsck.testing.layertar import archive

pytestmark = needs_root


@pytest.mark.parametrize("number", [(1 << 32) - 1 - 100_000, (1 << 32) - 2])
def test_an_owner_that_no_file_can_have_is_refused(tmp_path: Path, number: int) -> None:
    with pytest.raises(OSError, match="owner that no file can have"):
        unpacked(tmp_path / "new", archive(entry("x", b"x", uid=number)), shift=(100_000, 100_000))


def test_a_source_that_is_gone_skips_the_step(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    step = step_of(root)
    lost = structs.replace(
        step, origin=structs.replace(step.origin, kind="root", source=str(tmp_path / "gone"), member="overlay2/x")
    )
    done = apply(root, (lost,))
    assert ((), 1, None) == (done.done, len(done.skipped), unfinished(str(root)))
