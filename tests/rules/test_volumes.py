"""The table of the rules on volumes (classic-store 11; FC-28, FC-31, FC-32, FC-33)."""

import json
from collections.abc import Callable
from pathlib import Path

from docker_fsck.testing.containers import write_volumes
from docker_fsck.testing.table import Row, Told, disagreements, fires, run, silent
from docker_fsck.testing.whole import Whole, whole
from docker_fsck.values import WriteFile

from .cases import (
    ERROR,
    INFO,
    LOSSLESS,
    LOSSY,
    OTHER,
    WARNING,
    How,
    Spot,
    cut,
    deleted,
    does,
    emptied,
    file,
    foldered,
    hurting,
    linked,
    nulled,
    piped,
    rows,
    spot,
    told,
    written,
)

OPTS, MISMATCH, DB = "volume-opts-corrupt", "volume-opts-mismatch", "volume-db-unreadable"
DAMAGED, STALE, NO_DATA, LINK = "volume-record-damaged", "volume-record-stale", "volume-data-missing", "volume-data-link"
STRAY, NAMELESS, GONE = "volume-stray-dir", "volume-unreferenced-anonymous", "container-volume-missing"
TMPFS = {"type": "tmpfs", "device": "tmpfs", "o": "size=1m,uid=0"}
NFS = {"type": "nfs", "device": ":/export/a&b", "o": "addr=192.0.2.9,rw"}
DATABASE = file(lambda store: store.root.path / "volumes/metadata.db")
Blow = Callable[[Whole], object]


def at(name: str, part: str) -> Spot:
    """A file of a volume, blamed on the volume."""
    return spot("volume", lambda _: name, lambda store: store.root.volume_dir(name) / part)


def made(options: dict[str, str], blow: How, name: str = "mounted") -> How:
    """A volume with options, and damage to its opts.json."""

    def how(store: Whole) -> Told:
        store.root.volume(name, options=options)
        where = at(name, "opts.json")
        blow(store)
        return where.told(store)

    return how


def opts(strike: Callable[[Spot], How]) -> How:
    """Something done to the opts.json of the volume `mounted`."""
    return strike(at("mounted", "opts.json"))


def says(**members: object) -> Callable[[Spot], How]:
    """It says something else."""
    return lambda where: written(where, json.dumps(members).encode())


def recorded(record: bytes | None, name: str = "mounted") -> Blow:
    """The database holds something else of a volume, or nothing."""

    def blow(store: Whole) -> None:
        if record is None:
            del store.root.volumes[name]
        else:
            store.root.volumes[name] = record.decode()
        write_volumes(store.root)

    return blow


def handmade(data: bytes) -> How:
    """A plain volume to which somebody gave an opts.json."""
    return written(at("data", "opts.json"), data)


USED = spot("volume", lambda store: store.data, lambda store: store.root.volume_dir(store.data))
DATA = spot("volume", lambda store: store.data, lambda store: store.root.volume_dir(store.data) / "_data")


def nameless(store: Whole) -> Told:
    """An anonymous volume that no container uses."""
    name = store.root.volume()
    return told(store, "volume", name, store.root.volume_dir(name))


def folder(name: str) -> How:
    """A folder among the volumes with nothing in it."""
    where = spot("volume", lambda _: name, lambda store: store.root.volume_dir(name))
    return foldered(where)


def noise(store: Whole) -> Told:
    """Both metas of the database are gone."""
    path = store.root.path / "volumes/metadata.db"
    store.root.write(path, bytes(8192) + path.read_bytes()[8192:])
    return DATABASE.told(store)


BROKEN = (("is empty", emptied), ("is cut in half", cut), ("is all NUL", nulled),
          ("is a number", lambda where: written(where, b"7")), ("is a list", lambda where: written(where, b"[]")),
          ("has a member of another type", says(MountType=5)), ("has a size that is none", says(Quota={"Size": -1})),
          ("has something behind it", lambda where: written(where, b"{}{}")))  # fmt: skip


def no_freelist(store: Whole) -> None:
    """Page 2 of metadata.db, the list of free pages, becomes zero bytes."""
    data = DATABASE.path(store).read_bytes()
    store.root.write("volumes/metadata.db", data[:8192] + bytes(4096) + data[12288:])


