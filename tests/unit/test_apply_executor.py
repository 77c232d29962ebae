"""What the executor does and refuses."""

import os
from pathlib import Path

from docker_fsck.apply.executor import execute
from test_apply_kit import NOW, TXN, apply, make_root, mixed, plan_of, shape, site_of, snapshot

def test_every_step_of_a_mixed_plan_is_done(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    applied = apply(root, *mixed(root))
    assert applied.skipped == ()
    assert applied.done == tuple(range(32))
