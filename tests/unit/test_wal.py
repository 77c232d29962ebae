"""Logs of a swarm manager: every record has a checksum over all before it."""

import pytest

from docker_fsck.records import wal
from docker_fsck.testing.others import log

WHOLE = log(b"of the node", b"encrypted", b"state", b"snapshot")


@pytest.mark.parametrize("data", [WHOLE, WHOLE.ljust(4096, b"\0"), log()], ids=["as it is", "preallocated", "just begun"])
def test_a_whole_log_has_no_fault(data: bytes) -> None:
    assert "" == wal.fault(data)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (bytes(4096), "it has no records"),
        (b"\xff" * 64, "record 1"),
        (WHOLE[:-9], "record 5"),
        (WHOLE + b"noise", "record 6"),
        (WHOLE.replace(b"encrypted", b"encrypteD"), "record 3"),
        (log(b"of the node")[:16] + WHOLE[40:], "record"),
    ],
    ids=["zero", "noise", "cut", "something behind it", "another bit", "a record is missing"],
)
def test_a_damaged_log_is_told(data: bytes, fault: str) -> None:
    assert wal.fault(data).startswith(fault)


LONG = log(b"of the node", b"encrypted" * 400)


@pytest.mark.parametrize("data", [LONG[:-9], LONG[:1024].ljust(len(LONG), b"\0") + bytes(2048)], ids=["cut", "unwritten"])
def test_a_torn_end_is_repaired_by_the_engine_in_the_last_file_alone(data: bytes) -> None:
    assert ("", True) == (wal.fault(data, last=True), bool(wal.fault(data)))


def test_what_is_damaged_before_the_end_is_told_in_the_last_file_too() -> None:
    assert wal.fault(WHOLE.replace(b"encrypted", b"encrypteD"), last=True)


@pytest.mark.parametrize("end", [9, 20, 60], ids=["checksum", "metadata", "metadata but for its end"])
def test_the_begin_of_a_file_is_never_torn(end: int) -> None:
    begin = log(b"of the node" * 8)
    assert end < len(begin)
    assert wal.fault(begin[:end], last=True)


@pytest.mark.parametrize(("length", "torn"), [(wal.LIMIT - 8, True), (wal.LIMIT, False), (wal.LIMIT << 8, False)])
def test_a_length_that_the_engine_does_not_read_is_no_torn_end(length: int, torn: bool) -> None:
    assert torn == (not wal.fault(log(b"of the node") + length.to_bytes(8, "little") + b"\x08\x02", last=True))


def test_a_number_without_an_end_costs_nothing() -> None:
    size = 1 << 20
    assert wal.fault((size).to_bytes(8, "little") + b"\xff" * size)


def test_each_bit_of_the_data_and_of_its_checksum_counts() -> None:
    start = WHOLE.index(b"encrypted")
    for bit in range(8 * start, 8 * (start + len(b"encrypted"))):
        changed = bytearray(WHOLE)
        changed[bit // 8] ^= 1 << bit % 8
        assert wal.fault(bytes(changed))
