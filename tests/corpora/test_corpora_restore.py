"""Every layer of a real root is deleted and comes back from a copy of the root: what the engine had unpacked, under its old names."""

import json
import os
import shutil
import stat
from pathlib import Path

import pytest
from corpus_runs import command, run
from msgspec import structs
from unpacking import Corpus

from docker_fsck.testing.tree import Entry, changes, snapshot

OWN = (".docker-fsck",)
MOUNTED = {"trusted.overlay.impure", "trusted.overlay.origin", "trusted.overlay.uuid", "trusted.overlay.nlink"}
"""What the kernel notes on a folder that was once mounted for writing, as BuildKit does; no archive tells it."""
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="not root: owners and devices of layers cannot be made")
OVERLAYS = ["docker20.10-overlay2-buildkit", "docker28.5-overlay2-buildkit"]


def layers(root: Path) -> list[Path]:
    """The folders of all layers."""
    records = root.glob("image/overlay2/layerdb/sha256/*/cache-id")
    return sorted(root / "overlay2" / record.read_text() for record in records)


def told(found: dict[str, Entry]) -> dict[str, Entry]:
    """The picture as far as an archive can tell it: whole seconds of what is no folder and no deletion, less the kernel's notes."""
    kept = {}
    for name, each in found.items():
        xattrs = tuple(pair for pair in each.xattrs if pair[0] not in MOUNTED)
        timeless = stat.S_ISDIR(each.mode) or stat.S_ISCHR(each.mode)
        kept[name] = structs.replace(each, xattrs=xattrs, mtime_ns=0 if timeless else each.mtime_ns // 10**9)
    return kept


def texts(folder: Path) -> dict[str, bytes]:
    """The small files beside the content."""
    return {name: (folder / name).read_bytes() for name in ("link", "lower") if (folder / name).exists()}


@pytest.mark.parametrize("clean", OVERLAYS, indirect=True)
def test_all_layers_come_back(clean: Corpus, tmp_path: Path) -> None:
    mine, second = clean.copy(tmp_path / "docker"), clean.copy(tmp_path / "second")
    folders = layers(mine)
    whole = {folder: (told(snapshot(folder / "diff")), texts(folder)) for folder in folders}
    for folder in folders:
        shutil.rmtree(folder)
    before = snapshot(mine, OWN)
    done = run(command(mine, "apply", "--class", "lossless", "--source", str(second), "--yes", "--format", "json"))
    assert done.exit == 1, done.err
    assert len(folders) > 3
    for folder in folders:
        assert changes(whole[folder][0], told(snapshot(folder / "diff"))) == {}
        assert whole[folder][1] == texts(folder)
    checked = run(command(mine, "check", "--level", "deep", "--state-dir", str(tmp_path / "state"), "--format", "json"))
    assert (checked.exit, checked.document["findings"]) == (0, []), json.dumps(checked.document["findings"])[:2000]
    assert run(command(mine, "undo", "last")).exit == 0
    assert changes(before, snapshot(mine, OWN)) == {}
