"""What must not be planned: what is in use, young, kept, unknown or needed; and the brake on changes that are too large."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs
from test_engine import NOW, Seen, away, judged, yielding

from docker_fsck import safety
from docker_fsck.host import HostView, look
from docker_fsck.policy import DAY, Policy
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.table import refusing, registry
from docker_fsck.values import Action, ActionClass, Fault, PutAway, Ref, Remedy

LOSSLESS, RECLAIM, LOSSY, LOSSY_USER, _ = ActionClass
DRIVERS = ("overlay2", "vfs", "aufs")
UNION = ("overlay2", "aufs")


@pytest.fixture(params=DRIVERS)
def root(request: pytest.FixtureRequest, tmp_path: Path) -> DataRoot:
    """An empty root of each driver."""
    return DataRoot(tmp_path / "root", request.param)


@pytest.fixture
def overlay(tmp_path: Path) -> DataRoot:
    """An empty root of overlay2."""
    return DataRoot(tmp_path / "root", "overlay2")


def used(*held: str, mounts: tuple[str, ...] = ()) -> HostView:
    """A host on which these paths are in use."""
    return HostView(state="stopped", why="", held=frozenset(held), mount_points=frozenset(mounts))


def forgetting(root: DataRoot, *refs: Ref, cls: ActionClass = RECLAIM, **terms: object) -> Seen:
    """The plan for one remedy that forgets these objects."""
    remedy = Remedy(cls=cls, does="forget", forget=refs, consent="me" if cls is LOSSY_USER else None)
    policy = structs.replace(NOW, consents=frozenset({"me"}))
    return judged(root.path, [yielding("a", Fault(Ref("file", "x"), "m", remedies=(remedy,)))], policy=policy, **terms)  # type: ignore[arg-type]


def moving(root: DataRoot, path: str, cls: ActionClass = RECLAIM, **terms: object) -> Seen:
    """The plan for one remedy that puts a path away."""
    remedy = Remedy(cls=cls, does="move", steps=(away(path),))
    return judged(root.path, [yielding("a", Fault(Ref("file", "x"), "m", remedies=(remedy,)))], **terms)  # type: ignore[arg-type]


def layer(chain: str) -> Ref:
    return Ref("layer", chain)


def folder(ident: str) -> Ref:
    return Ref("driverdir", ident)


def rel(root: DataRoot, path: Path) -> str:
    return str(path.relative_to(root.path))


# What still needs it


def test_a_layer_of_an_image_that_stays_is_not_taken(root: DataRoot) -> None:
    chain = root.chains_of(root.image("app:1", 1))[0]
    seen = forgetting(root, layer(chain))
    assert ([], [f"layer {chain} is still part of an image"]) == (seen.away, seen.reasons)


def test_a_layer_under_one_that_stays_is_not_taken(root: DataRoot) -> None:
    low, _ = root.unreferenced_layers(2)
    seen = forgetting(root, layer(low))
    assert ([], [f"layer {low} still carries another"]) == (seen.away, seen.reasons)


def test_a_layer_under_a_container_is_not_taken(root: DataRoot) -> None:
    image = root.image(None, 1)
    root.container(image)
    (chain,) = root.chains_of(image)
    root.delete(root.image_file(image))
    seen = forgetting(root, layer(chain))
    assert ([], [f"layer {chain} still carries a container"]) == (seen.away, seen.reasons)


def test_a_whole_chain_is_taken_if_it_goes_together(root: DataRoot) -> None:
    chains = root.unreferenced_layers(3)
    seen = forgetting(root, *map(layer, chains))
    expected = {rel(root, root.record(chain)) for chain in chains} | {
        rel(root, root.driver_dir(root.dir_of(chain))) for chain in chains
    }
    assert (expected, []) == (set(seen.away) & expected, seen.reasons)


def test_two_actions_that_need_each_other_go_together_or_not_at_all(root: DataRoot) -> None:
    low, top = root.unreferenced_layers(2)
    faults = [
        Fault(Ref("file", name), "m", remedies=(Remedy(cls=RECLAIM, does=name, forget=(layer(chain),)),))
        for name, chain in (("x", low), ("y", top))
    ]
    assert 2 == len(judged(root.path, [yielding("a", *faults)]).plan.actions)
    seen = judged(root.path, [yielding("a", *faults)], host=used(rel(root, root.record(top)) + "/diff"))
    assert ([], 2) == (seen.away, len(seen.reasons))


@pytest.mark.parametrize("driver", UNION)
def test_a_folder_that_the_lower_of_one_that_stays_names_is_not_taken(tmp_path: Path, driver: str) -> None:
    root = DataRoot(tmp_path / "root", driver)
    shadow = root.shadow_parent().shadow
    seen = forgetting(root, folder(shadow))
    assert ([], True) == (seen.away, "is still needed by" in seen.reasons[0])


def test_a_folder_of_the_build_cache_is_not_taken(root: DataRoot) -> None:
    root.image("app:1", 1)
    cache = root.build_cache()
    seen = forgetting(root, folder(cache.committed_dir))
    assert ([], True) == (seen.away, "is still needed by the build cache" in seen.reasons[0])


@pytest.mark.parametrize("owner", ["layer", "mount"])
def test_a_folder_that_a_record_claims_is_not_taken_without_the_record(root: DataRoot, owner: str) -> None:
    image = root.image("app:1", 1)
    ident = root.mount_id(root.container(image)) if owner == "mount" else root.dir_of(root.chains_of(image)[0])
    assert [] == forgetting(root, folder(ident)).away


def test_the_layers_that_another_image_shares_stay_when_an_image_is_lost(root: DataRoot) -> None:
    base = root.image("base:1", 2)
    app = root.image("app:1", 2, base=base)
    third, top = root.chains_of(app)[2:]
    seen = forgetting(root, layer(third), cls=LOSSY)
    gone = {rel(root, path) for chain in (third, top) for path in (root.record(chain), root.driver_dir(root.dir_of(chain)))}
    kept = {
        rel(root, path) for chain in root.chains_of(base) for path in (root.record(chain), root.driver_dir(root.dir_of(chain)))
    }
    assert (gone, set()) == (gone & set(seen.away), kept & set(seen.away))
    assert (True, False) == (rel(root, root.image_file(app)) in seen.away, rel(root, root.image_file(base)) in seen.away)


def test_a_lost_layer_takes_every_image_and_layer_above_it_and_no_container(root: DataRoot) -> None:
    base = root.image("base:1", 2)
    app = root.image("app:1", 1, base=base)
    box = root.container(app, "box")
    seen = forgetting(root, layer(root.chains_of(base)[0]), cls=LOSSY)
    expected = {rel(root, root.image_file(image)) for image in (base, app)} | {
        rel(root, root.record(chain)) for chain in root.chains_of(app)
    }
    assert expected <= set(seen.away)
    assert [] == [
        path
        for path in seen.away
        if root.mount_id(box) in path or path.startswith(("containers/", "volumes/")) or "/mounts/" in path
    ]
    assert ["container box stands on it"] == [each.partition(":")[0] for each in seen.plan.actions[0].next]


def test_the_build_cache_goes_with_a_lost_layer_that_it_stands_on_and_so_do_the_folders_that_only_it_names(
    root: DataRoot,
) -> None:
    other = root.image("other:1", 1)
    cache = root.build_cache(root.image("app:1", 1), export="built:1")
    top = root.chains_of(cache.exported_image)[-1]
    seen = forgetting(root, layer(top), cls=LOSSY)
    gone = {"buildkit", rel(root, root.record(top))}
    gone |= {rel(root, root.driver_dir(ident)) for ident in (cache.exported_dir, cache.active, cache.committed_dir)}
    assert set() == gone - set(seen.away)
    kept = [rel(root, root.driver_dir(root.dir_of(chain))) for chain in (root.chains_of(other)[-1], cache.chain)]
    assert [] == [path for path in kept if path in seen.away]
    assert ["the build cache"] == [each.partition(":")[0] for each in seen.plan.actions[0].loses if "cache" in each]


def test_the_build_cache_stays_when_a_layer_is_lost_that_it_does_not_stand_on(root: DataRoot) -> None:
    other = root.image("other:1", 1)
    root.build_cache(root.image("app:1", 1))
    seen = forgetting(root, layer(root.chains_of(other)[-1]), cls=LOSSY)
    assert (True, False) == (bool(seen.away), "buildkit" in seen.away)


def test_only_the_folder_of_the_build_cache_goes_where_something_unread_could_name_what_it_names(root: DataRoot) -> None:
    other = root.image("other:1", 1)
    cache = root.build_cache(root.image("app:1", 1), export="built:1")
    root.flip(root.image_file(other))
    seen = forgetting(root, layer(root.chains_of(cache.exported_image)[-1]), cls=LOSSY)
    kept = (rel(root, root.driver_dir(ident)) for ident in (cache.active, cache.committed_dir))
    assert (True, []) == ("buildkit" in seen.away, [path for path in kept if path in seen.away])
    assert ["folders that only buildkit/ named stay"] == [each.partition(",")[0] for each in seen.plan.actions[0].next]


@pytest.mark.parametrize("driver", UNION)
def test_a_shadow_parent_stays_when_the_image_it_was_made_for_is_lost_and_another_needs_it(tmp_path: Path, driver: str) -> None:
    root = DataRoot(tmp_path / "root", driver)
    made = root.shadow_parent()
    other = root.image("other:1", 1, base=made.image)
    seen = forgetting(root, layer(root.chains_of(other)[-1]), cls=LOSSY)
    assert [] == [path for path in seen.away if made.shadow in path or made.dir in path]


def test_a_folder_that_two_layers_claim_stays_if_one_of_them_stays(root: DataRoot) -> None:
    low, top = root.chains_of(root.image("app:1", 2))
    (other,) = root.chains_of(root.image("other:1", 1))
    root.write(root.record(top) / "cache-id", root.dir_of(other).encode())
    seen = forgetting(root, layer(low), cls=LOSSY)
    assert [] == [path for path in seen.away if root.dir_of(other) in path]


@pytest.mark.parametrize("victim", ["image", "container"])
def test_giving_up_one_container_never_takes_the_folder_of_another_object(root: DataRoot, victim: str) -> None:
    image = root.image("app:1", 1)
    box, other = root.container(image), root.container(image)
    ident = root.mount_id(other) if victim == "container" else root.dir_of(root.chains_of(image)[-1])
    root.write(root.mount_record(box) / "mount-id", ident.encode())
    root.delete(root.container_dir(box) / "config.v2.json")
    seen = judged(root.path, policy=structs.replace(NOW, consents=frozenset({box})))
    assert [] == [path for path in seen.away if ident in path]


def test_giving_up_a_container_takes_its_own_folders_and_no_others(root: DataRoot) -> None:
    image = root.image("app:1", 2)
    box, other = root.container(image), root.container(image)
    root.delete(root.container_dir(box) / "config.v2.json")
    seen = judged(root.path, policy=structs.replace(NOW, consents=frozenset({box})))
    mine = {rel(root, root.driver_dir(ident)) for ident in (root.mount_id(box), root.init_id(box))} | {f"containers/{box}"}
    assert mine | {rel(root, root.mount_record(box))} <= set(seen.away)
    foreign = [root.mount_id(other), other, *map(root.dir_of, root.chains_of(image))]
    assert [] == [path for path in seen.away for ident in foreign if ident in path]


# What is in use


@pytest.mark.parametrize(
    ("held", "free"), [("tmp", False), ("tmp/deep/file", False), ("tmp2", True), ("tm", True), ("trust/tmp", True)]
)
@pytest.mark.parametrize("cls", [LOSSLESS, RECLAIM, LOSSY])
def test_what_is_mounted_or_open_or_has_such_a_thing_in_it_is_never_moved(
    overlay: DataRoot,
    cls: ActionClass,
    held: str,
    free: bool,
) -> None:
    for host in (used(held), used(mounts=(held,))):
        seen = moving(overlay, "tmp", cls, host=host)
        expected = (["tmp"], []) if free else ([], [f"in use: {held} is mounted or open"])
        assert expected == (seen.away, seen.reasons)


def test_no_option_moves_what_is_in_use(overlay: DataRoot) -> None:
    policy = Policy(now=0, grace=0, allow_mass=True, consents=frozenset({"me"}))
    assert [] == moving(overlay, "tmp", host=used("tmp"), policy=policy).away


def test_of_several_things_in_use_the_first_by_name_is_told(overlay: DataRoot) -> None:
    held = [f"tmp/{number:02}" for number in range(20)]
    assert ["in use: tmp/00 is mounted or open"] == moving(overlay, "tmp", host=used(*held)).reasons


def test_a_layer_that_is_mounted_is_no_garbage_and_so_is_none_below_it(root: DataRoot) -> None:
    chains = root.unreferenced_layers(3)
    seen = judged(root.path, host=used(rel(root, root.content(root.dir_of(chains[1])))))
    assert {rel(root, root.record(chains[2]))} == {path for path in seen.away if "/layerdb/" in path}


@pytest.mark.parametrize("kept", [True, False], ids=["with its link", "without its link"])
def test_a_layer_that_is_mounted_by_its_short_name_is_no_garbage(overlay: DataRoot, kept: bool) -> None:
    (chain,) = overlay.unreferenced_layers(1)
    short = overlay.short(overlay.dir_of(chain))
    if not kept:
        overlay.delete(overlay.short_link(overlay.dir_of(chain)))
    seen = judged(overlay.path, host=used(f"overlay2/l/{short}"))
    assert [] == [path for path in seen.away if "overlay2/l" not in path]


def test_a_mounted_layer_is_not_put_away_for_a_lost_one_below_it_even_if_its_link_is_gone(overlay: DataRoot) -> None:
    low, top = overlay.chains_of(overlay.image("app:1", 2))
    held = [f"overlay2/l/{overlay.short(overlay.dir_of(chain))}" for chain in (low, top)]
    overlay.empty("overlay2/l")
    seen = forgetting(overlay, layer(low), cls=LOSSY, host=used(*held))
    assert [] == seen.away


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_the_record_of_a_layer_whose_folder_is_a_mount_point_is_not_put_away(overlay: DataRoot, mounted_dir: Path) -> None:
    host = look(str(overlay.path))
    seen = judged(overlay.path, host=used(*host.held, mounts=tuple(host.mount_points)))
    assert (True, []) == (rel(overlay, mounted_dir) in host.mount_points, [path for path in seen.away if "/layerdb/" in path])


@pytest.fixture
def mounted_dir(overlay: DataRoot, tmp_path: Path) -> Iterator[Path]:
    """The folder of an image's only layer, kept on another disk."""
    path = overlay.driver_dir(overlay.dir_of(overlay.chains_of(overlay.image("app:1", 1))[0]))
    shutil.copytree(path, tmp_path / "disk")
    subprocess.run(["mount", "--bind", tmp_path / "disk", path], check=True)
    yield path
    subprocess.run(["umount", path], check=True)


