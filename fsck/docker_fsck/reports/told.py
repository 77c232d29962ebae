"""What several formats tell alike: order and number of findings, who suffers, what is done, what was not read; pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from docker_fsck.reports.plantext import title_of
from docker_fsck.reports.words import listing, many
from docker_fsck.values import Action, ActionClass, Contents, Finding, Report, Severity

MOST_NAMES = 6


def worst_first(found: Iterable[Finding]) -> list[Finding]:
    """By severity, then by rule, otherwise in the order of the report."""
    return sorted(found, key=lambda each: (-each.severity.rank, each.rule))


def failing(report: Report) -> tuple[Finding, ...]:
    """The findings that set bit 4: not in the baseline, and at or above what the run was told to fail on."""
    if report.run.fail_on == "never":
        return ()
    least = Severity(report.run.fail_on).rank
    return tuple(each for each in report.findings if each.baseline == "new" and each.severity.rank >= least)


def graded(report: Report) -> str:
    """How many findings there are of each severity, worst first; empty if none."""
    counts = Counter(each.severity for each in report.findings)
    return ", ".join(f"{counts[severity]} {severity}" for severity in reversed(Severity) if counts[severity])


def named(found: Finding) -> str:
    """The object of a finding, and what is to be known of it before anything else."""
    probable = " (probable)" if found.confidence == "probable" else ""
    known = " (baseline: known)" if found.baseline == "known" else ""
    return f"{title_of(found.object)}{probable}{known}"


def sufferers(found: Finding) -> str:
    """Which images, containers and volumes a finding takes with it; empty if none."""
    impact = found.impact
    groups = (("image", impact.images), ("container", impact.containers), ("volume", impact.volumes))
    return "; ".join(f"{many(len(names), kind)}: {listing(names, MOST_NAMES)}" for kind, names in groups if names)


def remedies(report: Report, classes: Collection[ActionClass] = tuple(ActionClass)) -> dict[str, list[str]]:
    """By fingerprint: what is done about a finding, and why something of `classes` is not."""
    names = {action.id: action for action in report.plan.actions}
    table: dict[str, list[str]] = {}
    for found in report.findings:
        table[found.fingerprint] = [_does(names[ident]) for ident in found.actions if ident in names]
    for each in report.plan.blocked:
        asked = each.cls is None or each.cls in classes
        table.setdefault(each.fingerprint, []).append(f"blocked: {each.why}" if asked else f"{each.cls} was not asked for")
    return table


def _does(action: Action) -> str:
    return f"{action.id} ({action.cls}): {action.does}"


def contents(found: Contents) -> str:
    """How far the deep level has come."""
    left = f", {found.left_out} left out" if found.left_out else ""
    return f"{found.verified} verified now, {found.earlier} earlier{left}"


def unread(report: Report) -> Iterator[str]:
    """What keeps the verdict from being whole: rules that failed, stores that are not judged, sources that were not read."""
    for outcome in report.coverage.rules:
        if outcome.state == "failed":
            yield f"rule {outcome.rule}: {outcome.reason or 'failed'}"
        elif outcome.rule in report.store.layouts:  # no rule but a whole store that was not looked at
            yield f"{outcome.rule}: {outcome.reason}"
    told = {outcome.reason for outcome in report.coverage.rules if outcome.reason}
    for source in report.coverage.sources:
        if source.why not in told and source.state not in {"read", "absent"}:
            yield f"{source.source}: {source.state}{f' ({source.why})' if source.why else ''}"
