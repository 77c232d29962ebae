"""JSON as Go's encoding/json reads it: member names fold their case, bytes that are no UTF-8 are replaced.

The engine is the judge of what can be read (classic-store 2, 10.4), so its leniencies are ours, and so is what it rejects:
a member of the wrong type makes the whole document unreadable for it.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from docker_fsck.values import Trouble

_decoder = msgspec.json.Decoder()
_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)([.,]\d+)?(?:Z|[+-](\d\d):(\d\d))", re.ASCII)
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_LONG = 400
_HALVES = re.compile("[\ud800-\udfff]")


def _number(text: str) -> float:
    return int(text) if len(text) < _LONG else float("inf")


def _constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


class Members(dict[str, Any]):
    """An object in which members stand twice, or in two spellings; as a dict the last of equal names counts. `pairs`: all."""

    def __init__(self, pairs: Iterable[tuple[str, Any]]) -> None:
        """Keep what a dict would drop."""
        self.pairs = tuple(pairs)
        super().__init__(self.pairs)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(pairs) if len({name.casefold() for name, _ in pairs}) == len(pairs) else Members(pairs)


_lenient = json.JSONDecoder(parse_int=_number, parse_constant=_constant, object_pairs_hook=_object)


def strict(data: bytes, path: str) -> Any:  # noqa: ANN401 - JSON is any value
    """The value of `data`, which holds nothing else (json.Unmarshal); a `Trouble` otherwise.

    The quick way, for documents in which nothing is expected to stand twice: of equal members it keeps the last.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return every(data, path)


def every(data: bytes, path: str) -> Any:  # noqa: ANN401 - JSON is any value
    """As `strict`, with every member of every object: `member` takes of them what Go takes."""
    value, rest = _value(data, path)
    if isinstance(value, Trouble) or not rest.strip(" \t\r\n"):
        return value
    return Trouble(path, "malformed", f"not JSON: something follows the value: {rest.strip()[:20]!r}")


def first(data: bytes, path: str) -> Any:  # noqa: ANN401 - JSON is any value
    """The first value of `data` with every member; what follows is ignored (json.NewDecoder(f).Decode)."""
    return _value(data, path)[0]


def stream(data: bytes, path: str) -> Iterator[Any]:
    """All values of `data`, one after the other; a `Trouble` as the last where one cannot be read."""
    while data.strip(b" \t\r\n"):
        value, rest = _value(data, path)
        yield value
        data = b"" if isinstance(value, Trouble) else rest.encode("utf-8", "replace")


def _value(data: bytes, path: str) -> tuple[Any, str]:
    """The first value and what follows it."""
    if not data:
        return Trouble(path, "malformed", "the file is empty"), ""
    if not data.strip(b"\0"):
        return Trouble(path, "malformed", f"{len(data)} bytes, all of them zero"), ""
    text = data.decode("utf-8", "replace").lstrip(" \t\r\n")
    try:
        value, end = _lenient.raw_decode(text)
    except RecursionError:
        return Trouble(path, "malformed", "nested too deeply"), ""
    except ValueError:
        return Trouble(path, "malformed", f"not JSON: {_why(data)}"), ""
    return _whole(value), text[end:]


def _why(data: bytes) -> str:
    """What is wrong with `data`, in the words of the quick reader, which names the byte."""
    try:
        _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        why = str(error)
        return why if why[:2].isupper() else why[:1].lower() + why[1:]
    return "the engine would not read it"


def _whole(value: Any) -> Any:  # noqa: ANN401 - JSON is any value
    """Halves of surrogate pairs replaced, as Go does."""
    if _encodes(value):
        return value
    return json.loads(_HALVES.sub("\ufffd", json.dumps(value, ensure_ascii=False)))


def _encodes(value: Any) -> bool:  # noqa: ANN401 - JSON is any value
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def member(value: dict[str, Any], name: str) -> Any:  # noqa: ANN401 - JSON is any value
    """The member `name`, as Go finds it, whatever the case of its letters; None if it is not there.

    Of one that stands twice Go decodes each into the same value: objects grow together, of the rest the last counts, and
    null takes an object or a list away but leaves a text.
    """
    found: Any = None
    for each in _named(value, name):
        if isinstance(found, dict) and isinstance(each, dict):
            found = Members((*_pairs(found), *_pairs(each)))
        elif each is not None or isinstance(found, dict | list):
            found = each
    return found


