"""Asks `why` of built roots, by the command line and by the library; and what must be true of every answer."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from test_cli_kit import STOPPED, on, run

from docker_fsck.cli import session
from docker_fsck.host import HostView
from docker_fsck.plugins import Registry
from docker_fsck.policy import Policy
from docker_fsck.protocols import References, ReferenceSource
from docker_fsck.reader import Reader
from docker_fsck.reasons.known import Known
from docker_fsck.store import open_store
from docker_fsck.testing.builder import DataRoot
from docker_fsck.testing.table import registry
from docker_fsck.values import Source


class Told(msgspec.Struct):
    """An answer as JSON."""

    json: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.json[name]

    def chain(self, *kinds: str, of: str = "kept_by") -> list[list[str]]:
        """Every way through a tree whose kinds are these, as ids from the thing on."""
        return [[each["id"] for each in way] for way in _ways(self.json[of]) if tuple(each["kind"] for each in way) == kinds]

    def links(self, of: str = "kept_by") -> list[dict[str, Any]]:
        """All links of a tree."""
        return [way[-1] for way in _ways(self.json[of])]


def _ways(links: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for link in links:
        yield [link]
        yield from ([link, *way] for way in _ways(link.get("links", [])))


def asked(root: DataRoot, text: str, **edge: Any) -> Told:
    """The answer about one thing; it must end well."""
    ended = run(*on(root, "why", text, "--format", "json"), **edge)
    assert (ended.status, ended.err) == (0, "")
    return Told(ended.report)


def said(root: DataRoot, text: str, **edge: Any) -> str:
    """The same as text."""
    return run(*on(root, "why", text), **edge).out


def refused(root: DataRoot, text: str) -> str:
    """Why a question is none."""
    ended = run(*on(root, "why", text))
    assert (ended.status, ended.out) == (16, "")
    return ended.err


class Fake:
    """A store beside the graph driver that names what a test wants."""

    def __init__(self, found: References, name: str = "fake") -> None:
        self.found, self.name = found, name

    def references(self, reader: Reader, dirs: Collection[str]) -> References:
        """The same on every root."""
        del reader, dirs
        return self.found


def naming(monkeypatch: pytest.MonkeyPatch, found: References) -> Registry:
    """Let this be all that is known beside the graph driver."""
    mine = msgspec.structs.replace(registry(), sources=(Fake(found),))
    monkeypatch.setattr(session.plugins, "load", lambda *_: mine)
    return mine


READ = (Source("fake.db", "read"),)


@contextmanager
def known(path: Path, host: HostView = STOPPED, sources: Collection[ReferenceSource] | None = None) -> Iterator[Known]:
    """A store under question."""
    found = registry()
    with Reader(str(path)) as reader:
        chosen = found.sources if sources is None else tuple(sources)
        yield Known(open_store(reader, found.drivers, chosen, host, Policy(now=0, grace=0)))
