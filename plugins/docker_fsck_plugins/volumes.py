"""Rules on volumes: options, data folder, database; the data of a volume is never touched (classic-store 11)."""

from collections.abc import Iterable, Iterator

from docker_fsck.api import (
    HEX64,
    ActionClass,
    Fault,
    Model,
    Ref,
    Remedy,
    Rule,
    Severity,
    Trouble,
    WriteFile,
    hookimpl,
    rule,
    volumes,
)
from docker_fsck_plugins.remedies import broken, kind_at, refused, set_aside, torn

ANONYMOUS = "com.docker.volume.anonymous"


def _ref(volume: volumes.Volume) -> Ref:
    return Ref("volume", volume.name)


def _all(model: Model) -> Iterator[volumes.Volume]:
    yield from (volume for _, volume in sorted(model.store.volumes.volumes.items()))


@rule("volume-opts-corrupt", Severity.CRITICAL, actions=(ActionClass.LOSSLESS, ActionClass.LOSSY))
def opts_corrupt(model: Model) -> Iterator[Fault]:
    """The opts.json of a volume cannot be read, or is gone although volumes/metadata.db has options.

    Why it matters: unreadable, this one file keeps the whole engine from starting. Gone, the volume is mounted as a plain
        folder instead of its device, without a word: data goes to the wrong place.
    How it comes about: power loss or a full disk with engines before 27.0.1, which write it without a sync.
    Repair: it is written again from the options in volumes/metadata.db. Of a volume that has none there the file is put
        away (lossy). What is not known of in the database is left alone: give the file its options by hand.
    Never: drop the options of a volume that has some: it would start as an empty folder and the application would write
        into it.
    Daemon says: error while unmarshaling volume options for volume: <name>: unexpected end of JSON input
    Seen in: FC-31
    """
    for volume in _all(model):
        path = f"{volume.path}/{volumes.OPTS}"
        if isinstance(volume.opts, Trouble) and not refused(model, path):
            yield _damaged(volume, path, volume.opts)
        elif volume.opts is None and volume.record and volume.record.local and volume.record.options:
            remedy = _rewrite(path, volume.record.options)
            message = f"the options of the volume {volume.name} are gone: it is mounted as a plain folder"
            remedies = (remedy,) if remedy else ()
            yield Fault(
                _ref(volume),
                message,
                (path,),
                "a file",
                "no such file",
                remedies,
                severity=Severity.ERROR,
                daemon_error="the engine says nothing",
            )


def _damaged(volume: volumes.Volume, path: str, fault: Trouble) -> Fault:
    """Damage of what is there. The engine passes over what is no file, and follows a link, which is not done here."""
    fatal = fault.state == "malformed"
    record, remedies, known = volume.record, [], "options that only it held"
    if record is not None and record.options is not None and fatal:
        known = ", ".join(f"{key}={value}" for key, value in sorted(record.options.items())) or "no options"
        remedy = _rewrite(path, record.options)
        if not record.options:
            remedy = set_aside(
                path, f"put {path} away: metadata.db has no options of it", ("options that metadata.db does not have",)
            )
        remedies = [remedy] if remedy else []
    message = f"the options of the volume {volume.name} cannot be read: {fault.why}"
    severity = None if fatal else Severity.ERROR
    return Fault(_ref(volume), message, (path,), known, fault.why, tuple(remedies), severity=severity)


def _rewrite(path: str, options: dict[str, str]) -> Remedy | None:
    made = volumes.rebuilt(options) if options else None
    if made is None:
        return None
    step = WriteFile(path=path, data=made.text().encode(), mode=0o600)
    return Remedy(cls=ActionClass.LOSSLESS, does=f"write {path} from the options in {volumes.DATABASE}", steps=(step,))


@rule("volume-opts-mismatch", Severity.WARNING, after=("volume-opts-corrupt",))
def opts_mismatch(model: Model) -> Iterator[Fault]:
    """The opts.json of a volume says something else than volumes/metadata.db, which may have no record of it.

    Why it matters: the engine mounts by the one and shows the other: the volume may be another device than it seems.
    How it comes about: bit rot or an edit; the database was deleted or emptied.
    Repair: none; which of the two is right cannot be told.
    """
    yield from _unrecorded(model)
    for volume in _all(model):
        record = volume.record
        if not isinstance(volume.opts, volumes.Options) or record is None or not record.local or not record.options:
            continue
        wanted = volumes.rebuilt(record.options)
        if wanted is not None and wanted != volume.opts:
            paths = (f"{volume.path}/{volumes.OPTS}", volumes.DATABASE)
            message = f"the volume {volume.name} has other options than metadata.db says"
            yield Fault(_ref(volume), message, paths, wanted.text(), volume.opts.text())


