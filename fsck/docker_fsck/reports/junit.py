"""The report as JUnit XML: one test case a rule, which fails with the findings that fail the run; pure, reads no XML."""

import xml.etree.ElementTree as ET
from itertools import chain

from docker_fsck.reports.ended import Ended
from docker_fsck.reports.told import failing, named, remedies, sufferers, unread
from docker_fsck.reports.words import escape, many
from docker_fsck.values import Finding, Outcome, Report

NAME = "docker-fsck"


def render(report: Report) -> bytes:
    """The whole document."""
    failed = {each.fingerprint for each in failing(report)}
    mends = remedies(report)
    by_rule: dict[str, list[Finding]] = {}
    for each in report.findings:
        by_rule.setdefault(each.rule, []).append(each)
    cases = [_case(outcome, by_rule.get(outcome.rule, []), failed, mends) for outcome in _outcomes(report)]
    suite = _suite(report.run.started, report.tool.get("version", ""), report.store.root)
    facts = {"root": report.store.root, "verdict": report.verdict, "exit": str(report.exit), "level": report.run.level.value}
    properties = ET.SubElement(suite, "properties")
    for name, value in facts.items():
        ET.SubElement(properties, "property", name=name, value=escape(value))
    suite.extend(cases)
    told = [*unread(report), *(f"{note.subject}: {note.message}" for note in report.notes)]
    if told:
        ET.SubElement(suite, "system-err").text = "\n".join(map(escape, told))
    return _document(suite)


def without_report(ended: Ended) -> bytes:
    """One test case, the run itself."""
    suite = _suite(None, ended.version, ended.root)
    case = ET.SubElement(suite, "testcase", name="run", classname=NAME)
    if ended.exit:
        ET.SubElement(case, "error", type=f"exit {ended.exit}", message=escape(ended.why))
    return _document(suite)


def _suite(started: str | None, version: str, root: str) -> ET.Element:
    suite = ET.Element("testsuite", name=NAME, package=escape(root), version=version)
    if started is not None:
        suite.set("timestamp", started)
    return suite


def _outcomes(report: Report) -> list[Outcome]:
    """Each rule once, by name; one that has findings although it is not among those that ran still gets its case."""
    ran = {outcome.rule: outcome for outcome in report.coverage.rules}
    found = {each.rule: Outcome(each.rule, "ran") for each in report.findings}
    return sorted({**found, **ran}.values(), key=lambda outcome: outcome.rule)


def _case(outcome: Outcome, mine: list[Finding], failed: set[str], mends: dict[str, list[str]]) -> ET.Element:
    case = ET.Element("testcase", name=escape(outcome.rule), classname=NAME)
    bad = [each for each in mine if each.fingerprint in failed]
    rest = [each for each in mine if each.fingerprint not in failed]
    if outcome.state == "failed":
        ET.SubElement(case, "error", type="failed", message=escape(outcome.reason or "failed"))
    elif outcome.state == "skipped":
        ET.SubElement(case, "skipped", message=escape(outcome.reason or "skipped"))
    if bad:
        node = ET.SubElement(case, "failure", type=bad[0].severity.value, message=f"{many(len(bad), 'finding')}: {bad[0].title}")
        node.text = _text(bad, mends)
    if rest:
        ET.SubElement(case, "system-out").text = _text(rest, mends)
    return case


def _text(found: list[Finding], mends: dict[str, list[str]]) -> str:
    return "\n".join(chain.from_iterable(_rows(each, mends.get(each.fingerprint, [])) for each in found))


def _rows(found: Finding, mends: list[str]) -> list[str]:
    rows = [
        f"{found.severity} {named(found)}: {found.message}",
        *(f"  {each.path}" for each in found.paths),
        f"  suffers: {sufferers(found)}" if sufferers(found) else "",
        *(f"  plan: {each}" for each in mends),
        f"  {found.help}" if found.help else "",
    ]
    return [escape(row) for row in rows if row]


def _document(suite: ET.Element) -> bytes:
    """The suite, counted, in the element that every reader accepts at the top."""
    top = ET.Element("testsuites", {"name": NAME})
    for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        count = str(len([*suite.iter(tag)]))
        suite.set(name, count)
        if name != "skipped":  # the schema has it for a suite only
            top.set(name, count)
    top.append(suite)
    ET.indent(top)
    text: bytes = ET.tostring(top, encoding="utf-8", xml_declaration=True)
    return text + b"\n"
