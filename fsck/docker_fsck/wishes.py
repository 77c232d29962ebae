"""What the user's settings wish of findings: other severities, some rules only; and which wishes change nothing; pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec

from docker_fsck.errors import UsageError
from docker_fsck.grades import Level, Severity
from docker_fsck.rules import Rule, named
from docker_fsck.values import Finding, Note


def severities(wishes: Mapping[str, Severity], rules: Iterable[Rule]) -> dict[str, Severity]:
    """The wished severities by the present names of the rules; a `UsageError` for a rule that does not exist."""
    table = named(rules)
    if unknown := sorted(set(wishes) - set(table)):
        raise UsageError(f"severity: no rule is called {', '.join(unknown)}; `docker-fsck rules` lists them")
    return {table[name].name: severity for name, severity in wishes.items()}


def regraded(findings: Iterable[Finding], rules: Iterable[Rule], wishes: Mapping[str, Severity]) -> tuple[Finding, ...]:
    """The findings with the wished severities, gravest first.

    A wish takes the place of the severity on the rule's card; a finding that the rule grades by itself, as milder or graver
    than its card says, keeps that grade: what is only in progress must not become an error, nor a fatal case a warning.
    """
    cards = {rule.name: rule.severity for rule in rules}
    made = [
        msgspec.structs.replace(each, severity=wishes[each.rule])
        if each.rule in wishes and each.severity is cards.get(each.rule)
        else each
        for each in findings
    ]
    return tuple(sorted(made, key=lambda each: (-each.severity.rank, each.rule, each.object.id, each.fingerprint)))


def notes(
    rules: Iterable[Rule],
    chosen: Iterable[Rule],
    level: Level,
    only: Collection[str],
    skip: Collection[str],
    wishes: Mapping[str, Severity],
) -> Iterator[Note]:
    """Wishes that change nothing in this run. `chosen` are the rules that it runs."""
    table = named(rules)
    running = {rule.name for rule in chosen}
    for name in only:
        if table[name].name not in running:
            yield Note(
                "rule-unused", name, f"chosen, but not run at level {level}" if name not in skip else "both chosen and skipped"
            )
    wanted = {table[name].name for name in only}
    for name in skip:
        card = table[name]
        if card.level.rank > level.rank or (wanted and card.name not in wanted):
            yield Note("rule-unused", name, "skipped, but this run would not run it anyway")
    for name, severity in wishes.items():
        if name not in running and table[name].gate:
            continue  # it is meant for the gate
        if name not in running:
            yield Note("severity-unused", name, f"has another severity ({severity}), but is not run")
        elif severity is table[name].severity:
            yield Note("severity-unused", name, f"is of severity {severity} by itself")
