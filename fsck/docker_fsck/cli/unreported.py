"""Runs that end before there is a report: whoever reads its files is told so, in the formats that can say it; then they end."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec

from docker_fsck import __version__, config, errors, reports
from docker_fsck.cli import options, outputs, roots, session
from docker_fsck.cli.edge import Call
from docker_fsck.reports.ended import Ended
from docker_fsck.upgrade import version

Work = Callable[[Call], int]


def telling(work: Work) -> Work:
    """`work`, and if it ends without a report that is written to the files of --report and, if --format can say it, shown."""

    def told(call: Call) -> int:
        try:
            return work(call)
        except BaseException as error:
            _tell(call, error)
            raise

    return told


def _tell(call: Call, error: BaseException) -> None:
    ended, root = _ended(error, call.config, call.edge.clock())
    ended = msgspec.structs.replace(ended, run=session.run_info(call, ended.at, call.config.fail_on), gate=_asked(call))
    for problem in outputs.write_ended(call.config.report, ended, root):
        if problem != str(error):
            call.edge.terminal.note(problem)
    if render := reports.without_report(call.config.format):
        call.edge.terminal.data(render(ended))


def _asked(call: Call) -> str:
    """The version that a gate was asked about."""
    try:
        return str(version.parse(call.one("target") or ""))
    except ValueError:
        return ""


def _ended(error: BaseException, settings: config.Config | None, now: float) -> tuple[Ended, str]:
    """What is told, and the root below which nothing is written; where the root cannot be found out, that of most hosts."""
    try:
        root = roots.choose(settings).path if settings else ""
    except (errors.FsckError, OSError):
        root = ""
    why = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error) or type(error).__name__
    bits = errors.INTERRUPTED if isinstance(error, KeyboardInterrupt) else getattr(error, "exit_bit", errors.INCOMPLETE)
    return Ended(root=root, why=why, exit=bits, at=now, version=__version__), root or roots.DEFAULT


def before_start(argv: list[str], environ: Mapping[str, str], error: errors.FsckError) -> tuple[bytes, list[str]]:
    """As `_tell`, for a command line or settings that are wrong: what is to be shown, and what could not be written."""
    given = _glimpse(argv[1:] if argv[:1] == ["fsck"] else argv)
    if given is None:
        return b"", []
    settings = _settings(given, environ)
    ended, root = _ended(error, settings, time.time())
    problems = outputs.write_ended(given.report or (settings.report if settings else ()), ended, root)
    render = reports.without_report(given.format or (settings.format if settings else ""))
    return render(ended) if render else b"", problems


class _Given(NamedTuple):
    root: str | None
    config: str | None
    format: str | None
    report: tuple[str, ...]


def _glimpse(argv: list[str]) -> _Given | None:
    """What of a wrong command line can still be understood; None for a command that makes no report."""
    command = options.COMMANDS.get(options.word(argv))
    if command is not None and not command.reports:
        return None
    values: dict[str, list[str]] = {name: [] for name in _Given._fields}
    for at, word in enumerate(argv):
        flag, equals, value = word.partition("=")
        if flag.removeprefix("--") in values and flag.startswith("--"):
            values[flag.removeprefix("--")].extend([value] if equals else argv[at + 1 : at + 2])
    return _Given(_last(values["root"]), _last(values["config"]), _last(values["format"]), tuple(values["report"]))


def _last(values: Iterable[str]) -> str | None:
    return next(reversed([*values]), None)


def _settings(given: _Given, environ: Mapping[str, str]) -> config.Config | None:
    """The settings without the flags that may be what is wrong; None if they cannot be had even so."""
    flags = {name: value for name, value in (("root", given.root), ("config", given.config)) if value}
    for chosen in (flags, {"root": given.root} if given.root else {}):
        try:
            return config.load(chosen, environ)
        except errors.FsckError:
            continue
    return None
