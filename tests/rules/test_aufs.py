"""The table of the laws of aufs (classic-store 9.1, 12.1; FC-09)."""

from collections.abc import Callable
from pathlib import Path

from docker_fsck.testing.table import Row, Told, disagreements, fires, folds, silent
from docker_fsck.testing.whole import Whole

from .cases import AUFS as ONLY
from .cases import (
    DAY,
    LOSSLESS,
    LOSSY,
    OTHER,
    RECLAIM,
    How,
    Spot,
    all_images,
    cut,
    deleted,
    does,
    emptied,
    file,
    foldered,
    hurting,
    linked,
    nulled,
    only,
    piped,
    rows,
    spot,
    told,
    written,
)

LIST, MISSING, REMOVING, PARTIAL = "aufs-layers-file", "aufs-dir-missing", "aufs-removing", "aufs-partial-create"
Name = Callable[[Whole], str]
AGAIN = ("layer-parent-missing",)


def low(store: Whole) -> str:
    """The driver id below all others."""
    return store.dir_of(store.base, 0)


def top(store: Whole) -> str:
    """The one that only `web` has."""
    return store.dir_of(store.web)


def rw(store: Whole) -> str:
    """A writable layer."""
    return store.root.mount_id(store.ran)


def step(store: Whole) -> str:
    """A build step that only BuildKit names."""
    return store.cache.committed_dir


def part(name: str, ident: Name) -> Spot:
    """One of the three entries of a driver id."""
    return spot("driverdir", ident, lambda store: store.root.path / "aufs" / name / ident(store))


def point(ident: Name) -> Spot:
    """A mount point, which is blamed itself."""
    return file(lambda store: store.root.path / "aufs/mnt" / ident(store))


def lines(ident: Name, change: Callable[[Whole, list[str]], list[str]]) -> How:
    """The list of ancestors, changed."""

    def text(store: Whole) -> str:
        return "".join(f"{line}\n" for line in change(store, part("layers", ident).path(store).read_text().split()))

    return written(part("layers", ident), text)


def leftover(name: str) -> Spot:
    """Something that aufs was removing."""
    return file(lambda store: store.root.path / "aufs" / name)


def half_made(*names: str) -> How:
    """Of a driver id that nobody knows only these entries are there."""
    return lambda store: _half_made(store, store.root.orphan_dir(), names)


def half_built(store: Whole) -> Told:
    """The same of an id as BuildKit gives them, and its database is damaged."""
    store.root.write("buildkit/snapshots.db", b"no database" * 1000)
    return _half_made(store, store.root.orphan_dir("0123456789abcdefghijklmno"), ("diff",))


def _half_made(store: Whole, ident: str, names: tuple[str, ...]) -> Told:
    for name in {"diff", "layers", "mnt"} - set(names):
        store.root.delete(store.root.path / "aufs" / name / ident)
    return told(store, "driverdir", ident, store.root.path / "aufs" / names[0] / ident)


