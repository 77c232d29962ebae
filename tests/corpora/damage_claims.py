"""Why a damage that no check can report is none, or cannot be seen: the claims behind `same` and `alone` in docs/damages.md."""

from typing import Literal

from msgspec import Struct


class Claim(Struct, frozen=True):
    """`same`: the engine answers the same. `alone`: nothing else on the disk has the fact. `why`: the reason."""

    entry: Literal["same", "alone"]
    why: str


CLAIMS: dict[tuple[str, str], Claim] = {}
