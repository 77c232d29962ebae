"""The table of the laws of overlay2 (classic-store 9.2, 12.1; FC-01 d, FC-02, FC-03 c, FC-15, FC-44 a)."""

from collections.abc import Callable
from pathlib import Path

from docker_fsck.host import HostView
from docker_fsck.testing.table import Row, Told, disagreements, fires, folds, silent
from docker_fsck.testing.whole import Whole

from .cases import (
    DAY,
    LOSSLESS,
    LOSSY,
    OTHER,
    OVERLAY,
    RECLAIM,
    WARNING,
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
    written,
)
from .cases import OVERLAYS as ONLY

LINK, SYMLINK, DANGLING, THROUGH, LOWER = (
    "ovl-link-file",
    "ovl-link-symlink",
    "ovl-link-dangling",
    "ovl-lower-through-l",
    "ovl-lower",
)
COMMITTED, WORK, DIFF, MERGED, RESIDUE = (
    "ovl-committed-on-rw", "ovl-work-missing", "ovl-diff-missing", "ovl-merged-stale", "ovl-temp-residue",
)  # fmt: skip
Name = Callable[[Whole], str]
STRAY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def low(store: Whole) -> str:
    """The driver dir below all others."""
    return store.dir_of(store.base, 0)


def mid(store: Whole) -> str:
    """The one above it."""
    return store.dir_of(store.base, 1)


def top(store: Whole) -> str:
    """The one that only `web` has."""
    return store.dir_of(store.web)


def rw(store: Whole) -> str:
    """A writable layer."""
    return store.root.mount_id(store.ran)


def init(store: Whole) -> str:
    """Its init layer."""
    return store.root.init_id(store.ran)


def step(store: Whole) -> str:
    """A build step that only BuildKit names."""
    return store.cache.committed_dir


def part(name: str, ident: Name = low) -> Spot:
    """Something in a driver dir."""
    return spot("driverdir", ident, lambda store: store.root.driver_dir(ident(store)) / name)


def short(ident: Name = low) -> Spot:
    """The link in l/ that leads to a driver dir."""
    return spot("driverdir", ident, lambda store: store.root.short_link(ident(store)))


def stray(name: str = STRAY) -> Spot:
    """A link in l/ that is no layer's."""
    return file(lambda store: store.root.path / store.root.driver / "l" / name)


LINKS = file(lambda store: store.root.path / store.root.driver / "l")


def gone(where: Spot) -> Callable[[Whole], object]:
    """It is gone too."""
    return deleted(where)


def elements(ident: Name, change: Callable[[list[str]], list[str]]) -> How:
    """The list of lower layers, changed."""

    def text(store: Whole) -> str:
        return ":".join(change(part("lower", ident).path(store).read_text().split(":")))

    return written(part("lower", ident), text)


def copied_link(store: Whole) -> Told:
    """The file `link` is that of another layer."""
    store.root.write(part("link").path(store), store.root.short(top(store)).encode())
    return part("link").told(store)


