"""Volumes, networks, plugins and the engine's own state: what the engine says of their damage, and of what was mended."""

import json
import subprocess
from pathlib import Path

import pytest

from docker_fsck.testing import tree
from dockerd import Engine
from repairkit import Stock, Told, apply, explains, fsck, mended, refusal, state, survey, told

pytestmark = pytest.mark.parametrize("driver", ["overlay2"], indirect=True)
TMPFS = ("-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m")
VOLUMES, NETWORKS = "volumes/metadata.db", "network/files/local-kv.db"
META = "containerd/daemon/io.containerd.metadata.v1.bolt/meta.db"
UUID = "containerd/daemon/io.containerd.grpc.v1.introspection/uuid"
PLUGIN = "a" * 64


def prepared(stock: Stock, *commands: tuple[str, ...]) -> None:
    """Let the engine do these commands, and stop it."""
    stock.engine.start()
    for words in commands:
        stock.engine.docker(*words)
    stock.engine.stop()
    assert [] == told(survey(stock.root))


def without_metas(path: Path) -> None:
    """Both metas of a database are gone."""
    path.write_bytes(bytes(8192) + path.read_bytes()[8192:])


def whole_after(stock: Stock) -> None:
    """The engine starts on the root and has all that it had; what it leaves is clean."""
    stock.engine.start()
    assert stock.state == state(stock.engine)
    stock.engine.stop()
    assert [] == told(survey(stock.root))


