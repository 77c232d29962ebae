"""A hostile root: every damage gives a finding or silence, never an exception or a hang, and nothing outside is touched."""

import os
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from docker_fsck.testing.laws import metadata, spelled
from docker_fsck.testing.names import short_name
from docker_fsck.testing.table import DRIVERS, Run, run
from docker_fsck.testing.tree import snapshot_with_atimes
from docker_fsck.testing.whole import Whole, whole

Blow = Callable[[Whole, Path], object]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes device nodes and mounts")
ODD = os.fsdecode(b"odd\xff\n\x1b[31m..name")


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder on the memory disk if there is one, gone when the test ends: tens of thousands of files are made here."""
    shm = "/dev/shm"
    top = Path(tempfile.mkdtemp(prefix="docker-fsck-hostile-", dir=shm if os.access(shm, os.W_OK) else None))
    yield top
    shutil.rmtree(top)


@pytest.fixture
def outside(memory: Path) -> Iterator[Path]:
    """Another whole store beside the root: whoever follows a link into it finds what he looks for, and leaves a trace."""
    place = memory / "outside"
    whole(place, "overlay2")
    before = snapshot_with_atimes(place)
    yield place
    assert before == snapshot_with_atimes(place)


def judged(store: Whole) -> Run:
    """A run that no rule failed, whose plan stays inside and whose words can be printed."""
    outcome = run(store.root.path)
    assert [] == [each for each in outcome.checked.outcomes if each.state == "failed"]
    assert msgspec.json.decode(spelled(outcome))
    for action in outcome.plan.actions:
        for step in action.steps:
            assert not step.raw.startswith("/")
            assert not {"", ".", ".."} & set(step.raw.split("/"))
    return outcome


def top(store: Whole) -> str:
    """The driver dir of one image alone."""
    return store.dir_of(store.web)


LINKED = (
    "image", "image/{driver}", "image/{driver}/imagedb", "image/{driver}/imagedb/content/sha256", "image/{driver}/layerdb",
    "image/{driver}/layerdb/sha256", "image/{driver}/layerdb/mounts", "containers",
)  # fmt: skip


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("name", [*LINKED, "{driver}", "buildkit"])
def test_a_folder_that_is_a_link_out_of_the_root_is_told_and_nothing_is_planned(
    memory: Path, outside: Path, name: str, driver: str
) -> None:
    store = whole(memory / "root", driver)
    place = name.format(driver=driver)
    store.root.link_to(place, str(outside / name.format(driver="overlay2")))
    outcome = judged(store)
    assert () == outcome.plan.actions
    blind = [source for source in outcome.sources if source.state not in {"read", "absent"}]
    assert blind or outcome.findings


@pytest.mark.parametrize(
    "text", ["../../outside/overlay2/x", "/etc", "..", ".", "l", "x/../../y", "\n", "a" * 300, "\udcff", "%s{0}"]
)
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_cache_id_that_leads_elsewhere_is_a_finding(memory: Path, outside: Path, text: str, driver: str) -> None:
    store = whole(memory / "root", driver)
    assert outside.is_dir()
    store.root.write(store.root.record(store.root.chains_of(store.web)[-1]) / "cache-id", text.encode("utf-8", "surrogateescape"))
    rules = {finding.rule for finding in judged(store).findings}
    assert rules & {"layer-driverdir-missing", "layer-record-incomplete"}


@pytest.mark.parametrize("name", ["", "diff", "link", "lower", "work", "committed", "merged"])
def test_a_part_of_a_driver_dir_that_is_a_link_is_not_followed(memory: Path, outside: Path, name: str) -> None:
    store = whole(memory / "root", "overlay2")
    store.root.link_to(store.root.driver_dir(top(store)) / name, str(outside / "overlay2"))
    rules = {finding.rule for finding in judged(store).findings}
    due = {
        "": "layer-driverdir-missing",
        "diff": "ovl-diff-missing",
        "link": "ovl-link-file",
        "lower": "ovl-lower",
        "work": "ovl-work-missing",
    }
    assert ({due[name]} if name in due else set()) <= rules


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("make", ["file", "folder", "link", "pipe"])
def test_odd_names_in_every_folder_do_no_harm(memory: Path, driver: str, make: str) -> None:
    store = whole(memory / "root", driver)
    for folder in [path for path in metadata(store) if path.is_dir() and not path.is_symlink()]:
        match make:
            case "file":
                (folder / ODD).write_bytes(b"x")
            case "folder":
                (folder / ODD).mkdir()
            case "link":
                (folder / ODD).symlink_to("/etc/hostname")
            case _:
                os.mkfifo(folder / ODD)
    outcome = judged(store)
    coded = [path for finding in outcome.findings for path in finding.paths if path.path_b64 is not None]
    assert all(os.path.lexists(store.root.path / path.raw) for path in coded)
    assert {"container-foreign-entry", "image-foreign-entry"} <= {finding.rule for finding in outcome.findings}


@pytest.mark.parametrize("driver", DRIVERS)
def test_files_of_a_gigabyte_are_not_read(memory: Path, driver: str) -> None:
    store = whole(memory / "root", driver)
    for path in metadata(store):
        if stat.S_ISREG(path.lstat().st_mode):
            os.truncate(path, 1 << 30)
    outcome = judged(store)
    assert {"tags-unparsable", "image-config-invalid", "layer-record-incomplete", "container-config-corrupt"} <= {
        finding.rule for finding in outcome.findings
    }
    assert {"unreadable"} == {source.state for source in outcome.sources if source.source.startswith("buildkit")}


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    "data", [b"[" * 200_000, b'{"a":' * 100_000, b'{"Repositories":{"a":{"a:1":"' + b"x" * 5_000_000 + b'"}}}', b"\xff\xfe" * 999]
)
def test_documents_of_any_shape_do_no_harm(memory: Path, driver: str, data: bytes) -> None:
    store = whole(memory / "root", driver)
    names = ("repositories.json", "config.v2.json", "hostconfig.json", "descriptor.json", "lastUpdated", "parent", "size")
    for path in metadata(store):
        if path.name in names or (path.parent.name == "sha256" and path.is_file()):
            path.write_bytes(data)
    assert judged(store).findings


def pipe(path: Path) -> None:
    """A FIFO without a writer: opening it for reading waits for ever unless told not to."""
    os.mkfifo(path)


def listening(path: Path) -> None:
    """A socket; its name is too long for one, so it is bound from its folder."""
    here = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name[:90])
    finally:
        os.chdir(here)


def device(path: Path) -> None:
    """A device that gives zeros without end."""
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))


@needs_root
@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("make", [pipe, listening, device], ids=["pipe", "socket", "device"])
def test_pipes_sockets_and_devices_in_place_of_all_files_are_not_read(
    tmp_path_factory: pytest.TempPathFactory, driver: str, make: Callable[[Path], None]
) -> None:
    store = whole(tmp_path_factory.mktemp("devices") / "root", driver)  # a memory disk may forbid devices
    for path in metadata(store):
        if stat.S_ISREG(path.lstat().st_mode):
            path.unlink()
            make(path)
    outcome = judged(store)
    assert len(outcome.findings) >= 10
    assert [] == [finding for finding in outcome.findings if finding.rule == "file-unreadable"]


def circle_of_layers(store: Whole) -> None:
    """Three layers, each the parent of the next."""
    chains = store.root.chains_of(store.web)
    for chain, parent in zip(chains, (chains[-1], *chains[:-1]), strict=True):
        store.root.write(store.root.record(chain) / "parent", parent.encode())


def own_parent(store: Whole) -> None:
    """A layer that is its own parent."""
    chain = store.root.chains_of(store.web)[-1]
    store.root.write(store.root.record(chain) / "parent", chain.encode())


def circle_of_images(store: Whole) -> None:
    """Images, each the parent of the next."""
    images = (store.base, store.app, store.web)
    for image, parent in zip(images, (images[-1], *images[:-1]), strict=True):
        store.root.write(store.root.image_metadata(image) / "parent", parent.encode())


def circle_of_lowers(store: Whole) -> None:
    """Driver dirs that name each other as parents, and themselves."""
    one, two = store.dir_of(store.base, 0), top(store)
    if store.root.driver == "overlay2":
        lower = f"l/{short_name(one)}:l/{short_name(two)}".encode()
        for ident in (one, two):
            store.root.write(store.root.driver_dir(ident) / "lower", lower)
    elif store.root.driver == "aufs":
        for ident in (one, two):
            store.root.write(f"aufs/layers/{ident}", f"{one}\n{two}\n".encode())


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("blow", [circle_of_layers, own_parent, circle_of_images, circle_of_lowers])
def test_circles_end(memory: Path, driver: str, blow: Callable[[Whole], None]) -> None:
    store = whole(memory / "root", driver)
    blow(store)
    outcome = judged(store)
    assert outcome.findings or (driver, blow) == ("vfs", circle_of_lowers)
    paths = {step.path for action in outcome.plan.actions for step in action.steps if "/layerdb/sha256/" in step.path}
    assert {"parent"} >= {path.rpartition("/")[2] for path in paths}, "the names of the records prove the right parents"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A store whose databases are damaged again and again."""
    return whole(tmp_path_factory.mktemp("bolt") / "root", "overlay2")