# What configuration keeps


@pytest.mark.parametrize("pattern", ["tmp/sub", "tmp/s*", "tmp", "*/sub", "tmp/*", "t?p/sub", "tm*"])
def test_a_path_that_configuration_keeps_is_not_moved_nor_what_is_in_it(overlay: DataRoot, pattern: str) -> None:
    overlay.make_dir("tmp/sub")
    seen = moving(overlay, "tmp/sub", LOSSLESS, policy=structs.replace(NOW, keep_paths=("other", pattern)))
    assert ([], [f"kept by configuration: {pattern}"]) == (seen.away, seen.reasons)


@pytest.mark.parametrize("pattern", ["tmp/subx", "sub", "TMP/sub", "other"])
def test_another_path_is_moved(overlay: DataRoot, pattern: str) -> None:
    overlay.make_dir("tmp/sub")
    assert ["tmp/sub"] == moving(overlay, "tmp/sub", policy=structs.replace(NOW, keep_paths=(pattern,))).away


@pytest.mark.parametrize("pattern", ["tmp/sub/", "tmp/sub/deep", "tmp/*/deep", "*/sub/deep/file"])
def test_a_folder_with_something_that_is_kept_in_it_is_not_moved(overlay: DataRoot, pattern: str) -> None:
    overlay.make_dir("tmp/sub/deep")
    overlay.write("tmp/sub/deep/file", b"precious")
    assert [] == moving(overlay, "tmp/sub", policy=structs.replace(NOW, keep_paths=(pattern,))).away


