"""How the value of each setting is read, from text or from TOML; a ValueError says what is wanted. Pure."""

import re
from collections.abc import Callable

from docker_fsck.errors import UsageError
from docker_fsck.grades import Level, Severity

LEVELS = tuple(Level)
MOST_JOBS = 1024
MILLENNIUM = 365_250 * 86400.0
"""As good as for ever, and still a time that calendars and clocks can be asked about."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_DURATION = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)

Read = Callable[[object], object]


def duration(value: object) -> float:
    """Seconds of `0s`, `30m`, `24h`, `14d` or `2w`, of more than a thousand years those; a ValueError says what is wanted."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("wants a duration like 0s, 30m, 24h or 14d")
    return min(float(int(found[1]) * _UNITS[found[2]]), MILLENNIUM)


def some_time(value: object) -> float | None:
    """A duration, None for none."""
    return None if value is None else duration(value)


def count(value: object) -> int | None:
    """A number of processes; None: as many as there are processors."""
    if value is None:
        return None
    number = int(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number <= MOST_JOBS:
        raise ValueError(f"wants a number from 1 to {MOST_JOBS}")
    return number


def switch(value: object) -> bool:
    """True or false."""
    found = {"true": True, "false": False}.get(value) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise ValueError("wants true or false")  # noqa: TRY004 - `load` knows a wrong value by ValueError
    return found


def text(value: object) -> str:
    """Text that is not empty."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("wants text that is not empty")
    return value


def maybe(value: object) -> str | None:
    """Text, None for none."""
    return None if value is None else text(value)


def subset(value: object) -> str | None:
    """A part of the layers, None for all."""
    found = maybe(value)
    if found is not None:
        from docker_fsck.verify import budget  # noqa: PLC0415 - few runs have a budget

        try:
            budget.subset(found)
        except UsageError:
            raise ValueError("wants a part like 1/5, a share like 10% or a size like 10G") from None
    return found


def rate(value: object) -> str | None:
    """Bytes a second, None for any."""
    found = maybe(value)
    if found is not None:
        from docker_fsck.verify import budget  # noqa: PLC0415

        try:
            budget.size(found.removesuffix("/s"), "")
        except UsageError:
            raise ValueError("wants a rate like 100M/s") from None
    return found


def items(value: object) -> tuple[str, ...]:
    """A list as it is; text is split at commas."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not all(isinstance(each, str) and "\0" not in each for each in parts):
        raise ValueError("wants a list of texts")
    return tuple(each.strip() for each in parts if each.strip())


def names(value: object) -> tuple[str, ...]:
    """As `items`, and each text of a list may again be several with commas between."""
    return tuple(name for each in items(value) for name in items(each))


def one_of(*choices: str) -> Read:
    """What reads one of these words."""

    def read(value: object) -> str:
        if value not in choices:
            raise ValueError(f"wants one of {', '.join(choices)}")
        return str(value)

    return read


def level(value: object) -> Level:
    """How deep a check looks."""
    return Level(str(one_of(*LEVELS)(value)))


def threshold(value: object) -> Severity | None:
    """The severity that fails a run, None for never."""
    word = one_of(*Severity, "never")(value)
    return None if word == "never" else Severity(str(word))


def severities(value: object) -> dict[str, Severity]:
    """A table of severities by rule; text is `rule=severity` with commas between."""
    pairs = dict(each.partition("=")[::2] for each in items(value)) if isinstance(value, str) else value
    if not isinstance(pairs, dict):
        raise ValueError('wants a table of rule = "severity"')  # noqa: TRY004 - `load` knows a wrong value by ValueError
    words = {str(rule).strip(): word.strip() if isinstance(word, str) else word for rule, word in pairs.items()}
    return {rule: Severity(str(one_of(*Severity)(word))) for rule, word in words.items()}
