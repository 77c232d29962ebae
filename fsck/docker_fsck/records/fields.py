"""Small text files of the store: a digest, an id, a number. Parsers from bytes to a value or a `Trouble`."""

from collections.abc import Callable
from typing import TypeVar

from docker_fsck.facts import Row
from docker_fsck.ids import is_digest
from docker_fsck.values import Trouble

INT64 = 1 << 63
GO_SPACE = "\t\n\v\f\r \u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
T = TypeVar("T")


def decoded(data: bytes) -> str:
    """`data` as text; bytes that are no UTF-8 stay visible."""
    return data.decode("utf-8", "backslashreplace")


def trimmed(data: bytes) -> str:
    """`data` as text without the white space around it that Go's strings.TrimSpace takes away."""
    return decoded(data).strip(GO_SPACE)


def shown(data: bytes) -> str:
    """How wrong content is told: its length if empty or zeroed, else its first bytes."""
    if not data:
        return "the file is empty"
    if not data.strip(b"\0"):
        return f"{len(data)} bytes, all of them zero"
    head = decoded(data[:80])
    return f"holds {head!r}" + (" and more" if len(data) > 80 else "")  # noqa: PLR2004 - as many as are shown


def field(row: Row, base: str, name: str, parse: Callable[[bytes], T | None]) -> T | Trouble:
    """The file `name` of a record parsed, or why it cannot be."""
    path = f"{base}/{name}"
    if name not in row.entries:
        return Trouble(path, "absent", "no such file")
    data = row.files.get(name)
    if data is None:
        return Trouble(path, "absent", "no such file")
    if isinstance(data, Trouble):
        return data
    value = parse(data)
    return Trouble(path, "malformed", shown(data)) if value is None else value


def optional(row: Row, base: str, name: str, parse: Callable[[bytes], T | None]) -> T | Trouble | None:
    """As `field`, but None where the file is legally absent."""
    return field(row, base, name, parse) if name in row.entries else None


def digest_text(data: bytes) -> str | None:
    """A digest; white space around it is trimmed by the engine (layer/filestore.go)."""
    value = trimmed(data)
    return value if is_digest(value) else None


def cache_id(data: bytes) -> str | None:
    """A driver id as the engine reads it: any text that is not empty (classic-store 5.1)."""
    return trimmed(data) or None


def int64(data: bytes) -> int | None:
    """A decimal number as Go's ParseInt takes it: a sign, digits, nothing around them."""
    value = decoded(data)
    digits = value[1:] if value[:1] in {"+", "-"} else value
    if not (digits.isascii() and digits.isdigit()):
        return None
    short = digits.lstrip("0") or "0"
    number = int(value[: len(value) - len(digits)] + short) if len(short) < 20 else INT64  # noqa: PLR2004 - int64: 19 digits
    return number if -INT64 <= number < INT64 else None


def matching(pattern: "Callable[[str], object]") -> Callable[[bytes], str | None]:
    """A parser of trimmed text that must match."""

    def parse(data: bytes) -> str | None:
        value = trimmed(data)
        return value if pattern(value) else None

    return parse
