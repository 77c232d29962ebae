"""Settings: their sources in order of precedence, what they accept, and that the example file names exactly those that exist."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import tomli

from docker_fsck import config
from docker_fsck.errors import UsageError
from docker_fsck.settingvalues import duration
from docker_fsck.values import Level, Severity

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
NOWHERE = "/nonexistent/config.toml"


def written(tmp_path: Path, text: str, name: str = "config.toml") -> str:
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def load(flags: dict[str, object] | None = None, environ: dict[str, str] | None = None, system: str = NOWHERE) -> config.Config:
    return config.load(flags or {}, environ or {}, system)


def flat(table: dict[str, Any], above: str = "") -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for key, value in table.items():
        inner = isinstance(value, dict) and key != "severity"
        rows.update(flat(value, f"{above}{key}.") if inner else {above + key: value})
    return rows


def example() -> str:
    return EXAMPLE.read_text()


def test_the_built_in_values_are_those_of_the_contract() -> None:
    found = load()
    assert (None, Level.STANDARD, Severity.ERROR, 86400.0, "text") == (
        found.root,
        found.level,
        found.fail_on,
        found.grace,
        found.format,
    )


def test_every_field_of_config_has_a_setting_and_every_setting_a_field() -> None:
    assert {setting.field for setting in config.SETTINGS} == set(config.Config.__struct_fields__) - {"written", "origins"}


def test_the_example_file_explains_exactly_the_settings_there_are() -> None:
    uncommented = re.sub(r"^# (?=[a-z_]+ = )", "", example(), flags=re.MULTILINE)
    assert {setting.key for setting in config.SETTINGS} == flat(tomli.loads(uncommented)).keys()


def test_the_example_file_shows_the_built_in_values() -> None:
    uncommented = re.sub(r"^# (?=[a-z_]+ = )", "", example(), flags=re.MULTILINE)
    shown = flat(tomli.loads(uncommented))
    assert [setting.default for setting in config.SETTINGS if setting.default is not None] == [
        shown[setting.key] for setting in config.SETTINGS if setting.default is not None
    ]


def test_the_example_file_as_it_is_sets_nothing(tmp_path: Path) -> None:
    found = load(system=written(tmp_path, example()))
    assert {"built-in"} == set(found.origins.values())


def test_the_example_file_names_the_variable_of_every_setting_that_has_one() -> None:
    named = re.findall(r"^# Environment: (\w+)", example(), flags=re.MULTILINE)
    assert [setting.variable for setting in config.SETTINGS if setting.variable] == named


def test_flag_beats_variable_beats_named_file_beats_system_file(tmp_path: Path) -> None:
    system = written(tmp_path, 'grace = "1s"\nlevel = "quick"\ncolor = "never"\nfail_on = "info"', "system.toml")
    named = written(tmp_path, 'grace = "2s"\ncolor = "always"\nfail_on = "warning"', "named.toml")
    found = load({"config": named, "grace": "4s"}, {"DOCKER_FSCK_GRACE": "3s", "DOCKER_FSCK_FAIL_ON": "critical"}, system)
    assert (4.0, Severity.CRITICAL, "always", Level.QUICK) == (found.grace, found.fail_on, found.color, found.level)
    assert ["--grace", "DOCKER_FSCK_FAIL_ON", named, system] == [
        found.origins[key] for key in ("grace", "fail_on", "color", "level")
    ]


def test_the_named_file_may_come_from_the_environment(tmp_path: Path) -> None:
    assert 5.0 == load(environ={"DOCKER_FSCK_CONFIG": written(tmp_path, 'grace = "5s"')}).grace


def test_neither_home_nor_the_working_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".config/docker-fsck").mkdir(parents=True)
    for name in (".config/docker-fsck/config.toml", "config.toml", "docker-fsck.toml"):
        written(tmp_path, 'grace = "7s"', name)
    monkeypatch.chdir(tmp_path)
    assert 86400.0 == load(environ={"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / ".config")}).grace


@pytest.mark.parametrize("text", ['grce = "1s"', '[keep]\nimage = ["a"]', "[nothing]\nx = 1"])
def test_an_unknown_key_is_a_usage_error_that_names_it(tmp_path: Path, text: str) -> None:
    key = next(iter(flat(tomli.loads(text))))
    with pytest.raises(UsageError, match=f"there is no setting '{key}'"):
        load(system=written(tmp_path, text))


def test_an_unknown_key_gets_a_near_match(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="perhaps grace"):
        load(system=written(tmp_path, 'grce = "1s"'))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('grace = "soon"', "grace wants a duration"),
        ("grace = 5", "grace wants a duration"),
        ('level = "deeper"', "level wants one of quick, standard, deep"),
        ("jobs = 0", "jobs wants a number from 1 to 1024"),
        ("jobs = true", "jobs wants a number"),
        ('jobs = "x"', "jobs wants a number"),
        ("jobs = 1000000", "jobs wants a number"),
        ('max_duration = "long"', "max_duration wants a duration"),
        ('max_age = "1"', "max_age wants a duration"),
        ('root = ""', "root wants text"),
        ("[keep]\nimages = [1]", "keep.images wants a list of texts"),
        ("root = ", "Invalid value"),
    ],
)
def test_a_wrong_value_is_a_usage_error_that_names_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UsageError, match=said) as error:
        load(system=path)
    assert str(error.value).startswith(path)


def test_a_named_file_that_is_not_there_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="No such file"):
        load({"config": NOWHERE})


def test_a_file_that_is_not_utf8_is_a_usage_error(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b'root = "\xff"')
    with pytest.raises(UsageError, match="utf-8"):
        load(system=str(path))


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0), ("30m", 1800), ("24h", 86400), ("14d", 1209600), ("2w", 1209600)])
def test_durations_are_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert seconds == duration(text)


@pytest.mark.parametrize("text", ["", "5", "h", "-1h", "1.5h", "1h30m", "٣h", "1 h", "9999999999d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="wants a duration"):
        duration(text)


def test_lists_may_be_repeated_flags_and_commas() -> None:
    assert ("a", "b", "c") == load({"rule": ["a,b", "c"]}).rules_only


def test_a_report_target_keeps_its_commas() -> None:
    assert ("json=/tmp/a,b",) == load({"report": ["json=/tmp/a,b"]}).report


def test_fail_on_never_is_no_threshold() -> None:
    assert load({"fail_on": "never"}).fail_on is None


def test_plugins_are_admitted_by_a_file_that_only_root_can_write(tmp_path: Path) -> None:
    path = written(tmp_path, '[plugins]\nadmit = ["theirs"]')
    os.chmod(path, 0o644)
    if os.getuid() == 0:
        assert ("theirs",) == load(system=path).plugins_admit
    else:
        with pytest.raises(UsageError, match=r"plugins\.admit"):
            load(system=path)


def test_plugins_are_not_admitted_by_a_file_that_others_can_write(tmp_path: Path) -> None:
    path = written(tmp_path, '[plugins]\nadmit = ["theirs"]')
    os.chmod(path, 0o666)
    with pytest.raises(UsageError, match=r"only a file that root owns .* may set plugins\.admit"):
        load(system=path)


def test_plugins_are_not_admitted_by_the_environment() -> None:
    assert () == load(environ={"DOCKER_FSCK_PLUGINS_ADMIT": "theirs"}).plugins_admit


# severities


def test_severities_are_a_table_of_the_file(tmp_path: Path) -> None:
    found = load(system=written(tmp_path, '[severity]\nlayer-too-deep = "warning"\ntags-dangling = "error"'))
    assert {"layer-too-deep": Severity.WARNING, "tags-dangling": Severity.ERROR} == found.severity


def test_severities_are_pairs_in_the_environment() -> None:
    assert {"a-b": Severity.WARNING, "c-d": Severity.INFO} == load(
        environ={"DOCKER_FSCK_SEVERITY": "a-b=warning, c-d = info"}
    ).severity


@pytest.mark.parametrize("text", ['severity = "a-b"', '[severity]\na-b = "grave"', "severity = 3", "[severity]\na-b = 1"])
def test_what_is_no_table_of_severities_is_a_usage_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="severity wants"):
        load(system=written(tmp_path, text))


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("false", False)])
def test_a_switch_is_read_from_a_variable_and_from_a_file(tmp_path: Path, value: str, expected: bool) -> None:
    assert expected is load(environ={"DOCKER_FSCK_IDLE": value}).idle
    assert expected is load(system=written(tmp_path, f"idle = {value}")).idle
    with pytest.raises(UsageError, match="DOCKER_FSCK_IDLE wants true or false"):
        load(environ={"DOCKER_FSCK_IDLE": "1"})


def test_a_file_with_a_relative_name_names_the_key_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.toml").write_text('grace = "soon"')
    with pytest.raises(UsageError, match=r"^c\.toml: grace wants a duration"):
        load({"config": "c.toml"})


@pytest.mark.parametrize(
    ("flags", "environ", "said"),
    [({"limit": "fast"}, {}, "^--limit wants a rate"), ({}, {"DOCKER_FSCK_SUBSET": "6/5"}, "^DOCKER_FSCK_SUBSET wants")],
)
def test_a_budget_is_judged_at_every_level(flags: dict[str, object], environ: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load(flags, environ)


@pytest.mark.parametrize(
    ("key", "value"), [("subset", "1/5"), ("subset", "10%"), ("subset", "10G"), ("limit", "100M/s"), ("limit", "4096")]
)
def test_a_budget_is_kept_as_it_was_written(key: str, value: str) -> None:
    assert value == getattr(load({key: value}), key)
