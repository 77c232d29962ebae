"""The table of the rules on containers and their folders (classic-store 10; FC-20, FC-21, FC-22, FC-25, FC-37)."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.table import Row, Told, disagreements, fires, folds, run, silent
from docker_fsck.testing.whole import Whole, whole
from docker_fsck.values import Action, WriteFile

from .cases import (
    CRITICAL,
    DAY,
    LOSSLESS,
    LOSSY,
    LOSSY_USER,
    OTHER,
    OVERLAYS,
    RECLAIM,
    UNION,
    VFS,
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

REMNANT, CORRUPT, MISMATCH, HOST = (
    "container-remnant", "container-config-corrupt", "container-id-mismatch", "container-hostconfig-corrupt",
)  # fmt: skip
FOLDER, ALL_OF_THEM = "container-folder-missing", file(lambda store: store.root.path / "containers")
NO_HOST, NO_RECORD, FOREIGN, RESIDUE = (
    "container-hostconfig-missing", "container-record-missing", "container-foreign-entry", "container-temp-residue",
)  # fmt: skip
Name = Callable[[Whole], str]


def ran(store: Whole) -> str:
    """The container above `app`."""
    return store.ran


def busy(store: Whole) -> str:
    """One of the two above `web`."""
    return store.busy


def made(store: Whole) -> str:
    """The other one, which never started."""
    return store.made


def part(name: str, container: Name = ran) -> Spot:
    """A file in a container's folder, blamed on the container."""
    return spot("container", container, lambda store: store.root.container_dir(container(store)) / name)


def loose(name: str, container: Name = ran) -> Spot:
    """A file in a container's folder, blamed itself."""
    return file(lambda store: store.root.container_dir(container(store)) / name)


def folder(container: Name = ran) -> Spot:
    """The folder."""
    return spot("container", container, lambda store: store.root.container_dir(container(store)))


def record(container: Name = ran) -> Spot:
    """The mount record that a container must have."""
    return spot("container", container, lambda store: store.root.mount_record(container(store)))


STRANGER = spot("container", lambda _: OTHER, lambda store: store.root.container_dir(OTHER) / "config.v2.json")
CONFIG, HOSTCONFIG = part("config.v2.json"), part("hostconfig.json")
TEMP, HOST_TEMP = loose(".tmp-config.v2.json123"), loose(".tmp-hostconfig.json456")


def copy(source: str, name: str, size: int | None = None, container: Name = ran) -> Callable[[Whole], None]:
    """A temporary copy of a file of the container, cut to `size` bytes if given."""

    def blow(store: Whole) -> None:
        base = store.root.container_dir(container(store))
        store.root.write(base / name, (base / source).read_bytes()[:size])

    return blow


def older(source: str, name: str, days: float, **fields: object) -> Callable[[Whole], None]:
    """A temporary copy of a file of the container, written so many days ago, that says something else."""

    def blow(store: Whole) -> None:
        base = store.root.container_dir(store.ran)
        document = json.loads((base / source).read_bytes()) | fields
        store.root.write(base / name, json.dumps(document).encode())
        store.root.age(base / name, days * DAY)

    return blow


def stated(container: Name = ran, **fields: object) -> Callable[[Whole], None]:
    """The config says something else."""

    def blow(store: Whole) -> None:
        path = store.root.container_dir(container(store)) / "config.v2.json"
        document = json.loads(path.read_bytes())
        for key, value in fields.items():
            document[key] = document[key] | value if isinstance(value, dict) else value
        store.root.write(path, json.dumps(document).encode())

    return blow


def remnant(*names: str) -> How:
    """The folder that a removal left, with these files in it."""

    def how(store: Whole) -> Told:
        where = store.root.container_dir(OTHER)
        store.root.make_dir(where)
        store.root.make_dir(where / "checkpoints")
        for name in names:
            (where / name).parent.mkdir(parents=True, exist_ok=True)
            if name.endswith("/"):
                (where / name).mkdir()
            else:
                store.root.write(where / name, b"" if name.startswith("empty") else b"{}\n")
        return told(store, "container", OTHER, where)

    return how


def backup(store: Whole) -> Told:
    """Somebody copied a container's folder."""
    path = store.root.container_dir(store.ran)
    shutil.copytree(path, path.with_name(f"{store.ran}.bak"))
    return told(store, "file", f"containers/{store.ran}.bak", path.with_name(f"{store.ran}.bak"))


