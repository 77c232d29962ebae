"""Which data root is meant: every source in its order, and the ways in which a root can be wrong."""

import json
import os
from pathlib import Path

import pytest

from docker_fsck import config
from docker_fsck.cli import roots
from docker_fsck.errors import RootError, UsageError


@pytest.fixture
def places(tmp_path: Path) -> roots.Places:
    (tmp_path / "proc").mkdir()
    return roots.Places(
        daemon_json=str(tmp_path / "daemon.json"),
        proc=str(tmp_path / "proc"),
        units=(str(tmp_path / "docker.service.d"), str(tmp_path / "docker.service")),
        default=str(tmp_path / "default"),
        snap=str(tmp_path / "snap"),
        homes=(str(tmp_path / "home/ann"), str(tmp_path / "home/bob")),
    )


def settings(root: str | None = None) -> config.Config:
    return config.load({"root": root} if root else {}, {}, os.devnull)


def chosen(places: roots.Places, root: str | None = None) -> tuple[str, str, bool]:
    found = roots.choose(settings(root), places)
    return found.path, found.origin, found.explicit


def engine(places: roots.Places, pid: int, *argv: str, name: str = "dockerd") -> None:
    folder = Path(places.proc, str(pid))
    folder.mkdir()
    (folder / "cmdline").write_bytes("\0".join(argv).encode() + b"\0")
    (folder / "comm").write_text(f"{name}\n")


def daemon_json(places: roots.Places, text: str) -> None:
    Path(places.daemon_json).write_text(text)


def test_the_default_is_var_lib_docker() -> None:
    assert "/var/lib/docker" == roots.Places().default


def test_a_given_root_beats_everything(places: roots.Places) -> None:
    daemon_json(places, '{"data-root": "/a"}')
    assert ("/given", "--root", True) == chosen(places, "/given")


