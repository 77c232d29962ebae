"""The files that a run was asked to write its report to: checked before anything is read, written when it is told."""

from collections.abc import Iterable

from docker_fsck import reports
from docker_fsck.config import Config
from docker_fsck.errors import FsckError, UsageError
from docker_fsck.protocols import Reporter
from docker_fsck.reports import files
from docker_fsck.reports.ended import Ended
from docker_fsck.values import Report


def promise(config: Config, reporters: Iterable[Reporter], root: str) -> None:
    """Refuse, as a `UsageError`, a format that does not exist, a file in the data root, and one that cannot be written."""
    more = tuple(reporters)
    reports.chosen(config.format, more)
    for _, path in reports.targets(config.report, more):
        files.outside(path, root, "--report")
        files.probe(path, "--report")


def write(config: Config, reporters: Iterable[Reporter], report: Report) -> list[str]:
    """Write every file of --report; why one could not be written."""
    problems = []
    for render, path in reports.targets(config.report, reporters):
        try:
            files.put(path, render(report), "--report")
        except UsageError as error:
            problems.append(str(error))
    return problems


def write_ended(wishes: Iterable[str], ended: Ended, root: str) -> list[str]:
    """Write, to those files whose readers must hear of it, that a run ended without a report; why one could not be written.

    Never below `root`, whatever else went wrong.
    """
    problems = []
    for wish in wishes:
        try:
            for name, path in reports.pairs([wish]):
                render = reports.without_report(name)
                if render and (data := render(ended)):
                    files.outside(path, root, "--report")
                    files.put(path, data, "--report")
        except FsckError as error:
            problems.append(str(error))
    return problems