def lost_pair(container: Name) -> Callable[[Whole], None]:
    """Neither record nor folders of a container are there."""

    def blow(store: Whole) -> None:
        for ident in (store.root.mount_id(container(store)), store.root.init_id(container(store))):
            for path in store.root.path.glob(f"{store.root.driver}/**/{ident}"):
                store.root.delete(path)
            if store.root.driver in OVERLAYS:
                store.root.delete(store.root.short_link(ident))
        store.root.delete(store.root.mount_record(container(store)))

    return blow


def create_cut_short(store: Whole) -> Told:
    """A create that ended after the folder was made: a mount record with its pair, but no config."""
    name = store.root.orphan_mount(store.app)
    where = store.root.container_dir(name)
    store.root.make_dir(where)
    return told(store, "container", name, where / "config.v2.json")


ORPHANS = ("driver-orphan", "driver-orphan")
LOST = (lambda _: (), lambda store: [store.ran])
# fmt: off
ROWS: tuple[Row, ...] = (
    fires(REMNANT, "a removal left an empty folder", remnant(), cls=RECLAIM),
    fires(REMNANT, "it left files that the engine makes", remnant("hosts", "hostname", "empty.log"), cls=RECLAIM),
    fires(REMNANT, "it left empty mount points", remnant("mounts/shm/", "secrets/", "hosts"), cls=RECLAIM),
    fires(REMNANT, "somebody's files lie in a folder with such a name", remnant("notes.txt", "data/dump.sql")),
    fires(REMNANT, "a file of somebody's lies beside the log", remnant(f"{OTHER}-json.log", "dump.sql")),
    fires(REMNANT, "a mount point of it holds something", remnant("mounts/secrets/key")),
    fires(REMNANT, "it left a log", remnant(f"{OTHER}-json.log"), cls=LOSSY_USER),
    fires(REMNANT, "it left a log of the local driver", remnant("local-logs/container.log"), cls=LOSSY_USER),
    fires(REMNANT, "it left a checkpoint", remnant("checkpoints/one"), cls=LOSSY_USER),
    fires(REMNANT, "it left a log and nobody consents", remnant(f"{OTHER}-json.log"), cls=LOSSY_USER, refused="needs consent"),
    fires(REMNANT, "it is young", remnant(), cls=RECLAIM, grace=DAY, refused="grace period"),
    silent(REMNANT, "an unclaimed writable layer may be its own",
          does(folder(), remnant(), lambda store: store.root.orphan_pair(store.app)),
           also=(CORRUPT,)),
    silent(REMNANT, "a whole copy of its config is there", does(
        folder(), remnant(), written(spot("container", lambda _: OTHER,
          lambda store: store.root.container_dir(OTHER) / ".tmp-config.v2.json7"),
                                     lambda store: CONFIG.path(store).read_text().replace(store.ran, OTHER))), also=(CORRUPT,)),
    *(fires(CORRUPT, f"it {what}", hurting(blow(CONFIG), *LOST)) for what, blow in (
        ("is empty", emptied), ("is cut in half", cut), ("is all NUL", nulled), ("is a folder", foldered), ("is a pipe", piped))),
    fires(CORRUPT, "it is a link", linked(CONFIG, "/etc/hostname")),
    fires(CORRUPT, "a file has the name of a container", does(STRANGER,
          lambda store: store.root.write(store.root.container_dir(OTHER), b"x"))),
    fires(CORRUPT, "a link has the name of a container", does(STRANGER,
          lambda store: store.root.link_to(store.root.container_dir(OTHER), "/etc"))),
    fires(CORRUPT, "it is a number", written(CONFIG, b"7")),
    fires(CORRUPT, "it is null", written(CONFIG, b"null")),
    fires(CORRUPT, "a field has another type", does(CONFIG, stated(Name=5))),
    fires(CORRUPT, "it is gone", deleted(CONFIG), cls=LOSSY_USER),
    fires(CORRUPT, "its record is gone too, and one writable layer can be no other's", does(CONFIG, deleted(CONFIG), deleted(record())),
          drivers=UNION, cls=LOSSY_USER),
    fires(CORRUPT, "its record is gone too, and nothing tells whose the writable layer is", does(
        CONFIG, deleted(CONFIG), deleted(record())), drivers=VFS, cls=LOSSY_USER, leaves=("driver-orphan",)),
    fires(CORRUPT, "it is gone and nobody consents", deleted(CONFIG), cls=LOSSY_USER, refused="needs consent"),
    fires(CORRUPT, "the create was cut short", create_cut_short, cls=LOSSY_USER),
    fires(CORRUPT, "a whole copy lies beside it", does(CONFIG, copy("config.v2.json", ".tmp-config.v2.json99"), emptied(CONFIG)),
          cls=LOSSLESS),
    fires(CORRUPT, "it is gone and an old engine left a whole copy", does(
        CONFIG, copy("config.v2.json", "config.v2.json.tmp"), deleted(CONFIG)), cls=LOSSLESS),
    fires(CORRUPT, "two whole copies lie beside it", does(
        CONFIG, copy("config.v2.json", ".tmp-config.v2.json1"), copy("config.v2.json", ".tmp-config.v2.json2"), nulled(CONFIG)),
          cls=LOSSLESS),
    *(fires(CORRUPT, f"two whole copies lie beside it that differ in {what}", does(
        CONFIG, older("config.v2.json", ".tmp-config.v2.json777", 1), older("config.v2.json", ".tmp-config.v2.json123", 900, **fields),
        emptied(CONFIG)), cls=LOSSY) for what, fields in (
            ("name", {"Name": "/former"}), ("mounts", {"MountPoints": {}}), ("networks", {"NetworkSettings": {}}))),
    fires(CORRUPT, "two whole copies lie beside it that differ in state alone", does(
        CONFIG, older("config.v2.json", ".tmp-config.v2.json777", 1), older("config.v2.json", ".tmp-config.v2.json123", 900, State={}),
        emptied(CONFIG)), cls=LOSSLESS),
    fires(CORRUPT, "the copy has a name that is now another container's", does(
        CONFIG, older("config.v2.json", ".tmp-config.v2.json1", 1, Name="/busy"), emptied(CONFIG)), cls=LOSSY,
          leaves=("container-name-duplicate",)),
    *(fires(CORRUPT, f"the copy lacks a mount that {what} asks for", does(
        CONFIG, older("config.v2.json", ".tmp-config.v2.json1", 1, MountPoints={}, **fields), *more, emptied(CONFIG)), cls=LOSSY)
      for what, fields, more in (
        ("the host configuration", {}, ()),
        ("its image", {"Config": {"Image": "x", "Volumes": {"/data/": {}}}}, (written(HOSTCONFIG, b'{"Binds":null}'),)),
        ("a mount of the host configuration", {}, (written(
            HOSTCONFIG, b'{"Mounts":[{"Type":"volume","Source":"data","Target":"/data"}]}'),)))),
    fires(CORRUPT, "the copy lacks only what is no volume", does(
        CONFIG, older("config.v2.json", ".tmp-config.v2.json1", 1, Config={"Volumes": {"/run/x": {}}}), written(
            HOSTCONFIG, b'{"Tmpfs":{"/run/x":""},"Mounts":[{"Type":"tmpfs","Target":"/t"}]}'), emptied(CONFIG)), cls=LOSSLESS),
    fires(CORRUPT, "the copy is cut too", does(CONFIG, copy("config.v2.json", ".tmp-config.v2.json99", 99), emptied(CONFIG))),
    fires(CORRUPT, "the copy is of another container", does(
        CONFIG, lambda store: store.root.write(TEMP.path(store),
          (store.root.container_dir(store.busy) / "config.v2.json").read_bytes()),
        emptied(CONFIG))),
    silent(CORRUPT, "garbage follows the first value", written(CONFIG, lambda store: CONFIG.path(store).read_text() + "}}")),
    silent(CORRUPT, "it holds fields of a newer engine", does(CONFIG, stated(Future=[1]))),
    fires(MISMATCH, "it states another id", does(CONFIG, stated(ID=OTHER))),
    fires(MISMATCH, "it states no id", does(CONFIG, stated(ID=""))),
    folds(NO_RECORD, MISMATCH, "the folder was copied", does(
        spot("container", lambda _: OTHER, lambda store: store.root.container_dir(OTHER) / "config.v2.json"),
        lambda store: [store.root.make_dir(store.root.container_dir(OTHER)), *(
            store.root.write(store.root.container_dir(OTHER) / name, (store.root.container_dir(store.ran) / name).read_bytes())
            for name in ("config.v2.json", "hostconfig.json"))])),
    silent(MISMATCH, "the name has no slash", does(CONFIG, stated(Name="ran"))),
    *(fires(HOST, f"it {what}", hurting(blow(HOSTCONFIG), *LOST)) for what, blow in (
        ("is empty", emptied), ("is cut in half", cut), ("is all NUL", nulled), ("is a folder", foldered), ("is a pipe", piped))),
    fires(HOST, "it is null", written(HOSTCONFIG, b"null"), severity=CRITICAL),
    fires(HOST, "it is a list", written(HOSTCONFIG, b"[]")),
    fires(HOST, "a whole copy lies beside it", does(HOSTCONFIG, copy("hostconfig.json", ".tmp-hostconfig.json99"),
          emptied(HOSTCONFIG)), cls=LOSSLESS),
    fires(HOST, "two whole copies lie beside it that differ in binds", does(
        HOSTCONFIG, older("hostconfig.json", ".tmp-hostconfig.json9", 1), older("hostconfig.json", ".tmp-hostconfig.json1", 9, Binds=[]),
        emptied(HOSTCONFIG)), cls=LOSSY),
    fires(HOST, "two whole copies lie beside it that differ in a limit", does(
        HOSTCONFIG, older("hostconfig.json", ".tmp-hostconfig.json9", 1), older("hostconfig.json", ".tmp-hostconfig.json1", 9, Memory=9),
        emptied(HOSTCONFIG)), cls=LOSSLESS),
    fires(HOST, "the copy is cut too", does(HOSTCONFIG, copy("hostconfig.json", ".tmp-hostconfig.json99", 9),
          emptied(HOSTCONFIG))),
    fires(HOST, "the config is gone bad too", does(HOSTCONFIG, emptied(CONFIG), written(HOSTCONFIG, b"null")), also=(CORRUPT,)),
    silent(HOST, "it is an empty object", written(HOSTCONFIG, b"{}")),
    fires(NO_HOST, "it is gone", hurting(deleted(HOSTCONFIG), *LOST)),
    fires(NO_HOST, "it is gone and a copy was left, which is kept", does(
        HOSTCONFIG, copy("hostconfig.json", ".tmp-hostconfig.json99"), deleted(HOSTCONFIG))),
    silent(NO_HOST, "the config is gone with it", does(HOSTCONFIG, deleted(HOSTCONFIG), emptied(CONFIG)), also=(CORRUPT,)),
    fires(NO_RECORD, "it is gone and one writable layer is unclaimed", hurting(deleted(record()), *LOST), cls=LOSSLESS),
    fires(NO_RECORD, "those of two containers of two images are gone", does(record(), deleted(record()), deleted(record(busy))),
          drivers=UNION, cls=LOSSLESS, also=(NO_RECORD,)),
    fires(NO_RECORD, "those of two containers of two images are gone and nothing tells them apart",
          does(record(), deleted(record()), deleted(record(busy))), drivers=VFS, also=(NO_RECORD, *ORPHANS)),
    fires(NO_RECORD, "those of two containers of one image are gone",
          does(record(busy), deleted(record(busy)), deleted(record(made))),
          also=(NO_RECORD, *ORPHANS)),
    fires(NO_RECORD, "a container that cannot be read lacks its own too",
          does(record(busy), emptied(part("config.v2.json", made)),
          deleted(record(made)), deleted(record(busy))), also=(CORRUPT, *ORPHANS)),
    fires(NO_RECORD, "the writable layer is gone with it", does(record(), lost_pair(ran))),
    fires(NO_RECORD, "a file stands in its place", written(record(), b"x")),
    folds(NO_RECORD, "container-dead", "the removal was cut short", does(CONFIG, stated(State={"Dead": True}), lost_pair(ran)),
          cls=LOSSY_USER),
    fires(NO_RECORD, "the image is gone too and the init layer tells the parent", does(record(made), lambda store: [
        store.root.delete(store.root.image_file(store.web)), store.root.delete(store.root.image_metadata(store.web)),
        store.root.repositories.pop("web"), store.root.tag("app:1", store.app)], deleted(record(made))), drivers=UNION,
          cls=LOSSLESS, also=("container-image-missing",) * 2),
    silent(NO_RECORD, "the container is of another driver", does(folder(), lambda store: store.root.container(
        store.app, "foreign", driver="zfs")), also=("container-foreign-driver",)),
    silent(NO_RECORD, "the container is of the new store", does(folder(), lambda store: store.root.container(
        store.app, "newer", driver="overlayfs"))),
    fires(FOREIGN, "a file lies there", written(file(lambda store: store.root.path / "containers/notes.txt"), b"x")),
    fires(FOREIGN, "a copy of a container lies there", backup),
    fires(FOLDER, "the folder is gone", deleted(ALL_OF_THEM)),
    silent(FOLDER, "there are no mount records either", does(ALL_OF_THEM, deleted(ALL_OF_THEM), lambda store: store.root.delete(
        store.root.image_home / "layerdb/mounts")), also=("driver-orphan",) * 3),
    fires(FOREIGN, "a folder has another name", foldered(file(lambda store: store.root.path / "containers/backup"))),
    silent(FOREIGN, "a container has a file that nobody knows", written(loose("notes.txt"), b"x")),
    fires(RESIDUE, "a copy of the config was left", written(TEMP, b""), cls=RECLAIM),
    fires(RESIDUE, "a copy of the host configuration was left", written(HOST_TEMP, b"{}"), cls=RECLAIM),
    fires(RESIDUE, "some other file was not finished", written(loose(".tmp-resolv.conf7"), b""), cls=RECLAIM),
    fires(RESIDUE, "it is young", written(TEMP, b""), cls=RECLAIM, grace=DAY, refused="grace period"),
    silent(RESIDUE, "the config is damaged, so that the copy is evidence", does(CONFIG, written(TEMP, b"{"), emptied(CONFIG)),
          also=(CORRUPT,)),
    silent(RESIDUE, "the host configuration is damaged", does(HOSTCONFIG, written(HOST_TEMP, b"{"), emptied(HOSTCONFIG)),
          also=(HOST,)),
)
# fmt: on


