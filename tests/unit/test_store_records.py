"""Volumes, networks, plugins and the engine's own state as values (classic-store 11): what is parsed, and what is a trouble."""

import json
from pathlib import Path

import pytest

from docker_fsck.reader import Reader
from docker_fsck.records import containerd, containers, nested, networks, plugindirs, volumes
from docker_fsck.testing.builder import DataRoot
from docker_fsck.values import Trouble


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ("10m", 10 << 20),
        ("1.5G", 3 << 29),
        ("7", 7),
        ("2kib", 2048),
        ("1 TB", 1 << 40),
        ("", 0),
        ("m", None),
        ("1.2.3k", None),
        ("-1", None),
    ],
)
def test_a_quota_is_a_number_with_a_binary_unit(given: str, size: int | None) -> None:
    assert size == volumes.quota(given)


@pytest.mark.parametrize("data", [b"null", b"{}", b' {"Quota":null} ', b'{"mounttype":""}'])
def test_options_that_say_nothing_are_none(data: bytes) -> None:
    assert volumes.Options() == volumes.parse_opts(data, "p")


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"7", b"{}x", b'{"MountOpts":[]}', b'{"Quota":{"Size":1.5}}', b'{"Quota":{"Size":18446744073709551616}}']
)
def test_options_that_the_engine_rejects_are_a_trouble(data: bytes) -> None:
    found = volumes.parse_opts(data, "p")
    assert isinstance(found, Trouble)
    assert "malformed" == found.state


def test_the_text_of_options_is_read_back_as_the_same() -> None:
    made = volumes.rebuilt({"type": "nfs", "device": ":/a<b>&c", "o": "addr=x,é", "size": "1k"})
    assert made == volumes.Options("nfs", "addr=x,é", ":/a<b>&c", 1024)
    assert made == volumes.parse_opts(made.text().encode(), "p")
    assert volumes.rebuilt({"colour": "red"}) is None


def test_volumes_and_their_records_come_together(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root")
    root.volume("one", labels={"a": "b"}, options={"type": "tmpfs", "device": "tmpfs"})
    root.volume("two")
    root.delete("volumes/two/_data")
    root.link_to("volumes/two/_data", "/srv")
    root.write("volumes/notes.txt", b"x")
    with Reader(str(root.path)) as reader:
        table = volumes.read(reader)
    one, two = table.volumes["one"], table.volumes["two"]
    assert ("dir", volumes.Options("tmpfs", "", "tmpfs")) == (one.data, one.opts)
    assert volumes.Record("one", "local", {"a": "b"}, {"type": "tmpfs", "device": "tmpfs"}) == one.record
    assert ("link", "/srv", None) == (two.data, two.target, two.opts)
    assert ({"one", "two"}, "read", True) == (table.volumes.keys(), table.database.state, table.complete)
    assert "volumes/notes.txt" in table.foreign


def test_networks_of_a_database_are_told_with_their_ends(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root")
    front = root.network("front", subnet="192.0.2.0/24", bridge="br-x", labels={"k": "v"})
    sandbox = root.endpoint(front, "c" * 64)
    with Reader(str(root.path)) as reader:
        table = networks.read(reader)
        found = networks.salvage(reader.read(networks.DATABASE))  # type: ignore[arg-type]
    assert {"none", "host", "front"} == {each.name for each in table.networks.values()}
    assert ("bridge", "br-x", (networks.Pool("192.0.2.0/24"),)) == (
        table.networks[front].driver, table.networks[front].bridge, table.networks[front].pools,
    )  # fmt: skip
    assert [(front, sandbox)] == [(each.network, each.sandbox) for each in table.endpoints.values()]
    assert {sandbox: "c" * 64} == {key: each.container for key, each in table.sandboxes.items()}
    assert ["front"] == [each.name for each in found if each.made_by_user]


def test_a_subnet_that_was_given_and_not_asked_for_is_taken_too() -> None:
    data = json.dumps({"Pool": "172.18.0.0/16", "Gateway": "172.18.0.1/16"})
    found = networks.network({"name": "n", "id": "i", "ipamV4Info": json.dumps([{"IPAMData": data}])})
    assert (networks.Pool("172.18.0.0/16", "172.18.0.1"),) == found.pools


def test_plugins_and_what_they_left(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root")
    good, bad = root.plugin("vendor/good:1"), root.plugin()
    root.write(f"plugins/{bad}/config.json", b"[]")
    root.make_dir(f"plugins/{bad}/rootfs-old")
    root.make_dir(f"plugins/{'d' * 64}-removing")
    root.make_dir("plugins/tmp/.rootfs1")
    with Reader(str(root.path)) as reader:
        table = plugindirs.read(reader)
    assert ("vendor/good:1", None, frozenset({"rootfs"})) == (
        table.plugins[good].name, table.plugins[good].fault, table.plugins[good].full,
    )  # fmt: skip
    assert table.plugins[bad].fault
    assert ((f"plugins/{'d' * 64}-removing",), ("plugins/tmp/.rootfs1",)) == (table.removing, table.scratch)


@pytest.mark.parametrize(
    ("driver", "is_one"), [("overlayfs", True), ("native", True), ("overlay2", False), ("", False), ("vendor/plugin:1", False)]
)
def test_a_snapshotter_is_no_graph_driver(driver: str, is_one: bool) -> None:
    assert is_one is containerd.snapshotted(driver)


def test_without_a_containerd_there_is_no_image_store(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root")
    with Reader(str(root.path)) as reader:
        found = containerd.read(reader, containers.read(reader))
    assert ("absent", False, None) == (found.meta.state, found.image_store, found.uuid)


def test_a_folder_is_a_root_only_with_a_store_in_it(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root")
    DataRoot(root.path / "100000.100000")
    root.make_dir("7.7")
    root.make_dir("backup/image")
    with Reader(str(root.path)) as reader:
        assert ("100000.100000",) == nested.read(reader)
