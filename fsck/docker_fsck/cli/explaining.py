"""The command explain: a rule's card, or what an engine's words mean; with --root it also runs the rules that they name."""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path

import msgspec

from docker_fsck import explain as pages
from docker_fsck import rules as cards
from docker_fsck.cli import session
from docker_fsck.cli.edge import Call
from docker_fsck.cli.telling import view
from docker_fsck.errors import INCOMPLETE, UsageError
from docker_fsck.reports import document, text
from docker_fsck.reports.lines import Line, line
from docker_fsck.reports.words import escape
from docker_fsck.rules import Rule
from docker_fsck.sayings.matching import Told, match, nearest
from docker_fsck.sayings.saying import Saying
from docker_fsck.values import Report

_RULE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
MOST_BYTES = 1 << 30
SHOWN = 80


def explain(call: Call) -> int:
    """`explain RULE`, `explain TEXT`, `explain FILE` or `explain -`."""
    words: list[str] = getattr(call.given, "which", [])
    form = call.simple_format()
    rules = cards.named(session.load(call).rules)
    if len(words) == 1 and words[0] in rules:
        return _card(call, rules[words[0]], form)
    own = tuple(pages.saying(rule) for rule in {id(each): each for each in rules.values()}.values() if rule.section(pages.DAEMON))
    lines = _Kept(_lines(call, words))
    found = match(lines, own)
    if not found:
        raise UsageError(_unknown(words, lines.first, rules, own))
    return _tell(call, found, rules, form)


def _card(call: Call, rule: Rule, form: str) -> int:
    if form == "json":
        call.edge.terminal.data(document.pretty(pages.card(rule)))
    else:
        call.edge.terminal.lines(pages.lines(rule))
    return 0


class _Kept:
    """Lines that are gone through once; the first of them are kept for the case that they say nothing."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines, self.first = lines, ""

    def __iter__(self) -> Iterator[str]:
        for each in self.lines:
            if len(self.first) < 1000:  # noqa: PLR2004 - enough for a message
                self.first += each + " "
            yield each


def _lines(call: Call, words: list[str]) -> Iterator[str]:
    """The text that is to be explained: from standard input, a file, or the words themselves."""
    if words == ["-"]:
        yield from call.edge.terminal.input_lines()
    elif len(words) == 1 and "\n" not in words[0] and _is_file(words[0]):
        yield from _of_file(words[0])
    else:
        yield from " ".join(words).splitlines()


def _is_file(word: str) -> bool:
    try:
        return Path(word).is_file()
    except (OSError, ValueError):  # too long for a name, or a zero byte in it
        return False


def _of_file(path: str) -> Iterator[str]:
    try:
        with Path(path).open(encoding="utf-8", errors="backslashreplace") as file:
            while piece := file.readline(1 << 16):
                yield piece
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None


def _unknown(words: list[str], first: str, rules: dict[str, Rule], own: tuple[Saying, ...]) -> str:
    """Why there is nothing to explain, with what comes nearest."""
    if len(words) == 1 and _RULE.fullmatch(words[0]):
        near = get_close_matches(words[0], rules, 3, 0.5)
        return f"no rule is called {words[0]!r}{', perhaps ' + ' or '.join(near) if near else ''}; `docker-fsck rules` lists them"
    near_texts = nearest(first, own)
    hint = "; nearest: " + " | ".join(near_texts) if near_texts else ""
    return f"nothing is known of this text: {escape(first.strip()[:SHOWN])!r}{hint}"


def _tell(call: Call, found: tuple[Told, ...], rules: dict[str, Rule], form: str) -> int:
    judged = (rules[name] for told in found for name in told.saying.rules if name in rules)
    names = tuple(dict.fromkeys(rule.name for rule in judged if not rule.gate))  # those want a version to be asked about
    report = _checked(call, names) if call.one("root") is not None else None
    if form == "json":
        call.edge.terminal.data(document.pretty({"matches": [_plain(told, rules) for told in found], "report": report}))
    else:
        call.edge.terminal.lines(each for told in found for each in pages.told_lines(told, rules))
        if report is not None:
            call.edge.terminal.lines([line("These rules on the root:", "head"), *_report_lines(call, report)])
        elif call.one("root") is not None:
            call.edge.terminal.lines([line("No rule of this version judges that, so nothing was checked.", "warning")])
    if call.one("root") is None:
        return 0
    return report.exit if report is not None else INCOMPLETE


def _checked(call: Call, names: tuple[str, ...]) -> Report | None:
    """The report of just these rules; None if there is none of them."""
    if not names:
        return None
    narrowed = msgspec.structs.replace(
        call, config=msgspec.structs.replace(call.config, rules_only=names, rules_skip=(), report=())
    )
    return session.survey(narrowed, session.policy(narrowed)).report


def _report_lines(call: Call, report: Report) -> Iterator[Line]:
    return text.found_only(report, view(call)) if report.findings or report.exit else iter([text.one_line(report)])


def _plain(told: Told, rules: dict[str, Rule]) -> dict[str, object]:
    saying = told.saying
    return {
        "line": told.line,
        "count": told.count,
        "cases": {case: pages.title_of_case(case) for case in saying.cases},
        "rules": [name for name in saying.rules if name in rules],
        "means": saying.means,
        "do": saying.do,
        "paths": told.paths,
        "ids": told.ids,
    }