# fmt: off
ROWS: tuple[Row, ...] = (
    *(fires(OPTS, f"it {what} and the database knows the options", made(TMPFS, opts(strike)), cls=LOSSLESS)
      for what, strike in BROKEN),
    fires(OPTS, "it is empty and the volume is a share", made(NFS, opts(emptied)), cls=LOSSLESS),
    fires(OPTS, "it is empty and the volume has a quota", made({"size": "10m"}, opts(emptied)), cls=LOSSLESS),
    fires(OPTS, "it is empty and an option is not known", made({"type": "x", "odd": "y"}, opts(emptied))),
    fires(OPTS, "it is empty and the size is none", made({"size": "much"}, opts(emptied))),
    fires(OPTS, "it is empty and the database has no options of the volume", handmade(b""), cls=LOSSY),
    fires(OPTS, "it is empty and the database does not know the volume", made(TMPFS, does(at("mounted", "opts.json"),
          opts(emptied), recorded(None))), also=(MISMATCH,)),
    fires(OPTS, "it is empty and so is the database", made(TMPFS, does(at("mounted", "opts.json"), opts(emptied),
          emptied(DATABASE))), also=(MISMATCH,)),
    fires(OPTS, "it is empty and the database is noise", made(TMPFS, does(at("mounted", "opts.json"), opts(emptied), noise)),
          also=(DB,), leaves=(MISMATCH,)),
    fires(OPTS, "it is empty and the options in the database are of another type", made(TMPFS, does(at("mounted", "opts.json"),
          opts(emptied), recorded(b'{"Name":"mounted","Driver":"local","Labels":null,"Options":{"type":5}}')))),
    fires(OPTS, "it is a folder, which the engine passes over", made(TMPFS, opts(foldered)), severity=ERROR),
    fires(OPTS, "it is a link, which is not followed", made(TMPFS, opts(lambda where: linked(where, "/etc/hostname"))),
          severity=ERROR),
    fires(OPTS, "it is a pipe", made(TMPFS, opts(piped)), severity=ERROR),
    fires(OPTS, "it is gone and the database knows the options", made(TMPFS, opts(deleted)), severity=ERROR, cls=LOSSLESS),
    silent(OPTS, "it is null", handmade(b"null")),
    silent(OPTS, "it is an empty object", handmade(b"{}")),
    silent(OPTS, "it holds members of a newer engine", made(TMPFS, opts(says(
        MountType="tmpfs", MountOpts="size=1m,uid=0", MountDevice="tmpfs", Future=[1])))),
    silent(OPTS, "a plain volume has none", does(DATABASE, lambda store: store.root.volume("plain"))),
    silent(OPTS, "the volume is a plugin's", does(DATABASE, recorded(
        b'{"Name":"far","Driver":"vendor/store:1","Labels":null,"Options":{"type":"x"}}', "far"),
        lambda store: (store.root.volume_dir("far") / "_data").mkdir(parents=True))),
    fires(MISMATCH, "it has another device", made(TMPFS, opts(says(MountType="tmpfs", MountOpts="size=1m,uid=0",
          MountDevice="/dev/sdb")))),
    fires(MISMATCH, "it is null although the database has options", made(TMPFS, opts(lambda where: written(where, b"null")))),
    silent(MISMATCH, "it says the same in another order", made(TMPFS, opts(says(MountDevice="tmpfs", MountType="tmpfs",
          MountOpts="size=1m,uid=0")))),
    *(fires(DB, f"it {what}", strike, cls=LOSSY, leaves=(OPTS,)) for what, strike in (
        ("is all NUL", nulled(DATABASE)), ("is noise", noise), ("is a word", written(DATABASE, b"<html>")))),
    fires(DB, "it is cut inside of its pages", does(DATABASE, lambda store: store.root.write(
        "volumes/metadata.db", (store.root.path / "volumes/metadata.db").read_bytes()[:8192])), cls=LOSSY),
    fires(DB, "it is a folder", foldered(DATABASE)),
    silent(DB, "it is empty", emptied(DATABASE)),
    silent(DB, "it is gone", deleted(DATABASE)),
    fires(DB, "one of its metas is torn", does(DATABASE, lambda store: store.root.flip("volumes/metadata.db", 8 * 40)), severity=INFO),
    fires(DB, "its list of free pages is zero", does(DATABASE, no_freelist), cls=LOSSY),
    fires(MISMATCH, "metadata.db has no record of it", does(DATABASE,
          lambda store: store.root.volume("mounted", options=TMPFS), deleted(DATABASE))),
    fires(DAMAGED, "a record is cut", does(spot("volume", lambda store: store.data, lambda store: DATABASE.path(store)),
          recorded(b'{"Name":"da', "data"))),
    fires(DAMAGED, "a record is of another volume", does(spot("volume", lambda store: store.data, lambda store: DATABASE.path(
          store)), recorded(b'{"Name":"other","Driver":"local"}', "data"))),
    silent(DAMAGED, "a record has no labels", does(DATABASE, recorded(b'{"Name":"data","Driver":"local"}', "data"))),
    fires(STALE, "the folder of a volume that nobody uses is gone", does(spot("volume", lambda _: "old",
          lambda store: store.root.volume_dir("old")), lambda store: [store.root.volume("old", labels={"a": "b"}),
          store.root.delete(store.root.volume_dir("old"))])),
    silent(STALE, "the volume is a plugin's", does(DATABASE, recorded(
        b'{"Name":"far","Driver":"vendor/store:1","Labels":null,"Options":null}', "far"))),
    fires(NO_DATA, "a container uses it", hurting(deleted(DATA), containers=lambda store: [store.ran]), severity=ERROR),
    fires(NO_DATA, "a file stands in its place", written(DATA, b"x"), severity=ERROR),
    fires(NO_DATA, "no container uses it", does(at("idle", "_data"), lambda store: [
        store.root.volume("idle"), store.root.delete(store.root.volume_dir("idle") / "_data")])),
    silent(NO_DATA, "it is empty", emptied(DATA)),
    fires(LINK, "it leads out of the root", linked(DATA, "/srv/x"), severity=WARNING),
    fires(LINK, "it leads out of the root by dots", linked(DATA, "../../../x"), severity=WARNING),
    fires(LINK, "it leads to another place in the root", linked(DATA, "../idle/_data")),
    silent(LINK, "a link lies in the data", does(DATABASE, lambda store: store.root.link_to(DATA.path(store) / "out", "/etc"))),
    fires(STRAY, "a folder holds nothing", folder("strange")),
    silent(STRAY, "a file lies there", written(file(lambda store: store.root.path / "volumes/notes.txt"), b"x")),
    silent(STRAY, "the quota helper's node lies there", piped(file(lambda store: store.root.path / "volumes/backingFsBlockDev"))),
    silent(STRAY, "the database cannot be read", does(DATABASE, folder("strange"), noise), also=(DB,)),
    fires(NAMELESS, "its container is gone", nameless),
    silent(NAMELESS, "a container of another driver uses it", does(DATABASE, lambda store: store.root.container(
        store.app, "far", driver="zfs", volumes={store.root.volume(): "/data"})), also=("container-foreign-driver",)),
    silent(NAMELESS, "a container that the engine hides uses it", does(DATABASE, lambda store: store.root.delete(
        store.root.mount_record(store.busy))), also=("container-record-missing",)),
    silent(NAMELESS, "a container cannot be read, which may use it", does(DATABASE, lambda store: [
        store.root.volume(), store.root.empty(store.root.container_dir(store.made) / "config.v2.json")]),
           also=("container-config-corrupt",)),
    silent(NAMELESS, "it has a name", does(DATABASE, lambda store: store.root.volume("unused"))),
    fires(GONE, "a prune took it", hurting(does(USED, recorded(None, "data"), deleted(USED)), containers=lambda store: [store.ran])),
    fires(GONE, "its folder was deleted", deleted(USED)),
    fires(GONE, "a link has its name", linked(USED, "/srv")),
    silent(GONE, "the volume is a plugin's", does(DATABASE, recorded(
        b'{"Name":"data","Driver":"vendor/store:1","Labels":null,"Options":null}', "data"),
        lambda store: store.root.delete(store.root.volume_dir("data")))),
)
# fmt: on


