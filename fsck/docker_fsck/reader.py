"""The only door for reading the data root: everything is opened by folder descriptor, below the root, and never written.

Every open has O_NOFOLLOW, O_CLOEXEC, O_NONBLOCK and O_NOATIME (plain where the right for it lacks), stays on its mount and
checks for a regular file. What cannot be had comes back as a `Trouble`, never as an exception.
"""

import copy
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

from docker_fsck.backing import Backing, backing, typed
from docker_fsck.errors import RootError
from docker_fsck.facts import Facts, Row, entries_of, facts_of, kind_of, trouble
from docker_fsck.fdread import THREADS, all_of, born_ns, disk_reads, last_of, short, threads
from docker_fsck.folders import DIR_FLAGS, MOUNTED, Folders
from docker_fsck.mounttable import foreign_mounts
from docker_fsck.values import Trouble

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

SMALL = 64 << 10
BIG = 64 << 20
QUARANTINE = ".docker-fsck"
_CHUNK = 512
Take = Callable[[int, int, int], bytes]
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class Reader:
    """A data root that can be read. `unread` collects everything that the kernel refused, in the order it was met."""

    def __init__(self, root: str) -> None:
        """Open `root`; a `RootError` says why it cannot be."""
        self.root = os.path.realpath(root)
        try:
            self._folders = Folders(self.root)
        except FileNotFoundError:
            raise RootError(f"{root}: no such folder") from None
        except NotADirectoryError:
            raise RootError(f"{root}: not a folder") from None
        except OSError as error:
            raise RootError(f"{root}: {(error.strerror or str(error)).lower()}") from None
        self._shapes: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
        found = foreign_mounts(self.root)
        self._folders.mounts, self._folders.blind = found or frozenset(), found is None
        self._known()

    def _known(self) -> None:
        """What others ask of the folders."""
        self.unread, self.noatime = self._folders.unread, self._folders.noatime
        self.mounts, self.blind = self._folders.mounts, self._folders.blind

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every descriptor; once is enough."""
        self._folders.close()

    def twin(self) -> Self:
        """Another reader of the same folder, for another process: it shares no descriptor and notes what is unread for itself."""
        made = copy.copy(self)
        made._folders, made._shapes = self._folders.twin(), {}  # noqa: SLF001 - of the same class
        made._known()  # noqa: SLF001
        return made

    def absolute(self, path: str) -> str:
        """`path` as the host names it."""
        return str(Path(self.root, path))

    def space(self) -> tuple[int, int]:
        """Bytes of the root's file system: all, and those that an unprivileged process may still use, as df says. May raise."""
        found = self.backing()
        return found.bytes, found.free

    def backing(self) -> Backing:
        """The root's file system. May raise."""
        return backing(self._folders.fd)

    def typed(self, path: str) -> bool | None:
        """Whether the file system tells the kinds of what the folder `path` holds (d_type); None where nothing tells."""
        fd = self._folders.folder(path)
        return None if isinstance(fd, Trouble) else typed(fd)

    def facts(self, path: str) -> Facts | Trouble:
        """Lstat of `path`."""
        place = self._folders.place(path)
        if isinstance(place, Trouble):
            return place
        try:
            return facts_of(os.stat(place[1] or ".", dir_fd=place[0], follow_symlinks=False))
        except OSError as error:
            return self._folders.note(trouble(path, error))

    def read(self, path: str, limit: int = BIG) -> bytes | Trouble:
        """The bytes of the regular file `path`; one that is larger than `limit` is wrong."""
        place = self._folders.place(path)
        if path in self.mounts:
            return Trouble(path, "wrong", MOUNTED)
        return place if isinstance(place, Trouble) else self._slurp(place[0], place[1], path, limit)

    def tail(self, path: str, limit: int) -> bytes | Trouble:
        """The last bytes of the regular file `path`, at most `limit`."""
        place = self._folders.place(path)
        if path in self.mounts:
            return Trouble(path, "wrong", MOUNTED)
        return place if isinstance(place, Trouble) else self._slurp(place[0], place[1], path, limit, last_of)

    def names(self, path: str) -> dict[str, str] | Trouble:
        """What the folder `path` holds: name to kind, sorted by name."""
        fd = self._folders.folder(path)
        if isinstance(fd, Trouble):
            return fd
        try:
            return dict(sorted(entries_of(fd).items()))
        except OSError as error:
            return self._folders.note(trouble(path, error))

    def folder(self, path: str) -> int | Trouble:
        """A descriptor of the folder `path`, for deep verification; whoever asks closes it."""
        fd = self._folders.folder(path)
        return fd if isinstance(fd, Trouble) else os.dup(fd)

    def opened(self, path: str) -> int | Trouble:
        """A descriptor of the regular file `path`, to be read piece by piece; whoever asks closes it."""
        place = self._folders.place(path)
        if isinstance(place, Trouble) or path in self.mounts:
            return place if isinstance(place, Trouble) else Trouble(path, "wrong", MOUNTED)
        try:
            fd = self._folders.open_at(place[1], _FILE_FLAGS, place[0])
        except OSError as error:
            return self._folders.note(trouble(path, error))
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return fd
        os.close(fd)
        return Trouble(path, "wrong", "no regular file")

    def table(self, base: str, files: tuple[str, ...]) -> Iterator[tuple[str, Row | Trouble]] | Trouble:
        """For each entry of `base`, by name: what the folder holds and the bytes of `files` in it (those that are there).

        An entry that is no folder is a `Trouble`. Read one after the other while the cache answers; by threads as soon as
        the disk must (a cold disk is four times faster so, a warm one a third slower: architecture section 7).
        """
        names = self.names(base)
        fd = self._folders.folder(base)
        if isinstance(names, Trouble):
            return names
        return fd if isinstance(fd, Trouble) else self._rows(fd, base, list(names), files)

    def _rows(self, fd: int, base: str, todo: list[str], files: tuple[str, ...]) -> Iterator[tuple[str, Row | Trouble]]:
        fd = os.dup(fd)
        pool: ThreadPoolExecutor | None = None
        cold = False
        try:
            for start in range(0, len(todo), _CHUNK):
                part = todo[start : start + _CHUNK]
                before = disk_reads()
                if cold:
                    pool = pool or threads()
                    yield from self._ahead(pool, fd, base, part, files)
                else:
                    yield from self._some(fd, base, part, files)
                cold = disk_reads() - before > len(part)  # asked anew for each part: a cache is often warm in places
        finally:
            if pool is not None:
                pool.shutdown()
            os.close(fd)

    def _ahead(
        self, pool: "ThreadPoolExecutor", fd: int, base: str, part: list[str], files: tuple[str, ...]
    ) -> Iterator[tuple[str, Row | Trouble]]:
        """The rows of `part`, read by several threads, in the order of `part`."""
        shares = [part[first::THREADS] for first in range(THREADS)]
        rows = dict(row for share in pool.map(lambda names: self._some(fd, base, names, files), shares) for row in share)
        yield from ((name, rows[name]) for name in part)

    def links(self, base: str) -> dict[str, str | Trouble] | Trouble:
        """For each entry of `base` the text of the symlink; one that is no symlink is a `Trouble`."""
        names, fd = self.names(base), self._folders.folder(base)
        if isinstance(names, Trouble) or isinstance(fd, Trouble):
            return names if isinstance(names, Trouble) else Trouble(base, "absent", "it is gone")
        found: dict[str, str | Trouble] = {}
        for name in names:
            try:
                found[name] = os.readlink(name, dir_fd=fd)
            except OSError as error:
                found[name] = self._folders.note(trouble(f"{base}/{name}", error))
        return found

    def members(self, path: str) -> Iterator[tuple[str, Facts | Trouble]]:
        """Name and lstat of each entry of the folder `path`, in the order of the disk; a `Trouble` for what cannot be had."""
        fd = self._folders.walk(path)
        if isinstance(fd, Trouble):
            yield "", fd
            return
        try:
            with os.scandir(fd) as listing:
                for entry in listing:
                    try:
                        yield entry.name, facts_of(entry.stat(follow_symlinks=False))
                    except OSError as error:
                        yield entry.name, self._folders.note(trouble(f"{path}/{entry.name}", error))
        except OSError as error:
            yield "", self._folders.note(trouble(path, error))
        finally:
            os.close(fd)

    def born_ns(self, path: str) -> int:
        """When the subvolume `path` was made, in ns, 0 where that cannot be told: a snapshot has its source's ctimes."""
        fd = self._folders.folder(path)
        return 0 if isinstance(fd, Trouble) else born_ns(fd)

    def enter(self, path: str) -> int | Trouble:
        """A descriptor of the folder `path` with an offset of its own; the caller closes it."""
        return self._folders.walk(path) if path else self.step(".", self._folders.fd)

    def step(self, name: str, dir_fd: int) -> int:
        """As `enter`, for one name in an open folder. An `OSError` says why not; whether it is another mount is not asked."""
        return self._folders.open_at(name, DIR_FLAGS, dir_fd)

    def _some(self, fd: int, base: str, names: list[str], files: tuple[str, ...]) -> list[tuple[str, Row | Trouble]]:
        return [(name, self._row(fd, base, name, files)) for name in names]

    def _row(self, base_fd: int, base: str, name: str, files: Iterable[str]) -> Row | Trouble:
        path = f"{base}/{name}" if base else name
        if path in self.mounts:
            return Trouble(path, "wrong", MOUNTED)
        try:
            fd = self._folders.open_at(name, DIR_FLAGS, base_fd)
        except OSError as error:
            return self._folders.note(trouble(path, error))
        try:
            if self.blind and os.fstat(fd).st_dev != self._folders.dev:
                return Trouble(path, "wrong", MOUNTED)
            entries = self._shape(entries_of(fd))
            found: dict[str, bytes | Trouble] = {}
            flags = _FILE_FLAGS | self.noatime
            for file in files:
                if file in entries:
                    plain = entries[file] == "file" and not self.blind
                    data = short(fd, file, flags) if plain else None
                    found[file] = self._slurp(fd, file, f"{path}/{file}", SMALL) if data is None else data
        except OSError as error:
            return self._folders.note(trouble(path, error))
        finally:
            os.close(fd)
        return Row(entries, found)

    def _shape(self, entries: dict[str, str]) -> dict[str, str]:
        """One object for all folders that hold the same names: of 100,000 driver dirs nearly all do."""
        key = tuple(entries.items())
        return self._shapes.get(key) or self._shapes.setdefault(key, entries)

    def _slurp(self, dir_fd: int, name: str, path: str, limit: int, take: Take = all_of) -> bytes | Trouble:
        try:
            fd = self._folders.open_at(name, _FILE_FLAGS, dir_fd)
        except OSError as error:
            return self._folders.note(trouble(path, error))
        try:
            facts = os.fstat(fd)
            if not stat.S_ISREG(facts.st_mode):
                return Trouble(path, "wrong", f"a {kind_of(facts.st_mode)} where a file belongs")
            if self.blind and facts.st_dev != self._folders.dev:
                return Trouble(path, "wrong", MOUNTED)
            if facts.st_size > limit and take is all_of:
                return Trouble(path, "wrong", f"{facts.st_size} bytes, more than the {limit} that are read")
            return take(fd, facts.st_size, limit)
        except OSError as error:
            return self._folders.note(trouble(path, error))
        finally:
            os.close(fd)
