"""The file of accepted findings, read for a run."""

from pathlib import Path

from docker_fsck import baseline
from docker_fsck.errors import UsageError

MOST_BYTES = 1 << 26


def read(path: str) -> tuple[baseline.Entry, ...]:
    """The entries of the file; a `UsageError` if it cannot be read or is no baseline: then nothing may pass as accepted."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(MOST_BYTES)
    except OSError as error:
        raise UsageError(f"--baseline {path}: {error.strerror or error}") from None
    return baseline.decode(data, path).entries