def given_up(store: Whole, ident: str) -> tuple[str, set[str], set[str]]:
    """What the remedy for a container without its config says, puts away, and loses."""
    (action,) = (each for each in run(store.root.path, consents=frozenset({ident})).plan.actions if each.consent == ident)
    return action.does, {step.path for step in action.steps}, set(action.loses)


def without_config(place: Path, *blows: Callable[[Whole], object]) -> Whole:
    """A store in which the config of `ran` is gone and its log holds something."""
    store = whole(place, "overlay2")
    store.root.write(store.root.container_dir(store.ran) / f"{store.ran}-json.log", b"{}\n")
    for blow in (deleted(CONFIG), *blows):
        blow(store)
    return store


def test_consent_puts_what_is_there_away_and_says_all_that_is_lost(place: Path) -> None:
    store = without_config(place)
    does_, away, loses = given_up(store, store.ran)
    ident, base = store.root.mount_id(store.ran), f"containers/{store.ran}"
    assert f"put the folder, the mount record and the writable layer of {store.ran[:12]} away" == does_
    assert {base, store.rel(store.root.mount_record(store.ran)), f"overlay2/{ident}", f"overlay2/{ident}-init"} <= away
    assert {f"overlay2/{ident}/diff", f"overlay2/{ident}-init/diff", f"{base}/{store.ran}-json.log"} == loses


