"""One tree as values: depths, ancestors, owners, who suffers; and how a store of several trees is opened."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from docker_fsck.errors import Refused
from docker_fsck.host import HostView
from docker_fsck.impact import impact, sufferers
from docker_fsck.model import Model
from docker_fsck.policy import Policy
from docker_fsck.reader import Reader
from docker_fsck.store import Store, open_store
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.table import STOPPED, registry
from docker_fsck.values import Impact, Ref, Trouble

DRIVERS = ("overlay2", "vfs", "aufs")


@contextmanager
def opened(path: Path, host: HostView = STOPPED) -> Iterator[Store]:
    """The store at `path`."""
    known = registry()
    with Reader(str(path)) as reader:
        yield open_store(reader, known.drivers, known.sources, host, Policy(now=0, grace=0))


@contextmanager
def modelled(root: DataRoot) -> Iterator[Model]:
    """The tree of the root's driver."""
    with opened(root.path) as store:
        yield next(model for model in store.models if model.name == root.driver)


@pytest.fixture(params=DRIVERS)
def root(request: pytest.FixtureRequest, tmp_path: Path) -> DataRoot:
    """An empty root of each driver."""
    return DataRoot(tmp_path / "root", request.param)


def test_depth_counts_the_records_below(root: DataRoot) -> None:
    chains = root.unreferenced_layers(3)
    with modelled(root) as model:
        assert {chain: number for number, chain in enumerate(chains)} == model.depth


def test_a_record_whose_parents_go_round_has_no_depth_and_is_not_loaded(root: DataRoot) -> None:
    low, high, above = root.unreferenced_layers(3)
    (other,) = root.unreferenced_layers(1)
    root.write(root.record(low) / "parent", high.encode())
    with modelled(root) as model:
        assert {low: -1, high: -1, above: -1, other: 0} == model.depth
        assert ({other}, None, ()) == (model.loadable, model.ancestors(above), model.ancestors(None))


@pytest.mark.parametrize("name", ["diff", "size", "cache-id", "parent"])
def test_a_broken_record_and_all_above_it_are_not_loaded(root: DataRoot, name: str) -> None:
    low, middle, _ = root.unreferenced_layers(3)
    root.write(root.record(middle) / name, b"")
    with modelled(root) as model:
        assert {low} == model.loadable


def test_a_record_above_a_gap_is_not_loaded(root: DataRoot) -> None:
    low, middle, _ = root.unreferenced_layers(3)
    root.delete(root.record(middle))
    with modelled(root) as model:
        assert {low} == model.loadable


def test_ancestors_are_the_folders_below_nearest_first(root: DataRoot) -> None:
    chains = root.unreferenced_layers(3)
    dirs = tuple(root.dir_of(chain) for chain in reversed(chains))
    with modelled(root) as model:
        assert (dirs, dirs[1:]) == (model.ancestors(chains[2]), model.expected_parents(dirs[0]))


def test_a_writable_layer_stands_on_its_init_layer_and_that_on_the_image(root: DataRoot) -> None:
    image = root.image("app:1", 2)
    box = root.container(image)
    below = tuple(root.dir_of(chain) for chain in reversed(root.chains_of(image)))
    with modelled(root) as model:
        assert ((root.init_id(box), *below), below) == (
            model.expected_parents(root.mount_id(box)),
            model.expected_parents(root.init_id(box)),
        )


def test_what_no_record_names_and_what_stands_on_nothing_known_has_no_expected_parents(root: DataRoot) -> None:
    bare = root.container(None)
    with modelled(root) as model:
        assert [None] * 3 == [model.expected_parents(each) for each in ("f" * 64, root.mount_id(bare), root.init_id(bare))]


def test_where_a_record_does_not_tell_no_parents_are_expected(root: DataRoot) -> None:
    image = root.image("app:1", 2)
    low, top = root.chains_of(image)
    box = root.container(image)
    root.empty(root.mount_record(box) / "parent")
    root.empty(root.record(low) / "cache-id")
    with modelled(root) as model:
        assert (None, None) == (model.expected_parents(root.mount_id(box)), model.expected_parents(root.dir_of(top)))


def test_of_two_records_that_claim_a_folder_the_first_by_chain_id_owns_it(root: DataRoot) -> None:
    one, two = sorted((root.unreferenced_layers(1)[0], root.unreferenced_layers(1)[0]))
    root.write(root.record(two) / "cache-id", root.dir_of(one).encode())
    with modelled(root) as model:
        assert {root.dir_of(one): one} == {ident: layer.chain for ident, layer in model.dir_owner.items()}


