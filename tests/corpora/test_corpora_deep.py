"""Deep verification of real layers: every layer of every clean root is whole, and each kind of damage to one is found and named."""

import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from corpus_runs import REGISTRY
from unpacking import Corpus

from docker_fsck.host import HostView
from docker_fsck.policy import Policy
from docker_fsck.reader import Reader
from docker_fsck.store import open_store
from docker_fsck.tarsplit import entries
from docker_fsck.testing.tree import changes, snapshot_with_atimes
from docker_fsck.verdicts import Task, Verdict
from docker_fsck.verify.layer import verify
from docker_fsck.verify.run import tasks

STOPPED = HostView(state="stopped", why="a test says so")


def whole(root: Path) -> list[tuple[Task, Verdict]]:
    """Every layer with the verdict on it."""
    with Reader(str(root)) as reader:
        store = open_store(reader, REGISTRY.drivers, REGISTRY.sources, STOPPED, Policy(now=0))
        return [(task, verify(reader, task, lambda _count: None)) for model in store.models for task in tasks(model)]


def test_every_layer_is_what_was_pulled_or_built_and_nothing_is_changed(clean: Corpus) -> None:
    before = snapshot_with_atimes(clean.root)
    found = whole(clean.root)
    assert ({"whole"}, set(), set()) == (
        {verdict.state for _, verdict in found},
        {verdict.extra for _, verdict in found} - {()},
        {verdict.drift for _, verdict in found} - {()},
    )
    assert len(found) >= 10
    assert {} == changes(before, snapshot_with_atimes(clean.root))


def _flip(path: Path, data: bytes) -> None:
    path.write_bytes(bytes([data[0] ^ 1]) + data[1:])


def _swap(path: Path, data: bytes) -> None:
    path.write_bytes(bytes(byte ^ 0x55 for byte in data))


def _link(path: Path, data: bytes) -> None:
    del data
    path.unlink()
    path.symlink_to("/etc/passwd")


CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)
"""cap_net_raw+ep, as setcap writes it."""

BLOWS: dict[str, tuple[Callable[[Path, bytes], object], str]] = {
    "a byte flipped": (_flip, "damaged"),
    "truncated to 0": (lambda path, _data: path.write_bytes(b""), "damaged"),
    "NUL-filled": (lambda path, data: path.write_bytes(bytes(len(data))), "damaged"),
    "deleted": (lambda path, _data: path.unlink(), "damaged"),
    "replaced by a link": (_link, "damaged"),
    "swapped with another of the same size": (_swap, "damaged"),
    "another mode": (lambda path, _data: path.chmod(0o4711), "drift"),
    "a capability": (lambda path, _data: os.setxattr(path, "security.capability", CAPABILITY), "drift"),
    "an attribute": (lambda path, _data: os.setxattr(path, "user.note", b"by hand"), "drift"),
    "another time": (lambda path, _data: os.utime(path, (1, 1)), "drift"),
    "another owner": (lambda path, _data: os.chown(path, 12, 34), "drift"),
    "a file beside it": (lambda path, data: path.with_name("stranger").write_bytes(data), "extra"),
}


@pytest.mark.skipif(os.geteuid() != 0, reason="attributes and owners of layers are root's")
@pytest.mark.parametrize("name", BLOWS)
def test_each_damage_is_found_and_named(clean: Corpus, name: str) -> None:
    blow, kind = BLOWS[name]
    task = next(task for task, _ in whole(clean.root) if any(_with_content(clean.root, task)))
    victim = _with_content(clean.root, task)[0]
    data, facts = victim.read_bytes(), victim.stat()
    blow(victim, data)
    try:
        verdict = next(verdict for each, verdict in whole(clean.root) if each == task)
        told = {
            "damaged": [each.name for each in verdict.damages],
            "drift": [each.name for each in verdict.drift],
            "extra": list(verdict.extra),
        }
        expected = victim.with_name("stranger") if kind == "extra" else victim
        names = [str(expected.relative_to(clean.root / task.content))]
        if kind == "extra" and task.whole_tree:  # such a driver shows what lies below as well: nobody can tell what is more
            names = []
        assert names == told[kind]
        assert ("damaged" if kind == "damaged" else "whole") == verdict.state
    finally:
        victim.with_name("stranger").unlink(missing_ok=True)
        victim.unlink(missing_ok=True)
        victim.write_bytes(data)
        os.chown(victim, facts.st_uid, facts.st_gid)
        victim.chmod(facts.st_mode & 0o7777)
        os.utime(victim, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def _with_content(root: Path, task: Task) -> list[Path]:
    batches = entries([(root / task.record).read_bytes()])
    names = [entry.name for batch in batches for entry in batch if entry.has_content and entry.name]
    found = (root / task.content / name for name in names)
    return [
        path
        for path in found
        if path.is_file() and not path.is_symlink() and path.stat().st_nlink == 1 and path.read_bytes().strip(b"\0")
    ]