def keeping(root: DataRoot, image: str, *patterns: str) -> Seen:
    """The plan for a lost layer of an image while these images are kept."""
    root.delete(root.content(root.dir_of(root.chains_of(image)[0])))
    return judged(root.path, policy=structs.replace(NOW, keep_images=patterns))


@pytest.mark.parametrize("pattern", ["app:1", "app:*", "*", "{id}", "sha256:*"])
def test_an_image_that_configuration_keeps_is_not_put_away_nor_what_it_stands_on(overlay: DataRoot, pattern: str) -> None:
    image = overlay.image("app:1", 2)
    pattern = pattern.format(id=image)
    seen = keeping(overlay, image, pattern)
    assert ([], [f"kept by configuration: {pattern}"]) == (seen.away, seen.reasons)


def test_an_image_is_kept_by_its_digest(overlay: DataRoot) -> None:
    image = overlay.image("app:1", 2, digest_ref=True)
    (by_digest,) = (name for name in overlay.repositories["app"] if "@" in name)
    assert [] == keeping(overlay, image, by_digest).away


def test_an_image_that_is_not_kept_is_put_away(overlay: DataRoot) -> None:
    image = overlay.image("app:1", 2)
    assert rel(overlay, overlay.image_file(image)) in keeping(overlay, image, "app:2", "other:*").away


