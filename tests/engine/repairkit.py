"""What tests of the whole straight way share: a stocked root, and what the engine and the program say of it, as values."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from archives import member
from docker_fsck import host
from docker_fsck.apply.site import Site
from docker_fsck.apply.undo import undo
from docker_fsck.testing import tree
from docker_fsck.testing.table import CONSEQUENT
from dockerd import Engine, EngineError
from places import Places, copy
from population import Populated

OURS = (".docker-fsck",)
SEVERITIES = ("info", "warning", "error", "critical")
KEEPS = ("sh", "-c", "if [ -e /made ]; then cat /made; else echo made > /made; fi")


class Run(NamedTuple):
    """How the program ended and the JSON that it wrote."""

    exit: int
    report: Any


@dataclass(frozen=True, order=True)
class Told:
    """A finding, as far as tests compare it; `mend` has the classes of the actions that a plan has for it."""

    rule: str
    subject: str
    images: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    severity: str = "error"
    mend: str = ""


@dataclass(frozen=True)
class State:
    """What an engine says: for images what `save` gives, for containers how they end and their files, for volumes their data."""

    images: dict[str, list[str]]
    containers: dict[str, tuple[int, dict[str, bytes]]]
    volumes: dict[str, bytes]

    def without(self, *names: str) -> "State":
        """The same, less these images and containers."""
        images = {name: digests for name, digests in self.images.items() if name not in names}
        return replace(self, images=images, containers={name: end for name, end in self.containers.items() if name not in names})

    def with_image(self, image: str, digests: list[str]) -> "State":
        """The same, and an image without a name that the engine did not list before."""
        return replace(self, images={**self.images, image: digests})


@dataclass(frozen=True)
class Stock:
    """A stopped, populated root with more in it than `Populated` says, and what its engine said of it, in `state`.

    The containers `worker` (of `lone:1`) and `twin` (of `shop:2`, as `created`) have each made a file and show it when they start
    again. `plain:1` has two layers and no container. `archives` has, by tag, what `docker save` wrote; `loose:1`, of three
    layers, is not in the root. `images` has the ids by tag, and of `dangling`; `ids` those of the containers by name.
    """

    engine: Engine
    images: dict[str, str]
    ids: dict[str, str]
    archives: dict[str, Path]
    state: State

    @property
    def places(self) -> Places:
        """Where things lie in it."""
        return Places(self.engine.root, self.engine.driver)

    @property
    def root(self) -> Path:
        """The data root."""
        return self.engine.root

    def hurt(self, rule: str, chain: str, subject: str, mend: str) -> Told:
        """The finding about a layer that all images and containers above it suffer from."""
        return Told(rule, subject, self.places.images_on(chain), self.places.containers_on(chain), mend=mend)

    def of(self, rule: str, subject: str, *names: str, severity: str = "error", mend: str = "lossless") -> Told:
        """The finding that the containers `names` suffer from."""
        return Told(rule, subject, (), tuple(sorted(self.ids[name] for name in names)), severity, mend)


def stock_up(made: Populated, kept: Path) -> Stock:
    """Puts more into a stopped populated root, moves it to `kept` and saves archives beside; a copy is asked for the state."""
    engine, archives = made.engine, {}
    engine.start()
    worker, twin = engine.run("worker", "lone:1", *KEEPS), engine.run("twin", "shop:2", *KEEPS)
    engine.import_image("plain:1", [{"etc/plain": b"p\n"}, {"srv/plain": b"pp\n"}])
    engine.import_image("loose:1", [{"etc/loose": b"l\n"}, {"srv/loose": b"ll\n"}, {"srv/looser": b"lll\n" * 900}])
    for tag in (*made.images, "plain:1", "loose:1"):
        archives[tag] = kept.with_name(tag.replace(":", "-") + ".tar")
        engine.docker("save", "-o", str(archives[tag]), tag)
    engine.docker("rmi", "loose:1")
    images = {tag: image for tag, image in engine.images() if tag != "<none>:<none>"} | {"dangling": made.dangling}
    engine.stop()
    copy(engine.root, kept)
    engine.start()
    said = state(engine)
    engine.stop()
    shutil.rmtree(engine.root)
    ids_of = {"exited": made.exited, "created": made.created, "worker": worker, "twin": twin}
    return Stock(engine, images, ids_of, archives, said)


def state(engine: Engine) -> State:
    """What a running engine says; every container is started."""
    images = sorted({image if reference == "<none>:<none>" else reference for reference, image in engine.images()})
    containers = sorted(engine.ps())
    with ThreadPoolExecutor(4) as pool:
        views = pool.map(lambda name: view(engine, name), containers)
        saved = pool.map(engine.save_digests, images)
        data = {name: (engine.root / "volumes" / name / "_data/file").read_bytes() for name in engine.volumes()}
        return State(dict(zip(images, saved, strict=True)), dict(zip(containers, views, strict=True)), data)


def view(engine: Engine, name: str) -> tuple[int, dict[str, bytes]]:
    """How a container ends that is started, and then its files."""
    engine.docker("start", name)
    end = int(engine.docker("wait", name).stdout)
    with tempfile.TemporaryDirectory(prefix="dfx") as place:
        engine.docker("export", "-o", f"{place}/all.tar", name)
        with tarfile.open(f"{place}/all.tar") as tar:
            return end, {entry.name: member(tar, entry.name) for entry in tar if entry.isreg()}


def refusal(engine: Engine, *words: str) -> str:
    """What the docker command says that must fail."""
    done = engine.docker(*words, check=False)
    if done.returncode == 0:
        raise EngineError(f"docker {' '.join(words)} did not fail: {done.stdout!r:.200}")
    return done.stderr.strip()


def fsck(root: Path, *words: str) -> Run:
    """Runs the program on a root, with JSON for its answer."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_FSCK_")}
    command = [sys.executable, "-m", "docker_fsck", *words, "--root", str(root), "--format", "json"]
    done = subprocess.run(command, check=False, capture_output=True, env=environ)
    return Run(done.returncode, json.loads(done.stdout) if done.stdout else done.stderr.decode())


