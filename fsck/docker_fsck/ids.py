"""Identifiers of the store: what they look like and how they are computed (classic-store 0.3, 5.2)."""

import functools
import hashlib
import re

_ANY_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}", re.ASCII)
HEX64 = re.compile(r"[0-9a-f]{64}", re.ASCII)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
MOUNT_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)
INIT_ID = re.compile(r"[0-9a-f]{64}-init", re.ASCII)
BUILDKIT_ID = re.compile(r"[0-9a-z]{25}", re.ASCII)
DRIVER_ID = re.compile(r"[0-9a-f]{64}(-init)?|[0-9a-z]{25}", re.ASCII)
SHORT_LINK = re.compile(r"[A-Z2-7]{26}", re.ASCII)
REMOVING = re.compile(r"([0-9a-f]{64})-.*removing", re.ASCII | re.DOTALL)
LONGEST_PATH = 255
"""Of a repository name without its registry (distribution/reference); older engines count the registry too."""
USERNS_ROOT = re.compile(r"[0-9]+\.[0-9]+", re.ASCII)


def chain_id(parent: str | None, diff: str) -> str:
    """The chain id of a layer over `parent` (a chain id, None for a base layer): classic-store 5.2."""
    if parent is None:
        return diff
    return "sha256:" + hashlib.sha256(f"{parent} {diff}".encode()).hexdigest()


def chain_ids(diffs: tuple[str, ...]) -> tuple[str, ...]:
    """The chain ids of all prefixes of `diffs`, the base first."""
    chains: list[str] = []
    for diff in diffs:
        chains.append(chain_id(chains[-1] if chains else None, diff))
    return tuple(chains)


def digest(data: bytes) -> str:
    """`sha256:<hex>` of `data`."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def hex_of(ref: str) -> str:
    """The part of a digest behind the colon."""
    return ref.partition(":")[2]


def short(ref: str) -> str:
    """The first 12 digits, as the engine's commands print an id."""
    return ref.removeprefix("sha256:")[:12]


def named(path: str) -> tuple[str, ...]:
    """The parts of a path that are driver ids; a volume's own folder is no driver dir."""
    return () if path.endswith("/_data") else tuple(part for part in path.split("/") if DRIVER_ID.fullmatch(part))


def is_digest(text: str) -> bool:
    """Whether `text` is `sha256:` and 64 lower-case hex digits."""
    return DIGEST.fullmatch(text) is not None


@functools.cache
def _grammar() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """A repository's name and a tag (distribution/reference); compiled when the first tag is looked at."""
    label = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
    domain = rf"(?:{label}(?:\.{label})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
    part = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
    return re.compile(rf"(?:{domain}/)?{part}(?:/{part})*", re.ASCII), re.compile(r"[\w][\w.-]{0,127}", re.ASCII)


def _path(repository: str) -> str:
    """A familiar repository name without its registry, that of Docker Hub with the part that the engine leaves out."""
    registry, slash, rest = repository.partition("/")
    if not slash:
        return f"library/{repository}"
    return rest if registry == "localhost" or {".", ":"} & set(registry) else repository


def reference_fault(repository: str, reference: str) -> str | None:
    """Why a pair of keys of repositories.json is not well-formed (classic-store 2), None if it is."""
    name, tag = _grammar()
    if name.fullmatch(repository) is None:
        return "the repository name does not parse"
    if len(_path(repository)) > LONGEST_PATH:
        return f"the repository name has more than {LONGEST_PATH} characters"
    if not reference.startswith(repository):
        return "the reference does not start with its repository"
    rest = reference[len(repository) :]
    if rest.startswith(":"):
        return None if tag.fullmatch(rest[1:]) else "the tag does not parse"
    if rest.startswith("@"):
        return None if _ANY_DIGEST.fullmatch(rest[1:]) else "the digest does not parse"
    return "neither a tag nor a digest follows the repository"