def test_the_name_of_a_kept_image_is_not_dropped(overlay: DataRoot) -> None:
    overlay.delete(overlay.image_file(overlay.image("app:1", 1)))
    seen = judged(overlay.path, policy=structs.replace(NOW, keep_images=("app:1",)))
    assert [] == [action for action in seen.plan.actions if "app:1" in action.does]


# What is young


def aged(root: DataRoot, seconds: float, grace: float) -> Seen:
    """The plan for a folder `seconds` after its youngest member changed."""
    newest = max(path.lstat().st_ctime_ns for path in (root.path / "tmp", root.path / "tmp/sub", root.path / "tmp/sub/file"))
    return moving(root, "tmp", policy=Policy(now=newest / 1e9 + seconds, grace=grace))


@pytest.fixture
def old(overlay: DataRoot) -> DataRoot:
    """A root with a folder in a folder."""
    overlay.make_dir("tmp/sub")
    overlay.write("tmp/sub/file", b"")
    return overlay


@pytest.mark.parametrize(
    ("seconds", "grace", "free"),
    [
        (DAY - 1, DAY, False),
        (DAY + 1, DAY, True),
        (0, DAY, False),
        (-5, DAY, False),
        (-10 * DAY, DAY, False),
        (-5, 0, True),
        (0, 0, True),
    ],
)
def test_nothing_inside_the_grace_period_is_reclaimed_and_a_time_to_come_is_young(
    old: DataRoot,
    seconds: float,
    grace: float,
    free: bool,
) -> None:
    seen = aged(old, seconds, grace)
    assert ((["tmp"], []) if free else ([], [f"changed within the grace period of {grace / 3600:g} h"])) == (
        seen.away,
        seen.reasons,
    )


