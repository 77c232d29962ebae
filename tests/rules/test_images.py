"""The table of the rules on image configurations and their metadata (classic-store 3; FC-12, FC-19, FC-57)."""

from pathlib import Path

from docker_fsck.ids import digest, hex_of
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.table import Row, Told, disagreements, fires, run, silent
from docker_fsck.testing.whole import Whole, whole
from docker_fsck.values import WriteFile

from .cases import (
    INFO,
    LOSSLESS,
    LOSSY,
    OTHER,
    OTHER_ID,
    RECLAIM,
    UNION,
    VFS,
    How,
    all_images,
    cut,
    deleted,
    does,
    emptied,
    file,
    flipped,
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

BLOBS = "containerd/daemon/io.containerd.content.v1.content/blobs/sha256"
WEB = spot("image", lambda store: store.web, lambda store: store.root.image_file(store.web))
PARENT = file(lambda store: store.root.image_metadata(store.app) / "parent")
BUILT = "image-builtlocally-broken"
MARK = file(lambda store: store.root.image_metadata(store.app) / "builtLocally")
UPDATED = file(lambda store: store.root.image_metadata(store.app) / "lastUpdated")
METADATA = file(lambda store: store.root.image_metadata(OTHER_ID))
FOREIGN = file(lambda store: store.root.image_file(OTHER_ID).with_name("notes.txt"))
LOST = ("layer-parent-missing", "driver-orphan", "ovl-lower")
HASH, INVALID, MISSING = "image-hash-mismatch", "image-config-invalid", "image-layer-missing"
PARENTS, UPDATES, ORPHAN, RESIDUE, STRANGE = (
    "image-parent-broken", "image-lastupdated-broken", "image-metadata-orphan", "image-temp-residue", "image-foreign-entry",
)  # fmt: skip


def config(data: bytes) -> How:
    """An image whose configuration is `data`, under its right name."""

    def how(store: Whole) -> Told:
        ident = digest(data)
        store.root.write(store.root.image_file(ident), data)
        return told(store, "image", ident, store.root.image_file(ident))

    return how


def beside(name: str, image: str | None = None) -> How:
    """A temporary file among the configurations, for an image that is whole or for another."""

    def how(store: Whole) -> Told:
        path = store.root.image_file(OTHER_ID).with_name(name.format(hex=hex_of(image or store.web)))
        store.root.write(path, b"{")
        return told(store, "file", store.rel(path), path)

    return how


def metadata_only(store: Whole) -> Told:
    """Metadata of an image that is not there."""
    where = store.root.image_metadata(OTHER_ID)
    store.root.make_dir(where)
    store.root.write(where / "lastUpdated", b"2024-05-01T10:00:00Z")
    return METADATA.told(store)


def circle(store: Whole) -> None:
    """The two ends of a line of parents name each other; only one of the notes is judged in this row."""
    store.root.write(store.root.image_metadata(store.app) / "parent", store.app.encode())


def record_of(image: str, layer: int) -> How:
    """The record of a layer is gone; who stands on it suffers."""
    where = spot(
        "layer", lambda store: store.root.chains_of(getattr(store, image))[layer],
        lambda store: store.root.record(store.root.chains_of(getattr(store, image))[layer]),
    )  # fmt: skip
    return deleted(where)


def kept_beside(name: str, blow: How) -> How:
    """The damage, and a whole temporary file of the configuration."""

    def how(store: Whole) -> Told:
        path = store.root.image_file(store.web)
        store.root.write(path.with_name(name.format(hex=hex_of(store.web))), path.read_bytes())
        blame: Told = blow(store)
        return blame

    return how


def blob(less: int, blow: How, name: str = "web") -> How:
    """The damage, and a blob of containerd with the configuration, `less` bytes shorter."""

    def how(store: Whole) -> Told:
        image = getattr(store, name)
        data = store.root.image_file(image).read_bytes()
        place = store.root.path / BLOBS / hex_of(image)
        place.parent.mkdir(parents=True)
        store.root.write(place, data[: len(data) - less])
        blame: Told = blow(store)
        return blame

    return how


BASE_GONE = hurting(record_of("base", 0), all_images, lambda store: [store.ran, store.busy, store.made])
TOP_GONE = hurting(record_of("web", -1), lambda _: ["web:1"], lambda store: [store.busy, store.made])
# fmt: off
ROWS: tuple[Row, ...] = (
    fires(HASH, "it is empty", hurting(emptied(WEB), lambda _: ["web:1"]), cls=LOSSY),
    fires(HASH, "it is cut in half", cut(WEB), cls=LOSSY),
    fires(HASH, "it is all NUL", nulled(WEB), cls=LOSSY),
    fires(HASH, "one bit is another and it still parses", flipped(WEB, bit=8 * 40), cls=LOSSY),
    fires(HASH, "it is that of another image", written(WEB, lambda store: store.root.image_file(store.app).read_text()),
          cls=LOSSY),
    fires(HASH, "it was written again with the same meaning",
          written(WEB, lambda store: store.root.image_file(store.web).read_text() + "\n"), cls=LOSSY),
    fires(HASH, "it is empty and containerd has the same blob", blob(0, emptied(WEB)), cls=LOSSLESS),
    fires(HASH, "it is empty and containerd's blob of that name is cut", blob(9, emptied(WEB)), cls=LOSSY),
    fires(HASH, "it is all NUL and the writer's temporary file is whole", kept_beside(".tmp-{hex}77", nulled(WEB)), cls=LOSSLESS,
          also=(RESIDUE,)),
    fires(HASH, "it is cut and an old engine's temporary file is whole", kept_beside("{hex}.tmp", cut(WEB)), cls=LOSSLESS,
          also=(RESIDUE,)),
    silent(HASH, "the image has neither tag nor metadata", does(WEB, lambda store: store.root.image(None, 1))),
    fires(INVALID, "it has no rootfs", config(b'{"os":"linux"}'), cls=LOSSY),
    fires(INVALID, "it is a list", config(b"[1]"), cls=LOSSY),
    fires(INVALID, "it is no JSON", config(b"<html>\n"), cls=LOSSY),
    fires(INVALID, "its diff-ids are no digests", config(b'{"rootfs":{"type":"layers","diff_ids":["sha256:12"]}}'), cls=LOSSY),
    fires(INVALID, "its diff-ids are a number", config(b'{"rootfs":{"diff_ids":7}}'), cls=LOSSY),
    fires(INVALID, "it is a link and containerd has the same blob", blob(0, linked(WEB, "/etc/hostname")), cls=LOSSLESS),
    fires(INVALID, "it is a link", linked(WEB, "/etc/hostname"), cls=LOSSY),
    fires(INVALID, "it is a pipe", piped(WEB), cls=LOSSY),
    silent(INVALID, "it has an empty list of layers", config(b'{"rootfs":{"type":"layers","diff_ids":[]}}')),
    silent(INVALID, "it has no list of layers", config(b'{"rootfs":{"type":"layers"}}')),
    silent(INVALID, "it holds more than the engine knows",
          config(b'{"rootfs":{"type":"layers","diff_ids":null},"moby.buildkit.x":[{}]}')),
    fires(MISSING, "the base layer of all has no record", BASE_GONE, cls=LOSSY, leaves=LOST, drivers=UNION),
    fires(MISSING, "the base layer of all has no record", BASE_GONE, cls=LOSSY, leaves=LOST, drivers=VFS, also=("driver-orphan",)),
    fires(MISSING, "the top layer of one has no record", TOP_GONE, cls=LOSSY, leaves=LOST, drivers=UNION),
    fires(MISSING, "the top layer of one has no record", TOP_GONE, cls=LOSSY, leaves=LOST, drivers=VFS, also=("driver-orphan",)),
    silent(MISSING, "no image needs the record",
          does(WEB, lambda store: store.root.delete(store.root.record(store.root.layer({"x": b"1"}))),
          lambda store: store.root.delete(store.root.driver_dir(list(store.root.layers.values())[-1].cache_id))), drivers=VFS),
    fires(PARENTS, "the note is empty", emptied(PARENT), cls=RECLAIM),
    fires(PARENTS, "the note is all NUL", nulled(PARENT), cls=RECLAIM),
    fires(PARENTS, "the note names an unknown image", written(PARENT, OTHER_ID.encode()), cls=RECLAIM),
    fires(PARENTS, "the image is its own parent", does(PARENT, circle), cls=RECLAIM),
    fires(PARENTS, "the note is a folder", foldered(PARENT), cls=RECLAIM),
    silent(PARENTS, "there is no note", deleted(PARENT)),
    silent(PARENTS, "a newline follows", written(PARENT, lambda store: store.base + "\n")),
    fires(UPDATES, "it holds another word", written(UPDATED, b"junk"), cls=RECLAIM),
    fires(UPDATES, "it is empty, which means no time for the engine", emptied(UPDATED), cls=RECLAIM, severity=INFO),
    *(fires(BUILT, f"it {what}", written(MARK, data), cls=RECLAIM) for what, data in (
        ("is empty", b""), ("is NUL", b"\0"), ("is a digit", b"1"), ("is longer", b"\1\1"))),
    fires(BUILT, "it is a folder", does(MARK, lambda store: store.root.make_dir(MARK.path(store))), cls=RECLAIM),
    silent(BUILT, "it is one byte, 1", written(MARK, b"\1")),
    silent(BUILT, "there is none", does(UPDATED)),
    fires(UPDATES, "it is all NUL", nulled(UPDATED), cls=RECLAIM),
    silent(UPDATES, "it has an offset and no fraction", written(UPDATED, b"2024-05-01T12:00:00+02:00")),
    silent(UPDATES, "it is not there", deleted(UPDATED)),
    fires(ORPHAN, "the image is not there", metadata_only, cls=RECLAIM),
    silent(ORPHAN, "an image has no metadata at all", deleted(file(lambda store: store.root.image_metadata(store.web)))),
    silent(ORPHAN, "a folder is named by no digest",
          foldered(file(lambda store: store.root.image_metadata(OTHER_ID).with_name("x")))),
    fires(RESIDUE, "the image is whole", beside(".tmp-{hex}77"), cls=RECLAIM),
    fires(RESIDUE, "an old engine left it", beside("{hex}.tmp"), cls=RECLAIM),
    fires(RESIDUE, "the image is not there", beside(".tmp-{hex}77", OTHER_ID)),
    fires(RESIDUE, "it was for the metadata", written(file(lambda store: store.root.image_metadata(store.web) / ".tmp-parent9"),
          b""), cls=RECLAIM),
    fires(RESIDUE, "the image is damaged, so that it is kept",
          does(file(lambda store: store.root.image_file(store.web).with_name(f".tmp-{hex_of(store.web)}7")), emptied(WEB),
          beside(".tmp-{hex}7")), also=(HASH,)),
    silent(RESIDUE, "the name only begins like that",
          written(file(lambda store: store.root.image_metadata(store.web) / "tmp-parent"), b"")),
    fires(STRANGE, "a file has another name", written(FOREIGN, b"mine")),
    fires(STRANGE, "a folder has the name of an image", foldered(file(lambda store: store.root.image_file(OTHER_ID)))),
    fires(STRANGE, "the name is in capitals", written(file(lambda store: store.root.image_file("sha256:" + "A" * 64)), b"{}")),
    silent(STRANGE, "the name is that of an image without layers", config(b'{"rootfs":{}}')),
)
# fmt: on


@rows(ROWS)
def test_the_table_of_images_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))


