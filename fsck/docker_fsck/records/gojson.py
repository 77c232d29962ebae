"""JSON as Go's encoding/json reads it: member names fold their case, bytes that are no UTF-8 are replaced.

The engine is the judge of what can be read (classic-store 2, 10.4), so its leniencies are ours.
"""

import json
from typing import Any

import msgspec

from docker_fsck.values import Trouble

_decoder = msgspec.json.Decoder()
_first = json.JSONDecoder()


def strict(data: bytes, path: str) -> Any:  # noqa: ANN401 - JSON is any value
    """The value of `data`, which holds nothing else (json.Unmarshal); a `Trouble` otherwise."""
    if not data:
        return Trouble(path, "malformed", "the file is empty")
    try:
        return _decoder.decode(data)
    except msgspec.DecodeError as error:
        why = str(error)
    except RecursionError:
        return Trouble(path, "malformed", "nested too deeply")
    try:
        return _decoder.decode(data.decode("utf-8", "replace").encode())
    except (msgspec.DecodeError, RecursionError):
        return Trouble(path, "malformed", _words(data, why))


def first(data: bytes, path: str) -> Any:  # noqa: ANN401 - JSON is any value
    """The first value of `data`; what follows is ignored (json.NewDecoder(f).Decode)."""
    value = strict(data, path)
    if not isinstance(value, Trouble) or not data.strip(b"\0"):
        return value
    text = data.decode("utf-8", "replace").lstrip(" \t\r\n")
    try:
        end = _first.raw_decode(text)[1]
    except (ValueError, RecursionError):
        return value
    again = strict(text[:end].encode(), path)
    return value if isinstance(again, Trouble) else again


def member(value: dict[str, Any], name: str) -> Any:  # noqa: ANN401 - JSON is any value
    """The member `name`, found as Go finds it: exactly, else with case folded; None if it is not there."""
    if name in value:
        return value[name]
    folded = name.casefold()
    return next((value[key] for key in value if key.casefold() == folded), None)


def text(value: dict[str, Any], name: str) -> str | None:
    """The member `name` if it is a string, empty if it is absent or null, None if it is of another type."""
    found = member(value, name)
    if found is None:
        return ""
    return found if isinstance(found, str) else None


def _words(data: bytes, why: str) -> str:
    if not data.strip(b"\0"):
        return f"{len(data)} bytes, all of them zero"
    return f"not JSON: {why[0].lower()}{why[1:]}"
