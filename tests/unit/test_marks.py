"""What is alive, and what unread things could name: each source of references unreadable, malformed and absent (promise 10)."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from msgspec import Struct, structs

from docker_fsck.host import HostView
from docker_fsck.marks import BUILDKIT_DIRS, DIRS, LAYERS, MOUNTS, Marks
from docker_fsck.policy import Policy
from docker_fsck.reader import Reader
from docker_fsck.store import Store, open_store
from docker_fsck.testing import boltfile
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.table import STOPPED, refusing, registry

DRIVERS, UNION = ("overlay2", "vfs", "aufs"), ("overlay2", "aufs")
L, D, B, M = LAYERS, DIRS, BUILDKIT_DIRS, MOUNTS
NOTHING: frozenset[str] = frozenset()


@contextmanager
def opened(root: DataRoot, *, host: HostView = STOPPED, denied: str | None = None, error: int = errno.EIO) -> Iterator[Store]:
    """The store below a root while the kernel refuses one path."""
    known = registry()
    refusal = nullcontext() if denied is None else refusing(root.path / denied, error)
    with refusal, Reader(str(root.path)) as reader:
        yield open_store(reader, known.drivers, known.sources, host, Policy(now=0, grace=0))


def marks(root: DataRoot, **terms: object) -> Marks:
    """The marks of the tree of the root's driver."""
    with opened(root, **terms) as store:  # type: ignore[arg-type]
        (model,) = (each for each in store.models if each.name == root.driver)
        return model.marks


def hidden(root: DataRoot, **terms: object) -> frozenset[str]:
    """What something unread could name."""
    return frozenset(what for what, reasons in marks(root, **terms).hidden.items() if reasons)


class Scene(Struct, frozen=True):
    """A root with an image, a container on it and a build cache; `free` is an image that is removed and still has a container."""

    root: DataRoot
    image: str
    box: str
    free: str
    held: str


@pytest.fixture(params=DRIVERS)
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    """The root of each driver."""
    return staged(DataRoot(tmp_path / "root", request.param))


def staged(root: DataRoot) -> Scene:
    image = root.image("app:1", 2)
    box = root.container(image, "box")
    free = root.image(None, 2)
    held = root.container(free, "held")
    root.delete(root.image_file(free))
    root.build_cache(image, export="built:1")
    return Scene(root, image, box, free, held)


def only(tmp_path: Path, driver: str) -> Scene:
    """The scene of one driver."""
    return staged(DataRoot(tmp_path / "root", driver))


def test_a_whole_root_hides_nothing_and_nothing_in_it_is_dead(scene: Scene) -> None:
    found = marks(scene.root)
    assert dict.fromkeys((L, D, B, M), ()) == found.hidden
    assert ((), (), (), (), ()) == (found.orphan_mounts, found.dead_layers, found.dead_dirs, found.needy, found.pairs)


Damage = Callable[[Scene], object]


class Case(Struct, frozen=True):
    """A way to lose a source of references, and what that hides."""

    what: str
    damage: Damage
    hides: frozenset[str]
    drivers: tuple[str, ...] = DRIVERS


def case(what: str, damage: Damage, *hides: str, drivers: tuple[str, ...] = DRIVERS) -> Case:
    return Case(what, damage, frozenset(hides), drivers)


def delete(path: str) -> Damage:
    """It is gone."""
    return lambda scene: scene.root.delete(path.format(d=scene.root.driver))


def write(path: str, data: bytes) -> Damage:
    """It holds something else; what was there goes."""
    return lambda scene: scene.root.write(path.format(d=scene.root.driver), data)


def filed(path: str) -> Damage:
    """An empty file stands in a folder's place."""
    return both(delete(path), write(path, b""))


def link(path: str) -> Damage:
    """A link stands there."""
    return lambda scene: scene.root.link_to(path.format(d=scene.root.driver), "elsewhere")


def on(where: Callable[[Scene], Path], name: str, *args: object) -> Damage:
    """A damage verb on a path of the scene."""
    return lambda scene: getattr(scene.root, name)(where(scene), *args)


