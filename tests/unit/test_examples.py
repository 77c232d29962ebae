"""The ready files: each command line in them exists, and the tools that read them find nothing wrong with them."""

import configparser
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_cli_kit import broken_root, healthy_root

from docker_fsck import reports
from docker_fsck.cli import options

HERE = Path(__file__).parents[2] / "examples"
UNITS = sorted((HERE / "systemd").iterdir())
PROGRAM = str(Path(sys.executable).with_name("docker-fsck"))


def unit(name: str) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys are not in small letters
    parser.read(HERE / "systemd" / name)
    return {section: dict(parser[section]) for section in parser.sections()}


def steps(name: str) -> list[str]:
    table: Any = yaml.safe_load((HERE / name).read_text())
    jobs = table.get("jobs", table)
    return [
        line
        for job in jobs.values()
        for line in [*job.get("script", []), *(step["run"] for step in job.get("steps", []) if "run" in step)]
    ]


def command_lines() -> list[str]:
    lines = [unit(path.name)["Service"]["ExecStart"] for path in UNITS if path.suffix == ".service"]
    lines += [
        line.split(None, 6)[6] for line in (HERE / "cron.d/docker-fsck").read_text().splitlines() if "docker-fsck --" in line
    ]
    lines += ["docker-fsck check --format nagios"]
    return [*lines, *(line for name in ("github-actions.yml", "gitlab-ci.yml") for line in steps(name) if "docker-fsck " in line)]


@pytest.mark.parametrize("line", command_lines())
def test_every_command_line_in_the_examples_exists(line: str) -> None:
    words = shlex.split(line)
    at = next(n for n, word in enumerate(words) if Path(word).name == "docker-fsck")
    given = vars(options.parse(words[at + 1 :])[1])
    formats = {name for name, _ in reports.pairs(given.get("report", []))} | {given.get("format", "text")}
    assert set() == formats - set(reports.OWN)


def test_there_are_command_lines_in_all_of_them() -> None:
    assert 6 == len(command_lines())


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_finds_nothing_wrong_with_a_unit(path: Path, tmp_path: Path) -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not installed (Debian package systemd)")
    for each in UNITS:
        (tmp_path / each.name).write_text(each.read_text().replace("/usr/bin/docker-fsck", PROGRAM))
    done = subprocess.run(
        [tool, "verify", "--man=no", str(tmp_path / path.name)], capture_output=True, text=True, check=False,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )  # fmt: skip
    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)


def test_the_unit_at_boot_never_keeps_the_engine_down() -> None:
    text = "\n".join(path.read_text() for path in UNITS)
    boot = unit("docker-fsck-preen.service")
    settings = [line for line in text.splitlines() if not line.startswith("#")]
    assert ("docker.service", "1", "oneshot", "multi-user.target", []) == (
        boot["Unit"]["Before"],
        boot["Service"]["SuccessExitStatus"],
        boot["Service"]["Type"],
        boot["Install"]["WantedBy"],
        [line for line in settings if line.startswith(("Requires=", "RequiredBy=", "BindsTo=", "Requisite="))],
    )


def bounded(name: str, *argv: str) -> subprocess.CompletedProcess[str]:
    """docker-fsck with no more capabilities than a unit gives it."""
    names = [each.removeprefix("CAP_").lower() for each in unit(name)["Service"]["CapabilityBoundingSet"].split()]
    caps = ",".join(["-all", *(f"+{each}" for each in names)])
    return subprocess.run(
        ["setpriv", f"--bounding-set={caps}", "--inh-caps=-all", PROGRAM, *argv], capture_output=True, text=True, check=False
    )


needs_root = pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("setpriv"), reason="only root has capabilities to give up, with setpriv"
)


@needs_root
def test_the_capabilities_of_the_check_are_enough(tmp_path: Path) -> None:
    root = healthy_root(tmp_path)
    os.chown(root.path, 4711, 4711)
    os.chmod(root.path, 0o700)
    done = bounded("docker-fsck.service", "check", "--root", str(root.path))
    assert (0, "", True) == (done.returncode, done.stderr, ": clean (" in done.stdout)


@needs_root
def test_the_capabilities_of_the_unit_at_boot_are_enough(tmp_path: Path) -> None:
    root = broken_root(tmp_path)
    done = bounded("docker-fsck-preen.service", "--preen", "--root", str(root.path))
    if "not known to be stopped" in done.stderr:
        pytest.skip(f"this host does not tell who uses a folder: {done.stderr.strip()}")
    assert (1, "") == (done.returncode, done.stderr)


def test_promtool_finds_nothing_wrong_with_the_alerts() -> None:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    done = subprocess.run(
        [tool, "check", "rules", str(HERE / "prometheus/docker-fsck.rules.yml")], capture_output=True, text=True, check=False
    )
    assert (0, True) == (done.returncode, "3 rules found" in done.stdout)


def nagios(tmp_path: Path, *argv: str) -> tuple[int, str]:
    env = {**os.environ, "PATH": f"{Path(PROGRAM).parent}:{os.environ['PATH']}"}
    done = subprocess.run([HERE / "nagios/check_docker_fsck", *argv], capture_output=True, text=True, env=env, check=False)
    return done.returncode, done.stdout.split(" - ")[0]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((), (2, "DOCKER-FSCK CRITICAL")),
        (("--fail-on", "never"), (1, "DOCKER-FSCK WARNING")),
        (("--no-such",), (3, "DOCKER-FSCK UNKNOWN")),
    ],
)
def test_the_wrapper_for_nagios_gives_its_exit_status(tmp_path: Path, argv: tuple[str, ...], said: tuple[int, str]) -> None:
    assert said == nagios(tmp_path, "--root", str(broken_root(tmp_path).path), *argv)


def test_the_wrapper_for_nagios_is_0_when_all_is_well(tmp_path: Path) -> None:
    assert (0, "DOCKER-FSCK OK") == nagios(tmp_path, "--root", str(healthy_root(tmp_path).path))


def test_every_ready_file_is_in_the_list() -> None:
    told = (HERE / "README.md").read_text()
    files = [path.relative_to(HERE).as_posix() for path in HERE.rglob("*") if path.is_file() and path.name != "README.md"]
    assert [] == [name for name in files if name not in told and Path(name).suffix != ".timer"]
