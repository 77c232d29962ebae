"""Rules on what lies around the store: the file system below it, the engine's configuration, paths of another place, logs."""

from collections.abc import Iterable, Iterator
from typing import Any

from docker_fsck.api import HEX64, Confidence, Fault, Level, Model, Ref, Rule, Severity, Trouble, gojson, hookimpl, rule

NOT_BELOW_OVERLAY = ("aufs", "ecryptfs", "fuse.vboxsf", "nfs", "nfs4", "overlay", "vboxsf")
"""File systems on which overlayfs has no upper folder (moby: daemon/graphdriver/overlay2, overlayutils)."""
ON_OVERLAY = ("overlay2", "overlay")
TAIL = 64 << 10
HUGE = 1 << 30
FRAMED = ("local-logs/container.log", "container-cached.log")
OWN = frozenset({"hostname", "hosts", "resolv.conf"})
LINE = frozenset({"log", "stream", "attrs", "time"})
"""Members of a line of a log."""
BLANK = b" \t\r\n"
"""What Go's decoder passes over between the lines of a log."""


@rule("backing-fs", Severity.WARNING, after=("upgrade-dtype",))
def backing_fs(model: Model) -> Iterator[Fault]:
    """The file system below the data root does not suit, or has no room left.

    Why it matters: on some file systems overlayfs does not work, without d_type deleted files come back, on a read-only or full
        one the engine fails or leaves half-written files behind.
    How it comes about: a data root on a network or shared folder, on another overlay, on an old xfs (ftype=0); a file system that
        was mounted read-only after errors; a disk that runs full, or has no inodes left.
    Repair: none. Free space, run the file system's own check, or copy the data root to a suitable one with the engine stopped.
    Never: write to a file system that was made read-only after errors.
    Daemon says: no space left on device
    Seen in: FC-45
    """
    if model.driver.name in {"overlay2", "fuse-overlayfs"} and model.store.reader.typed(model.driver.name) is False:
        through = (Ref("store", model.driver.name),)
        yield _on("d_type", model, "does not tell the kinds of entries (d_type)", "no d_type", through=through)
    if not model.store.policy.engine.own:  # a copy may lie anywhere
        return
    disk = model.store.disk
    if model.driver.name in ON_OVERLAY and disk.kind in NOT_BELOW_OVERLAY:
        what = f"is {disk.kind}, on which {model.driver.name} does not work"
        yield _on("kind", model, what, disk.kind, Severity.CRITICAL)
    if "ro" in disk.options:
        yield _on("read-only", model, "is read-only as a whole", "read-only", Severity.CRITICAL)
    if disk.bytes and disk.free * 100 < disk.bytes:
        yield _on("space", model, f"has less than 1 % free: {disk.free} of {disk.bytes} bytes", f"{disk.free} bytes free")
    if disk.inodes and disk.inodes_free * 100 < disk.inodes:
        what = f"has less than 1 % of its inodes free: {disk.inodes_free} of {disk.inodes}"
        yield _on("inodes", model, what, f"{disk.inodes_free} inodes free")


def _on(
    what: str, model: Model, message: str, actual: str, severity: Severity | None = None, through: tuple[Ref, ...] = ()
) -> Fault:
    path = model.driver.name
    text = f"the file system below the data root {message}"
    return Fault(Ref("store", f"file-system-{what}"), text, (path,), "", actual, through=through, severity=severity)


@rule("daemon-json", Severity.CRITICAL)
def daemon_json(model: Model) -> Iterator[Fault]:
    """The engine's configuration file is empty or no JSON object.

    Why it matters: the engine does not start; systemd shows only a restart loop. An empty file stops engines before 23 only. And
        whoever asks where the data root is, or which storage driver is chosen, gets no answer.
    How it comes about: power loss while it was written, a page of HTML that was downloaded in its place, a slip of the hand.
    Repair: none: the configuration is the operator's.
    Never: change it by a program.
    Daemon says: unable to configure the Docker daemon with file …: EOF
    Seen in: FC-36
    """
    engine = model.store.policy.engine
    if engine.fault:
        empty = "empty" in engine.fault
        message = f"the engine's configuration {engine.file} cannot be used: {engine.fault}"
        yield Fault(
            Ref("file", engine.file), message, (), "a JSON object", engine.fault,
            severity=Severity.ERROR if empty else None, confidence=Confidence.PROBABLE if empty else Confidence.CERTAIN,
        )  # fmt: skip


