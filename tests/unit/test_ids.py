"""Identifiers: chain ids by the formula of the format, and the grammar of references, held against the engine's own."""

import hashlib
import time
from typing import Any

import pytest
from msgspec import Struct

from docker_fsck import ids
from docker_fsck.ids import chain_id, chain_ids, digest, hex_of, is_digest, reference_fault, short

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"


class Reference(Struct, frozen=True):
    """Whether Docker 20.10.24 parses a reference and lists the image under it, and whether our answer is another on purpose."""

    engine: bool
    ours: bool | None = None


def named(name: str, engine: bool, **terms: Any) -> tuple[tuple[str, str], Reference]:
    """A repository name with a plain tag."""
    return (name, f"{name}:1"), Reference(engine, **terms)


def behind(rest: str, engine: bool, **terms: Any) -> tuple[tuple[str, str], Reference]:
    """A plain repository with something behind it."""
    return ("a", f"a{rest}"), Reference(engine, **terms)


REFERENCES = dict(
    [
        named("a", True),
        named("localhost", True),
        named("localhost/x", True),
        named("localhost:5000/x", True),
        named("host.example:5000/a/b", True),
        named("Host.Example/a", True),
        named("1.2.3.4:5000/a", True),
        named("h.example:0/a", True),
        named("h.example:999999/a", True),
        named("h_x.example/a", True),
        named("h.example:/a", False),
        named("-h.example/a", False),
        named("h-.example/a", False),
        named("HOST/a", False, ours=True),
        named("[::1]/a", False, ours=True),
        named("[::1]:5000/a", False, ours=True),
        named("foo/Bar", False),
        named("A", False),
        named("a//b", False),
        named("a/", False),
        named("/a", False),
        named("a b", False),
        named("\u00e9", False),
        named("a\n", False),
        named("x.y", True),
        named("x_y", True),
        named("x__y", True),
        named("x--y", True),
        named("x-----y", True),
        named("x___y", False),
        named("x..y", False),
        named("x-_y", False),
        named("x-", False),
        named("x_", False),
        named("-x", False),
        named("_x", False),
        named(".x", False),
        named("sha256", True),
        named(HEX, True),
        named(f"x/{HEX}", True),
        named("docker.io/library/a", True),
        named("n" * 237, True),
        named("n" * 238, False, ours=True),
        named("n" * 247, False, ours=True),
        named("n" * 248, False),
        named("h.x/" + "n" * 251, True),
        named("h.x/" + "n" * 252, False, ours=True),
        named("h.x/" + "n" * 255, False, ours=True),
        named("h.x/" + "n" * 256, False),
        named("localhost/" + "n" * 255, False, ours=True),
        named("localhost/" + "n" * 256, False),
        named("user/" + "n" * 250, False, ours=True),
        named("user/" + "n" * 251, False),
        behind(":T-1_2.3", True),
        behind(":_t", True),
        behind(":" + "t" * 128, True),
        behind(":" + "t" * 129, False),
        behind(":.t", False),
        behind(":-t", False),
        behind(":t t", False),
        behind(":t\n", False),
        behind(":t\u00e9", False),
        behind(":", False),
        behind("", False),
        behind(f"@{DIGEST}", True),
        behind(f"@sha256:{HEX.upper()}", False),
        behind(f"@sha256:{HEX[1:]}", False),
        behind(f"@sha256:{HEX}0", False),
        behind("@sha512:" + "b" * 128, True),
        behind("@md5:" + "b" * 32, False),
        behind("@", False),
        behind(f":1@{DIGEST}", True, ours=False),
        (("sha256", f"sha256@{DIGEST}"), Reference(True)),
        (("a", "b:1"), Reference(True, ours=False)),
        (("a", "ab:1"), Reference(True, ours=False)),
        (("a", "a/b:1"), Reference(True, ours=False)),
        (("x.y/a", "a:1"), Reference(True, ours=False)),
        (("", ""), Reference(False)),
    ]
)
"""By repository and reference. Where `ours` is set there is a reason: newer engines take an upper case registry without a dot
and one by IPv6, and do not count the registry among the 255 characters of a name;
a reference under another repository is listed, but the engine looks it up by its own and does not find it."""


@pytest.mark.parametrize(
    ("repository", "reference", "good"),
    [
        pytest.param(
            *key,
            row.engine if row.ours is None else row.ours,
            id=f"{key[1][:40]} in {key[0][:20]}".encode("ascii", "backslashreplace").decode().replace("\n", "\\n"),
        )
        for key, row in REFERENCES.items()
    ],
)
def test_a_reference_is_well_formed_where_the_engine_can_use_it(repository: str, reference: str, good: bool) -> None:
    assert good is (reference_fault(repository, reference) is None)


