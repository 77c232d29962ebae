"""On roots that engines wrote `why` knows a way from everything in use to a root, and agrees with the plan about the rest."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import engine_truth
import jsonschema
import pytest
import unpacking
import why_page
from corpus_runs import STOPPED, command, run, survey
from unpacking import Corpus

from docker_fsck import reports
from docker_fsck.policy import Policy
from docker_fsck.reader import Reader
from docker_fsck.reasons.holders import holders
from docker_fsck.reasons.known import Known
from docker_fsck.reasons.lookup import candidates, one
from docker_fsck.reasons.states import shown, state
from docker_fsck.reasons.told import Thing
from docker_fsck.store import open_store
from docker_fsck.testing.reasons import marked, rooted
from docker_fsck.testing.table import registry

SCHEMA: dict[str, Any] = json.loads(Path(reports.__file__).with_name("why.schema.json").read_text())
BUILDKIT_ONLY = 15
"""How many driver dirs of each clean root neither a layer record nor a mount record names: a collector that does not know BuildKit deletes them."""


def question(root: Path) -> Iterator[Known]:
    known = registry()
    with Reader(str(root)) as reader:
        yield Known(open_store(reader, known.drivers, known.sources, STOPPED, Policy(now=0, grace=0)))


@pytest.fixture
def asked(clean: Corpus) -> Iterator[Known]:
    yield from question(clean.root)


@pytest.fixture
def left(dirty: Corpus) -> Iterator[Known]:
    yield from question(dirty.root)


def test_everything_in_a_clean_root_has_a_way_to_a_root(asked: Known) -> None:
    things = marked(asked)
    assert [] == [each for each in things if state(asked, each) != "kept" or not rooted(asked, each)]
    assert len(things) > 20


def test_the_engine_shows_what_is_said_to_be_shown(clean: Corpus, asked: Known) -> None:
    things = [each for each in asked.everything() if each.kind in {"image", "container"}]
    listed = {each["Id"] for each in (*clean.report["image_inspect"], *clean.report["container_inspect"])}
    assert listed == {each.id for each in things if shown(asked, each)}


def test_what_only_buildkit_names_is_told_by_name(clean: Corpus, asked: Known) -> None:
    """The first of the three victims of naive collectors; today by `References.dirs`, with nodes by snapshot and record."""
    dirs = [each for each in marked(asked) if each.kind == "driverdir"]
    only = []
    for thing in dirs:
        model = asked.model(thing)
        if thing.id not in model.dir_layers and thing.id not in model.dir_mounts:
            only.append(thing)
            kinds = {edge.thing.kind for edge in holders(asked, thing)}
            assert kinds - {"driverdir", "layer", "mount"} != set(), f"{thing} is named by {holders(asked, thing)}"
    assert len(only) == BUILDKIT_ONLY


def test_every_image_tag_container_and_volume_of_the_engine_is_found(clean: Corpus, asked: Known) -> None:
    report = clean.report
    for image in report["image_inspect"]:
        for name in (image["Id"], image["Id"][7:19], *image["RepoTags"], *image["RepoDigests"]):
            assert ("image", image["Id"]) == (one(asked, name).kind, one(asked, name).id)
    for container in report["container_inspect"]:
        for name in (container["Id"], container["Id"][:12], container["Name"].removeprefix("/")):
            assert ("container", container["Id"]) == (one(asked, name).kind, one(asked, name).id)


def test_every_path_in_use_belongs_to_an_object(clean: Corpus, asked: Known) -> None:
    used = engine_truth.used(clean.root, clean.report)
    stray = {path for path in used if any(each.kind == "file" for each in candidates(asked, path)) or not candidates(asked, path)}
    assert set() == {path for path in stray if not path.endswith("layerdb")}


def test_the_dead_of_a_dirty_root_are_those_that_the_plan_takes(dirty: Corpus, left: Known) -> None:
    away = survey(dirty.root).put_away
    for thing in marked(left):
        told = state(left, thing)
        assert told in {"kept", "dead"}
        assert (told == "kept") == rooted(left, thing)
        assert (told == "dead") == (left.path(thing) in away or f"{left.path(thing)}/diff" in away)


def test_the_answers_for_a_dirty_root_are_valid_and_the_same_bytes_twice(dirty: Corpus, left: Known) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    things = [each for each in marked(left) if state(left, each) == "dead"][:2] or marked(left)[:1]
    for thing in things:
        words = command(dirty.root, "why", left.path(thing), "--format", "json", "--grace", "0s")
        first, second = run(words, PYTHONHASHSEED="1"), run(words, PYTHONHASHSEED="2")
        assert (0, "", first.out) == (first.exit, first.err, second.out)
        validator.validate(first.document)
        assert (thing.kind, thing.id) == (first.document["kind"], first.document["id"])
        assert (state(left, thing) == "dead") == bool(first.document["plan"])


def test_the_page_shows_what_is_printed(tmp_path: Path) -> None:
    """Sizes on the disk and the time of unpacking are this machine's. `python tests/corpora/why_page.py` writes it anew."""
    if not all(unpacking.archive(name).exists() for name in why_page.ASKED):
        pytest.skip("a source distribution has no corpora")
    told = [(masked(found["told"]), masked(now)) for found, now in why_page.examples(tmp_path)]
    assert [now for _, now in told] == [page for page, _ in told]


def masked(text: str) -> list[str]:
    """The words without the sizes and times that the file system gives; where lines break depends on them."""
    return re.sub(r"[\d.]+\s+(bytes|kB|MB)|ctime \S+", "...", text).split()
