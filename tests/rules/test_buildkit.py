"""The table of BuildKit's state beside a graph driver (classic-store 12; FC-07, FC-08, FC-30)."""

from collections.abc import Callable, Mapping
from pathlib import Path

from docker_fsck.host import HostView
from docker_fsck.testing import boltfile
from docker_fsck.testing.buildcache import write_buildkit
from docker_fsck.testing.table import Row, Told, disagreements, fires, folds, silent
from docker_fsck.testing.whole import Whole

from .cases import (
    DAY,
    INFO,
    LOSSY,
    OTHER_ID,
    RECLAIM,
    UNION,
    How,
    bolt_garbage,
    deleted,
    does,
    emptied,
    file,
    flipped,
    foldered,
    forgotten,
    linked,
    rows,
    spot,
    told,
    written,
)

BROKEN, MISSING, DANGLING = "buildkit-db-unreadable", "buildkit-db-missing", "buildkit-ref-dangling"
FOREIGN, UNSEEN, BACKUP, EXECUTOR = (
    "buildkit-other-driver",
    "buildkit-unseen",
    "buildkit-cache-backup",
    "buildkit-executor-residue",
)
ENTRY = "buildkit-record-damaged"
ORPHANS = ("driver-orphan",) * 2
"""The folders of the context and of the step, which nothing names when snapshots.db does not."""
SNAPSHOTS, LEASES, RECORDS, CACHE = "snapshots.db", "containerdmeta.db", "metadata_v2.db", "cache.db"
WITH_DIR = ("overlay2", "vfs")
STEP = "0123456789abcdefghijklmno"


def database(name: str) -> Callable[[Whole], Path]:
    """A database of BuildKit."""
    return lambda store: store.root.path / "buildkit" / name


def noise(name: str) -> How:
    """A database of which no page is whole."""
    return does(file(database(name)), lambda store: bolt_garbage(store, name))


def page(name: str, number: int) -> How:
    """A database with a page of zero bytes: 0 is the newer meta, 2 the freelist."""

    def blow(store: Whole) -> None:
        data = bytearray(database(name)(store).read_bytes())
        data[4096 * number : 4096 * number + 4096] = bytes(4096)
        store.root.write(database(name)(store), bytes(data))

    return does(file(database(name)), blow)


def builds(first: str, *blows: Callable[[Whole], object]) -> How:
    """The blame goes to the build cache as a whole; `first` is the path that is named first, below buildkit/."""
    return does(spot("store", lambda _: "buildkit", database(first)), *blows)


def kept(table: str, change: Callable[[dict[str, object]], object]) -> Callable[[Whole], None]:
    """BuildKit's tables are written anew after a change in one of them."""

    def blow(store: Whole) -> None:
        change(getattr(store.root.buildkit, table))
        write_buildkit(store.root)

    return blow


def lose(store: Whole, ident: str) -> None:
    """A driver dir is gone with all that belongs to it."""
    for path in store.root.path.glob(f"{store.root.driver}/**/{ident}"):
        store.root.delete(path)
    if store.root.driver == "overlay2":
        store.root.delete(store.root.short_link(ident))


def lost(ident: Callable[[Whole], str]) -> How:
    """A driver dir that builds name is gone; it is blamed."""

    def how(store: Whole) -> Told:
        lose(store, ident(store))
        return told(store, "driverdir", ident(store), store.root.driver_dir(ident(store)))

    return how


def only_dirs_of_layers(store: Whole) -> None:
    """The folders that only builds named are gone."""
    lose(store, store.cache.active)
    lose(store, store.cache.committed_dir)


def unregistered(store: Whole) -> Told:
    """The record of a layer that only the build cache still names is gone."""
    chain = store.root.chains_of(store.built)[-1]
    forgotten(store, store.built)
    store.root.delete(store.root.record(chain))
    return told(store, "layer", chain, store.root.record(chain))


def foreign(store: Whole) -> None:
    """The tables name nothing of this root."""
    only_dirs_of_layers(store)
    tables = store.root.buildkit
    tables.snapshots = {STEP: {"parent": ""}, STEP[::-1]: {"parent": OTHER_ID}, OTHER_ID: {}}
    tables.leases = {key: key for key in tables.snapshots}
    tables.records.clear()
    write_buildkit(store.root)


def unseen(*blows: Callable[[Whole], object]) -> How:
    """The context and the step are known to no record."""

    def how(store: Whole) -> Told:
        for blow in blows:
            blow(store)
        first = min(store.cache.active, store.cache.committed_dir)
        return told(store, "store", "buildkit", store.root.driver_dir(first))

    return how


