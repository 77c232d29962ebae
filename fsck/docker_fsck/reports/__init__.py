"""Output formats: which there are, and which one a name means; each makes bytes of a report and does nothing else."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from docker_fsck.errors import UsageError
from docker_fsck.reports import document, stream, text

if TYPE_CHECKING:
    from docker_fsck.protocols import Reporter
    from docker_fsck.values import Report

Render = Callable[["Report"], bytes]

OWN: dict[str, Render] = {"text": text.render, "json": document.render, "jsonl": stream.render}
"""The formats of the core; plugins add theirs with the hook fsck_reports."""


def chosen(name: str, more: "Iterable[Reporter]", option: str = "--format") -> Render:
    """The format of that name, of the core or of a plugin; an unknown name is a `UsageError`."""
    table = {**{each.name: each.render for each in more}, **OWN}
    if name not in table:
        raise UsageError(f"{option}: there is no format {name!r}; there are {', '.join(sorted(table))}")
    return table[name]


def targets(wishes: Iterable[str], more: "Iterable[Reporter]") -> list[tuple[Render, str]]:
    """Format and path of each `FORMAT=PATH`; a `UsageError` for anything else."""
    found = []
    for wish in wishes:
        name, equals, path = wish.partition("=")
        if not equals or not path:
            raise UsageError(f"--report {wish!r}: wants FORMAT=PATH")
        found.append((chosen(name, more, "--report"), path))
    return found
