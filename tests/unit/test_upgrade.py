"""Which store an engine opens, as a table: version x what lies in the root x what is configured."""

import pytest

from docker_fsck.upgrade import timeline, version
from docker_fsck.upgrade.choice import Choice, Homes, choose
from docker_fsck.upgrade.settings import Settings, key_fault, of_json
from docker_fsck.upgrade.timeline import CONTAINERD, DRIVERS
from docker_fsck.upgrade.version import Version

NONE = Settings()
VERSIONS = ("1.10", "1.12", "1.13", "17.09", "17.12", "20.10", "23", "24", "25", "28", "29.7")


def told(driver: str = "", *, snapshotter: bool | None = None, migration: bool = False) -> Settings:
    """A daemon.json."""
    return Settings(driver=driver, snapshotter=snapshotter, migration=migration, origin="daemon.json", file="daemon.json")


def outcome(choice: Choice) -> str:
    """A choice in one word: the store, `stop` where the engine does not start, `host` where it depends on the host."""
    return choice.store or ("stop" if choice.refuses else "host")


def row(*used: str, empty: tuple[str, ...] = (), settings: Settings = NONE) -> str:
    """What each of VERSIONS does."""
    homes = Homes(frozenset(used), frozenset(empty))
    return " ".join(outcome(choose(version.parse(each), settings, homes)) for each in VERSIONS)


# fmt: off
MATRIX = (
    #                            1.10 1.12 1.13 17.09 17.12 20.10 23 24 25 28 29.7
    ("nothing",            row(), "host host host host host host host host host host containerd"),
    ("overlay2",           row("overlay2"), "host host overlay2 overlay2 overlay2 overlay2 overlay2 overlay2 overlay2 overlay2 overlay2"),
    ("vfs",                row("vfs"), "host host host host host host host host host host containerd"),
    ("aufs",               row("aufs"), "aufs aufs aufs aufs aufs aufs stop host host host containerd"),
    ("overlay",            row("overlay"), "overlay overlay overlay overlay overlay overlay stop host host host containerd"),
    ("devicemapper",       row("devicemapper"), "devicemapper devicemapper devicemapper devicemapper devicemapper devicemapper stop stop host host containerd"),
    ("btrfs",              row("btrfs"), "btrfs btrfs btrfs btrfs btrfs btrfs btrfs btrfs btrfs btrfs btrfs"),
    ("zfs",                row("zfs"), "zfs zfs zfs zfs zfs zfs zfs zfs zfs zfs zfs"),
    ("fuse-overlayfs",     row("fuse-overlayfs"), "host host host host host fuse-overlayfs fuse-overlayfs fuse-overlayfs fuse-overlayfs fuse-overlayfs fuse-overlayfs"),
    ("overlay2 + vfs",     row("overlay2", "vfs"), "host host overlay2 overlay2 overlay2 overlay2 overlay2 overlay2 overlay2 overlay2 overlay2"),
    ("overlay2 + aufs",    row("overlay2", "aufs"), "aufs stop stop stop stop stop stop overlay2 overlay2 overlay2 overlay2"),
    ("overlay2 + dm",      row("overlay2", "devicemapper"), "devicemapper stop stop stop stop stop stop stop overlay2 overlay2 overlay2"),
    ("overlay2 + btrfs",   row("overlay2", "btrfs"), "btrfs stop stop stop stop stop stop stop stop stop stop"),
    ("overlay2, aufs empty", row("overlay2", empty=("aufs",)), "aufs stop stop stop overlay2 overlay2 overlay2 overlay2 overlay2 overlay2 overlay2"),
    ("vfs chosen",         row("vfs", settings=told("vfs")), "vfs vfs vfs vfs vfs vfs vfs vfs vfs vfs vfs"),
    ("aufs chosen",        row("aufs", settings=told("aufs")), "aufs aufs aufs aufs aufs aufs aufs stop stop stop stop"),
    ("devicemapper chosen", row("devicemapper", settings=told("devicemapper")), "devicemapper devicemapper devicemapper devicemapper devicemapper devicemapper devicemapper devicemapper stop stop stop"),
    ("overlay2 of two",    row("overlay2", "btrfs", settings=told("overlay2")), "stop overlay2 overlay2 overlay2 overlay2 overlay2 overlay2 overlay2 overlay2 overlay2 overlay2"),
    ("containerd on",      row("overlay2", settings=told(snapshotter=True)), "host host overlay2 overlay2 overlay2 overlay2 containerd containerd containerd containerd containerd"),
    ("containerd off",     row("vfs", settings=told(snapshotter=False)), "host host host host host host host host host host host"),
    ("a plugin chosen",    row(settings=told("vendor/driver:latest")), "stop stop vendor/driver:latest vendor/driver:latest vendor/driver:latest vendor/driver:latest vendor/driver:latest vendor/driver:latest vendor/driver:latest stop stop"),
)
# fmt: on


def test_deep_documents_are_a_fault_and_no_crash() -> None:
    assert "no key in it" in key_fault(b"[" * 5000)
    assert of_json(b"[" * 5000, "daemon.json").fault


