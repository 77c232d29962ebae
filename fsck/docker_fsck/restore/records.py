"""Numbers, texts and records of tar headers (tar(5)); pure. What does not parse is a `BrokenError`, never a guess."""

import os

from docker_fsck.restore.stream import BrokenError

XATTR = "SCHILY.xattr."
_DIGITS = 9
_LONGEST = 20


def text(data: bytes) -> str:
    """What stands before the first NUL."""
    return os.fsdecode(data.partition(b"\0")[0])


def field(data: bytes) -> int:
    """A number of a header: octal text, or base 256 where the top bit is set."""
    if data[0] & 0x80:
        bits = 8 * len(data) - 1
        value = int.from_bytes(data, "big") & ((1 << bits) - 1)
        return value - (1 << bits) if data[0] & 0x40 else value
    digits = data.strip(b" \0")
    if digits.strip(b"01234567"):
        raise BrokenError("it is no tar, or a header in it is damaged")
    return int(digits, 8) if digits else 0


def decimal(data: bytes) -> int:
    """A number of an extension header."""
    if not data.removeprefix(b"-").isdigit() or len(data) > _LONGEST:
        raise BrokenError(f"a number in the tar is {data!r}")
    return int(data)


def fraction(data: bytes) -> int:
    """Nanoseconds of a decimal number of seconds; what is finer is cut off."""
    whole, _, rest = data.partition(b".")
    part = decimal(rest[:_DIGITS].ljust(_DIGITS, b"0"))
    return decimal(whole) * 10**9 + (-part if whole.startswith(b"-") else part)


def records(data: bytes) -> dict[str, bytes]:
    """The records `LENGTH KEY=VALUE` of an extension header; one without a value takes back what was said before."""
    found: dict[str, bytes] = {}
    at = 0
    while at < len(data):
        length, space, _ = data[at : at + _LONGEST].partition(b" ")
        end = at + int(length) if space and length.isdigit() else 0
        key, equals, value = data[at + len(length) + 1 : end - 1].partition(b"=")
        if not at < end <= len(data) or data[end - 1 : end] != b"\n" or not equals or not key:
            raise BrokenError("an extension header in the tar is damaged")
        name = os.fsdecode(key)
        if "\0" in name or (b"\0" in value and not name.startswith(XATTR)):
            raise BrokenError("an extension header in the tar is damaged")
        if value:
            found[name] = value
        else:
            found.pop(name, None)
        at = end
    return found