def test_a_writable_layer_that_can_be_no_others_goes_along(place: Path) -> None:
    store = without_config(place, lambda each: each.root.delete(each.root.mount_record(each.ran)))
    ident = store.root.mount_id(store.ran)
    does_, away, loses = given_up(store, store.ran)
    assert f"put the folder and the writable layer of {store.ran[:12]} away" == does_
    assert {f"containers/{store.ran}", f"overlay2/{ident}", f"overlay2/{ident}-init"} <= away
    assert {f"overlay2/{ident}/diff", f"containers/{store.ran}/{store.ran}-json.log"} <= loses


def test_one_that_may_be_anothers_stays_and_that_is_said(place: Path) -> None:
    store = without_config(place, lambda each: each.root.delete(each.root.mount_record(each.ran)))
    store.root.orphan_pair(store.app)
    does_, away, _ = given_up(store, store.ran)
    words = "2 writable layers that nothing claims stay, one of them may be its own"
    assert (f"put the folder of {store.ran[:12]} away; {words}", {f"containers/{store.ran}"}) == (does_, away)


def test_one_stays_where_another_drivers_tree_has_one_too(place: Path) -> None:
    store = without_config(place, lambda each: each.root.delete(each.root.mount_record(each.ran)))
    other = DataRoot(store.root.path, "vfs")
    other.orphan_pair(other.image("other:1"))
    does_, away, _ = given_up(store, store.ran)
    words = "2 writable layers that nothing claims stay, one of them may be its own"
    assert (f"put the folder of {store.ran[:12]} away; {words}", {f"containers/{store.ran}"}) == (does_, away)


