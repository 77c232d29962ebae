"""The command gate: one line that decides, its exit status, its formats, and which configuration counts."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from test_cli_kit import Ended, broken_root, healthy_root, run

from docker_fsck import reports
from docker_fsck.cli import engineconf, roots
from docker_fsck.config import load
from docker_fsck.reports import document
from docker_fsck.testing.builder import DataRoot
from docker_fsck.upgrade.settings import Settings


def gate(root: DataRoot, target: str, *more: str, **edge: Any) -> Ended:
    return run("gate", "--root", str(root.path), "--target", target, *more, **edge)


def vfs_root(folder: Path) -> DataRoot:
    root = DataRoot(folder / "docker", "vfs")
    root.container(root.image("app:1"), "web", volumes={root.volume("data"): "/data"})
    return root


def daemon_json(folder: Path, **told: object) -> str:
    path = folder / "daemon.json"
    path.write_text(json.dumps(told))
    return str(path)


def test_a_root_that_the_version_can_use_passes_in_one_line(tmp_path: Path) -> None:
    root = healthy_root(tmp_path)
    ended = gate(root, "29.0")
    assert 0 == ended.status
    assert f"gate 29.0: passed (nothing stands against engine 29.0 on {root.path}; exit 0)" == ended.out.splitlines()[0]
    assert "Engine 29.0 opens overlay2: it has state here." in ended.out


def test_a_root_that_it_would_hide_is_blocked_with_reason_and_advice(tmp_path: Path) -> None:
    root = vfs_root(tmp_path)
    ended = gate(root, "29")
    assert 4 == ended.status
    assert (
        f"gate 29.0: blocked (settle 1 finding before engine 29.0 is started on {root.path}; exit 4)" == ended.out.splitlines()[0]
    )
    flat = " ".join(ended.out.split())
    assert "the first `docker volume prune -a` there deletes the data of data" in flat
    assert "To do: set storage-driver to vfs in daemon.json" in flat


@pytest.mark.parametrize("fail_on", ["never", "critical", "error", "warning", "info"])
def test_it_blocks_whatever_fail_on_says(tmp_path: Path, fail_on: str) -> None:
    assert 4 == gate(vfs_root(tmp_path), "29", "--fail-on", fail_on).status


def test_a_stricter_fail_on_counts(tmp_path: Path) -> None:
    root = healthy_root(tmp_path)
    root.orphan_dir()
    assert [0, 4] == [gate(root, "29").status, gate(root, "29", "--fail-on", "info").status]


def test_an_ordinary_error_blocks_too(tmp_path: Path) -> None:
    ended = gate(broken_root(tmp_path), "20.10", "--format", "json")
    assert (4, "blocked") == (ended.status, ended.report["gate"]["decision"])
    assert "ovl-link-file" in [each["rule"] for each in ended.report["findings"]]


def test_what_is_accepted_with_a_reason_does_not_block(tmp_path: Path) -> None:
    root = vfs_root(tmp_path)
    mark = gate(root, "29", "--format", "json").report["findings"][0]["fingerprint"]
    entry = {
        "fingerprint": mark,
        "rule": "upgrade-store-hidden",
        "severity": "critical",
        "reason": "it is meant",
        "expires": "2099-01-01",
    }
    entry |= {"object": {"kind": "store", "id": "vfs"}}
    known = tmp_path / "baseline.json"
    known.write_text(json.dumps({"schema": "docker-fsck/baseline/1", "entries": [entry]}))
    ended = gate(root, "29", "--baseline", str(known), "--format", "json")
    assert (0, "passed") == (ended.status, ended.report["gate"]["decision"]), ended.err


def test_what_could_not_be_judged_leaves_it_undecided(tmp_path: Path) -> None:
    root = healthy_root(tmp_path)
    (root.path / "image/newdriver/layerdb").mkdir(parents=True)
    ended = gate(root, "29")
    assert 8 == ended.status
    assert ended.out.startswith("gate 29.0: undecided (1 thing could not be judged; exit 8)\n")


def test_a_root_with_no_tree_that_this_version_judges_is_answered_all_the_same(tmp_path: Path) -> None:
    """Where check refuses, the gate still knows what another engine makes of the folders."""
    top = tmp_path / "docker"
    for name in ("newdriver/x", "image/newdriver/layerdb/sha256/" + "a" * 64, "containers", "volumes"):
        (top / name).mkdir(parents=True)
    asked = ("--root", str(top))
    assert 64 == run("check", *asked).status
    ended = run("gate", *asked, "--target", "29", "--format", "json")
    assert (12, "blocked") == (ended.status, ended.report["gate"]["decision"])
    assert ["downgrade-driver-unknown"] == [each["rule"] for each in ended.report["findings"]]


def test_a_folder_that_is_no_data_root_is_refused(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here/file").touch()
    assert 64 == run("gate", "--root", str(tmp_path / "here"), "--target", "29").status


@pytest.mark.parametrize("words", [(), ("--target", "soon"), ("--target", "30"), ("--target", "1.9")])
def test_a_target_that_is_none_or_not_known_is_a_usage_error(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert 16 == run("gate", "--root", str(healthy_root(tmp_path).path), *words).status


@pytest.mark.parametrize(
    ("told", "status", "opens"),
    [
        ({"storage-driver": "vfs"}, 0, "vfs"),
        ({"features": {"containerd-snapshotter": False}}, 0, ""),
        ({"features": {"containerd-snapshotter": True}}, 4, "containerd"),
        ({"storage-driver": "overlay2"}, 4, "overlay2"),
        ({"storage-driver": "aufs"}, 4, ""),
        ({}, 4, "containerd"),
    ],
)
def test_the_configuration_that_is_named_decides(tmp_path: Path, told: dict[str, object], status: int, opens: str) -> None:
    ended = gate(vfs_root(tmp_path), "29", "--daemon-json", daemon_json(tmp_path, **told), "--format", "json")
    assert (status, opens) == (ended.status, ended.report["gate"]["opens"])


@pytest.mark.parametrize("data", ["", "<html>", "[]", None])
def test_a_configuration_that_no_engine_takes_is_a_usage_error(tmp_path: Path, data: str | None) -> None:
    path = tmp_path / "daemon.json"
    if data is not None:
        path.write_text(data)
    assert 16 == gate(healthy_root(tmp_path), "29", "--daemon-json", str(path)).status


def test_the_answer_stands_in_the_report_and_its_schema(tmp_path: Path) -> None:
    told = gate(vfs_root(tmp_path), "29", "--daemon-json", daemon_json(tmp_path), "--format", "json").report
    jsonschema.validate(told, document.schema(), jsonschema.Draft202012Validator)
    assert {"target": "29.0", "decision": "blocked", "opens": "containerd"}.items() <= told["gate"].items()
    assert str(tmp_path / "daemon.json") == told["gate"]["settings"]


def test_a_check_has_no_answer_of_a_gate(tmp_path: Path) -> None:
    assert "gate" not in run("check", "--root", str(healthy_root(tmp_path).path), "--format", "json").report


@pytest.mark.parametrize("name", [name for name in reports.OWN if name not in {"text", "json"}])
def test_every_format_tells_what_stands_against_it(tmp_path: Path, name: str) -> None:
    ended = gate(vfs_root(tmp_path), "29", "--format", name)
    assert (4, True) == (
        ended.status,
        "upgrade-store-hidden" in ended.out or "CRITICAL" in ended.out or 'severity="critical"} 1' in ended.out,
    )


def test_a_rule_of_the_gate_cannot_be_chosen_elsewhere(tmp_path: Path) -> None:
    ended = run("check", "--root", str(healthy_root(tmp_path).path), "--rule", "upgrade-dtype")
    assert (16, True) == (ended.status, "docker-fsck gate" in ended.err)


def test_a_severity_that_is_wished_for_a_rule_of_the_gate_is_no_idle_wish_of_a_check(tmp_path: Path) -> None:
    settings = tmp_path / "config.toml"
    settings.write_text('severity = {upgrade-driver-removed = "error"}\n')
    told = run("check", "--root", str(healthy_root(tmp_path).path), "--config", str(settings), "--format", "json").report
    assert [] == told["notes"]


def test_quiet_says_nothing_where_it_passes_and_the_answer_where_not(tmp_path: Path) -> None:
    good, bad = healthy_root(tmp_path / "a"), vfs_root(tmp_path / "b")
    assert "" == gate(good, "29", "-q").out
    assert gate(bad, "29", "-q").out.startswith("gate 29.0: blocked")


def host(folder: Path, *, file: str | None = None, unit: str = "") -> roots.Places:
    """A host whose engine works on `folder`/docker."""
    path, service = folder / "etc.json", folder / "docker.service"
    if file is not None:
        path.write_text(file)
    service.write_text(f"[Service]\nExecStart=/usr/bin/dockerd {unit}\n")
    return roots.Places(
        daemon_json=str(path), proc=str(folder / "proc"), units=(str(service),), default=str(folder / "docker"), homes=()
    )


def known(folder: Path, places: roots.Places, root: str | None = None) -> Settings:
    config = load({} if root is None else {"root": root}, {}, "/dev/null")
    return engineconf.of_host(config, roots.choose(config, places), places)


def test_the_hosts_own_configuration_counts_for_its_own_root(tmp_path: Path) -> None:
    places = host(tmp_path, file='{"storage-driver": "vfs"}')
    assert ["vfs", "vfs"] == [known(tmp_path, places).driver, known(tmp_path, places, str(tmp_path / "docker")).driver]


def test_it_does_not_count_for_another_root(tmp_path: Path) -> None:
    assert Settings() == known(tmp_path, host(tmp_path, file='{"storage-driver": "vfs"}'), str(tmp_path / "copy"))


def test_the_units_command_line_counts_where_the_file_says_nothing(tmp_path: Path) -> None:
    found = known(tmp_path, host(tmp_path, unit="-s vfs --feature containerd-snapshotter=false"))
    assert ("vfs", False) == (found.driver, found.snapshotter)
    assert "docker.service" in found.origin


def test_a_broken_configuration_of_the_host_is_known_as_broken(tmp_path: Path) -> None:
    found = known(tmp_path, host(tmp_path, file=""), str(tmp_path / "docker"))
    assert (str(tmp_path / "etc.json"), "the file is empty") == (found.file, found.fault)


def test_the_key_beside_the_hosts_configuration_is_looked_at_for_its_own_root_alone(tmp_path: Path) -> None:
    places = host(tmp_path, file="{}")
    assert "" == known(tmp_path, places).key
    (tmp_path / "key.json").write_bytes(b"")
    assert f"{tmp_path}/key.json: the file is empty" == known(tmp_path, places).key
    assert "" == known(tmp_path, places, str(tmp_path / "copy")).key
    (tmp_path / "key.json").unlink()
    (tmp_path / "key.json").mkdir()
    assert f"{tmp_path}/key.json: is a directory" == known(tmp_path, places).key


def test_a_link_to_the_hosts_own_root_is_another_name_of_it(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "docker").symlink_to(tmp_path / "disk")
    found = known(tmp_path, host(tmp_path, file="{}"))
    assert (True, (str(tmp_path / "docker"),)) == (found.own, found.names)


def test_the_stream_has_the_answer(tmp_path: Path) -> None:
    ended = gate(healthy_root(tmp_path), "29.0", "--format", "jsonl")
    answers = [each for each in map(json.loads, ended.out.splitlines()) if each["type"] == "gate"]
    assert ["passed"] == [each["decision"] for each in answers]
