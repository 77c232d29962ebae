"""The built roots hold what the reference says of them; everything is computed again here, nothing is taken from the builder."""

import base64
import gzip
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from docker_fsck.bolt import Bucket, open_bytes
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.layertar import crc64

DRIVERS = ("overlay2", "vfs", "aufs")
HEX64 = re.compile("[0-9a-f]{64}")
INIT_FILES = {".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf"}
INIT_FOLDERS = {"dev", "dev/pts", "dev/shm", "etc", "proc", "sys"}


def full(path: Path, driver: str) -> DataRoot:
    """A root with at least one of everything that a healthy engine has."""
    root = DataRoot(path, driver)
    base = root.image(
        "base:1", [{"bin/sh": b"#!\n", "a/deep/name": b"x" * 1000, "empty/": b"", "zero": b""}, {"etc/issue": b"hello\n"}]
    )
    child = root.image("registry.example:5000/acme/app:2", 3, base=base, digest_ref=True)
    root.image(None, 0)
    root.volume("data1", {"hello": b"hi\n"}, {"a": "b"})
    root.volume(options={"type": "tmpfs", "device": "tmpfs", "o": "size=1m"})
    root.container(child, "one", files={"written": b"w\n"}, volumes={"data1": "/data"})
    root.container(None, "scratch")
    root.build_cache(child, export="built:1")
    return root


@pytest.fixture(params=DRIVERS)
def root(request: pytest.FixtureRequest, tmp_path: Path) -> DataRoot:
    """A full root of each driver."""
    return full(tmp_path / "root", request.param)