@rows(ROWS)
def test_the_table_of_volumes_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))


def test_the_step_that_takes_the_lock_away_is_the_last_of_the_plan(place: Path) -> None:
    store = whole(place, "overlay2")
    noise(store)
    store.root.orphan_dir()
    store.root.write("engine-id", b"")
    steps = sorted((step for action in run(place).plan.actions for step in action.steps), key=lambda step: step.n)
    assert ("volumes/metadata.db", 9) == (steps[-1].path, steps[-1].rank)
    assert {"engine-id"} <= {step.path for step in steps[:-1]}


def test_what_can_still_be_read_of_a_damaged_database_is_listed(place: Path) -> None:
    store = whole(place, "overlay2")
    store.root.volume("labelled", labels={"backup": "daily"})
    store.root.volume("mounted", options=TMPFS)
    noise(store)
    (action,) = run(place).plan.actions
    assert (
        "labels and options of volumes, as the API shows them",
        "volume labelled: label backup=daily",
        "volume mounted: option device=tmpfs, option o=size=1m,uid=0, option type=tmpfs",
    ) == action.loses


def test_the_rebuilt_options_are_the_very_bytes_of_the_engine(place: Path) -> None:
    store = whole(place, "overlay2")
    store.root.volume("share", options=NFS)
    store.root.empty(store.root.volume_dir("share") / "opts.json")
    (action,) = run(place).plan.actions
    expected = rb'{"MountType":"nfs","MountOpts":"addr=192.0.2.9,rw","MountDevice":":/export/a\u0026b","Quota":{"Size":0}}'
    assert [expected] == [step.data for step in action.steps if isinstance(step, WriteFile)]


def test_volumes_are_never_in_a_plan_that_takes_something_away(place: Path) -> None:
    store = whole(place, "overlay2")
    nameless(store)
    folder("strange")(store)
    store.root.delete(store.root.volume_dir(store.data) / "_data")
    outcome = run(place, consents=(store.ran, store.busy, store.made))
    assert ({NAMELESS, STRAY, NO_DATA}, ()) == ({each.rule for each in outcome.findings}, outcome.plan.actions)
