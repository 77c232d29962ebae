"""What an engine refuses, hides or misuses after damages that docs/damages.md calls reported: its words, and what a check says."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from damagekit import furnish, spoken
from docker_fsck.bolt import BoltError, open_bytes
from docker_fsck.testing.table import run
from docker_fsck.upgrade.settings import key_fault
from dockerd import Engine, builder
from places import copy
from population import populate

Damage = Callable[[Path], Path]
Site = tuple[Engine, Path, str]


def at(pattern: str) -> Damage:
    """A folder instead of the first file that the pattern finds."""

    def strike(root: Path) -> Path:
        path = min(root.glob(pattern))
        path.unlink()
        path.mkdir()
        return path

    return strike


def cut(name: str) -> Damage:
    """A database whose list of free pages is cut off; everything else in it is there."""

    def strike(root: Path) -> Path:
        path = root / name
        data = path.read_bytes()
        last = next(number for number in range(3, len(data) // 4096) if torn(data[: 4096 * number]))
        path.write_bytes(data[: 4096 * last])
        return path

    return strike


def torn(data: bytes) -> bool:
    """Whether a reader gets all that is in it and a writer fails."""
    try:
        return bool(open_bytes(data).problems)
    except BoltError:
        return False


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A stopped root, and the copy of it that no test touches."""
    base = tmp_path_factory.mktemp("refused")
    with Engine(base, "overlay2") as engine:
        site = furnish(populate(engine))
        engine.start()
        engine.docker("network", "create", "mine")
        engine.docker("create", "--name", "on-mine", "--network", "mine", "lone:1", "true")
        engine.stop()
        copy(engine.root, base / "kept")
        yield engine, base / "kept", site.container


@pytest.fixture
def site(furnished: Site) -> Site:
    """The root as it was."""
    engine, kept, _ = furnished
    shutil.rmtree(engine.root)
    copy(kept, engine.root)
    assert [] == list(run(engine.root).findings)
    return furnished


def found(root: Path, path: Path) -> set[str]:
    """The rules that name a path."""
    name = str(path.relative_to(root))
    return {each.rule for each in run(root).findings if name in {told.raw for told in each.paths}}


@pytest.mark.parametrize("name", ["hostname", "hosts", "resolv.conf", "resolv.conf.hash", "{id}-json.log"])
def test_a_folder_in_the_place_of_its_own_file_keeps_a_container_from_starting(site: Site, name: str) -> None:
    engine, _, container = site
    path = at(f"containers/{container}/{name.format(id=container)}")(engine.root)
    assert {"engine-file-blocked"} == found(engine.root, path)
    engine.start()
    code, words = spoken(engine, "start", container)
    engine.stop()
    assert code == 1
    assert any("is a directory" in line for line in words)


def test_a_folder_that_marks_a_layer_lets_no_container_be_made_of_it(site: Site) -> None:
    engine, _, _ = site
    path = at("overlay2/*[0-9a-f]/committed")(engine.root)
    assert {"engine-file-blocked"} == found(engine.root, path)
    for mark in engine.root.glob("overlay2/*/committed"):
        if mark.is_file() and not mark.parent.name.endswith("-init"):
            mark.unlink()
            mark.mkdir()
    engine.start()
    code, words = spoken(engine, "create", "lone:1", "true")
    engine.stop()
    assert code == 1
    assert any("committed: is a directory" in line for line in words)


@pytest.mark.skipif(builder() is None, reason="no docker command here speaks BuildKit by itself")
def test_a_folder_in_the_place_of_its_own_file_keeps_a_step_from_running(site: Site) -> None:
    engine, _, _ = site
    path = at("buildkit/executor/runc-log.json")(engine.root)
    assert {"engine-file-blocked"} == found(engine.root, path)
    engine.start()
    done = engine.buildkit(engine.root.with_name("context"), "--no-cache", check=False)
    engine.stop()
    assert done.returncode == 1


@pytest.mark.parametrize("name", ["snapshots", "metadata_v2", "containerdmeta", "cache"])
def test_a_folder_in_the_place_of_a_database_of_buildkit_stops_the_engine(site: Site, name: str) -> None:
    engine, _, _ = site
    path = at(f"buildkit/{name}.db")(engine.root)
    assert {"buildkit-db-unreadable"} == found(engine.root, path)
    assert f"buildkit/{name}.db: is a directory" in engine.start_fails()


def test_a_database_of_volumes_without_its_list_of_free_pages_stops_the_engine(site: Site) -> None:
    engine, _, _ = site
    path = cut("volumes/metadata.db")(engine.root)
    assert {"volume-db-unreadable"} == found(engine.root, path)
    assert "fatal error: fault" in engine.start_fails()


def test_a_network_that_is_gone_keeps_its_container_from_starting(site: Site) -> None:
    engine, _, _ = site
    path = engine.root / "network/files/local-kv.db"
    path.unlink()
    assert {"container-network-missing"} == found(engine.root, path)
    engine.start()
    assert (1, True) == (
        (said := spoken(engine, "start", "on-mine"))[0],
        any("network mine not found" in line for line in said[1]),
    )
    engine.stop()


class Keyed(Engine):
    """An engine with a key of its own."""

    @property
    def choice(self) -> list[str]:
        """The driver, and a configuration that names the key."""
        config = self.root.with_name("daemon.json")
        config.write_text(json.dumps({"deprecated-key-path": str(self.key)}))
        return [*super().choice, "--config-file", str(config)]

    @property
    def key(self) -> Path:
        """Where it lies."""
        return self.root.with_name("key.json")


@pytest.mark.parametrize("data", [b"", b'{"crv":"P-256"', bytes(244)], ids=["empty", "cut", "zero"])
def test_an_engine_of_these_years_does_not_start_with_a_damaged_key(tmp_path: Path, data: bytes) -> None:
    with Keyed(tmp_path, "overlay2") as engine:
        engine.start()
        engine.stop()
        assert "" == key_fault(engine.key.read_bytes())
        engine.key.write_bytes(data)
        assert key_fault(data)
        assert "unable to decode private key JWK" in engine.start_fails()