@pytest.mark.parametrize(
    ("repository", "reference", "words"),
    [
        ("A", "A:1", "the repository name does not parse"),
        ("a", "b:1", "the reference does not start with its repository"),
        ("a", "a:", "the tag does not parse"),
        ("a", "a@x", "the digest does not parse"),
        ("a", "a", "neither a tag nor a digest follows the repository"),
    ],
)
def test_a_fault_of_a_reference_says_which_part_is_wrong(repository: str, reference: str, words: str) -> None:
    assert words == reference_fault(repository, reference)


@pytest.mark.parametrize("part", ["a", "a.", "a-", "a/", "A", "a_", "[:", "a--"])
def test_a_hostile_name_is_judged_in_linear_time(part: str) -> None:
    before = time.perf_counter()
    reference_fault(part * 50_000, part * 50_000 + "!")
    assert time.perf_counter() - before < 2


def test_the_chain_id_of_a_base_layer_is_its_diff_id() -> None:
    assert DIGEST == chain_id(None, DIGEST)


def test_a_chain_id_is_the_digest_of_parent_and_diff_with_a_space_between() -> None:
    other = "sha256:" + "f" * 64
    assert "sha256:" + hashlib.sha256(f"{other} {DIGEST}".encode()).hexdigest() == chain_id(other, DIGEST)


def test_the_chain_ids_of_all_prefixes_come_with_the_base_first() -> None:
    diffs = tuple("sha256:" + str(n) * 64 for n in range(3))
    first, second = diffs[0], chain_id(diffs[0], diffs[1])
    assert ((), (first, second, chain_id(second, diffs[2]))) == (chain_ids(()), chain_ids(diffs))


def test_chain_ids_are_those_that_an_engine_gave_its_folders() -> None:
    """Two records of Docker 28.5, one above the other, from the corpus docker28.5-overlay2-buildkit."""
    base = "sha256:59fb78d98de6b139035854179beb63bd3533568f1dc0d6b16b32a79db0e993b6"
    middle = "sha256:0fb82b12329fa22f9baf2c15152d8d0eabda0080a57e04465990477b5ed45524"
    top = "sha256:7c6a84de12aa7d6fdc854ae7bba981e1adfb12117713b4325db3360043aa301e"
    assert middle == chain_id(base, "sha256:8ddcc46091d1d52abef4b7fbb1931108774c75ed9399660d9d25a713facc07f6")
    assert top == chain_id(middle, "sha256:63ba7c3d8b2702458ee98d64504f4ad297734202fe9d86469524e22d32e0a2eb")


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (DIGEST, True),
        (HEX, False),
        (DIGEST[:-1], False),
        (DIGEST + "0", False),
        (DIGEST.upper(), False),
        (f"sha256:{HEX.upper()}", False),
        (f"{DIGEST}\n", False),
        (f"sha512:{HEX}", False),
        ("sha256:" + "\u0661" * 64, False),
        ("", False),
    ],
)
def test_a_digest_is_sha256_and_64_small_hex_digits(text: str, good: bool) -> None:
    assert good is is_digest(text)


@pytest.mark.parametrize(
    ("name", "good"),
    [
        (HEX, True),
        (f"{HEX}-init", True),
        ("0123456789abcdefghijklmno", True),
        ("l", False),
        (HEX[1:], False),
        (f"{HEX}-x", False),
        (HEX.upper(), False),
        (f"{HEX}\n", False),
        ("0123456789abcdefghijklmn", False),
        ("0123456789abcdefghijklmnO", False),
    ],
)
def test_a_driver_id_is_64_hex_digits_perhaps_with_init_or_25_of_base_36(name: str, good: bool) -> None:
    assert good is (ids.DRIVER_ID.fullmatch(name) is not None)


@pytest.mark.parametrize(
    ("name", "chain"),
    [
        (f"{HEX}-{HEX}-removing", HEX),
        (f"{HEX}-removing", HEX),
        (f"{HEX}-a\nb-removing", HEX),
        (f"{HEX}removing", None),
        (f"{HEX}-removing2", None),
        (f"{HEX[1:]}-x-removing", None),
    ],
)
def test_a_record_in_removal_tells_its_chain(name: str, chain: str | None) -> None:
    found = ids.REMOVING.fullmatch(name)
    assert chain == (found[1] if found else None)


def test_small_helpers_cut_digests() -> None:
    assert (HEX, HEX[:12], HEX[:12]) == (hex_of(DIGEST), short(DIGEST), short(HEX))
    assert "sha256:" + hashlib.sha256(b"x").hexdigest() == digest(b"x")
