"""The card of a rule, the decorator that makes one, and the selection of rules; pure."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from docker_fsck.errors import Incomplete, UsageError
from docker_fsck.values import ActionClass, Fault, Level, Severity

if TYPE_CHECKING:  # rules are written against the model, which lies above this room
    Find = Callable[[Any], Iterator[Fault]]

SECTIONS = ("Why it matters", "How it comes about", "Repair", "Never", "Daemon says", "Seen in")


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a rule without running it (architecture section 5).

    `actions` are the classes of remedies that it may offer, empty for a rule that only reports. `drivers` limits it
    to models of these graph drivers. `after` names rules whose findings may explain its faults. `gate`: it judges the root as a
    whole for the engine version that `gate` names (`Policy.target`), and runs there alone.
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
    gate: bool = False
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


FIELDS: dict[str, type] = {
    "name": str, "severity": Severity, "doc": str, "since": str, "level": Level, "live": bool, "gate": bool, "module": str,
}  # fmt: skip
LISTS: dict[str, type] = {"actions": ActionClass, "after": str, "drivers": str, "renamed_from": str}


def ill_made(card: Rule) -> str | None:
    """The first field of `card` that holds a value of another type than it should, in words; None if there is none."""
    for name, kind in FIELDS.items():
        if not isinstance(getattr(card, name), kind):
            return f"{name} is no {kind.__name__}"
    for name, kind in LISTS.items():
        value = getattr(card, name)
        if not isinstance(value, tuple) or not all(isinstance(each, kind) for each in value):
            return f"{name} is no tuple of {kind.__name__}"
    return None if callable(card.find) else "find cannot be called"


def cycle(rules: Iterable[Rule]) -> tuple[str, ...]:
    """Names of rules that wait for each other, the first one twice; empty if there are none."""
    by_name = {rule.name: rule for rule in rules}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> tuple[str, ...]:
        if name in path:
            return (*path[path.index(name) :], name)
        if name in done or name not in by_name:
            return ()
        found = next(filter(None, (visit(each, (*path, name)) for each in sorted(by_name[name].after))), ())
        done.add(name)
        return found

    return next(filter(None, (visit(name, ()) for name in sorted(by_name))), ())


def ordered(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Each rule behind those in its `after` (`*`: all others), otherwise by name; `Incomplete` where they wait for each other."""
    by_name = {rule.name: rule for rule in rules}
    if looped := cycle(by_name.values()):
        raise Incomplete(f"rules wait for each other: {' > '.join(looped)}")
    done: dict[str, Rule] = {}

    def visit(name: str) -> None:
        if name in done or name not in by_name:
            return
        for earlier in sorted(by_name[name].after):
            visit(earlier)
        done[name] = by_name[name]

    for name in sorted(by_name, key=lambda name: ("*" in by_name[name].after, name)):
        visit(name)
    return tuple(done.values())


def named(rules: Iterable[Rule]) -> dict[str, Rule]:
    """Rules by name and by every earlier name that no other rule has now."""
    rules = tuple(rules)
    return {old: each for each in rules for old in each.renamed_from} | {each.name: each for each in rules}


def select(rules: Iterable[Rule], level: Level, only: Iterable[str] = (), skip: Iterable[str] = ()) -> tuple[Rule, ...]:
    """The rules of `level` and below, only these, without those, and none of the gate's.

    `UsageError` for a name that no rule has, for one that is asked for and does not run at `level`, and where nothing is
    left to run: a run without rules would end clean.
    """
    rules, only, skip = tuple(rules), tuple(only), tuple(skip)
    table = named(rules)
    unknown = [name for name in (*only, *skip) if name not in table]
    if unknown:
        raise UsageError(f"no rule is called {', '.join(sorted(unknown))}; `docker-fsck rules` lists them")
    unwanted = {table[name].name for name in skip}
    wanted = {table[name].name for name in only} - unwanted
    if gates := sorted(name for name in wanted if table[name].gate):
        raise UsageError(f"{', '.join(gates)} would not run: that takes `docker-fsck gate`")
    deeper = sorted(name for name in wanted if table[name].level.rank > level.rank)
    if deeper:
        raise UsageError(f"{', '.join(deeper)} would not run: that takes --level {table[deeper[0]].level}")
    chosen = [each for each in rules if each.level.rank <= level.rank and each.name not in unwanted and not each.gate]
    chosen = [each for each in chosen if not only or each.name in wanted]
    if not chosen:
        raise UsageError("no rule is left to run")
    return ordered(chosen)


def for_gate(rules: Iterable[Rule], chosen: Iterable[Rule]) -> tuple[Rule, ...]:
    """The chosen rules and every one of the gate's: what a target asks for is no matter of choice."""
    return ordered((*chosen, *(each for each in rules if each.gate)))
