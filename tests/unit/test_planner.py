"""The planner: one remedy for a finding, actions that go together or not at all, and an order that is safe to stop in."""

import base64
import errno
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import json, structs
from test_engine import NOW, Seen, away, fault, judged, yielding

from docker_fsck import planner
from docker_fsck.facts import Weight
from docker_fsck.reader import Reader
from docker_fsck.records import repositories
from docker_fsck.store import Store
from docker_fsck.testing.builder import DataRoot
from docker_fsck.values import (
    Action,
    ActionClass,
    Blocked,
    Confidence,
    Fault,
    Guard,
    MakeDir,
    Plan,
    Ref,
    Relink,
    Remedy,
    SavedPlan,
    SetMeta,
    Step,
    Trouble,
    WriteFile,
)

LOSSLESS, RECLAIM, LOSSY, LOSSY_USER, MANUAL = ActionClass
X, Y = (Ref("file", name) for name in "xy")


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    """A root with one image on overlay2."""
    made = DataRoot(tmp_path / "root")
    made.image("app:1", 2)
    return made


def remedy(cls: ActionClass, *steps: Step, **fields: object) -> Remedy:
    """A way to mend by file changes."""
    return Remedy(cls=cls, does=f"do {cls}", steps=steps, **fields)  # type: ignore[arg-type]


def write(path: str, data: bytes = b"new", **fields: object) -> WriteFile:
    """A new file."""
    return WriteFile(path=path, data=data, **fields)  # type: ignore[arg-type]


def planned(root: DataRoot, *faults: Fault, **terms: object) -> Seen:
    """The plan for faults of one rule."""
    return judged(root.path, [yielding("a", *faults)], **terms)  # type: ignore[arg-type]


def steps(plan: Plan) -> list[Step]:
    """All steps in the order of their numbers."""
    return sorted((step for action in plan.actions for step in action.steps), key=lambda step: step.n)


def mending(*remedies: Remedy, subject: Ref = X, **fields: object) -> Fault:
    """A fault with these remedies."""
    return Fault(subject, f"{subject.id} is bad", (subject.id,), remedies=remedies, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0), (2, 4, 0, 3, 1)])
def test_the_gentlest_remedy_is_planned_whatever_their_order(root: DataRoot, order: Sequence[int]) -> None:
    offers = [
        remedy(cls, away(name)) for cls, name in zip(ActionClass, ("tmp", "swarm", "trust", "plugins", "runtimes"), strict=True)
    ]
    assert ["tmp"] == planned(root, mending(*(offers[n] for n in order))).away


@pytest.mark.parametrize("allowed", [{RECLAIM}, {LOSSY}, {LOSSY_USER}, {RECLAIM, LOSSY}, set()])
def test_a_remedy_whose_class_is_not_selected_is_refused_and_no_harsher_one_takes_its_place(
    root: DataRoot, allowed: set[ActionClass]
) -> None:
    policy = structs.replace(NOW, classes=frozenset(allowed))
    seen = planned(
        root, mending(remedy(LOSSLESS, away("tmp")), remedy(RECLAIM, away("swarm")), remedy(LOSSY, away("trust"))), policy=policy
    )
    expected = Blocked(
        fingerprint=seen.findings[0].fingerprint, why="class lossless is not selected", cls=LOSSLESS, does="do lossless"
    )
    assert ((), (expected,), ()) == (seen.plan.actions, seen.plan.blocked, seen.findings[0].actions)


def test_a_remedy_that_is_refused_for_another_reason_gives_way_to_none_either(root: DataRoot) -> None:
    policy = structs.replace(NOW, keep_paths=("tmp",))
    seen = planned(root, mending(remedy(LOSSLESS, away("tmp")), remedy(LOSSY, away("swarm"))), policy=policy)
    assert ([], ["kept by configuration: tmp"]) == (seen.away, seen.reasons)


def test_what_only_the_operator_can_do_is_an_action_without_a_step(root: DataRoot) -> None:
    seen = planned(root, mending(remedy(MANUAL, away("tmp"), forget=(Ref("container", "x"),), next=("zpool scrub",))))
    (action,) = seen.plan.actions
    assert (MANUAL, (), (), ("zpool scrub",)) == (action.cls, action.steps, action.pre, action.next)
    assert [("a1",)] == [each.actions for each in seen.findings]


def test_steps_of_the_operator_stand_behind_all_others(root: DataRoot) -> None:
    seen = planned(root, mending(remedy(MANUAL, next=("zpool scrub",))), mending(remedy(LOSSY, away("tmp")), subject=Y))
    assert [LOSSY, MANUAL] == [action.cls for action in seen.plan.actions]