@pytest.mark.parametrize(("what", "found", "expected"), MATRIX, ids=[each[0] for each in MATRIX])
def test_the_matrix_of_versions_and_states_holds(what: str, found: str, expected: str) -> None:
    assert dict(zip(VERSIONS, expected.split(), strict=True)) == dict(zip(VERSIONS, found.split(), strict=True)), what


SEEN = (
    ("28.5 or 20.10, overlay2 -> 29.7, nothing set", "29.7", ("overlay2",), NONE, "overlay2"),
    ("28.5 vfs -> 29.7, nothing set", "29.7", ("vfs",), NONE, CONTAINERD),
    ("28.5 overlay2 -> 29.7, containerd-snapshotter on", "29.7", ("overlay2",), told(snapshotter=True), CONTAINERD),
    (
        "the same, containerd-migration on: stays while there are containers",
        "29.7",
        ("overlay2",),
        told(migration=True),
        "overlay2",
    ),
    ("migrated, next start without the feature", "29.7", ("overlay2",), NONE, "overlay2"),
    ("migrated, next start with the feature", "29.7", ("overlay2",), told(snapshotter=True), CONTAINERD),
    ("29.7 containerd -> 28.5: whatever the host can do, nothing of containerd", "28.5", (), NONE, "host"),
    ("... -> 29.7 again: the empty overlay2 has become prior", "29.7", ("overlay2",), NONE, "overlay2"),
)


@pytest.mark.parametrize(("what", "target", "homes", "settings", "expected"), SEEN, ids=[each[0] for each in SEEN])
def test_what_was_seen_of_the_switch_to_29_holds(
    what: str, target: str, homes: tuple[str, ...], settings: Settings, expected: str
) -> None:
    assert expected == outcome(choose(version.parse(target), settings, Homes(frozenset(homes)))), what


@pytest.mark.parametrize(
    ("text", "expected"),
    [("29", Version(29)), ("29.0", Version(29)), ("v20.10.24", Version(20, 10, 24)), ("18.06.0-ce", Version(18, 6)), ("1.10", Version(1, 10)), ("20.10.24+dfsg1", Version(20, 10, 24))],
)  # fmt: skip
def test_a_version_is_read(text: str, expected: Version) -> None:
    assert expected == version.parse(text)


@pytest.mark.parametrize("text", ["", "latest", "29.x", "1.9", "30", "29.0.0.1", "-1", "١٢"])
def test_a_version_that_is_none_or_not_known_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"version|store"):
        version.parse(text)


@pytest.mark.parametrize(("text", "told"), [("18.6", "18.06"), ("29", "29.0"), ("20.10.24", "20.10.24"), ("1.12", "1.12")])
def test_a_version_is_spelled_as_the_engine_spells_it(text: str, told: str) -> None:
    assert told == str(version.parse(text))


def test_versions_are_ordered_by_their_numbers() -> None:
    assert [*map(version.parse, VERSIONS)] == sorted(map(version.parse, VERSIONS))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"storage-driver": "vfs"}', ("vfs", None, False, "")),
        (b'{"features": {"containerd-snapshotter": true}}', ("", True, False, "")),
        (b'{"features": {"containerd-snapshotter": false, "containerd-migration": true}}', ("", False, True, "")),
        (b"{}", ("", None, False, "")),
        (b'{"storage-driver": 7, "features": []}', ("", None, False, "")),
        (b"", ("", None, False, "the file is empty")),
        (b" \n", ("", None, False, "the file is empty")),
        (b"[]", ("", None, False, "not a JSON object")),
    ],
)
def test_a_daemon_json_is_read(data: bytes, expected: tuple[object, ...]) -> None:
    found = of_json(data, "daemon.json")
    assert expected == (found.driver, found.snapshotter, found.migration, found.fault)


KEY = (
    b'{"crv":"P-256","d":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE","kid":"%s","kty":"EC",'
    b'"x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY","y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}'
)
KEY_ID = b"LTJF:F6YM:5CJS:INX2:7DGN:CBAJ:QG4J:5ZFN:NOP6:TYVC:W7TR:VLFS"


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (KEY % KEY_ID, ""),
        (b"", "the file is empty"),
        (bytes(244), "244 bytes, all of them zero"),
        (KEY % KEY_ID[::-1], "its id is"),
        ((KEY % KEY_ID)[:90], "no key in it"),
        (b"[]", "no key in it"),
        ((KEY % KEY_ID).replace(b'"T-NC', b'"NC'), "no key in it"),
        ((KEY % KEY_ID).replace(b"P-256", b"P-384"), "no key of the kind"),
    ],
)
def test_a_key_is_one_if_its_id_is_made_of_it(data: bytes, fault: str) -> None:
    assert key_fault(data).startswith(fault)
    assert bool(fault) == bool(key_fault(data))


def test_a_page_of_html_is_no_daemon_json() -> None:
    assert of_json(b"<html>", "daemon.json").fault


def test_every_driver_of_the_lists_of_priority_is_known_to_that_version() -> None:
    wrong = [(since, name) for since, names in timeline.PRIORITY for name in names if not timeline.known(name, since)]
    assert [] == wrong
    assert set(DRIVERS) == {name for _, names in timeline.PRIORITY for name in names}


def test_the_changes_stand_in_the_order_of_their_versions() -> None:
    versions = [change.since for change in timeline.CHANGES]
    assert sorted(versions) == versions