def both(*damages: Damage) -> Damage:
    """One after the other."""
    return lambda scene: [damage(scene) for damage in damages]


def config(scene: Scene) -> Path:
    return scene.root.image_file(scene.image)


def record(scene: Scene) -> Path:
    return scene.root.mount_record(scene.box)


def held_record(scene: Scene) -> Path:
    return scene.root.mount_record(scene.held)


def top(scene: Scene) -> Path:
    """The record of the top layer of the image that is there."""
    return scene.root.record(scene.root.chains_of(scene.image)[-1])


def held_top(scene: Scene) -> Path:
    """The record of the top layer of the image that is removed."""
    return scene.root.record(scene.root.chains_of(scene.free)[-1])


def held_parent(scene: Scene) -> Path:
    return held_top(scene) / "parent"


def mount_parent(scene: Scene) -> Path:
    return held_record(scene) / "parent"


def written(scene: Scene) -> Path:
    """The configuration of the container."""
    return scene.root.container_dir(scene.box) / "config.v2.json"


def erase(root: DataRoot, *idents: str) -> None:
    """Nothing of these driver dirs is left."""
    for ident in idents:
        if root.driver == "overlay2":
            root.delete(root.short_link(ident))
        if root.driver == "aufs":
            root.delete(f"aufs/layers/{ident}")
            root.delete(f"aufs/mnt/{ident}")
        root.delete(root.driver_dir(ident))


def bare(scene: Scene) -> None:
    """No container, no writable layer, no mount record is left."""
    root = scene.root
    for box in (scene.box, scene.held):
        root.delete(root.container_dir(box))
        root.delete(root.mount_record(box))
        erase(root, root.mount_id(box), root.init_id(box))


def unlisted(scene: Scene) -> None:
    """The writable layer of the container on the removed image no longer tells its parents."""
    root = scene.root
    for ident in (root.mount_id(scene.held), root.init_id(scene.held)):
        root.empty(root.driver_dir(ident) / "lower")


def snapshots(scene: Scene) -> bytes:
    """What snapshots.db holds."""
    return (scene.root.path / "buildkit" / "snapshots.db").read_bytes()


