"""Export held against the engine: what it says a container changed is what the tar holds, also when the engine hides it."""

import hashlib
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from dockerd import Engine
from places import Places, empty
from repairkit import fsck

SCRIPT = "echo made > /made; rm /srv/gone; rm -r /srv/old; mkdir /srv/old; echo new > /srv/old/new; echo more >> /etc/kept"
FILES = [{"srv/gone": b"1\n", "srv/old/a": b"a\n", "etc/kept": b"k\n"}, {"srv/other": b"o\n"}]


@pytest.fixture
def box(engine: Engine) -> str:
    """A container that made, changed, deleted and replaced something."""
    engine.import_image("shop:1", FILES)
    return engine.run("worker", "shop:1", "sh", "-c", SCRIPT)


def changed(engine: Engine) -> dict[str, str]:
    """What `docker diff` says, by path."""
    rows = (line.split(" ", 1) for line in engine.docker("diff", "worker").stdout.splitlines())
    return {path.strip("/"): sign for sign, path in rows}


def unpacked(tar: Path, place: Path) -> Path:
    place.mkdir()
    subprocess.run(["tar", "-xf", tar, "-C", place], check=True)
    return place


@pytest.mark.parametrize("driver", ["overlay2"], indirect=True)
def test_the_tar_of_a_hidden_container_holds_what_the_engine_says_it_changed(engine: Engine, box: str, workplace: Path) -> None:
    told = changed(engine)
    before = engine.docker("inspect", "-f", "{{.Image}}", "worker").stdout.strip()
    engine.stop()
    places, tar = Places(engine.root, engine.driver), workplace / "out.tar"
    shutil.rmtree(places.mount(box))
    empty(places.tree / "layerdb/sha256" / places.chains(before)[0].removeprefix("sha256:") / "size")
    engine.start()
    assert {} == engine.ps(), "the engine hides it"
    engine.stop()
    done = fsck(engine.root, "export", box, "-o", str(tar))
    assert (0, before, []) == (done.exit, done.report["image"], done.report["lacks"])
    with tarfile.open(tar) as archive:
        names = {name.removeprefix("layer/") for name in archive.getnames() if name.startswith("layer/")}
    gone = {path.rpartition("/") for path, sign in told.items() if sign == "D"}
    opaque = {name.removesuffix("/.wh..wh..opq") for name in names if name.endswith(".wh..wh..opq")}
    assert {"srv/old"} == opaque
    spelled = {f"{base}{slash}.wh.{last}" for base, slash, last in gone if base not in opaque}
    assert names - {"srv/old/.wh..wh..opq"} == spelled | {path for path, sign in told.items() if sign != "D"}
    place = unpacked(tar, workplace / "out")
    assert ["made\n", "new\n", "k\nmore\n"] == [
        (place / "layer" / each).read_text() for each in ("made", "srv/old/new", "etc/kept")
    ]
    assert (engine.root / "containers" / box / "config.v2.json").read_bytes() == (place / "container/config.v2.json").read_bytes()


@pytest.mark.parametrize("driver", ["overlay2"], indirect=True)
def test_the_layer_of_the_tar_is_one_that_the_engine_takes(engine: Engine, box: str, workplace: Path) -> None:
    assert box in engine.docker("ps", "-aq", "--no-trunc").stdout
    whole = files(engine, "worker", workplace)
    tar = workplace / "out.tar"
    assert 0 == fsck(engine.root, "export", "worker", "-o", str(tar)).exit, "beside the living engine"
    place = unpacked(tar, workplace / "out")
    context = workplace / "context"
    context.mkdir()
    engine.docker("save", "-o", str(workplace / "image.tar"), "shop:1")
    (workplace / "image").mkdir()
    subprocess.run(["tar", "-xf", workplace / "image.tar", "-C", workplace / "image"], check=True)
    subprocess.run(["tar", "-cf", context / "layer.tar", "-C", place / "layer", "."], check=True)
    stacked(workplace / "image", context / "layer.tar", workplace / "load.tar")
    engine.docker("load", "-i", str(workplace / "load.tar"))
    engine.create_container("again", "shop:again", "true")
    assert whole == files(engine, "again", workplace)


def files(engine: Engine, name: str, place: Path) -> dict[str, bytes]:
    """The regular files of a container, as `docker export` gives them."""
    engine.docker("export", "-o", str(place / "all.tar"), name)
    with tarfile.open(place / "all.tar") as tar:
        return {each.name: tar.extractfile(each).read() for each in tar if each.isreg()}  # type: ignore[union-attr]


def stacked(image: Path, layer: Path, target: Path) -> None:
    """Puts one more layer on an unpacked `docker save`, under the name `shop:again`."""
    (entry,) = json.loads((image / "manifest.json").read_text())
    config = json.loads((image / entry["Config"]).read_text())
    config["rootfs"]["diff_ids"].append("sha256:" + hashlib.sha256(layer.read_bytes()).hexdigest())
    config["history"] = [{"created_by": "export"} for _ in config["rootfs"]["diff_ids"]]
    (image / "again.json").write_text(json.dumps(config))
    shutil.copy(layer, image / "again.tar")
    entry |= {"Config": "again.json", "RepoTags": ["shop:again"], "Layers": [*entry["Layers"], "again.tar"]}
    (image / "manifest.json").write_text(json.dumps([entry]))
    (image / "repositories").unlink(missing_ok=True)
    subprocess.run(["tar", "-cf", target, "-C", image, "."], check=True)
