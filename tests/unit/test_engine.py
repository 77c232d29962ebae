"""The engine: crashes contained, faults merged and folded, order and fingerprints that do not depend on chance."""

import errno
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct, json, structs

from docker_fsck import engine, planner
from docker_fsck.engine import Checked, fingerprint
from docker_fsck.host import HostView
from docker_fsck.model import Model
from docker_fsck.plugins import Registry
from docker_fsck.policy import Policy
from docker_fsck.reader import Reader
from docker_fsck.rules import Rule, ordered
from docker_fsck.store import open_store
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.table import STOPPED, refusing, registry
from docker_fsck.values import (
    ActionClass,
    Confidence,
    Evidence,
    Fault,
    Finding,
    Outcome,
    Plan,
    PutAway,
    Ref,
    Remedy,
    Severity,
    spell,
)

X, Y, Z = (Ref("file", name) for name in "xyz")
NOW = Policy(now=0, grace=0)
Find = Callable[[Model], Iterable[Fault]]


class Seen(Struct, frozen=True):
    """What a check and a plan with given rules came to."""

    checked: Checked
    plan: Plan
    findings: tuple[Finding, ...]

    @property
    def told(self) -> list[tuple[str, str]]:
        """Rule and object of each finding."""
        return [(finding.rule, finding.object.id) for finding in self.findings]

    @property
    def away(self) -> list[str]:
        """What the plan puts away, in its order."""
        steps = [step for action in self.plan.actions for step in action.steps if isinstance(step, PutAway)]
        return [step.raw for step in sorted(steps, key=lambda step: step.n)]

    @property
    def reasons(self) -> list[str]:
        """Why things are blocked."""
        return [each.why for each in self.plan.blocked]


def card(name: str, find: Find, *after: str, severity: Severity = Severity.INFO, **fields: Any) -> Rule:
    """A rule made of a function."""
    doc = fields.pop("doc", f"The title of {name}.\n\nDaemon says: it is {name}")
    return Rule(name=name, severity=severity, find=find, doc=doc, after=after, **fields)


def yielding(name: str, *faults: Fault, after: Sequence[str] = (), **fields: Any) -> Rule:
    """A rule that finds these faults in every tree."""
    return card(name, lambda _model: iter(faults), *after, **fields)


def fault(subject: Ref, *through: Ref, remedy: Remedy | None = None, **fields: Any) -> Fault:
    """A fault of `subject` that damage of `through` would explain."""
    return Fault(subject, f"{subject.id} is bad", (subject.id,), remedies=(remedy,) if remedy else (), through=through, **fields)


def away(path: str) -> PutAway:
    """The step for a path."""
    shown, coded = spell(path)
    return PutAway(path=shown, path_b64=coded)


