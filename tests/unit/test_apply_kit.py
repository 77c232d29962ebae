"""Small trees, plans made by hand and a host where nothing runs, for the tests of apply; and the proof that they see damage."""

import hashlib
import os
import signal
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import Struct, structs

from docker_fsck.apply.executor import execute
from docker_fsck.apply.site import Applied, Event, Site
from docker_fsck.values import Action, ActionClass, Guard, MakeDir, Plan, PutAway, Relink, SetMeta, Step, WriteFile, spell

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
TXN = "20240506T070809Z-ab12"
OLD = 1_500_000_000_000_000_000
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: changes owners, attributes or mounts")


class FakeLock(Struct):
    """A lock that never fails."""

    guarded: bool = True


class FakeView(Struct):
    """What the host would say."""

    state: str = "stopped"
    why: str = "no process uses this data root"
    held: frozenset[str] = frozenset()


def site_of(
    root: Path, *, held: frozenset[str] = frozenset(), guarded: bool = True, watch: Callable[[Event], None] | None = None
) -> Site:
    """The root on a host where nothing runs, without waiting."""

    @contextmanager
    def hold(_: str) -> Iterator[FakeLock]:
        yield FakeLock(guarded)

    return Site(
        root=str(root), hold=hold, engine_processes=lambda _: (), look=lambda _: FakeView(held=held),
        watch=watch or (lambda _: None), settle=0.0, sleep=lambda _: None,
    )  # fmt: skip


def guard_of(root: Path, path: str) -> Guard:
    """The guard that a planner would make for `path` as it is now."""
    shown, coded = spell(path)
    try:
        facts = os.lstat(root / path)
    except (FileNotFoundError, NotADirectoryError):
        return Guard(path=shown, path_b64=coded, absent=True)
    digest = hashlib.sha256((root / path).read_bytes()).hexdigest() if stat.S_ISREG(facts.st_mode) else None
    return Guard(
        path=shown,
        path_b64=coded,
        dev=facts.st_dev,
        ino=facts.st_ino,
        ctime_ns=facts.st_ctime_ns,
        size=facts.st_size,
        sha256=digest,
    )


def plan_of(root: Path, *groups: tuple[Step, ...]) -> Plan:
    """A plan with one action for each group; the steps get their numbers in the order of their ranks."""
    order = sorted((step.rank, at, place) for at, group in enumerate(groups) for place, step in enumerate(group))
    number = {(at, place): n for n, (_, at, place) in enumerate(order)}
    actions = []
    for at, group in enumerate(groups):
        steps = tuple(structs.replace(step, n=number[at, place]) for place, step in enumerate(group))
        pre = tuple(guard_of(root, step.raw) for step in steps)
        actions.append(Action(id=f"a{at}", cls=ActionClass.RECLAIM, does="test", steps=steps, pre=pre, bytes=4096))
    return Plan(digest="sha256:0", actions=tuple(actions))


def apply(root: Path, *groups: tuple[Step, ...], site: Site | None = None, txn: str = TXN) -> Applied:
    """Plan and apply."""
    return execute(plan_of(root, *groups), site or site_of(root), txn=txn, now=NOW)


