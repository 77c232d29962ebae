"""The five hooks of a plugin: each is called once a run and returns an iterable of records (architecture section 5)."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from docker_fsck.protocols import Driver, ReferenceSource, Reporter
    from docker_fsck.rules import Rule
    from docker_fsck.store import Store
    from docker_fsck.values import Blocked, Plan

PROJECT = "docker_fsck"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def fsck_rules() -> Iterable["Rule"]:
    """The plugin's rules. Called once, before the store is read. An empty answer: it has none."""
    raise NotImplementedError


@hookspec
def fsck_drivers() -> Iterable["Driver"]:
    """Graph drivers that the plugin understands. Called once, before the store is read. An empty answer: none."""
    raise NotImplementedError


@hookspec
def fsck_stores() -> Iterable["ReferenceSource"]:
    """Stores beside the graph driver that hold references. Called once, before the store is read. Empty: none."""
    raise NotImplementedError


@hookspec
def fsck_veto(plan: "Plan", store: "Store") -> Iterable["Blocked"]:
    """What must not happen, by fingerprint of the finding. Called once, after planning. Empty: no objection."""
    raise NotImplementedError


@hookspec
def fsck_reports() -> Iterable["Reporter"]:
    """Output formats. Called once, when a report is written. An empty answer: none."""
    raise NotImplementedError
