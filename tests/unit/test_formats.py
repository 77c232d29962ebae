"""Formats for pipelines and monitoring: valid by their own schemas, safe against hostile names, the same for the same store."""

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import xmlschema
from prometheus_client.parser import text_string_to_metric_families
from reportkit import NASTY, REFUSED, damaged, hostile, of_another_run, report, whole

from docker_fsck import reports
from docker_fsck.cli import flags
from docker_fsck.reports import annotations, junit, markdown, nagios, page, sarif, textfile
from docker_fsck.values import Coverage, Report, Severity

DATA = Path(__file__).parents[1] / "data"
ALL = [report(), damaged(), whole(), hostile()]
IDS = ["clean", "damaged", "whole", "hostile"]
every_report = pytest.mark.parametrize("found", ALL, ids=IDS)


# all of them


def test_the_formats_are_those_of_the_contract_and_of_help() -> None:
    contract = ["text", "json", "jsonl", "markdown", "sarif", "junit", "github", "html", "prometheus", "nagios"]
    assert (contract, contract) == (list(reports.OWN), re.split(", | or ", flags.FORMATS))


@pytest.mark.parametrize("name", reports.OWN)
@every_report
def test_every_format_is_utf8_that_ends_with_one_newline(name: str, found: Report) -> None:
    told = reports.chosen(name, ())(found).decode("utf-8")
    assert ("\n", False) == (told[-1], told.endswith("\n\n"))


@pytest.mark.parametrize("name", sorted(set(reports.OWN) - {"json", "jsonl"}))
@every_report
def test_no_format_for_people_lets_a_name_move_the_cursor(name: str, found: Report) -> None:
    told = reports.chosen(name, ())(found).decode("utf-8")
    assert [] == [each for each in told if each != "\n" and not each.isprintable()]


@pytest.mark.parametrize("name", ["text", "markdown", "github", "nagios"])
@every_report
def test_what_has_no_run_fields_in_it_is_the_same_for_another_run(name: str, found: Report) -> None:
    render = reports.chosen(name, ())
    assert render(found) == render(of_another_run(found))


def test_the_others_differ_between_runs_only_in_times() -> None:
    told = {
        name: [reports.chosen(name, ())(each).decode() for each in (whole(), of_another_run(whole()))]
        for name in ("sarif", "junit", "html", "prometheus")
    }
    alike = {
        name: [re.sub(r"202\d-01-01T00:0\d:0\dZ|(?<=\} )1\.7\d+e\+09|(seconds\{.*\}) .*", r"\1", each) for each in pair]
        for name, pair in told.items()
    }
    assert [] == [name for name, (one, other) in alike.items() if one != other]


# SARIF


def sarif_of(data: bytes) -> Any:
    log = json.loads(data)
    schema = json.loads((DATA / "sarif-2.1.0-rtm.5.json").read_text())
    jsonschema.Draft4Validator(schema, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER).validate(log)
    return log["runs"][0]


@every_report
def test_sarif_is_valid_by_its_published_schema(found: Report) -> None:
    assert len(found.findings) == len(sarif_of(sarif.render(found))["results"])


def test_sarif_of_a_run_without_report_is_valid_and_unsuccessful() -> None:
    invocation = sarif_of(sarif.without_report(REFUSED))["invocations"][0]
    assert (False, 64) == (invocation["executionSuccessful"], invocation["exitCode"])


def test_the_schema_refuses_what_is_no_sarif() -> None:
    with pytest.raises(jsonschema.ValidationError):
        sarif_of(sarif.render(report()).replace(b'"2.1.0"', b'"2.2"'))


def test_a_result_of_sarif_names_its_rule_level_place_and_fingerprint() -> None:
    run = sarif_of(sarif.render(whole()))
    rules = [each["id"] for each in run["tool"]["driver"]["rules"]]
    assert [(rules[each["ruleIndex"]], each["level"]) for each in run["results"]] == [
        ("rule-info", "note"), ("rule-warning", "warning"), ("rule-error", "error"), ("rule-critical", "error"), ("rule-error", "error"),
    ]  # fmt: skip
    last = run["results"][-1]
    assert ({"dockerFsck/v1": "f9"}, [{"kind": "external", "status": "accepted"}]) == (
        last["partialFingerprints"],
        last["suppressions"],
    )


def test_sarif_spells_a_path_by_its_bytes_and_relative_to_the_root() -> None:
    run = sarif_of(sarif.render(hostile()))
    second = run["results"][0]["relatedLocations"][0]["physicalLocation"]["artifactLocation"]
    assert {"uri": "overlay2/%FF", "uriBaseId": "DATAROOT"} == second


