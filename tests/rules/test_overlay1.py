"""The table of the laws of overlay (v1) (classic-store 9.4; FC-03, FC-37, FC-44)."""

import os
from collections.abc import Callable
from pathlib import Path

from docker_fsck.testing.table import Row, Told, disagreements, fires, folds, run, silent
from docker_fsck.testing.whole import Whole, whole

from .cases import (
    DAY,
    INFO,
    LOSSLESS,
    LOSSY,
    OTHER,
    RECLAIM,
    WARNING,
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
from .test_overlay2 import EVERYONE, Name, init, low, mid, part, rw, step, top

SHAPE, TMPROOT, LOST = "overlay1-shape", "overlay1-tmproot", "layer-driverdir-missing"
AGAIN = ("layer-parent-missing", "overlay1-shape")


def place(name: str, ident: Name) -> Spot:
    """Something in a driver dir that is blamed itself."""
    return file(lambda store: store.root.driver_dir(ident(store)) / name)


def beside(*names: str) -> Callable[[Whole], Told]:
    """What the engine could not delete beside the tree of a layer."""

    def how(store: Whole) -> Told:
        for name in names:
            store.root.make_dir(store.root.driver_dir(top(store)) / name)
        return part(names[0], top).told(store)

    return how


def unfinished(store: Whole) -> Told:
    """The folder of a layer is as it was before its tree was unpacked."""
    folder = store.root.driver_dir(top(store))
    store.root.move(folder / "root", folder / "upper")
    store.root.make_dir(folder / "work")
    store.root.write(folder / "lower-id", mid(store).encode())
    return part("root", top).told(store)


def named_by_a_lower_id(store: Whole) -> None:
    """A tree without a record, on which a container stands."""
    ident = store.root.orphan_dir()
    store.root.write(store.root.driver_dir(rw(store)) / "lower-id", ident.encode())


# fmt: off
ROWS = only(("overlay",), (
    *(fires(SHAPE, f"the lower-id of a writable layer {what}", hurting(blow(part("lower-id", rw)), lambda _: (),
            lambda store: [store.ran]), cls=LOSSLESS) for what, blow in (
        ("is empty", emptied), ("is all NUL", nulled), ("is cut", cut), ("is gone", deleted), ("is a folder", foldered),
        ("is a link", lambda where: linked(where, "/etc/passwd")), ("is a pipe", piped))),
    fires(SHAPE, "a lower-id names a dir that is gone", written(part("lower-id", rw), OTHER.encode()), cls=LOSSLESS),
    fires(SHAPE, "a lower-id names a dir without a tree", written(part("lower-id", rw), init), cls=LOSSLESS),
    fires(SHAPE, "a lower-id leads out of the home", written(part("lower-id", rw), b"../../etc"), cls=LOSSLESS),
    fires(SHAPE, "a newline follows a lower-id", written(part("lower-id", rw), lambda store: top(store) + "\n"), cls=LOSSLESS),
    fires(SHAPE, "the lower-id of an init layer is empty", emptied(part("lower-id", init)), severity=WARNING, cls=LOSSLESS),
    fires(SHAPE, "that of a build step is empty and no record tells it", emptied(part("lower-id", step))),
    fires(SHAPE, "a writable layer has no folder work", deleted(place("work", rw)), cls=LOSSLESS),
    fires(SHAPE, "a file stands in place of its folder work", written(place("work", rw), b"")),
    fires(SHAPE, "the tree of the lowest layer is gone", hurting(deleted(part("root", low)), *EVERYONE), cls=LOSSY,
          refused="still run without it"),
    fires(SHAPE, "a file stands in its place", written(part("root", top), b""), cls=LOSSY, leaves=AGAIN),
    fires(SHAPE, "a link stands in its place", linked(part("root", top), "/etc")),
    fires(SHAPE, "what was written in a container is gone", hurting(deleted(part("upper", rw)), lambda _: (),
          lambda store: [store.ran])),
    fires(SHAPE, "the tree of a layer was never finished", unfinished),
    fires(SHAPE, "leftovers lie beside a tree", beside("merged", "upper", "work"), severity=INFO, cls=RECLAIM),
    fires(SHAPE, "they are young", beside("upper"), severity=INFO, cls=RECLAIM, grace=DAY, refused="grace period"),
    folds(SHAPE, LOST, "the layer that a lower-id names is gone", deleted(spot(
        "layer", lambda store: store.root.chains_of(store.app)[-1],
        lambda store: store.root.driver_dir(store.dir_of(store.app)))), cls=LOSSY, refused="built:1 still run without it"),
    silent(SHAPE, "a container stands on no layer", does(part("root", low), lambda store: store.root.container(None, "scratch"))),
    silent(SHAPE, "a container has a root and an upper", does(part("root", rw), lambda store: store.root.make_dir(
        store.root.driver_dir(rw(store)) / "root"))),
    silent(SHAPE, "a lower-id leads to the tree of another layer", written(part("lower-id", rw), mid)),
    silent(SHAPE, "merged is there, as old engines left it between two mounts", foldered(part("merged", rw))),
    silent(SHAPE, "an image and a container stand above a parent in the shadow", does(part("root", low),
          lambda store: store.root.container(store.root.image("more:1", 1, base=store.root.shadow_parent().image), "shade"))),
    silent("driver-orphan", "the lower-id of a container names it and nothing else does", named_by_a_lower_id),
    fires(TMPROOT, "the engine was killed while it unpacked", foldered(place("tmproot123456", top)), cls=RECLAIM),
    fires(TMPROOT, "it is young", foldered(place("tmproot1", top)), cls=RECLAIM, grace=DAY, refused="grace period"),
    silent(TMPROOT, "it lies in the tree", foldered(place("root/tmproot1", top))),
    silent(TMPROOT, "the layer has no tree yet", does(part("root", top), unfinished, foldered(place("tmproot1", top))),
           also=(SHAPE,)),
))
# fmt: on


@rows(ROWS)
def test_the_table_of_overlay_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))