IMAGE = "image/{d}"
CASES = (
    case("the tag store is gone though there are images", delete(f"{IMAGE}/repositories.json"), L),
    case("the tag store is empty", write(f"{IMAGE}/repositories.json", b""), L),
    case("the tag store is cut", write(f"{IMAGE}/repositories.json", b'{"Repositories":'), L),
    case("the tag store is a link", link(f"{IMAGE}/repositories.json"), L),
    case("an image configuration is empty", on(config, "empty"), L),
    case("an image configuration is another", on(config, "flip"), L),
    case("an image configuration is a link", on(config, "link_to", "x"), L),
    case("the image configurations are gone", delete(f"{IMAGE}/imagedb/content/sha256"), L),
    case("imagedb is gone", delete(f"{IMAGE}/imagedb"), L),
    case("the image configurations are a file", filed(f"{IMAGE}/imagedb/content/sha256"), L),
    case("the layer records are gone", delete(f"{IMAGE}/layerdb/sha256"), D, B),
    case("the layer records are a file", filed(f"{IMAGE}/layerdb/sha256"), L, D, B),
    case("a layer record has no cache-id", on(lambda scene: top(scene) / "cache-id", "delete"), D, B),
    case("a layer record has an empty cache-id", on(lambda scene: top(scene) / "cache-id", "empty"), D, B),
    case("a layer record of an image has an empty parent", on(lambda scene: top(scene) / "parent", "empty")),
    case("a layer record of no image has an empty parent", on(held_parent, "empty"), L),
    case("a layer record of no image has lost its parent", on(held_parent, "delete"), L, drivers=("vfs",)),
    case("the mount records are gone", delete(f"{IMAGE}/layerdb/mounts"), L, D, B, M),
    case("the mount records are a file", filed(f"{IMAGE}/layerdb/mounts"), L, D, B, M),
    case("the mount records are gone and so is everything they could name", both(bare, delete(f"{IMAGE}/layerdb/mounts"))),
    case(
        "the mount records are gone and nobody knows of which driver the containers are",
        both(
            delete(f"{IMAGE}/layerdb/mounts"),
            lambda scene: [erase(scene.root, scene.root.init_id(box)) for box in (scene.box, scene.held)],
            lambda scene: [scene.root.empty(scene.root.container_dir(box) / "config.v2.json") for box in (scene.box, scene.held)],
        ),
        L, D, B, M,
    ),
    case("a mount record has an empty mount-id", on(lambda scene: record(scene) / "mount-id", "empty"), M),
    case("a mount record has no mount-id", on(lambda scene: record(scene) / "mount-id", "delete"), M),
    case("a mount record is gone", on(record, "delete"), M),
    case("a mount record on an image has an empty parent", on(lambda scene: record(scene) / "parent", "empty")),
    case("a mount record on no image has an empty parent", on(mount_parent, "empty"), L, drivers=("vfs",)),
    case(
        "a mount record on no image has an empty parent, and so have the lists of its folders",
        both(on(mount_parent, "empty"), unlisted),
        L, drivers=("overlay2",),
    ),
    case("the containers are gone", delete("containers"), D, B, M),
    case("the containers are a link", link("containers"), D, B, M),
    case("the containers are gone and so is all that was theirs", both(bare, delete("containers"))),
    case("a container has no configuration", on(written, "delete")),
    case("a container has an empty configuration", on(written, "empty")),
    case("snapshots.db is gone", delete("buildkit/snapshots.db"), L, B),
    case("snapshots.db has no bytes", write("buildkit/snapshots.db", b""), L, B),
    case("snapshots.db is garbage", write("buildkit/snapshots.db", b"garbage" * 9999), L, B),
    case("snapshots.db is cut", lambda scene: scene.root.write("buildkit/snapshots.db", snapshots(scene)[:8192]), L, B),
    case("snapshots.db is a link", link("buildkit/snapshots.db"), L, B),
    case("snapshots.db is a folder", lambda scene: scene.root.make_dir("buildkit/snapshots.db"), L, B),
    case("containerdmeta.db is gone", delete("buildkit/containerdmeta.db"), L, B),
    case("containerdmeta.db has no bytes", write("buildkit/containerdmeta.db", b""), L, B),
    case("containerdmeta.db is garbage", write("buildkit/containerdmeta.db", b"garbage" * 9999), L, B),
    case("metadata_v2.db is gone", delete("buildkit/metadata_v2.db"), L, B),
    case("metadata_v2.db has no bytes", write("buildkit/metadata_v2.db", b""), L, B),
    case("metadata_v2.db is garbage", write("buildkit/metadata_v2.db", b"garbage" * 9999), L, B),
    case(
        "an engine before 20.10 has written buildkit/",
        both(delete("buildkit/metadata_v2.db"), delete("buildkit/containerdmeta.db"), write("buildkit/metadata.db", b"")),
    ),
    case(
        "an engine before 20.10 has written buildkit/ and snapshots.db is gone",
        both(delete("buildkit/snapshots.db"), write("buildkit/metadata.db", b"")), L, B,
    ),
    case(
        "only snapshots.db is gone from an old buildkit/ with a bad database in it",
        both(write("buildkit/metadata.db", b""), write("buildkit/metadata_v2.db", b"junk")), L, B,
    ),
    case("buildkit/ is gone and its folders are there", delete("buildkit"), L, B),
    case("the home of the driver is a link", link("{d}"), D, B),
    case("the home of the driver is a file", filed("{d}"), D, B),
    case("graph/ is a link", link("graph"), D, B),
    case("graph/ is a file", write("graph", b""), D, B),
)  # fmt: skip


@pytest.mark.parametrize(
    ("row", "driver"),
    [pytest.param(row, driver, id=f"{driver}: {row.what}") for row in CASES for driver in row.drivers],
)
def test_what_is_lost_hides_what_it_could_have_named(tmp_path: Path, row: Case, driver: str) -> None:
    scene = only(tmp_path, driver)
    row.damage(scene)
    assert row.hides <= hidden(scene.root)
    if not row.hides:
        assert NOTHING == hidden(scene.root)


