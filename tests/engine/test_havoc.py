"""Random damages, one to five at a time, on roots of a real engine: apply never makes it worse, ends, harms nobody, and undoes.

`DOCKER_FSCK_HAVOC` is the number of combinations for each driver; without it as many as fit in a minute and a half.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from docker_fsck.testing import tree
from havoc import havoc
from places import Places, copy
from repairkit import OURS, Run, Stock, apply, fsck, take_back, told

MOST_SECONDS = 90.0
CLASSES = "lossless,reclaim,lossy"
ASKED = int(os.environ.get("DOCKER_FSCK_HAVOC", "0"))
FIRST = int(os.environ.get("DOCKER_FSCK_HAVOC_FIRST", "0"))


def test_no_combination_of_damages_is_made_worse(stocked: tuple[Stock, Path]) -> None:
    stock, kept = stocked
    begun, count, faults = time.monotonic(), 0, list[str]()
    while count < ASKED or (not ASKED and time.monotonic() - begun < MOST_SECONDS):
        subprocess.run(["cp", "-a", "--reflink=auto", kept, stock.root], check=True)
        try:
            faults += judged(stock, FIRST + count)
        finally:
            shutil.rmtree(stock.root)
        count += 1
    print(f"{count} combinations on {stock.engine.driver} in {time.monotonic() - begun:.0f} s")
    assert [] == faults


def judged(stock: Stock, seed: int) -> list[str]:
    """What is wrong with how one combination is handled."""
    places = Places(stock.root, stock.engine.driver)
    done = havoc(places, seed)
    before = tree.snapshot(stock.root, OURS)
    first = plan(stock.root)
    harmed = sufferers(first)
    ended = fsck(stock.root, "apply", "--class", CLASSES, "--yes", "--grace", "0s", "--allow-mass")
    second = plan(stock.root)
    after = tree.snapshot(stock.root, OURS)
    found = [f"apply ended with {ended.exit}"] if ended.exit & (8 | 16 | 32) else []
    worse = [each for each in severe(second) if each not in severe(first)]
    if len(told(second)) > len(told(first)):
        found.append(f"{len(told(first))} findings became {len(told(second))}: new are {worse}")
    found += [f"planned again: {action['does']}" for action in second.report["plan"]["actions"] if action["consent"] is None]
    found += [f"an unharmed thing changed: {path}" for path in tree.changes(before, after) if unharmed(places, path, harmed, before)]
    if ended.exit & 1:
        take_back(stock.root)
        found += [f"undo left {path}" for path in tree.changes(before, tree.snapshot(stock.root, OURS))]
    return [f"seed {seed} ({'; '.join(done)}): {each}" for each in found]
