"""What was verified when, outside the data root: one line a layer, appended as soon as it is known."""

import hashlib
import os
from pathlib import Path

import msgspec

from docker_fsck.errors import UsageError
from docker_fsck.verdicts import State

FILE = "verified.jsonl"
MOST_BYTES = 256 << 20
_LINE, _WORN = 4 << 10, 4


class Seen(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last verdict on a layer; `at` in seconds since the epoch. `odd`: it is whole, and there was something to tell of it."""

    chain: str
    state: State
    at: float
    odd: bool = False

    @property
    def good(self) -> bool:
        """Whether there was nothing to tell."""
        return self.state == "whole" and not self.odd


class Memory:
    """The verdicts on the layers of one tree. Lines that cannot be read, as of a full disk, are as if they were not there."""

    def __init__(self, state_dir: str, root: str, tree: str) -> None:
        """Read what is there. A `UsageError` if the folder cannot be used."""
        name = hashlib.sha256(f"{root}\0{tree}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self._path = Path(state_dir, name, FILE)
        self.seen: dict[str, Seen] = {}
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lines = self._read() if self._path.exists() else 0
            if lines > _WORN * len(self.seen) + _WORN:
                self._renew()
            self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UsageError(f"--state-dir {state_dir}: {error.strerror or error}") from None

    def _read(self) -> int:
        """Take every line; how many there are."""
        lines = 0
        with self._path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > MOST_BYTES:
                raise UsageError(f"{self._path}: larger than {MOST_BYTES >> 20} MiB and not read; remove it")
            while line := file.readline(_LINE):
                lines += 1
                self._take(line)
        return lines

    def _take(self, line: bytes) -> None:
        try:
            seen = msgspec.json.decode(line, type=Seen)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return
        self.seen[seen.chain] = seen

    def _renew(self) -> None:
        """Only the last line of each layer."""
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in self.seen.values()))
        fresh.rename(self._path)

    def note(self, seen: Seen) -> None:
        """Remember a verdict; one write, so that it is there as a whole or not at all."""
        self.seen[seen.chain] = seen
        os.write(self._file, b"\n" + msgspec.json.encode(seen) + b"\n")

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)
