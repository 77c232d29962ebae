"""Settings: where they may come from, what they may hold, and which source won; reads configuration files, never the data root.

Precedence (interface section 2): flag, `DOCKER_FSCK_*`, `--config FILE`, /etc/docker-fsck/config.toml, built-in. Neither $HOME
nor the working folder is looked at.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from docker_fsck import settingsfile, settingvalues
from docker_fsck.errors import UsageError
from docker_fsck.settingvalues import Read
from docker_fsck.values import Level, Severity

SYSTEM_FILE = "/etc/docker-fsck/config.toml"
FILE_VARIABLE = "DOCKER_FSCK_CONFIG"
STATE_DIR = "/var/lib/docker-fsck"
BUILT_IN = "built-in"
SHOWN = 200


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
    def option(self) -> str:
        """Its option on the command line."""
        return f"--{(self.flag or self.field).replace('_', '-')}"

    @property
    def variable(self) -> str | None:
        """The environment variable that sets it, None for what only a file of root may set."""
        return None if self.root_only else f"DOCKER_FSCK_{self.field.upper()}"


SETTINGS = (
    Setting(key="root", read=settingvalues.maybe, default=None, flag="root"),
    Setting(key="level", read=settingvalues.level, default="standard", flag="level"),
    Setting(key="subset", read=settingvalues.subset, default=None, flag="subset"),
    Setting(key="max_duration", read=settingvalues.some_time, default=None, flag="max_duration"),
    Setting(key="max_age", read=settingvalues.some_time, default=None, flag="max_age"),
    Setting(key="limit", read=settingvalues.rate, default=None, flag="limit"),
    Setting(key="idle", read=settingvalues.switch, default=False, flag="idle"),
    Setting(key="jobs", read=settingvalues.count, default=None, flag="jobs"),
    Setting(key="state_dir", read=settingvalues.text, default=STATE_DIR, flag="state_dir"),
    Setting(key="fail_on", read=settingvalues.threshold, default="error", flag="fail_on"),
    Setting(key="grace", read=settingvalues.duration, default="24h", flag="grace"),
    Setting(key="format", read=settingvalues.text, default="text", flag="format"),
    Setting(key="report", read=settingvalues.items, default=[], flag="report"),
    Setting(key="baseline", read=settingvalues.maybe, default=None, flag="baseline"),
    Setting(key="probe", read=settingvalues.items, default=[], flag="probe"),
    Setting(key="color", read=settingvalues.one_of("auto", "always", "never"), default="auto", flag="color"),
    Setting(key="progress", read=settingvalues.one_of("auto", "always", "never"), default="auto", flag="progress"),
    Setting(key="journal_dir", read=settingvalues.maybe, default=None, flag="journal_dir"),
    Setting(key="log_format", read=settingvalues.one_of("console", "json"), default="console", flag="log_format"),
    Setting(key="log_file", read=settingvalues.maybe, default=None, flag="log_file"),
    Setting(key="severity", read=settingvalues.severities, default={}),
    Setting(key="rules.only", read=settingvalues.names, default=[], flag="rule"),
    Setting(key="rules.skip", read=settingvalues.names, default=[], flag="skip"),
    Setting(key="purge.older_than", read=settingvalues.duration, default="14d", flag="older_than"),
    Setting(key="keep.images", read=settingvalues.items, default=[]),
    Setting(key="keep.labels", read=settingvalues.items, default=[]),
    Setting(key="keep.paths", read=settingvalues.items, default=[]),
    Setting(key="plugins.admit", read=settingvalues.items, default=[], root_only=True),
    Setting(key="plugins.require", read=settingvalues.items, default=[]),
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
            raise UsageError(f"{_place(origin, setting)} {error}, not {_quoted(value)}") from None
        written[setting.key] = value
        origins[setting.key] = origin
    return Config(**values, written=written, origins=origins)  # type: ignore[arg-type]  # every field has a setting: a test compares them


def _place(origin: str, setting: Setting) -> str:
    """Where a value stands: a file needs the key beside it, a flag and a variable say it themselves."""
    return origin if origin in {setting.option, setting.variable} else f"{origin}: {setting.key}"


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
        (setting, flags[setting.flag], setting.option)
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