def test_sarif_says_what_was_not_read() -> None:
    run = sarif_of(sarif.render(whole()))
    assert ["rule failed-rule: KeyError: 1"] == [
        each["message"]["text"] for each in run["invocations"][0]["toolExecutionNotifications"]
    ]


# JUnit

XSD = xmlschema.XMLSchema(str(DATA / "junit-10.xsd"))


def junit_of(data: bytes) -> ET.Element:
    XSD.validate(data.decode())
    return ET.fromstring(data)


@every_report
def test_junit_is_valid_by_its_schema(found: Report) -> None:
    assert "testsuites" == junit_of(junit.render(found)).tag


def test_the_schema_refuses_what_is_no_junit() -> None:
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        junit_of(junit.render(whole()).replace(b'tests="7"', b'test="7"'))


def test_junit_has_one_case_a_rule_and_fails_those_whose_findings_fail_the_run() -> None:
    cases = {each.get("name"): [child.tag for child in each] for each in junit_of(junit.render(whole())).iter("testcase")}
    assert {
        "aufs-x": ["skipped"],
        "failed-rule": ["error"],
        "quiet": [],
        "rule-critical": ["failure"],
        "rule-error": ["failure", "system-out"],
        "rule-info": ["system-out"],
        "rule-warning": ["system-out"],
    } == cases


def test_junit_counts_its_cases() -> None:
    suite = junit_of(junit.render(whole())).find("testsuite")
    assert suite is not None
    assert ("7", "2", "1", "1") == tuple(suite.get(name) for name in ("tests", "failures", "errors", "skipped"))


def test_junit_fails_a_warning_where_the_run_was_told_to() -> None:
    stricter = msgspec.structs.replace(whole(), run=msgspec.structs.replace(whole().run, fail_on="warning"))
    assert 3 == len([*junit_of(junit.render(stricter)).iter("failure")])


def test_junit_of_a_run_without_report_is_one_case_with_an_error() -> None:
    top = junit_of(junit.without_report(REFUSED))
    assert (["run"], ["exit 64"]) == (
        [each.get("name") for each in top.iter("testcase")],
        [each.get("type") for each in top.iter("error")],
    )


# GitHub


def unspelled(text: str) -> str:
    """As the runner reads it back."""
    for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, char)
    return text


def test_what_github_would_take_for_a_sign_is_spelled_out() -> None:
    assert "::error title=a%25b%3Ac%2Cd%0Ae::x%25y:z,%0D%0Aw" == annotations.command("error", "a%b:c,d\ne", "x%y:z,\r\nw")


@every_report
def test_every_line_for_github_is_one_command_of_ours(found: Report) -> None:
    rows = annotations.render(found).decode().splitlines()
    assert [] == [row for row in rows if not re.fullmatch(r"::(error|warning|notice) title=[^:,\r\n]*::[^\r\n]*", row)]


def test_a_hostile_name_cannot_begin_a_command_of_github() -> None:
    told = annotations.render(hostile()).decode()
    assert [] == [row for row in unspelled(told).splitlines() if row.startswith(("::set-output", "::error::pwned"))]


def test_github_is_told_each_finding_by_its_severity_and_the_known_one_as_a_notice() -> None:
    rows = annotations.render(whole()).decode().splitlines()
    levels = [(row.split("=")[1].split("%2C")[0], row[2:].split(" ")[0]) for row in rows[:5]]
    assert [
        ("rule-critical", "error"),
        ("rule-error", "error"),
        ("rule-error", "notice"),
        ("rule-warning", "warning"),
        ("rule-info", "notice"),
    ] == levels


# Nagios


@every_report
def test_nagios_gets_one_line_with_one_bar(found: Report) -> None:
    told = nagios.render(found).decode()
    assert re.fullmatch(r"DOCKER-FSCK (OK|WARNING|CRITICAL|UNKNOWN) - [^|\n]+ \| (\w+=\d+B?;;;0 ?)+\n", told)


def test_the_state_for_nagios_follows_what_fails_the_run() -> None:
    def of(severity: Severity, **more: Any) -> str:
        found = msgspec.structs.replace(whole().findings[0], severity=severity, **more)
        return nagios.render(report((found,), exit=0, verdict="clean")).decode().split()[1]

    states = [*(of(severity) for severity in Severity), of(Severity.CRITICAL, baseline="known")]
    assert ["OK", "WARNING", "CRITICAL", "CRITICAL", "OK"] == states


@pytest.mark.parametrize("verdict", ["incomplete", "refused"])
def test_what_is_not_known_is_unknown_to_nagios(verdict: Any) -> None:
    assert nagios.render(report(verdict=verdict, exit=8)).startswith(b"DOCKER-FSCK UNKNOWN - /r: ")


