"""Plugins: found as distributions on the path, admitted by origin, loaded, and told where they fail."""

import functools
import importlib
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import tomli
from msgspec import structs

from docker_fsck import hookspecs, plugins
from docker_fsck.errors import Incomplete, UsageError
from docker_fsck.hookspecs import hookimpl
from docker_fsck.rules import Rule, select
from docker_fsck.values import Action, ActionClass, Blocked, Level, Plan, Severity

HOME = Path(__file__).parents[2]
RULE = """
from docker_fsck.api import Rule, Severity, hookimpl

@hookimpl
def fsck_rules():
    return [Rule(name="{rule}", severity=Severity.INFO, find=lambda model: iter(()), doc="Doc.")]
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts distributions on the path: name, entry points, and the source of one module."""
    monkeypatch.syspath_prepend(tmp_path)
    made: list[str] = []

    def put(name: str, source: str, points: str = "extra = {module}", group: str = hookspecs.PROJECT) -> None:
        module = f"fsck_test_{len(made)}_{abs(hash(name)) % 10**6}"
        made.append(module)
        info = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{points.format(module=module)}\n")
        (tmp_path / f"{module}.py").write_text(source)
        importlib.invalidate_caches()

    yield put
    for module in made:
        sys.modules.pop(module, None)


@functools.cache
def own() -> set[str]:
    """The names of our own rules."""
    return {rule.name for rule in plugins.load().rules}


def test_every_plugin_of_our_own_is_loaded() -> None:
    declared = tomli.loads((HOME / "pyproject.toml").read_text())["project"]["entry-points"][hookspecs.PROJECT]
    registry = plugins.load()
    assert {f"docker-fsck:{name}" for name in declared} == {name for name, _ in registry.manager.list_name_plugin()}
    assert () == registry.failures


def test_rules_drivers_and_sources_come_sorted_by_name() -> None:
    registry = plugins.load()
    for records in (registry.rules, registry.drivers, registry.sources, registry.reporters):
        names = [record.name for record in records]
        assert sorted(names) == names


def test_a_foreign_plugin_that_nobody_admits_is_not_even_imported(install: Install) -> None:
    install("foreign", 'raise RuntimeError("imported")')
    registry = plugins.load(admit=["another"])
    assert ((), own()) == (registry.failures, {rule.name for rule in registry.rules})


@pytest.mark.parametrize(
    ("name", "admitted"), [("foreign", "foreign"), ("Foreign-Rules", "foreign_rules"), ("foreign_rules", "FOREIGN-rules")]
)
def test_a_foreign_plugin_that_is_admitted_is_loaded_however_its_name_is_spelled(
    install: Install, name: str, admitted: str
) -> None:
    install(name, RULE.format(rule="foreign-rule"))
    assert own() | {"foreign-rule"} == {rule.name for rule in plugins.load(admit=[admitted]).rules}


def test_points_in_names_are_spelling_too(install: Install) -> None:
    install("foreign.rules", RULE.format(rule="foreign-rule"))
    assert own() | {"foreign-rule"} == {rule.name for rule in plugins.load(admit=["foreign-rules"]).rules}


def test_an_entry_point_of_another_group_is_none_of_ours(install: Install) -> None:
    install("foreign", 'raise RuntimeError("imported")', group="another")
    assert () == plugins.load(admit=["foreign"]).failures


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ('raise RuntimeError("boom")', "RuntimeError: boom"),
        ("import no_such_module_at_all", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("def broken(:", "SyntaxError: "),
    ],
)
def test_a_plugin_that_does_not_load_is_told_and_the_others_are_loaded(install: Install, source: str, why: str) -> None:
    install("foreign", source)
    registry = plugins.load(admit=["foreign"])
    assert own() == {rule.name for rule in registry.rules}
    assert [True] == [each.startswith(f"plugin extra of foreign does not load: {why}") for each in registry.failures]


def test_an_entry_point_without_a_module_is_told(install: Install) -> None:
    install("foreign", "", points="extra = no_such_module_at_all:thing")
    (failure,) = plugins.load(admit=["foreign"]).failures
    assert "plugin extra of foreign does not load: ModuleNotFoundError" in failure