def test_one_that_another_container_may_own_stays(place: Path) -> None:
    store = without_config(place, lambda each: each.root.delete(each.root.mount_record(each.ran)))
    ident = store.root.mount_id(store.ran)
    for blow in (lost_pair(made), emptied(part("config.v2.json", made))):
        blow(store)
    does_, away, _ = given_up(store, store.ran)
    words = f"overlay2/{ident} stays, it may be its own"
    assert (f"put the folder of {store.ran[:12]} away; {words}", {f"containers/{store.ran}"}) == (does_, away)


def test_the_log_of_a_dead_container_is_lost_with_it(place: Path) -> None:
    store = whole(place, "overlay2")
    log = store.root.container_dir(store.ran) / f"{store.ran}-json.log"
    stated(State={"Dead": True})(store)
    for data in (b"", b"{}\n"):
        store.root.write(log, data)
        assert bool(data) is (store.rel(log) in given_up(store, store.ran)[2])


@rows(ROWS)
def test_the_table_of_containers_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))


def test_the_volumes_of_a_container_suffer_with_it(place: Path) -> None:
    store = whole(place, "overlay2")
    store.root.delete(store.root.container_dir(store.ran) / "hostconfig.json")
    (finding,) = run(place).findings
    assert (store.data,) == finding.impact.volumes