@pytest.mark.parametrize("data", [b"", b'{"MountType":"tm', bytes(90), b'{"MountType":5}', b"{}{}", b'{"Quota":{"Size":-1}}'])
def test_options_that_cannot_be_read_keep_the_engine_down_and_come_back_byte_by_byte(stock: Stock, data: bytes) -> None:
    prepared(stock, ("volume", "create", *TMPFS, "mounted"))
    path = stock.root / "volumes/mounted/opts.json"
    before = path.read_bytes()
    path.write_bytes(data)
    words = stock.engine.start_fails()
    assert "error while unmarshaling volume options for volume: mounted" in words
    found = survey(stock.root)
    assert [Told("volume-opts-corrupt", "volume mounted", severity="critical", mend="lossless")] == told(found)
    with mended(stock, "lossless"):
        assert before == path.read_bytes()
        stock.engine.start()
        shown = json.loads(stock.engine.docker("volume", "inspect", "mounted").stdout)[0]
        assert {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"} == shown["Options"]
        stock.engine.stop()


def test_lost_options_mount_a_plain_folder_without_a_word_and_come_back(stock: Stock) -> None:
    prepared(stock, ("volume", "create", *TMPFS, "mounted"))
    path = stock.root / "volumes/mounted/opts.json"
    before = path.read_bytes()
    path.unlink()
    assert [Told("volume-opts-corrupt", "volume mounted", mend="lossless")] == told(survey(stock.root))
    with mended(stock, "lossless"):
        assert before == path.read_bytes()
        stock.engine.start()
        fs = stock.engine.docker("run", "--rm", "--network", "none", "-v", "mounted:/m", "lone:1", "sh", "-c", "cat /proc/mounts")
        assert "tmpfs /m tmpfs" in fs.stdout
        stock.engine.stop()


@pytest.mark.parametrize("data", [b"null", b"{}"])
def test_options_that_say_nothing_are_no_fault_to_the_engine_either(stock: Stock, data: bytes) -> None:
    (stock.root / "volumes/kept/opts.json").write_bytes(data)
    assert [] == told(survey(stock.root))
    whole_after(stock)


@pytest.mark.parametrize(
    ("path", "rule", "words"),
    [
        (VOLUMES, "volume-db-unreadable", "error while opening volume store metadata database: invalid database"),
        (NETWORKS, "network-db-unreadable", "Error initializing network controller: error obtaining controller instance"),
        (META, "containerd-db-unreadable", "unknown service containerd.services.namespaces.v1.Namespaces: not implemented"),
    ],
)
def test_a_damaged_database_keeps_the_engine_down_and_is_set_aside(stock: Stock, path: str, rule: str, words: str) -> None:
    without_metas(stock.root / path)
    said = stock.engine.start_fails()
    assert words in said
    found = survey(stock.root)
    assert [Told(rule, f"file {path}", severity="critical", mend="lossy")] == told(found)
    assert explains(found, rule, said)
    with mended(stock, "lossy"):
        assert not (stock.root / path).exists()
        whole_after(stock)


def test_the_commands_of_the_plan_make_a_lost_network_again(stock: Stock) -> None:
    create = ("network", "create", "--subnet", "10.99.7.0/24", "--label", "k=v w", "--attachable", "front")
    prepared(stock, create)
    without_metas(stock.root / NETWORKS)
    (action,) = survey(stock.root).report["plan"]["actions"]
    (command,) = (line.partition("docker network create ")[2] for line in action["next"])
    with mended(stock, "lossy"):
        stock.engine.start()
        assert "front" not in stock.engine.docker("network", "ls", "--format", "{{.Name}}").stdout.split()
        words = ["docker", "-H", f"unix://{stock.engine.socket}", "network", "create"]
        subprocess.run(["sh", "-c", f"{' '.join(words)} {command}"], check=True, capture_output=True)
        made = json.loads(stock.engine.docker("network", "inspect", "front").stdout)[0]
        assert ("10.99.7.0/24", {"k": "v w"}, True) == (made["IPAM"]["Config"][0]["Subnet"], made["Labels"], made["Attachable"])
        stock.engine.docker("network", "rm", "front")
        stock.engine.stop()


@pytest.mark.parametrize("name", ["docker-state.json", "state.json"])
def test_swarm_state_that_cannot_be_read_keeps_the_engine_down_and_is_left_alone(stock: Stock, name: str) -> None:
    prepared(stock, ("swarm", "init", "--advertise-addr", "127.0.0.1"))
    (stock.root / "swarm" / name).write_bytes(b"")
    said = stock.engine.start_fails()
    found = survey(stock.root)
    assert [Told("swarm-state", f"file swarm/{name}", severity="critical")] == told(found)
    assert explains(found, "swarm-state", said)
    before = tree.snapshot(stock.root)
    done = apply(stock.root, "lossless,reclaim,lossy")
    assert (4, {}) == (done.exit, tree.changes(before, tree.snapshot(stock.root)))


def test_a_damaged_task_database_stops_the_swarm_and_not_the_engine(stock: Stock) -> None:
    prepared(stock, ("swarm", "init", "--advertise-addr", "127.0.0.1"))
    without_metas(stock.root / "swarm/worker/tasks.db")
    found = survey(stock.root)
    assert [Told("swarm-state", "file swarm/worker/tasks.db")] == told(found)
    stock.engine.start()
    assert explains(found, "swarm-state", stock.engine.log_text())
    assert "error invalid database" in stock.engine.docker("info", "-f", "{{.Swarm.LocalNodeState}} {{.Swarm.Error}}").stdout


@pytest.mark.parametrize("config", [None, b"", b"{"])
def test_a_plugin_without_config_is_passed_over_and_put_away(stock: Stock, config: bytes | None) -> None:
    folder = stock.root / "plugins" / PLUGIN
    folder.mkdir()
    if config is not None:
        (folder / "config.json").write_bytes(config)
    found = survey(stock.root)
    assert [Told("plugin-config-damaged", f"plugin {PLUGIN}", mend="lossy")] == told(found)
    stock.engine.start()
    assert explains(found, "plugin-config-damaged", stock.engine.log_text())
    stock.engine.stop()
    with mended(stock, "lossy"):
        whole_after(stock)


def test_what_no_start_takes_away_is_reclaimed(stock: Stock) -> None:
    left = [f"plugins/{PLUGIN}-removing", "plugins/tmp/.rootfs12", "tmp-old"]
    for path in left:
        (stock.root / path).mkdir()
        (stock.root / path / "file").write_bytes(b"x")
    stock.engine.start()
    assert "Deleting synchronously" in stock.engine.log_text()
    stock.engine.stop()
    assert left == [path for path in left if (stock.root / path / "file").exists()]
    assert {f"file {path}" for path in left} == {each.subject for each in told(survey(stock.root)) if each.mend == "reclaim"}
    with mended(stock, "reclaim"):
        whole_after(stock)


def test_an_empty_uuid_breaks_ctr_until_it_is_set_aside(stock: Stock) -> None:
    path = stock.root / UUID
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"")
    stock.engine.start()
    assert "invalid UUID length: 0" in ctr(stock.engine).stderr
    stock.engine.stop()
    assert [Told("containerd-uuid", f"file {UUID}", mend="lossy")] == told(survey(stock.root))
    with mended(stock, "lossy"):
        stock.engine.start()
        assert 0 == ctr(stock.engine).returncode
        assert 36 == path.stat().st_size
        stock.engine.stop()


