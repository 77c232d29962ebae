"""What can still be read in a damaged database: JSON objects by their shape, wherever they lie; it is told, never built upon."""

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

MOST, LONGEST = 10_000, 1 << 16


def objects(data: bytes, start: re.Pattern[bytes]) -> Iterator[dict[str, Any]]:
    """The whole objects of `data` that begin as `start` says; those of freed pages, old or removed, are among them."""
    decoder = json.JSONDecoder()
    for found in itertools.islice(start.finditer(data), MOST):
        try:
            value, _ = decoder.raw_decode(data[found.start() : found.start() + LONGEST].decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value
