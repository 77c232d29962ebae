"""Settings: where they may come from, what they may hold, and which source won; reads configuration files, never the data root.

Precedence (interface section 2): flag, `DOCKER_FSCK_*`, `--config FILE`, /etc/docker-fsck/config.toml, built-in. Neither $HOME
nor the working folder is looked at.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from docker_fsck import settingsfile
from docker_fsck.errors import UsageError
from docker_fsck.values import Level, Severity

SYSTEM_FILE = "/etc/docker-fsck/config.toml"
FILE_VARIABLE = "DOCKER_FSCK_CONFIG"
LEVELS = tuple(Level)
STATE_DIR = "/var/lib/docker-fsck"
BUILT_IN = "built-in"
MOST_JOBS = 1024
SHOWN = 200
MILLENNIUM = 365_250 * 86400.0
"""As good as for ever, and still a time that calendars and clocks can be asked about."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_DURATION = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)

Read = Callable[[object], object]


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one run. Durations are seconds; `fail_on` None is `never`; `root` None: look for it.

    `written` has each key's value as it was written, `origins` where it was written.
    """

    root: str | None
    level: Level
    subset: str | None
    max_duration: float | None
    max_age: float | None
    limit: str | None
    idle: bool
    jobs: int | None
    state_dir: str
    fail_on: Severity | None
    grace: float
    format: str
    report: tuple[str, ...]
    baseline: str | None
    color: str
    progress: str
    journal_dir: str | None
    log_format: str
    log_file: str | None
    rules_only: tuple[str, ...]
    rules_skip: tuple[str, ...]
    severity: dict[str, Severity]
    purge_older_than: float
    probe: tuple[str, ...]
    keep_images: tuple[str, ...]
    keep_labels: tuple[str, ...]
    keep_paths: tuple[str, ...]
    plugins_admit: tuple[str, ...]
    plugins_require: tuple[str, ...]
    written: dict[str, Any]
    origins: dict[str, str]


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting: its dotted key, how its value is read, the built-in value as one would write it, its flag if it has one."""

    key: str
    read: Read
    default: Any
    flag: str | None = None
    root_only: bool = False

    @property
    def field(self) -> str:
        """Its name in `Config`."""
        return self.key.replace(".", "_")

    @property
    def variable(self) -> str | None:
        """The environment variable that sets it, None for what only a file of root may set."""
        return None if self.root_only else f"DOCKER_FSCK_{self.field.upper()}"


def duration(value: object) -> float:
    """Seconds of `0s`, `30m`, `24h`, `14d` or `2w`, of more than a thousand years those; a ValueError says what is wanted."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("wants a duration like 0s, 30m, 24h or 14d")
    return min(float(int(found[1]) * _UNITS[found[2]]), MILLENNIUM)


def _some_time(value: object) -> float | None:
    return None if value is None else duration(value)


def _count(value: object) -> int | None:
    """A number of processes; None: as many as there are processors."""
    if value is None:
        return None
    number = int(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number <= MOST_JOBS:
        raise ValueError(f"wants a number from 1 to {MOST_JOBS}")
    return number


def _switch(value: object) -> bool:
    found = {"true": True, "false": False}.get(value) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise ValueError("wants true or false")  # noqa: TRY004 - `load` knows a wrong value by ValueError
    return found


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("wants text that is not empty")
    return value


def _maybe(value: object) -> str | None:
    return None if value is None else _text(value)


def _items(value: object) -> tuple[str, ...]:
    """A list as it is; text is split at commas."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not all(isinstance(each, str) and "\0" not in each for each in parts):
        raise ValueError("wants a list of texts")
    return tuple(each.strip() for each in parts if each.strip())


def _names(value: object) -> tuple[str, ...]:
    """As `_items`, and each text of a list may again be several with commas between."""
    return tuple(name for each in _items(value) for name in _items(each))


def _one_of(*choices: str) -> Read:
    def read(value: object) -> str:
        if value not in choices:
            raise ValueError(f"wants one of {', '.join(choices)}")
        return str(value)

    return read


def _level(value: object) -> Level:
    return Level(str(_one_of(*LEVELS)(value)))


def _threshold(value: object) -> Severity | None:
    word = _one_of(*Severity, "never")(value)
    return None if word == "never" else Severity(str(word))


def _severities(value: object) -> dict[str, Severity]:
    """A table of severities by rule; text is `rule=severity` with commas between."""
    pairs = dict(each.partition("=")[::2] for each in _items(value)) if isinstance(value, str) else value
    if not isinstance(pairs, dict):
        raise ValueError('wants a table of rule = "severity"')  # noqa: TRY004 - `load` knows a wrong value by ValueError
    words = {str(rule).strip(): word.strip() if isinstance(word, str) else word for rule, word in pairs.items()}
    return {rule: Severity(str(_one_of(*Severity)(word))) for rule, word in words.items()}