def sha(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def text(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def records(root: DataRoot) -> dict[str, Path]:
    """The layerdb folders by their chain-id."""
    return {f"sha256:{path.name}": path for path in (root.image_home / "layerdb" / "sha256").iterdir()}


def tree(bucket: Bucket) -> dict[str, object]:
    """A bucket as nested dicts of text."""
    items = ((key.decode(), value) for key, value in bucket.items())
    return {key: tree(value) if isinstance(value, Bucket) else value for key, value in items}


def database(root: DataRoot, name: str) -> dict[str, object]:
    return tree(open_bytes((root.path / name).read_bytes()).root)


def on_disk(root: DataRoot) -> set[str]:
    """The ids of all driver dirs."""
    folders = {"overlay2": ("overlay2",), "vfs": ("vfs/dir",), "aufs": ("aufs/diff", "aufs/layers", "aufs/mnt")}[root.driver]
    listed = [{entry.name for entry in (root.path / folder).iterdir()} - {"l"} for folder in folders]
    assert all(names == listed[0] for names in listed)
    return listed[0]


def named(root: DataRoot) -> set[str]:
    """The ids that layerdb, mounts and snapshots.db name (classic-store 18.1; buildkit store 2.2)."""
    ids = {(path / "cache-id").read_text() for path in records(root).values() if HEX64.fullmatch(path.name)}
    for mount in (root.image_home / "layerdb" / "mounts").iterdir():
        ids |= {(mount / "mount-id").read_text(), (mount / "init-id").read_text()}
    if (root.path / "buildkit").exists():
        for key, row in database(root, "buildkit/snapshots.db").items():
            assert isinstance(row, dict)
            if "committed" in row:
                ids.add(row["committed"].decode())
            elif "parent" in row:
                ids.add(key)
    return ids


def parts(split: bytes, content: Path) -> Iterator[bytes]:
    """The pieces of the archive that a tar-split record and a folder make (classic-store 6.2)."""
    for position, line in enumerate(gzip.decompress(split).splitlines()):
        entry = json.loads(line)
        assert entry["position"] == position
        payload = base64.b64decode(entry["payload"] or "")
        if entry["type"] == 2:
            yield payload
        elif payload:
            data = (content / entry["name"]).read_bytes()
            assert (len(data), crc64(data).to_bytes(8, "big")) == (entry["size"], payload)
            yield data


def test_every_record_is_named_by_its_chain_id(root: DataRoot) -> None:
    assert len(records(root)) == 6
    for chain, record in records(root).items():
        diff, parent = (record / "diff").read_text(), text(record / "parent")
        assert chain == (diff if parent is None else sha(f"{parent} {diff}".encode()))
        assert parent is None or parent in records(root)


def test_every_layer_is_rebuilt_from_its_tar_split_and_its_folder(root: DataRoot) -> None:
    for chain, record in records(root).items():
        content = root.content((record / "cache-id").read_text())
        archive = b"".join(parts((record / "tar-split.json.gz").read_bytes(), content))
        assert sha(archive) == (record / "diff").read_text()
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            assert sum(entry.size for entry in tar) == int((record / "size").read_text())
        assert content == root.content(root.dir_of(chain))


def test_every_image_hashes_to_its_name_and_has_its_layers(root: DataRoot) -> None:
    contents = sorted((root.image_home / "imagedb" / "content" / "sha256").iterdir())
    assert sorted(root.images) == [f"sha256:{path.name}" for path in contents]
    for path in contents:
        document = json.loads(path.read_bytes())
        assert sha(path.read_bytes()) == f"sha256:{path.name}"
        chain: list[str] = []
        for diff in document["rootfs"].get("diff_ids", []):
            chain.append(diff if not chain else sha(f"{chain[-1]} {diff}".encode()))
        assert set(chain) <= records(root).keys()
        assert len(document["history"]) == len(chain)
        assert root.chains_of(f"sha256:{path.name}") == tuple(chain)
        assert (text(root.image_metadata(f"sha256:{path.name}") / "parent") or f"sha256:{path.name}") in root.images


def test_tags_name_images_and_the_distribution_cache_pairs(root: DataRoot) -> None:
    table = json.loads(root.tags.read_bytes())["Repositories"]
    refs = {ref: image for repository in table.values() for ref, image in repository.items()}
    assert set(refs.values()) <= root.images.keys()
    assert {"base:1", "built:1", "registry.example:5000/acme/app:2"} == {ref for ref in refs if "@" not in ref}
    assert [len(ref.partition("@sha256:")[2]) for ref in refs if "@" in ref] == [64]
    cache = root.image_home / "distribution"
    pairs = {(row["Digest"], f"sha256:{path.name}") for path, row in _cached(cache / "v2metadata-by-diffid" / "sha256")}
    back = {(f"sha256:{path.name}", path.read_text()) for path in (cache / "diffid-by-digest" / "sha256").iterdir()}
    assert pairs == back
    assert len(pairs) == 5


def _cached(folder: Path) -> list[tuple[Path, dict[str, str]]]:
    return [(path, row) for path in folder.iterdir() for row in json.loads(path.read_bytes())]


def test_nothing_is_orphaned_in_a_full_root_and_nothing_missing(root: DataRoot) -> None:
    assert named(root) == on_disk(root)


def test_overlay2_links_pair_and_lower_follows_the_parents(tmp_path: Path) -> None:
    root = full(tmp_path / "root", "overlay2")
    links = {path.name: str(path.readlink()) for path in (root.path / "overlay2" / "l").iterdir()}
    short = {ident: (root.path / "overlay2" / ident / "link").read_text() for ident in on_disk(root)}
    assert links == {name: f"../{ident}/diff" for ident, name in short.items()}
    assert all(re.fullmatch("[A-Z2-7]{26}", name) for name in links)
    above = {root.dir_of(chain): text(path / "parent") for chain, path in records(root).items()}
    parent = {ident: chain and root.dir_of(chain) for ident, chain in above.items()}
    for mount in root.mounts.values():
        parent |= {mount.mount_id: mount.init_id, mount.init_id: mount.parent and root.dir_of(mount.parent)}
    for ident, below in parent.items():
        base = root.path / "overlay2" / ident
        tail = below and text(root.path / "overlay2" / below / "lower")
        assert text(base / "lower") == (below and f"l/{short[below]}" + (f":{tail}" if tail else ""))
        assert (base / "work").exists() == (below is not None)
    used = {below for below in parent.values() if below}
    assert {ident for ident in parent if (root.path / "overlay2" / ident / "committed").exists()} == used


def test_aufs_lists_every_ancestor_nearest_first(tmp_path: Path) -> None:
    root = full(tmp_path / "root", "aufs")
    for image in root.images:
        chain = [root.dir_of(layer) for layer in root.chains_of(image)]
        for depth, ident in enumerate(chain):
            assert (root.path / "aufs/layers" / ident).read_text() == "".join(f"{below}\n" for below in reversed(chain[:depth]))
    for mount in root.mounts.values():
        init, own = ((root.path / "aufs/layers" / ident).read_text() for ident in (mount.init_id, mount.mount_id))
        top = root.dir_of(mount.parent) if mount.parent else None
        assert init == (f"{top}\n" + (root.path / "aufs/layers" / top).read_text() if top else "")
        assert own == f"{mount.init_id}\n{init}"
    assert not any(any(mount.iterdir()) for mount in (root.path / "aufs/mnt").iterdir())


def test_a_container_has_its_record_its_pair_and_the_standard_files(root: DataRoot) -> None:
    assert {path.name for path in (root.path / "containers").iterdir()} == root.mounts.keys()
    for ident, mount in root.mounts.items():
        record, folder = root.mount_record(ident), root.container_dir(ident)
        assert text(record / "init-id") == f"{text(record / 'mount-id')}-init"
        document = json.loads((folder / "config.v2.json").read_bytes())
        top = root.chains_of(document["Image"])[-1] if document["Image"] else None
        assert (document["ID"], document["Driver"], text(record / "parent")) == (ident, root.driver, top)
        init = root.content(mount.init_id)
        assert all((init / name).stat().st_size == 0 and (init / name).stat().st_mode == 0o100755 for name in INIT_FILES)
        assert all((init / name).is_dir() for name in INIT_FOLDERS)
        assert str((init / "etc/mtab").readlink()) == "/proc/mounts"
    one = next(ident for ident in root.mounts if '"/one"' in (root.container_dir(ident) / "config.v2.json").read_text())
    assert (root.content(root.mount_id(one)) / "written").read_bytes() == b"w\n"


def test_the_build_cache_has_a_lease_or_a_shared_snapshot_for_every_record(root: DataRoot) -> None:
    snapshots, meta = database(root, "buildkit/snapshots.db"), database(root, "buildkit/containerdmeta.db")
    leases = meta["v1"]["buildkit"]["leases"]  # type: ignore[index]
    rows = database(root, "buildkit/metadata_v2.db")["_main"]
    assert isinstance(rows, dict)
    assert {key for lease in leases.values() for key in lease["snapshots"]["default"]} <= snapshots.keys()
    alone = rows.keys() - leases.keys()
    assert [json.loads(rows[key]["cache.equalMutable"])["value"] in leases for key in alone] == [True]
    chained = {row["chainid"].decode() for row in snapshots.values() if "chainid" in row}  # type: ignore[operator, index]
    assert chained <= records(root).keys()
    assert len(chained) == 2


def test_volumes_are_in_the_database_and_on_the_disk(root: DataRoot) -> None:
    rows = database(root, "volumes/metadata.db")["volumes"]
    assert isinstance(rows, dict)
    assert set(rows) == {path.name for path in (root.path / "volumes").iterdir() if path.is_dir()}
    anonymous = next(name for name in rows if HEX64.fullmatch(name))
    assert json.loads((root.volume_dir(anonymous) / "opts.json").read_bytes())["MountOpts"] == "size=1m"
    assert json.loads(rows["data1"]) == {"Name": "data1", "Driver": "local", "Labels": {"a": "b"}, "Options": None}


def test_each_leftover_adds_exactly_what_nothing_names(root: DataRoot) -> None:
    base = next(iter(root.images))
    pair = root.orphan_pair(base)
    loose = {pair.mount_id, pair.init_id, root.orphan_dir(parent=root.chains_of(base)[0]), root.orphan_dir("a" * 25)}
    loose.add((root.removing(root.chains_of(base)[0]) / "cache-id").read_text())
    loose.add((root.layer_tmp() / "cache-id").read_text())
    bare = root.layer_tmp(["tar-split.json.gz"])
    loose.add(root.lost_dirs[-1])
    assert {path.name: path.stat().st_size for path in bare.iterdir()} == {"tar-split.json.gz": 10}
    mount = root.orphan_mount(base)
    assert (root.mount_record(mount).is_dir(), root.container_dir(mount).exists()) == (True, False)
    assert on_disk(root) - named(root) == loose
    assert named(root) <= on_disk(root)


def test_unreferenced_layers_are_a_chain_that_no_image_has(root: DataRoot) -> None:
    before = records(root).keys()
    base = root.chains_of(next(iter(root.images)))[0]
    chains = root.unreferenced_layers(3, base)
    assert records(root).keys() - before == set(chains)
    assert [text(root.record(chain) / "parent") for chain in chains] == [base, *chains[:2]]
    assert not set(chains) & {chain for image in root.images for chain in root.chains_of(image)}


@pytest.mark.parametrize("driver", ["overlay2", "aufs"])
def test_a_shadow_parent_is_named_by_its_child_alone(driver: str, tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root", driver)
    shadow = root.shadow_parent()
    assert on_disk(root) - named(root) == {shadow.shadow}
    assert root.chains_of(shadow.image) == (shadow.parent, shadow.chain)
    assert (text(root.record(shadow.chain) / "parent"), root.dir_of(shadow.chain)) == (shadow.parent, shadow.dir)
    if driver == "aufs":
        assert (root.path / "aufs/layers" / shadow.dir).read_text() == f"{shadow.shadow}\n"
    else:
        assert (root.driver_dir(shadow.dir) / "lower").read_text() == f"l/{root.short(shadow.shadow)}"
        assert str(root.short_link(shadow.shadow).readlink()) == f"../{shadow.shadow}/diff"