EVERYONE = (all_images, lambda store: [store.ran, store.busy, store.made])
NOBODY = (lambda _: (), lambda _: ())
# fmt: off
ROWS = (*only(ONLY, (
    *(fires(LINK, f"that of the lowest layer {what}", hurting(blow(part("link")), *NOBODY), cls=LOSSLESS) for what, blow in (
        ("is empty", emptied), ("is all NUL", nulled), ("is cut", cut), ("is gone", deleted), ("is a folder", foldered),
              ("is a pipe", piped))),
    fires(LINK, "a container would be made on the layer", hurting(emptied(part("link", mid)), lambda _: ["base:1"], lambda _: ()),
          cls=LOSSLESS),
    fires(LINK, "it is lost with the short link that all above need",
          hurting(does(part("link"), emptied(part("link")), gone(short())), *EVERYONE), cls=LOSSLESS),
    fires(LINK, "that of an init layer is empty", hurting(emptied(part("link", init)), *NOBODY), severity=WARNING, cls=LOSSLESS),
    fires(LINK, "that of an init layer is lost with its short link, which the writable layer needs", hurting(
        does(part("link", init), emptied(part("link", init)), gone(short(init))), lambda _: (), lambda store: [store.ran]),
        cls=LOSSLESS),
    fires(LINK, "it is a link itself", linked(part("link"), "../l"), cls=LOSSLESS),
    fires(LINK, "it holds another layer's name", copied_link, cls=LOSSLESS),
    fires(LINK, "a newline follows", written(part("link"), lambda store: store.root.short(low(store)) + "\n"), cls=LOSSLESS),
    fires(LINK, "it is lost with the short link and children tell it", does(part("link"), emptied(part("link")), gone(short())),
          cls=LOSSLESS),
    fires(LINK, "it is lost with the short link and nobody tells it",
          hurting(does(part("link", rw), emptied(part("link", rw)), gone(short(rw))), *NOBODY), severity=WARNING, cls=LOSSLESS),
    fires(LINK, "those of a whole chain are empty", does(part("link"), emptied(part("link")), emptied(part("link", mid)),
          emptied(part("link", top))),
          cls=LOSSLESS, also=(LINK, LINK)),
    fires(LINK, "that of a build step is empty", emptied(part("link", step)), cls=LOSSLESS),
    fires(LINK, "it holds another layer's name and its short link is gone", does(part("link"), gone(short()), copied_link),
          cls=LOSSLESS),
    silent(LINK, "the layer has no mark that it has children", deleted(part("committed"))),
    fires(SYMLINK, "it is gone", hurting(deleted(short()), *EVERYONE), cls=LOSSLESS),
    fires(SYMLINK, "it became a folder in a copy", foldered(short()), cls=LOSSLESS),
    fires(SYMLINK, "it became a file in a copy", written(short(), b""), cls=LOSSLESS),
    fires(SYMLINK, "it is absolute", linked(short(), "/var/lib/docker/overlay2/x/diff"), cls=LOSSLESS),
    fires(SYMLINK, "it leads to nothing", linked(short(), f"../{OTHER}/diff"), cls=LOSSLESS),
    fires(SYMLINK, "it leads out of the folder", linked(short(), "../../../../etc"), cls=LOSSLESS),
    fires(SYMLINK, "it leads to another layer", does(short(),
          lambda store: store.root.link_to(short().path(store), f"../{top(store)}/diff")), cls=LOSSLESS),
    fires(SYMLINK, "that of a writable layer is gone", deleted(short(rw)), severity=WARNING, cls=LOSSLESS),
    *(fires(SYMLINK, f"the whole folder l {what}", hurting(blow(LINKS), *EVERYONE), cls=cls) for what, blow, cls in (
        ("is empty", emptied, LOSSLESS), ("is gone", deleted, LOSSLESS), ("is a file", lambda where: written(where, b""), None),
        ("is a link", lambda where: linked(where, "/etc"), None))),
    folds(LOWER, SYMLINK, "all links are gone", deleted(LINKS), cls=LOSSLESS),
    folds(LOWER, SYMLINK, "children cannot resolve it", deleted(short()), cls=LOSSLESS),
    silent(SYMLINK, "a second link leads to the same layer and no lower needs it", does(short(), lambda store: store.root.link_to(
        stray().path(store), f"../{low(store)}/diff"))),
    fires(DANGLING, "a create failed", linked(stray(), f"../{OTHER}/diff"), cls=RECLAIM),
    fires(DANGLING, "it is young", linked(stray(), f"../{OTHER}/diff"), cls=RECLAIM, grace=DAY, refused="grace period"),
    silent(DANGLING, "it leads to a layer whose record names the lost folder", deleted(spot(
        "layer", lambda store: store.root.chains_of(store.web)[-1], lambda store: store.root.driver_dir(top(store)))),
        also=("layer-driverdir-missing",)),
    silent(DANGLING, "it leads elsewhere", linked(stray(), "../../etc")),
    fires(THROUGH, "an ancestor's link was empty when it was made", elements(rw, lambda each: ["l", *each[1:]]), cls=LOSSLESS),
    fires(THROUGH, "the last element is l with a slash", elements(rw, lambda each: [*each[:-1], "l/"]), cls=LOSSLESS),
    silent(THROUGH, "an element is a name in l", elements(rw, lambda each: each)),
    *(fires(LOWER, f"that of an image layer {what}", blow(part("lower", mid)), cls=LOSSLESS) for what, blow in (
        ("is empty", emptied), ("is all NUL", nulled), ("is gone", deleted), ("is cut", cut), ("is a folder", foldered),
              ("is a pipe", piped))),
    *(fires(LOWER, f"that of {whose} is empty", emptied(part("lower", ident)), cls=LOSSLESS)
      for whose, ident in (("a writable layer", rw), ("an init layer", init), ("the layer on top", top))),
    fires(LOWER, "it ends in a colon", elements(top, lambda each: [*each[:1], ""]), cls=LOSSLESS),
    fires(LOWER, "an element is nobody's", elements(top, lambda each: [f"l/{STRAY}", *each[1:]]), cls=LOSSLESS),
    fires(LOWER, "an element leads out of the folder", elements(top, lambda each: ["../../etc", *each[1:]]), cls=LOSSLESS),
    fires(LOWER, "it lacks the lowest layer", elements(top, lambda each: each[:-1])),
    fires(LOWER, "it has one layer twice", elements(top, lambda each: [*each, each[-1]])),
    fires(LOWER, "it has 2,000 elements", elements(top, lambda each: each[:1] * 2_000)),
    fires(LOWER, "it has 10,000 elements, more than are read", elements(top, lambda each: each[:1] * 10_000), cls=LOSSLESS),
    fires(LOWER, "that of a build step is empty and no record tells it", emptied(part("lower", step))),
    fires(LOWER, "both it and its work folder are gone", does(part("lower", rw), deleted(part("lower", rw)),
          gone(part("work", rw))), cls=LOSSLESS),
    folds(LOWER, LINK, "the layer below lost its name altogether", does(
        part("link", mid), deleted(part("link", mid)), gone(short(mid)), elements(rw, lambda each: each)), cls=LOSSLESS),
    silent(LOWER, "a layer below everything has neither lower nor work", deleted(part("committed"))),
    silent(LOWER, "a parent lies in the shadow", does(part("lower"), lambda store: store.root.shadow_parent())),
    silent(LOWER, "an image and a container stand above a parent in the shadow",
          does(part("lower"), lambda store: store.root.container(
        store.root.image("more:1", 1, base=store.root.shadow_parent().image), "shade"))),
    fires(COMMITTED, "a tool left it there", written(part("committed", rw), b""), cls=LOSSLESS),
    silent(COMMITTED, "an init layer has it", written(part("committed", init), b"")),
    fires(WORK, "it is gone from a writable layer", hurting(
        deleted(part("work", rw)), lambda _: (), lambda store: [store.ran]), cls=LOSSLESS),
    *(fires(WORK, f"it is gone from {whose}", hurting(deleted(part("work", ident)), *NOBODY), severity=WARNING, cls=LOSSLESS)
      for whose, ident in (("an image layer", mid), ("the layer on top", top), ("an init layer", init))),
    fires(WORK, "it is gone from a step that a build may write into", deleted(part("work", step)), cls=LOSSLESS),
    fires(WORK, "it is gone from a finished step of a build", does(part("work", step), written(part("committed", step), b""),
          deleted(part("work", step))), severity=WARNING, cls=LOSSLESS),
    fires(WORK, "a file stands there", written(part("work", rw), b"x")),
    silent(WORK, "it is empty", emptied(part("work", rw))),
    fires(DIFF, "that of the lowest layer is gone", hurting(deleted(part("diff")), *EVERYONE), cls=LOSSY,
          leaves=("layer-parent-missing", DIFF)),  # a build step needs it too
    fires(DIFF, "a file stands in its place", written(part("diff", top), b""), cls=LOSSY, leaves=("layer-parent-missing",)),
    fires(DIFF, "a link stands in its place", linked(part("diff", top), "/etc")),
    fires(DIFF, "that of a writable layer is gone", hurting(deleted(part("diff", rw)), lambda _: (), lambda store: [store.ran])),
    folds(LOWER, DIFF, "children name the layer", deleted(part("diff", mid)), cls=LOSSY, leaves=("layer-parent-missing",)),
    silent(DIFF, "the layer changes nothing", does(part("diff"), lambda store: store.root.image("same:1", [{}], base=store.web))),
    fires(MERGED, "somebody wrote into an unmounted mount point", does(part("merged", rw), lambda store: [
        store.root.make_dir(part("merged", rw).path(store)), store.root.write(part("merged", rw).path(store) / "lost", b"x")])),
    silent(MERGED, "it is empty", foldered(part("merged", rw))),
    silent(MERGED, "it is mounted", does(part("merged", rw), lambda store: [
        store.root.make_dir(part("merged", rw).path(store)), store.root.write(part("merged", rw).path(store) / "bin", b"x")]),
        host=lambda store: HostView(state="stopped", why="", mount_points=frozenset({store.rel(part("merged",
          rw).path(store))}))),
    fires(RESIDUE, "the engine was killed", written(file(lambda store: part(".tmp-link12").path(store)), b""), cls=RECLAIM),
    silent(RESIDUE, "it lies in the content", written(part("diff/.tmp-data"), b"")),
)),
    fires(DIFF, "it is gone and the layer is supplied", deleted(part("diff", mid)), cls=LOSSLESS, drivers=OVERLAY, supplied=True),
    fires(DIFF, "link, lower and work are gone too and the layer is supplied", does(
        part("diff", mid), *(gone(part(name, mid)) for name in ("diff", "link", "lower", "work"))), cls=LOSSLESS, drivers=OVERLAY,
        supplied=True),
)
# fmt: on


@rows(ROWS)
def test_the_table_of_overlay2_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))