def judged(
    root: Path,
    rules: Sequence[Rule] | None = None,
    *,
    policy: Policy = NOW,
    host: HostView = STOPPED,
    failures: Sequence[str] = (),
    known: Registry | None = None,
    **terms: Any,
) -> Seen:
    """Check and plan with `rules`, or with all there are."""
    known = known or registry()
    with Reader(str(root)) as reader:
        store = open_store(reader, known.drivers, known.sources, host, policy)
        checked = engine.check(store, ordered(known.rules) if rules is None else rules, failures)
        plan, findings = planner.make(checked, store, **terms)
        return Seen(checked, plan, findings)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with one image on overlay2."""
    made = DataRoot(tmp_path / "root")
    made.image("app:1", 1)
    return made.path


@pytest.fixture
def two(root: Path) -> Path:
    """A root with a tree of overlay2 and one of vfs."""
    DataRoot(root, "vfs").image("app:2", 1)
    return root


def crash(_model: Model) -> Iterator[Fault]:
    """A rule with a fault of its own."""
    raise RuntimeError("boom")


def test_a_rule_that_crashes_is_told_and_the_others_run(root: Path) -> None:
    seen = judged(root, [yielding("a", fault(X)), card("b", crash), yielding("c", fault(Y))])
    assert [("a", "x"), ("c", "y")] == seen.told
    assert (Outcome("b", "failed", "RuntimeError: boom"), ("b: RuntimeError: boom",)) == (
        seen.checked.outcomes[1],
        seen.checked.incomplete,
    )
    assert ["ran", "failed", "ran"] == [each.state for each in seen.checked.outcomes]


def test_a_rule_that_is_no_generator_has_failed(root: Path) -> None:
    seen = judged(root, [card("a", lambda _model: None), yielding("b", fault(X))])
    assert ([("b", "x")], "failed") == (seen.told, seen.checked.outcomes[0].state)


def test_a_rule_that_crashes_in_the_second_tree_keeps_what_it_found_in_the_first(two: Path) -> None:
    def find(model: Model) -> Iterator[Fault]:
        if model.name == "vfs":
            raise RuntimeError("boom")
        yield fault(X)

    seen = judged(two, [card("a", find)])
    assert ([("a", "x")], "failed") == (seen.told, seen.checked.outcomes[0].state)


def test_a_rule_that_crashes_late_keeps_what_it_found_before(root: Path) -> None:
    def find(_model: Model) -> Iterator[Fault]:
        yield fault(X)
        raise RuntimeError("boom")

    seen = judged(root, [card("a", find)])
    assert ([("a", "x")], "failed") == (seen.told, seen.checked.outcomes[0].state)


@pytest.mark.parametrize(
    "bad",
    ["no fault", Fault("no ref", "m"), Fault(Ref("file", "\ud800"), "m")],
    ids=["no fault", "no ref", "an object that cannot be encoded"],
)
def test_a_rule_that_yields_nonsense_has_failed_and_the_others_run(root: Path, bad: Any) -> None:
    seen = judged(root, [yielding("a", bad), yielding("b", fault(X))])
    assert ([("b", "x")], "failed") == (seen.told, seen.checked.outcomes[0].state)


@pytest.mark.parametrize(
    "bad",
    [Fault(X, "m", (None,)), Fault(X, None), Fault(Ref("layer", None), "m")],
    ids=["a path that is none", "no message", "an object without id"],
)
def test_a_rule_that_yields_a_fault_that_cannot_be_told_has_failed_and_the_others_run(root: Path, bad: Any) -> None:
    seen = judged(root, [yielding("a", bad), yielding("b", fault(X))])
    assert ([("b", "x")], "failed") == (seen.told, seen.checked.outcomes[0].state)


def test_a_remedy_that_nobody_can_carry_out_is_refused_and_the_others_are_planned(root: Path) -> None:
    reclaim = Remedy(cls=ActionClass.RECLAIM, does="x", forget=(Ref("volume", "v"),))
    known = registry()
    with Reader(str(root)) as reader:
        store = open_store(reader, known.drivers, known.sources, STOPPED, NOW)
        checked = engine.check(store, [yielding("a", fault(X, remedy=reclaim)), yielding("b", fault(Y))])
        plan, findings = planner.make(checked, store)
        assert ["a", "b"] == [each.rule for each in findings]
        assert ["a: its remedy cannot be drawn up: ValueError: nothing is known of putting a volume away"] == list(
            engine.complete(checked, store).incomplete
        )
    assert [True] == ["cannot be drawn up" in each.why for each in plan.blocked]


def test_an_interrupt_is_not_contained(root: Path) -> None:
    def find(_model: Model) -> Iterator[Fault]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judged(root, [card("a", find)])


def test_what_the_kernel_refused_and_plugins_that_failed_make_the_verdict_incomplete(root: Path) -> None:
    def find(model: Model) -> Iterator[Fault]:
        model.store.reader.read("volumes/metadata.db")
        return iter(())

    with refusing(root / "volumes" / "metadata.db", errno.EIO):
        seen = judged(root, [card("a", find)], failures=["plugin p does not load"])
    assert ("plugin p does not load", "volumes/metadata.db: input/output error") == seen.checked.incomplete


def test_a_tree_that_nobody_can_judge_makes_the_verdict_incomplete(root: Path) -> None:
    (root / "image" / "windowsfilter" / "layerdb").mkdir(parents=True)
    seen = judged(root, [])
    assert ([("graphdriver:windowsfilter", "skipped")], 1) == (
        [(each.rule, each.state) for each in seen.checked.outcomes],
        len(seen.checked.incomplete),
    )


def test_a_rule_for_other_drivers_is_skipped_with_the_reason(root: Path) -> None:
    seen = judged(root, [yielding("a", fault(X), drivers=("aufs", "vfs")), yielding("b", fault(Y), drivers=("overlay2",))])
    skipped = Outcome("a", "skipped", "no tree of aufs or vfs here")
    assert ([("b", "y")], (skipped, Outcome("b", "ran", None, 1))) == (seen.told, seen.checked.outcomes)


def test_a_rule_runs_on_each_tree_of_its_drivers(two: Path) -> None:
    def find(model: Model) -> Iterator[Fault]:
        yield fault(Ref("file", model.name))

    seen = judged(two, [card("a", find), card("b", find, drivers=("vfs",))])
    assert [("a", "overlay2"), ("a", "vfs"), ("b", "vfs")] == seen.told


def test_a_rule_that_finds_too_much_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "FAULTS_PER_RULE", 3)
    seen = judged(root, [yielding("a", *(fault(Ref("file", str(n))) for n in range(4)))])
    assert () != seen.checked.incomplete


def test_a_finding_tells_what_the_card_and_the_fault_say(root: Path) -> None:
    bad = Fault(X, "it is bad", ("x", "y"), "good", "bad", severity=Severity.CRITICAL, confidence=Confidence.PROBABLE)
    (found,) = judged(root, [yielding("a", bad)]).findings
    assert ("a", "The title of a.", "it is a", "docker-fsck explain a") == (
        found.rule,
        found.title,
        found.daemon_error,
        found.help,
    )
    assert ("it is bad", Severity.CRITICAL, Confidence.PROBABLE) == (found.message, found.severity, found.confidence)
    assert (X, ["x", "y"], Evidence("good", "bad")) == (found.object, [each.path for each in found.paths], found.evidence)


def test_the_card_gives_the_severity_and_the_fault_the_words_of_the_daemon(root: Path) -> None:
    (found,) = judged(root, [yielding("a", fault(X, daemon_error="other words"), severity=Severity.WARNING)]).findings
    assert (Severity.WARNING, "other words") == (found.severity, found.daemon_error)


def test_text_that_is_not_utf_8_is_printable_in_a_finding_and_its_path_is_kept(root: Path) -> None:
    (found,) = judged(
        root, [yielding("a", Fault(Ref("file", "\udcff"), "bad \udcff", ("\udcff",), "e\udcff", "a\udcff"))]
    ).findings
    assert ("\\xff", "bad \\xff", "e\\xff", "a\\xff") == (
        found.object.id, found.message, found.evidence.expected, found.evidence.actual,
    )  # fmt: skip
    assert (("\\xff", b"\xff"), found) == (
        (found.paths[0].path, found.paths[0].path_b64),
        json.decode(json.encode(found), type=Finding),
    )


def test_the_worst_come_first_then_by_rule_and_object(root: Path) -> None:
    rules = [yielding("b", fault(Y), fault(X)), yielding("a", fault(Z)), yielding("c", fault(X), severity=Severity.CRITICAL)]
    assert [("c", "x"), ("a", "z"), ("b", "x"), ("b", "y")] == judged(root, rules).told


def test_equal_faults_of_one_rule_are_one_finding_and_the_first_is_told(root: Path) -> None:
    seen = judged(root, [yielding("a", Fault(X, "first"), Fault(X, "second")), yielding("b", Fault(X, "other"))])
    assert [("a", "first"), ("b", "other")] == [(each.rule, each.message) for each in seen.findings]


def same_chain(path: Path) -> tuple[DataRoot, DataRoot, str]:
    """Two trees that hold the same layer, which nothing needs."""
    first = DataRoot(path, "overlay2")
    (chain,) = first.unreferenced_layers(1)
    second = DataRoot(path, "vfs")
    assert [chain] == second.unreferenced_layers(1)
    return first, second, chain


def test_a_fault_in_one_tree_does_not_hide_that_of_the_same_object_in_another(tmp_path: Path) -> None:
    first, second, chain = same_chain(tmp_path / "root")
    seen = judged(first.path)
    records = {str(root.record(chain).relative_to(root.path)) for root in (first, second)}
    assert records <= set(seen.away)


def test_a_fault_is_not_folded_into_a_finding_of_another_tree(two: Path) -> None:
    def cause(model: Model) -> Iterator[Fault]:
        if model.name == "overlay2":
            yield fault(Ref("layer", "x"))

    def effect(model: Model) -> Iterator[Fault]:
        if model.name == "vfs":
            yield fault(Y, Ref("layer", "x"))

    assert [("a", "x"), ("b", "y")] == judged(two, [card("a", cause), card("b", effect, "a")]).told


def test_a_container_that_two_trees_see_is_one_object(two: Path) -> None:
    box = Ref("container", "c" * 64)
    seen = judged(two, [yielding("a", fault(box)), yielding("b", fault(Y, box), after=("a",))])
    assert {"a": [("b", "y")]} == folds(seen)
    assert [fingerprint("a", box)] == [each.fingerprint for each in seen.findings]


@pytest.mark.parametrize("kind", ["tag", "image", "layer", "driverdir", "mount"])
def test_equal_names_in_two_trees_are_two_objects_and_each_tree_alone_has_a_plain_one(two: Path, kind: str) -> None:
    thing = Ref(kind, "x")
    trees = ("overlay2", "vfs")
    assert {fingerprint("a", thing, tree) for tree in trees} == {
        each.fingerprint for each in judged(two, [yielding("a", fault(thing))]).findings
    }
    (two / "image/vfs").rename(two / "elsewhere")
    (two / "vfs").rename(two / "vfs-elsewhere")
    assert [fingerprint("a", thing)] == [each.fingerprint for each in judged(two, [yielding("a", fault(thing))]).findings]


@pytest.mark.parametrize("error", [errno.EIO, errno.EACCES])
def test_what_the_kernel_refuses_while_the_plan_is_weighed_makes_the_verdict_incomplete(root: Path, error: int) -> None:
    reclaim = Remedy(cls=ActionClass.RECLAIM, does="x", steps=(away("tmp/old"),))
    (root / "tmp/old/sub").mkdir(parents=True)
    known = registry()
    with refusing(root / "tmp/old/sub", error), Reader(str(root)) as reader:
        store = open_store(reader, known.drivers, known.sources, STOPPED, Policy(now=1e12, grace=1))
        checked = engine.check(store, [yielding("a", fault(X, remedy=reclaim))])
        planner.make(checked, store)
        assert ((), 1) == (checked.incomplete, len(engine.complete(checked, store).incomplete))


class Broken:
    """A driver or a store of a plugin that crashes."""

    def __init__(self, name: str, at: str) -> None:
        self.name, self.at = name, at

    def detect(self, _reader: Reader) -> bool:
        if self.at == "detect":
            raise RuntimeError("boom")
        return True

    def survey(self, _reader: Reader) -> Any:
        raise RuntimeError("boom")

    def references(self, _reader: Reader, _dirs: object) -> Any:
        if self.at == "answer":
            return None
        raise RuntimeError("boom")


@pytest.mark.parametrize("at", ["detect", "survey"])
def test_a_driver_of_a_plugin_that_crashes_is_told_and_the_other_trees_are_judged(tmp_path: Path, at: str) -> None:
    made = DataRoot(tmp_path / "root")
    made.unreferenced_layers(1)
    (made.path / "image/odd/layerdb").mkdir(parents=True)
    known = structs.replace(registry(), drivers=(*registry().drivers, Broken("odd", at)))
    seen = judged(made.path, known=known)
    assert (True, "layer-unreferenced") == (
        any("driver odd could not" in each and "RuntimeError: boom" in each for each in seen.checked.incomplete),
        next(each.rule for each in reversed(seen.findings) if each.rule != "multiple-drivers"),
    )


@pytest.mark.parametrize("at", ["references", "answer"])
def test_a_store_of_a_plugin_that_crashes_could_have_named_anything(tmp_path: Path, at: str) -> None:
    made = DataRoot(tmp_path / "root")
    made.unreferenced_layers(1)
    made.orphan_dir()
    known = structs.replace(registry(), sources=(Broken("odd", at),))
    seen = judged(made.path, known=known)
    assert ([], True) == (seen.away, any("store odd could not be read" in each for each in seen.checked.incomplete))


def folds(seen: Seen) -> dict[str, list[tuple[str, str]]]:
    """What was folded into the findings, by rule."""
    return {finding.rule: [(each.rule, each.object.id) for each in finding.folded] for finding in seen.findings}


def test_a_fault_is_folded_into_an_earlier_one_on_an_object_that_it_names(root: Path) -> None:
    assert {"a": [("b", "y")]} == folds(judged(root, [yielding("a", fault(X)), yielding("b", fault(Y, X), after=("a",))]))


@pytest.mark.parametrize(
    ("later", "after"),
    [
        (fault(Y), ("a",)),
        (fault(Y, Z), ("a",)),
        (fault(Y, X), ()),
        (fault(Y, X), ("c",)),
        (fault(X), ("a",)),
        (fault(Y, Ref("layer", "x")), ("a",)),
    ],
    ids=[
        "no object named",
        "another object named",
        "no rule named",
        "another rule named",
        "the same object, not named",
        "another kind",
    ],
)
def test_a_fault_that_does_not_name_the_object_or_the_rule_stands_by_itself(
    root: Path, later: Fault, after: tuple[str, ...]
) -> None:
    assert {"a": [], "b": []} == folds(judged(root, [yielding("a", fault(X)), yielding("b", later, after=after)]))


def test_what_names_a_folded_fault_is_folded_into_the_same_finding(root: Path) -> None:
    rules = [yielding("a", fault(X)), yielding("b", fault(Y, X), after=("a",)), yielding("c", fault(Z, Y), after=("b",))]
    assert {"a": [("b", "y"), ("c", "z")]} == folds(judged(root, rules))


def test_an_equal_fault_is_folded_once(root: Path) -> None:
    assert {"a": [("b", "y")]} == folds(
        judged(root, [yielding("a", fault(X)), yielding("b", fault(Y, X), fault(Y, X), after=("a",))])
    )


def test_the_remedy_of_a_folded_fault_is_not_planned(root: Path) -> None:
    remedy = Remedy(cls=ActionClass.RECLAIM, does="x", steps=(PutAway(path="swarm"),))
    seen = judged(root, [yielding("a", fault(X)), yielding("b", fault(Y, X, remedy=remedy), after=("a",))])
    assert ((), ()) == (seen.plan.actions, seen.plan.blocked)


def test_a_fingerprint_is_of_rule_and_object_alone(root: Path, tmp_path: Path) -> None:
    other = DataRoot(tmp_path / "another", "vfs").path
    before = judged(root, [yielding("a", fault(X))]).findings[0]
    after = judged(other, [yielding("a", Fault(X, "other words", ("z",), "e", "f", severity=Severity.ERROR))]).findings[0]
    assert (before.fingerprint, fingerprint("a", X)) == (after.fingerprint, after.fingerprint)
    assert 4 == len({fingerprint("a", X), fingerprint("b", X), fingerprint("a", Y), fingerprint("a", Ref("layer", "x"))})


KNOWN = {
    "ovl-link-file": Ref("driverdir", "a" * 64),
    "tags-dangling": Ref("image", "sha256:" + "b" * 64),
    "x": Ref("file", "\udcff"),
}
EXPECTED = {"ovl-link-file": "bb78be6a7982ab54", "tags-dangling": "04d402556121d728", "x": "76bab381d7a64cb7"}


def test_fingerprints_are_the_same_in_every_version() -> None:
    """They stand in baselines: another value here breaks those of the users."""
    assert EXPECTED == {name: fingerprint(name, ref) for name, ref in KNOWN.items()}


def damaged(path: Path) -> DataRoot:
    """A root of vfs with four containers on images that are gone, whose layers have lost their parents; and garbage."""
    root = DataRoot(path, "vfs")
    for number in range(4):
        image = root.image(None, 2)
        root.container(image, f"box{number}")
        root.empty(root.record(root.chains_of(image)[-1]) / "parent")
        root.delete(root.image_file(image))
    root.unreferenced_layers(2)
    return root


def test_the_order_in_which_rules_are_found_does_not_matter(tmp_path: Path) -> None:
    path, rules, chance = damaged(tmp_path / "root").path, list(registry().rules), random.Random(7)
    expected = judged(path)
    for _ in range(3):
        chance.shuffle(rules)
        seen = judged(path, ordered(rules))
        assert json.encode((expected.findings, expected.plan)) == json.encode((seen.findings, seen.plan))


SEEDED = """
import sys, test_engine
seen = test_engine.judged(test_engine.Path(sys.argv[1]))
print(test_engine.json.encode((seen.findings, seen.plan)).decode())
"""


def test_findings_and_plan_do_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    path = damaged(tmp_path / "root").path
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])}
    found = {
        subprocess.run(
            [sys.executable, "-c", SEEDED, path], env=env | {"PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in "123"
    }
    assert 1 == len(found)
