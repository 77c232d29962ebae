"""The table of the rules on repositories.json (classic-store 2; FC-16, FC-17, FC-18, FC-37)."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from docker_fsck.ids import short
from docker_fsck.testing.images import write_tags
from docker_fsck.testing.table import Row, Told, disagreements, fires, run, silent
from docker_fsck.testing.whole import Whole, whole
from docker_fsck.values import Action, WriteFile
from docker_fsck_plugins.lost_tags import familiar

from .cases import (
    CRITICAL,
    DAY,
    DRIVERS,
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
    forgotten,
    hurting,
    nulled,
    piped,
    retagged,
    rows,
    written,
)
from .test_images import blob

TAGS = file(lambda store: store.root.tags)
TEMP_NAME = ".tmp-repositories.json123456789"
TEMP = file(lambda store: store.root.image_home / TEMP_NAME)
OLD_TEMP_NAME = ".tmp-repositories.json123"
OLD_TEMP = file(lambda store: store.root.image_home / "repositories.json.tmp")


def copy_beside(name: str, size: int | None = None) -> How:
    """A temporary copy of the tag store, cut to `size` bytes if given."""

    def blow(store: Whole) -> None:
        store.root.write(store.root.image_home / name, store.root.tags.read_bytes()[:size])

    return blow


def copied(name: str, age: float, *references: str, **moved: str) -> How:
    """A temporary copy of `age` days that has these entries alone, those of `moved` (by repository) for another image of the store."""

    def blow(store: Whole) -> None:
        outer = json.loads(store.root.tags.read_bytes())["Repositories"]
        kept = {each: {ref: image for ref, image in refs.items() if ref in references} for each, refs in outer.items()}
        told = kept | {each: {f"{each}:1": getattr(store, to, to)} for each, to in moved.items()}
        path = store.root.image_home / name
        store.root.write(path, json.dumps({"Repositories": {each: refs for each, refs in told.items() if refs}}).encode())
        store.root.age(path, age * DAY)

    return blow


def broken_end(size: int) -> How:
    """The last bytes of the tag store are others."""
    return written(TAGS, lambda store: store.root.tags.read_text()[:-size] + "#" * size)


def cut_before(text: str) -> How:
    """The tag store ends before that text."""
    return written(TAGS, lambda store: store.root.tags.read_text().partition(text)[0])


def touched(path: Callable[[Whole], Path], age: float) -> Callable[[Whole], None]:
    """It was written so many days ago."""
    return lambda store: store.root.age(path(store), age * DAY)


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


def lost_config(name: str) -> How:
    """The configuration of an image is gone, and its metadata."""

    def how(store: Whole) -> Told:
        image = getattr(store, name)
        store.root.delete(store.root.image_file(image))
        store.root.delete(store.root.image_metadata(image))
        return Told("image", image, store.rel(store.root.image_file(image)))

    return how


def lost_with_layer(name: str) -> How:
    """And the record of its top layer."""

    def how(store: Whole) -> Told:
        store.root.delete(store.root.record(store.root.chains_of(getattr(store, name))[-1]))
        blame: Told = lost_config(name)(store)
        return blame

    return how


def remembering(name: str, image: str | None = None) -> How:
    """A container says that it was made of `name`, and of that image if it is not its own."""
    return lambda store: also_remembering(store, store.ran, name, image)


def also_remembering(store: Whole, container: str, name: str, image: str | None = None) -> None:
    """That container says so."""
    path = store.root.container_dir(container) / "config.v2.json"
    config = json.loads(path.read_bytes())
    config["Config"]["Image"], config["Image"] = name, image or config["Image"]
    store.root.write(path, json.dumps(config).encode())


def disputed(store: Whole) -> None:
    """`app:1` is what two containers call two images, and one of them has another name too."""
    also_remembering(store, store.busy, "app:1")
    also_remembering(store, store.made, "web:1")


def alone(store: Whole) -> None:
    """All images but `app` are gone, and `ran` says what it was made of."""
    for image in (store.base, store.web, store.built):
        forgotten(store, image)
    store.root.delete(store.root.image_metadata(store.app) / "parent")
    remembering("app:1")(store)


def nobody(store: Whole) -> None:
    """All images are gone."""
    for image in (store.base, store.web, store.built, store.app):
        forgotten(store, image)


OTHERS = ("container-image-missing",) * 2
ALL = ("app:1", "base:1", "built:1", "web:1")
OLD_ONE = copied(".tmp-repositories.json123", 4000, "base:1")
UNPARSABLE, EMPTY = "tags-unparsable", "tags-empty"
NO_TAGS = b'{"Repositories":{}}'
DIGEST_REF = f"gone@{OTHER_ID}"
# fmt: off
ROWS: tuple[Row, ...] = (
    fires(UNPARSABLE, "the file is empty", emptied(TAGS), severity=CRITICAL, cls=LOSSY),
    fires(UNPARSABLE, "the file is cut in half", cut(TAGS), cls=LOSSY),
    fires(UNPARSABLE, "the file is all NUL", nulled(TAGS), cls=LOSSY),
    fires(UNPARSABLE, "the file holds other text", written(TAGS, b"server error\n"), cls=LOSSY),
    fires(UNPARSABLE, "the file holds null", written(TAGS, b"null"), cls=LOSSY),
    fires(UNPARSABLE, "Repositories is a list", written(TAGS, b'{"Repositories":[]}'), cls=LOSSY),
    fires(UNPARSABLE, "a repository is a list", written(TAGS, b'{"Repositories":{"app":["app:1"]}}'), cls=LOSSY),
    fires(UNPARSABLE, "a value is a number", written(TAGS, b'{"Repositories":{"app":{"app:1":1}}}'), cls=LOSSY),
    fires(UNPARSABLE, "only its last brace is lost", written(TAGS, lambda store: store.root.tags.read_text()[:-1]), cls=LOSSLESS),
    fires(UNPARSABLE, "it is empty and a container remembers the only image", does(TAGS, alone, emptied(TAGS)), cls=LOSSLESS,
          also=OTHERS),
    fires(UNPARSABLE, "it is gone and a container remembers the only image", does(TAGS, alone, deleted(TAGS)), cls=LOSSLESS,
          severity=ERROR, also=OTHERS),
    fires(UNPARSABLE, "it is empty and a container remembers one image of some", does(TAGS, remembering("app:1"), emptied(TAGS)),
          cls=LOSSY),
    fires(UNPARSABLE, "it is empty and there are no images", does(TAGS, nobody, emptied(TAGS)), cls=LOSSY, also=OTHERS[:1] * 3),
    fires(UNPARSABLE, "it is empty and the configuration of an image too", does(TAGS, alone, emptied(TAGS), lambda store:
          store.root.write(store.root.image_file(OTHER_ID), b"")), cls=LOSSY, also=(*OTHERS, "image-hash-mismatch")),
    fires(UNPARSABLE, "the file is gone and there are images", deleted(TAGS), severity=ERROR),
    fires(UNPARSABLE, "a folder stands there", foldered(TAGS), cls=LOSSY),
    fires(UNPARSABLE, "a pipe stands there", piped(TAGS), cls=LOSSY),
    fires(UNPARSABLE, "a whole copy lies beside it", does(TAGS, copy_beside(".tmp-repositories.json12"), emptied(TAGS)),
          cls=LOSSLESS),
    fires(UNPARSABLE, "it is gone with a whole copy of an old engine",
          does(TAGS, copy_beside("repositories.json.tmp"), deleted(TAGS)), cls=LOSSLESS, severity=ERROR),
    *(fires(EMPTY, f"{what} and a container names {name!r}", hurting(
        does(TAGS, remembering(name), written(TAGS, data)), lambda store: [store.app[7:19]], lambda _: ()), cls=LOSSLESS) for what, data, name in (
        ("it is an empty object", b"{}", "app:1"), ("there is no repository", NO_TAGS, "app:1"), ("there is no repository", NO_TAGS, "app"),
        ("there is no repository", NO_TAGS, "registry.example:5000/acme/app"),
        ("there is no repository", NO_TAGS, "docker.io/library/app:1"), ("there is no repository", NO_TAGS, f"app@{OTHER_ID}"),
        ("there is no repository", NO_TAGS, f"app:1@{OTHER_ID}"))),
    fires(EMPTY, "a copy with the names was left, which stays", does(
        TAGS, remembering("app:1"), copy_beside(".tmp-repositories.json1"), written(TAGS, NO_TAGS)), cls=LOSSLESS,
          also=("tags-temp-residue",)),
    fires(EMPTY, "two containers name two images alike and a third one has a name", does(TAGS, remembering("app:1"),
          disputed, written(TAGS, NO_TAGS)), cls=LOSSLESS),
    silent(EMPTY, "two containers name two images alike", does(TAGS, remembering("app:1"), lambda store: also_remembering(
        store, store.busy, "app:1"), written(TAGS, NO_TAGS))),
    *(silent(EMPTY, f"there is no repository and a container names {name!r}", does(
        TAGS, remembering(name), written(TAGS, NO_TAGS))) for name in ("", "App:1", "app@sha256:12", "app:1!")),
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
    fires(UNPARSABLE, "its end is broken and an old copy beside it has one name", does(TAGS, OLD_ONE, broken_end(3)), cls=LOSSLESS),
    fires(UNPARSABLE, "its end is broken and it is gone from the last entry on", does(TAGS, broken_end(9)), cls=LOSSY),
    fires(UNPARSABLE, "its last entry is broken and an old copy beside it has one name", does(TAGS, OLD_ONE, broken_end(9)), cls=LOSSY),
    fires(UNPARSABLE, "it is cut before an entry, and a new copy knows less", does(
        TAGS, copied(".tmp-repositories.json1", 0, "base:1"), cut_before('"web"')), cls=LOSSY),
    fires(UNPARSABLE, "it is cut before an entry, and a new copy knows that and more", does(
        TAGS, copy_beside(".tmp-repositories.json1"), cut_before('"web"')), cls=LOSSLESS),
    fires(UNPARSABLE, "it is empty, and the copy is a little older", does(TAGS, copied(".tmp-repositories.json1", 0.9, *ALL), emptied(TAGS)),
          cls=LOSSLESS),
    *(fires(UNPARSABLE, f"it is empty, the copy is a little older, and {what}", does(TAGS, copied(".tmp-repositories.json1", 0.9, *ALL),
          emptied(TAGS), blow), cls=LOSSY, leaves=leaves) for what, blow, leaves in (
        ("an image was written since", touched(lambda store: store.root.image_file(store.web), 0.4), ()),
        ("an image got a name since", touched(lambda store: store.root.image_metadata(store.app) / "lastUpdated", 0.4), ()),
        ("a container was made of another image by that name", remembering("web:1"), ("tags-temp-residue",)),
        ("a container was made by a name that it lacks", remembering("app:2"), ()))),
    fires(UNPARSABLE, "it is empty, the copy is a little older, and an image is gone since", does(
        TAGS, copied(".tmp-repositories.json1", 0.9, *ALL, gone=OTHER_ID), emptied(TAGS)), cls=LOSSY),
    fires(UNPARSABLE, "it is empty, the copy is a little older, and an image was written after the damage", does(
        TAGS, copied(".tmp-repositories.json1", 0.9, *ALL), emptied(TAGS), touched(lambda store: store.root.image_file(store.web), -0.5)),
          cls=LOSSLESS),
    fires(UNPARSABLE, "it is empty, and the copy is two days older", does(TAGS, copied(".tmp-repositories.json1", 2, *ALL), emptied(TAGS)),
          cls=LOSSY),
    fires(UNPARSABLE, "it is gone, and an image was written after the copy", does(TAGS, copied(".tmp-repositories.json1", 2, *ALL), deleted(TAGS),
          touched(lambda store: store.root.image_file(store.web), 1)), cls=LOSSY, severity=ERROR),
    fires(UNPARSABLE, "it is empty, and the newest copy lacks the name of an image that another one has", does(
        TAGS, copied(".tmp-repositories.json1", 1, *ALL), copied(".tmp-repositories.json2", 0, "base:1"), emptied(TAGS)), cls=LOSSY),
    fires(UNPARSABLE, "it is empty, and a new copy lacks a name that a container remembers", does(
        TAGS, remembering("app:1"), copied(".tmp-repositories.json1", 0, "base:1"), emptied(TAGS)), cls=LOSSLESS),
    fires(UNPARSABLE, "the copy beside it is cut too", does(TAGS, copy_beside(".tmp-repositories.json12", 40), emptied(TAGS)),
          cls=LOSSY),
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
    fires("tags-dangling", "the configuration is gone and containerd has the same blob", blob(0, lost_config("web")),
          cls=LOSSLESS, also=OTHERS),
    fires("tags-dangling", "the configuration is gone and of its layers too, though containerd has the blob",
          blob(0, lost_with_layer("built"), "built"), cls=LOSSY, also=("buildkit-ref-dangling",)),
    silent("tags-dangling", "the image has no layer", does(TAGS, lambda store: store.root.image("empty:1", 0))),
    silent("tags-dangling", "an image has no name", does(TAGS, lambda store: store.root.image(None, 1))),
    fires("tags-temp-residue", "a copy was left beside a good file", does(TEMP, copy_beside(".tmp-repositories.json123456789")),
          cls=RECLAIM),
    fires("tags-temp-residue", "an old engine left an empty copy", does(OLD_TEMP, copy_beside("repositories.json.tmp", 0)),
          cls=RECLAIM),
    fires("tags-temp-residue", "a pipe has the name of a copy", piped(TEMP), cls=RECLAIM),
    fires("tags-temp-residue", "it is young", EMPTY_COPY := written(TEMP, b""), cls=RECLAIM, refused="grace period", grace=DAY),
    fires("tags-temp-residue", "it is two days old", EMPTY_COPY, cls=RECLAIM, grace=DAY, age=2 * DAY),
    fires("tags-temp-residue", "it has the name of an image that has none", does(TEMP, copy_beside(TEMP_NAME), written(
        TAGS, lambda store: f'{{"Repositories":{{"web":{{"web:1":"{store.web}"}}}}}}'))),
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


def planned(place: Path, how: How) -> Action:
    """The one action for a damaged tag store."""
    store = whole(place, "overlay2")
    how(store)
    (action,) = run(place).plan.actions
    return action


def test_the_loss_of_the_names_lists_every_image_with_the_prunes_that_would_take_it(place: Path) -> None:
    action = planned(place, does(TAGS, remembering("app:1"), emptied(TAGS)))
    store = whole(place.with_name("other"), "overlay2")
    fates = {
        store.base: "images that were made from it keep it from docker image prune; docker image prune --all takes it",
        store.web: "docker image prune spares it only for the containers busy, made",
        store.built: "docker image prune and docker system prune take it",
    }
    lost = [f"the names of the image {short(image)}: it becomes <none>, {fate}" for image, fate in sorted(fates.items())]
    assert (LOSSY, lost) == (action.cls, [each for each in action.loses if "names of the image" in each])
    assert f"docker tag {short(store.web)} NAME:TAG (perhaps web)" in action.next
    assert f"docker tag {short(store.built)} NAME:TAG (nothing tells its name)" in action.next


def test_only_certain_names_are_written_never_guesses(place: Path) -> None:
    action = planned(place, does(TAGS, remembering("app:1"), emptied(TAGS)))
    (step,) = action.steps
    assert isinstance(step, WriteFile)
    ident = whole(place.with_name("other"), "overlay2").app
    assert {"Repositories": {"app": {"app:1": ident}}} == json.loads(step.data)


def test_entries_that_still_stand_in_a_cut_file_come_back(place: Path) -> None:
    store = whole(place, "overlay2")
    text = store.root.tags.read_text()
    store.root.write(store.root.tags, text[: text.index('"web"')].encode())
    (action,) = run(place).plan.actions
    (step,) = action.steps
    assert isinstance(step, WriteFile)
    assert ["app", "base", "built"] == list(json.loads(step.data)["Repositories"])
    assert [short(store.web)] == [each for each in map(short, store.root.images) if any(each in loss for loss in action.loses)]


def test_a_name_that_two_containers_give_two_images_is_a_guess(place: Path) -> None:
    action = planned(place, does(TAGS, remembering("app:1"), disputed, written(TAGS, NO_TAGS)))
    (step,) = action.steps
    assert isinstance(step, WriteFile)
    assert ["web"] == list(json.loads(step.data)["Repositories"])
    assert any("perhaps app:1" in each for each in action.next)


def names(action: Action) -> dict[str, str]:
    """What the tag store says after the action: image by name."""
    step = action.steps[0]
    assert isinstance(step, WriteFile)
    return {ref: image for refs in json.loads(step.data)["Repositories"].values() for ref, image in refs.items()}


def test_names_that_stand_in_the_broken_file_do_not_give_way_to_an_old_copy(place: Path) -> None:
    store = whole(place, "overlay2")
    before = store.root.tags.read_bytes()
    OLD_ONE(store)
    broken_end(3)(store)
    (action,) = run(place).plan.actions
    step, aside = action.steps
    assert isinstance(step, WriteFile)
    assert (LOSSLESS, before, (), OLD_TEMP_NAME) == (action.cls, step.data, action.loses, aside.path.rpartition("/")[2])


def test_all_sources_are_merged_and_what_only_an_old_copy_tells_is_a_guess(place: Path) -> None:
    store = whole(place, "overlay2")
    remembering("app:1")(store)
    copied(OLD_TEMP_NAME, 4000, "base:1", web="web", app="web", gone=OTHER_ID)(store)
    store.root.write(store.root.tags, store.root.tags.read_bytes().partition(b',"built"')[0].replace(b'"app:1', b'"app;1'))
    (action,) = run(place).plan.actions
    found = {name: image for name, image in names(action).items() if "@" not in name}
    assert (LOSSY, {"app:1": store.app, "base:1": store.base, "web:1": store.web}) == (action.cls, found)
    told = "\n".join(action.loses)
    assert "days older than the broken file" in told
    assert f"web:1 for {short(store.web)} is a guess, from image/overlay2/{OLD_TEMP_NAME} of 20" in told
    assert f"app:1 is {short(store.app)} by other sources, {short(store.web)} by image/overlay2/{OLD_TEMP_NAME}" in told
    assert f"the name gone:1, whose image {short(OTHER_ID)} is not there" in told
    assert f"the names of the image {short(store.built)}" in told
    assert not any(f"base:1 for {short(store.base)} is a guess" in each for each in action.loses)


def test_a_copy_with_the_only_names_of_an_image_is_not_put_away(place: Path) -> None:
    store = whole(place, "overlay2")
    copied(OLD_TEMP_NAME, 4000, "base:1", web="web")(store)
    del store.root.repositories["web"]
    write_tags(store.root)
    broken_end(3)(store)
    (action,) = run(place).plan.actions
    assert (LOSSLESS, 1) == (action.cls, len(action.steps))


def test_a_name_that_containers_remember_comes_back_beside_those_of_a_new_copy(place: Path) -> None:
    action = planned(place, does(TAGS, remembering("app:1"), copied(OLD_TEMP_NAME, 0, "base:1"), emptied(TAGS)))
    assert (LOSSLESS, ["app:1", "base:1"]) == (action.cls, sorted(names(action)))
    assert "and 1 that containers remember: app:1" in action.does


def test_an_image_whose_name_a_new_copy_gives_to_another_one_is_told(place: Path) -> None:
    action = planned(place, does(TAGS, remembering("web:1"), copied(OLD_TEMP_NAME, 0, "web:1"), emptied(TAGS)))
    store = whole(place.with_name("other"), "overlay2")
    assert (LOSSLESS, {"web:1": store.web}) == (action.cls, names(action))
    (then,) = action.next
    assert then.startswith(f"docker tag {short(store.app)} NAME:TAG (a container was made from it as web:1")


def test_of_a_new_copy_and_the_broken_file_the_newer_one_counts_and_both_are_told(place: Path) -> None:
    store = whole(place, "overlay2")
    copied(OLD_TEMP_NAME, 0, "base:1", "web:1", app="web")(store)
    cut_before('"web"')(store)
    (action,) = run(place).plan.actions
    assert (LOSSY, store.web, store.built) == (action.cls, names(action)["app:1"], names(action)["built:1"])
    assert any("the broken file says something else of app:1" in each for each in action.loses)
    assert any(each.startswith(f"certainty: app:1 is {short(store.app)} by other sources") for each in action.loses)


@pytest.mark.parametrize(("age", "known"), [(0.0, True), (2.0, False)])
def test_an_outdated_copy_does_not_let_anything_be_reclaimed(place: Path, age: float, *, known: bool) -> None:
    store = whole(place, "overlay2")
    layer = store.root.image(None, 1)
    copied(OLD_TEMP_NAME, age, *ALL)(store)
    emptied(TAGS)(store)
    forgotten_files = (store.root.image_file(layer), store.root.image_metadata(layer))
    for path in forgotten_files:
        if path.exists():
            store.root.delete(path)
    found = run(place)
    assert known == any(each.cls is RECLAIM for each in found.plan.actions)


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("app", ("app", "app:latest")),
        ("library/app:2", ("app", "app:2")),
        ("index.docker.io/acme/app", ("acme/app", "acme/app:latest")),
        ("localhost:5000/app", ("localhost:5000/app", "localhost:5000/app:latest")),
        ("localhost:5000/library/app:1", ("localhost:5000/library/app", "localhost:5000/library/app:1")),
        (f"app:1@{OTHER_ID}", ("app", f"app@{OTHER_ID}")),
        ("", None),
        ("App", None),
        ("app@sha256:1", None),
    ],
)
def test_a_typed_name_becomes_the_keys_under_which_the_engine_keeps_it(typed: str, keys: tuple[str, str] | None) -> None:
    assert keys == familiar(typed)


@pytest.mark.parametrize("driver", DRIVERS)
def test_names_of_which_every_image_is_lost_are_an_error(driver: str, place: Path) -> None:
    store = whole(place, driver)
    store.root.empty(store.root.image_home / "imagedb/content/sha256")
    found = run(place).of("tags-dangling")
    assert {(store.base, ERROR), (store.app, ERROR), (store.web, ERROR), (store.built, ERROR)} == {
        (each.object.id, each.severity) for each in found
    }
