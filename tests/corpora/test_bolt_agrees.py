"""What the bolt files of a capture hold is what its engine said: volumes, networks, build cache."""

import json
from typing import Any

import databases
import pytest
import unpacking

from docker_fsck import bolt

pytestmark = pytest.mark.skipif(not unpacking.archive(unpacking.CLEAN[0]).exists(), reason="a source distribution has no corpora")
GRAPH = unpacking.CLEAN
ROOT = unpacking.DATA_ROOT


def bucket(name: str, path: str, *inside: str) -> dict[bytes, Any]:
    if lack := databases.lacks(name):
        pytest.skip(lack)
    found = bolt.open_bytes(databases.databases(name)[f"{ROOT}/{path}"]).root.bucket(*(each.encode() for each in inside))
    assert found is not None
    return dict(found.items())


@pytest.mark.parametrize("name", [*GRAPH, unpacking.CONTAINERD])
def test_the_volumes_are_those_that_the_engine_listed(name: str) -> None:
    said = {
        each["Name"]: (each["Driver"], each["Labels"] or {}, each["Options"] or {})
        for each in unpacking.report(name)["volume_inspect"]
    }
    held = {}
    for key, value in bucket(name, "volumes/metadata.db", "volumes").items():
        row = json.loads(value)
        assert key.decode() == row["Name"]
        held[row["Name"]] = (row["Driver"], row["Labels"] or {}, row["Options"] or {})
    assert said == held


@pytest.mark.parametrize("name", [*GRAPH, unpacking.CONTAINERD])
def test_the_networks_are_those_that_the_engine_listed(name: str) -> None:
    said = {(each["ID"], each["Name"], each["Driver"]) for each in unpacking.report(name)["networks"]}
    held = set()
    for key, value in bucket(name, "network/files/local-kv.db", "libnetwork").items():
        if key.startswith(b"docker/network/v1.0/network/"):
            row = json.loads(value[8:])  # behind the eight bytes of an index
            held.add((row["id"], row["name"], row["networkType"]))
    assert said == held


@pytest.mark.parametrize("name", GRAPH)
def test_the_records_of_the_build_cache_are_those_that_the_engine_listed(name: str) -> None:
    held = bucket(name, "buildkit/metadata_v2.db", "_main")
    said = {each["ID"]: each for each in unpacking.report(name)["buildx_du"]}
    leases = bucket(name, "buildkit/containerdmeta.db", "v1", "buildkit", "leases")
    parents_told = any(row["Parents"] for row in said.values())
    assert parents_told or name.startswith("docker20.10")  # whose client was not told of parents
    assert said.keys() <= {key.decode() for key in held}
    for ident, row in said.items():
        fields = {
            key.decode(): json.loads(value)["value"]
            for key, value in held[ident.encode()].items()
            if value and key != b"cache-dir"
        }
        assert (row["Description"], row["UsageCount"]) == (fields["cache.description"], fields["cache.usageCount"])
        assert row["Type"] == fields.get("cache.recordType", "regular")
        if parents_told:
            assert (row["Parents"] or [""])[0] == fields.get("cache.parent", "")
        assert ident.encode() in leases