def test_no_command_that_takes_away_is_given_while_something_could_name_it(root: DataRoot) -> None:
    root.empty(root.tags)
    seen = planned(root, mending(remedy(MANUAL, knowing=("layers",), next=("zfs destroy",))))
    assert ((), 1) == (seen.plan.actions, len(seen.reasons))


def test_a_finding_without_a_remedy_is_neither_planned_nor_refused(root: DataRoot) -> None:
    seen = planned(root, fault(X))
    assert ((), ()) == (seen.plan.actions, seen.plan.blocked)


def test_a_finding_that_is_not_certain_carries_no_action(root: DataRoot) -> None:
    seen = planned(root, mending(remedy(LOSSLESS, away("tmp")), confidence=Confidence.PROBABLE))
    assert ([], ["not certain"]) == (seen.away, seen.reasons)


def test_a_finding_names_the_action_that_mends_it(root: DataRoot) -> None:
    seen = planned(root, mending(remedy(RECLAIM, away("tmp"))), mending(remedy(LOSSLESS, away("swarm")), subject=Y))
    by_id = {action.id: action for action in seen.plan.actions}
    assert [["tmp"], ["swarm"]] == [[step.path for name in each.actions for step in by_id[name].steps] for each in seen.findings]
    assert [[each.fingerprint] for each in seen.findings] == [list(by_id[each.actions[0]].findings) for each in seen.findings]


def test_equal_steps_are_done_once(root: DataRoot) -> None:
    seen = planned(root, mending(remedy(RECLAIM, away("tmp"))), mending(remedy(RECLAIM, away("tmp"), away("swarm")), subject=Y))
    assert (["swarm", "tmp"], []) == (sorted(seen.away), seen.reasons)


def test_each_finding_that_a_shared_step_mends_names_its_action(root: DataRoot) -> None:
    seen = planned(root, mending(remedy(RECLAIM, away("tmp"))), mending(remedy(RECLAIM, away("tmp")), subject=Y))
    assert [("a1",), ("a1",)] == [each.actions for each in seen.findings]


def test_a_step_that_two_actions_share_stays_if_one_of_them_is_taken_away(root: DataRoot) -> None:
    def veto(plan: Plan, _store: object) -> list[Blocked]:
        return [Blocked(fingerprint=plan.actions[0].findings[0], why="no")]

    seen = planned(
        root, mending(remedy(RECLAIM, away("tmp"))), mending(remedy(RECLAIM, away("tmp"), away("swarm")), subject=Y), veto=veto
    )
    assert ["swarm", "tmp"] == sorted(seen.away)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (remedy(LOSSLESS, write("tmp/x", b"1")), remedy(LOSSLESS, write("tmp/x", b"2"))),
        (remedy(LOSSLESS, write("tmp/x", b"1")), remedy(RECLAIM, away("tmp/x"))),
        (remedy(LOSSLESS, write("tmp/x", b"1")), remedy(LOSSY, Relink(path="tmp/x", target="y"))),
        (remedy(LOSSLESS, MakeDir(path="tmp/x")), remedy(LOSSLESS, MakeDir(path="tmp/x", mode=0o700))),
    ],
    ids=["two writes", "a write and a move", "a write and a link", "two modes"],
)
def test_of_two_actions_that_contradict_each_other_the_gentler_stays(root: DataRoot, first: Remedy, second: Remedy) -> None:
    root.write("tmp/x", b"old")
    for order in ((mending(first), mending(second, subject=Y)), (mending(second, subject=Y), mending(first))):
        seen = planned(root, *order)
        assert [type(first.steps[0])] == [type(step) for step in steps(seen.plan)]
        assert ["tmp/x is changed by another action: run again afterwards"] == seen.reasons


def test_an_action_that_is_contradicted_at_one_path_is_refused_whole(root: DataRoot) -> None:
    root.write("tmp/x", b"old")
    seen = planned(
        root, mending(remedy(LOSSLESS, write("tmp/x"))), mending(remedy(RECLAIM, away("swarm"), away("tmp/x")), subject=Y)
    )
    assert ([], 1) == (seen.away, len(seen.reasons))


def tagged(root: DataRoot, *names: str) -> dict[str, tuple[str, str]]:
    """Tags on images that are not there, by name."""
    for name in names:
        root.tag(name, f"sha256:{'0' * 64}")
    return {name: (name.partition(":")[0], name) for name in names}


