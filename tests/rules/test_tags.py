"""The table of the rules on repositories.json (classic-store 2; FC-16, FC-17, FC-18, FC-37)."""

import json
from pathlib import Path

from docker_fsck.testing.table import Row, Told, disagreements, fires, run, silent
from docker_fsck.testing.whole import Whole, whole

from .cases import (
    CRITICAL,
    DAY,
    ERROR,
    LOSSLESS,
    LOSSY,
    OTHER_ID,
    RECLAIM,
    How,
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
    retagged,
    rows,
    written,
)

TAGS = file(lambda store: store.root.tags)
TEMP = file(lambda store: store.root.image_home / ".tmp-repositories.json123456789")
OLD_TEMP = file(lambda store: store.root.image_home / "repositories.json.tmp")


def copy_beside(name: str, size: int | None = None) -> How:
    """A temporary copy of the tag store, cut to `size` bytes if given."""

    def blow(store: Whole) -> None:
        store.root.write(store.root.image_home / name, store.root.tags.read_bytes()[:size])

    return blow


def entry(repository: str, reference: str, image: str | None = None) -> How:
    """One entry more, of an image that is there unless said otherwise."""

    def how(store: Whole) -> Told:
        retagged(store, repository, reference, store.app if image is None else image)
        return Told("tag", reference, store.rel(store.root.tags))

    return how


def gone(*references: str) -> How:
    """Entries that name an image that is not there."""

    def how(store: Whole) -> Told:
        for reference in references:
            retagged(store, "gone", reference, OTHER_ID)
        return Told(
            "image", OTHER_ID, store.rel(store.root.image_file(OTHER_ID)), images=[each for each in references if "@" not in each]
        )

    return how


def remembering(name: str, image: str | None = None) -> How:
    """A container says that it was made of `name`, and of that image if it is not its own."""

    def blow(store: Whole) -> None:
        path = store.root.container_dir(store.ran) / "config.v2.json"
        config = json.loads(path.read_bytes())
        config["Config"]["Image"], config["Image"] = name, image or config["Image"]
        store.root.write(path, json.dumps(config).encode())

    return blow


