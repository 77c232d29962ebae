"""What engines say: every fragment of the field cases finds its case, real lines of real engines find theirs, and other lines find none."""

import re
import time

import pytest

from docker_fsck import explain, plugins
from docker_fsck.sayings.cases import TITLES
from docker_fsck.sayings.matching import ALL, match, nearest
from docker_fsck.sayings.saying import Saying, wording

A = "3f1c0a5b2d44" + "0" * 52
CHAIN = "sha256:" + A

FRAGMENTS = (
    ("readlink .../overlay2/l: invalid argument", "FC-02"),
    ("readlink .../overlay2: invalid argument", "FC-02"),
    ("too many levels of symbolic links", "FC-15"),
    (".../overlay2/<id>: no such file or directory", "FC-03"),
    (".../.tmp-committedN: no such file or directory", "FC-08"),
    ("error creating overlay mount ... no such file or directory", "FC-03 FC-44"),
    ("rename .../write-set-N ...: file exists", "FC-06"),
    ("rename .../write-set-N ...: directory not empty", "FC-06"),
    ("layer does not exist", "FC-12"),
    ("not restoring image", "FC-12"),
    ("invalid image", "FC-19"),
    ("failed to verify: sha256:...", "FC-19"),
    ("file integrity checksum failed", "FC-04 FC-53"),
    ("could not verify layer data", "FC-04 FC-53"),
    ("exec format error", "FC-04 FC-05"),
    ("Couldn't create reference store repository", "FC-16"),
    ("all images `<none>`", "FC-17"),
    ("all images <none>", "FC-17"),
    ("Failed to load container", "FC-20 FC-21"),
    ("RWLayer of container ... is unexpectedly nil", "FC-22 FC-23 FC-24"),
    ("mount does not exist", "FC-22 FC-23 FC-24"),
    ("device or resource busy", "FC-10"),
    ("layer not retained", "FC-10"),
    ("Removal In Progress", "FC-25"),
    ("Dead", "FC-25"),
    ("panic: page N already freed", "FC-26 FC-29 FC-30"),
    ("invalid freelist page", "FC-26 FC-29 FC-30"),
    ("circular dependency", "FC-26 FC-29 FC-30"),
    ("networks have same bridge name", "FC-27"),
    ("has active endpoints", "FC-27"),
    ("volume store metadata database: timeout", "FC-28"),
    ("unmarshaling volume options", "FC-31"),
    ("prior storage driver ... failed", "FC-39"),
    ("several valid graphdrivers", "FC-39"),
    ("content digest ... not found", "FC-41"),
    ("blob not found", "FC-41"),
    ("parent snapshot ... does not exist", "FC-42"),
    ("missing parent ... bucket", "FC-42"),
    ("max depth exceeded", "FC-46"),
    ("WAL error cannot be repaired", "FC-51"),
    ("invalid cross-device link", "FC-45"),
)
"""The table from error text to case (field cases, section 4), one row a fragment."""

