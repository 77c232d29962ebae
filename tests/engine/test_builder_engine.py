"""Docker 20.10 itself judges what the builder writes: it must list, save and start it, and make the same files itself."""

import json
import re
import shutil
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from docker_fsck.testing.builder import DataRoot
from dockerd import Engine

HEX64, SNAPSHOT, SHORT = re.compile(r"[0-9a-f]{64}"), re.compile(r"(?<=/)[0-9a-z]{25}(?=/|$)"), re.compile(r"\b[A-Z2-7]{26}\b")
RUNNING_ONLY = ("containerd", "network", "buildkit")


@pytest.fixture
def root(workplace: Path, driver: str) -> DataRoot:
    """An empty built root."""
    return DataRoot(workplace / "built", driver)


@contextmanager
def running(root: DataRoot) -> Iterator[Engine]:
    """An engine on a built root, stopped cleanly at the end."""
    with Engine(root.path.parent, root.driver, root.path) as engine:
        engine.start()
        yield engine
        engine.stop()


def shell_image(root: DataRoot, tag: str = "app:1") -> str:
    """An image of two layers that can run a shell."""
    shell = Path(shutil.which("busybox") or "").read_bytes()
    return root.image(tag, [{"bin/sh": shell, "etc/hosts": b"from the image\n"}, {"etc/issue": b"hello\n"}])


def dirs(root: DataRoot) -> set[str]:
    """The names of all driver dirs."""
    return {path.name for path in root.driver_dir("any").parent.iterdir()} - {"l", "backingFsBlockDev"}


def test_the_engine_lists_every_image_container_and_volume(root: DataRoot) -> None:
    ours = shell_image(root)
    child = root.image("registry.example:5000/acme/app:2", 1, base=ours, digest_ref=True)
    untagged = root.image(None, 1)
    data = root.volume("data1", {"hello": b"hi\n"}, {"a": "b"})
    box = root.container(child, "box", volumes={data: "/data"})
    scratch = root.container(None, "scratch")
    with running(root) as engine:
        images = engine.images()
        digests = engine.docker("images", "--digests", "--format", "{{.Digest}}").stdout.split()
        containers = engine.docker("ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}}").stdout.splitlines()
        volumes = engine.docker("volume", "ls", "--format", "{{.Name}} {{.Labels}}").stdout.splitlines()
        parent = engine.docker("image", "inspect", "-f", "{{.Parent}}", child).stdout.strip()
    assert sorted([("app:1", ours), ("registry.example:5000/acme/app:2", child), ("<none>:<none>", untagged)]) == images
    (by_digest,) = (ref for ref in root.repositories["registry.example:5000/acme/app"] if "@" in ref)
    assert [by_digest.partition("@")[2]] == [digest for digest in digests if digest != "<none>"]
    assert sorted([f"{box} box", f"{scratch} scratch"]) == sorted(containers)
    assert (["data1 a=b"], ours) == (volumes, parent)


def test_the_engine_saves_layers_with_the_digests_that_were_built(root: DataRoot) -> None:
    ours = shell_image(root)
    images = {"app:1": ours, "acme/deep:1": root.image("acme/deep:1", 5, base=ours)}
    images["built:1"] = root.build_cache(ours, export="built:1").exported_image
    if root.driver != "vfs":
        images["shadow:1"] = root.shadow_parent("shadow:1").image
    with running(root) as engine:
        saved = {tag: engine.save_digests(tag) for tag in images}
    assert {tag: [image, *root.images[image].diffs] for tag, image in images.items()} == saved


def test_the_engine_starts_a_built_container_with_its_files_and_volume(root: DataRoot) -> None:
    script = "read a </etc/issue; read b </note; read c </data/hello; echo $a $b $c; echo 1 >/data/more"
    data = root.volume("data1", {"hello": b"volume\n"})
    config = {"Args": ["-c", script]}
    box = root.container(shell_image(root), "box", files={"note": b"written\n"}, config=config, volumes={data: "/data"})
    with running(root) as engine:
        said = engine.docker("start", "-a", "box").stdout
        changed = sorted(engine.docker("diff", "box").stdout.splitlines())
        engine.docker("rm", "box")
    assert (said, changed) == ("hello written volume\n", ["A /data", "A /note"])
    assert (root.volume_dir(data) / "_data" / "more").read_bytes() == b"1\n"
    assert not {root.mount_id(box), root.init_id(box)} & dirs(root)
    assert not root.mount_record(box).exists()


