"""The swarm state of this node, `swarm/`: as far as its damage can be told; it is never changed (FC-51)."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from docker_fsck.boltread import Damaged, open_database, told
from docker_fsck.facts import Facts
from docker_fsck.reader import Reader
from docker_fsck.records import members, wal
from docker_fsck.records.gojson import respelt, strict, text
from docker_fsck.values import Trouble

BASE = "swarm"
NODE = f"{BASE}/docker-state.json"
REMOTES = f"{BASE}/state.json"
TASKS = f"{BASE}/worker/tasks.db"
ADDRESS = re.compile(r"[0-9A-Za-z.:_%\[\]-]*:\d+", re.ASCII)
WITH = {NODE: {"raft", "certificates", "worker"}, REMOTES: {"docker-state.json"}}
"""What lies beside a file only where it has to be there: a node that leaves its swarm keeps nothing."""
RAFT = f"{BASE}/raft"


class Swarm(msgspec.Struct, frozen=True):
    """What is wrong, by path. `member`: this node is or was in a swarm; `manager`: it keeps a copy of the cluster's state."""

    member: bool
    manager: bool
    faults: tuple[Trouble, ...] = ()


def read(reader: Reader) -> Swarm:
    """The state below swarm/."""
    names, raft = reader.names(BASE), reader.names(RAFT)
    member = isinstance(names, dict) and "docker-state.json" in names
    here = set(names) if isinstance(names, dict) else set()
    return Swarm(member, bool(raft) and isinstance(raft, dict), tuple(_faults(reader, here)))


def _faults(reader: Reader, names: set[str]) -> Iterator[Trouble]:
    for path in (NODE, REMOTES):
        data = reader.read(path)
        value = strict(data, path) if isinstance(data, bytes) else data
        if isinstance(value, Trouble) and (value.state != "absent" or not names.isdisjoint(WITH[path])):
            yield value
        elif not isinstance(value, Trouble) and (why := _misspelt(value)):
            yield Trouble(path, "wrong", why)
    tasks = told(TASKS, open_database(reader, TASKS))
    if isinstance(tasks, Damaged) or tasks.state in {"unreadable", "partial"}:
        yield Trouble(TASKS, "malformed", tasks.why or "")
    yield from _raft(reader)


def _misspelt(value: Any) -> str:  # noqa: ANN401 - JSON is any value
    """What in one of the two documents cannot be an address, nothing if all can."""
    for each in value if isinstance(value, list) else ():
        addr = text(each, "addr") if isinstance(each, dict) else None
        if not addr or not ADDRESS.fullmatch(addr):  # while the node joins there is no id yet
            return f"{each} is no manager of the swarm"
        for name, other in respelt(each, members.PEER):
            return f"{name} instead of {other}"
    for name, other in respelt(value, members.SWARM):
        return f"{name} instead of {other}"
    named = value if isinstance(value, dict) else {}
    wrong = [name for name in named if name.endswith("Addr") and not ADDRESS.fullmatch(f"{text(named, name)}:1")]
    return f"{wrong[0]} is no address" if wrong else ""


def _raft(reader: Reader) -> Iterator[Trouble]:
    """Logs and snapshots as far as their names and sizes tell; logs are preallocated."""
    names = reader.names(RAFT)
    for folder in names if isinstance(names, dict) else ():
        files = reader.names(f"{RAFT}/{folder}")
        held = files if isinstance(files, dict) else {}
        if folder.startswith("wal-") and not any(name.endswith(".wal") for name in held):
            yield Trouble(f"{RAFT}/{folder}", "absent", "there is no log in it")
        for name, kind in held.items():
            path = f"{RAFT}/{folder}/{name}"
            facts = reader.facts(path) if name.endswith((".wal", ".snap")) else None
            if isinstance(facts, Facts) and (kind != "file" or not facts.size):
                yield Trouble(path, "malformed", "the file is empty" if kind == "file" else f"a {kind} stands there")


def logs(reader: Reader) -> Iterator[Trouble]:
    """Logs of which a record does not have its checksum; what is in them is encrypted, the frames around it are not."""
    names = reader.names(RAFT)
    for folder in names if isinstance(names, dict) else ():
        files = reader.names(f"{RAFT}/{folder}")
        held = sorted(name for name in files if name.endswith(".wal")) if isinstance(files, dict) else []
        for name in held:
            path = f"{RAFT}/{folder}/{name}"
            data = reader.read(path)
            if isinstance(data, bytes) and data and (why := wal.fault(data, last=name == held[-1])):
                yield Trouble(path, "malformed", why)