def _unrecorded(model: Model) -> Iterator[Fault]:
    """Volumes that have options and no record."""
    table = model.store.volumes
    told = table.records.keys() | table.damaged.keys()
    lost = [each for each in _all(model) if each.opts not in {None, volumes.Options()} and each.name not in told]
    if lost and table.database.state in {"read", "absent"}:
        message = f"{len(lost)} volumes have options and no record in metadata.db: {', '.join(each.name for each in lost)}"
        paths = (volumes.DATABASE, *(f"{each.path}/{volumes.OPTS}" for each in lost))
        yield Fault(Ref("file", volumes.DATABASE), message, paths, f"{len(lost)} records", "none")


@rule("volume-db-unreadable", Severity.CRITICAL, actions=(ActionClass.LOSSY,))
def db_unreadable(model: Model) -> Iterator[Fault]:
    """volumes/metadata.db is damaged.

    Why it matters: the engine does not start.
    How it comes about: power loss, a full or failing disk. A list of free pages that is cut off stops it too.
    Repair: the file is put away as the very last step, since it is the engine's lock too. The engine makes a new one from
        the folders; labels and options as the API shows them are lost, what could still be read of them is listed. What is
        mounted is decided by opts.json, and the data of a volume is not in the database. Where only the newest transaction is
        torn nothing is done: the engine goes on with the state before it.
    Never: replace the file to get around a lock that another engine holds.
    Daemon says: error while opening volume store metadata database
    Seen in: FC-28
    """
    table = model.store.volumes
    source = table.database
    yield from torn(source)
    if not broken(source) or refused(model, source.source):
        return
    remedies: tuple[Remedy, ...] = ()
    if kind_at(model, source.source) == "file":
        data = model.store.reader.read(source.source)
        found = volumes.salvage(data) if isinstance(data, bytes) else ()
        told = tuple(_told(each) for each in found if each.labels or each.options)
        loses = ("labels and options of volumes, as the API shows them", *told)
        remedies = (set_aside(source.source, f"put {source.source} away, so that the engine makes a new one", loses),)
    message = f"the database of volumes cannot be read: {source.why}"
    ref = Ref("file", source.source)
    yield Fault(ref, message, (source.source,), "a bolt database", source.why or "", remedies, (ref,))


def _told(record: volumes.Record) -> str:
    words = [f"label {key}={value}" for key, value in sorted(record.labels.items())]
    words += [f"option {key}={value}" for key, value in sorted((record.options or {}).items())]
    return f"volume {record.name}: {', '.join(words)}"


@rule("volume-record-damaged", Severity.WARNING)
def record_damaged(model: Model) -> Iterator[Fault]:
    """A record in volumes/metadata.db cannot be parsed.

    Why it matters: the engine does not know the volume's driver, labels and options.
    How it comes about: bit rot: the database has no checksum of its pages.
    Repair: none.
    Daemon says: Error while unmarshaling metadata for volume
    """
    for name, fault in sorted(model.store.volumes.damaged.items()):
        yield Fault(Ref("volume", name), f"the record of the volume {name} cannot be read", (fault.path,), "JSON", fault.why)


@rule("volume-record-stale", Severity.WARNING)
def record_stale(model: Model) -> Iterator[Fault]:
    """volumes/metadata.db has a record of a local volume that has no folder.

    Why it matters: the engine drops the record at its next start: if the folder is brought back later, its labels and
        options are gone.
    How it comes about: the folder was deleted by hand, or a removal was cut short.
    Repair: none; bring the folder back before the engine starts, if it was not meant to go.
    Seen in: FC-28, FC-32
    """
    table = model.store.volumes
    if not table.complete:
        return
    for name, record in sorted(table.records.items()):
        if record.local and name not in table.volumes and name not in model.store.volume_users:
            path = f"{volumes.BASE}/{name}"
            message = f"the volume {name} has a record and no folder"
            yield Fault(Ref("volume", name), message, (path, volumes.DATABASE), "a folder", "no such folder")