def ctr(engine: Engine) -> "subprocess.CompletedProcess[str]":
    """Ask the engine's containerd for its version."""
    address = str(engine.runtime / "x/containerd/containerd.sock")
    return subprocess.run(["ctr", "-a", address, "version"], check=False, capture_output=True, text=True)


def marked_dead(stock: Stock, name: str) -> Path:
    """The removal of a container has begun."""
    path = stock.root / "containers" / stock.ids[name] / "config.v2.json"
    document = json.loads(path.read_bytes())
    document["State"]["Dead"] = True
    path.write_text(json.dumps(document))
    return path


def test_a_dead_container_cannot_be_started_and_goes_with_consent_alone(stock: Stock) -> None:
    marked_dead(stock, "worker")
    stock.engine.start()
    assert "dead" == stock.engine.ps()["worker"]
    said = refusal(stock.engine, "start", "worker")
    stock.engine.stop()
    found = survey(stock.root)
    assert [stock.of("container-dead", f"container {stock.ids['worker']}", "worker", severity="warning", mend="")] == told(found)
    assert explains(found, "container-dead", said)
    words = ("apply", "--class", "lossy", "--consent", stock.ids["worker"], "--yes", "--grace", "0s")
    assert 1 == fsck(stock.root, *words).exit
    stock.engine.start()
    assert stock.state.without("worker") == state(stock.engine)
    stock.engine.stop()
    assert [] == told(survey(stock.root))


def hide(stock: Stock) -> None:
    """The container with the volumes is hidden."""
    (stock.root / "containers" / stock.ids["exited"] / "hostconfig.json").write_bytes(b"")


def test_a_prune_really_takes_the_volumes_that_the_finding_names(stock: Stock) -> None:
    hide(stock)
    (hazard,) = (each for each in survey(stock.root).report["findings"] if each["rule"] == "prune-hazard")
    named = set(hazard["impact"]["volumes"])
    assert ("critical", [stock.ids["exited"]]) == (hazard["severity"], hazard["impact"]["containers"])
    assert named == set(stock.state.volumes)
    stock.engine.start()
    assert "exited" not in stock.engine.ps()
    stock.engine.docker("volume", "prune", "-f")
    assert set() == stock.engine.volumes() & named
    stock.engine.stop()
    assert {f"volume {name}" for name in named} == {
        each.subject for each in told(survey(stock.root)) if each.rule == "container-volume-missing"
    }


def test_of_two_containers_with_one_name_the_engine_hides_one(stock: Stock) -> None:
    path = stock.root / "containers" / stock.ids["twin"] / "config.v2.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"Name": "/worker"}))
    found = survey(stock.root)
    assert ["container-name-duplicate"] == [each.rule for each in told(found)]
    stock.engine.start()
    assert 1 == list(stock.engine.ps()).count("worker")
    assert explains(found, "container-name-duplicate", stock.engine.log_text())
