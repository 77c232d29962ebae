"""The command completion: the whole command line as one parser, from which shtab writes the script of a shell."""

import argparse
from collections.abc import Callable

import shtab

from docker_fsck import plugins, reports
from docker_fsck.cli import flags, options
from docker_fsck.cli.edge import Call

_FILES = {"FILE", "PLAN.json", "FORMAT=PATH", "RULE|TEXT|FILE|-"}
_RULES = {"rule", "skip"}


def completion(call: Call) -> int:
    """`completion SHELL`."""
    call.edge.terminal.text(shtab.complete(whole(), call.one("shell") or "bash") + "\n")
    return 0


def whole() -> argparse.ArgumentParser:
    """Every command with its options, below one parser."""
    rules = [rule.name for rule in plugins.load().rules]
    top = _filled(argparse.ArgumentParser(prog=flags.PROG, add_help=True), "", rules)
    commands = top.add_subparsers()
    for name, command in options.COMMANDS.items():
        if name and command.about:
            _filled(commands.add_parser(name, help=command.about, description=command.about), name, rules)
    return top


def _filled(parser: argparse.ArgumentParser, name: str, rules: list[str]) -> argparse.ArgumentParser:
    for each in (*options.COMMANDS[name].takes, *options.GLOBAL):
        flags.OPTIONS[each](_adding(parser.add_argument, rules))
    return parser


def _adding(add: Callable[..., argparse.Action], rules: list[str]) -> Callable[..., object]:
    """`add`, which then tells the script what may stand behind an option."""

    def adding(*flags: str, **how: object) -> None:
        action = add(*flags, **how)
        metavar = action.metavar if isinstance(action.metavar, str) else ""
        if "--format" in flags:
            action.choices = [*reports.OWN]
        elif action.dest in _RULES:
            action.choices = rules
        elif metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # the attribute that shtab looks for
        elif metavar == "DIR":
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif "|" in metavar and metavar == metavar.lower() and action.choices is None:
            action.choices = metavar.split("|")

    return adding