def survey(root: Path) -> Run:
    """The plan of a root without grace, whose findings are those of a check, with the check's exit status."""
    checked, planned = fsck(root, "check"), fsck(root, "plan", "--grace", "0s")
    if told(checked, plain=True) != told(planned, plain=True):
        raise AssertionError(f"check and plan differ: {told(checked, plain=True)} {told(planned, plain=True)}")
    return Run(checked.exit, planned.report)


def told(run: Run, least: str = "info", *, plain: bool = False) -> list[Told]:
    """The findings of a report that are at least as bad as `least`, sorted; `plain`: without what mends them.

    Left out is what only follows from the others.
    """
    classes = {} if plain else {action["id"]: action["class"] for action in run.report["plan"]["actions"]}
    found = [each for each in run.report["findings"] if SEVERITIES.index(each["severity"]) >= SEVERITIES.index(least)]
    found = [each for each in found if each["rule"] not in CONSEQUENT]
    return sorted(
        Told(
            each["rule"],
            f"{each['object']['kind']} {each['object']['id']}",
            tuple(sorted(each["impact"]["images"])),
            tuple(sorted(each["impact"]["containers"])),
            each["severity"],
            "+".join(sorted({classes[name] for name in each["actions"] if name in classes})),
        )
        for each in found
    )


def explains(run: Run, rule: str, words: str) -> bool:
    """Whether the daemon error that a finding of `rule` quotes is in the engine's own `words`."""
    quotes = {each["daemon_error"] for each in run.report["findings"] if each["rule"] == rule}
    return bool(quotes) and all(re.search(_pattern(quote), words, re.IGNORECASE) for quote in quotes)


def _pattern(quote: str) -> str:
    """A daemon error of a card as a regular expression: `…` is anything, `<name>`, `sha256:X` and `-N` are one word."""
    text = re.sub(r"(\\ )?…(\\ )?", ".*", re.escape(quote)).replace("sha256:X", r"sha256:\S+").replace(r"\-N", r"-\S+")
    return re.sub(r"<[^>]+>", r"\\S+", text)


def apply(root: Path, classes: str) -> Run:
    """Applies the plan of this moment for some classes, without grace."""
    return fsck(root, "apply", "--class", classes, "--yes", "--grace", "0s")


def take_back(root: Path) -> None:
    """`undo last` without the wait for an engine that is just starting: none is."""
    site = Site(root=str(root), hold=host.hold, engine_processes=host.engine_processes, look=host.look, settle=0.0)
    undo(site, "last")


@contextlib.contextmanager
def mended(stock: Stock, classes: str, status: int = 1) -> Iterator[Run]:
    """Applies, takes that back in the root itself, moved aside, and leaves a copy of what apply made for the engine.

    Raises AssertionError if apply does not end with `status`, or the tree that was taken back is not the one before.
    """
    before = tree.snapshot(stock.root, OURS)
    done = apply(stock.root, classes)
    if done.exit != status:
        raise AssertionError(f"apply ended with {done.exit}: {told(done)} {done.report['plan']['blocked']}")
    aside = stock.root.with_name("aside")
    stock.root.rename(aside)
    copy(aside, stock.root)
    try:
        take_back(aside)
        if differ := tree.changes(before, tree.snapshot(aside, OURS)):
            raise AssertionError(f"undo left: {differ}")
        yield done
    finally:
        stock.engine.kill()
        shutil.rmtree(aside)
