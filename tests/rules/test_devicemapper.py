"""The table of the law of devicemapper, with and without what thin_dump printed (classic-store 9.8; FC-39)."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from docker_fsck.host import HostView, Recorded
from docker_fsck.testing.table import Row, Told, disagreements, fires, run, silent
from docker_fsck.testing.whole import Whole, whole

from .cases import (
    CRITICAL,
    INFO,
    LOSSY,
    OTHER,
    RECLAIM,
    WARNING,
    How,
    Spot,
    all_images,
    cut,
    deleted,
    emptied,
    file,
    hurting,
    linked,
    nulled,
    probed,
    recorded,
    rows,
    spot,
    written,
)

RULE = "dm-metadata"


def low(store: Whole) -> str:
    """The device below all others."""
    return store.dir_of(store.base, 0)


def rw(store: Whole) -> str:
    """A container's."""
    return store.root.mount_id(store.ran)


def device(ident: Callable[[Whole], str]) -> Spot:
    """The file of a device."""
    return spot("driverdir", ident, lambda store: store.root.driver_dir(ident(store)))


def named(name: str) -> Spot:
    """Another file of the folder."""
    return file(lambda store: store.root.path / "devicemapper/metadata" / name)


def changed(where: Spot, **fields: object) -> How:
    """A file says something else."""
    return written(where, lambda store: json.dumps(json.loads(where.path(store).read_bytes()) | fields))


def orphan(store: Whole) -> Told:
    """A device that nothing names."""
    return device(lambda _: ident).told(store) if (ident := store.root.orphan_dir()) else Told("", "", "")


def dropped(store: Whole) -> Told:
    """The pool has lost a device."""
    number = json.loads(store.root.driver_dir(rw(store)).read_bytes())["device_id"]
    store.root.pool.numbers.remove(number)
    return device(rw).told(store)


def stray(store: Whole) -> Told:
    """The pool has a device that no file names, made in a transaction that is long over."""
    store.root.pool.numbers.insert(0, 0)
    return Told("store", "devicemapper pool", "devicemapper/metadata")


def without(_: Whole) -> HostView:
    """Nothing was recorded."""
    return HostView(state="stopped", why="")


TRANSACTION = named("transaction-metadata")
# fmt: off
ROWS = probed("devicemapper", (
    *(fires(RULE, f"the file of a layer {what}", hurting(blow(device(low)), all_images, lambda store: [store.ran, store.busy,
            store.made]), severity=CRITICAL, host=without) for what, blow in (
        ("is empty", emptied), ("is cut", cut), ("is all NUL", nulled))),
    fires(RULE, "a number is text", changed(device(low), device_id="7"), severity=CRITICAL),
    fires(RULE, "a number is none that a pool can have", changed(device(low), device_id=1 << 24), severity=CRITICAL),
    fires(RULE, "the file of the base device is empty", emptied(named("base")), severity=CRITICAL),
    fires(RULE, "a file of an unknown name is no JSON", written(named("notes.txt"), b"hello"), severity=CRITICAL),
    fires(RULE, "the state of the set is no JSON", emptied(named("deviceset-metadata")), severity=CRITICAL),
    fires(RULE, "the state of the transaction is no JSON", cut(TRANSACTION), severity=CRITICAL),
    fires(RULE, "a link stands in place of a file", linked(device(low), "/etc/passwd")),
    fires(RULE, "a device that is needed is marked as deleted", changed(device(rw), deleted=True)),
    fires(RULE, "two layers have one device", changed(device(rw), device_id=2), host=without, also=(RULE,)),
    fires(RULE, "a layer was unpacked and never registered", orphan, severity=INFO),
    fires(RULE, "a temporary file was left", written(named(".tmp1234"), b""), severity=INFO),
    fires(RULE, "the pool has lost a device", dropped),
    fires(RULE, "the pool has a device that nothing names", stray, severity=INFO),
    fires(RULE, "the engine was killed in a transaction", changed(TRANSACTION, open_transaction_id=1000), severity=INFO),
    fires(RULE, "the pool has gone on without this root", changed(TRANSACTION, open_transaction_id=1), severity=WARNING),
    silent(RULE, "the engine will delete what nobody needs", lambda store: [ident := orphan(store).id, changed(
        device(lambda _: ident), deleted=True)(store)][1]),
    silent(RULE, "the old state lies beside it", written(named("json.migrated"), b"hello")),
    silent(RULE, "names fold their case, and null is no fault", written(device(low), b'{"DEVICE_ID":2,"deleted":null} ')),
    silent(RULE, "nothing was recorded", dropped, host=without),
    fires("layer-driverdir-missing", "the file of a layer is gone", lambda store: [Told("layer", store.root.chains_of(store.web)[-1],
          store.rel(store.root.driver_dir(store.dir_of(store.web)))), deleted(device(lambda store: store.dir_of(store.web)))(
          store)][0], cls=LOSSY, host=without, refused="still run without it"),
    fires("mount-orphan", "a create was cut short", lambda store: [name := store.root.orphan_mount(store.app), Told(
          "mount", name, store.rel(store.root.mount_record(name)))][1], cls=RECLAIM, leaves=(RULE,)),
))
# fmt: on


@rows(ROWS)
def test_the_table_of_devicemapper_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))


def test_nothing_of_the_driver_is_ever_planned(place: Path) -> None:
    store = whole(place, "devicemapper")
    store.root.orphan_dir()
    store.root.orphan_mount(store.app)
    store.root.unreferenced_layers(2)
    store.root.write(f"devicemapper/metadata/{OTHER}", b"")
    actions = run(place, host=recorded(store.root)).plan.actions
    assert actions
    assert [] == [step.path for action in actions for step in action.steps if step.path.startswith("devicemapper")]


@pytest.mark.parametrize("text", ["", "<superblock", '<superblock uuid="" transaction="3">\n  <device dev_id="1"\n'])
def test_a_dump_that_is_cut_short_proves_nothing(place: Path, text: str) -> None:
    whole(place, "devicemapper")
    probe = Recorded(text, 1 << 62, "the-probe")
    outcome = run(place, host=HostView(state="stopped", why="", recorded={"devicemapper": probe}))
    assert ([], 1) == ([each.rule for each in outcome.findings], len(outcome.checked.incomplete))
