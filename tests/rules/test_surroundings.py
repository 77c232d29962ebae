"""The table of what lies around the store: file system, configuration of the engine, paths of another place, logs."""

import json
import os
from collections.abc import Callable
from pathlib import Path

from docker_fsck.testing.table import Row, Told, disagreements, fires, run, silent
from docker_fsck.testing.whole import Whole, whole
from docker_fsck.upgrade.settings import Settings, of_json

from .cases import CRITICAL, ERROR, INFO, rows

OWN, MEMBER = "container-path-damaged", "container-member-damaged"
BACKING, DAEMON, PATHS, LOG, HUGE = (
    "backing-fs",
    "daemon-json",
    "container-paths-foreign",
    "container-log-damaged",
    "container-log-huge",
)
KEY, KEY_FILE = "engine-key-damaged", "/etc/docker/key.json"
FILE = "/etc/docker/daemon.json"
LINE = b'{"log":"hello\\n","stream":"stdout","time":"2024-05-06T07:08:09Z"}\n'


FRAME = (14).to_bytes(4, "big") + b"\n\x06stdout\x10\x01\x1a\x02hi" + (14).to_bytes(4, "big")


def nothing(_: Whole) -> None:
    """The store is whole."""


def configuration(_: Whole) -> Told:
    """A file outside of the root is blamed: it has no path in it."""
    return Told("file", FILE, "none")


def key(_: Whole) -> Told:
    """So is the key."""
    return Told("file", KEY_FILE, "none")


def moved(ident: Callable[[Whole], str], place: str = "/old/docker") -> Callable[[Whole], Told]:
    """A container knows the paths of another place."""

    def how(store: Whole) -> Told:
        name = ident(store)
        path = store.root.container_dir(name) / "config.v2.json"
        told = json.loads(path.read_bytes())
        told |= {
            key: told[key].replace("/var/lib/docker", place) for key in ("LogPath", "HostsPath", "HostnamePath", "ResolvConfPath")
        }
        store.root.write(path, json.dumps(told).encode())
        return Told("store", place, f"containers/{name}/config.v2.json", containers=(name,))

    return how


def renamed(key: str, path: str) -> Callable[[Whole], Told]:
    """A container calls another path a file of its own."""

    def how(store: Whole) -> Told:
        place = store.root.container_dir(store.ran) / "config.v2.json"
        near = (
            store.ran[:-1] + "".join(each for each in "0123456789abcdef" if (ord(each) ^ ord(store.ran[-1])).bit_count() == 1)[:1]
        )
        told = json.loads(place.read_bytes()) | {key: path.format(id=store.ran, other=store.busy, near=near)}
        store.root.write(place, json.dumps(told).encode())
        return Told("container", store.ran, store.rel(place))

    return how


def respelt(name: str, old: str, new: str) -> Callable[[Whole], Told]:
    """A member of a document of a container has another name."""

    def how(store: Whole) -> Told:
        path = store.root.container_dir(store.ran) / name
        data = path.read_text()
        assert old in data
        store.root.write(path, data.replace(old, new, 1).encode())
        return Told("container", store.ran, store.rel(path))

    return how


def framed(name: str, data: bytes) -> Callable[[Whole], Told]:
    """What a log of messages with their lengths holds."""

    def how(store: Whole) -> Told:
        path = store.root.container_dir(store.ran) / name
        path.parent.mkdir(exist_ok=True)
        store.root.write(path, data)
        return Told("file", store.rel(path), store.rel(path), containers=(store.ran,))

    return how


def log(data: bytes) -> Callable[[Whole], Told]:
    """What the log of a container holds."""

    def how(store: Whole) -> Told:
        path = store.root.container_dir(store.ran) / f"{store.ran}-json.log"
        store.root.write(path, data)
        return Told("file", store.rel(path), store.rel(path), containers=(store.ran,))

    return how


def huge(size: int) -> Callable[[Whole], Told]:
    """A log of so many bytes, most of them a hole."""

    def how(store: Whole) -> Told:
        told = log(LINE)(store)
        with open(store.root.path / told.path, "r+b") as file:
            os.pwrite(file.fileno(), LINE, size - len(LINE))
        return Told(told.kind, told.id, told.path)

    return how