def test_an_image_of_which_no_registry_is_known_is_told_to_be_lost_for_good(place: Path) -> None:
    store = whole(place, "overlay2")
    store.root.empty(store.root.image_file(store.app))
    (action,) = [each for each in run(place).plan.actions if each.cls is LOSSY]
    assert any(each.startswith("app:1 for good") for each in action.loses)


def test_an_image_that_was_pulled_is_pulled_again_by_digest(place: Path) -> None:
    store = whole(place, "overlay2")
    store.root.empty(store.root.image_file(store.web))
    pull = run(place).plan.pull
    assert [key for key in store.root.repositories["web"] if "@" in key] == list(pull)


def test_the_layers_of_an_image_that_cannot_be_read_are_not_planned_away(place: Path) -> None:
    store = whole(place, "overlay2")
    lonely = store.root.image("lonely:1", 2)
    store.root.empty(store.root.image_file(lonely))
    outcome = run(place)
    paths = {step.path for action in outcome.plan.actions for step in action.steps}
    records = {store.rel(store.root.record(chain)) for chain in store.root.chains_of(lonely)}
    assert set() == paths & records
    assert any("references of images unknown" in each.why for each in outcome.plan.blocked)


def test_a_half_written_name_is_no_image(place: Path) -> None:
    store = whole(place, "overlay2")
    store.root.write(store.root.image_file(f"sha256:{OTHER[:63]}"), b"{}")
    assert [STRANGE] == [finding.rule for finding in run(place).findings]


def test_a_configuration_is_restored_from_the_tree_of_another_driver(place: Path) -> None:
    store = whole(place, "overlay2")
    twin = DataRoot(place, "vfs")
    image = twin.image("twin:1", 1)
    data = twin.image_file(image).read_bytes()
    damaged = store.root.image_file(image)
    damaged.write_bytes(data[:-5])
    (action,) = [each for each in run(place).plan.actions if any(store.rel(damaged) == step.path for step in each.steps)]
    (step,) = action.steps
    assert isinstance(step, WriteFile)
    assert (LOSSLESS, data) == (action.cls, step.data)
    assert f"from {store.rel(twin.image_file(image))}" in action.does
