"""Find, admit and load plugins, and ask each hook once; a plugin that fails in any of it is told, never hidden.

A plugin is left out where it cannot be taken whole: what it offers at one hook counts all or not at all.
"""

import importlib.metadata
import re
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import msgspec
import pluggy

from docker_fsck import hookspecs
from docker_fsck.contain import Crash, attempt
from docker_fsck.errors import Incomplete, UsageError
from docker_fsck.protocols import Driver, ReferenceSource, Reporter
from docker_fsck.rules import Rule, cycle, ill_made
from docker_fsck.values import Blocked, Plan

DISTRIBUTION = "docker-fsck"


class Registry(msgspec.Struct, frozen=True):
    """What the admitted plugins offer. `failures` are sentences about plugins that could not be loaded."""

    rules: tuple[Rule, ...]
    drivers: tuple[Driver, ...]
    sources: tuple[ReferenceSource, ...]
    reporters: tuple[Reporter, ...]
    failures: tuple[str, ...]
    manager: pluggy.PluginManager

    def veto(self, plan: Plan, store: Any) -> tuple[Blocked, ...]:  # noqa: ANN401 - a value of a higher room
        """Every objection of every plugin; one that cannot be asked objects to everything, and the store takes note of it."""
        found: list[Blocked] = []
        for implementation in self.manager.hook.fsck_veto.get_hookimpls():
            given = {name: value for name, value in (("plan", plan), ("store", store)) if name in implementation.argnames}
            answer = attempt(_objections, implementation.function, given)
            if isinstance(answer, Crash):
                why = f"plugin {implementation.plugin_name} could not be asked for objections: {answer.why}"
                store.crashes.append(why)
                marks = sorted({mark for action in plan.actions for mark in action.findings})
                answer = tuple(Blocked(fingerprint=mark, why=why) for mark in marks)
            found += answer
        return tuple(found)


def _objections(ask: Callable[..., Any], given: dict[str, Any]) -> tuple[Blocked, ...]:
    return tuple(msgspec.convert(msgspec.to_builtins(each), Blocked) for each in ask(**given))


def load(admit: Iterable[str] = (), require: Iterable[str] = ()) -> Registry:
    """Load our own plugins and those of the distributions in `admit`.

    `Incomplete` if none of our own is found, `UsageError` if one of `require` is missing.
    """
    names: dict[int, str] = {}
    found = [(_origin(point, names), point) for point in importlib.metadata.entry_points(group=hookspecs.PROJECT)]
    admitted = {DISTRIBUTION, *map(normal, admit)}
    chosen = sorted({(origin, point.name): point for origin, point in found if origin in admitted}.items())
    if not any(origin == DISTRIBUTION for (origin, _), _ in chosen):
        raise Incomplete("docker-fsck is not installed correctly: none of its built-in plugins is found")
    here = {normal(name) for key, _ in chosen for name in key}
    missing = sorted(name for name in set(require) if normal(name) not in here)
    if missing:
        raise UsageError(f"required plugins are not installed or not admitted: {', '.join(missing)}")
    modules: list[tuple[str, ModuleType]] = []
    failures: list[str] = []
    for (origin, name), point in chosen:
        module = attempt(point.load)
        if isinstance(module, Crash):
            failures.append(f"plugin {name} of {origin} does not load: {module.why}")
        else:
            modules.append((f"{origin}:{name}", module))
    return assemble(modules, failures)


def normal(name: str) -> str:
    """A distribution's name as the packaging rules compare it: case, and runs of points, dashes and underscores, are spelling."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _origin(point: importlib.metadata.EntryPoint, names: dict[int, str]) -> str:
    """The distribution that a plugin comes from; its name is read once, and without the description: that takes milliseconds."""
    if point.dist is None:
        return ""
    if id(point.dist) not in names:
        head = (point.dist.read_text("METADATA") or "").partition("\n\n")[0]
        named = re.search(r"^Name:(.+)$", head, re.MULTILINE)
        names[id(point.dist)] = normal(named[1].strip() if named else point.dist.name)
    return names[id(point.dist)]


class _Manager(pluggy.PluginManager):
    """One that looks closer at what is marked as a hook alone: a module has forty other members, and each look is dear."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        """The marks of a hook's implementation, None for another member."""
        member = vars(plugin).get(name)
        marked = callable(member) and hasattr(member, f"{self.project_name}_impl")
        return super().parse_hookimpl_opts(plugin, name) if marked else None