def _named(value: dict[str, Any], name: str) -> list[Any]:
    """Every member of this name, in the order of the document."""
    if name in value and not isinstance(value, Members):
        return [value[name]]
    folded = name.casefold()
    return [each for key, each in _pairs(value) if key.casefold() == folded]


def _pairs(value: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    return value.pairs if isinstance(value, Members) else value.items()


def text(value: dict[str, Any], name: str) -> str | None:
    """The member `name` if it is a string, empty if it is absent or null, None if it is of another type."""
    found = member(value, name)
    if found is None:
        return ""
    return found if isinstance(found, str) else None


def ill_typed(value: Any, shape: Mapping[str, str]) -> str | None:  # noqa: ANN401 - JSON is any value
    """The first member of the object `value` whose type Go would reject, in words; None if there is none.

    `shape` maps names to text, flag, integer, time, object, texts (a list
    of strings), words (a string or texts), list. Null fits every type.
    """
    for name, kind in shape.items():
        if any(found is not None and not _fits(found, kind) for found in _named(value, name)):
            return f"{name} is no {kind}"
    return None


def _fits(value: Any, kind: str) -> bool:  # noqa: ANN401 - JSON is any value
    match kind:
        case "text":
            return isinstance(value, str)
        case "flag":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "time":
            return isinstance(value, str) and is_time(value)
        case "object":
            return isinstance(value, dict)
        case "words":
            return isinstance(value, str) or _fits(value, "texts")
        case "texts":
            return isinstance(value, list) and all(isinstance(each, str | None) for each in value)
        case _:
            return isinstance(value, list)


def is_time(value: str, digits: int = _LONG) -> bool:
    """Whether Go's time.Parse takes `value` as RFC 3339, with so many digits of a second: there must be such a time.

    Time.UnmarshalJSON does the same to this day, the strict reading being switched off (go.dev/issue/54580): digits beyond the
    ninth are dropped, an hour may lack its zero, an offset may have 24 hours and 60 minutes. Up to Go 1.19 offsets had no bounds.
    """
    found = _TIME.fullmatch(value)
    if found is None or len(found[7] or "") > digits + 1:
        return False
    numbers = [int(each) if each and each.isdigit() else 0 for each in found.groups()]
    year, month, day, hour, minute, second, _, zone_hour, zone_minute = numbers
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = _DAYS[month - 1] + (month == 2 and leap) if 1 <= month <= len(_DAYS) else 0  # noqa: PLR2004 - February
    return 1 <= day <= days and hour < 24 and minute < 60 and second < 60 and zone_hour <= 24 and zone_minute <= 60  # noqa: PLR2004 - a day's


def labels(config: Any) -> tuple[tuple[str, str], ...]:  # noqa: ANN401 - JSON is any value
    """The `Labels` of a run configuration, by name; values that are no text are left out."""
    found = member(config, "Labels") if isinstance(config, dict) else None
    rows = found.items() if isinstance(found, dict) else ()
    return tuple(sorted((name, value) for name, value in rows if isinstance(value, str)))


def respelt(value: object, known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Members of an object with a name that no engine knows and that is one bit from one that is not there; each with that one.

    Go takes no notice of a member that it does not know, nor of case.
    """
    there = {name.casefold() for name in value} if isinstance(value, dict) else set()
    names = {name.casefold() for name in known}
    for name in value if isinstance(value, dict) and not there <= names else ():
        if name.casefold() not in names:
            yield from ((name, each) for each in sorted(known) if each.casefold() not in there and _bits(name, each) == 1)


def _bits(name: str, other: str) -> int:
    """In how many bits two names differ; a byte that is no UTF-8 was read as U+FFFD and differs in its highest."""
    if len(name) != len(other):
        return 8 * (len(name) + len(other))
    return sum(1 if one == "\ufffd" else (ord(one) ^ ord(two)).bit_count() for one, two in zip(name, other, strict=True))
