"""Ten thousand damaged databases: content or a `BoltError`, at once and in bounded memory (promise 16)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import unpacking

CASES = 10_000


@pytest.mark.skipif(not unpacking.archive(unpacking.CLEAN[0]).exists(), reason="a source distribution has no corpora")
def test_no_damage_crashes_hangs_or_bloats_the_reader() -> None:
    program = Path(__file__).with_name("judge_mutations.py")
    done = subprocess.run(
        [sys.executable, str(program), "0", str(CASES)], check=False, capture_output=True, text=True, timeout=120
    )
    assert "" == done.stderr
    found = json.loads(done.stdout)
    assert {"read", "refused"} == set(found["ends"])
    assert CASES == sum(found["ends"].values())
    assert min(found["ends"].values()) > CASES / 10
    assert found["slowest"] < 1