LINES = (
    # classic store 2
    ("failed to start daemon: Couldn't create reference store repository: EOF", "FC-16"),
    ("Error starting daemon: Couldn't create Tag store repositories: EOF", "FC-16"),
    (
        "failed to start daemon: Couldn't create reference store repository: json: cannot unmarshal array into Go struct field",
        "FC-16",
    ),
    ("http: panic serving @: no ':' separator in digest \"foo\"", "FC-18"),
    ("Error response from daemon: No such image: bb:1", "FC-18"),
    # 3.3
    (f"invalid image {CHAIN}, failed to verify: {CHAIN}", "FC-19"),
    (f'level=error msg="invalid image" digest="{CHAIN}" err="failed to verify: {CHAIN}"', "FC-19"),
    (f"invalid image {CHAIN}, invalid image JSON, no RootFS key", "FC-19"),
    (f"layer does not exist, not restoring image {CHAIN}, {CHAIN}, linux", "FC-12"),
    ("Error starting daemon: layer does not exist", "FC-12"),
    ('parsing time "junk" as "2006-01-02T15:04:05.999999999Z07:00": cannot parse "junk" as "2006"', "FC-19"),
    # 5.4, 5.5
    (
        f"Failed to load layer {CHAIN}: failed to get diff id for {CHAIN}: open /var/lib/docker/x/diff: no such file or directory",
        "FC-06",
    ),
    (f"failed to get cache id for {CHAIN}: invalid cache id value", "FC-06"),
    (f"failed to get descriptor for {CHAIN}: unexpected end of JSON input", "FC-06"),
    (
        f"failed to register layer: rename /d/image/overlay2/layerdb/tmp/write-set-1234 /d/image/overlay2/layerdb/sha256/{A}: file exists",
        "FC-06",
    ),
    (f"could not verify layer data for: {CHAIN}. This may be because internal files in the layer store were modified.", "FC-53"),
    ("open /var/lib/docker/image/overlay2/layerdb/sha256/x/tar-split.json.gz: no such file or directory", "FC-53"),
    ('file integrity checksum failed for "usr/bin/x"', "FC-04"),
    (f"open /var/lib/docker/overlay2/{A}/committed: no such file or directory", "FC-03"),
    # 7
    ("Failed to load mount abc: invalid mount id value", "FC-24"),
    ("Failed to load mount abc: invalid init id value", "FC-24"),
    (f"stat /var/lib/docker/overlay2/{A}: no such file or directory", "FC-03"),
    (f"stat /var/lib/docker/overlay2/{A}-init: no such file or directory", "FC-03"),
    ("Handler for DELETE returned error: dataset does not exist", "FC-48"),
    # 9.2
    ("readlink /var/lib/docker/overlay2/l/ABCDEFGHIJKLMNOPQRSTUVWXYZ: no such file or directory", "FC-02"),
    (
        f"failed to register layer: error creating overlay mount to /d/overlay2/{A}/merged: too many levels of symbolic links",
        "FC-15",
    ),
    (f"error creating overlay mount to /d/overlay2/{A}-init/merged: no such file or directory", "FC-03"),
    ('exec: "/bin/sh": stat /bin/sh: no such file or directory', "FC-04"),
    ("exec /init: no such file or directory", "FC-04"),
    ("touch: /x: Read-only file system", "FC-45"),
    (f"refusing to remove empty link for layer {A}", "FC-02"),
    # 10.4
    (f"Failed to load container {A}: EOF", "FC-20"),
    (
        f'level=error msg="failed to load container" container={A} error="invalid character \'\\x00\' looking for beginning of value"',
        "FC-20",
    ),
    (f'level=error msg="failed to load container mount" container={A} error="mount does not exist"', "FC-22"),
    (f"Container {A} is stored at {A}", "FC-20"),
    ("goroutine 1: github.com/docker/docker/daemon.(*Daemon).InitDNSHostConfig", "FC-21"),
    ("cannot load container because it was created with another storage driver", "FC-55"),
    ("failed to register container name: /x: name is reserved", "FC-23"),
    (f'The name "/x" is already in use by container {A}', "FC-23"),
    ("container is marked for removal and cannot be started", "FC-25"),
    ("failed to prepare mountpoints for container: get vol1: no such volume", "FC-32"),
    # 11
    ("error while opening volume store metadata database: invalid database", "FC-28"),
    ("error while opening volume store metadata database: timeout", "FC-28"),
    (
        'error evaluating symlinks from mount source "/d/volumes/v/_data": lstat /d/volumes/v/_data: no such file or directory',
        "FC-32",
    ),
    (
        "error setting up default driver: error while unmarshaling volume options for volume: v: unexpected end of JSON input",
        "FC-31",
    ),
    ("Error initializing network controller: error obtaining controller instance: x: invalid database", "FC-26"),
    ("missing plugin config, skipping: this may be caused due to a failed remove and requires manual cleanup.", "FC-34"),
    (
        'failed to dial "/d/containerd.sock": unknown service containerd.services.namespaces.v1.Namespaces: not implemented',
        "FC-29",
    ),
    # 12.2 and buildkit 1.4, 4
    ("failed to open database file /var/lib/docker/buildkit/snapshots.db: invalid database", "FC-30"),
    (f"error getting build cache usage: failed to get usage for {A}: layer does not exist", "FC-08"),
    (f"failed to prepare {A} as {A}: invalid output path: stat /d/overlay2/{A}: no such file", "FC-08"),
    ("panic: assertion failed: Page expected to be: 4, but self identifies as 0", "FC-29"),
    ("panic: invalid freelist page: 0, page type is unknown<00>", "FC-30"),
    ("libnet controller initialization: invalid database", "FC-26"),
    ("cache.db: resetting to empty. Old database is backed up to /d/buildkit/cache.db.x.bak", "FC-30"),
    ("rename /c/snapshots/new-123 /c/snapshots/1: file exists", "FC-42"),
    ("failed to stat parent: stat /c/snapshots/3/fs: no such file or directory", "FC-42"),
    (f"blob {CHAIN} expected at /c/blobs/sha256/x: blob not found: not found", "FC-41"),
    (f"rw layer snapshot not found for container {A}", "FC-22"),
    (f"RW layer for container {A} not found", "FC-22"),
    ("open /d/containers/x/config.v2.json: no such file or directory", "FC-20"),
    ("error unmounting container: layer not mounted", "FC-25"),
    # field cases 3: readers by themselves
    ("unexpected end of JSON input", "FC-16"),
    ("invalid character '\\x00' looking for beginning of value", "FC-20"),
    ("json: cannot unmarshal number into Go value of type x", "FC-21"),
    ("unexpected fault address 0x7f", "FC-26"),
    ("invalid database", "FC-29"),
    ("version mismatch", "FC-30"),
    # symptoms
    ("Total reclaimed space: 0B", "FC-01"),
    ("error creating aufs mount to /d/aufs/mnt/x-init: invalid argument", "FC-09"),
    (f"Driver overlay2 failed to remove root filesystem {A}: unlinkat /d/overlay2/x/merged: device or resource busy", "FC-10"),
    (f"volume is in use - [{A}]", "FC-33"),
    ("Error loading key file /etc/docker/key.json: unable to decode private key JWK", "FC-35"),
    ("unable to configure the Docker daemon with file /etc/docker/daemon.json: EOF", "FC-36"),
    ("error from daemon in stream: Error grabbing logs: invalid character '\\x00' looking for beginning of value", "FC-38"),
    ("this storage-driver has been deprecated and removed; visit x", "FC-39"),
    ('configured driver "devicemapper" not available: unavailable', "FC-40"),
    ("read /dev/sda: input/output error", "FC-49"),
    ("mkdir /d/tmp: no space left on device", "FC-45"),
    ("manager stopped: can't initialize raft node: irreparable WAL error: wal: max entry size limit exceeded", "FC-51"),
    ("conflict: image has dependent child images", "FC-52"),
    ("ctr: io.containerd.grpc.v1.introspection/uuid: invalid UUID length: 0", "FC-43"),
    ("/var/lib/docker/tmp/GetImageBlob123456", "FC-37"),
)
"""Whole lines as engines print them, of the sections that the table is made of."""