def test_nagios_hears_of_a_run_without_report() -> None:
    told = nagios.without_report(REFUSED).decode()
    assert (True, 1, False) == (told.startswith("DOCKER-FSCK UNKNOWN - an engine uses"), told.count("\n"), "|" in told)


# Prometheus


def series(data: bytes) -> dict[str, float]:
    rows = {}
    for family in text_string_to_metric_families(data.decode()):
        for each in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(each.labels.items()) if name != "root")
            rows[f"{each.name.removeprefix('docker_fsck_')}{{{labels}}}"] = each.value
    return rows


@pytest.mark.parametrize("data", [*map(textfile.render, ALL), textfile.without_report(REFUSED)], ids=[*IDS, "refused"])
def test_the_textfile_is_read_by_prometheus_own_parsers(data: bytes) -> None:
    assert len(series(data)) == len([row for row in data.decode().splitlines() if not row.startswith("#")])
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed (Debian package prometheus); prometheus-client's parser has read it")
    done = subprocess.run([tool, "check", "metrics"], input=data, capture_output=True, check=False)
    assert (0, b"", b"") == (done.returncode, done.stdout, done.stderr)


def test_the_textfile_counts_findings_by_severity_and_baseline() -> None:
    found = series(textfile.render(whole()))
    assert (1.0, 1.0, 0.0, 12.0, 0.0, 1.0, 1000.0) == (
        found["findings{baseline=new,severity=error}"],
        found["findings{baseline=known,severity=error}"],
        found["findings{baseline=known,severity=info}"],
        found["exit_status{}"],
        found["run_complete{}"],
        found["verdict{verdict=incomplete}"],
        found["reclaimable_bytes{}"],
    )


def test_the_textfile_of_a_run_without_report_says_so_and_repeats_no_number_of_findings() -> None:
    found = series(textfile.without_report(REFUSED))
    assert (0.0, 64.0, 1.0, []) == (
        found["run_complete{}"],
        found["exit_status{}"],
        found["verdict{verdict=refused}"],
        [name for name in found if name.startswith("findings")],
    )


@every_report
def test_every_series_names_its_root(found: Report) -> None:
    roots = {
        each.labels["root"]
        for family in text_string_to_metric_families(textfile.render(found).decode())
        for each in family.samples
    }
    assert 1 == len(roots)


# Markdown and HTML


class Page(HTMLParser):
    """Tags, attributes and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_a_hostile_name_is_text_in_html() -> None:
    found = Page(page.render(hostile()).decode())
    own = {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "h1",
        "h2",
        "table",
        "tr",
        "th",
        "td",
        "code",
        "p",
        "ul",
        "li",
        "article",
        "dl",
        "dt",
        "dd",
    }
    assert (set(), set()) == (set(found.tags) - own, found.names - {"lang", "charset", "http-equiv", "content", "name", "class"})
    assert any("a<script>alert(1)</script>\"'&|`x`](javascript:1)" in each for each in found.words)


def test_html_tells_every_finding_worst_first() -> None:
    told = page.render(whole()).decode()
    assert ["critical", "error", "error known", "warning", "info"] == re.findall(r'<article class="([a-z ]+)">', told)


def test_html_needs_nothing_from_elsewhere() -> None:
    told = page.render(whole()).decode()
    assert ([], True) == (re.findall(r"\bsrc=|href=|url\(", told), "default-src 'none'" in told)


def test_a_hostile_name_can_neither_link_nor_format_in_markdown() -> None:
    told = markdown.render(hostile()).decode()
    outside = re.sub(r"(`+) ?.*? ?\1", "", told)
    assert ([], []) == (re.findall(r"<\w", outside), re.findall(r"(?<!\\)\]\(", outside))


@pytest.mark.parametrize(
    ("text", "said"), [("a`b", "`` a`b ``"), ("plain", "`plain`"), ("a|b", "`a\\x7cb`"), ("``", "``` `` ```"), ("", "` `")]
)
def test_code_in_markdown_holds_any_text(text: str, said: str) -> None:
    assert said == markdown.code(text)


def test_markdown_cuts_what_no_ticket_can_hold_and_says_so() -> None:
    many = report(tuple(msgspec.structs.replace(whole().findings[0], fingerprint=f"{n}") for n in range(250)))
    told = markdown.render(many).decode()
    assert (200, True) == (told.count("\n## info"), "... and 50 more findings" in told)


def test_a_clean_report_has_no_findings_in_any_format() -> None:
    clean = report(coverage=Coverage(()))
    told = [reports.chosen(name, ())(clean).decode() for name in reports.OWN]
    assert [False] * len(told) == ["ovl-link-file" in each or NASTY in each for each in told]