def test_the_youngest_member_at_any_depth_counts(old: DataRoot) -> None:
    before = max((old.path / name).lstat().st_ctime_ns for name in ("tmp", "tmp/sub"))
    while (old.path / "tmp/sub/file").lstat().st_ctime_ns <= before + 20_000_000:
        os.chmod(old.path / "tmp/sub/file", 0o600)
    assert [] == moving(old, "tmp", policy=Policy(now=before / 1e9 + 10.01, grace=10)).away


def test_a_tree_that_cannot_be_seen_whole_has_no_age(old: DataRoot) -> None:
    with refusing(old.path / "tmp/sub", errno.EACCES):
        seen = aged(old, 2 * DAY, DAY)
    assert ([], ["its age cannot be told: tmp/sub: permission denied"]) == (seen.away, seen.reasons)


@pytest.mark.parametrize("cls", [LOSSLESS, LOSSY])
def test_only_garbage_must_be_old(old: DataRoot, cls: ActionClass) -> None:
    assert ["tmp"] == moving(old, "tmp", cls, policy=Policy(now=(old.path / "tmp").lstat().st_ctime, grace=DAY)).away


# Unread references, classes and consent


@pytest.mark.parametrize(("cls", "free"), [(LOSSLESS, True), (RECLAIM, False), (LOSSY, True)])
def test_garbage_waits_until_every_source_that_it_depends_on_was_read(overlay: DataRoot, cls: ActionClass, free: bool) -> None:
    overlay.flip(overlay.image_file(overlay.image("app:1", 1)))
    remedies = {
        name: Remedy(cls=cls, does=name, steps=(away(name),), knowing=knowing)
        for name, knowing in (("tmp", ("layers",)), ("swarm", ()))
    }
    faults = [Fault(Ref("file", name), "m", remedies=(remedy,)) for name, remedy in remedies.items()]
    seen = judged(overlay.path, [yielding("a", *faults)])
    assert ({"tmp", "swarm"} if free else {"swarm"}) == set(seen.away)
    assert (
        [] == seen.reasons
        if free
        else seen.reasons[0].startswith("blocked: references of images unknown: image/overlay2/imagedb/content/")
    )


