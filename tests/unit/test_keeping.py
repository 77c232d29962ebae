"""Keep-lists: by name, label and path they protect an object, what it stands on and what stands on it; a typo is told."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec import structs
from test_cli_kit import broken_root, healthy_root, on, run
from test_engine import NOW, Seen, judged

from docker_fsck import keeping
from docker_fsck.host import HostView
from docker_fsck.keeping import has_label
from docker_fsck.policy import Policy
from docker_fsck.reader import Reader
from docker_fsck.store import Store, open_store
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.documents import compact, image_config, merged
from docker_fsck.testing.images import Image, digest
from docker_fsck.testing.table import STOPPED, registry
from docker_fsck.values import ActionClass

DRIVERS = ("overlay2", "vfs", "aufs")


@pytest.fixture(params=DRIVERS)
def root(request: pytest.FixtureRequest, tmp_path: Path) -> DataRoot:
    return DataRoot(tmp_path / "root", request.param)


def labelled(root: DataRoot, name: str, labels: dict[str, str], layers: int = 2) -> str:
    """An image of that name with these labels."""
    plain = root.image(None, layers)
    diffs = root.images[plain].diffs
    content = compact(merged(image_config(root.names.time(), diffs, None), {"config": {"Labels": labels}})).encode()
    image = Image(digest(content), diffs)
    root.delete(root.image_file(plain))
    root.images[image.id] = image
    root.disk.put(root.image_file(image.id), content, 0o600)
    root.tag(name, image.id)
    root.disk.settle()
    return image.id


def lost(root: DataRoot, image: str) -> str:
    """The lowest layer of the image loses its content; on vfs the top one, for there nothing else breaks an image."""
    chain = root.chains_of(image)[-1 if root.driver == "vfs" else 0]
    root.delete(root.content(root.dir_of(chain)))
    return chain


def planned(root: DataRoot, **keeps: tuple[str, ...]) -> Seen:
    return judged(root.path, policy=structs.replace(NOW, **keeps))


def losses(seen: Seen) -> list[str]:
    """What the plan gives up or reclaims."""
    return [action.does for action in seen.plan.actions if action.cls is not ActionClass.LOSSLESS]


@pytest.fixture
def opened() -> Iterator[Callable[..., Store]]:
    readers: list[Reader] = []

    def make(root: DataRoot, **keeps: tuple[str, ...]) -> Store:
        readers.append(Reader(str(root.path)))
        return open_store(
            readers[-1],
            registry().drivers,
            registry().sources,
            STOPPED,
            Policy(now=0, grace=0, **keeps),  # type: ignore[arg-type]
        )

    yield make
    for reader in readers:
        reader.close()


@pytest.mark.parametrize("pattern", ["stage", "stage=prod", "stage=*", "st?ge"])
def test_an_image_with_a_kept_label_is_not_given_up(root: DataRoot, pattern: str) -> None:
    lost(root, labelled(root, "app:1", {"stage": "prod"}))
    seen = planned(root, keep_labels=(pattern,))
    assert ([], {f"kept by configuration: {pattern}"}) == (losses(seen), set(seen.reasons))


@pytest.mark.parametrize("pattern", ["stage=test", "Stage", "prod", "stage=prod=x"])
def test_an_image_with_other_labels_is_given_up(root: DataRoot, pattern: str) -> None:
    lost(root, labelled(root, "app:1", {"stage": "prod"}))
    assert [] != losses(planned(root, keep_labels=(pattern,)))


def test_a_layer_below_a_kept_image_is_not_given_up_with_another_image(root: DataRoot) -> None:
    """`base` is kept: its layer is not forgotten for the sake of what was built on it."""
    base = labelled(root, "base:1", {"keep": ""})
    root.image("app:1", 1, base=base)
    lost(root, base)
    assert [] == losses(planned(root, keep_labels=("keep",)))


def test_what_stands_on_a_kept_image_is_not_given_up(root: DataRoot) -> None:
    base = labelled(root, "base:1", {"keep": ""})
    app = root.image("app:1", 1, base=base)
    root.delete(root.content(root.dir_of(root.chains_of(app)[-1])))
    assert [] == losses(planned(root, keep_labels=("keep",)))
    assert [] != losses(planned(root))


def test_an_image_beside_a_kept_one_is_given_up(root: DataRoot) -> None:
    labelled(root, "base:1", {"keep": ""})
    other = root.image("app:1", 1)
    lost(root, other)
    assert [] != losses(planned(root, keep_labels=("keep",)))


def test_a_container_with_a_kept_label_keeps_the_layers_below_it(root: DataRoot) -> None:
    image = root.image("app:1", 2)
    root.container(image, "box", config={"Config": {"Labels": {"keep": "yes"}}})
    lost(root, image)
    seen = planned(root, keep_labels=("keep=yes",))
    assert [] == losses(seen)
    if root.driver != "vfs":  # there the container runs on its own copy, and that alone forbids it
        assert {"kept by configuration: keep=yes"} == set(seen.reasons)


def test_an_image_whose_labels_cannot_be_read_is_kept_while_labels_are(root: DataRoot) -> None:
    image = root.image("app:1", 1)
    root.cut(root.image_file(image))
    seen = planned(root, keep_labels=("keep",))
    assert [] == losses(seen)
    assert any("its labels cannot be read" in why for why in seen.reasons)
    assert [] != losses(planned(root))


def test_a_kept_image_may_still_be_mended_without_a_loss(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root")
    image = labelled(root, "app:1", {"keep": ""})
    root.empty(root.driver_dir(root.dir_of(root.chains_of(image)[0])) / "link")
    assert [ActionClass.LOSSLESS] == [action.cls for action in planned(root, keep_labels=("keep",)).plan.actions]


def test_a_kept_path_keeps_the_image_that_stands_on_it(root: DataRoot) -> None:
    """The path of the top layer's folder is kept; the layer below is lost, and the image would go with it."""
    image = root.image("app:1", 2)
    lost(root, image)
    path = str(root.driver_dir(root.dir_of(root.chains_of(image)[1])).relative_to(root.path))
    for pattern in (path, f"{root.path}/{path}/"):
        seen = planned(root, keep_paths=(pattern,))
        assert ([], {f"kept by configuration: {pattern}"}) == (losses(seen), set(seen.reasons))