# fmt: off
ROWS: tuple[Row, ...] = (
    silent(BACKING, "the engine of this host works here", nothing, engine=Settings(file=FILE)),
    fires(DAEMON, "it is empty", configuration, engine=of_json(b"", FILE), severity=ERROR),
    fires(DAEMON, "it is a page of HTML", configuration, engine=of_json(b"<html>", FILE), severity=CRITICAL),
    silent(DAEMON, "it is an empty object", nothing, engine=of_json(b"{}", FILE)),
    silent(DAEMON, "it begins with a byte order mark", nothing, engine=of_json(b"\xef\xbb\xbf{}", FILE)),
    fires(KEY, "it is empty", key, engine=Settings(key=f"{KEY_FILE}: the file is empty")),
    fires(KEY, "it is empty and the root has an engine-id", lambda store: [
        store.root.write("engine-id", b"4f6a2f1c-5b6d-4c7e-8f90-a1b2c3d4e5f6"), key(store)][1],
          engine=Settings(key=f"{KEY_FILE}: the file is empty"), severity=INFO),
    silent(KEY, "it is whole", nothing, engine=Settings(own=False)),
    fires(PATHS, "one container knows another place", moved(lambda store: store.ran)),
    fires(PATHS, "one container knows another place, below a folder called containers",
          moved(lambda store: store.ran, "/old/containers/docker")),
    silent(PATHS, "all know the place where the root was", nothing),
    fires(LOG, "it ends in NUL bytes", log(LINE + bytes(4096))),
    fires(LOG, "its last line is half", log(LINE + LINE[:20])),
    *(fires(LOG, f"a line has {what}", log(LINE + LINE.replace(old, new) + LINE)) for what, old, new in (
        ("no quote", b'"log"', b'"log'), ("another member", b'"log"', b'"lof"'), ("no time that could be", b"T", b"t"))),
    *(fires(LOG, f"the last message of a {name} {what}", framed(name, data)) for name in ("local-logs/container.log", "container-cached.log")
        for what, data in (("is half", FRAME + FRAME[:-6]), ("is zero", FRAME + bytes(22)), ("has another length", FRAME + FRAME[:-1] + b"\x13"))),
    silent(LOG, "messages have their lengths", framed("local-logs/container.log", FRAME * 4000)),
    fires(OWN, "it names a file of another container", renamed("LogPath", "/var/lib/docker/containers/{other}/{other}-json.log")),
    fires(OWN, "it names a file that no container has", renamed("HostsPath", "/var/lib/docker/containers/{id}/hostr")),
    *(fires(MEMBER, f"a bit of {old} in {name} is another", respelt(name, old, new)) for name, old, new in (
        ("config.v2.json", "ProcessLabel", "ProcessLabem"), ("hostconfig.json", "Privileged", "Privilegee"))),
    silent(MEMBER, "it has another case, or one more", respelt("hostconfig.json", '"Privileged"', '"Later":1,"privileged"')),
    fires(OWN, "a bit of its own id is another", renamed("HostsPath", "/var/lib/docker/containers/{near}/hosts")),
    silent(OWN, "it uses the network of another container", renamed("HostsPath", "/var/lib/docker/containers/{other}/hosts")),
    silent(OWN, "it used the network of one that is gone", renamed("HostnamePath", "/var/lib/docker/containers/" + "5" * 64 + "/hostname")),
    silent(OWN, "its log is one of the driver local", renamed("LogPath", "/var/lib/docker/containers/{id}/local-logs/container.log")),
    silent(LOG, "it is empty", log(b"")),
    *(silent(LOG, f"it {what}", log(data)) for what, data in (
        ("is one blank line", b"\n"), ("is blank", b" \r\n\t\n"), ("begins with a blank line", b"\n" + LINE),
        ("has blank lines within and behind", LINE + b"\n \n" + LINE + b"\n\n"), ("ends without a line end", LINE * 2 + LINE[:-1]),
        ("has two messages in one line", LINE[:-1] + LINE))),
    *(fires(LOG, f"a blank line follows {what}", log(data + b"\n")) for what, data in (
        ("NUL bytes", LINE + bytes(9)), ("half a line", LINE + LINE[:20]))),
    fires(LOG, "two messages are in one line, the second one damaged", log(LINE[:-1] + LINE.replace(b"T", b"t"))),
    silent(LOG, "it is long", log(LINE * 4000)),
    fires(HUGE, "it is larger than a gigabyte", huge((1 << 30) + 1)),
    silent(HUGE, "it has just a gigabyte", huge(1 << 30)),
)
# fmt: on


@rows(ROWS)
def test_the_table_of_the_surroundings_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))


def test_on_its_own_host_the_place_where_the_root_lies_counts(place: Path) -> None:
    whole(place, "overlay2")
    found = run(place, engine_settings=Settings(own=True)).of(PATHS)
    assert [("/var/lib/docker", 3)] == [(each.object.id, len(each.impact.containers)) for each in found]


def test_a_root_below_a_folder_called_containers_is_its_own_place(tmp_path: Path) -> None:
    place = tmp_path / "containers" / "docker"
    store = whole(place, "overlay2")
    for ident in (store.ran, store.busy, store.made):
        moved(lambda _, ident=ident: ident, str(place))(store)
    assert [] == run(place, engine_settings=Settings(own=True)).of(PATHS)


def test_a_path_that_leads_to_the_root_is_no_other_place(place: Path) -> None:
    whole(place, "overlay2")
    assert [] == run(place, engine_settings=Settings(own=True, names=("/var/lib/docker",))).of(PATHS)