DENIED = {
    f"{IMAGE}/repositories.json": {L},
    f"{IMAGE}/imagedb/content/sha256": {L},
    f"{IMAGE}/imagedb/metadata/sha256": {L},
    f"{IMAGE}/layerdb/sha256": {L, D, B},
    f"{IMAGE}/layerdb/mounts": {L, D, B, M},
    "containers": {D, B, M},
    "buildkit/snapshots.db": {L, B},
    "buildkit/containerdmeta.db": {L, B},
    "buildkit/metadata_v2.db": {L, B},
    "buildkit": {L, B},
    "graph": {D, B},
    ".docker-fsck": {L},
}
LISTED = ("buildkit",)
"""Folders that are not listed, only entered: an error on reading them is never met."""


@pytest.mark.parametrize(
    ("path", "hides", "error"),
    [
        pytest.param(path, hides, error)
        for path, hides in DENIED.items()
        for error in (errno.EIO, errno.EACCES)
        if path not in LISTED or error == errno.EACCES
    ],
)
def test_what_the_kernel_refuses_hides_what_it_could_name(scene: Scene, path: str, hides: set[str], error: int) -> None:
    for name in ("graph", ".docker-fsck"):
        scene.root.make_dir(name)
    assert hides <= hidden(scene.root, denied=path.format(d=scene.root.driver), error=error)


@pytest.mark.parametrize(
    ("where", "hides"),
    [
        (config, {L}),
        (lambda scene: top(scene) / "cache-id", {D, B}),
        (top, {D, B}),
        (lambda scene: held_top(scene) / "parent", {L}),
        (lambda scene: record(scene) / "mount-id", {L, D, B, M}),
        (lambda scene: record(scene) / "parent", {L, D, B}),
        (record, {L, D, B, M}),
    ],
    ids=["image", "cache-id", "layer", "layer parent", "mount-id", "mount parent", "mount"],
)
def test_a_single_file_that_the_kernel_refuses_hides_what_it_could_name(
    scene: Scene, where: Callable[[Scene], Path], hides: set[str]
) -> None:
    path = str(where(scene).relative_to(scene.root.path))
    error = errno.EACCES if where(scene).is_dir() else errno.EIO
    assert hides <= hidden(scene.root, denied=path, error=error)


def test_a_container_whose_folder_the_kernel_refuses_still_claims_its_record(scene: Scene) -> None:
    found = marks(scene.root, denied=f"containers/{scene.box}", error=errno.EACCES)
    assert ((), ()) == (found.orphan_mounts, found.dead_layers)


@pytest.mark.parametrize("error", [errno.EIO, errno.EACCES])
def test_a_home_that_cannot_be_listed_hides_its_folders(scene: Scene, error: int) -> None:
    home = {"overlay2": "overlay2", "vfs": "vfs/dir", "aufs": "aufs/layers"}[scene.root.driver]
    assert {D, B} <= hidden(scene.root, denied=home, error=error)


def test_short_links_that_cannot_be_listed_hide_the_parents_of_all(tmp_path: Path) -> None:
    assert {D, B} <= hidden(only(tmp_path, "overlay2").root, denied="overlay2/l")