def test_nothing_is_garbage_while_a_plugin_that_could_know_better_did_not_load(root: DataRoot) -> None:
    root.build_cache(root.image("app:1", 1))
    lamed = structs.replace(registry(), sources=())
    seen = judged(root.path, known=lamed, failures=["plugin buildkit of docker-fsck does not load: ImportError: x"])
    assert [] == seen.away


@pytest.mark.parametrize(
    ("consents", "free"), [((), False), (("c" * 12,), False), (("c" * 64,), True), (("c" * 64, "other"), True)]
)
def test_consent_is_by_the_full_id(overlay: DataRoot, consents: tuple[str, ...], free: bool) -> None:
    remedy = Remedy(cls=LOSSY_USER, does="x", steps=(away("tmp"),), consent="c" * 64)
    rule = yielding("a", Fault(Ref("file", "x"), "m", remedies=(remedy,)))
    seen = judged(overlay.path, [rule], policy=structs.replace(NOW, consents=frozenset(consents)))
    assert ((["tmp"], []) if free else ([], [f"needs consent: --consent {'c' * 64}"])) == (seen.away, seen.reasons)


def test_user_data_is_never_touched_without_a_consent_of_its_own(overlay: DataRoot) -> None:
    assert [] == moving(overlay, "tmp", LOSSY_USER).away


@pytest.mark.parametrize("error", [errno.EIO, errno.EACCES])
def test_a_home_that_cannot_be_listed_loses_nothing(overlay: DataRoot, error: int) -> None:
    overlay.container(overlay.image("app:1", 2))
    with refusing(overlay.path / "overlay2", error):
        assert [] == judged(overlay.path).away


@pytest.mark.parametrize("table", ["layerdb/sha256", "layerdb", "imagedb/content/sha256", "imagedb", ""])
def test_where_a_table_is_gone_nothing_that_it_named_is_garbage(root: DataRoot, table: str) -> None:
    root.image("app:1", 2)
    kept = {rel(root, root.driver_dir(layer.cache_id)) for layer in root.layers.values()}
    root.delete((root.image_home / table) if table else root.image_home)
    assert set() == kept & set(judged(root.path).away)