def put(root: Path, path: str, data: bytes = b"data", mode: int = 0o640) -> Path:
    """A file with its folders."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    file.chmod(mode)
    return file


def make_root(top: Path) -> Path:
    """A small tree with what a data root has: links, hard links, odd modes and owners, attributes, old times, odd names."""
    root = top / "root"
    for n in range(8):
        put(root, f"overlay2/id{n}/diff/bin/sh", b"#!" * n, 0o4755)
        put(root, f"overlay2/id{n}/link", f"LINK{n}".encode())
        (root / "overlay2/l").mkdir(exist_ok=True)
        (root / f"overlay2/l/LINK{n}").symlink_to(f"../id{n}/diff")
        put(root, f"image/overlay2/layerdb/sha256/chain{n}/cache-id", f"id{n}".encode(), 0o600)
    put(root, "image/overlay2/repositories.json", b'{"Repositories":{}}', 0o600)
    put(root, "image/overlay2/layerdb/mounts/m1/mount-id", b"id6")
    os.link(root / "overlay2/id0/link", root / "overlay2/id0/link-again")
    put(root, "containers/c1/config.v2.json", b"{}")
    put(root, "containers/c2/config.v2.json", b"{}")
    put(root, os.fsdecode(b"overlay2/odd\xff\nname/link"), b"ODD")
    os.mkfifo(root / "overlay2/id1/pipe")
    os.setxattr(root / "overlay2/id3", "user.test", b"kept")
    os.setxattr(root / "image/overlay2/repositories.json", "user.test", b"kept too")
    for at, (folder, _, names) in enumerate(os.walk(root, topdown=False)):
        for name in names:
            os.utime(Path(folder, name), ns=(OLD, OLD + at), follow_symlinks=False)
        os.utime(folder, ns=(OLD, OLD + 1000 + at))
    return root


def mixed(root: Path) -> tuple[tuple[Step, ...], ...]:
    """Thirty-odd steps of every kind over `make_root`: among them new folders with files, a folder replaced by a file."""
    odd, coded = spell(os.fsdecode(b"overlay2/odd\xff\nname"))
    lossless = (
        (WriteFile(path="image/overlay2/repositories.json", data=b'{"Repositories":{"a":{}}}', mode=0o600),),
        (
            MakeDir(path="image/overlay2/layerdb/mounts/m2", mode=0o700),
            WriteFile(path="image/overlay2/layerdb/mounts/m2/mount-id", data=b"id7"),
            WriteFile(path="image/overlay2/layerdb/mounts/m2/parent", data=b"sha256:chain7"),
        ),
        (Relink(path="overlay2/l/LINK2", target="../id2/other"), Relink(path="overlay2/l/NEW", target="../id3/diff")),
        (WriteFile(path="overlay2/id0/link", data=b"CHANGED", mode=0o644), WriteFile(path="overlay2/id0/lower", data=b"l/NEW")),
        (SetMeta(path="overlay2/id2/diff/bin/sh", mode=0o600, mtime_ns=OLD + 5), SetMeta(path="overlay2/id3", mode=0o711)),
        (WriteFile(path="overlay2/id4/diff", data=b"a file now"), Relink(path="overlay2/id5/diff", target="elsewhere")),
        (MakeDir(path="overlay2/id6/work", mode=0o700), MakeDir(path="overlay2/id6/work/work", mode=0)),
        (Relink(path="overlay2/id1/pipe", target="pipe-no-more"),),
    )
    chains = tuple(
        (
            PutAway(path=f"image/overlay2/layerdb/sha256/chain{n}", rank=5), PutAway(path=f"overlay2/l/LINK{n}", rank=6),
            PutAway(path=f"overlay2/id{n}", rank=7),
        )
        for n in (0, 1, 4)
    )  # fmt: skip
    more = (
        (PutAway(path="containers/c1", rank=3), PutAway(path="image/overlay2/layerdb/mounts/m1", rank=4)),
        (PutAway(path="overlay2/id7/link", rank=6), PutAway(path="overlay2/id7", rank=7)),
        (PutAway(path=odd, path_b64=coded, rank=8), PutAway(path="containers/c2/config.v2.json", rank=8)),
    )
    assert os.path.isdir(root / "overlay2/id7")
    return (*lossless, *chains, *more)


def snapshot(root: Path, *, inodes: bool = True, times: bool = True) -> dict[str, tuple[object, ...]]:
    """Everything that undo must bring back, by path; the quarantine, ctimes and the root's own link count excepted."""
    found: dict[str, tuple[object, ...]] = {}
    for folder, folders, names in os.walk(root):
        if folder == str(root) and ".docker-fsck" in folders:
            folders.remove(".docker-fsck")
        for path in [Path(folder), *(Path(folder, name) for name in names), *(Path(folder, name) for name in folders)]:
            facts = path.lstat()
            kind = stat.S_IFMT(facts.st_mode)
            body: object = None
            if kind == stat.S_IFREG:
                body = path.read_bytes()
            elif kind == stat.S_IFLNK:
                body = os.readlink(path)
            attributes = {
                name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)
            }
            links = facts.st_nlink if path != root else 0
            size = facts.st_size if kind == stat.S_IFREG else 0
            found[os.path.relpath(path, root)] = (
                facts.st_mode, facts.st_uid, facts.st_gid, links, size, body, attributes,
                facts.st_mtime_ns if times else 0, facts.st_ino if inodes else 0,
            )  # fmt: skip
    return found


def shape(root: Path) -> dict[str, tuple[object, ...]]:
    """What a finished apply must bring about, however often it was killed: all but times and inodes."""
    return snapshot(root, inodes=False, times=False)


def in_child(job: Callable[[], object]) -> int:
    """Run `job` in a forked process and give the signal that ended it, 0 if it came to its end."""
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            job()
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the child failed"
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def killer(at: int, kinds: frozenset[str]) -> Callable[[Event], None]:
    """A watch that ends its own process with SIGKILL at the event number `at` of these kinds."""
    seen = 0

    def watch(event: Event) -> None:
        nonlocal seen
        if event.what in kinds:
            if seen == at:
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)
            seen += 1

    return watch


def test_the_snapshot_sees_mode_time_link_count_attribute_and_bytes(tmp_path: Path) -> None:
    root = make_root(tmp_path)
    before = snapshot(root)
    (root / "overlay2/id2/link").chmod(0o611)
    os.utime(root / "overlay2/id3", ns=(OLD, 7))
    os.link(root / "overlay2/id5/link", tmp_path / "elsewhere")
    os.setxattr(root / "overlay2/id6", "user.test", b"new")
    (root / "image/overlay2/repositories.json").write_bytes(b"x")
    after = snapshot(root)
    changed = {path for path in before if before[path] != after[path]}
    assert changed == {
        "overlay2/id2/link",
        "overlay2/id3",
        "overlay2/id5/link",
        "overlay2/id6",
        "image/overlay2/repositories.json",
    }


def test_the_mixed_plan_has_at_least_thirty_steps_of_every_kind(tmp_path: Path) -> None:
    plan = plan_of(root := make_root(tmp_path), *mixed(root))
    steps = [step for action in plan.actions for step in action.steps]
    assert len(steps) >= 30
    assert {type(step) for step in steps} == {PutAway, WriteFile, Relink, MakeDir, SetMeta}
    assert sorted(step.n for step in steps) == list(range(len(steps)))


def test_a_child_that_the_killer_ends_dies_by_its_signal() -> None:
    watch = killer(1, frozenset({"starts"}))
    assert in_child(lambda: [watch(Event(what="starts")) for _ in range(3)]) == signal.SIGKILL
    assert in_child(lambda: [watch(Event(what="done")) for _ in range(3)]) == 0
