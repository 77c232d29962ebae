"""Random damages, one to five at a time, on roots of a real engine: apply never makes it worse, ends, harms nobody, and undoes.

`DOCKER_FSCK_HAVOC` is the number of combinations for each driver; without it as many as fit in a minute and a half.
"""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from docker_fsck.apply.executor import execute
from docker_fsck.apply.undo import undo
from docker_fsck.testing import tree
from docker_fsck.testing.laws import MOMENT, TXN, site
from docker_fsck.testing.table import STOPPED, Run, run
from docker_fsck.values import ActionClass
from havoc import havoc
from places import Places
from repairkit import OURS, Stock

MOST_RUNS = 4
"""What a broken neighbour kept from being told for certain is mended, or told as garbage, by the next round of the same apply."""
LOSSLESS, RECLAIM = ActionClass.LOSSLESS, ActionClass.RECLAIM
WAITING = frozenset({"layer-parent-missing", "ovl-lower", "driver-orphan", "driver-orphan-init"})
Shot = dict[str, tree.Entry]
MOST_SECONDS = 90.0
ASKED = int(os.environ.get("DOCKER_FSCK_HAVOC", "0"))
FIRST = int(os.environ.get("DOCKER_FSCK_HAVOC_FIRST", "0"))


def test_no_combination_of_damages_is_made_worse_and_each_is_taken_back(stocked: tuple[Stock, Path]) -> None:
    stock, kept = stocked
    begun, count, faults = time.monotonic(), 0, list[str]()
    while count < ASKED or (not ASKED and time.monotonic() - begun < MOST_SECONDS):
        subprocess.run(["cp", "-a", "--reflink=auto", kept, stock.root], check=True)
        try:
            faults += judged(stock, kept, FIRST + count)
        finally:
            shutil.rmtree(stock.root)
        count += 1
    print(f"{count} combinations on {stock.engine.driver} in {time.monotonic() - begun:.0f} s")
    print(*faults, sep="\n")
    assert [] == faults


def judged(stock: Stock, kept: Path, seed: int) -> list[str]:
    """What is wrong with how one combination is handled."""
    places = Places(stock.root, stock.engine.driver)
    done = havoc(places, seed)
    before = tree.snapshot(stock.root, OURS)
    first = run(stock.root)
    applied = execute(first.plan, site(stock.root, STOPPED), txn=TXN, now=MOMENT)
    second = run(stock.root)
    after = tree.snapshot(stock.root, OURS)
    found = [f"{skip.path} was skipped: {skip.why}" for skip in applied.skipped]
    more = set(lasting(second)) - set(lasting(first))
    if len(lasting(second)) > len(first.findings):
        found.append(f"{len(first.findings)} findings became {len(lasting(second))}; new are {more}")
    late = upon_what_went(first, second)
    found += [
        f"planned again: {each.does}"
        for each in second.plan.actions
        if each.cls not in {LOSSLESS, RECLAIM} and not late.issuperset(each.findings)
    ]
    whole, hurt = tree.snapshot(kept, OURS), harmed(first)
    for name, parts in belongings(Places(kept, stock.engine.driver)).items():
        if not name & hurt and parts[0] in before:  # else it was removed, and what was its own is garbage
            found += [f"{min(name)} was whole and lost {path}" for path in parts if lost(path, whole, before, after)]
    done_in = [TXN] if applied.done else []
    plan = second.plan
    while plan.actions and len(done_in) < MOST_RUNS:
        done_in.append(f"20240506T07081{len(done_in)}Z-cd34")
        execute(plan, site(stock.root, STOPPED), txn=done_in[-1], now=MOMENT)
        plan = run(stock.root).plan
    found += [f"planned after {MOST_RUNS} runs: {action.does}" for action in plan.actions]
    for txn in reversed(done_in):
        undo(site(stock.root, STOPPED), txn)
    found += [f"undo left {path}" for path in tree.changes(before, tree.snapshot(stock.root, OURS))]
    return [f"seed {seed} ({'; '.join(done)}): {each}" for each in found]


def lasting(outcome: Run) -> list[str]:
    """The findings, less those that wait for a pull: containers on a lost layer may be several; so may be folders that it may own.

    A folder is called nobody's only when all records tell theirs, and stays while a record in the quarantine does not.
    """
    return [
        f"{each.rule} {each.object.kind} {each.object.id[:19]}"
        for each in outcome.findings
        if each.rule not in WAITING or each.actions
    ]


def upon_what_went(first: Run, second: Run) -> set[str]:
    """The findings on layers of which only the repair of their records told that they stand on what the same plan put away."""
    told = {step.path for action in first.plan.actions for step in action.steps if step.path.endswith("/parent")}
    return {
        each.fingerprint
        for each in second.findings
        if each.rule == "layer-parent-missing" and told & {place.path for place in each.paths}
    }


def harmed(outcome: Run) -> set[str]:
    """Every image and container that some finding says to suffer, or is about."""
    found = {name for each in outcome.findings for names in (each.impact.images, each.impact.containers) for name in names}
    return found | {each.object.id for each in outcome.findings}


def belongings(places: Places) -> dict[frozenset[str], list[str]]:
    """For each image and container of a whole root, by all that it may be called: the files without which it is not whole."""
    tags = json.loads(places.tags.read_bytes())["Repositories"].values()
    found: dict[frozenset[str], list[str]] = {}
    for config in (places.tree / "imagedb/content/sha256").iterdir():
        image = f"sha256:{config.name}"
        names = {tag for group in tags for tag, each in group.items() if each == image}
        roots = [config, *(path for chain in places.chains(image) for path in (places.record(chain), places.layer(chain)))]
        found[frozenset({image, config.name[:12], *names})] = files(places, roots)
    for folder in (places.root / "containers").iterdir():
        roots = [folder, places.mount(folder.name), places.writable(folder.name), places.init(folder.name)]
        found[frozenset({folder.name})] = files(places, roots)
    return found


def files(places: Places, roots: list[Path]) -> list[str]:
    every = [path for top in roots for path in (top, *top.rglob("*"))]
    return [places.path(path) for path in every if path.is_symlink() or not path.is_dir()]


def lost(path: str, whole: Shot, before: Shot, after: Shot) -> bool:
    """Whether a file was as it should be before, and is not afterwards."""
    return before.get(path) == whole[path] != after.get(path)
