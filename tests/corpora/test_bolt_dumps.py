"""The reader of bolt files against bbolt itself (tests/golden/bolt): equal content on every real database, no kinder to a damaged one."""

import base64
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import databases
import pytest
import unpacking
import zstandard
from databases import mutated

from docker_fsck import bolt

GOLDEN = Path(__file__).parents[1] / "golden" / "bolt"
LONG = 48

pytestmark = pytest.mark.skipif(not unpacking.archive(unpacking.CLEAN[0]).exists(), reason="a source distribution has no corpora")


def golden(name: str) -> Any:
    return json.loads(zstandard.ZstdDecompressor().decompress((GOLDEN / f"{name}.json.zst").read_bytes()))


def held(name: str) -> dict[str, bytes]:
    if lack := databases.lacks(name):
        pytest.skip(lack)
    return databases.databases(name)


def told(data: bytes) -> str:
    """Keys and values as boltsays.go tells them."""
    return base64.b64encode(data).decode() if len(data) < LONG else f"{len(data)}:{hashlib.sha256(data).hexdigest()}"


def content(bucket: bolt.Bucket) -> dict[str, Any]:
    items = [[told(key), content(value) if isinstance(value, bolt.Bucket) else told(value)] for key, value in bucket.items()]
    return {"sequence": bucket.sequence, "items": items}


@pytest.mark.parametrize("name", databases.ALL)
def test_each_database_reads_as_bbolt_reads_it_bucket_by_bucket(name: str) -> None:
    expected, found = golden(name), held(name)
    assert list(expected) == list(found)
    for path, data in found.items():
        read = bolt.open_bytes(data)
        assert expected[path] == {
            "sha256": hashlib.sha256(data).hexdigest(),
            "page_size": read.page_size,
            "txid": read.txid,
            "problems": bolt.check(data),
            "root": content(read.root),
        }
        assert ((), False) == (read.problems, read.torn)


@pytest.mark.parametrize("name", databases.ALL)
def test_each_key_is_found_by_itself(name: str) -> None:
    def walk(bucket: bolt.Bucket) -> None:
        for key, value in bucket.items():
            found = bucket.get(key)
            if isinstance(value, bolt.Bucket):
                assert isinstance(found, bolt.Bucket)
                walk(value)
            else:
                assert value == found

    for data in held(name).values():
        walk(bolt.open_bytes(data).root)


def ours(data: bytes) -> tuple[str, str]:
    """What `check` says, and whether an owner would be content with what `open_bytes` gives."""
    try:
        owner = "bad" if bolt.open_bytes(data).problems else "ok"
    except bolt.BoltError:
        owner = "bad"
    return "bad" if bolt.check(data) else "ok", owner


def test_no_damage_that_bbolt_check_finds_is_missed() -> None:
    rows = golden("verdicts")
    found = {number: (check, *ours(mutated(number))) for number, (_, check, _) in enumerate(rows)}
    assert [digest for digest, *_ in rows] == [databases.digest(mutated(number)) for number in range(len(rows))]
    assert [] == [number for number, (theirs, own, _) in found.items() if theirs != "ok" and own == "ok"]
    assert {"ok", "bad", "panic"} <= {check for _, check, _ in rows}


def test_what_an_owner_stumbles_over_is_never_called_whole() -> None:
    rows = golden("verdicts")
    missed = [number for number, (_, _, owner) in enumerate(rows) if owner != "ok" and ours(mutated(number))[1] == "ok"]
    assert [] == missed


def test_most_of_the_damaged_are_damaged_and_some_are_not() -> None:
    """So neither verdict is given blindly."""
    rows = golden("verdicts")
    both = Counter((check, ours(mutated(number))[0]) for number, (_, check, _) in enumerate(rows))
    assert both["ok", "ok"] > 50
    assert both["ok", "bad"] < both["bad", "bad"] + both["panic", "bad"]
