"""The card of a rule, the decorator that makes one, and the selection of rules; pure."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from docker_fsck.errors import UsageError
from docker_fsck.values import ActionClass, Fault, Level, Severity

if TYPE_CHECKING:  # rules are written against the model, which lies above this room
    Find = Callable[[Any], Iterator[Fault]]

SECTIONS = ("Why it matters", "How it comes about", "Repair", "Never", "Daemon says", "Seen in")


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a rule without running it (architecture section 5).

    `actions` are the classes of remedies that it may offer, empty for a rule that only reports. `drivers` limits it
    to models of these graph drivers. `after` names rules whose findings may explain its faults.
    """

    name: str
    severity: Severity
    find: "Find"
    doc: str
    actions: tuple[ActionClass, ...] = ()
    after: tuple[str, ...] = ()
    drivers: tuple[str, ...] = ()
    since: str = "0.1"
    level: Level = Level.QUICK
    live: bool = True
    renamed_from: tuple[str, ...] = ()
    module: str = ""

    @property
    def title(self) -> str:
        """The first sentence of the docstring."""
        return self.doc.partition("\n")[0]

    def section(self, name: str) -> str:
        """The text behind `name:` in the docstring on one line, empty if there is none."""
        return sections(self.doc).get(name, "")


def sections(doc: str) -> dict[str, str]:
    """The paragraphs of a rule's docstring by their headings (`SECTIONS`)."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in doc.splitlines()[1:]:
        head, colon, rest = line.strip().partition(":")
        if colon and head in SECTIONS:
            current = found.setdefault(head, [rest.strip()])
        elif line.strip():
            current.append(line.strip())
    return {name: " ".join(lines).strip() for name, lines in found.items()}


def rule(name: str, severity: Severity, **card: Any) -> Callable[["Find"], Rule]:  # noqa: ANN401 - the fields of Rule, checked by msgspec
    """Make a `Rule` of a generator; the docstring is its documentation."""

    def make(find: "Find") -> Rule:
        doc = inspect.cleandoc(find.__doc__ or "")
        return Rule(name=name, severity=severity, find=find, doc=doc, module=find.__module__, **card)

    return make


def ordered(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Each rule behind those in its `after` (`*`: all others), otherwise by name; a cycle is a fault of the program."""
    by_name = {rule.name: rule for rule in rules}
    done: dict[str, Rule] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in done or name not in by_name:
            return
        if name in path:
            raise ValueError(f"rules wait for each other: {' > '.join((*path, name))}")
        for earlier in sorted(by_name[name].after):
            visit(earlier, (*path, name))
        done[name] = by_name[name]

    for name in sorted(by_name, key=lambda name: ("*" in by_name[name].after, name)):
        visit(name, ())
    return tuple(done.values())


def named(rules: Iterable[Rule]) -> dict[str, Rule]:
    """Rules by name and by every earlier name."""
    table: dict[str, Rule] = {}
    for each in rules:
        for name in (each.name, *each.renamed_from):
            table[name] = each
    return table


def select(rules: Iterable[Rule], level: Level, only: Iterable[str] = (), skip: Iterable[str] = ()) -> tuple[Rule, ...]:
    """The rules of `level` and below, only these, without those; an unknown name is a `UsageError`."""
    table = named(rules)
    unknown = [name for name in (*only, *skip) if name not in table]
    if unknown:
        raise UsageError(f"no rule is called {', '.join(sorted(unknown))}; `docker-fsck rules` lists them")
    wanted = {table[name].name for name in only}
    unwanted = {table[name].name for name in skip}
    chosen = (each for each in set(table.values()) if each.level.rank <= level.rank and each.name not in unwanted)
    return ordered(each for each in chosen if not wanted or each.name in wanted)
