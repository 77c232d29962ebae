"""Find, admit and load plugins, and ask each hook once; a plugin that does not load is told, never hidden."""

import importlib.metadata
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import msgspec
import pluggy

from docker_fsck import hookspecs
from docker_fsck.errors import Incomplete, UsageError
from docker_fsck.protocols import Driver, ReferenceSource, Reporter
from docker_fsck.rules import Rule
from docker_fsck.values import Blocked

DISTRIBUTION = "docker-fsck"


class Registry(msgspec.Struct, frozen=True):
    """What the admitted plugins offer. `failures` are sentences about plugins that could not be loaded."""

    rules: tuple[Rule, ...]
    drivers: tuple[Driver, ...]
    sources: tuple[ReferenceSource, ...]
    reporters: tuple[Reporter, ...]
    failures: tuple[str, ...]
    manager: pluggy.PluginManager

    def veto(self, plan: Any, store: Any) -> tuple[Blocked, ...]:  # noqa: ANN401 - values of higher rooms
        """Every objection of every plugin."""
        return tuple(each for answer in self.manager.hook.fsck_veto(plan=plan, store=store) for each in answer)


def load(admit: Iterable[str] = (), require: Iterable[str] = ()) -> Registry:
    """Load our own plugins and those of the distributions in `admit`.

    `Incomplete` if none of our own is found, `UsageError` if one of `require` is missing.
    """
    names: dict[int, str] = {}
    found = [(_origin(point, names), point) for point in importlib.metadata.entry_points(group=hookspecs.PROJECT)]
    admitted = {DISTRIBUTION, *(name.lower().replace("_", "-") for name in admit)}
    chosen = sorted({(origin, point.name): point for origin, point in found if origin in admitted}.items())
    if not any(origin == DISTRIBUTION for (origin, _), _ in chosen):
        raise Incomplete("docker-fsck is not installed correctly: none of its built-in plugins is found")
    missing = sorted(set(require) - {origin for (origin, _), _ in chosen} - {name for (_, name), _ in chosen})
    if missing:
        raise UsageError(f"required plugins are not installed or not admitted: {', '.join(missing)}")
    modules: list[tuple[str, ModuleType]] = []
    failures: list[str] = []
    for (origin, name), point in chosen:
        try:
            modules.append((f"{origin}:{name}", point.load()))
        except Exception as error:  # noqa: BLE001 - a plugin is anybody's code: its failure is told (law 6)
            failures.append(f"plugin {name} of {origin} does not load: {type(error).__name__}: {error}")
    return assemble(modules, failures)


def _origin(point: importlib.metadata.EntryPoint, names: dict[int, str]) -> str:
    """The distribution that a plugin comes from; its name is read once, that takes a millisecond."""
    if point.dist is None:
        return ""
    if id(point.dist) not in names:
        names[id(point.dist)] = point.dist.name.lower().replace("_", "-")
    return names[id(point.dist)]


def assemble(modules: Iterable[tuple[str, ModuleType]], failures: Iterable[str] = ()) -> Registry:
    """A registry of these plugin modules, each with the name that messages give it."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for name, module in modules:
        manager.register(module, name)
    return Registry(
        tuple(_collect(manager, "fsck_rules")),
        tuple(_collect(manager, "fsck_drivers")),
        tuple(_collect(manager, "fsck_stores")),
        tuple(_collect(manager, "fsck_reports")),
        tuple(failures),
        manager,
    )


def _collect(manager: pluggy.PluginManager, hook: str) -> list[Any]:
    """The records of one hook from all plugins; two of one name are an error that names both plugins."""
    owner: dict[str, str] = {}
    records = []
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        for record in implementation.function():
            if record.name in owner:
                raise Incomplete(f"{hook}: {record.name} is offered by {owner[record.name]} and {implementation.plugin_name}")
            owner[record.name] = implementation.plugin_name
            records.append(record)
    return sorted(records, key=lambda record: record.name)
