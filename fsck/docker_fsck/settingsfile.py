"""A file of settings as dotted keys with their values; says in one line why it cannot be read."""

import os
import stat
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from docker_fsck.errors import UsageError

_LIMIT = 16 << 20


def is_there(path: str) -> bool:
    """Whether there is something; what may not be looked at is there: to read it then says why it cannot be."""
    try:
        Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def read(path: str, tables: Collection[str]) -> tuple[list[tuple[str, Any]], bool]:
    """The keys and values of a TOML file, and whether only root can have written it; `tables` are keys whose value is a table.

    Raises `UsageError`.
    """
    import tomli  # noqa: PLC0415 - most runs read no file

    text, trusted = _text(path)
    try:
        return [*_flat(tomli.loads(text), tables)], trusted
    except tomli.TOMLDecodeError as error:
        raise UsageError(f"{path}: {error}") from None
    except (RecursionError, ValueError):  # Python reads no number of thousands of digits
        raise UsageError(f"{path}: it is nested too deeply, or a number in it is too long") from None


def _text(path: str) -> tuple[str, bool]:
    try:
        with Path(path).open("rb") as file:
            found = os.fstat(file.fileno())
            data = file.read(_LIMIT + 1)
        text = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > _LIMIT:
        raise UsageError(f"{path}: larger than {_LIMIT >> 20} MiB, no file of settings")
    return text, found.st_uid == 0 and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _flat(table: Mapping[str, Any], tables: Collection[str], above: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and their values; a table that is a setting itself is one value, and sets nothing if it is empty."""
    for name, value in table.items():
        key = f"{above}{name}"
        if isinstance(value, dict) and (key not in tables or not value):
            yield from _flat(value, tables, f"{key}.")
        else:
            yield key, value
