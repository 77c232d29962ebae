"""Much of everything: deep chains, long lists, full folders. A check of them ends, and soon."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import test_hostile

from docker_fsck.ids import chain_id, digest
from docker_fsck.testing.layertar import pack
from docker_fsck.testing.names import short_name
from docker_fsck.testing.whole import Whole, whole

memory, judged = test_hostile.memory, test_hostile.judged


def records(store: Whole, number: int) -> list[str]:
    """A chain of so many layer records, each with its driver dir, as small as they can be."""
    packed = pack({})
    chains: list[str] = []
    for at in range(number):
        chain, ident = chain_id(chains[-1] if chains else None, packed.diff), f"{at:064x}"
        folder = store.root.record(chain)
        folder.mkdir()
        (folder / "diff").write_text(packed.diff)
        (folder / "size").write_text("0")
        (folder / "cache-id").write_text(ident)
        (folder / "tar-split.json.gz").write_bytes(b"x")
        if chains:
            (folder / "parent").write_text(chains[-1])
        store.root.driver_dir(ident).mkdir()
        chains.append(chain)
    return chains


@pytest.mark.parametrize("needed", ["by an image", "by nobody"])
def test_a_chain_of_five_thousand_layers_ends(memory: Path, needed: str) -> None:
    store = whole(memory / "root", "vfs")
    chains = records(store, 5_000)
    if needed == "by an image":
        config = json.dumps({"rootfs": {"type": "layers", "diff_ids": [pack({}).diff] * 5_000}}).encode()
        store.root.write(store.root.image_file(digest(config)), config)
        store.root.delete(store.root.driver_dir(f"{0:064x}"))
    outcome = judged(store)
    assert [chains[-1]] == [finding.object.id for finding in outcome.of("layer-too-deep")]
    if needed == "by an image":  # on vfs the images above still run: nothing of it is given up
        assert [True] == ["still run" in each.why for each in outcome.plan.blocked]
    else:
        assert 10_000 <= sum(len(action.steps) for action in outcome.plan.actions) + 2


@pytest.mark.parametrize("driver", ["overlay2", "aufs"])
def test_lists_of_ten_thousand_parents_end(memory: Path, driver: str) -> None:
    store = whole(memory / "root", driver)
    for image in (store.base, store.app, store.web):
        ident = store.dir_of(image)
        if driver == "overlay2":
            store.root.write(store.root.driver_dir(ident) / "lower", ":".join([f"l/{short_name(ident)}"] * 10_000).encode())
        else:
            store.root.write(f"aufs/layers/{ident}", f"{ident}\n".encode() * 10_000)
    assert judged(store).findings


def many_driver_dirs(store: Whole) -> None:
    """Orphans."""
    for at in range(20_000):
        (store.root.path / "overlay2" / f"{at:064x}").mkdir()


def many_links(store: Whole) -> None:
    """Short links to nothing."""
    for at in range(20_000):
        (store.root.path / "overlay2/l" / short_name(str(at))).symlink_to(f"../{at:064x}/diff")


def many_files(store: Whole) -> None:
    """What is no container."""
    for at in range(20_000):
        (store.root.path / "containers" / f"{at}").touch()


@pytest.mark.parametrize(
    ("blow", "rule", "steps"),
    [
        (many_driver_dirs, "driver-orphan", 20_000),
        (many_links, "ovl-link-dangling", 20_000),
        (many_files, "container-foreign-entry", 0),  # no engine has written them
    ],
)
def test_folders_of_twenty_thousand_entries_end(memory: Path, blow: Callable[[Whole], None], rule: str, steps: int) -> None:
    store = whole(memory / "root", "overlay2")
    blow(store)
    outcome = judged(store)
    assert 20_000 == len(outcome.of(rule))
    assert steps == sum(len(action.steps) for action in outcome.plan.actions)
