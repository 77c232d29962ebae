"""Output formats: which there are, and which one a name means; each makes bytes of a report and does nothing else."""

import importlib
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import TYPE_CHECKING

from docker_fsck.errors import UsageError

if TYPE_CHECKING:
    from docker_fsck.protocols import Reporter
    from docker_fsck.reports.ended import Ended
    from docker_fsck.values import Report

Render = Callable[["Report"], bytes]

OWN = {
    "text": "text",
    "json": "document",
    "jsonl": "stream",
    "markdown": "markdown",
    "sarif": "sarif",
    "junit": "junit",
    "github": "annotations",
    "html": "page",
    "prometheus": "textfile",
    "nagios": "nagios",
}
"""The formats of the core, each with the module here that has its `render`; plugins add theirs with the hook fsck_reports.

A module whose readers must hear of a run that ended without a report also has `without_report`.
"""


def chosen(name: str, more: "Iterable[Reporter]", option: str = "--format") -> Render:
    """The format of that name, of the core or of a plugin; an unknown name is a `UsageError`."""
    if name in OWN:
        own: Render = _module(name).render
        return own
    table = {each.name: each.render for each in more}
    if name not in table:
        raise UsageError(f"{option}: there is no format {name!r}; there are {', '.join(sorted({*table, *OWN}))}")
    return table[name]


def without_report(name: str) -> "Callable[[Ended], bytes] | None":
    """What writes, in the format of that name, that a run ended without a report; None for a format that then stays silent.

    What it writes is empty where the format has no word for that end.
    """
    return getattr(_module(name), "without_report", None) if name in OWN else None


def _module(name: str) -> ModuleType:
    """Imported when it is asked for: some formats need libraries that most runs do not."""
    return importlib.import_module(f"docker_fsck.reports.{OWN[name]}")


def pairs(wishes: Iterable[str]) -> list[tuple[str, str]]:
    """Format name and path of each `FORMAT=PATH`; a `UsageError` for anything else."""
    found = []
    for wish in wishes:
        name, equals, path = wish.partition("=")
        if not equals or not path:
            raise UsageError(f"--report {wish!r}: wants FORMAT=PATH")
        found.append((name, path))
    return found


def targets(wishes: Iterable[str], more: "Iterable[Reporter]") -> list[tuple[Render, str]]:
    """Format and path of each `FORMAT=PATH`; a `UsageError` for anything else."""
    known = tuple(more)
    return [(chosen(name, known, "--report"), path) for name, path in pairs(wishes)]