def assemble(modules: Iterable[tuple[str, ModuleType]], failures: Iterable[str] = ()) -> Registry:
    """A registry of these plugin modules, each with the name that messages give it."""
    manager = _Manager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    told = list(failures)
    for name, module in modules:
        done = attempt(_register, manager, name, module)
        if isinstance(done, Crash):
            told.append(f"plugin {name} cannot be used: {done.why}")
    rules, owner = _collect(manager, "fsck_rules", _no_rule, told)
    return Registry(
        tuple(_acyclic(rules, owner, told)),
        tuple(_collect(manager, "fsck_drivers", _no(Driver), told)[0]),
        tuple(_collect(manager, "fsck_stores", _no(ReferenceSource), told)[0]),
        tuple(_collect(manager, "fsck_reports", _no(Reporter), told)[0]),
        tuple(told),
        manager,
    )


def _register(manager: pluggy.PluginManager, name: str, module: ModuleType) -> None:
    """Register a module, or leave nothing of it behind."""
    if manager.is_registered(module):
        raise ValueError(f"its module is that of {manager.get_name(module)}")
    done = attempt(manager.register, module, name)
    unknown = [hook.name for hook in manager.get_hookcallers(module) or () if not hook.has_spec()]
    if isinstance(done, Crash) or unknown:
        manager.unregister(name=name)
        raise ValueError(done.why if isinstance(done, Crash) else f"there is no hook {unknown[0]}")


Test = Callable[[Any], str | None]
"""Says why a record is not what its hook should return, None if it is."""


def _no_rule(record: object) -> str | None:
    if not isinstance(record, Rule):
        return f"{record!r} is no rule"
    why = ill_made(record)
    return f"rule {record.name}: {why}" if why else None


def _no(kind: type) -> Test:
    def test(record: object) -> str | None:
        good = isinstance(record, kind) and isinstance(getattr(record, "name", None), str)
        return None if good else f"{record!r} is no {kind.__name__}"

    return test


def _collect(manager: pluggy.PluginManager, hook: str, wrong: Test, told: list[str]) -> tuple[list[Any], dict[str, str]]:
    """The records of one hook from all plugins, and whose each is; two of one name are an error that names both plugins."""
    owner: dict[str, str] = {}
    records = []
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        offered = attempt(_sound, implementation.function, wrong)
        if isinstance(offered, Crash):
            told.append(f"plugin {implementation.plugin_name} fails at {hook}: {offered.why}")
            continue
        for record in offered:
            if record.name in owner:
                raise Incomplete(f"{hook}: {record.name} is offered by {owner[record.name]} and {implementation.plugin_name}")
            owner[record.name] = implementation.plugin_name
            records.append(record)
    return sorted(records, key=lambda record: record.name), owner


def _sound(ask: Callable[[], Iterable[Any]], wrong: Test) -> list[Any]:
    """The records that a hook answers with; raises where one of them is none."""
    records = list(ask())
    why = next(filter(None, map(wrong, records)), None)
    if why is not None:
        raise TypeError(why)
    return records


def _acyclic(rules: list[Rule], owner: dict[str, str], told: list[str]) -> list[Rule]:
    """The rules less those that wait for each other; where some of them are foreign, those alone are left out."""
    while looped := cycle(rules):
        foreign = [name for name in looped if not owner[name].startswith(f"{DISTRIBUTION}:")]
        out = set(foreign or looped)
        blamed, names = (", ".join(sorted(each)) for each in ({owner[name] for name in out}, out))
        told.append(f"plugin {blamed} has rules that wait for each other: {' > '.join(looped)}; left out: {names}")
        rules = [rule for rule in rules if rule.name not in out]
    return rules
