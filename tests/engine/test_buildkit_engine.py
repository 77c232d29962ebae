"""BuildKit's state judged beside the real engine: while it builds, after damage, after a reset, and where a folder has only a `lower`."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from docker_fsck.bolt import Database
from docker_fsck.boltread import open_database
from docker_fsck.reader import Reader
from docker_fsck.testing import tree
from dockerd import Engine, builder
from places import Places, copy
from repairkit import OURS, apply, explains, fsck, survey, take_back, told

pytestmark = pytest.mark.skipif(builder() is None, reason="no docker command here speaks BuildKit by itself")
STEPS = "FROM base:1 AS first\nRUN echo one > /one\nRUN --mount=type=cache,target=/c echo two > /c/two\nCOPY a /a\n"
DOCKERFILE = f"{STEPS}FROM base:1\nCOPY --from=first /one /one\nRUN echo three > /three\n"


@dataclass(frozen=True)
class Built:
    """A stopped root with a build cache and the image `built:1` of it; `context` is what it was built of."""

    engine: Engine
    context: Path

    @property
    def root(self) -> Path:
        return self.engine.root

    @property
    def places(self) -> Places:
        return Places(self.engine.root, "overlay2")

    def database(self, name: str) -> Path:
        return self.root / "buildkit" / name

    def only_builds(self) -> set[str]:
        """The 25-character driver dirs that no layer has."""
        layers = {path.read_text() for path in self.root.glob("image/overlay2/layerdb/sha256/*/cache-id")}
        return {path.name for path in self.places.home.iterdir() if len(path.name) == 25} - layers

    def works(self) -> None:
        """A start, the image, and the same build again."""
        self.engine.start()
        assert "one" == self.engine.docker("run", "--rm", "--network", "none", "built:1", "cat", "/one").stdout.strip()
        self.engine.buildkit(self.context, "-t", "built:2")
        self.engine.docker("builder", "prune", "--all", "--force")
        self.engine.stop()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Built, Path]]:
    """The root, and the copy of it that no test touches."""
    base = tmp_path_factory.mktemp("builds")
    context = base / "context"
    context.mkdir()
    (context / "a").write_text("a\n")
    (context / "Dockerfile").write_text(DOCKERFILE)
    with Engine(base) as engine:
        engine.start()
        engine.import_image("base:1", [{"etc/base": b"b\n"}])
        engine.buildkit(context, "-t", "built:1")
        engine.stop()
        engine.root.rename(base / "kept")
        yield Built(engine, context), base / "kept"
    shutil.rmtree(base)


@pytest.fixture
def built(kept: tuple[Built, Path]) -> Iterator[Built]:
    made, original = kept
    copy(original, made.root)
    yield made
    made.engine.kill()
    shutil.rmtree(made.root)


def page_of_zeros(path: Path, number: int) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * number)
        file.write(bytes(4096))


def freelist_of(path: Path) -> int:
    """The page of the freelist: the one of its kind that the newest meta names."""
    data = path.read_bytes()
    metas = [data[4096 * n + 16 : 4096 * n + 80] for n in (0, 1)]
    newest = max(metas, key=lambda meta: int.from_bytes(meta[48:56], "little"))
    return int.from_bytes(newest[32:40], "little")


def reset(built: Built) -> None:
    """Applies what is lossy; exactly what only builds name goes, nothing is found afterwards, and undo gives all of it back."""
    before, dirs = tree.snapshot(built.root, OURS), built.only_builds()
    layers = {path.name for path in built.places.home.iterdir()} - dirs - {"l"}
    done = apply(built.root, "lossless,reclaim,lossy")
    assert (1, []) == (done.exit, told(done))
    assert layers == {path.name for path in built.places.home.iterdir()} - {"l"}
    assert not built.database("").exists()
    aside = built.root.with_name("aside")
    built.root.rename(aside)
    copy(aside, built.root)
    take_back(aside)
    assert {} == tree.changes(before, tree.snapshot(aside, OURS))
    shutil.rmtree(aside)


def test_a_fresh_build_cache_is_whole_and_all_of_its_folders_are_kept(built: Built) -> None:
    found = survey(built.root)
    assert (0, "clean", []) == (found.exit, found.report["verdict"], told(found))
    assert 5 < len(built.only_builds())


@pytest.mark.parametrize("name", ["snapshots.db", "metadata_v2.db", "containerdmeta.db"])
def test_an_engine_that_a_damaged_database_stops_starts_after_the_reset(built: Built, name: str) -> None:
    path = built.database(name)
    path.write_bytes(bytes(path.stat().st_size))
    words = built.engine.start_fails()
    found = survey(built.root)
    critical = told(found, "critical")
    assert [("buildkit-db-unreadable", f"file buildkit/{name}", "lossy")] == [
        (each.rule, each.subject, each.mend) for each in critical
    ]
    assert "invalid database" in words
    assert name != "snapshots.db" or explains(found, "buildkit-db-unreadable", words)
    reset(built)
    built.works()


@pytest.mark.parametrize("name", ["snapshots.db", "cache.db"])
def test_a_freelist_that_is_none_stops_the_engine_and_is_found(built: Built, name: str) -> None:
    page_of_zeros(built.database(name), freelist_of(built.database(name)))
    words, found = built.engine.start_fails(), survey(built.root)
    assert "panic: invalid freelist page" in words
    assert ["buildkit-db-unreadable"] == [each.rule for each in told(found, "critical")]
    assert explains(found, "buildkit-db-unreadable", words)
    if name == "cache.db":
        dirs = built.only_builds()
        assert (1, []) == ((done := apply(built.root, "lossy")).exit, told(done))
        assert dirs == built.only_builds()
    else:
        reset(built)
    built.works()


def test_a_torn_newest_meta_does_not_stop_the_engine_and_is_only_told(built: Built) -> None:
    path = built.database("snapshots.db")
    with Reader(str(built.root)) as reader:
        whole = open_database(reader, "buildkit/snapshots.db")
    assert isinstance(whole, Database)
    page_of_zeros(path, whole.txid % 2)
    assert [("buildkit-db-unreadable", "info", "")] == [
        (each.rule, each.severity, each.mend) for each in told(survey(built.root))
    ]
    built.works()
    assert [] == told(survey(built.root))


def test_without_the_list_of_snapshots_builds_fail_until_the_reset(built: Built) -> None:
    built.database("snapshots.db").unlink()
    kept = built.root.with_name("before")
    copy(built.root, kept)
    built.engine.start()
    words = built.engine.buildkit(built.context, "-t", "built:2", check=False)
    built.engine.stop()
    assert 0 != words.returncode
    shutil.rmtree(built.root)
    kept.rename(built.root)
    found = survey(built.root)
    assert [("buildkit-db-missing", "lossy")] == [(each.rule, each.mend) for each in told(found, "error")]
    assert explains(found, "buildkit-db-missing", words.stderr)
    reset(built)
    built.works()


def test_folders_that_were_deleted_by_hand_break_builds_until_the_reset(built: Built) -> None:
    for ident in built.only_builds():
        shutil.rmtree(built.places.home / ident)
    found = survey(built.root)
    assert {("buildkit-ref-dangling", "error")} == {(each.rule, each.severity) for each in told(found, "error")}
    kept = built.root.with_name("before")
    copy(built.root, kept)
    built.engine.start()
    more = built.context.with_name("more")
    shutil.copytree(built.context, more, dirs_exist_ok=True)
    (more / "Dockerfile").write_text(f"{STEPS}RUN echo more > /more\n")
    words = built.engine.buildkit(more, "-t", "more:1", check=False)
    built.engine.stop()
    assert explains(found, "buildkit-ref-dangling", words.stderr), words.stderr[-300:]
    shutil.rmtree(built.root)
    kept.rename(built.root)
    reset(built)
    built.works()


def test_folders_that_no_prune_sees_are_told_and_go_with_the_reset(built: Built) -> None:
    built.database("metadata_v2.db").unlink()
    built.engine.start()
    built.engine.docker("builder", "prune", "--all", "--force")
    built.engine.stop()
    assert 5 < len(built.only_builds())
    found = survey(built.root)
    assert [("buildkit-unseen", "info", "lossy")] == [(each.rule, each.severity, each.mend) for each in told(found)]
    reset(built)
    built.works()


def test_what_a_reset_left_where_it_knew_too_little_is_reclaimed_after_the_next_start(built: Built) -> None:
    """The whole folder moved away by hand: absent blocks, until the engine made an empty one that names none of them."""
    shutil.rmtree(built.database(""))
    found = survey(built.root)
    assert {"buildkit-db-missing": "lossy", "driver-orphan": ""} == {each.rule: each.mend for each in told(found)}
    built.engine.start()
    built.engine.stop()
    found = survey(built.root)
    assert {"driver-orphan": "reclaim"} == {each.rule: each.mend for each in told(found)}
    assert (1, []) == ((done := apply(built.root, "reclaim")).exit, told(done))
    assert set() == built.only_builds()
    built.works()


def test_a_check_beside_an_engine_that_builds_never_sees_a_damaged_database(built: Built) -> None:
    built.engine.start()
    stop = threading.Event()

    def work() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            (built.context / "b").write_text(f"{number}\n")
            built.engine.buildkit(built.context, "-q", "--no-cache", "-t", f"loop:{number % 3}", check=False)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        runs = [fsck(built.root, "check") for _ in range(12)]
    finally:
        stop.set()
        thread.join()
    built.engine.stop()
    states = {
        source["state"]
        for run in runs
        for source in run.report["coverage"]["sources"]
        if source["source"].startswith("buildkit/")
    }
    assert {"read"} == states - {"unstable"}
    assert [] == [each for run in runs for each in told(run, "warning")]


def test_a_folder_that_only_a_lower_names_is_kept_through_prune_restart_and_reset(built: Built) -> None:
    """The shadow parent: the same step was loaded meanwhile, so that the image's second layer stands on a folder of no record."""
    one, two, engine = (built.context.with_name(name) for name in ("one", "two")), None, built.engine
    one, two = one
    for path, text in ((one, "FROM base:1\nCOPY a /a\n"), (two, "FROM base:1\nCOPY a /a\nCOPY b /b\n")):
        path.mkdir(exist_ok=True)
        (path / "a").write_text("shadow\n")
        os.utime(path / "a", (1_700_000_000, 1_700_000_000))
        (path / "Dockerfile").write_text(text)
    (two / "b").write_text("b\n")
    engine.start()
    engine.docker("builder", "prune", "--all", "--force")
    engine.buildkit(one, "-t", "one:1")
    archive = built.context.with_name("one.tar")
    engine.docker("save", "-o", str(archive), "one:1")
    engine.docker("rmi", "one:1")
    engine.docker("builder", "prune", "--all", "--force")
    engine.buildkit(two, "-o", f"type=local,dest={built.context.with_name('out')}")
    engine.docker("load", "-i", str(archive))
    engine.buildkit(two, "-t", "two:1")
    engine.docker("rmi", "one:1")
    engine.docker("builder", "prune", "--all", "--force")
    image = engine.docker("image", "inspect", "-f", "{{.Id}}", "two:1").stdout.strip()
    engine.stop()
    engine.start()
    engine.stop()
    parent, top = (built.places.layer(chain) for chain in built.places.chains(image)[-2:])
    links = [(built.places.home / short).readlink().parts[1] for short in (top / "lower").read_text().split(":")]
    shadow = links[0]
    assert (25, True) == (len(shadow), shadow != parent.name)
    with Reader(str(built.root)) as reader:
        snapshots = open_database(reader, "buildkit/snapshots.db")
    assert isinstance(snapshots, Database)
    assert snapshots.root.get(shadow.encode()) is None
    assert [] == told(survey(built.root))
    built.database("metadata_v2.db").write_bytes(bytes(32768))
    assert (1, []) == ((done := apply(built.root, "lossless,reclaim,lossy")).exit, told(done))
    assert (built.places.home / shadow).is_dir()
    engine.start()
    shown = engine.docker("run", "--rm", "--network", "none", "two:1", "cat", "/a", "/b").stdout
    assert "shadow\nb\n" == shown
    engine.stop()
