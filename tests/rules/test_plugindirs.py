"""The table of the rules on managed plugins (classic-store 11; FC-34)."""

from collections.abc import Callable
from pathlib import Path

from docker_fsck.host import HostView
from docker_fsck.testing.containers import write_volumes
from docker_fsck.testing.table import Row, Told, disagreements, fires, folds, silent
from docker_fsck.testing.whole import Whole

from .cases import DAY, LOSSY, OTHER, RECLAIM, How, does, file, foldered, rows, told, written
from .test_containers import stated

CONFIG, RESIDUE = "plugin-config-damaged", "plugin-residue"
TAGS = file(lambda store: store.root.tags)
Strike = Callable[[Whole, str], object]


def plugin(*strikes: Strike) -> How:
    """A plugin to whose folder something is done."""

    def how(store: Whole) -> Told:
        ident = store.root.plugin()
        for strike in strikes:
            strike(store, f"plugins/{ident}")
        return told(store, "plugin", ident, store.root.path / "plugins" / ident / "config.json")

    return how


def left(name: str, *strikes: Strike) -> How:
    """What an upgrade left in a plugin's folder, or a removal beside it."""

    def how(store: Whole) -> Told:
        ident = store.root.plugin()
        path = store.root.path / "plugins" / name.format(id=ident)
        store.root.make_dir(path)
        store.root.write(path / "file", b"x")
        for strike in strikes:
            strike(store, f"plugins/{ident}")
        return told(store, "file", store.rel(path), path)

    return how


def gone(name: str) -> Strike:
    """A part of the folder is gone."""
    return lambda store, path: store.root.delete(f"{path}/{name}")


def holds(data: bytes) -> Strike:
    """config.json holds something else."""
    return lambda store, path: store.root.write(f"{path}/config.json", data)


def has_data(store: Whole, path: str) -> None:
    """The plugin has made something of its own."""
    store.root.make_dir(f"{path}/propagated-mount")
    store.root.write(f"{path}/propagated-mount/user", b"x")


def volume(store: Whole, _: str) -> None:
    """A volume is of some plugin."""
    store.root.volumes["far"] = '{"Name":"far","Driver":"vendor/store:1","Labels":null,"Options":null}'
    write_volumes(store.root)


def in_use(store: Whole) -> HostView:
    """Something is mounted in what was left."""
    (path,) = (each for each in (store.root.path / "plugins").iterdir() if each.name.endswith("-removing"))
    return HostView(state="stopped", why="a mount is there", held=frozenset({f"{store.rel(path)}/rootfs"}))


# fmt: off
ROWS: tuple[Row, ...] = (
    *(fires(CONFIG, f"it {what}", plugin(strike), cls=LOSSY) for what, strike in (
        ("is gone", gone("config.json")), ("is empty", holds(b"")), ("is cut", holds(b'{"plugin":{"Na')),
        ("is a list", holds(b"[]")), ("is all NUL", holds(bytes(99))))),
    fires(CONFIG, "it is gone and the plugin has data", plugin(has_data, gone("config.json"))),
    fires(CONFIG, "it is gone and a volume may be of it", plugin(volume, gone("config.json"))),
    fires(CONFIG, "it is gone and a network may be of it", plugin(
        gone("config.json"), lambda store, _: store.root.network("far", driver="vendor/net:1"))),
    fires(CONFIG, "it is gone and the volumes are not known", plugin(
        gone("config.json"), lambda store, _: store.root.nul("volumes/metadata.db")), also=("volume-db-unreadable",)),
    fires(CONFIG, "it is gone and the database of volumes is new", plugin(
        gone("config.json"), lambda store, _: store.root.empty("volumes/metadata.db"))),
    fires(CONFIG, "it is gone and a container uses a volume of a plugin", plugin(gone("config.json"), lambda store, _: stated(
        MountPoints={"/far": {"Type": "volume", "Name": "far", "Driver": "vendor/store:1", "Destination": "/far"}})(store))),
    silent(CONFIG, "the plugin was never enabled", plugin()),
    fires(RESIDUE, "a removal was cut short", left(f"{OTHER}-removing"), cls=RECLAIM),
    fires(RESIDUE, "an installation was cut short", left("tmp/.rootfs123"), cls=RECLAIM),
    fires(RESIDUE, "an upgrade was cut short at its end", left("{id}/rootfs-old"), cls=RECLAIM),
    fires(RESIDUE, "an upgrade was cut short and the new files are not there", left("{id}/rootfs-old", gone("rootfs"))),
    fires(RESIDUE, "it is young", left(f"{OTHER}-removing"), cls=RECLAIM, grace=DAY, refused="grace period"),
    fires(RESIDUE, "something is mounted in it", left(f"{OTHER}-removing"), cls=RECLAIM, host=in_use, refused="in use"),
    folds(RESIDUE, CONFIG, "the plugin cannot be loaded either", lambda store: [
        blame := plugin(gone("config.json"))(store), store.root.make_dir(f"plugins/{blame.id}/rootfs-old"),
        store.root.write(f"plugins/{blame.id}/rootfs-old/file", b"x")][0], cls=LOSSY),
    silent(RESIDUE, "an empty folder was left of an upgrade", does(TAGS, lambda store: store.root.make_dir(
        f"plugins/{store.root.plugin()}/rootfs-old"))),
    silent(RESIDUE, "a name is none of a plugin", foldered(file(lambda store: store.root.path / "plugins/backup-removing"))),
    silent(RESIDUE, "the store of plugins holds blobs", written(file(
        lambda store: store.root.path / "plugins/storage/ingest/x"), b"x")),
)
# fmt: on


@rows(ROWS)
def test_the_table_of_plugins_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))