@rule("volume-data-missing", Severity.WARNING)
def data_missing(model: Model) -> Iterator[Fault]:
    """A volume has no folder `_data`.

    Why it matters: its data is gone; a container that uses it does not start.
    How it comes about: deleted by hand, or a removal that was cut short.
    Repair: none; bring it back from a backup. `docker volume rm` removes the rest of a volume that is not needed.
    Never: make an empty one without being asked: the application would start as if it were new.
    Daemon says: error evaluating symlinks from mount source …/_data: no such file or directory
    Seen in: FC-32
    """
    for volume in _all(model):
        users = model.store.volume_users.get(volume.name, ())
        if volume.data in {"dir", "link"} or not (users or volume.record or volume.opts is not None):
            continue
        path = f"{volume.path}/{volumes.DATA}"
        severity = Severity.ERROR if users else None
        actual = f"a {volume.data}" if volume.data else "no such folder"
        message = f"the volume {volume.name} has no data folder"
        yield Fault(_ref(volume), message, (path,), "a folder", actual, severity=severity)


@rule("volume-data-link", Severity.INFO)
def data_link(model: Model) -> Iterator[Fault]:
    """The folder `_data` of a volume is a symbolic link.

    Why it matters: tools that follow it work on another place. This program never does: neither for sizes nor for moves.
    How it comes about: somebody moved the data to another disk.
    Repair: none is needed. A link out of the data root is a warning: a backup of the root does not hold that data.
    Never: follow it.
    Seen in: FC-32, FC-59
    """
    for volume in _all(model):
        if volume.data == "link":
            out = volume.target.startswith("/") and not f"{volume.target}/".startswith(f"{model.store.reader.root}/")
            out = out or volume.target.count("..") > 2  # noqa: PLR2004 - volumes/<name>/ is two deep
            path = f"{volume.path}/{volumes.DATA}"
            message = f"the data of the volume {volume.name} lies at {volume.target or 'another place'}"
            severity = Severity.WARNING if out else None
            yield Fault(_ref(volume), message, (path,), "a folder", f"a link to {volume.target}", severity=severity)


@rule("volume-stray-dir", Severity.INFO)
def stray_dir(model: Model) -> Iterator[Fault]:
    """A folder among the volumes is none: it has neither data nor options nor a record.

    Why it matters: engines before 29.4 list it as a volume.
    How it comes about: a create that was cut short, or somebody put it there.
    Repair: none; `docker volume rm` or rmdir removes it.
    Seen in: FC-32
    """
    table = model.store.volumes
    if table.database.state not in {"read", "absent"}:
        return
    for volume in _all(model):
        if not (volume.data or volume.record or volume.opts is not None or volume.name in model.store.volume_users):
            yield Fault(_ref(volume), f"the folder {volume.path} is no volume", (volume.path,), "", "no _data, no opts.json")


@rule("volume-unreferenced-anonymous", Severity.INFO)
def unreferenced_anonymous(model: Model) -> Iterator[Fault]:
    """A volume that nobody named is used by no container, of whatever driver.

    Why it matters: space, and perhaps data of a container that is gone.
    How it comes about: `docker rm` without `-v`, or a removal that was cut short.
    Repair: none: volumes are never touched. `docker volume prune` removes it, with all others that no container uses.
    Never: on the word of an incomplete list of containers: while one cannot be read, nothing is said here.
    Seen in: FC-33
    """
    table = model.store.containers
    if table.faults or table.absent or model.marks.blank or any(each.fault for each in table.containers.values()):
        return
    for volume in _all(model):
        nameless = HEX64.fullmatch(volume.name) or (volume.record and ANONYMOUS in volume.record.labels)
        if nameless and volume.data and volume.name not in model.store.volume_users:
            yield Fault(_ref(volume), f"no container uses the anonymous volume {volume.name[:12]}", (volume.path,))


@rule("container-volume-missing", Severity.ERROR)
def volume_missing(model: Model) -> Iterator[Fault]:
    """A container uses a local volume that is not there.

    Why it matters: the container does not start.
    How it comes about: a prune while the engine did not show the container, or the folder was deleted.
    Repair: none; bring the volume back from a backup, or make an empty one with `docker volume create`.
    Daemon says: failed to prepare mountpoints for container … get <name>: no such volume
    Seen in: FC-32
    """
    table = model.store.volumes
    if not table.complete:
        return
    for name, users in sorted(model.store.volume_users.items()):
        record = table.records.get(name)
        path = f"{volumes.BASE}/{name}"
        if name in table.volumes or path in model.store.reader.mounts or (record is not None and not record.local):
            continue
        paths = (path, *(f"containers/{user}/config.v2.json" for user in users))
        actual = table.foreign.get(path, "no such folder")
        yield Fault(Ref("volume", name), f"the volume {name} is not there", paths, "a folder", actual)


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The rules on volumes."""
    return (
        opts_corrupt, opts_mismatch, db_unreadable, record_damaged, record_stale, data_missing, data_link, stray_dir,
        unreferenced_anonymous, volume_missing,
    )  # fmt: skip