def test_two_distributions_may_call_a_plugin_the_same(install: Install) -> None:
    install("one", RULE.format(rule="rule-one"))
    install("two", RULE.format(rule="rule-two"))
    registry = plugins.load(admit=["one", "two"])
    assert own() | {"rule-one", "rule-two"} == {rule.name for rule in registry.rules}
    assert {"one:extra", "two:extra"} <= {name for name, _ in registry.manager.list_name_plugin()}


def test_two_rules_of_one_name_are_an_error_that_names_both_plugins(install: Install) -> None:
    install("one", RULE.format(rule="same-rule"))
    install("two", RULE.format(rule="same-rule"))
    with pytest.raises(
        Incomplete, match=r"fsck_rules: same-rule is offered by one:extra and two:extra|by two:extra and one:extra"
    ):
        plugins.load(admit=["one", "two"])


def test_a_foreign_rule_cannot_take_the_name_of_ours(install: Install) -> None:
    install("foreign", RULE.format(rule="driver-orphan"))
    with pytest.raises(Incomplete, match=r"driver-orphan is offered by .*docker-fsck:garbage"):
        plugins.load(admit=["foreign"])


def test_a_required_plugin_is_known_by_its_distribution_or_its_own_name(install: Install) -> None:
    install("foreign", RULE.format(rule="foreign-rule"))
    for name in ("foreign", "extra", "overlay2", "docker-fsck"):
        assert "foreign-rule" in {rule.name for rule in plugins.load(admit=["foreign"], require=[name]).rules}


def test_a_required_plugin_is_found_however_its_name_is_spelled(install: Install) -> None:
    install("Foreign_Rules", RULE.format(rule="foreign-rule"))
    assert "foreign-rule" in {rule.name for rule in plugins.load(admit=["foreign_rules"], require=["foreign_rules"]).rules}


@pytest.mark.parametrize("admit", [[], ["foreign"]])
def test_a_required_plugin_that_is_not_installed_or_not_admitted_is_a_usage_error(install: Install, admit: list[str]) -> None:
    install("foreign", RULE.format(rule="foreign-rule"))
    require = ["absent", "foreign"]
    expected = ", ".join(name for name in require if name not in admit)
    with pytest.raises(UsageError, match=f"required plugins are not installed or not admitted: {expected}$"):
        plugins.load(admit=admit, require=require)


