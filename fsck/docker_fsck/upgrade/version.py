"""Versions of the engine as the gate compares them; pure."""

import re

import msgspec

_SHAPE = re.compile(r"v?(\d{1,4})(?:\.(\d{1,4}))?(?:\.(\d{1,4}))?(?:[-+~].*)?", re.ASCII)
PADDED = range(17, 20)
"""The majors whose minors are months with two digits: 17.03, 18.06."""


class Version(msgspec.Struct, frozen=True, order=True):
    """A version of the engine; what was not given counts as 0, so that `29` is the first of its kind."""

    major: int
    minor: int = 0
    patch: int = 0

    def __str__(self) -> str:
        minor = f"{self.minor:02}" if self.major in PADDED else f"{self.minor}"
        return f"{self.major}.{minor}" + (f".{self.patch}" if self.patch else "")


FIRST, LAST = Version(1, 10), Version(29)
"""The first engine with this kind of store, and the newest generation whose ways are known here."""


def parse(text: str) -> Version:
    """The version of `29`, `18.06`, `v20.10.24`, `18.06.0-ce`; a ValueError says what is wanted or not known."""
    found = _SHAPE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"wants a version like 29.0 or 20.10, not {text!r}")
    version = Version(*(int(part or 0) for part in found.groups()))
    if version < FIRST:
        raise ValueError(f"engines before {FIRST} keep another kind of store")
    if version.major > LAST.major:
        raise ValueError(
            f"what engine {version} does is not known to this version of docker-fsck, which knows {FIRST} to {LAST.major}"
        )
    return version