def test_a_given_root_is_taken_by_its_real_path(places: roots.Places, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert str(tmp_path / "real") == chosen(places, str(tmp_path / "link"))[0]


@pytest.mark.parametrize("key", ["data-root", "graph"])
def test_daemon_json_comes_next(places: roots.Places, key: str) -> None:
    daemon_json(places, json.dumps({key: "/from/file"}))
    engine(places, 7, "dockerd", "--data-root", "/from/engine")
    assert ("/from/file", places.daemon_json, False) == chosen(places)


@pytest.mark.parametrize("text", [b'\xef\xbb\xbf{"data-root": "/a"}', b'{"data-root": "/a", "labels": ["J\xf6rg"]}'])
def test_a_daemon_json_is_read_as_the_engine_reads_it(places: roots.Places, text: bytes) -> None:
    Path(places.daemon_json).write_bytes(text)
    assert ("/a", places.daemon_json, False) == chosen(places)


@pytest.mark.parametrize("text", ["", " \n", "{}", '{"debug": true}'])
def test_a_daemon_json_that_names_no_root_is_passed_over(places: roots.Places, text: str) -> None:
    daemon_json(places, text)
    assert (places.default, "built-in", False) == chosen(places)


@pytest.mark.parametrize("text", ["<html>", '{"data-root": ', "[]", "\0"])
def test_a_daemon_json_that_does_not_parse_is_a_usage_error(places: roots.Places, text: str) -> None:
    daemon_json(places, text)
    with pytest.raises(UsageError, match="name it with --root"):
        roots.choose(settings(), places)


@pytest.mark.parametrize("flag", [("--data-root", "/e"), ("--data-root=/e",), ("-g", "/e"), ("--graph=/e",)])
def test_the_running_engines_flag_comes_after_daemon_json(places: roots.Places, flag: tuple[str, ...]) -> None:
    engine(places, 7, "/usr/bin/dockerd", "-H", "fd://", *flag)
    assert ("/e", "engine process 7", False) == chosen(places)


def test_another_program_with_such_a_flag_is_no_engine(places: roots.Places) -> None:
    engine(places, 7, "rsync", "--data-root", "/e", name="rsync")
    assert places.default == chosen(places)[0]


def test_several_engines_with_different_roots_are_a_usage_error(places: roots.Places) -> None:
    engine(places, 7, "dockerd", "--data-root", "/e")
    engine(places, 8, "dockerd", "--data-root", "/f")
    with pytest.raises(UsageError, match="/e, /f"):
        roots.choose(settings(), places)


def test_an_engine_without_a_flag_beside_one_with_it_means_the_default(places: roots.Places) -> None:
    engine(places, 7, "dockerd", "--data-root", "/e")
    engine(places, 8, "dockerd")
    assert places.default == chosen(places)[0]


@pytest.mark.parametrize(
    "line",
    [
        "ExecStart=/usr/bin/dockerd --data-root /u -H fd://",
        "ExecStart=/usr/bin/dockerd -H fd:// \\\n  --data-root=/u",
        "ExecStart=\nExecStart=/usr/bin/dockerd -g '/u'",
        'DOCKER_OPTS="--dns 192.0.2.1 --data-root /u"',
    ],
)
def test_the_unit_comes_after_the_engine(places: roots.Places, line: str) -> None:
    Path(places.units[1]).write_text(f"[Service]\n{line}\n")
    assert ("/u", places.units[1], False) == chosen(places)


def test_a_drop_in_beats_its_unit_and_the_last_drop_in_the_others(places: roots.Places) -> None:
    Path(places.units[0]).mkdir()
    for name, root in (("10-a.conf", "/a"), ("20-b.conf", "/b"), ("30-c.txt", "/c")):
        Path(places.units[0], name).write_text(f"[Service]\nExecStart=/usr/bin/dockerd --data-root {root}\n")
    Path(places.units[1]).write_text("[Service]\nExecStart=/usr/bin/dockerd --data-root /u\n")
    assert "/b" == chosen(places)[0]


def test_a_unit_with_an_open_quote_names_nothing(places: roots.Places) -> None:
    Path(places.units[1]).write_text("ExecStart=/usr/bin/dockerd --data-root '/u\n")
    assert places.default == chosen(places)[0]


def opened(places: roots.Places, root: str | None = None) -> None:
    roots.opened(roots.choose(settings(root), places), places).close()


@pytest.mark.parametrize("kind", ["absent", "file", "empty"])
def test_a_given_root_that_is_absent_no_folder_or_empty_is_a_root_error(places: roots.Places, tmp_path: Path, kind: str) -> None:
    root = tmp_path / "given"
    if kind == "file":
        root.write_text("")
    elif kind == "empty":
        root.mkdir()
    with pytest.raises(RootError, match="given"):
        opened(places, str(root))


@pytest.mark.parametrize("kind", ["absent", "empty", "fresh disk"])
def test_a_default_root_that_is_absent_or_empty_is_nothing_to_check(places: roots.Places, kind: str) -> None:
    if kind != "absent":
        Path(places.default).mkdir()
    if kind == "fresh disk":
        Path(places.default, "lost+found").mkdir()
    with pytest.raises(roots.NothingHere) as nothing:
        opened(places)
    assert (0, True) == (nothing.value.exit_bit, "Docker was never started here" in str(nothing.value))


def test_other_roots_on_the_host_are_named_when_the_default_is_empty(places: roots.Places) -> None:
    rootless = Path(places.homes[1] if places.homes else "", ".local/share/docker")
    rootless.mkdir(parents=True)
    Path(places.snap).mkdir()
    with pytest.raises(roots.NothingHere) as nothing:
        opened(places)
    assert str(nothing.value).endswith(f"other roots on this host, for --root: {rootless} (rootless), {places.snap} (snap)")


def test_a_default_root_that_is_a_file_is_a_root_error(places: roots.Places) -> None:
    Path(places.default).write_text("")
    with pytest.raises(RootError, match="not a folder"):
        opened(places)


def test_a_root_with_something_in_it_is_opened(places: roots.Places) -> None:
    Path(places.default, "image").mkdir(parents=True)
    opened(places)
