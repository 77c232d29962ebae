"""What Docker 20.10 itself makes of the odd documents in the tables of tests/unit/test_gojson.py and test_records.py."""

import sys
from pathlib import Path

import pytest

from docker_fsck.ids import digest
from docker_fsck.testing import images as built
from docker_fsck.testing.builder import DataRoot
from dockerd import Engine

sys.path.append(str(Path(__file__).parents[1] / "unit"))

import json

from test_gojson import CONFIGS, FATAL_CONFIGS, IMAGES, STRICTER, TAG_STORES, A, B, Edit
from test_ids import REFERENCES
from test_records import LAYER_FILES, MOUNT_FILES, TAG_TIMES


@pytest.fixture
def root(workplace: Path) -> DataRoot:
    """An empty built root; what is asked here does not depend on the storage driver."""
    return DataRoot(workplace / "built", "vfs")


def running(root: DataRoot) -> Engine:
    """An engine on a built root, not yet started."""
    return Engine(root.path.parent, "vfs", root.path)


def listed(engine: Engine) -> tuple[str, ...]:
    """The references that `docker images` shows."""
    return tuple(sorted(reference for reference, _ in engine.images() if reference != "<none>:<none>"))


@pytest.mark.parametrize("name", TAG_STORES)
def test_the_engine_lists_from_an_odd_tag_store_what_the_table_says(root: DataRoot, name: str) -> None:
    row, first, second = TAG_STORES[name], root.image("x:1", 0), root.image("x:2", 0)
    root.write(root.tags, row.data.replace(A.encode(), first.encode()).replace(B.encode(), second.encode()))
    with running(root) as engine:
        if row.engine is None:
            assert "reference store" in (said := engine.start_fails()) or "panic: runtime error" in said
        else:
            engine.start()
            assert row.engine == listed(engine)


@pytest.mark.parametrize("name", STRICTER)
def test_the_engine_starts_with_null_for_repositories_and_cannot_set_a_tag(root: DataRoot, name: str) -> None:
    image = root.image("x:1", 0)
    root.write(root.tags, STRICTER[name])
    with running(root) as engine:
        engine.start()
        assert ((), 1) == (listed(engine), engine.docker("tag", image, "new:1", check=False).returncode)
        assert "assignment to entry in nil map" in engine.log_text()


def test_the_engine_parses_the_references_that_the_table_says(root: DataRoot) -> None:
    images = {row: root.image(None, 0) for row in REFERENCES}
    for (repository, reference), image in images.items():
        root.repositories.setdefault(repository, {})[reference] = image
    built.write_tags(root)
    with running(root) as engine:
        engine.start()
        named = {
            row: engine.docker("image", "inspect", "-f", "{{.RepoTags}}{{.RepoDigests}}", image) for row, image in images.items()
        }
    assert {row: case.engine for row, case in REFERENCES.items()} == {row: done.stdout != "[][]\n" for row, done in named.items()}


def rewrite(path: Path, edit: Edit) -> bytes:
    """The document at `path`, edited."""
    return edit(json.loads(path.read_bytes()))


def test_the_engine_lists_the_containers_that_the_table_says(root: DataRoot) -> None:
    image = root.image("x:1", 0)
    names = {name: root.container(image, f"c{number}") for number, name in enumerate(CONFIGS)}
    for name, ident in names.items():
        path = root.container_dir(ident) / "config.v2.json"
        root.write(path, rewrite(path, CONFIGS[name].edit))
    with running(root) as engine:
        engine.start()
        lines = engine.docker("ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.State}}").stdout.splitlines()
    states = dict(line.split() for line in lines)
    found = {name: {"dead": "dead", "": "hidden"}.get(states.get(ident, ""), "listed") for name, ident in names.items()}
    assert {name: row.engine for name, row in CONFIGS.items()} == found


@pytest.mark.parametrize("name", FATAL_CONFIGS)
def test_the_engine_does_not_start_with_the_containers_that_the_table_calls_fatal(root: DataRoot, name: str) -> None:
    path = root.container_dir(root.container(root.image("x:1", 0))) / "config.v2.json"
    root.write(path, rewrite(path, FATAL_CONFIGS[name]))
    with running(root) as engine:
        assert "panic: runtime error: invalid memory address or nil pointer dereference" in engine.start_fails()


def test_the_engine_lists_a_container_whose_folder_is_a_link(root: DataRoot, workplace: Path) -> None:
    ident = root.container(root.image("x:1", 0), "box")
    root.container_dir(ident).rename(workplace / "elsewhere")
    root.link_to(f"containers/{ident}", str(workplace / "elsewhere"))
    with running(root) as engine:
        engine.start()
        assert {"box": "exited"} == engine.ps()


def test_the_engine_lists_the_images_that_the_table_says(root: DataRoot) -> None:
    path = root.image_file(root.image("x:1", 2))
    contents = {name: rewrite(path, row.edit) for name, row in IMAGES.items()}
    for data in contents.values():
        root.write(root.image_file(digest(data)), data)
    with running(root) as engine:
        engine.start()
        shown = {image for _, image in engine.images()}
        found = {name: layers(engine, digest(data)) if digest(data) in shown else None for name, data in contents.items()}
    assert {name: row.engine for name, row in IMAGES.items()} == found


def layers(engine: Engine, image: str) -> int:
    """How many layers an image has by `docker inspect`."""
    return int(engine.docker("image", "inspect", "-f", "{{len .RootFS.Layers}}", image).stdout)


def test_the_engine_inspects_images_with_the_tag_times_that_the_table_calls_good(root: DataRoot) -> None:
    images = {name: root.image(f"t{number}:1", 0) for number, name in enumerate(TAG_TIMES)}
    for name, image in images.items():
        root.write(root.image_metadata(image) / "lastUpdated", TAG_TIMES[name].data)
    with running(root) as engine:
        engine.start()
        found = {name: engine.docker("image", "inspect", image, check=False).returncode == 0 for name, image in images.items()}
    assert {name: row.engine for name, row in TAG_TIMES.items()} == found


def test_the_engine_loads_the_layers_that_the_table_says(root: DataRoot) -> None:
    images = {key: root.image(f"t{number}:1", 2) for number, key in enumerate(LAYER_FILES)}
    for (file, what), image in images.items():
        path = root.record(root.chains_of(image)[-1]) / file
        root.write(path, LAYER_FILES[file, what].data(path.read_bytes() if path.exists() else b""))
    with running(root) as engine:
        engine.start()
        shown = {image for _, image in engine.images()}
    assert {key: row.engine for key, row in LAYER_FILES.items()} == {key: image in shown for key, image in images.items()}


def test_the_engine_loads_the_mounts_that_the_table_says(root: DataRoot) -> None:
    image = root.image("x:1", 1)
    containers = {key: root.container(image, f"c{number}") for number, key in enumerate(MOUNT_FILES)}
    for (file, what), ident in containers.items():
        path = root.mount_record(ident) / file
        root.write(path, MOUNT_FILES[file, what].data(path.read_bytes()))
    with running(root) as engine:
        engine.start()
        shown = engine.docker("ps", "-a", "--no-trunc", "--format", "{{.ID}}").stdout.split()
    assert {key: row.engine for key, row in MOUNT_FILES.items()} == {key: ident in shown for key, ident in containers.items()}
