"""The swarm state of this node, `swarm/`: as far as its damage can be told; it is never changed (FC-51)."""

from collections.abc import Iterator

import msgspec

from docker_fsck.boltread import Damaged, open_database, told
from docker_fsck.facts import Facts
from docker_fsck.reader import Reader
from docker_fsck.records.gojson import strict
from docker_fsck.values import Trouble

BASE = "swarm"
NODE = f"{BASE}/docker-state.json"
REMOTES = f"{BASE}/state.json"
TASKS = f"{BASE}/worker/tasks.db"
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
    return Swarm(member, bool(raft) and isinstance(raft, dict), tuple(_faults(reader)))


def _faults(reader: Reader) -> Iterator[Trouble]:
    for path in (NODE, REMOTES):
        data = reader.read(path)
        value = strict(data, path) if isinstance(data, bytes) else data
        if isinstance(value, Trouble) and value.state != "absent":
            yield value
    tasks = told(TASKS, open_database(reader, TASKS))
    if isinstance(tasks, Damaged) or tasks.state in {"unreadable", "partial"}:
        yield Trouble(TASKS, "malformed", tasks.why or "")
    yield from _raft(reader)


def _raft(reader: Reader) -> Iterator[Trouble]:
    """Logs and snapshots of 0 bytes: they are encrypted, so that nothing else can be told; logs are preallocated."""
    names = reader.names(RAFT)
    for folder in names if isinstance(names, dict) else ():
        files = reader.names(f"{RAFT}/{folder}")
        for name in files if isinstance(files, dict) else ():
            path = f"{RAFT}/{folder}/{name}"
            facts = reader.facts(path) if name.endswith((".wal", ".snap")) else None
            if isinstance(facts, Facts) and facts.kind == "file" and not facts.size:
                yield Trouble(path, "malformed", "the file is empty")