@settings(derandomize=True, deadline=None, database=None, max_examples=150)
@given(
    name=some.sampled_from(["snapshots.db", "metadata_v2.db"]),
    bits=some.lists(some.integers(0, 8 * 20_480), min_size=1, max_size=4),
)
def test_any_bits_of_a_database_may_be_turned(shared: Whole, name: str, bits: list[int]) -> None:
    path = shared.root.path / "buildkit" / name
    data = path.read_bytes()
    for bit in bits:
        shared.root.flip(path, bit)
    try:
        judged(shared)
    finally:
        path.write_bytes(data)


@needs_root
@pytest.mark.parametrize(
    "name", ["overlay2", "overlay2/{dir}", "overlay2/{dir}/diff", "containers", "image/overlay2/layerdb/mounts"]
)
def test_another_file_system_is_not_entered(memory: Path, outside: Path, name: str) -> None:
    store = whole(memory / "root", "overlay2")
    place = store.root.path / name.format(dir=top(store))
    source = outside / name.format(dir=top(store))
    done = subprocess.run(["mount", "--bind", source, place], check=False, capture_output=True)
    if done.returncode:
        pytest.skip(f"cannot mount: {done.stderr.decode()}")
    try:
        outcome = judged(store)
    finally:
        subprocess.run(["umount", place], check=True)
    assert () == outcome.plan.actions
