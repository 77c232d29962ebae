"""The command line: options on either side of the command word, and only options and commands that do something."""

import importlib
import re
from typing import Any

import pytest

from docker_fsck import errors
from docker_fsck.cli import options
from docker_fsck.errors import UsageError


def given(*argv: str) -> dict[str, Any]:
    return vars(options.parse([*argv])[1])


@pytest.mark.parametrize(
    "argv",
    [
        ("--root", "/r", "check", "--level", "quick"),
        ("check", "--root=/r", "--level=quick"),
        ("--level", "quick", "check", "--root", "/r"),
    ],
)
def test_options_stand_before_and_after_the_command_word(argv: tuple[str, ...]) -> None:
    assert {"root": "/r", "level": "quick"} == given(*argv)


def test_repeated_options_add_up_across_the_command_word() -> None:
    assert {"rule": ["a", "b"]} == given("--rule", "a", "check", "--rule", "b")


def test_what_was_not_given_is_not_there() -> None:
    assert {} == given("check")


def test_the_value_of_an_option_is_no_command_word() -> None:
    assert {"root": "plan"} == given("--root", "plan", "check")


def test_the_bare_dry_run_and_its_short_form_are_one_command() -> None:
    assert [options.COMMANDS[""]] * 3 == [options.parse(argv)[0] for argv in ([], ["--dry-run"], ["-n"])]


def test_docker_calls_the_plugin_with_its_own_name_first() -> None:
    assert options.COMMANDS["check"] is options.parse(["fsck", "check"])[0]


def test_only_the_first_word_may_be_the_plugins_name() -> None:
    with pytest.raises(UsageError, match="no command 'fsck'"):
        options.parse(["-q", "fsck", "check"])


@pytest.mark.parametrize("word", ["bundle", "fsck2"])
def test_what_is_not_built_yet_is_no_command(word: str) -> None:
    with pytest.raises(UsageError, match=f"no command '{word}'"):
        options.parse([word])


def test_a_misspelt_command_gets_a_near_match() -> None:
    with pytest.raises(UsageError, match="perhaps check"):
        options.parse(["chek"])


@pytest.mark.parametrize(
    "argv",
    [
        ["check", "--yes"],
        ["undo"],
        ["undo", "a", "b"],
        ["plan", "-p"],
        ["explain"],
        ["baseline"],
        ["completion"],
        ["completion", "fish"],
        ["baseline", "forget"],
        ["config"],
        ["config", "edit"],
        ["undo", "last", "--idle"],
        ["check", "--lev", "quick"],
        ["apply", "--dry-run=x"],
        ["--root"],
        ["history", "a", "b"],
    ],
)
def test_an_option_that_a_command_does_not_have_is_a_usage_error(argv: list[str]) -> None:
    with pytest.raises(UsageError, match="--help"):
        options.parse(argv)


OPERANDS = {"undo": ("last",), "why": ("x",), "export": ("web", "-o", "x"), "explain": ("x",), "baseline": ("show",)}
MORE = {"config": ("show",), "completion": ("bash",)}


@pytest.mark.parametrize("name", options.COMMANDS)
def test_every_command_takes_the_options_that_the_contract_calls_global(name: str) -> None:
    told = given(*([name] if name else []), *{**OPERANDS, **MORE}.get(name, ()), "--jobs", "2", "--state-dir", "/x")
    assert ("2", "/x") == (told["jobs"], told["state_dir"])


def test_every_command_has_its_function() -> None:
    found = [
        getattr(importlib.import_module("docker_fsck.cli." + module), name)
        for module, name in (each.runs.split(":") for each in options.COMMANDS.values())
    ]
    assert [True] * len(options.COMMANDS) == [callable(each) for each in found]


def test_every_option_belongs_to_a_command() -> None:
    used = {name for command in options.COMMANDS.values() for name in command.takes} | set(options.GLOBAL)
    assert set(options.OPTIONS) == used


def test_help_lists_every_command_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options.parse(["--help"])
    listed = re.findall(r"^  ([a-z]+)  +[A-Z]", capsys.readouterr().out, re.MULTILINE)
    assert [name for name, command in options.COMMANDS.items() if name and command.about] == listed


@pytest.mark.parametrize("name", options.COMMANDS)
def test_every_command_has_help_in_plain_ascii(name: str) -> None:
    assert options.parser(name).format_help().isascii()


def test_every_exit_bit_of_the_program_is_explained() -> None:
    bits = {value for name, value in vars(errors).items() if name.isupper() and isinstance(value, int)}
    assert bits | {0} == set(options.STATUS)
