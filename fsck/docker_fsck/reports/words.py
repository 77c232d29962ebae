"""How names, sizes and counts are put into words that are safe on a terminal; pure."""

from docker_fsck.ids import HEX64

_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_ROUNDS_UP = 999.95
_STRAY = range(0xDC80, 0xDD00)
"""How surrogateescape spells the bytes 0x80 to 0xff that are not UTF-8."""
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def escape(text: str) -> str:
    r"""`text` on one line: control, format and direction characters and stray bytes as `\n`, `\x1b`, `\u202e`.

    Names come from a disk that may be hostile: what they say must not move the cursor, hide text or look like another line.
    """
    if text.isascii() and text.isprintable():
        return text
    import unicodedata  # noqa: PLC0415 - nearly everything is plain ASCII

    return "".join(_spell(each) if unicodedata.category(each) in _UNSAFE else each for each in text)


def _spell(char: str) -> str:
    code = ord(char)
    if code in _STRAY:
        return f"\\x{code - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def size(count: int) -> str:
    """`count` bytes for people, in powers of 1000: `0 bytes`, `12.3 MB`."""
    value = float(count)
    for unit in _UNITS:
        if value < _ROUNDS_UP or unit == _UNITS[-1]:
            break
        value /= 1000
    if unit == "bytes":
        return "1 byte" if count == 1 else f"{count} bytes"
    return f"{value:.1f} {unit}"


def many(count: int, noun: str) -> str:
    """`1 layer`, `2 layers`, `3 snapshots`."""
    plural = noun[:-1] + "ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else noun + "s"
    return f"{count} {noun if count == 1 else plural}"


def brief(ident: str) -> str:
    """A name, safe to print; a long id as the engine's commands print it, in 12 digits."""
    bare = ident.removeprefix("sha256:")
    return bare[:12] if HEX64.fullmatch(bare) else escape(ident)


def listing(names: tuple[str, ...], most: int) -> str:
    """The first `most` names with commas between, and how many more there are."""
    shown = ", ".join(brief(each) for each in names[:most])
    left = len(names) - most
    return f"{shown} and {left} more" if left > 0 else shown