def test_the_engine_prunes_from_the_build_cache_exactly_its_own_folders(root: DataRoot) -> None:
    cache = root.build_cache(shell_image(root), export="built:1")
    before = dirs(root)
    with running(root) as engine:
        usage = engine.docker("system", "df", "-v", "--format", "{{range .BuildCache}}{{.ID}} {{end}}").stdout.split()
        engine.docker("builder", "prune", "-af")
        image = engine.docker("run", "--rm", "--network", "none", "built:1", "/bin/sh", "-c", "echo runs").stdout
    assert {cache.active, cache.committed, cache.imported, cache.exported} == set(usage)
    assert {cache.active, cache.committed_dir} == before - dirs(root)
    assert image == "runs\n"


def test_the_leftovers_are_garbage_to_the_engine_too(root: DataRoot) -> None:
    ours = shell_image(root)
    chains = root.unreferenced_layers(2, root.chains_of(ours)[0])
    removed = {(root.removing() / "cache-id").read_text()}
    pair = root.orphan_pair(ours)
    kept = {root.dir_of(chain) for chain in chains} | {root.orphan_dir(), pair.mount_id, pair.init_id}
    kept |= {(root.layer_tmp() / "cache-id").read_text()}
    mount = root.orphan_mount(ours)
    kept |= {root.mount_id(mount), root.init_id(mount)} | {root.dir_of(chain) for chain in root.chains_of(ours)}
    assert removed | kept == dirs(root)
    with running(root) as engine:
        containers = engine.ps()
        engine.docker("rmi", "app:1")
        engine.docker("system", "prune", "-af")
    assert ({}, kept) == (containers, dirs(root))
    assert not list((root.image_home / "layerdb" / "sha256").glob("*-removing"))


def test_the_engine_makes_the_same_files_with_the_same_modes(root: DataRoot, workplace: Path) -> None:
    ours = shell_image(root)
    root.volume("data1")
    built = root.container(ours, "box", volumes={"data1": "/data"})
    expected, ours_made = listing(root.path), documents(root.path, built)
    with running(root) as engine:
        engine.docker("save", "-o", str(workplace / "image.tar"), "app:1")
    with Engine(workplace / "real", root.driver, workplace / "real") as engine:
        (workplace / "real").mkdir()
        engine.log = workplace / "real.log"
        engine.start()
        engine.docker("load", "-i", str(workplace / "image.tar"))
        engine.docker("tag", "app:1", "app:1")
        engine.docker("volume", "create", "data1")
        options = ("-v", "data1:/data:rw")
        made = engine.run("box", "app:1", "/bin/sh", "-c", "echo hello", options=options)
        engine.stop()
    assert expected == listing(workplace / "real")
    assert ours_made == documents(workplace / "real", made)


def listing(root: Path) -> Counter[str]:
    """Every path with type, mode and link text, ids written as their kind; less what only running makes, and the pull cache."""
    lines: Counter[str] = Counter()
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if name.startswith(RUNNING_ONLY) or name.endswith("/backingFsBlockDev") or "/distribution/" in name:
            continue
        if "/work/work/" in name:  # a whiteout that the kernel keeps for reuse
            continue
        target = f" -> {path.readlink()}" if path.is_symlink() else ""
        line = f"{stat.filemode(path.lstat().st_mode)} {name}{target}"
        for pattern, kind in ((HEX64, "<id>"), (SNAPSHOT, "<snapshot>"), (SHORT, "<short>")):
            line = pattern.sub(kind, line)
        lines[line] += 1
    return lines


def documents(root: Path, container: str) -> list[object]:
    """The keys, to any depth, of the two documents of a container."""
    folder = root / "containers" / container
    return [keys(json.loads((folder / name).read_bytes())) for name in ("config.v2.json", "hostconfig.json")]


def keys(value: object) -> object:
    """The keys of a JSON value."""
    return {key: keys(inner) for key, inner in value.items()} if isinstance(value, dict) else None
