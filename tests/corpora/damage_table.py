"""Works out the table of damages: strikes every kind on a healthy root, checks, and holds what is not reported against the claims.

An entry is a tuple of rules, `same` (the engine answers the same: tests/engine/test_damage_engine.py shows it) or `alone` (there is
no second copy of the fact on the disk). Which of the last two it is cannot be told by a check, so that it stands in damage_claims.py,
and only there: where a check reports a damage the claim is an error, and so is a silence without a claim.
"""

import itertools
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from damage_blows import DAMAGES, blows, struck
from damage_claims import CLAIMS, Claim
from damage_kinds import KINDS, STORES, Kind
from damage_stores import store
from msgspec import Struct

from docker_fsck.bolt import BoltError, Bucket, open_bytes
from docker_fsck.host import HostView
from docker_fsck.testing.table import CONSEQUENT, run
from docker_fsck.values import Finding, Level

SAME, ALONE = "same", "alone"


class Blow(Struct, frozen=True):
    """What a check says of one blow: the rules that report it, at which level. `idle`: what stands there means what it meant."""

    name: str
    rules: tuple[str, ...]
    deep: bool = False
    idle: bool = False


class Cell(Struct, frozen=True):
    """An entry: the rules if every blow that changes a meaning is reported, else the claim for those that are not."""

    kind: str
    damage: str
    blows: tuple[Blow, ...]
    claim: Claim | None

    @property
    def silent(self) -> tuple[str, ...]:
        """The blows that change a meaning and that nothing reports."""
        return tuple(blow.name for blow in self.blows if not blow.rules and not blow.idle)

    @property
    def idle(self) -> tuple[str, ...]:
        """The blows that change no meaning."""
        return tuple(blow.name for blow in self.blows if blow.idle and not blow.rules)

    @property
    def rules(self) -> tuple[str, ...]:
        """Every rule that reports a blow."""
        return tuple(sorted({rule for blow in self.blows for rule in blow.rules}))

    @property
    def entry(self) -> str:
        """What stands in the table."""
        if self.silent:
            return self.claim.entry if self.claim else ""
        return "reported" if self.rules else SAME

    @property
    def fault(self) -> str:
        """Why this is no entry, nothing if it is one."""
        where = f"{self.kind}, {self.damage}"
        if self.silent and self.claim is None:
            return f"{where}: {', '.join(self.silent)} not reported, and no claim says why"
        if not self.silent and self.claim is not None:
            return f"{where}: it is reported or changes nothing, the claim that it is {self.claim.entry} has to go"
        return ""


def table(only: Iterable[str] = STORES) -> Iterator[Cell]:
    """The cells of every kind, kind by kind, in the order of the kinds."""
    found: dict[str, list[Cell]] = {}
    for name in only:
        with store(name) as (site, host):
            for kind in (kind for kind in KINDS if kind.store == name):
                path = kind.find(site)
                assert path.exists() or path.is_symlink(), f"{kind.name}: {path} is not there"
                found[kind.name] = [cell(kind, damage, site.root, path, host) for damage in DAMAGES]
    return itertools.chain.from_iterable(found[kind.name] for kind in KINDS if kind.name in found)


def cell(kind: Kind, damage: str, root: Path, path: Path, host: HostView) -> Cell:
    """One damage of one kind, every blow of it."""
    made = []
    for name, blow in blows(damage, path):
        with struck(path, blow, aside(root, path)):
            made.append(judged(name, root, path, host, idle=meaning(aside(root, path)) == meaning(path)))
    return Cell(kind.name, damage, tuple(made), CLAIMS.get((kind.name, damage)))


def aside(root: Path, path: Path) -> Path:
    """Where the old one lies meanwhile."""
    return root.parent / f"aside{path.suffix}"


def judged(name: str, root: Path, path: Path, host: HostView, *, idle: bool) -> Blow:
    """What a check says of a blow, at the standard level, and if that says nothing at the deep one."""
    for level in (Level.STANDARD, Level.DEEP):
        if rules := tuple(sorted({finding.rule for finding in reporting(root, [path], host, level)[0]})):
            return Blow(name, rules, level is Level.DEEP, idle)
    return Blow(name, (), idle=idle)


def meaning(path: Path) -> object:
    """What stands at a path: of a whole database what is in it, of other files the bytes, of a folder what it holds."""
    if path.is_symlink():
        return path.readlink()
    if path.is_dir():
        return {
            each.relative_to(path): each.is_dir() or meaning(each) for each in path.rglob("*") if each.is_file() or each.is_dir()
        }
    data = path.read_bytes() if path.exists() else None
    try:
        found = open_bytes(data) if data and path.suffix == ".db" else None
    except BoltError:
        return data
    return data if found is None or found.torn or found.problems else ("database", *content(found.root))


def content(bucket: Bucket, above: tuple[bytes, ...] = ()) -> Iterator[tuple[tuple[bytes, ...], bytes]]:
    """Everything in a bucket, with the keys that lead to it."""
    for key, value in bucket.items():
        if isinstance(value, Bucket):
            yield (*above, key), b"a bucket"
            yield from content(value, (*above, key))
        else:
            yield (*above, key), value


def reporting(root: Path, paths: Iterable[Path], host: HostView, level: Level) -> list[list[Finding]]:
    """For each path the findings that report it: they name it, what lies in it, or the object that it belongs to."""
    found = [each for each in run(root, host=host, now=time.time(), level=level).findings if each.rule not in CONSEQUENT]
    return [[each for each in found if names(each, str(path.relative_to(root)))] for path in paths]


def names(finding: Finding, path: str) -> bool:
    """Whether a finding tells of a path: as one of its paths, or above or below one, or as a file whose fault is folded into it."""
    told = [*(each.raw for each in finding.paths), *(each.object.id for each in finding.folded if each.object.kind == "file")]
    return any(each == path or each.startswith(f"{path}/") or path.startswith(f"{each}/") for each in told)