QUIET = (
    'level=info msg="Loading containers: start."',
    'level=info msg="API listen on /run/docker.sock"',
    "context deadline exceeded",
    "time to live is over; deadlock avoided",
    "Step 3/4 : RUN make",
    'level=info msg="Daemon has completed initialization"',
    "",
)


def cases_of(text: str) -> set[str]:
    return {case for told in match(text.splitlines() or [""]) for case in told.saying.cases}


@pytest.mark.parametrize(("fragment", "cases"), FRAGMENTS)
def test_every_fragment_of_the_field_cases_finds_its_case(fragment: str, cases: str) -> None:
    assert set() == set(cases.split()) - cases_of(fragment)


@pytest.mark.parametrize(("said", "case"), LINES)
def test_what_engines_say_finds_its_case(said: str, case: str) -> None:
    assert case in cases_of(said)


@pytest.mark.parametrize("said", QUIET)
def test_what_means_nothing_finds_nothing(said: str) -> None:
    assert set() == cases_of(said)


def test_a_line_has_one_meaning_save_for_its_cause() -> None:
    both = match([f"Failed to load container {A}: input/output error", f"Failed to load container {A}: EOF"])
    assert [("FC-20", 2), ("FC-49", 1)] == [(told.saying.cases[0], told.count) for told in both]