UNPARSABLE, EMPTY = "tags-unparsable", "tags-empty"
NO_TAGS = b'{"Repositories":{}}'
DIGEST_REF = f"gone@{OTHER_ID}"
# fmt: off
ROWS: tuple[Row, ...] = (
    fires(UNPARSABLE, "the file is empty", emptied(TAGS), severity=CRITICAL),
    fires(UNPARSABLE, "the file is cut in half", cut(TAGS)),
    fires(UNPARSABLE, "the file is all NUL", nulled(TAGS)),
    fires(UNPARSABLE, "the file holds other text", written(TAGS, b"server error\n")),
    fires(UNPARSABLE, "the file holds null", written(TAGS, b"null")),
    fires(UNPARSABLE, "Repositories is a list", written(TAGS, b'{"Repositories":[]}')),
    fires(UNPARSABLE, "a repository is a list", written(TAGS, b'{"Repositories":{"app":["app:1"]}}')),
    fires(UNPARSABLE, "a value is a number", written(TAGS, b'{"Repositories":{"app":{"app:1":1}}}')),
    fires(UNPARSABLE, "the file is gone and there are images", deleted(TAGS), severity=ERROR),
    fires(UNPARSABLE, "a folder stands there", foldered(TAGS)),
    fires(UNPARSABLE, "a link stands there", linked(TAGS, "/etc/hostname")),
    fires(UNPARSABLE, "a pipe stands there", piped(TAGS)),
    fires(UNPARSABLE, "a whole copy lies beside it", does(TAGS, copy_beside(".tmp-repositories.json12"), emptied(TAGS)),
          cls=LOSSLESS),
    fires(UNPARSABLE, "it is gone with a whole copy of an old engine",
          does(TAGS, copy_beside("repositories.json.tmp"), deleted(TAGS)), cls=LOSSLESS, severity=ERROR),
    *(fires(EMPTY, f"{what} and a container names {name!r}", hurting(
        does(TAGS, remembering(name), written(TAGS, data)), lambda store: [store.app[7:19]], lambda _: ())) for what, data, name in (
        ("it is an empty object", b"{}", "app:1"), ("there is no repository", NO_TAGS, "app:1"), ("there is no repository", NO_TAGS, "app"),
        ("there is no repository", NO_TAGS, "registry.example:5000/acme/app"))),
    fires(EMPTY, "a copy with the names was left, which stays", does(
        TAGS, remembering("app:1"), copy_beside(".tmp-repositories.json1"), written(TAGS, NO_TAGS))),
    *(silent(EMPTY, f"there is no repository and a container names {name!r}", does(
        TAGS, remembering(name), written(TAGS, NO_TAGS))) for name in ("", "App:1", f"app@{OTHER_ID}", "app:1!")),
    silent(EMPTY, "there is no repository and every container names its image by id", written(TAGS, NO_TAGS)),
    silent(EMPTY, "there is no repository and containers name their images by parts of ids", does(
        TAGS, lambda store: remembering(store.app[7:19])(store), written(TAGS, NO_TAGS))),
    silent(EMPTY, "there is no repository and the image that a container names is not there", does(
        TAGS, remembering("app:1", OTHER_ID), written(TAGS, NO_TAGS)), also=("container-image-missing",)),
    silent(EMPTY, "one name is left", does(TAGS, remembering("app:1"), written(
        TAGS, lambda store: f'{{"Repositories":{{"web":{{"web:1":"{store.web}"}}}}}}'))),
    fires(
        UNPARSABLE, "two whole copies lie beside it",
        does(TAGS, copy_beside(".tmp-repositories.json1"), copy_beside(".tmp-repositories.json2"), nulled(TAGS)), cls=LOSSLESS,
    ),
    fires(UNPARSABLE, "the copy beside it is cut too", does(TAGS, copy_beside(".tmp-repositories.json12", 40), emptied(TAGS))),
    silent(UNPARSABLE, "garbage follows the first value", written(TAGS, lambda store: store.root.tags.read_text() + "}}x\n")),
    silent(UNPARSABLE, "it names no image at all", written(TAGS, b"{}")),
    fires("tags-bad-value", "the value is a word", entry("app", "app:old", "foo"), cls=LOSSY),
    fires("tags-bad-value", "the value is empty", entry("app", "app:old", ""), cls=LOSSY),
    fires("tags-bad-value", "the digest is short", entry("app", "app:old", "sha256:ab12"), cls=LOSSY),
    fires("tags-bad-value", "the digest is in capitals", entry("app", "app:old", OTHER_ID.replace("5", "A")), cls=LOSSY),
    silent("tags-bad-value", "two names have one image", entry("app", "app:old")),
    fires("tags-bad-key", "the tag has signs that no tag has", entry("app", "app:1!!"), cls=LOSSY),
    fires("tags-bad-key", "the name is in capitals", entry("BB", "BB:1"), cls=LOSSY),
    fires("tags-bad-key", "the reference is of another repository", entry("web", "app:2"), cls=LOSSY),
    fires("tags-bad-key", "the reference has no tag", entry("app", "app"), cls=LOSSY),
    fires("tags-bad-key", "the digest does not parse", entry("app", "app@sha256:12"), cls=LOSSY),
    fires("tags-bad-key", "the name has a newline", entry("app", "app:1\n"), cls=LOSSY),
    silent("tags-bad-key", "the registry has a port", entry("registry.example:5000/acme/app",
          "registry.example:5000/acme/app:2")),
    silent("tags-bad-key", "the registry is an address", entry("[fd00::1]:5000/x", "[fd00::1]:5000/x:1")),
    silent("tags-bad-key", "the name has every separator", entry("a.b/c__d/e--f_g", "a.b/c__d/e--f_g:_x.Y-9")),
    silent("tags-bad-key", "the tag has 128 signs", entry("app", "app:" + "x" * 128)),
    silent("tags-bad-key", "the reference is a digest", entry("app", f"app@{OTHER_ID}")),
    fires("tags-dangling", "a tag names an image that is not there", gone("gone:1"), cls=LOSSY),
    fires("tags-dangling", "a tag and a digest name it", gone("gone:1", DIGEST_REF), cls=LOSSY),
    silent("tags-dangling", "the image has no layer", does(TAGS, lambda store: store.root.image("empty:1", 0))),
    silent("tags-dangling", "an image has no name", does(TAGS, lambda store: store.root.image(None, 1))),
    fires("tags-temp-residue", "a copy was left beside a good file", does(TEMP, copy_beside(".tmp-repositories.json123456789")),
          cls=RECLAIM),
    fires("tags-temp-residue", "an old engine left an empty copy", does(OLD_TEMP, copy_beside("repositories.json.tmp", 0)),
          cls=RECLAIM),
    fires("tags-temp-residue", "a pipe has the name of a copy", piped(TEMP), cls=RECLAIM),
    fires("tags-temp-residue", "it is young", EMPTY_COPY := written(TEMP, b""), cls=RECLAIM, refused="grace period", grace=DAY),
    fires("tags-temp-residue", "it is two days old", EMPTY_COPY, cls=RECLAIM, grace=DAY, age=2 * DAY),
    silent("tags-temp-residue", "the file is damaged, so that the copy is evidence",
          does(TAGS, written(TEMP, b"{"), emptied(TAGS)), also=(UNPARSABLE,)),
    silent("tags-temp-residue", "the other name is nobody's",
          written(file(lambda store: store.root.image_home / "repositories.json.bak"), b"x")),
)
# fmt: on


@rows(ROWS)
def test_the_table_of_the_tag_store_holds(row: Row, driver: str, place: Path) -> None:
    assert "" == "\n".join(disagreements(row, driver, place))


def test_what_a_dangling_tag_named_is_pulled_by_digest(place: Path) -> None:
    store = whole(place, "overlay2")
    gone("gone:1", DIGEST_REF)(store)
    assert (DIGEST_REF,) == run(place).plan.pull