def test_garbage_below_nothing_kept_is_reclaimed(root: DataRoot) -> None:
    labelled(root, "app:1", {"keep": ""})
    root.orphan_dir()
    assert 1 == len(losses(planned(root, keep_labels=("keep",), keep_images=("app:1",))))


def test_an_unreferenced_layer_above_a_kept_image_stays(root: DataRoot) -> None:
    """It stands on the image that is kept."""
    base = labelled(root, "base:1", {"keep": ""})
    root.unreferenced_layers(1, root.chains_of(base)[-1])
    assert ([], 1) == (losses(planned(root, keep_images=("base:1",))), len(losses(planned(root))))


def test_entries_that_mean_nothing_are_told(root: DataRoot, opened: Callable[..., Store]) -> None:
    image = labelled(root, "app:1", {"stage": "prod"})
    root.container(image, "box", config={"Config": {"Labels": {"keep": "yes"}}})
    store = opened(
        root,
        keep_images=("app:1", "ap:1", image, "sha256:0*"),
        keep_labels=("stage", "keep=yes", "keep=no"),
        keep_paths=(
            "containers",
            "containers/*",
            "contaners",
            f"image/{root.driver}/layerdb",
            "/nowhere/*",
            "no/*",
            "*/layerdb",
            str(root.path),
        ),
    )
    expected = [
        "keep.images: ap:1",
        "keep.labels: keep=no",
        "keep.paths: contaners",
        "keep.paths: /nowhere/*",
        "keep.paths: no/*",
    ]
    found = [each for each in keeping.unused(store) if each not in {"keep.images: sha256:0*", f"keep.paths: {root.path}"}]
    assert expected == found


def test_the_same_name_in_a_dangling_tag_is_not_unused(root: DataRoot, opened: Callable[..., Store]) -> None:
    root.delete(root.image_file(root.image("app:1", 1)))
    assert () == keeping.unused(opened(root, keep_images=("app:1",)))


@pytest.mark.parametrize(
    ("pattern", "means"), [("a", True), ("a=b", True), ("a=b=c", False), ("b", False), ("", False), ("c=x=y", True)]
)
def test_a_label_is_meant_by_its_key_or_by_key_and_value(pattern: str, means: bool) -> None:
    assert means is has_label((("a", "b"), ("c", "x=y")), pattern)


def test_the_report_and_its_text_name_the_entries_that_mean_nothing(tmp_path: Path) -> None:
    root = broken_root(tmp_path)
    file = tmp_path / "settings.toml"
    file.write_text('[keep]\nimages = ["app:1", "ap:1"]\nlabels = ["no=such"]\npaths = ["overlay2/l"]\n')
    ended = run(*on(root, "check", "--format", "json"), file=str(file))
    assert ["keep.images: ap:1", "keep.labels: no=such"] == ended.report["coverage"]["keep_unused"]
    told = run(*on(root, "plan"), file=str(file)).out
    assert [1, 1, 0] == [told.count(each) for each in ("keep.images: ap:1", "keep.labels: no=such", "keep.paths")]


def test_config_show_tells_the_labels_and_where_they_come_from(tmp_path: Path) -> None:
    root = healthy_root(tmp_path)
    file = tmp_path / "settings.toml"
    file.write_text('[keep]\nlabels = ["stage=prod"]\n')
    told = run(*on(root, "config", "show", "--origin"), file=str(file)).out
    assert [True] == [str(file) in line for line in told.splitlines() if line.startswith('labels = ["stage=prod"]')]
