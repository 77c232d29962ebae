"""Every option of the command line and what --help says of it; which command takes which stands in options.py."""

from collections.abc import Callable

from docker_fsck import __version__

PROG = "docker-fsck"
FORMATS = "text, json, jsonl, markdown, sarif, junit, github, html, prometheus or nagios"
"""The formats of reports, as --help tells them; a test compares them with `reports.OWN`."""
Add = Callable[..., object]

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
    "progress": lambda add: add(
        "--progress",
        metavar="auto|always|never",
        help="deep: how far it is, on standard error (default auto: on a terminal, or as log events)",
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
    "idle": lambda add: add(
        "--idle", action="store_true", help="deep: read and compute only when nobody else wants to (the kernel's idle classes)"
    ),
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
    "source": lambda add: add(
        "--source",
        metavar="FILE|DIR",
        action="append",
        help="take lost or damaged layers from here: an image archive (docker save, OCI), a folder with one, or another data root"
        " (repeatable)",
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