def test_an_image_whose_folder_is_a_link_is_not_put_away(root: DataRoot, tmp_path: Path) -> None:
    path = root.driver_dir(root.dir_of(root.chains_of(root.image("app:1", 2))[0]))
    path.rename(tmp_path / "elsewhere")
    root.link_to(path, str(tmp_path / "elsewhere"))
    assert [] == judged(root.path).away


def test_a_container_whose_folder_is_a_link_keeps_its_writable_layer(root: DataRoot, tmp_path: Path) -> None:
    box = root.container(root.image("app:1", 1))
    root.container_dir(box).rename(tmp_path / "elsewhere")
    root.link_to(f"containers/{box}", str(tmp_path / "elsewhere"))
    assert [] == judged(root.path).away


# The brake


def mass(layers: int = 0, images: int = 0, *other: str) -> list[Action]:
    """Actions that put so many layer records and image configurations away."""
    paths = [f"image/overlay2/layerdb/sha256/{n:064x}" for n in range(layers)]
    paths += [f"image/overlay2/imagedb/content/sha256/{n:064x}" for n in range(images)]
    steps = tuple(PutAway(path=path) for path in (*paths, *other))
    return [Action(id=f"a{n}", cls=RECLAIM, does="x", steps=steps[n::3], pre=(), bytes=0) for n in range(3)]


@pytest.mark.parametrize(
    ("layers", "total", "words"),
    [
        (0, 0, None),
        (20, 20, None),
        (20, 21, None),
        (21, 84, None),
        (21, 83, "it would put away 21 of 83 layers"),
        (21, 21, "it would put away 21 of 21 layers"),
        (250, 1000, None),
        (251, 1000, "it would put away 251 of 1000 layers"),
    ],
)
def test_more_than_a_quarter_of_the_layers_and_more_than_20_of_them_is_a_mass(layers: int, total: int, words: str | None) -> None:
    assert words == safety.brake(mass(layers), {"layers": total, "images": 5})


@pytest.mark.parametrize(
    ("images", "total", "words"),
    [
        (0, 0, None),
        (0, 3, None),
        (2, 3, None),
        (3, 3, "it would put away all 3 images"),
        (1, 1, "it would put away all 1 images"),
    ],
)
def test_all_images_are_a_mass(images: int, total: int, words: str | None) -> None:
    assert words == safety.brake(mass(0, images), {"layers": 100, "images": total})


@pytest.mark.parametrize(("unnamed", "total", "held"), [(20, 20, False), (21, 84, False), (21, 83, True), (50, 50, True)])
def test_many_images_that_lose_their_names_are_a_mass(unnamed: int, total: int, held: bool) -> None:
    actions = [structs.replace(each, unnamed=unnamed if each.id == "a1" else 0) for each in mass()]
    words = f"it would leave {unnamed} of {total} images without their names" if held else None
    assert words == safety.brake(actions, {"layers": 100, "images": total})


def test_leftovers_and_metadata_are_neither_layers_nor_images() -> None:
    base = "image/overlay2"
    removing = [f"{base}/layerdb/sha256/{n:064x}-x-removing" for n in range(30)]
    others = [
        f"{base}/imagedb/content/sha256/.tmp-{0:064x}1",
        f"{base}/imagedb/metadata/sha256/{0:064x}",
        f"{base}/layerdb/tmp/write-set-1",
    ]
    assert None is safety.brake(mass(0, 0, *removing, *others), {"layers": 30, "images": 1})


def test_the_brake_counts_a_real_plan(overlay: DataRoot) -> None:
    overlay.image("app:1", 1)
    overlay.unreferenced_layers(21)
    seen = judged(overlay.path)
    assert "it would put away 21 of 22 layers" == safety.brake(seen.plan.actions, {"layers": 22, "images": 1})
