"""The words of the command line: options, commands, and how argv becomes given values; imports nothing heavy, decides nothing."""

import argparse
from typing import NamedTuple, NoReturn

from docker_fsck.cli.flags import OPTIONS, PROG
from docker_fsck.errors import CORRECTED, FINDINGS, INCOMPLETE, INTERRUPTED, REFUSED, USAGE, UsageError

STATUS = {
    0: "checked completely, no finding at or above --fail-on",
    CORRECTED: "findings were corrected and the re-check is clean",
    FINDINGS: "findings at or above --fail-on remain",
    INCOMPLETE: "the verdict is incomplete: something could not be read or did not run",
    USAGE: "usage or configuration error",
    INTERRUPTED: "interrupted; the state is consistent",
    REFUSED: "refused: an engine is running, a plan is stale, something is blocked",
}
"""Every exit status that this version sets, as --help tells it."""


_QUIET = """Quiet when all is well: without a terminal the bare run prints nothing if nothing above info was found and
everything could be read; -v prints all the same. `check` and `plan` always say what they found."""


class Command(NamedTuple):
    """One verb: what it does, the function below `docker_fsck.cli` that does it, and which `OPTIONS` it takes."""

    about: str
    runs: str
    takes: tuple[str, ...] = ()

    @property
    def reports(self) -> bool:
        """Whether it makes a report of a root."""
        return "report" in self.takes and not self.runs.startswith("words:")


GLOBAL = (
    "root",
    "config",
    "baseline",
    "journal_dir",
    "quiet",
    "verbose",
    "color",
    "progress",
    "format",
    "fail_on",
    "grace",
    "jobs",
    "state_dir",
    "log_format",
    "log_file",
    "version",
)
DEEP = ("subset", "max_duration", "max_age", "limit", "idle")
CHECK = ("report", "level", "rule", "skip", "probe", *DEEP)
PLAN = (*CHECK, "classes", "consent", "allow_mass", "source")

COMMANDS = {
    "": Command(
        "Check the data root, print what is wrong and the plan to mend it; changes nothing.",
        "check:bare",
        ("dry_run", "preen", *PLAN),
    ),
    "check": Command("Check, and print the findings only.", "check:check", (*CHECK, "object")),
    "plan": Command("Check, and print what apply would do.", "check:plan", (*PLAN, "target_free", "output")),
    "apply": Command(
        "Carry out a plan: a saved one, or the one of this moment for some classes.",
        "applying:apply",
        ("PLAN", *PLAN, "yes", "interactive", "dry_run"),
    ),
    "undo": Command("Take a whole transaction back.", "transactions:undo", ("TXN",)),
    "recover": Command("Take back, or finish, a transaction that was cut short.", "transactions:recover", ("finish",)),
    "purge": Command(
        "Free the space of old transactions; the only command that deletes.", "transactions:purge", ("older_than", "txn")
    ),
    "history": Command("List what was done to this root.", "transactions:history", ("ONE",)),
    "gate": Command(
        "Say whether an engine of another version may be started on this root.",
        "gate:gate",
        ("target", "daemon_json", "report", "level", "probe", *DEEP),
    ),
    "why": Command("Say what keeps a thing, up to the roots, or since when and why it is dead.", "why:why", ("THING",)),
    "du": Command("Say where the space is and whose it is; adds up to `du -x` of the root.", "du:du", ("by",)),
    "export": Command(
        "Write a container's writable layer and configuration to a tar, also of one that the engine hides.",
        "exporting:export",
        ("CONTAINER", "archive"),
    ),
    "explain": Command(
        "Say what a rule, or what an engine said, means and what is done about it.", "explaining:explain", ("RULE",)
    ),
    "rules": Command("List every rule.", "words:rules"),
    "baseline": Command(
        "Accept what a check finds, drop what is not needed any more, or list it.",
        "accepting:baseline",
        ("VERB", "reason", "expires", "level", "rule", "skip"),
    ),
    "demo": Command("Make a small damaged data root and mend it before your eyes.", "demo:demo", ("DIR",)),
    "config": Command("Show the settings of this run.", "words:show_config", ("SHOW", "origin", *CHECK, "older_than")),
    "completion": Command("Print a script that lets a shell complete commands and options.", "completion:completion", ("SHELL",)),
    "version": Command("Print the version.", "words:version", ("json",)),
    "docker-cli-plugin-metadata": Command("", "words:plugin_metadata"),
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see `{self.prog} --help`")


def parse(argv: list[str]) -> tuple[Command, argparse.Namespace]:
    """The command that `argv` names and what was given for it; options may stand before and after the command word.

    Only what was given is in the namespace. Raises `UsageError`; `SystemExit` after --help and --version.
    """
    if argv[:1] == ["fsck"]:  # how Docker calls a CLI plugin
        argv = argv[1:]
    at = _word(argv)
    name = word(argv)
    if name not in COMMANDS:
        raise UsageError(f"there is no command {name!r}{_like(name)}; see `{PROG} --help`")
    rest = argv if at is None else [*argv[:at], *argv[at + 1 :]]
    given = parser(name).parse_args(rest)
    return COMMANDS[name], given


def parser(name: str) -> argparse.ArgumentParser:
    """The parser of one command; that of the empty name also lists the others."""
    command = COMMANDS[name]
    made = _Parser(
        prog=f"{PROG} {name}".strip(),
        description=command.about,
        epilog="" if name else _overview(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    for each in command.takes:
        OPTIONS[each](made.add_argument)
    shared = made.add_argument_group("global options")
    for each in GLOBAL:
        OPTIONS[each](shared.add_argument)
    return made


def _overview() -> str:
    """What stands below the options of the bare command."""
    commands = [f"  {name:<12}{command.about}" for name, command in COMMANDS.items() if command.about and name]
    statuses = [f"  {status:<4}{meaning}" for status, meaning in STATUS.items()]
    parts = [
        "commands:",
        *commands,
        "",
        f"`{PROG} COMMAND --help` says more.",
        "",
        "exit status (the sum of what applies):",
        *statuses,
        "",
        _QUIET,
    ]
    return "\n".join(parts)


def word(argv: list[str]) -> str:
    """The command word that `argv` seems to hold, known or not; empty for the bare run."""
    at = _word(argv)
    return "" if at is None else argv[at]


def _word(argv: list[str]) -> int | None:
    """Where in `argv` the command word stands: the first argument that is neither an option nor an option's value."""
    valued = _valued()
    skip = False
    for at, arg in enumerate(argv):
        if skip:
            skip = False
        elif arg == "--":
            return None
        elif not arg.startswith("-") or arg == "-":
            return at
        else:
            skip = arg in valued
    return None


def _valued() -> set[str]:
    """The option strings that are followed by a value."""
    found: set[str] = set()

    def note(*flags: str, action: str = "append", **_: object) -> None:
        if action == "append":
            found.update(flags)

    for each in OPTIONS.values():
        each(note)
    return found


def _like(name: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way to an error

    near = get_close_matches(name, [each for each in COMMANDS if each], 1)
    return f", perhaps {near[0]}" if near else ""
