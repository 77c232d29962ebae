"""Mount records, lost and emptied: written again where all that is left agrees, left alone where it does not."""

import shutil
from pathlib import Path

import pytest

from docker_fsck.testing import tree
from places import empty
from repairkit import Stock, Told, apply, explains, mended, refusal, state, survey, told

WORDS = 'msg="failed to load container mount" container={} error="mount does not exist"'


def test_a_lost_record_is_written_again_for_the_only_writable_layer_that_fits(stock: Stock) -> None:
    container = stock.ids["exited"]
    record = stock.places.mount(container)
    files = {path.name: path.read_bytes() for path in record.iterdir()}
    shutil.rmtree(record)
    engine = stock.engine
    engine.start()
    assert WORDS.format(container) in engine.log_text()
    assert "No such container: exited" in refusal(engine, "start", "exited")
    assert sorted(stock.state.volumes) == sorted(engine.docker("volume", "ls", "-q", "-f", "dangling=true").stdout.split())
    engine.stop()
    found = survey(stock.root)
    assert (4, [stock.of("container-record-missing", f"container {container}", "exited")]) == (found.exit, told(found))
    assert explains(found, "container-record-missing", engine.log_text())
    with mended(stock, "lossless") as done:
        assert [] == told(done)
        assert files == {path.name: path.read_bytes() for path in record.iterdir()}
        engine.start()
        assert stock.state == state(engine)
        engine.stop()
        assert [] == told(survey(stock.root))


def test_emptied_files_of_records_are_written_again(stock: Stock) -> None:
    names = {"exited": "mount-id", "worker": "init-id", "created": "parent"}
    files = {name: stock.places.mount(stock.ids[name]) / file for name, file in names.items()}
    before = {name: file.read_bytes() for name, file in files.items()}
    empty(*files.values())
    engine = stock.engine
    engine.start()
    assert [True] * 3 == [WORDS.format(stock.ids[name]) in engine.log_text() for name in names]
    assert ["twin"] == list(engine.ps())
    engine.stop()
    found = survey(stock.root)
    expected = [stock.of("mount-record-broken", f"mount {stock.ids[name]}", name) for name in names]
    assert (4, sorted(expected)) == (found.exit, told(found))
    assert explains(found, "mount-record-broken", engine.log_text())
    with mended(stock, "lossless") as done:
        assert [] == told(done)
        assert before == {name: file.read_bytes() for name, file in files.items()}
        engine.start()
        assert stock.state == state(engine)


def test_two_containers_without_records_are_told_and_nothing_is_done_nor_reclaimed(stock: Stock) -> None:
    names = ("created", "twin")
    ids = [stock.ids[name] for name in names]
    dirs = [stock.places.writable(container) for container in ids]
    for container in ids:
        shutil.rmtree(stock.places.mount(container))
    stock.engine.start()
    assert [True] * 2 == [WORDS.format(container) in stock.engine.log_text() for container in ids]
    assert stock.state.without(*names) == state(stock.engine)
    stock.engine.stop()
    expected = [stock.of("container-record-missing", f"container {stock.ids[name]}", name, mend="") for name in names]
    expected += [Told("driver-orphan", f"driverdir {place.name}", severity="info") for place in dirs]
    found = survey(stock.root)
    assert (4, sorted(expected)) == (found.exit, told(found))
    before = tree.snapshot(stock.root)
    done = apply(stock.root, "lossless,reclaim,lossy")
    assert (68, []) == (done.exit, done.report["plan"]["actions"])
    assert {} == tree.changes(before, tree.snapshot(stock.root))


def shapes(folder: Path) -> dict[str, tuple[int, int, int, str]]:
    """What is in a folder: mode, owner and what a link says, by name."""
    found = {}
    for path in folder.rglob("*"):
        info = path.lstat()
        link = str(path.readlink()) if path.is_symlink() else ""
        found[str(path.relative_to(folder))] = (info.st_mode, info.st_uid, info.st_gid, link)
    return found


def hollow(folder: Path) -> None:
    """Takes everything out of a folder."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


@pytest.mark.parametrize("driver", ["overlay2"], indirect=True)
@pytest.mark.parametrize("name", ["exited", "created"])
def test_an_emptied_init_layer_is_filled_as_the_engine_had_filled_it(stock: Stock, name: str) -> None:
    engine, init = stock.engine, stock.places.init(stock.ids[name])
    before = shapes(init / "diff")
    engine.start()
    clean = sorted(engine.docker("diff", name).stdout.splitlines())
    engine.stop()
    hollow(init / "diff")
    found = survey(stock.root)
    expected = [stock.of("init-layer-emptied", f"driverdir {init.name}", name, severity="warning")]
    assert (0, expected) == (found.exit, told(found))
    with mended(stock, "lossless") as done:
        assert ([], before) == (told(done), shapes(init / "diff"))
        engine.start()
        assert stock.state == state(engine)
        assert clean == sorted(engine.docker("diff", name).stdout.splitlines())


@pytest.mark.parametrize("driver", ["overlay2"], indirect=True)
def test_a_container_that_is_started_on_an_emptied_init_layer_shows_files_of_the_engine(stock: Stock) -> None:
    hollow(stock.places.init(stock.ids["created"]) / "diff")
    stock.engine.start()
    assert "" == stock.engine.docker("diff", "created").stdout
    stock.engine.docker("start", "-a", "created")
    assert {"A /dev", "A /proc", "A /sys"} < set(stock.engine.docker("diff", "created").stdout.splitlines())


@pytest.mark.parametrize("driver", ["vfs"], indirect=True)
def test_an_emptied_init_layer_that_is_a_whole_copy_is_told_only(stock: Stock) -> None:
    init = stock.places.init(stock.ids["created"])
    hollow(init)
    assert [stock.of("init-layer-emptied", f"driverdir {init.name}", "created", severity="warning", mend="")] == told(
        survey(stock.root)
    )


@pytest.mark.parametrize(
    "names", [("mount-id", "init-id"), ("mount-id", "parent"), ("mount-id", "init-id", "parent")], ids="+".join
)
def test_all_that_is_lost_of_one_record_is_written_again(stock: Stock, names: tuple[str, ...]) -> None:
    record = stock.places.mount(stock.ids["worker"])
    before = {path.name: path.read_bytes() for path in record.iterdir()}
    empty(*(record / name for name in names))
    with mended(stock, "lossless") as done:
        assert ([], before) == (told(done), {path.name: path.read_bytes() for path in record.iterdir()})
        stock.engine.start()
        assert stock.state == state(stock.engine)


@pytest.mark.parametrize("file", ["init-id", "parent"])
def test_a_lost_file_of_a_record_is_one_finding(stock: Stock, file: str) -> None:
    container = stock.ids["twin"]
    (stock.places.mount(container) / file).unlink()
    rule = {"init-id": "mount-record-broken", "parent": "mount-parent-missing-file"}[file]
    assert [stock.of(rule, f"mount {container}", "twin")] == told(survey(stock.root))


def test_a_list_of_parents_is_never_shortened_because_the_record_lost_its_parent(stock: Stock) -> None:
    places, engine = stock.places, stock.engine
    writable = places.writable(stock.ids["worker"])
    (places.mount(stock.ids["worker"]) / "parent").unlink()
    engine.start()
    engine.docker("rmi", "-f", "lone:1")
    assert stock.state.volumes == state(engine).volumes if engine.driver == "vfs" else refusal(engine, "start", "-a", "worker")
    engine.stop()
    before = tree.snapshot(writable)
    apply(stock.root, "lossless")
    assert {} == tree.changes(before, tree.snapshot(writable))
