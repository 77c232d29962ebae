"""Bytes that come in pieces, taken in the portions that a format wants, hashed on the way; bounded memory, nothing is opened."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

PIECE = 256 << 10


class BrokenError(Exception):
    """What was supplied cannot be used; the message says why."""


class Bytes(Protocol):
    """What a tar is read from. `at` is how many bytes went before."""

    at: int

    def take(self, count: int) -> bytes:
        """The next `count` bytes, fewer only at the end."""
        ...

    def skip(self, count: int) -> None:
        """Leave so many bytes out."""
        ...


class Stream:
    """Pieces as one stream. Raises `BrokenError` once more than `most` bytes came; `these` says what bytes those are."""

    def __init__(self, pieces: Iterable[bytes], most: int | None = None, these: str = "that it had before") -> None:
        self._pieces: Iterator[bytes] = iter(pieces)
        self._rest, self._here = b"", 0
        self._sha = hashlib.sha256()
        self._most, self._these, self._come = most, these, 0
        self.at = 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes, fewer only at the end."""
        parts: list[bytes] = []
        while count and (part := self.some(count)):
            parts.append(part)
            count -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def some(self, most: int = PIECE) -> bytes:
        """Some of the next bytes, at most so many; none only at the end."""
        if self._here == len(self._rest) and not self._load():
            return b""
        part = self._rest[self._here : self._here + most]
        self._here += len(part)
        self.at += len(part)
        return part

    def skip(self, count: int) -> None:
        """Leave so many bytes out; they are hashed all the same."""
        while count and (part := self.some(count)):
            count -= len(part)

    def digest(self) -> str:
        """`sha256:<hex>` of everything up to the end, which is read to it."""
        while self.some():
            pass
        return f"sha256:{self._sha.hexdigest()}"

    def _load(self) -> bool:
        self._rest, self._here = next((piece for piece in self._pieces if piece), b""), 0
        self._sha.update(self._rest)
        self._come += len(self._rest)
        if self._most is not None and self._come > self._most:
            raise BrokenError(f"it unpacks to more than the {self._most} bytes {self._these}")
        return bool(self._rest)


class Jumps:
    """Bytes of a file that can be read anywhere, by `read(at, count)`; what is skipped is not read."""

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        self._read = read
        self.at = 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes, fewer only at the end."""
        parts: list[bytes] = []
        while count and (part := self._read(self.at, count)):
            parts.append(part)
            self.at += len(part)
            count -= len(part)
        return b"".join(parts)

    def skip(self, count: int) -> None:
        """Leave so many bytes out."""
        self.at += count