@rule("engine-key-damaged", Severity.CRITICAL)
def key_damaged(model: Model) -> Iterator[Fault]:
    """The key of this host's engine, key.json beside its daemon.json, cannot be used.

    Why it matters: engines up to 22 do not start; those since 23 take their ID from it at their first start, and fail then.
        With an engine-id in the data root nobody reads it any more.
    How it comes about: power loss, a full disk, bit rot.
    Repair: none: it lies outside of the data root. Move the file away: engines up to 22 make a new one, and with it a new ID.
    Daemon says: Error loading key file …: unable to decode private key JWK
    Seen in: FC-35
    """
    path, _, why = model.store.policy.engine.key.partition(": ")
    if path:
        kept = not isinstance(model.store.reader.facts("engine-id"), Trouble)
        message = f"the engine's key {path} cannot be used: {why}"
        yield Fault(Ref("file", path), message, (), "a key", why, severity=Severity.INFO if kept else None)


@rule("container-paths-foreign", Severity.WARNING)
def paths_foreign(model: Model) -> Iterator[Fault]:
    """Containers remember the paths of another place: the data root was moved or copied.

    Why it matters: volumes and files that are bound by such a path are missing, or are those of the old place, at the next start.
    How it comes about: `cp`, `rsync` or a NAS tool moved the data root, and the engine was told the new place.
    Repair: none. Mount or link the new place to the old path, or make the containers anew.
    Never: rewrite the paths in the configurations.
    Seen in: FC-44
    """
    here = model.store.reader.root.rstrip("/")
    places: dict[str, list[str]] = {}
    for ident, container in sorted(model.containers.items()):
        for place in sorted({path.rpartition("/containers/")[0] for path in container.recorded if "/containers/" in path}):
            places.setdefault(place, []).append(ident)
    own = model.store.policy.engine.own
    if not own and len(places) < 2:  # noqa: PLR2004 - a copy that is looked at elsewhere knows one old place
        return
    usual = here if own else max(places, key=lambda place: (len(places[place]), place))
    for place, idents in places.items():
        if place not in {usual, *model.store.policy.engine.names}:
            message = f"{len(idents)} containers remember the data root as {place}, not as {usual}"
            paths = tuple(f"containers/{ident}/config.v2.json" for ident in idents)
            yield Fault(
                Ref("store", place), message, paths, usual, place, suffers=tuple(Ref("container", ident) for ident in idents)
            )


@rule("container-path-damaged", Severity.WARNING, after=("container-id-mismatch", "container-paths-foreign"))
def path_damaged(model: Model) -> Iterator[Fault]:
    """A container's record names files of its own that cannot be: of no container, or under another name.

    Why it matters: `docker inspect` shows a wrong path until the next start, at which the engine names them anew.
    How it comes about: bit rot, or an edit.
    Repair: none is needed.
    Never: take it ill of a container that it uses the network of another (`--network container:`), whose files these are then.
    """
    for ident, container in sorted(model.containers.items()):
        for path in container.recorded:
            _, there, rest = path.rpartition("/containers/")
            owner, _, name = rest.partition("/")
            strange = not (name in OWN or name.endswith(".log")) or not HEX64.fullmatch(owner)
            mine = owner == ident or (name in OWN and _bits(owner, ident) > 1)
            if there and name and (strange or not mine):
                message = f"{container.ref_name} calls {path} a file of its own"
                place = f"{container.path}/config.v2.json"
                yield Fault(
                    Ref("container", ident), message, (place,), f"{container.path}/…", path, (), (Ref("container", ident),)
                )
                break


def _bits(one: str, two: str) -> int:
    """In how many bits two ids differ."""
    return sum((ord(a) ^ ord(b)).bit_count() for a, b in zip(one, two, strict=False))


@rule("container-member-damaged", Severity.WARNING, after=("container-config-corrupt", "container-hostconfig-corrupt"))
def member_damaged(model: Model) -> Iterator[Fault]:
    """A member of a container's documents has a name that is one bit from one that is not there.

    Why it matters: the engine takes no notice of it: that setting is gone, and its default holds without a word.
    How it comes about: bit rot.
    Repair: none. With the engine stopped, give the member its name again.
    """
    for ident, container in sorted(model.containers.items()):
        for name in dict.fromkeys(each.partition(":")[0] for each in container.respelt):
            told = [each.partition(": ")[2] for each in container.respelt if each.startswith(f"{name}:")]
            message = f"{container.ref_name} has in {name} {', '.join(told)}"
            yield Fault(Ref("container", ident), message, (f"{container.path}/{name}",), "names that engines know", told[0])


