"""Who uses a data root, while a real engine does: running, stopped, killed with its container left, and kept off by our lock."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from docker_fsck import host
from docker_fsck.errors import Refused
from docker_fsck.testing import subvolumes
from dockerd import Engine

LAYER = {"etc/one": b"1\n"}


@pytest.fixture
def overlay(workplace: Path) -> Iterator[Engine]:
    """An overlay2 engine that has not been started."""
    with Engine(workplace, "overlay2") as engine:
        yield engine


@pytest.fixture
def btrfs(workplace: Path) -> Iterator[Engine]:
    """A btrfs engine on a subvolume of a fresh btrfs, not started."""
    with subvolumes.btrfs(workplace) as point, Engine(workplace, "btrfs", subvolumes.create(point / "sub") / "root") as engine:
        yield engine


def run_container(engine: Engine) -> str:
    """Starts the engine and a container that goes on; hands back its id."""
    engine.start()
    engine.import_image("app:1", [LAYER])
    return engine.run_detached("app", "app:1", "sleep", "600", options=("-v", "kept:/kept"))


def kill_engine_alone(engine: Engine) -> None:
    """SIGKILL for dockerd; its containerd dies with it, the shims and the containers stay."""
    before = host.engine_processes(str(engine.root))
    os.kill(engine.pid, signal.SIGKILL)
    gone = {user.pid for user in before if user.name in {"dockerd", "containerd"}}
    deadline = time.monotonic() + 10
    while gone & {user.pid for user in host.engine_processes(str(engine.root))} and time.monotonic() < deadline:
        time.sleep(0.02)


def mount_id(engine: Engine, container: str) -> str:
    """The driver dir of a container."""
    return (engine.root / "image" / engine.driver / "layerdb/mounts" / container / "mount-id").read_text()


@pytest.mark.parametrize("name", ["overlay", "btrfs"])
def test_a_running_engine_is_live_and_named_by_its_lock(request: pytest.FixtureRequest, name: str) -> None:
    engine: Engine = request.getfixturevalue(name)
    engine.start()
    view = host.look(str(engine.root))
    expected = f"holds the lock on volumes/metadata.db and runs with data root {engine.root}"
    assert ("live", expected) == (view.state, {user.pid: user.how for user in view.users}[engine.pid])
    assert {"dockerd", "containerd"} == {user.name for user in host.engine_processes(str(engine.root))}
    (engine.root / ".docker-fsck").mkdir()
    with pytest.raises(Refused, match=rf"dockerd \(pid {engine.pid}\) holds the lock on volumes/metadata.db"):
        host.hold(str(engine.root))
    engine.stop()
    after = host.look(str(engine.root))
    assert ("stopped", (), frozenset()) == (after.state, after.users, after.held)


def test_an_engine_on_another_root_does_not_matter(overlay: Engine, workplace: Path) -> None:
    overlay.start()
    (workplace / "other").mkdir()
    assert "stopped" == host.look(str(workplace / "other")).state


def test_after_the_engine_alone_was_killed_the_mounts_of_the_container_are_held(overlay: Engine) -> None:
    container = run_container(overlay)
    driver_dir = mount_id(overlay, container)
    lower = (overlay.root / "overlay2" / driver_dir / "lower").read_text().split(":")
    kill_engine_alone(overlay)
    view = host.look(str(overlay.root))
    layer = {f"overlay2/{driver_dir}/{part}" for part in ("diff", "work", "merged")} | {f"overlay2/{link}" for link in lower}
    assert ("stopped", set()) == (view.state, layer - view.held)
    assert "volumes/kept/_data" in view.held
    assert ["containerd-shim"] == [user.name for user in view.users]
    assert f"containers outlived it: containerd-shim (pid {view.users[0].pid}) runs container {container[:12]}" in view.why
    overlay.kill()
    assert host.HostView(state="stopped", why="no process uses this data root") == host.look(str(overlay.root))


def test_on_btrfs_the_subvolume_of_a_container_is_held_and_the_bind_mount_of_the_home_is_not(btrfs: Engine) -> None:
    driver_dir = mount_id(btrfs, run_container(btrfs))
    assert f"btrfs/subvolumes/{driver_dir}" in host.look(str(btrfs.root)).held
    kill_engine_alone(btrfs)
    left = host.look(str(btrfs.root))
    assert ("stopped", True) == (left.state, f"btrfs/subvolumes/{driver_dir}" in left.held)
    assert "btrfs" in left.mount_points
    btrfs.kill_processes()
    bound = host.look(str(btrfs.root))
    assert ("stopped", True) == (bound.state, "btrfs" in bound.mount_points)
    assert not {"btrfs", f"btrfs/subvolumes/{driver_dir}"} & bound.held


def test_the_lock_keeps_an_engine_from_starting(overlay: Engine) -> None:
    overlay.start()
    overlay.stop()
    (overlay.root / ".docker-fsck").mkdir()
    with host.hold(str(overlay.root)) as lock:
        assert lock.guarded
        assert "error while opening volume store metadata database" in overlay.start_fails()
        assert () == host.engine_processes(str(overlay.root))
    overlay.start()