EVERYONE = (all_images, lambda store: [store.ran, store.busy, store.made])
KEPT = (*AGAIN, MISSING)  # a build step needs the layer too, and nothing here takes that away
# fmt: off
ROWS = only(ONLY, (
    *(fires(LIST, f"that of an image layer {what}", hurting(blow(part("layers", top)), lambda _: ["web:1"]),
          cls=LOSSLESS) for what, blow in (
        ("is empty", emptied), ("is all NUL", nulled), ("is gone", deleted), ("is a folder", foldered), ("is a pipe", piped))),
    fires(LIST, "that of the lowest layer is gone", deleted(part("layers", low)), cls=LOSSLESS),
    fires(LIST, "it is empty and what tells the chain is lost too", does(part("layers", rw), emptied(part("layers", rw)), lambda store:
          store.root.empty(store.root.mount_record(store.ran) / "parent")), also=("mount-record-broken",), leaves=(LIST,)),
    fires(LIST, "it is a link", linked(part("layers", top), "../diff"), cls=LOSSLESS),
    fires(LIST, "its last line is cut", cut(part("layers", rw)), cls=LOSSLESS),
    fires(LIST, "its last line is lost", lines(rw, lambda _, each: each[:-1]), cls=LOSSLESS),
    fires(LIST, "a line names nobody", lines(rw, lambda _, each: [*each[:-1], OTHER]), cls=LOSSLESS),
    fires(LIST, "a line leads out of the folder", lines(rw, lambda _, each: [*each[:-1], "../../etc"]), cls=LOSSLESS),
    fires(LIST, "two lines are exchanged", lines(rw, lambda _, each: [*each[:-2], each[-1], each[-2]])),
    fires(LIST, "a layer of another image is among them", lines(rw, lambda store, each: [each[0], top(store), *each[2:]])),
    fires(LIST, "that of a build step is gone and no record tells it", deleted(part("layers", step))),
    folds(LIST, "layer-driverdir-missing", "its own lines are cut and the layer that they lack is gone", does(
        spot("layer", lambda store: store.root.chains_of(store.base)[0],
          lambda store: store.root.path / "aufs/diff" / low(store)),
        lines(top, lambda _, each: each[:-1]), *(deleted(part(name, low)) for name in ("diff", "layers", "mnt"))), cls=LOSSY,
          leaves=AGAIN),
    silent(LIST, "an empty line follows", written(part("layers", top),
          lambda store: part("layers", top).path(store).read_text() + "\n")),
    silent(LIST, "a parent lies in the shadow", does(part("layers", top), lambda store: store.root.shadow_parent())),
    silent(LIST, "an image and a container stand above a parent in the shadow",
          does(part("layers", top), lambda store: store.root.container(
        store.root.image("more:1", 1, base=store.root.shadow_parent().image), "shade"))),
    fires(MISSING, "the content of the lowest layer is gone", hurting(deleted(part("diff", low)), *EVERYONE), cls=LOSSY,
          leaves=KEPT),
    fires(MISSING, "a file stands in its place", written(part("diff", top), b""), cls=LOSSY, leaves=AGAIN),
    fires(MISSING, "a link stands in its place", linked(part("diff", top), "/etc")),
    fires(MISSING, "the content of a writable layer is gone",
          hurting(deleted(part("diff", rw)), lambda _: (), lambda store: [store.ran])),
    fires(MISSING, "a mount point is gone", deleted(point(top)), cls=LOSSLESS),
    fires(MISSING, "a file stands in place of a mount point", written(point(top), b"")),
    silent(MISSING, "the layer changes nothing", does(part("diff", low),
          lambda store: store.root.image("same:1", [{}], base=store.web))),
    silent(MISSING, "a mount point is not empty", does(point(rw),
          lambda store: store.root.write(point(rw).path(store) / "x", b""))),
    fires(REMOVING, "content was left", foldered(leftover(f"diff/{OTHER}-removing")), cls=RECLAIM),
    fires(REMOVING, "the mount point of an init layer was left", foldered(leftover(f"mnt/{OTHER}-init-removing")), cls=RECLAIM),
    fires(REMOVING, "the layer is there again beside it", does(
        file(lambda store: store.root.path / "aufs/diff" / f"{top(store)}-removing"),
        lambda store: store.root.make_dir(store.root.path / "aufs/diff" / f"{top(store)}-removing")), cls=RECLAIM),
    fires(REMOVING, "it is young", foldered(leftover(f"diff/{OTHER}-removing")), cls=RECLAIM, grace=DAY, refused="grace period"),
    silent(REMOVING, "a list has such a name", written(leftover(f"layers/{OTHER}-removing"), b"")),
    fires(PARTIAL, "the create ended before the list", half_made("mnt", "diff"), cls=RECLAIM),
    fires(PARTIAL, "the create ended after the mount point", half_made("mnt"), cls=RECLAIM),
    fires(PARTIAL, "only the list is left", half_made("layers"), cls=RECLAIM),
    fires(PARTIAL, "a build's snapshot, and its names cannot be read", half_built,
          cls=RECLAIM, refused="snapshots.db", also=("buildkit-db-unreadable", *("driver-orphan",) * 2)),
    fires(PARTIAL, "it is young", half_made("mnt"), cls=RECLAIM, grace=DAY, refused="grace period"),
    folds("driver-orphan", PARTIAL, "it is an orphan too", half_made("diff"), cls=RECLAIM),
    silent(PARTIAL, "all three are there", does(part("diff", low), lambda store: store.root.orphan_dir()),
          also=("driver-orphan",)),
))
# fmt: on


@rows(ROWS)
def test_the_table_of_aufs_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))