def test_without_any_plugin_of_ours_the_program_is_not_whole(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("foreign", RULE.format(rule="foreign-rule"))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(Incomplete, match="not installed correctly"):
        plugins.load(admit=["foreign"])


def module(name: str = "plugin", **hooks: Callable[..., Any]) -> ModuleType:
    """A plugin module with these hooks."""
    made = ModuleType(name)
    for hook, function in hooks.items():
        function.__name__ = hook
        setattr(made, hook, hookimpl(function))
    return made


def rule(name: str) -> Rule:
    """A rule that finds nothing."""
    return Rule(name=name, severity=Severity.INFO, find=lambda _model: iter(()), doc="Doc.")


def named(*names: str) -> Callable[[], Iterable[Rule]]:
    """A hook that offers these rules."""
    return lambda: [rule(name) for name in names]


def test_a_hook_may_be_a_generator_or_offer_nothing() -> None:
    def fsck_rules() -> Iterator[Rule]:
        yield rule("b")
        yield rule("a")

    registry = plugins.assemble(
        [("one", module(fsck_rules=fsck_rules)), ("two", module("empty", fsck_rules=named())), ("three", module("bare"))]
    )
    assert (["a", "b"], ()) == ([each.name for each in registry.rules], registry.failures)


def test_every_objection_of_every_plugin_is_heard() -> None:
    first, second = Blocked(fingerprint="1", why="one"), Blocked(fingerprint="2", why="two")
    one = module("one", fsck_veto=lambda plan, store: [first] if (plan, store) == (Plan(), "store") else [])
    two = module("two", fsck_veto=lambda plan: (each for each in [second] if plan))
    registry = plugins.assemble([("one", one), ("two", two), ("three", module("three"))])
    assert {first, second} == set(registry.veto(Plan(), "store"))


def boom() -> Iterable[Rule]:
    raise RuntimeError("boom")


def boom_late() -> Iterable[Rule]:
    yield rule("early")
    raise RuntimeError("boom")


@pytest.mark.parametrize(
    "bad",
    [
        module(fsck_rules=boom),
        module(fsck_rules=boom_late),
        module(fsck_rules=lambda: None),
        module(fsck_rules=lambda: [5]),
        module(fsck_veto=lambda plan, model: ()),
    ],
    ids=["raises", "raises late", "offers None", "offers no rule", "asks for what a hook does not give"],
)
def test_a_plugin_whose_hook_fails_is_told_and_the_others_are_loaded(bad: ModuleType) -> None:
    registry = plugins.assemble([("bad", bad), ("good", module("good", fsck_rules=named("a")))])
    assert (["a"], [True]) == ([each.name for each in registry.rules], ["bad" in each for each in registry.failures])


@pytest.mark.parametrize(
    "bad",
    [
        module(fsck_rules=boom),
        module(fsck_drivers=lambda: [rule("no driver")]),
        module(fsck_stores=lambda: [ModuleType("store")]),
        module(fsck_reports=lambda: 5),
        module(fsck_rulez=named("b")),
    ],
    ids=["rules", "drivers", "stores", "reports", "a hook that there is not"],
)
def test_what_a_hook_of_a_plugin_does_wrong_is_told_with_its_name(bad: ModuleType) -> None:
    registry = plugins.assemble([("own:bad", bad), ("own:good", module("good", fsck_rules=named("a")))])
    assert (["a"], [True]) == ([each.name for each in registry.rules], ["own:bad" in each for each in registry.failures])


class Notes:
    """The part of a store that a plugin's crash is written to."""

    def __init__(self) -> None:
        self.crashes: list[str] = []


@pytest.mark.parametrize("answer", [boom, lambda: None, lambda: [5], lambda: [Blocked(fingerprint=None, why="x")]])  # type: ignore[arg-type]
def test_a_plugin_that_cannot_be_asked_for_objections_objects_to_everything(answer: Callable[[], Any]) -> None:
    actions = tuple(
        Action(id=f"a{mark}", cls=ActionClass.RECLAIM, does="", steps=(), pre=(), bytes=0, findings=(mark,)) for mark in "21"
    )
    bad, good = (
        module(fsck_veto=lambda plan: answer()),
        module("good", fsck_veto=lambda store: [Blocked(fingerprint="3", why="no")]),
    )
    store = Notes()
    found = plugins.assemble([("bad", bad), ("good", good)]).veto(Plan(actions=actions), store)
    assert ({"1", "2", "3"}, 1) == ({each.fingerprint for each in found}, len(store.crashes))
    assert "plugin bad could not be asked for objections" in store.crashes[0]


def waiting(name: str, *after: str) -> Rule:
    """A rule that waits for others."""
    return structs.replace(rule(name), after=after)


def test_rules_of_a_plugin_that_wait_for_each_other_are_left_out_and_told_with_its_name() -> None:
    own = module("own", fsck_rules=lambda: [waiting("a", "x"), waiting("b")])
    foreign = module("foreign", fsck_rules=lambda: [waiting("x", "y"), waiting("y", "a"), waiting("z")])
    registry = plugins.assemble([("docker-fsck:own", own), ("other:foreign", foreign)])
    assert ["a", "b", "z"] == [each.name for each in registry.rules]
    (failure,) = registry.failures
    assert ("plugin other:foreign has rules that wait for each other: a > x > y > a; left out: x, y") == failure


def test_a_module_that_is_named_twice_is_told_and_loaded_once() -> None:
    one = module(fsck_rules=named("a"))
    registry = plugins.assemble([("one", one), ("two", one)])
    assert (["a"], 1) == ([each.name for each in registry.rules], len(registry.failures))


def test_a_rule_with_fields_of_other_types_is_told() -> None:
    bad = Rule(name="bad", severity=Severity.INFO, find=lambda _model: iter(()), doc="Doc.", after=["x"])
    registry = plugins.assemble([("one", module(fsck_rules=lambda: [bad])), ("two", module("good", fsck_rules=named("a")))])
    assert ["a"] == [each.name for each in select(registry.rules, Level.DEEP)]
