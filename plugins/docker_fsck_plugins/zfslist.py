"""What `zfs list` printed, as values; pure."""

import msgspec

PROBE = "zfs list -H -p -t filesystem,snapshot -o name,origin,used,mountpoint,type,creation"
FIELDS = (5, 6)
KINDS = frozenset({"filesystem", "snapshot", "volume", "bookmark"})
NONE = frozenset({"", "-", "none"})


class Dataset(msgspec.Struct, frozen=True):
    """A line of the list. `origin`: the snapshot that it is a clone of, else empty. `used` in bytes. `born_ns`: 0 if not told."""

    name: str
    origin: str
    used: int
    mountpoint: str
    kind: str
    born_ns: int

    @property
    def base(self) -> str:
        """The last part of the name."""
        return self.name.rpartition("/")[2]

    @property
    def above(self) -> str:
        """The dataset that it lies in."""
        return self.name.rpartition("/")[0]


def parse(text: str) -> dict[str, Dataset] | str:
    """The datasets by name, or why this is no such list. A line that was cut short could hide a dataset: none is passed over."""
    if not text:
        return "the file is empty"
    if not text.endswith("\n"):
        return "its last line is cut short"
    found: dict[str, Dataset] = {}
    for number, line in enumerate(text[:-1].split("\n"), 1):
        row = _row(line)
        if row is None or row.name in found:
            return f"line {number} is not one of a dataset" if row is None else f"line {number} names {row.name} again"
        found[row.name] = row
    return found


def _row(line: str) -> Dataset | None:
    words = line.split("\t")
    if len(words) not in FIELDS:
        return None
    name, origin, used, mountpoint, kind, *born = words
    numbers = (used, *born)
    if not name or kind not in KINDS or not all(each.isascii() and each.isdigit() and len(each) < 20 for each in numbers):  # noqa: PLR2004 - 64 bits
        return None
    seconds = int(born[0]) if born else 0
    return Dataset(name, "" if origin in NONE else origin, int(used), mountpoint, kind, seconds * 1_000_000_000)