def test_every_wording_finds_the_saying_that_it_belongs_to() -> None:
    filled = {"…": "x", "<id>": A, "<n>": "7", "<short>": "A" * 26}
    lost = []
    for saying in ALL:
        for says in saying.says:
            text = re.sub(r"…|<(?!none>)\w+>", lambda hole: filled.get(hole[0], "x"), says)
            if saying not in [told.saying for told in match([text])]:
                lost.append(says)
    assert [] == lost


def test_every_saying_says_what_to_do_and_names_known_cases() -> None:
    assert [] == [
        each.says[0] for each in ALL if not each.means.endswith(".") or not each.do.endswith(".") or set(each.cases) - set(TITLES)
    ]


def test_no_wording_is_there_twice() -> None:
    says = [each.lower() for saying in ALL for each in saying.says]
    assert len(says) == len(set(says))


def test_the_cases_are_numbered_without_a_gap() -> None:
    assert [f"FC-{n:02}" for n in range(1, 61)] == list(TITLES)


NOT_OFFERED = {
    "buildkit-db-unreadable", "buildkit-ref-dangling", "container-dead", "container-foreign-driver", "container-name-duplicate",
    "container-unclean", "container-volume-missing", "containerd-blob-missing", "containerd-db-unreadable", "containerd-snapshot-missing",
    "containerd-uuid", "engine-id-empty", "half-store", "layer-content-mismatch", "layer-tarsplit-corrupt",
    "multiple-drivers", "network-bridge-duplicate", "network-db-unreadable", "network-stale", "plugin-config-damaged", "plugin-residue",
    "prune-hazard", "swarm-state", "tmp-old-stuck", "volume-data-missing", "volume-db-unreadable",
    "volume-opts-corrupt", "zfs-orphan-dataset",
}  # fmt: skip
"""Rules that sayings name and that this version may not have: explain leaves them out then."""


def test_a_rule_that_a_saying_names_exists_or_is_listed_as_not_built() -> None:
    offered = {rule.name for rule in plugins.load().rules}
    assert set() == {name for saying in ALL for name in saying.rules} - offered - NOT_OFFERED


def test_every_rule_that_quotes_an_engine_is_found_by_its_quotation() -> None:
    rules = [rule for rule in plugins.load().rules if rule.section("Daemon says")]
    own = [explain.saying(rule) for rule in rules]
    lost = [rule.name for rule in rules if not match([re.sub(r"<\w+>", A, rule.section("Daemon says"))], own)]
    assert [] == lost


def test_a_rule_of_a_plugin_is_found_by_what_its_card_quotes() -> None:
    own = Saying(says=("the frobnicator of <id> is bent",), cases=(), rules=("frob-bent",), means="Bent.", do="Unbend.")
    assert [own] == [told.saying for told in match([f"oh: the frobnicator of {A} is bent"], [own])]


def test_paths_and_ids_are_taken_out_of_the_text() -> None:
    told = match(
        [
            f'time="x" level=error msg="stat /var/lib/docker/overlay2/{A}: no such file or directory" container={"b" * 64} image={CHAIN}'
        ]
    )
    assert ((f"/var/lib/docker/overlay2/{A}",), {"b" * 64, CHAIN}) == (told[0].paths, set(told[0].ids))


def test_many_lines_of_one_saying_are_counted_and_their_names_collected_up_to_a_few() -> None:
    told = match(f"Failed to load container {n:064x}: EOF" for n in range(100))
    assert (1, 100, 8) == (len(told), told[0].count, len(told[0].ids))


def test_text_that_a_terminal_broke_over_lines_is_understood() -> None:
    assert {"FC-41"} == cases_of("Error: content digest\n" + CHAIN + ": not\nfound")


def test_nearest_shares_most_words() -> None:
    assert "volume store metadata database" in nearest("the metadata database of the volume store makes trouble")[0]


def test_nothing_is_near_to_nonsense() -> None:
    assert () == nearest("lorem ipsum dolor")


def test_a_hostile_line_costs_little() -> None:
    begun = time.monotonic()
    for piece in ("rename ", "readlink ", "exec: ", "failed to prepare a as ", "/", "invalid image "):
        match([piece * 20_000 + "\n"])
    assert time.monotonic() - begun < 5


def test_a_hole_stays_inside_its_bounds() -> None:
    assert wording("a long beginning … and an end").pattern.search("a long beginning " + "x" * 400 + " and an end") is None
