"""The command explain: cards, pasted words, files, standard input, and with --root a check of just what was named."""

import json
from pathlib import Path

import pytest
from test_cli_kit import broken_root, healthy_root, on, run

LINK = "readlink /var/lib/docker/overlay2/l: invalid argument"


def test_a_card_tells_its_facts_first() -> None:
    told = run("explain", "ovl-link-file").out.splitlines()
    assert ["rule", "severity", "classes", "level", "since", "drivers"] == [row.split()[0] for row in told[3:9]]


def test_pasted_words_name_case_rule_meaning_and_what_to_do() -> None:
    told = run("explain", LINK)
    assert (0, True, True, True) == (
        told.status,
        "FC-02: an overlay2 layer with an empty link" in told.out,
        "docker-fsck explain ovl-link-file" in told.out,
        "do          `docker-fsck apply --class lossless`" in told.out,
    )


def test_words_that_a_shell_split_are_one_text() -> None:
    assert run("explain", LINK).out == run("explain", *LINK.split()).out


def test_standard_input_is_read_to_its_end() -> None:
    log = f"Nov 1 host dockerd: start\nNov 1 host dockerd: {LINK}\nNov 2 host dockerd: {LINK}\nNov 2 host dockerd: max depth exceeded\n"
    told = run("explain", "-", "--format", "json", answers=log).report["matches"]
    assert [(["FC-02"], 2), (["FC-46"], 1)] == [(list(each["cases"]), each["count"]) for each in told]


def test_a_log_file_is_read(tmp_path: Path) -> None:
    log = tmp_path / "docker.log"
    log.write_bytes(b"\xff\xfe junk\n" + LINK.encode() + b"\n")
    assert (0, True) == ((ended := run("explain", str(log))).status, "FC-02" in ended.out)


def test_several_pasted_lines_are_each_explained() -> None:
    told = run("explain", f"{LINK}\nmax depth exceeded").out
    assert (True, True) == ("FC-02" in told, "FC-46" in told)


@pytest.mark.parametrize("text", ["the frobnicator of the volume store metadata is bent", "   "])
def test_unknown_text_is_16_and_says_so(text: str) -> None:
    ended = run("explain", text)
    assert (16, True, "") == (ended.status, "nothing is known of this text" in ended.err, ended.out)


def test_unknown_text_names_what_is_nearest() -> None:
    told = run("explain", "volume store metadata trouble database").err
    assert ["error while opening", "volume store metadata database"] == [
        words for words in ("error while opening", "volume store metadata database") if words in told.partition("nearest: ")[2]
    ]


def test_what_is_said_of_a_hostile_line_is_safe_on_a_terminal() -> None:
    told = run("explain", "-", answers=f"\x1b[2J{LINK} \u202e\n").out
    assert [] == [each for each in told if each != "\n" and not each.isprintable()]


def test_with_a_root_just_the_named_rules_are_run(tmp_path: Path) -> None:
    ended = run(*on(broken_root(tmp_path), "explain", LINK, "--format", "json"))
    report = ended.report["report"]
    ran = {each["rule"] for each in report["coverage"]["rules"]}
    assert (4, {"ovl-link-file", "ovl-lower-through-l"}, ["ovl-link-file"]) == (
        ended.status,
        ran,
        [each["rule"] for each in report["findings"]],
    )


def test_with_a_root_that_is_whole_there_it_says_so(tmp_path: Path) -> None:
    ended = run(*on(healthy_root(tmp_path), "explain", LINK))
    assert (0, True) == (ended.status, "clean (2 rules over" in ended.out)


def test_with_a_root_and_no_rule_for_it_nothing_was_checked(tmp_path: Path) -> None:
    ended = run(*on(healthy_root(tmp_path), "explain", "content digest sha256:1234: not found"))
    assert (8, True) == (ended.status, "nothing was checked" in ended.out)


def test_the_json_of_a_card_is_the_table_of_facts_and_sections() -> None:
    card = json.loads(run("explain", "ovl-link-file", "--format", "json").out)
    assert ("ovl-link-file", "error", "lossless", True) == (
        card["rule"],
        card["severity"],
        card["classes"],
        "Repair" in card["sections"],
    )


def test_a_rule_of_the_gate_is_named_and_not_run(tmp_path: Path) -> None:
    root = healthy_root(tmp_path)
    ended = run("explain", "prior storage driver aufs failed: driver not supported", *on(root))
    assert (0, True) == (ended.status, "docker-fsck explain upgrade-driver-unchosen" in ended.out), ended.err