def test_an_image_is_known_by_its_tags_then_its_digest_then_its_id(root: DataRoot) -> None:
    tagged, pulled, bare = root.image("b:1", 1, digest_ref=True), root.image(None, 1), root.image(None, 1)
    root.tag("a:1", tagged)
    digest = f"c@sha256:{'c' * 64}"
    root.tag(digest, pulled)
    with modelled(root) as model:
        assert (("a:1", "b:1"), (digest,), (bare[7:19],)) == tuple(model.image_names(each) for each in (tagged, pulled, bare))


def test_where_the_tag_store_is_damaged_the_names_come_from_a_whole_copy(root: DataRoot) -> None:
    image = root.image("a:1", 1)
    root.write(root.tags.with_name(".tmp-repositories.json1"), root.tags.read_bytes())
    root.cut(root.tags)
    with modelled(root) as model:
        assert ({}, ("a:1",)) == (model.tags.tags, model.image_names(image))


def test_containers_belong_to_the_tree_of_their_driver(tmp_path: Path) -> None:
    first = DataRoot(tmp_path / "root", "overlay2")
    one = first.container(first.image("a:1", 1))
    second = DataRoot(first.path, "vfs")
    two = second.container(second.image("a:1", 1))
    third = second.container(None, driver="zfs")
    lost = second.container(second.image("b:1", 1))
    second.empty(second.container_dir(lost) / "config.v2.json")
    with opened(first.path) as store:
        assert [{one}, {two, lost}] == [set(model.containers) for model in store.models]
        assert {one, two, third, lost} == store.containers.containers.keys()


def test_a_container_that_nobody_can_place_counts_in_every_tree(tmp_path: Path) -> None:
    first = DataRoot(tmp_path / "root", "overlay2")
    second = DataRoot(first.path, "vfs")
    box = second.container(None, driver="zfs")
    second.empty(second.container_dir(box) / "config.v2.json")
    with opened(first.path) as store:
        assert [{box}, {box}] == [set(model.containers) for model in store.models]


def test_folders_of_a_removal_that_began_are_dying(root: DataRoot) -> None:
    box = root.container(root.image("a:1", 1), config={"State": {"Dead": True}})
    other = root.container(root.image("b:1", 1))
    with modelled(root) as model:
        assert {root.mount_id(box), root.init_id(box)} == model.dying
        assert (False, True) == (root.mount_id(box) in model.living, root.mount_id(other) in model.living)


def test_living_folders_have_content(root: DataRoot) -> None:
    low, top = root.chains_of(root.image("a:1", 2))
    root.delete(root.content(root.dir_of(low)))
    root.orphan_dir()
    with modelled(root) as model:
        assert (root.dir_of(top),) == model.living


@pytest.mark.parametrize("driver", ["overlay2", "aufs"])
def test_who_needs_a_folder_is_told_by_the_lists_of_the_driver(tmp_path: Path, driver: str) -> None:
    root = DataRoot(tmp_path / "root", driver)
    made = root.shadow_parent()
    with modelled(root) as model:
        assert ([made.dir], ()) == (model.needing(made.shadow), model.needing(made.dir))


def test_paths_of_objects_are_those_of_the_store(root: DataRoot) -> None:
    image = root.image("a:1", 1)
    box, (chain,) = root.container(image), root.chains_of(image)
    refs = {
        Ref("image", image): root.image_file(image),
        Ref("layer", chain): root.record(chain),
        Ref("mount", box): root.mount_record(box),
        Ref("container", box): root.container_dir(box),
        Ref("driverdir", root.dir_of(chain)): root.driver_dir(root.dir_of(chain)),
        Ref("file", "image"): root.path / "image",
    }
    with modelled(root) as model:
        assert {ref: str(path.relative_to(root.path)) for ref, path in refs.items()} == {ref: model.path_of(ref) for ref in refs}


class Family:
    """Two images on one base, one of them without a tag, a container with a volume on each."""

    def __init__(self, root: DataRoot) -> None:
        self.root = root
        self.base = root.image("base:1", 2)
        self.app = root.image("app:1", 1, base=self.base)
        self.bare = root.image(None, 1, base=self.base)
        self.box = root.container(self.app, "box", volumes={root.volume("data"): "/data"})
        self.other = root.container(self.bare, "other")


@pytest.fixture
def family(root: DataRoot) -> Family:
    return Family(root)


def suffer(root: DataRoot, ref: Ref) -> Impact:
    with modelled(root) as model:
        return impact(model, ref)


