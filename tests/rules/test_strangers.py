"""The table of what lies in the folders of a store and no engine has written: it is told, and nobody puts it away."""

import shutil
from collections.abc import Callable
from pathlib import Path

from docker_fsck.testing.table import Row, Told, disagreements, fires, run, silent
from docker_fsck.testing.whole import Whole, whole

from .cases import OTHER, OVERLAY, OVERLAYS, RECLAIM, How, does, file, linked, rows, spot, told, written
from .test_garbage import chain, mount, orphan, tmp

NOTES = b"mine"


def top(name: str) -> Callable[[Whole], Path]:
    """A path by its name below the root; `{driver}` is the driver's."""
    return lambda store: store.root.path / name.format(driver=store.root.driver)


def beside(how: How, where: Callable[[Whole, str], Path]) -> How:
    """That damage, with notes of somebody's in a folder of it."""

    def more(store: Whole) -> Told:
        blame: Told = how(store)
        store.root.write(where(store, blame.id) / "notes.txt", NOTES)
        return blame

    return more


def folder(name: str, *entries: str, kind: str = "file") -> How:
    """A folder below the root with files of somebody's in it."""

    def how(store: Whole) -> Told:
        path = top(name)(store)
        store.root.make_dir(path)
        for entry in entries:
            (path / entry).parent.mkdir(exist_ok=True)
            store.root.write(path / entry, NOTES)
        return told(store, kind, store.rel(path) if kind == "file" else path.name, path)

    return how


def copied(store: Whole) -> Told:
    """A mount record was copied to another name."""
    record = store.root.mount_record(store.ran)
    shutil.copytree(record, record.with_name("backup"))
    return told(store, "mount", "backup", record.with_name("backup"))


# fmt: off
ROWS: tuple[Row, ...] = (
    fires("driver-orphan", "notes lie in a layer that nothing names", beside(orphan, lambda store, ident: store.root.driver_dir(
        ident)), drivers=OVERLAYS),
    fires("driver-orphan", "a folder with such a name holds a dump", folder(f"overlay2/{OTHER}", "data/dump.sql",
          kind="driverdir"), drivers=OVERLAY),
    fires("driver-orphan", "an empty folder lies in a layer", does(spot("driverdir", lambda _: OTHER, top(f"overlay2/{OTHER}")),
          lambda store: store.root.make_dir(f"overlay2/{OTHER}/mine")), drivers=OVERLAY, cls=RECLAIM),
    fires("mount-orphan", "notes lie in the record", beside(mount(), lambda store, name: store.root.mount_record(name))),
    fires("mount-orphan", "a record was copied", copied, also=("mount-id-duplicate",)),
    fires("layer-unreferenced", "notes lie in a record", beside(chain(2), lambda store, ident: store.root.record(ident))),
    fires("layer-tmp", "notes lie in a registration", beside(tmp(), lambda store, path: store.root.path / path)),
    fires("layer-tmp", "a file of somebody's lies there", written(file(top("image/{driver}/layerdb/tmp/x")), NOTES)),
    fires("layer-tmp", "a folder of somebody's lies there", folder("image/{driver}/layerdb/tmp/backup", "diff")),
    fires("image-metadata-orphan", "notes lie in it", folder(f"image/{{driver}}/imagedb/metadata/sha256/{OTHER}", "parent", "notes.txt")),
    fires("dist-corrupt", "a file of somebody's lies among the entries", written(file(
        top("image/{driver}/distribution/diffid-by-digest/sha256/notes.txt")), NOTES)),
    fires("dist-corrupt", "a folder with the name of an entry holds something", folder(
        f"image/{{driver}}/distribution/diffid-by-digest/sha256/{OTHER}", "dump.sql")),
    fires("plugin-residue", "a folder of somebody's lies among what is unpacked", folder("plugins/tmp/backup", "x")),
    silent("aufs-removing", "a folder of somebody's has such an end", folder("aufs/diff/backup-removing", "x"), drivers=("aufs",)),
    fires("ovl-link-dangling", "a link of somebody's lies there", linked(file(top("overlay2/l/mine")), f"../{OTHER}/diff"), drivers=OVERLAY),
    fires("ovl-link-dangling", "a file of somebody's lies there", written(file(top("overlay2/l/notes.txt")), NOTES), drivers=OVERLAY),
    fires("ovl-link-dangling", "a folder with such a name holds something", folder(f"overlay2/l/{'A' * 26}", "dump.sql"), drivers=OVERLAY),
)
# fmt: on


@rows(ROWS)
def test_what_no_engine_has_written_is_left_alone(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))


def test_of_the_old_builders_folder_only_what_it_wrote_is_put_away(place: Path) -> None:
    store = whole(place, "overlay2")
    folder("builder", "fscache.db", "notes.txt")(store)
    (action,) = run(place).plan.actions
    assert ["builder/fscache.db"] == [step.path for step in action.steps]


def test_a_finding_says_what_keeps_it_from_being_put_away(place: Path) -> None:
    folder(f"containers/{OTHER}", "notes.txt", "data/dump.sql")(whole(place, "overlay2"))
    outcome = run(place)
    expected = f"the rest of the removed container {OTHER[:12]}; it is left alone: no engine writes data, notes.txt"
    assert ([expected], ()) == ([finding.message for finding in outcome.findings], outcome.plan.actions)
