"""The words of the command line: options, commands, and how argv becomes given values; imports nothing heavy, decides nothing."""

import argparse
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from docker_fsck import __version__
from docker_fsck.errors import CORRECTED, FINDINGS, INCOMPLETE, INTERRUPTED, REFUSED, USAGE, UsageError

PROG = "docker-fsck"
Add = Callable[..., object]


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

FORMATS = "text, json, jsonl, markdown, sarif, junit, github, html, prometheus or nagios"
"""The formats of reports, as --help tells them; a test compares them with `reports.OWN`."""

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


OPTIONS: dict[str, Callable[[Add], object]] = {
    "root": lambda add: add("--root", metavar="DIR", help="the data root (default: the engine's own, else /var/lib/docker)"),
    "config": lambda add: add("--config", metavar="FILE", help="settings in TOML, above those of /etc/docker-fsck/config.toml"),
    "quiet": lambda add: add(
        "-q", "--quiet", action="store_true", help="print nothing when all is well, else one line a finding"
    ),
    "verbose": lambda add: add("-v", "--verbose", action="count", help="print everything; log more (-vv: still more)"),
    "color": lambda add: add(
        "--color", metavar="auto|always|never", help="colours (default auto: on a terminal, unless NO_COLOR)"
    ),
    "format": lambda add: add("--format", metavar="FORMAT", help=f"what is written to standard output: {FORMATS} (default text)"),
    "fail_on": lambda add: add(
        "--fail-on", metavar="info|warning|error|critical|never", help="severity that sets exit bit 4 (default error)"
    ),
    "grace": lambda add: add(
        "--grace", metavar="DURATION", help="what changed later than this ago is not reclaimed (default 24h; 0s: none)"
    ),
    "probe": lambda add: add(
        "--probe",
        metavar="DRIVER=FILE",
        action="append",
        help="what a tool of this host printed of a storage driver's pool (zfs, devicemapper; repeatable)",
    ),
    "log_format": lambda add: add("--log-format", metavar="console|json", help="how log events are written (default console)"),
    "log_file": lambda add: add("--log-file", metavar="FILE", help="append log events to FILE instead of standard error"),
    "baseline": lambda add: add("--baseline", metavar="FILE", help="accepted findings, which do not set bit 4"),
    "version": lambda add: add("--version", action="version", version=f"{PROG} {__version__}", help="print the version"),
    "report": lambda add: add(
        "--report", metavar="FORMAT=PATH", action="append", help="also write the report to a file (repeatable)"
    ),
    "level": lambda add: add("--level", metavar="quick|standard|deep", help="how deep to look (default standard)"),
    "subset": lambda add: add(
        "--subset", metavar="n/t|x%|10G", help="deep: only the n-th of t parts, x percent, or so many bytes of the layers"
    ),
    "max_duration": lambda add: add("--max-duration", metavar="DURATION", help="deep: end after this time; the next run goes on"),
    "max_age": lambda add: add("--max-age", metavar="DURATION", help="deep: leave out what was found whole within this time"),
    "limit": lambda add: add("--limit", metavar="RATE", help="deep: read at most so much a second, like 100M/s"),
    "jobs": lambda add: add("--jobs", metavar="N", help="processes that read (default: one for each processor)"),
    "state_dir": lambda add: add("--state-dir", metavar="DIR", help="where it is kept what was verified when"),
    "rule": lambda add: add("--rule", metavar="ID", action="append", help="run only these rules (commas between, or repeated)"),
    "skip": lambda add: add("--skip", metavar="ID", action="append", help="do not run these rules (commas between, or repeated)"),
    "classes": lambda add: add(
        "--class",
        dest="classes",
        metavar="CLASS",
        action="append",
        help="only actions of these classes, with commas between: lossless, reclaim, lossy",
    ),
    "allow_mass": lambda add: add("--allow-mass", action="store_true", help="take off the brake on plans that move very much"),
    "dry_run": lambda add: add("-n", "--dry-run", action="store_true", help="change nothing"),
    "preen": lambda add: add("-p", "--preen", action="store_true", help="apply the lossless actions without a question"),
    "output": lambda add: add("-o", dest="output", metavar="FILE", help="save the plan, for `apply FILE`"),
    "yes": lambda add: add("--yes", action="store_true", help="apply without a question"),
    "interactive": lambda add: add("--interactive", action="store_true", help="ask before each action"),
    "consent": lambda add: add(
        "--consent", metavar="ID", action="append", help="agree that this object's user data is moved away (full id; repeatable)"
    ),
    "journal_dir": lambda add: add(
        "--journal-dir", metavar="DIR", help="where journals of changes are kept (default: in the quarantine of the root)"
    ),
    "finish": lambda add: add("--finish", action="store_true", help="complete the transaction instead of taking it back"),
    "object": lambda add: add(
        "--object", metavar="IMAGE|CONTAINER|LAYER", help="only findings that concern this object (a name, id or path)"
    ),
    "target_free": lambda add: add(
        "--target-free",
        metavar="SIZE|PERCENT",
        help="reclaim only as much as it takes to have this much of the file system free, the largest first",
    ),
    "target": lambda add: add("--target", metavar="X[.Y]", help="the version of the engine that is to be started on this root"),
    "daemon_json": lambda add: add(
        "--daemon-json", metavar="FILE", help="the configuration that engine will have (default: that of the root's own engine)"
    ),
    "CONTAINER": lambda add: add("which", metavar="CONTAINER", help="its name, id or the beginning of its id"),
    "archive": lambda add: add(
        "-o", dest="archive", metavar="FILE.tar", required=True, help="the tar to write, outside the data root"
    ),
    "older_than": lambda add: add("--older-than", metavar="DURATION", help="transactions older than this (default 14d)"),
    "txn": lambda add: add("--txn", metavar="TXN", help="only this transaction"),
    "by": lambda add: add("--by", metavar="kind|image|container", help="what the sums are for (default kind)"),
    "origin": lambda add: add("--origin", action="store_true", help="say where each value comes from"),
    "json": lambda add: add("--json", dest="as_json", action="store_true", help="as a JSON object"),
    "PLAN": lambda add: add("plan", metavar="PLAN.json", nargs="?", help="a plan that `plan -o` saved"),
    "TXN": lambda add: add("which", metavar="TXN|last", help="the transaction, as apply and history name it"),
    "ONE": lambda add: add("which", metavar="TXN", nargs="?", help="only this transaction, with its steps"),
    "THING": lambda add: add("which", metavar="PATH|ID|NAME", help="the path, id, beginning of an id, or name of anything"),
    "RULE": lambda add: add(
        "which",
        metavar="RULE|TEXT|FILE|-",
        nargs="+",
        help="a rule's id, or what an engine said: pasted, in a file, or - for standard input; with --root its rules are run",
    ),
    "DIR": lambda add: add("folder", metavar="DIR", nargs="?", help="an empty folder for it (default: a temporary one)"),
    "reason": lambda add: add("--reason", metavar="TEXT", help="why the findings are accepted"),
    "expires": lambda add: add("--expires", metavar="DATE|DURATION", help="the last day on which they are: 2030-01-31, or 90d"),
    "VERB": lambda add: add("verb", metavar="create|prune|show", choices=["create", "prune", "show"]),
    "SHELL": lambda add: add("shell", metavar="bash|zsh|tcsh", choices=["bash", "zsh", "tcsh"], help="which shell's script"),
    "SHOW": lambda add: add("show", metavar="show", choices=["show"]),
}
GLOBAL = (
    "root",
    "config",
    "baseline",
    "journal_dir",
    "quiet",
    "verbose",
    "color",
    "format",
    "fail_on",
    "grace",
    "log_format",
    "log_file",
    "version",
)
DEEP = ("subset", "max_duration", "max_age", "limit", "jobs", "state_dir")
CHECK = ("report", "level", "rule", "skip", "probe", *DEEP)
PLAN = (*CHECK, "classes", "consent", "allow_mass")

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
    "du": Command("Say where the space is and whose it is; adds up to `du -x` of the root.", "du:du", ("by", "jobs")),
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