def test_a_lower_of_a_build_that_leads_nowhere_hides_its_parents(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root", "overlay2")
    made = root.shadow_parent()
    root.delete(root.short_link(made.shadow))
    assert {D, B} <= hidden(root)


def test_a_list_of_parents_that_is_lost_hides_those_of_a_build(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root", "aufs")
    made = root.shadow_parent()
    root.delete(f"aufs/layers/{made.dir}")
    assert {D, B} <= hidden(root)


def test_absent_is_read_where_there_is_nothing_to_name(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root", "overlay2")
    for path in ("containers", "image/overlay2/repositories.json", "image/overlay2/layerdb", "image/overlay2/imagedb"):
        root.delete(path)
    assert NOTHING == hidden(root)


def test_absent_databases_of_buildkit_are_read_where_no_build_ever_ran(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root", "overlay2")
    root.image("app:1", 1)
    assert not (root.path / "buildkit").exists()
    assert NOTHING == hidden(root)
    root.make_dir("buildkit")
    assert {L, B} == hidden(root)


def test_a_folder_that_looks_like_a_build_makes_absent_databases_unread(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root", "overlay2")
    root.orphan_dir("0123456789abcdefghijklmno")
    assert {L, B} == hidden(root)


def test_a_build_in_one_tree_makes_absent_databases_unread_for_all_trees(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root", "overlay2")
    DataRoot(root.path, "vfs").orphan_dir("0123456789abcdefghijklmno")
    assert {L, B} == hidden(root)


def test_a_database_that_changes_under_the_eyes_is_unstable(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    real, count = Reader.read, iter(range(1000))

    def read(self: Reader, path: str, *rest: int) -> object:
        found = real(self, path, *rest)
        return boltfile.build({}, txid=2 + next(count)) if path == "buildkit/snapshots.db" else found

    monkeypatch.setattr(Reader, "read", read)
    assert {L, B} == hidden(scene.root)
    with opened(scene.root) as store:
        assert "unstable" in {source.state for source in store.sources if source.source == "buildkit/snapshots.db"}


def test_a_whole_temporary_copy_of_the_tag_store_stands_for_it(scene: Scene) -> None:
    root = scene.root
    root.write(f"image/{root.driver}/.tmp-repositories.json1", root.tags.read_bytes())
    root.cut(root.tags)
    assert NOTHING == hidden(root)


def test_sources_tell_how_much_was_read(scene: Scene) -> None:
    scene.root.write("buildkit/metadata_v2.db", b"junk")
    scene.root.delete("buildkit/containerdmeta.db")
    scene.root.cut(scene.root.tags)
    image = f"image/{scene.root.driver}"
    with opened(scene.root, denied=f"{image}/layerdb/mounts") as store:
        states = {source.source: source.state for source in store.sources}
    assert {
        "buildkit/cache.db": "read",
        "buildkit/containerdmeta.db": "absent",
        "buildkit/metadata_v2.db": "unreadable",
        "buildkit/snapshots.db": "read",
        "containers": "read",
        f"{image}/imagedb": "read",
        f"{image}/layerdb/mounts": "unreadable",
        f"{image}/layerdb/sha256": "read",
        f"{image}/repositories.json": "unreadable",
        "network/files/local-kv.db": "read",
        "plugins": "read",
        "volumes/metadata.db": "read",
        scene.root.driver: "read",
    } == states


# What is alive


def test_the_layers_of_images_containers_builds_and_the_quarantine_live(scene: Scene) -> None:
    chains = {chain for image in (scene.image, scene.free) for chain in scene.root.chains_of(image)}
    found = marks(scene.root)
    assert chains <= found.layers
    assert {scene.root.dir_of(chain) for chain in chains} <= found.dirs


def test_garbage_is_dead_and_only_garbage(scene: Scene) -> None:
    root = scene.root
    chains = root.unreferenced_layers(2)
    orphan, pair, mount = root.orphan_dir(), root.orphan_pair(scene.image), root.orphan_mount(scene.image)
    root.removing()
    root.layer_tmp()
    found = marks(root)
    assert (tuple(sorted(chains)), (mount,)) == (found.dead_layers, found.orphan_mounts)
    assert tuple(sorted([orphan, pair.mount_id, pair.init_id])) == found.dead_dirs
    assert (pair.mount_id,) == found.pairs


def test_what_a_leftover_names_is_told_with_the_leftover(scene: Scene) -> None:
    scene.root.removing()
    scene.root.layer_tmp()
    assert () == marks(scene.root).dead_dirs


@pytest.mark.parametrize("driver", UNION)
def test_a_shadow_parent_that_only_the_list_of_a_child_names_lives(tmp_path: Path, driver: str) -> None:
    root = DataRoot(tmp_path / "root", driver)
    made = root.shadow_parent()
    found = marks(root)
    assert ((), True) == (found.dead_dirs, {made.shadow, made.parent_dir, made.dir} <= found.dirs)


@pytest.mark.parametrize("driver", UNION)
def test_a_shadow_parent_is_garbage_once_its_child_is(tmp_path: Path, driver: str) -> None:
    root = DataRoot(tmp_path / "root", driver)
    made = root.shadow_parent(None)
    root.delete(root.image_file(made.image))
    assert (made.shadow,) == marks(root).dead_dirs


@pytest.mark.parametrize("driver", UNION)
def test_a_layer_whose_folder_a_living_folder_needs_lives(tmp_path: Path, driver: str) -> None:
    """The record of the layer above is lost, and with it the record's word for the one below."""
    root = DataRoot(tmp_path / "root", driver)
    low, top = root.unreferenced_layers(2)
    box = root.container(None)
    root.delete(root.record(top))
    root.write(root.mount_record(box) / "mount-id", root.dir_of(top).encode())
    root.delete(root.mount_record(box) / "init-id")
    assert {low} == marks(root).layers


def test_buildkits_references_count_in_every_tree(tmp_path: Path) -> None:
    first = DataRoot(tmp_path / "root", "overlay2")
    ident = first.orphan_dir("0123456789abcdefghijklmno")
    second = DataRoot(first.path, "vfs")
    second.buildkit.snapshots[ident] = {}
    (chain,) = first.unreferenced_layers(1)
    second.buildkit.snapshots[chain] = {}
    second.build_state()
    found = marks(first)
    assert ((), (), True) == (found.dead_dirs, found.dead_layers, chain in found.layers)


def test_a_folder_named_like_a_container_without_a_record_lives(scene: Scene) -> None:
    scene.root.delete(scene.root.mount_record(scene.box))
    for name in (scene.box, f"{scene.box}-init"):
        scene.root.orphan_dir(name)
    assert () == marks(scene.root).dead_dirs


def test_what_the_old_graph_folder_names_lives(scene: Scene) -> None:
    ident, other = scene.root.orphan_dir(), scene.root.orphan_dir()
    scene.root.make_dir(f"graph/{ident}")
    assert (other,) == marks(scene.root).dead_dirs


@pytest.mark.parametrize("how", ["record gone", "no mount-id", "empty mount-id", "mount-id of a build"])
def test_while_a_container_lacks_a_usable_record_every_pair_may_be_its_own(scene: Scene, how: str) -> None:
    root = scene.root
    path = root.mount_record(scene.box)
    match how:
        case "record gone":
            root.delete(path)
        case "no mount-id":
            root.delete(path / "mount-id")
        case "empty mount-id":
            root.empty(path / "mount-id")
        case _:
            root.write(path / "mount-id", b"a" * 25)
    pair, mount = root.orphan_pair(), root.orphan_mount()
    found = marks(root)
    assert ((scene.box,), (), (mount,)) == (found.needy, found.dead_dirs, found.orphan_mounts)
    assert {pair.mount_id, pair.init_id, root.mount_id(scene.box), root.mount_id(mount)} <= found.dirs
    assert any("ambiguous" in why for why in found.hidden[M])


@pytest.mark.parametrize("driver", UNION)
def test_a_writable_layer_without_its_init_layer_may_be_that_of_a_container_without_a_record(tmp_path: Path, driver: str) -> None:
    scene = only(tmp_path, driver)
    root = scene.root
    root.delete(root.mount_record(scene.box))
    erase(root, root.init_id(scene.box))
    found = marks(root)
    assert (True, ()) == (root.mount_id(scene.box) in found.dirs, found.dead_dirs)


def remnant(root: DataRoot, box: str) -> None:
    """Only the folder of a container is left, without its configuration and with nothing to lose in it."""
    root.delete(root.container_dir(box) / "config.v2.json")
    root.empty(root.container_dir(box) / f"{box}-json.log")
    root.delete(root.mount_record(box))


def test_the_rest_of_a_removed_container_needs_no_record(scene: Scene) -> None:
    root = scene.root
    remnant(root, scene.box)
    erase(root, root.mount_id(scene.box), root.init_id(scene.box))
    assert () == marks(root).needy


def test_a_folder_without_configuration_needs_a_record_while_there_is_a_pair_that_may_be_its_own(scene: Scene) -> None:
    remnant(scene.root, scene.box)
    found = marks(scene.root)
    assert ((scene.box,), (scene.root.mount_id(scene.box),), ()) == (found.needy, found.pairs, found.dead_dirs)


def test_a_folder_with_a_whole_copy_of_its_configuration_needs_a_record(scene: Scene) -> None:
    root, folder = scene.root, scene.root.container_dir(scene.box)
    root.write(folder / ".tmp-config.v2.json1", (folder / "config.v2.json").read_bytes())
    remnant(root, scene.box)
    erase(root, root.mount_id(scene.box), root.init_id(scene.box))
    assert (scene.box,) == marks(root).needy


def test_a_folder_without_configuration_may_own_a_pair_of_any_tree(tmp_path: Path) -> None:
    first = DataRoot(tmp_path / "root", "overlay2")
    first.image("app:1", 1)
    second = DataRoot(first.path, "vfs")
    box = second.container(second.image("box:1", 1))
    remnant(second, box)
    assert ((box,), (box,)) == (marks(first).needy, marks(second).needy)


@pytest.mark.parametrize(("driver", "home"), [("overlay2", "overlay2"), ("vfs", "vfs/dir")])
def test_a_folder_without_configuration_may_own_a_pair_that_cannot_be_seen(tmp_path: Path, driver: str, home: str) -> None:
    scene = only(tmp_path, driver)
    remnant(scene.root, scene.box)
    assert (scene.box,) == marks(scene.root, denied=home).needy


def test_a_container_of_another_tree_needs_no_record_in_this_one(tmp_path: Path) -> None:
    first = DataRoot(tmp_path / "root", "overlay2")
    second = DataRoot(first.path, "vfs")
    box = second.container(second.image("app:1", 1))
    second.delete(second.mount_record(box))
    assert ((), (box,)) == (marks(first).needy, marks(second).needy)


@pytest.mark.parametrize("alias", ["folder", "content", "below"])
def test_what_a_process_holds_lives_with_all_below_it(scene: Scene, alias: str) -> None:
    root = scene.root
    low, middle, top_chain = root.unreferenced_layers(3)
    ident = root.dir_of(middle)
    path = {"folder": root.driver_dir(ident), "content": root.content(ident), "below": root.content(ident) / "opt" / "x"}[alias]
    held = structs.replace(STOPPED, held=frozenset({str(path.relative_to(root.path))}))
    found = marks(root, host=held)
    assert ((top_chain,), True) == (found.dead_layers, {low, middle} <= found.layers)


@pytest.mark.parametrize("kept", ["link and file", "link", "file"])
def test_what_a_process_holds_by_its_short_name_lives(tmp_path: Path, kept: str) -> None:
    root = DataRoot(tmp_path / "root", "overlay2")
    (chain,) = root.unreferenced_layers(1)
    ident = root.dir_of(chain)
    if kept == "link":
        root.empty(root.driver_dir(ident) / "link")
    if kept == "file":
        root.delete(root.short_link(ident))
    held = structs.replace(STOPPED, held=frozenset({f"overlay2/l/{root.short(ident)}"}))
    assert {chain} == marks(root, host=held).layers


def test_a_cycle_of_parents_ends(scene: Scene) -> None:
    root = scene.root
    low, high = root.unreferenced_layers(2)
    root.write(root.record(low) / "parent", high.encode())
    found = marks(root)
    assert {low, high} <= {*found.dead_layers, *found.layers}


def test_no_reason_is_told_twice(scene: Scene) -> None:
    scene.root.delete("buildkit/snapshots.db")
    scene.root.cut(scene.root.tags)
    for reasons in marks(scene.root, denied=f"image/{scene.root.driver}/layerdb/mounts").hidden.values():
        assert len(set(reasons)) == len(reasons)


def test_the_reasons_come_in_an_order_of_their_own(tmp_path: Path) -> None:
    """Each reason names a path; those of one kind come sorted, whatever the order of the folder."""
    root = DataRoot(tmp_path / "root", "vfs")
    for number in range(6):
        root.flip(root.image_file(root.image(f"app:{number}", 1)))
    found = marks(root).hidden[L]
    assert (6, sorted(found)) == (len(found), list(found))