def later(store: Whole) -> None:
    """A version of the format that nobody knows yet."""
    for name in (SNAPSHOTS,):
        data = bytearray(database(name)(store).read_bytes())
        for at in (20, 4096 + 20):
            data[at] = 3
        store.root.write(database(name)(store), bytes(data))


def killed_step(*entries: str) -> How:
    """What a build step needed while it ran."""

    def how(store: Whole) -> Told:
        base = store.root.path / "buildkit/executor"
        for each in entries:
            (base / each).parent.mkdir(exist_ok=True)
            store.root.write(base / each, b"{}")
        top = base / entries[0].partition("/")[0]
        return told(store, "file", store.rel(top), top)

    return how


def lazy(table: Mapping[str, object]) -> None:
    """A record of a layer that was never fetched."""
    fields = {"cache.chainID": {"value": OTHER_ID}, "cache.blobonly": {"value": True}, "cache.description": {"value": "pulled"}}
    dict.__setitem__(table, STEP, fields)  # type: ignore[index]


# fmt: off
ROWS: tuple[Row, ...] = (
    fires(BROKEN, "snapshots.db is noise", noise(SNAPSHOTS), cls=LOSSY, also=ORPHANS),
    *(fires(BROKEN, f"{name} is noise", noise(name), cls=LOSSY) for name in (LEASES, RECORDS, CACHE)),
    *(fires(BROKEN, f"the freelist of {name} is no page", page(name, 2), cls=LOSSY) for name in (SNAPSHOTS, CACHE)),
    fires(BROKEN, "the list of past builds is noise", noise("history.db"), cls=LOSSY),
    fires(BROKEN, "the newest transaction is torn", page(SNAPSHOTS, 0), severity=INFO),
    fires(BROKEN, "an older BuildKit's records are noise", does(file(database("metadata.db")), lambda store: [
        store.root.delete(database(RECORDS)(store)), bolt_garbage(store, "metadata.db")]), cls=LOSSY),
    silent(BROKEN, "what a later BuildKit took over is noise", does(file(database("metadata.db")),
           lambda store: bolt_garbage(store, "metadata.db"))),
    silent(BROKEN, "cache.db is empty", emptied(file(database(CACHE)))),
    silent(BROKEN, "a page that nobody needs is another", does(file(database(CACHE)), lambda store: store.root.write(
        database(CACHE)(store), boltfile.build({"_links": {}}, free=3)))),
    silent(BROKEN, "it is of a later version", does(file(database(SNAPSHOTS)), later), also=ORPHANS),
    *(fires(BROKEN, f"a folder stands in the place of {name}", foldered(file(database(name))), cls=LOSSY) for name in (LEASES, CACHE)),
    silent(BROKEN, "a link stands in its place", linked(file(database(LEASES)), "/dev/null"),
          also=("root-part-elsewhere",)),
    fires(MISSING, "snapshots.db is gone", builds(SNAPSHOTS, lambda store: store.root.delete(database(SNAPSHOTS)(store))),
          cls=LOSSY, also=ORPHANS),
    fires(MISSING, "snapshots.db is empty", builds(SNAPSHOTS, lambda store: store.root.empty(database(SNAPSHOTS)(store))),
          cls=LOSSY, also=ORPHANS),
    fires(MISSING, "containerdmeta.db is gone", builds(LEASES, lambda store: store.root.delete(database(LEASES)(store))),
          cls=LOSSY),
    fires(MISSING, "metadata_v2.db is gone", builds(RECORDS, lambda store: store.root.delete(database(RECORDS)(store))),
          cls=LOSSY, severity=INFO),
    fires(MISSING, "all of it is gone", builds(SNAPSHOTS, lambda store: store.root.delete("buildkit")), cls=LOSSY,
          severity=INFO, also=ORPHANS),
    fires(MISSING, "an image cannot be read either", does(spot("store", lambda _: "buildkit", database(RECORDS)),
          flipped(file(lambda store: store.root.image_file(store.web))),
          lambda store: store.root.delete(database(RECORDS)(store))),
          cls=LOSSY, severity=INFO, refused="references of images unknown", also=("image-hash-mismatch",), leaves=(MISSING,)),
    silent(MISSING, "all of it is gone and only layers have such names", does(file(database(SNAPSHOTS)),
           lambda store: [only_dirs_of_layers(store), store.root.delete("buildkit")])),
    silent(MISSING, "an older BuildKit has neither leases nor new records", does(file(database(SNAPSHOTS)), lambda store: [
        store.root.move("buildkit/metadata_v2.db", "buildkit/metadata.db"), store.root.delete(database(LEASES)(store))])),
    fires(DANGLING, "the folder of a step is gone", lost(lambda store: store.cache.committed_dir), cls=LOSSY),
    fires(DANGLING, "the folder of a context is gone", lost(lambda store: store.cache.active), cls=LOSSY),
    fires(DANGLING, "a layer that only it names has no record", unregistered, cls=LOSSY),
    folds(DANGLING, "layer-driverdir-missing", "the folder is a layer's too", does(spot("layer",
          lambda store: store.root.chains_of(store.built)[-1], lambda store: store.root.driver_dir(store.cache.exported_dir)),
          lambda store: lose(store, store.cache.exported_dir)), drivers=WITH_DIR, cls=LOSSY),
    silent(DANGLING, "a record speaks of a layer that was never fetched", does(file(database(RECORDS)), kept("records", lazy))),
    silent(DANGLING, "a snapshot that nothing needs speaks of a layer that is gone", does(file(database(SNAPSHOTS)),
           kept("snapshots", lambda table: table.update({STEP: {"chainid": OTHER_ID}})))),
    silent(DANGLING, "snapshots.db is from another time than its leases", does(file(database(LEASES)),
           kept("leases", lambda table: table.update({STEP: STEP})))),
    fires(ENTRY, "a lease holds a snapshot that is not there", does(file(database(LEASES)),
          kept("leases", lambda table: table.update({STEP: STEP[::-1]})))),
    silent(ENTRY, "a build was killed between a lease and its snapshot", does(file(database(LEASES)),
           kept("leases", lambda table: table.update({STEP: STEP})))),
    fires(ENTRY, "a snapshot stands on one that is not there", does(file(database(SNAPSHOTS)), kept("snapshots",
          lambda table: table.update({STEP: {"parent": "1" * 25, "chainid": OTHER_ID}})))),
    silent(ENTRY, "a record has no value", does(file(database(RECORDS)))),
    fires(FOREIGN, "the tree of the old driver was deleted", builds(SNAPSHOTS, foreign), cls=LOSSY, drivers=("vfs", "aufs", "overlay2")),
    silent(FOREIGN, "one of its names is here", does(file(database(SNAPSHOTS)), foreign, kept("snapshots",
           lambda table: table.update({"sha256:x": {}})), lambda store: kept("snapshots", lambda table: table[STEP].update(
               {"chainid": store.cache.chain}))(store)), also=(DANGLING,) * 3),
    fires(UNSEEN, "no record is left", unseen(kept("records", dict.clear)), cls=LOSSY),
    fires(UNSEEN, "neither record nor lease is left", unseen(kept("records", dict.clear), kept("leases", dict.clear)), cls=LOSSY),
    silent(UNSEEN, "only a record that shares it knows it", does(file(database(RECORDS)), lambda store: kept(
        "records", lambda table: table.pop(store.cache.active))(store)), also=(ENTRY,)),
    silent(UNSEEN, "it has no lease", does(file(database(LEASES)), kept("leases", dict.clear))),
    fires(BACKUP, "the engine made a new one", written(file(database("cache.db.ulsq7ujgnl3xk1thdjmsg2drp.bak")), b"x"), cls=RECLAIM),
    fires(BACKUP, "it is young", written(file(database("cache.db.1.bak")), b"x"), cls=RECLAIM, grace=DAY,
          refused="grace period"),
    silent(BACKUP, "somebody made a copy", written(file(database("cache.db.bak")), b"x")),
    fires(EXECUTOR, "a step was killed", killed_step(f"{STEP}/config.json"), cls=RECLAIM),
    fires(EXECUTOR, "its hosts file is left", killed_step(f"hosts.{STEP}"), cls=RECLAIM),
    fires(EXECUTOR, "something is mounted in it", killed_step(f"{STEP}/config.json"), cls=RECLAIM, refused="in use",
          host=lambda _: HostView(state="stopped", why="", mount_points=frozenset({f"buildkit/executor/{STEP}/rootfs"}))),
    silent(EXECUTOR, "an engine is live", killed_step(f"{STEP}/config.json"), host=lambda _: HostView(state="live", why="")),
    silent(EXECUTOR, "it is no step's", killed_step("resolv-host.conf")),
)
# fmt: on


@rows(ROWS)
def test_the_table_of_buildkit_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))