SETTINGS = (
    Setting(key="root", read=_maybe, default=None, flag="root"),
    Setting(key="level", read=_level, default="standard", flag="level"),
    Setting(key="subset", read=_maybe, default=None, flag="subset"),
    Setting(key="max_duration", read=_some_time, default=None, flag="max_duration"),
    Setting(key="max_age", read=_some_time, default=None, flag="max_age"),
    Setting(key="limit", read=_maybe, default=None, flag="limit"),
    Setting(key="idle", read=_switch, default=False, flag="idle"),
    Setting(key="jobs", read=_count, default=None, flag="jobs"),
    Setting(key="state_dir", read=_text, default=STATE_DIR, flag="state_dir"),
    Setting(key="fail_on", read=_threshold, default="error", flag="fail_on"),
    Setting(key="grace", read=duration, default="24h", flag="grace"),
    Setting(key="format", read=_text, default="text", flag="format"),
    Setting(key="report", read=_items, default=[], flag="report"),
    Setting(key="baseline", read=_maybe, default=None, flag="baseline"),
    Setting(key="probe", read=_items, default=[], flag="probe"),
    Setting(key="color", read=_one_of("auto", "always", "never"), default="auto", flag="color"),
    Setting(key="progress", read=_one_of("auto", "always", "never"), default="auto", flag="progress"),
    Setting(key="journal_dir", read=_maybe, default=None, flag="journal_dir"),
    Setting(key="log_format", read=_one_of("console", "json"), default="console", flag="log_format"),
    Setting(key="log_file", read=_maybe, default=None, flag="log_file"),
    Setting(key="severity", read=_severities, default={}),
    Setting(key="rules.only", read=_names, default=[], flag="rule"),
    Setting(key="rules.skip", read=_names, default=[], flag="skip"),
    Setting(key="purge.older_than", read=duration, default="14d", flag="older_than"),
    Setting(key="keep.images", read=_items, default=[]),
    Setting(key="keep.labels", read=_items, default=[]),
    Setting(key="keep.paths", read=_items, default=[]),
    Setting(key="plugins.admit", read=_items, default=[], root_only=True),
    Setting(key="plugins.require", read=_items, default=[]),
)
"""Every setting there is; config.example.toml explains each, and a test compares the two."""


def load(flags: Mapping[str, object], environ: Mapping[str, str], system_file: str = SYSTEM_FILE) -> Config:
    """The settings of a run, each from the highest source that names it. `flags` are those given. Raises `UsageError`."""
    named = flags.get("config") or environ.get(FILE_VARIABLE)
    layers = [_built_in(), *_file_layers(system_file, str(named) if named else None), _variables(environ), _flags(flags)]
    written: dict[str, Any] = {}
    origins: dict[str, str] = {}
    values: dict[str, object] = {}
    for setting, value, origin in (each for layer in layers for each in layer):
        try:
            values[setting.field] = setting.read(value)
        except ValueError as error:
            raise UsageError(f"{_place(origin, setting.key)} {error}, not {_quoted(value)}") from None
        written[setting.key] = value
        origins[setting.key] = origin
    return Config(**values, written=written, origins=origins)  # type: ignore[arg-type]  # every field has a setting: a test compares them


def _place(origin: str, key: str) -> str:
    """Where a value stands: a file needs the key beside it, a flag and a variable say it themselves."""
    return f"{origin}: {key}" if "/" in origin else origin


def _quoted(value: object) -> str:
    """A wrong value for a message, cut to what one can read."""
    try:
        text = repr(value)
    except ValueError:  # Python does not spell numbers of thousands of digits
        return "so long a number"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


Layer = Iterator[tuple[Setting, Any, str]]


def _built_in() -> Layer:
    return ((setting, setting.default, BUILT_IN) for setting in SETTINGS)


def _flags(flags: Mapping[str, object]) -> Layer:
    return (
        (setting, flags[setting.flag], "--" + setting.flag.replace("_", "-"))
        for setting in SETTINGS
        if setting.flag is not None and setting.flag in flags
    )


def _variables(environ: Mapping[str, str]) -> Layer:
    return (
        (setting, environ[setting.variable], setting.variable)
        for setting in SETTINGS
        if setting.variable and environ.get(setting.variable)
    )


def _file_layers(system_file: str, named: str | None) -> list[Layer]:
    layers = []
    if settingsfile.is_there(system_file):
        layers.append(_file_layer(system_file))
    if named:
        layers.append(_file_layer(named))
    return layers


def _file_layer(path: str) -> Layer:
    """What a file sets; a `UsageError` names a file that does not parse and a key that does not exist."""
    known = {setting.key: setting for setting in SETTINGS}
    rows, trusted = settingsfile.read(path, known)
    for key, value in rows:
        if key not in known:
            raise UsageError(f"{path}: there is no setting {_quoted(key)}{_like(key, known)}")
        if known[key].root_only and not trusted:
            raise UsageError(f"{path}: only a file that root owns and nobody else can write may set {key}")
        yield known[key], value, path


def _like(key: str, known: Mapping[str, object]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way to an error

    near = get_close_matches(key, known, 1)
    return f", perhaps {near[0]}" if near else ""
