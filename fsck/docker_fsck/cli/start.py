"""Begin and end of every command: settings, streams and log are made here, and every end becomes an exit status here."""

import argparse
import importlib
import os
from collections.abc import Callable

from docker_fsck import errors
from docker_fsck.cli.edge import Call, Edge
from docker_fsck.cli.options import Command
from docker_fsck.cli.roots import NothingHere, choose
from docker_fsck.cli.terminal import Terminal
from docker_fsck.cli.unreported import telling
from docker_fsck.config import load
from docker_fsck.log import Event, Log
from docker_fsck.reports import files

Work = Callable[[Call], int]


def work_of(command: Command) -> Work:
    """The function that does a command, its module imported now."""
    module, _, name = command.runs.partition(":")
    work: Work = getattr(importlib.import_module(f"docker_fsck.cli.{module}"), name)
    return telling(work) if command.reports else work


def start(command: Command, given: argparse.Namespace, argv: list[str]) -> int:
    """Run a command with the streams and the environment of this process; returns its exit bits."""
    terminal = Terminal(os.environ)
    config = load(vars(given), os.environ)
    terminal.color = config.color
    if config.log_file is not None:
        files.outside(config.log_file, choose(config).path, "--log-file")
    log = Log(config.log_format, config.log_file, getattr(given, "verbose", 0))
    edge = Edge(environ=os.environ, terminal=terminal, log=log)
    return guarded(work_of(command), Call(given=given, argv=tuple(argv), config=config, edge=edge))


def guarded(work: Work, call: Call) -> int:
    """The exit bits of `work`, whatever happens in it; no traceback is ever printed."""
    log = call.edge.log
    log.say(Event.RUN_STARTED, argv=list(call.argv))
    try:
        bits = work(call)
    except NothingHere as nothing:
        bits = _nothing(call, str(nothing))
    except errors.FsckError as error:
        bits = _failed(call, _event(error), str(error), error.exit_bit)
    except KeyboardInterrupt:
        bits = _failed(call, Event.INTERRUPTED, "interrupted", errors.INTERRUPTED)
    except OSError as error:
        bits = _failed(call, Event.INCOMPLETE, f"the verdict is incomplete: {error}", errors.INCOMPLETE)
    except Exception as error:  # noqa: BLE001 - the one place where what nobody expected ends: a line and bit 8, never a traceback
        bits = _unexpected(call, error)
    if call.edge.terminal.lost:
        bits |= _failed(call, Event.INCOMPLETE, call.edge.terminal.lost, errors.INCOMPLETE)
    log.say(Event.RUN_ENDED, exit=bits)
    log.close()
    return bits


def _nothing(call: Call, message: str) -> int:
    if not call.quiet and call.config.format == "text":
        call.edge.terminal.text(f"{message}\n")
    elif not call.quiet:
        call.edge.terminal.note(message)
    return 0


def _event(error: errors.FsckError) -> Event:
    match error:
        case errors.Refused():
            return Event.REFUSED
        case errors.UsageError():
            return Event.USAGE
        case _:
            return Event.INCOMPLETE


def _failed(call: Call, event: Event, message: str, bit: int) -> int:
    call.complain(event, message)
    return bit


def _unexpected(call: Call, error: Exception) -> int:
    import traceback  # noqa: PLC0415 - only when it is needed

    call.edge.log.say(Event.TRACEBACK, trace=traceback.format_exception(error))
    hint = "" if call.verbosity > 1 or call.config.log_file else "; run it again with -vv or --log-file for the details"
    told = f"internal error, the verdict is incomplete: {type(error).__name__}: {error}{hint}"
    return _failed(call, Event.FAILED, told, errors.INCOMPLETE)
