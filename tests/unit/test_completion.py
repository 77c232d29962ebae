"""Completion: a script for each shell, that its shell can read and that knows commands, options and values."""

import shutil
import subprocess

import pytest
from test_cli_kit import run

from docker_fsck.cli import completion, options


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_script_knows_every_command_and_the_formats_and_rules(shell: str) -> None:
    told = run("completion", shell)
    wanted = [name for name, command in options.COMMANDS.items() if name and command.about] + [
        "--fail-on",
        "prometheus",
        "ovl-link-file",
    ]
    assert (0, []) == (told.status, [word for word in wanted if word not in told.out])


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_the_shell_can_read_its_script(shell: str) -> None:
    tool = shutil.which(shell)
    if tool is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([tool, "-n"], input=run("completion", shell).out, capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)


def complete(line: str) -> list[str]:
    """What bash offers at the end of a line."""
    words = line.split(" ")
    script = run("completion", "bash").out + (
        f"\nCOMP_WORDS=({' '.join(words[:-1])} '{words[-1]}'); COMP_CWORD={len(words) - 1}; COMP_LINE='{line}'\n"
        '$(complete -p docker-fsck | sed "s/.*-F \\([^ ]*\\).*/\\1/") docker-fsck; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("docker-fsck und", ["undo"]),
        ("docker-fsck check --fail-on cri", ["critical"]),
        ("docker-fsck plan --format sar", ["sarif"]),
        ("docker-fsck baseline pr", ["prune"]),
    ],
)
def test_bash_completes(line: str, offered: list[str]) -> None:
    assert offered == complete(line)


def test_the_whole_parser_takes_what_the_commands_take() -> None:
    given = vars(completion.whole().parse_args(["apply", "--class", "lossless", "--root", "/r"]))
    assert (["lossless"], "/r") == (given["classes"], given["root"])