@rule("container-log-damaged", Severity.WARNING, level=Level.STANDARD)
def log_damaged(model: Model) -> Iterator[Fault]:
    """The log of a container ends in NUL bytes or in half a line, or has lines that the engine cannot read.

    Why it matters: `docker logs` stops there with an error; what is written later cannot be read with it.
    How it comes about: power loss while the container wrote; bit rot. The last 64 KiB are looked at, also of
        logs of the driver local and of cached logs.
    Repair: none yet in this version. With the container stopped, cut the end off into another file.
    Never: empty the log: that loses all of it.
    Daemon says: error from daemon in stream: Error grabbing logs: invalid character … looking for beginning of value
    Seen in: FC-38
    """
    for ident, container in sorted(model.containers.items()):
        if container.running or (container.fault is not None and container.fault.state == "absent"):
            continue  # a line may just be under way, or it is the rest of a removal
        for name, judge in ((f"{ident}-json.log", _wrong), *((name, _wrong_frames) for name in FRAMED)):
            if container.entries.get(name.partition("/")[0]) not in {"file", "dir"}:
                continue
            data = model.store.reader.tail(path := f"{container.path}/{name}", TAIL)
            if not isinstance(data, Trouble) and (what := judge(data)):
                message = f"the log of {container.ref_name} {what}"
                yield Fault(Ref("file", path), message, (path,), "whole lines", what, suffers=(Ref("container", ident),))


def _wrong(data: bytes) -> str:
    """What is wrong with the end of a log, nothing if all of it reads (daemon/logger/jsonfilelog)."""
    text = data.rstrip(BLANK)
    if text and not text.endswith(b"}"):
        return "ends in NUL bytes" if text.endswith(b"\0") else "ends in half a line"
    lines = text.split(b"\n")[1 if len(data) == TAIL else 0 :]
    wrong = sum(not _said(line) for line in lines if line.strip(BLANK))
    return f"has {wrong} lines that cannot be read" if wrong else ""


LONGEST = 1 << 20
"""Bytes of a message: more than any log driver takes at once."""


def _wrong_frames(data: bytes) -> str:
    """The same of a log of messages that have their length before and behind them (daemon/logger/local)."""
    end = len(data)
    while end:
        size = int.from_bytes(data[max(0, end - 4) : end], "big")
        start = end - 8 - size
        if start < 0 and len(data) == TAIL and 0 < size <= LONGEST:
            return ""
        if end < 4 or size == 0 or start < 0 or data[start : start + 4] != data[end - 4 : end]:  # noqa: PLR2004 - a length
            return "ends in NUL bytes" if data.endswith(b"\0\0\0\0") else "has messages whose lengths do not agree"
        end = start
    return ""


def _said(line: bytes) -> bool:
    value = gojson.strict(line, "")
    if isinstance(value, Trouble):  # where a line lost its end the next one follows at once
        return all(isinstance(each, dict) and _is_line(each) for each in gojson.stream(line, ""))
    return isinstance(value, dict) and _is_line(value)


def _is_line(value: dict[str, Any]) -> bool:
    if not LINE.issuperset(value):
        return False
    texts = (value.get("log", ""), value.get("stream", ""), value.get("time"))
    return all(isinstance(each, str) for each in texts) and gojson.is_time(str(value.get("time")))


@rule("container-log-huge", Severity.INFO)
def log_huge(model: Model) -> Iterator[Fault]:
    """The log of a container is larger than a gigabyte.

    Why it matters: `docker system df` does not tell of it, and it grows until the disk is full.
    How it comes about: the log driver json-file keeps everything unless `max-size` is set.
    Repair: none. Set `log-opts` (`max-size`, `max-file`) in daemon.json, and make the container anew.
    Never: delete or empty the file while the container runs.
    Seen in: FC-38
    """
    for ident, container in sorted(model.containers.items()):
        path = f"{container.path}/{ident}-json.log"
        if container.entries.get(f"{ident}-json.log") != "file":
            continue
        facts = model.store.reader.facts(path)
        if not isinstance(facts, Trouble) and facts.size > HUGE:
            message = f"the log of {container.ref_name} has {facts.size >> 20} MiB"
            yield Fault(Ref("file", path), message, (path,), "", f"{facts.size} bytes")


@hookimpl
def fsck_rules() -> Iterable[Rule]:
    """The rules on the surroundings."""
    return (backing_fs, daemon_json, key_damaged, paths_foreign, path_damaged, member_damaged, log_damaged, log_huge)
