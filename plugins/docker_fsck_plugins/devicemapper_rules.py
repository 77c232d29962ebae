"""The laws of devicemapper (classic-store 9.8). They only report: a file and its thin device go together or not at all."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from docker_fsck.api import Fault, Model, Ref, Rule, Severity, Trouble, rule

if TYPE_CHECKING:
    from docker_fsck_plugins.devicemapper import DevicemapperHome

DRIVERS = ("devicemapper",)


def _home(model: Model) -> "DevicemapperHome":
    return cast("DevicemapperHome", model.home)


@rule("dm-metadata", Severity.ERROR, drivers=DRIVERS)
def metadata(model: Model) -> Iterator[Fault]:
    """A file in devicemapper/metadata is not one the engine can read, names no device of its own, or belongs to nobody.

    Why it matters: the engine reads all of them at its start and does not start if one of them is not JSON. A layer whose
        device is marked as deleted, shared or gone cannot be mounted. A file that nothing refers to keeps its thin device,
        and the space of it, for ever.
    How it comes about: power loss, a full disk, an edit; an engine that was killed between device and record.
    Repair: none; the pool cannot be judged from the root's files, and a file must go together with its device. With what
        thin_dump printed of the pool (--probe devicemapper=FILE) the devices themselves are compared too. This driver was
        removed in 25.0: save what is needed with an older engine, then change the storage driver.
    Never: delete a file of metadata/ alone: its number is then given to another layer. Touch the pool while the engine runs.
    Daemon says: devmapper: Failed to load device files:devmapper: Error looking up device <id>:…
    Seen in: FC-39
    """
    yield from _fatal(model)
    yield from _living(model)
    yield from _idle(model)
    yield from _against_the_pool(model)


def _fatal(model: Model) -> Iterator[Fault]:
    """What keeps the engine from starting."""
    home = _home(model)
    for name, row in sorted(home.rows.items()):
        if isinstance(row, Trouble) and row.state != "unreadable":
            subject = Ref("driverdir", name) if name in home.devices else Ref("file", row.path)
            said = f"devmapper: Failed to load device files:devmapper: Error looking up device {name}:…"
            sure = row.state == "malformed"  # where a link stands the engine follows it, and this program does not
            message = f"the file of the device {name} cannot be read" + (", and the engine does not start" if sure else "")
            severity = Severity.CRITICAL if sure else None
            yield Fault(subject, message, (row.path,), "a device in JSON", row.why, severity=severity, daemon_error=said)
    for each in home.broken:
        if each.state != "unreadable":
            message = "the engine cannot read it, and does not start"
            yield Fault(Ref("file", each.path), message, (each.path,), "JSON", each.why, severity=Severity.CRITICAL)


def _living(model: Model) -> Iterator[Fault]:
    """Devices of layers that are needed: marked for deletion, or claimed twice."""
    home = _home(model)
    needed = model.marks.dirs - model.dying
    claims = Counter(row.number for row in home.rows.values() if not isinstance(row, Trouble))
    for ident, row in sorted(home.devices.items()):
        if isinstance(row, Trouble):
            continue
        if row.deleted and ident in needed:
            message = f"the device of {ident} is marked as deleted, and the engine deletes it as soon as it can"
            yield Fault(Ref("driverdir", ident), message, (home.path(ident),), "not deleted", "deleted")
        elif claims[row.number] > 1:
            message = f"{claims[row.number]} files claim the thin device {row.number}, that of {ident} is one of them"
            yield Fault(Ref("driverdir", ident), message, (home.path(ident),), "a device of its own", f"device {row.number}")


def _idle(model: Model) -> Iterator[Fault]:
    """What nobody needs. Devices that are marked as deleted the engine deletes itself."""
    home = _home(model)
    unsure = home.partial or model.layers.faults or model.mounts.faults
    for ident in () if unsure else model.marks.dead_dirs:
        row = home.devices.get(ident)
        if row is not None and not isinstance(row, Trouble) and not row.deleted:
            message = f"nothing refers to {ident}, which keeps the thin device {row.number}"
            yield Fault(Ref("driverdir", ident), message, (home.path(ident),), severity=Severity.INFO)
    for path in home.left:
        yield Fault(Ref("file", path), "a temporary file was left", (path,), severity=Severity.INFO)


def _against_the_pool(model: Model) -> Iterator[Fault]:
    """What the recorded list of thin devices tells."""
    home = _home(model)
    if home.pool is None:
        return
    known = {row.number for row in home.rows.values() if not isinstance(row, Trouble)}
    for ident in sorted(model.marks.dirs & home.devices.keys()):
        row = home.devices[ident]
        if not isinstance(row, Trouble) and not row.deleted and row.number not in home.pool.numbers:
            message = f"the thin device {row.number} of {ident} is not in the pool"
            yield Fault(Ref("driverdir", ident), message, (home.path(ident),), f"device {row.number}", "no such device")
    if idle := sorted(home.pool.numbers - known) if len(known) == len(home.rows) else []:
        message = f"no file names {len(idle)} devices of the pool: {', '.join(map(str, idle[:10]))}"
        yield Fault(Ref("store", f"{home.name} pool"), message, ("devicemapper/metadata",), severity=Severity.INFO)
    if home.open is not None and home.open != home.pool.transaction:
        ahead = home.open > home.pool.transaction
        what = "the engine takes it back at its next start" if ahead else "the pool has been changed without this root"
        message = f"transaction {home.open} is noted here, the pool is at {home.pool.transaction}: {what}"
        path = "devicemapper/metadata/transaction-metadata"
        severity = Severity.INFO if ahead else Severity.WARNING
        yield Fault(Ref("file", path), message, (path,), str(home.pool.transaction), str(home.open), severity=severity)


RULES: tuple[Rule, ...] = (metadata,)