def test_all_that_rewrites_the_tag_store_is_one_action(root: DataRoot) -> None:
    keys = tagged(root, "a:1", "b:1", "c:1")
    seen = planned(
        root,
        mending(remedy(LOSSY, retag=(keys["a:1"],), loses=("a:1",), pull=("a:1",))),
        mending(remedy(LOSSY, retag=(keys["c:1"],), loses=("c:1",), pull=("c:1",)), subject=Y),
    )
    (action,) = seen.plan.actions
    (step,) = action.steps
    assert isinstance(step, WriteFile)
    assert ({"app:1", "b:1"}, 1, 0o600) == ({key[1] for key in dict(repositories.parse(step.data, "p"))}, step.rank, step.mode)  # type: ignore[arg-type, call-overload]
    assert (("a:1", "c:1"), ("a:1", "c:1"), 2) == (action.loses, seen.plan.pull, len(action.findings))
    assert [(action.id,), (action.id,)] == [each.actions for each in seen.findings]


def test_tags_are_written_as_they_were_judged_whatever_a_later_read_gives(
    root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, path = tagged(root, "a:1", "b:1"), "image/overlay2/repositories.json"
    read, seen = Reader.read, 0

    def once(self: Reader, asked: str, limit: int = 1 << 20) -> bytes | Trouble:
        nonlocal seen
        seen += asked == path
        return Trouble(path, "unreadable", "cannot allocate memory") if asked == path and seen > 1 else read(self, asked, limit)

    monkeypatch.setattr(Reader, "read", once)
    (step,) = steps(planned(root, mending(remedy(LOSSY, retag=(keys["a:1"],)))).plan)
    assert isinstance(step, WriteFile)
    assert {"app:1", "b:1"} == {key[1] for key in dict(repositories.parse(step.data, "p"))}  # type: ignore[arg-type, call-overload]


def test_an_error_of_the_disk_that_is_met_while_trees_are_weighed_stops_everything(
    root: DataRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    weigh = Store.weigh

    def failing(self: Store, path: str) -> Weight | Trouble:
        if path != "tmp":
            return weigh(self, path)
        fault = Trouble("tmp/x", "unreadable", os.strerror(errno.EIO).lower())
        self.reader.unread["tmp/x"] = fault
        return fault

    root.write("tmp/x", b"x")
    monkeypatch.setattr(Store, "weigh", failing)
    seen = planned(root, mending(remedy(LOSSLESS, write("trust/x"))), mending(remedy(RECLAIM, away("tmp")), subject=Y))
    assert ((), 2) == (seen.plan.actions, len(seen.plan.blocked))
    assert any("the file system reports errors (tmp/x: input/output error)" in why for why in seen.reasons)
    assert {LOSSLESS, RECLAIM} == {each.cls for each in seen.plan.blocked}
    assert [(), ()] == [each.actions for each in seen.findings]


def test_tags_of_two_trees_are_two_files(root: DataRoot) -> None:
    other = DataRoot(root.path, "vfs")
    root.tag("one:1", f"sha256:{'1' * 64}")
    other.tag("two:1", f"sha256:{'2' * 64}")
    written = {step.path: step.data for step in steps(judged(root.path).plan) if isinstance(step, WriteFile)}
    assert {"image/overlay2/repositories.json", "image/vfs/repositories.json"} == written.keys()
    assert b'{"Repositories":{}}' == written["image/vfs/repositories.json"]


def test_a_tag_store_that_is_restored_is_not_rewritten_in_the_same_plan(root: DataRoot) -> None:
    keys = tagged(root, "a:1")
    restored = write("image/overlay2/repositories.json", b'{"Repositories":{}}')
    seen = planned(root, mending(remedy(LOSSLESS, restored)), mending(remedy(LOSSY, retag=(keys["a:1"],)), subject=Y))
    assert ([restored.data], 1) == ([step.data for step in steps(seen.plan) if isinstance(step, WriteFile)], len(seen.reasons))


def test_names_that_come_back_do_not_come_back_for_an_image_that_the_same_plan_puts_away(root: DataRoot) -> None:
    image, other = root.image("a:1", 1), root.image("b:1", 1)
    names = {("a", "a:1"): image, ("b", "b:1"): other}
    root.write("image/overlay2/repositories.json", b"")
    restored = mending(remedy(LOSSY, write("image/overlay2/repositories.json", repositories.encode(names))))
    lost = mending(remedy(LOSSY, forget=(Ref("image", image),)), subject=Y)
    seen = planned(root, lost, restored)
    (action,) = seen.plan.actions
    (written,) = (step.data for step in action.steps if isinstance(step, WriteFile))
    assert ({("b", "b:1"): other}, LOSSY) == (repositories.parse(written, "p"), action.cls)
    assert {"the image a:1", "a:1 for good: it was made on this host and no registry is known to hold it"} == {*action.loses}
    assert [(action.id,)] * 2 == [each.actions for each in seen.findings]
    whole = mending(remedy(LOSSLESS, write("image/overlay2/repositories.json", repositories.encode(names))))
    gentle = planned(root, lost, whole).plan.actions
    assert [LOSSLESS, LOSSY] == [each.cls for each in gentle]
    assert [repositories.encode(names)] == [step.data for each in gentle for step in each.steps if isinstance(step, WriteFile)]
    nameless = mending(remedy(LOSSY, forget=(Ref("image", root.repositories["app"]["app:1"]),)), subject=Y)
    apart = planned(root, nameless, restored)
    assert [LOSSY, LOSSY] == [each.cls for each in apart.plan.actions]


def test_an_image_whose_name_is_lost_is_not_called_lost_for_good_where_the_cache_tells_its_repository(root: DataRoot) -> None:
    image = root.image("pulled:1", 1, digest_ref=True)
    lost = mending(remedy(LOSSY, forget=(Ref("image", image),)))
    assert "for good" not in str(planned(root, lost).plan.actions[0].loses)
    root.tags.write_bytes(b"")
    assert "its top layer came from pulled" in str(planned(root, lost).plan.actions[0].loses)


def test_what_waits_for_an_image_to_go_is_done_only_where_another_action_takes_it(root: DataRoot) -> None:
    image, other = root.repositories["app"]["app:1"], root.image("b:1", 1)
    waits = {"refused": "it still runs", "holders": (Ref("image", image), Ref("image", other))}
    waiting = mending(remedy(LOSSY, forget=(Ref("image", image), Ref("image", other)), **waits))
    one, two = (mending(remedy(LOSSY, forget=(Ref("image", each),)), subject=Ref("image", each)) for each in (image, other))
    for others, expected in (((), 0), ((one,), 1), ((one, two), 2)):
        seen = planned(root, waiting, *others)
        assert (len(others) == 2, expected) == (not seen.reasons, sum("/content/" in path for path in seen.away))
    assert ["it still runs"] == planned(root, waiting, one).reasons
    twice = planned(root, waiting, structs.replace(waiting, subject=Y))
    assert ([], ["it still runs"] * 2) == (twice.away, twice.reasons)


def test_a_tag_store_that_would_be_written_broken_is_a_mistake_of_its_plugin(root: DataRoot) -> None:
    seen = planned(root, mending(remedy(LOSSLESS, write("image/overlay2/repositories.json", b"{"))))
    assert ((), 1) == (seen.plan.actions, len(seen.plan.blocked))
    assert "cannot be drawn up: ValueError: a tag store that cannot be read would be written" in seen.plan.blocked[0].why


def test_an_objection_to_one_tag_leaves_the_others(root: DataRoot) -> None:
    keys = tagged(root, "a:1", "b:1")
    faults = (mending(remedy(LOSSY, retag=(keys["a:1"],))), mending(remedy(LOSSY, retag=(keys["b:1"],)), subject=Y))
    first = planned(root, *faults).findings[0].fingerprint
    seen = planned(root, *faults, veto=lambda _plan, _store: [Blocked(fingerprint=first, why="no")])
    assert (["no"], [1]) == (seen.reasons, [len(action.findings) for action in seen.plan.actions])


def test_of_two_kinds_of_consent_to_one_tag_store_the_gentler_stays(root: DataRoot) -> None:
    keys = tagged(root, "a:1", "b:1")
    harsh = remedy(LOSSY_USER, retag=(keys["b:1"],), consent="c" * 64)
    policy = structs.replace(NOW, consents=frozenset({"c" * 64}))
    seen = planned(root, mending(harsh), mending(remedy(LOSSY, retag=(keys["a:1"],)), subject=Y), policy=policy)
    assert [LOSSY] == [action.cls for action in seen.plan.actions]
    assert ["image/overlay2/repositories.json is changed by another action: run again afterwards"] == seen.reasons


def test_a_tag_that_something_else_needs_leaves_the_other_tags_in_the_plan(root: DataRoot) -> None:
    keys = tagged(root, "a:1", "b:1")
    chain = root.chains_of(root.image("needed:1", 1))[0]
    stuck = remedy(LOSSY, retag=(keys["a:1"],), forget=(Ref("driverdir", root.dir_of(chain)),))
    seen = planned(root, mending(stuck), mending(remedy(LOSSY, retag=(keys["b:1"],)), subject=Y))
    (step,) = steps(seen.plan)
    assert isinstance(step, WriteFile)
    assert (True, False, 1) == (b"a:1" in step.data, b"b:1" in step.data, len(seen.reasons))


def test_a_remedy_that_its_rule_holds_back_is_refused_with_the_reason(root: DataRoot) -> None:
    seen = planned(root, mending(remedy(LOSSY, away("tmp"), refused="app:2 still runs")))
    assert ([], ["app:2 still runs"]) == (seen.away, seen.reasons)


def test_a_finding_whose_folder_goes_with_that_of_another_names_that_action(root: DataRoot) -> None:
    inner = mending(remedy(RECLAIM, away("tmp/x")), subject=Y)
    root.write("tmp/x", b"old")
    seen = planned(root, mending(remedy(RECLAIM, away("tmp"))), inner)
    assert (["tmp"], [("a1",), ("a1",)]) == (seen.away, [each.actions for each in seen.findings])


def rank(path: str) -> int:
    """Where a path belongs in the order of a plan: tag, image, container, mount, layer, link, driver dir, residue."""
    kinds = ("repositories.json", "/imagedb/", "containers/", "/layerdb/mounts/", "/layerdb/sha256/", "overlay2/l/", "overlay2/")
    return next((place for place, part in enumerate(kinds, 1) if part in path and "removing" not in path), 8)


def test_who_refers_goes_before_what_is_referred_to(root: DataRoot) -> None:
    base = root.image("base:1", 3, digest_ref=True)
    root.image("child:1", 2, base=base)
    root.orphan_mount(base)
    root.unreferenced_layers(3, root.chains_of(base)[0])
    gone = root.container(base, "half")
    root.delete(root.container_dir(gone) / "config.v2.json")
    root.delete(root.driver_dir(root.dir_of(root.chains_of(base)[1])) / "diff")
    seen = judged(root.path, policy=structs.replace(NOW, consents=frozenset({gone})))
    found = steps(seen.plan)
    assert list(range(len(found))) == [step.n for step in found]
    assert [rank(step.path) for step in found] == sorted(rank(step.path) for step in found) == [step.rank for step in found]
    assert {1, 2, 3, 4, 5, 6, 7} <= {step.rank for step in found}


def test_children_go_before_their_parents(root: DataRoot) -> None:
    chains = root.unreferenced_layers(5)
    seen = judged(root.path)
    records = [path for path in seen.away if "/layerdb/sha256/" in path]
    assert [str(root.record(chain).relative_to(root.path)) for chain in reversed(chains)] == records


@pytest.mark.parametrize("driver", ["overlay2", "vfs", "aufs"])
def test_every_record_goes_before_the_folder_that_it_names(tmp_path: Path, driver: str) -> None:
    root = DataRoot(tmp_path / "root", driver)
    image = root.image("app:1", 3)
    root.container(image)
    name = root.orphan_mount(image)
    pairs = [(root.record(chain), root.driver_dir(root.dir_of(chain))) for chain in root.unreferenced_layers(3)]
    pairs += [(root.mount_record(name), root.driver_dir(ident)) for ident in (root.mount_id(name), root.init_id(name))]
    order = {path: number for number, path in enumerate(judged(root.path).away)}
    numbers = [tuple(order[str(path.relative_to(root.path))] for path in pair) for pair in pairs]
    assert [True] * 5 == [record < folder for record, folder in numbers]


@pytest.mark.parametrize("leftover", ["removing", "layer_tmp"])
def test_a_leftover_record_goes_before_the_folder_that_it_names(root: DataRoot, leftover: str) -> None:
    path = str(getattr(root, leftover)().relative_to(root.path))
    seen = judged(root.path)
    assert seen.away.index(path) < seen.away.index(f"overlay2/{root.lost_dirs[0]}")


def test_a_step_in_a_folder_that_goes_is_not_done(root: DataRoot) -> None:
    root.write("tmp/x", b"old")
    seen = planned(root, mending(remedy(RECLAIM, away("tmp"))), mending(remedy(RECLAIM, away("tmp/x"), away("swarm")), subject=Y))
    assert {"tmp", "swarm"} == set(seen.away)


def test_a_folder_whose_name_begins_alike_is_another(root: DataRoot) -> None:
    root.make_dir("tmp2")
    root.write("tmp2/x", b"old")
    seen = planned(root, mending(remedy(RECLAIM, away("tmp"))), mending(remedy(RECLAIM, away("tmp2/x")), subject=Y))
    assert {"tmp", "tmp2/x"} == set(seen.away)


def test_what_can_be_mended_without_loss_is_mended_if_only_that_is_applied(root: DataRoot) -> None:
    seen = planned(root, mending(remedy(LOSSLESS, write("tmp/x"))), mending(remedy(LOSSY, away("tmp")), subject=Y))
    kept, _ = planner.narrowed(seen.plan, {LOSSLESS})
    assert ["tmp/x"] == [step.path for step in steps(kept)]


def test_an_action_is_planned_whole_or_not_at_all(root: DataRoot) -> None:
    """A layer with an empty `link` and no link in l/ above one that is lost: the name is written twice, or not at all."""
    low, top = (root.dir_of(chain) for chain in root.chains_of(next(iter(root.images))))
    root.delete(root.content(low))
    root.empty(root.driver_dir(top) / "link")
    root.delete(root.short_link(top))
    seen = judged(root.path)
    (mending_link,) = [each for each in seen.findings if each.rule == "ovl-link-file"]
    done = [step.path for action in seen.plan.actions if action.id in mending_link.actions for step in action.steps]
    assert len(done) in {0, 2}


def test_what_is_not_there_needs_no_putting_away(root: DataRoot) -> None:
    seen = planned(
        root, mending(remedy(RECLAIM, away("none"), away("tmp"))), mending(remedy(RECLAIM, away("nothing")), subject=Y)
    )
    assert (["tmp"], [("a1",), ()]) == (seen.away, [each.actions for each in seen.findings])


def test_a_guard_says_what_must_still_be_there(root: DataRoot) -> None:
    root.write("tmp/x", b"old")
    seen = planned(
        root, mending(remedy(LOSSLESS, write("tmp/x"), write("tmp/y"), away("swarm"), SetMeta(path="trust", mode=0o700)))
    )
    info, folder, meta = (os.lstat(root.path / name) for name in ("tmp/x", "swarm", "trust"))
    assert {
        "tmp/x": Guard(
            path="tmp/x",
            dev=info.st_dev,
            ino=info.st_ino,
            ctime_ns=info.st_ctime_ns,
            size=3,
            sha256=hashlib.sha256(b"old").hexdigest(),
        ),
        "tmp/y": Guard(path="tmp/y", absent=True),
        "swarm": Guard(path="swarm", dev=folder.st_dev, ino=folder.st_ino, ctime_ns=folder.st_ctime_ns, size=folder.st_size),
        "trust": Guard(path="trust", dev=meta.st_dev, ino=meta.st_ino, ctime_ns=meta.st_ctime_ns, size=meta.st_size),
    } == {guard.path: guard for guard in seen.plan.actions[0].pre}


def test_a_rewritten_file_keeps_its_mode_and_a_new_one_gets_the_owner_of_its_folder(root: DataRoot) -> None:
    root.write("tmp/old", b"")
    os.chmod(root.path / "tmp/old", 0o4640)
    owner = (12, 34) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    os.chown(root.path / "tmp", *owner)
    made = (write("tmp/old"), MakeDir(path="tmp/new"), write("tmp/new/file", mode=0o600), Relink(path="tmp/link", target="x"))
    found = {step.path: step for step in steps(planned(root, mending(remedy(LOSSLESS, *made))).plan)}
    old = found["tmp/old"]
    assert isinstance(old, WriteFile)
    assert (0o4640, os.getuid(), os.getgid()) == (old.mode, old.uid, old.gid)
    assert dict.fromkeys(("tmp/new", "tmp/new/file", "tmp/link"), owner) == {
        path: (step.uid, step.gid)
        for path, step in found.items()
        if path != "tmp/old" and isinstance(step, WriteFile | MakeDir | Relink)
    }


def test_the_bytes_of_an_action_are_those_that_it_puts_away(root: DataRoot) -> None:
    root.write("tmp/large", bytes(100_000))
    seen = planned(
        root, mending(remedy(RECLAIM, away("tmp"), away("swarm"))), mending(remedy(LOSSLESS, write("trust/x")), subject=Y)
    )
    expected = sum((root.path / name).lstat().st_blocks * 512 for name in ("tmp", "tmp/large", "swarm"))
    assert {RECLAIM: expected, LOSSLESS: 0} == {action.cls: action.bytes for action in seen.plan.actions}


def test_a_veto_takes_an_action_away_with_its_reason_and_gives_nothing(root: DataRoot) -> None:
    faults = (mending(remedy(RECLAIM, away("tmp"))), mending(remedy(RECLAIM, away("swarm")), subject=Y))
    first, second = (each.fingerprint for each in planned(root, *faults).findings)
    no = Blocked(fingerprint=first, why="not on my watch")
    seen = planned(root, *faults, veto=lambda _plan, _store: [no])
    assert ([(second,)], (no,), ["swarm"]) == ([action.findings for action in seen.plan.actions], seen.plan.blocked, seen.away)
    assert [(), ("a1",)] == [each.actions for each in seen.findings]


def test_a_veto_sees_the_plan_and_what_depends_on_what_it_takes_away_goes_too(root: DataRoot) -> None:
    low, top = root.unreferenced_layers(2)

    def veto(plan: Plan, _store: object) -> list[Blocked]:
        (mark,) = (action.findings[0] for action in plan.actions if action.does == "top")
        return [Blocked(fingerprint=mark, why="no")]

    forget = (
        mending(Remedy(cls=RECLAIM, does=does, forget=(Ref("layer", chain),)), subject=ref)
        for chain, does, ref in ((low, "low", X), (top, "top", Y))
    )
    seen = planned(root, *forget, veto=veto)
    assert ([], ["no", f"layer {low} still carries another"]) == (seen.away, sorted(seen.reasons, reverse=True))


def test_the_digest_is_of_the_actions_alone(root: DataRoot) -> None:
    first = planned(root, mending(remedy(RECLAIM, away("tmp"))))
    again = planned(root, mending(remedy(RECLAIM, away("tmp"))))
    blocked = planned(
        root,
        mending(remedy(RECLAIM, away("tmp"))),
        mending(remedy(RECLAIM, away("swarm")), subject=Y, confidence=Confidence.PROBABLE),
    )
    other = planned(root, mending(remedy(RECLAIM, away("swarm"))))
    assert "sha256:" + hashlib.sha256(json.encode(first.plan.actions)).hexdigest() == first.plan.digest
    assert (first.plan.digest, first.plan.digest) == (again.plan.digest, blocked.plan.digest)
    assert first.plan.digest != other.plan.digest


def test_the_digest_changes_with_what_is_found_at_the_paths(root: DataRoot) -> None:
    before = planned(root, mending(remedy(RECLAIM, away("tmp")))).plan.digest
    root.write("tmp/new", b"")
    assert before != planned(root, mending(remedy(RECLAIM, away("tmp")))).plan.digest


def test_a_plan_is_narrowed_to_classes_and_says_what_it_left_out(root: DataRoot) -> None:
    plan = planned(root, mending(remedy(RECLAIM, away("tmp"))), mending(remedy(LOSSLESS, away("swarm")), subject=Y)).plan
    kept, left = planner.narrowed(plan, {LOSSLESS})
    assert ([LOSSLESS], [RECLAIM]) == ([action.cls for action in kept.actions], [action.cls for action in left])
    assert (plan, ()) == planner.narrowed(plan, ActionClass)


def test_refusals_come_in_an_order_of_their_own(root: DataRoot) -> None:
    faults = [
        mending(remedy(RECLAIM, away("tmp")), subject=Ref("file", str(n)), confidence=Confidence.PROBABLE) for n in range(9)
    ]
    seen = planned(root, *faults)
    assert (9, sorted(each.fingerprint for each in seen.plan.blocked)) == (
        len(seen.reasons),
        [each.fingerprint for each in seen.plan.blocked],
    )


def test_every_kind_of_step_survives_json(root: DataRoot) -> None:
    root.write("containers/\udcff", b"x")
    os.mkdir(os.fsencode(root.path) + b"/tmp/\xfe")
    made = (
        write("tmp/x", bytes(range(256))),
        MakeDir(path="tmp/y", mode=0o700),
        Relink(path="tmp/z", target="../x"),
        SetMeta(path="swarm", mtime_ns=5),
        away("containers/\udcff"),
        away("tmp/\udcfe"),
    )
    plan = planned(root, mending(remedy(LOSSLESS, *made, next=("say",), loses=("l\udcff",)))).plan
    data = json.encode(plan)
    assert plan == json.decode(data, type=Plan)
    assert {"containers/\udcff", "tmp/\udcfe"} <= {step.raw for step in steps(json.decode(data, type=Plan))}
    assert {"containers/\udcff", "tmp/\udcfe"} <= {
        guard.raw for action in json.decode(data, type=Plan).actions for guard in action.pre
    }
    spelled = next(
        step for action in json.decode(data)["actions"] for step in action["steps"] if step["path"] == "containers/\\xff"
    )
    assert ("quarantine", b"containers/\xff") == (spelled["op"], base64.b64decode(spelled["path_b64"]))


def test_a_saved_plan_survives_json(root: DataRoot) -> None:
    seen = judged(root.path, [yielding("a", mending(remedy(RECLAIM, away("tmp"))), mending(remedy(LOSSY, away("x")), subject=Y))])
    fields = {name: getattr(seen.plan, name) for name in Plan.__struct_fields__}
    saved = SavedPlan(**fields, root="/r", layout=("graphdriver:overlay2",), made="2024-05-06T07:08:09Z", tool={"name": "t"})
    assert saved == json.decode(json.encode(saved), type=SavedPlan)
    assert seen.plan.actions == json.decode(json.encode(saved), type=Plan).actions


def test_an_entry_that_is_not_utf_8_is_planned_by_its_bytes(root: DataRoot) -> None:
    base = "image/overlay2/.tmp-repositories.json"
    root.write(f"{base}\udcff", b"{}")
    (action,) = judged(root.path).plan.actions
    (step,) = action.steps
    assert (f"{base}\\xff", base.encode() + b"\xff", f"{base}\udcff") == (step.path, step.path_b64, step.raw)
    assert (False, f"{base}\udcff") == (action.pre[0].absent, action.pre[0].raw)


def lost(root: DataRoot, image: str) -> Action:
    """The action that puts an image with a lost layer away."""
    root.delete(root.content(root.dir_of(root.chains_of(image)[0])))
    return next(action for action in judged(root.path).plan.actions if action.cls is LOSSY)


def test_a_lost_image_that_was_pulled_is_pulled_by_digest(root: DataRoot) -> None:
    image = root.image("pulled:1", 2, digest_ref=True)
    (by_digest,) = (name for name in root.repositories["pulled"] if "@" in name)
    lost(root, image)
    assert (by_digest,) == judged(root.path).plan.pull


def test_a_lost_image_without_a_digest_is_pulled_by_name_where_its_layers_are_known_to_be(root: DataRoot) -> None:
    image = root.image("pulled:1", 2, digest_ref=True)
    root.repositories["pulled"] = {"pulled:1": image}
    root.tag("mine:1", image)
    lost(root, image)
    assert ("pulled:1",) == judged(root.path).plan.pull


def test_a_lost_image_that_was_made_here_is_told_to_be_lost_for_good(root: DataRoot) -> None:
    action = lost(root, root.image("local:1", 2))
    assert ((), True) == (judged(root.path).plan.pull, any("local:1 for good" in each for each in action.loses))


def test_a_removal_is_finished_as_one_action_from_the_folder_to_the_writable_layer(root: DataRoot) -> None:
    ident = root.container(root.image("app:2"), "web")
    record, layer, init = root.mount_record(ident), root.driver_dir(root.mount_id(ident)), root.driver_dir(root.init_id(ident))
    links = [root.short_link(each.name) for each in (layer, init)]
    forget = (Ref("container", ident), Ref("mount", ident))
    mended = fault(Ref("container", ident), remedy=remedy(LOSSY_USER, forget=forget, consent=ident))
    seen = planned(root, mended, policy=structs.replace(NOW, consents=frozenset({ident})))
    (action,) = seen.plan.actions
    paths = [root.path / step.path for step in action.steps]
    assert [root.container_dir(ident), record] == paths[:2]
    assert (set(links), {layer, init}) == (set(paths[2:4]), set(paths[4:]))


def test_a_file_goes_before_the_folder_around_it_that_another_action_takes(root: DataRoot) -> None:
    (root.path / "folder").mkdir()
    (root.path / "folder/file").write_bytes(b"x")
    inner = fault(Ref("file", "folder/file"), remedy=remedy(RECLAIM, away("folder/file")))
    outer = fault(Ref("file", "folder"), remedy=remedy(LOSSY, away("folder")))
    steps = sorted(
        (step for action in planned(root, inner, outer).plan.actions for step in action.steps), key=lambda each: each.n
    )
    assert ["folder/file", "folder"] == [step.path for step in steps]