def test_the_layers_of_the_builder_share_their_files(place: Path) -> None:
    store = whole(place, "overlay")
    shared = next(path for path in sorted(store.root.content(low(store)).rglob("*")) if path.is_file())
    name = shared.relative_to(store.root.content(low(store)))
    assert os.path.samefile(shared, store.root.content(top(store)) / name)


def test_nothing_is_reclaimed_while_the_lower_id_of_a_build_cannot_be_read(place: Path) -> None:
    store = whole(place, "overlay")
    store.root.orphan_dir()
    store.root.empty(part("lower-id", step).path(store))
    plan = run(place).plan
    assert () == plan.actions
    assert [f"blocked: parents of overlay/{step(store)} unknown"] == [each.why for each in plan.blocked]


def test_only_what_no_other_layer_shares_is_called_reclaimable(place: Path) -> None:
    store = whole(place, "overlay")
    big = store.root.image(None, [{"big": bytes(1 << 20)}])
    chain = store.root.chains_of(big)[-1]
    first = store.root.orphan_dir(parent=chain, files={"one": b"1"})
    assert [True] == [action.bytes < 1 << 20 for action in run(place).plan.actions]
    assert (place / "overlay" / first / "root/big").stat().st_nlink == 2


def test_what_only_garbage_shares_is_reclaimable_as_a_whole(place: Path) -> None:
    store = whole(place, "overlay")
    [chain] = store.root.unreferenced_layers(1)
    store.root.write(store.root.content(store.root.dir_of(chain)) / "big", bytes(1 << 20))
    [_] = store.root.unreferenced_layers(1, chain)
    plan = run(place).plan
    assert [1] == [action.bytes >> 20 for action in plan.actions]
    assert 1 == len(plan.actions)
