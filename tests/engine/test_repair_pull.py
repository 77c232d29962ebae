"""Lost layers end with a pull: exactly the lost layer and those above come over the wire, and containers get their data back."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import registry
from docker_fsck.testing import tree
from dockerd import Engine
from places import Places
from registry import Registry
from repairkit import OURS, apply, fsck, survey, take_back, told

TOP = 4
HALF = 2
"""The image has five layers; the one in the middle gets lost."""


@dataclass(frozen=True)
class Shop:
    """A stopped root whose image `shop:1`, of five layers, a registry also has; `worker` is a container of it with data."""

    engine: Engine
    registry: Registry
    tag: str
    pinned: str
    image: str
    digests: list[str]
    places: Places
    chains: list[str]
    blobs: list[str]

    @property
    def root(self) -> Path:
        return self.engine.root

    def pull(self, reference: str) -> list[bool]:
        """Pulls; tells for each layer from the base up whether it came over the wire, as client and registry both say."""
        before = set(self.registry.fetched())
        said = self.engine.docker("pull", reference).stdout
        known = [f"{blob.removeprefix('sha256:')[:12]}: Already exists" in said for blob in self.blobs]
        asked = set(self.registry.fetched()) - before
        assert [not each for each in known] == [blob in asked for blob in self.blobs], said
        return [not each for each in known]


@pytest.fixture
def shop(engine: Engine, workplace: Path) -> Iterator[Shop]:
    if lack := registry.lacks():
        pytest.skip(lack)
    with registry.running(workplace) as store:
        tag = f"{store.host}/shop:1"
        files = [{f"srv/{number}": f"{number}\n".encode() * 2000} for number in range(TOP + 1)]
        image = engine.import_image(tag, files)
        engine.docker("push", tag)
        digests = engine.save_digests(tag)
        pinned = engine.docker("image", "inspect", "-f", "{{index .RepoDigests 0}}", tag).stdout.strip()
        engine.run("worker", tag, "sh", "-c", "if [ -e /made ]; then cat /made; else echo made > /made; fi")
        engine.docker("rmi", "-f", *(image for _, image in engine.images() if image != digests[0]), check=False)
        engine.stop()
        places = Places(engine.root, engine.driver)
        # the registry's memory of this session ends with what the push asked for
        yield Shop(engine, store, tag, pinned, image, digests, places, places.chains(image), store.layers("shop", "1"))


def lose_folder(shop: Shop) -> None:
    """FC-03: the content of a layer was deleted."""
    shutil.rmtree(shop.places.layer(shop.chains[HALF]))


def lose_record(shop: Shop) -> None:
    """FC-06: what power loss leaves of a record, and the folder that it named is gone too."""
    lose_folder(shop)
    for file in shop.places.record(shop.chains[HALF]).iterdir():
        file.write_bytes(b"")


def lose_row(shop: Shop) -> None:
    """FC-12: the record was removed by hand, with its folder."""
    lose_folder(shop)
    shutil.rmtree(shop.places.record(shop.chains[HALF]))


def lose_tarsplit(shop: Shop) -> None:
    """FC-53: what a layer's archive is put together from is gone; containers run, nothing can be saved."""
    (shop.places.record(shop.chains[HALF]) / "tar-split.json.gz").unlink()
    shop.engine.start()
    said = shop.engine.docker("save", "-o", str(shop.root.with_name("saved.tar")), shop.tag, check=False).stderr
    assert "tar-split.json.gz: no such file or directory" in said
    assert "made\n" == shop.engine.docker("start", "-a", "worker").stdout
    shop.engine.stop()


@pytest.mark.parametrize(
    ("driver", "lose", "rule"),
    [
        ("overlay2", lose_folder, "layer-driverdir-missing"),
        ("overlay2", lose_record, "layer-record-incomplete"),
        ("overlay2", lose_row, "image-layer-missing"),
        ("overlay2", lose_tarsplit, "layer-tarsplit-missing"),
        ("vfs", lose_record, "layer-record-incomplete"),
        ("vfs", lose_row, "image-layer-missing"),
    ],
    indirect=["driver"],
)
def test_a_pull_brings_the_lost_layer_and_those_above_and_a_second_run_ties_the_container(
    shop: Shop, lose: Callable[[Shop], None], rule: str
) -> None:
    above = {shop.places.layer(chain).stat().st_ino for chain in shop.chains[HALF + 1 :]}
    lose(shop)
    shop.engine.start()
    said = shop.engine.docker("pull", shop.tag, check=False)
    assert "Already exists" in said.stdout or "file exists" in said.stderr or "up to date" in said.stdout, "a pull heals nothing"
    shop.engine.stop()
    before = tree.snapshot(shop.root, OURS)
    found = survey(shop.root)
    assert [rule] == [each.rule for each in told(found, "warning")]
    assert [shop.pinned] == found.report["plan"]["pull"]
    (lossy,) = (action for action in found.report["plan"]["actions"] if action["class"] == "lossy")
    assert f"docker tag {shop.pinned} {shop.tag}" in " ".join(lossy["next"])
    assert any("worker stands on it" in each and "run docker-fsck again" in each for each in lossy["next"])
    done = apply(shop.root, "lossless,lossy")
    assert (4, ["layer-parent-missing"]) == (done.exit, [each.rule for each in told(done, "warning")])
    assert above <= kept(shop), "intact folders above lie in quarantine"
    take_back(shop.root)
    assert {} == tree.changes(before, tree.snapshot(shop.root, OURS))
    apply(shop.root, "lossless,lossy")
    pulled_and_tied(shop)
    assert (0, []) == (survey(shop.root).exit, told(survey(shop.root), "warning"))
    assert 0 == fsck(shop.root, "purge", "--older-than", "0s").exit
    assert set() == kept(shop)


def kept(shop: Shop) -> set[int]:
    """The inodes of what lies in quarantine."""
    return {path.lstat().st_ino for path in shop.root.glob(".docker-fsck/*/q/*")}


def pulled_and_tied(shop: Shop) -> None:
    """The pull of what the plan lists, and the second run, after which the container starts with its data."""
    engine = shop.engine
    engine.start()
    assert [False, False, True, True, True] == shop.pull(shop.pinned)
    assert shop.digests == engine.save_digests(shop.pinned)
    engine.docker("tag", shop.pinned, shop.tag)
    engine.stop()
    second = survey(shop.root)
    expected = [] if engine.driver == "vfs" else ["ovl-lower", "ovl-lower"]
    assert expected == [each.rule for each in told(second, "warning")]
    assert {"lossless"} >= {each.mend for each in told(second, "warning")}
    apply(shop.root, "lossless")
    engine.start()
    assert "made\n" == engine.docker("start", "-a", "worker").stdout
    engine.stop()