def restoring(place: Path, *blows: Callable[[Whole], object]) -> tuple[Whole, Action]:
    """The one action for a damaged container."""
    store = whole(place, "overlay2")
    for blow in blows:
        blow(store)
    (action,) = run(place).plan.actions
    return store, action


def test_the_newest_copy_of_a_configuration_is_taken_and_what_is_uncertain_is_told(place: Path) -> None:
    store, action = restoring(
        place,
        older("config.v2.json", ".tmp-config.v2.json777", 1, Name="/db-2024"),
        older("config.v2.json", ".tmp-config.v2.json123", 3000, Name="/busy"),
        emptied(CONFIG),
    )
    step = action.steps[0]
    assert isinstance(step, WriteFile)
    assert (LOSSY, "/db-2024") == (action.cls, json.loads(step.data)["Name"])
    (doubt,) = action.loses
    assert all(each in doubt for each in (".tmp-config.v2.json777", ".tmp-config.v2.json123", "differ in Name"))
    assert {f"containers/{store.ran}/.tmp-config.v2.json{each}" for each in (777, 123)} == {
        each.path for each in action.steps[1:]
    }


def test_of_copies_that_agree_the_newest_is_taken(place: Path) -> None:
    _, action = restoring(
        place,
        older("hostconfig.json", ".tmp-hostconfig.json777", 1, Memory=1),
        older("hostconfig.json", ".tmp-hostconfig.json123", 9, Memory=2),
        emptied(HOSTCONFIG),
    )
    step = action.steps[0]
    assert isinstance(step, WriteFile)
    assert (LOSSLESS, 1, ()) == (action.cls, json.loads(step.data)["Memory"], action.loses)


def test_two_lost_configurations_do_not_get_one_name(place: Path) -> None:
    store = whole(place, "overlay2")
    for ident in (store.ran, store.busy):
        path = store.root.container_dir(ident) / "config.v2.json"
        document = json.loads(path.read_bytes()) | {"Name": "/same"}
        store.root.write(path.with_name(".tmp-config.v2.json1"), json.dumps(document).encode())
        store.root.empty(path)
    assert [LOSSY, LOSSY] == [each.cls for each in run(place).plan.actions]


def test_a_copy_from_a_time_that_no_calendar_has_is_taken(place: Path) -> None:
    store = whole(place, "overlay2")
    copy("config.v2.json", ".tmp-config.v2.json1")(store)
    os.utime(store.root.container_dir(store.ran) / ".tmp-config.v2.json1", (1 << 33, 1 << 33))
    emptied(CONFIG)(store)
    (action,) = run(place).plan.actions
    assert LOSSLESS == action.cls