def test_a_layer_takes_the_images_and_containers_above_it_with_it(family: Family) -> None:
    root = family.root
    low, top = root.chains_of(family.app)[0], root.chains_of(family.app)[-1]
    boxes = tuple(sorted((family.box, family.other)))
    everyone = tuple(sorted(("base:1", "app:1", family.bare[7:19])))
    assert (Impact(everyone, boxes), Impact(("app:1",), (family.box,))) == tuple(
        suffer(root, Ref("layer", chain)) for chain in (low, top)
    )


def test_a_missing_record_takes_the_same_with_it(family: Family) -> None:
    root = family.root
    low = root.chains_of(family.base)[0]
    before = suffer(root, Ref("layer", low))
    root.delete(root.record(low))
    assert before == suffer(root, Ref("layer", low))


def test_a_folder_takes_what_stands_on_it_by_records_or_by_the_drivers_lists(family: Family) -> None:
    root = family.root
    low = root.chains_of(family.base)[0]
    assert suffer(root, Ref("layer", low)) == suffer(root, Ref("driverdir", root.dir_of(low)))
    assert (family.box,) == suffer(root, Ref("driverdir", root.mount_id(family.box))).containers


@pytest.mark.parametrize("driver", ["overlay2", "aufs"])
def test_a_shadow_parent_takes_the_image_above_it_with_it(tmp_path: Path, driver: str) -> None:
    root = DataRoot(tmp_path / "root", driver)
    made = root.shadow_parent("shadow:1")
    assert Impact(("shadow:1",)) == suffer(root, Ref("driverdir", made.shadow))


def test_other_objects_take_themselves(family: Family) -> None:
    root = family.root
    owner = Impact(containers=(family.box,), volumes=("data",))
    assert (owner, owner) == tuple(suffer(root, Ref(kind, family.box)) for kind in ("container", "mount"))
    assert Impact(("app:1",)) == suffer(root, Ref("image", family.app)) == suffer(root, Ref("tag", "app:1"))
    assert (
        Impact()
        == suffer(root, Ref("file", "x"))
        == suffer(root, Ref("container", "nobody"))
        == suffer(root, Ref("layer", "sha256:x"))
    )


def test_a_cycle_of_parents_does_not_keep_the_impact_from_ending(family: Family) -> None:
    root = family.root
    low, high = root.chains_of(family.base)
    root.write(root.record(low) / "parent", high.encode())
    with modelled(root) as model:
        assert {family.base, family.app, family.bare} == sufferers(model, low)[1] == sufferers(model, high)[1]


def test_counts_are_over_all_trees(tmp_path: Path) -> None:
    first = DataRoot(tmp_path / "root", "overlay2")
    first.container(first.image("a:1", 2))
    second = DataRoot(first.path, "vfs")
    second.image("a:1", 1)
    with opened(first.path) as store:
        assert {"images": 2, "layers": 3, "mounts": 1, "containers": 1, "driver_dirs": 5} == store.counts
        assert ("graphdriver:overlay2", "graphdriver:vfs") == store.layouts


def test_a_tree_of_a_driver_that_nobody_knows_is_named(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root", "overlay2")
    root.make_dir("image/windowsfilter/layerdb")
    root.make_dir("image/empty")
    with opened(root.path) as store:
        assert (("windowsfilter",), True) == (store.unknown, "graphdriver:windowsfilter" in store.layouts)


def test_a_root_that_only_an_unknown_driver_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image" / "windowsfilter" / "layerdb").mkdir(parents=True)
    with pytest.raises(Refused, match="windowsfilter"), opened(tmp_path):
        pass


@pytest.mark.parametrize(
    ("names", "refused"), [((), True), (("volumes",), True), (("volumes", "containers"), False), (("a", "b"), True)]
)
def test_a_folder_is_a_data_root_by_two_signs(tmp_path: Path, names: tuple[str, ...], refused: bool) -> None:
    for name in names:
        (tmp_path / name).mkdir()
    try:
        with opened(tmp_path) as store:
            found = store.models != ()
    except Refused as error:
        found = "not a Docker data root" in str(error)
    assert refused is found


def test_a_tree_is_weighed_and_listed_once(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    root.orphan_dir()
    with modelled(root) as model:
        first = model.store.weigh("image"), model.store.top_names("image")
        monkeypatch.setattr(model.store, "reader", None)
        assert first == (model.store.weigh("image"), model.store.top_names("image"))


def test_what_lies_at_the_top_of_a_folders_content_is_listed(root: DataRoot) -> None:
    ident = root.orphan_dir(files={"opt/x": b""})
    with modelled(root) as model:
        names = model.top_names(ident)
        assert isinstance(names, dict)
        assert ("dir", True) == (names["opt"], isinstance(model.top_names("f" * 64), Trouble))
