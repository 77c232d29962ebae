"""What only looks changes nothing: no byte, name, mode, owner, attribute or time of a built root, whole or broken (promise 1).

The same for real roots, with a read-only mount and a trace of the system calls, is in tests/corpora/test_corpora_readonly.py.
"""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from docker_fsck.cli import main
from docker_fsck.errors import USAGE
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.tree import changes, snapshot_with_atimes

LONG_AGO = 1_000_000_000_000_000_000
ALL = "lossless,reclaim,lossy"
LOOKING = {
    "bare": ("--grace", "0s"),
    "dry run": ("--dry-run",),
    "check": ("check", "--format", "json"),
    "quick check": ("check", "--level", "quick", "--format", "jsonl"),
    "plan": ("plan", "--grace", "0s", "--format", "json"),
    "plan for a target": ("plan", "--target-free", "100%", "--grace", "0s"),
    "check of one object": ("check", "--object", "box"),
    "why": ("why", "box"),
    "rehearsal": ("apply", "--dry-run", "--class", ALL, "--grace", "0s"),
    "history": ("history",),
    "du": ("du", "--jobs", "2"),
    "settings": ("config", "show"),
}
DRIVERS = ("overlay2", "vfs", "aufs")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the host cannot say that no engine runs, a check waits before it looks again; not here."""
    monkeypatch.setattr("docker_fsck.cli.session.PAUSE", 0.0)


def whole(path: Path, driver: str) -> DataRoot:
    """A root with a bit of everything."""
    root = DataRoot(path, driver)
    base = root.image("base:1", 2, digest_ref=True)
    root.container(root.image("app:1", 1, base=base), "box")
    root.volume("data", {"file": b"mine"})
    root.build_cache()
    return root


def littered(path: Path, driver: str) -> DataRoot:
    """Garbage of every kind."""
    root = whole(path, driver)
    root.orphan_dir()
    root.orphan_pair()
    root.orphan_mount()
    root.unreferenced_layers(3)
    root.removing()
    root.layer_tmp()
    return root


def broken(path: Path, driver: str) -> DataRoot:
    """A lost driver dir, records cut, emptied and of NULs, half of the tags, a container without its mount record."""
    root = littered(path, driver)
    image = root.image("lost:1", 3)
    low, mid, top = root.chains_of(image)
    root.delete(root.driver_dir(root.dir_of(low)))
    root.empty(root.record(mid) / "cache-id")
    root.nul(root.record(top) / "diff")
    root.cut(root.image_file(image))
    root.cut(root.tags)
    name = next(iter(root.mounts))
    root.delete(root.mount_record(name))
    return root


def hostile(path: Path, driver: str) -> DataRoot:
    """Links out of the root, a pipe where a file should be, names that no engine makes."""
    root = broken(path, driver)
    outside = path.with_name(f"{path.name}-outside")
    outside.mkdir()
    (outside / "file").write_bytes(b"not ours")
    top = next(reversed(root.layers.values()))
    root.link_to(root.driver_dir(top.cache_id), str(outside))
    root.link_to(root.record(top.chain) / "tar-split.json.gz", str(outside / "file"))
    pipe = root.record(top.chain) / "size"
    root.delete(pipe)
    os.mkfifo(pipe)
    os.mkdir(os.fsencode(root.path / "containers") + b"/\xff\n")
    root.write(root.record(top.chain) / "parent", b"../../../../etc/passwd")
    return root


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("build", [whole, littered, broken, hostile], ids=lambda build: str(build.__name__))
def test_no_command_that_looks_changes_a_root(tmp_path: Path, build: Callable[[Path, str], DataRoot], driver: str) -> None:
    root = build(tmp_path / "root", driver).path
    grow_old(tmp_path)
    before = snapshot_with_atimes(tmp_path)
    changed = {}
    for what, words in LOOKING.items():
        assert not main([*words, "--root", str(root)]) & USAGE, what
        after = snapshot_with_atimes(tmp_path)
        changed[what] = changes(before, after)
        before = after
    assert changed == {what: {} for what in LOOKING}


def test_the_broken_roots_are_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Else the test above would look at nothing."""
    found = {}
    for build in (whole, littered, broken, hostile):
        root = build(tmp_path / build.__name__, "overlay2")
        main(["check", "--format", "json", "--root", str(root.path)])
        found[build.__name__] = {each["severity"] for each in json.loads(capsys.readouterr().out)["findings"]}
    assert (found["whole"], found["littered"]) == (set(), {"info"})
    assert {"error", "critical"} & found["broken"] != set()
    assert {"error", "critical"} & found["hostile"] != set()


@pytest.mark.parametrize("words", [("plan", "-o"), ("check", "--report"), ("check", "--log-file")])
def test_a_file_that_was_asked_for_is_never_put_into_the_root(tmp_path: Path, words: tuple[str, str]) -> None:
    root = whole(tmp_path / "root", "overlay2").path
    before = snapshot_with_atimes(root)
    target = str(root / "image" / "file")
    assert main([*words, f"json={target}" if words[1] == "--report" else target, "--root", str(root)]) == USAGE
    assert changes(before, snapshot_with_atimes(root)) == {}


def grow_old(folder: Path) -> None:
    """Set every access time to long before the mtime: the kernel then writes a new one even where it is mounted relatime."""
    for where, _, files in os.walk(folder):
        for path in (where, *(os.path.join(where, name) for name in files)):
            info = os.lstat(path)
            if not stat.S_ISLNK(info.st_mode):
                os.utime(path, ns=(LONG_AGO, info.st_mtime_ns))
