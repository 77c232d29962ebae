"""Ids that look random and are not: the same calls in the same order give the same names."""

import hashlib

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_FIRST_SECOND = "2024-05-01T10:{minute:02}:{second:02}.{nano:09}Z"


class Names:
    """A counter with a seed; every name is given once."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._count = 0

    def count(self) -> int:
        """The next number, from 1."""
        self._count += 1
        return self._count

    def hex(self) -> str:
        """64 hex digits, as for containers and driver dirs."""
        return hashlib.sha256(f"{self._seed} {self.count()}".encode()).hexdigest()

    def digest(self) -> str:
        """`sha256:` and 64 hex digits."""
        return "sha256:" + self.hex()

    def snapshot(self) -> str:
        """25 characters `[0-9a-z]`, as BuildKit names its snapshots."""
        return _spell(int(self.hex(), 16), _BASE36, 25)

    def time(self) -> str:
        """A time of 2024-05-01 with nanoseconds, later than the one before."""
        count = self.count()
        return _FIRST_SECOND.format(minute=count // 60 % 60, second=count % 60, nano=count * 1_001)


def short_name(ident: str) -> str:
    """The 26 characters `[A-Z2-7]` under which overlay2 links to the driver dir `ident`."""
    return _spell(int(hashlib.sha256(f"link {ident}".encode()).hexdigest(), 16), _BASE32, 26)


def _spell(number: int, letters: str, length: int) -> str:
    word = ""
    for _ in range(length):
        number, digit = divmod(number, len(letters))
        word += letters[digit]
    return word
