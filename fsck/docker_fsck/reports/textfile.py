"""The report as metrics in the Prometheus text format, for a textfile collector; prometheus-client spells and escapes; pure.

Every series has the label `root`, so that the files of several roots may lie in one folder. A run that ended without a report is
told too: `docker_fsck_run_complete` is 0 then, and the findings are not repeated, so that no old number passes for a new one.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from docker_fsck import errors
from docker_fsck.reports.ended import Ended, state
from docker_fsck.reports.words import escape
from docker_fsck.values import Report, Severity

STATES = ("clean", "damaged", "incomplete", "refused", "usage-error")
Rows = Iterable[tuple[tuple[str, ...], float]]


class _Page:
    """Metrics of one root in the making, in the order in which they are added."""

    def __init__(self, root: str) -> None:
        self.root, self.registry = escape(root), CollectorRegistry()

    def add(self, name: str, about: str, rows: Rows, labels: tuple[str, ...] = ()) -> None:
        gauge = Gauge(f"docker_fsck_{name}", about, ("root", *labels), registry=self.registry)
        for values, number in rows:
            gauge.labels(self.root, *values).set(number)

    def one(self, name: str, about: str, number: float) -> None:
        self.add(name, about, [((), number)])

    def run(self, verdict: str, bits: int, at: float, version: str) -> None:
        """What is known of every run."""
        self.add("info", "The version of docker-fsck that wrote this file.", [((version,), 1)], ("version",))
        self.one("last_run_timestamp_seconds", "When the last run ended, whether it came to a report or not.", at)
        self.one("exit_status", "The exit status of the last run, bits as in fsck(8).", bits)
        whole = not bits & (errors.INCOMPLETE | errors.USAGE | errors.INTERRUPTED | errors.REFUSED)
        self.one("run_complete", "1 if every rule ran over everything; 0 if silence says nothing.", whole)
        self.add("verdict", "1 for the verdict of the last run.", [((each,), each == verdict) for each in STATES], ("verdict",))

    def bytes(self) -> bytes:
        """The file."""
        return generate_latest(self.registry)


def render(report: Report) -> bytes:
    """The whole file."""
    page = _Page(report.store.root)
    ended = datetime.fromisoformat(report.run.ended)
    page.run(report.verdict, report.exit, ended.timestamp(), report.tool.get("version", ""))
    took = ended - datetime.fromisoformat(report.run.started)
    page.one("run_duration_seconds", "How long the last run took.", took.total_seconds())
    _findings(page, report)
    counts = [((kind,), number) for kind, number in sorted(report.store.counts.items())]
    page.add("objects", "Objects that were looked at, by kind.", counts, ("kind",))
    page.add("planned_actions", "Actions of the plan, by class.", _counted(a.cls.value for a in report.plan.actions), ("class",))
    page.one("blocked_actions", "Remedies that the plan leaves out for a reason.", len(report.plan.blocked))
    page.one("reclaimable_bytes", "Allocated bytes that a reclaim would put away.", report.summary.reclaimable_bytes)
    page.one("quarantine_bytes", "Allocated bytes in the quarantine, which a purge frees.", report.summary.quarantine_bytes)
    page.one("unfinished_transaction", "1 if a transaction was cut short.", report.store.unfinished_transaction is not None)
    page.one("notes", "Parts of the baseline and the settings that do not do what they say.", len(report.notes))
    return page.bytes()


def without_report(ended: Ended) -> bytes:
    """The file of a run that did not come to a report."""
    page = _Page(ended.root)
    page.run(state(ended.exit), ended.exit, ended.at, ended.version)
    return page.bytes()


def _findings(page: _Page, report: Report) -> None:
    graded = Counter((each.severity.value, each.baseline) for each in report.findings)
    rows = [((grade.value, known), graded[grade.value, known]) for grade in Severity for known in ("new", "known")]
    page.add("findings", "Findings by severity; known are those that the baseline accepts.", rows, ("severity", "baseline"))
    page.add("rule_findings", "Findings by rule, of rules that have any.", _counted(f.rule for f in report.findings), ("rule",))


def _counted(words: Iterable[str]) -> list[tuple[tuple[str], int]]:
    """How often each word comes, by word."""
    return [((word,), count) for word, count in sorted(Counter(words).items())]
